//! The word under the cursor in source code, as far as the target knows it: a variable
//! of its environment, a host that it reaches. Pure.

use super::documents::{Encoding, column_offset};
use super::facts::Facts;
use lsp_types::Position;

/// What a word may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The name of an environment variable.
    Variable(String),
    /// A host with a port.
    Host(String, u16),
}

/// The word at a position.
pub fn at(text: &str, position: Position, encoding: Encoding) -> Option<Word> {
    let line = text.lines().nth(position.line as usize)?;
    let byte = column_offset(line, position.character, encoding);
    let is_part = |part: char| part.is_ascii_alphanumeric() || "_-.:".contains(part);
    let start = line[..byte]
        .rfind(|part| !is_part(part))
        .map_or(0, |at| at + line[at..].chars().next().map_or(1, char::len_utf8));
    let end = line[byte..].find(|part| !is_part(part)).map_or(line.len(), |at| byte + at);
    let word = line.get(start..end)?.trim_matches([':', '.', '-']);
    if let Some((host, port)) = word.rsplit_once(':')
        && let Ok(port) = port.parse()
        && is_host(host)
    {
        return Some(Word::Host(host.to_owned(), port));
    }
    // `process.env.NAME` names it last.
    let name = word.rsplit(['.', ':']).next().unwrap_or(word);
    is_variable(name).then(|| Word::Variable(name.to_owned()))
}

fn is_host(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
        })
}

fn is_variable(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|first: char| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// What there is to say of a host: whether its port is here.
pub fn host(facts: &Facts, host: &str, port: u16) -> String {
    let remote = format!("{host}:{port}");
    let open = facts.status.forwards.iter().find(|forward| forward.remote == remote);
    match open.and_then(|forward| forward.local.first()) {
        Some(local) => format!("`{remote}`, seen from the target, is here at `{local}`."),
        None => format!(
            "`{remote}` is not forwarded. `towline forward {remote}` brings it to localhost."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_hosts_are_found() {
        let check = |line: &str, column, expected: Option<Word>| {
            let position = Position { line: 0, character: column };
            assert_eq!(at(line, position, Encoding::Utf8), expected, "{line}");
        };
        let variable = |name: &str| Some(Word::Variable(name.to_owned()));
        check("x = os.environ[\"DB_URL\"]", 18, variable("DB_URL"));
        check("const x = process.env.DB_URL;", 25, variable("DB_URL"));
        check("echo $HOME", 7, variable("HOME"));
        check("connect(\"db:5432\")", 10, Some(Word::Host("db".to_owned(), 5432)));
        let cache = || Some(Word::Host("cache.shop.svc".to_owned(), 6379));
        check("redis://cache.shop.svc:6379/0", 12, cache());
        check("host = 'cache.shop.svc:6379'", 12, cache());
        check("lower", 2, None);
        check("é", 0, None);
        check("", 5, None);
    }
}
