//! Slow suite: chaos. Hub, agent, bootstrap and app are each killed at random
//! points of `up` and of `demo`, from the first moment that the victim lives.
//! After `towline doctor --fix` no process, port, file or temporary directory is
//! left, and the next run works.
//!
//! `TOWLINE_CHAOS_SEED` repeats a run, `TOWLINE_CHAOS_TRIES` makes it longer.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use harness::sandbox::Sandbox;
use harness::{tree, wait};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::random::Random;

const TRIES: usize = 30;
/// Of these only some are real: a start that is over leaves nobody to kill.
const ATTEMPTS_MAX: usize = 5;
/// Enough for a first sync to take a moment.
const FILES: usize = 300;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Victim {
    Hub,
    Agent,
    Bootstrap,
    App,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Scene {
    Up,
    Demo,
}

const VICTIMS: [Victim; 4] = [Victim::Hub, Victim::Agent, Victim::Bootstrap, Victim::App];

#[test]
fn killed_anywhere_it_leaves_nothing_and_starts_again() {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let seed = number("TOWLINE_CHAOS_SEED", 1);
    println!("TOWLINE_CHAOS_SEED={seed}");
    for index in 0..number("TOWLINE_CHAOS_TRIES", TRIES) {
        let victim = VICTIMS[index % VICTIMS.len()];
        let scene = if (index / VICTIMS.len()) % 3 == 2 { Scene::Demo } else { Scene::Up };
        let mut random = Random::new((seed * 1_000_000 + index) as u64);
        let real = (0..ATTEMPTS_MAX).any(|_| World::new(scene).attempt(index, victim, &mut random));
        assert!(real, "try {index}: no {victim:?} of {scene:?} lived long enough to be killed");
    }
}

struct World {
    sandbox: Sandbox,
    scene: Scene,
    /// The app's.
    port: u16,
}

impl World {
    fn new(scene: Scene) -> Self {
        let sandbox = Sandbox::new();
        tree::write(&sandbox.workspace(), "index.html = hello");
        for file in 0..FILES {
            let folder = sandbox.workspace().join(format!("src/{}", file % 7));
            fs::create_dir_all(&folder).expect("folder");
            fs::write(folder.join(format!("{file}.txt")), "text\n".repeat(file)).expect("file");
        }
        Self { sandbox, scene, port: free_port() }
    }

    /// One try; false when the victim was gone before it was killed.
    fn attempt(&self, index: usize, victim: Victim, random: &mut Random) -> bool {
        let mut running = self.start();
        // Half of them within the start of the victim, the rest in the life after.
        let limit_ms = if random.below(2) == 0 { 30 } else { 800 };
        let delay = Duration::from_micros(random.below(limit_ms * 1_000) as u64);
        let killed = self.kill(victim, &mut running, delay);
        println!("try {index}: {victim:?} of {:?}, {delay:?} old: {killed}", self.scene);
        if self.scene == Scene::Demo {
            let pid = Pid::from_child(&running);
            let _ = kill_process(pid, Signal::INT); // it may be the one that was killed
        } else if random.below(2) == 0 {
            let _ = running.kill();
        }
        running.wait().expect("it ends");
        // A hub that lived, or came back for `up`, is no leftover.
        let steps: &[&[&str]] = match random.below(2) {
            0 => &[&["down"], &["doctor", "--fix"]],
            _ => &[&["doctor", "--fix"], &["down"], &["doctor", "--fix"]],
        };
        let mut what = format!("try {index}, {victim:?} of {:?}, {delay:?} old", self.scene);
        for step in steps {
            let output = self.sandbox.try_run(step);
            let failed = !output.status.success() && step[0] == "doctor";
            let said = [output.stdout, output.stderr].concat();
            write!(what, "\n$ towline {}\n{}", step.join(" "), String::from_utf8_lossy(&said))
                .expect("a string takes everything");
            assert!(!failed, "{what}");
        }
        self.assert_clean(&what);
        self.next_run(&what);
        // Told to end, an agent says goodbye before it is gone.
        wait::until("every process to end", || self.sandbox.leftovers().is_empty().then_some(()));
        self.assert_clean(&format!("{what}, next run"));
        killed
    }

    fn start(&self) -> Child {
        let (forward, port) = (format!("0:{}", self.port), self.port.to_string());
        let mut command = match self.scene {
            Scene::Up => {
                let mut up = self.sandbox.command(&["up", "local:../there", "--sync", ".:/app"]);
                up.args(["--forward", &forward, "--", "python3", "-m", "http.server"]);
                up.args(["--bind", "127.0.0.1", &port]);
                up
            }
            Scene::Demo => self.sandbox.command(&["demo", "--port", "0"]),
        };
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("towline can be started")
    }

    /// Kills the first of its kind. An `up` may end before there is one.
    fn kill(&self, victim: Victim, running: &mut Child, delay: Duration) -> bool {
        let line = match (victim, self.scene) {
            (Victim::Hub, Scene::Up) => "towline hub",
            (Victim::Hub, Scene::Demo) => "towline demo --port",
            (Victim::Agent, _) => "towline-agent serve",
            (Victim::Bootstrap, _) => "towline-agent attach",
            (Victim::App, Scene::Up) => "http.server --bind",
            (Victim::App, Scene::Demo) => "towline demo-app",
        };
        let own = running.id().cast_signed();
        let found = wait::until(&format!("a `{line}`"), || {
            let ended = running.try_wait().expect("it can be asked").is_some();
            let found = self.sandbox.leftovers().into_iter().find(|(pid, command)| {
                // `up` names the app's command, too.
                command.contains(line) && (*pid != own || self.scene == Scene::Demo)
            });
            (found.is_some() || ended).then_some(found)
        });
        let Some(pid) = found.and_then(|(pid, _)| Pid::from_raw(pid)) else { return false };
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        std::thread::park_timeout(delay);
        pidfd_send_signal(&handle, Signal::KILL).is_ok()
    }

    /// The same once more, as if nothing had been.
    fn next_run(&self, what: &str) {
        if self.scene == Scene::Demo {
            self.sandbox.run(&["demo", "--once", "--port", "0"]);
            return;
        }
        assert!(self.start().wait().expect("up ends").success(), "{what}: the next `up` fails");
        let status: serde_json::Value =
            serde_json::from_str(&self.sandbox.run(&["status", "--json"])).expect("JSON");
        let local = status["forwards"][0]["local"][0].as_str().expect("an address").to_owned();
        let page = wait::until("the app to answer through the forward", || {
            get(&local, "/app/index.html").or_else(|| get(&local, "/index.html"))
        });
        assert!(page.ends_with("hello"), "{what}: {page}");
        let (here, there) = (self.sandbox.workspace(), self.sandbox.there().join("app"));
        assert_eq!(tree::read(&here), tree::read(&there), "{what}");
        self.sandbox.run(&["down"]);
        assert!(TcpListener::bind(&local).is_ok(), "{what}: {local} is still held");
    }

    /// Nothing but what the user made and the copy of it.
    fn assert_clean(&self, what: &str) {
        let processes = self.sandbox.leftovers();
        assert!(
            processes.is_empty(),
            "{what}: left behind: {processes:#?}\n{}",
            self.sandbox.logs()
        );
        assert!(
            TcpListener::bind(("127.0.0.1", self.port)).is_ok(),
            "{what}: port {} is still held",
            self.port
        );
        let mut left = Vec::new();
        list(self.sandbox.path(), &mut left);
        let (here, there) = (self.sandbox.workspace(), self.sandbox.there().join("app"));
        // Where a user's files and sockets are; they stay, empty.
        let places = ["home", "home/state", "home/state/towline", "run", "run/towline"];
        let mut known: Vec<_> =
            places.iter().map(|place| self.sandbox.path().join(place)).collect();
        known.extend([here.clone(), self.sandbox.there(), there.clone()]);
        left.retain(|path| match path.strip_prefix(&there) {
            _ if known.contains(path) => false,
            Ok(copy) => !is_copy(&here.join(copy), path),
            Err(_) => !path.starts_with(&here) || is_ours(path),
        });
        assert!(left.is_empty(), "{what}: left behind: {left:#?}\n{}", self.sandbox.logs());
    }
}

/// A whole file that the user made, or a folder of them.
fn is_copy(original: &Path, copy: &Path) -> bool {
    (original.is_dir() && copy.is_dir())
        || fs::read(original).is_ok_and(|bytes| fs::read(copy).is_ok_and(|copy| copy == bytes))
}

fn is_ours(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_string_lossy().starts_with(".towline"))
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("folder").flatten() {
        if entry.file_type().expect("type").is_dir() {
            list(&entry.path(), found);
        }
        found.push(entry.path());
    }
}

fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.contains("200 OK").then_some(answer)
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port()
}
