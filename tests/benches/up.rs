//! A Towline workspace under measurement.

use harness::sandbox::Sandbox;

/// `towline up` on this machine with `forwards`, everything in sync.
pub fn up(sandbox: &Sandbox, forwards: &[String]) {
    let mut args = vec!["up", "local:../there", "--sync", ".:/app"];
    for forward in forwards {
        args.extend(["--forward", forward]);
    }
    sandbox.run(&args);
}

/// Resident memory in MiB of the sandbox's processes whose command line holds
/// `what`; the largest.
pub fn resident_mib(sandbox: &Sandbox, what: &str) -> f64 {
    let pages = sandbox
        .leftovers()
        .iter()
        .filter(|(_, line)| line.contains(what))
        .filter_map(|(pid, _)| {
            let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
            statm.split(' ').nth(1)?.parse::<u32>().ok()
        })
        .max()
        .unwrap_or(0);
    f64::from(pages) * rustix::param::page_size() as f64 / f64::from(1 << 20)
}
