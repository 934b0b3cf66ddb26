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
use crate::limits::{DAP_PENDING_MAX, DAP_SOURCES_MAX};
use crate::wire::debug::Quirk;

mod adapter;
mod client;
mod sources;
#[cfg(test)]
mod tests;

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
            let mut waiting: Vec<Request> =
                std::mem::take(&mut self.fetching).into_values().collect();
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
            Err(error) => {
                self.end(&format!("the session ended: {who} sent something odd: {error}"))
            }
        }
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
