//! An editor, as far as a language server sees one: starts `towline lsp`, speaks the
//! protocol, answers what the server asks, keeps what it is told.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::wait::PATIENCE;

/// A running server with an editor at it.
#[derive(Debug)]
pub struct Editor {
    server: Child,
    input: Option<ChildStdin>,
    /// reader --messages--> here
    message_rx: Receiver<Value>,
    next_id: i64,
    /// Answers that nobody has asked for yet.
    answers: Vec<Value>,
    /// Notifications so far, with their methods.
    pub told: Vec<Value>,
    /// Requests of the server so far.
    pub asked: Vec<Value>,
    /// The title that is chosen in questions.
    pub choice: Option<String>,
}

impl Editor {
    /// In the sandbox's workspace, past `initialized`.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn start(sandbox: &Sandbox) -> Self {
        Self::start_with(sandbox, json!({}), json!({}))
    }

    /// The same with capabilities and options of its own.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn start_with(sandbox: &Sandbox, capabilities: Value, options: Value) -> Self {
        Self::begun(Self::raw(sandbox), sandbox, capabilities, options)
    }

    /// With a server of this command, in the sandbox's workspace, past `initialized`.
    ///
    /// # Panics
    /// When the server does not answer.
    pub fn start_by(command: Command, sandbox: &Sandbox) -> Self {
        Self::begun(Self::spawned(command, sandbox), sandbox, json!({}), json!({}))
    }

    fn begun(mut editor: Self, sandbox: &Sandbox, capabilities: Value, options: Value) -> Self {
        let root = uri(&sandbox.workspace());
        let params = json!({
            "processId": null,
            "rootUri": root,
            "capabilities": capabilities,
            "initializationOptions": options,
        });
        editor.request("initialize", params).expect("initialize is answered");
        editor.notify("initialized", json!({}));
        editor
    }

    /// Before `initialize`.
    ///
    /// # Panics
    /// When the server cannot be started.
    pub fn raw(sandbox: &Sandbox) -> Self {
        Self::spawned(sandbox.command(&["lsp"]), sandbox)
    }

    fn spawned(mut command: Command, sandbox: &Sandbox) -> Self {
        let log = std::fs::File::create(sandbox.path().join("lsp.log")).expect("a log");
        let mut server = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("towline can be started");
        let output = BufReader::new(server.stdout.take().expect("stdout is piped"));
        let (message_tx, message_rx) = channel();
        std::thread::spawn(move || {
            let mut output = output;
            while let Some(message) = read(&mut output) {
                if message_tx.send(message).is_err() {
                    return;
                }
            }
        });
        let input = server.stdin.take();
        Self {
            server,
            input,
            message_rx,
            next_id: 0,
            answers: Vec::new(),
            told: Vec::new(),
            asked: Vec::new(),
            choice: None,
        }
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Bytes as they are.
    ///
    /// # Panics
    /// When the server has gone.
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the pipe is open");
        let written = input.write_all(bytes).and_then(|()| input.flush());
        let shown = &bytes[..bytes.len().min(400)];
        written.unwrap_or_else(|error| {
            panic!("the server is gone ({error}) before {}", String::from_utf8_lossy(shown))
        });
    }

    /// A message in its frame.
    pub fn send(&mut self, message: &Value) {
        let body = message.to_string();
        self.write(format!("Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    }

    /// A notification.
    pub fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// Begins a request; its number.
    pub fn begin(&mut self, method: &str, params: Value) -> i64 {
        self.next_id += 1;
        let id = self.next_id;
        let mut message = json!({ "jsonrpc": "2.0", "id": id, "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        self.send(&message);
        id
    }

    /// A request's result, or its error.
    ///
    /// # Errors
    /// The server's.
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.begin(method, params);
        self.answer(id)
    }

    /// The answer to a request that was begun.
    ///
    /// # Errors
    /// The server's.
    ///
    /// # Panics
    /// When none comes.
    pub fn answer(&mut self, id: i64) -> Result<Value, Value> {
        let is_it = |message: &Value| message["id"] == id;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.answers.iter().position(is_it) {
                let answer = self.answers.swap_remove(at);
                return match answer.get("error") {
                    Some(error) => Err(error.clone()),
                    None => Ok(answer["result"].clone()),
                };
            }
            assert!(self.take(deadline), "request {id} was not answered: {:#?}", self.told.last());
        }
    }

    /// `workspace/executeCommand`.
    ///
    /// # Errors
    /// The server's.
    pub fn try_run(&mut self, command: &str, argument: Value) -> Result<Value, Value> {
        let params = json!({ "command": command, "arguments": [argument] });
        self.request("workspace/executeCommand", params)
    }

    /// The same, which has to succeed.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn run(&mut self, command: &str, argument: Value) -> Value {
        match self.try_run(command, argument) {
            Ok(value) => value,
            Err(error) => panic!("{command}: {error}"),
        }
    }

    /// Waits until what was told makes `condition` return something.
    ///
    /// # Panics
    /// When it never does.
    #[track_caller]
    pub fn until<T>(&mut self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = condition(self) {
                return value;
            }
            let came = self.take(deadline);
            assert!(came, "waited in vain for: {what}; last: {:#?}", self.told.last());
        }
    }

    /// What is underlined in a file now; none when nothing was ever told of it.
    pub fn diagnostics(&self, file: &Path) -> Option<Vec<Value>> {
        let uri = uri(file);
        let of_file = |message: &&Value| {
            message["method"] == "textDocument/publishDiagnostics"
                && message["params"]["uri"] == uri
        };
        let last = self.told.iter().rev().find(of_file)?;
        last["params"]["diagnostics"].as_array().cloned()
    }

    /// The last `towline/status`.
    pub fn status(&self) -> Option<&Value> {
        let last = self.told.iter().rev().find(|message| message["method"] == "towline/status");
        last.map(|message| &message["params"])
    }

    /// Opens a file as it is on the disk.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn open(&mut self, file: &Path) {
        let text = std::fs::read_to_string(file).expect("the file can be read");
        let document =
            json!({ "uri": uri(file), "languageId": "plaintext", "version": 1, "text": text });
        self.notify("textDocument/didOpen", json!({ "textDocument": document }));
    }

    /// Closes the pipe and waits for the server's end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn end(mut self) {
        drop(self.input.take());
        crate::wait::until("the server to end", || self.server.try_wait().ok().flatten());
    }

    /// Waits for the server's end with the pipe open.
    ///
    /// # Panics
    /// When it does not end.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        crate::wait::until("the server to end", || self.server.try_wait().ok().flatten())
    }

    /// Takes one message; false when none comes any more.
    fn take(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let message = match self.message_rx.recv_timeout(left) {
            Ok(message) => message,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
        };
        match (message.get("id").cloned(), message.get("method").is_some()) {
            (Some(id), true) => {
                let actions = message["params"]["actions"].as_array().cloned().unwrap_or_default();
                let chosen = self.choice.as_ref().and_then(|choice| {
                    actions.into_iter().find(|action| action["title"] == *choice)
                });
                let result = match message["method"].as_str() {
                    Some("window/showMessageRequest") => chosen.unwrap_or_default(),
                    Some("window/showDocument") => json!({ "success": true }),
                    _ => Value::Null,
                };
                self.asked.push(message);
                self.send(&json!({ "jsonrpc": "2.0", "id": id, "result": result }));
            }
            (Some(_), false) => self.answers.push(message),
            (None, _) => self.told.push(message),
        }
        true
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill(); // it may have ended
        let _ = self.server.wait();
    }
}

/// The address of a file.
pub fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

fn read(output: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some(number) = line.strip_prefix("Content-Length: ") {
            length = number.parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    output.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
