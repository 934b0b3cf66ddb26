//! Where messages of DAP carry paths. The list is from the JSON schema of the protocol;
//! what is not in it (values, results of evaluations, data of the adapter's own) is never
//! touched.

use serde_json::Value;

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A `Source`, with others in it.
    Source,
    /// A `Module`.
    Module,
}

/// Steps from the body or the arguments to it; `*` is each of a list.
type Place = (&'static str, &'static [&'static str], Kind);

const BREAKPOINTS: &[&str] = &["breakpoints", "*", "source"];

/// Arguments of requests of an editor.
pub const REQUESTS: &[Place] = &[
    ("setBreakpoints", &["source"], Kind::Source),
    ("breakpointLocations", &["source"], Kind::Source),
    ("gotoTargets", &["source"], Kind::Source),
    ("source", &["source"], Kind::Source),
    ("evaluate", &["source"], Kind::Source),
];

/// Bodies of responses of an adapter.
pub const RESPONSES: &[Place] = &[
    ("setBreakpoints", BREAKPOINTS, Kind::Source),
    ("setFunctionBreakpoints", BREAKPOINTS, Kind::Source),
    ("setDataBreakpoints", BREAKPOINTS, Kind::Source),
    ("setExceptionBreakpoints", BREAKPOINTS, Kind::Source),
    ("setInstructionBreakpoints", BREAKPOINTS, Kind::Source),
    ("stackTrace", &["stackFrames", "*", "source"], Kind::Source),
    ("scopes", &["scopes", "*", "source"], Kind::Source),
    ("loadedSources", &["sources", "*"], Kind::Source),
    ("locations", &["source"], Kind::Source),
    ("disassemble", &["instructions", "*", "location"], Kind::Source),
    ("modules", &["modules", "*"], Kind::Module),
];

/// Bodies of events of an adapter.
pub const EVENTS: &[Place] = &[
    ("breakpoint", &["breakpoint", "source"], Kind::Source),
    ("loadedSource", &["source"], Kind::Source),
    ("output", &["source"], Kind::Source),
    ("module", &["module"], Kind::Module),
];

/// Calls `change` for everything at the places of `name` in `part`.
pub fn each(
    places: &[Place],
    name: &str,
    part: &mut Value,
    change: &mut dyn FnMut(Kind, &mut Value),
) {
    for (_, steps, kind) in places.iter().filter(|(of, _, _)| *of == name) {
        walk(steps, part, &mut |value| change(*kind, value));
    }
}

fn walk(steps: &[&str], value: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    match (steps.split_first(), value) {
        (None, value @ Value::Object(_)) => change(value),
        (Some((&"*", rest)), Value::Array(items)) => {
            items.iter_mut().for_each(|item| walk(rest, item, change));
        }
        (Some((step, rest)), Value::Object(fields)) => {
            if let Some(field) = fields.get_mut(*step) {
                walk(rest, field, change);
            }
        }
        _ => {} // another shape than the protocol's: not ours to change
    }
}

/// A path in a `file:` address.
pub fn from_uri(uri: &str) -> Option<String> {
    let rest = uri.strip_prefix("file://")?;
    let path = &rest[rest.find('/')?..];
    let mut bytes = Vec::with_capacity(path.len());
    let mut left = path.bytes();
    while let Some(byte) = left.next() {
        if byte == b'%' {
            let digits = [left.next()?, left.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The `file:` address of a path.
pub fn to_uri(path: &str) -> String {
    let mut uri = String::from("file://");
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn seen(places: &[Place], name: &str, mut part: Value) -> Vec<Value> {
        let mut found = Vec::new();
        each(places, name, &mut part, &mut |_, value| found.push(value.take()));
        found
    }

    #[test]
    fn places_are_found_and_nothing_else_is() {
        let frames = json!({ "stackFrames": [{ "source": { "path": "a" } }, { "name": "x" }, 7] });
        assert_eq!(seen(RESPONSES, "stackTrace", frames), [json!({ "path": "a" })]);
        assert!(seen(RESPONSES, "stackTrace", json!({ "stackFrames": "odd" })).is_empty());
        assert!(seen(RESPONSES, "variables", json!({ "source": { "path": "a" } })).is_empty());
        assert_eq!(seen(EVENTS, "module", json!({ "module": { "path": "a" } })).len(), 1);
    }

    #[test]
    fn addresses_and_paths_are_the_same() {
        for path in ["/a b/é.py", "/", "/a%20b"] {
            assert_eq!(from_uri(&to_uri(path)).as_deref(), Some(path));
        }
        assert_eq!(from_uri("file://host/a"), Some("/a".to_owned()));
        for odd in ["http://x/a", "file://", "file:///%", "file:///%zz", "file:///%ff"] {
            assert_eq!(from_uri(odd), None, "{odd}");
        }
    }
}
