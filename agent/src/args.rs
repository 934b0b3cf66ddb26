//! The agent's command line. Pure: words in, a command out.

use std::ffi::OsString;
use std::path::PathBuf;
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
    }
}
