//! Commands that run or read something beside the app: exec, logs, its environment, what
//! listens there.

use std::collections::BTreeMap;

use protocol::io::framed;
use protocol::limits::EXEC_OUTPUT_MAX;
use protocol::wire::app::LogLine;
use protocol::wire::exec::{Exit, Input, Output};
use serde_json::{Value, json};

use super::Session;
use super::answers::{Environment, Executed, ListeningPort, ListeningPorts, LogLines};
use super::arguments::{Env, Exec, Logs};
use crate::face::error::FaceError;
use crate::face::stream;
use crate::hub::api::Request;
use crate::remote::logs::Line;
use crate::runtime::Workspace;

/// Lines of the log when nobody says how many.
const TAIL: u32 = 200;

/// What a command said, and how it ended.
struct Ran {
    exit: Exit,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Runs a command to its end; of its output as much as an editor shows.
pub async fn exec(workspace: &Workspace, exec: Exec) -> Result<Value, FaceError> {
    let Exec { argv, cwd } = exec;
    if argv.is_empty() {
        return Err(FaceError::usage("a command is missing: `argv` is empty"));
    }
    let ran = run(workspace, argv, cwd).await?;
    let (code, signal) = match ran.exit {
        Exit::Code(code) => (Some(code), None),
        Exit::Signal(signal) => (None, Some(signal)),
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&ran.stdout), text(&ran.stderr));
    Ok(json!(Executed { code, signal, stdout, stderr }))
}

async fn run(
    workspace: &Workspace,
    argv: Vec<String>,
    cwd: Option<String>,
) -> Result<Ran, FaceError> {
    let tried = format!("unable to run `{}` beside the app", argv.join(" "));
    let request = Request::Exec { argv, cwd, env: Vec::new(), tty: None };
    let (mut rx, mut tx) = stream::open(workspace, request).await?;
    let failed = |error| FaceError::tried(&tried, &error);
    // A command that has ended by now hears nothing; what it said tells how it went.
    let _ = framed::write(&mut tx, &Input::StdinEof).await;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        let (into, bytes) = match framed::read(&mut rx).await.map_err(failed)? {
            Output::Started(_) => continue,
            Output::Stdout(bytes) => (&mut stdout, bytes),
            Output::Stderr(bytes) => (&mut stderr, bytes),
            Output::Exited(exit) => return Ok(Ran { exit, stdout, stderr }),
        };
        let room = EXEC_OUTPUT_MAX - into.len();
        into.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// The last lines of the app's output.
pub async fn logs(workspace: &Workspace, logs: Logs) -> Result<Value, FaceError> {
    let request = Request::Logs { tail: Some(logs.tail.unwrap_or(TAIL)), follow: false };
    let (mut rx, _tx) = stream::open(workspace, request).await?;
    let failed = |error| FaceError::tried("unable to read the app's output", &error);
    let mut lines = Vec::new();
    while let Some(line) = framed::read_optional::<LogLine>(&mut rx).await.map_err(failed)? {
        lines.push(Line::from(&line));
    }
    Ok(json!(LogLines { lines }))
}

/// The environment of what runs there.
pub async fn env(workspace: &Workspace, env: Env) -> Result<Value, FaceError> {
    let mut all = variables(workspace).await?;
    match &env.name {
        Some(name) => all.retain(|known, _| known == name),
        None => {
            for (name, value) in &mut all {
                if is_secret(name) {
                    "•••".clone_into(value);
                }
            }
        }
    }
    Ok(json!(Environment { env: all }))
}

/// Names and values, as a command there gets them.
///
/// # Errors
/// What to tell the user.
pub async fn variables(workspace: &Workspace) -> Result<BTreeMap<String, String>, FaceError> {
    let ran = run(workspace, vec!["env".to_owned(), "-0".to_owned()], None).await?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    // What the agent marks its own processes with is nobody else's.
    let foreign = pairs.filter(|(name, _)| *name != "TOWLINE_AGENT");
    Ok(foreign.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// Whether a variable's value is for nobody's screen.
pub fn is_secret(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["SECRET", "TOKEN", "PASSWORD", "PASSWD", "CREDENTIAL", "PRIVATE", "APIKEY", "_KEY"];
    let name = name.to_ascii_uppercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Ports that something listens on in the target. A directory of this machine has no
/// ports of its own.
pub async fn ports(session: &Session) -> Result<Value, FaceError> {
    let target = session.look(|facts, _| facts.status.target.clone()).await.flatten();
    if target.is_none_or(|target| target.starts_with("local:")) {
        return Ok(json!(ListeningPorts { ports: Vec::new() }));
    }
    let argv = ["cat", "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_owned).to_vec();
    let ran = run(&session.workspace, argv, None).await?;
    let found = listening(&String::from_utf8_lossy(&ran.stdout));
    let rows = session.look(move |facts, _| {
        let row = |(port, address)| {
            let forwarded = facts.forwarded(port).is_some();
            ListeningPort { port, address, forwarded }
        };
        found.into_iter().map(row).collect()
    });
    Ok(json!(ListeningPorts { ports: rows.await.unwrap_or_default() }))
}

/// Listening sockets of /proc/net/tcp and tcp6, once a port.
fn listening(text: &str) -> BTreeMap<u16, String> {
    const LISTEN: &str = "0A";
    let mut ports = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(1);
        let (Some(local), Some(_), Some(LISTEN)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let Some((address, port)) = local.rsplit_once(':') else { continue };
        let Ok(port) = u16::from_str_radix(port, 16) else { continue };
        let zeros = |text: &str| text.bytes().all(|byte| byte == b'0');
        let address = match address {
            any if zeros(any) => "any".to_owned(),
            _ => "own".to_owned(),
        };
        ports.entry(port).or_insert(address);
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_are_ports() {
        let text = "  sl  local_address rem_address   st\n   0: 00000000:1F90 00000000:0000 0A 0\n   \
                    1: 0100007F:1538 00000000:0000 0A 0\n   2: 0100007F:1F90 0100007F:A000 01 0\n   \
                    0: 00000000000000000000000000000000:1F90 0:0000 0A\n garbage 0A : 0A";
        let found = listening(text);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [5432, 8080]);
    }

    #[test]
    fn names_of_secrets_are_known() {
        for name in ["DB_PASSWORD", "api_token", "AWS_SECRET_ACCESS_KEY", "SIGNING_KEY"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["PATH", "KEYBOARD", "HOME", "PORT"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
