//! Names to addresses as the target sees them: numbers, `localhost`,
//! /etc/hosts and the servers of /etc/resolv.conf. Never libc, whose resolver a
//! static binary does not have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::LookupIpStrategy;
use hickory_resolver::net::NetError;
use hickory_resolver::proto::rr::RData;
use protocol::error::{ErrorCode, WireError};
use protocol::wire::port::Protocol;

/// Longest name DNS knows, in bytes.
const NAME_LEN_MAX: usize = 255;

/// Addresses of one name that are tried at most; each costs a connection.
const ADDRESSES_MAX: usize = 16;

/// Where the two files stood when the resolver was made from them.
type Stamp = [Option<SystemTime>; 2];

/// The resolver keeps answers for their time to live, so all dials share one. It
/// is made again when a file it was made from changed.
static SHARED: Mutex<Option<(Stamp, Arc<TokioResolver>)>> = Mutex::new(None);

/// The addresses of `host`, best first, never empty.
pub(crate) async fn resolve(host: &str) -> Result<Vec<IpAddr>, WireError> {
    let name = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = name.parse() {
        return Ok(vec![address]);
    }
    let plain = name.trim_end_matches('.').to_ascii_lowercase();
    if plain == "localhost" || plain.ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let odd = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || *byte == b'/';
    if name.is_empty() || name.len() > NAME_LEN_MAX || name.as_bytes().iter().any(odd) {
        return Err(WireError::new(ErrorCode::BadRequest, format!("`{host}` is no host name")));
    }
    let named = hosts_file(&plain).await;
    if !named.is_empty() {
        return Ok(named);
    }
    ask(name).await
}

/// The number of a named port of the service `host`, as a cluster's DNS tells it.
pub(crate) async fn service_port(
    host: &str,
    name: &str,
    protocol: Protocol,
) -> Result<u16, WireError> {
    let protocol = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let failed = |why: &str| {
        let message = format!("unable to find port `{name}` of {host}: {why}");
        WireError::new(ErrorCode::NameNotResolved, message)
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if !name.bytes().all(plain) || host.len() + name.len() > NAME_LEN_MAX {
        return Err(WireError::new(ErrorCode::BadRequest, format!("`{name}` is no port name")));
    }
    let resolver = shared().map_err(|error| failed(&error.to_string()))?;
    let found = resolver.srv_lookup(format!("_{name}._{protocol}.{host}")).await;
    let found = found.map_err(|error| {
        let none = error.is_no_records_found();
        failed(if none { "DNS knows none of that name" } else { "DNS does not answer" })
    })?;
    let port = found.answers().iter().find_map(|record| match &record.data {
        RData::SRV(service) => Some(service.port),
        _ => None,
    });
    port.ok_or_else(|| failed("DNS knows none of that name"))
}

/// /etc/hosts is read for each dial: it is small, and a container that has no
/// /etc/resolv.conf may still have it.
async fn hosts_file(name: &str) -> Vec<IpAddr> {
    match tokio::fs::read_to_string("/etc/hosts").await {
        Ok(text) => parse_hosts(&text, name),
        Err(_) => Vec::new(), // no such file: no such names
    }
}

fn parse_hosts(text: &str, name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse().ok()) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name))
            && !found.contains(&address)
            && found.len() < ADDRESSES_MAX
        {
            found.push(address);
        }
    }
    found
}

async fn ask(name: &str) -> Result<Vec<IpAddr>, WireError> {
    let failed = |why: String| {
        WireError::new(ErrorCode::NameNotResolved, format!("unable to resolve `{name}`: {why}"))
    };
    let resolver =
        shared().map_err(|error| failed(format!("no use of /etc/resolv.conf: {error}")))?;
    let found = resolver.lookup_ip(name).await.map_err(|error| match error {
        NetError::Timeout => WireError::new(
            ErrorCode::TimedOut,
            format!("unable to resolve `{name}`: the servers of /etc/resolv.conf do not answer"),
        ),
        error if error.is_no_records_found() => failed("no such name".to_owned()),
        error => failed(error.to_string()),
    })?;
    let addresses: Vec<IpAddr> = interleave(found.iter());
    if addresses.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(addresses) }
}

/// Alternates the families, so that a dead one costs one step only.
fn interleave(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let (v4, v6): (Vec<_>, Vec<_>) = addresses.partition(IpAddr::is_ipv4);
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    let mut mixed = Vec::new();
    while mixed.len() < ADDRESSES_MAX {
        match (v4.next(), v6.next()) {
            (None, None) => break,
            (first, second) => mixed.extend(first.into_iter().chain(second)),
        }
    }
    mixed
}

fn shared() -> Result<Arc<TokioResolver>, NetError> {
    let stamp = ["/etc/resolv.conf", "/etc/hosts"]
        .map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok());
    let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some((made_at, resolver)) = &*shared
        && *made_at == stamp
    {
        return Ok(resolver.clone());
    }
    let mut builder = TokioResolver::builder_tokio()?;
    builder.options_mut().ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    let resolver = Arc::new(builder.build()?);
    *shared = Some((stamp, resolver.clone()));
    Ok(resolver)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lines_are_read_with_comments_aliases_and_both_families() {
        let text = "# head\n127.0.0.1 localhost\n10.0.0.7\tdb Db.local # main\n\nfe80::1 DB\nx y\n";
        let check = |name: &str, expected: &[&str]| {
            let expected: Vec<IpAddr> = expected.iter().map(|a| a.parse().unwrap()).collect();
            assert_eq!(parse_hosts(text, name), expected, "{name}");
        };
        check("db", &["10.0.0.7", "fe80::1"]);
        check("db.local", &["10.0.0.7"]);
        check("main", &[]);
        check("y", &[]);
    }

    #[test]
    fn families_alternate() {
        let given = ["10.0.0.1", "10.0.0.2", "::1"].map(|a| a.parse().unwrap());
        let expected: Vec<IpAddr> =
            ["10.0.0.1", "::1", "10.0.0.2"].map(|a| a.parse().unwrap()).into();
        assert_eq!(interleave(given.into_iter()), expected);
    }

    #[tokio::test]
    async fn numbers_and_localhost_need_no_server_and_nonsense_is_refused() {
        assert_eq!(resolve("[::1]").await.unwrap(), [IpAddr::from(Ipv6Addr::LOCALHOST)]);
        assert_eq!(resolve("10.1.2.3").await.unwrap(), [IpAddr::from([10, 1, 2, 3])]);
        assert_eq!(resolve("LocalHost.").await.unwrap().len(), 2);
        for bad in ["", "svc/db", "a b", &"x".repeat(300)] {
            assert_eq!(resolve(bad).await.unwrap_err().code, ErrorCode::BadRequest, "{bad}");
        }
    }
}
