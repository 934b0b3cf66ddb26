//! Names of hosts in source code and manifests: which words may be one, and which open
//! port leads to it. Pure.

use super::facts::{Facts, Forward};
use super::references;
use crate::target::Target;

/// Lines whose words are looked at.
const LINES_MAX: usize = 5000;
/// Longest line whose words are looked at: what is longer is no text of a person's.
const LINE_LEN_MAX: usize = 2000;
/// Places that are found in one text.
const FOUND_MAX: usize = 200;

/// What a line says before a name that is a host, though it looks like any other word.
const HINTS: [&str; 9] =
    ["host", "addr", "url", "server", "upstream", "endpoint", "broker", "proxy", "dsn"];

/// What may stand before the name of a Service in a forward.
const SERVICE_WORDS: [&str; 3] = ["svc/", "service/", "services/"];

/// What may stand behind the name of a Service and its namespace.
const CLUSTER_ENDS: [&str; 2] = [".svc.cluster.local", ".svc"];

/// A word that may be a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The port behind it.
    pub port: Option<u16>,
    /// Whether the text leaves no doubt.
    pub is_certain: bool,
    /// Its first byte in the line.
    pub start: usize,
    /// The byte behind it and its port.
    pub end: usize,
}

/// The host at a byte of a line.
pub fn at(line: &str, byte: usize, facts: &Facts) -> Option<Host> {
    let is_there = |host: &Host| (host.start..=host.end).contains(&byte);
    of_line(line, facts).into_iter().find(is_there)
}

/// Places of a text that name what an open port leads to: line, host, port.
pub fn open<'a>(text: &str, facts: &'a Facts) -> Vec<(usize, Host, &'a Forward)> {
    let mut found = Vec::new();
    if facts.status.forwards.is_empty() {
        return found;
    }
    for (number, line) in text.lines().take(LINES_MAX).enumerate() {
        for host in of_line(line, facts) {
            if let Some(forward) = forward_of(facts, &host)
                && found.len() < FOUND_MAX
            {
                found.push((number, host, forward));
            }
        }
    }
    found
}

fn of_line(line: &str, facts: &Facts) -> Vec<Host> {
    let is_part = |part: char| part.is_ascii_alphanumeric() || "_-.:".contains(part);
    let mut found = Vec::new();
    if line.len() > LINE_LEN_MAX {
        return found;
    }
    let mut at = 0;
    for word in line.split(|part| !is_part(part)) {
        let start = at;
        at += word.len();
        at += line[at..].chars().next().map_or(0, char::len_utf8);
        found.extend(host(line, start, word, facts));
    }
    found
}

fn host(line: &str, start: usize, word: &str, facts: &Facts) -> Option<Host> {
    let word = word.trim_end_matches([':', '.', '-']);
    let (name, port) = match word.split_once(':') {
        Some((name, port)) => (name, Some(port.parse::<u16>().ok()?)),
        None => (word, None),
    };
    if !is_name(name) {
        return None;
    }
    let end = start + word.len();
    let (before, after) = (&line[..start], &line[end..]);
    let mut host = Host { name: name.to_owned(), port, is_certain: true, start, end };
    let is_address = before.ends_with("://") || before.ends_with('@');
    let is_cluster = CLUSTER_ENDS.iter().any(|end| name.ends_with(end));
    if port.is_some() || is_address || is_cluster {
        return Some(host);
    }
    host.is_certain = false;
    let quote = before.chars().next_back().filter(|quote| "\"'`".contains(*quote));
    let is_quoted = quote.is_some_and(|quote| after.starts_with(quote));
    let is_value = before.trim_end().ends_with([':', '=']) && after.trim().is_empty();
    let said = before.to_ascii_lowercase();
    // Any other word is not the target's business, and nothing to ask its DNS about.
    let is_meant =
        HINTS.iter().any(|hint| said.contains(hint)) || forward_of(facts, &host).is_some();
    (is_meant && (is_quoted || is_value)).then_some(host)
}

fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('.').all(|label| !label.is_empty() && label.bytes().all(is_part))
}

/// The open port that leads to a host.
pub fn forward_of<'a>(facts: &'a Facts, host: &Host) -> Option<&'a Forward> {
    let namespace = namespace(facts);
    let plain = |name| canonical(name, namespace.as_deref()).to_owned();
    let wanted = plain(&host.name);
    facts.status.forwards.iter().find(|forward| {
        let Some((name, port)) = forward.remote.rsplit_once(':') else { return false };
        let is_port = host.port.is_none_or(|wanted| port.parse() == Ok(wanted));
        is_port && plain(name) == wanted && (host.port.is_some() || name != "localhost")
    })
}

/// The shortest name of a Service's host.
pub fn canonical<'a>(name: &'a str, namespace: Option<&str>) -> &'a str {
    let name = SERVICE_WORDS.iter().find_map(|word| name.strip_prefix(word)).unwrap_or(name);
    let name = name.trim_end_matches('.');
    let name = CLUSTER_ENDS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    namespace.and_then(|namespace| name.strip_suffix(namespace)?.strip_suffix('.')).unwrap_or(name)
}

fn namespace(facts: &Facts) -> Option<String> {
    match Target::parse(facts.status.target.as_deref()?, "/".as_ref()).ok()? {
        Target::Workload(workload) => workload.namespace.or_else(|| facts.namespace.clone()),
        _ => None,
    }
}

/// Where a forward can be looked at.
pub fn url(forward: &Forward) -> Option<String> {
    let port = forward.local.first()?.rsplit_once(':')?.1;
    (forward.protocol != "udp").then(|| format!("http://localhost:{port}/"))
}

/// What there is to say of a host, once the target was asked; none where it is none.
pub fn told(facts: &Facts, host: &Host, resolved: &Result<Vec<String>, String>) -> Option<String> {
    let name = match host.port {
        Some(port) => format!("{}:{port}", host.name),
        None => host.name.clone(),
    };
    let forward = forward_of(facts, host);
    let mut text = match resolved {
        Ok(addresses) => format!("`{}` is {} in the target.", host.name, addresses.join(", ")),
        // A word in quotes that is no host is just a word.
        Err(_) if !host.is_certain && forward.is_none() => return None,
        Err(why) => format!("In the target: {why}."),
    };
    match forward.and_then(|forward| Some((forward, forward.local.first()?))) {
        Some((forward, local)) => {
            let shown = match url(forward) {
                Some(url) => format!("[{local}]({url})"),
                None => format!("{local}, by UDP"),
            };
            text.push_str(&format!("\n\n`{}` is here at {shown}.", forward.remote));
        }
        None if host.port.is_some() => text.push_str(&format!(
            "\n\nIt is not forwarded: `towline forward {name}` brings it to localhost."
        )),
        None => text.push_str("\n\nIt is not forwarded."),
    }
    Some(text)
}

/// What a forward in `towline.yaml` has open, as it is written there.
pub fn written<'a>(facts: &'a Facts, text: &str) -> Option<&'a Forward> {
    let spec: crate::ports::ForwardSpec = text.parse().ok()?;
    let spec = spec.to_string();
    facts.status.forwards.iter().find(|forward| forward.spec == spec)
}

/// The ports that a text of `towline.yaml` names and that are open: line, bytes, where.
pub fn of_config(text: &str, facts: &Facts) -> Vec<(references::Reference, String)> {
    let named = references::all(text).into_iter().filter_map(|found| {
        let references::Named::Forward(spec) = &found.named else { return None };
        let url = url(written(facts, spec)?)?;
        Some((found, url))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.told(Some(json!({
            "readiness": { "state": "ready" },
            "target": "deploy/api -n shop",
            "forwards": [
                { "spec": "svc/db:5432", "local": ["127.0.0.1:5433"], "remote": "svc/db:5432" },
                { "spec": "8080", "local": ["127.0.0.1:8081"], "remote": "localhost:8080" },
                { "spec": "dns:53/udp", "local": ["127.0.0.1:53"], "remote": "dns:53", "protocol": "udp" },
            ],
        })));
        facts
    }

    /// `|` is the cursor.
    fn named(text: &str) -> Option<(String, Option<u16>, bool)> {
        let byte = text.find('|').unwrap();
        let found = at(&text.replace('|', ""), byte, &facts())?;
        Some((found.name, found.port, found.is_certain))
    }

    #[test]
    fn hosts_are_found_where_they_are_meant() {
        let is = |text, name: &str, port: Option<u16>, certain| {
            assert_eq!(named(text), Some((name.to_owned(), port, certain)), "{text}");
        };
        is("connect(\"ca|che:6379\")", "cache", Some(6379), true);
        is("redis://cache.shop.svc|:6379/0", "cache.shop.svc", Some(6379), true);
        is("url = 'http://ca|che/x'", "cache", None, true);
        is("postgres://user:pw@pg|/x", "pg", None, true);
        is("    value: cache.shop.svc.cluster|.local", "cache.shop.svc.cluster.local", None, true);
        is("host = \"ca|che\"", "cache", None, false);
        is("  DB_HOST: ca|che.shop", "cache.shop", None, false);
        is("x = \"d|b\"", "db", None, false); // it is forwarded
        for text in [
            "x = \"ca|che\"",
            "host = ca|che()",
            "Host: |",
            "a.B|:80",
            "12:3|0:01",
            "x: a:b|c",
            "|",
        ] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn forwards_are_known_by_every_name_of_a_service() {
        let facts = facts();
        let found = |name: &str, port| {
            let host = Host { name: name.into(), port, is_certain: true, start: 0, end: 0 };
            forward_of(&facts, &host).map(|forward| forward.spec.as_str())
        };
        for name in ["db", "db.shop", "db.shop.svc", "db.shop.svc.cluster.local"] {
            assert_eq!(found(name, Some(5432)), Some("svc/db:5432"), "{name}");
            assert_eq!(found(name, None), Some("svc/db:5432"), "{name}");
        }
        assert_eq!(found("db.other", Some(5432)), None);
        assert_eq!(found("db", Some(1)), None);
        assert_eq!(found("localhost", Some(8080)), Some("8080"));
        assert_eq!(found("localhost", None), None);
    }

    #[test]
    fn what_is_said_holds_what_is_known() {
        let facts = facts();
        let say = |name: &str, port, is_certain, resolved: Result<Vec<String>, String>| {
            let host = Host { name: name.into(), port, is_certain, start: 0, end: 0 };
            told(&facts, &host, &resolved)
        };
        let there = || Ok(vec!["10.0.0.7".to_owned()]);
        let text = say("db", None, false, there()).unwrap();
        assert!(text.contains("`db` is 10.0.0.7") && text.contains("(http://localhost:5433/)"));
        let text = say("cache", Some(6379), true, there()).unwrap();
        assert!(text.contains("towline forward cache:6379"), "{text}");
        let none = || Err("no such name".to_owned());
        assert!(say("cache", None, true, none()).unwrap().contains("no such name"));
        assert_eq!(say("cache", None, false, none()), None);
    }

    #[test]
    fn open_ports_are_found_in_texts() {
        let facts = facts();
        let lines = |text| open(text, &facts).iter().map(|found| found.0).collect::<Vec<_>>();
        assert_eq!(lines("a\nx = \"db:5432\"\ny = 'redis://cache'\n"), [1]);
        let config = of_config("forward:\n  - svc/db:5432\n  - 9\n", &facts);
        assert_eq!(
            (config.len(), config[0].0.line, &*config[0].1),
            (1, 1, "http://localhost:5433/")
        );
    }

    proptest! {
        #[test]
        fn any_line_is_survived(line in "\\PC{0,60}", byte in 0..70usize) {
            at(&line, byte, &facts());
            open(&line, &facts());
        }
    }
}
