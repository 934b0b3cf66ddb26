//! What the user names as the other side: parsed once, checked before anything
//! is started. Knows no carrier.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::cluster::workload::Workload;

/// A parsed target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A directory of this machine that stands for a container's root.
    Local(PathBuf),
    /// A container of a workload on Kubernetes.
    Workload(Workload),
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The text names no kind of target that there is.
    #[error("`{text}` is no target: {reason}")]
    Malformed {
        /// What was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// It does not exist.
    #[error("the target directory {} does not exist", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It is something else.
    #[error("the target {} is not a directory", path.display())]
    NotADirectory {
        /// Which.
        path: PathBuf,
    },
    /// Nothing can be written there.
    #[error("the target directory {} is not writable", path.display())]
    NotWritable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has no room.
    #[error("the file system of the target directory {} is full", path.display())]
    Full {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot be looked at.
    #[error("unable to look at the target directory {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl TargetError {
    /// What the user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => {
                "name a workload (deploy/api -c app -n shop), or a directory of this machine \
                 (local:DIR)"
            }
            Self::Missing { .. } => "make it first (mkdir -p), or name another one: local:DIR",
            Self::NotADirectory { .. } => "name a directory: local:DIR",
            Self::NotWritable { .. } | Self::Unreadable { .. } => {
                "change its rights (chmod, chown), or name a directory that is yours"
            }
            Self::Full { .. } => "make room there, or name a directory on another disk",
        }
    }
}

impl Target {
    /// Parses `text`; a relative directory is seen from `base`.
    ///
    /// # Errors
    /// [`TargetError::Malformed`].
    pub fn parse(text: &str, base: &Path) -> Result<Self, TargetError> {
        let malformed = |reason: String| TargetError::Malformed { text: text.to_owned(), reason };
        match text.split_once(':') {
            Some(("local", "")) => Err(malformed("a directory has to follow `local:`".into())),
            Some(("local", dir)) => Ok(Self::Local(base.join(dir))),
            Some((kind, _)) if !kind.contains('/') => {
                Err(malformed(format!("there is no kind of target `{kind}:`")))
            }
            _ => Workload::parse(text).map(Self::Workload).map_err(malformed),
        }
    }

    /// Checks that the target is there and can be written to, and names it
    /// canonically.
    ///
    /// # Errors
    /// See [`TargetError`].
    pub fn check(&self) -> Result<Self, TargetError> {
        let dir = match self {
            Self::Local(dir) => dir,
            // The cluster is asked when the link is made.
            Self::Workload(_) => return Ok(self.clone()),
        };
        let path = dir.canonicalize().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TargetError::Missing { path: dir.clone() },
            io::ErrorKind::NotADirectory => TargetError::NotADirectory { path: dir.clone() },
            _ => TargetError::Unreadable { path: dir.clone(), source },
        })?;
        if !path.is_dir() {
            return Err(TargetError::NotADirectory { path });
        }
        match probe(&path) {
            Ok(()) => Ok(Self::Local(path)),
            Err(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                ) =>
            {
                Err(TargetError::Full { path, source })
            }
            Err(source) => Err(TargetError::NotWritable { path, source }),
        }
    }

    /// Where a path of the target is on this machine, if it is on this machine.
    pub fn locate(&self, path: &str) -> Option<PathBuf> {
        match self {
            Self::Local(dir) => Some(dir.join(path.trim_start_matches('/'))),
            Self::Workload(_) => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(dir) => write!(f, "local:{}", dir.display()),
            Self::Workload(workload) => workload.fmt(f),
        }
    }
}

/// Writes one block without a name, so that nobody ever sees it.
fn probe(dir: &Path) -> io::Result<()> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(dir, flags, Mode::from_raw_mode(0o600)) {
        Ok(fd) => std::fs::File::from(fd),
        // Not every file system can make files without a name.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => {
            let path = dir.join(format!(".towline-probe-{}", std::process::id()));
            let file = std::fs::File::create_new(&path)?;
            std::fs::remove_file(&path)?;
            file
        }
        Err(error) => return Err(error.into()),
    };
    (&file).write_all(&[0x74; 4096])?;
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_parsed_from_the_workspace() {
        let base = Path::new("/work/here");
        let parse = |text| Target::parse(text, base).map(|target| target.to_string());
        assert_eq!(parse("local:../there").unwrap(), "local:/work/here/../there");
        assert_eq!(parse("local:/there").unwrap(), "local:/there");
        assert_eq!(parse("deployment/api -n shop").unwrap(), "deploy/api -n shop");
        for wrong in ["", "there", "local:", "dep/api", "ssh:host", "Local:x"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_directory_is_told_from_what_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let check = |path: &Path| Target::Local(path.to_owned()).check();
        assert!(check(dir.path()).is_ok());
        assert!(matches!(check(&file), Err(TargetError::NotADirectory { .. })));
        assert!(matches!(check(&file.join("x")), Err(TargetError::NotADirectory { .. })));
        assert!(matches!(check(&dir.path().join("x")), Err(TargetError::Missing { .. })));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "the check leaves nothing");
    }
}
