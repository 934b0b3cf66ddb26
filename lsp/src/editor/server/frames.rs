//! What comes from the editor, frame by frame, before the library sees it: one message
//! that cannot be read must not end all the others, and none may fill the memory.

use protocol::limits::LSP_MESSAGE_MAX;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tower_lsp::jsonrpc::{Request, Response};

/// Longest line of a header.
const HEADER_LINE_MAX: u64 = 1024;

/// The method that stands for a message that cannot be read; its answer says so.
pub const MALFORMED: &str = "towline/malformed";

/// Passes messages on until the editor ends its stream. What cannot be read becomes a
/// request for [`MALFORMED`].
///
/// # Errors
/// When either stream fails.
pub async fn pass(
    mut from: impl AsyncBufRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> std::io::Result<()> {
    while let Some(length) = header(&mut from).await? {
        let body = match length {
            Some(length) if length <= LSP_MESSAGE_MAX => {
                let mut body = vec![0; length];
                from.read_exact(&mut body).await?;
                Some(body).filter(|body| is_message(body))
            }
            Some(length) => {
                let mut rest = (&mut from).take(length as u64);
                tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
                None
            }
            None => None,
        };
        let body = body.unwrap_or_else(|| {
            format!(r#"{{"jsonrpc":"2.0","id":null,"method":"{MALFORMED}"}}"#).into_bytes()
        });
        to.write_all(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes()).await?;
        to.write_all(&body).await?;
        to.flush().await?;
    }
    Ok(())
}

/// Reads a header; the length that it tells, none at the stream's end.
async fn header(from: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<Option<Option<usize>>> {
    let mut length = None;
    let mut is_first = true;
    loop {
        let mut line = Vec::new();
        (&mut *from).take(HEADER_LINE_MAX).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if text.is_empty() {
            if is_first {
                continue; // blank lines between messages
            }
            return Ok(Some(length));
        }
        is_first = false;
        if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok();
        }
    }
}

/// Whether the library can read it.
fn is_message(body: &[u8]) -> bool {
    serde_json::from_slice::<Request>(body).is_ok()
        || serde_json::from_slice::<Response>(body).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(input: &str, expected: &[&str]) {
        let mut output = Vec::new();
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(pass(input.as_bytes(), &mut output))
            .unwrap();
        let text = String::from_utf8(output).unwrap();
        let bodies =
            text.split("Content-Length: ").skip(1).filter_map(|part| part.split("\r\n\r\n").nth(1));
        let methods: Vec<_> = bodies
            .map(|body| serde_json::from_str::<serde_json::Value>(body).unwrap()["method"].clone())
            .collect();
        assert_eq!(methods, expected, "{input}");
    }

    fn frame(body: &str) -> String {
        format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn what_cannot_be_read_does_not_end_what_follows() {
        let fine = frame(r#"{"jsonrpc":"2.0","method":"a"}"#);
        for body in ["{", "[]", "null", "\"x\"", r#"{"jsonrpc":"1.0"}"#, r#"{"id":1e300}"#, ""] {
            check(&format!("{}{fine}", frame(body)), &[MALFORMED, "a"]);
        }
        check(&format!("Length: 3\r\n\r\n{fine}"), &[MALFORMED, "a"]);
        check(&format!("\r\n{fine}"), &["a"]);
        let long = format!("Content-Length: {}\r\n\r\n", LSP_MESSAGE_MAX + 1);
        check(&format!("{long}{}{fine}", " ".repeat(LSP_MESSAGE_MAX + 1)), &[MALFORMED, "a"]);
    }
}
