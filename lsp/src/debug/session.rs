//! One editor at one process: from the choice of the process to its release. Drives
//! [`Proxy`], which decides; everything here is what it says.

use std::time::Duration;

use protocol::dap::codec::{Decoder, encode};
use protocol::dap::proxy::{Effect, Evaluate, Plan, Proxy, Side};
use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::{Connection, OpenError};
use protocol::io::framed;
use protocol::limits::{CHUNK_LEN_MAX, DEBUG_QUEUE_MAX, REMOTE_FILE_MAX};
use protocol::wire::debug::{AdapterReady, OpenDebug, OpenSource, ProcessEntry, SourceChunk};
use protocol::wire::stream::{Open, Opened, Priority};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::map::{self, Known};
use super::upstream::{Heard, Upstream, UpstreamError};
use super::{bring, pick, processes};

/// What a face asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wanted {
    /// The process, by its name or id.
    pub process: Option<String>,
    /// How long the agent holds it when nobody is heard from.
    pub lease: Duration,
    /// An adapter by its name or path on the target.
    pub adapter: Option<String>,
    /// Directories here and there that hold the same.
    pub maps: Vec<(String, String)>,
    /// Whether code may be run in the process.
    pub evaluate: bool,
}

/// Why an editor and the adapter part.
enum Parted {
    /// The editor is gone.
    Editor,
    /// All is said.
    Over,
}

/// Serves one editor. The first thing that it gets is an `Opened` frame.
pub async fn run(
    connection: &Connection,
    wanted: Wanted,
    known: Known,
    mut face_rx: impl AsyncRead + Unpin,
    mut face_tx: impl AsyncWrite + Unpin,
) {
    let (lease, evaluate) = (wanted.lease, wanted.evaluate);
    let known = Known { said: wanted.maps.clone(), ..known };
    let prepared = prepare(connection, wanted).await;
    let answer = match &prepared {
        Ok(_) => Opened::Ok,
        Err(error) => Opened::Refused(error.clone()),
    };
    let told = framed::write(&mut face_tx, &answer).await;
    let Ok((process, mut upstream, ready)) = prepared else {
        let _ = face_tx.shutdown().await; // it has its answer, or is gone
        return;
    };
    if told.is_err() {
        return upstream.release().await;
    }
    let (pid, name) = (process.pid, process.name);
    tracing::info!(pid, name, adapter = ready.adapter, "a debugger attaches");
    let proxy = upstream.alive_while(proxy(known, ready, evaluate, lease)).await;
    let (fetched_tx, fetched_rx) = mpsc::channel(DEBUG_QUEUE_MAX);
    let mut session = Session {
        connection: connection.clone(),
        pid,
        proxy,
        upstream,
        face_tx: &mut face_tx,
        fetched_tx,
        fetched_rx,
    };
    let parted = session.serve(&mut face_rx).await;
    let Session { upstream, .. } = session;
    if let Parted::Editor = parted {
        tracing::info!(pid, "the editor is gone; its process is let go");
    }
    let _ = face_tx.shutdown().await; // all is said, or it is gone
    upstream.release().await;
}

async fn prepare(
    connection: &Connection,
    wanted: Wanted,
) -> Result<(ProcessEntry, Upstream, AdapterReady), WireError> {
    let listed = processes::list(connection, false).await.map_err(wire)?;
    let process = pick::pick(&listed, wanted.process.as_deref());
    let process =
        process.map_err(|error| WireError::new(ErrorCode::NotFound, error.to_string()))?;
    let mut open = OpenDebug {
        pid: process.pid,
        lease_ms: u32::try_from(wanted.lease.as_millis()).unwrap_or(u32::MAX),
        adapter: wanted.adapter,
        uploaded: None,
    };
    let opened = match Upstream::open(connection, open.clone()).await {
        Err(UpstreamError::Open(OpenError::Refused(error)))
            if error.code == ErrorCode::NotFound
                && process.language == "python"
                && open.adapter.is_none() =>
        {
            let brought = bring::debugpy(connection).await;
            open.uploaded = Some(
                brought
                    .map_err(|error| WireError::new(ErrorCode::NotFound, crate::chain(&error)))?,
            );
            Upstream::open(connection, open).await
        }
        opened => opened,
    };
    match opened {
        Ok((upstream, ready)) => Ok((process.clone(), upstream, ready)),
        Err(UpstreamError::Open(error)) => Err(wire(error)),
        Err(error) => Err(WireError::new(ErrorCode::Other, crate::chain(&error))),
    }
}

fn wire(error: OpenError) -> WireError {
    match error {
        OpenError::Refused(error) => error,
        other => WireError::new(ErrorCode::Unreachable, crate::chain(&other)),
    }
}

async fn proxy(known: Known, ready: AdapterReady, evaluate: bool, lease: Duration) -> Proxy {
    let asked = ready.clone();
    let map = tokio::task::spawn_blocking(move || map::build(&known, &asked)).await;
    let map = map.unwrap_or_default(); // without one, sources come from the target
    let mut notes = vec![format!("attached by {}", ready.adapter)];
    notes.extend(map::notes(&map));
    notes.push(format!(
        "when nobody is heard from for {} s, breakpoints are cleared and the process goes on",
        lease.as_secs_f32()
    ));
    let plan = Plan {
        arguments: serde_json::from_str(&ready.arguments).unwrap_or_default(),
        adapter: ready.adapter,
        quirks: ready.quirks,
        evaluate: if evaluate { Evaluate::Allowed } else { Evaluate::Forbidden },
        notes,
    };
    Proxy::new(plan, map)
}

struct Session<'a, W> {
    connection: Connection,
    pid: u32,
    proxy: Proxy,
    upstream: Upstream,
    face_tx: &'a mut W,
    /// fetches --texts--> session
    fetched_tx: mpsc::Sender<(i64, Result<String, String>)>,
    fetched_rx: mpsc::Receiver<(i64, Result<String, String>)>,
}

impl<W: AsyncWrite + Unpin> Session<'_, W> {
    async fn serve(&mut self, face_rx: &mut (impl AsyncRead + Unpin)) -> Parted {
        let mut alive = self.upstream.pace();
        let mut from_face = Decoder::default();
        let mut from_adapter = [Decoder::default(), Decoder::default()];
        let mut buffer = Vec::with_capacity(CHUNK_LEN_MAX);
        loop {
            let effects = tokio::select! {
                biased;
                _ = alive.tick() => match self.upstream.alive().await {
                    Ok(()) => Vec::new(),
                    Err(_) => self.proxy.end("the link to the target was lost"),
                },
                Some((id, text)) = self.fetched_rx.recv() => self.proxy.fetched(id, text),
                heard = self.upstream.heard_rx.recv() => match heard {
                    Some(Heard::Bytes(side, bytes)) => {
                        let decoder = &mut from_adapter[usize::from(side == Side::Child)];
                        decoder.push(&bytes);
                        self.each(decoder, |proxy, message| proxy.adapter(side, message))
                    }
                    Some(Heard::Note(text)) => self.proxy.note(&text),
                    Some(Heard::Gone(reason)) => self.proxy.end(&reason),
                    None => self.proxy.end("the agent ended the session"),
                },
                read = { buffer.clear(); face_rx.read_buf(&mut buffer) } => match read {
                    Ok(1..) => {
                        from_face.push(&buffer);
                        self.each(&mut from_face, Proxy::client)
                    }
                    _ => return Parted::Editor,
                },
            };
            if let Some(parted) = self.perform(effects).await {
                return parted;
            }
        }
    }

    /// Every whole message that came.
    fn each(
        &mut self,
        decoder: &mut Decoder,
        mut take: impl FnMut(&mut Proxy, serde_json::Value) -> Vec<Effect>,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        loop {
            match decoder.message() {
                Ok(None) => return effects,
                Ok(Some(message)) => effects.extend(take(&mut self.proxy, message)),
                Err(error) => {
                    effects.extend(self.proxy.end(&format!("the session ended: {error}")));
                    return effects;
                }
            }
        }
    }

    async fn perform(&mut self, effects: Vec<Effect>) -> Option<Parted> {
        let mut effects = std::collections::VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::ToClient(message) => {
                    if self.face_tx.write_all(&encode(&message)).await.is_err() {
                        return Some(Parted::Editor);
                    }
                }
                Effect::ToAdapter(side, message) => {
                    if self.upstream.say(side, &encode(&message)).await.is_err() {
                        effects.extend(self.proxy.end("the link to the target was lost"));
                    }
                }
                Effect::OpenChild => {
                    if let Err(reason) = self.upstream.open_child().await {
                        effects.extend(self.proxy.end(&reason));
                    }
                }
                Effect::Fetch { id, path } => {
                    let (connection, pid) = (self.connection.clone(), self.pid);
                    let fetched_tx = self.fetched_tx.clone();
                    tokio::spawn(async move {
                        let text = fetch(&connection, pid, path).await;
                        let _ = fetched_tx.send((id, text)).await; // the session may be over
                    });
                }
                Effect::End(_) => return Some(Parted::Over),
            }
        }
        None
    }
}

/// A file of the target as the process sees it.
async fn fetch(connection: &Connection, pid: u32, path: String) -> Result<String, String> {
    let open = Open::Source(OpenSource { pid, path });
    let opened = connection.open(&open, Priority::Terminal).await;
    let mut channel = opened.map_err(|error| crate::chain(&error))?;
    let mut text = Vec::new();
    loop {
        let read = framed::read::<SourceChunk>(&mut channel.rx).await;
        let SourceChunk { bytes, more } = read.map_err(|error| crate::chain(&error))?;
        text.extend_from_slice(&bytes);
        if !more || text.len() > REMOTE_FILE_MAX {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
    }
}
