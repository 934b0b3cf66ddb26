//! Suite: hostile bytes. Ten thousand seeded malformed inputs, at each layer of
//! a living agent: its hello, its carrier, its streams. It neither falls nor
//! grows, and serves its hub throughout.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::future::Future;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use lsp::link::Link;
use protocol::io::connection::{Channel, Connection};
use protocol::io::framed;
use protocol::io::identity::Identity;
use protocol::limits::{FRAME_LEN_MAX, HELLOS_MAX};
use protocol::version::{MAGIC, VERSION};
use protocol::wire::app::{AppRequest, Logs};
use protocol::wire::control::OpenControl;
use protocol::wire::copy::Copy;
use protocol::wire::exec::Exec;
use protocol::wire::hello::{HubHello, UdpWish};
use protocol::wire::port::{Dial, Protocol};
use protocol::wire::stream::{Open, Opened, Priority};
use protocol::wire::sync::{OpenApply, OpenReplica};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::link::{PATIENCE, Target, connection};

/// How many of each kind: together over ten thousand.
const HELLOS: usize = 3000;
const DATAGRAMS: usize = 3000;
const STREAMS: usize = 4200;
/// An agent's memory may grow by this, in KiB: far below what one unbounded
/// list or buffer of these inputs would take, far above an allocator's play.
const GROWTH_MAX_KIB: u64 = 96 * 1024;

/// Repeatable randomness.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn word(&mut self) -> u32 {
        u32::try_from(self.next() >> 32).unwrap()
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.next().to_le_bytes()[3]).collect()
    }

    /// A few bytes of `valid` are others.
    fn mutate(&mut self, valid: &[u8]) -> Vec<u8> {
        let mut bytes = valid.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            bytes[at] = self.next().to_le_bytes()[5];
        }
        bytes
    }

    fn truncate(&mut self, valid: &[u8]) -> Vec<u8> {
        valid[..self.below(valid.len())].to_vec()
    }
}

/// An agent, the link to it, and what it weighs.
struct Victim {
    target: Target,
    link: Link,
    pid: u32,
}

impl Victim {
    async fn new() -> Self {
        let target = Target::new();
        let link = target.link();
        connection(&link).await;
        let pid = link.carrier().borrow().agent_pid.unwrap();
        Self { target, link, pid }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn socket(&self) -> UnixStream {
        let stream = UnixStream::connect(self.target.state_dir().join("agent.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// It is the same agent, not much bigger, without a panic, and it works.
    async fn check(&self, before_kib: u64, what: &str) {
        let now_kib = self.resident_kib();
        println!("{what}: the agent went from {before_kib} to {now_kib} KiB");
        assert!(now_kib < before_kib + GROWTH_MAX_KIB, "{what}: {before_kib} to {now_kib} KiB");
        let log = std::fs::read_to_string(self.target.state_dir().join("log")).unwrap();
        assert!(!log.contains("panicked"), "{what}: {log}");
        assert_eq!(self.link.carrier().borrow().agent_pid, Some(self.pid), "the same agent");
        let exec = Exec { argv: ["true"].map(str::to_owned).into(), ..exec() };
        let connection = connection(&self.link).await;
        within(connection.open(&Open::Exec(exec), Priority::Terminal)).await.unwrap();
    }
}

fn exec() -> Exec {
    Exec { argv: vec!["true".into()], cwd: None, env: Vec::new(), tty: None }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("no hang")
}

fn preamble() -> Vec<u8> {
    let len = u8::try_from(VERSION.len()).unwrap();
    [&MAGIC[..], &[len], VERSION.as_bytes()].concat()
}

fn hello(fingerprint: [u8; 32]) -> Vec<u8> {
    framed::encode(&HubHello { fingerprint, session: [7; 16], udp: UdpWish::None, tcp: false })
        .unwrap()
}

/// Says all of it and reads until the agent ends the channel.
fn say(mut stream: UnixStream, bytes: &[u8]) {
    // It may end the channel before it read all of it.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut rest = Vec::new();
    if let Err(error) = stream.read_to_end(&mut rest) {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it never ended: {bytes:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_hellos_and_silence_do_not_keep_a_hub_out() {
    let victim = Victim::new().await;
    let before = victim.resident_kib();
    let mut random = Random(0x5eed_0001);
    let valid = [&b"D"[..], &preamble(), &hello([9; 32])].concat();
    for round in 0..HELLOS {
        let bytes = match round % 6 {
            0 => random.bytes(300),
            1 => [&b"D"[..], &random.bytes(300)].concat(),
            2 => random.truncate(&valid),
            3 => [&b"D"[..], &preamble(), &random.bytes(100)].concat(),
            4 => {
                // Announces a hello of any length, mostly far over the limit.
                let len = random.word().to_be_bytes();
                [&b"D"[..], &preamble(), &len, &random.bytes(50)].concat()
            }
            _ => [b"D".to_vec(), random.mutate(&valid[1..])].concat(),
        };
        say(victim.socket(), &bytes);
    }
    victim.check(before, "hellos").await;

    // More silent clients than it listens to at once: they run into the hello's
    // time limit, and then the hub's next carrier is taken.
    let silent: Vec<_> = (0..HELLOS_MAX + 8).map(|_| victim.socket()).collect();
    let mut carrier_rx = victim.link.carrier();
    let resumes = carrier_rx.borrow().resumes;
    victim.link.kill_carrier().await;
    within(carrier_rx.wait_for(|carrier| carrier.resumes > resumes)).await.unwrap();
    drop(silent);
    victim.check(before, "silence").await;
    victim.link.shutdown(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_datagrams_end_their_carrier_at_most() {
    const EACH: usize = 50;
    let victim = Victim::new().await;
    let before = victim.resident_kib();
    let mut random = Random(0x5eed_0002);
    let fingerprint = Identity::generate().unwrap().fingerprint();
    let opening = [&b"D"[..], &preamble(), &hello(fingerprint)].concat();
    for round in 0..DATAGRAMS / EACH {
        let mut bytes = opening.clone();
        for _ in 0..EACH {
            let mut datagram = random.bytes(1400);
            // Long and short headers of QUIC, and anything.
            if let Some(first) = datagram.first_mut() {
                *first |= [0xc0, 0x40, 0][random.below(3)];
            }
            if round % 2 == 0 && datagram.len() > 5 {
                datagram[1..5].copy_from_slice(&1u32.to_be_bytes());
            }
            let len = u16::try_from(datagram.len()).unwrap();
            bytes.extend_from_slice(&len.to_be_bytes());
            bytes.extend_from_slice(&datagram);
        }
        // Over the limit, empty, or cut off.
        bytes.extend_from_slice([&[0xff, 0xff][..], &[0, 0], &[1, 0, 5]][round % 3]);
        say(victim.socket(), &bytes);
    }
    victim.check(before, "datagrams").await;
    victim.link.shutdown(PATIENCE).await;
}

/// One valid opening of each kind that may be changed at will: what a changed
/// one would do is harmless too.
fn openings() -> Vec<Vec<u8>> {
    let replica = OpenReplica {
        sync: 1,
        root: "/app".into(),
        ignore: vec!["*.o".into()],
        include: Vec::new(),
        evaluate_ignores: true,
    };
    [
        Open::Control(OpenControl {}),
        Open::Exec(exec()),
        Open::App(AppRequest::Status),
        Open::Logs(Logs { tail: Some(3), follow: false }),
        Open::Copy(Copy::Out("/none".into())),
        Open::Sync(replica),
        Open::SyncApply(OpenApply { sync: 1 }),
    ]
    .iter()
    .map(|open| framed::encode(open).unwrap())
    .collect()
}

fn frame(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
}

/// Malformed bytes for the begin of a stream.
fn malformed_opening(random: &mut Random, round: usize, valid: &[Vec<u8>]) -> Vec<u8> {
    let any = valid[random.below(valid.len())].clone();
    match round % 7 {
        0 => random.bytes(200),
        1 => {
            let over = u32::try_from(FRAME_LEN_MAX).unwrap() + 1 + (random.word() >> 8);
            [&over.to_be_bytes()[..], &random.bytes(100)].concat()
        }
        2 => frame(&random.bytes(200)),
        3 => frame(&random.mutate(&any[4..])),
        4 => random.truncate(&any),
        // A length within the frame that is far over the frame.
        5 => {
            let kind = [0x5b, 0x7b, 0x9b, 0xbb][random.below(4)];
            frame(&[&[0x82, 0x02, kind][..], &random.next().to_be_bytes()].concat())
        }
        // Depth without end.
        _ => frame(&vec![[0x81, 0x9f, 0xc6][random.below(3)]; 1 + random.below(20_000)]),
    }
}

async fn open_malformed(connection: &Connection, bytes: &[u8], after: &[u8]) {
    let Channel { mut tx, mut rx } = connection.open_raw(Priority::Proxied).await.unwrap();
    let _ = tx.write_all(bytes).await; // it may have refused already
    let _ = tx.write_all(after).await;
    let _ = tx.shutdown().await;
    // An answer or an end: both say that it was looked at.
    let _ = framed::read::<Opened>(&mut rx).await;
    let _ = rx.read(&mut [0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_openings_of_streams_are_refused_one_by_one() {
    let victim = Victim::new().await;
    std::fs::create_dir_all(victim.target.state_dir().parent().unwrap().join("root/app")).unwrap();
    let before = victim.resident_kib();
    let connection = connection(&victim.link).await;
    let mut random = Random(0x5eed_0003);
    let valid = openings();
    for round in 0..STREAMS / 60 {
        let batch: Vec<_> = (0..60)
            .map(|number| {
                let bytes = malformed_opening(&mut random, round * 60 + number, &valid);
                // Garbage behind a valid beginning; control is left alone, where
                // three bytes are a goodbye.
                if number % 10 == 9 {
                    let open = valid[1 + random.below(valid.len() - 1)].clone();
                    (open, frame(&random.bytes(300)))
                } else {
                    (bytes, Vec::new())
                }
            })
            .collect();
        let mut streams = tokio::task::JoinSet::new();
        for (bytes, after) in batch {
            let connection = connection.clone();
            streams.spawn(async move { open_malformed(&connection, &bytes, &after).await });
        }
        within(streams.join_all()).await;
    }
    // A dial that is cut off at each byte.
    let dial = Dial { host: "127.0.0.1".into(), port: 9, protocol: Protocol::Tcp, name: None };
    let dial = framed::encode(&Open::Dial(dial)).unwrap();
    for len in 0..dial.len() {
        within(open_malformed(&connection, &dial[..len], &[])).await;
    }
    assert!(!connection.is_closed(), "the connection itself is untouched");
    victim.check(before, "streams").await;
    victim.link.shutdown(PATIENCE).await;
}
