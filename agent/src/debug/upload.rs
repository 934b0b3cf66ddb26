//! Takes a debug adapter that the hub brings: into the agent's own directory, whole or not
//! at all, once for each content.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::Channel;
use protocol::io::framed::{self, FrameError};
use protocol::limits::{ADAPTER_BYTES_MAX, ADAPTER_FILES_MAX};
use protocol::wire::debug::{OpenUpload, UploadPiece, Uploaded};

use crate::context::Context;
use crate::router::{accept, refuse};

/// Counts them, for the names of what is not whole yet.
static UPLOADS: AtomicU64 = AtomicU64::new(0);

/// What came so far; gone when it is dropped, unless it has its place by then.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // else it goes with the agent's directory
    }
}

/// Serves one stream.
///
/// # Errors
/// The stream's.
pub async fn serve(
    context: &Context,
    open: OpenUpload,
    mut channel: Channel,
) -> Result<(), FrameError> {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if !plain(&open.name) || !plain(&open.digest) {
        let error = WireError::new(ErrorCode::BadRequest, "an adapter's name is no plain word");
        return refuse(&mut channel, error).await;
    }
    accept(&mut channel).await?;
    let adapters = context.state_dir.join("adapters");
    let place = adapters.join(format!("{}-{}", open.name, open.digest));
    if !place.is_dir() {
        framed::write(&mut channel.tx, &Uploaded::Wanted).await?;
        // Two sessions may bring the same one at once.
        let number = UPLOADS.fetch_add(1, Ordering::Relaxed);
        let temporary = Temporary(adapters.join(format!("{}.{number}.part", open.digest)));
        if let Err(error) = take(&mut channel, &temporary.0, &place, &open.digest).await? {
            return framed::write(&mut channel.tx, &Uploaded::Failed(error)).await;
        }
    }
    framed::write(&mut channel.tx, &Uploaded::There(place.display().to_string())).await
}

async fn take(
    channel: &mut Channel,
    temporary: &Path,
    place: &Path,
    digest: &str,
) -> Result<Result<(), WireError>, FrameError> {
    let (mut list, mut files, mut total) = (String::new(), 0, 0);
    let mut failure = None;
    loop {
        match framed::read(&mut channel.rx).await? {
            // What comes after a failure is read, so that the hub gets to hear of it.
            UploadPiece::File { .. } if failure.is_some() => {}
            UploadPiece::File { path, bytes } => {
                files += 1;
                total += bytes.len();
                list.push_str(&format!("{path} {}\n", protocol::io::digest(&bytes)));
                if files > ADAPTER_FILES_MAX || total > ADAPTER_BYTES_MAX {
                    let message = "the adapter is larger than any that is known";
                    failure = Some(WireError::new(ErrorCode::BadRequest, message));
                } else if let Err(error) = store(temporary, &path, &bytes) {
                    failure = Some(error);
                }
            }
            UploadPiece::End => break,
        }
    }
    if let Some(failure) = failure {
        return Ok(Err(failure));
    }
    if protocol::io::digest(list.as_bytes()) != digest {
        let message = "the adapter arrived damaged: its digest is another one";
        return Ok(Err(WireError::new(ErrorCode::BadRequest, message)));
    }
    let moved = fs::rename(temporary, place);
    // Another session may have been faster; the content is the same.
    Ok(if place.is_dir() { Ok(()) } else { moved.map_err(|error| tried(place, &error)) })
}

fn store(folder: &Path, path: &str, bytes: &[u8]) -> Result<(), WireError> {
    let relative = PathBuf::from(path);
    let plain = relative.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !plain {
        return Err(WireError::new(ErrorCode::BadRequest, format!("`{path}` is no plain path")));
    }
    let file = folder.join(relative);
    let made = file.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(&file, bytes)).map_err(|error| tried(&file, &error))
}

fn tried(path: &Path, error: &std::io::Error) -> WireError {
    let mut wire = WireError::from(error);
    wire.message = format!("unable to store the debug adapter at {}: {error}", path.display());
    wire
}
