//! The JSON Schema of `towline.yaml`, for editors.

use serde_json::{Value, json};

/// The schema. A test holds it together with what is parsed.
pub fn config() -> Value {
    let command = json!({
        "description": "a line for the shell, or program and arguments",
        "oneOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 }
        ]
    });
    let patterns =
        |what: &str| json!({ "type": "array", "items": { "type": "string" }, "description": what });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "towline.yaml",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "target": {
                "type": "string",
                "description": "where the app runs: deploy/NAME -c CONTAINER -n NAMESPACE, or local:DIR"
            },
            "sync": { "type": "array", "description": "what is kept the same on both sides", "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["from", "to"],
                "properties": {
                    "name": {
                        "type": "string",
                        "pattern": "^\\S+$",
                        "description": "names the sync in commands"
                    },
                    "from": { "type": "string", "description": "the local directory" },
                    "to": {
                        "type": "string",
                        "pattern": "^/",
                        "description": "the directory as the target names it"
                    },
                    "ignore": patterns("what is not synced, in the syntax of .gitignore"),
                    "include": patterns("what is synced though an ignore rule names it"),
                    "on_change": {
                        "description": "what follows a batch of edits that is fully visible there",
                        "oneOf": [
                            { "enum": ["nothing", "restart"] },
                            {
                                "type": "object",
                                "additionalProperties": false,
                                "required": ["run"],
                                "properties": { "run": command.clone() }
                            }
                        ]
                    }
                }
            }},
            "forward": {
                "type": "array",
                "description": "PORT, LOCAL:REMOTE, HOST:PORT or LOCAL:HOST:PORT, /udp behind it",
                "items": { "oneOf": [
                    { "type": "string" },
                    { "type": "integer", "minimum": 1, "maximum": 65535 }
                ]}
            },
            "app": {
                "type": "object",
                "description": "what runs there, supervised",
                "additionalProperties": false,
                "required": ["command"],
                "properties": {
                    "command": command,
                    "cwd": {
                        "type": "string",
                        "description": "its directory, as the target names it"
                    },
                    "env": {
                        "type": "object",
                        "description": "added to its environment",
                        "additionalProperties": { "type": "string" }
                    }
                }
            },
            "debug": {
                "type": "object",
                "description": "how debuggers are",
                "additionalProperties": false,
                "properties": {
                    "map": {
                        "type": "array",
                        "items": { "type": "string", "pattern": "^[^:]+:.+$" },
                        "description": "LOCAL:/REMOTE: sources that are elsewhere on the target"
                    }
                }
            },
            "strict_ports": {
                "type": "boolean",
                "description": "refuse to use another local port when one is taken"
            }
        }
    })
}
