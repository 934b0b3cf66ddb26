//! Looks at one name in a directory: what it holds now, hashed if need be. Reads
//! only; never follows a link, never blocks on a pipe.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::dir::{self, reason};
use super::index::{Known, Stamp, What};
use crate::limits::PATH_LEN_MAX;
use crate::sync::entry::Digest;

/// What was found.
#[derive(Debug)]
pub enum Found {
    /// Nothing.
    Absent,
    /// This, and for a small file that had to be read its content.
    Held(Known, Option<Vec<u8>>),
    /// A file that changed while it was read: look again later.
    Unstable,
}

/// Times within this of the look are not trusted alone: file systems exist whose
/// clock ticks once in two seconds.
const RACY_NS: i64 = 2_000_000_000;

const READ_LEN: usize = 128 * 1024;

/// Looks at `name`; `known` saves the reading when the stamp proves that nothing
/// changed. A body is kept up to `body_max` bytes.
pub fn look(parent: BorrowedFd<'_>, name: &[u8], known: Option<&Known>, body_max: usize) -> Found {
    match dir::stat_at(parent, name) {
        Err(Errno::NOENT | Errno::NOTDIR) => Found::Absent,
        Err(error) => odd(Stamp::default(), format!("cannot be looked at: {}", words(error))),
        Ok(stat) => look_at(parent, name, &stat, known, body_max),
    }
}

/// See [`look`], after the stat.
fn look_at(
    parent: BorrowedFd<'_>,
    name: &[u8],
    stat: &Stat,
    known: Option<&Known>,
    body_max: usize,
) -> Found {
    let stamp = stamp(stat);
    let mode = mode(stat);
    let held = |what| Found::Held(Known { stamp, racy: false, what }, None);
    match dir::kind(stat) {
        FileType::Directory => held(What::Directory(mode)),
        FileType::Symlink => match rustix::fs::readlinkat(parent, name, Vec::new()) {
            Ok(target) => held(What::Symlink(target.into_bytes().into())),
            Err(Errno::NOENT | Errno::INVAL) => Found::Unstable,
            Err(error) => odd(stamp, format!("cannot be read: {}", words(error))),
        },
        FileType::RegularFile => {
            if let Some(known) = known
                && known.stamp == stamp
                && !known.racy
                && let What::File(_, known_mode) = known.what
                && known_mode == mode
            {
                return Found::Held(known.clone(), None);
            }
            look_at_file(parent, name, body_max)
        }
        FileType::Fifo => odd(stamp, "a pipe cannot be synced".into()),
        FileType::Socket => odd(stamp, "a socket cannot be synced".into()),
        _ => odd(stamp, "a device cannot be synced".into()),
    }
}

fn look_at_file(parent: BorrowedFd<'_>, name: &[u8], body_max: usize) -> Found {
    // NONBLOCK: between the stat and here it may have become a pipe.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(fd) => fd,
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Found::Unstable,
        Err(error) => {
            let stamp = dir::stat_at(parent, name).map(|stat| self::stamp(&stat));
            return odd(stamp.unwrap_or_default(), format!("cannot be read: {}", words(error)));
        }
    };
    let now_ns = now_ns();
    let Ok(before) = rustix::fs::fstat(&fd) else { return Found::Unstable };
    if dir::kind(&before) != FileType::RegularFile {
        return Found::Unstable;
    }
    let file = std::fs::File::from(fd);
    let keep = usize::try_from(before.st_size).is_ok_and(|size| size <= body_max);
    let (digest, len, body) = match hash(&file, keep.then_some(body_max)) {
        Ok(hashed) => hashed,
        Err(error) => {
            return odd(stamp(&before), format!("cannot be read: {}", reason(&error)));
        }
    };
    let Ok(after) = rustix::fs::fstat(file.as_fd()) else { return Found::Unstable };
    let stamp = stamp(&after);
    if stamp != self::stamp(&before) || len != stamp.size {
        return Found::Unstable;
    }
    let racy = is_racy(&stamp, now_ns);
    Found::Held(Known { stamp, racy, what: What::File(digest, mode(&after)) }, body)
}

/// Whether a look at `now_ns` came too soon after the last change.
pub fn is_racy(stamp: &Stamp, now_ns: i64) -> bool {
    stamp.mtime_ns.max(stamp.ctime_ns) > now_ns.saturating_sub(RACY_NS)
}

/// BLAKE3 and length of what is left of a file, with the content up to
/// `body_max`.
///
/// # Errors
/// The system's.
pub fn hash(
    mut file: impl Read,
    body_max: Option<usize>,
) -> std::io::Result<(Digest, u64, Option<Vec<u8>>)> {
    let mut hasher = blake3::Hasher::new();
    let mut body = body_max.map(|_| Vec::new());
    let mut buf = vec![0; READ_LEN.min(body_max.map_or(READ_LEN, |max| max.saturating_add(1)))];
    let mut len = 0u64;
    loop {
        let read = match file.read(&mut buf) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buf[..read]);
        len += read as u64;
        if let (Some(bytes), Some(max)) = (&mut body, body_max) {
            if bytes.len() + read > max {
                body = None;
            } else {
                bytes.extend_from_slice(&buf[..read]);
            }
        }
    }
    Ok((hasher.finalize().into(), len, body))
}

/// The stamp of a stat.
pub fn stamp(stat: &Stat) -> Stamp {
    Stamp {
        ino: stat.st_ino,
        size: u64::try_from(stat.st_size).unwrap_or_default(),
        mtime_ns: nanos(stat.st_mtime, stat.st_mtime_nsec),
        ctime_ns: nanos(stat.st_ctime, stat.st_ctime_nsec),
    }
}

/// The permission bits of a stat.
pub fn mode(stat: &Stat) -> u16 {
    u16::try_from(stat.st_mode & 0o777).unwrap_or_default()
}

/// Now by the wall clock, as file times count.
pub fn now_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// Why a link is not synced; none when it may be. A link that is relative and
/// stays below the root means the same on either side.
pub fn unportable(path_depth: usize, target: &[u8]) -> Option<&'static str> {
    if target.is_empty() || target.len() > PATH_LEN_MAX || target.contains(&0) {
        return Some("a link without a usable target cannot be synced");
    }
    if target.first() == Some(&b'/') {
        return Some("a link to an absolute path means another file on the other side");
    }
    let mut depth = path_depth;
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return Some("a link to outside of the tree cannot be synced"),
            },
            _ => depth += 1,
        }
    }
    None
}

fn odd(stamp: Stamp, why: String) -> Found {
    Found::Held(Known { stamp, racy: false, what: What::Odd(why.into()) }, None)
}

fn words(error: Errno) -> String {
    reason(&error.into())
}

fn nanos(seconds: impl TryInto<i64>, nanos: impl TryInto<i64>) -> i64 {
    let seconds = seconds.try_into().unwrap_or_default();
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos.try_into().unwrap_or_default())
}
