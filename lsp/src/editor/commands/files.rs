//! Commands about the target's files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use protocol::io::framed;
use protocol::limits::{FILES_LISTED_MAX, REMOTE_FILE_MAX};
use protocol::path::{shown, typed};
use protocol::wire::copy::Attributes;
use protocol::wire::files::{Facts, FileKind, FilesReply};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Session, plain_path};
use crate::editor::watch::target_text;
use crate::face::error::FaceError;
use crate::face::stream;
use crate::hub::api::{FilesRequest, Request};
use crate::remote::files;
use crate::runtime::Workspace;
use crate::status::FailureCode;

/// A path as the target names it.
#[derive(Debug, Deserialize)]
pub struct Named {
    pub path: String,
}

#[derive(Debug, Deserialize)]
pub struct Removed {
    pub path: String,
    #[serde(default)]
    pub recursive: bool,
}

#[derive(Debug, Deserialize)]
pub struct Renamed {
    pub from: String,
    pub to: String,
    #[serde(default)]
    pub overwrite: bool,
}

#[derive(Debug, Deserialize)]
pub struct Written {
    path: String,
    base64: String,
    #[serde(default)]
    create: bool,
    #[serde(default)]
    overwrite: bool,
}

/// A directory of the target, as far as an editor shows one.
pub async fn list(workspace: &Workspace, Named { path }: Named) -> Result<Value, FaceError> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let request = FilesRequest::List(path.clone(), after.take());
        let FilesReply::Entries { entries, more } = ask(workspace, request).await? else {
            return Err(strange());
        };
        let last = entries.last().map(|entry| entry.name.clone());
        listed.extend(entries.iter().map(|entry| {
            let mut value = facts(&entry.facts);
            value["name"] = json!(shown(&entry.name));
            value
        }));
        if !more || last.is_none() || listed.len() >= FILES_LISTED_MAX {
            return Ok(json!({ "entries": listed, "more": more }));
        }
        after = last;
    }
}

/// One request about the target's files.
pub async fn change(workspace: &Workspace, request: FilesRequest) -> Result<Value, FaceError> {
    match ask(workspace, request).await? {
        FilesReply::Facts(found) => Ok(facts(&found)),
        FilesReply::Done => Ok(json!({})),
        FilesReply::Entries { .. } => Err(strange()),
    }
}

/// A file's content.
pub async fn read(workspace: &Workspace, Named { path }: Named) -> Result<Value, FaceError> {
    let content = content(workspace, &path).await?;
    Ok(json!({ "base64": BASE64.encode(&content), "size": content.len() }))
}

async fn content(workspace: &Workspace, path: &str) -> Result<Vec<u8>, FaceError> {
    let (rx, _tx) = stream::open(workspace, Request::CopyOut { path: path.to_owned() }).await?;
    let tried = format!("unable to read `{path}` of the target");
    files::read(rx).await.map_err(|error| FaceError::tried(&tried, &error))
}

/// Writes one, whole.
pub async fn write(workspace: &Workspace, written: Written) -> Result<Value, FaceError> {
    let Written { path, base64, create, overwrite } = written;
    let tried = format!("unable to write `{path}` of the target");
    if base64.len() / 4 * 3 > REMOTE_FILE_MAX + 3 {
        return Err(FaceError::tried(&tried, &files::FileError::TooLong));
    }
    let content = BASE64.decode(base64).map_err(|error| FaceError::tried(&tried, &error))?;
    let before = ask(workspace, FilesRequest::Stat(path.clone())).await;
    let mode = match &before {
        Ok(FilesReply::Facts(found)) if found.kind == FileKind::Directory => {
            return Err(FaceError::new(format!("{tried}: it is a directory")));
        }
        Ok(_) if !overwrite => {
            return Err(FaceError::new(format!("{tried}: there is something already")));
        }
        Ok(FilesReply::Facts(found)) => found.mode,
        Ok(_) => 0o644,
        Err(error) if error.0.code == FailureCode::Unreachable => {
            return Err(FaceError::new(format!("{tried}: {error}")));
        }
        Err(_) if !create => {
            return Err(FaceError::new(format!("{tried}: there is no such file")));
        }
        Err(_) => 0o644,
    };
    let (rx, tx) = stream::open(workspace, Request::CopyIn { path: path.clone() }).await?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default(); // before 1970 is as good as at its start
    let attributes = Attributes {
        mode,
        mtime_s: i64::try_from(now.as_secs()).unwrap_or_default(),
        mtime_ns: now.subsec_nanos(),
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    let written = files::write(rx, tx, &typed(name), &content, attributes).await;
    written.map_err(|error| FaceError::tried(&tried, &error))?;
    Ok(json!({}))
}

/// Both contents of a synced file.
pub async fn difference(session: &Session, Named { path }: Named) -> Result<Value, FaceError> {
    let path = plain_path(&path);
    let file = session.workspace.root.join(&path);
    let remote = session.remote_of(&file).await;
    let remote = remote.ok_or_else(|| FaceError::new(format!("`{path}` is in no sync")))?;
    let target = target_text(&session.workspace, &remote).await?;
    let local = match tokio::fs::read_to_string(&file).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(FaceError::tried(&format!("unable to read `{path}`"), &error)),
    };
    let uri = crate::editor::facts::uri_of(&file);
    Ok(json!({ "local": local, "target": target, "localUri": uri, "remote": remote }))
}

async fn ask(workspace: &Workspace, request: FilesRequest) -> Result<FilesReply, FaceError> {
    let (mut rx, _tx) = stream::open(workspace, Request::Files(request)).await?;
    framed::read(&mut rx)
        .await
        .map_err(|error| FaceError::tried("unable to look at the target's files", &error))
}

fn facts(facts: &Facts) -> Value {
    let kind = match facts.kind {
        FileKind::File => "file",
        FileKind::Directory => "directory",
        FileKind::Link => "link",
        FileKind::Other => "other",
    };
    json!({ "kind": kind, "size": facts.size, "mtime_us": facts.mtime_us, "mode": facts.mode })
}

fn strange() -> FaceError {
    FaceError::new("the agent gave another answer than was asked for")
}
