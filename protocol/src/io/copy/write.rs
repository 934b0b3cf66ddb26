//! Writes a tree to the disk, piece by piece, on a thread that may block. The
//! pieces come from another machine: no name in them is followed anywhere.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fs::{self, AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::{Destination, failed, os};
use crate::error::{ErrorCode, WireError};
use crate::path::RelPath;
use crate::wire::copy::{Attributes, Piece};

/// A tree being written.
struct Writer<'a> {
    destination: &'a Destination,
    /// From the first piece.
    name: Option<Vec<u8>>,
    /// The directories from the copied one down to where we are.
    open: Vec<Directory>,
    file: Option<Partial>,
    has_root: bool,
}

struct Directory {
    path: RelPath,
    handle: OwnedFd,
    /// Set at the end, as writing into it changes its time and may need rights
    /// that it will not have; none for one that was there before.
    attributes: Option<Attributes>,
}

/// A file under a name of its own until it is complete.
struct Partial {
    path: RelPath,
    directory: OwnedFd,
    temporary: OsString,
    name: OsString,
    file: File,
    attributes: Attributes,
    is_renamed: bool,
}

/// Writes pieces until `Done`; removes a file that is not complete when they end
/// before that.
pub(super) fn write(
    destination: &Destination,
    mut piece_rx: mpsc::Receiver<Piece>,
) -> Result<(), WireError> {
    let mut writer =
        Writer { destination, name: None, open: Vec::new(), file: None, has_root: false };
    while let Some(piece) = piece_rx.blocking_recv() {
        if piece == Piece::Done {
            return writer.finish();
        }
        writer.take(piece)?;
    }
    Ok(()) // cut short; whoever cut it tells why
}

impl Writer<'_> {
    fn take(&mut self, piece: Piece) -> Result<(), WireError> {
        match piece {
            Piece::Begin(name) if self.name.is_none() => self.begin(name),
            Piece::Directory(path, attributes) => self.directory(path, attributes),
            Piece::File(path, attributes) => {
                let (directory, name) = self.place(&path, false)?;
                self.file = Some(Partial::create(path, directory, name, attributes)?);
                Ok(())
            }
            Piece::Data(bytes) => match &mut self.file {
                Some(partial) => partial.write(&bytes),
                None => Err(unexpected()),
            },
            Piece::EndOfFile => self.file.take().ok_or_else(unexpected)?.complete(),
            Piece::Symlink(path, target) => self.symlink(&path, &target),
            Piece::Skipped(..) => Ok(()),
            Piece::Begin(_) | Piece::Done | Piece::Failed(_) => Err(unexpected()),
        }
    }

    fn begin(&mut self, name: Vec<u8>) -> Result<(), WireError> {
        let is_plain = !name.contains(&b'/') && RelPath::parse(&name).is_ok();
        if !is_plain {
            return Err(WireError::new(ErrorCode::BadRequest, "the copied name leads elsewhere"));
        }
        self.name = Some(name);
        Ok(())
    }

    /// The directory and the name in it for `path`. Leaves the directories that
    /// are complete by then.
    fn place(&mut self, path: &RelPath, is_dir: bool) -> Result<(OwnedFd, OsString), WireError> {
        if self.file.is_some() {
            return Err(unexpected());
        }
        let Some(parent) = path.parent() else { return self.place_root(is_dir) };
        while let Some(top) = self.open.last() {
            if top.path == parent {
                let handle = top.handle.try_clone();
                let handle = handle.map_err(|error| failed("open", &parent.to_string(), &error))?;
                return Ok((handle, OsStr::from_bytes(path.name()).to_owned()));
            }
            self.leave()?;
        }
        Err(unexpected()) // it is in no directory that was sent
    }

    fn place_root(&mut self, is_dir: bool) -> Result<(OwnedFd, OsString), WireError> {
        if std::mem::replace(&mut self.has_root, true) {
            return Err(unexpected());
        }
        let name = self.name.clone().ok_or_else(unexpected)?;
        let Destination { path, named } = self.destination;
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => {
                if name.is_empty() && !is_dir {
                    return Err(unexpected());
                }
                // With an empty name: the content, into the directory itself.
                Ok((open_named(path, named)?, OsString::from_vec(name)))
            }
            Ok(_) if is_dir || self.destination.must_be_directory() => Err(WireError::new(
                ErrorCode::BadRequest,
                format!("unable to copy to `{named}`: it is not a directory"),
            )),
            // A link to a file: the file is meant.
            Ok(_) => {
                let real = path.canonicalize().map_err(|error| failed("copy to", named, &error))?;
                beside(&real, named)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !is_dir && self.destination.must_be_directory() {
                    return Err(failed("copy to", named, &error));
                }
                beside(path, named)
            }
            Err(error) => Err(failed("copy to", named, &error)),
        }
    }

    fn directory(&mut self, path: RelPath, attributes: Attributes) -> Result<(), WireError> {
        let (parent, name) = self.place(&path, true)?;
        if name.is_empty() {
            self.open.push(Directory { path, handle: parent, attributes: None });
            return Ok(());
        }
        let failed = |error: Errno| match error {
            // A link in the way may lead out of the destination.
            Errno::LOOP | Errno::NOTDIR => WireError::new(
                ErrorCode::BadRequest,
                format!("unable to make the directory `{path}`: something else is in its place"),
            ),
            error => failed("make the directory", &path.to_string(), &error.into()),
        };
        let is_new = match fs::mkdirat(&parent, &name, Mode::RWXU) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(failed(error)),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = fs::openat(&parent, &name, flags, Mode::empty()).map_err(failed)?;
        let attributes = is_new.then_some(attributes);
        self.open.push(Directory { path, handle, attributes });
        Ok(())
    }

    fn symlink(&mut self, path: &RelPath, target: &[u8]) -> Result<(), WireError> {
        let (directory, name) = self.place(path, false)?;
        let failed = |error: Errno| failed("write the link", &path.to_string(), &error.into());
        let temporary = temporary_name()?;
        fs::symlinkat(os(target), &directory, &temporary).map_err(failed)?;
        fs::renameat(&directory, &temporary, &directory, &name).map_err(|error| {
            let _ = fs::unlinkat(&directory, &temporary, AtFlags::empty()); // its own failure tells more
            failed(error)
        })
    }

    /// Ends the innermost directory.
    fn leave(&mut self) -> Result<(), WireError> {
        let Some(Directory { path, handle, attributes: Some(attributes) }) = self.open.pop() else {
            return Ok(());
        };
        set(handle.as_fd(), attributes)
            .map_err(|error| failed("finish", &path.to_string(), &error.into()))
    }

    fn finish(mut self) -> Result<(), WireError> {
        if self.file.is_some() || !self.has_root {
            return Err(unexpected());
        }
        while !self.open.is_empty() {
            self.leave()?;
        }
        Ok(())
    }
}

impl Partial {
    fn create(
        path: RelPath,
        directory: OwnedFd,
        name: OsString,
        attributes: Attributes,
    ) -> Result<Self, WireError> {
        let temporary = temporary_name()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::openat(&directory, &temporary, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| failed("write", &path.to_string(), &error.into()))?;
        let file = File::from(file);
        Ok(Self { path, directory, temporary, name, file, attributes, is_renamed: false })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.file.write_all(bytes).map_err(|error| failed("write", &self.path.to_string(), &error))
    }

    fn complete(mut self) -> Result<(), WireError> {
        let failed = |error: Errno| failed("write", &self.path.to_string(), &error.into());
        set(self.file.as_fd(), self.attributes).map_err(failed)?;
        fs::renameat(&self.directory, &self.temporary, &self.directory, &self.name)
            .map_err(failed)?;
        self.is_renamed = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.is_renamed {
            // Nothing else can be done about it here.
            let _ = fs::unlinkat(&self.directory, &self.temporary, AtFlags::empty());
        }
    }
}

/// Some file systems keep no modes; that is no reason to fail.
fn set(handle: BorrowedFd<'_>, attributes: Attributes) -> Result<(), Errno> {
    match fs::fchmod(handle, Mode::from_raw_mode(attributes.mode & 0o777)) {
        Ok(()) | Err(Errno::PERM | Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    let omit = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT };
    let mtime = Timespec { tv_sec: attributes.mtime_s, tv_nsec: attributes.mtime_ns.into() };
    match fs::futimens(handle, &Timestamps { last_access: omit, last_modification: mtime }) {
        Ok(()) | Err(Errno::PERM | Errno::INVAL) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What the user named may hold links: the user may lead where they like.
fn open_named(path: &Path, named: &str) -> Result<OwnedFd, WireError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty()).map_err(|error| failed("copy to", named, &error.into()))
}

fn beside(path: &Path, named: &str) -> Result<(OwnedFd, OsString), WireError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(WireError::new(ErrorCode::BadRequest, format!("`{named}` names no file")));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    Ok((open_named(parent, named)?, name.to_owned()))
}

fn temporary_name() -> Result<OsString, WireError> {
    let number = getrandom::u64().map_err(|error| {
        WireError::new(ErrorCode::Other, format!("unable to name a temporary file: {error}"))
    })?;
    Ok(format!(".towline-cp-{number:016x}").into())
}

/// The other end broke the order of pieces, or worse.
fn unexpected() -> WireError {
    WireError::new(ErrorCode::BadRequest, "the copied pieces make no tree")
}
