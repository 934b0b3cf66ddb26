//! A carrier that dies under a living connection costs time and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::time::Duration;

use lsp::link::{Link, LinkState};
use protocol::io::connection::Channel;
use protocol::wire::port::{Dial, Protocol};
use protocol::wire::stream::{Open, Priority};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::link::{PATIENCE, Target, connection, state};

const MIB: usize = 1024 * 1024;

/// Repeatable randomness.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn piece(seed: &mut u64) -> Vec<u8> {
    let words = MIB / 8;
    (0..words).flat_map(|_| random(seed).to_le_bytes()).collect()
}

/// A server that sends back whatever arrives.
pub async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut rx, mut tx) = stream.split();
                // a test that ends cuts its connections
                if tokio::io::copy(&mut rx, &mut tx).await.is_ok() {
                    let _ = tx.shutdown().await;
                }
            });
        }
    });
    port
}

pub async fn dial(link: &Link, port: u16) -> Channel {
    let dial = Dial { host: "127.0.0.1".into(), port, protocol: Protocol::Tcp, name: None };
    let connection = connection(link).await;
    connection.open(&Open::Dial(dial), Priority::Proxied).await.unwrap()
}

/// Sends `mib` through the agent and back while the carrier is killed `kills`
/// times; every byte has to arrive once and right, on the same connection.
async fn transfer(mib: usize, kills: usize, others: usize) {
    let target = Target::new();
    let link = target.link();
    let port = echo().await;
    let mut open = Vec::new();
    for _ in 0..others {
        open.push(dial(&link, port).await);
    }
    let Channel { mut tx, mut rx } = dial(&link, port).await;
    let sending = tokio::spawn(async move {
        let (mut seed, mut hash) = (7, blake3::Hasher::new());
        for _ in 0..mib {
            let piece = piece(&mut seed);
            hash.update(&piece);
            tx.write_all(&piece).await.unwrap();
        }
        tx.shutdown().await.unwrap();
        hash.finalize()
    });
    let mut seed = 0x5eed;
    let mut kill_at: Vec<usize> = (0..kills)
        .map(|_| usize::try_from(random(&mut seed) % (mib * MIB) as u64).unwrap())
        .collect();
    kill_at.sort_unstable_by(|left, right| right.cmp(left));
    let (mut hash, mut received, mut slowest) = (blake3::Hasher::new(), 0, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = tokio::time::timeout(PATIENCE, rx.read(&mut buffer)).await;
        let count = read.expect("the transfer stands still").unwrap();
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        received += count;
        if kill_at.last().is_some_and(|&at| received >= at) {
            kill_at.pop();
            let before = link.carrier().borrow().resumes;
            link.kill_carrier().await;
            let mut carrier_rx = link.carrier();
            let resumed = carrier_rx.wait_for(|info| info.resumes > before);
            tokio::time::timeout(PATIENCE, resumed).await.unwrap().unwrap();
            slowest = slowest.max(link.carrier().borrow().last_resume_us.unwrap_or(0));
        }
    }
    assert_eq!(received, mib * MIB);
    assert_eq!(hash.finalize(), sending.await.unwrap());
    for mut channel in open {
        channel.tx.write_all(b"still here").await.unwrap();
        channel.tx.shutdown().await.unwrap();
        let mut back = Vec::new();
        channel.rx.read_to_end(&mut back).await.unwrap();
        assert_eq!(back, b"still here");
    }
    let info = link.carrier().borrow().clone();
    assert_eq!((info.connections, info.resumes), (1, kills as u64));
    eprintln!("{mib} MiB both ways, {kills} kills, slowest resume {slowest} us");
    link.shutdown(PATIENCE).await;
}

/// `TOWLINE_SWAP_MIB=1024 TOWLINE_SWAP_CONNECTIONS=100` is the full size.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_survives_twenty_kills_of_its_carrier() {
    let asked = |name, usual| {
        std::env::var(name).map_or(usual, |text| text.parse().expect("a number was given"))
    };
    transfer(asked("TOWLINE_SWAP_MIB", 64), 20, asked("TOWLINE_SWAP_CONNECTIONS", 10)).await;
}

#[tokio::test]
async fn a_link_goes_on_when_its_carrier_is_killed_while_idle() {
    let target = Target::new();
    let link = target.link();
    let port = echo().await;
    let mut channel = dial(&link, port).await;
    for round in 0..5_u8 {
        link.kill_carrier().await;
        channel.tx.write_all(&[round]).await.unwrap();
        let mut back = [0];
        let read = tokio::time::timeout(PATIENCE, channel.rx.read_exact(&mut back)).await;
        read.expect("the echo is lost").unwrap();
        assert_eq!(back, [round]);
    }
    state(&link, |state| matches!(state, LinkState::Up { .. })).await;
    link.shutdown(Duration::from_secs(10)).await;
}
