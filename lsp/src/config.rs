//! Settings: what a workspace wants, from `towline.yaml`, flags and defaults,
//! parsed once. Knows files and text, nothing of what runs.

pub mod asked;
pub mod file;
pub mod schema;
pub mod watch;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use self::file::At;
use crate::ports::{ForwardError, ForwardSpec, Port};
use crate::target::{Target, TargetError};

/// What one hub is asked to keep up. Two `up` are the same when these are equal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The other side.
    #[serde(with = "target_text")]
    pub target: Target,
    /// What is synced.
    pub syncs: Vec<SyncSetting>,
    /// Ports on localhost, as the user writes them.
    pub forwards: Vec<String>,
    /// What runs there.
    pub app: Option<AppSetting>,
    /// Whether a taken local port is an error.
    pub strict_ports: bool,
}

/// One sync.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncSetting {
    /// Names it in commands.
    pub name: String,
    /// The local root, absolute.
    pub from: PathBuf,
    /// The target's root, absolute as the target names it.
    pub to: String,
    /// Patterns that are not synced.
    pub ignore: Vec<String>,
    /// Patterns that are, though an ignore rule names them.
    pub include: Vec<String>,
    /// What follows a batch of edits.
    pub on_change: OnChange,
}

/// What follows a batch of edits that is fully visible on the target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// Nothing.
    #[default]
    Nothing,
    /// The app is restarted.
    Restart,
    /// This command runs there, program and arguments.
    Run(Vec<String>),
}

/// The app the agent supervises.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppSetting {
    /// Program and arguments, never empty.
    pub command: Vec<String>,
    /// Working directory as the target names it.
    pub cwd: Option<String>,
    /// Added to the environment, sorted by name.
    pub env: Vec<(String, String)>,
}

/// What flags say; each that is given replaces what the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// The target.
    pub target: Option<String>,
    /// `LOCAL:/REMOTE` pairs.
    pub syncs: Vec<String>,
    /// Ports.
    pub forwards: Vec<String>,
    /// The app's command.
    pub command: Vec<String>,
    /// Its directory.
    pub cwd: Option<String>,
    /// What follows a batch of edits.
    pub on_change: Option<String>,
    /// Whether a taken port is an error.
    pub strict_ports: bool,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error(transparent)]
    File(#[from] file::FileError),
    /// Nothing says where to.
    #[error("there is no target")]
    NoTarget,
    /// The target.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A sync.
    #[error("`{text}` is no sync: {reason}")]
    Sync {
        /// What was given.
        text: String,
        /// Why not.
        reason: String,
    },
    /// A forward.
    #[error(transparent)]
    Forward(#[from] crate::ports::ForwardError),
    /// What follows an edit.
    #[error("`{text}` is not what can follow an edit")]
    OnChange {
        /// What was given.
        text: String,
    },
    /// The app.
    #[error("the app's command is empty")]
    EmptyCommand,
    /// Any of these, at a place in the file.
    #[error("{}:{line}:{column}: {error}", path.display())]
    Placed {
        /// Which file.
        path: PathBuf,
        /// From 1.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong there.
        error: Box<ConfigError>,
    },
}

impl ConfigError {
    /// What is wrong, wherever it stands.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Placed { error, .. } => error.cause(),
            other => other,
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::File(error) => error.help(),
            Self::NoTarget => {
                "name one, as in `towline up deploy/api --sync .:/app` (`towline list` shows what \
                 there is) or `towline up local:../there --sync .:/app`, or write `target:` into \
                 towline.yaml"
                    .to_owned()
            }
            Self::Target(error) => error.help().to_owned(),
            Self::Sync { .. } => "write LOCAL:/REMOTE, as in `--sync .:/app`".to_owned(),
            Self::Forward(_) => {
                "write PORT, LOCAL:REMOTE, HOST:PORT or LOCAL:HOST:PORT, with /udp behind it for \
                 datagrams"
                    .to_owned()
            }
            Self::OnChange { .. } => {
                "write `restart`, `nothing`, or `run: CMD` (on the command line `--on-change \
                 'run: CMD'`)"
                    .to_owned()
            }
            Self::EmptyCommand => "write the program and its arguments".to_owned(),
            Self::Placed { error, .. } => error.help(),
        }
    }
}

/// Joins the file of the workspace (if there is one) and the flags. Relative
/// paths in the file are seen from `root`, on the command line from `cwd`.
///
/// # Errors
/// See [`ConfigError`].
pub fn load(root: &Path, cwd: &Path, flags: &Flags) -> Result<Settings, ConfigError> {
    let path = root.join(crate::runtime::CONFIG_NAME);
    let file = file::read(&path)?.unwrap_or_default();
    merge(file, root, cwd, flags)
}

fn merge(
    file: file::File,
    root: &Path,
    cwd: &Path,
    flags: &Flags,
) -> Result<Settings, ConfigError> {
    let path = root.join(crate::runtime::CONFIG_NAME);
    let target = match (&flags.target, file.target) {
        (Some(text), _) => Target::parse(text, cwd)?.check()?,
        (None, Some(text)) => placed(&path, text, |text| Ok(Target::parse(&text, root)?.check()?))?,
        (None, None) => return Err(ConfigError::NoTarget),
    };
    let mut syncs = Vec::new();
    if flags.syncs.is_empty() {
        for mut sync in file.sync {
            let on_change = sync.value.on_change.take();
            let mut setting = placed(&path, sync, |sync| sync_of_file(sync, root, &target))?;
            if let Some(on_change) = on_change {
                setting.on_change = placed(&path, on_change, on_change_of_file)?;
            }
            syncs.push(setting);
        }
    } else {
        for text in &flags.syncs {
            let (from, to) = split_pair(text)?;
            let blank = file::Sync { from: from.into(), to: to.into(), ..file::Sync::default() };
            syncs.push(sync_of_file(blank, cwd, &target)?);
        }
    }
    if let Some(text) = &flags.on_change {
        let on_change = on_change_of(text)?;
        syncs.iter_mut().for_each(|sync| sync.on_change = on_change.clone());
    }
    name_apart(&mut syncs);
    let forwards = match flags.forwards.as_slice() {
        [] => file.forward,
        flags => flags.iter().cloned().map(At::from).collect(),
    };
    // In one spelling, so that two ways to write the same are no difference.
    let spelled = |text: String| {
        let spec: ForwardSpec = text.parse()?;
        match (&target, &spec.port) {
            // A directory has no ports with names.
            (Target::Local(_), Port::Name(name)) if spec.is_own() => {
                let reason = format!("`{name}` is no port");
                Err(ForwardError::Malformed { text, reason }.into())
            }
            _ => Ok(spec.to_string()),
        }
    };
    let forwards = forwards.into_iter().map(|text| placed(&path, text, spelled));
    let forwards = forwards.collect::<Result<_, _>>()?;
    let app = match file.app {
        Some(app) => Some(placed(&path, app, app_of_file)?),
        None => None,
    };
    Ok(Settings {
        app: app_of(app, flags, &syncs),
        strict_ports: flags.strict_ports || file.strict_ports,
        target,
        syncs,
        forwards,
    })
}

/// Makes something of a value; an error tells where in the file that stands.
fn placed<V, T>(
    path: &Path,
    at: At<V>,
    make: impl FnOnce(V) -> Result<T, ConfigError>,
) -> Result<T, ConfigError> {
    make(at.value).map_err(|error| match at.place {
        Some((line, column)) => {
            ConfigError::Placed { path: path.to_owned(), line, column, error: Box::new(error) }
        }
        None => error,
    })
}

fn split_pair(text: &str) -> Result<(&str, &str), ConfigError> {
    match text.find(":/") {
        Some(0) => Err(ConfigError::Sync {
            text: text.to_owned(),
            reason: "the local directory is missing before `:`".to_owned(),
        }),
        Some(at) => Ok((&text[..at], &text[at + 1..])),
        None => Err(ConfigError::Sync {
            text: text.to_owned(),
            reason: "an absolute path of the target has to follow a `:`".to_owned(),
        }),
    }
}

fn sync_of_file(
    sync: file::Sync,
    base: &Path,
    target: &Target,
) -> Result<SyncSetting, ConfigError> {
    let text = format!("{}:{}", sync.from, sync.to);
    let wrong = |reason: String| ConfigError::Sync { text: text.clone(), reason };
    if !sync.to.starts_with('/') {
        return Err(wrong("the target's side has to be an absolute path".to_owned()));
    }
    let from = base.join(&sync.from);
    let from = from
        .canonicalize()
        .map_err(|error| wrong(format!("unable to use {}: {error}", from.display())))?;
    if !from.is_dir() {
        return Err(wrong(format!("{} is not a directory", from.display())));
    }
    let to = target.locate(&sync.to).map(|to| to.canonicalize().unwrap_or(to));
    if let Some(to) = to
        && (to.starts_with(&from) || from.starts_with(&to))
    {
        return Err(wrong(format!(
            "{} and {} are one inside the other, so the sync would feed itself",
            from.display(),
            to.display()
        )));
    }
    let name = match sync.name {
        Some(name) if name.is_empty() || name.contains(char::is_whitespace) => {
            return Err(wrong(format!("`{name}` cannot be its name: no empty or blank names")));
        }
        Some(name) => name,
        None => sync.to.trim_matches('/').rsplit('/').next().unwrap_or_default().to_owned(),
    };
    Ok(SyncSetting {
        name: if name.is_empty() { "root".to_owned() } else { name },
        from,
        to: sync.to,
        ignore: sync.ignore,
        include: sync.include,
        on_change: OnChange::Nothing,
    })
}

fn on_change_of_file(on_change: file::OnChange) -> Result<OnChange, ConfigError> {
    match on_change {
        file::OnChange::Word(word) => on_change_of(&word),
        file::OnChange::Run(run) => Ok(OnChange::Run(command_of(run.run)?)),
    }
}

fn on_change_of(text: &str) -> Result<OnChange, ConfigError> {
    match text.trim() {
        "nothing" => Ok(OnChange::Nothing),
        "restart" => Ok(OnChange::Restart),
        other => match other.strip_prefix("run:").map(str::trim) {
            Some(command) if !command.is_empty() => {
                Ok(OnChange::Run(command_of(file::Command::Line(command.to_owned()))?))
            }
            _ => Err(ConfigError::OnChange { text: text.to_owned() }),
        },
    }
}

fn command_of(command: file::Command) -> Result<Vec<String>, ConfigError> {
    let argv = match command {
        file::Command::Line(line) if line.trim().is_empty() => Vec::new(),
        // A line is for a shell: quoting, variables and `&&` mean what they do there.
        file::Command::Line(line) => vec!["sh".to_owned(), "-c".to_owned(), line],
        file::Command::Words(words) => words,
    };
    if argv.is_empty() { Err(ConfigError::EmptyCommand) } else { Ok(argv) }
}

fn app_of_file(app: file::App) -> Result<AppSetting, ConfigError> {
    let env = app.env.into_iter().collect();
    Ok(AppSetting { command: command_of(app.command)?, cwd: app.cwd, env })
}

fn app_of(file: Option<AppSetting>, flags: &Flags, syncs: &[SyncSetting]) -> Option<AppSetting> {
    let mut app = match (file, flags.command.as_slice()) {
        (Some(app), []) => app,
        (None, []) => return None,
        (app, command) => AppSetting {
            command: command.to_vec(),
            ..app.unwrap_or(AppSetting { command: Vec::new(), cwd: None, env: Vec::new() })
        },
    };
    // An app usually lives in what is synced first.
    let first = || syncs.first().map(|sync| sync.to.clone());
    app.cwd = flags.cwd.clone().or(app.cwd).or_else(first);
    Some(app)
}

fn name_apart(syncs: &mut [SyncSetting]) {
    for at in 1..syncs.len() {
        let (before, rest) = syncs.split_at_mut(at);
        let taken = |name: &str| before.iter().any(|sync| sync.name == name);
        let base = rest[0].name.clone();
        let mut number = 2;
        while taken(&rest[0].name) {
            rest[0].name = format!("{base}-{number}");
            number += 1;
        }
    }
}

impl std::fmt::Display for OnChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Restart => f.write_str("restart"),
            Self::Run(argv) => match argv.as_slice() {
                [shell, flag, line] if shell == "sh" && flag == "-c" => write!(f, "run: {line}"),
                words => write!(f, "run: {}", words.join(" ")),
            },
        }
    }
}

mod target_text {
    //! A target is kept as the text that names it.
    use super::*;
    use serde::{Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(target: &Target, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&target.to_string())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Target, D::Error> {
        Target::parse(&String::deserialize(d)?, Path::new("/")).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
