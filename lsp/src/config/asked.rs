//! What faces ask of the settings: what is wanted with these flags, and what is wrong in
//! a text that is still being typed.

use std::path::Path;

use super::{ConfigError, Flags, Settings, file, load, merge};
use crate::runtime::Workspace;

/// Where in a cluster a workload is meant; what is not said is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The container.
    pub container: Option<String>,
    /// The namespace.
    pub namespace: Option<String>,
    /// The kubeconfig's context.
    pub context: Option<String>,
    /// Where the agent goes.
    pub tier: Option<String>,
    /// The image of ephemeral containers.
    pub agent_image: Option<String>,
    /// Every pod of it.
    pub all: bool,
}

impl Place {
    /// A target as it is kept: with its flags behind its name.
    pub fn behind(&self, target: &str) -> String {
        let mut text = target.to_owned();
        for (flag, value) in [
            ("-c", &self.container),
            ("-n", &self.namespace),
            ("--context", &self.context),
            ("--tier", &self.tier),
            ("--agent-image", &self.agent_image),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(" {flag} {value}"));
            }
        }
        if self.all {
            text.push_str(" --all");
        }
        text
    }
}

/// What is asked for; none when nothing is said and something is up.
///
/// # Errors
/// See [`ConfigError`].
pub fn wanted(
    workspace: &Workspace,
    cwd: &Path,
    flags: &Flags,
) -> Result<Option<Settings>, ConfigError> {
    match load(&workspace.root, cwd, flags) {
        Ok(settings) => Ok(Some(settings)),
        Err(ConfigError::NoTarget)
            if *flags == Flags::default() && workspace.settings().exists() =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The first mistake in a text of `towline.yaml`: line and column from 1, and what is
/// wrong and allowed there. A file without a target is none: flags may name it.
pub fn mistake(root: &Path, text: &str) -> Option<(u64, u64, String)> {
    let path = root.join(crate::runtime::CONFIG_NAME);
    let told = |error: &ConfigError, what: &str| format!("{what} ({})", error.help());
    let judge = |file: file::File| {
        // Flags may name a target; the rest is judged as if one did.
        let target = file.target.is_none().then(|| "pod/any".to_owned());
        merge(file, root, root, &Flags { target, ..Flags::default() })
    };
    let error = file::parse(&path, text).map_err(ConfigError::from).and_then(judge).err()?;
    match &error {
        ConfigError::File(file::FileError::Malformed { line, column, reason, .. }) => {
            Some((*line, *column, told(&error, reason)))
        }
        ConfigError::Placed { line, column, error: cause, .. } => {
            Some((*line, *column, told(&error, &crate::chain(cause.as_ref()))))
        }
        _ => Some((1, 1, told(&error, &crate::chain(&error)))),
    }
}
