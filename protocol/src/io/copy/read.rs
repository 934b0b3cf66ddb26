//! Reads a tree from the disk, piece by piece, on a thread that may block.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tokio::sync::mpsc;

use super::{Source, failed};
use crate::error::WireError;
use crate::limits::CHUNK_LEN_MAX;
use crate::path::RelPath;
use crate::wire::copy::{Attributes, Piece};

/// Why a path has no pieces.
enum Miss {
    /// It is left out, for this reason.
    Skip(String),
    /// Nobody takes pieces any more.
    Stop,
    /// Half of it is sent, so the copy as a whole is over.
    Fail(WireError),
}

/// Sends the pieces of `source` in order; ends early without an error when
/// nobody takes them.
pub(super) fn read(source: &Source, piece_tx: &mpsc::Sender<Piece>) -> Result<(), WireError> {
    let begin = Piece::Begin(source.name().as_bytes().to_vec());
    if piece_tx.blocking_send(begin).is_err() {
        return Ok(());
    }
    // Depth first, so that a directory's content follows it directly.
    let mut waiting = vec![(RelPath::root(), source.path.clone())];
    while let Some((path, full)) = waiting.pop() {
        match one(&path, &full, piece_tx) {
            Ok(below) => waiting.extend(below),
            Err(Miss::Stop) => return Ok(()),
            Err(Miss::Fail(error)) => return Err(error),
            // Of what was named itself there is nothing else to go on with.
            Err(Miss::Skip(reason)) if path.is_root() => {
                let message = format!("unable to copy `{}`: {reason}", source.named);
                return Err(WireError::new(crate::error::ErrorCode::Other, message));
            }
            Err(Miss::Skip(reason)) => {
                if piece_tx.blocking_send(Piece::Skipped(path, reason)).is_err() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Sends one path; returns what is in it, last first.
fn one(
    path: &RelPath,
    full: &Path,
    piece_tx: &mpsc::Sender<Piece>,
) -> Result<Vec<(RelPath, PathBuf)>, Miss> {
    // A link that the user named means what it points to; one in the tree is
    // itself.
    let meta = if path.is_root() { std::fs::metadata(full) } else { full.symlink_metadata() };
    let meta = meta.map_err(|error| skip(&error))?;
    let kind = meta.file_type();
    if kind.is_dir() {
        let below = children(path, full)?;
        put(piece_tx, Piece::Directory(path.clone(), attributes(&meta)))?;
        Ok(below)
    } else if kind.is_symlink() {
        let target = std::fs::read_link(full).map_err(|error| skip(&error))?;
        put(piece_tx, Piece::Symlink(path.clone(), target.as_os_str().as_bytes().to_vec()))?;
        Ok(Vec::new())
    } else if kind.is_file() {
        file(path, full, piece_tx)?;
        Ok(Vec::new())
    } else {
        let what = if kind.is_fifo() {
            "a FIFO"
        } else if kind.is_socket() {
            "a socket"
        } else {
            "a device"
        };
        Err(Miss::Skip(format!("it is {what}")))
    }
}

fn children(path: &RelPath, full: &Path) -> Result<Vec<(RelPath, PathBuf)>, Miss> {
    let mut below = Vec::new();
    for entry in std::fs::read_dir(full).map_err(|error| skip(&error))? {
        let entry = entry.map_err(|error| skip(&error))?;
        // Too long as a path; its directory is then too deep to be of use.
        let joined = path.join(entry.file_name().as_bytes());
        let child = joined.map_err(|error| Miss::Skip(format!("in it {error}")))?;
        below.push((child, entry.path()));
    }
    below.sort_unstable_by(|left, right| right.0.cmp(&left.0));
    Ok(below)
}

/// The file may have become something else meanwhile: a FIFO must not block, and
/// a link not be followed.
fn file(path: &RelPath, full: &Path, piece_tx: &mpsc::Sender<Piece>) -> Result<(), Miss> {
    let mut flags = OFlags::NONBLOCK | OFlags::CLOEXEC;
    if !path.is_root() {
        flags |= OFlags::NOFOLLOW;
    }
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let mut options = File::options();
    options.read(true).custom_flags(flags);
    let mut file = options.open(full).map_err(|error| skip(&error))?;
    let meta = file.metadata().map_err(|error| skip(&error))?;
    if !meta.is_file() {
        return Err(Miss::Skip("it changed while it was read".to_owned()));
    }
    put(piece_tx, Piece::File(path.clone(), attributes(&meta)))?;
    let mut buffer = vec![0; CHUNK_LEN_MAX];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return put(piece_tx, Piece::EndOfFile),
            Ok(len) => put(piece_tx, Piece::Data(buffer[..len].to_vec()))?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Miss::Fail(failed("read", &path.to_string(), &error))),
        }
    }
}

fn attributes(meta: &Metadata) -> Attributes {
    Attributes {
        mode: meta.mode() & 0o777,
        mtime_s: meta.mtime(),
        mtime_ns: u32::try_from(meta.mtime_nsec()).unwrap_or(0),
    }
}

fn put(piece_tx: &mpsc::Sender<Piece>, piece: Piece) -> Result<(), Miss> {
    piece_tx.blocking_send(piece).map_err(|_| Miss::Stop)
}

fn skip(error: &io::Error) -> Miss {
    Miss::Skip(error.to_string())
}
