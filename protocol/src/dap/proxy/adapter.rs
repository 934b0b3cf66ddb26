//! What an adapter says: answers that find who asked, events with paths of this machine, and
//! what it wants of an editor.

use serde_json::{Value, json};

use super::super::codec::DapError;
use super::super::message::{Event, Message, Request, Response};
use super::super::places;
use super::{Asked, DAP_PENDING_MAX, Effect, Evaluate, Own, Proxy, Side, leaves};

impl Proxy {
    pub(super) fn adapter_says(&mut self, side: Side, message: Message) -> Result<(), DapError> {
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
                places::each(
                    places::RESPONSES,
                    &request.command,
                    &mut response.body,
                    &mut |kind, part| {
                        self.sources.localise(&self.map, self.uris, kind, part);
                    },
                );
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
