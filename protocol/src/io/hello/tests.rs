//! Hellos, whole and broken.

use super::*;
use crate::wire::hello::UdpWish;

fn hub_hello() -> HubHello {
    HubHello { fingerprint: [1; 32], session: [2; 16], udp: UdpWish::None, tcp: false }
}

fn agent_hello() -> AgentHello {
    AgentHello {
        fingerprint: [3; 32],
        instance: [4; 16],
        pid: 5,
        marker: "m".into(),
        resumed: false,
        grace_ms: 1,
        socket: Some("/s".into()),
        udp: None,
        tcp: None,
    }
}

/// What the hub says when an agent's channel carries `bytes` and ends.
async fn hub_hears(bytes: &[u8]) -> Result<AgentHello, HelloError> {
    let mut rx = bytes;
    hub(&mut rx, &mut tokio::io::sink(), &hub_hello()).await
}

#[tokio::test]
async fn both_learn_the_other_and_the_next_byte_is_left_alone() {
    let (hub_end, agent_end) = tokio::io::duplex(64 * 1024);
    let (mut hub_rx, mut hub_tx) = tokio::io::split(hub_end);
    let (mut agent_rx, mut agent_tx) = tokio::io::split(agent_end);
    let agent_side = async {
        let seen = agent(&mut agent_rx, &mut agent_tx, async |hello| Ok((agent_hello(), hello)));
        let seen = seen.await.unwrap();
        agent_tx.write_all(b"next").await.unwrap();
        seen
    };
    let hello = hub_hello();
    let (got, seen) = tokio::join!(hub(&mut hub_rx, &mut hub_tx, &hello), agent_side);
    assert_eq!((got.unwrap(), seen), (agent_hello(), hub_hello()));
    let mut next = [0; 4];
    hub_rx.read_exact(&mut next).await.unwrap();
    assert_eq!(&next, b"next");
}

#[tokio::test]
async fn garbage_is_shown() {
    let error = hub_hears(b"sh: towline-agent: not found\n").await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("sh: towline-agent: not found"), "{text}");
    assert!(matches!(hub_hears(b"TOW").await, Err(HelloError::Garbage { .. })));
    assert!(matches!(hub_hears(b"").await, Err(HelloError::Ended)));
}

#[tokio::test]
async fn another_version_is_named() {
    let bytes = [&MAGIC[..], &[5], b"9.9.9"].concat();
    let text = hub_hears(&bytes).await.unwrap_err().to_string();
    assert!(text.contains("9.9.9") && text.contains(VERSION), "{text}");
}

#[tokio::test(start_paused = true)]
async fn silence_ends() {
    let (_keep, mut rx) = tokio::io::duplex(16);
    let error = hub(&mut rx, &mut tokio::io::sink(), &hub_hello()).await.unwrap_err();
    assert!(matches!(error, HelloError::Silent));
}

#[tokio::test]
async fn an_announcement_over_the_limit_allocates_nothing() {
    let bytes = [preamble(), u32::MAX.to_be_bytes().to_vec()].concat();
    assert!(matches!(hub_hears(&bytes).await, Err(HelloError::TooLong { .. })));
    let bytes = [&MAGIC[..], &[255]].concat();
    assert!(matches!(hub_hears(&bytes).await, Err(HelloError::TooLong { len: 255 })));
}

/// A generator that a failing run can repeat.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[tokio::test]
async fn ten_thousand_malformed_hellos_are_errors() {
    let good = [preamble(), framed::encode(&agent_hello()).unwrap()].concat();
    let mut state = 0x9e37_79b9;
    for round in 0..10_000 {
        let mut bytes = good.clone();
        match random(&mut state) % 3 {
            0 => bytes.truncate(usize::try_from(random(&mut state)).unwrap() % bytes.len()),
            1 => {
                for _ in 0..=random(&mut state) % 8 {
                    let at = usize::try_from(random(&mut state)).unwrap() % bytes.len();
                    bytes[at] = random(&mut state).to_le_bytes()[0];
                }
            }
            _ => bytes.iter_mut().for_each(|b| *b = random(&mut state).to_le_bytes()[0]),
        }
        let mut rx = &bytes[..];
        // a flipped bit inside a fingerprint is still a hello; nothing panics
        let result = hub(&mut rx, &mut tokio::io::sink(), &hub_hello()).await;
        if bytes.len() < good.len() {
            assert!(result.is_err(), "round {round}");
        }
    }
}
