//! The client half of a command or terminal: this process' standard streams,
//! signals and terminal on one side, the stream on the other.

use std::io;

use protocol::error::{ErrorCode, WireError};
use protocol::io::framed::{self, FrameError};
use protocol::limits::CHUNK_LEN_MAX;
use protocol::wire::exec::{Exit, Input, Output, WindowSize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

pub mod terminal;

/// What a shell calls a command that is not there.
pub const EXIT_NOT_FOUND: u8 = 127;

/// What a shell calls a command that cannot be run.
pub const EXIT_NOT_EXECUTABLE: u8 = 126;

/// When the command's own end is not known: the link broke, or it was refused.
pub const EXIT_LOST: u8 = 255;

/// What a shell adds to the number of the signal that ended a command.
const EXIT_SIGNAL: u8 = 128;

/// Events that may wait; a person resizes and interrupts seldom.
const EVENTS_MAX: usize = 16;

/// How it ended, as an exit code for this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitStatus {
    /// The command's own code, 128 + signal, or one of the constants here.
    pub code: u8,
    /// A sentence for people when the command's own end is not known.
    pub message: Option<String>,
}

/// What happens beside the byte streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The terminal has a new size.
    Resize(WindowSize),
    /// Pass this signal (Linux number) on.
    Signal(i32),
    /// End at once, as if by this signal; the command is ended over there.
    Quit(i32),
}

/// The ends of this process that a command gets.
pub struct Streams<I, O, E> {
    /// Read to its end.
    pub stdin: I,
    /// The command's output.
    pub stdout: O,
    /// Its errors; never used with a terminal.
    pub stderr: E,
    /// someone --event--> the command.
    pub event_rx: mpsc::Receiver<Event>,
}

/// Runs a command to its end with this process' own streams: in raw mode with a
/// terminal, passing signals on without one. The stream stands behind
/// `Opened::Ok`. Prints why when the command's end is not known.
pub async fn run<R, W>(rx: R, tx: W, tty: bool) -> ExitStatus
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let (event_tx, event_rx) = mpsc::channel(EVENTS_MAX);
    let status = {
        let raw = if tty { terminal::Raw::enter().ok() } else { None };
        let watching = terminal::watch_signals(event_tx, raw.is_some());
        let streams = Streams {
            stdin: terminal::stdin(),
            stdout: tokio::io::stdout(),
            stderr: tokio::io::stderr(),
            event_rx,
        };
        let status = carry(rx, tx, streams).await;
        drop(watching);
        status // leaves raw mode before anything is printed
    };
    if let Some(message) = &status.message {
        eprintln!("towline: {message}");
    }
    status
}

/// Runs a command to its end with any streams.
pub async fn carry<R, W, I, O, E>(mut rx: R, mut tx: W, mut streams: Streams<I, O, E>) -> ExitStatus
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
    I: AsyncRead + Unpin,
    O: AsyncWrite + Unpin,
    E: AsyncWrite + Unpin,
{
    let Streams { stdin, stdout, stderr, event_rx } = &mut streams;
    let (quit_tx, mut quit_rx) = mpsc::channel(1);
    tokio::select! {
        biased;
        Some(signal) = quit_rx.recv() => ExitStatus { code: signalled(signal), message: None },
        status = show(&mut rx, stdout, stderr) => status,
        () = feed(&mut tx, stdin, event_rx, quit_tx) => unreachable_end(),
    }
}

/// The status for a command that was refused before it ran.
pub fn refused(error: &WireError) -> ExitStatus {
    let code = match error.code {
        ErrorCode::NotFound => EXIT_NOT_FOUND,
        ErrorCode::PermissionDenied => EXIT_NOT_EXECUTABLE,
        _ => EXIT_LOST,
    };
    ExitStatus { code, message: Some(error.message.clone()) }
}

async fn show(
    rx: &mut (impl AsyncRead + Unpin),
    stdout: &mut (impl AsyncWrite + Unpin),
    stderr: &mut (impl AsyncWrite + Unpin),
) -> ExitStatus {
    loop {
        let shown = match framed::read(rx).await {
            Ok(Output::Started(_)) => Ok(()),
            Ok(Output::Stdout(bytes)) => put(stdout, &bytes).await,
            Ok(Output::Stderr(bytes)) => put(stderr, &bytes).await,
            Ok(Output::Exited(Exit::Code(code))) => {
                return ExitStatus { code: low_byte(code), message: None };
            }
            Ok(Output::Exited(Exit::Signal(signal))) => {
                return ExitStatus { code: signalled(signal), message: None };
            }
            Err(error) => return lost(&error),
        };
        if let Err(error) = shown {
            return unwritable(&error);
        }
    }
}

async fn put(sink: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    sink.write_all(bytes).await?;
    sink.flush().await // a person waits for it
}

/// A closed pipe, as behind `| head`, ends us like any command.
fn unwritable(error: &io::Error) -> ExitStatus {
    if error.kind() == io::ErrorKind::BrokenPipe {
        let signal = rustix::process::Signal::PIPE.as_raw();
        return ExitStatus { code: signalled(signal), message: None };
    }
    let message = format!("unable to write the command's output: {error}");
    ExitStatus { code: EXIT_LOST, message: Some(message) }
}

fn lost(error: &FrameError) -> ExitStatus {
    let message = match error {
        FrameError::Ended | FrameError::Io(_) => {
            "the link to the target was lost while the command ran; it is ended over there"
                .to_owned()
        }
        other => format!("the agent's answer could not be understood: {other}"),
    };
    ExitStatus { code: EXIT_LOST, message: Some(message) }
}

fn low_byte(code: i32) -> u8 {
    code.to_le_bytes()[0] // as wait(2) would show it
}

fn signalled(signal: i32) -> u8 {
    EXIT_SIGNAL.saturating_add(u8::try_from(signal).unwrap_or(0))
}

/// Sends input and events; never returns. The stream is kept open to the end:
/// ending it would say that the client is gone.
async fn feed(
    tx: &mut (impl AsyncWrite + Unpin),
    stdin: &mut (impl AsyncRead + Unpin),
    event_rx: &mut mpsc::Receiver<Event>,
    quit_tx: mpsc::Sender<i32>,
) {
    let mut buffer = Vec::with_capacity(CHUNK_LEN_MAX);
    let mut has_input = true;
    let mut interrupted = false;
    loop {
        buffer.clear();
        let input = tokio::select! {
            biased;
            Some(event) = event_rx.recv() => match event {
                Event::Resize(size) => Input::Resize(size),
                Event::Signal(number) => Input::Signal(number),
                Event::Quit(number) => return quit(&quit_tx, number).await,
            },
            read = stdin.read_buf(&mut buffer), if has_input => match read {
                Ok(len) if len > 0 => Input::Stdin(buffer.clone()),
                _ => {
                    has_input = false;
                    Input::StdinEof
                }
            },
            else => return std::future::pending().await,
        };
        // A command that takes no input holds a write up for ever; a signal must
        // still end us then, so a second one does not wait behind the first.
        let mut sending = std::pin::pin!(framed::write(tx, &input));
        loop {
            tokio::select! {
                biased;
                sent = &mut sending => match sent {
                    Ok(()) => { interrupted = false; break }
                    Err(_) => return std::future::pending().await, // its end tells why
                },
                Some(event) = event_rx.recv() => match event {
                    Event::Resize(_) => {} // the next one counts
                    Event::Signal(number) if interrupted => return quit(&quit_tx, number).await,
                    Event::Signal(_) => interrupted = true,
                    Event::Quit(number) => return quit(&quit_tx, number).await,
                },
            }
        }
    }
}

async fn quit(quit_tx: &mpsc::Sender<i32>, number: i32) {
    let _ = quit_tx.try_send(number); // its one place is free
    std::future::pending().await
}

fn unreachable_end() -> ExitStatus {
    debug_assert!(false, "feeding never ends by itself");
    ExitStatus { code: EXIT_LOST, message: None }
}
