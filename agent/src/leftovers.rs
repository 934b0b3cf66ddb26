//! Finds and ends the processes that an agent started, by the marker in their
//! environment. Knows nothing of why they were started.

use std::path::Path;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Name of the variable that every process an agent starts carries.
pub const VARIABLE: &str = "TOWLINE_AGENT";

/// Processes may start others while they are being ended.
const ROUNDS: usize = 20;

/// Ends every process that bears `marker`. Returns how many there were.
pub fn kill(marker: &str) -> usize {
    let mut killed = 0;
    for _ in 0..ROUNDS {
        let found = kill_round(marker);
        if found == 0 {
            break;
        }
        killed += found;
    }
    killed
}

fn kill_round(marker: &str) -> usize {
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let mut killed = 0;
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(pid) = Pid::from_raw(pid) else { continue };
        if pid == rustix::process::getpid() || !bears(&process.path(), marker) {
            continue;
        }
        // the handle first, then look again: the number may be another's by now
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        if bears(&process.path(), marker) && pidfd_send_signal(&handle, Signal::KILL).is_ok() {
            killed += 1;
            let mut fds = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
            let patience = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
            let _ = rustix::event::poll(&mut fds, Some(&patience)); // its end, if it comes
        }
    }
    killed
}

/// A zombie's environment is empty, so a process killed once is not seen again.
fn bears(process: &Path, marker: &str) -> bool {
    let Ok(environment) = std::fs::read(process.join("environ")) else { return false };
    environment.split(|&byte| byte == 0).any(|entry| {
        entry
            .strip_prefix(VARIABLE.as_bytes())
            .and_then(|rest| rest.strip_prefix(b"="))
            .is_some_and(|value| value == marker.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_the_marker_is_ended() {
        let start = |marker: &str| {
            std::process::Command::new("sleep").arg("1000").env(VARIABLE, marker).spawn().unwrap()
        };
        let id = std::process::id();
        let (ours, other) = (format!("test-{id}"), format!("test-{id}-other"));
        let (mut marked, mut unmarked) = (start(&ours), start(&other));
        assert_eq!(kill(&ours), 1);
        assert!(!marked.wait().unwrap().success());
        assert!(unmarked.try_wait().unwrap().is_none());
        unmarked.kill().unwrap();
        unmarked.wait().unwrap();
    }
}
