//! Serves faces on the hub's socket: one task per connection, one request per
//! connection.

use std::sync::Arc;
use std::time::Duration;

use protocol::io::connection::Connection;
use protocol::limits::HUB_CLIENTS_MAX;
use protocol::version::VERSION;
use protocol::wire::app::Logs;
use protocol::wire::copy::Copy;
use protocol::wire::debug::OpenProcesses;
use protocol::wire::exec::{Exec, WindowSize};
use protocol::wire::port::Resolve;
use protocol::wire::stream::Open;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::api::{ApiError, Envelope, Failure, Reply, Request, read_line, write_line};
use super::effect::Answer;
use super::event::Event;
use super::requests;
use super::run::{Answered, Handle, Message};
use crate::config::Settings;
use crate::debug::session::{self as debug, Wanted};
use crate::documents;
use crate::remote::splice::splice;
use crate::status::{FailureCode, Readiness, Status};

/// How long a face may take to say what it wants.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);

/// How long a command waits for a link that is being made.
const LINK_PATIENCE: Duration = Duration::from_secs(20);

/// One face.
pub struct Face {
    rx: BufReader<OwnedReadHalf>,
    tx: OwnedWriteHalf,
    handle: Handle,
}

/// What became of a request.
pub enum Outcome {
    /// Its result.
    Done(Value),
    /// The face's connection becomes this stream of the agent's.
    Raw(Connection, Open),
    /// The face's connection becomes a debug session.
    Debug(Connection, Wanted),
}

/// Serves faces until `quit`, then until each has its answer.
pub async fn serve(listener: UnixListener, handle: Handle, quit: CancellationToken) {
    let seats = Arc::new(Semaphore::new(HUB_CLIENTS_MAX));
    let faces = TaskTracker::new();
    loop {
        let seat = seats.clone().acquire_owned().await;
        let stream = tokio::select! {
            biased;
            () = quit.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of descriptors: the next one may find one free again.
                    tracing::warn!(%error, "unable to accept a face");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let (handle, quit) = (handle.clone(), quit.clone());
        faces.spawn(async move {
            let _seat = seat;
            if handle.message_tx.send(Message::Event(Event::ClientCame)).await.is_err() {
                return;
            }
            let message_tx = handle.message_tx.clone();
            tokio::select! {
                // Answers of a request that ends the hub are written before.
                biased;
                result = face(stream, handle) => if let Err(error) = result {
                    tracing::debug!(error = crate::chain(&error), "a face went");
                },
                () = async { quit.cancelled().await; linger().await } => {}
            }
            let _ = message_tx.send(Message::Event(Event::ClientLeft)).await; // the hub is gone
        });
    }
    faces.close();
    faces.wait().await;
}

/// What a face still gets after the hub's end: its answer is in the socket's
/// buffer at once, so one moment is plenty.
async fn linger() {
    tokio::time::sleep(Duration::from_millis(200)).await;
}

async fn face(stream: UnixStream, handle: Handle) -> Result<(), ApiError> {
    let (rx, tx) = stream.into_split();
    let mut face = Face { rx: BufReader::new(rx), tx, handle };
    let envelope: Envelope = match timeout(REQUEST_PATIENCE, read_line(&mut face.rx)).await {
        Ok(Ok(envelope)) => envelope,
        Ok(Err(error @ (ApiError::Malformed(_) | ApiError::TooLong))) => {
            let failure = Failure::new(FailureCode::Usage, crate::chain(&error))
                .help("this socket is for `towline` only");
            return face.reply(&Reply::Failed(failure)).await;
        }
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(ApiError::Ended),
    };
    if envelope.version != VERSION && !matches!(envelope.request, Request::Down) {
        let failure = Failure::new(
            FailureCode::Conflict,
            format!("the hub of this workspace is towline {VERSION}, this is {}", envelope.version),
        )
        .help("run `towline down`, then `towline up` again");
        return face.reply(&Reply::Failed(failure)).await;
    }
    match face.request(envelope.request).await? {
        Ok(Outcome::Done(value)) => face.reply(&Reply::Done(value)).await,
        Ok(Outcome::Raw(connection, open)) => {
            face.reply(&Reply::Raw).await?;
            if let Err(error) = splice(&connection, open, (face.rx, face.tx)).await {
                tracing::debug!(error = crate::chain(&error), "a stream was cut");
            }
            Ok(())
        }
        Ok(Outcome::Debug(connection, wanted)) => {
            face.reply(&Reply::Raw).await?;
            let known = requests::known(&face.handle);
            debug::run(&connection, wanted, known, face.rx, face.tx).await;
            Ok(())
        }
        Err(failure) => face.reply(&Reply::Failed(failure)).await,
    }
}

impl Face {
    async fn reply(&mut self, reply: &Reply) -> Result<(), ApiError> {
        write_line(&mut self.tx, reply).await
    }

    async fn request(&mut self, request: Request) -> Result<Result<Outcome, Failure>, ApiError> {
        Ok(match request {
            Request::Up { settings, replace } => return self.up(settings, replace).await,
            Request::Down => self.down().await,
            Request::Status { watch: false } => {
                self.refresh().await;
                Ok(Outcome::Done(status_value(&self.handle.status_rx.borrow().clone())))
            }
            Request::Status { watch: true } => {
                let _watching = self.handle.watching.upgrade();
                return self.watch().await;
            }
            Request::Follow => return self.watch().await,
            Request::ForwardAdd { spec, strict } => {
                requests::forward_add(&self.handle, &spec, strict).await.map(Outcome::Done)
            }
            Request::ForwardRemove { spec } => {
                requests::forward_remove(&self.handle, &spec).await.map(Outcome::Done)
            }
            Request::Sync { name, action } => {
                requests::sync(&self.handle, name.as_deref(), action).await.map(Outcome::Done)
            }
            Request::Restart => match self.connection().await {
                Ok(connection) => {
                    requests::restart(&self.handle, &connection).await.map(Outcome::Done)
                }
                Err(failure) => Err(failure),
            },
            Request::Exec { argv, cwd, env, tty } => {
                let tty = tty.map(|(rows, cols)| WindowSize { rows, cols });
                self.raw(Open::Exec(Exec { argv, cwd, env, tty })).await
            }
            Request::Logs { tail, follow } => self.raw(Open::Logs(Logs { tail, follow })).await,
            Request::Files(files) => self.raw(Open::Files(requests::files(files))).await,
            Request::Resolve { host } => self.raw(Open::Resolve(Resolve { host })).await,
            Request::Processes { all } => self.raw(Open::Processes(OpenProcesses { all })).await,
            Request::Debug(wanted) => {
                self.connection().await.map(|connection| Outcome::Debug(connection, wanted))
            }
            Request::CopyIn { path } => self.raw(Open::Copy(Copy::In(path))).await,
            Request::CopyOut { path } => self.raw(Open::Copy(Copy::Out(path))).await,
        })
    }

    async fn up(
        &mut self,
        settings: Option<Settings>,
        replace: bool,
    ) -> Result<Result<Outcome, Failure>, ApiError> {
        let settings = settings.map(Box::new);
        let answered = self.ask(|answer_tx| Message::Up { settings, replace, answer_tx }).await;
        match answered.map(|answered| answered.answer) {
            Ok(Answer::Accepted) => {}
            Ok(Answer::Differs(lines)) => {
                let failure = Failure::new(
                    FailureCode::Conflict,
                    format!(
                        "something else is up in this workspace (- up, + asked for):\n  {}",
                        lines.join("\n  ")
                    ),
                );
                let help = "run `towline down` first, or `towline up --replace` to change to it";
                return Ok(Err(failure.help(help)));
            }
            Ok(_) => return Ok(Err(not_up())),
            Err(failure) => return Ok(Err(failure)),
        }
        let mut status_rx = self.handle.status_rx.clone();
        status_rx.mark_changed();
        let _watching = self.handle.watching.upgrade();
        loop {
            tokio::select! {
                biased;
                () = gone(&mut self.rx) => return Err(ApiError::Ended),
                changed = status_rx.changed() => if changed.is_err() {
                    return Err(ApiError::Ended);
                },
            }
            let status = status_rx.borrow_and_update().clone();
            match &status.readiness {
                Readiness::Ready => break,
                Readiness::Failed { code, reason, help } => {
                    return Ok(Err(Failure::new(*code, reason).help(help)));
                }
                Readiness::Idle => return Ok(Err(not_up())),
                Readiness::Pending { .. } => {}
            }
            self.reply(&Reply::Progress(status_value(&status))).await?;
        }
        // What was edited before this command is to be there after it.
        let wait = requests::wait_all(&self.handle);
        tokio::select! {
            biased;
            () = gone(&mut self.rx) => return Err(ApiError::Ended),
            result = wait => if let Err(failure) = result {
                return Ok(Err(failure));
            },
        }
        self.refresh().await;
        Ok(Ok(Outcome::Done(status_value(&self.handle.status_rx.borrow().clone()))))
    }

    async fn down(&mut self) -> Result<Outcome, Failure> {
        let answered = self.ask(|answer_tx| Message::Down { answer_tx }).await?;
        Ok(Outcome::Done(documents::of(&documents::Ended { ended: answered.report })))
    }

    async fn watch(&mut self) -> Result<Result<Outcome, Failure>, ApiError> {
        self.refresh().await;
        let mut status_rx = self.handle.status_rx.clone();
        status_rx.mark_changed();
        loop {
            tokio::select! {
                biased;
                () = gone(&mut self.rx) => return Err(ApiError::Ended),
                changed = status_rx.changed() => if changed.is_err() {
                    return Ok(Err(not_up()));
                },
            }
            let status = status_rx.borrow_and_update().clone();
            self.reply(&Reply::Progress(status_value(&status))).await?;
        }
    }

    async fn raw(&mut self, open: Open) -> Result<Outcome, Failure> {
        Ok(Outcome::Raw(self.connection().await?, open))
    }

    /// The current connection; waits a while for the first one.
    async fn connection(&self) -> Result<Connection, Failure> {
        self.refresh().await;
        if self.handle.status_rx.borrow().readiness == Readiness::Idle {
            return Err(not_up());
        }
        let mut connection_rx = self.handle.connection_rx.clone();
        let mut status_rx = self.handle.status_rx.clone();
        let failed = status_rx.wait_for(|status| {
            matches!(
                status.readiness,
                Readiness::Failed { code: FailureCode::Unreachable, .. } | Readiness::Idle
            )
        });
        tokio::select! {
            biased;
            connection = timeout(LINK_PATIENCE, connection_rx.wait_for(Option::is_some)) => {
                if let Ok(Ok(connection)) = connection
                    && let Some(connection) = connection.clone()
                {
                    return Ok(connection);
                }
            }
            _ = failed => {}
        }
        let reason = match &self.handle.status_rx.borrow().readiness {
            Readiness::Failed { reason, .. } => reason.clone(),
            _ => "the link to the agent is not up".to_owned(),
        };
        Err(Failure::new(FailureCode::Unreachable, reason).help("look at `towline status`"))
    }

    async fn ask(
        &self,
        message: impl FnOnce(oneshot::Sender<Answered>) -> Message,
    ) -> Result<Answered, Failure> {
        let (answer_tx, answer_rx) = oneshot::channel();
        let gone = || Failure::new(FailureCode::NotUp, "the hub is ending");
        self.handle.message_tx.send(message(answer_tx)).await.map_err(|_| gone())?;
        answer_rx.await.map_err(|_| gone())
    }

    /// Returns when the status holds everything that happened before the call.
    async fn refresh(&self) {
        let (done_tx, done_rx) = oneshot::channel();
        if self.handle.message_tx.send(Message::RefreshNow(done_tx)).await.is_ok() {
            let _ = done_rx.await; // the hub is ending
        }
    }
}

/// Nothing is up here.
pub fn not_up() -> Failure {
    Failure::new(FailureCode::NotUp, "nothing is up in this workspace")
        .help("bring it up: `towline up local:DIR --sync .:/app --forward PORT`")
}

fn status_value(status: &Status) -> Value {
    serde_json::to_value(status).unwrap_or_else(|error| json!({ "error": error.to_string() }))
}

/// Returns when the face is gone; it says nothing after its request.
async fn gone(rx: &mut BufReader<OwnedReadHalf>) {
    let mut byte = [0; 1];
    while !matches!(rx.read(&mut byte).await, Ok(0) | Err(_)) {}
}
