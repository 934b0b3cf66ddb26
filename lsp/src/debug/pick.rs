//! Which process is meant by a name, a number or nothing. Pure.

use protocol::wire::debug::{Attach, ProcessEntry};

/// Why none is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PickError {
    /// Nothing has that name.
    #[error("there is no process `{0}` on the target")]
    Unknown(String),
    /// There is none to attach to.
    #[error("there is no process on the target that a debugger can be attached to")]
    None,
    /// Several could be meant.
    #[error("several processes could be meant: {0}")]
    Several(String),
}

/// The one that is meant.
///
/// # Errors
/// See [`PickError`].
pub fn pick<'a>(
    all: &'a [ProcessEntry],
    asked: Option<&str>,
) -> Result<&'a ProcessEntry, PickError> {
    let Some(asked) = asked else {
        let able: Vec<_> = all.iter().filter(|process| is_able(process)).collect();
        let supervised: Vec<_> =
            able.iter().copied().filter(|process| process.supervised).collect();
        return match (supervised.as_slice(), able.as_slice()) {
            ([one], _) | ([], [one]) => Ok(one),
            ([], []) => Err(PickError::None),
            ([], several) | (several, _) => one_of(several),
        };
    };
    if let Ok(pid) = asked.parse::<u32>() {
        let found = all.iter().find(|process| process.pid == pid);
        return found.ok_or_else(|| PickError::Unknown(asked.to_owned()));
    }
    let named: Vec<_> = all.iter().filter(|process| is_named(process, asked)).collect();
    let able: Vec<_> = named.iter().copied().filter(|process| is_able(process)).collect();
    match (able.as_slice(), named.as_slice()) {
        ([one], _) | ([], [one]) => Ok(one),
        ([], []) => Err(PickError::Unknown(asked.to_owned())),
        ([], several) | (several, _) => one_of(several),
    }
}

/// A wrapper that only started another one is not meant: the one that everything else came
/// of is taken only where it is the only one that listens.
fn one_of<'a>(several: &[&'a ProcessEntry]) -> Result<&'a ProcessEntry, PickError> {
    let listening: Vec<_> = several.iter().filter(|process| !process.ports.is_empty()).collect();
    if let [one] = listening.as_slice() {
        return Ok(one);
    }
    let shown: Vec<String> =
        several.iter().map(|process| format!("{} ({})", process.name, process.pid)).collect();
    Err(PickError::Several(shown.join(", ")))
}

fn is_able(process: &ProcessEntry) -> bool {
    process.attach == Attach::Yes
}

fn is_named(process: &ProcessEntry, asked: &str) -> bool {
    let stem = process.name.rsplit_once('.').map_or(process.name.as_str(), |(stem, _)| stem);
    process.name == asked || stem == asked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(
        pid: u32,
        name: &str,
        able: bool,
        supervised: bool,
        port: Option<u16>,
    ) -> ProcessEntry {
        ProcessEntry {
            pid,
            parent: 1,
            argv: vec![name.to_owned()],
            user: "app".to_owned(),
            language: "python".to_owned(),
            runtime: "python 3.11".to_owned(),
            ports: port.into_iter().collect(),
            attach: if able { Attach::Yes } else { Attach::Needs("x".to_owned()) },
            name: name.to_owned(),
            supervised,
            adapters: Vec::new(),
        }
    }

    #[test]
    fn the_one_that_is_meant_is_found() {
        let all = [
            process(1, "sh", false, false, None),
            process(7, "api.py", true, false, Some(80)),
            process(8, "worker.py", true, false, None),
            process(9, "worker.py", false, false, None),
        ];
        let check = |asked: Option<&str>, expected: Result<u32, &str>| {
            let found = pick(&all, asked).map(|process| process.pid);
            match expected {
                Ok(pid) => assert_eq!(found, Ok(pid), "{asked:?}"),
                Err(text) => assert!(found.unwrap_err().to_string().contains(text), "{asked:?}"),
            }
        };
        check(Some("7"), Ok(7));
        check(Some("api"), Ok(7));
        check(Some("worker.py"), Ok(8));
        check(Some("sh"), Ok(1));
        check(Some("70"), Err("no process `70`"));
        check(Some("other"), Err("no process `other`"));
        check(None, Ok(7));
        let two = [process(1, "a", true, false, None), process(2, "a", true, false, None)];
        assert!(matches!(pick(&two, Some("a")), Err(PickError::Several(_))));
        let app = [process(1, "a", true, false, None), process(2, "b", true, true, None)];
        assert_eq!(pick(&app, None).map(|process| process.pid), Ok(2));
        assert_eq!(pick(&[], None), Err(PickError::None));
    }
}
