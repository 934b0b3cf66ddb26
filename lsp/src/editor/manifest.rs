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

/// What only this machine or the target knows: each value with what it is.
pub type Candidates = Vec<(String, String)>;

/// What is known to be wanted at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Where the app runs, or a word behind a flag of it.
    Target(TargetPart),
    /// A port.
    Forward,
    /// A directory of the target.
    Directory,
    /// A directory here.
    Folder,
}

/// A word of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetPart {
    /// The workload.
    Name,
    /// `-c`: a container of this workload.
    Container(String),
    /// `-n`.
    Namespace,
    /// `--context`.
    Context,
    /// `--tier`.
    Tier,
    /// A flag.
    Flag,
}

/// Which word of a target is being typed; what stands before it says so.
fn target_part(word: &str) -> TargetPart {
    let before = &word[..word.len() - last(word, " \t").len()];
    let mut words = before.split_whitespace();
    let Some(name) = words.next() else { return TargetPart::Name };
    match words.next_back() {
        Some("-c" | "--container") => TargetPart::Container(name.trim_matches('"').to_owned()),
        Some("-n" | "--namespace") => TargetPart::Namespace,
        Some("--context") => TargetPart::Context,
        Some("--tier") => TargetPart::Tier,
        Some("--agent-image") | None | Some(_) => TargetPart::Flag,
    }
}

/// What stands behind the last of some separators.
fn last<'a>(word: &'a str, separators: &str) -> &'a str {
    word.rsplit(|part| separators.contains(part)).next().unwrap_or(word)
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
            ["target"] if self.is_value => Some(Wanted::Target(target_part(&self.word))),
            ["forward"] => Some(Wanted::Forward),
            ["sync", "to"] | ["app", "cwd"] if self.is_value => Some(Wanted::Directory),
            ["sync", "from"] if self.is_value => Some(Wanted::Folder),
            _ => None,
        }
    }

    /// The part of the word that an offered value takes the place of.
    pub fn token(&self) -> &str {
        match self.wanted() {
            Some(Wanted::Target(_)) => last(&self.word, " \t\"'"),
            Some(Wanted::Forward) => last(&self.word, "[, \"'"),
            _ => self.word.trim_start_matches(['"', '\'']),
        }
    }

    /// What may stand here.
    pub fn completions(&self, schema: &Value, candidates: &Candidates) -> Vec<CompletionItem> {
        let offered = candidates.iter();
        let mut items: Vec<_> = offered.map(|(text, what)| value(text, Some(what))).collect();
        let nodes = walk(schema, &self.path);
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
        // What it is asked for stands for what would be found.
        let wanted = at(text).wanted().map(|wanted| (format!("{wanted:?}"), String::new()));
        let candidates = wanted.into_iter().collect();
        let items = at(text).completions(&schema::config(), &candidates);
        items.into_iter().map(|item| item.label).collect()
    }

    #[test]
    fn keys_and_values_are_offered_where_they_belong() {
        assert_eq!(labels("|"), ["app", "debug", "forward", "strict_ports", "sync", "target"]);
        assert_eq!(labels("target: d|"), ["Target(Name)"]);
        assert_eq!(labels("target: deploy/api |"), ["Target(Flag)"]);
        assert_eq!(labels("target: deploy/api -c a|"), ["Target(Container(\"deploy/api\"))"]);
        assert_eq!(labels("target: 'deploy/api -c a -n |"), ["Target(Namespace)"]);
        assert_eq!(labels("target: deploy/api --context |"), ["Target(Context)"]);
        assert_eq!(labels("strict_ports: |"), ["true", "false"]);
        assert_eq!(labels("app:\n  c|"), ["command", "cwd", "env"]);
        assert_eq!(
            labels("sync:\n  - from: .\n    |"),
            ["from", "ignore", "include", "name", "on_change", "to"]
        );
        assert_eq!(labels("sync:\n- from: .\n  on_change: |"), ["nothing", "restart"]);
        assert_eq!(labels("sync:\n  - on_change:\n      |"), ["nothing", "restart", "run"]);
        assert_eq!(labels("sync:\n  - to: /|"), ["Directory"]);
        assert_eq!(labels("sync:\n  - from: s|"), ["Folder"]);
        assert_eq!(labels("forward:\n  - |"), ["Forward"]);
        assert_eq!(labels("forward:\n- |"), ["Forward"]);
        assert_eq!(labels("target: x\n# y\n\nforward: [8|"), ["Forward"]);
    }

    #[test]
    fn an_offer_takes_the_place_of_what_was_typed_of_it() {
        let token = |text: &str| at(text).token().to_owned();
        assert_eq!(token("target: deploy/a|"), "deploy/a");
        assert_eq!(token("target: deploy/api -c a|"), "a");
        assert_eq!(token("forward: [80, \"svc/d|"), "svc/d");
        assert_eq!(token("sync:\n  - to: \"/ap|"), "/ap");
        assert_eq!(token("sync:\n  - from: |"), "");
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
            place(&text, line, byte).completions(&schema::config(), &Vec::new());
        }
    }
}
