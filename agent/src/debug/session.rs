//! One debug session: carries DAP between the hub and an adapter, and watches over the
//! process. However it ends (the editor leaves, the hub is silent for as long as the lease,
//! this agent ends), the process is let go by words, never by a signal.

use std::time::Duration;

use protocol::dap::codec::{Decoder, encode};
use protocol::dap::guard::{Guard, Step};
use protocol::io::connection::{Channel, ChannelRx, ChannelTx};
use protocol::io::framed::{self, FrameError};
use protocol::limits::{
    ADAPTER_START_MAX, CHUNK_LEN_MAX, DAP_MESSAGE_MAX, DEBUG_QUEUE_MAX, RELEASE_STEP_MAX,
};
use protocol::wire::debug::{FromDebugger, OpenDebug, ToDebugger};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::adapter::{Started, is_inspector};
use super::python::Injection;
use crate::context::Context;
use crate::router::accept;

const _: () = assert!(DEBUG_QUEUE_MAX / 2 * CHUNK_LEN_MAX >= DAP_MESSAGE_MAX);

/// Why a session is over.
enum Over {
    /// The editor left, or the adapter ended by itself.
    Ended(String),
    /// Nobody is there any more: the process has to be let go.
    Alone(&'static str),
}

/// A session and what it holds.
struct Session {
    guard: Guard,
    /// session --bytes--> adapter
    adapter_tx: mpsc::Sender<Vec<u8>>,
    /// session --frames--> hub
    hub_tx: mpsc::Sender<FromDebugger>,
    injection: Option<Injection>,
    /// injection --how it went--> session
    injected_tx: mpsc::Sender<Result<Duration, String>>,
    from_hub: Decoder,
    from_adapter: Decoder,
    /// When the process has to have connected.
    connects_until: Option<Instant>,
    /// Whether the process is being made to connect right now.
    injecting: bool,
    /// Whether the adapter ever said anything.
    spoke: bool,
}

/// Runs a session to its end.
///
/// # Errors
/// The stream's, once nothing is held any more.
pub async fn run(
    context: Context,
    open: OpenDebug,
    started: Started,
    mut channel: Channel,
) -> Result<(), FrameError> {
    let Started { ready, mut rx, tx, mut child, injection, relay, by_ptrace } = started;
    let is_dap = !is_inspector(&ready);
    let (adapter_tx, adapter_rx) = mpsc::channel(DEBUG_QUEUE_MAX);
    let (hub_tx, hub_rx) = mpsc::channel(DEBUG_QUEUE_MAX);
    let (injected_tx, mut injected_rx) = mpsc::channel(1);
    let mut session = Session {
        guard: Guard::new(&ready.quirks),
        adapter_tx,
        hub_tx,
        injection,
        injected_tx,
        from_hub: Decoder::default(),
        from_adapter: Decoder::default(),
        connects_until: None,
        injecting: false,
        spoke: false,
    };
    let accepted = accept(&mut channel).await;
    let _ = session.hub_tx.try_send(FromDebugger::Ready(ready)); // the queue is empty
    let Channel { tx: to_hub, rx: mut from_hub } = channel;
    let telling = tokio::spawn(tell(hub_rx, to_hub));
    let feeding = tokio::spawn(feed(adapter_rx, tx));
    let over = match accepted {
        Ok(()) => {
            let lease = Duration::from_millis(u64::from(open.lease_ms));
            let parts = (&mut from_hub, &mut rx, &mut injected_rx);
            session.serve(&context, lease, is_dap, parts).await
        }
        Err(_) => Over::Alone("the hub left before the session began"),
    };
    if session.injecting {
        // An agent that ends in the middle of it would take the process with it.
        let _ = timeout(ADAPTER_START_MAX, injected_rx.recv()).await;
    }
    drop(relay); // cuts an inspector's connections, which lets its process go on
    let reason = match over {
        Over::Ended(reason) => reason,
        Over::Alone(why) => {
            tracing::info!(pid = open.pid, why, "letting a debugged process go");
            session.release(&mut rx).await;
            why.to_owned()
        }
    };
    let Session { adapter_tx, hub_tx, .. } = session;
    drop(adapter_tx); // its input ends: adapters take that as the end
    let _ = timeout(RELEASE_STEP_MAX, feeding).await; // one that does not read is left
    let _ = hub_tx.try_send(FromDebugger::Ended(reason)); // a hub that is gone needs none
    drop(hub_tx);
    if let Some(child) = &mut child {
        let mut rest = Vec::new();
        let ended = async {
            // What it still says has no reader; it must not wait for one.
            let drain = async {
                while matches!(rx.read_buf(&mut rest).await, Ok(1..)) {
                    rest.clear()
                }
            };
            tokio::join!(drain, child.wait())
        };
        if timeout(2 * RELEASE_STEP_MAX, ended).await.is_err() {
            tracing::warn!(pid = child.id(), by_ptrace, "a debug adapter does not end");
            if !by_ptrace {
                let _ = child.kill().await; // it holds nothing
            }
        }
    }
    let _ = timeout(RELEASE_STEP_MAX, telling).await; // the link may be gone
    Ok(())
}

type Parts<'a> = (
    &'a mut ChannelRx,
    &'a mut Box<dyn AsyncRead + Send + Unpin>,
    &'a mut mpsc::Receiver<Result<Duration, String>>,
);

impl Session {
    async fn serve(
        &mut self,
        context: &Context,
        lease: Duration,
        is_dap: bool,
        (from_hub, rx, injected_rx): Parts<'_>,
    ) -> Over {
        // A frame that is half read must not be lost when something else happens.
        let (frame_tx, mut frame_rx) = mpsc::channel(DEBUG_QUEUE_MAX);
        let read_hub = async {
            while let Ok(Some(frame)) = framed::read_optional::<ToDebugger>(from_hub).await {
                if frame_tx.send(frame).await.is_err() {
                    break;
                }
            }
            drop(frame_tx);
            std::future::pending::<()>().await;
        };
        let mut read_hub = std::pin::pin!(read_hub);
        let mut buffer = Vec::with_capacity(CHUNK_LEN_MAX);
        let mut heard = Instant::now();
        loop {
            let room = self.hub_tx.capacity() > DEBUG_QUEUE_MAX / 2;
            let connects_until = self.connects_until;
            tokio::select! {
                biased;
                () = context.shutdown.cancelled() => return Over::Alone("the agent ends"),
                () = &mut read_hub => {}
                frame = frame_rx.recv() => {
                    heard = Instant::now();
                    match frame {
                        Some(ToDebugger::Alive) => {}
                        Some(ToDebugger::Bytes(bytes)) => if let Err(over) = self.hub_says(&bytes) {
                            return over;
                        },
                        Some(ToDebugger::Release) => return Over::Alone("the editor left"),
                        None => return Over::Alone("the hub left"),
                    }
                }
                done = injected_rx.recv() => {
                    self.injecting = false;
                    if let Some(over) = done.and_then(|done| self.injected(done)) {
                        return over;
                    }
                }
                () = sleep_until(connects_until.unwrap_or(heard)), if connects_until.is_some() => {
                    return self.never_connected();
                }
                // Before what the adapter says, which may be without end.
                () = sleep_until(heard + lease) => {
                    return Over::Alone("nothing was heard from the editor's side for the lease");
                }
                read = read(rx, &mut buffer), if is_dap && room => match read {
                    Some(()) => if let Err(over) = self.adapter_says(&buffer) {
                        return over;
                    },
                    None => return Over::Ended(self.adapter_ended()),
                },
            }
        }
    }

    fn hub_says(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.from_hub.push(bytes);
        let mut said = Vec::new();
        loop {
            match self.from_hub.message() {
                Ok(None) => return self.say(said),
                Ok(Some(message)) => {
                    self.guard.to_adapter(&message);
                    said.extend(encode(&message));
                }
                Err(_) => return Err(Over::Alone("what the hub sent is no DAP")),
            }
        }
    }

    fn say(&mut self, bytes: Vec<u8>) -> Result<(), Over> {
        if bytes.is_empty() {
            return Ok(());
        }
        let sent = self.adapter_tx.try_send(bytes);
        sent.map_err(|_| Over::Alone("the debug adapter does not listen"))
    }

    fn adapter_says(&mut self, bytes: &[u8]) -> Result<(), Over> {
        self.spoke = true;
        self.from_adapter.push(bytes);
        let mut said = Vec::new();
        let done = loop {
            match self.from_adapter.message() {
                Ok(None) => break Ok(()),
                Ok(Some(message)) => {
                    self.guard.from_adapter(&message);
                    if !self.is_for_us(&message) {
                        said.extend(encode(&message));
                    }
                }
                Err(error) => {
                    let reason = format!("the debug adapter sent something odd: {error}");
                    break Err(Over::Ended(reason));
                }
            }
        };
        // There is room: the adapter is read only where a message of any length has it.
        for chunk in said.chunks(CHUNK_LEN_MAX) {
            let _ = self.hub_tx.try_send(FromDebugger::Bytes(chunk.to_vec()));
        }
        done
    }

    /// debugpy says that it waits for its process: now the process is made to connect.
    fn is_for_us(&mut self, message: &Value) -> bool {
        let Some(event) = message["event"].as_str() else { return false };
        if event == "initialized" {
            self.connects_until = None;
        }
        if event != "debugpyWaitingForServer" {
            return false;
        }
        let Some(injection) = self.injection.clone() else { return true };
        let host = message["body"]["host"].as_str().unwrap_or("127.0.0.1").to_owned();
        let port = message["body"]["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let injected_tx = self.injected_tx.clone();
        self.connects_until = Some(Instant::now() + ADAPTER_START_MAX);
        self.injecting = true;
        tokio::spawn(async move {
            let done = injection.run(&host, port.unwrap_or_default()).await;
            let _ = injected_tx.send(done).await; // a session that is over needs none
        });
        true
    }

    fn injected(&mut self, done: Result<Duration, String>) -> Option<Over> {
        match done {
            Ok(still) => {
                let micros = still.as_micros();
                let note =
                    format!("the process stood still for {micros} µs while debugpy was let in");
                let _ = self.hub_tx.try_send(FromDebugger::Note(note));
                None
            }
            Err(reason) => {
                Some(Over::Ended(format!("unable to let debugpy into the process: {reason}")))
            }
        }
    }

    fn never_connected(&self) -> Over {
        let said = self.injection.as_ref().and_then(Injection::report);
        let reason = said.unwrap_or_else(|| "it did not say why".to_owned());
        Over::Ended(format!("the process did not connect to its debug adapter: {reason}"))
    }

    fn adapter_ended(&self) -> String {
        if !self.spoke {
            let hint = match self.injection {
                Some(_) => ": debugpy 1.8.20 is the last one for Python 3.8 and 3.9",
                None => "",
            };
            format!("the debug adapter ended at its start{hint}")
        } else if self.guard.holds() {
            "the debug adapter ended".to_owned()
        } else {
            "detached".to_owned()
        }
    }

    /// Says everything to the adapter that makes it let go, and waits for each answer for a
    /// while.
    async fn release(&mut self, rx: &mut Box<dyn AsyncRead + Send + Unpin>) {
        let mut buffer = Vec::with_capacity(CHUNK_LEN_MAX);
        let mut late = false;
        let mut deadline = Instant::now() + RELEASE_STEP_MAX;
        loop {
            match self.guard.release(late) {
                Step::Close => return,
                Step::Wait => {}
                Step::Send(requests) => {
                    deadline = Instant::now() + RELEASE_STEP_MAX;
                    let said = requests.iter().flat_map(encode).collect();
                    if self.say(said).is_err() {
                        return; // it listens no more; the end of its input is left
                    }
                }
            }
            late = false;
            tokio::select! {
                biased;
                read = read(rx, &mut buffer) => {
                    if read.is_none() {
                        return; // it has ended
                    }
                    self.from_adapter.push(&buffer);
                    while let Ok(Some(message)) = self.from_adapter.message() {
                        self.guard.from_adapter(&message);
                    }
                }
                () = sleep_until(deadline) => late = true,
            }
        }
    }
}

/// Fills `buffer` with what comes next; `None` at the end.
async fn read(rx: &mut Box<dyn AsyncRead + Send + Unpin>, buffer: &mut Vec<u8>) -> Option<()> {
    buffer.clear();
    match rx.read_buf(buffer).await {
        Ok(1..) => Some(()),
        _ => None,
    }
}

/// Writes to the adapter; ends, and with it the adapter's input, when nobody says more.
async fn feed(mut bytes_rx: mpsc::Receiver<Vec<u8>>, mut tx: Box<dyn AsyncWrite + Send + Unpin>) {
    while let Some(bytes) = bytes_rx.recv().await {
        if tx.write_all(&bytes).await.is_err() || tx.flush().await.is_err() {
            return;
        }
    }
    let _ = tx.shutdown().await; // it may be gone
}

/// Writes to the hub.
async fn tell(mut frame_rx: mpsc::Receiver<FromDebugger>, mut tx: ChannelTx) {
    while let Some(frame) = frame_rx.recv().await {
        if framed::write(&mut tx, &frame).await.is_err() {
            return;
        }
    }
    let _ = tx.shutdown().await; // it may be gone
}
