//! Debuggers as every face offers them: the list of processes, how to connect, what
//! `towline.yaml` says of sources.

use protocol::io::framed::FrameError;
use protocol::wire::debug::ProcessEntry;
use serde_json::Value;

use super::error::FaceError;
use super::stream;
use crate::config::file;
use crate::debug::{hints, map, pick, processes};
use crate::hub::api::Request;
use crate::runtime::{CONFIG_NAME, Workspace};

/// The target's processes.
///
/// # Errors
/// What to tell the user.
pub async fn list(workspace: &Workspace, all: bool) -> Result<Vec<ProcessEntry>, FaceError> {
    let (mut rx, _tx) = stream::open(workspace, Request::Processes { all }).await?;
    let failed = |error: FrameError| FaceError::tried("unable to list processes", &error);
    processes::read(&mut rx).await.map_err(failed)
}

/// How to connect to one of them.
///
/// # Errors
/// What to tell the user.
pub async fn hints(workspace: &Workspace, process: Option<&str>) -> Result<Value, FaceError> {
    let all = list(workspace, false).await?;
    let one = pick::pick(&all, process).map_err(|error| unpicked(&error))?;
    let row = processes::row(one);
    if row.attach.state != processes::AttachState::Yes {
        let reason = row.attach.reason.unwrap_or_default();
        let text = format!("no debugger can be attached to {} (process {})", one.name, one.pid);
        return Err(FaceError::new(text).help(format!("it needs {reason}")));
    }
    Ok(hints::document(row, &workspace.root.display().to_string()))
}

fn unpicked(error: &pick::PickError) -> FaceError {
    FaceError::usage(error.to_string())
        .help("`towline ps` shows what there is; name one by its id, as in `--process 7`")
}

/// What `towline.yaml` says of sources.
///
/// # Errors
/// What to tell the user.
pub fn configured(workspace: &Workspace) -> Result<Vec<(String, String)>, FaceError> {
    let read = file::read(&workspace.root.join(CONFIG_NAME));
    let file = read.map_err(|error| {
        let help = error.help();
        FaceError::usage(crate::chain(&error)).help(help)
    })?;
    let maps = file.and_then(|file| file.debug).unwrap_or_default().map;
    let parsed = maps.iter().map(|text| map::parse(text, &workspace.root));
    parsed.collect::<Result<_, _>>().map_err(FaceError::usage)
}
