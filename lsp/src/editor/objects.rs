//! The Kubernetes objects that a manifest declares: kind, name, where. Read line by line,
//! as it is typed and as templates make it no YAML. Pure.

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// As in `Deployment`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The line of its kind, from 0.
    pub kind_line: usize,
    /// The line of its name, from 0.
    pub name_line: usize,
}

/// The objects of a text, in their order.
pub fn of(text: &str) -> Vec<Object> {
    let mut found = Vec::new();
    let mut object = Half::default();
    let mut in_metadata = false;
    for (number, line) in text.lines().enumerate() {
        if line.starts_with("---") {
            (object, in_metadata) = (Half::default(), false);
        }
        if let Some(kind) = line.strip_prefix("kind:") {
            object.kind = Some((plain(kind), number));
        }
        if line.starts_with(|first: char| first.is_alphabetic()) {
            in_metadata = line.starts_with("metadata:");
        }
        if in_metadata && object.name.is_none() {
            let name = if line.starts_with("metadata:") {
                let rest = line.split_once("name:").map(|(_, rest)| rest);
                rest.and_then(|rest| rest.trim().split([',', '}', ' ']).next())
            } else {
                line.trim().strip_prefix("name:")
            };
            object.name = name.map(|name| (plain(name), number));
        }
        // Either may come first.
        if let Half { kind: Some((kind, kind_line)), name: Some((name, name_line)) } = &object
            && !object.is_told(&found)
        {
            found.push(Object {
                kind: kind.clone(),
                name: name.clone(),
                kind_line: *kind_line,
                name_line: *name_line,
            });
        }
    }
    found
}

#[derive(Default)]
struct Half {
    kind: Option<(String, usize)>,
    name: Option<(String, usize)>,
}

impl Half {
    fn is_told(&self, found: &[Object]) -> bool {
        let line = self.kind.as_ref().map(|(_, line)| *line);
        found.last().map(|last| last.kind_line) == line
    }
}

fn plain(word: &str) -> String {
    let word = word.split(" #").next().unwrap_or_default();
    word.trim().trim_matches(['"', '\'']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_whatever_comes_first() {
        let check = |text: &str, expected: &[(&str, &str, usize, usize)]| {
            let found = of(text);
            let found: Vec<_> = found
                .iter()
                .map(|it| (it.kind.as_str(), it.name.as_str(), it.kind_line, it.name_line))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check(
            "kind: Service\nmetadata:\n  name: \"db\"\n  labels:\n    name: x\n---\n\
             metadata: { name: api, x: y }\nkind: Deployment # it\n",
            &[("Service", "db", 0, 2), ("Deployment", "api", 7, 6)],
        );
        check("kind: Pod\nspec:\n  name: x\n", &[]);
        check("kind: Pod\nmetadata:\n", &[]);
        check("", &[]);
    }
}
