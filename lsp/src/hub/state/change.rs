//! From one set of settings to another: in words, and in steps. Pure.

use crate::config::{AppSetting, Settings, SyncSetting};
use crate::hub::effect::{Effect, Leave};

/// What differs, a line each: `-` is what is up, `+` what was asked for.
pub fn differences(up: &Settings, asked: &Settings) -> Vec<String> {
    let mut lines = Vec::new();
    compare(&mut lines, "target", &[up.target.to_string()], &[asked.target.to_string()]);
    let syncs = |settings: &Settings| settings.syncs.iter().map(sync_text).collect::<Vec<_>>();
    compare(&mut lines, "sync", &syncs(up), &syncs(asked));
    compare(&mut lines, "forward", &up.forwards, &asked.forwards);
    let app = |settings: &Settings| settings.app.iter().map(app_text).collect::<Vec<_>>();
    compare(&mut lines, "app", &app(up), &app(asked));
    let strict = |settings: &Settings| [settings.strict_ports.to_string()];
    compare(&mut lines, "strict_ports", &strict(up), &strict(asked));
    lines
}

/// The steps for syncs and app when the target stays.
pub fn steps(up: &Settings, asked: &Settings) -> Vec<Effect> {
    let mut effects = Vec::new();
    for sync in up.syncs.iter().filter(|sync| !asked.syncs.contains(sync)) {
        // The ancestor belongs to the pair of roots, not to the rules.
        let kept = asked.syncs.iter().any(|other| {
            (&other.name, &other.from, &other.to) == (&sync.name, &sync.from, &sync.to)
        });
        let leave = if kept { Leave::All } else { Leave::Nothing };
        effects.push(Effect::StopSync { name: sync.name.clone(), leave });
    }
    if up.app.is_some() && asked.app.is_none() {
        effects.push(Effect::StopApp);
    }
    let begun = asked.syncs.iter().filter(|sync| !up.syncs.contains(sync));
    effects.extend(begun.cloned().map(Effect::StartSync));
    effects
}

fn compare(lines: &mut Vec<String>, what: &str, up: &[String], asked: &[String]) {
    let only = |sign, these: &[String], those: &[String]| {
        let only = these.iter().filter(|text| !those.contains(text));
        only.map(|text| format!("{sign} {what}: {text}")).collect::<Vec<_>>()
    };
    lines.extend(only('-', up, asked));
    lines.extend(only('+', asked, up));
}

fn sync_text(sync: &SyncSetting) -> String {
    let mut text = format!("{}:{} (as {})", sync.from.display(), sync.to, sync.name);
    for (what, patterns) in [("ignore", &sync.ignore), ("include", &sync.include)] {
        if !patterns.is_empty() {
            text.push_str(&format!(", {what} {}", patterns.join(" ")));
        }
    }
    format!("{text}, on change {}", sync.on_change)
}

fn app_text(app: &AppSetting) -> String {
    let env: String = app.env.iter().map(|(name, value)| format!("{name}={value} ")).collect();
    let cwd = app.cwd.as_deref().unwrap_or("/");
    format!("{env}{} (in {cwd})", app.command.join(" "))
}
