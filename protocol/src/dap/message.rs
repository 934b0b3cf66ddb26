//! What all messages of DAP have in common, parsed once.

use serde_json::{Value, json};

use super::codec::DapError;

/// A message, with its own number and kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Wants an answer.
    Request(Request),
    /// Is one.
    Response(Response),
    /// Tells something.
    Event(Event),
}

/// Wants an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its sender's number.
    pub seq: i64,
    /// What is wanted.
    pub command: String,
    /// With what; `Null` without.
    pub arguments: Value,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The number of the request.
    pub request_seq: i64,
    /// Whether it was done.
    pub success: bool,
    /// What was wanted.
    pub command: String,
    /// Why it was not done, in short.
    pub message: Option<String>,
    /// The result; `Null` without.
    pub body: Value,
}

/// Tells something.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What kind.
    pub event: String,
    /// Of what; `Null` without.
    pub body: Value,
}

impl Message {
    /// Reads a message.
    ///
    /// # Errors
    /// [`DapError::NoMessage`].
    pub fn parse(mut value: Value) -> Result<Self, DapError> {
        let missing = |reason| DapError::NoMessage { reason };
        let text = |value: &Value, key: &str| value[key].as_str().map(str::to_owned);
        match value["type"].as_str() {
            Some("request") => Ok(Self::Request(Request {
                seq: value["seq"].as_i64().ok_or(missing("no seq"))?,
                command: text(&value, "command").ok_or(missing("no command"))?,
                arguments: value["arguments"].take(),
            })),
            Some("response") => Ok(Self::Response(Response {
                request_seq: value["request_seq"].as_i64().ok_or(missing("no request_seq"))?,
                success: value["success"].as_bool().ok_or(missing("no success"))?,
                command: text(&value, "command").unwrap_or_default(),
                message: text(&value, "message"),
                body: value["body"].take(),
            })),
            Some("event") => Ok(Self::Event(Event {
                event: text(&value, "event").ok_or(missing("no event"))?,
                body: value["body"].take(),
            })),
            _ => Err(missing("no type")),
        }
    }

    /// As it is sent, with this number.
    pub fn numbered(self, seq: i64) -> Value {
        match self {
            Self::Request(request) => {
                let mut value =
                    json!({ "seq": seq, "type": "request", "command": request.command });
                put(&mut value, "arguments", request.arguments);
                value
            }
            Self::Response(response) => {
                let mut value = json!({
                    "seq": seq, "type": "response", "request_seq": response.request_seq,
                    "success": response.success, "command": response.command,
                });
                if let Some(message) = response.message {
                    value["message"] = message.into();
                }
                put(&mut value, "body", response.body);
                value
            }
            Self::Event(event) => {
                let mut value = json!({ "seq": seq, "type": "event", "event": event.event });
                put(&mut value, "body", event.body);
                value
            }
        }
    }
}

fn put(value: &mut Value, key: &str, part: Value) {
    if !part.is_null() {
        value[key] = part;
    }
}

impl Request {
    /// A request that gets its number when it is sent.
    pub fn new(command: &str, arguments: Value) -> Self {
        Self { seq: 0, command: command.to_owned(), arguments }
    }

    /// An answer to it: done.
    pub fn done(&self, body: Value) -> Response {
        Response {
            request_seq: self.seq,
            success: true,
            command: self.command.clone(),
            message: None,
            body,
        }
    }

    /// An answer to it: not done, and why. Editors show the text.
    pub fn failed(&self, why: &str) -> Response {
        Response {
            request_seq: self.seq,
            success: false,
            command: self.command.clone(),
            message: Some(why.to_owned()),
            body: json!({ "error": { "id": 1, "format": why, "showUser": true } }),
        }
    }
}

impl Event {
    /// An event.
    pub fn new(event: &str, body: Value) -> Self {
        Self { event: event.to_owned(), body }
    }

    /// Text for the debug console.
    pub fn note(text: &str) -> Self {
        Self::new("output", json!({ "category": "console", "output": format!("{text}\n") }))
    }
}
