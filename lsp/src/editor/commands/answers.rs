//! What commands answer that only editors have; see also [`crate::documents`].

use std::collections::BTreeMap;

use lsp_types::Url;
use protocol::wire::files::{Facts, FileKind as WireKind};
use serde::Serialize;

use crate::cluster::contexts::Context;

/// What there is to connect to.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Contexts {
    /// The current one first.
    pub contexts: Vec<Context>,
}

/// The namespaces of a context.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Namespaces {
    /// By name.
    pub namespaces: Vec<String>,
    /// Why they cannot be listed: few people may, and nobody needs to.
    pub problem: Option<String>,
}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A link that leads nowhere.
    Link,
    /// A device, a pipe, a socket.
    Other,
}

/// What is known of a file of the target without reading it.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileStat {
    /// What it is; of a link, what it leads to.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// Last change, microseconds since the Unix epoch.
    pub mtime_us: u64,
    /// Permission bits.
    pub mode: u32,
}

impl From<&Facts> for FileStat {
    fn from(facts: &Facts) -> Self {
        let kind = match facts.kind {
            WireKind::File => FileKind::File,
            WireKind::Directory => FileKind::Directory,
            WireKind::Link => FileKind::Link,
            WireKind::Other => FileKind::Other,
        };
        Self { kind, size: facts.size, mtime_us: facts.mtime_us, mode: facts.mode }
    }
}

/// An entry of a directory.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileEntry {
    /// Its name.
    pub name: String,
    /// What it is.
    #[serde(flatten)]
    pub stat: FileStat,
}

/// A directory of the target.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileEntries {
    /// In order of their names.
    pub entries: Vec<FileEntry>,
    /// Whether there are more than an editor shows.
    pub more: bool,
}

/// A file of the target, whole.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileContent {
    /// What is in it.
    pub base64: String,
    /// Bytes.
    pub size: usize,
}

/// Where a text was found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileMatch {
    /// The file, as the target names it.
    pub path: String,
    /// From 1.
    pub line: u32,
    /// From 0, in units of UTF-16.
    pub column: u32,
    /// The line, as far as a list shows it.
    pub text: String,
}

/// What a search found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct FileMatches {
    /// The first of each line, by path.
    pub matches: Vec<FileMatch>,
    /// Why it ended before everything was looked at, if it did.
    pub ended_early: Option<String>,
}

/// Both contents of a synced file.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// The one here.
    pub local: String,
    /// The target's.
    pub target: String,
    /// The file here.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub local_uri: Option<Url>,
    /// The file there, as the target names it.
    pub remote: String,
}

/// How a command went.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Executed {
    /// Its status, if it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// As much of it as an editor shows.
    pub stdout: String,
    /// See `stdout`.
    pub stderr: String,
}

/// The app's output.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogLines {
    /// Oldest first.
    pub lines: Vec<crate::remote::logs::Line>,
}

/// The environment of what runs on the target.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Environment {
    /// Values by name; those of secrets are masked unless one was asked for.
    pub env: BTreeMap<String, String>,
}

/// A port that something on the target listens at.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListeningPort {
    /// Which.
    pub port: u16,
    /// `any`, or `own` when only the target itself reaches it.
    pub address: String,
    /// Whether it is on localhost here.
    pub forwarded: bool,
}

/// What listens on the target.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ListeningPorts {
    /// By number.
    pub ports: Vec<ListeningPort>,
}

/// A path that is not synced any more.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Ignored {
    /// The line that was written.
    pub ignored: String,
}

/// A line for a terminal.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CommandLine {
    /// As it is typed.
    pub command: String,
}

/// What the editor was asked to show.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Shown {
    /// What it shows; none when it cannot.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub shown: Option<Url>,
    /// Where it is.
    #[cfg_attr(test, schemars(with = "String"))]
    pub uri: Url,
}
