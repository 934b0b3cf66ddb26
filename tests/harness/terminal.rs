//! A terminal with a program in it, as a person has it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::wait;

/// See the module.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    /// Held open, so that its modes can be looked at afterwards.
    slave: File,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Runs what `like` would run as the session leader of a terminal of its own, of
    /// `size` rows and columns.
    ///
    /// # Panics
    /// When the system gives no terminal.
    pub fn run(like: &Command, size: (u16, u16)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("the terminal is ours");
        unlockpt(&master).expect("the terminal is open");
        let name = ptsname(&master, Vec::new()).expect("it has a name");
        let name = name.into_string().expect("the name is plain");
        let slave = File::options().read(true).write(true).open(name).expect("its other end");
        let master = File::from(master);
        let end = || slave.try_clone().expect("a handle can be copied");
        // Makes its standard input the terminal that signals come from.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(like.get_program()).args(like.get_args());
        command.current_dir(like.get_current_dir().expect("it has a directory"));
        for (name, value) in like.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(end()).stdout(end()).stderr(end());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut reader = master.try_clone().expect("a handle can be copied");
        set_size(&master, size);
        let child = command.spawn().expect("setsid is there");
        let terminal = Self { master, slave, child, seen: seen.clone() };
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut piece) {
                seen.lock().expect("no reader panics").extend_from_slice(&piece[..count]);
            }
        });
        terminal
    }

    /// Types.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until it shows `text`, and forgets everything up to there.
    ///
    /// # Panics
    /// See [`wait::until`].
    pub fn expect(&self, text: &str) {
        let what = format!("the terminal to show {text:?}");
        wait::until(&what, || {
            let mut seen = self.seen.lock().expect("no reader panics");
            let shown = String::from_utf8_lossy(&seen).into_owned();
            let at = shown.find(text)? + text.len();
            *seen = shown.as_bytes()[at..].to_vec();
            Some(())
        });
    }

    /// How it is set.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn modes(&self) -> Termios {
        tcgetattr(&self.slave).expect("the terminal is there")
    }

    /// Makes it another size, in rows and columns.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn set_size(&self, size: (u16, u16)) {
        set_size(&self.master, size);
    }

    /// The program's exit code, once it has ended.
    ///
    /// # Panics
    /// When it cannot be waited for.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().expect("it can be waited for").code()
    }
}

fn set_size(master: &File, (ws_row, ws_col): (u16, u16)) {
    let size = Winsize { ws_row, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).expect("the terminal takes a size");
}
