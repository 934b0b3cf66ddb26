//! Runs one line of Python in a process that runs already, by three calls that are made in
//! one of its threads through ptrace. Nothing is written into its code, and no debugger has
//! to be there. It stands still for as long as the calls take.
//!
//! What was begun is finished, however long a busy machine takes: a thread that is taken out
//! of the interpreter half-way leaves its lock behind, and the app dies or hangs of that.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use super::elf::Elf;
use super::look::{folder, seen_by};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// A file of /proc.
    #[error("unable to {what}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The kernel refused.
    #[error("unable to {what} by ptrace")]
    Ptrace {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: nix::errno::Errno,
    },
    /// It is no Python that we know.
    #[error("the interpreter's functions were not found in the process's libraries")]
    NoPython,
    /// Every thread computes.
    #[error("no thread of the process waited for anything in {0:?}: try again when it is idle")]
    Busy(Duration),
    /// It ended, or a call in it failed.
    #[error("a call in the process failed: {0}")]
    Failed(String),
    /// Not built for this.
    #[error("towline cannot do this on this processor yet")]
    #[cfg_attr(target_arch = "x86_64", expect(dead_code, reason = "for the others"))]
    Processor,
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> InjectError {
    move |source| InjectError::Io { what, source }
}

/// How long to look for a thread that waits.
const BUSY_MAX: Duration = Duration::from_secs(5);

/// The functions that are called, in this order.
const FUNCTIONS: [&str; 3] = ["PyGILState_Ensure", "PyRun_SimpleString", "PyGILState_Release"];

/// Runs `code` in process `pid`, and says for how long it stood still. Blocks: ptrace
/// belongs to one thread of ours.
///
/// # Errors
/// See [`InjectError`].
pub fn run(pid: u32, code: &str) -> Result<Duration, InjectError> {
    let functions = functions(pid)?;
    machine::run(pid, functions, code)
}

/// Where the functions are in its memory.
fn functions(pid: u32) -> Result<[u64; 3], InjectError> {
    let maps = fs::read_to_string(folder(pid).join("maps")).map_err(failed("read its mappings"))?;
    let exe = fs::read_link(folder(pid).join("exe")).map_err(failed("find its program"))?;
    let exe = exe.display().to_string();
    let is_python = |path: &&str| path.contains("libpython3") || **path == exe;
    let mut paths: Vec<&str> = maps.lines().filter_map(path_of).filter(is_python).collect();
    paths.dedup();
    // A library before the program, which then only is its user.
    paths.sort_by_key(|path| !path.contains("libpython3"));
    for path in paths {
        if let Some(found) = functions_in(pid, path, &maps) {
            return Ok(found);
        }
    }
    Err(InjectError::NoPython)
}

fn functions_in(pid: u32, path: &str, maps: &str) -> Option<[u64; 3]> {
    let file = fs::File::open(seen_by(pid, path)).ok()?;
    let elf = Elf::parse(&file)?;
    let found = elf.symbols(&FUNCTIONS)?;
    let base = if elf.is_relocatable() {
        let (address, offset) = elf.first_load()?;
        let line = maps
            .lines()
            .find(|line| path_of(line) == Some(path) && offset_of(line) == Some(offset & !0xfff))?;
        let start = u64::from_str_radix(line.split('-').next()?, 16).ok()?;
        start.checked_sub(address & !0xfff)?
    } else {
        0
    };
    let at = |number: usize| base.checked_add(*found.get(number)?);
    Some([at(0)?, at(1)?, at(2)?])
}

fn path_of(line: &str) -> Option<&str> {
    let at = line.find('/')?;
    Some(line[at..].trim_end())
}

fn offset_of(line: &str) -> Option<u64> {
    u64::from_str_radix(line.split_whitespace().nth(2)?, 16).ok()
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    use super::*;

    pub fn run(_: u32, _: [u64; 3], _: &str) -> Result<Duration, InjectError> {
        Err(InjectError::Processor)
    }
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use nix::errno::Errno;
    use nix::libc::user_regs_struct as Registers;
    use nix::sys::ptrace::regset::NT_PRFPREG;
    use nix::sys::ptrace::{self, Options};
    use nix::sys::signal::Signal;
    use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
    use nix::unistd::Pid;

    use super::*;

    /// System calls in which an interpreter waits, having let go of its lock: read, poll,
    /// select, nanosleep, accept, recvfrom, recvmsg, wait4, pause, and their younger kin.
    const WAITS: &[u64] =
        &[0, 7, 23, 34, 35, 43, 45, 47, 61, 128, 230, 232, 247, 270, 271, 281, 288, 441];
    /// The same for a lock of anybody's, which is good if there is nothing better.
    const LOCK: u64 = 202;

    /// How long to wait before the next look at a process that stopped nowhere yet. There
    /// is nothing to wait for but the state itself.
    const LOOK_EVERY: Duration = Duration::from_micros(200);

    /// Below the stack's end is what a function keeps without moving it.
    const RED_ZONE: u64 = 256;

    pub fn run(pid: u32, functions: [u64; 3], code: &str) -> Result<Duration, InjectError> {
        let deadline = Instant::now() + BUSY_MAX;
        while Instant::now() < deadline {
            if let Some(thread) = waiting_thread(pid)?
                && let Some(took) = attempt(pid, thread, functions, code)?
            {
                return Ok(took);
            }
            std::thread::park_timeout(LOOK_EVERY);
        }
        Err(InjectError::Busy(BUSY_MAX))
    }

    /// A thread that waits in a system call; one that waits for a lock only if no other does.
    fn waiting_thread(pid: u32) -> Result<Option<u32>, InjectError> {
        let tasks = fs::read_dir(folder(pid).join("task")).map_err(failed("see its threads"))?;
        let mut threads: Vec<u32> =
            tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect();
        threads.sort_unstable(); // the main thread is the first
        let mut at_lock = None;
        for thread in threads {
            let path = folder(pid).join(format!("task/{thread}/syscall"));
            let Ok(text) = fs::read_to_string(path) else { continue };
            match text.split_whitespace().next().and_then(|number| number.parse().ok()) {
                Some(LOCK) => at_lock = at_lock.or(Some(thread)),
                Some(number) if WAITS.contains(&number) => return Ok(Some(thread)),
                _ => {}
            }
        }
        Ok(at_lock)
    }

    /// Tries it in one thread; `None` when that one did not wait any more.
    fn attempt(
        pid: u32,
        thread: u32,
        functions: [u64; 3],
        code: &str,
    ) -> Result<Option<Duration>, InjectError> {
        let Ok(id) = i32::try_from(thread) else { return Ok(None) };
        let id = Pid::from_raw(id);
        match ptrace::seize(id, Options::empty()) {
            Err(Errno::ESRCH) => return Ok(None), // it has just ended
            seized => seized.map_err(refused("attach"))?,
        }
        let began = Instant::now();
        let done = Stopped::stop(pid, id).and_then(|stopped| match stopped {
            Some(stopped) => stopped.call_all(functions, code).map(Some),
            None => Ok(None),
        });
        let _ = ptrace::detach(id, None); // one that has ended needs none
        done.map(|done| done.map(|()| began.elapsed()))
    }

    struct Stopped {
        id: Pid,
        memory: fs::File,
        before: Registers,
        /// Of floating point and vectors: a call may change them, a system call does not.
        vectors: Vectors,
    }

    type Vectors = <NT_PRFPREG as ptrace::RegisterSet>::Regs;

    impl Stopped {
        /// Stops the thread; `None` when it is not in a system call that waits.
        fn stop(pid: u32, id: Pid) -> Result<Option<Self>, InjectError> {
            let path = folder(pid).join("mem");
            let memory = fs::OpenOptions::new().read(true).write(true).open(path);
            let memory = memory.map_err(failed("open its memory"))?;
            ptrace::interrupt(id).map_err(refused("stop it"))?;
            loop {
                match wait(id)? {
                    WaitStatus::PtraceEvent(..) => break,
                    // A signal of its own came first.
                    WaitStatus::Stopped(_, signal) => {
                        ptrace::cont(id, signal).map_err(refused("let it go on"))?;
                    }
                    other => return Err(ended(&other)),
                }
            }
            let before = ptrace::getregs(id).map_err(refused("read its registers"))?;
            let waits = WAITS.contains(&before.orig_rax) || before.orig_rax == LOCK;
            // ERESTARTSYS and its kin, or EINTR: it was interrupted in it.
            let interrupted = matches!(before.rax.cast_signed(), -516..=-512 | -4);
            let vectors = ptrace::getregset::<NT_PRFPREG>(id);
            let vectors = vectors.map_err(refused("read its registers"))?;
            Ok((waits && interrupted).then_some(Self { id, memory, before, vectors }))
        }

        /// However it ends, the thread goes on where it was.
        fn call_all(self, functions: [u64; 3], code: &str) -> Result<(), InjectError> {
            let done = self.calls(functions, code);
            let vectors = ptrace::setregset::<NT_PRFPREG>(self.id, self.vectors);
            let plain = ptrace::setregs(self.id, self.before);
            done?;
            vectors.and(plain).map_err(refused("restore its registers"))
        }

        fn calls(&self, [ensure, run, release]: [u64; 3], code: &str) -> Result<(), InjectError> {
            let mut text = code.as_bytes().to_vec();
            text.push(0);
            let room = u64::try_from(text.len()).map_err(|_| InjectError::NoPython)?;
            let at = (self.before.rsp - RED_ZONE - room) & !0xf;
            self.memory.write_all_at(&text, at).map_err(failed("write into its memory"))?;
            let state = self.call(ensure, 0, at)?;
            let result = self.call(run, at, at);
            // The lock is given back whatever came of it.
            self.call(release, state, at)?;
            match result? {
                0 => Ok(()),
                _ => Err(InjectError::Failed("the code raised an exception".to_owned())),
            }
        }

        /// Calls a function with one argument on the stack below `stack`.
        fn call(&self, function: u64, argument: u64, stack: u64) -> Result<u64, InjectError> {
            let stack = (stack - RED_ZONE) & !0xf;
            let mut registers = self.before;
            registers.rip = function;
            registers.rdi = argument;
            registers.rax = 0;
            registers.orig_rax = u64::MAX; // nothing is to be restarted
            registers.rsp = stack - 8;
            // Where no code is: the return is a fault, which is ours to see.
            self.memory.write_all_at(&[0; 8], stack - 8).map_err(failed("write its stack"))?;
            ptrace::setregs(self.id, registers).map_err(refused("set its registers"))?;
            let mut signal = None;
            loop {
                ptrace::cont(self.id, signal.take()).map_err(refused("let it go on"))?;
                match wait(self.id)? {
                    WaitStatus::Stopped(_, Signal::SIGSEGV) => {
                        let now =
                            ptrace::getregs(self.id).map_err(refused("read its registers"))?;
                        return match now.rip {
                            0 => Ok(now.rax),
                            at => Err(InjectError::Failed(format!("it faulted at {at:#x}"))),
                        };
                    }
                    // Its own affairs go on meanwhile.
                    WaitStatus::Stopped(_, other) => signal = Some(other),
                    WaitStatus::PtraceEvent(..) => {}
                    other => return Err(ended(&other)),
                }
            }
        }
    }

    /// Waits until it stops, or ends.
    fn wait(id: Pid) -> Result<WaitStatus, InjectError> {
        loop {
            let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
            match waitpid(id, Some(flags)).map_err(refused("wait for it"))? {
                WaitStatus::StillAlive => std::thread::park_timeout(LOOK_EVERY),
                status => return Ok(status),
            }
        }
    }

    fn ended(status: &WaitStatus) -> InjectError {
        InjectError::Failed(format!("the process ended meanwhile ({status:?})"))
    }

    fn refused(what: &'static str) -> impl FnOnce(nix::errno::Errno) -> InjectError {
        move |source| InjectError::Ptrace { what, source }
    }
}
