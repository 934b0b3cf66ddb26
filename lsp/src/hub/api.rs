//! What faces and the hub say to each other on the Unix socket: one JSON line
//! each, a request and then replies. After [`Reply::Raw`] the connection is a
//! stream of the agent's: its `Opened` frame, then what belongs to the feature. Private to one version of `towline`:
//! what scripts may rely on is printed by `--json`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::config::Settings;
use crate::status::FailureCode;
use protocol::limits::API_LINE_MAX;

/// The first line on a connection.
#[derive(Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// The face's version; the hub serves only its own.
    pub version: String,
    /// What is wanted.
    pub request: Request,
}

/// What a face wants.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Keep this up, and say when it is. Without settings: what is up already.
    Up {
        /// What.
        settings: Option<Settings>,
        /// Also when something else is up.
        replace: bool,
    },
    /// End everything and the hub.
    Down,
    /// How everything is: once, or at each change.
    Status {
        /// At each change.
        watch: bool,
    },
    /// The same at each change that is more than another byte count: for those who are
    /// there all day.
    Follow,
    /// Open one more port.
    ForwardAdd {
        /// As the user writes it.
        spec: String,
        /// Whether a taken local port is an error.
        strict: bool,
    },
    /// Close one.
    ForwardRemove {
        /// Its spec or its local port.
        spec: String,
    },
    /// Something about one sync, or all of them.
    Sync {
        /// Which; none for all.
        name: Option<String>,
        /// What.
        action: SyncAction,
    },
    /// Restart the app.
    Restart,
    /// A command or terminal; raw.
    Exec {
        /// Program and arguments; empty for a shell.
        argv: Vec<String>,
        /// Where.
        cwd: Option<String>,
        /// With what added to its environment.
        env: Vec<(String, String)>,
        /// Rows and columns of its terminal, if it gets one.
        tty: Option<(u16, u16)>,
    },
    /// The app's output; raw.
    Logs {
        /// Only the last so many lines.
        tail: Option<u32>,
        /// Go on.
        follow: bool,
    },
    /// One look at the target's files, or one change of their names; raw.
    Files(FilesRequest),
    /// What a host's name is from the target; raw.
    Resolve {
        /// The name.
        host: String,
    },
    /// The target's processes, or all that can be seen there; raw.
    Processes {
        /// All.
        all: bool,
    },
    /// A debug session; raw, and from then on DAP.
    Debug(crate::debug::session::Wanted),
    /// Files into the target; raw.
    CopyIn {
        /// Where to.
        path: String,
    },
    /// Files out of the target; raw.
    CopyOut {
        /// From where.
        path: String,
    },
}

/// See [`protocol::wire::files::Files`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilesRequest {
    /// The entries of a directory behind a name.
    List(String, Option<Vec<u8>>),
    /// What is there.
    Stat(String),
    /// Take it away; with all that is in it.
    Remove(String, bool),
    /// Another name; though it is taken.
    Rename(String, String, bool),
    /// Make a directory.
    MakeDirectory(String),
    /// Look for a text, behind a path.
    Search {
        /// Where.
        path: String,
        /// What.
        text: String,
        /// Whether `a` is another letter than `A`.
        match_case: bool,
        /// Only behind this path below it.
        after: Option<Vec<u8>>,
    },
}

/// What to do with a sync.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncAction {
    /// Carry nothing.
    Pause,
    /// Go on.
    Resume(ResumeHow),
    /// An editor has just saved something: look at once, whatever the watch says.
    Saved,
    /// Until every edit made before is there.
    Wait,
    /// Explain what is decided for a path.
    Why(String),
    /// List.
    Conflicts,
    /// End one.
    Resolve(String, KeepWhat),
    /// Bring back what was displaced.
    Undo(Option<String>),
}

/// See `lsp::sync::Resume`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResumeHow {
    /// A brake stays.
    Plain,
    /// The deletions are wanted.
    Delete,
    /// They are not.
    Restore,
}

/// See `lsp::sync::Keep`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Keep"))]
#[serde(rename_all = "snake_case")]
pub enum KeepWhat {
    /// The local content.
    Local,
    /// The target's.
    Target,
    /// Both, one beside the other.
    Both,
}

/// What the hub says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// How it is meanwhile; more replies follow.
    Progress(Value),
    /// The last reply.
    Done(Value),
    /// The last line: the agent's frames follow.
    Raw,
    /// The last reply.
    Failed(Failure),
}

/// Why a request failed, for a program and for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What a script decides on.
    pub code: FailureCode,
    /// A full sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Failure {
    /// A failure without advice.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// The same with advice.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Why a line could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The socket failed.
    #[error("the connection to the hub failed")]
    Io(#[from] std::io::Error),
    /// It ended where a line had to come.
    #[error("the hub ended the connection early")]
    Ended,
    /// A line over the limit.
    #[error("a line is over {API_LINE_MAX} bytes long")]
    TooLong,
    /// A line that is none of ours.
    #[error("a line could not be understood")]
    Malformed(#[from] serde_json::Error),
}

/// Writes one line.
///
/// # Errors
/// See [`ApiError`].
pub async fn write_line<T: Serialize>(
    tx: &mut (impl AsyncWrite + Unpin),
    value: &T,
) -> Result<(), ApiError> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    if line.len() > API_LINE_MAX {
        return Err(ApiError::TooLong);
    }
    tx.write_all(&line).await?;
    Ok(())
}

/// Reads one line and not a byte more than what `rx` buffers.
///
/// # Errors
/// See [`ApiError`].
pub async fn read_line<T: for<'de> Deserialize<'de>>(
    rx: &mut (impl AsyncBufRead + Unpin),
) -> Result<T, ApiError> {
    let mut line = Vec::new();
    rx.take(API_LINE_MAX as u64).read_until(b'\n', &mut line).await?;
    match line.last() {
        None => Err(ApiError::Ended),
        Some(b'\n') => Ok(serde_json::from_slice(&line)?),
        Some(_) if line.len() == API_LINE_MAX => Err(ApiError::TooLong),
        Some(_) => Err(ApiError::Ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::BufReader;

    fn read(bytes: &[u8]) -> Result<Envelope, ApiError> {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(read_line(&mut BufReader::new(bytes)))
    }

    #[test]
    fn lines_survive_the_way_and_garbage_is_refused() {
        let envelope = Envelope {
            version: "1".to_owned(),
            request: Request::Sync {
                name: None,
                action: SyncAction::Resolve("a".to_owned(), KeepWhat::Both),
            },
        };
        let mut line = serde_json::to_vec(&envelope).unwrap();
        line.push(b'\n');
        assert!(matches!(read(&line).unwrap().request, Request::Sync { .. }));
        assert!(matches!(read(b""), Err(ApiError::Ended)));
        assert!(matches!(read(b"{\"version\""), Err(ApiError::Ended)));
        assert!(matches!(read(b"{}\n"), Err(ApiError::Malformed(_))));
        assert!(matches!(read(&[b'x'; API_LINE_MAX + 1]), Err(ApiError::TooLong)));
    }
}
