//! Watches what an editor does to a process, so that everything can be undone when nobody
//! is there any more: breakpoints cleared, the process going on, the adapter detached. It
//! never needs a signal, which would kill the process of a debugger that uses ptrace.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::limits::DAP_SOURCES_MAX;
use crate::wire::debug::Quirk;

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Say this to the adapter, then wait for its answers.
    Send(Vec<Value>),
    /// Wait.
    Wait,
    /// Close the adapter's input: it has nothing more to hear.
    Close,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Pause,
    Clear,
    Continue,
    Disconnect,
    Close,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Guard {
    quirks: Vec<Quirk>,
    /// The last number that the adapter heard.
    seq: i64,
    /// Sources with breakpoints.
    sources: BTreeMap<String, Value>,
    /// The other kinds of breakpoints that are set, by the request that clears them.
    others: BTreeSet<&'static str>,
    asked_to_attach: bool,
    has_left: bool,
    stopped: Option<i64>,
    /// Numbers of our requests that have no answer yet.
    waiting: BTreeSet<i64>,
    stage: Option<Stage>,
}

const OTHERS: &[(&str, &str)] = &[
    ("setFunctionBreakpoints", "breakpoints"),
    ("setExceptionBreakpoints", "filters"),
    ("setDataBreakpoints", "breakpoints"),
    ("setInstructionBreakpoints", "breakpoints"),
];

impl Guard {
    /// Nothing was done yet.
    pub fn new(quirks: &[Quirk]) -> Self {
        Self { quirks: quirks.to_vec(), ..Self::default() }
    }

    /// Whether the process is in the adapter's hands.
    pub fn holds(&self) -> bool {
        self.asked_to_attach && !self.has_left
    }

    /// Whether the process stands still.
    pub fn stands_still(&self) -> bool {
        self.stopped.is_some()
    }

    /// Something that an editor says to the adapter.
    pub fn to_adapter(&mut self, message: &Value) {
        self.seq = self.seq.max(message["seq"].as_i64().unwrap_or_default());
        if message["type"] != "request" {
            return;
        }
        let arguments = &message["arguments"];
        match message["command"].as_str().unwrap_or_default() {
            "attach" | "launch" => self.asked_to_attach = true,
            "setBreakpoints" => {
                let source = &arguments["source"];
                let key = match source["path"].as_str() {
                    Some(path) => path.to_owned(),
                    None => source["sourceReference"].to_string(),
                };
                let is_empty = arguments["breakpoints"].as_array().is_none_or(Vec::is_empty);
                if is_empty {
                    self.sources.remove(&key);
                } else if self.sources.len() < DAP_SOURCES_MAX {
                    self.sources.insert(key, source.clone());
                }
            }
            "continue" | "next" | "stepIn" | "stepOut" | "goto" => self.stopped = None,
            command => {
                if let Some((name, list)) = OTHERS.iter().find(|(name, _)| *name == command) {
                    let is_empty = arguments[*list].as_array().is_none_or(Vec::is_empty);
                    if is_empty {
                        self.others.remove(name);
                    } else {
                        self.others.insert(name);
                    }
                }
            }
        }
    }

    /// Something that the adapter says.
    pub fn from_adapter(&mut self, message: &Value) {
        match (message["type"].as_str(), message["event"].as_str()) {
            (Some("event"), Some("stopped")) => {
                self.stopped = Some(message["body"]["threadId"].as_i64().unwrap_or(1));
            }
            (Some("event"), Some("continued")) => self.stopped = None,
            (Some("event"), Some("terminated" | "exited")) => self.has_left = true,
            (Some("response"), _) => {
                let is_ours = message["request_seq"]
                    .as_i64()
                    .is_some_and(|number| self.waiting.remove(&number));
                if !is_ours && message["command"] == "disconnect" && message["success"] == true {
                    self.has_left = true;
                }
            }
            _ => {}
        }
    }

    /// Begins, or goes on, to let the process go. Call it again after each message of the
    /// adapter, and with `late` when an answer did not come in time: then it goes on
    /// without.
    pub fn release(&mut self, late: bool) -> Step {
        let mut stage = match self.stage {
            None if !self.holds() => Stage::Close,
            None => Stage::Pause,
            Some(stage) if !late && !self.is_done(stage) => return Step::Wait,
            Some(stage) => next(stage),
        };
        self.waiting.clear();
        loop {
            self.stage = Some(stage);
            let requests = self.requests(stage);
            if stage == Stage::Close {
                return Step::Close;
            }
            if !requests.is_empty() {
                return Step::Send(requests);
            }
            stage = next(stage);
        }
    }

    fn is_done(&self, stage: Stage) -> bool {
        match stage {
            // It stands still when it says so, not when it has heard.
            Stage::Pause => self.stopped.is_some(),
            _ => self.waiting.is_empty(),
        }
    }

    fn requests(&mut self, stage: Stage) -> Vec<Value> {
        let stands_first = self.quirks.contains(&Quirk::PauseBeforeDisconnect);
        match stage {
            Stage::Pause if stands_first && self.stopped.is_none() => {
                vec![self.request("pause", json!({ "threadId": 1 }))]
            }
            Stage::Clear => {
                let sources = std::mem::take(&mut self.sources);
                let mut requests: Vec<Value> = sources
                    .into_values()
                    .map(|source| {
                        let arguments = json!({ "source": source, "breakpoints": [], "lines": [] });
                        self.request("setBreakpoints", arguments)
                    })
                    .collect();
                for name in std::mem::take(&mut self.others) {
                    let list =
                        OTHERS.iter().find(|(of, _)| *of == name).map_or("", |(_, list)| list);
                    requests.push(self.request(name, json!({ (list): [] })));
                }
                requests
            }
            // A detach lets it go on; where that only works standing, it stands till then.
            Stage::Continue if !stands_first => match self.stopped.take() {
                Some(thread) => vec![self.request("continue", json!({ "threadId": thread }))],
                None => Vec::new(),
            },
            Stage::Disconnect => {
                let arguments = json!({ "restart": false, "terminateDebuggee": false });
                vec![self.request("disconnect", arguments)]
            }
            Stage::Pause | Stage::Continue | Stage::Close => Vec::new(),
        }
    }

    fn request(&mut self, command: &str, arguments: Value) -> Value {
        self.seq += 1;
        self.waiting.insert(self.seq);
        json!({ "seq": self.seq, "type": "request", "command": command, "arguments": arguments })
    }
}

fn next(stage: Stage) -> Stage {
    match stage {
        Stage::Pause => Stage::Clear,
        Stage::Clear => Stage::Continue,
        Stage::Continue => Stage::Disconnect,
        Stage::Disconnect | Stage::Close => Stage::Close,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(seq: i64, command: &str, arguments: Value) -> Value {
        json!({ "seq": seq, "type": "request", "command": command, "arguments": arguments })
    }

    fn commands(step: &Step) -> Vec<String> {
        let Step::Send(requests) = step else { return vec![format!("{step:?}")] };
        let text = |request: &Value| request["command"].as_str().unwrap_or_default().to_owned();
        requests.iter().map(text).collect()
    }

    fn answer(guard: &mut Guard, step: &Step) {
        let Step::Send(requests) = step else { return };
        for request in requests {
            let (seq, command) = (&request["seq"], &request["command"]);
            guard.from_adapter(&json!({
                "type": "response", "request_seq": seq, "command": command, "success": true,
            }));
        }
    }

    fn used(quirks: &[Quirk]) -> Guard {
        let mut guard = Guard::new(quirks);
        guard.to_adapter(&request(1, "initialize", json!({})));
        guard.to_adapter(&request(2, "attach", json!({})));
        let at = |path: &str| json!({ "source": { "path": path }, "breakpoints": [{ "line": 1 }] });
        guard.to_adapter(&request(3, "setBreakpoints", at("/a.py")));
        guard.to_adapter(&request(4, "setBreakpoints", at("/b.py")));
        let none = json!({ "source": { "path": "/b.py" }, "breakpoints": [] });
        guard.to_adapter(&request(5, "setBreakpoints", none));
        guard.to_adapter(&request(6, "setExceptionBreakpoints", json!({ "filters": ["raised"] })));
        guard
    }

    #[test]
    fn what_was_set_is_cleared_then_the_process_goes_on_and_is_left() {
        let mut guard = used(&[]);
        guard.from_adapter(
            &json!({ "type": "event", "event": "stopped", "body": { "threadId": 7 } }),
        );
        let clear = guard.release(false);
        assert_eq!(commands(&clear), ["setBreakpoints", "setExceptionBreakpoints"]);
        let Step::Send(requests) = &clear else { panic!() };
        assert_eq!(requests[0]["seq"], 7, "the numbers go on");
        assert_eq!(requests[0]["arguments"]["source"]["path"], "/a.py");
        assert_eq!(guard.release(false), Step::Wait);
        answer(&mut guard, &clear);
        let go = guard.release(false);
        assert_eq!(commands(&go), ["continue"]);
        answer(&mut guard, &go);
        let leave = guard.release(false);
        assert_eq!(commands(&leave), ["disconnect"]);
        assert_eq!(guard.release(true), Step::Close, "it does not wait for ever");
        assert_eq!(guard.release(false), Step::Close);
    }

    #[test]
    fn an_adapter_that_must_stand_still_is_paused_first() {
        let mut guard = used(&[Quirk::PauseBeforeDisconnect]);
        let pause = guard.release(false);
        assert_eq!(commands(&pause), ["pause"]);
        answer(&mut guard, &pause);
        assert_eq!(guard.release(false), Step::Wait, "until it stands still");
        guard.from_adapter(&json!({ "type": "event", "event": "stopped", "body": {} }));
        let clear = guard.release(false);
        assert_eq!(clear, clear.clone());
        answer(&mut guard, &clear);
        assert_eq!(commands(&guard.release(false)), ["disconnect"]);
    }

    #[test]
    fn what_was_never_attached_or_has_left_is_only_closed() {
        assert_eq!(Guard::new(&[]).release(false), Step::Close);
        let mut guard = used(&[]);
        guard.from_adapter(&json!({ "type": "event", "event": "terminated" }));
        assert_eq!(guard.release(false), Step::Close);
    }
}
