//! This process' terminal, standard input and signals.

use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use protocol::limits::CHUNK_LEN_MAX;
use protocol::wire::exec::WindowSize;
use rustix::termios::{self, OptionalActions, Termios};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Event;

/// Chunks of input that are read ahead.
const READ_AHEAD: usize = 2;

/// Raw mode on standard input; left again when this is dropped, by a panic too.
pub struct Raw {
    before: Termios,
}

impl Raw {
    /// Enters raw mode.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn enter() -> io::Result<Self> {
        let stdin = io::stdin();
        let before = termios::tcgetattr(stdin.as_fd())?;
        let mut raw = before.clone();
        raw.make_raw();
        termios::tcsetattr(stdin.as_fd(), OptionalActions::Drain, &raw)?;
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // The terminal is gone when this fails, and nothing is left to restore.
        let _ = termios::tcsetattr(io::stdin().as_fd(), OptionalActions::Drain, &self.before);
    }
}

/// Whether a command can have a terminal: both ends of ours are one.
pub fn is_terminal() -> bool {
    use std::io::IsTerminal;
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// The size of this process' terminal, if it has one.
pub fn window_size() -> Option<WindowSize> {
    let size = termios::tcgetwinsize(io::stdout().as_fd())
        .or_else(|_| termios::tcgetwinsize(io::stdin().as_fd()))
        .ok()?;
    Some(WindowSize { rows: size.ws_row, cols: size.ws_col })
}

/// Turns signals into events until it is dropped. With a terminal the keys reach
/// the command as bytes, so what still arrives as a signal is for this process.
pub(super) fn watch_signals(event_tx: mpsc::Sender<Event>, raw: bool) -> JoinSet<()> {
    let mut watching = JoinSet::new();
    let mut on = |kind: SignalKind, event: fn(SignalKind) -> Option<Event>| {
        let Ok(mut signals) = signal(kind) else { return }; // then it acts as ever
        let event_tx = event_tx.clone();
        watching.spawn(async move {
            while signals.recv().await.is_some() {
                if let Some(event) = event(kind)
                    && event_tx.send(event).await.is_err()
                {
                    return;
                }
            }
        });
    };
    if raw {
        on(SignalKind::window_change(), |_| window_size().map(Event::Resize));
        for kind in [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()] {
            on(kind, |kind| Some(Event::Quit(kind.as_raw_value())));
        }
    } else {
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::quit()] {
            on(kind, |kind| Some(Event::Signal(kind.as_raw_value())));
        }
        on(SignalKind::hangup(), |kind| Some(Event::Quit(kind.as_raw_value())));
    }
    watching
}

/// Standard input, read by a thread of its own: tokio's would hold up the end of
/// the process until a key is pressed, and O_NONBLOCK would be set for the
/// user's shell too.
pub(super) fn stdin() -> impl AsyncRead + Unpin {
    let (chunk_tx, chunk_rx) = mpsc::channel(READ_AHEAD);
    std::thread::spawn(move || {
        loop {
            let mut chunk = vec![0; CHUNK_LEN_MAX];
            match rustix::io::read(io::stdin().as_fd(), &mut chunk) {
                Ok(0) => return,
                Ok(len) => {
                    chunk.truncate(len);
                    if chunk_tx.blocking_send(chunk).is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => wait_readable(), // somebody else set O_NONBLOCK
                Err(_) => return, // a terminal that hung up reads like an end
            }
        }
    });
    Chunks { chunk_rx, rest: Vec::new(), at: 0 }
}

fn wait_readable() {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdin = io::stdin();
    let _ = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None); // reading again tells more
}

struct Chunks {
    chunk_rx: mpsc::Receiver<Vec<u8>>,
    rest: Vec<u8>,
    at: usize,
}

impl AsyncRead for Chunks {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.at == self.rest.len() {
            match ready!(self.chunk_rx.poll_recv(cx)) {
                Some(chunk) => (self.rest, self.at) = (chunk, 0),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = buf.remaining().min(self.rest.len() - self.at);
        buf.put_slice(&self.rest[self.at..self.at + len]);
        self.at += len;
        Poll::Ready(Ok(()))
    }
}
