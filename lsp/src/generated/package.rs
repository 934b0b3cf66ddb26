//! What the extension's package.json says of its commands and settings.

use schemars::JsonSchema;
use serde::Serialize as _;
use serde_json::ser::PrettyFormatter;
use serde_json::{Map, Serializer, Value, json};

use super::{between, check};

/// A command of the extension: its title, its icon, and the context keys that it takes.
struct Command {
    name: &'static str,
    title: &'static str,
    icon: &'static str,
    enablement: &'static str,
}

const CONNECTED: &str = "towline.state == connected";

const fn command(name: &'static str, title: &'static str) -> Command {
    Command { name, title, icon: "", enablement: "" }
}

impl Command {
    const fn icon(self, icon: &'static str) -> Self {
        Self { icon, ..self }
    }

    const fn when(self, enablement: &'static str) -> Self {
        Self { enablement, ..self }
    }

    /// What a command does that is there as long as something is up.
    const fn while_up(self) -> Self {
        self.when(CONNECTED)
    }

    fn line(&self) -> String {
        let mut line = format!(
            r#"{{ "command": "towline.{}", "category": "Towline", "title": {}"#,
            self.name,
            json!(self.title)
        );
        if !self.icon.is_empty() {
            line.push_str(&format!(r#", "icon": "$({})""#, self.icon));
        }
        if !self.enablement.is_empty() {
            line.push_str(&format!(r#", "enablement": {}"#, json!(self.enablement)));
        }
        line.push_str(" }");
        line
    }
}

/// All of them, in the order of the palette's list.
const COMMANDS: &[Command] = &[
    command("connect", "Connect…").icon("plug"),
    command("disconnect", "Disconnect").icon("debug-disconnect").while_up(),
    command("menu", "Show Menu"),
    command("restartApp", "Restart App").icon("debug-restart").when("towline.hasApp"),
    command("addPort", "Forward a Port…").icon("add").while_up(),
    command("findPorts", "Look for Listening Ports").icon("refresh").while_up(),
    command("openPort", "Open Forwarded Port in Browser").icon("globe").when("towline.hasPorts"),
    command("copyAddress", "Copy Address of Forwarded Port").icon("copy").when("towline.hasPorts"),
    command("stopPort", "Stop Forwarding Port").icon("close").when("towline.hasPorts"),
    command("pauseSync", "Pause Sync").icon("debug-pause").while_up(),
    command("resumeSync", "Resume Sync").icon("debug-continue").while_up(),
    command("explainSync", "Explain Sync of This File").while_up(),
    command("undoSync", "Bring Back What Sync Displaced Last").while_up(),
    command("showConflict", "Show Conflict…").icon("diff").when("towline.hasConflicts"),
    command("keepMine", "Keep Mine").icon("home").when("towline.hasConflicts"),
    command("keepTheirs", "Keep Theirs (the Target's)").icon("cloud").when("towline.hasConflicts"),
    command("keepBoth", "Keep Both").icon("files").when("towline.hasConflicts"),
    command("openTerminal", "Open Terminal on Target").icon("terminal").while_up(),
    command("showLogs", "Show App Log").icon("output").while_up(),
    command("browse", "Browse Target Files").icon("files").while_up(),
    command("openPath", "Open Target File…").icon("go-to-file").while_up(),
    command("searchFiles", "Search in Target Files…").icon("search").while_up(),
    command("refreshFiles", "Refresh Target Files").icon("refresh").while_up(),
    command("newFile", "New Target File…").icon("new-file"),
    command("renameFile", "Rename Target File…").icon("edit"),
    command("deleteFile", "Delete Target File").icon("trash"),
    command("runDemo", "Run the Demo"),
    command("explainFailure", "Show Why the Program Does Not Run").when("towline.state == broken"),
    command("restartServer", "Restart the Language Server"),
    command("showOutput", "Show the Extension's Output"),
];

/// The settings. They are the editor's own: what is about the workspace is in
/// `towline.yaml`, for everybody and every editor.
#[derive(JsonSchema)]
#[schemars(inline)]
#[expect(dead_code, reason = "only its schema is")]
struct Settings {
    /// The `towline` program. Empty: a newer one on the `PATH` than the one that comes with
    /// the extension, else that one.
    #[schemars(rename = "towline.path", extend("default" = "", "scope" = "machine-overridable"))]
    path: String,
    /// What to do with ports that something on the target listens at. They are looked for
    /// when the app starts and when the window gets the focus.
    #[schemars(rename = "towline.detectPorts", extend("default" = "on"))]
    detect_ports: DetectPorts,
    /// What of the conversation with `towline lsp` goes to the *Towline* output.
    #[schemars(rename = "towline.trace.server", extend("default" = "off"))]
    trace: Trace,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is")]
enum DetectPorts {
    /// Not at all.
    Off,
    /// Show them in the Towline view, beside the forwarded ones.
    On,
    /// Show them there, and offer each new one once in a notification.
    Notify,
}

#[derive(JsonSchema)]
#[schemars(inline, rename_all = "lowercase")]
#[expect(dead_code, reason = "only its schema is")]
enum Trace {
    /// Nothing.
    Off,
    /// Which messages go to and fro.
    Messages,
    /// What is in them, too.
    Verbose,
}

/// Their schema in VS Code's dialect, in which each choice of a list has its description in
/// another list.
fn settings() -> String {
    let schema = schemars::schema_for!(Settings).to_value();
    let properties = schema["properties"].as_object().unwrap().clone();
    let properties: Map<String, Value> = properties
        .into_iter()
        .map(|(name, mut setting)| {
            let said = setting["description"].as_str().unwrap().replace('\n', " ");
            setting.as_object_mut().unwrap().remove("description");
            setting["markdownDescription"] = json!(said);
            if let Some(choices) = setting.as_object_mut().unwrap().remove("oneOf") {
                let all = |key| choices.as_array().unwrap().iter().map(move |it| it[key].clone());
                setting["type"] = json!("string");
                setting["enum"] = all("const").collect();
                setting["enumDescriptions"] = all("description").collect();
            }
            (name, setting)
        })
        .collect();
    let mut text = Vec::new();
    let indent = PrettyFormatter::with_indent(b"    ");
    let mut writer = Serializer::with_formatter(&mut text, indent);
    properties.serialize(&mut writer).unwrap();
    let text = String::from_utf8(text).unwrap();
    let lines = text.trim_start_matches("{\n").trim_end_matches("\n}").lines();
    lines.map(|line| format!("{}{line}\n", " ".repeat(12))).collect()
}

#[test]
fn package_json_has_the_commands_and_settings() {
    check("extension-vscode/package.json", |text| {
        let indent = " ".repeat(12);
        let commands: Vec<_> =
            COMMANDS.iter().map(|command| format!("{indent}{}", command.line())).collect();
        let commands = format!("{}\n", commands.join(",\n"));
        let text = between(text, r#"        "commands": ["#, "        ],", &commands);
        between(&text, r#"            "properties": {"#, "            }", &settings())
    });
}
