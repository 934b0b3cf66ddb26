//! The texts that the editor has open, as it sees them, and what its positions mean in
//! them. Pure.

use std::collections::HashMap;

use lsp_types::{Position, Range, TextDocumentContentChangeEvent, Url};

/// How the editor counts columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// Code units of UTF-16; what every editor can.
    #[default]
    Utf16,
}

/// One open text.
#[derive(Debug, Clone, Default)]
pub struct Document {
    /// As the editor numbers it.
    pub version: i32,
    /// Its content.
    pub text: String,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Documents {
    open: HashMap<Url, Document>,
    /// How columns are counted.
    pub encoding: Encoding,
}

impl Documents {
    /// None yet.
    pub fn new(encoding: Encoding) -> Self {
        Self { open: HashMap::new(), encoding }
    }

    /// One that is open.
    pub fn get(&self, uri: &Url) -> Option<&Document> {
        self.open.get(uri)
    }

    /// The addresses of all of them.
    pub fn uris(&self) -> impl Iterator<Item = &Url> {
        self.open.keys()
    }

    /// Begins with one.
    pub fn open(&mut self, uri: Url, version: i32, text: String) {
        self.open.insert(uri, Document { version, text });
    }

    /// Applies changes in their order. What is not open is not changed, and a place that
    /// is not there means the nearest one that is.
    pub fn change(
        &mut self,
        uri: &Url,
        version: i32,
        changes: Vec<TextDocumentContentChangeEvent>,
    ) {
        let encoding = self.encoding;
        let Some(document) = self.open.get_mut(uri) else { return };
        document.version = version;
        for change in changes {
            match change.range {
                None => document.text = change.text,
                Some(range) => {
                    let start = offset(&document.text, range.start, encoding);
                    let end = offset(&document.text, range.end, encoding).max(start);
                    document.text.replace_range(start..end, &change.text);
                }
            }
        }
    }

    /// Ends with one.
    pub fn close(&mut self, uri: &Url) {
        self.open.remove(uri);
    }
}

/// The byte at a position.
pub fn offset(text: &str, position: Position, encoding: Encoding) -> usize {
    let mut start = 0;
    for _ in 0..position.line {
        match text[start..].find('\n') {
            Some(end) => start += end + 1,
            None => return text.len(),
        }
    }
    let line = text[start..].split('\n').next().unwrap_or_default();
    let line = line.strip_suffix('\r').unwrap_or(line);
    start + column_offset(line, position.character, encoding)
}

/// The byte of a line at a column.
pub fn column_offset(line: &str, column: u32, encoding: Encoding) -> usize {
    let mut left = column as usize;
    for (at, character) in line.char_indices() {
        let width = width(character, encoding);
        if left < width {
            return at;
        }
        left -= width;
    }
    line.len()
}

/// The column of a byte in a line.
pub fn column(line: &str, byte: usize, encoding: Encoding) -> u32 {
    let before = line.char_indices().take_while(|(at, _)| *at < byte);
    let count: usize = before.map(|(_, character)| width(character, encoding)).sum();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn width(character: char, encoding: Encoding) -> usize {
    match encoding {
        Encoding::Utf8 => character.len_utf8(),
        Encoding::Utf16 => character.len_utf16(),
    }
}

/// The lines from `first` to before `end`, counted from 0, without their last end.
pub fn lines_range(text: &str, first: usize, end: usize, encoding: Encoding) -> Range {
    let last = end.saturating_sub(1).max(first);
    let line = text.lines().nth(last).unwrap_or_default();
    let number = |line: usize| u32::try_from(line).unwrap_or(u32::MAX);
    Range {
        start: Position { line: number(first), character: 0 },
        end: Position { line: number(last), character: column(line, line.len(), encoding) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_are_counted_as_agreed() {
        let text = "aé𝄞z\r\nb";
        let check = |position, encoding, expected| {
            assert_eq!(offset(text, position, encoding), expected, "{position:?} {encoding:?}");
        };
        check(at(0, 2), Encoding::Utf16, 3);
        check(at(0, 4), Encoding::Utf16, 7);
        check(at(0, 3), Encoding::Utf16, 3); // inside a pair: before it
        check(at(0, 7), Encoding::Utf8, 7);
        check(at(0, 99), Encoding::Utf8, 8); // before the line's end
        check(at(1, 1), Encoding::Utf16, 11);
        check(at(9, 0), Encoding::Utf16, 11);
        assert_eq!(column("aé𝄞z", 7, Encoding::Utf16), 4);
    }

    proptest! {
        #[test]
        fn changes_anywhere_keep_a_text(
            text in "[aé𝄞\r\n]{0,20}",
            changes in prop::collection::vec(
                ((0..9u32, 0..9u32), (0..9u32, 0..9u32), "[bß\n]{0,4}"), 0..9),
        ) {
            let uri: Url = "file:///a".parse().unwrap();
            let mut documents = Documents::default();
            documents.open(uri.clone(), 1, text);
            for ((line, column), (to_line, to_column), text) in changes {
                let range = Range { start: at(line, column), end: at(to_line, to_column) };
                let change = TextDocumentContentChangeEvent {
                    range: Some(range), range_length: None, text,
                };
                documents.change(&uri, 2, vec![change]);
            }
            prop_assert!(documents.get(&uri).is_some());
        }
    }
}
