//! What `towline.yaml` names, and where in its text: folders, paths of the target, the
//! target itself, ports, the words of commands. Pure.

use super::manifest::{Place, Step, place};

/// Lines that are looked at; nobody writes more by hand.
const LINES_MAX: usize = 2000;

/// Something that is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// From 0.
    pub line: usize,
    /// Its first byte in the line.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// What it is.
    pub named: Named,
}

/// What is named, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A local folder, seen from the workspace.
    Folder(String),
    /// A path of the target.
    Remote(String),
    /// Where the app runs.
    Target(String),
    /// A port.
    Forward(String),
    /// A word of a command that may be a file.
    Word(String),
}

/// All that a text names, in its order.
pub fn all(text: &str) -> Vec<Reference> {
    let count = text.lines().count().min(LINES_MAX);
    (0..count).flat_map(|line| of_line(text, line)).collect()
}

/// What a line names.
pub fn of_line(text: &str, line: usize) -> Vec<Reference> {
    let own = text.lines().nth(line).unwrap_or_default();
    let own = without_comment(own);
    if own.trim().is_empty() {
        return Vec::new();
    }
    let place = place(text, line, own.len());
    let mut found = Vec::new();
    let keys = keys(&place);
    let value = own.len() - place.word.len();
    if let Some(brace) = own.find('{')
        && (place.word.starts_with('{') || place.key.as_deref().is_some_and(|k| k.contains('{')))
    {
        let outer: Vec<&str> = keys.iter().copied().filter(|key| !key.contains('{')).collect();
        for (key, start, end) in pairs(own, brace + 1) {
            let keys = [&outer[..], &[&own[key.0..key.1]]].concat();
            name(&keys, own, start, end, &mut found);
        }
    } else {
        name(&keys, own, value, own.len(), &mut found);
    }
    found.into_iter().map(|(start, end, named)| Reference { line, start, end, named }).collect()
}

type Found = Vec<(usize, usize, Named)>;

/// What a value below these keys names.
fn name(keys: &[&str], line: &str, start: usize, end: usize, found: &mut Found) {
    let mut scalar = |make: fn(String) -> Named| {
        let (start, end) = unquoted(line, start, end);
        if start < end {
            found.push((start, end, make(line[start..end].to_owned())));
        }
    };
    match keys {
        ["target"] => scalar(Named::Target),
        ["sync", "from"] => scalar(Named::Folder),
        ["sync", "to"] | ["app", "cwd"] => scalar(Named::Remote),
        ["forward"] => found.extend(
            words(line, start, end, "[], \"'")
                .map(|(start, end)| (start, end, Named::Forward(line[start..end].to_owned()))),
        ),
        ["sync", "on_change", "run"] | ["app", "command"] => {
            let split = words(line, start, end, "[], \t\"'=;&|<>(){}");
            // A file has a folder or an ending; a program's own name is no file here.
            let may_be = |word: &str| !word.starts_with('-') && word.contains(['/', '.']);
            found.extend(
                split
                    .filter(|(start, end)| may_be(&line[*start..*end]))
                    .map(|(start, end)| (start, end, Named::Word(line[start..end].to_owned()))),
            );
        }
        _ => {}
    }
}

fn keys(place: &Place) -> Vec<&str> {
    let steps = place.path.iter().filter_map(|step| match step {
        Step::Key(key) => Some(key.as_str()),
        Step::Item => None,
    });
    steps.chain(place.key.as_deref()).collect()
}

/// Keys and values of a mapping on one line, as bytes.
fn pairs(line: &str, from: usize) -> Vec<((usize, usize), usize, usize)> {
    let mut found = Vec::new();
    let mut at = from;
    let end = line[from..].rfind('}').map_or(line.len(), |end| from + end);
    while at < end {
        let mut depth = 0_u32;
        let stop = line[at..end].find(|part: char| {
            match part {
                '[' | '{' => depth += 1,
                ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            part == ',' && depth == 0
        });
        let stop = stop.map_or(end, |stop| at + stop);
        if let Some(colon) = line[at..stop].find(':') {
            let key = trimmed(line, at, at + colon);
            let (start, end) = trimmed(line, at + colon + 1, stop);
            found.push((key, start, end));
        }
        at = stop + 1;
    }
    found
}

fn trimmed(line: &str, start: usize, end: usize) -> (usize, usize) {
    let text = &line[start..end];
    let left = text.len() - text.trim_start().len();
    (start + left, start + left + text.trim().len())
}

fn unquoted(line: &str, start: usize, end: usize) -> (usize, usize) {
    let (start, end) = trimmed(line, start, end);
    let text = &line[start..end];
    let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    if quoted('"') || quoted('\'') { (start + 1, end - 1) } else { (start, end) }
}

/// The bytes of the words between separators.
fn words<'a>(
    line: &'a str,
    start: usize,
    end: usize,
    separators: &'a str,
) -> impl Iterator<Item = (usize, usize)> + 'a {
    let split = line[start..end].split(move |part| separators.contains(part));
    let mut next = start;
    let placed = split.map(move |word| {
        let at = next;
        next += word.len() + 1; // separators are single bytes
        (at, at + word.len())
    });
    placed.filter(|(start, end)| start < end)
}

/// A line up to its comment.
fn without_comment(line: &str) -> &str {
    let mut quote = None;
    let mut before = ' ';
    for (at, part) in line.char_indices() {
        match (quote, part) {
            (None, '#') if before == ' ' || before == '\t' => return line[..at].trim_end(),
            (None, '"' | '\'') => quote = Some(part),
            (Some(open), close) if open == close => quote = None,
            _ => {}
        }
        before = part;
    }
    line.trim_end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let found = all(text);
        let lines: Vec<&str> = text.lines().collect();
        let shown: Vec<_> = found
            .iter()
            .map(|it| {
                let (Named::Folder(named)
                | Named::Remote(named)
                | Named::Target(named)
                | Named::Forward(named)
                | Named::Word(named)) = &it.named;
                assert_eq!(&lines[it.line][it.start..it.end], named);
                let kind = format!("{:?}", it.named);
                (it.line, format!("{} {named}", kind.split('(').next().unwrap()))
            })
            .collect();
        let shown: Vec<_> = shown.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn everything_that_is_named_is_found() {
        check(
            "target: deploy/api -c app # where\nsync:\n  - from: .\n    to: \"/app\"\n    \
             on_change: { run: sh build/make.sh -s }\n",
            &[
                (0, "Target deploy/api -c app"),
                (2, "Folder ."),
                (3, "Remote /app"),
                (4, "Word build/make.sh"),
            ],
        );
        check("sync:\n- { from: src, to: /srv/x }\n", &[(1, "Folder src"), (1, "Remote /srv/x")]);
        check(
            "forward: [8080, \"9090:5432\", svc/db:pg]\n",
            &[(0, "Forward 8080"), (0, "Forward 9090:5432"), (0, "Forward svc/db:pg")],
        );
        check("forward:\n  - 8080\n  - 'db:1'\n", &[(1, "Forward 8080"), (2, "Forward db:1")]);
        check(
            "app:\n  command: [python3, \"app.py\"]\n  cwd: /app\n",
            &[(1, "Word app.py"), (2, "Remote /app")],
        );
        check(
            "app:\n  command: cd x && ./run.sh >log.txt\n",
            &[(1, "Word ./run.sh"), (1, "Word log.txt")],
        );
        check("sync:\n  - from: .\n    ignore: [a.log]\n", &[(1, "Folder .")]);
        check("# target: x\n\n", &[]);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a:\\-, \n#é\"'{}\\[\\]/.]{0,60}", from in 0..4usize) {
            let head = ["", "target: ", "forward: [", "sync:\n  - { from: "][from];
            all(&format!("{head}{text}"));
        }
    }
}
