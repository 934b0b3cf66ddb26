//! Puts the agent into a container and starts it there, in one exec: a script for
//! any POSIX shell finds a place that can be written to and executed from, asks for
//! the binary if it is not there yet, has it check itself, and becomes its channel.
//!
//! | script says | then |
//! |---|---|
//! | `towline-machine NAME` | the hub ends it, if the agent is for another one |
//! | `towline-need ENCODINGS` | the hub answers `LENGTH ENCODING` and the bytes |
//! | `towline-ok` | what follows on the channel is the agent's |
//! | `towline-none REASONS` | no directory will do |
//! | `towline-bad REASON` | what arrived is not the agent, or does not run here |
//! | `towline-user UID` | the target's processes are another user's |
//! | `towline-version VERSION DIGEST` | the image's agent is of another version |
//!
//! An image of the agent's own has no shell: there the agent does what the script
//! does, and says the same.

use std::io::Write;
use std::time::Duration;

use protocol::version::VERSION;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::agent_file::AgentFile;
use super::agent_image;
use super::exec::Exec;
use super::pick::Place;

/// The longest line that a script says.
const LINE_MAX: usize = 4096;
/// How long the container may take for one step.
const STEP_PATIENCE: Duration = Duration::from_secs(30);
/// How long the whole binary may take on a slow link.
const UPLOAD_PATIENCE: Duration = Duration::from_secs(300);

/// What the shell is given. `$id` names the hub, so that two hubs in one container
/// do not meet.
const SCRIPT: &str = r#"
none=
if [ -n "$run" ]; then
  # The target's processes are ours to see, its files through one of them.
  pid=1
  for p in /proc/[0-9]*; do
    grep -q "$run" "$p/cgroup" 2>/dev/null && { pid=${p#/proc/}; break; }
  done
  root=/proc/$pid/root
  if ! [ -d "$root/." ]; then
    echo > "/tmp/.towline-$id-end"
    echo "towline-user $(stat -c %u /proc/$pid)"
    exit 6
  fi
fi
for base in $places "${HOME:-}" "$PWD" /var/tmp /run /dev/shm; do
  [ -n "$base" ] && [ -d "$base" ] || continue
  home=${base%/}/.towline-$id
  if [ -x "$home/$digest" ]; then
    echo towline-ok
    exec "$home/$digest" attach --start --state-dir "$home/state" --root "$root" --home "$home"
  fi
done
for base in $places "${HOME:-}" "$PWD" /var/tmp /run /dev/shm; do
  [ -n "$base" ] || continue
  if ! [ -d "$base" ]; then none="$none$base is not there; "; continue; fi
  home=${base%/}/.towline-$id
  if ! (umask 077; mkdir -p "$home") 2>/dev/null; then none="$none$base cannot be written to; "; continue; fi
  if ! (echo 'exit 7' > "$home/probe") 2>/dev/null; then none="$none$base is full; "; rmdir "$home" 2>/dev/null; continue; fi
  chmod 700 "$home/probe"
  "$home/probe" >/dev/null 2>&1
  code=$?
  rm -f "$home/probe"
  if [ $code != 7 ]; then none="$none$base is mounted noexec; "; rmdir "$home" 2>/dev/null; continue; fi
  found=$home
  break
done
if [ -z "${found:-}" ]; then echo "towline-none $none"; exit 3; fi
[ -z "$run" ] || echo > "/tmp/.towline-$id-end"
echo "towline-machine $(uname -m)"
encodings=raw
command -v gzip >/dev/null 2>&1 && encodings="$encodings gzip"
echo "towline-need $encodings"
read -r length encoding || { rm -rf "$found"; exit 4; }
case $encoding in
  gzip) head -c "$length" | gzip -dc > "$found/new" ;;
  *) head -c "$length" > "$found/new" ;;
esac
chmod 700 "$found/new"
if ! why=$("$found/new" verify "$digest" 2>&1); then
  rm -rf "$found"
  echo "towline-bad $why"
  exit 5
fi
mv "$found/new" "$found/$digest"
echo "$who" > "$found/who"
echo towline-ok
exec "$found/$digest" attach --start --state-dir "$found/state" --root "$root" --home "$found"
"#;

/// Tells of every agent that a container has, whoever put it there.
const FIND: &str = r#"
for base in $places "${HOME:-}" "$PWD" /var/tmp /run /dev/shm; do
  for home in "${base%/}"/.towline-*; do
    [ -d "$home" ] || continue
    who=
    [ -r "$home/who" ] && read -r who < "$home/who"
    state=left
    [ -S "$home/state/agent.sock" ] && state=running
    echo "towline-found $home $state $who"
  done
done
"#;

/// Ends the agent of one hub, and what it started, and removes its directory.
const REMOVE: &str = r#"
for base in $places "${HOME:-}" "$PWD" /var/tmp /run /dev/shm; do
  home=${base%/}/.towline-$id
  [ -d "$home" ] || continue
  marker=none
  [ -r "$home/state/marker" ] && read -r marker < "$home/state/marker"
  for p in /proc/[0-9]*; do
    if grep -q "$home/" "$p/cmdline" || grep -q "TOWLINE_AGENT=$marker" "$p/environ"; then
      kill -9 "${p#/proc/}"
    fi
  done 2>/dev/null
  rm -rf "$home"
  echo "towline-removed $home"
done
"#;

/// Why the agent is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectError {
    /// The container is not made for it: nothing to try again.
    #[error("{0}")]
    Unsuited(String),
    /// The target's processes belong to this user, who we are not.
    #[error("its processes run as user {0}, and the ephemeral container as another one")]
    OtherUser(u32),
    /// The node is another kind of machine than the agent is for.
    #[error(
        "its node is {theirs}, and the agent is for {ours}; build one for it, and set {} to it",
        crate::carrier::process::AGENT_VARIABLE
    )]
    OtherMachine {
        /// As `uname -m` says it.
        theirs: String,
        /// What the agent's file says.
        ours: &'static str,
    },
    /// The image holds the agent of another version.
    #[error(
        "its image holds another agent ({theirs}) than this hub's ({VERSION}): make it again with \
         `towline agent-image` and push it under a tag of its own"
    )]
    OtherVersion {
        /// What it said it is: version, digest.
        theirs: String,
    },
    /// It did not work out.
    #[error("{0}")]
    Failed(String),
}

/// What the script needs to know.
pub struct Script<'a> {
    /// Names the hub, so that two hubs in one container do not meet.
    pub id: &'a str,
    /// Of the agent.
    pub digest: &'a str,
    /// Who asks, for other people to read.
    pub who: &'a str,
    /// The id of the container that is meant, when it is not the one the script
    /// runs in.
    pub beside: Option<&'a str>,
}

/// The command that an exec has to run.
pub fn command(place: &Place, script: &Script<'_>) -> Vec<String> {
    let Script { id, digest, who, beside } = script;
    let places = if beside.is_some() { "/tmp".to_owned() } else { places(place) };
    let run = beside.map(run_of).unwrap_or_default();
    let who: String =
        who.chars().filter(|c| c.is_ascii_alphanumeric() || "@._-".contains(*c)).collect();
    let script =
        format!("id={id} digest={digest} who='{who}' places='{places}' run='{run}' root=/{SCRIPT}");
    shell(script)
}

/// The same in an ephemeral container of the agent's own image, beside the container
/// whose id is `run`.
pub fn beside(id: &str, agent: &AgentFile, run: &str) -> Vec<String> {
    let machine = agent.machine.unwrap_or("unknown");
    let run = run_of(run);
    let (program, digest) = (agent_image::PROGRAM, agent.digest.as_str());
    let words = [program, "beside", "--id", id, "--run", &run, "--version", VERSION];
    words.into_iter().chain(["--machine", machine, "--digest", digest]).map(str::to_owned).collect()
}

/// Of `containerd://ID`, what control groups name.
fn run_of(run: &str) -> String {
    let id = run.rsplit('/').next().unwrap_or_default();
    id.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn shell(script: String) -> Vec<String> {
    vec!["sh".into(), "-c".into(), script]
}

/// The command that tells of agents, one a line: `towline-found HOME STATE WHO`.
pub fn find(place: &Place) -> Vec<String> {
    let places = places(place);
    shell(format!("places='{places}'{FIND}"))
}

/// The command that removes what hub `id` has there, one line for each directory:
/// `towline-removed HOME`.
pub fn remove(place: &Place, id: &str) -> Vec<String> {
    let places = places(place);
    shell(format!("id={id} places='{places}'{REMOVE}"))
}

/// The same in an ephemeral container of the agent's own image.
pub fn clear(id: &str) -> Vec<String> {
    [agent_image::PROGRAM, "clear", "--id", id].map(str::to_owned).to_vec()
}

fn places(place: &Place) -> String {
    let mut places = vec!["/tmp"];
    places.extend(place.mounts.iter().map(String::as_str));
    // Mount paths with blanks or quotes are no places for an agent.
    places.retain(|path| {
        path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
    });
    places.join(" ")
}

/// Talks to the script until the agent is at the other end.
///
/// # Errors
/// Why it is not, in words.
pub async fn inject(exec: &mut Exec, agent: &AgentFile) -> Result<(), InjectError> {
    let failed = InjectError::Failed;
    loop {
        let line = tokio::time::timeout(STEP_PATIENCE, line(exec)).await.map_err(|_| {
            failed(format!("the container said nothing for {} s", STEP_PATIENCE.as_secs()))
        })??;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "towline-ok" => return Ok(()),
            "towline-need" => {
                let upload = upload(exec, agent, rest.split(' ').any(|word| word == "gzip"));
                tokio::time::timeout(UPLOAD_PATIENCE, upload)
                    .await
                    .map_err(|_| failed("sending the agent took too long".to_owned()))?
                    .map_err(|error| {
                        failed(with_complaints(exec, &format!("sending the agent: {error}")))
                    })?;
            }
            "towline-machine" => {
                let theirs = rest.trim();
                if let Some(ours) = agent.machine.filter(|ours| *ours != theirs)
                    && !theirs.is_empty()
                {
                    return Err(InjectError::OtherMachine { theirs: theirs.to_owned(), ours });
                }
            }
            "towline-none" => {
                return Err(InjectError::Unsuited(format!(
                    "no directory of it can be written to and executed from: {}",
                    rest.trim_end_matches("; ")
                )));
            }
            "towline-user" => {
                return Err(match rest.trim().parse() {
                    Ok(user) => InjectError::OtherUser(user),
                    Err(_) => failed("the files of the target are out of reach".to_owned()),
                });
            }
            "towline-version" => {
                return Err(InjectError::OtherVersion { theirs: rest.trim().to_owned() });
            }
            "towline-bad" => return Err(failed(format!("it does not run there: {rest}"))),
            _ => return Err(failed(format!("the container's shell said `{line}`"))),
        }
    }
}

async fn line(exec: &mut Exec) -> Result<String, InjectError> {
    let mut line = Vec::new();
    loop {
        match exec.rx.read_u8().await {
            Ok(b'\n') => return Ok(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Ok(byte) if line.len() < LINE_MAX => line.push(byte),
            Ok(_) => {
                let endless = "the container's shell said a line without end";
                return Err(InjectError::Failed(endless.to_owned()));
            }
            Err(_) => {
                let said = String::from_utf8_lossy(&line).into_owned();
                let complaints = exec.complaints.to_string();
                if has_no_shell(&complaints) {
                    return Err(InjectError::Unsuited("its image has no shell".to_owned()));
                }
                let what = if said.is_empty() && complaints.contains("dial tcp") {
                    "the API server cannot reach its node".to_owned()
                } else {
                    format!("its shell ended {said}")
                };
                return Err(InjectError::Failed(with_complaints(exec, &what)));
            }
        }
    }
}

/// Whether a container runtime said that it cannot start `sh`.
fn has_no_shell(complaints: &str) -> bool {
    let runtimes = complaints.contains("exec: \"sh\"") || complaints.contains("sh: no such file");
    runtimes
        && (complaints.contains("not found") || complaints.contains("no such file or directory"))
}

async fn upload(exec: &mut Exec, agent: &AgentFile, gzip: bool) -> std::io::Result<()> {
    let (bytes, encoding) =
        if gzip { (compress(&agent.bytes)?, "gzip") } else { (agent.bytes.clone(), "raw") };
    exec.tx.write_all(format!("{} {encoding}\n", bytes.len()).as_bytes()).await?;
    exec.tx.write_all(&bytes).await
}

fn compress(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

fn with_complaints(exec: &Exec, text: &str) -> String {
    let complaints = exec.complaints.to_string();
    let text = text.trim();
    if complaints.is_empty() { text.to_owned() } else { format!("{text}: {complaints}") }
}
