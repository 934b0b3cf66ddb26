//! Suite: `towline shell` and `towline exec` as a person and a pipe meet them:
//! the real binary, in a real terminal and between real pipes.

use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Instant;

use harness::sandbox::Sandbox;
use harness::terminal::Terminal;
use harness::wait;
use rustix::termios::LocalModes;

#[test]
fn a_shell_in_a_terminal_is_a_shell_in_a_terminal() {
    let sandbox = Sandbox::new();
    let mut up = sandbox.command(&["up", "local:../there", "--sync", ".:/app"]);
    let up = up.env("SHELL", "/bin/sh").env("PS1", "here> ").env_remove("ENV").output().unwrap();
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));

    let mut terminal = Terminal::run(&sandbox.command(&["shell"]), (31, 97));
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

    terminal.set_size((50, 120));
    terminal.type_in("until [ \"$(stty size)\" = '50 120' ]; do :; done; echo sized-$((1+1))\r");
    terminal.expect("sized-2");
    terminal.expect("here> ");

    terminal.type_in("exit 7\r");
    assert_eq!(terminal.wait(), Some(7));
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
