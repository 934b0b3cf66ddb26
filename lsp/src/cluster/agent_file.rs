//! The agent's binary for containers: one static file, checked before it is used.

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
    /// What it runs on, as `uname -m` says it; none where we do not know the name.
    pub machine: Option<&'static str>,
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
    read(path)
}

/// Reads one that somebody named.
///
/// # Errors
/// [`ClusterError::NoAgent`].
pub fn read(path: &Path) -> Result<AgentFile, ClusterError> {
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
    let machine = machine(&bytes);
    Ok(AgentFile { bytes, digest, machine })
}

/// Whether an ELF file names no interpreter: a program header of type 3.
fn is_static(elf: &[u8]) -> bool {
    let header = || -> Option<bool> {
        if elf.get(..5)? != b"\x7fELF\x02" {
            return None;
        }
        let (start, size, count) = (number(elf, 32, 8)?, number(elf, 54, 2)?, number(elf, 56, 2)?);
        let has = (0..count).any(|index| number(elf, start + index * size, 4) == Some(3));
        Some(!has)
    };
    header().unwrap_or(false)
}

/// The machine that an ELF file is for.
fn machine(elf: &[u8]) -> Option<&'static str> {
    match number(elf, 18, 2)? {
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        _ => None,
    }
}

/// A number of an ELF file, of which we take little-endian ones only.
fn number(elf: &[u8], at: usize, len: usize) -> Option<usize> {
    let mut digits = elf.get(at..at.checked_add(len)?)?.iter().rev().copied().map(usize::from);
    digits.try_fold(0usize, |sum, digit| sum.checked_mul(256)?.checked_add(digit))
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
        elf[18] = 183;
        assert_eq!(machine(&elf), Some("aarch64"));
    }
}
