//! The target's processes, from the agent's frames to what faces show.

use protocol::io::connection::{Connection, OpenError};
use protocol::io::framed::{self, FrameError};
use protocol::limits::PROCESSES_MAX;
use protocol::wire::debug::{Attach, OpenProcesses, ProcessEntry, ProcessList};
use protocol::wire::stream::{Open, Priority};
use serde_json::{Value, json};
use tokio::io::AsyncRead;

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

/// The document of `towline ps --json`.
pub fn document(all: &[ProcessEntry]) -> Value {
    let rows: Vec<Value> = all.iter().map(row).collect();
    json!({ "schema": 1, "processes": rows })
}

fn row(process: &ProcessEntry) -> Value {
    let (state, reason) = attach(process);
    json!({
        "pid": process.pid,
        "parent": process.parent,
        "name": process.name,
        "argv": process.argv,
        "user": process.user,
        "language": process.language,
        "runtime": process.runtime,
        "ports": process.ports,
        "attach": { "state": state, "reason": reason },
        "app": process.supervised,
        "adapters": process.adapters,
    })
}

/// `yes`, or why not.
fn attach(process: &ProcessEntry) -> (&'static str, Option<String>) {
    match &process.attach {
        Attach::NeedsRestart(reason) => ("needs_restart", Some(reason.clone())),
        Attach::Needs(reason) => ("needs", Some(reason.clone())),
        Attach::Yes if process.language == "node" && super::jsdebug::find().is_none() => {
            ("needs", Some(super::jsdebug::MISSING.to_owned()))
        }
        Attach::Yes if process.adapters.is_empty() => {
            let adapter = match process.language.as_str() {
                "go" => "dlv",
                _ => "lldb-dap, or gdb 14 or newer",
            };
            ("needs", Some(format!("a debug adapter on the target: {adapter}")))
        }
        Attach::Yes => ("yes", None),
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
