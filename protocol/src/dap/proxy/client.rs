//! What an editor asks for: what is passed on, what is changed on its way, and what is
//! answered here.

use serde_json::{Value, json};

use super::super::codec::DapError;
use super::super::message::{Message, Request};
use super::super::places::{self, Kind};
use super::{Asked, DAP_PENDING_MAX, Effect, Evaluate, Own, Proxy, Side};
use crate::wire::debug::Quirk;

impl Proxy {
    pub(super) fn client_says(&mut self, message: Message) -> Result<(), DapError> {
        match message {
            Message::Request(request) => self.client_asks(request),
            Message::Response(mut response) => {
                if let Some((side, seq)) = self.reversed.remove(&response.request_seq) {
                    response.request_seq = seq;
                    self.answer_adapter(side, response);
                }
                Ok(())
            }
            Message::Event(_) => Ok(()), // editors have none
        }
    }

    fn client_asks(&mut self, mut request: Request) -> Result<(), DapError> {
        if self.asked.len() + self.fetching.len() >= DAP_PENDING_MAX {
            return Err(DapError::TooMany);
        }
        match request.command.as_str() {
            "initialize" => self.initialize(request),
            "attach" | "launch" => self.attach(request),
            "disconnect" | "terminate" => self.disconnect(request),
            "restart" | "terminateThreads" => {
                let why = "the process is not the debugger's: it can be let go, not ended";
                self.answer(request.failed(why));
            }
            "evaluate" | "setVariable" | "setExpression" | "completions"
                if self.plan.evaluate == Evaluate::Forbidden =>
            {
                self.answer(request.failed("running code in this process was forbidden"));
            }
            "source" if self.own_source(&request).is_some() => self.fetch(request),
            _ if self.leads_to_child() && !self.has_child => {
                self.answer(request.failed("the debug adapter has not attached yet"));
            }
            _ => {
                let mut unknown = None;
                places::each(
                    places::REQUESTS,
                    &request.command,
                    &mut request.arguments,
                    &mut |kind, part| {
                        if kind == Kind::Source {
                            unknown = self.sources.remote(&self.map, self.uris, part).err();
                        }
                    },
                );
                match unknown {
                    Some(path) if request.command == "setBreakpoints" => {
                        self.no_such_file(&request, &path);
                    }
                    _ => self.pass_on(request),
                }
            }
        }
        Ok(())
    }

    fn initialize(&mut self, mut request: Request) {
        self.uris = request.arguments["pathFormat"] == "uri";
        if !request.arguments.is_object() {
            request.arguments = json!({});
        }
        request.arguments["pathFormat"] = "path".into();
        // It would be run in the wrong place.
        request.arguments["supportsRunInTerminalRequest"] = false.into();
        if self.leads_to_child() {
            request.arguments["supportsStartDebuggingRequest"] = true.into();
        }
        self.initialize = request.arguments.clone();
        let arguments = std::mem::take(&mut request.arguments);
        self.ask(Side::Main, Asked::Client(request), "initialize", arguments);
    }

    fn attach(&mut self, mut request: Request) {
        if self.is_attached || self.attaching.is_some() {
            self.answer(request.failed("this session is attached already"));
            return;
        }
        let mut arguments = match request.arguments.take() {
            given @ Value::Object(_) => given,
            _ => json!({}),
        };
        if let (Some(given), Some(ours)) =
            (arguments.as_object_mut(), self.plan.arguments.as_object())
        {
            for key in ["process", "target", "program", "type", "request", "debugServer"] {
                given.remove(key); // ours, or the editor's own
            }
            for (key, value) in ours {
                given.insert(key.clone(), value.clone());
            }
        }
        if self.leads_to_child() {
            // Answered when the session behind it is there.
            self.attaching = Some(request);
            self.ask(Side::Main, Asked::Own(Own::Whatever), "attach", arguments);
        } else {
            // A launch becomes an attach: the process runs.
            self.ask(Side::Main, Asked::Client(request), "attach", arguments);
        }
    }

    /// However it is asked for: the process is let go and goes on.
    fn disconnect(&mut self, mut request: Request) {
        if self.disconnecting.is_some() {
            self.answer(request.failed("the session is ending already"));
            return;
        }
        request.arguments = json!({ "restart": false, "terminateDebuggee": false });
        let pauses = self.plan.quirks.contains(&Quirk::PauseBeforeDisconnect);
        self.disconnecting = Some(request);
        if pauses && self.is_attached && !self.stands_still {
            let side = self.side();
            let arguments = json!({ "threadId": 1 });
            self.ask(side, Asked::Own(Own::PauseToDisconnect), "pause", arguments);
        } else {
            self.disconnect_now();
        }
    }

    fn own_source(&self, request: &Request) -> Option<&str> {
        let arguments = &request.arguments;
        let number = arguments["source"]["sourceReference"]
            .as_i64()
            .filter(|number| *number > 0)
            .or_else(|| arguments["sourceReference"].as_i64())?;
        self.sources.path(number)
    }

    fn fetch(&mut self, request: Request) {
        let Some(path) = self.own_source(&request).map(str::to_owned) else { return };
        // The editor may repeat its numbers; ours cannot.
        let id = self.fetching.keys().next_back().map_or(1, |last| last + 1);
        self.fetching.insert(id, request);
        self.effects.push(Effect::Fetch { id, path });
    }

    /// A breakpoint in a file of which nobody knows where it is on the target.
    fn no_such_file(&mut self, request: &Request, path: &str) {
        let message = format!(
            "nobody knows where {path} is on the target: sync its directory, or say it with \
             --map LOCAL:/REMOTE"
        );
        let count = request.arguments["breakpoints"].as_array().map_or(0, Vec::len);
        let each = json!({ "verified": false, "message": message });
        self.answer(request.done(json!({ "breakpoints": vec![each; count] })));
    }

    fn pass_on(&mut self, mut request: Request) {
        const RUNS: &[&str] =
            &["continue", "next", "stepIn", "stepOut", "stepBack", "reverseContinue", "goto"];
        if RUNS.contains(&request.command.as_str()) {
            self.stands_still = false;
        }
        let arguments = std::mem::take(&mut request.arguments);
        let (side, command) = (self.side(), request.command.clone());
        self.ask(side, Asked::Client(request), &command, arguments);
    }
}
