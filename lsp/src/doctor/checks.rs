//! What has to be so for a hub to work here.

use std::path::Path;
use std::process::{Command, Stdio};

use protocol::version::VERSION;

use super::{Finding, Level};
use crate::carrier::process::find_agent;
use crate::runtime::Dirs;

/// Below this a tree of usual size cannot be watched as a whole.
const WATCHES_WANTED: u64 = 65_536;

/// Each sync takes one; editors and desktops take dozens.
const INSTANCES_WANTED: u64 = 128;

/// Looks at everything.
pub fn all(dirs: &Dirs) -> Vec<Finding> {
    let mut findings = vec![agent(), directory("runtime", &dirs.runtime)];
    findings.push(directory("state", &dirs.state));
    findings.push(inotify("max_user_watches", WATCHES_WANTED));
    findings.push(inotify("max_user_instances", INSTANCES_WANTED));
    findings
}

fn agent() -> Finding {
    let what = "agent";
    let problem = |text: String, help: &str| Finding {
        what,
        level: Level::Problem,
        text,
        help: Some(help.to_owned()),
    };
    let path = match find_agent() {
        Ok(path) => path,
        Err(error) => return problem(error.to_string(), "cargo build --release builds both"),
    };
    let said = match Command::new(&path).arg("--version").stdin(Stdio::null()).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        Err(error) => {
            return problem(
                format!("{} cannot be run: {error}", path.display()),
                "check its rights",
            );
        }
    };
    if said.split_whitespace().any(|word| word == VERSION) {
        let text = format!("{} is version {VERSION}, as it has to be", path.display());
        return Finding { what, level: Level::Ok, text, help: None };
    }
    problem(
        format!("{} says `{said}`, this is version {VERSION}", path.display()),
        "build both together: cargo build --release",
    )
}

fn directory(what: &'static str, path: &Path) -> Finding {
    // It was made and its rights were checked when it was found.
    let name = path.join(format!("probe-{}", std::process::id()));
    let probe = std::fs::write(&name, [0; 4096]).and_then(|()| std::fs::remove_file(&name));
    match probe {
        Ok(()) => Finding {
            what,
            level: Level::Ok,
            text: format!("{} is yours alone and writable", path.display()),
            help: None,
        },
        Err(error) => {
            let _ = std::fs::remove_file(&name); // it may hold a part of the probe
            Finding {
                what,
                level: Level::Problem,
                text: format!("{} is not writable: {error}", path.display()),
                help: Some("free space there, or check its rights".to_owned()),
            }
        }
    }
}

fn inotify(name: &'static str, wanted: u64) -> Finding {
    let text = std::fs::read_to_string(format!("/proc/sys/fs/inotify/{name}"));
    let value = text.ok().and_then(|text| text.trim().parse::<u64>().ok());
    let what = "inotify";
    match value {
        Some(value) if value >= wanted => {
            Finding { what, level: Level::Ok, text: format!("{name} is {value}"), help: None }
        }
        Some(value) => Finding {
            what,
            level: Level::Warning,
            text: format!("{name} is {value}; large trees are watched in part and scanned more"),
            help: Some(format!("sudo sysctl fs.inotify.{name}={wanted}")),
        },
        None => Finding {
            what,
            level: Level::Warning,
            text: format!("{name} is not known here"),
            help: None,
        },
    }
}
