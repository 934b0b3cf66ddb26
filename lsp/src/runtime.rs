//! Where everything of a workspace lives on this machine: socket, lock, log,
//! settings, what syncs remember. Knows paths and rights, nothing of what is
//! written there.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// The name of the configuration file, which marks a workspace root.
pub const CONFIG_NAME: &str = "towline.yaml";

/// `sun_path` holds 108 bytes with the final NUL.
const SOCKET_PATH_MAX: usize = 107;

/// Length of `/<id>.sock` behind the runtime directory.
const SOCKET_NAME_LEN: usize = 1 + ID_LEN + 5;

/// Hex digits of a workspace's id: 64 bits, so that two roots on one machine
/// do not meet, and short enough for a socket's name.
const ID_LEN: usize = 16;

/// Why a directory of ours cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The workspace does not exist or cannot be read.
    #[error("unable to use {} as the workspace", path.display())]
    Workspace {
        /// As it was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A directory could not be made.
    #[error("unable to make the directory {}", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could read or replace our sockets.
    #[error("{} is not safe to use: {reason}", path.display())]
    Unsafe {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("unable to use the file {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The two directories of this user, made and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// Sockets and locks; gone after a reboot.
    pub runtime: PathBuf,
    /// Settings, ancestors and logs; stays.
    pub state: PathBuf,
}

/// One workspace root and its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The canonical root.
    pub root: PathBuf,
    /// Stands for the root in file names.
    pub id: String,
    dirs: Dirs,
}

impl Dirs {
    /// Finds, makes and checks the directories.
    ///
    /// # Errors
    /// See [`RuntimeError`].
    pub fn of_user() -> Result<Self, RuntimeError> {
        let uid = rustix::process::getuid().as_raw();
        let fallback = std::env::temp_dir().join(format!("towline-{uid}"));
        let runtime = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
            .map(|dir| dir.join("towline"))
            .filter(|dir| dir.as_os_str().len() + SOCKET_NAME_LEN <= SOCKET_PATH_MAX)
            .unwrap_or_else(|| fallback.clone());
        let state =
            dirs::state_dir().map_or_else(|| fallback.join("state"), |dir| dir.join("towline"));
        private_dir(&runtime)?;
        private_dir(&state)?;
        Ok(Self { runtime, state })
    }

    /// The workspace with this id, as its files know it.
    pub fn workspace(&self, root: PathBuf) -> Workspace {
        Workspace { id: id_of(&root), root, dirs: self.clone() }
    }
}

impl Workspace {
    /// The workspace that a command means: `chosen`, or the nearest directory
    /// from `cwd` up that `is_root` knows, or `cwd`.
    ///
    /// # Errors
    /// [`RuntimeError::Workspace`] when the directory cannot be used.
    pub fn find(
        dirs: &Dirs,
        chosen: Option<&Path>,
        cwd: &Path,
        is_root: impl Fn(&Workspace) -> bool,
    ) -> Result<Self, RuntimeError> {
        let start = chosen.unwrap_or(cwd);
        let canonical = start.canonicalize().and_then(|path| {
            if path.is_dir() { Ok(path) } else { Err(io::ErrorKind::NotADirectory.into()) }
        });
        let canonical = canonical
            .map_err(|source| RuntimeError::Workspace { path: start.to_owned(), source })?;
        if chosen.is_none() {
            for ancestor in canonical.ancestors() {
                let workspace = dirs.workspace(ancestor.to_owned());
                if is_root(&workspace) {
                    return Ok(workspace);
                }
            }
        }
        Ok(dirs.workspace(canonical))
    }

    /// A workspace that is known by its files only; its root is not.
    pub fn known(dirs: &Dirs, id: &str) -> Self {
        Self { root: PathBuf::new(), id: id.to_owned(), dirs: dirs.clone() }
    }

    /// Whether the directory holds a configuration file.
    pub fn has_config(&self) -> bool {
        self.config().is_file()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG_NAME)
    }

    /// Where the hub listens.
    pub fn socket(&self) -> PathBuf {
        self.dirs.runtime.join(format!("{}.sock", self.id))
    }

    /// Held by the hub while it lives.
    pub fn lock(&self) -> PathBuf {
        self.dirs.runtime.join(format!("{}.lock", self.id))
    }

    /// What stays between hubs.
    pub fn state_dir(&self) -> PathBuf {
        self.dirs.state.join(&self.id)
    }

    /// What the hub was last asked to keep up.
    pub fn settings(&self) -> PathBuf {
        self.state_dir().join("settings.json")
    }

    /// The hub's log.
    pub fn log(&self) -> PathBuf {
        self.state_dir().join("hub.log")
    }

    /// Where the agent of a `local:` target keeps its own files.
    pub fn agent_dir(&self) -> PathBuf {
        self.state_dir().join("agent")
    }

    /// Names this workspace on machines that others use as well: another one on
    /// each machine and for each user, and the same for as long as the state
    /// directory lives.
    ///
    /// # Errors
    /// [`RuntimeError::File`].
    pub fn remote_id(&self) -> Result<String, RuntimeError> {
        if let Some(id) = self.known_remote_id() {
            return Ok(id);
        }
        let path = self.state_dir().join("id");
        let mut key = [0; ID_LEN / 2];
        protocol::io::random(&mut key)
            .map_err(|source| RuntimeError::File { path: path.clone(), source })?;
        let id: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        write_atomic(&path, id.as_bytes())?;
        Ok(id)
    }

    /// The name that [`Workspace::remote_id`] gave before, if it did.
    pub fn known_remote_id(&self) -> Option<String> {
        let id = std::fs::read_to_string(self.state_dir().join("id")).ok()?;
        let is_id = id.len() == ID_LEN && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then_some(id)
    }

    /// Where a sync keeps its ancestor and trash.
    pub fn sync_dir(&self, name: &str) -> PathBuf {
        self.state_dir().join("sync").join(id_of(Path::new(name)))
    }

    /// Contents of the target that an editor was shown; they go with the hub.
    pub fn shown_dir(&self) -> PathBuf {
        self.state_dir().join("target")
    }

    /// Makes the state directory.
    ///
    /// # Errors
    /// [`RuntimeError::Create`].
    pub fn prepare(&self) -> Result<(), RuntimeError> {
        private_dir(&self.state_dir())
    }

    /// Takes the lock of the workspace's hub; `None` when a hub has it.
    ///
    /// # Errors
    /// [`RuntimeError::File`].
    pub fn try_lock(&self) -> Result<Option<File>, RuntimeError> {
        try_lock(&self.lock())
    }

    /// The process that holds the lock, as it wrote itself down.
    pub fn lock_holder(&self) -> Option<u32> {
        std::fs::read_to_string(self.lock()).ok()?.trim().parse().ok()
    }
}

/// Takes the lock at `path` and writes this process down in it; `None` when
/// another process holds it. Only its holder may remove the file: a process that
/// had it open already then notices and tries again with the new one.
///
/// # Errors
/// [`RuntimeError::File`].
pub fn try_lock(path: &Path) -> Result<Option<File>, RuntimeError> {
    let failed = |source| RuntimeError::File { path: path.to_owned(), source };
    loop {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(failed(error.into())),
        }
        // The last holder may have removed the file between our open and our lock.
        let same = std::fs::metadata(path)
            .is_ok_and(|now| file.metadata().is_ok_and(|then| now.ino() == then.ino()));
        if !same {
            continue;
        }
        file.set_len(0).map_err(failed)?;
        (&file).write_all(std::process::id().to_string().as_bytes()).map_err(failed)?;
        return Ok(Some(file));
    }
}

/// Replaces a file so that a crash leaves the old or the new content.
///
/// # Errors
/// [`RuntimeError::File`].
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), RuntimeError> {
    let temporary = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| RuntimeError::File { path: path.to_owned(), source })
}

/// Sixteen hex digits that stand for a path.
pub fn id_of(path: &Path) -> String {
    let digest = blake3::hash(path.as_os_str().as_encoded_bytes());
    digest.to_hex()[..ID_LEN].to_owned()
}

/// Makes `path` for this user only, or checks that it is so already.
fn private_dir(path: &Path) -> Result<(), RuntimeError> {
    let failed = |source| RuntimeError::Create { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(failed)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    // Not following links: in a shared temp directory anybody can make one.
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    let refuse = |reason: &str| {
        Err(RuntimeError::Unsafe { path: path.to_owned(), reason: reason.to_owned() })
    };
    if !metadata.is_dir() {
        return refuse("it is not a directory");
    }
    if metadata.uid() != rustix::process::getuid().as_raw() {
        return refuse("it belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return refuse("others may write to it");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dirs(base: &Path) -> Dirs {
        let dirs = Dirs { runtime: base.join("run"), state: base.join("state") };
        private_dir(&dirs.runtime).unwrap();
        private_dir(&dirs.state).unwrap();
        dirs
    }

    #[test]
    fn a_subfolder_belongs_to_the_nearest_marked_ancestor() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        let dirs = dirs(&base);
        std::fs::create_dir_all(base.join("project/src/deep")).unwrap();
        std::fs::write(base.join("project").join(CONFIG_NAME), "").unwrap();
        let deep = base.join("project/src/deep");
        let find = |chosen: Option<&Path>| {
            Workspace::find(&dirs, chosen, &deep, Workspace::has_config).unwrap().root
        };
        assert_eq!(find(None), base.join("project"));
        assert_eq!(find(Some(&deep)), deep, "a chosen directory is taken as it is");
    }

    #[test]
    fn a_missing_workspace_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let missing = base.path().join("missing");
        let found = Workspace::find(&dirs(base.path()), Some(&missing), base.path(), |_| false);
        assert!(matches!(found, Err(RuntimeError::Workspace { .. })));
    }

    #[test]
    fn a_lock_is_held_once_and_is_free_after_its_holder() {
        let base = tempfile::tempdir().unwrap();
        let workspace = dirs(base.path()).workspace(base.path().to_owned());
        let held = workspace.try_lock().unwrap().unwrap();
        assert!(workspace.try_lock().unwrap().is_none());
        assert_eq!(workspace.lock_holder(), Some(std::process::id()));
        drop(held);
        assert!(workspace.try_lock().unwrap().is_some());
    }

    #[test]
    fn a_directory_that_others_may_write_to_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("open");
        std::fs::create_dir(&dir).unwrap();
        std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(private_dir(&dir), Err(RuntimeError::Unsafe { .. })));
    }
}
