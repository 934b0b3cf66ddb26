//! Looks at the target's files and moves them about for an editor's file tree.
//! Knows nothing of syncs: what changes here is seen by them as any other edit.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::{self, FrameError};
use protocol::limits::FILES_PER_FRAME;
use protocol::wire::files::{Facts, FileKind, Files, FilesReply, Named};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::context::Context;
use crate::router::{accept, refuse};

mod search;

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(
    context: &Context,
    request: Files,
    mut channel: Channel,
) -> Result<(), FrameError> {
    let context = context.clone();
    let answer = tokio::task::spawn_blocking(move || answer(&context, request)).await;
    let answer = answer.unwrap_or_else(|error| {
        Err(WireError::new(ErrorCode::Other, format!("unable to look: {error}")))
    });
    match answer {
        Ok(reply) => {
            accept(&mut channel).await?;
            framed::write(&mut channel.tx, &reply).await
        }
        Err(error) => refuse(&mut channel, error).await,
    }
}

fn answer(context: &Context, request: Files) -> Result<FilesReply, WireError> {
    match request {
        Files::List { path, after } => {
            list(&context.resolve(&path), after.as_deref()).map_err(tried("list", &path))
        }
        Files::Stat(path) => {
            let found = facts(&context.resolve(&path)).map_err(tried("look at", &path))?;
            Ok(FilesReply::Facts(found))
        }
        Files::Remove { path, recursive } => {
            let at = context.resolve(&path);
            if at == context.root {
                let message = "the target's root cannot be removed";
                return Err(WireError::new(ErrorCode::BadRequest, message));
            }
            remove(&at, recursive).map_err(tried("remove", &path))?;
            Ok(FilesReply::Done)
        }
        Files::Rename { from, to, overwrite } => {
            let (source, target) = (context.resolve(&from), context.resolve(&to));
            let flags = if overwrite { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
            renameat_with(CWD, &source, CWD, &target, flags)
                .map_err(|error| tried(&format!("rename `{from}` to"), &to)(error.into()))?;
            Ok(FilesReply::Done)
        }
        Files::Search(wanted) => {
            let at = context.resolve(&wanted.path);
            search::step(&at, &wanted).map_err(tried("search", &wanted.path))
        }
        Files::MakeDirectory(path) => {
            fs::create_dir(context.resolve(&path)).map_err(tried("make", &path))?;
            Ok(FilesReply::Done)
        }
    }
}

/// The next entries behind `after`; only so many are held at a time, however large
/// the directory is.
fn list(directory: &Path, after: Option<&[u8]>) -> io::Result<FilesReply> {
    let mut names = std::collections::BTreeSet::new();
    let mut more = false;
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name().into_vec();
        if after.is_some_and(|after| name.as_slice() <= after) {
            continue;
        }
        names.insert(name);
        if names.len() > FILES_PER_FRAME {
            names.pop_last();
            more = true;
        }
    }
    let entries = names.into_iter().filter_map(|name| {
        let path = directory.join(std::ffi::OsStr::from_bytes(&name));
        Some(Named { facts: facts(&path).ok()?, name }) // gone since: it is not listed
    });
    Ok(FilesReply::Entries { entries: entries.collect(), more })
}

fn facts(path: &Path) -> io::Result<Facts> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(facts_of(&metadata)),
        // A link that leads nowhere is there all the same.
        Err(error) => match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => Ok(facts_of(&metadata)),
            _ => Err(error),
        },
    }
}

fn facts_of(metadata: &Metadata) -> Facts {
    let kind = match metadata.file_type() {
        kind if kind.is_file() => FileKind::File,
        kind if kind.is_dir() => FileKind::Directory,
        kind if kind.is_symlink() => FileKind::Link,
        _ => FileKind::Other,
    };
    let micros =
        i128::from(metadata.mtime()) * 1_000_000 + i128::from(metadata.mtime_nsec()) / 1000;
    Facts {
        kind,
        size: metadata.size(),
        mtime_us: u64::try_from(micros).unwrap_or_default(), // before 1970
        mode: metadata.mode() & 0o7777,
    }
}

fn remove(path: &Path, recursive: bool) -> io::Result<()> {
    // A link to a directory is a link.
    if !fs::symlink_metadata(path)?.is_dir() {
        fs::remove_file(path)
    } else if recursive {
        fs::remove_dir_all(path)
    } else {
        fs::remove_dir(path)
    }
}

fn tried<'a>(what: &'a str, path: &'a str) -> impl FnOnce(io::Error) -> WireError + 'a {
    move |error| {
        let mut wire = WireError::from(&error);
        let reason = match error.kind() {
            io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            io::ErrorKind::AlreadyExists => "there is something already".to_owned(),
            io::ErrorKind::DirectoryNotEmpty => "it is not empty".to_owned(),
            _ => error.to_string(),
        };
        wire.message = format!("unable to {what} `{path}`: {reason}");
        wire
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(reply: &FilesReply) -> (Vec<String>, bool) {
        let FilesReply::Entries { entries, more } = reply else { panic!("{reply:?}") };
        let names = entries.iter().map(|entry| String::from_utf8_lossy(&entry.name).into_owned());
        (names.collect(), *more)
    }

    #[test]
    fn a_directory_is_listed_piece_by_piece() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..FILES_PER_FRAME + 3 {
            fs::write(dir.path().join(format!("{number:06}")), "").unwrap();
        }
        std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).unwrap();
        let first = list(dir.path(), None).unwrap();
        let (seen, more) = names(&first);
        assert!(more);
        let last = seen.last().unwrap().clone();
        let (rest, more) = names(&list(dir.path(), Some(last.as_bytes())).unwrap());
        assert!(!more);
        assert_eq!(seen.len() + rest.len(), FILES_PER_FRAME + 4);
        assert_eq!(rest.last().unwrap(), "dangling");
    }

    #[test]
    fn a_link_to_a_directory_is_removed_alone() {
        let dir = tempfile::tempdir().unwrap();
        let kept = dir.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&kept, dir.path().join("link")).unwrap();
        assert!(remove(&kept, false).is_err());
        remove(&dir.path().join("link"), true).unwrap();
        assert!(kept.join("file").exists());
    }
}
