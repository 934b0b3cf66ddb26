//! `agent-image`: the agent's image, written to a file.

use std::path::Path;

use protocol::version::VERSION;
use serde_json::json;

use super::flags::{self, Global};
use super::output;
use crate::cluster::agent_file::{self, AgentFile};
use crate::cluster::agent_image::{self, ImageError};
use crate::cluster::error::ClusterError;
use crate::face::error::FaceError;

/// Writes the archive and says what is in it.
///
/// # Errors
/// What to tell the user.
pub fn write(global: &Global, image: &flags::AgentImage) -> Result<(), FaceError> {
    let mut agents = vec![given(agent_file::load(), None)?];
    for add in &image.add {
        let (named, file) = add.split_once('=').ok_or_else(|| {
            FaceError::usage(format!("`{add}` names no architecture"))
                .help("write ARCH=FILE, as in --add arm64=target/towline-agent-arm64")
        })?;
        agents.push(given(agent_file::read(Path::new(file)), Some(named))?);
    }
    let agents: Vec<_> = agents.iter().map(|(of, agent)| (*of, agent)).collect();
    let archive = agent_image::pack(&agents).map_err(|error| refused(&error))?;
    let out = image.out.display();
    std::fs::write(&image.out, &archive.bytes)
        .map_err(|error| FaceError::tried(&format!("unable to write {out}"), &error))?;
    let platforms: Vec<String> = agents.iter().map(|(of, _)| format!("linux/{of}")).collect();
    if global.json {
        output::json_line(&json!({
            "schema": 1,
            "archive": out.to_string(),
            "digest": archive.digest,
            "tag": VERSION,
            "platforms": platforms,
        }));
        return Ok(());
    }
    let size = output::bytes(archive.bytes.len() as u64);
    output::line(&format!("{out}: {}:{VERSION}, {size}", agent_image::NAME));
    output::line(&format!("  for {}", platforms.join(", ")));
    output::line(&format!("  {}", archive.digest));
    Ok(())
}

/// An agent and the architecture it is for.
fn given(
    read: Result<AgentFile, ClusterError>,
    named: Option<&str>,
) -> Result<(&'static str, AgentFile), FaceError> {
    let agent = read.map_err(|error| FaceError::new(error.to_string()))?;
    let of = agent_image::architecture(&agent, named).map_err(|error| refused(&error))?;
    Ok((of, agent))
}

fn refused(error: &ImageError) -> FaceError {
    match error {
        ImageError::Pack(_) => FaceError::new(crate::chain(error)),
        _ => FaceError::usage(error.to_string()),
    }
}
