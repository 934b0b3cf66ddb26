//! The agent's binary for containers: one static file, checked before it is sent.

use std::path::{Path, PathBuf};

use super::error::ClusterError;
use crate::carrier::process::AGENT_VARIABLE;

/// Where `cargo agent-static` puts it, seen from where `cargo build` puts us.
const BUILT: &str = "../x86_64-unknown-linux-gnu/release/towline-agent";
/// What it is called beside an installed `towline`.
const BESIDE: &str = "towline-agent-static";

/// The agent.
pub struct AgentFile {
    /// All of it.
    pub bytes: Vec<u8>,
    /// BLAKE3 of it in hex.
    pub digest: String,
}

/// Finds and reads it.
///
/// # Errors
/// [`ClusterError::NoAgent`].
pub fn load() -> Result<AgentFile, ClusterError> {
    let named = std::env::var_os(AGENT_VARIABLE).map(PathBuf::from);
    let folder = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_owned));
    let beside = folder.iter().flat_map(|folder| [folder.join(BESIDE), folder.join(BUILT)]);
    let tried: Vec<PathBuf> = named.map_or_else(|| beside.collect(), |named| vec![named]);
    let Some(path) = tried.iter().find(|path| path.is_file()) else {
        let list: Vec<_> = tried.iter().map(|path| path.display().to_string()).collect();
        return Err(ClusterError::NoAgent(format!(
            "there is no static agent to put into a container: none of {} is a file; build it \
             with `cargo agent-static`, or set {AGENT_VARIABLE}",
            list.join(", ")
        )));
    };
    let bytes = std::fs::read(path).map_err(|error| {
        ClusterError::NoAgent(format!("unable to read the agent {}: {error}", path.display()))
    })?;
    if !is_static(&bytes) {
        return Err(ClusterError::NoAgent(format!(
            "the agent {} needs libraries that a container may not have; build a static one with \
             `cargo agent-static`",
            path.display()
        )));
    }
    let digest = protocol::io::digest(&bytes);
    Ok(AgentFile { bytes, digest })
}

/// Whether an ELF file names no interpreter: a program header of type 3.
fn is_static(elf: &[u8]) -> bool {
    let number = |at: usize, len: usize| -> Option<usize> {
        let bytes = elf.get(at..at + len)?;
        let mut digits = bytes.iter().rev().copied().map(usize::from);
        digits.try_fold(0usize, |sum, digit| sum.checked_mul(256)?.checked_add(digit))
    };
    let header = || -> Option<bool> {
        if elf.get(..5)? != b"\x7fELF\x02" {
            return None;
        }
        let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        let has = (0..count).any(|index| number(start + index * size, 4) == Some(3));
        Some(!has)
    };
    header().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_elf_file_without_interpreter_is_static() {
        assert!(!is_static(b""));
        assert!(!is_static(b"\x7fELF\x02"));
        assert!(!is_static(&[0x7f; 4096]));
        let mut elf = vec![0; 64 + 56];
        elf[..5].copy_from_slice(b"\x7fELF\x02");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        assert!(is_static(&elf));
        elf[64] = 3;
        assert!(!is_static(&elf));
    }
}
