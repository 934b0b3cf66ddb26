//! The link over real agent processes: who finds which agent, what a killed one
//! leaves, who goes when.

#![expect(clippy::unwrap_used, reason = "a test that fails on the way shows where")]

use std::process::{Command, Stdio};
use std::time::Duration;

use harness::bins::bins;
pub use harness::wait::PATIENCE;
use harness::wait::until_async;
use lsp::carrier::process::LocalProcess;
use lsp::link::{Link, LinkState};
use protocol::io::connection::Connection;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tempfile::TempDir;

/// A target's state directory and root; agents are ended with it.
pub struct Target {
    temp: TempDir,
}

impl Target {
    pub fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("root")).unwrap();
        Self { temp }
    }

    pub fn state_dir(&self) -> std::path::PathBuf {
        self.temp.path().join("state")
    }

    pub fn bootstrap(&self) -> LocalProcess {
        let agent = bins().agent.clone();
        LocalProcess::with_agent(agent, self.state_dir(), self.temp.path().join("root"))
            .grace(Duration::from_secs(120))
    }

    pub fn link(&self) -> Link {
        Link::start(self.bootstrap()).unwrap()
    }

    fn attach(&self) -> Command {
        let mut command = Command::new(&bins().agent);
        command.arg("attach").arg("--state-dir").arg(self.state_dir());
        command.arg("--root").arg(self.temp.path().join("root"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

pub async fn connection(link: &Link) -> Connection {
    let mut connection_rx = link.connection();
    let waiting = connection_rx.wait_for(Option::is_some);
    let got = tokio::time::timeout(PATIENCE, waiting).await.expect("no connection in time");
    got.unwrap().clone().unwrap()
}

pub async fn state(link: &Link, fits: impl Fn(&LinkState) -> bool) -> LinkState {
    let mut state_rx = link.state();
    let waiting = state_rx.wait_for(|state| fits(state));
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(state) => state.unwrap().clone(),
        Err(_) => panic!("the link stays {:?}", *link.state().borrow()),
    }
}

fn pid(link: &Link) -> Pid {
    let pid = link.carrier().borrow().agent_pid.unwrap();
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Returns once the process is gone; one that nobody waits for may stay as a
/// zombie, which is as good.
fn gone(pid: Pid) -> bool {
    test_kill_process(pid).is_err()
        || std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()))
            .is_ok_and(|stat| stat.contains(") Z "))
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    until_async(what, async || holds().then_some(())).await;
}

#[tokio::test]
async fn a_link_comes_up_and_shutdown_leaves_nothing() {
    let target = Target::new();
    let link = target.link();
    connection(&link).await;
    state(&link, |state| matches!(state, LinkState::Up { .. })).await;
    let agent = pid(&link);
    link.shutdown(PATIENCE).await;
    until("the agent is gone", || gone(agent)).await;
    until("its directory is gone", || !target.state_dir().exists()).await;
    assert!(matches!(*link.state().borrow(), LinkState::Down { .. }));
}

#[tokio::test]
async fn a_hub_that_starts_again_finds_the_same_agent() {
    let target = Target::new();
    let first = target.link();
    connection(&first).await;
    let agent = pid(&first);
    drop(first);
    let second = target.link();
    connection(&second).await;
    assert_eq!(pid(&second), agent);
    second.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn two_hubs_at_once_share_one_agent() {
    let target = Target::new();
    let (first, second) = (target.link(), target.link());
    tokio::join!(connection(&first), connection(&second));
    assert_eq!(pid(&first), pid(&second));
    first.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_killed_agent_is_replaced_and_so_is_the_connection() {
    let target = Target::new();
    let link = target.link();
    let old = connection(&link).await;
    let agent = pid(&link);
    kill_process(agent, Signal::KILL).unwrap();
    let mut connection_rx = link.connection();
    connection_rx.mark_unchanged();
    if link.carrier().borrow().connections < 2 {
        tokio::time::timeout(PATIENCE, connection_rx.changed()).await.unwrap().unwrap();
    }
    assert_ne!(pid(&link), agent);
    tokio::time::timeout(PATIENCE, old.closed()).await.unwrap();
    assert!(!connection(&link).await.is_closed());
    link.shutdown(PATIENCE).await;
    until("the directory is gone", || !target.state_dir().exists()).await;
}

#[tokio::test]
async fn an_agent_without_a_hub_goes_after_its_grace_time() {
    let target = Target::new();
    let link = Link::start(target.bootstrap().grace(Duration::from_millis(300))).unwrap();
    connection(&link).await;
    let agent = pid(&link);
    drop(link);
    until("the agent is gone", || gone(agent)).await;
    assert!(!target.state_dir().exists());
}

#[tokio::test]
async fn an_agent_that_is_told_to_terminate_cleans_up() {
    let target = Target::new();
    let link = target.link();
    connection(&link).await;
    let agent = pid(&link);
    drop(link);
    kill_process(agent, Signal::TERM).unwrap();
    until("the agent is gone", || gone(agent)).await;
    assert!(!target.state_dir().exists());
}

#[tokio::test]
async fn what_a_killed_agent_started_is_ended_by_the_next() {
    let target = Target::new();
    let link = target.link();
    connection(&link).await;
    let marker = std::fs::read_to_string(target.state_dir().join("marker")).unwrap();
    let agent = pid(&link);
    drop(link);
    kill_process(agent, Signal::KILL).unwrap();
    until("the agent is gone", || gone(agent)).await;
    let mut left = Command::new("sleep").arg("1000").env("TOWLINE_AGENT", marker).spawn().unwrap();
    let link = target.link();
    connection(&link).await;
    let left = tokio::task::spawn_blocking(move || left.wait().unwrap());
    assert!(!tokio::time::timeout(PATIENCE, left).await.unwrap().unwrap().success());
    link.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn attach_without_an_agent_says_so() {
    let target = Target::new();
    let output = target.attach().output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && text.contains("no agent lives in"), "{text}");
}

#[tokio::test]
async fn an_agent_that_cannot_start_is_explained() {
    let target = Target::new();
    let missing = target.temp.path().join("missing");
    let agent = bins().agent.clone();
    let link = Link::start(LocalProcess::with_agent(agent, target.state_dir(), missing)).unwrap();
    let down = state(&link, |state| matches!(state, LinkState::Down { .. })).await;
    let LinkState::Down { reason } = down else { unreachable!() };
    assert!(reason.contains("did not start") && reason.contains("missing"), "{reason}");
}

/// A stand-in for an agent's binary that only prints `words`.
fn impostor(target: &Target, words: &str) -> LocalProcess {
    use std::os::unix::fs::PermissionsExt;
    let path = target.temp.path().join("impostor");
    std::fs::write(&path, format!("#!/bin/sh\nprintf '{words}'\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    LocalProcess::with_agent(path, target.state_dir(), target.temp.path().into())
}

async fn refusal(bootstrap: LocalProcess) -> String {
    let link = Link::start(bootstrap).unwrap();
    match state(&link, |state| matches!(state, LinkState::Down { .. })).await {
        LinkState::Down { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn garbage_on_the_channel_is_shown() {
    let target = Target::new();
    let reason = refusal(impostor(&target, "Welcome to the wrong machine\\n")).await;
    assert!(reason.contains("Welcome to the wrong machine"), "{reason}");
}

#[tokio::test]
async fn another_version_is_refused_by_name() {
    let target = Target::new();
    let reason = refusal(impostor(&target, "TOWLINE\\001\\0059.9.9")).await;
    assert!(reason.contains("9.9.9"), "{reason}");
    assert!(reason.contains(protocol::version::VERSION), "{reason}");
}

#[tokio::test]
async fn a_state_directory_may_be_deep() {
    let temp = tempfile::tempdir().unwrap();
    let deep = temp.path().join("d".repeat(150)).join("s");
    let root = temp.path().to_owned();
    let bootstrap = LocalProcess::with_agent(bins().agent.clone(), deep, root);
    let link = Link::start(bootstrap).unwrap();
    connection(&link).await;
    link.kill_carrier().await;
    let mut carrier_rx = link.carrier();
    let resumed = carrier_rx.wait_for(|info| info.resumes == 1);
    tokio::time::timeout(PATIENCE, resumed).await.unwrap().unwrap();
    link.shutdown(PATIENCE).await;
}
