//! The agent's command line. Pure: words in, a command out.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use protocol::limits::AGENT_GRACE;

/// What `--help` says.
pub const USAGE: &str = "\
towline-agent: serves one target to Towline hubs; a hub starts it

  towline-agent attach --state-dir DIR [--root DIR] [--start] [--grace-ms N]
      speak to the agent of DIR on standard input and output; --start starts it
      when there is none
  towline-agent serve --state-dir DIR [--root DIR] [--grace-ms N]
      be that agent
  towline-agent verify DIGEST
      say whether this file is the one with that BLAKE3 digest
  towline-agent hold --id ID
      be the command of an ephemeral container that holds nothing but this file
  towline-agent beside --id ID --run CONTAINER --version V --machine M --digest D
      in there: attach to the agent that serves the container beside it, if this file
      is that version's
  towline-agent clear --id ID
      in there: end that agent, and remove its directory
  towline-agent --version

  --home DIR, for attach and serve: DIR holds this binary and nothing else that is
  wanted; it goes when the agent goes
";

/// One run of the binary.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Join standard input and output to an agent.
    Attach {
        /// The agent.
        agent: Settings,
        /// Start it when there is none.
        start: bool,
    },
    /// Be an agent.
    Serve(Settings),
    /// Check this binary against a digest, in hex.
    Verify(String),
    /// Be an ephemeral container's command.
    Hold(Id),
    /// Attach from an ephemeral container.
    Beside(Wanted),
    /// End what is in an ephemeral container.
    Clear(Id),
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
}

/// Which agent, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its own directory; names it.
    pub state_dir: PathBuf,
    /// What the target's absolute paths are relative to.
    pub root: PathBuf,
    /// How long it stays without a hub.
    pub grace: Duration,
    /// What was made for the agent alone, and goes with it.
    pub home: Option<PathBuf>,
}

/// Names a hub in a container: hexadecimal, so that it can be part of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(String);

/// Longer than any hub's.
const ID_LEN_MAX: usize = 64;

impl FromStr for Id {
    type Err = ArgsError;

    fn from_str(text: &str) -> Result<Self, ArgsError> {
        let is_id = (1..=ID_LEN_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_id { Ok(Self(text.to_owned())) } else { Err(ArgsError::Id) }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which agent a hub wants in an ephemeral container, and beside what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The hub.
    pub id: Id,
    /// The id of the container beside this one.
    pub run: String,
    /// The hub's version.
    pub version: String,
    /// What the hub's own agent is for, as `uname -m` says it.
    pub machine: String,
    /// BLAKE3 of the hub's own agent, in hex.
    pub digest: String,
}

/// Words that make no command.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// An unknown word.
    #[error("unknown argument {0:?}")]
    Unknown(OsString),
    /// A flag without its value.
    #[error("{0} needs a value")]
    NoValue(&'static str),
    /// A value that is no number.
    #[error("{0} needs a number of milliseconds")]
    NoNumber(&'static str),
    /// What names no hub.
    #[error("--id needs hexadecimal digits")]
    Id,
    /// The state directory is missing or not absolute.
    #[error("--state-dir needs an absolute path")]
    StateDir,
    /// Nothing was asked for.
    #[error("no command was given")]
    Nothing,
}

/// Reads the words after the program's name.
///
/// # Errors
/// See [`ArgsError`].
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, ArgsError> {
    let mut words = words.into_iter();
    let verb = words.next().ok_or(ArgsError::Nothing)?;
    match verb.to_str() {
        Some("--version" | "-V") => return Ok(Command::Version),
        Some("--help" | "-h" | "help") => return Ok(Command::Help),
        Some("verify") => {
            let digest = words.next().and_then(|word| word.into_string().ok());
            return digest.map(Command::Verify).ok_or(ArgsError::NoValue("verify"));
        }
        Some("hold") => {
            let [id] = values(words, ["--id"])?;
            return Ok(Command::Hold(id.parse()?));
        }
        Some("clear") => {
            let [id] = values(words, ["--id"])?;
            return Ok(Command::Clear(id.parse()?));
        }
        Some("beside") => {
            let flags = ["--id", "--run", "--version", "--machine", "--digest"];
            let [id, run, version, machine, digest] = values(words, flags)?;
            let id = id.parse()?;
            return Ok(Command::Beside(Wanted { id, run, version, machine, digest }));
        }
        Some("attach" | "serve") => {}
        _ => return Err(ArgsError::Unknown(verb)),
    }
    let (mut state_dir, mut root, mut start, mut grace, mut home) =
        (None, PathBuf::from("/"), false, AGENT_GRACE, None);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--state-dir") => {
                state_dir = Some(words.next().ok_or(ArgsError::NoValue("--state-dir"))?);
            }
            Some("--root") => root = words.next().ok_or(ArgsError::NoValue("--root"))?.into(),
            Some("--home") => {
                home = Some(words.next().ok_or(ArgsError::NoValue("--home"))?.into());
            }
            Some("--grace-ms") => {
                let value = words.next().ok_or(ArgsError::NoValue("--grace-ms"))?;
                let number = value.to_str().and_then(|text| text.parse().ok());
                grace = Duration::from_millis(number.ok_or(ArgsError::NoNumber("--grace-ms"))?);
            }
            Some("--start") if verb == "attach" => start = true,
            _ => return Err(ArgsError::Unknown(word)),
        }
    }
    let state_dir = state_dir.map(PathBuf::from).filter(|dir| dir.is_absolute());
    let settings = Settings { state_dir: state_dir.ok_or(ArgsError::StateDir)?, root, grace, home };
    if verb == "serve" {
        return Ok(Command::Serve(settings));
    }
    Ok(Command::Attach { agent: settings, start })
}

/// The values of flags, all of which are needed, in any order.
fn values<const N: usize>(
    mut words: impl Iterator<Item = OsString>,
    flags: [&'static str; N],
) -> Result<[String; N], ArgsError> {
    let mut values = [const { None }; N];
    while let Some(word) = words.next() {
        let Some(at) = flags.iter().position(|flag| word == *flag) else {
            return Err(ArgsError::Unknown(word));
        };
        let value = words.next().and_then(|word| word.into_string().ok());
        values[at] = Some(value.ok_or(ArgsError::NoValue(flags[at]))?);
    }
    match flags.iter().zip(&values).find(|(_, value)| value.is_none()) {
        Some((flag, _)) => Err(ArgsError::NoValue(flag)),
        None => Ok(values.map(Option::unwrap_or_default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &str) -> Result<Command, ArgsError> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn words_become_commands() {
        let settings = |root: &str, grace| Settings {
            state_dir: "/s".into(),
            root: root.into(),
            grace: Duration::from_millis(grace),
            home: None,
        };
        let day = u64::try_from(AGENT_GRACE.as_millis()).unwrap();
        assert_eq!(
            of("attach --state-dir /s --root /r --start"),
            Ok(Command::Attach { agent: settings("/r", day), start: true })
        );
        assert_eq!(of("serve --state-dir /s --grace-ms 5"), Ok(Command::Serve(settings("/", 5))));
        assert_eq!(of("verify 00ff"), Ok(Command::Verify("00ff".into())));
        assert_eq!(of("--version"), Ok(Command::Version));
        assert_eq!(of(""), Err(ArgsError::Nothing));
        assert_eq!(of("attach"), Err(ArgsError::StateDir));
        assert_eq!(of("attach --state-dir s"), Err(ArgsError::StateDir));
        assert_eq!(of("serve --state-dir /s --start"), Err(ArgsError::Unknown("--start".into())));
        assert_eq!(of("serve --grace-ms x"), Err(ArgsError::NoNumber("--grace-ms")));
        assert_eq!(of("dance"), Err(ArgsError::Unknown("dance".into())));
        assert_eq!(of("hold --id 0f"), Ok(Command::Hold(Id("0f".into()))));
        assert_eq!(of("clear --id ../f"), Err(ArgsError::Id));
        assert_eq!(of("hold"), Err(ArgsError::NoValue("--id")));
        assert_eq!(of("hold --id"), Err(ArgsError::NoValue("--id")));
        assert_eq!(of("hold --run x"), Err(ArgsError::Unknown("--run".into())));
        assert_eq!(
            of("beside --digest d --id 0f --run r --machine m --version 1"),
            Ok(Command::Beside(Wanted {
                id: Id("0f".into()),
                run: "r".into(),
                version: "1".into(),
                machine: "m".into(),
                digest: "d".into(),
            }))
        );
    }
}
