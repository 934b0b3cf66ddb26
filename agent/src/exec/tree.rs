//! A process and everything that came of it: its group, its session, and what
//! left both but still carries the task's name in its environment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use protocol::io::process::{MARKER, Process};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;
use tokio::time::Instant;

use super::spawn::TASK_VAR;
use crate::context::Context;

/// How often a tree that was asked to end is looked at. Only its first process
/// is a child of the agent; nothing announces the end of the others.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long a tree may take to be gone after SIGKILL; longer only in a hung
/// kernel call.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// Names a process tree.
pub(crate) struct Tree {
    leader: Option<Pid>,
    /// A variable of the environment and its value.
    mark: (&'static str, String),
}

impl Tree {
    /// A name no other task of this agent has.
    pub(crate) fn new_task(context: &Context) -> String {
        static TASKS: AtomicU64 = AtomicU64::new(1);
        format!("{}/{}", context.marker, TASKS.fetch_add(1, Ordering::Relaxed))
    }

    /// The tree below `child`, started with [`TASK_VAR`] set to `task`.
    pub(crate) fn of(child: &Child, task: String) -> Self {
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Self { leader, mark: (TASK_VAR, task) }
    }

    /// Everything that any task of this agent started.
    pub(crate) fn of_agent(context: &Context) -> Self {
        Self { leader: None, mark: (MARKER, context.marker.clone()) }
    }

    /// The first process' id.
    pub(crate) fn pid(&self) -> u32 {
        self.leader.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
    }

    /// Sends the signal with this Linux number to the first process' group.
    pub(crate) fn signal_group(&self, number: i32) {
        if let (Some(leader), Some(signal)) = (self.leader, Signal::from_named_raw(number)) {
            let _ = kill_process_group(leader, signal); // gone already is as good
        }
    }

    /// Sends each of `signals`, giving the tree `grace` after each, then SIGKILL
    /// to whatever is left.
    pub(crate) async fn end(&self, signals: &[Signal], grace: Duration) {
        for signal in signals {
            self.signal_all(*signal);
            self.signal_all(Signal::CONT); // a stopped process hears nothing else
            if self.is_gone_within(grace).await {
                return;
            }
        }
        let deadline = Instant::now() + KILL_PATIENCE;
        while Instant::now() < deadline {
            self.signal_all(Signal::KILL); // each time: what forked meanwhile is new
            if self.is_gone_within(LOOK_EVERY).await {
                return;
            }
        }
        tracing::warn!(pid = self.pid(), "processes are left that SIGKILL does not end");
    }

    fn signal_all(&self, signal: Signal) {
        for pid in self.members() {
            let _ = kill_process(pid, signal); // gone already is as good
        }
    }

    async fn is_gone_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            if self.members().is_empty() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Living processes of the tree, from /proc.
    fn members(&self) -> Vec<Pid> {
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        let own = rustix::process::getpid();
        entries
            .filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .filter(|pid| *pid != own && self.holds(*pid))
            .collect()
    }

    fn holds(&self, pid: Pid) -> bool {
        let pid = pid.as_raw_nonzero().get();
        let Ok(stat) = std::fs::read(format!("/proc/{pid}/stat")) else { return false };
        let Some(stat) = Stat::parse(&stat) else { return false };
        if stat.is_dead {
            return false;
        }
        if let Some(leader) = self.leader.map(|leader| leader.as_raw_nonzero().get())
            && (stat.group == leader || stat.session == leader)
        {
            return true;
        }
        let (name, value) = &self.mark;
        Process::look(pid).is_some_and(|process| process.variable(name) == Some(value.as_bytes()))
    }
}

/// What is needed of /proc/PID/stat.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    is_dead: bool,
    group: i32,
    session: i32,
}

impl Stat {
    /// The program's name in parentheses may itself hold anything, so the fields
    /// are counted from the last parenthesis.
    fn parse(text: &[u8]) -> Option<Self> {
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let mut fields = std::str::from_utf8(&text[end + 1..]).ok()?.split_ascii_whitespace();
        let is_dead = matches!(fields.next()?, "Z" | "X");
        let _parent = fields.next()?;
        Some(Self {
            is_dead,
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines_are_read_whatever_the_program_is_called() {
        let check = |text: &str, expected: Option<(bool, i32, i32)>| {
            let expected =
                expected.map(|(is_dead, group, session)| Stat { is_dead, group, session });
            assert_eq!(Stat::parse(text.as_bytes()), expected, "{text}");
        };
        check("7 (sh) S 1 7 6 0 -1", Some((false, 7, 6)));
        check("7 (a) Z 9 9) S 1 8 6 0", Some((false, 8, 6)));
        check("7 (sh) Z 1 7 6", Some((true, 7, 6)));
        check("7 (sh) S 1", None);
        check("", None);
    }
}
