//! The real `towline` and `towline-agent`, built once per test process from the
//! same profile as the test itself.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where the binaries are.
#[derive(Debug)]
pub struct Bins {
    /// The command line and hub.
    pub towline: PathBuf,
    /// The agent.
    pub agent: PathBuf,
}

/// Builds what is not fresh and returns the paths.
///
/// # Panics
/// When the build fails: a suite without its binaries must not pass.
pub fn bins() -> &'static Bins {
    static BINS: OnceLock<Bins> = OnceLock::new();
    BINS.get_or_init(|| {
        let folder = profile_folder();
        let mut cargo = cargo();
        // The whole workspace: another package selection would unify features
        // differently and build every dependency a second time.
        cargo.args(["build", "--quiet", "--workspace", "--bins"]);
        if folder.file_name().is_some_and(|name| name == "release") {
            cargo.arg("--release");
        }
        if let Some(target) = folder.parent() {
            cargo.env("CARGO_TARGET_DIR", target);
        }
        let status = cargo.status().expect("cargo can be started");
        assert!(status.success(), "the binaries under test did not build");
        Bins { towline: folder.join("towline"), agent: folder.join("towline-agent") }
    })
}

/// The agent as one static file, as it is shipped: built by the command that
/// ships it, which takes a minute where nothing of it is there yet.
///
/// # Panics
/// When the build fails.
pub fn static_agent() -> PathBuf {
    const TARGET: &str = "x86_64-unknown-linux-gnu"; // as in .cargo/config.toml
    let mut cargo = cargo();
    cargo.args(["agent-static", "--quiet"]);
    let folder = profile_folder();
    let target = folder.parent().expect("a profile folder is in the target folder");
    cargo.env("CARGO_TARGET_DIR", target);
    let status = cargo.status().expect("cargo can be started");
    assert!(status.success(), "the static agent did not build");
    target.join(TARGET).join("release/towline-agent")
}

/// Cargo in the repository, as a person would start it: what `cargo test` says of
/// the test's package in the environment is what build scripts watch, so with it
/// every dependency that has one is built again, each time.
fn cargo() -> Command {
    let mut cargo = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    for (name, _) in std::env::vars_os() {
        let said = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|way| said.starts_with(way)) {
            cargo.env_remove(&name);
        }
    }
    cargo
}

/// `target/debug` or `target/release`, from this test's own path.
fn profile_folder() -> PathBuf {
    let exe = std::env::current_exe().expect("a process knows its executable");
    let folder = exe.parent().expect("an executable is in a folder");
    if folder.ends_with("deps") {
        folder.parent().expect("deps is in a profile folder").to_owned()
    } else {
        folder.to_owned()
    }
}
