//! The target's processes, from the agent's frames to what faces show.

use protocol::io::connection::{Connection, OpenError};
use protocol::io::framed::{self, FrameError};
use protocol::limits::PROCESSES_MAX;
use protocol::wire::debug::{Attach, OpenProcesses, ProcessEntry, ProcessList};
use protocol::wire::stream::{Open, Priority};
use serde::Serialize;
use serde_json::Value;
use tokio::io::AsyncRead;

use crate::documents;

/// Reads the list; the stream stands behind `Opened::Ok`.
///
/// # Errors
/// The stream's.
pub async fn read(rx: &mut (impl AsyncRead + Unpin)) -> Result<Vec<ProcessEntry>, FrameError> {
    let mut all = Vec::new();
    loop {
        let ProcessList { processes, more } = framed::read(rx).await?;
        all.extend(processes);
        if !more || all.len() > PROCESSES_MAX {
            return Ok(all);
        }
    }
}

/// Asks the agent.
///
/// # Errors
/// The link's, or the agent's no.
pub async fn list(connection: &Connection, all: bool) -> Result<Vec<ProcessEntry>, OpenError> {
    let open = Open::Processes(OpenProcesses { all });
    let mut channel = connection.open(&open, Priority::Terminal).await?;
    Ok(read(&mut channel.rx).await?)
}

/// Of `ps`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Processes {
    /// In order of their ids.
    pub processes: Vec<ProcessRow>,
}

/// A process of the target.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ProcessRow {
    /// Its id.
    pub pid: u32,
    /// Who started it.
    pub parent: u32,
    /// What a person would call it.
    pub name: String,
    /// Its command line.
    pub argv: Vec<String>,
    /// Its user.
    pub user: String,
    /// `python`, `node`, `go`, `native`, `jvm` and others.
    pub language: String,
    /// What runs it, in words.
    pub runtime: String,
    /// TCP ports that it listens on.
    pub ports: Vec<u16>,
    /// Whether a debugger can be attached.
    pub attach: AttachRow,
    /// Whether it is the app that towline started, or came of it.
    pub app: bool,
    /// Debug adapters that are beside it.
    pub adapters: Vec<String>,
}

/// Whether a debugger can be attached.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AttachRow {
    /// In a word.
    pub state: AttachState,
    /// What is needed, unless the state is `yes`.
    pub reason: Option<String>,
}

/// Whether a debugger can be attached, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttachState {
    /// It can.
    Yes,
    /// When something is there.
    Needs,
    /// After a start with other flags.
    NeedsRestart,
}

/// The document of `towline ps --json`.
pub fn document(all: &[ProcessEntry]) -> Value {
    documents::of(&Processes { processes: all.iter().map(row).collect() })
}

/// One process as faces show it.
pub fn row(process: &ProcessEntry) -> ProcessRow {
    let process = process.clone();
    let (state, reason) = attach(&process);
    ProcessRow {
        pid: process.pid,
        parent: process.parent,
        name: process.name,
        argv: process.argv,
        user: process.user,
        language: process.language,
        runtime: process.runtime,
        ports: process.ports,
        attach: AttachRow { state, reason },
        app: process.supervised,
        adapters: process.adapters,
    }
}

/// `yes`, or why not.
fn attach(process: &ProcessEntry) -> (AttachState, Option<String>) {
    match &process.attach {
        Attach::NeedsRestart(reason) => (AttachState::NeedsRestart, Some(reason.clone())),
        Attach::Needs(reason) => (AttachState::Needs, Some(reason.clone())),
        Attach::Yes if process.language == "node" && super::jsdebug::find().is_none() => {
            (AttachState::Needs, Some(super::jsdebug::MISSING.to_owned()))
        }
        Attach::Yes if process.adapters.is_empty() => {
            let adapter = match process.language.as_str() {
                "go" => "dlv",
                _ => "lldb-dap, or gdb 14 or newer",
            };
            (AttachState::Needs, Some(format!("a debug adapter on the target: {adapter}")))
        }
        Attach::Yes => (AttachState::Yes, None),
    }
}

/// The document as a table for people.
pub fn table(document: &Value) -> Vec<Vec<String>> {
    let heads = ["PID", "NAME", "USER", "RUNTIME", "PORTS", "ATTACH"].map(str::to_owned);
    let mut rows = vec![heads.to_vec()];
    for process in document["processes"].as_array().into_iter().flatten() {
        let text = |key: &str| process[key].as_str().unwrap_or_default().to_owned();
        let ports: Vec<String> =
            process["ports"].as_array().into_iter().flatten().map(Value::to_string).collect();
        let reason = process["attach"]["reason"].as_str().unwrap_or_default();
        let attach = match process["attach"]["state"].as_str() {
            Some("yes") => "yes".to_owned(),
            Some("needs") => format!("needs {reason}"),
            _ => format!("needs a restart: {reason}"),
        };
        let name =
            if process["app"] == true { format!("{} (app)", text("name")) } else { text("name") };
        rows.push(vec![
            process["pid"].to_string(),
            name,
            text("user"),
            text("runtime"),
            ports.join(","),
            attach,
        ]);
    }
    rows
}
