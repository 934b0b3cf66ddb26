//! Completion and hover in `towline.yaml`, from its JSON Schema and from what is known of
//! the target. Pure: a text, a place and candidates in, items out.

use lsp_types::{CompletionItem, CompletionItemKind};
use serde_json::Value;

/// A step from the top of the file to a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Below this key.
    Key(String),
    /// In an item of a list.
    Item,
}

/// Where the cursor is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What it is in.
    pub path: Vec<Step>,
    /// The key that it is in or behind, if it is.
    pub key: Option<String>,
    /// Whether a value belongs here.
    pub is_value: bool,
    /// What stands before it of the word.
    pub word: String,
}

/// What only the target knows.
#[derive(Debug, Default)]
pub struct Candidates {
    /// As `target` takes them.
    pub targets: Vec<String>,
    /// As `forward` takes them, each with what it is.
    pub forwards: Vec<(String, String)>,
    /// Directories of the target.
    pub directories: Vec<String>,
}

/// What is known to be wanted at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Where the app runs.
    Target,
    /// A port.
    Forward,
    /// A directory of the target.
    Directory,
}

/// The place at a byte of a line.
pub fn place(text: &str, line: usize, byte: usize) -> Place {
    let lines: Vec<&str> = text.lines().collect();
    let own = lines.get(line).copied().unwrap_or_default();
    let before = own.get(..byte.min(own.len())).unwrap_or(own);
    let (mut indent, dashes, rest) = outline(before);
    let mut path = vec![Step::Item; dashes.len()];
    let (key, is_value, word) = match rest.split_once(':') {
        Some((key, value)) if value.is_empty() || value.starts_with(' ') => {
            (Some(key.trim().to_owned()), true, value.trim_start().to_owned())
        }
        _ => (None, false, rest.to_owned()),
    };
    // The outermost dash of the line is what has to be below its parent.
    let mut below_item = false;
    if let Some(first) = dashes.first() {
        (indent, below_item) = (*first, true);
    }
    let mut above = Vec::new();
    for line in lines[..line.min(lines.len())].iter().rev() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let (column, dashes, rest) = outline(line);
        let opens = rest.trim_end().strip_suffix(':');
        if let Some(key) = opens
            && (column < indent || (below_item && column == indent && dashes.is_empty()))
        {
            above.push(Step::Key(key.trim().to_owned()));
            (indent, below_item) = (column, false);
        }
        for dash in dashes.iter().rev() {
            if *dash < indent {
                above.push(Step::Item);
                (indent, below_item) = (*dash, true);
            }
        }
        if indent == 0 && !below_item {
            break;
        }
    }
    above.reverse();
    above.append(&mut path);
    Place { path: above, key, is_value, word }
}

/// The column of a line's content, the columns of the dashes before it, the content.
fn outline(line: &str) -> (usize, Vec<usize>, &str) {
    let mut rest = line.trim_start_matches(' ');
    let mut dashes = Vec::new();
    while rest == "-" || rest.starts_with("- ") {
        dashes.push(line.len() - rest.len());
        rest = rest[1..].trim_start_matches(' ');
    }
    (line.len() - rest.len(), dashes, rest)
}

impl Place {
    /// What only the target can tell of.
    pub fn wanted(&self) -> Option<Wanted> {
        let keys: Vec<&str> = self
            .path
            .iter()
            .filter_map(|step| match step {
                Step::Key(key) => Some(key.as_str()),
                Step::Item => None,
            })
            .chain(self.key.as_deref())
            .collect();
        match keys.as_slice() {
            ["target"] if self.is_value => Some(Wanted::Target),
            ["forward"] => Some(Wanted::Forward),
            ["sync", "to"] | ["app", "cwd"] if self.is_value => Some(Wanted::Directory),
            _ => None,
        }
    }

    /// What may stand here.
    pub fn completions(&self, schema: &Value, candidates: &Candidates) -> Vec<CompletionItem> {
        let mut items = Vec::new();
        let nodes = walk(schema, &self.path);
        match self.wanted() {
            Some(Wanted::Target) => {
                let all = candidates.targets.iter();
                items.extend(all.map(|target| value(target, Some("workload"))));
                items.push(value("local:", Some("a directory of this machine")));
            }
            Some(Wanted::Forward) => {
                let all = candidates.forwards.iter();
                items.extend(all.map(|(spec, what)| value(spec, Some(what))));
            }
            Some(Wanted::Directory) => {
                items.extend(candidates.directories.iter().map(|path| value(path, None)));
            }
            None => {}
        }
        match &self.key {
            Some(key) if self.is_value => {
                for node in walk_from(nodes, &[Step::Key(key.clone())]) {
                    items.extend(words(node).iter().map(|word| value(word, None)));
                }
            }
            _ => {
                for node in nodes {
                    items.extend(words(node).iter().map(|word| value(word, None)));
                    for (name, property) in node["properties"].as_object().into_iter().flatten() {
                        items.push(CompletionItem {
                            label: name.clone(),
                            kind: Some(CompletionItemKind::PROPERTY),
                            detail: property["description"].as_str().map(str::to_owned),
                            insert_text: Some(format!("{name}: ")),
                            ..CompletionItem::default()
                        });
                    }
                }
            }
        }
        items
    }

    /// What the key here means.
    pub fn explained(&self, schema: &Value) -> Option<String> {
        let key = self.key.clone()?;
        let nodes = walk(schema, &self.path);
        let found = walk_from(nodes, &[Step::Key(key)]);
        found.iter().find_map(|node| node["description"].as_str().map(str::to_owned))
    }
}

fn value(text: &str, detail: Option<&str>) -> CompletionItem {
    CompletionItem {
        label: text.to_owned(),
        kind: Some(CompletionItemKind::VALUE),
        detail: detail.map(str::to_owned),
        ..CompletionItem::default()
    }
}

/// The words that a node allows.
fn words(node: &Value) -> Vec<String> {
    if node["type"] == "boolean" {
        return vec!["true".to_owned(), "false".to_owned()];
    }
    let words = node["enum"].as_array().into_iter().flatten();
    words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

/// The schemas that hold at a path.
fn walk<'a>(schema: &'a Value, path: &[Step]) -> Vec<&'a Value> {
    walk_from(alternatives(schema), path)
}

fn walk_from<'a>(mut nodes: Vec<&'a Value>, path: &[Step]) -> Vec<&'a Value> {
    for step in path {
        let next = nodes.into_iter().map(|node| match step {
            Step::Key(key) => node["properties"].get(key).unwrap_or(&node["additionalProperties"]),
            Step::Item => &node["items"],
        });
        nodes = next.filter(|node| node.is_object()).flat_map(alternatives).collect();
    }
    nodes
}

/// A schema, and those that it is one of.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let one_of = schema["oneOf"].as_array().into_iter().flatten();
    std::iter::once(schema).chain(one_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::schema;
    use proptest::prelude::*;

    /// `|` is the cursor.
    fn at(text: &str) -> Place {
        let before = text.split('|').next().unwrap();
        let line = before.matches('\n').count();
        let byte = before.rsplit('\n').next().unwrap().len();
        place(&text.replace('|', ""), line, byte)
    }

    fn labels(text: &str) -> Vec<String> {
        let candidates = Candidates {
            targets: vec!["deploy/api".into()],
            forwards: vec![("8080".into(), "declared".into())],
            directories: vec!["/app".into()],
        };
        let items = at(text).completions(&schema::config(), &candidates);
        items.into_iter().map(|item| item.label).collect()
    }

    #[test]
    fn keys_and_values_are_offered_where_they_belong() {
        assert_eq!(labels("|"), ["app", "debug", "forward", "strict_ports", "sync", "target"]);
        assert_eq!(labels("target: d|"), ["deploy/api", "local:"]);
        assert_eq!(labels("strict_ports: |"), ["true", "false"]);
        assert_eq!(labels("app:\n  c|"), ["command", "cwd", "env"]);
        assert_eq!(
            labels("sync:\n  - from: .\n    |"),
            ["from", "ignore", "include", "name", "on_change", "to"]
        );
        assert_eq!(labels("sync:\n- from: .\n  on_change: |"), ["nothing", "restart"]);
        assert_eq!(labels("sync:\n  - on_change:\n      |"), ["nothing", "restart", "run"]);
        assert_eq!(labels("sync:\n  - to: /|"), ["/app"]);
        assert_eq!(labels("forward:\n  - |"), ["8080"]);
        assert_eq!(labels("forward:\n- |"), ["8080"]);
        assert_eq!(labels("target: x\n# y\n\nforward: [8|"), ["8080"]);
    }

    #[test]
    fn keys_are_explained() {
        let explained = |text| at(text).explained(&schema::config());
        assert!(explained("target: x|").unwrap().contains("where the app runs"));
        assert!(explained("sync:\n  - to: /app|").is_some());
        assert_eq!(explained("nonsense: x|"), None);
    }

    proptest! {
        #[test]
        fn any_text_has_a_place(text in "[a:\\- \n#é]{0,40}", line in 0..9usize, byte in 0..50usize) {
            place(&text, line, byte).completions(&schema::config(), &Candidates::default());
        }
    }
}
