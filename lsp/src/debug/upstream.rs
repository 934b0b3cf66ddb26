//! The adapter's side of a session as the hub sees it: the agent's stream, and for Node the
//! js-debug that runs here. Carries bytes; knows nothing of what they say.

use std::time::Duration;

use protocol::dap::proxy::Side;
use protocol::io::connection::{Channel, ChannelRx, ChannelTx, Connection, OpenError};
use protocol::io::framed::{self, FrameError};
use protocol::limits::{CHUNK_LEN_MAX, DEBUG_ALIVE_PART, DEBUG_QUEUE_MAX};
use protocol::wire::debug::{AdapterReady, FromDebugger, OpenDebug, Quirk, ToDebugger};
use protocol::wire::stream::{Open, Priority};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::task::AbortOnDropHandle;

use super::jsdebug::{self, JsDebug};

/// What comes from the adapter's side.
#[derive(Debug)]
pub enum Heard {
    /// Bytes of DAP.
    Bytes(Side, Vec<u8>),
    /// Something for a person.
    Note(String),
    /// It is over.
    Gone(String),
}

/// See the module.
pub struct Upstream {
    agent_tx: ChannelTx,
    lease: Duration,
    heard_tx: mpsc::Sender<Heard>,
    /// readers --what comes--> session
    pub heard_rx: mpsc::Receiver<Heard>,
    readers: Vec<AbortOnDropHandle<()>>,
    js: Option<Js>,
}

struct Js {
    server: JsDebug,
    main: OwnedWriteHalf,
    child: Option<OwnedWriteHalf>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The agent's no, or the link's end.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was here to be done.
    #[error("{0}")]
    Here(String),
}

impl Upstream {
    /// Has the agent attach, and starts here what is to run here.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    pub async fn open(
        connection: &Connection,
        open: OpenDebug,
    ) -> Result<(Self, AdapterReady), UpstreamError> {
        let lease = Duration::from_millis(u64::from(open.lease_ms));
        let Channel { tx, mut rx } =
            connection.open(&Open::Debug(open), Priority::Terminal).await?;
        let ready = match framed::read(&mut rx).await.map_err(OpenError::from)? {
            FromDebugger::Ready(ready) => ready,
            FromDebugger::Ended(reason) => return Err(UpstreamError::Here(reason)),
            _ => return Err(UpstreamError::Here("the agent spoke out of turn".to_owned())),
        };
        let (heard_tx, heard_rx) = mpsc::channel(DEBUG_QUEUE_MAX);
        let reader = tokio::spawn(read_agent(rx, heard_tx.clone()));
        let readers = vec![AbortOnDropHandle::new(reader)];
        let mut upstream = Self { agent_tx: tx, lease, heard_tx, heard_rx, readers, js: None };
        let mut ready = ready;
        if ready.quirks.contains(&Quirk::Inspector) {
            upstream.start_js(connection, &mut ready).await.map_err(UpstreamError::Here)?;
        }
        Ok((upstream, ready))
    }

    async fn start_js(
        &mut self,
        connection: &Connection,
        ready: &mut AdapterReady,
    ) -> Result<(), String> {
        let told: serde_json::Value = serde_json::from_str(&ready.arguments).unwrap_or_default();
        let port = told["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("the agent named no port of the inspector")?;
        let server = self.alive_while(jsdebug::start(connection, port)).await?;
        ready.arguments = server.arguments().to_string();
        "js-debug".clone_into(&mut ready.adapter);
        let main = self.join_js(&server, Side::Main).await?;
        self.js = Some(Js { server, main, child: None });
        Ok(())
    }

    async fn join_js(&mut self, server: &JsDebug, side: Side) -> Result<OwnedWriteHalf, String> {
        let tcp = server.connect().await;
        let tcp: TcpStream = tcp.map_err(|error| format!("unable to reach js-debug: {error}"))?;
        let (rx, tx) = tcp.into_split();
        let reader = tokio::spawn(read_js(rx, side, self.heard_tx.clone()));
        self.readers.push(AbortOnDropHandle::new(reader));
        Ok(tx)
    }

    /// Opens the child session's connection.
    ///
    /// # Errors
    /// A sentence.
    pub async fn open_child(&mut self) -> Result<(), String> {
        let Some(mut js) = self.js.take() else {
            return Err("this adapter has no child sessions".to_owned());
        };
        let joined = self.join_js(&js.server, Side::Child).await;
        let done = joined.map(|tx| js.child = Some(tx));
        self.js = Some(js);
        done
    }

    /// Says something to the adapter.
    ///
    /// # Errors
    /// The stream's.
    pub async fn say(&mut self, side: Side, bytes: &[u8]) -> Result<(), FrameError> {
        if let Some(js) = &mut self.js {
            let tx = match (side, &mut js.child) {
                (Side::Child, Some(child)) => child,
                _ => &mut js.main,
            };
            return Ok(tx.write_all(bytes).await?);
        }
        for chunk in bytes.chunks(CHUNK_LEN_MAX) {
            framed::write(&mut self.agent_tx, &ToDebugger::Bytes(chunk.to_vec())).await?;
        }
        Ok(())
    }

    /// Says to the agent that somebody is here.
    ///
    /// # Errors
    /// The stream's.
    pub async fn alive(&mut self) -> Result<(), FrameError> {
        framed::write(&mut self.agent_tx, &ToDebugger::Alive).await
    }

    /// How often to say that somebody is here.
    pub fn pace(&self) -> Interval {
        let mut pace = interval((self.lease / DEBUG_ALIVE_PART).max(Duration::from_millis(10)));
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pace
    }

    /// Does something that may take longer than the lease.
    pub async fn alive_while<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut pace = self.pace();
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = pace.tick() => {
                    let _ = self.alive().await; // a link that is lost shows itself later
                }
            }
        }
    }

    /// Has the agent let the process go, and ends what runs here.
    pub async fn release(mut self) {
        // A stream that is cut says the same.
        let _ = framed::write(&mut self.agent_tx, &ToDebugger::Release).await;
        if let Some(js) = self.js.take() {
            js.server.end().await;
        }
        // The agent says when it is done; the stream's end would say so, too.
        while let Some(heard) = self.heard_rx.recv().await {
            if matches!(heard, Heard::Gone(_)) {
                break;
            }
        }
        let _ = self.agent_tx.shutdown().await; // it may be gone
    }
}

async fn read_agent(mut rx: ChannelRx, heard_tx: mpsc::Sender<Heard>) {
    loop {
        let heard = match framed::read_optional(&mut rx).await {
            Ok(Some(FromDebugger::Bytes(bytes))) => Heard::Bytes(Side::Main, bytes),
            Ok(Some(FromDebugger::Note(text))) => Heard::Note(text),
            Ok(Some(FromDebugger::Ended(reason))) => Heard::Gone(reason),
            Ok(Some(FromDebugger::Ready(_))) => continue,
            Ok(None) | Err(_) => Heard::Gone("the agent ended the session".to_owned()),
        };
        let is_last = matches!(heard, Heard::Gone(_));
        if heard_tx.send(heard).await.is_err() || is_last {
            return;
        }
    }
}

async fn read_js(mut rx: OwnedReadHalf, side: Side, heard_tx: mpsc::Sender<Heard>) {
    let mut buffer = Vec::with_capacity(CHUNK_LEN_MAX);
    loop {
        buffer.clear();
        let heard = match rx.read_buf(&mut buffer).await {
            Ok(1..) => Heard::Bytes(side, buffer.clone()),
            _ => Heard::Gone("js-debug ended the session".to_owned()),
        };
        let is_last = matches!(heard, Heard::Gone(_));
        if heard_tx.send(heard).await.is_err() || is_last {
            return;
        }
    }
}
