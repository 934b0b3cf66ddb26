//! Slow suite: lossy. The product's main flows between two network namespaces
//! with 80 ms of round trip, 3 % loss and reordering: by UDP, and by a stream
//! that TCP carries. Whatever the network does costs time and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use harness::bins::bins;
use harness::net::{Net, inside};
use harness::sandbox::Sandbox;
use harness::wire::Faults;
use harness::{tree, wait};

use crate::random::Random;

/// 80 ms of round trip; 5 % overtake 20 ms of others.
const FAULTS: Faults =
    Faults { delay: Duration::from_millis(40), lost: 3, early: 5, seed: 20_261_123 };
const FILES: usize = 300;
const CONNECTIONS: usize = 100;

/// How much each flow carries.
struct Load {
    /// Bytes of one file, four times those of the transfer that is disturbed.
    big: usize,
    /// Bytes that each connection echoes.
    echoed: usize,
    /// Lines that a command writes.
    lines: usize,
}

/// What our own loss recovery carries in a minute.
const MUCH: Load = Load { big: 20 * 1024 * 1024, echoed: 64 * 1024, lines: 300_000 };
/// What TCP does: by its own formula (Mathis 1997) it gets 130 kB/s on such a path.
const LITTLE: Load = Load { big: 2 * 1024 * 1024, echoed: 8 * 1024, lines: 50_000 };

/// A hub in the near namespace, an agent in the far one.
struct World {
    net: Net,
    sandbox: Sandbox,
    environment: Vec<(&'static str, String)>,
    /// Echoes, in the far namespace.
    port: u16,
    /// TCP connections that carry bootstrap channels.
    channels: Arc<Mutex<Vec<TcpStream>>>,
    /// Keeps the far mount namespace.
    holder: Option<Child>,
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(holder) = &mut self.holder {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}

impl World {
    fn new(number: u8) -> Self {
        let net = Net::new(number, FAULTS);
        let port = inside(&net.far, echo);
        let (sandbox, channels) = (Sandbox::new(), Arc::default());
        Self { net, sandbox, environment: Vec::new(), port, channels, holder: None }
    }

    /// The bootstrap channel is local, and UDP crosses the network.
    fn by_udp() -> Self {
        let mut world = Self::new(1);
        let agent = bins().agent.display();
        world.agent(&format!(
            "#!/bin/sh\nexec nsenter --net=/var/run/netns/{} {agent} \"$@\"\n",
            world.net.far
        ));
        world.environment.push(("TOWLINE_CARRIER", "auto".into()));
        world.environment.push(("TOWLINE_UDP_HOST", world.net.far_address()));
        world
    }

    /// The bootstrap channel is a TCP connection across the network, and the
    /// agent's own socket is out of the hub's reach.
    fn by_tcp() -> Self {
        let mut world = Self::new(2);
        let hidden = ["run", "home"].map(|name| world.sandbox.path().join(name));
        let script = format!(
            "mount -t tmpfs tmpfs {} && mount -t tmpfs tmpfs {} && echo && exec cat",
            hidden[0].display(),
            hidden[1].display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let ready = BufReader::new(holder.stdout.take().unwrap()).lines().next();
        ready.expect("the far mount namespace was not made").unwrap();
        let port = serve_channels(&world.net, holder.id(), world.channels.clone());
        world.holder = Some(holder);
        world.agent(&format!(
            "#!/bin/bash\nexec 3<>/dev/tcp/{}/{port}\nprintf '%s\\n' \"$*\" >&3\ncat <&3 &\n\
             exec cat >&3\n",
            world.net.far_address()
        ));
        world
    }

    fn agent(&mut self, script: &str) {
        let path = self.sandbox.path().join("agent.sh");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self.environment.push(("TOWLINE_AGENT_BIN", path.display().to_string()));
    }

    fn try_run(&self, args: &[&str]) -> Output {
        let mut command = self.sandbox.command(args);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        inside(&self.net.near, || command.output().unwrap())
    }

    fn run(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}\n{}", self.sandbox.logs());
        String::from_utf8(output.stdout).unwrap()
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.run(&["status", "--json"])).unwrap()
    }

    fn carrier(&self) -> String {
        self.status()["link"]["carrier"].as_str().unwrap_or_default().to_owned()
    }

    fn equal(&self) {
        let there = self.sandbox.there().join("app");
        wait::until("both trees to be equal", || {
            (tree::read(&self.sandbox.workspace()) == tree::read(&there)).then_some(())
        });
    }
}

/// Serves bootstrap channels in the far namespaces: a line of arguments, then
/// the agent's standard input and output.
fn serve_channels(net: &Net, holder: u32, channels: Arc<Mutex<Vec<TcpStream>>>) -> u16 {
    let address = (net.far_address(), 0);
    inside(&net.far, || {
        let listener = TcpListener::bind(address).unwrap();
        let port = listener.local_addr().unwrap().port();
        let far = format!("--net=/var/run/netns/{}", net.far);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let mut line = Vec::new();
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() && byte[0] != b'\n' {
                    line.push(byte[0]);
                }
                let line = String::from_utf8(line).unwrap();
                let agent = Command::new("nsenter")
                    .args([&format!("--mount=/proc/{holder}/ns/mnt"), &far])
                    .arg(&bins().agent)
                    .args(line.split_whitespace())
                    .stdin(std::os::fd::OwnedFd::from(stream.try_clone().unwrap()))
                    .stdout(std::os::fd::OwnedFd::from(stream.try_clone().unwrap()))
                    .stderr(Stdio::null())
                    .spawn();
                let mut agent = agent.unwrap();
                channels.lock().unwrap().push(stream.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = agent.wait();
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        port
    })
}

/// A server that sends back whatever arrives.
fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut tx = stream.unwrap();
            let mut rx = tx.try_clone().unwrap();
            std::thread::spawn(move || {
                if std::io::copy(&mut rx, &mut tx).is_ok() {
                    let _ = tx.shutdown(Shutdown::Write); // a test that ends cuts its connections
                }
            });
        }
    });
    port
}

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes: Vec<u8> =
        (0..len.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
    bytes.truncate(len);
    bytes
}

/// Sends `sent` to the echo while `half_way` happens, and gets it back.
fn round_trip(address: &str, sent: &[u8], half_way: impl FnOnce()) {
    let mut rx = TcpStream::connect(address).unwrap();
    rx.set_read_timeout(Some(2 * wait::PATIENCE)).unwrap();
    let mut tx = rx.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            tx.write_all(sent).expect("a forwarded connection was reset");
            tx.shutdown(Shutdown::Write).unwrap();
        });
        let mut got = vec![0; sent.len() / 2];
        rx.read_exact(&mut got).expect("a forwarded connection stands still or was reset");
        half_way();
        rx.read_to_end(&mut got).expect("a forwarded connection stands still or was reset");
        assert_eq!(blake3::hash(&got), blake3::hash(sent), "what came back is not what was sent");
    });
}

/// The flows that every carrier has to bear; `disturb` takes the carrier away in
/// the middle of a transfer.
fn essentials(
    world: &World,
    load: &Load,
    carried: impl Fn(&str) -> bool,
    disturb: impl Fn() + Sync,
) {
    let (here, there) = (world.sandbox.workspace(), world.sandbox.there().join("app"));
    let mut since = Instant::now();
    let mut told = |what: &str| {
        println!("{what}: {:.1} s", since.elapsed().as_secs_f64());
        since = Instant::now();
    };
    tree::fill(&here, FILES, 2000, 1);
    fs::write(here.join("big.bin"), bytes(7, load.big)).unwrap();
    let forward = format!("0:{}", world.port);
    world.run(&["up", "local:../there", "--sync", ".:/app", "--forward", &forward]);
    world.equal();
    told("first sync");
    wait::until("the carrier under test", || carried(&world.carrier()).then_some(()));

    for number in 0..40 {
        fs::write(here.join(format!("here-{number}.txt")), format!("edit {number}")).unwrap();
        fs::write(there.join(format!("there-{number}.txt")), format!("edit {number}")).unwrap();
    }
    fs::write(there.join("here-0.txt"), "again").ok(); // a conflict at worst, never a loss
    fs::remove_file(there.join("here-0.txt")).ok();
    world.run(&["sync", "wait"]);
    wait::until("the edits on both sides", || {
        let here = (1..40).all(|number| here.join(format!("there-{number}.txt")).exists());
        (here && (1..40).all(|number| there.join(format!("here-{number}.txt")).exists()))
            .then_some(())
    });
    told("edits both ways");

    let status = world.status();
    let address = status["forwards"][0]["local"][0].as_str().unwrap().to_owned();
    std::thread::scope(|scope| {
        for number in 0..CONNECTIONS {
            let (address, near) = (&address, &world.net.near);
            scope.spawn(move || {
                inside(near, || round_trip(address, &bytes(number as u64, load.echoed), || {}));
            });
        }
    });
    told("100 connections");

    let output = world.try_run(&["exec", "--", "sh", "-c", &format!("seq {}; exit 7", load.lines)]);
    assert_eq!(output.status.code(), Some(7));
    let expected: String = (1..=load.lines).map(|line| format!("{line}\n")).collect();
    assert!(output.stdout == expected.as_bytes(), "the command's output is not what it wrote");
    told("a command's output");

    inside(&world.net.near, || round_trip(&address, &bytes(3, load.big / 4), &disturb));
    told("a swap under a transfer");
    fs::write(here.join("last.txt"), "last").unwrap();
    world.run(&["sync", "wait"]);
    assert_eq!(fs::read_to_string(there.join("last.txt")).unwrap(), "last");
    let status = world.status();
    println!("{}", status["link"]);
    world.run(&["down"]);
    told("the end");
}

#[test]
fn every_flow_passes_a_lossy_network_by_udp() {
    let world = World::by_udp();
    essentials(
        &world,
        &MUCH,
        |name| name == "udp",
        || {
            // the network goes: the link falls back to its stream, and returns
            world.net.link(false);
            wait::until("the stream to take over", || {
                (world.carrier() == "unix socket").then_some(())
            });
            world.net.link(true);
            wait::until("UDP to be found again", || (world.carrier() == "udp").then_some(()));
        },
    );
}

#[test]
fn every_flow_passes_a_lossy_network_by_a_stream() {
    let world = World::by_tcp();
    let cut = || {
        for channel in world.channels.lock().unwrap().drain(..) {
            let _ = channel.shutdown(Shutdown::Both); // an old one is closed already
        }
    };
    essentials(&world, &LITTLE, |name| name == "child process", cut);
}
