//! Suite: forwards. Everything from a local client to a server beside the agent,
//! over a real connection in memory: what carries it is no concern of a forward.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent::context::Context;
use agent::router::Router;
use harness::wait;
use lsp::ports::{ForwardError, ForwardProtocol, ForwardStatus, Forwards};
use protocol::io::connection::Connection;
use protocol::io::quic::{self, Pair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Generous: only a hang takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent and the hub's end of a connection to it.
struct Bench {
    pair: Pair,
    connection_tx: watch::Sender<Option<Connection>>,
    forwards: Forwards,
}

async fn serve_agent() -> Pair {
    let pair = quic::pair().await.unwrap();
    let router = Router::new(Context {
        root: PathBuf::from("/"),
        state_dir: std::env::temp_dir(),
        shutdown: CancellationToken::new(),
        marker: "suite-ports".to_owned(),
    });
    let agent = pair.agent.clone();
    tokio::spawn(async move { router.serve(agent).await });
    pair
}

impl Bench {
    async fn new() -> Self {
        let pair = serve_agent().await;
        let (connection_tx, connection_rx) = watch::channel(Some(pair.hub.clone()));
        Self {
            pair,
            connection_tx,
            forwards: Forwards::new(connection_rx, watch::channel(Vec::new()).1),
        }
    }

    /// A forward to `port` on any free local port.
    async fn forward(&self, to: &str) -> ForwardStatus {
        self.forwards.add(format!("0:{to}").parse().unwrap(), false).await.unwrap()
    }

    fn status(&self) -> ForwardStatus {
        self.forwards.list().pop().unwrap()
    }

    /// Waits until the only forward's status is so.
    async fn until(&self, what: &str, is_so: impl Fn(&ForwardStatus) -> bool) {
        wait::until_async(what, async || is_so(&self.status()).then_some(())).await;
    }
}

/// Sends everything back, ends when the client ends.
async fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut rx, mut tx) = tcp.split();
                let _ = tokio::io::copy(&mut rx, &mut tx).await;
                let _ = tx.shutdown().await;
            });
        }
    });
    port
}

/// A port that nobody listens on.
async fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn ask(address: SocketAddr, text: &[u8]) -> Vec<u8> {
    let asked = async {
        let mut tcp = TcpStream::connect(address).await.unwrap();
        tcp.write_all(text).await.unwrap();
        tcp.shutdown().await.unwrap();
        let mut answer = Vec::new();
        tcp.read_to_end(&mut answer).await.unwrap();
        answer
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("an answer")
}

/// Reads until the connection is cut, and how.
async fn cut_of(tcp: &mut TcpStream) -> std::io::Result<usize> {
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, tcp.read_to_end(&mut rest)).await.expect("an end")
}

#[tokio::test]
async fn both_loopback_families_reach_the_server_and_half_close_is_kept() {
    let bench = Bench::new().await;
    let status = bench.forward(&echo_server().await.to_string()).await;
    assert!(status.local[0].is_ipv4());
    for address in &status.local {
        assert_eq!(ask(*address, b"hello").await, b"hello", "{address}");
    }
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.is_ok() {
        assert_eq!(status.local.len(), 2, "{status:?}");
        assert_eq!(status.local[0].port(), status.local[1].port());
    }
    bench.until("all closed", |status| status.open == 0).await;
    let asked = status.local.len() as u64;
    let now = bench.status();
    assert_eq!((now.total, now.bytes_out, now.bytes_in), (asked, 5 * asked, 5 * asked));
    assert_eq!(now.last_error, None);
}

#[tokio::test]
async fn a_server_that_speaks_first_and_closes_first_is_heard() {
    let bench = Bench::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let status = bench.forward(&listener.local_addr().unwrap().port().to_string()).await;
    let mut client = TcpStream::connect(status.local[0]).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"220 hello").await.unwrap();
    server.shutdown().await.unwrap();
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"220 hello");
    client.write_all(b"late words").await.unwrap();
    client.shutdown().await.unwrap();
    let mut late = Vec::new();
    server.read_to_end(&mut late).await.unwrap();
    assert_eq!(late, b"late words");
}

#[tokio::test]
async fn a_refusal_over_there_is_a_cut_here_and_is_told() {
    let bench = Bench::new().await;
    let port = closed_port().await;
    let status = bench.forward(&port.to_string()).await;
    let mut client = TcpStream::connect(status.local[0]).await.unwrap();
    let cut = cut_of(&mut client).await.unwrap_err();
    assert_eq!(cut.kind(), ErrorKind::ConnectionReset);
    bench.until("failed", |status| status.last_error.is_some()).await;
    let error = bench.status().last_error.unwrap();
    assert!(error.contains(&format!("localhost:{port}: connection refused")), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told() {
    let bench = Bench::new().await;
    let status = bench.forward("no-such-host.invalid:80").await;
    let mut client = TcpStream::connect(status.local[0]).await.unwrap();
    assert_eq!(cut_of(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    bench.until("failed", |status| status.last_error.is_some()).await;
    let error = bench.status().last_error.unwrap();
    assert!(error.contains("no-such-host.invalid"), "{error}");
}

#[tokio::test]
async fn a_reset_on_either_side_is_a_reset_on_the_other() {
    let bench = Bench::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let status = bench.forward(&listener.local_addr().unwrap().port().to_string()).await;

    let mut client = TcpStream::connect(status.local[0]).await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    server.set_zero_linger().unwrap();
    drop(server);
    assert_eq!(cut_of(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let client = TcpStream::connect(status.local[0]).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    client.set_zero_linger().unwrap();
    drop(client);
    assert_eq!(cut_of(&mut server).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn datagrams_of_every_size_go_both_ways_and_peers_are_told_apart() {
    let bench = Bench::new().await;
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_535];
        while let Ok((len, peer)) = server.recv_from(&mut buffer).await {
            server.send_to(&buffer[..len], peer).await.unwrap();
        }
    });
    let status = bench.forward(&format!("127.0.0.1:{port}/udp")).await;
    assert_eq!(status.protocol, ForwardProtocol::Udp);
    for (address, fill) in status.local.iter().zip([1u8, 2]) {
        let own = if address.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let client = UdpSocket::bind(own).await.unwrap();
        client.connect(address).await.unwrap();
        for len in [0, 1, 1400, 60_000] {
            client.send(&vec![fill; len]).await.unwrap();
            let mut answer = vec![0; 65_535];
            let got = tokio::time::timeout(PATIENCE, client.recv(&mut answer)).await;
            let got = got.expect("an answer").unwrap();
            assert_eq!(answer[..got], vec![fill; len], "{address}");
        }
    }
    assert_eq!(bench.status().total, status.local.len() as u64);
}

#[tokio::test]
async fn a_datagram_server_that_starts_late_is_reached_on_the_same_flow() {
    let bench = Bench::new().await;
    let port = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let status = bench.forward(&format!("127.0.0.1:{port}/udp")).await;
    let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    client.connect(status.local[0]).await.unwrap();
    client.send(b"too early").await.unwrap();
    bench.until("sent", |status| status.bytes_out == 9).await;
    let server = UdpSocket::bind(("127.0.0.1", port)).await.unwrap();
    let mut buffer = [0; 64];
    let heard = wait::until_async("heard", async || {
        client.send(b"again").await.unwrap();
        server.try_recv_from(&mut buffer).ok()
    });
    let (len, peer) = heard.await;
    assert!(matches!(&buffer[..len], b"again" | b"too early"));
    server.send_to(b"at last", peer).await.unwrap();
    let len = tokio::time::timeout(PATIENCE, client.recv(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(&buffer[..len], b"at last");
    assert_eq!(bench.status().total, 1);
}

#[tokio::test]
async fn a_taken_port_gives_the_next_free_one_unless_that_is_ruled_out() {
    let bench = Bench::new().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let spec = || format!("{port}:80").parse().unwrap();
    let error = bench.forwards.add(spec(), true).await.unwrap_err();
    assert!(matches!(error, ForwardError::PortTaken { port: named } if named == port), "{error}");
    let status = bench.forwards.add(spec(), false).await.unwrap();
    assert_eq!(status.instead_of, Some(port));
    assert_ne!(status.local[0].port(), port);
    assert_eq!(bench.forwards.add(spec(), false).await.unwrap(), status, "the same one again");
    assert_eq!(bench.forwards.list().len(), 1);
}

#[tokio::test]
async fn a_port_taken_in_one_family_counts_as_taken() {
    let bench = Bench::new().await;
    let Ok(taken) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
        return; // a machine without IPv6 cannot take it
    };
    let port = taken.local_addr().unwrap().port();
    let error = bench.forwards.add(format!("{port}:80").parse().unwrap(), true).await.unwrap_err();
    assert!(matches!(error, ForwardError::PortTaken { .. }), "{error}");
}

#[tokio::test]
async fn removal_closes_the_port_and_cuts_its_connections() {
    let bench = Bench::new().await;
    let status = bench.forward(&echo_server().await.to_string()).await;
    let local = status.local[0];
    let mut client = TcpStream::connect(local).await.unwrap();
    client.write_all(b"x").await.unwrap();
    client.read_exact(&mut [0]).await.unwrap();
    assert!(matches!(bench.forwards.remove("nothing").await, Err(ForwardError::Unknown { .. })));
    let removed = bench.forwards.remove(&local.port().to_string()).await.unwrap();
    assert_eq!((removed.open, removed.total), (0, 1));
    assert_eq!(cut_of(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let refused = TcpStream::connect(local).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(bench.forwards.list().is_empty());
}

#[tokio::test]
async fn connections_wait_for_the_link_and_move_to_the_next_one() {
    let bench = Bench::new().await;
    let status = bench.forward(&echo_server().await.to_string()).await;
    let local = status.local[0];

    let mut open = TcpStream::connect(local).await.unwrap();
    open.write_all(b"x").await.unwrap();
    open.read_exact(&mut [0]).await.unwrap();
    bench.pair.hub.close("the agent is gone");
    assert_eq!(cut_of(&mut open).await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    bench.connection_tx.send_replace(None);
    let waiting = tokio::spawn(async move { ask(local, b"patience").await });
    bench.until("waiting", |status| status.open == 1).await;
    let next = serve_agent().await;
    bench.connection_tx.send_replace(Some(next.hub.clone()));
    assert_eq!(waiting.await.unwrap(), b"patience");
}

#[tokio::test]
async fn a_client_that_waits_for_the_link_is_cut_by_removal() {
    let bench = Bench::new().await;
    bench.connection_tx.send_replace(None);
    let status = bench.forward("80").await;
    let mut client = TcpStream::connect(status.local[0]).await.unwrap();
    bench.until("waiting", |status| status.open == 1).await;
    bench.forwards.remove(&status.local[0].port().to_string()).await.unwrap();
    assert_eq!(cut_of(&mut client).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn localhost_means_either_family() {
    let bench = Bench::new().await;
    let Ok(server) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await else {
        return; // a machine without IPv6 has one only
    };
    let status = bench.forward(&server.local_addr().unwrap().port().to_string()).await;
    let mut client = TcpStream::connect(status.local[0]).await.unwrap();
    let (mut accepted, _) = server.accept().await.unwrap();
    accepted.write_all(b"six").await.unwrap();
    client.read_exact(&mut [0; 3]).await.unwrap();
}

#[tokio::test]
async fn two_hundred_connections_at_once_each_get_their_own_bytes() {
    let bench = Bench::new().await;
    let status = bench.forward(&echo_server().await.to_string()).await;
    let everybody = Arc::new(tokio::sync::Barrier::new(200));
    let clients: Vec<_> = (0u32..200)
        .map(|number| {
            let (everybody, local) = (everybody.clone(), status.local[0]);
            tokio::spawn(async move {
                let mut tcp = TcpStream::connect(local).await.unwrap();
                let body = number.to_be_bytes().repeat(4096);
                tcp.write_all(&body[..4]).await.unwrap();
                tcp.read_exact(&mut [0; 4]).await.unwrap();
                everybody.wait().await; // all of them are open now
                let (mut rx, mut tx) = tcp.split();
                let mut echoed = Vec::new();
                let send = async {
                    tx.write_all(&body).await.unwrap();
                    tx.shutdown().await.unwrap();
                };
                tokio::join!(send, async { rx.read_to_end(&mut echoed).await.unwrap() });
                assert_eq!(echoed, body, "{number}");
            })
        })
        .collect();
    for client in clients {
        tokio::time::timeout(PATIENCE, client).await.expect("an end").unwrap();
    }
    bench.until("all closed", |status| status.open == 0).await;
    assert_eq!(bench.status().total, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_megabytes_arrive_whole_both_ways() {
    const LEN: usize = 64 * 1024 * 1024;
    let bench = Bench::new().await;
    let status = bench.forward(&echo_server().await.to_string()).await;
    let mut tcp = TcpStream::connect(status.local[0]).await.unwrap();
    let (mut rx, mut tx) = tcp.split();
    let block: Vec<u8> =
        (0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut sent = blake3::Hasher::new();
    let send = async {
        for _ in 0..LEN / block.len() {
            sent.update(&block);
            tx.write_all(&block).await.unwrap();
        }
        tx.shutdown().await.unwrap();
    };
    let mut got = blake3::Hasher::new();
    let receive = async {
        let mut buffer = vec![0; 1 << 20];
        let mut len = 0;
        loop {
            match rx.read(&mut buffer).await.unwrap() {
                0 => return len,
                read => {
                    got.update(&buffer[..read]);
                    len += read;
                }
            }
        }
    };
    let ((), len) = tokio::join!(send, receive);
    assert_eq!(len, LEN);
    assert_eq!(sent.finalize(), got.finalize());
    let now = bench.status();
    assert_eq!((now.bytes_out, now.bytes_in), (LEN as u64, LEN as u64));
}
