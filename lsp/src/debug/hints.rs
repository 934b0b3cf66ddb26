//! How to connect an editor to a process, ready to be pasted. Pure.

use serde::Serialize;
use serde_json::Value;

use super::processes::ProcessRow;
use crate::documents;

/// Of `debug`: how to connect to one process.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DebugHints {
    /// Which.
    pub process: ProcessRow,
    /// The debug adapter, on standard input and output.
    pub command: Vec<String>,
    /// For VS Code's `launch.json`.
    pub vscode: LaunchConfiguration,
    /// Lua for nvim-dap.
    pub nvim_dap: String,
}

/// A configuration of VS Code's `launch.json`.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LaunchConfiguration {
    /// What its list shows.
    pub name: String,
    /// `towline`.
    pub r#type: String,
    /// `attach`.
    pub request: String,
    /// The process, by its name.
    pub process: String,
}

/// Everything that `towline debug` tells about one process.
pub fn document(process: ProcessRow, workspace: &str) -> Value {
    let (name, pid) = (process.name.clone(), process.pid.to_string());
    let command = ["towline", "-C", workspace, "dap", "--process", &pid];
    documents::of(&DebugHints {
        process,
        command: command.map(str::to_owned).to_vec(),
        vscode: LaunchConfiguration {
            name: format!("towline: {name}"),
            r#type: "towline".to_owned(),
            request: "attach".to_owned(),
            process: name.clone(),
        },
        nvim_dap: nvim(&name),
    })
}

/// Lua for nvim-dap.
fn nvim(name: &str) -> String {
    format!(
        "local dap = require('dap')\n\
         dap.adapters.towline = function(callback, config)\n\
         \x20 callback({{ type = 'executable', command = 'towline',\n\
         \x20   args = {{ 'dap', '--process', config.process }},\n\
         \x20   options = {{ initialize_timeout_sec = 30 }} }})\n\
         end\n\
         dap.run({{ type = 'towline', request = 'attach', name = 'towline', process = {name:?} }})"
    )
}

/// The same for people.
pub fn lines(document: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let words = document["command"].as_array().into_iter().flatten().map(text);
    let command = words.collect::<Vec<_>>().join(" ");
    let process = &document["process"];
    let mut lines = vec![
        format!(
            "{} (process {}, {})",
            text(&process["name"]),
            process["pid"],
            text(&process["runtime"])
        ),
        String::new(),
        "any DAP client, on standard input and output, or on a port with --listen PORT:".to_owned(),
        format!("  {command}"),
        String::new(),
        "VS Code, with the towline extension, in launch.json:".to_owned(),
    ];
    let snippet = serde_json::to_string_pretty(&document["vscode"]).unwrap_or_default();
    lines.extend(snippet.lines().map(|line| format!("  {line}")));
    lines.push(String::new());
    lines.push("Neovim, with nvim-dap:".to_owned());
    lines.extend(text(&document["nvim_dap"]).lines().map(|line| format!("  {line}")));
    lines
}
