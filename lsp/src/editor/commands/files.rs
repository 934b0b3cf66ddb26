//! Commands about the target's files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use protocol::io::framed;
use protocol::limits::{
    FILES_LISTED_MAX, REMOTE_FILE_MAX, SEARCH_FILES_MAX, SEARCH_MATCHES_MAX, SEARCH_TEXT_MAX,
};
use protocol::path::{shown, typed};
use protocol::wire::copy::Attributes;
use protocol::wire::files::{FileKind, FilesReply};
use serde_json::{Value, json};

use super::answers::{
    Difference, FileContent, FileEntries, FileEntry, FileMatch, FileMatches, FileStat,
};
use super::arguments::{FileSearch, FileWrite, LocalPath, TargetPath};
use super::{Progress, Session, plain_path};
use crate::editor::watch::target_text;
use crate::face::error::FaceError;
use crate::face::stream;
use crate::hub::api::{FilesRequest, Request};
use crate::remote::files;
use crate::runtime::Workspace;
use crate::status::FailureCode;

/// A directory of the target, as far as an editor shows one.
pub async fn list(
    workspace: &Workspace,
    TargetPath { path }: TargetPath,
) -> Result<Value, FaceError> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let request = FilesRequest::List(path.clone(), after.take());
        let FilesReply::Entries { entries, more } = ask(workspace, request).await? else {
            return Err(strange());
        };
        let last = entries.last().map(|entry| entry.name.clone());
        listed.extend(entries.iter().map(|entry| FileEntry {
            name: shown(&entry.name),
            stat: FileStat::from(&entry.facts),
        }));
        if !more || last.is_none() || listed.len() >= FILES_LISTED_MAX {
            return Ok(json!(FileEntries { entries: listed, more }));
        }
        after = last;
    }
}

/// One request about the target's files.
pub async fn change(workspace: &Workspace, request: FilesRequest) -> Result<Value, FaceError> {
    match ask(workspace, request).await? {
        FilesReply::Facts(found) => Ok(json!(FileStat::from(&found))),
        FilesReply::Done => Ok(json!({})),
        FilesReply::Entries { .. } | FilesReply::Found { .. } => Err(strange()),
    }
}

/// A file's content.
pub async fn read(
    workspace: &Workspace,
    TargetPath { path }: TargetPath,
) -> Result<Value, FaceError> {
    let content = content(workspace, &path).await?;
    Ok(json!(FileContent { base64: BASE64.encode(&content), size: content.len() }))
}

async fn content(workspace: &Workspace, path: &str) -> Result<Vec<u8>, FaceError> {
    let (rx, _tx) = stream::open(workspace, Request::CopyOut { path: path.to_owned() }).await?;
    let tried = format!("unable to read `{path}` of the target");
    files::read(rx).await.map_err(|error| FaceError::tried(&tried, &error))
}

/// Writes one, whole.
pub async fn write(workspace: &Workspace, written: FileWrite) -> Result<Value, FaceError> {
    let FileWrite { path, base64, create, overwrite } = written;
    let tried = format!("unable to write `{path}` of the target");
    if base64.len() / 4 * 3 > REMOTE_FILE_MAX + 3 {
        return Err(FaceError::tried(&tried, &files::FileError::TooLong));
    }
    let content = BASE64.decode(base64).map_err(|error| FaceError::tried(&tried, &error))?;
    let before = ask(workspace, FilesRequest::Stat(path.clone())).await;
    let mode = match &before {
        Ok(FilesReply::Facts(found)) if found.kind == FileKind::Directory => {
            return Err(FaceError::new(format!("{tried}: it is a directory")));
        }
        Ok(_) if !overwrite => {
            return Err(FaceError::new(format!("{tried}: there is something already")));
        }
        Ok(FilesReply::Facts(found)) => found.mode,
        Ok(_) => 0o644,
        Err(error) if error.0.code == FailureCode::Unreachable => {
            return Err(FaceError::new(format!("{tried}: {error}")));
        }
        Err(_) if !create => {
            return Err(FaceError::new(format!("{tried}: there is no such file")));
        }
        Err(_) => 0o644,
    };
    let (rx, tx) = stream::open(workspace, Request::CopyIn { path: path.clone() }).await?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default(); // before 1970 is as good as at its start
    let attributes = Attributes {
        mode,
        mtime_s: i64::try_from(now.as_secs()).unwrap_or_default(),
        mtime_ns: now.subsec_nanos(),
    };
    let name = path.rsplit('/').next().unwrap_or_default();
    let written = files::write(rx, tx, &typed(name), &content, attributes).await;
    written.map_err(|error| FaceError::tried(&tried, &error))?;
    Ok(json!({}))
}

/// Looks for a text in the target's files, step by step: who does not want to know any
/// more just asks no further.
pub async fn search(
    workspace: &Workspace,
    wanted: FileSearch,
    progress: &mut dyn Progress,
) -> Result<Value, FaceError> {
    let FileSearch { path, text, match_case } = wanted;
    if text.is_empty() || text.len() > SEARCH_TEXT_MAX || text.contains('\n') {
        let wrong = format!("`text` is empty, over {SEARCH_TEXT_MAX} bytes or of several lines");
        return Err(FaceError::usage(wrong));
    }
    let below = path.trim_end_matches('/');
    let (mut found, mut seen, mut after) = (Vec::new(), 0, None);
    let ended_early = loop {
        let request = FilesRequest::Search {
            path: path.clone(),
            text: text.clone(),
            match_case,
            after: after.take(),
        };
        let FilesReply::Found { matches, files, next } = ask(workspace, request).await? else {
            return Err(strange());
        };
        seen += files;
        found.extend(matches.into_iter().map(|hit| FileMatch {
            path: match shown(&hit.path) {
                itself if itself.is_empty() => path.clone(),
                inside => format!("{below}/{inside}"),
            },
            line: hit.line,
            column: hit.column,
            text: String::from_utf8_lossy(&hit.text).into_owned(),
        }));
        after = next;
        if found.len() >= SEARCH_MATCHES_MAX {
            break Some(format!("it is in {SEARCH_MATCHES_MAX} lines, and perhaps in more"));
        }
        if after.is_none() {
            break None;
        }
        if seen >= SEARCH_FILES_MAX {
            break Some(format!("there are more than {SEARCH_FILES_MAX} files"));
        }
        progress.tell_words(format!("{seen} files, found in {} lines", found.len()));
    };
    found.truncate(SEARCH_MATCHES_MAX);
    Ok(json!(FileMatches { matches: found, ended_early }))
}

/// Both contents of a synced file.
pub async fn difference(
    session: &Session,
    LocalPath { path }: LocalPath,
) -> Result<Value, FaceError> {
    let path = plain_path(&path);
    let file = session.workspace.root.join(&path);
    let remote = session.remote_of(&file).await;
    let remote = remote.ok_or_else(|| FaceError::new(format!("`{path}` is in no sync")))?;
    let target = target_text(&session.workspace, &remote).await?;
    let local = match tokio::fs::read_to_string(&file).await {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(FaceError::tried(&format!("unable to read `{path}`"), &error)),
    };
    let local_uri = crate::editor::facts::uri_of(&file);
    Ok(json!(Difference { local, target, local_uri, remote }))
}

async fn ask(workspace: &Workspace, request: FilesRequest) -> Result<FilesReply, FaceError> {
    let (mut rx, _tx) = stream::open(workspace, Request::Files(request)).await?;
    framed::read(&mut rx)
        .await
        .map_err(|error| FaceError::tried("unable to look at the target's files", &error))
}

fn strange() -> FaceError {
    FaceError::new("the agent gave another answer than was asked for")
}
