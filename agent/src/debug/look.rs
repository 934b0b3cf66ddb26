//! Reads what there is to know about processes from /proc. Decides nothing; what cannot be
//! read is left out.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use protocol::io::process::{MARKER, is_marker};
use protocol::limits::{ARGV_SHOWN_MAX, EXECUTABLE_MAX};

use super::elf::{Elf, GoBuild};
use super::judge::{Binary, Facts, Viewer};
use crate::context::Context;

/// Bears the agent's marker on what the agent starts to debug with: such a process is not
/// ended with the agent, but left to let go of its own.
pub const HELPER: &str = "TOWLINE_DEBUG_HELPER";

/// Variables that tell how a runtime was started.
const VARIABLES: &[&str] = &["JAVA_TOOL_OPTIONS", "NODE_OPTIONS", "PYTHONPATH", "VIRTUAL_ENV"];

/// The folder of a process.
pub fn folder(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}"))
}

/// Where a path that a process names can be read from here.
pub fn seen_by(pid: u32, path: &str) -> PathBuf {
    folder(pid).join("root").join(path.trim_start_matches('/'))
}

/// This agent.
pub fn viewer() -> Viewer {
    let status = Status::read(Path::new("/proc/self"));
    let yama = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    Viewer {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        capabilities: status.as_ref().map_or(0, |status| status.hex("CapEff")),
        yama: yama.ok().and_then(|text| text.trim().parse().ok()),
        mounts: mounts(Path::new("/proc/self")),
    }
}

fn mounts(folder: &Path) -> String {
    let link = fs::read_link(folder.join("ns/mnt"));
    link.map(|link| link.display().to_string()).unwrap_or_default()
}

/// Every process that can be seen, in order of ids; the kernel's own are none.
pub fn all(context: &Context) -> Vec<Facts> {
    let mut pids: Vec<u32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let mut binaries = HashMap::new();
    let mut found: Vec<Facts> =
        pids.into_iter().filter_map(|pid| one(context, pid, &mut binaries)).collect();
    mark_descendants(&mut found);
    found
}

/// One process.
pub fn facts(context: &Context, pid: u32) -> Option<Facts> {
    all(context).into_iter().find(|facts| facts.pid == pid)
}

fn mark_descendants(all: &mut [Facts]) {
    let own = std::process::id();
    let mut below: HashSet<u32> = HashSet::from([own]);
    let mut grows = true;
    while grows {
        grows = false;
        for facts in all.iter_mut() {
            if below.contains(&facts.parent) && below.insert(facts.pid) {
                facts.descends = true;
                grows = true;
            }
        }
    }
}

type Binaries = HashMap<(u64, u64), Option<Binary>>;

fn one(context: &Context, pid: u32, binaries: &mut Binaries) -> Option<Facts> {
    let folder = folder(pid);
    let status = Status::read(&folder)?;
    let exe = fs::read_link(folder.join("exe")).ok().map(|path| path.display().to_string());
    let argv = words(&fs::read(folder.join("cmdline")).unwrap_or_default());
    let state = status.text("State").and_then(|text| text.chars().next()).unwrap_or('?');
    if exe.is_none() && argv.is_empty() && state != 'Z' {
        return None; // a thread of the kernel
    }
    let environment = fs::read(folder.join("environ")).unwrap_or_default();
    let variable = |name: &str| {
        environment.split(|byte| *byte == 0).find_map(|text| {
            let value = text.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            Some(String::from_utf8_lossy(value).into_owned())
        })
    };
    let owner = fs::metadata(&folder).map(|meta| meta.uid()).ok();
    let uids = status.ids("Uid");
    let helper = variable(HELPER).is_some_and(|marker| is_marker(marker.as_bytes()));
    if helper || pid == std::process::id() {
        return None;
    }
    Some(Facts {
        pid,
        parent: status.text("PPid").and_then(|text| text.parse().ok()).unwrap_or(0),
        argv,
        exe,
        uids,
        gids: status.ids("Gid"),
        capabilities: status.hex("CapPrm"),
        tracer: status.text("TracerPid").and_then(|text| text.parse().ok()).unwrap_or(0),
        caught: status.hex("SigCgt"),
        state,
        // The kernel gives the folder of one that may not be looked into to root.
        dumpable: owner.is_some_and(|owner| owner == uids[1]),
        libraries: libraries(&fs::read_to_string(folder.join("maps")).unwrap_or_default()),
        ours: variable(MARKER).is_some_and(|marker| marker == context.marker),
        environment: VARIABLES
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), variable(name)?)))
            .collect(),
        binary: binary(&folder, binaries),
        mounts: mounts(&folder),
        cwd: fs::read_link(folder.join("cwd"))
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        descends: false,
    })
}

fn binary(folder: &Path, known: &mut Binaries) -> Option<Binary> {
    let file = fs::File::open(folder.join("exe")).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || meta.len() > EXECUTABLE_MAX {
        return None;
    }
    known.entry((meta.dev(), meta.ino())).or_insert_with(|| read_binary(&file)).clone()
}

fn read_binary(file: &fs::File) -> Option<Binary> {
    let elf = Elf::parse(file)?;
    let comment = elf.section(".comment").unwrap_or_default();
    let go = elf.section(".go.buildinfo").and_then(|section| GoBuild::parse(&section));
    Some(Binary {
        is_static: elf.is_static(),
        has_debug: elf.has(".debug_info") || elf.has(".zdebug_info"),
        has_symbols: elf.has(".symtab"),
        is_rust: String::from_utf8_lossy(&comment).contains("rustc version"),
        go,
    })
}

/// Names of the libraries in a list of mappings.
fn libraries(maps: &str) -> Vec<String> {
    let mut names: Vec<String> = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5)?.rsplit('/').next())
        .filter(|name| name.contains(".so"))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn words(cmdline: &[u8]) -> Vec<String> {
    let cut = &cmdline[..cmdline.len().min(ARGV_SHOWN_MAX)];
    let cut = cut.strip_suffix(&[0]).unwrap_or(cut);
    if cut.is_empty() {
        return Vec::new();
    }
    cut.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// The user's name, from the accounts of where the process is.
pub fn user(pid: u32, uid: u32) -> String {
    let accounts = fs::read_to_string(seen_by(pid, "/etc/passwd")).unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| uid.to_string())
}

/// TCP ports that a process listens on.
pub fn ports(pid: u32) -> Vec<u16> {
    let folder = folder(pid);
    let held: HashSet<u64> = fs::read_dir(folder.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let link = fs::read_link(entry.path()).ok()?;
            link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect();
    if held.is_empty() {
        return Vec::new();
    }
    let mut ports = Vec::new();
    for name in ["net/tcp", "net/tcp6"] {
        let table = fs::read_to_string(folder.join(name)).unwrap_or_default();
        ports.extend(listening(&table).filter(|(_, inode)| held.contains(inode)).map(|(p, _)| p));
    }
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Ports and sockets' numbers of the listening ones of /proc/net/tcp.
fn listening(table: &str) -> impl Iterator<Item = (u16, u64)> + '_ {
    const LISTEN: &str = "0A";
    table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if *fields.get(3)? != LISTEN {
            return None;
        }
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        Some((u16::from_str_radix(port, 16).ok()?, fields.get(9)?.parse().ok()?))
    })
}

/// /proc/PID/status.
struct Status(String);

impl Status {
    fn read(folder: &Path) -> Option<Self> {
        fs::read_to_string(folder.join("status")).ok().map(Self)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
    }

    fn hex(&self, name: &str) -> u64 {
        self.text(name).and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(0)
    }

    fn ids(&self, name: &str) -> [u32; 3] {
        let mut ids = [u32::MAX; 3];
        let given = self.text(name).unwrap_or_default().split_whitespace();
        for (id, text) in ids.iter_mut().zip(given) {
            *id = text.parse().unwrap_or(u32::MAX);
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let status = Status::read(Path::new("/proc/self")).unwrap();
        assert_eq!(status.ids("Uid")[1], rustix::process::geteuid().as_raw());
        assert!(
            libraries("7f-7f r-xp 0 08:01 12 /usr/lib/libpython3.11.so.1.0\n7f r 0 0 0\n")
                .contains(&"libpython3.11.so.1.0".to_owned())
        );
        assert_eq!(words(b"a\0\0b c\0"), ["a", "", "b c"]);
        assert!(words(b"").is_empty());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(ports(std::process::id()).contains(&listener.local_addr().unwrap().port()));
    }
}
