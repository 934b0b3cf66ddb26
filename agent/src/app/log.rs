//! The app's output, kept in a bounded ring of lines. Writers never wait; each
//! reader has a place of its own in the ring and learns how much it missed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use protocol::limits::{LOG_LEN_MAX, LOG_LINE_MAX};
use protocol::wire::app::{LogLine, LogSource};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::watch;

/// What a line costs beside its text, in bytes, so that empty lines count too.
const LINE_COST: usize = 64;

/// Lines handed to a reader at once.
const BATCH: usize = 256;

/// First and last read of one piece of output, in bytes.
const READ_LEN: usize = 16 * 1024;

/// The ring. Cheap to clone.
#[derive(Clone)]
pub(super) struct Log(Arc<Shared>);

struct Shared {
    ring: Mutex<Ring>,
    /// writer --number of the next line--> followers.
    next_tx: watch::Sender<u64>,
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    /// Number of the first line that is still kept.
    first: u64,
    cost: usize,
}

/// A place in the ring.
pub(super) struct Reader {
    log: Log,
    next: u64,
    next_rx: watch::Receiver<u64>,
}

impl Log {
    pub(super) fn new() -> Self {
        let next_tx = watch::channel(0).0;
        Self(Arc::new(Shared { ring: Mutex::default(), next_tx }))
    }

    /// Adds a line of the agent's own.
    pub(super) fn note(&self, text: String) {
        self.push(LogSource::Agent, text.into_bytes());
    }

    fn push(&self, source: LogSource, text: Vec<u8>) {
        let mut ring = self.ring();
        ring.push(LogLine { at_us: now_us(), source, text });
        self.0.next_tx.send_replace(ring.end());
    }

    /// Reads the last `tail` lines first, or all that are kept.
    pub(super) fn reader(&self, tail: Option<u32>) -> Reader {
        let next_rx = self.0.next_tx.subscribe();
        let ring = self.ring();
        let back = tail.map_or(u64::MAX, u64::from);
        let next = ring.end().saturating_sub(back).max(ring.first);
        drop(ring);
        Reader { log: self.clone(), next, next_rx }
    }

    /// Splits what a process writes into lines, to the end of its output.
    pub(super) async fn take(self, mut output: impl AsyncRead + Unpin, source: LogSource) {
        let mut lines = Lines::default();
        let mut buffer = Vec::with_capacity(READ_LEN);
        while let Ok(len) = output.read_buf(&mut buffer).await
            && len > 0
        {
            lines.take(&buffer, |line| self.push(source, line));
            buffer.clear();
        }
        if let Some(rest) = lines.rest() {
            self.push(source, rest);
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Ring {
    fn push(&mut self, line: LogLine) {
        self.cost += line.text.len() + LINE_COST;
        self.lines.push_back(line);
        while self.cost > LOG_LEN_MAX
            && let Some(oldest) = self.lines.pop_front()
        {
            self.cost -= oldest.text.len() + LINE_COST;
            self.first += 1;
        }
    }

    /// Number of the line that comes next.
    fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }
}

impl Reader {
    /// The next lines that are there, led by a line about what was dropped before
    /// it could be read; empty at the end of what is kept.
    pub(super) fn read(&mut self) -> Vec<LogLine> {
        let mut read = Vec::new();
        let ring = self.log.ring();
        if self.next < ring.first {
            let skipped = ring.first - self.next;
            let text = format!("{skipped} lines skipped: they were read too slowly");
            read.push(LogLine { at_us: now_us(), source: LogSource::Agent, text: text.into() });
            self.next = ring.first;
        }
        let at = usize::try_from(self.next - ring.first).unwrap_or(usize::MAX);
        let before = read.len();
        read.extend(ring.lines.iter().skip(at).take(BATCH).cloned());
        self.next += (read.len() - before) as u64;
        read
    }

    /// Returns when a line that was not read yet is there.
    pub(super) async fn more(&mut self) {
        let next = self.next;
        // The sender lives in the log that this reader holds.
        let _ = self.next_rx.wait_for(|end| *end > next).await;
    }
}

/// Splits bytes into lines; a line over the limit comes in pieces.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
}

impl Lines {
    fn take(&mut self, mut bytes: &[u8], mut line: impl FnMut(Vec<u8>)) {
        while !bytes.is_empty() {
            let room = LOG_LINE_MAX - self.partial.len();
            // One byte further: a line of exactly the limit may still get its end.
            match bytes.iter().take(room + 1).position(|byte| *byte == b'\n') {
                Some(end) => {
                    self.partial.extend_from_slice(&bytes[..end]);
                    bytes = &bytes[end + 1..];
                    line(std::mem::take(&mut self.partial));
                }
                None if bytes.len() > room => {
                    self.partial.extend_from_slice(&bytes[..room]);
                    bytes = &bytes[room..];
                    line(std::mem::take(&mut self.partial));
                }
                None => {
                    self.partial.extend_from_slice(bytes);
                    return;
                }
            }
        }
    }

    fn rest(self) -> Option<Vec<u8>> {
        (!self.partial.is_empty()).then_some(self.partial)
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(lines: &[LogLine]) -> Vec<String> {
        lines.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect()
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let long = "x".repeat(LOG_LINE_MAX);
        let text = format!("one\n\ntwo\r\n{long}\n{long}y\nend");
        let expected =
            ["one", "", "two\r", long.as_str(), long.as_str(), "y", "end"].map(str::to_owned);
        for cut in [1, 2, 7, 4096, LOG_LINE_MAX, LOG_LINE_MAX + 1, text.len()] {
            let mut lines = Lines::default();
            let mut got = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                lines.take(piece, |line| got.push(String::from_utf8(line).unwrap()));
            }
            got.extend(lines.rest().map(|line| String::from_utf8(line).unwrap()));
            assert_eq!(got, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_slow_reader_learns_how_much_it_missed_and_memory_stays_bounded() {
        let log = Log::new();
        let mut slow = log.reader(None);
        let line = "y".repeat(1000);
        let pushed = 3 * LOG_LEN_MAX / 1000;
        for _ in 0..pushed {
            log.note(line.clone());
        }
        assert!(log.ring().cost <= LOG_LEN_MAX);
        let kept = log.ring().lines.len();
        let first = slow.read();
        let skipped = format!("{} lines skipped: they were read too slowly", pushed - kept);
        assert_eq!(texts(&first)[0], skipped);
        let mut read = first.len() - 1;
        loop {
            match slow.read().len() {
                0 => break,
                len => read += len,
            }
        }
        assert_eq!(read, kept);
    }

    #[test]
    fn a_tail_is_the_last_lines() {
        let log = Log::new();
        for number in 0..10 {
            log.note(number.to_string());
        }
        assert_eq!(texts(&log.reader(Some(2)).read()), ["8", "9"]);
        assert_eq!(texts(&log.reader(Some(0)).read()), [""; 0]);
        assert_eq!(log.reader(Some(99)).read().len(), 10);
        assert_eq!(log.reader(None).read().len(), 10);
    }
}
