//! Content in and out: small bodies, signatures, deltas, and what comes back
//! from the trash. Streams; holds a few blocks of a file, never a whole one.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;

use rustix::fs::{FileType, Mode, OFlags, RenameFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::apply::{self, Content};
use super::dir;
use super::index::Known;
use super::look::{self, Found};
use super::store;
use super::temp::Temp;
use super::tree::Tree;
use crate::error::{ErrorCode, WireError};
use crate::io::replica::{DeltaReader, Fetched};
use crate::limits::INLINE_BODY_MAX;
use crate::path::RelPath;
use crate::sync::delta::{Decoder, DeltaOp, Encoder, SignatureBuilder};
use crate::sync::entry::{Entry, Op, Outcome};

const PIECE_LEN: usize = 64 * 1024;
/// Delta bytes between the disk and a slow link.
const PIPE_LEN: usize = 256 * 1024;

/// Reads a small body, if the path still holds `entry`.
pub fn fetch(tree: &Tree, path: &RelPath, entry: &Entry) -> Fetched {
    let Entry::File { digest, size, .. } = entry else {
        return Fetched::Failed(WireError::new(
            ErrorCode::BadRequest,
            format!("{path} was asked for, but only files have a body"),
        ));
    };
    if *size > INLINE_BODY_MAX as u64 {
        let message = format!("{path} is too long to be read at once");
        return Fetched::Failed(WireError::new(ErrorCode::BadRequest, message));
    }
    let file = match open(tree, path) {
        Ok(Some(file)) => file,
        Ok(None) => return Fetched::Changed,
        Err(error) => return Fetched::Failed(store::failure("read", path, &error)),
    };
    match look::hash(file.take(*size + 1), Some(INLINE_BODY_MAX)) {
        Ok((found, _, Some(body))) if found == *digest => Fetched::Body(body),
        Ok(_) => Fetched::Changed,
        Err(error) => Fetched::Failed(store::failure("read", path, &error)),
    }
}

/// The signature of a file that holds `entry`.
pub fn signature(tree: &Tree, path: &RelPath, entry: &Entry) -> Result<Option<Vec<u8>>, WireError> {
    let failed = |error: io::Error| store::failure("read", path, &error);
    let Some(mut file) = open_holding(tree, path, entry)? else { return Ok(None) };
    let len = file.metadata().map_err(failed)?.len();
    let mut builder = SignatureBuilder::new(len);
    let mut buf = vec![0; PIECE_LEN];
    let mut left = len;
    loop {
        let read = file.read(&mut buf).map_err(failed)?;
        if read == 0 || left == 0 {
            break;
        }
        builder.push(&buf[..read]);
        left = left.saturating_sub(read as u64);
    }
    // Who applies a delta verifies the whole digest: a file that changed just now
    // costs a try, not the content.
    Ok(Some(builder.finish()))
}

/// A file that holds `entry` as a delta against `signature`.
pub fn read_delta(
    tree: &Tree,
    path: &RelPath,
    entry: &Entry,
    signature: &[u8],
) -> Result<Option<DeltaReader>, WireError> {
    let mut encoder = Encoder::new(signature)
        .map_err(|error| WireError::new(ErrorCode::BadRequest, error.to_string()))?;
    let Some(mut file) = open_holding(tree, path, entry)? else { return Ok(None) };
    let (mut pipe_tx, pipe_rx) = tokio::io::duplex(PIPE_LEN);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || {
        let mut buf = vec![0; PIECE_LEN];
        let mut out = Vec::new();
        while let Ok(read) = file.read(&mut buf) {
            if read == 0 {
                encoder.finish(&mut out);
                let _ = runtime.block_on(pipe_tx.write_all(&out)); // the reader went away
                return;
            }
            encoder.push(&buf[..read], &mut out);
            if runtime.block_on(pipe_tx.write_all(&out)).is_err() {
                return;
            }
            out.clear();
        }
        // Unreadable: the delta ends early, and the other side says so.
    });
    Ok(Some(Box::new(pipe_rx)))
}

/// Applies an edit whose content comes as a delta against the base's file.
pub fn write_delta(
    tree: &Tree,
    op: &Op,
    delta: DeltaReader,
    runtime: &tokio::runtime::Handle,
) -> Outcome {
    let Some(Entry::File { digest, size, .. }) = &op.new else {
        let message = format!("only a file at {} can come as a delta", op.path);
        return Outcome::Failed(WireError::new(ErrorCode::BadRequest, message));
    };
    if op.path.is_root() || op.path.names().any(super::rules::is_own) {
        return apply::apply(tree, op, Content::None); // refuses with the reason
    }
    let base = match &op.base {
        Some(entry @ Entry::File { .. }) => match open_holding(tree, &op.path, entry) {
            Ok(Some(file)) => Some(file),
            // Stale, and the look in `apply` says what is there instead.
            Ok(None) => return apply::apply(tree, op, Content::None),
            Err(error) => return Outcome::Failed(error),
        },
        _ => None,
    };
    match receive(tree, op, base, *digest, *size, delta, runtime) {
        Ok(temp) => apply::apply(tree, op, Content::Ready(temp)),
        Err(error) => Outcome::Failed(error),
    }
}

fn receive(
    tree: &Tree,
    op: &Op,
    mut base: Option<std::fs::File>,
    digest: [u8; 32],
    size: u64,
    mut delta: DeltaReader,
    runtime: &tokio::runtime::Handle,
) -> Result<Temp, WireError> {
    let failed = |error: io::Error| store::failure("write", &op.path, &error);
    let malformed = |error: crate::sync::delta::DeltaError| {
        WireError::new(ErrorCode::BadRequest, format!("unable to make {}: {error}", op.path))
    };
    let base_len = match &base {
        Some(file) => file.metadata().map_err(failed)?.len(),
        None => 0,
    };
    let parent = tree.root.make_parent(&op.path).map_err(failed)?;
    let mut temp = Temp::file(&tree.store, parent.as_fd()).map_err(failed)?;
    let Some(file) = temp.open_file() else {
        return Err(WireError::new(ErrorCode::Other, "the temporary file is none"));
    };
    let mut decoder = Decoder::new(base_len, size);
    let mut hasher = blake3::Hasher::new();
    let mut buf = vec![0; PIECE_LEN];
    loop {
        let read = runtime.block_on(delta.read(&mut buf)).map_err(failed)?;
        if read == 0 {
            break;
        }
        decoder.push(&buf[..read]);
        while let Some(step) = decoder.next_op().map_err(malformed)? {
            match step {
                DeltaOp::Literal(bytes) => {
                    hasher.update(&bytes);
                    file.write_all(&bytes).map_err(failed)?;
                }
                DeltaOp::Copy { offset, len } => {
                    let base = base
                        .as_mut()
                        .ok_or_else(|| malformed(crate::sync::delta::DeltaError::Range))?;
                    copy(base, offset, len, file, &mut hasher).map_err(failed)?;
                }
                DeltaOp::End => {}
            }
        }
    }
    decoder.finish().map_err(malformed)?;
    if *hasher.finalize().as_bytes() != digest {
        let message = format!("the content for {} is not what was announced", op.path);
        return Err(WireError::new(ErrorCode::Stale, message));
    }
    Ok(temp)
}

fn copy(
    base: &mut std::fs::File,
    offset: u64,
    len: u64,
    to: &mut std::fs::File,
    hasher: &mut blake3::Hasher,
) -> io::Result<()> {
    base.seek(SeekFrom::Start(offset))?;
    let mut left = base.take(len);
    let mut buf = vec![0; PIECE_LEN];
    loop {
        let read = left.read(&mut buf)?;
        if read == 0 {
            break;
        }
        hasher.update(&buf[..read]);
        to.write_all(&buf[..read])?;
    }
    // A base that became shorter shows in the digest.
    Ok(())
}

/// Puts a trash item back where it was; the path to look at, when it changed.
pub fn restore(tree: &Tree, id: u64) -> (Outcome, Option<RelPath>) {
    let Some(item) = tree.store.item(id) else {
        return (Outcome::Failed(store::no_item(id)), None);
    };
    match bring_back(tree, id, &item.path) {
        Ok(state) => {
            let outcome = Outcome::Applied { rev: tree.step(), state };
            (outcome, Some(item.path))
        }
        Err(error) => (Outcome::Failed(error), None),
    }
}

fn bring_back(tree: &Tree, id: u64, path: &RelPath) -> Result<Option<Entry>, WireError> {
    let failed = |error: io::Error| store::failure("bring back", path, &error);
    let _held = tree.guards.hold(path);
    let parent = tree.root.make_parent(path).map_err(failed)?;
    let name = id.to_string();
    let Found::Held(found, _) = look::look(tree.store.trash(), name.as_bytes(), None, 0) else {
        return Err(store::no_item(id));
    };
    let current = match tree.look(path, parent.as_fd(), 0) {
        Found::Absent => None,
        Found::Held(known, _) => Some(known),
        Found::Unstable => {
            let message = format!("unable to bring back {path}: it is being written to");
            return Err(WireError::new(ErrorCode::Stale, message));
        }
    };
    if current.as_ref().is_some_and(Known::is_directory) {
        let message = format!("unable to bring back {path}: a folder is in its place");
        return Err(WireError::new(ErrorCode::Stale, message));
    }
    let entry = current.as_ref().and_then(Known::entry);
    let flags = match &entry {
        None => RenameFlags::NOREPLACE,
        Some(entry) => {
            let coming = found.entry();
            tree.store.record(id, path, entry, coming.as_ref()).map_err(failed)?;
            RenameFlags::EXCHANGE
        }
    };
    let moved =
        rustix::fs::renameat_with(tree.store.trash(), name.as_bytes(), &parent, path.name(), flags);
    let moved = match moved {
        // The trash is on another file system: write it anew.
        Err(rustix::io::Errno::XDEV) => bring_copy(tree, &name, &parent, path, entry.as_ref()),
        moved => moved.map_err(io::Error::from),
    };
    if let Err(error) = moved {
        if entry.is_some() {
            tree.store.forget(id);
        }
        return Err(failed(error));
    }
    tree.store.forget_older(id, entry.is_some());
    Ok(found.entry())
}

/// Copies an item into its directory and renames it into place; what it replaces
/// is copied to the trash.
fn bring_copy(
    tree: &Tree,
    name: &str,
    parent: &std::os::fd::OwnedFd,
    path: &RelPath,
    replaced: Option<&Entry>,
) -> io::Result<()> {
    let trash = tree.store.trash();
    let stat = dir::stat_at(trash, name.as_bytes())?;
    let mut temp = if dir::kind(&stat) == FileType::Symlink {
        let target = rustix::fs::readlinkat(trash, name.as_bytes(), Vec::new())?;
        Temp::symlink(&tree.store, parent.as_fd(), target.as_bytes())?
    } else {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let from = rustix::fs::openat(trash, name.as_bytes(), flags, Mode::empty())?;
        let mut temp = Temp::file(&tree.store, parent.as_fd())?;
        if let Some(file) = temp.open_file() {
            io::copy(&mut std::fs::File::from(from), file)?;
            rustix::fs::fchmod(&*file, Mode::from_raw_mode(stat.st_mode & 0o777))?;
        }
        temp
    };
    let flags = if replaced.is_some() { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
    let (from, from_name) = temp.at();
    rustix::fs::renameat_with(from, from_name, parent, path.name(), flags)?;
    rustix::fs::unlinkat(trash, name.as_bytes(), rustix::fs::AtFlags::empty())?;
    if replaced.is_some()
        && let Ok(id) = name.parse()
    {
        let from_name = from_name.to_vec();
        super::temp::copy_to_trash(&tree.store, id, parent.as_fd(), &from_name)?;
    }
    temp.disarm();
    Ok(())
}

/// Opens a file that holds `entry`, hashing it if the index does not know.
fn open_holding(
    tree: &Tree,
    path: &RelPath,
    entry: &Entry,
) -> Result<Option<std::fs::File>, WireError> {
    let failed = |error: io::Error| store::failure("read", path, &error);
    let Some(file) = open(tree, path).map_err(failed)? else { return Ok(None) };
    let parent = tree.root.parent(path).map_err(failed)?;
    let Found::Held(known, _) = tree.look(path, parent.as_fd(), 0) else { return Ok(None) };
    let stat = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    let (Some(Entry::File { digest, size, .. }), Entry::File { digest: wanted, size: len, .. }) =
        (known.entry(), entry)
    else {
        return Ok(None);
    };
    let holds = digest == *wanted && size == *len && look::stamp(&stat) == known.stamp;
    Ok(holds.then_some(file))
}

fn open(tree: &Tree, path: &RelPath) -> io::Result<Option<std::fs::File>> {
    use rustix::io::Errno;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = tree
        .root
        .parent(path)
        .and_then(|parent| Ok(rustix::fs::openat(&parent, path.name(), flags, Mode::empty())?));
    let fd = match opened {
        Ok(fd) => fd,
        Err(error) => {
            return match Errno::from_io_error(&error) {
                Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => Ok(None),
                _ => Err(error),
            };
        }
    };
    if dir::kind(&rustix::fs::fstat(&fd)?) != FileType::RegularFile {
        return Ok(None);
    }
    Ok(Some(fd.into()))
}
