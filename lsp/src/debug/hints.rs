//! How to connect an editor to a process, ready to be pasted. Pure.

use serde_json::{Value, json};

/// Everything that `towline debug` tells about one process.
pub fn document(process: &Value, workspace: &str) -> Value {
    let name = process["name"].as_str().unwrap_or_default();
    let asked = process["pid"].to_string();
    json!({
        "schema": 1,
        "process": process,
        "command": ["towline", "-C", workspace, "dap", "--process", asked],
        "vscode": launch(name),
        "nvim_dap": nvim(name),
    })
}

/// A configuration of VS Code's `launch.json`, for the towline extension.
fn launch(name: &str) -> Value {
    json!({
        "name": format!("towline: {name}"), "type": "towline", "request": "attach",
        "process": name,
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
