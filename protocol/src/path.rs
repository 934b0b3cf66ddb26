//! Paths relative to a root, parsed once. Bytes, not text: a name on Linux need
//! not be UTF-8. Knows nothing of any disk.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use minicbor::{Decode, Encode};

use crate::limits::PATH_LEN_MAX;

/// A path below a root: `/`-separated names, none of them empty, `.` or `..`,
/// no NUL. The root itself is the empty path. Ordered so that a directory comes
/// before what is in it and directly beside it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct RelPath(alloc::boxed::Box<[u8]>);

/// Why bytes are no [`RelPath`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Over [`PATH_LEN_MAX`].
    #[error("the path is longer than {PATH_LEN_MAX} bytes")]
    TooLong,
    /// A NUL byte.
    #[error("the path holds a NUL byte")]
    Nul,
    /// An empty, `.` or `..` component, or a leading or trailing slash.
    #[error("the path is not a plain path below the root")]
    NotBelow,
}

impl RelPath {
    /// The root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Parses bytes from anywhere.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.len() > PATH_LEN_MAX {
            return Err(PathError::TooLong);
        }
        if bytes.contains(&0) {
            return Err(PathError::Nul);
        }
        if !bytes.is_empty()
            && bytes.split(|byte| *byte == b'/').any(|name| matches!(name, b"" | b"." | b".."))
        {
            return Err(PathError::NotBelow);
        }
        Ok(Self(bytes.into()))
    }

    /// The bytes, `/`-separated, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The directory it is in; none for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// Its last name; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// Its names, from the root down.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// The entry called `name` in this directory.
    ///
    /// # Errors
    /// See [`PathError`].
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + name.len());
        bytes.extend_from_slice(&self.0);
        if !self.is_root() {
            bytes.push(b'/');
        }
        bytes.extend_from_slice(name);
        Self::parse(&bytes)
    }

    /// Whether it is `other` or somewhere below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.is_root()
            || (self.0.starts_with(&other.0)
                && matches!(self.0.get(other.0.len()), None | Some(b'/')))
    }
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        // As by names: a slash ends a name, so it is less than any byte in one.
        let apart = self.0.iter().zip(&other.0).find(|(left, right)| left != right);
        let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
        match apart {
            Some((left, right)) => rank(*left).cmp(&rank(*right)),
            None => self.0.len().cmp(&other.0.len()),
        }
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// As [`shown`]; the root as `.`.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() { f.write_str(".") } else { f.write_str(&shown(&self.0)) }
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", shown(&self.0))
    }
}

/// A name for people: what is not UTF-8, and what a terminal would act on, as
/// `\xNN`, and a backslash doubled, so that no two names look the same and
/// [`typed`] finds the bytes again.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            let _ = write!(text, "\\x{byte:02x}"); // a String takes everything
        }
    };
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\\' => text.push_str("\\\\"),
                _ if letter.is_control() => {
                    escape(&mut text, letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
                _ => text.push(letter),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

/// The bytes of a name that is typed as it is [`shown`]. A backslash that
/// begins nothing known stands for itself.
pub fn typed(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        (rest, _) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (after, bytes.push(b'\\')),
            (b'\\', [b'x', high, low, after @ ..]) if hex(*high, *low).is_some() => {
                (after, bytes.extend(hex(*high, *low)))
            }
            _ => (after, bytes.push(*first)),
        };
    }
    bytes
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

impl<C> Encode<C> for RelPath {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for RelPath {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::parse(d.bytes()?)
            .map_err(|_| minicbor::decode::Error::message("not a path below the root"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_shown_without_doubt() {
        let check = |name: &[u8], expected: &str| assert_eq!(shown(name), expected);
        check("plain é".as_bytes(), "plain é");
        check(b"caf\xe9.txt", "caf\\xe9.txt");
        check(b"caf\\xe9.txt", "caf\\\\xe9.txt");
        check(b"\x1b[31mred\n", "\\x1b[31mred\\x0a");
        assert_eq!(typed("a\\b\\xzz\\"), b"a\\b\\xzz\\", "a lone backslash is one");
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed(name in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            prop_assert_eq!(typed(&shown(&name)), name);
        }

        #[test]
        fn the_order_is_that_of_the_names(left in "[ab!/]{0,8}", right in "[ab!/]{0,8}") {
            let parse = |text: &str| RelPath::parse(text.as_bytes());
            if let (Ok(left), Ok(right)) = (parse(&left), parse(&right)) {
                prop_assert_eq!(left.cmp(&right), left.names().cmp(right.names()));
            }
        }
    }
}
