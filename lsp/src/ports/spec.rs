//! What a user writes for a forward, parsed once. Pure.

use std::fmt;
use std::str::FromStr;

use super::{ForwardError, ForwardSpec, Port};

/// What a forward without a host means.
const DEFAULT_HOST: &str = "localhost";

/// What may stand before the name of a Kubernetes Service.
const SERVICE_WORDS: [&str; 3] = ["svc/", "service/", "services/"];

/// Longest name of a port, in bytes (RFC 6335).
const PORT_NAME_MAX: usize = 15;

/// Longest host name, in bytes; DNS knows none longer.
const HOST_LEN_MAX: usize = 255;

impl FromStr for ForwardSpec {
    type Err = ForwardError;

    fn from_str(text: &str) -> Result<Self, ForwardError> {
        parse(text.trim())
            .map_err(|reason| ForwardError::Malformed { text: text.to_owned(), reason })
    }
}

/// The shortest text that parses to the same.
impl fmt::Display for ForwardSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.local != self.port.local() {
            write!(f, "{}:", self.local)?;
        }
        if self.host == DEFAULT_HOST {
            write!(f, "{}", self.port)?;
        } else {
            write!(f, "{}", self.remote())?;
        }
        if self.udp { f.write_str("/udp") } else { Ok(()) }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => port.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Port {
    /// The local port that is meant when none is named: the same, or any where that is
    /// not known yet.
    fn local(&self) -> u16 {
        match self {
            Self::Number(port) => *port,
            Self::Name(_) => 0,
        }
    }
}

impl ForwardSpec {
    /// Whether it is one of the target's own ports.
    pub fn is_own(&self) -> bool {
        self.host == DEFAULT_HOST
    }

    /// The host's name as the target resolves it: a Service has its own name there.
    pub fn name(&self) -> &str {
        SERVICE_WORDS.iter().find_map(|word| self.host.strip_prefix(word)).unwrap_or(&self.host)
    }

    /// `HOST:PORT` as the target sees it, with brackets where they are needed.
    pub fn remote(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn parse(text: &str) -> Result<ForwardSpec, String> {
    let (rest, udp) = protocol(text)?;
    if rest.is_empty() {
        return Err("it names no port".to_owned());
    }
    let Some((front, last)) = rest.rsplit_once(':') else {
        let port = remote_port(rest)?;
        let local = port.local();
        return Ok(ForwardSpec { local, host: DEFAULT_HOST.to_owned(), port, udp });
    };
    if rest.ends_with(']') {
        return Err(format!("no port follows `{rest}`; write `{rest}:PORT`"));
    }
    let port = remote_port(last)?;
    let (local, host) = match front.split_once(':') {
        _ if is_digits(front) => (local_port(front)?, DEFAULT_HOST.to_owned()),
        _ if front.starts_with('[') => (port.local(), host(front)?),
        Some((local, name)) if is_digits(local) => (local_port(local)?, host(name)?),
        _ => (port.local(), host(front)?),
    };
    Ok(ForwardSpec { local, host, port, udp })
}

fn protocol(text: &str) -> Result<(&str, bool), String> {
    match text.rsplit_once('/') {
        Some((rest, "udp")) => Ok((rest, true)),
        Some((rest, "tcp")) => Ok((rest, false)),
        // A slash before the last colon belongs to the host: `svc/db:5432`.
        Some((_, tail)) if tail.contains(':') => Ok((text, false)),
        Some((_, tail)) => Err(format!("`{tail}` is neither `tcp` nor `udp`")),
        None => Ok((text, false)),
    }
}

fn host(text: &str) -> Result<String, String> {
    let name = match text.strip_prefix('[') {
        Some(rest) => {
            let address = rest.strip_suffix(']').ok_or(format!("`{text}` has no closing `]`"))?;
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("`{address}` is no IPv6 address"));
            }
            return Ok(address.to_owned());
        }
        None => text,
    };
    if name.is_empty() {
        return Err("the host is empty".to_owned());
    }
    if name.contains(':') {
        return Err("an IPv6 address wants brackets, as in `[::1]:80`".to_owned());
    }
    if name.len() > HOST_LEN_MAX {
        return Err(format!("the host is longer than {HOST_LEN_MAX} bytes"));
    }
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
    match name.chars().find(|c| !allowed(*c)) {
        Some(odd) => Err(format!("a host holds no {odd:?}")),
        None => Ok(name.to_owned()),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn remote_port(text: &str) -> Result<Port, String> {
    if is_port_name(text) {
        return Ok(Port::Name(text.to_owned()));
    }
    match number(text)? {
        0 => Err("port 0 cannot be forwarded".to_owned()),
        port => Ok(Port::Number(port)),
    }
}

/// A service name by RFC 6335, but for those that begin with a digit: they are rather a
/// mistake.
fn is_port_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    (1..=PORT_NAME_MAX).contains(&bytes.len())
        && bytes.iter().all(plain)
        && bytes[0].is_ascii_alphabetic()
        && !text.ends_with('-')
        && !text.contains("--")
}

/// 0 is allowed here: any free port.
fn local_port(text: &str) -> Result<u16, String> {
    number(text)
}

fn number(text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Err("a port is missing".to_owned());
    }
    if !is_digits(text) {
        return Err(format!("`{text}` is no port"));
    }
    text.parse().map_err(|_| format!("port {text} is over 65535"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn spec(local: u16, host: &str, port: u16, udp: bool) -> ForwardSpec {
        ForwardSpec { local, host: host.to_owned(), port: Port::Number(port), udp }
    }

    fn named(local: u16, host: &str, port: &str) -> ForwardSpec {
        let port = Port::Name(port.to_owned());
        ForwardSpec { local, host: host.to_owned(), port, udp: false }
    }

    #[test]
    fn every_form_is_understood_and_printed_back_short() {
        let check = |text: &str, expected: ForwardSpec, short: &str| {
            let parsed: ForwardSpec = text.parse().unwrap();
            assert_eq!(parsed, expected, "{text}");
            assert_eq!(parsed.to_string(), short, "{text}");
            assert_eq!(short.parse::<ForwardSpec>().unwrap(), expected, "{short}");
        };
        check("8080", spec(8080, "localhost", 8080, false), "8080");
        check(" 8080/tcp ", spec(8080, "localhost", 8080, false), "8080");
        check("9090:5432", spec(9090, "localhost", 5432, false), "9090:5432");
        check("0:5432", spec(0, "localhost", 5432, false), "0:5432");
        check("db:5432", spec(5432, "db", 5432, false), "db:5432");
        check("5432:db:5432", spec(5432, "db", 5432, false), "db:5432");
        check("9090:db.shop:5432", spec(9090, "db.shop", 5432, false), "9090:db.shop:5432");
        check("svc/db:5432", spec(5432, "svc/db", 5432, false), "svc/db:5432");
        check("9090:svc/db:5432/udp", spec(9090, "svc/db", 5432, true), "9090:svc/db:5432/udp");
        check("10.0.0.1:53/udp", spec(53, "10.0.0.1", 53, true), "10.0.0.1:53/udp");
        check("[::1]:80", spec(80, "::1", 80, false), "[::1]:80");
        check("9090:[fe80::1]:80", spec(9090, "fe80::1", 80, false), "9090:[fe80::1]:80");
        check("localhost:80", spec(80, "localhost", 80, false), "80");
        check("http", named(0, "localhost", "http"), "http");
        check("8080:http", named(8080, "localhost", "http"), "8080:http");
        check("svc/db:postgres", named(0, "svc/db", "postgres"), "svc/db:postgres");
        check("5432:svc/db:pg-1", named(5432, "svc/db", "pg-1"), "5432:svc/db:pg-1");
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        let check = |text: &str, reason: &str| {
            let error = text.parse::<ForwardSpec>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        };
        check("", "names no port");
        check("/udp", "names no port");
        check("0", "port 0");
        check("db:0", "port 0");
        check("65536", "over 65535");
        check("65536:80", "over 65535");
        check("99999999999999999999", "over 65535");
        check("8080/sctp", "neither `tcp` nor `udp`");
        check("db_", "`db_` is no port");
        check("db:a-name-that-is-long", "`a-name-that-is-long` is no port");
        check(":80", "host is empty");
        check("80:", "a port is missing");
        check("80::90", "host is empty");
        check("::1:80", "brackets");
        check("1:2:3:4", "brackets");
        check("[::1]", "no port follows");
        check("[::1:80", "closing");
        check("[db]:80", "no IPv6 address");
        check("a b:80", "holds no ' '");
        check("-1:80x", "`80x` is no port");
    }

    proptest! {
        #[test]
        fn any_text_is_answered_and_what_parses_prints_back(text in "[0-9a-z:/\\[\\]. ]{0,24}") {
            if let Ok(spec) = text.parse::<ForwardSpec>() {
                prop_assert_eq!(spec.to_string().parse::<ForwardSpec>().unwrap(), spec);
            }
        }
    }
}
