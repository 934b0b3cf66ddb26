//! Slow suite: chaos. Each process is killed at random points of a session;
//! after `towline doctor --fix` nothing may be left, and the next run works.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use harness::sandbox::Sandbox;
use harness::{tree, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::random::Random;

const TRIES: u64 = 30;

/// What may die, told by its command line.
const VICTIMS: [(&str, &str); 4] = [
    ("hub", "towline hub"),
    ("agent", "towline-agent serve"),
    ("bootstrap", "towline-agent attach"),
    ("app", "http.server"),
];

#[test]
fn killed_anywhere_it_leaves_nothing_and_starts_again() {
    for seed in 1..=TRIES {
        let mut random = Random::new(seed);
        let sandbox = Sandbox::new();
        tree::write(&sandbox.workspace(), "index.html = hello\nsrc/a.py = print(1)");
        let port = free_port();
        let app = ["--", "python3", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]
            .map(str::to_owned);
        let (name, victim) = VICTIMS[random.below(VICTIMS.len())];

        let mut up = sandbox.command(&[
            "up",
            "local:../there",
            "--sync",
            ".:/app",
            "--forward",
            &format!("0:{port}"),
        ]);
        let mut up = up.args(&app).spawn().expect("towline can be started");
        // A random point of the start, or of the life after it.
        std::thread::park_timeout(Duration::from_millis(random.below(1_500) as u64));
        let killed = kill(&sandbox, victim);
        println!("seed {seed}: {name} killed: {killed:?}");
        if random.below(2) == 0 {
            let _ = up.kill();
        }
        up.wait().expect("up ends");

        sandbox.run(&["doctor", "--fix"]);
        sandbox.try_run(&["down"]);
        sandbox.run(&["doctor", "--fix"]);
        assert_clean(&sandbox, seed);

        let mut args = vec!["up", "local:../there", "--sync", ".:/app", "--json"];
        args.extend(app.iter().map(String::as_str));
        let forward = format!("0:{port}");
        args.splice(4..4, ["--forward", &forward]);
        sandbox.run(&args);
        let status: serde_json::Value =
            serde_json::from_str(&sandbox.run(&["status", "--json"])).expect("status is JSON");
        let local = status["forwards"][0]["local"][0]
            .as_str()
            .expect("a forward has an address")
            .to_owned();
        let page = wait::until("the app to answer through the forward", || {
            get(&local, "/app/index.html").or_else(|| get(&local, "/index.html"))
        });
        assert!(page.ends_with("hello"), "seed {seed}: {page}");
        sandbox.run(&["down"]);
        assert_clean(&sandbox, seed);
    }
}

fn kill(sandbox: &Sandbox, victim: &str) -> Vec<i32> {
    let pids: Vec<i32> = sandbox
        .leftovers()
        .into_iter()
        .filter(|(_, line)| line.contains(victim))
        .map(|(pid, _)| pid)
        .collect();
    for pid in &pids {
        if let Some(pid) = Pid::from_raw(*pid) {
            let _ = kill_process(pid, Signal::KILL); // it may have ended by itself
        }
    }
    pids
}

fn assert_clean(sandbox: &Sandbox, seed: u64) {
    wait::until(&format!("seed {seed}: every process to be gone"), || {
        sandbox.leftovers().is_empty().then_some(())
    });
    let mut files = Vec::new();
    for folder in ["run", "there"] {
        list(&sandbox.path().join(folder), &mut files);
    }
    files.retain(|file| !file.contains("/there/app") || file.contains(".towline"));
    assert!(files.is_empty(), "seed {seed}: left behind: {files:#?}");
}

fn list(folder: &Path, files: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
    {
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path.display().to_string());
        }
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
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("port")
        .port()
}
