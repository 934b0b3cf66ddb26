//! The trash's list on disk: records appended one by one, each with its length
//! before it, so that a record cut off by a crash is told from a whole one.

use std::io::{self, Read, Write};
use std::os::fd::BorrowedFd;

use minicbor::{Decode, Encode};
use rustix::fs::{Mode, OFlags};

use crate::io::replica::TrashItem;
use crate::path::RelPath;
use crate::sync::entry::Entry;
use crate::wire::sync::WireEntry;

#[derive(Encode, Decode)]
struct Record {
    #[n(0)]
    id: u64,
    #[n(1)]
    at_us: u64,
    #[n(2)]
    path: RelPath,
    #[n(3)]
    entry: WireEntry,
    #[n(4)]
    coming: Option<WireEntry>,
}

/// A record as read back.
pub struct Logged {
    /// What was to be displaced.
    pub item: TrashItem,
    /// What was to take its place and stood in the trash until then.
    pub coming: Option<Entry>,
}

const NAME: &[u8] = b"log";
const NEW_NAME: &[u8] = b"log.new";
/// Far above what the trash's limits let a log grow to between two starts.
const LEN_MAX: u64 = 512 * 1024 * 1024;

/// One record.
pub fn encode(item: &TrashItem, coming: Option<&Entry>) -> Vec<u8> {
    let record = Record {
        id: item.id,
        at_us: item.at_us,
        path: item.path.clone(),
        entry: WireEntry::from(&item.entry),
        coming: coming.map(WireEntry::from),
    };
    let mut bytes = vec![0; 4];
    minicbor::encode(&record, &mut bytes).expect("writing into a Vec cannot fail");
    let len = u32::try_from(bytes.len() - 4).unwrap_or_default();
    bytes[..4].copy_from_slice(&len.to_be_bytes());
    bytes
}

/// All whole records, oldest first.
///
/// # Errors
/// The system's.
pub fn read(trash: BorrowedFd<'_>) -> io::Result<Vec<Logged>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(trash, NAME, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::NOENT) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    std::fs::File::from(fd).take(LEN_MAX).read_to_end(&mut bytes)?;
    let mut rest = bytes.as_slice();
    let mut items = Vec::new();
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let Some(body) = after.get(..u32::from_be_bytes(*len) as usize) else { break };
        rest = &after[body.len()..];
        let Ok(record) = minicbor::decode::<Record>(body) else { break };
        let item = TrashItem {
            id: record.id,
            path: record.path,
            entry: record.entry.into(),
            at_us: record.at_us,
        };
        items.push(Logged { item, coming: record.coming.map(Entry::from) });
    }
    Ok(items)
}

/// Writes the log anew, ready to be appended to.
///
/// # Errors
/// The system's.
pub fn rewrite<'a>(
    trash: BorrowedFd<'_>,
    items: impl Iterator<Item = &'a TrashItem>,
) -> io::Result<std::fs::File> {
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::TRUNC
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(trash, NEW_NAME, flags, Mode::from_raw_mode(0o600))?;
    let mut file = std::fs::File::from(fd);
    let mut bytes = Vec::new();
    for item in items {
        bytes.extend_from_slice(&encode(item, None));
    }
    file.write_all(&bytes)?;
    rustix::fs::renameat(trash, NEW_NAME, trash, NAME)?;
    Ok(file)
}
