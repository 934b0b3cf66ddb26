//! Frames of DAP: a `Content-Length` header, then JSON. Whatever comes, it is bounded and
//! never panics.

use serde_json::Value;

use crate::limits::{DAP_HEADER_MAX, DAP_MESSAGE_MAX};

/// Why bytes are no messages. There is no way to go on behind it: where the next message
/// begins cannot be known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DapError {
    /// The header never ends.
    #[error("a header of a message is over {DAP_HEADER_MAX} bytes long")]
    HeaderTooLong,
    /// The header says nothing of a length.
    #[error("a message has no usable Content-Length")]
    NoLength,
    /// It announces too much.
    #[error("a message of {len} bytes is over the limit of {DAP_MESSAGE_MAX}")]
    TooLong {
        /// In bytes.
        len: u64,
    },
    /// The body is no JSON object.
    #[error("a message is no JSON object: {reason}")]
    NoObject {
        /// The parser's words.
        reason: String,
    },
    /// It is an object, but no message.
    #[error("a message is neither request, response nor event: {reason}")]
    NoMessage {
        /// What is missing.
        reason: &'static str,
    },
    /// Too much waits.
    #[error("too many requests wait for an answer")]
    TooMany,
}

/// Bytes in, messages out.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Up to here there is no end of a header.
    searched: usize,
    /// Of the message whose header was read.
    length: Option<usize>,
}

const END: &[u8] = b"\r\n\r\n";

impl Decoder {
    /// Takes bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole message.
    ///
    /// # Errors
    /// See [`DapError`]; the stream is of no use then.
    pub fn message(&mut self) -> Result<Option<Value>, DapError> {
        let length = match self.length {
            Some(length) => length,
            None => match self.header()? {
                Some(length) => *self.length.insert(length),
                None => return Ok(None),
            },
        };
        if self.buffer.len() < length {
            return Ok(None);
        }
        let parsed = serde_json::from_slice::<Value>(&self.buffer[..length]);
        self.buffer.drain(..length);
        self.length = None;
        match parsed {
            Ok(value @ Value::Object(_)) => Ok(Some(value)),
            Ok(_) => Err(DapError::NoObject { reason: "it is something else".to_owned() }),
            Err(error) => Err(DapError::NoObject { reason: error.to_string() }),
        }
    }

    fn header(&mut self) -> Result<Option<usize>, DapError> {
        let from = self.searched.saturating_sub(END.len());
        let found = self.buffer[from..].windows(END.len()).position(|window| window == END);
        let Some(end) = found.map(|at| from + at) else {
            self.searched = self.buffer.len();
            return if self.buffer.len() > DAP_HEADER_MAX {
                Err(DapError::HeaderTooLong)
            } else {
                Ok(None)
            };
        };
        if end > DAP_HEADER_MAX {
            return Err(DapError::HeaderTooLong);
        }
        let length = content_length(&self.buffer[..end])?;
        self.buffer.drain(..end + END.len());
        self.searched = 0;
        Ok(Some(length))
    }
}

fn content_length(header: &[u8]) -> Result<usize, DapError> {
    let header = std::str::from_utf8(header).map_err(|_| DapError::NoLength)?;
    let mut lines = header.split("\r\n").filter_map(|line| line.split_once(':'));
    let (_, length) = lines
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-length"))
        .ok_or(DapError::NoLength)?;
    let len: u64 = length.trim().parse().map_err(|_| DapError::NoLength)?;
    match usize::try_from(len) {
        Ok(length) if length <= DAP_MESSAGE_MAX => Ok(length),
        _ => Err(DapError::TooLong { len }),
    }
}

/// A message as it goes over a stream.
pub fn encode(message: &Value) -> Vec<u8> {
    let body = message.to_string();
    let mut bytes = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn decode(pieces: &[&[u8]]) -> Result<Vec<Value>, DapError> {
        let mut decoder = Decoder::default();
        let mut messages = Vec::new();
        for piece in pieces {
            decoder.push(piece);
            while let Some(message) = decoder.message()? {
                messages.push(message);
            }
        }
        Ok(messages)
    }

    #[test]
    fn messages_come_whole_however_the_bytes_are_cut() {
        let bytes: Vec<u8> =
            [json!({ "seq": 1, "text": "é\r\n\r\n" }), json!({})].iter().flat_map(encode).collect();
        for cut in 0..bytes.len() {
            let messages = decode(&[&bytes[..cut], &bytes[cut..]]).unwrap();
            assert_eq!(messages, [json!({ "seq": 1, "text": "é\r\n\r\n" }), json!({})], "{cut}");
        }
        let one_by_one: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decode(&one_by_one).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_message_is_told_from_what_is() {
        let check = |bytes: &[u8], expected: DapError| assert_eq!(decode(&[bytes]), Err(expected));
        check(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", DapError::NoLength);
        check(b"Content-Length: -1\r\n\r\n", DapError::NoLength);
        check(b"Content-Length: 99999999999\r\n\r\n", DapError::TooLong { len: 99_999_999_999 });
        check(&[b'x'; DAP_HEADER_MAX + 1], DapError::HeaderTooLong);
        assert!(matches!(
            decode(&[b"Content-Length: 2\r\n\r\n[]"]),
            Err(DapError::NoObject { .. })
        ));
        let deep = "[".repeat(100_000);
        let deep = format!("Content-Length: {}\r\n\r\n{deep}", deep.len());
        assert!(matches!(decode(&[deep.as_bytes()]), Err(DapError::NoObject { .. })));
        let others = b"content-type: x\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(decode(&[others]).unwrap().len(), 1);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(pieces in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 0..64), 0..16)
        ) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let _ = decode(&pieces);
        }
    }
}
