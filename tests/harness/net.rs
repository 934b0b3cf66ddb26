//! A network between two namespaces with delay, loss and reordering, made and
//! removed by the test. Needs root, iproute2 and `/dev/net/tun`.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tun_rs::{DeviceBuilder, SyncDevice};

use crate::wire::{Faults, Wire};

/// Two namespaces joined by a wire: `near` is 10.98.N.1, `far` 10.98.N.2.
#[derive(Debug)]
pub struct Net {
    /// Name of the near namespace.
    pub near: String,
    /// Name of the far namespace.
    pub far: String,
    number: u8,
    wire: Wire,
}

impl Net {
    /// Makes it; `number` picks names and addresses, so that several can stand
    /// side by side.
    ///
    /// # Panics
    /// When it cannot be made: a suite that could not run must not pass.
    pub fn new(number: u8, faults: Faults) -> Self {
        let pid = std::process::id();
        let (near, far) = (format!("tl{pid}n{number}"), format!("tl{pid}f{number}"));
        let [near_end, far_end] = [(&near, 1), (&far, 2)].map(|(space, host)| {
            ip(&format!("netns add {space}"));
            let device = inside(space, device);
            ip(&format!("-n {space} addr add 10.98.{number}.{host}/24 dev v0"));
            ip(&format!("-n {space} link set v0 mtu 1500 up"));
            ip(&format!("-n {space} link set lo up"));
            device
        });
        let wire = Wire::join(near_end, far_end, faults);
        Self { near, far, number, wire }
    }

    /// The far end's address.
    pub fn far_address(&self) -> String {
        format!("10.98.{}.2", self.number)
    }

    /// Takes the wire down or up.
    pub fn link(&self, up: bool) {
        self.wire.cut(!up);
    }
}

fn device() -> SyncDevice {
    DeviceBuilder::new()
        .name("v0")
        .build_sync()
        .expect("a TUN device can be made (root rights and /dev/net/tun are needed)")
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
        "`{program} {args}` failed (root rights are needed): {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
