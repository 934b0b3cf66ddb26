//! A status as a person reads it. Reads the JSON that the hub sends, so it shows
//! what scripts see.

use serde_json::Value;

use super::output::{bytes, count, micros, style, table};

/// The whole status, a line each.
pub fn status(status: &Value) -> Vec<String> {
    let mut lines = vec![headline(status)];
    if let Some(target) = status["target"].as_str() {
        lines.push(format!("  target   {target}, {}", link(&status["link"])));
        lines.extend(passed(&status["link"]));
    }
    for sync in list(&status["syncs"]) {
        lines.push(format!(
            "  sync     {}  {} ⇄ {}  {}",
            text(&sync["name"]),
            text(&sync["alpha"]),
            text(&sync["beta"]),
            sync_phase(sync)
        ));
        for problem in list(&sync["problems"]).iter().take(5) {
            lines.push(format!("             {}: {}", text(&problem[0]), text(&problem[1])));
        }
    }
    for forward in list(&status["forwards"]) {
        lines.push(format!("  forward  {}", forward_line(forward)));
    }
    if !status["app"].is_null() {
        lines.push(format!("  app      {}", app(&status["app"])));
    }
    for hook in list(&status["hooks"]) {
        lines.push(format!("  hook     {}", hook_line(hook)));
    }
    for warning in list(&status["warnings"]) {
        lines.push(format!("  {} {}", style("warning:", "1;33"), text(warning)));
    }
    lines
}

/// One line: is all there, and if not, what is waited for.
pub fn headline(status: &Value) -> String {
    let readiness = &status["readiness"];
    let state = match readiness["state"].as_str() {
        Some("ready") => style("up", "1;32"),
        Some("pending") => {
            style(&format!("coming up, waits for {}", text(&readiness["waiting_for"])), "1;33")
        }
        Some("failed") => style(&format!("failed: {}", text(&readiness["reason"])), "1;31"),
        _ => "nothing is up".to_owned(),
    };
    format!("{}  {state}", text(&status["workspace"]))
}

/// What an `up` waits for, in a few words, for a progress line.
pub fn progress(status: &Value) -> String {
    let readiness = &status["readiness"];
    match status["link"]["state"].as_str() {
        Some("connecting") => return format!("{} …", text(&status["link"]["step"])),
        Some("reconnecting") => {
            return format!("reconnecting: {}", text(&status["link"]["reason"]));
        }
        _ => {}
    }
    let busy = list(&status["syncs"])
        .iter()
        .find(|sync| matches!(sync["phase"]["phase"].as_str(), Some("scanning" | "applying")));
    match busy {
        Some(sync) => format!("{}: {}", text(&sync["name"]), sync_phase(sync)),
        None => format!("waits for {}", text(&readiness["waiting_for"])),
    }
}

/// How the link is.
pub fn link(link: &Value) -> String {
    match link["state"].as_str() {
        Some("up") => {
            let (carrier, bootstrap) = (text(&link["carrier"]), text(&link["bootstrap"]));
            let agent = if carrier == bootstrap {
                String::new()
            } else {
                format!(" (the agent is there by {bootstrap})")
            };
            let round_trip = micros(number(&link["rtt_us"]));
            let linked = style("linked", "32");
            format!("{linked} by {carrier}, round trip {round_trip}{agent}")
        }
        Some("connecting") => format!("connecting: {}", text(&link["step"])),
        Some("reconnecting") => format!(
            "reconnecting (attempt {}): {}",
            number(&link["attempt"]),
            text(&link["reason"])
        ),
        Some("down") => format!("down: {}", text(&link["reason"])),
        _ => "not linked".to_owned(),
    }
}

/// Why nothing better carries the link.
fn passed(link: &Value) -> Vec<String> {
    let reason = |(way, name): (&str, &str)| {
        link["passed"][way].as_str().map(|reason| format!("           not by {name}: {reason}"))
    };
    [("udp", "UDP"), ("tunnel", "port-forward")].into_iter().filter_map(reason).collect()
}

/// How a sync is.
pub fn sync_phase(sync: &Value) -> String {
    let files = count(number(&sync["files"]), "file");
    let size = bytes(number(&sync["bytes"]));
    let phase = &sync["phase"];
    let mut line = match phase["phase"].as_str() {
        Some("scanning") => {
            let (alpha, beta) = (number(&phase["alpha"]), number(&phase["beta"]));
            format!("looking at both sides ({alpha} here, {beta} there)")
        }
        Some("applying") => format!(
            "{} to carry ({}), {files} done ({size})",
            count(number(&sync["pending"]), "edit"),
            bytes(number(&sync["pending_bytes"]))
        ),
        Some("in_sync") => format!("{}, {files}, {size}", style("in sync", "32")),
        Some("paused") => format!("{}, {files}", style("paused", "33")),
        Some("braked") => format!("{}: {}", style("braked", "1;31"), text(&phase["reason"])),
        Some("halted") => format!("{}: {}", style("halted", "1;31"), text(&phase["reason"])),
        _ => "waits for the link".to_owned(),
    };
    let conflicts = number(&sync["conflicts"]);
    if conflicts > 0 {
        line.push_str(&format!(", {}", style(&count(conflicts, "conflict"), "1;31")));
    }
    let problems = list(&sync["problems"]).len() as u64;
    if problems > 0 {
        line.push_str(&format!(", {} that cannot be synced", count(problems, "path")));
    }
    line
}

/// One forward.
pub fn forward_line(forward: &Value) -> String {
    let local = list(&forward["local"]).first().map(text).unwrap_or_default();
    let mut line = format!(
        "{local} → {} ({}), {} now, {} so far, {} out, {} in",
        text(&forward["remote"]),
        text(&forward["protocol"]),
        number(&forward["open"]),
        number(&forward["total"]),
        bytes(number(&forward["bytes_out"])),
        bytes(number(&forward["bytes_in"])),
    );
    if let Some(wanted) = forward["instead_of"].as_u64() {
        line.push_str(&style(&format!(", instead of port {wanted}, which is taken"), "1;33"));
    }
    if let Some(error) = forward["last_error"].as_str() {
        line.push_str(&format!(", last error: {error}"));
    }
    line
}

/// All forwards, in columns.
pub fn forwards(status: &Value) -> Vec<String> {
    let mut rows =
        vec![["SPEC", "LOCAL", "REMOTE", "OPEN", "TOTAL", "OUT", "IN"].map(str::to_owned).to_vec()];
    for forward in list(&status["forwards"]) {
        rows.push(vec![
            text(&forward["spec"]),
            list(&forward["local"]).iter().map(text).collect::<Vec<_>>().join(" "),
            format!("{}/{}", text(&forward["remote"]), text(&forward["protocol"])),
            number(&forward["open"]).to_string(),
            number(&forward["total"]).to_string(),
            bytes(number(&forward["bytes_out"])),
            bytes(number(&forward["bytes_in"])),
        ]);
    }
    if rows.len() == 1 { vec!["no forwards".to_owned()] } else { table(&rows) }
}

/// The app.
pub fn app(app: &Value) -> String {
    let command: Vec<String> = list(&app["command"]).iter().map(text).collect();
    let starts = number(&app["starts"]);
    let state = match app["state"].as_str() {
        Some("running") => format!(
            "{} as process {}{}",
            style("runs", "32"),
            number(&app["pid"]),
            if starts > 1 { format!(", started {starts} times") } else { String::new() }
        ),
        Some("exited") => match (app["code"].as_i64(), app["signal"].as_i64()) {
            (Some(0), _) => "ended with status 0".to_owned(),
            (Some(code), _) => style(&format!("ended with status {code}"), "1;31"),
            (None, signal) => {
                style(&format!("ended by signal {}", signal.unwrap_or_default()), "1;31")
            }
        },
        Some("failed") => style(&format!("could not be started: {}", text(&app["reason"])), "1;31"),
        _ => "waits for the first sync".to_owned(),
    };
    format!("{}  {state}", command.join(" "))
}

fn hook_line(hook: &Value) -> String {
    let state = match (hook["running"].as_bool(), hook["last_error"].as_str()) {
        (Some(true), _) => "runs".to_owned(),
        (_, Some(error)) => style(&format!("failed: {error}"), "1;31"),
        _ => format!("ran {}", count(number(&hook["runs"]), "time")),
    };
    format!("{} on change: {}  {state}", text(&hook["sync"]), text(&hook["action"]))
}

/// A list, empty if it is none.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A text, empty if it is none.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// A number, 0 if it is none.
pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
