//! A network between two namespaces with delay, loss and reordering (`tc
//! netem`), made and removed by the test. Needs root and iproute2.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Two namespaces joined by a veth pair: `near` is 10.98.N.1, `far` 10.98.N.2.
#[derive(Debug)]
pub struct Net {
    /// Name of the near namespace.
    pub near: String,
    /// Name of the far namespace.
    pub far: String,
    number: u8,
}

impl Net {
    /// Makes it; `number` picks names and addresses, so that several can stand
    /// side by side.
    ///
    /// # Panics
    /// When it cannot be made: a suite that could not run must not pass.
    pub fn new(number: u8) -> Self {
        let pid = std::process::id();
        let net =
            Self { near: format!("tl{pid}n{number}"), far: format!("tl{pid}f{number}"), number };
        let (near, far) = (&net.near, &net.far);
        ip(&format!("netns add {near}"));
        ip(&format!("netns add {far}"));
        ip(&format!("-n {near} link add v0 type veth peer name v0 netns {far}"));
        for (space, host) in [(near, 1), (far, 2)] {
            ip(&format!("-n {space} addr add 10.98.{number}.{host}/24 dev v0"));
            // one packet is one loss, not the sixty-four that the kernel joins
            ip(&format!("-n {space} link set v0 gso_max_segs 1"));
            ip(&format!("-n {space} link set v0 up"));
            ip(&format!("-n {space} link set lo up"));
        }
        net
    }

    /// The far end's address.
    pub fn far_address(&self) -> String {
        format!("10.98.{}.2", self.number)
    }

    /// Sets what both directions suffer, in `netem`'s own words, for example
    /// `delay 40ms loss 3% reorder 5% 50%`.
    ///
    /// # Panics
    /// When `tc` refuses.
    pub fn netem(&self, what: &str) {
        for space in [&self.near, &self.far] {
            run("tc", &format!("-n {space} qdisc replace dev v0 root netem limit 100000 {what}"));
        }
    }

    /// Takes the far end's link up or down.
    ///
    /// # Panics
    /// When `ip` refuses.
    pub fn link(&self, up: bool) {
        ip(&format!("-n {} link set v0 {}", self.far, if up { "up" } else { "down" }));
    }
}

/// Does `work` on a thread of its own in the namespace `space`; whatever it
/// starts is there too.
///
/// # Panics
/// When the namespace cannot be entered, or `work` panics.
pub fn inside<T: Send>(space: &str, work: impl FnOnce() -> T + Send) -> T {
    let enter = || {
        let file = File::open(format!("/var/run/netns/{space}")).expect("the namespace is there");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("a namespace can be entered (root rights are needed)");
        work()
    };
    let done = std::thread::scope(|scope| scope.spawn(enter).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Drop for Net {
    fn drop(&mut self) {
        for space in [&self.near, &self.far] {
            let _ = Command::new("ip").args(["netns", "del", space]).status();
        }
    }
}

fn ip(args: &str) {
    run("ip", args);
}

fn run(program: &str, args: &str) {
    let output = Command::new(program).args(args.split_whitespace()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("`{program}` cannot be started ({error}): install iproute2")
    });
    assert!(
        output.status.success(),
        "`{program} {args}` failed (root rights are needed, and for netem a kernel with sch_netem): {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
