//! A web server that is debugged: a real process with no debug flag, somebody who asks it
//! without a pause, and the adapters that the suite needs.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::wait;

/// Where the adapters are; installs what is missing.
///
/// # Panics
/// When they cannot be installed: a suite that could not run must not pass.
pub fn adapters() -> &'static Path {
    static ADAPTERS: OnceLock<PathBuf> = OnceLock::new();
    ADAPTERS.get_or_init(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = tests.join("../target/debuggers");
        let script = tests.join("debuggers/install.sh");
        let installed = Command::new("bash").arg(script).arg(&folder).status();
        assert!(installed.is_ok_and(|status| status.success()), "the adapters are not there");
        folder.canonicalize().expect("the adapters' directory is there")
    })
}

/// A server that prints its port as its first line.
#[derive(Debug)]
pub struct Debuggee {
    child: Child,
    /// Where it listens.
    pub port: u16,
}

impl Debuggee {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not print a port.
    pub fn start(mut command: Command) -> Self {
        let piped = command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = piped.spawn().expect("the server can be started");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().expect("stdout is piped"));
        out.read_line(&mut line).expect("the server says something");
        std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
        let port = line.trim().parse().unwrap_or_else(|_| panic!("no port: {line:?}"));
        Self { child, port }
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it for a path.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub fn get(&self, path: &str, patience: Duration) -> std::io::Result<String> {
        get(self.port, path, patience)
    }

    /// Asks it on another thread; the answer comes when it comes.
    pub fn ask(&self, path: &str) -> std::thread::JoinHandle<std::io::Result<String>> {
        let (port, path) = (self.port, path.to_owned());
        std::thread::spawn(move || get(port, &path, wait::PATIENCE))
    }

    /// The letter of its state, as in `S` or `t`.
    ///
    /// # Panics
    /// When it has ended.
    pub fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.expect("the server lives");
        let rest = stat.rsplit(')').next().expect("a state stands behind the name");
        rest.trim_start().chars().next().expect("it is a letter")
    }

    /// It lives, answers, and nobody traces it.
    ///
    /// # Panics
    /// When it does not.
    pub fn assert_serves(&mut self) {
        assert!(self.child.try_wait().expect("it can be looked at").is_none(), "the app ended");
        let answer = self.get("/work/3", Duration::from_secs(10)).expect("the app answers");
        assert!(answer.ends_with("total=14"), "{answer}");
    }

    /// Nobody traces it any more.
    ///
    /// # Panics
    /// When somebody does, for long.
    pub fn assert_untraced(&self) {
        wait::until("nobody to trace the app", || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
            let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"))?;
            (tracer.trim() == "0").then_some(())
        });
    }
}

impl Drop for Debuggee {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn get(port: u16, path: &str, patience: Duration) -> std::io::Result<String> {
    let mut tcp = TcpStream::connect(("127.0.0.1", port))?;
    tcp.set_read_timeout(Some(patience))?;
    // In one piece: a server may take the first one for all.
    tcp.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    tcp.read_to_string(&mut answer)?;
    if answer.is_empty() {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(answer.trim_end().to_owned())
}

/// Asks a server without a pause, and notes the longest time without an answer.
#[derive(Debug)]
pub struct Checker {
    ended: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<Duration>>,
}

impl Checker {
    /// Begins.
    pub fn start(port: u16) -> Self {
        let (ended, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (until, count) = (ended.clone(), answers.clone());
        let thread = std::thread::spawn(move || {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !until.load(Ordering::Relaxed) {
                if get(port, "/health", wait::PATIENCE).is_ok_and(|answer| answer.ends_with("ok")) {
                    count.fetch_add(1, Ordering::Relaxed);
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                std::thread::park_timeout(Duration::from_millis(2));
            }
            longest.max(last.elapsed())
        });
        Self { ended, answers, thread: Some(thread) }
    }

    /// Waits for so many more answers.
    pub fn more(&self, count: u64) {
        let goal = self.answers.load(Ordering::Relaxed) + count;
        wait::until("the server to go on answering", || {
            (self.answers.load(Ordering::Relaxed) >= goal).then_some(())
        });
    }

    /// Ends; returns how many answers there were, and the longest time without one.
    ///
    /// # Panics
    /// When the checker itself failed.
    pub fn end(mut self) -> (u64, Duration) {
        self.ended.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it runs");
        let longest = thread.join().expect("the checker does not panic");
        (self.answers.load(Ordering::Relaxed), longest)
    }
}
