//! Faults under load: a download with its checksum, idle and busy connections and a
//! shell in use live on while what carries them is killed, one after the other.
//! Prints how long each fault was felt.

use std::any::Any;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use harness::cluster::Component;
use harness::{tree, wait};

use crate::shop::{Shop, cluster, get};

/// Echoes on 5432, serves /tmp on 8080; makes what is downloaded.
const SERVERS: &str = r#"command: [sh, -c, "nc -ll -p 5432 -e cat & dd if=/dev/urandom \
    of=/tmp/new bs=1M count=1024; mv /tmp/new /tmp/big; exec httpd -f -p 8080 -h /tmp"]"#;
const BIG: usize = 1024 * 1024 * 1024;
const IDLE: usize = 100;
const BUSY: usize = 20;
/// A connection does not stand still for longer beyond a fault, whatever happens.
const STANDSTILL: Duration = Duration::from_secs(90);
/// How long a laptop sleeps.
const SLEEP: Duration = Duration::from_secs(40);

/// How often everything has to go on while a fault lasts.
const LONG: usize = 50;

/// What goes on the whole time.
struct Load {
    over: Arc<AtomicBool>,
    /// Rounds of each worker so far.
    rounds: Vec<Arc<AtomicU64>>,
    workers: Vec<JoinHandle<()>>,
    downloads: Arc<AtomicU64>,
    /// Echoes lines.
    shell: Child,
    idle: Vec<TcpStream>,
    echo: String,
}

/// The longest time without a network: `TOWLINE_OUTAGE_S`, or 30 s.
fn outage() -> Duration {
    let asked = std::env::var("TOWLINE_OUTAGE_S").ok();
    let seconds = asked.map_or(30, |text| text.parse().expect("TOWLINE_OUTAGE_S is a number"));
    Duration::from_secs(seconds)
}

/// A connection that does not wait for ever.
pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the forward listens");
    stream.set_read_timeout(Some(outage() + STANDSTILL)).expect("a timeout can be set");
    stream.set_nodelay(true).expect("Nagle's algorithm can be turned off");
    stream
}

/// Sends 64 bytes and expects them back.
pub fn echo(stream: &mut TcpStream, round: u64) {
    let mut sent = [0x2a; 64];
    sent[..8].copy_from_slice(&round.to_le_bytes());
    let mut got = [0; 64];
    stream.write_all(&sent).expect("a connection was reset");
    stream.read_exact(&mut got).expect("a connection was reset, or stands still");
    assert_eq!(got, sent, "bytes were lost or changed");
}

/// Downloads the whole file and compares its checksum.
fn download(address: &str, sum: &str) {
    let mut stream = connect(address);
    stream.write_all(b"GET /big HTTP/1.0\r\n\r\n").expect("it takes the request");
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
    }
    let mut hasher = Command::new("sha256sum");
    let mut hasher = hasher
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sha256sum can be started");
    let mut into = hasher.stdin.take().expect("a pipe");
    let count = std::io::copy(&mut reader, &mut into).expect("the download was cut");
    drop(into);
    let told = hasher.wait_with_output().expect("sha256sum ends").stdout;
    assert_eq!(count, BIG as u64, "the download ended early");
    assert!(told.starts_with(sum.as_bytes()), "the download has another checksum");
}

impl Load {
    fn start(shop: &Shop, sum: &str) -> Self {
        let (echo_at, web) = (shop.address(0), shop.address(1));
        let mut shell = shop.command(&["exec", "--", "cat"]);
        let mut shell =
            shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("exec starts");
        let mut input = shell.stdin.take().expect("a pipe");
        let mut output = BufReader::new(shell.stdout.take().expect("a pipe"));
        let mut load = Self {
            shell,
            over: Arc::default(),
            rounds: Vec::new(),
            workers: Vec::new(),
            downloads: Arc::default(),
            idle: Vec::new(),
            echo: echo_at.clone(),
        };
        for number in 0..IDLE {
            // One after the other: BusyBox listens with a short queue.
            let mut stream = connect(&echo_at);
            echo(&mut stream, number as u64);
            load.idle.push(stream);
        }
        for _ in 0..BUSY {
            let mut stream = connect(&echo_at);
            load.work(move |round| echo(&mut stream, round));
        }
        load.work(move |round| {
            writeln!(input, "line {round}").expect("the command has ended");
            let mut line = String::new();
            output.read_line(&mut line).expect("the command's output");
            assert_eq!(line, format!("line {round}\n"));
        });
        let (over, downloads, sum) = (load.over.clone(), load.downloads.clone(), sum.to_owned());
        load.workers.push(std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                download(&web, &sum);
                downloads.fetch_add(1, Ordering::Relaxed);
            }
        }));
        load
    }

    fn work(&mut self, mut round: impl FnMut(u64) + Send + 'static) {
        let (over, rounds) = (self.over.clone(), Arc::new(AtomicU64::new(0)));
        self.rounds.push(rounds.clone());
        self.workers.push(std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                round(rounds.fetch_add(1, Ordering::Relaxed));
            }
        }));
    }

    /// Waits until every worker has done something new.
    fn goes_on(&self) {
        let before: Vec<u64> =
            self.rounds.iter().map(|rounds| rounds.load(Ordering::Relaxed)).collect();
        for (at, rounds) in self.rounds.iter().enumerate() {
            wait::until("every connection to go on", || {
                assert!(
                    !self.workers.iter().any(JoinHandle::is_finished),
                    "a connection or the download did not live on"
                );
                (rounds.load(Ordering::Relaxed) >= before[at] + 2).then_some(())
            });
        }
    }

    fn end(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        for worker in self.workers.drain(..) {
            worker.join().expect("a worker failed");
        }
        let ended = self.shell.wait().expect("the shell's end is told");
        assert!(ended.success(), "the shell ended with {ended}");
        for (at, stream) in self.idle.iter_mut().enumerate() {
            echo(stream, at as u64);
        }
        echo(&mut connect(&self.echo), 0);
        self.downloads.load(Ordering::Relaxed)
    }
}

/// Stops the hub for as long as a laptop sleeps, while `meanwhile` happens.
fn sleep(shop: &Shop, meanwhile: impl FnOnce()) {
    let hub = shop.status()["pid"].as_i64().expect("the hub's process");
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &hub.to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {name} {hub}");
    };
    signal("-STOP");
    meanwhile();
    wait::pass(SLEEP);
    signal("-CONT");
}

fn lossy() -> Box<dyn Any> {
    Box::new(cluster().lose(5))
}

/// Ends the process whose exec carries the link.
fn cut_exec(shop: &Shop) {
    let kill = "for p in /proc/[0-9]*; do grep -q '[a]ttach.--start' $p/cmdline && \
                kill -9 ${p#/proc/}; done; true";
    shop.kubectl(&["exec", "deploy/api", "--", "sh", "-c", kill]);
}

#[test]
fn a_new_token_in_the_kubeconfig_is_taken_when_the_old_one_is_void() {
    let shop = Shop::new();
    shop.deploy("api", "command: [nc, -ll, -p, '5432', -e, cat]");
    let up = ["up", "deploy/api", "--forward", "0:5432"];
    let up = shop.command(&up).env("TOWLINE_CARRIER", "stream").output().expect("it starts");
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let mut stream = connect(&shop.address(0));
    echo(&mut stream, 1);
    // Another account of the same name: the rights are the same, the tokens are not.
    shop.kubectl(&["delete", "serviceaccount", "dev"]);
    shop.kubectl(&["create", "serviceaccount", "dev"]);
    wait::until("the old token to be refused", || {
        (!shop.try_run(&["list"]).status.success()).then_some(())
    });
    cut_exec(&shop);
    wait::until("the link to say so", || {
        let status = shop.status();
        status["link"]["reason"].as_str()?.contains("log in again").then_some(())
    });
    shop.write_kubeconfig("dev");
    echo(&mut stream, 2);
    shop.run(&["down"]);
}

/// What shows a process another time of day, which a file tells.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

#[test]
fn a_clock_that_jumps_is_not_felt() {
    let shop = Shop::new();
    shop.deploy(
        "api",
        r#"command: [sh, -c, "nc -ll -p 5432 -e cat & exec httpd -f -p 8080 -h /app"]"#,
    );
    let here = shop.sandbox.workspace();
    tree::write(&here, "page = 0");
    assert!(Path::new(FAKETIME).exists(), "install faketime");
    let clock = shop.sandbox.path().join("clock");
    fs::write(&clock, "+0").expect("the time can be told");
    let up = ["up", "deploy/api", "--sync", ".:/app", "--forward", "0:5432", "--forward", "0:8080"];
    let mut up = shop.command(&up);
    up.env("LD_PRELOAD", FAKETIME).env("FAKETIME_TIMESTAMP_FILE", &clock);
    // As on a laptop: the time of day jumps, the time since its start does not.
    up.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let up = up.output().expect("it starts");
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let mut stream = connect(&shop.address(0));
    let web = shop.address(1);
    for (round, jump) in [(1, "+10h"), (2, "-10h"), (3, "+1h"), (4, "-40d"), (5, "+0")] {
        fs::write(&clock, jump).expect("the time can be told");
        echo(&mut stream, round);
        fs::write(here.join("page"), round.to_string()).expect("an edit");
        wait::until("the edit to be served", || {
            (get(&web, "/page")? == round.to_string()).then_some(())
        });
        let link = shop.status()["link"].clone();
        assert_eq!(link["state"], "up", "{jump}: {link}");
        echo(&mut connect(&shop.address(0)), round);
    }
    shop.run(&["down"]);
}

enum Fault<'a> {
    /// Over as soon as it is done.
    Brief(&'a dyn Fn()),
    /// Lasts until what it returns is dropped.
    Lasting(&'a dyn Fn() -> Box<dyn Any>),
}

/// Goes on with a load while `faults` happen, one after the other, each time when the
/// link goes by what is called `name`.
fn live_on(shop: &Shop, carrier: &str, name: &str, faults: &[(&str, Fault<'_>)]) {
    shop.deploy("api", SERVERS);
    let up = ["up", "deploy/api", "--forward", "0:5432", "--forward", "0:8080"];
    let output = shop.command(&up).env("TOWLINE_CARRIER", carrier).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait::until("the file to be there", || {
        shop.try_kubectl(&["exec", "deploy/api", "--", "test", "-e", "/tmp/big"]).ok()
    });
    let sum = shop.kubectl(&["exec", "deploy/api", "--", "sha256sum", "/tmp/big"]);
    let sum = sum.split(' ').next().expect("a checksum");
    let load = Load::start(shop, sum);
    load.goes_on();
    for (fault_name, fault) in faults {
        wait::until(&format!("the link to go by {name}"), || {
            shop.status()["link"]["carrier"].as_str()?.starts_with(name).then_some(())
        });
        let lasts = match fault {
            Fault::Brief(fault) => {
                fault();
                None
            }
            Fault::Lasting(fault) => Some(fault()),
        };
        let since = Instant::now();
        load.goes_on();
        println!("{fault_name} (by {name}): everything went on {:?} later", since.elapsed());
        if lasts.is_some() {
            (0..LONG).for_each(|_| load.goes_on());
            println!("{fault_name}: {LONG} times more within {:?}", since.elapsed());
        }
    }
    let downloads = load.end();
    println!("{downloads} downloads of 1 GiB, each with its checksum");
    shop.run(&["down"]);
}

#[test]
fn connections_live_on_whatever_carries_them_is_killed() {
    let shop = Shop::alone();
    live_on(
        &shop,
        "stream",
        "exec",
        &[
            ("exec stream cut", Fault::Brief(&|| cut_exec(&shop))),
            ("API server killed", Fault::Brief(&|| cluster().kill(Component::ApiServer))),
            ("kubelet killed", Fault::Brief(&|| cluster().kill(Component::Kubelet))),
            ("containerd killed", Fault::Brief(&|| cluster().kill(Component::Containerd))),
            (
                &format!("{} s without a network", outage().as_secs()),
                Fault::Brief(&|| cluster().outage(outage())),
            ),
        ],
    );
}

#[test]
fn connections_live_on_while_a_port_forward_is_cut_and_packets_are_lost() {
    let shop = Shop::alone();
    shop.grant("dev", &["--port-forward"]);
    live_on(
        &shop,
        "port-forward",
        "port-forward",
        &[
            ("port-forward cut", Fault::Brief(&|| cluster().cut_connections())),
            ("containerd killed", Fault::Brief(&|| cluster().kill(Component::Containerd))),
            ("5 % loss", Fault::Lasting(&lossy)),
        ],
    );
}

#[test]
fn connections_live_on_by_udp_with_loss_and_through_an_outage() {
    let shop = Shop::alone();
    live_on(
        &shop,
        "auto",
        "udp",
        &[
            ("5 % loss", Fault::Lasting(&lossy)),
            ("5 s without a network", Fault::Brief(&|| cluster().outage(Duration::from_secs(5)))),
            ("laptop asleep", Fault::Brief(&|| sleep(&shop, || {}))),
        ],
    );
}

#[test]
fn connections_live_on_while_the_laptop_sleeps() {
    let shop = Shop::alone();
    live_on(
        &shop,
        "stream",
        "exec",
        &[
            ("laptop asleep", Fault::Brief(&|| sleep(&shop, || {}))),
            (
                "laptop asleep, its connections cut",
                Fault::Brief(&|| sleep(&shop, || cluster().cut_connections())),
            ),
        ],
    );
}
