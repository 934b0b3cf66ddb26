//! The one table every benchmark writes into, and the statistics it shows.

use std::fmt;
use std::time::Duration;

/// Rows in the order they were measured.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    /// One figure of ours beside the same of a peer; `unit` tells how to show it.
    pub fn compare(&mut self, what: &str, ours: f64, peer: &str, theirs: Option<f64>, unit: Unit) {
        let (shown, ratio) = theirs
            .map_or((format!("{peer}: could not run"), "-".to_owned()), |theirs| {
                (format!("{peer}: {}", unit.show(theirs)), format!("{:.2}", ours / theirs))
            });
        self.row(what, unit.show(ours), shown, ratio);
    }

    /// One figure of ours beside a goal that needs no peer.
    pub fn goal(&mut self, what: &str, ours: f64, goal: &str, unit: Unit) {
        self.row(what, unit.show(ours), format!("goal: {goal}"), "-".to_owned());
    }

    fn row(&mut self, what: &str, ours: String, peer: String, ratio: String) {
        println!("{what}: {ours}; {peer}; ratio {ratio}");
        self.rows.push([what.to_owned(), ours, peer, ratio]);
    }
}

/// How a figure is shown.
#[derive(Clone, Copy)]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Millis,
    /// Mebibytes per second.
    Throughput,
    /// Mebibytes.
    Mebibytes,
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Seconds => format!("{value:.2} s"),
            Self::Millis => format!("{value:.2} ms"),
            Self::Throughput => format!("{value:.0} MiB/s"),
            Self::Mebibytes => format!("{value:.1} MiB"),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["what", "towline", "beside", "ratio"].map(str::to_owned);
        writeln!(f, "\n| {} |\n|---|---|---|---|", head.join(" | "))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// The `share` quantile (0.5 is the median) of samples, in milliseconds.
pub fn quantile_ms(samples: &mut [Duration], share: f64) -> f64 {
    samples.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index below the length"
    )]
    let index = ((samples.len() - 1) as f64 * share).round() as usize;
    samples[index].as_secs_f64() * 1e3
}
