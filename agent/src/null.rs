//! A stand-in for `/dev/null` and for this program's path, where the root file
//! system holds nothing. Knows nothing of who needs them.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::PathBuf;

/// Reads as empty. An empty root file system may lack `/dev/null`; a pipe
/// without another end does as well.
///
/// # Errors
/// When the process is out of descriptors.
pub fn null() -> io::Result<File> {
    let opened = OpenOptions::new().read(true).write(true).open("/dev/null");
    opened.or_else(|_| {
        let (read, _write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        Ok(File::from(read))
    })
}

/// This program. Without `/proc` only the name it was started by is left, which
/// is of use where it is a path.
///
/// # Errors
/// When it cannot be told.
pub fn program() -> io::Result<PathBuf> {
    std::env::current_exe().or_else(|error| {
        let named = std::env::args_os().next().map(PathBuf::from);
        named.filter(|path| path.components().count() > 1 && path.is_file()).ok_or(error)
    })
}
