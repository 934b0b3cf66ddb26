//! The settings of a workspace: files, flags and what is wrong with them.

use super::*;

struct Fixture {
    base: tempfile::TempDir,
}

impl Fixture {
    fn new(yaml: &str) -> Self {
        let base = tempfile::tempdir().unwrap();
        for dir in ["work/src", "there"] {
            std::fs::create_dir_all(base.path().join(dir)).unwrap();
        }
        std::fs::write(base.path().join("work/towline.yaml"), yaml).unwrap();
        Self { base }
    }

    fn load(&self, flags: Flags) -> Result<Settings, ConfigError> {
        let root = self.base.path().join("work").canonicalize().unwrap();
        load(&root, &root.join("src"), &flags)
    }
}

fn flags(target: &str, syncs: &[&str]) -> Flags {
    Flags {
        target: Some(target.to_owned()),
        syncs: syncs.iter().map(|text| (*text).to_owned()).collect(),
        ..Flags::default()
    }
}

const YAML: &str = "target: local:../there\nsync:\n  - {from: ., to: /app, on_change: restart}\n\
                    app: {command: serve --port 1}\n";

#[test]
fn the_file_alone_is_enough() {
    let fixture = Fixture::new(YAML);
    let settings = fixture.load(Flags::default()).unwrap();
    assert_eq!(settings.syncs[0].name, "app");
    assert!(settings.syncs[0].from.ends_with("work"));
    assert_eq!(settings.syncs[0].on_change, OnChange::Restart);
    let app = settings.app.unwrap();
    assert_eq!(app.command, ["sh", "-c", "serve --port 1"]);
    assert_eq!(app.cwd.as_deref(), Some("/app"), "an app lives in what is synced first");
}

#[test]
fn flags_replace_what_the_file_says_and_are_seen_from_where_they_were_typed() {
    let fixture = Fixture::new(YAML);
    let settings = fixture
        .load(Flags {
            command: vec!["run".to_owned()],
            on_change: Some("run: make all".to_owned()),
            ..flags("local:../../there", &[".:/a", "..:/b/a"])
        })
        .unwrap();
    let names: Vec<_> = settings.syncs.iter().map(|sync| sync.name.as_str()).collect();
    assert_eq!(names, ["a", "a-2"]);
    assert!(settings.syncs[0].from.ends_with("work/src"));
    assert_eq!(settings.syncs[1].on_change.to_string(), "run: make all");
    assert_eq!(settings.app.unwrap().command, ["run"]);
}

#[test]
fn settings_survive_being_kept() {
    let settings = Fixture::new(YAML).load(Flags::default()).unwrap();
    let text = serde_json::to_string(&settings).unwrap();
    assert_eq!(serde_json::from_str::<Settings>(&text).unwrap(), settings);
}

#[test]
fn a_sync_that_would_feed_itself_is_refused() {
    let fixture = Fixture::new("");
    for (target, sync) in [("local:..", "..:/work"), ("local:.", "..:/x"), ("local:../..", ".:/")] {
        let error = fixture.load(flags(target, &[sync])).unwrap_err();
        assert!(error.to_string().contains("feed itself"), "{target} {sync}: {error}");
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_write() {
    let fixture = Fixture::new("");
    let there = "local:../../there";
    let check = |flags: Flags, says: &str| {
        let error = fixture.load(flags).unwrap_err();
        let all = format!("{error} / {}", error.help());
        assert!(all.contains(says), "`{all}` does not say `{says}`");
    };
    check(Flags::default(), "there is no target");
    check(flags("there", &[]), "local:");
    check(flags("local:missing", &[]), "does not exist");
    check(flags(there, &["."]), "LOCAL:/REMOTE");
    check(flags(there, &[":/app"]), "LOCAL:/REMOTE");
    check(flags(there, &["missing:/app"]), "unable to use");
    check(Flags { on_change: Some("explode".to_owned()), ..flags(there, &[]) }, "restart");
    check(Flags { forwards: vec!["eighty".to_owned()], ..flags(there, &[]) }, "LOCAL:REMOTE");
}

#[test]
fn the_schema_knows_every_key_of_the_file() {
    let schema = schema::config();
    let names = |value: &serde_json::Value| {
        let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names.join(", ")
    };
    let allowed = |yaml: &str| {
        let error = file::parse(Path::new("x"), yaml).unwrap_err();
        let file::FileError::Malformed { allowed, .. } = error else { panic!() };
        let list = allowed.rsplit("allowed here: ").next().unwrap().to_owned();
        let mut names: Vec<_> = list.split(", ").map(str::to_owned).collect();
        names.sort();
        names.join(", ")
    };
    let properties = &schema["properties"];
    assert_eq!(names(properties), allowed("zzzzzzzzzzzz: 1"));
    assert_eq!(
        names(&properties["sync"]["items"]["properties"]),
        allowed("sync: [{zzzzzzzzzzzz: 1}]")
    );
    assert_eq!(names(&properties["app"]["properties"]), allowed("app: {zzzzzzzzzzzz: 1}"));
}

#[test]
fn a_wrong_value_in_the_file_is_told_with_its_place() {
    let check = |yaml: &str, place: &str, says: &str| {
        let error = Fixture::new(yaml).load(Flags::default()).unwrap_err();
        let text = crate::chain(&error);
        assert!(text.contains(&format!("towline.yaml:{place}: ")), "{text}");
        assert!(text.contains(says), "`{text}` does not say `{says}`");
    };
    check("target: nowhere\n", "1:9", "`nowhere` is no target");
    check("target: local:../gone\n", "1:9", "does not exist");
    let base = "target: local:../there\n";
    check(&format!("{base}forward: [8080, eighty]\n"), "2:17", "eighty");
    check(&format!("{base}sync:\n  - from: .\n    to: app\n"), "3:5", "absolute");
    let sync = "sync:\n  - from: .\n    to: /app\n    on_change: reboot\n";
    check(&format!("{base}{sync}"), "5:16", "`reboot`");
    check(&format!("{base}app:\n  command: []\n"), "3:3", "command is empty");
}
