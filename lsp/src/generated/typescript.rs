//! The shapes that `towline lsp` and the extension exchange, as TypeScript: of the types'
//! JSON schemas, so their names on the wire, what may be left out and what may be null are
//! serde's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::check;
use crate::debug::hints::DebugHints;
use crate::debug::processes::Processes;
use crate::documents::{
    Closed, Conflicts, Ended, Explained, Opened, Resolved, Restarted, Syncs, Undone,
};
use crate::editor::commands::NAMES;
use crate::editor::commands::answers::*;
use crate::editor::commands::arguments::*;
use crate::editor::session::Told;
use crate::face::workloads::Workloads;
use crate::ports::ForwardStatus;
use crate::status::Status;

/// Of `forward list`: a part of the status.
#[derive(serde::Serialize, JsonSchema)]
struct Forwards {
    /// Open ones, in the order they were opened.
    forwards: Vec<ForwardStatus>,
}

/// Nothing to say.
#[derive(serde::Serialize, JsonSchema)]
struct Done {}

/// Writes types, and remembers those that they are made of.
struct Types {
    arguments: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Types {
    fn argument<T: JsonSchema>(&mut self) -> String {
        let schema = self.arguments.subschema_for::<T>().to_value();
        let name = written(&schema, 0);
        let whole = self.arguments.definitions().get(&name);
        let may_be_left_out = whole.is_some_and(|whole| whole["required"].is_null());
        if may_be_left_out { format!("{name} | undefined") } else { name }
    }

    fn answer<T: JsonSchema>(&mut self) -> String {
        written(&self.answers.subschema_for::<T>().to_value(), 0)
    }
}

fn commands(types: &mut Types) -> Vec<(&'static str, String, String)> {
    macro_rules! rows {
        ($($name:literal: $($argument:ty)? => $answer:ty,)*) => { vec![$((
            concat!("towline.", $name),
            None$(.or(Some(types.argument::<$argument>())))?.unwrap_or_else(|| "undefined".to_owned()),
            types.answer::<$answer>(),
        ),)*] };
    }
    rows! {
        "up": Up => Status,
        "down": => Ended,
        "status": => Option<Status>,
        "restart": => Restarted,
        "forward.list": => Forwards,
        "forward.add": ForwardAdd => Opened,
        "forward.remove": ForwardRemove => Closed,
        "sync.list": => Syncs,
        "sync.pause": WhichSync => Syncs,
        "sync.resume": SyncResume => Syncs,
        "sync.wait": WhichSync => Syncs,
        "sync.why": SyncPath => Explained,
        "sync.conflicts": WhichSync => Conflicts,
        "sync.resolve": SyncResolve => Resolved,
        "sync.undo": SyncUndo => Undone,
        "sync.ignore": LocalPath => Ignored,
        "logs": Logs => LogLines,
        "exec": Exec => Executed,
        "shell": => CommandLine,
        "contexts": => Contexts,
        "namespaces": Where => Namespaces,
        "list": Where => Workloads,
        "file.list": TargetPath => FileEntries,
        "file.stat": TargetPath => FileStat,
        "file.read": TargetPath => FileContent,
        "file.search": FileSearch => FileMatches,
        "file.write": FileWrite => Done,
        "file.delete": FileDelete => Done,
        "file.rename": FileRename => Done,
        "file.mkdir": TargetPath => Done,
        "ports.detect": => ListeningPorts,
        "env": Env => Environment,
        "ps": Ps => Processes,
        "debug": DebugWhat => DebugHints,
        "difference": LocalPath => Difference,
        "diff": LocalPath => Shown,
        "open": Open => Shown,
    }
}

/// A schema as a type.
fn written(schema: &Value, depth: usize) -> String {
    let Some(schema) = schema.as_object() else { return "unknown".to_owned() };
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(value) = schema.get("const") {
        return value.to_string();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return union(values.iter().map(Value::to_string));
    }
    let of = ["oneOf", "anyOf"].iter().find_map(|key| schema.get(*key)?.as_array());
    let choices = of.map(|choices| union(choices.iter().map(|choice| written(choice, depth))));
    match (choices, schema.contains_key("properties")) {
        (Some(choices), false) => choices,
        // What is flattened into an object.
        (Some(choices), true) => format!("{} & ({choices})", object(schema, depth)),
        (None, _) => plain(schema, depth),
    }
}

fn plain(schema: &Map<String, Value>, depth: usize) -> String {
    let one = |kind: &str| match kind {
        "string" | "boolean" | "null" => kind.to_owned(),
        "integer" | "number" => "number".to_owned(),
        "array" => array(schema, depth),
        "object" => object(schema, depth),
        other => panic!("a type of {other}"),
    };
    match &schema.get("type") {
        Some(Value::String(kind)) => one(kind),
        Some(Value::Array(kinds)) => union(kinds.iter().filter_map(Value::as_str).map(one)),
        _ => "unknown".to_owned(),
    }
}

fn array(schema: &Map<String, Value>, depth: usize) -> String {
    if let Some(items) = schema.get("prefixItems").and_then(Value::as_array) {
        let items: Vec<_> = items.iter().map(|item| written(item, depth)).collect();
        return format!("readonly [{}]", items.join(", "));
    }
    let item = written(schema.get("items").unwrap_or(&Value::Null), depth);
    match item.contains([' ', '&', '|']) {
        true => format!("readonly ({item})[]"),
        false => format!("readonly {item}[]"),
    }
}

fn object(schema: &Map<String, Value>, depth: usize) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return match schema.get("additionalProperties") {
            Some(value) if value.is_object() => {
                format!("Readonly<Record<string, {}>>", written(value, depth))
            }
            _ => "Readonly<Record<string, never>>".to_owned(),
        };
    };
    let indent = "    ".repeat(depth + 1);
    let mut text = "{\n".to_owned();
    let required = schema.get("required").and_then(Value::as_array);
    for (name, property) in properties {
        let is_required = required.is_some_and(|names| names.contains(&json!(name)));
        let mut value = written(property, depth + 1);
        if !is_required {
            // It is left out in the place of null.
            value = value.trim_end_matches(" | null").to_owned();
        }
        comment(&mut text, property, &indent);
        let mark = if is_required { "" } else { "?" };
        let _ = writeln!(text, "{indent}readonly {name}{mark}: {value};");
    }
    let _ = write!(text, "{}}}", "    ".repeat(depth));
    text
}

fn union(choices: impl Iterator<Item = String>) -> String {
    choices.collect::<Vec<_>>().join(" | ")
}

/// What Rust says of something, above it.
fn comment(text: &mut String, schema: &Value, indent: &str) {
    let Some(said) = schema["description"].as_str() else { return };
    let said = said.replace("[`", "`").replace("`]", "`").replace('\n', &format!("\n{indent} * "));
    let _ = writeln!(text, "{indent}/** {said} */");
}

fn definition(name: &str, schema: &Value) -> String {
    let mut text = String::new();
    comment(&mut text, schema, "");
    let body = written(schema, 0);
    let is_plain = body.starts_with('{') && schema["oneOf"].is_null() && schema["anyOf"].is_null();
    let _ = match is_plain {
        true => writeln!(text, "export interface {name} {body}\n"),
        false => writeln!(text, "export type {name} = {body};\n"),
    };
    text
}

#[test]
fn typescript_has_the_shapes_of_the_server() {
    let mut types = Types {
        arguments: SchemaSettings::draft2020_12().for_deserialize().into_generator(),
        answers: SchemaSettings::draft2020_12().for_serialize().into_generator(),
    };
    types.answer::<Told>();
    let rows = commands(&mut types);
    let names: Vec<_> = rows.iter().map(|(name, ..)| *name).collect();
    let known: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known, "each command has its argument and its answer");

    let mut all = BTreeMap::new();
    for (name, schema) in types.arguments.definitions().iter().chain(types.answers.definitions()) {
        let text = definition(name, schema);
        let other = all.insert(name.clone(), text.clone());
        assert!(other.is_none_or(|other| other == text), "there are two types {name}");
    }
    let mut text = "\
// Owns the shapes that `towline lsp` and this extension exchange. Generated from the server's own
// types: `UPDATE=1 cargo test --workspace --lib generated` writes it, and a test fails when it is
// stale. Says nothing about how they are shown or sent.

"
    .to_owned();
    for body in all.values() {
        text.push_str(body);
    }
    text.push_str(
        "/** Each command of `workspace/executeCommand`: its argument and its answer. */\n\
         export interface Commands {\n",
    );
    for ((name, argument, answer), (_, about)) in rows.iter().zip(NAMES) {
        let _ = writeln!(text, "    /** {about}. */\n    \"{name}\": [{argument}, {answer}];");
    }
    text.push_str("}\n");
    check("extension-vscode/src/protocol.ts", |_| text);
}
