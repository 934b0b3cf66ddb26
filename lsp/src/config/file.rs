//! `towline.yaml` as it is written: the only place that names the YAML library.
//! Every error says file, line, column and what is allowed there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Largest configuration file that is read: nobody writes a megabyte by hand.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// A value and where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At<T> {
    /// What is written there.
    pub value: T,
    /// Line and column, from 1; none for what does not come from a file.
    pub place: Option<(u64, u64)>,
}

impl<T> From<T> for At<T> {
    fn from(value: T) -> Self {
        Self { value, place: None }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let spanned = serde_saphyr::Spanned::<T>::deserialize(d)?;
        let at = spanned.referenced;
        Ok(Self { value: spanned.value, place: Some((at.line(), at.column())) })
    }
}

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The other side.
    pub target: Option<At<String>>,
    /// What is synced.
    #[serde(default)]
    pub sync: Vec<At<Sync>>,
    /// Ports on localhost.
    #[serde(default, deserialize_with = "ports")]
    pub forward: Vec<At<String>>,
    /// What runs there.
    pub app: Option<At<App>>,
    /// Whether a taken local port is an error.
    #[serde(default)]
    pub strict_ports: bool,
    /// How debuggers are.
    pub debug: Option<Debug>,
}

/// How debuggers are.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Debug {
    /// Directories here and there that hold the same sources.
    #[serde(default)]
    pub map: Vec<String>,
}

/// One sync.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// Names it in commands.
    pub name: Option<String>,
    /// The local root.
    pub from: String,
    /// The target's root.
    pub to: String,
    /// Patterns that are not synced.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Patterns that are, though an ignore rule names them.
    #[serde(default)]
    pub include: Vec<String>,
    /// What follows a batch of edits.
    pub on_change: Option<At<OnChange>>,
}

/// `restart`, `nothing` or `run: CMD`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum OnChange {
    /// One of the words.
    Word(String),
    /// A command.
    Run(Run),
}

/// `run: CMD`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The command.
    pub run: Command,
}

/// A line for the shell, or program and arguments.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Command {
    /// For the shell.
    Line(String),
    /// Program and arguments.
    Words(Vec<String>),
}

/// The app.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// What to run.
    pub command: Command,
    /// Where.
    pub cwd: Option<String>,
    /// With what added to its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("unable to read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is far too long.
    #[error("{} is over {FILE_LEN_MAX} bytes long", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
    },
    /// It says something that has no meaning.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong.
        reason: String,
        /// What is allowed, or the nearest name.
        allowed: String,
    },
}

impl FileError {
    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Unreadable { .. } => "change its rights, or move it away".to_owned(),
            Self::TooLong { .. } => "this is no configuration file; move it away".to_owned(),
            Self::Malformed { allowed, .. } => allowed.clone(),
        }
    }
}

/// Reads and parses the file; `None` when there is none.
///
/// # Errors
/// See [`FileError`].
pub fn read(path: &Path) -> Result<Option<File>, FileError> {
    text(path)?.map(|text| parse(path, &text)).transpose()
}

/// Reads the file's text; `None` when there is none.
///
/// # Errors
/// See [`FileError`].
pub fn text(path: &Path) -> Result<Option<String>, FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if metadata.len() > FILE_LEN_MAX => {
            return Err(FileError::TooLong { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(text).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() as u64 + 1;
        FileError::Malformed {
            path: path.to_owned(),
            line,
            column,
            reason: "the file is not UTF-8 text".to_owned(),
            allowed: "save it as UTF-8".to_owned(),
        }
    })?;
    Ok(Some(text))
}

/// Parses the file's text.
///
/// # Errors
/// [`FileError::Malformed`].
pub fn parse(path: &Path, text: &str) -> Result<File, FileError> {
    if text.lines().all(|line| line.trim_start().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(File::default());
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        let (line, column) =
            error.location().map_or((1, 1), |location| (location.line(), location.column()));
        let (reason, allowed) = explain(error);
        FileError::Malformed {
            path: path.to_owned(),
            line: line.max(1),
            column: column.max(1),
            reason,
            allowed,
        }
    })
}

/// What is wrong, and what is allowed instead.
fn explain(error: &serde_saphyr::Error) -> (String, String) {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => {
            let list = expected.join(", ");
            let allowed = match nearest(field, expected) {
                Some(near) => format!("did you mean `{near}`? allowed here: {list}"),
                None => format!("allowed here: {list}"),
            };
            (format!("there is no setting `{field}`"), allowed)
        }
        serde_saphyr::Error::SerdeMissingField { field, .. } => {
            (format!("`{field}` is missing"), format!("add `{field}:`"))
        }
        serde_saphyr::Error::SerdeInvalidType { unexpected, expected, .. } => {
            (format!("{unexpected} where {expected} belongs"), format!("write {expected}"))
        }
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => (
            format!("`{}` is there twice", key.as_deref().unwrap_or("the key")),
            "keep one of them".to_owned(),
        ),
        other => {
            let text = other.to_string();
            let reason = text.lines().next().unwrap_or("not YAML").to_owned();
            (reason, "see `towline schema` for what towline.yaml may hold".to_owned())
        }
    }
}

/// The allowed name that differs least, if it differs little.
pub fn nearest<'a>(given: &str, allowed: &[&'a str]) -> Option<&'a str> {
    allowed
        .iter()
        .map(|name| (distance(given, name), *name))
        .filter(|(distance, name)| *distance <= name.len().div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// Edits between two words (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, left_char) in left.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (index, right_char) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(left_char != *right_char);
            diagonal = row[index + 1];
            row[index + 1] = substituted.min(row[index] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

/// A port may be written as a number.
fn ports<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Vec<At<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Port {
        Number(u16),
        Text(String),
    }
    let ports = Vec::<At<Port>>::deserialize(d)?;
    let text = |port: At<Port>| At {
        place: port.place,
        value: match port.value {
            Port::Number(number) => number.to_string(),
            Port::Text(text) => text,
        },
    };
    Ok(ports.into_iter().map(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, line: u64, column: u64, says: &str) {
        match parse(Path::new("towline.yaml"), text) {
            Err(FileError::Malformed { line: l, column: c, reason, allowed, .. }) => {
                let all = format!("{reason} / {allowed}");
                assert_eq!((l, c), (line, column), "{all}");
                assert!(all.contains(says), "`{all}` does not say `{says}`");
            }
            other => panic!("{text:?} gave {other:?}"),
        }
    }

    #[test]
    fn a_whole_file_is_read() {
        let file = parse(
            Path::new("towline.yaml"),
            "target: local:../there\nsync:\n  - from: .\n    to: /app\n    ignore: ['*.log']\n    \
             on_change:\n      run: make\nforward: [8080, '9090:5432']\napp:\n  command: [node, \
             a.js]\n  env: {A: b}\nstrict_ports: true\n",
        )
        .unwrap();
        let forwards: Vec<_> = file.forward.iter().map(|port| port.value.as_str()).collect();
        assert_eq!(forwards, ["8080", "9090:5432"]);
        assert_eq!(file.sync[0].value.to, "/app");
        assert_eq!(file.sync[0].place, Some((3, 5)));
        assert!(file.strict_ports);
        assert_eq!(file.app.unwrap().value.env["A"], "b");
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert!(parse(Path::new("x"), "").unwrap().target.is_none());
        assert!(parse(Path::new("x"), "# only words\n\n").unwrap().target.is_none());
    }

    #[test]
    fn errors_name_line_column_and_what_is_allowed() {
        check("target: x\nsnyc: []\n", 2, 1, "did you mean `sync`?");
        check("target: x\nzzzzzzzz: 1\n", 2, 1, "allowed here: target, sync");
        check("sync:\n  - from: .\n    to: /app\n    ignroe: []\n", 4, 5, "did you mean `ignore`?");
        check("strict_ports: perhaps\n", 1, 15, "bool");
        check("target: a\ntarget: b\n", 2, 1, "twice");
    }

    #[test]
    fn text_that_is_no_yaml_has_a_place_too() {
        let error = parse(Path::new("towline.yaml"), "target: [a\nsync: {\n").unwrap_err();
        assert!(error.to_string().starts_with("towline.yaml:"), "{error}");
    }

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let names = ["target", "sync", "forward"];
        assert_eq!(nearest("tagret", &names), Some("target"));
        assert_eq!(nearest("forwards", &names), Some("forward"));
        assert_eq!(nearest("kubernetes", &names), None);
    }
}
