//! Prints the app's log.

use std::fmt::Write as _;
use std::io;

use protocol::io::framed::{self, FrameError};
use protocol::wire::app::{LogLine, LogSource};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};

use crate::status::SCHEMA;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As the app wrote them; the agent's own and the hooks' are marked.
    Plain,
    /// The same behind the time by the agent's clock, in UTC.
    Timestamps,
    /// One JSON object a line: `at_us`, `source`, `text`.
    Json,
}

/// Why printing ended early.
#[derive(Debug, thiserror::Error)]
pub enum PrintError {
    /// The link's side.
    #[error("the log could not be read further")]
    Read(#[from] FrameError),
    /// Our side.
    #[error("the log could not be written")]
    Write(#[source] io::Error),
}

/// Bytes gathered before they are written, while more lines wait.
const BUFFER_LEN: usize = 64 * 1024;

/// Prints lines until the log ends. The stream stands behind `Opened::Ok`.
///
/// # Errors
/// See [`PrintError`].
pub async fn print(
    mut rx: impl AsyncRead + Unpin,
    out: impl AsyncWrite + Unpin,
    format: Format,
) -> Result<(), PrintError> {
    let mut out = BufWriter::with_capacity(BUFFER_LEN, out);
    loop {
        // A frame is read to its end in one go; only between frames may lines
        // wait, and then they are shown.
        let mut next = std::pin::pin!(framed::read_optional::<LogLine>(&mut rx));
        let read = tokio::select! {
            biased;
            read = &mut next => read,
            () = std::future::ready(()) => {
                out.flush().await.map_err(PrintError::Write)?;
                next.await
            }
        };
        match read? {
            Some(line) => {
                out.write_all(&render(&line, format)).await.map_err(PrintError::Write)?;
            }
            None => return out.flush().await.map_err(PrintError::Write),
        }
    }
}

fn render(line: &LogLine, format: Format) -> Vec<u8> {
    let mut bytes = match format {
        Format::Json => return json(line),
        Format::Plain => String::new(),
        Format::Timestamps => format!("{} ", utc(line.at_us)),
    };
    bytes.push_str(match line.source {
        LogSource::Stdout | LogSource::Stderr => "",
        LogSource::Hook => "[hook] ",
        LogSource::Agent => "[towline] ",
    });
    let mut bytes = bytes.into_bytes();
    bytes.extend_from_slice(&line.text);
    bytes.push(b'\n');
    bytes
}

fn json(line: &LogLine) -> Vec<u8> {
    format!("{}\n", serde_json::json!(Line::from(line))).into_bytes()
}

/// A line for programs.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LogLine"))]
pub struct Line {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When the agent read it, microseconds since the Unix epoch.
    pub at_us: u64,
    /// Who wrote it.
    pub source: Source,
    /// Without its end.
    pub text: String,
}

/// Who wrote a line.
#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "LogSource"))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The app.
    Stdout,
    /// The app, of its errors.
    Stderr,
    /// A hook.
    Hook,
    /// The agent, about one of them.
    Agent,
}

impl From<&LogLine> for Line {
    fn from(line: &LogLine) -> Self {
        let source = match line.source {
            LogSource::Stdout => Source::Stdout,
            LogSource::Stderr => Source::Stderr,
            LogSource::Hook => Source::Hook,
            LogSource::Agent => Source::Agent,
        };
        let text = String::from_utf8_lossy(&line.text).into_owned();
        Self { schema: SCHEMA, at_us: line.at_us, source, text }
    }
}

/// RFC 3339 in UTC with milliseconds.
fn utc(at_us: u64) -> String {
    let (seconds, millis) = (at_us / 1_000_000, at_us / 1000 % 1000);
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    let _ = write!(
        text,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
    ); // writing into a String cannot fail
    text
}

/// Days since 1970 to year, month, day (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_rfc_3339() {
        let check = |at_us, expected: &str| assert_eq!(utc(at_us), expected);
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400_000_000, "2000-02-29T00:00:00.000Z");
        check(1_795_413_599_999_999, "2026-11-23T05:59:59.999Z");
        check(4_107_542_400_000_000, "2100-03-01T00:00:00.000Z");
    }

    #[test]
    fn lines_keep_their_bytes_and_say_who_wrote_them() {
        let line = |source, text: &[u8]| LogLine { at_us: 0, source, text: text.to_vec() };
        let check = |line: LogLine, format, expected: &[u8]| {
            assert_eq!(render(&line, format), expected, "{line:?}");
        };
        check(line(LogSource::Stdout, b"a\xff"), Format::Plain, b"a\xff\n");
        check(line(LogSource::Agent, b"started"), Format::Plain, b"[towline] started\n");
        check(
            line(LogSource::Hook, b"x"),
            Format::Timestamps,
            b"1970-01-01T00:00:00.000Z [hook] x\n",
        );
        let json = b"{\"at_us\":0,\"schema\":1,\"source\":\"stderr\",\"text\":\"q\\\"\"}\n";
        check(line(LogSource::Stderr, b"q\""), Format::Json, json);
    }
}
