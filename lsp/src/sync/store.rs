//! The ancestor on disk: one file, a snapshot with a journal behind it, written
//! by a thread of its own so that no edit waits for a disk. Knows bytes and
//! files; what a record means is [`protocol::sync::archive`].

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use protocol::sync::archive::{self, Reader, Record};
use tokio::sync::{mpsc, oneshot, watch};

use super::SyncSpec;

/// Writes that wait for the disk; beyond that records stay in memory.
const WRITES_MAX: usize = 8;
/// A journal shorter than this is never worth a new snapshot.
const JOURNAL_MIN: u64 = 1024 * 1024;
const READ_LEN: usize = 64 * 1024;

/// The name of what a sync keeps: another pair of roots never meets this one's
/// ancestor.
pub(super) fn name_of(spec: &SyncSpec) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in
        [spec.name.as_bytes(), spec.alpha.as_os_str().as_encoded_bytes(), spec.beta.as_bytes()]
    {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    format!("sync-{}", &hasher.finalize().to_hex()[..16])
}

enum Write_ {
    Append(Vec<u8>),
    Replace(Vec<u8>),
    Flush(oneshot::Sender<()>),
    Remove(oneshot::Sender<()>),
}

/// The writing end. Dropping it ends the thread.
pub(super) struct Store {
    /// actor --bytes--> writer thread
    write_tx: mpsc::Sender<Write_>,
    /// writer thread --writes done--> actor
    written_rx: watch::Receiver<u64>,
    handed_over: u64,
    failed: Arc<AtomicBool>,
    waiting: Vec<Record>,
    snapshot_len: u64,
    journal_len: u64,
}

/// Reads what the last run remembered, each record once and in order, and goes
/// on from there. Blocks on the disk.
///
/// # Errors
/// When the directory or the file cannot be used.
pub(super) fn open(dir: &Path, each: impl FnMut(Record)) -> std::io::Result<Store> {
    fs::create_dir_all(dir)?;
    let path = dir.join("ancestor");
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
    let whole = read(&mut file, each)?;
    // A torn tail goes, else what is appended behind it could never be read.
    file.set_len(whole)?;
    file.seek(SeekFrom::End(0))?;
    let mut journal_len = whole;
    if whole == 0 {
        file.write_all(&archive::HEADER)?;
        journal_len = archive::HEADER.len() as u64;
    }
    let (write_tx, write_rx) = mpsc::channel(WRITES_MAX);
    let failed = Arc::new(AtomicBool::new(false));
    let (written_tx, written_rx) = watch::channel(0);
    let writer = Writer { dir: dir.to_owned(), path, file, failed: failed.clone(), written_tx };
    std::thread::Builder::new()
        .name("sync-store".to_owned())
        .spawn(move || writer.run(write_rx))?;
    // How much of it is journal is not known: a long one is rewritten soon.
    Ok(Store {
        write_tx,
        written_rx,
        handed_over: 0,
        failed,
        waiting: Vec::new(),
        snapshot_len: journal_len / 2,
        journal_len,
    })
}

fn read(file: &mut File, mut each: impl FnMut(Record)) -> std::io::Result<u64> {
    let mut reader = Reader::new();
    let mut buf = vec![0; READ_LEN];
    loop {
        let len = file.read(&mut buf)?;
        if len == 0 || !reader.push(&buf[..len], &mut each) {
            return Ok(reader.whole_len());
        }
    }
}

impl Store {
    /// Remembers a record, at the next [`Store::flush`].
    pub(super) fn record(&mut self, record: Record) {
        self.waiting.push(record);
    }

    /// Forgets everything but `record`.
    pub(super) fn void(&mut self, record: Record) {
        self.waiting.clear();
        self.waiting.push(record);
        self.journal_len = u64::MAX / 2; // asks for a snapshot
    }

    /// Whether anything waits to be flushed.
    pub(super) fn is_dirty(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether everything is where a killed process cannot take it along, or
    /// cannot be brought there.
    pub(super) fn is_saved(&self) -> bool {
        let written = *self.written_rx.borrow() >= self.handed_over;
        (written && self.waiting.is_empty()) || self.has_failed()
    }

    /// Returns when the writer has got further.
    pub(super) async fn progress(&mut self) {
        if self.written_rx.changed().await.is_err() {
            std::future::pending::<()>().await; // the thread is gone
        }
    }

    /// Whether what is on disk had better be written anew.
    pub(super) fn wants_snapshot(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
            || self.journal_len > JOURNAL_MIN.max(self.snapshot_len.saturating_mul(3))
    }

    /// Whether the last write failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Hands what waits to the writer; a busy disk leaves it waiting.
    pub(super) fn flush(&mut self) {
        let Ok(permit) = self.write_tx.try_reserve() else { return };
        let mut bytes = Vec::new();
        archive::encode(self.waiting.drain(..), &mut bytes);
        self.journal_len = self.journal_len.saturating_add(bytes.len() as u64);
        self.handed_over += 1;
        permit.send(Write_::Append(bytes));
    }

    /// Replaces everything on disk by `records`, which is the whole truth.
    pub(super) fn snapshot(&mut self, records: impl Iterator<Item = Record>) {
        let Ok(permit) = self.write_tx.try_reserve() else { return };
        let mut bytes = archive::HEADER.to_vec();
        archive::encode(records, &mut bytes);
        self.waiting.clear();
        self.snapshot_len = bytes.len() as u64;
        self.journal_len = self.snapshot_len;
        self.handed_over += 1;
        permit.send(Write_::Replace(bytes));
    }

    /// Returns when everything handed over is in the file.
    pub(super) async fn close(mut self) {
        while self.is_dirty() {
            let Ok(permit) = self.write_tx.reserve().await else { return };
            let mut bytes = Vec::new();
            archive::encode(self.waiting.drain(..), &mut bytes);
            permit.send(Write_::Append(bytes));
        }
        let (done_tx, done_rx) = oneshot::channel();
        if self.write_tx.send(Write_::Flush(done_tx)).await.is_ok() {
            let _ = done_rx.await; // a writer that is gone has nothing left to write
        }
    }

    /// Removes everything.
    pub(super) async fn remove(self) {
        let (done_tx, done_rx) = oneshot::channel();
        if self.write_tx.send(Write_::Remove(done_tx)).await.is_ok() {
            let _ = done_rx.await; // a writer that is gone cannot do it
        }
    }
}

struct Writer {
    dir: PathBuf,
    path: PathBuf,
    file: File,
    failed: Arc<AtomicBool>,
    written_tx: watch::Sender<u64>,
}

impl Writer {
    fn run(mut self, mut write_rx: mpsc::Receiver<Write_>) {
        while let Some(write) = write_rx.blocking_recv() {
            match write {
                // Behind a failed append nothing may be appended: the file has a
                // gap until the next snapshot.
                Write_::Append(_) if self.failed.load(Ordering::Relaxed) => self.count(),
                Write_::Append(bytes) => {
                    let written = self.file.write_all(&bytes);
                    self.note(written);
                    self.count();
                }
                Write_::Replace(bytes) => {
                    let replaced = self.replace(&bytes);
                    self.note(replaced);
                    self.count();
                }
                Write_::Flush(done_tx) => {
                    let synced = self.file.sync_data();
                    self.note(synced);
                    let _ = done_tx.send(()); // nobody waits any more
                }
                Write_::Remove(done_tx) => {
                    if let Err(error) = fs::remove_dir_all(&self.dir) {
                        tracing::warn!(dir = %self.dir.display(), %error, "unable to remove what a sync kept");
                    }
                    let _ = done_tx.send(()); // nobody waits any more
                    return;
                }
            }
        }
    }

    fn replace(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&new, &self.path)?;
        self.file = file;
        self.failed.store(false, Ordering::Relaxed);
        Ok(())
    }

    fn count(&self) {
        self.written_tx.send_modify(|written| *written += 1);
    }

    fn note(&self, result: std::io::Result<()>) {
        if let Err(error) = result {
            tracing::warn!(path = %self.path.display(), %error, "unable to write a sync's ancestor");
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}
