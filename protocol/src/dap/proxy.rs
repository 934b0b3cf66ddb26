//! The proxy between an editor and an adapter that is somewhere else.
//!
//! Both sides number their own messages, so everything gets a new number on its way, and
//! each request is answered exactly once: by the adapter, or by the proxy when there is
//! nothing to ask or nobody to answer. Paths are this machine's on one side and the
//! target's on the other. Nothing that an editor says can end the process.
//!
//! With [`Quirk::ChildSession`] the adapter's first session only leads to a second one on
//! another connection. The editor sees one session: it hears of `initialized` when the
//! second one is ready for breakpoints, and speaks with that one from then on.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::codec::DapError;
use super::message::{Event, Message, Request, Response};
use super::paths::PathMap;
use super::places;
use crate::limits::{DAP_PENDING_MAX, DAP_SOURCES_MAX};
use crate::wire::debug::Quirk;

mod client;
mod sources;

pub use sources::REFERENCE_MIN;
use sources::Sources;

/// What the adapter is told that the editor does not say.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The adapter's name.
    pub adapter: String,
    /// Arguments of `attach`; they win over the editor's.
    pub arguments: Value,
    /// How the adapter differs.
    pub quirks: Vec<Quirk>,
    /// Whether code may be run in the process.
    pub evaluate: Evaluate,
    /// What the user should know, once the session is there.
    pub notes: Vec<String>,
}

/// Whether an editor may run code in the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Evaluate {
    /// It may.
    #[default]
    Allowed,
    /// Evaluations and assignments are refused.
    Forbidden,
}

/// One of the adapter's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The first.
    Main,
    /// The child session's.
    Child,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Say this to the editor.
    ToClient(Value),
    /// Say this to the adapter.
    ToAdapter(Side, Value),
    /// Open the child session's connection.
    OpenChild,
    /// Read a file of the target, and call [`Proxy::fetched`].
    Fetch {
        /// For the answer.
        id: i64,
        /// Which file.
        path: String,
    },
    /// It is over. The last effect.
    End(String),
}

/// Who waits for an answer of the adapter.
#[derive(Debug)]
enum Asked {
    /// The editor.
    Client(Request),
    /// The proxy.
    Own(Own),
}

/// What the proxy asks for by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// Its answer changes nothing.
    Whatever,
    /// The child session's beginning.
    ChildInitialize,
    /// The child session's attach: answers the editor's.
    ChildAttach,
    /// A pause so that the editor's disconnect can follow.
    PauseToDisconnect,
}

/// See the module.
#[derive(Debug)]
pub struct Proxy {
    plan: Plan,
    map: PathMap,
    sources: Sources,
    client_seq: i64,
    adapter_seq: BTreeMap<Side, i64>,
    asked: BTreeMap<(Side, i64), Asked>,
    /// Our number to the adapter's, of requests of the adapter.
    reversed: BTreeMap<i64, (Side, i64)>,
    fetching: BTreeMap<i64, Request>,
    /// Whether the editor's paths are addresses.
    uris: bool,
    initialize: Value,
    /// Of the child session, while it begins.
    child_arguments: Option<Value>,
    /// The editor's `attach`, while a child session is on its way.
    attaching: Option<Request>,
    has_child: bool,
    stands_still: bool,
    is_attached: bool,
    may_have_attach_stop: bool,
    disconnecting: Option<Request>,
    is_over: bool,
    effects: Vec<Effect>,
}

impl Proxy {
    /// A proxy for an adapter that runs.
    pub fn new(plan: Plan, map: PathMap) -> Self {
        Self {
            may_have_attach_stop: plan.quirks.contains(&Quirk::StopsAtAttach),
            plan,
            map,
            sources: Sources::default(),
            client_seq: 0,
            adapter_seq: BTreeMap::new(),
            asked: BTreeMap::new(),
            reversed: BTreeMap::new(),
            fetching: BTreeMap::new(),
            uris: false,
            initialize: Value::Null,
            child_arguments: None,
            attaching: None,
            has_child: false,
            stands_still: false,
            is_attached: false,
            disconnecting: None,
            is_over: false,
            effects: Vec::new(),
        }
    }

    /// A message of the editor.
    pub fn client(&mut self, message: Value) -> Vec<Effect> {
        self.handle(message, "the editor", Self::client_says)
    }

    /// A message of the adapter.
    pub fn adapter(&mut self, side: Side, message: Value) -> Vec<Effect> {
        self.handle(message, "the debug adapter", |proxy, message| {
            proxy.adapter_says(side, message)
        })
    }

    /// What [`Effect::Fetch`] found.
    pub fn fetched(&mut self, id: i64, content: Result<String, String>) -> Vec<Effect> {
        if !self.is_over
            && let Some(request) = self.fetching.remove(&id)
        {
            let answer = match content {
                Ok(text) => request.done(json!({ "content": text })),
                Err(reason) => request.failed(&reason),
            };
            self.answer(answer);
        }
        std::mem::take(&mut self.effects)
    }

    /// The adapter, or the way to it, is gone, or what came was no message: everything that
    /// waits is answered.
    pub fn end(&mut self, reason: &str) -> Vec<Effect> {
        if !self.is_over {
            self.is_over = true;
            let was_leaving = self.disconnecting.is_some();
            let mut waiting: Vec<Request> = std::mem::take(&mut self.fetching).into_values().collect();
            waiting.extend(self.attaching.take());
            waiting.extend(self.disconnecting.take());
            for (_, asked) in std::mem::take(&mut self.asked) {
                if let Asked::Client(request) = asked {
                    waiting.push(request);
                }
            }
            let left = was_leaving || waiting.iter().any(|request| leaves(&request.command));
            for request in waiting {
                // Who wanted to leave has left.
                let answer = match leaves(&request.command) {
                    true => request.done(Value::Null),
                    false => request.failed(reason),
                };
                self.answer(answer);
            }
            if !left {
                self.tell(Event::note(&format!("towline: {reason}")));
                self.tell(Event::new("terminated", Value::Null));
            }
            self.effects.push(Effect::End(reason.to_owned()));
        }
        std::mem::take(&mut self.effects)
    }

    /// Text for the debug console.
    pub fn note(&mut self, text: &str) -> Vec<Effect> {
        if !self.is_over {
            self.tell(Event::note(&format!("towline: {text}")));
        }
        std::mem::take(&mut self.effects)
    }

    fn handle(
        &mut self,
        message: Value,
        who: &str,
        says: impl FnOnce(&mut Self, Message) -> Result<(), DapError>,
    ) -> Vec<Effect> {
        if self.is_over {
            return Vec::new();
        }
        match Message::parse(message).and_then(|message| says(self, message)) {
            Ok(()) => std::mem::take(&mut self.effects),
            Err(error) => self.end(&format!("the session ended: {who} sent something odd: {error}")),
        }
    }

    fn adapter_says(&mut self, side: Side, message: Message) -> Result<(), DapError> {
        match message {
            Message::Response(response) => self.adapter_answers(side, response),
            Message::Event(event) => self.adapter_tells(side, event),
            Message::Request(request) => self.adapter_asks(side, request)?,
        }
        Ok(())
    }

    fn adapter_answers(&mut self, side: Side, mut response: Response) {
        match self.asked.remove(&(side, response.request_seq)) {
            None => {} // answered already, or never asked
            Some(Asked::Own(own)) => self.own_answered(own, response),
            Some(Asked::Client(request)) => {
                response.request_seq = request.seq;
                response.command.clone_from(&request.command);
                match request.command.as_str() {
                    "initialize" => settle_capabilities(&mut response.body, self.plan.evaluate),
                    "attach" if response.success => self.is_attached = true,
                    _ => {}
                }
                places::each(places::RESPONSES, &request.command, &mut response.body, &mut |kind, part| {
                    self.sources.localise(&self.map, self.uris, kind, part);
                });
                self.answer(response);
                if leaves(&request.command) {
                    self.over("detached; the process goes on");
                }
            }
        }
    }

    fn own_answered(&mut self, own: Own, response: Response) {
        match own {
            Own::Whatever => {}
            Own::PauseToDisconnect => {
                if !response.success {
                    self.disconnect_now();
                }
            }
            Own::ChildInitialize => {
                let arguments = self.child_arguments.take().unwrap_or_default();
                self.ask(Side::Child, Asked::Own(Own::ChildAttach), "attach", arguments);
            }
            Own::ChildAttach => {
                if let Some(request) = self.attaching.take() {
                    self.is_attached = response.success;
                    let (request_seq, command) = (request.seq, request.command);
                    self.answer(Response { request_seq, command, ..response });
                }
            }
        }
    }

    fn adapter_tells(&mut self, side: Side, mut event: Event) {
        let leads_on = self.leads_to_child();
        match event.event.as_str() {
            "initialized" if leads_on && side == Side::Main => {
                let command = "configurationDone";
                self.ask(Side::Main, Asked::Own(Own::Whatever), command, Value::Null);
                return;
            }
            "output" | "terminated" | "exited" => {}
            // The first session says nothing of interest once there is a second.
            _ if leads_on && side == Side::Main => return,
            "initialized" => {
                for note in std::mem::take(&mut self.plan.notes) {
                    self.tell(Event::note(&format!("towline: {note}")));
                }
            }
            "capabilities" => {
                if let Some(capabilities) = event.body.get_mut("capabilities") {
                    settle_capabilities(capabilities, self.plan.evaluate);
                }
            }
            "stopped" => {
                let is_attach = event.body["reason"] == "attach";
                if is_attach && std::mem::take(&mut self.may_have_attach_stop) {
                    let thread = event.body["threadId"].as_i64().unwrap_or(1);
                    let arguments = json!({ "threadId": thread });
                    self.ask(side, Asked::Own(Own::Whatever), "continue", arguments);
                    return;
                }
                self.stands_still = true;
                if self.disconnecting.is_some() {
                    self.disconnect_now();
                    return;
                }
            }
            "continued" => self.stands_still = false,
            _ => {}
        }
        places::each(places::EVENTS, &event.event, &mut event.body, &mut |kind, part| {
            self.sources.localise(&self.map, self.uris, kind, part);
        });
        self.tell(event);
    }

    fn adapter_asks(&mut self, side: Side, request: Request) -> Result<(), DapError> {
        match request.command.as_str() {
            "startDebugging" if self.leads_to_child() => {
                if self.has_child {
                    let why = "towline follows the first session of this adapter only";
                    self.answer_adapter(side, request.failed(why));
                    return Ok(());
                }
                self.has_child = true;
                let configuration = request.arguments["configuration"].clone();
                self.answer_adapter(side, request.done(Value::Null));
                self.child_arguments = Some(configuration);
                self.effects.push(Effect::OpenChild);
                let initialize = self.initialize.clone();
                self.ask(Side::Child, Asked::Own(Own::ChildInitialize), "initialize", initialize);
            }
            "startDebugging" if self.initialize["supportsStartDebuggingRequest"] == true => {
                if self.reversed.len() >= DAP_PENDING_MAX {
                    return Err(DapError::TooMany);
                }
                let seq = self.next_to_client();
                self.reversed.insert(seq, (side, request.seq));
                let message = Message::Request(request).numbered(seq);
                self.effects.push(Effect::ToClient(message));
            }
            _ => {
                let why = format!("`{}` cannot be done beside the target", request.command);
                self.answer_adapter(side, request.failed(&why));
            }
        }
        Ok(())
    }

    fn leads_to_child(&self) -> bool {
        self.plan.quirks.contains(&Quirk::ChildSession)
    }

    /// Where the editor's requests go.
    fn side(&self) -> Side {
        if self.has_child { Side::Child } else { Side::Main }
    }

    fn over(&mut self, reason: &str) {
        let mut said = std::mem::take(&mut self.effects);
        // Whatever else waits has no taker any more.
        self.is_over = true;
        if let Some(request) = self.disconnecting.take() {
            self.answer(request.done(Value::Null));
        }
        for (_, asked) in std::mem::take(&mut self.asked) {
            if let Asked::Client(request) = asked {
                self.answer(request.failed(reason));
            }
        }
        for (_, request) in std::mem::take(&mut self.fetching) {
            self.answer(request.failed(reason));
        }
        if let Some(request) = self.attaching.take() {
            self.answer(request.failed(reason));
        }
        said.append(&mut self.effects);
        said.push(Effect::End(reason.to_owned()));
        self.effects = said;
    }

    fn disconnect_now(&mut self) {
        if let Some(request) = self.disconnecting.take() {
            let arguments = request.arguments.clone();
            let side = self.side();
            self.ask(side, Asked::Client(request), "disconnect", arguments);
        }
    }

    fn ask(&mut self, side: Side, asked: Asked, command: &str, arguments: Value) {
        let last = self.adapter_seq.entry(side).or_default();
        *last += 1;
        let seq = *last;
        let request = Request { seq, command: command.to_owned(), arguments };
        self.asked.insert((side, seq), asked);
        let message = Message::Request(request).numbered(seq);
        self.effects.push(Effect::ToAdapter(side, message));
    }

    fn answer_adapter(&mut self, side: Side, response: Response) {
        let last = self.adapter_seq.entry(side).or_default();
        *last += 1;
        let message = Message::Response(response).numbered(*last);
        self.effects.push(Effect::ToAdapter(side, message));
    }

    fn answer(&mut self, response: Response) {
        let seq = self.next_to_client();
        self.effects.push(Effect::ToClient(Message::Response(response).numbered(seq)));
    }

    fn tell(&mut self, event: Event) {
        let seq = self.next_to_client();
        self.effects.push(Effect::ToClient(Message::Event(event).numbered(seq)));
    }

    fn next_to_client(&mut self) -> i64 {
        self.client_seq += 1;
        self.client_seq
    }
}

/// Whether an editor ends its session with it.
fn leaves(command: &str) -> bool {
    matches!(command, "disconnect" | "terminate")
}

/// What cannot be done to a process that is not ours is not offered.
fn settle_capabilities(capabilities: &mut Value, evaluate: Evaluate) {
    const NEVER: &[&str] = &[
        "supportsTerminateRequest",
        "supportTerminateDebuggee",
        "supportsTerminateDebuggee",
        "supportSuspendDebuggee",
        "supportsRestartRequest",
        "supportsTerminateThreadsRequest",
    ];
    const CODE: &[&str] = &[
        "supportsEvaluateForHovers",
        "supportsSetVariable",
        "supportsSetExpression",
        "supportsCompletionsRequest",
    ];
    let Some(fields) = capabilities.as_object_mut() else { return };
    for name in NEVER {
        fields.remove(*name);
    }
    if evaluate == Evaluate::Forbidden {
        for name in CODE {
            fields.remove(*name);
        }
    }
}
