//! Throughput and small-message latency of a forward, beside `ssh -L` and a
//! direct connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use harness::sandbox::Sandbox;

use crate::ssh::Sshd;
use crate::table::{Table, Unit, quantile_ms};
use crate::up;

const BULK_BYTES: u64 = 1 << 30;
const ECHOES: usize = 2_000;

pub fn bench(table: &mut Table, ssh: &Sshd) {
    let server = serve();
    let (ours, theirs) = (free_port(), free_port());
    let sandbox = Sandbox::new();
    up::up(&sandbox, &[format!("{ours}:{server}")]);
    let _tunnel = tunnel(ssh, theirs, server);

    let [direct, forwarded, tunnelled] = [server, ours, theirs].map(|port| {
        let _ = download(port, BULK_BYTES / 8); // warm-up
        download(port, BULK_BYTES)
    });
    table.compare(
        "forward, download of 1 GiB",
        forwarded,
        "ssh -L",
        Some(tunnelled),
        Unit::Throughput,
    );
    table.compare(
        "forward, download of 1 GiB",
        forwarded,
        "direct TCP",
        Some(direct),
        Unit::Throughput,
    );

    for (beside, bulk) in [("idle", false), ("beside a bulk stream", true)] {
        let [mut direct, mut forwarded, mut tunnelled] =
            [server, ours, theirs].map(|port| echo(port, bulk));
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let what = format!("64-byte echo, {beside}, {name}");
            let value = quantile_ms(&mut forwarded, share);
            table.compare(
                &what,
                value,
                "ssh -L",
                Some(quantile_ms(&mut tunnelled, share)),
                Unit::Millis,
            );
            table.compare(
                &what,
                value,
                "direct TCP",
                Some(quantile_ms(&mut direct, share)),
                Unit::Millis,
            );
        }
    }
    sandbox.run(&["down"]);
}

/// A server on a free port: the first byte says `e` for echo or `d` for an
/// endless download.
fn serve() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let port = listener.local_addr().expect("address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = answer(stream); // the client leaves when it has enough
            });
        }
    });
    port
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        if first == *b"d" {
            stream.write_all(&buffer)?;
        } else {
            let len = stream.read(&mut buffer)?;
            if len == 0 {
                return Ok(());
            }
            stream.write_all(&buffer[..len])?;
        }
    }
}

fn connect(port: u16, kind: u8) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    stream.write_all(&[kind]).expect("write");
    stream
}

/// MiB/s of a download of `bytes`.
fn download(port: u16, bytes: u64) -> f64 {
    let mut stream = connect(port, b'd');
    let mut buffer = vec![0; 256 * 1024];
    let started = Instant::now();
    let mut got = 0;
    while got < bytes {
        got += stream.read(&mut buffer).expect("read") as u64;
    }
    got as f64 / f64::from(1 << 20) / started.elapsed().as_secs_f64()
}

/// Round trips of 64 bytes, alone or while another connection downloads.
fn echo(port: u16, bulk: bool) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let loader = bulk.then(|| {
        let stop = stop.clone();
        let mut stream = connect(port, b'd');
        std::thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            while !stop.load(Ordering::Relaxed) && stream.read(&mut buffer).is_ok_and(|len| len > 0)
            {
            }
        })
    });
    let mut stream = connect(port, b'e');
    let mut buffer = [7; 64];
    let samples = (0..ECHOES)
        .map(|_| {
            let started = Instant::now();
            stream.write_all(&buffer).expect("write");
            stream.read_exact(&mut buffer).expect("read");
            started.elapsed()
        })
        .collect();
    stop.store(true, Ordering::Relaxed);
    if let Some(loader) = loader {
        loader.join().expect("the loader ends");
    }
    samples
}

struct Tunnel(Child);

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tunnel(ssh: &Sshd, local: u16, remote: u16) -> Tunnel {
    let mut command = ssh.command();
    command
        .args(["-N", "-L", &format!("127.0.0.1:{local}:127.0.0.1:{remote}")])
        .stderr(Stdio::null());
    let tunnel = Tunnel(command.spawn().expect("ssh can be started"));
    harness::wait::until("ssh -L to listen", || TcpStream::connect(("127.0.0.1", local)).ok());
    tunnel
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("port")
        .port()
}
