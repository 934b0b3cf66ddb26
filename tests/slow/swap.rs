//! Slow suite: swap. A gigabyte and a hundred busy forwarded connections while
//! the carrier is killed twenty times; prints how long each kill was felt.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::time::{Duration, Instant};

use harness::bins::bins;
use harness::wait::PATIENCE;
use lsp::carrier::process::LocalProcess;
use lsp::carrier::{Otherwise, UdpRoute};
use lsp::link::Link;
use lsp::ports::Forwards;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::random::Random;

const MIB: usize = 1024 * 1024;
const LEN: usize = 1024 * MIB;
const KILLS: usize = 20;
const CONNECTIONS: usize = 100;
/// More than can be on this side already when the carrier dies.
const BUFFERED: usize = 12 * MIB;

async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut rx, mut tx) = stream.split();
                if tokio::io::copy(&mut rx, &mut tx).await.is_ok() {
                    let _ = tx.shutdown().await; // a test that ends cuts its connections
                }
            });
        }
    });
    port
}

/// Sends small things back and forth until `over`; none may be lost or wrong.
async fn busy(mut stream: TcpStream, number: usize, over: CancellationToken) -> usize {
    let mut rounds = 0;
    while !over.is_cancelled() || rounds == 0 {
        let sent = [u8::try_from((number + rounds) % 256).unwrap(); 512];
        let mut got = [0; 512];
        stream.write_all(&sent).await.expect("a forwarded connection was reset");
        let read = tokio::time::timeout(PATIENCE, stream.read_exact(&mut got)).await;
        read.expect("a forwarded connection stands still").expect("it was reset");
        assert_eq!(got, sent);
        rounds += 1;
    }
    rounds
}

fn piece(random: &mut Random) -> Vec<u8> {
    (0..MIB / 8).flat_map(|_| random.next().to_le_bytes()).collect()
}

/// Kills the carrier and tells the time from the loss to the first sign of life
/// over the next one.
async fn kill(link: &Link) -> Duration {
    let mut carrier_rx = link.carrier();
    let before = carrier_rx.borrow().clone();
    link.kill_carrier().await;
    let resumed = carrier_rx.wait_for(|now| {
        now.resumes > before.resumes && now.last_resume_us != before.last_resume_us
    });
    let resumed = tokio::time::timeout(PATIENCE, resumed).await.expect("no carrier came back");
    Duration::from_micros(resumed.unwrap().last_resume_us.unwrap())
}

async fn survive(udp: Option<UdpRoute>) {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir(temp.path().join("root")).unwrap();
    let (state, root) = (temp.path().join("state"), temp.path().join("root"));
    let bootstrap = LocalProcess::with_agent(bins().agent.clone(), state, root).udp(udp);
    let link = Link::start(bootstrap).unwrap();
    let mut connection_rx = link.connection();
    let up = connection_rx.wait_for(Option::is_some);
    tokio::time::timeout(PATIENCE, up).await.expect("no connection").unwrap();
    let forwards = Forwards::new(link.connection(), tokio::sync::watch::channel(Vec::new()).1);
    let forward =
        forwards.add(format!("0:{}", echo().await).parse().unwrap(), false).await.unwrap();
    let address = forward.local[0];
    let over = CancellationToken::new();
    let mut others = Vec::new();
    for number in 0..CONNECTIONS {
        let stream = TcpStream::connect(address).await.unwrap();
        others.push(tokio::spawn(busy(stream, number, over.clone())));
    }

    let started = Instant::now();
    let (mut rx, mut tx) = TcpStream::connect(address).await.unwrap().into_split();
    let sending = tokio::spawn(async move {
        let (mut random, mut hash) = (Random::new(7), blake3::Hasher::new());
        for _ in 0..LEN / MIB {
            let piece = piece(&mut random);
            hash.update(&piece);
            tx.write_all(&piece).await.expect("the transfer was reset");
        }
        tx.shutdown().await.unwrap();
        hash.finalize()
    });
    let mut random = Random::new(0x5eed);
    let mut kill_at: Vec<usize> = (0..KILLS).map(|_| random.below(LEN - 2 * BUFFERED)).collect();
    kill_at.sort_unstable_by(|left, right| right.cmp(left));
    let (mut hash, mut received) = (blake3::Hasher::new(), 0);
    let (mut lost, mut felt, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let read = tokio::time::timeout(PATIENCE, rx.read(&mut buffer)).await;
        let count = read.expect("the transfer stands still").expect("the transfer was reset");
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
        received += count;
        marks.retain(|(at, since): &(usize, Instant)| {
            let passed = received >= *at;
            if passed {
                felt.push(since.elapsed());
            }
            !passed
        });
        if kill_at.last().is_some_and(|&at| received >= at) {
            kill_at.pop();
            lost.push(kill(&link).await);
            marks.push((received + BUFFERED, Instant::now()));
        }
    }
    assert_eq!(received, LEN);
    assert_eq!(hash.finalize(), sending.await.unwrap());
    let took = started.elapsed();
    over.cancel();
    let mut rounds = 0;
    for other in others {
        rounds += other.await.unwrap();
    }
    assert_eq!(link.carrier().borrow().connections, 1);
    for (what, times) in [("loss to first answer", &mut lost), ("to 12 MiB more", &mut felt)] {
        times.sort_unstable();
        println!("{what}: p50 {:?}, max {:?}", times[times.len() / 2], times[times.len() - 1]);
    }
    println!("1 GiB both ways in {took:?} beside {rounds} rounds of {CONNECTIONS} connections");
    link.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_and_a_hundred_connections_survive_twenty_kills() {
    survive(None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gigabyte_and_a_hundred_connections_survive_twenty_kills_by_udp() {
    let host = [127, 0, 0, 1].into();
    survive(Some(UdpRoute { host, otherwise: Otherwise::Fail, asked: true })).await;
}
