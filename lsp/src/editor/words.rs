//! The word under the cursor in source code, as far as the target knows it: a variable
//! of its environment. Pure.

use super::documents::{Encoding, column_offset};
use lsp_types::Position;

/// The name of a variable at a position.
pub fn variable(text: &str, position: Position, encoding: Encoding) -> Option<String> {
    let line = text.lines().nth(position.line as usize)?;
    let byte = column_offset(line, position.character, encoding);
    let is_part = |part: char| part.is_ascii_alphanumeric() || "_-.:".contains(part);
    let start = line[..byte]
        .rfind(|part| !is_part(part))
        .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let end = line[byte..].find(|part| !is_part(part)).map_or(line.len(), |at| byte + at);
    let word = line.get(start..end)?.trim_matches([':', '.', '-']);
    // `process.env.NAME` names it last.
    let name = word.rsplit(['.', ':']).next().unwrap_or(word);
    is_variable(name).then(|| name.to_owned())
}

fn is_variable(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found() {
        let check = |line: &str, column, expected: Option<&str>| {
            let position = Position { line: 0, character: column };
            assert_eq!(variable(line, position, Encoding::Utf8).as_deref(), expected, "{line}");
        };
        check("x = os.environ[\"DB_URL\"]", 18, Some("DB_URL"));
        check("const x = process.env.DB_URL;", 25, Some("DB_URL"));
        check("echo $HOME", 7, Some("HOME"));
        check("connect(\"db:5432\")", 10, None);
        check("lower", 2, None);
        check("é", 0, None);
        check("", 5, None);
    }
}
