//! Suite: `towline shell` and `towline exec` as a person and a pipe meet them:
//! the real binary, in a real terminal and between real pipes.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use harness::bins::bins;
use harness::sandbox::Sandbox;
use harness::wait;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

/// A terminal with a program in it.
struct Terminal {
    master: File,
    /// Held open, so that its modes can be looked at afterwards.
    slave: File,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// `towline ARGS` as the session leader of a terminal of its own.
    fn run(sandbox: &Sandbox, args: &[&str], size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let slave = File::options().read(true).write(true).open(name).unwrap();
        let master = File::from(master);
        let like = sandbox.command(&[]);
        // Makes its standard input the terminal that signals come from.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(&bins().towline).args(args).current_dir(sandbox.workspace());
        for (name, value) in like.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(slave.try_clone().unwrap()).stdout(slave.try_clone().unwrap());
        command.stderr(slave.try_clone().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        set_size(&master, size);
        let child = command.spawn().expect("setsid is there");
        let terminal = Self { master, slave, child, seen };
        let (mut reader, seen) = (terminal.master.try_clone().unwrap(), terminal.seen.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut piece) {
                seen.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        terminal
    }

    fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until it shows `text`, and forgets everything up to there.
    fn expect(&self, text: &str) {
        let what = format!("the terminal to show {text:?}");
        wait::until(&what, || {
            let mut seen = self.seen.lock().unwrap();
            let shown = String::from_utf8_lossy(&seen).into_owned();
            let at = shown.find(text)? + text.len();
            *seen = shown.as_bytes()[at..].to_vec();
            Some(())
        });
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }
}

fn set_size(master: &File, (ws_row, ws_col): (u16, u16)) {
    let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).unwrap();
}

#[test]
fn a_shell_in_a_terminal_is_a_shell_in_a_terminal() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.command(&["up", "local:../there", "--sync", ".:/app"]);
    let up = up.env("SHELL", "/bin/sh").env("PS1", "here> ").env_remove("ENV").output().unwrap();
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));

    let mut terminal = Terminal::run(&sandbox, &["shell"], (31, 97));
    let before = terminal.modes();
    terminal.expect("here> ");
    assert!(!terminal.modes().local_modes.contains(LocalModes::ECHO), "keys go through as bytes");
    terminal.type_in("stty size; test -t 0 && echo terminal-$((1+1))\r");
    terminal.expect("31 97");
    terminal.expect("terminal-2");
    terminal.expect("here> ");

    terminal.type_in("sleep 1234\r");
    wait::until("the sleep to run", || {
        sandbox.leftovers().iter().any(|(_, line)| line.starts_with("sleep 1234")).then_some(())
    });
    terminal.type_in("\x03");
    terminal.expect("here> ");
    assert!(!sandbox.leftovers().iter().any(|(_, line)| line.starts_with("sleep 1234")));

    set_size(&terminal.master, (50, 120));
    terminal.type_in("until [ \"$(stty size)\" = '50 120' ]; do :; done; echo sized-$((1+1))\r");
    terminal.expect("sized-2");
    terminal.expect("here> ");

    terminal.type_in("exit 7\r");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(7));
    let after = terminal.modes();
    assert_eq!(after.local_modes, before.local_modes);
    assert_eq!(after.input_modes, before.input_modes);
    assert_eq!(after.output_modes, before.output_modes);
    sandbox.run(&["down"]);
}

#[test]
fn exec_passes_any_bytes_an_end_of_input_and_a_status() {
    const LEN: u32 = 64 << 20;
    let sandbox = Sandbox::new();
    sandbox.run(&["up", "local:../there"]);
    let started = Instant::now();
    let mut exec = sandbox.command(&["exec", "--", "sh", "-c", "cat; exit 3"]);
    let mut exec = exec.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let body: Vec<u8> = (0..LEN).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (mut stdin, expected) = (exec.stdin.take().unwrap(), blake3::hash(&body));
    let sending = std::thread::spawn(move || stdin.write_all(&body).unwrap());
    let mut back = Vec::new();
    exec.stdout.take().unwrap().read_to_end(&mut back).unwrap();
    sending.join().unwrap();
    assert_eq!(exec.wait().unwrap().code(), Some(3), "the end of input ended it");
    assert!(blake3::hash(&back) == expected, "{} bytes came back", back.len());
    let seconds = started.elapsed().as_secs_f64();
    println!("exec: {LEN} bytes there and back, {:.0} MB/s", f64::from(LEN) / 1e6 / seconds);

    // A command that is ended by a signal ends as a shell would say it.
    let killed = sandbox.try_run(&["exec", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.status.code(), Some(128 + 15));
    // Both outputs stay apart, and `--` may be left out.
    let both = sandbox.try_run(&["exec", "sh", "-c", "echo out; echo err >&2"]);
    assert_eq!((&both.stdout[..], &both.stderr[..]), (&b"out\n"[..], &b"err\n"[..]));
    sandbox.run(&["down"]);
}
