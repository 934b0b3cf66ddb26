//! Random conversations through the proxy: whatever both sides say and in whatever order,
//! numbers go up one by one, every request is answered exactly once, and odd messages end
//! the session with words. `TOWLINE_SIM_SEED=17` repeats one, `TOWLINE_SIM_SEEDS=100000`
//! plays more.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::codec::{Decoder, encode};
use super::guard::{Guard, Step};
use super::paths::{Pair, PathMap};
use super::proxy::{Effect, Evaluate, Plan, Proxy, Side};
use crate::wire::debug::Quirk;

/// xorshift64*: the same numbers for the same seed, for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }
}

struct World {
    random: Random,
    proxy: Proxy,
    guard: Guard,
    client_seq: i64,
    open: BTreeSet<i64>,
    heard: i64,
    /// Requests that the adapter has, by side.
    asked: Vec<(Side, Value)>,
    adapter_heard: [i64; 2],
    adapter_seq: i64,
    reversed: BTreeSet<i64>,
    reverse_for_client: Vec<i64>,
    fetches: Vec<i64>,
    over: bool,
}

const COMMANDS: &[&str] = &[
    "initialize",
    "attach",
    "launch",
    "setBreakpoints",
    "configurationDone",
    "threads",
    "stackTrace",
    "evaluate",
    "continue",
    "pause",
    "source",
    "disconnect",
    "terminate",
    "restart",
    "setExceptionBreakpoints",
    "made-up",
];
const EVENTS: &[&str] =
    &["initialized", "stopped", "continued", "output", "breakpoint", "capabilities", "thread"];
const PATHS: &[&str] = &["/w/a.py", "/app/a.py", "/usr/lib/x.py", "relative", "<string>", ""];

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(2).wrapping_add(0x9e37_79b9_7f4a_7c15) | 1);
        let all = [Quirk::StopsAtAttach, Quirk::PauseBeforeDisconnect, Quirk::ChildSession];
        let quirks: Vec<Quirk> = all.into_iter().filter(|_| random.below(3) == 0).collect();
        let forbids = random.below(4) == 0;
        let plan = Plan {
            adapter: "sim".to_owned(),
            arguments: json!({ "pid": 7 }),
            quirks: quirks.clone(),
            evaluate: if forbids { Evaluate::Forbidden } else { Evaluate::Allowed },
            notes: vec!["hello".to_owned()],
        };
        let (local, remote) = ("/w".to_owned(), "/app".to_owned());
        let map = PathMap::new(vec![Pair { local, remote, reason: "" }], false);
        Self {
            random,
            proxy: Proxy::new(plan, map),
            guard: Guard::new(&quirks),
            client_seq: 0,
            open: BTreeSet::new(),
            heard: 0,
            asked: Vec::new(),
            adapter_heard: [0; 2],
            adapter_seq: 0,
            reversed: BTreeSet::new(),
            reverse_for_client: Vec::new(),
            fetches: Vec::new(),
            over: false,
        }
    }

    fn source(&mut self) -> Value {
        let mut source = json!({ "path": self.random.pick(PATHS) });
        if self.random.below(3) == 0 {
            source["sourceReference"] =
                json!((1i64 << 30) + i64::try_from(self.random.below(3)).unwrap());
        }
        source
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert!(!self.over, "nothing follows the end: {effect:?}");
            match effect {
                Effect::ToClient(message) => {
                    self.heard += 1;
                    assert_eq!(message["seq"], self.heard, "numbers go up one by one");
                    match message["type"].as_str() {
                        Some("response") => {
                            let seq = message["request_seq"].as_i64().unwrap();
                            assert!(self.open.remove(&seq), "answered once: {message}");
                        }
                        Some("request") => self.reverse_for_client.push(self.heard),
                        _ => {}
                    }
                }
                Effect::ToAdapter(side, message) => {
                    self.guard.to_adapter(&message);
                    let heard = &mut self.adapter_heard[side as usize];
                    *heard += 1;
                    assert_eq!(message["seq"], *heard, "numbers go up one by one");
                    match message["type"].as_str() {
                        Some("request") => {
                            let command = message["command"].as_str().unwrap();
                            let ends = command == "disconnect"
                                && message["arguments"]["terminateDebuggee"] == true;
                            let ends = ends || matches!(command, "terminate" | "restart");
                            assert!(!ends, "a process is never ended: {message}");
                            self.asked.push((side, message));
                        }
                        _ => {
                            let seq = message["request_seq"].as_i64().unwrap();
                            assert!(self.reversed.remove(&seq), "answered once: {message}");
                        }
                    }
                }
                Effect::Fetch { id, .. } => self.fetches.push(id),
                Effect::OpenChild => {}
                Effect::End(_) => self.over = true,
            }
        }
    }

    fn client_speaks(&mut self) {
        self.client_seq += 1;
        let command = self.random.pick(COMMANDS);
        let arguments = match self.random.below(4) {
            0 => Value::Null,
            1 => json!([1]),
            _ => json!({
                "source": self.source(), "breakpoints": [{ "line": 1 }], "threadId": 1,
                "supportsStartDebuggingRequest": true, "terminateDebuggee": true,
            }),
        };
        let message = json!({
            "seq": self.client_seq, "type": "request", "command": command, "arguments": arguments,
        });
        if !self.over {
            self.open.insert(self.client_seq);
        }
        let effects = self.proxy.client(message);
        self.take(effects);
    }

    fn adapter_speaks(&mut self) {
        self.adapter_seq += 1;
        let side = if self.random.below(3) == 0 { Side::Child } else { Side::Main };
        let message = match self.random.below(6) {
            0 => {
                let command = self.random.pick(&["startDebugging", "runInTerminal"]);
                if !self.over {
                    self.reversed.insert(self.adapter_seq);
                }
                json!({
                    "seq": self.adapter_seq, "type": "request", "command": command,
                    "arguments": { "configuration": {} },
                })
            }
            1 | 2 => {
                let (event, source) = (self.random.pick(EVENTS), self.source());
                let reason = self.random.pick(&["attach", "breakpoint", "pause"]);
                json!({
                    "seq": self.adapter_seq, "type": "event", "event": event,
                    "body": { "reason": reason, "threadId": 1, "source": source },
                })
            }
            _ if self.asked.is_empty() => return,
            _ => {
                let at = self.random.below(self.asked.len());
                // Sometimes it answers twice.
                let (side, request) = match self.random.below(8) {
                    0 => self.asked[at].clone(),
                    _ => self.asked.remove(at),
                };
                let source = self.source();
                let message = json!({
                    "seq": self.adapter_seq, "type": "response", "request_seq": request["seq"],
                    "command": request["command"], "success": self.random.below(4) > 0,
                    "body": { "stackFrames": [{ "source": source }] },
                });
                self.guard.from_adapter(&message);
                let effects = self.proxy.adapter(side, message);
                return self.take(effects);
            }
        };
        self.guard.from_adapter(&message);
        let effects = self.proxy.adapter(side, message);
        self.take(effects);
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..8 => self.client_speaks(),
            8..17 => self.adapter_speaks(),
            17 => {
                if let Some(id) = self.fetches.pop() {
                    let effects = self.proxy.fetched(id, Ok("text".to_owned()));
                    self.take(effects);
                }
            }
            18 => {
                if let Some(seq) = self.reverse_for_client.pop() {
                    let message = json!({
                        "seq": 1, "type": "response", "request_seq": seq, "success": true,
                        "command": "startDebugging",
                    });
                    let effects = self.proxy.client(message);
                    self.take(effects);
                }
            }
            _ => {
                let odd =
                    [json!({}), json!({ "type": "request" }), json!({ "type": 7, "seq": "x" })];
                let odd = odd[self.random.below(odd.len())].clone();
                if self.random.below(10) == 0 {
                    let effects = match self.random.below(2) {
                        0 => self.proxy.client(odd),
                        _ => self.proxy.adapter(Side::Main, odd),
                    };
                    self.take(effects);
                    assert!(self.over, "an odd message ends the session");
                }
            }
        }
    }

    fn end(mut self) {
        for seq in std::mem::take(&mut self.reverse_for_client) {
            let effects = self.proxy.client(json!({
                "type": "response", "request_seq": seq, "success": false,
            }));
            self.take(effects);
        }
        let effects = self.proxy.end("the link is gone");
        self.take(effects);
        assert!(self.over);
        assert!(self.open.is_empty(), "never answered: {:?}", self.open);
        assert!(self.proxy.client(json!({ "seq": 1 })).is_empty(), "it is over");
        // However far it came, the process is let go after a few words.
        for _ in 0..20 {
            match self.guard.release(true) {
                Step::Close => return,
                Step::Send(_) | Step::Wait => {}
            }
        }
        panic!("the process is never let go");
    }
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text: String| text.parse::<u64>().ok());
    match number("TOWLINE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TOWLINE_SIM_SEEDS").unwrap_or(2000),
    }
}

#[test]
fn random_conversations_keep_every_promise() {
    for seed in seeds() {
        let played = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..200 {
                world.step();
            }
            world.end();
        });
        assert!(played.is_ok(), "TOWLINE_SIM_SEED={seed} repeats it");
    }
}

/// A message of a session, broken at a random place.
fn broken(random: &mut Random) -> Vec<u8> {
    let message = json!({
        "seq": random.below(9), "type": random.pick(&["request", "response", "event"]),
        "command": random.pick(COMMANDS), "event": random.pick(EVENTS), "request_seq": 1,
        "success": true, "arguments": { "source": { "path": random.pick(PATHS) } },
        "body": { "stackFrames": [{ "source": { "sources": [{ "path": "/x" }] } }] },
    });
    let mut bytes = encode(&message);
    match random.below(6) {
        0 => bytes.truncate(random.below(bytes.len())),
        1 => {
            let at = random.below(bytes.len());
            bytes[at] = u8::try_from(random.below(256)).unwrap();
        }
        2 => bytes = format!("Content-Length: {}\r\n\r\n{{}}", random.below(1 << 30)).into_bytes(),
        3 => {
            let key = random.pick(&["seq", "type", "command", "arguments", "body", "source"]);
            let mut odd = message;
            odd[key] = [json!(null), json!(-1), json!("x"), json!([]), json!(1e300)]
                [random.below(5)]
            .clone();
            bytes = encode(&odd);
        }
        4 => bytes.extend((0..random.below(50)).map(|_| b'\n')),
        _ => {}
    }
    bytes
}

#[test]
fn ten_thousand_malformed_messages_from_either_side_end_that_session_only() {
    let mut random = Random(7);
    let (mut ended, mut said) = (0, 0);
    for _ in 0..10_000 {
        let mut proxy = Proxy::new(Plan::default(), PathMap::default());
        let mut decoder = Decoder::default();
        let from_client = random.below(2) == 0;
        for _ in 0..=random.below(3) {
            decoder.push(&broken(&mut random));
        }
        let effects = loop {
            let effects = match decoder.message() {
                Ok(None) => break proxy.end("the stream ended"),
                Ok(Some(message)) if from_client => proxy.client(message),
                Ok(Some(message)) => proxy.adapter(Side::Main, message),
                Err(error) => proxy.end(&error.to_string()),
            };
            if effects.iter().any(|effect| matches!(effect, Effect::End(_))) {
                break effects;
            }
        };
        ended += usize::from(matches!(effects.last(), Some(Effect::End(_))));
        said += usize::from(effects.iter().any(|effect| match effect {
            Effect::ToClient(message) => message["event"] == "terminated",
            _ => false,
        }));
    }
    assert_eq!(ended, 10_000);
    assert!(said > 9_000, "an editor is told: {said}");
}
