//! A private sshd on loopback for the peers that need one (rsync, tar, unison,
//! `ssh -L`): own keys, own port, gone with the benchmark.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A running sshd.
pub struct Sshd {
    folder: TempDir,
    port: u16,
    child: Child,
}

impl Sshd {
    /// Starts it and waits until it answers.
    ///
    /// # Panics
    /// When OpenSSH's server is not installed: a comparison without its peer is
    /// none.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("temp dir");
        let at = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host", "user"] {
            let status = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)])
                .status();
            assert!(
                status.is_ok_and(|status| status.success()),
                "ssh-keygen failed: install openssh-server"
            );
        }
        fs::copy(at("user.pub"), at("authorized_keys")).expect("copy");
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("port")
            .port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin yes\nMaxStartups 100\n",
            at("host"),
            at("authorized_keys"),
        );
        fs::write(at("sshd_config"), config).expect("write");
        fs::create_dir_all("/run/sshd").expect("privilege separation directory");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f", &at("sshd_config")])
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd can be started: install openssh-server");
        let ssh = Self { folder, port, child };
        harness::wait::until("sshd to answer", || {
            let mut command = ssh.command();
            command.arg("true").stderr(Stdio::null());
            command.status().ok().filter(std::process::ExitStatus::success)
        });
        ssh
    }

    /// `ssh OPTIONS 127.0.0.1` without a command yet.
    pub fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(self.options()).arg("127.0.0.1");
        command
    }

    /// The options that reach it.
    pub fn options(&self) -> Vec<String> {
        let user = self.folder.path().join("user").display().to_string();
        let mut options = vec!["-i".to_owned(), user, "-p".to_owned(), self.port.to_string()];
        for option in ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR"]
        {
            options.extend(["-o".to_owned(), option.to_owned()]);
        }
        options
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
