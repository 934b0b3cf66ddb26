//! What is measured of a way to a server: its throughput, and how long small things
//! take on it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ECHOES: usize = 2_000;

/// Two local ports that lead to a server: one says back what it hears, the other
/// one sends without end.
#[derive(Debug, Clone, Copy)]
pub struct Ports {
    pub echo: u16,
    pub bulk: u16,
}

impl Ports {
    /// Two that nobody listens on.
    pub fn free() -> Self {
        let port = || {
            let listener = TcpListener::bind("127.0.0.1:0");
            listener.and_then(|listener| listener.local_addr()).expect("a port").port()
        };
        Self { echo: port(), bulk: port() }
    }
}

/// Such a server in this process.
pub fn serve() -> Ports {
    Ports { echo: listen(say_back), bulk: listen(send) }
}

fn listen(answer: fn(TcpStream) -> std::io::Result<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = answer(stream); // the client leaves when it has enough
            });
        }
    });
    port
}

fn say_back(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len])?,
        }
    }
}

fn send(mut stream: TcpStream) -> std::io::Result<()> {
    let buffer = vec![0; 256 * 1024];
    loop {
        stream.write_all(&buffer)?;
    }
}

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_nodelay(true).expect("nodelay");
    stream
}

/// MiB/s of a download of `bytes`, after a shorter one to warm up.
pub fn download(ports: Ports, bytes: u64) -> f64 {
    let run = |bytes: u64| {
        let mut stream = connect(ports.bulk);
        let mut buffer = vec![0; 256 * 1024];
        let started = Instant::now();
        let mut got = 0;
        while got < bytes {
            let len = stream.read(&mut buffer).expect("read") as u64;
            assert!(len > 0, "the download ended");
            got += len;
        }
        got as f64 / f64::from(1 << 20) / started.elapsed().as_secs_f64()
    };
    run(bytes / 8);
    run(bytes)
}

/// Round trips of 64 bytes, alone or while another connection downloads.
pub fn echo(ports: Ports, bulk: bool) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let loader = bulk.then(|| {
        let stop = stop.clone();
        let mut stream = connect(ports.bulk);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            while !stop.load(Ordering::Relaxed) && stream.read(&mut buffer).is_ok_and(|len| len > 0)
            {
            }
        })
    });
    let mut stream = connect(ports.echo);
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
