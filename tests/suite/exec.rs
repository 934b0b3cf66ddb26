//! Suite: commands, terminals, the supervised app and its log, from the client
//! half to real processes, over a real connection in memory.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use agent::context::Context;
use agent::router::Router;
use harness::wait;
use lsp::remote::exec::{self, Event, ExitStatus, Streams};
use lsp::remote::splice::splice;
use lsp::remote::{app, logs};
use protocol::error::ErrorCode;
use protocol::io::connection::{Channel, Connection, OpenError};
use protocol::io::framed;
use protocol::io::quic::{self, Pair};
use protocol::wire::app::{AppCommand, AppReply, AppRequest, Logs};
use protocol::wire::exec::{Exec, Exit, Input, Output, WindowSize};
use protocol::wire::stream::{Open, Opened, Priority};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Generous: only a hang takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent whose root is a directory of its own.
struct Bench {
    root: tempfile::TempDir,
    hub: Connection,
    _pair: Pair,
    router: Router,
}

impl Bench {
    async fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let pair = quic::pair().await.unwrap();
        let router = Router::new(Context {
            root: root.path().to_path_buf(),
            state_dir: root.path().join(".state"),
            shutdown: CancellationToken::new(),
            marker: format!("suite-exec-{}", root.path().display()),
        });
        let (serving, hub, agent) = (router.clone(), pair.hub.clone(), pair.agent.clone());
        tokio::spawn(async move { serving.serve(agent).await });
        Self { root, hub, _pair: pair, router }
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    async fn open(&self, exec: Exec) -> Result<Channel, OpenError> {
        self.hub.open(&Open::Exec(exec), Priority::Terminal).await
    }

    async fn run(&self, argv: &[&str], stdin: &[u8]) -> (ExitStatus, String, String) {
        let channel = self.open(command(argv)).await.unwrap();
        let (status, out, err) = run_on(channel, stdin).await;
        (status, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// Runs a shell script without input and returns what it printed.
    async fn sh(&self, script: &str) -> (ExitStatus, String, String) {
        self.run(&["sh", "-c", script], b"").await
    }

    async fn app(&self, request: AppRequest) -> AppReply {
        within(app::request(&self.hub, request)).await.unwrap()
    }

    async fn logs(&self, tail: Option<u32>) -> String {
        let open = Open::Logs(Logs { tail, follow: false });
        let channel = self.hub.open(&open, Priority::Proxied).await.unwrap();
        let mut text = Vec::new();
        within(logs::print(channel.rx, &mut text, logs::Format::Plain)).await.unwrap();
        String::from_utf8(text).unwrap()
    }
}

fn command(argv: &[&str]) -> Exec {
    let argv = argv.iter().map(|text| (*text).to_owned()).collect();
    Exec { argv, cwd: None, env: Vec::new(), tty: None }
}

fn script(text: &str) -> AppCommand {
    AppCommand { argv: ["sh", "-c", text].map(str::to_owned).into(), cwd: None, env: Vec::new() }
}

async fn run_on(channel: Channel, stdin: &[u8]) -> (ExitStatus, Vec<u8>, Vec<u8>) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let (_event_tx, event_rx) = mpsc::channel(1);
    let streams = Streams { stdin, stdout: &mut stdout, stderr: &mut stderr, event_rx };
    let status = within(exec::carry(channel.rx, channel.tx, streams)).await;
    (status, stdout, stderr)
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("no hang")
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait::until_async(what, async || is_so().then_some(())).await;
}

fn is_alive(pid: &str) -> bool {
    match std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())) {
        Ok(stat) => !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'),
        Err(_) => false,
    }
}

fn code(code: u8) -> ExitStatus {
    ExitStatus { code, message: None }
}

#[tokio::test]
async fn output_is_told_apart_and_the_exit_code_is_the_commands() {
    let bench = Bench::new().await;
    let ran = bench.sh("echo out; echo err >&2; exit 7").await;
    assert_eq!(ran, (code(7), "out\n".to_owned(), "err\n".to_owned()));
    assert_eq!(bench.sh("exit 0").await.0, code(0));
    assert_eq!(bench.sh("kill -9 $$").await.0, code(128 + 9));
}

#[tokio::test]
async fn directory_environment_and_marker_reach_the_command() {
    let bench = Bench::new().await;
    std::fs::create_dir_all(bench.path().join("app/src")).unwrap();
    let root = bench.path().canonicalize().unwrap().display().to_string();
    let check = async |cwd: Option<&str>, expected: &str| {
        let mut exec = command(&["sh", "-c", "pwd -P; printf %s \"$GREETING\""]);
        exec.cwd = cwd.map(str::to_owned);
        exec.env = vec![("GREETING".to_owned(), "hé llo".to_owned())];
        let (_, out, _) = run_on(bench.open(exec).await.unwrap(), b"").await;
        assert_eq!(String::from_utf8(out).unwrap(), format!("{root}{expected}\nhé llo"), "{cwd:?}");
    };
    check(None, "").await;
    check(Some("/app"), "/app").await;
    check(Some("app/src"), "/app/src").await;
    check(Some("../../app/./src/.."), "/app").await;
    let (_, marker, _) = bench.sh("printf %s \"$TOWLINE_AGENT\"").await;
    assert_eq!(marker, bench.router.context.marker);
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_the_reason_and_the_shells_code() {
    let bench = Bench::new().await;
    std::fs::write(bench.path().join("plain"), "text").unwrap();
    let plain = bench.path().join("plain").display().to_string();
    let check = async |exec: Exec, expected: (ErrorCode, u8), words: &str| {
        let Err(OpenError::Refused(error)) = bench.open(exec).await else { panic!("{words}: ran") };
        assert_eq!(error.code, expected.0, "{error}");
        assert_eq!(exec::refused(&error).code, expected.1, "{error}");
        assert!(error.message.contains(words), "{error}");
    };
    let not_found = (ErrorCode::NotFound, 127);
    check(command(&["no-such-program"]), not_found, "`no-such-program`: no such program").await;
    check(command(&[&plain]), (ErrorCode::PermissionDenied, 126), "ermission denied").await;
    let nowhere = Exec { cwd: Some("/nowhere".to_owned()), ..command(&["true"]) };
    check(nowhere, not_found, "unable to work in `/nowhere`").await;
    let in_file = Exec { cwd: Some("plain".to_owned()), ..command(&["true"]) };
    check(in_file, not_found, "`plain` is not a directory").await;
    check(command(&[""]), (ErrorCode::BadRequest, 255), "name is empty").await;
    check(command(&["a\0b"]), (ErrorCode::BadRequest, 255), "NUL").await;
    let odd = Exec { env: vec![("A=B".to_owned(), String::new())], ..command(&["true"]) };
    check(odd, (ErrorCode::BadRequest, 255), "cannot be set").await;
}

#[tokio::test]
async fn ten_thousand_lines_arrive_in_order_before_the_exit() {
    let bench = Bench::new().await;
    let (status, out, _) = bench.sh("seq 1 10000; exit 3").await;
    assert_eq!(status, code(3));
    let expected: String = (1..=10_000).map(|number| format!("{number}\n")).collect();
    assert!(out == expected, "{} bytes", out.len());
}

#[tokio::test]
async fn neither_output_starves_the_other() {
    let bench = Bench::new().await;
    let both = "yes & flood=$!; (sleep 0.1; echo heard >&2; kill $flood) & wait";
    let (status, _, err) = bench.sh(both).await;
    assert_eq!((status, err.as_str()), (code(0), "heard\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_megabytes_of_any_bytes_pass_both_ways() {
    let bench = Bench::new().await;
    let body: Vec<u8> =
        (0..64u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (status, out, _) = run_on(bench.open(command(&["cat"])).await.unwrap(), &body).await;
    assert_eq!(status, code(0));
    assert!(out == body, "{} bytes came back", out.len());

    let summed = run_on(bench.open(command(&["sha256sum"])).await.unwrap(), &body).await;
    std::fs::write(bench.path().join("body"), &body).unwrap();
    let (_, expected, _) = bench.sh("sha256sum < body").await;
    assert_eq!(String::from_utf8(summed.1).unwrap(), expected);
}

#[tokio::test]
async fn a_command_that_reads_no_input_ends_all_the_same() {
    let bench = Bench::new().await;
    let body = vec![b'x'; 8 << 20];
    let (status, out, _) =
        run_on(bench.open(command(&["head", "-c", "3"])).await.unwrap(), &body).await;
    assert_eq!((status, out.as_slice()), (code(0), b"xxx".as_slice()));
}

#[tokio::test]
async fn a_grandchild_that_keeps_the_output_open_does_not_hold_the_exit_up() {
    let bench = Bench::new().await;
    let (status, out, _) = bench.sh("sleep 1000 & echo $!; exit 4").await;
    assert_eq!(status, code(4));
    assert!(is_alive(&out), "what was started in the background stays");
    bench.router.app.stop_all().await;
    assert!(!is_alive(&out), "until the agent ends");
}

#[tokio::test]
async fn signals_reach_the_whole_group() {
    let bench = Bench::new().await;
    let ready = "trap 'echo got; exit 9' INT; echo ready; while :; do sleep 0.01; done";
    let Channel { mut tx, mut rx } = bench.open(command(&["sh", "-c", ready])).await.unwrap();
    let mut out = String::new();
    let exit = within(async {
        loop {
            match framed::read(&mut rx).await.unwrap() {
                Output::Stdout(bytes) => out.push_str(std::str::from_utf8(&bytes).unwrap()),
                Output::Exited(exit) => return exit,
                Output::Started(_) | Output::Stderr(_) => {}
            }
            if out == "ready\n" {
                framed::write(&mut tx, &Input::Signal(2)).await.unwrap();
            }
        }
    });
    assert_eq!(exit.await, Exit::Code(9));
    assert_eq!(out, "ready\ngot\n");
}

/// Reads a terminal's output until `text` is in it.
async fn expect(rx: &mut (impl tokio::io::AsyncRead + Unpin), seen: &mut String, text: &str) {
    let reading = async {
        while !seen.contains(text) {
            match framed::read(rx).await.unwrap() {
                Output::Stdout(bytes) => seen.push_str(&String::from_utf8_lossy(&bytes)),
                Output::Exited(exit) => panic!("exited with {exit:?} before {text:?}: {seen:?}"),
                Output::Started(_) | Output::Stderr(_) => {}
            }
        }
    };
    if tokio::time::timeout(PATIENCE, reading).await.is_err() {
        panic!("never {text:?}: {seen:?}");
    }
    seen.clear();
}

#[tokio::test]
async fn a_terminal_has_a_size_and_control_characters_work() {
    let bench = Bench::new().await;
    let shell = "trap 'stty size' WINCH; stty size; tty >/dev/null && echo terminal; \
                 while :; do read line && echo \"<$line>\"; done";
    let tty = Some(WindowSize { rows: 31, cols: 97 });
    let exec = Exec { tty, ..command(&["bash", "-c", shell]) };
    let Channel { mut tx, mut rx } = bench.open(exec).await.unwrap();
    let mut seen = String::new();
    expect(&mut rx, &mut seen, "31 97\r\nterminal\r\n").await;
    framed::write(&mut tx, &Input::Stdin(b"typed\r".to_vec())).await.unwrap();
    expect(&mut rx, &mut seen, "<typed>\r\n").await;
    let size = WindowSize { rows: 50, cols: 120 };
    framed::write(&mut tx, &Input::Resize(size)).await.unwrap();
    framed::write(&mut tx, &Input::Stdin(b"again\r".to_vec())).await.unwrap();
    expect(&mut rx, &mut seen, "50 120").await;
    // A shell that waits for a child leaves Ctrl-C to it, so it must be reading.
    framed::write(&mut tx, &Input::Stdin(b"third\r".to_vec())).await.unwrap();
    expect(&mut rx, &mut seen, "<third>\r\n").await;
    framed::write(&mut tx, &Input::Stdin(vec![3])).await.unwrap(); // Ctrl-C
    let exit = within(async {
        loop {
            if let Output::Exited(exit) = framed::read(&mut rx).await.unwrap() {
                return exit;
            }
        }
    });
    assert_eq!(exit.await, Exit::Signal(2));
}

#[tokio::test]
async fn the_users_shell_runs_when_no_command_is_named() {
    let bench = Bench::new().await;
    let (status, out, _) = bench.run(&[], b"echo from $((6*7)); exit 5\n").await;
    assert_eq!((status, out.as_str()), (code(5), "from 42\n"));
}

#[tokio::test]
async fn a_client_that_goes_away_takes_the_whole_tree_with_it() {
    let bench = Bench::new().await;
    // One child ignores SIGHUP, one left the session, and input waits unread.
    let tree = "(trap '' HUP; echo $BASHPID; sleep 1000) & setsid sleep 1000 & echo $! $$; wait";
    let Channel { mut tx, rx } = bench.open(command(&["bash", "-c", tree])).await.unwrap();
    let mut rx = rx;
    let mut pids = String::new();
    within(async {
        while pids.split_whitespace().count() < 3 {
            if let Output::Stdout(bytes) = framed::read(&mut rx).await.unwrap() {
                pids.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        }
        let unread = Input::Stdin(vec![0; 128 * 1024]);
        for _ in 0..8 {
            framed::write(&mut tx, &unread).await.unwrap();
        }
    })
    .await;
    assert!(pids.split_whitespace().all(is_alive), "{pids}");
    drop((tx, rx));
    until("all gone", || !pids.split_whitespace().any(is_alive)).await;
}

#[tokio::test]
async fn a_lost_link_is_told_and_ends_with_255() {
    let bench = Bench::new().await;
    let Channel { tx, rx } = bench.open(command(&["sleep", "1000"])).await.unwrap();
    let (_event_tx, event_rx) = mpsc::channel(1);
    let streams = Streams {
        stdin: tokio::io::empty(),
        stdout: tokio::io::sink(),
        stderr: tokio::io::sink(),
        event_rx,
    };
    let running = tokio::spawn(exec::carry(rx, tx, streams));
    bench.hub.close("gone");
    let status = within(running).await.unwrap();
    assert_eq!(status.code, 255);
    assert!(status.message.unwrap().contains("link to the target was lost"));
}

#[tokio::test]
async fn events_are_passed_on_and_quitting_needs_no_answer() {
    let bench = Bench::new().await;
    let check = async |events: &[Event], expected: u8| {
        let Channel { tx, rx } = bench.open(command(&["sleep", "1000"])).await.unwrap();
        let (event_tx, event_rx) = mpsc::channel(8);
        for event in events {
            event_tx.send(*event).await.unwrap();
        }
        let streams = Streams {
            stdin: tokio::io::empty(),
            stdout: tokio::io::sink(),
            stderr: tokio::io::sink(),
            event_rx,
        };
        assert_eq!(within(exec::carry(rx, tx, streams)).await, code(expected), "{events:?}");
    };
    check(&[Event::Signal(15)], 128 + 15).await;
    check(&[Event::Resize(WindowSize { rows: 1, cols: 1 }), Event::Signal(2)], 128 + 2).await;
    check(&[Event::Quit(1)], 128 + 1).await;
}

#[tokio::test]
async fn a_face_speaks_through_the_hub_and_its_end_ends_the_command() {
    let bench = Bench::new().await;
    let face = |exec: Exec| {
        let (face, hub_side) = tokio::io::duplex(64 * 1024);
        let hub = bench.hub.clone();
        let splicing = tokio::spawn(async move {
            splice(&hub, Open::Exec(exec), tokio::io::split(hub_side)).await
        });
        (face, splicing)
    };

    let (mut socket, splicing) = face(command(&["cat"]));
    assert_eq!(framed::read::<Opened>(&mut socket).await.unwrap(), Opened::Ok);
    let (rx, tx) = tokio::io::split(socket);
    let mut stdout = Vec::new();
    let (_event_tx, event_rx) = mpsc::channel(1);
    let body = vec![b'z'; 1 << 20];
    let streams = Streams { stdin: &body[..], stdout: &mut stdout, stderr: Vec::new(), event_rx };
    assert_eq!(within(exec::carry(rx, tx, streams)).await, code(0));
    assert!(stdout == body);
    within(splicing).await.unwrap().unwrap();

    let (mut socket, _) = face(command(&["no-such-program"]));
    let refused = framed::read::<Opened>(&mut socket).await.unwrap();
    assert!(matches!(&refused, Opened::Refused(e) if e.code == ErrorCode::NotFound), "{refused:?}");

    let (mut socket, splicing) = face(command(&["sh", "-c", "echo $$; sleep 1000"]));
    assert_eq!(framed::read::<Opened>(&mut socket).await.unwrap(), Opened::Ok);
    let pid = within(async {
        loop {
            if let Output::Stdout(bytes) = framed::read(&mut socket).await.unwrap() {
                return String::from_utf8(bytes).unwrap();
            }
        }
    });
    let pid = pid.await;
    assert!(is_alive(&pid));
    drop(socket);
    assert!(within(splicing).await.unwrap().is_err());
    until("gone", || !is_alive(&pid)).await;
}

#[tokio::test]
async fn the_app_is_left_alone_restarted_replaced_and_stopped() {
    let bench = Bench::new().await;
    assert_eq!(bench.app(AppRequest::Status).await, AppReply::None);
    let refused = app::request(&bench.hub, AppRequest::Restart).await.unwrap_err();
    assert!(matches!(&refused, OpenError::Refused(e) if e.code == ErrorCode::NotFound));

    let server = script("echo serving; exec sleep 1000");
    let first = bench.app(AppRequest::Launch(server.clone())).await;
    let AppReply::Running { pid, starts: 1 } = first else { panic!("{first:?}") };
    assert_eq!(bench.app(AppRequest::Launch(server)).await, first, "the same one is left alone");
    let second = bench.app(AppRequest::Restart).await;
    assert!(matches!(second, AppReply::Running { starts: 2, .. }), "{second:?}");
    assert!(!is_alive(&pid.to_string()));

    // A child that left the group and ignores SIGTERM is ended too.
    let stubborn =
        script("setsid sh -c 'trap \"\" TERM; echo $$ > stubborn; sleep 1000' & exec sleep 1000");
    let third = bench.app(AppRequest::Launch(stubborn)).await;
    assert!(matches!(third, AppReply::Running { starts: 3, .. }), "{third:?}");
    let pid_of = || std::fs::read_to_string(bench.path().join("stubborn")).unwrap_or_default();
    until("started", || pid_of().ends_with('\n')).await;
    let stopped = bench.app(AppRequest::Stop).await;
    assert_eq!(stopped, AppReply::Exited { exit: Exit::Signal(15), starts: 3 });
    assert!(!is_alive(&pid_of()));

    let log = bench.logs(None).await;
    for text in ["[towline] started sh -c echo serving", "serving", "[towline] restarting"] {
        assert!(log.contains(text), "{text}: {log}");
    }
    assert!(log.contains("was ended by signal 15"), "{log}");
}

#[tokio::test]
async fn an_exit_is_reported_and_the_app_stays_ended() {
    let bench = Bench::new().await;
    let mut watch = app::watch(&bench.hub).await.unwrap();
    assert_eq!(within(watch.next()).await.unwrap(), AppReply::None);
    bench.app(AppRequest::Launch(script("echo last words; exit 3"))).await;
    let exited = within(async {
        loop {
            match watch.next().await.unwrap() {
                AppReply::Exited { exit, starts } => return (exit, starts),
                AppReply::None | AppReply::Running { .. } | AppReply::Ran(_) => {}
            }
        }
    });
    assert_eq!(exited.await, (Exit::Code(3), 1));
    let log = bench.logs(None).await;
    assert!(log.ends_with("last words\n[towline] exited with 3\n"), "{log}");
    let again = bench.app(AppRequest::Restart).await;
    assert!(matches!(again, AppReply::Running { starts: 2, .. }), "{again:?}");
    let missing = AppCommand { argv: vec!["no-such-app".to_owned()], ..script("") };
    let refused = app::request(&bench.hub, AppRequest::Launch(missing)).await.unwrap_err();
    assert!(refused.to_string().contains("no-such-app"), "{refused}");
}

#[tokio::test]
async fn hooks_run_one_at_a_time_into_the_log() {
    let bench = Bench::new().await;
    let hook = || AppRequest::Hook(script("echo begin; sleep 0.1; echo end; exit 2"));
    let (one, two) = tokio::join!(bench.app(hook()), bench.app(hook()));
    assert_eq!((one, two), (AppReply::Ran(Exit::Code(2)), AppReply::Ran(Exit::Code(2))));
    let log = bench.logs(None).await;
    let lines: Vec<_> = log.lines().filter(|line| line.starts_with("[hook]")).collect();
    assert_eq!(lines, ["[hook] begin", "[hook] end", "[hook] begin", "[hook] end"]);
    assert!(log.contains("exited with 2"), "{log}");
}

#[tokio::test]
async fn a_hook_whose_client_goes_away_is_ended() {
    let bench = Bench::new().await;
    let hook = AppRequest::Hook(script("echo $$ > hook; sleep 1000"));
    let (hub, open) = (bench.hub.clone(), hook);
    let asking = tokio::spawn(async move { app::request(&hub, open).await });
    let pid_of = || std::fs::read_to_string(bench.path().join("hook")).unwrap_or_default();
    until("started", || pid_of().ends_with('\n')).await;
    asking.abort();
    until("gone", || !is_alive(&pid_of())).await;
}

#[tokio::test]
async fn a_follower_sees_the_tail_and_then_what_comes() {
    let bench = Bench::new().await;
    let go = bench.path().join("go");
    bench
        .app(AppRequest::Launch(script(
            "seq 1 100; while [ ! -e go ]; do sleep 0.01; done; echo came; exec sleep 1000",
        )))
        .await;
    wait::until_async("all lines", async || {
        bench.logs(Some(1)).await.ends_with("100\n").then_some(())
    })
    .await;
    let open = Open::Logs(Logs { tail: Some(2), follow: true });
    let channel = bench.hub.open(&open, Priority::Proxied).await.unwrap();
    let (out_tx, out_rx) = tokio::io::duplex(4096);
    let printing = tokio::spawn(logs::print(channel.rx, out_tx, logs::Format::Plain));
    let mut lines = BufReader::new(out_rx).lines();
    assert_eq!(within(lines.next_line()).await.unwrap().unwrap(), "99");
    assert_eq!(within(lines.next_line()).await.unwrap().unwrap(), "100");
    std::fs::write(go, "").unwrap();
    assert_eq!(within(lines.next_line()).await.unwrap().unwrap(), "came");
    printing.abort();
    bench.router.app.stop_all().await;
}

#[tokio::test]
async fn garbage_after_the_opening_ends_the_command_and_nothing_else() {
    let bench = Bench::new().await;
    for garbage in [&[0xff; 64][..], &[0, 0, 0, 2, 0xff, 0xff][..], &[0, 0, 0, 9, 1][..]] {
        let Channel { mut tx, mut rx } = bench.open(command(&["sleep", "1000"])).await.unwrap();
        tx.write_all(garbage).await.unwrap();
        if garbage.len() == 5 {
            tx.shutdown().await.unwrap(); // ends inside of a frame
        }
        let mut rest = Vec::new();
        within(rx.read_to_end(&mut rest)).await.unwrap_err();
    }
    assert_eq!(bench.sh("echo still here").await.1, "still here\n");
}
