//! From facts about a process to what it is and whether a debugger gets in. Pure: the
//! kernel's rules, written down.

use protocol::wire::debug::Attach;

use super::elf::GoBuild;
use super::languages::{self, Language, Way};

/// Who wants to look: this agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Viewer {
    /// Its user and group.
    pub uid: u32,
    /// See `uid`.
    pub gid: u32,
    /// Its effective capabilities.
    pub capabilities: u64,
    /// What Yama says (`/proc/sys/kernel/yama/ptrace_scope`), where there is Yama.
    pub yama: Option<u8>,
    /// Its mount namespace.
    pub mounts: String,
}

/// What is known of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its id.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its command line.
    pub argv: Vec<String>,
    /// Its executable, as it sees it.
    pub exe: Option<String>,
    /// Real, effective and saved user.
    pub uids: [u32; 3],
    /// The same of the group.
    pub gids: [u32; 3],
    /// Its permitted capabilities.
    pub capabilities: u64,
    /// Who traces it, or 0.
    pub tracer: u32,
    /// Signals that it handles, as bits.
    pub caught: u64,
    /// The letter of its state.
    pub state: char,
    /// Whether the kernel lets others look into it.
    pub dumpable: bool,
    /// Names of mapped libraries.
    pub libraries: Vec<String>,
    /// Variables that matter, as they were at its start.
    pub environment: Vec<(String, String)>,
    /// What its executable tells.
    pub binary: Option<Binary>,
    /// Its mount namespace.
    pub mounts: String,
    /// Its working directory, as it sees it.
    pub cwd: String,
    /// Whether this agent started it, or what it came of.
    pub ours: bool,
    /// Whether this agent is its ancestor.
    pub descends: bool,
}

/// What an executable tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binary {
    /// Linked statically.
    pub is_static: bool,
    /// It has DWARF.
    pub has_debug: bool,
    /// It has a symbol table.
    pub has_symbols: bool,
    /// Rust's compiler made it.
    pub is_rust: bool,
    /// Go's did.
    pub go: Option<GoBuild>,
}

const CAP_KILL: u32 = 5;
const CAP_SYS_PTRACE: u32 = 19;
const SIGUSR1_BIT: u32 = 9;

/// The language of a process.
pub fn language(facts: &Facts) -> &'static Language {
    let known = languages::known_by(program(facts), &facts.libraries);
    match (known, &facts.binary) {
        (Some(language), _) => language,
        (None, Some(binary)) if binary.go.is_some() => &languages::GO,
        (None, _) => &languages::NATIVE_CODE,
    }
}

/// What runs it, for people.
pub fn runtime(facts: &Facts) -> String {
    let language = language(facts);
    match language.id {
        "python" => match python_version(facts) {
            Some((major, minor)) => format!("python {major}.{minor}"),
            None => "python".to_owned(),
        },
        "go" => match facts.binary.as_ref().and_then(|binary| binary.go.as_ref()) {
            Some(go) if !go.version.is_empty() => format!("go {}", go.version),
            _ => "go".to_owned(),
        },
        "native" => {
            let what = if facts.binary.as_ref().is_some_and(|binary| binary.is_rust) {
                "rust"
            } else {
                "native"
            };
            match &facts.binary {
                Some(binary) if binary.has_debug => format!("{what}, debug info"),
                Some(binary) if binary.has_symbols => format!("{what}, no debug info"),
                Some(_) => format!("{what}, stripped"),
                None => "unknown".to_owned(),
            }
        }
        id => id.to_owned(),
    }
}

/// As `(3, 11)`.
pub fn python_version(facts: &Facts) -> Option<(u8, u8)> {
    let library = facts.libraries.iter().find_map(|name| name.strip_prefix("libpython"));
    let text = library.or_else(|| program(facts).strip_prefix("python"))?;
    let mut numbers = text.split('.');
    let digits = |text: &str| {
        text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default().parse().ok()
    };
    Some((digits(numbers.next()?)?, digits(numbers.next()?)?))
}

/// What a person would call it.
pub fn name(facts: &Facts) -> String {
    let base = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let runs_scripts = !matches!(language(facts).id, "go" | "native");
    if runs_scripts {
        let mut words = facts.argv.iter().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-m" | "-jar" => return words.next().map(|name| base(name)).unwrap_or_default(),
                "-c" | "-e" | "--eval" => break,
                option if option.starts_with('-') => {}
                script => return base(script),
            }
        }
    }
    let first = facts.argv.first().map(|word| base(word));
    first.filter(|name| !name.is_empty()).unwrap_or_else(|| program(facts).to_owned())
}

fn program(facts: &Facts) -> &str {
    let exe = facts.exe.as_deref().unwrap_or_default();
    let exe = exe.strip_suffix(" (deleted)").unwrap_or(exe);
    exe.rsplit('/').next().unwrap_or(exe)
}

/// Whether a debugger gets in, decided before anything is touched.
pub fn attach(viewer: &Viewer, facts: &Facts) -> Attach {
    let needs = |text: &str| Attach::Needs(text.to_owned());
    if facts.state == 'Z' {
        return needs("a process that lives: this one has ended");
    }
    let language = language(facts);
    match language.way {
        Way::None => {
            return needs(&format!("an adapter for {}, which there is not yet", language.id));
        }
        Way::StartFlag => return jvm(facts),
        Way::Signal => return node(viewer, facts),
        Way::Ptrace | Way::Inject => {}
    }
    if language.id == "python" && !matches!(python_version(facts), None | Some((3, 8..))) {
        return needs("Python 3.8 or newer");
    }
    if language.way == Way::Ptrace {
        match &facts.binary {
            None => return needs("an executable that can be read"),
            Some(binary) if binary.go.is_none() && !binary.has_debug => {
                return needs("debug information in the program: build it with -g, unstripped");
            }
            Some(binary) if binary.go.is_some() && !binary.has_debug => {
                return needs(
                    "debug information in the program: build it without -ldflags '-s -w'",
                );
            }
            Some(_) => {}
        }
    }
    if facts.state == 'T' {
        return needs("a process that runs: this one is stopped (kill -CONT)");
    }
    ptrace(viewer, facts)
}

/// The kernel's `__ptrace_may_access` and the checks behind it.
fn ptrace(viewer: &Viewer, facts: &Facts) -> Attach {
    let needs = |text: String| Attach::Needs(text);
    if facts.tracer != 0 {
        return needs(format!("process {} to let go of it: only one can trace it", facts.tracer));
    }
    if has(viewer.capabilities, CAP_SYS_PTRACE) {
        return match viewer.yama {
            Some(3) => {
                needs("another ptrace_scope than 3 on the node: nobody may trace".to_owned())
            }
            _ => Attach::Yes,
        };
    }
    let own = |ids: [u32; 3], id: u32| ids.iter().all(|known| *known == id);
    if !own(facts.uids, viewer.uid) || !own(facts.gids, viewer.gid) {
        return needs(format!(
            "user {}:{}, whose process it is, or CAP_SYS_PTRACE: the agent is {}:{}",
            facts.uids[0], facts.gids[0], viewer.uid, viewer.gid
        ));
    }
    if !facts.dumpable {
        return needs("CAP_SYS_PTRACE: the process forbids others to look into it".to_owned());
    }
    if facts.capabilities & !viewer.capabilities != 0 {
        return needs("CAP_SYS_PTRACE: the process may more than the agent".to_owned());
    }
    match viewer.yama {
        Some(1) if !facts.descends => needs(
            "CAP_SYS_PTRACE, or an app that towline started: the node's ptrace_scope is 1"
                .to_owned(),
        ),
        Some(2 | 3) => needs("CAP_SYS_PTRACE: the node's ptrace_scope forbids it".to_owned()),
        _ => Attach::Yes,
    }
}

fn node(viewer: &Viewer, facts: &Facts) -> Attach {
    let needs = |text: &str| Attach::Needs(text.to_owned());
    let options = facts.argv.iter().chain(variable(facts, "NODE_OPTIONS"));
    if options.clone().any(|word| word.contains("--disable-sigusr1")) {
        return Attach::NeedsRestart("it was started with --disable-sigusr1".to_owned());
    }
    if options.clone().any(|word| word.starts_with("--inspect")) {
        return Attach::Yes;
    }
    let same = facts.uids[0] == viewer.uid || facts.uids[2] == viewer.uid;
    if !same && !has(viewer.capabilities, CAP_KILL) {
        return needs("its own user, or CAP_KILL, for the signal that opens its inspector");
    }
    // It would die of a signal that it does not handle.
    if facts.caught >> SIGUSR1_BIT & 1 == 0 {
        return needs("a moment: it does not handle SIGUSR1 yet, which opens its inspector");
    }
    Attach::Yes
}

fn jvm(facts: &Facts) -> Attach {
    let mut options = facts.argv.iter().chain(variable(facts, "JAVA_TOOL_OPTIONS"));
    let why = if options.any(|word| word.contains("jdwp=")) {
        "a client that speaks JDWP, at the port that its flag names: towline has none yet"
    } else {
        return Attach::NeedsRestart(
            "a JVM opens its debugger only when JAVA_TOOL_OPTIONS=-agentlib:jdwp=transport=\
             dt_socket,server=y,suspend=n,onjcmd=y,address=127.0.0.1:5005 is set at its start"
                .to_owned(),
        );
    };
    Attach::Needs(why.to_owned())
}

fn variable<'a>(facts: &'a Facts, name: &str) -> Option<&'a String> {
    facts.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn has(capabilities: u64, number: u32) -> bool {
    capabilities >> number & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python() -> Facts {
        Facts {
            pid: 7,
            argv: ["python3", "-u", "/app/app.py", "--port"].map(str::to_owned).to_vec(),
            exe: Some("/usr/local/bin/python3.11".to_owned()),
            uids: [1000; 3],
            gids: [1000; 3],
            state: 'S',
            dumpable: true,
            binary: Some(Binary::default()),
            ..Facts::default()
        }
    }

    fn user(uid: u32) -> Viewer {
        Viewer { uid, gid: uid, ..Viewer::default() }
    }

    fn check(viewer: &Viewer, facts: &Facts, expected: &str) {
        let said = match attach(viewer, facts) {
            Attach::Yes => "yes".to_owned(),
            Attach::Needs(text) => format!("needs {text}"),
            Attach::NeedsRestart(text) => format!("restart {text}"),
        };
        assert!(said.contains(expected), "{said}");
    }

    #[test]
    fn rights_are_those_of_the_kernel() {
        let root = Viewer { capabilities: 1 << CAP_SYS_PTRACE, ..user(0) };
        check(&user(1000), &python(), "yes");
        check(&root, &python(), "yes");
        check(&user(0), &python(), "needs user 1000:1000");
        check(&user(2000), &python(), "needs user 1000:1000");
        check(&user(1000), &Facts { tracer: 9, ..python() }, "needs process 9");
        check(&user(1000), &Facts { dumpable: false, ..python() }, "needs CAP_SYS_PTRACE");
        check(&user(1000), &Facts { capabilities: 1, ..python() }, "may more than the agent");
        let yama = |scope| Viewer { yama: Some(scope), ..user(1000) };
        check(&yama(0), &python(), "yes");
        check(&yama(1), &python(), "ptrace_scope is 1");
        check(&yama(1), &Facts { descends: true, ..python() }, "yes");
        check(&yama(2), &Facts { descends: true, ..python() }, "forbids");
        check(&Viewer { yama: Some(3), ..root }, &python(), "than 3");
        check(&user(1000), &Facts { state: 'Z', ..python() }, "has ended");
        check(&user(1000), &Facts { state: 'T', ..python() }, "kill -CONT");
    }

    #[test]
    fn languages_have_their_own_conditions() {
        let old = Facts { exe: Some("/usr/bin/python2.7".to_owned()), ..python() };
        check(&user(1000), &old, "needs Python 3.8");
        let node = Facts { exe: Some("/usr/bin/node".to_owned()), caught: 1 << 9, ..python() };
        check(&user(1000), &node, "yes");
        check(&user(2000), &node, "CAP_KILL");
        check(&user(1000), &Facts { caught: 0, ..node.clone() }, "needs a moment");
        let argv = vec!["node".to_owned(), "--disable-sigusr1".to_owned()];
        check(&user(1000), &Facts { argv, ..node }, "restart");
        let java = Facts { exe: Some("/usr/bin/java".to_owned()), ..python() };
        check(&user(1000), &java, "restart a JVM");
        let native = |binary| Facts {
            exe: Some("/app/api".to_owned()),
            argv: vec!["./api".to_owned()],
            binary: Some(binary),
            ..python()
        };
        check(&user(1000), &native(Binary::default()), "-g, unstripped");
        check(&user(1000), &native(Binary { has_debug: true, ..Binary::default() }), "yes");
        let go = Binary { go: Some(GoBuild::default()), ..Binary::default() };
        check(&user(1000), &native(go), "-s -w");
    }

    #[test]
    fn processes_have_names_and_runtimes() {
        assert_eq!(
            (name(&python()).as_str(), runtime(&python()).as_str()),
            ("app.py", "python 3.11")
        );
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let module = Facts { argv: argv(&["python", "-m", "http.server"]), ..python() };
        assert_eq!(name(&module), "http.server");
        let native = Facts {
            exe: Some("/app/api (deleted)".to_owned()),
            argv: Vec::new(),
            binary: Some(Binary { has_debug: true, is_rust: true, ..Binary::default() }),
            ..python()
        };
        assert_eq!(
            (name(&native).as_str(), runtime(&native).as_str()),
            ("api", "rust, debug info")
        );
    }
}
