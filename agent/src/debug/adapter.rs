//! Finds a debug adapter for a process and starts it beside it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use protocol::error::{ErrorCode, WireError};
use protocol::limits::{ADAPTER_START_MAX, SOURCES_NAMED_MAX};
use protocol::wire::debug::{AdapterReady, OpenDebug, Quirk};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::elf::{Elf, names_in};
use super::inspector::{self, Relay};
use super::judge::{self, Facts};
use super::languages::{Adapter, Language, Speaks, Way};
use super::look::{HELPER, seen_by};
use super::python::{self, Injection};
use crate::context::Context;

/// Where programs are that are in no PATH.
const FOLDERS: &[&str] = &["/usr/local/bin", "/usr/bin", "/go/bin", "/usr/local/go/bin"];

/// A running adapter.
pub struct Started {
    /// What the hub is told of it.
    pub ready: AdapterReady,
    /// From it.
    pub rx: Box<dyn AsyncRead + Send + Unpin>,
    /// To it.
    pub tx: Box<dyn AsyncWrite + Send + Unpin>,
    /// Its process, if it has one.
    pub child: Option<Child>,
    /// What it waits for after `attach`.
    pub injection: Option<Injection>,
    /// Connections to an inspector.
    pub relay: Option<Relay>,
    /// Whether it holds its process by ptrace: then no signal may ever reach it.
    pub by_ptrace: bool,
}

/// Names of a language's adapters that are here.
pub fn found(language: &Language) -> Vec<String> {
    let found = language.adapters.iter().filter(|adapter| {
        adapter.programs.is_empty() || adapter.programs.iter().any(|name| which(name).is_some())
    });
    found.map(|adapter| adapter.name.to_owned()).collect()
}

/// Starts an adapter for a process.
///
/// # Errors
/// Why there is none.
pub async fn start(
    context: &Context,
    facts: &Facts,
    open: &OpenDebug,
) -> Result<Started, WireError> {
    let language = judge::language(facts);
    match language.way {
        Way::Inject => {
            let injection = python::find(context, facts, open).await?;
            let adapter = &language.adapters[0];
            let command = injection.adapter();
            let ready = ready(context, facts, language, adapter);
            let started = stdio(context, command, "debugpy", ready, false)?;
            Ok(Started { injection: Some(injection), ..started })
        }
        Way::Signal => {
            let relay = inspector::open(facts).await?;
            let mut ready = ready(context, facts, language, &language.adapters[0]);
            ready.arguments = relay.arguments();
            let (rx, tx) = (Box::new(tokio::io::empty()), Box::new(tokio::io::sink()));
            let (child, injection, by_ptrace) = (None, None, false);
            Ok(Started { ready, rx, tx, child, injection, relay: Some(relay), by_ptrace })
        }
        Way::Ptrace => by_ptrace(context, facts, open, language).await,
        Way::StartFlag | Way::None => Err(WireError::new(
            ErrorCode::Unsupported,
            format!("there is no debug adapter for {} yet", language.id),
        )),
    }
}

async fn by_ptrace(
    context: &Context,
    facts: &Facts,
    open: &OpenDebug,
    language: &'static Language,
) -> Result<Started, WireError> {
    let (adapter, program) = choose(language, open.adapter.as_deref()).await?;
    let ready = ready(context, facts, language, adapter);
    let mut command = Command::new(&program);
    let root =
        if shares_files(facts) { "/".to_owned() } else { format!("/proc/{}/root", facts.pid) };
    let argument =
        |text: &str, address: &str| text.replace("{root}", &root).replace("{address}", address);
    match adapter.speaks {
        Speaks::Stdio => {
            command.args(adapter.arguments.iter().map(|text| argument(text, "")));
            stdio(context, command, adapter.name, ready, true)
        }
        Speaks::DialsBack => {
            let failed = |error: std::io::Error| WireError::from(&error);
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?.to_string();
            command.args(adapter.arguments.iter().map(|text| argument(text, &address)));
            let mut started = stdio(context, command, adapter.name, ready, true)?;
            let accepted = tokio::time::timeout(ADAPTER_START_MAX, async {
                let Some(child) = &mut started.child else { return None };
                tokio::select! {
                    accepted = listener.accept() => accepted.ok(),
                    _ = child.wait() => None,
                }
            });
            let Ok(Some((stream, _))) = accepted.await else {
                return Err(WireError::new(
                    ErrorCode::Other,
                    format!("{} ended, or did not connect, after its start", adapter.name),
                ));
            };
            let _ = stream.set_nodelay(true); // slower without, but right
            let (rx, tx) = stream.into_split();
            (started.rx, started.tx) = (Box::new(rx), Box::new(tx));
            Ok(started)
        }
    }
}

/// The adapter to take: the one that was asked for, or the best that is here and works.
async fn choose(
    language: &'static Language,
    asked: Option<&str>,
) -> Result<(&'static Adapter, PathBuf), WireError> {
    let missing = |message: String| Err(WireError::new(ErrorCode::NotFound, message));
    if let Some(asked) = asked {
        let base = asked.rsplit('/').next().unwrap_or(asked);
        let known = language.adapters.iter().find(|adapter| base.starts_with(adapter.name));
        return match (known, which(asked)) {
            (Some(adapter), Some(program)) => Ok((adapter, program)),
            (None, _) => missing(format!("`{asked}` is no debug adapter for {}", language.id)),
            (_, None) => missing(format!("there is no debug adapter `{asked}` on the target")),
        };
    }
    for adapter in language.adapters {
        for program in adapter.programs.iter().filter_map(|name| which(name)) {
            if works(adapter, &program).await {
                return Ok((adapter, program));
            }
        }
    }
    let names: Vec<&str> = language.adapters.iter().map(|adapter| adapter.name).collect();
    missing(format!(
        "a debug adapter for {} is missing on the target: install {} there, or name one with \
         --adapter",
        language.id,
        names.join(" or ")
    ))
}

/// gdb speaks DAP from version 14 on.
async fn works(adapter: &Adapter, program: &Path) -> bool {
    if adapter.name != "gdb" {
        return true;
    }
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut version = Command::new(program);
    version.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let version = version.output();
    let Ok(Ok(version)) = tokio::time::timeout(PATIENCE, version).await else { return false };
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    let first = text.lines().next().unwrap_or_default();
    let number = first.rsplit([' ', ')']).next().and_then(|text| text.split('.').next());
    number.and_then(|text| text.parse().ok()).is_some_and(|major: u32| major >= 14)
}

fn which(name: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |path: &PathBuf| {
        std::fs::metadata(path)
            .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(is_program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(is_program)
}

fn shares_files(facts: &Facts) -> bool {
    super::look::viewer().mounts == facts.mounts
}

/// Starts `command` with DAP on its standard streams. It has no marker: what bears one is
/// killed when its agent is gone, and this must never be.
fn stdio(
    context: &Context,
    mut command: Command,
    name: &str,
    ready: AdapterReady,
    by_ptrace: bool,
) -> Result<Started, WireError> {
    command
        .current_dir("/")
        .env_remove(protocol::io::process::MARKER)
        .env(HELPER, &context.marker)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(false);
    let mut child = command.spawn().map_err(|error| {
        let mut wire = WireError::from(&error);
        wire.message = format!("unable to start the debug adapter {name}: {error}");
        wire
    })?;
    let (Some(tx), Some(rx)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(WireError::new(ErrorCode::Other, format!("{name} has no streams")));
    };
    let (rx, tx) = (Box::new(rx), Box::new(tx));
    let (child, injection, relay) = (Some(child), None, None);
    Ok(Started { ready, rx, tx, child, injection, relay, by_ptrace })
}

fn ready(context: &Context, facts: &Facts, language: &Language, adapter: &Adapter) -> AdapterReady {
    let exe = facts.exe.clone().unwrap_or_default();
    // Across mount namespaces a debugger finds the program only so.
    let exe =
        if shares_files(facts) { exe } else { seen_by(facts.pid, &exe).display().to_string() };
    let is_container = context.is_beside() || context.root == Path::new("/");
    let (sources, module) = named(facts, language);
    AdapterReady {
        language: language.id.to_owned(),
        adapter: adapter.name.to_owned(),
        arguments: adapter.attach.replace("{pid}", &facts.pid.to_string()).replace("{exe}", &exe),
        root: if is_container { "/".to_owned() } else { context.root.display().to_string() },
        cwd: facts.cwd.clone(),
        sources,
        module,
        quirks: adapter.quirks.to_vec(),
    }
}

/// Source files that the program names, and its main module.
fn named(facts: &Facts, language: &Language) -> (Vec<String>, Option<String>) {
    let module = facts.binary.as_ref().and_then(|binary| binary.go.as_ref()?.module.clone());
    if language.way != Way::Ptrace {
        return (Vec::new(), module);
    }
    let names = || {
        let file = std::fs::File::open(super::look::folder(facts.pid).join("exe")).ok()?;
        let elf = Elf::parse(&file)?;
        // Go's table of files; what DWARF calls its units and files.
        let tables = [".gopclntab", ".debug_line_str", ".debug_str", ".debug_line"];
        let is_own = |name: &String| !name.starts_with("/rustc/") && !name.contains("/usr/");
        let mut found: Vec<String> = tables
            .iter()
            .filter_map(|table| elf.section(table))
            .flat_map(|table| names_in(&table, language.sources, 20 * SOURCES_NAMED_MAX))
            .filter(is_own)
            .collect();
        found.sort_unstable();
        found.dedup();
        found.truncate(SOURCES_NAMED_MAX);
        Some(found)
    };
    (names().unwrap_or_default(), module)
}

/// Whether the hub's side has to bring the adapter that speaks with what was opened.
pub fn is_inspector(ready: &AdapterReady) -> bool {
    ready.quirks.contains(&Quirk::Inspector)
}
