//! Throughput and small-message latency of a forward, beside `ssh -L` and a
//! direct connection.

use std::net::TcpStream;
use std::process::{Child, Stdio};

use harness::sandbox::Sandbox;

use crate::measure;
use crate::ssh::Sshd;
use crate::table::{Table, Unit, quantile_ms};
use crate::up;

const BULK_BYTES: u64 = 1 << 30;

pub fn bench(table: &mut Table, ssh: &Sshd) {
    let server = measure::serve();
    let [ours, theirs] = [(); 2].map(|()| measure::Ports::free());
    let sandbox = Sandbox::new();
    up::up(
        &sandbox,
        &[format!("{}:{}", ours.echo, server.echo), format!("{}:{}", ours.bulk, server.bulk)],
    );
    let _tunnels = [tunnel(ssh, theirs.echo, server.echo), tunnel(ssh, theirs.bulk, server.bulk)];

    let [direct, forwarded, tunnelled] =
        [server, ours, theirs].map(|ports| measure::download(ports, BULK_BYTES));
    table.compare(
        "forward, download of 1 GiB",
        forwarded,
        "ssh -L",
        Some(tunnelled),
        Unit::Throughput,
    );
    table.compare(
        "forward, download of 1 GiB",
        forwarded,
        "direct TCP",
        Some(direct),
        Unit::Throughput,
    );

    for (beside, bulk) in [("idle", false), ("beside a bulk stream", true)] {
        let [mut direct, mut forwarded, mut tunnelled] =
            [server, ours, theirs].map(|ports| measure::echo(ports, bulk));
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let what = format!("64-byte echo, {beside}, {name}");
            let value = quantile_ms(&mut forwarded, share);
            table.compare(
                &what,
                value,
                "ssh -L",
                Some(quantile_ms(&mut tunnelled, share)),
                Unit::Millis,
            );
            table.compare(
                &what,
                value,
                "direct TCP",
                Some(quantile_ms(&mut direct, share)),
                Unit::Millis,
            );
        }
    }
    sandbox.run(&["down"]);
}

struct Tunnel(Child);

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tunnel(ssh: &Sshd, local: u16, remote: u16) -> Tunnel {
    let mut command = ssh.command();
    command
        .args(["-N", "-L", &format!("127.0.0.1:{local}:127.0.0.1:{remote}")])
        .stderr(Stdio::null());
    let tunnel = Tunnel(command.spawn().expect("ssh can be started"));
    harness::wait::until("ssh -L to listen", || TcpStream::connect(("127.0.0.1", local)).ok());
    tunnel
}
