//! Brings debugpy to a target that lacks it: found on this machine, sent once for each
//! content, checked there by its digest.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use protocol::io::connection::{Connection, OpenError};
use protocol::io::framed::{self, FrameError};
use protocol::limits::{ADAPTER_BYTES_MAX, ADAPTER_FILES_MAX, FRAME_LEN_MAX};
use protocol::wire::debug::{OpenUpload, UploadPiece, Uploaded};
use protocol::wire::stream::{Open, Priority};
use tokio::process::Command;

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum BringError {
    /// Nowhere.
    #[error(
        "debugpy is neither on the target nor here: `pip install debugpy` on either side, or name \
         its directory in TOWLINE_DEBUGPY"
    )]
    Nowhere,
    /// It cannot be read.
    #[error("unable to read debugpy in {}", path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The link.
    #[error("unable to bring debugpy to the target")]
    Open(#[from] OpenError),
    /// The link.
    #[error("unable to bring debugpy to the target")]
    Frame(#[from] FrameError),
    /// The agent.
    #[error("{0}")]
    There(String),
}

/// What of it is needed there: no sources of its compiled parts, nothing of other systems.
const KEPT: &[&str] = &["py", "so", "json", "pyi"];

const LOOK_PATIENCE: Duration = Duration::from_secs(10);

/// Finds debugpy here and brings it; returns its directory there.
///
/// # Errors
/// See [`BringError`].
pub async fn debugpy(connection: &Connection) -> Result<String, BringError> {
    let folder = find().await.ok_or(BringError::Nowhere)?;
    let reading = folder.clone();
    let read = tokio::task::spawn_blocking(move || read(&reading)).await;
    let unreadable = |source| BringError::Unreadable { path: folder.clone(), source };
    let files = read.map_err(|error| unreadable(std::io::Error::other(error)))?;
    let files = files.map_err(unreadable)?;
    let line =
        |(path, bytes): &(String, Vec<u8>)| format!("{path} {}\n", protocol::io::digest(bytes));
    let list: String = files.iter().map(line).collect();
    let digest = protocol::io::digest(list.as_bytes());
    let open = Open::Upload(OpenUpload { name: "debugpy".to_owned(), digest });
    let mut channel = connection.open(&open, Priority::Terminal).await?;
    let mut answer: Uploaded = framed::read(&mut channel.rx).await?;
    if answer == Uploaded::Wanted {
        for (path, bytes) in files {
            framed::write(&mut channel.tx, &UploadPiece::File { path, bytes }).await?;
        }
        framed::write(&mut channel.tx, &UploadPiece::End).await?;
        answer = framed::read(&mut channel.rx).await?;
    }
    match answer {
        Uploaded::There(place) => Ok(place),
        Uploaded::Failed(error) => Err(BringError::There(error.message)),
        Uploaded::Wanted => Err(BringError::There("the agent asks without end".to_owned())),
    }
}

/// The directory that holds it: named, of a Python here, or of an editor.
async fn find() -> Option<PathBuf> {
    let has = |folder: &PathBuf| folder.join("debugpy/adapter").is_dir();
    if let Some(named) = std::env::var_os("TOWLINE_DEBUGPY").map(PathBuf::from) {
        return Some(named).filter(has);
    }
    for python in ["python3", "python"] {
        let mut command = Command::new(python);
        let code = "import importlib.util, os.path\n\
            spec = importlib.util.find_spec('debugpy')\n\
            print(os.path.dirname(os.path.dirname(spec.origin)) if spec else '')";
        command.args(["-c", code]).stdin(Stdio::null()).kill_on_drop(true);
        if let Ok(Ok(output)) = tokio::time::timeout(LOOK_PATIENCE, command.output()).await {
            let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            if has(&folder) {
                return Some(folder);
            }
        }
    }
    editors().into_iter().find(has)
}

/// Where editors keep it.
fn editors() -> Vec<PathBuf> {
    let Some(home) = dirs::home_dir() else { return Vec::new() };
    let mut found = Vec::new();
    let mut below = |folder: PathBuf, prefix: &str, rest: &str| {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.push(entry.path().join(rest));
            }
        }
    };
    for editor in [".vscode", ".vscode-server", ".vscode-oss"] {
        below(home.join(editor).join("extensions"), "ms-python.debugpy", "bundled/libs");
    }
    let mason = home.join(".local/share/nvim/mason/packages/debugpy/venv/lib");
    below(mason, "python3", "site-packages");
    found
}

/// Its files in order, with paths that begin with `debugpy/`.
fn read(folder: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let (mut folders, mut total) = (vec![folder.join("debugpy")], 0);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            let kept = path.extension().is_some_and(|end| KEPT.iter().any(|kept| end == *kept));
            if path.is_dir() && !path.ends_with("__pycache__") {
                folders.push(path);
            } else if kept && let Some(name) = path.strip_prefix(folder).ok().and_then(Path::to_str)
            {
                let bytes = std::fs::read(&path)?;
                total += bytes.len();
                let fits = bytes.len() + name.len() + 64 < FRAME_LEN_MAX;
                if fits && files.len() < ADAPTER_FILES_MAX && total < ADAPTER_BYTES_MAX {
                    files.push((name.to_owned(), bytes));
                }
            }
        }
    }
    files.sort_unstable();
    Ok(files)
}
