//! The ancestor as bytes: a versioned header, then frames of records, each
//! with its checksum. A snapshot and the journal after it are the same format:
//! a later record of a path replaces an earlier one.
//!
//! ```text
//! header   "TWLA" version:u16
//! frame    len:u32 sum:8 bytes(BLAKE3 of the records) records…
//! record   kind:u8 fields…
//! ```
//!
//! Knows no file. A torn or damaged tail ends the reading: the ancestor may
//! lag behind the trees (then a path is decided anew, at worst as a conflict),
//! it never leads them.

use alloc::vec::Vec;

use super::ancestor::Ancestor;
use super::entry::Entry;
use crate::path::RelPath;

#[cfg(test)]
mod tests;

/// What is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// Which replicas agreed, and whether they have met completely.
    Bound {
        /// Alpha's id.
        alpha: Option<[u8; 16]>,
        /// Beta's id.
        beta: Option<[u8; 16]>,
        /// See [`Acquaintance`](super::merge::Acquaintance).
        joined: bool,
    },
    /// Both sides agreed on this.
    Agreed {
        /// Where.
        path: RelPath,
        /// On what.
        ancestor: Ancestor,
    },
    /// Both sides agreed that nothing is there.
    Gone {
        /// Where.
        path: RelPath,
    },
}

/// The header of a fresh archive.
pub const HEADER: [u8; 6] = *b"TWLA\x00\x01";

/// Records of one frame, in bytes, at most: what a reader holds at once.
pub const FRAME_LEN_MAX: usize = 64 * 1024;

const FRAME_HEADER_LEN: usize = 4 + 8;
const RECORD_LEN_MAX: usize = 2 * (crate::limits::PATH_LEN_MAX + 64);
const KIND_BOUND: u8 = 1;
const KIND_GONE: u8 = 2;
const KIND_DIRECTORY: u8 = 3;
const KIND_FILE: u8 = 4;
const KIND_SYMLINK: u8 = 5;

const _: () = assert!(RECORD_LEN_MAX < FRAME_LEN_MAX);

/// Appends `records` to `out` as frames.
pub fn encode(records: impl IntoIterator<Item = Record>, out: &mut Vec<u8>) {
    let mut body = Vec::new();
    for record in records {
        let before = body.len();
        encode_record(&record, &mut body);
        if body.len() > FRAME_LEN_MAX {
            let last = body.split_off(before);
            encode_frame(&body, out);
            body = last;
        }
    }
    if !body.is_empty() {
        encode_frame(&body, out);
    }
}

fn encode_frame(body: &[u8], out: &mut Vec<u8>) {
    // At most FRAME_LEN_MAX, which fits.
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&sum(body));
    out.extend_from_slice(body);
}

fn sum(body: &[u8]) -> [u8; 8] {
    let mut sum = [0; 8];
    sum.copy_from_slice(&blake3::hash(body).as_bytes()[..8]);
    sum
}

fn encode_record(record: &Record, out: &mut Vec<u8>) {
    let id = |id: &Option<[u8; 16]>, out: &mut Vec<u8>| {
        out.push(u8::from(id.is_some()));
        out.extend_from_slice(&id.unwrap_or_default());
    };
    let bytes = |bytes: &[u8], out: &mut Vec<u8>| {
        // Paths and link targets are at most PATH_LEN_MAX; longer ones never
        // become entries, and a cut one only makes a record that says less.
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(&bytes[..usize::from(len)]);
    };
    match record {
        Record::Bound { alpha, beta, joined } => {
            out.push(KIND_BOUND);
            id(alpha, out);
            id(beta, out);
            out.push(u8::from(*joined));
        }
        Record::Gone { path } => {
            out.push(KIND_GONE);
            bytes(path.as_bytes(), out);
        }
        Record::Agreed { path, ancestor } => {
            let kind = match ancestor.entry() {
                Entry::Directory { .. } => KIND_DIRECTORY,
                Entry::File { .. } => KIND_FILE,
                Entry::Symlink { .. } => KIND_SYMLINK,
            };
            out.push(kind);
            bytes(path.as_bytes(), out);
            match ancestor.entry() {
                Entry::Directory { mode } => {
                    out.extend_from_slice(&mode.to_be_bytes());
                    out.extend_from_slice(&ancestor.beta_mode().to_be_bytes());
                }
                Entry::File { digest, size, mode, mtime_ns } => {
                    out.extend_from_slice(&mode.to_be_bytes());
                    out.extend_from_slice(&ancestor.beta_mode().to_be_bytes());
                    out.extend_from_slice(digest);
                    out.extend_from_slice(&size.to_be_bytes());
                    out.extend_from_slice(&mtime_ns.to_be_bytes());
                }
                Entry::Symlink { target } => bytes(target, out),
            }
        }
    }
}

/// Reads an archive that is pushed in, in any pieces.
#[derive(Debug, Default)]
pub struct Reader {
    buf: Vec<u8>,
    good: u64,
    headed: bool,
    damaged: bool,
}

impl Reader {
    /// At the beginning of an archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next bytes; `each` gets every record of every whole frame. False
    /// when the archive is damaged here: what follows is not read.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(Record)) -> bool {
        if self.damaged {
            return false;
        }
        self.buf.extend_from_slice(bytes);
        let mut read = 0;
        if !self.headed {
            let Some(header) = self.buf.get(..HEADER.len()) else { return true };
            if header != HEADER {
                self.damaged = true;
                return false;
            }
            self.headed = true;
            read = HEADER.len();
        }
        while let Some(frame) = self.buf.get(read..read + FRAME_HEADER_LEN) {
            let len = u32::from_be_bytes([frame[0], frame[1], frame[2], frame[3]]) as usize;
            if len == 0 || len > FRAME_LEN_MAX {
                self.damaged = true;
                break;
            }
            let from = read + FRAME_HEADER_LEN;
            let Some(body) = self.buf.get(from..from + len) else { break };
            let records = if sum(body) == frame[4..] { decode(body) } else { None };
            let Some(records) = records else {
                self.damaged = true;
                break;
            };
            records.into_iter().for_each(&mut each);
            read = from + len;
        }
        self.good += read as u64;
        self.buf.drain(..read);
        !self.damaged
    }

    /// How far the archive is whole, in bytes: a writer goes on from there.
    /// Zero: there is none.
    pub fn whole_len(&self) -> u64 {
        self.good
    }
}

fn decode(mut body: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !body.is_empty() {
        records.push(decode_record(&mut body)?);
    }
    Some(records)
}

fn decode_record(body: &mut &[u8]) -> Option<Record> {
    let [kind] = take::<1>(body)?;
    if kind == KIND_BOUND {
        let mut id = || {
            let [present] = take::<1>(body)?;
            let id = take::<16>(body)?;
            Some((present == 1).then_some(id))
        };
        let (alpha, beta) = (id()?, id()?);
        let [joined] = take::<1>(body)?;
        return Some(Record::Bound { alpha, beta, joined: joined == 1 });
    }
    let path = RelPath::parse(take_bytes(body)?).ok()?;
    let (entry, beta_mode) = match kind {
        KIND_GONE => return Some(Record::Gone { path }),
        KIND_DIRECTORY => {
            let mode = u16::from_be_bytes(take(body)?);
            (Entry::Directory { mode }, u16::from_be_bytes(take(body)?))
        }
        KIND_FILE => {
            let mode = u16::from_be_bytes(take(body)?);
            let beta_mode = u16::from_be_bytes(take(body)?);
            let digest = take(body)?;
            let size = u64::from_be_bytes(take(body)?);
            let mtime_ns = i64::from_be_bytes(take(body)?);
            (Entry::File { digest, size, mode, mtime_ns }, beta_mode)
        }
        KIND_SYMLINK => (Entry::Symlink { target: take_bytes(body)?.to_vec() }, 0),
        _ => return None,
    };
    let beta = super::ancestor::with_mode(&entry, beta_mode);
    Some(Record::Agreed { path, ancestor: Ancestor::pair(entry, &beta)? })
}

fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = body.split_first_chunk::<N>()?;
    *body = rest;
    Some(*head)
}

fn take_bytes<'a>(body: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::from(u16::from_be_bytes(take(body)?));
    let (head, rest) = body.split_at_checked(len)?;
    *body = rest;
    Some(head)
}
