//! A scripted client of the Debug Adapter Protocol: what an editor says and waits for, on the
//! standard streams of `towline dap`.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use protocol::dap::codec::{Decoder, encode};
use serde_json::{Value, json};

use crate::wait::PATIENCE;

/// See the module.
pub struct Dap {
    child: Option<Child>,
    stdin: Option<Box<dyn Write + Send>>,
    message_rx: Receiver<Value>,
    seq: i64,
    /// Everything that was said so far and that nobody waited for.
    pub told: Vec<Value>,
}

impl Dap {
    /// Starts the adapter.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("the adapter can be started");
        let stdout = child.stdout.take().expect("stdout is piped");
        let stdin = child.stdin.take().expect("stdin is piped");
        let mut dap = Self::over(stdout, stdin);
        dap.child = Some(child);
        dap
    }

    /// Connects to an adapter on a port.
    ///
    /// # Panics
    /// When nobody listens there.
    pub fn connect(address: &str) -> Self {
        let tcp = TcpStream::connect(address).expect("somebody listens");
        Self::over(tcp.try_clone().expect("a handle can be copied"), tcp)
    }

    fn over(mut out: impl Read + Send + 'static, into: impl Write + Send + 'static) -> Self {
        let (message_tx, message_rx) = channel();
        std::thread::spawn(move || {
            let (mut decoder, mut buffer) = (Decoder::default(), [0; 65_536]);
            while let Ok(len @ 1..) = out.read(&mut buffer) {
                decoder.push(&buffer[..len]);
                while let Some(message) = decoder.message().expect("the adapter speaks DAP") {
                    if message_tx.send(message).is_err() {
                        return;
                    }
                }
            }
        });
        let stdin: Option<Box<dyn Write + Send>> = Some(Box::new(into));
        Self { child: None, stdin, message_rx, seq: 0, told: Vec::new() }
    }

    /// Says something without a wait; returns its number.
    ///
    /// # Panics
    /// When the adapter is gone.
    pub fn ask(&mut self, command: &str, arguments: Value) -> i64 {
        self.seq += 1;
        let message = json!({
            "seq": self.seq, "type": "request", "command": command, "arguments": arguments,
        });
        self.say(&encode(&message));
        self.seq
    }

    /// Sends bytes as they are.
    ///
    /// # Panics
    /// When the adapter is gone.
    pub fn say(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("it was not closed");
        stdin.write_all(bytes).expect("the adapter reads");
    }

    /// The answer to a request.
    ///
    /// # Errors
    /// What it says when it failed.
    pub fn answer(&mut self, seq: i64) -> Result<Value, String> {
        let mut answer = self.until(&format!("the answer to request {seq}"), |message| {
            message["type"] == "response" && message["request_seq"] == seq
        });
        if answer["success"] == true { Ok(answer["body"].take()) } else { Err(answer.to_string()) }
    }

    /// Asks and waits.
    ///
    /// # Panics
    /// When it fails.
    pub fn call(&mut self, command: &str, arguments: Value) -> Value {
        let seq = self.ask(command, arguments);
        self.answer(seq).unwrap_or_else(|error| panic!("{command} failed: {error}"))
    }

    /// Waits for an event; returns its body.
    pub fn event(&mut self, name: &str) -> Value {
        let is_it = |message: &Value| message["type"] == "event" && message["event"] == name;
        self.until(&format!("the event {name}"), is_it)["body"].take()
    }

    /// Waits for a message, which may have come before.
    ///
    /// # Panics
    /// When it does not come in time, with all that came.
    pub fn until(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.told.iter().position(&is_it) {
            return self.told.remove(at);
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.message_rx.recv_timeout(left) {
                Ok(message) if is_it(&message) => return message,
                Ok(message) => self.told.push(message),
                Err(error) => {
                    let ended = error == RecvTimeoutError::Disconnected;
                    let told: Vec<String> = self.told.iter().map(Value::to_string).collect();
                    panic!("no sign of {what} (ended: {ended}); said:\n{}", told.join("\n"));
                }
            }
        }
    }

    /// Until nothing more comes.
    pub fn rest(&mut self) -> Vec<Value> {
        while let Ok(message) = self.message_rx.recv_timeout(PATIENCE) {
            self.told.push(message);
        }
        std::mem::take(&mut self.told)
    }

    /// Kills it, as a crash would.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        let child = self.child.as_mut().expect("it is a process");
        child.kill().expect("it can be killed");
        child.wait().expect("it can be waited for");
    }

    /// Closes its input and waits for its end.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn end(mut self) -> Option<i32> {
        self.stdin = None;
        let child = self.child.as_mut().expect("it is a process");
        child.wait().expect("it can be waited for").code()
    }

    /// What an editor says first; returns the capabilities.
    pub fn initialize(&mut self) -> Value {
        self.call(
            "initialize",
            json!({
                "clientID": "harness", "adapterID": "towline", "pathFormat": "path",
                "linesStartAt1": true, "columnsStartAt1": true, "supportsVariableType": true,
            }),
        )
    }

    /// Attaches, with breakpoints in one file; returns what became of the breakpoints.
    pub fn attach(&mut self, file: &str, lines: &[u64]) -> Value {
        self.initialize();
        let attach = self.ask("attach", json!({ "process": "ignored" }));
        self.event("initialized");
        let set = self.set_breakpoints(file, lines);
        self.call("configurationDone", json!({}));
        self.answer(attach).unwrap_or_else(|error| panic!("attach failed: {error}"));
        set
    }

    /// Sets breakpoints in a file.
    pub fn set_breakpoints(&mut self, file: &str, lines: &[u64]) -> Value {
        let breakpoints: Vec<Value> = lines.iter().map(|line| json!({ "line": line })).collect();
        self.call(
            "setBreakpoints",
            json!({ "source": { "path": file }, "breakpoints": breakpoints, "lines": lines }),
        )
    }

    /// Where it stands after a stop: thread and its frames, the innermost first.
    pub fn stopped(&mut self) -> (Value, Value) {
        let thread = self.event("stopped")["threadId"].clone();
        let trace = self.call("stackTrace", json!({ "threadId": thread, "levels": 20 }));
        (thread, trace["stackFrames"].clone())
    }

    /// Variables of a frame: its arguments and locals, in whatever scopes they are.
    pub fn locals(&mut self, frame: &Value) -> Vec<Value> {
        let scopes = self.call("scopes", json!({ "frameId": frame["id"] }));
        let mut all = Vec::new();
        for scope in scopes["scopes"].as_array().into_iter().flatten() {
            let name = scope["name"].as_str().unwrap_or_default().to_lowercase();
            if ["register", "global", "static"].iter().any(|other| name.contains(other)) {
                continue;
            }
            let reference = scope["variablesReference"].clone();
            let variables = self.call("variables", json!({ "variablesReference": reference }));
            all.extend(variables["variables"].as_array().cloned().unwrap_or_default());
        }
        all
    }
}

impl Drop for Dap {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill(); // it may have ended
            let _ = child.wait();
        }
    }
}
