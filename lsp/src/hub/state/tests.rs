//! What a hub decides, event by event.

use super::*;
use crate::config::{AppSetting, SyncSetting};
use crate::hub::event::SyncEvent;
use crate::target::Target;

const NOW: Duration = Duration::from_secs(100);

fn settings() -> Settings {
    Settings {
        target: Target::Local("/there".into()),
        syncs: vec![SyncSetting {
            name: "app".to_owned(),
            from: "/here".into(),
            to: "/app".to_owned(),
            ignore: Vec::new(),
            include: Vec::new(),
            on_change: OnChange::Restart,
        }],
        forwards: vec!["8080".to_owned()],
        app: Some(AppSetting { command: vec!["serve".to_owned()], cwd: None, env: Vec::new() }),
        strict_ports: false,
    }
}

fn idle() -> State {
    State::start(NOW, "/here".to_owned(), None).0
}

fn up(state: &mut State, settings: Option<Settings>, replace: bool) -> (Vec<Effect>, Answer) {
    let mut effects =
        state.handle(NOW, Event::Up { id: 1, settings: settings.map(Box::new), replace });
    match effects.pop() {
        Some(Effect::Answer { id: 1, answer }) => (effects, answer),
        other => panic!("no answer but {other:?}"),
    }
}

fn connected(state: &mut State) -> Vec<Effect> {
    state.handle(NOW, Event::Link(LinkEvent::Connected))
}

fn sync(state: &mut State, phase: SyncEvent) -> Vec<Effect> {
    state.handle(NOW, Event::Sync { name: "app".to_owned(), phase })
}

fn forward(state: &mut State, result: Result<(), String>) -> Vec<Effect> {
    state.handle(NOW, Event::Forward { spec: "8080".to_owned(), result })
}

fn batch(state: &mut State) -> Vec<Effect> {
    state.handle(NOW, Event::Batch { name: "app".to_owned() })
}

fn running(state: &mut State) -> Vec<Effect> {
    state.handle(NOW, Event::App(AppState::Running { pid: 7, starts: 1 }))
}

/// A state in which all is there.
fn ready() -> State {
    let mut state = idle();
    up(&mut state, Some(settings()), false);
    connected(&mut state);
    sync(&mut state, SyncEvent::InSync);
    forward(&mut state, Ok(()));
    running(&mut state);
    assert_eq!(state.readiness(), Readiness::Ready);
    state
}

#[test]
fn up_persists_before_it_starts_anything() {
    let (effects, answer) = up(&mut idle(), Some(settings()), false);
    assert_eq!(answer, Answer::Accepted);
    assert!(matches!(effects[0], Effect::Persist(_)), "{effects:?}");
    assert!(matches!(effects[1], Effect::StartLink(_)));
    assert!(matches!(effects[2], Effect::StartSync(_)));
    assert!(matches!(effects[3], Effect::OpenForward { .. }));
}

#[test]
fn the_app_starts_once_its_files_are_there() {
    let mut state = idle();
    up(&mut state, Some(settings()), false);
    assert!(connected(&mut state).is_empty(), "nothing is synced yet");
    assert!(sync(&mut state, SyncEvent::Busy).is_empty());
    assert!(batch(&mut state).is_empty(), "the app starts with these edits anyway");
    assert!(matches!(sync(&mut state, SyncEvent::InSync)[..], [Effect::LaunchApp(_)]));
    assert!(sync(&mut state, SyncEvent::InSync).is_empty(), "once");
    assert!(matches!(batch(&mut state)[..], [Effect::RunHook { .. }]));
}

#[test]
fn a_new_agent_is_told_to_run_the_app_again() {
    let mut state = ready();
    assert!(matches!(connected(&mut state)[..], [Effect::LaunchApp(_)]));
}

#[test]
fn hooks_never_overlap() {
    let mut state = ready();
    assert!(matches!(batch(&mut state)[..], [Effect::RunHook { .. }]));
    for _ in 0..5 {
        assert!(batch(&mut state).is_empty());
    }
    let ended = |result| Event::HookEnded { name: "app".to_owned(), result };
    let again = state.handle(NOW, ended(Err("status 1".to_owned())));
    assert!(matches!(again[..], [Effect::RunHook { .. }]), "the later batches are one");
    assert_eq!(state.hooks()[0].last_error.as_deref(), Some("status 1"));
    assert!(state.handle(NOW, ended(Ok(()))).is_empty());
    assert_eq!(state.hooks()[0].runs, 2);
    assert_eq!(state.hooks()[0].last_error, None);
}

#[test]
fn the_same_settings_again_change_nothing_and_others_are_refused() {
    let mut state = ready();
    let (effects, answer) = up(&mut state, Some(settings()), false);
    assert!(matches!(effects[..], [Effect::Persist(_)]), "{effects:?}");
    assert_eq!(answer, Answer::Accepted);

    let other = Settings { forwards: vec!["9090".to_owned()], ..settings() };
    let (effects, answer) = up(&mut state, Some(other), false);
    assert!(effects.is_empty());
    assert_eq!(
        answer,
        Answer::Differs(vec!["- forward: 8080".to_owned(), "+ forward: 9090".to_owned()])
    );
}

#[test]
fn replace_changes_only_what_differs() {
    let mut state = ready();
    let other = Settings { forwards: vec!["9090".to_owned()], ..settings() };
    let (effects, answer) = up(&mut state, Some(other), true);
    assert_eq!(answer, Answer::Accepted);
    assert!(
        matches!(
            &effects[..],
            [
                Effect::Persist(_),
                Effect::CloseForward { spec: closed },
                Effect::OpenForward { spec: opened, .. }
            ] if closed == "8080" && opened == "9090"
        ),
        "{effects:?}"
    );
    let elsewhere = Settings { target: Target::Local("/elsewhere".into()), ..settings() };
    let (effects, _) = up(&mut state, Some(elsewhere), true);
    assert!(effects.contains(&Effect::StopLink(Leave::Nothing)), "{effects:?}");
    assert!(effects.contains(&Effect::StopSync { name: "app".to_owned(), leave: Leave::Nothing }));
}

#[test]
fn a_change_of_rules_keeps_the_ancestor() {
    let mut state = ready();
    let mut other = settings();
    other.syncs[0].ignore.push("*.log".to_owned());
    let (effects, _) = up(&mut state, Some(other), true);
    assert!(effects.contains(&Effect::StopSync { name: "app".to_owned(), leave: Leave::All }));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::StartSync(_))));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::StopLink(_))));
}

#[test]
fn a_first_link_that_is_given_up_leaves_nothing_wanted() {
    let mut state = idle();
    up(&mut state, Some(settings()), false);
    let down = LinkEvent::Down { reason: "no such host".to_owned() };
    let effects = state.handle(NOW, Event::Link(down));
    assert_eq!(effects.last(), Some(&Effect::Unpersist));
    assert!(matches!(state.readiness(), Readiness::Failed { code: FailureCode::Unreachable, .. }));
    let (_, answer) = up(&mut state, Some(settings()), false);
    assert_eq!(answer, Answer::Accepted, "the next `up` is free to try");
}

#[test]
fn a_later_loss_of_the_link_keeps_what_is_wanted_and_up_tries_again() {
    let mut state = ready();
    let down = LinkEvent::Down { reason: "gone".to_owned() };
    assert!(state.handle(NOW, Event::Link(down)).is_empty());
    assert!(matches!(state.readiness(), Readiness::Failed { .. }));
    let (effects, answer) = up(&mut state, None, false);
    assert_eq!(answer, Answer::Accepted);
    assert!(effects.contains(&Effect::StopLink(Leave::All)), "{effects:?}");
    assert!(effects.contains(&Effect::StartLink(settings().target)));
}

#[test]
fn settings_that_never_worked_do_not_stand_in_the_way() {
    let mut state = idle();
    up(&mut state, Some(settings()), false);
    connected(&mut state);
    forward(&mut state, Err("local port 8080 is taken".to_owned()));
    let (_, answer) = up(&mut state, Some(Settings { forwards: Vec::new(), ..settings() }), false);
    assert_eq!(answer, Answer::Accepted);
}

#[test]
fn settings_still_on_their_way_do() {
    let mut state = idle();
    up(&mut state, Some(settings()), false);
    let (_, answer) = up(&mut state, Some(Settings { forwards: Vec::new(), ..settings() }), false);
    assert!(matches!(answer, Answer::Differs(_)));
}

#[test]
fn down_removes_everything_and_answers_last() {
    let mut state = ready();
    let effects = state.handle(NOW, Event::Down { id: 9 });
    let tail = &effects[effects.len() - 4..];
    assert_eq!(
        tail,
        [
            Effect::StopLink(Leave::Nothing),
            Effect::Unpersist,
            Effect::Exit,
            Effect::Answer { id: 9, answer: Answer::Ended }
        ]
    );
    let stop = Effect::StopSync { name: "app".to_owned(), leave: Leave::Nothing };
    let at = |wanted: &Effect| effects.iter().position(|effect| effect == wanted);
    assert!(at(&stop) < at(&Effect::StopLink(Leave::Nothing)), "traces go over the link");
}

#[test]
fn quit_leaves_everything_for_the_next_hub() {
    let mut state = ready();
    let effects = state.handle(NOW, Event::Quit);
    assert!(!effects.contains(&Effect::Unpersist));
    assert!(!effects.contains(&Effect::StopApp));
    assert!(effects.contains(&Effect::StopLink(Leave::All)));
}

#[test]
fn forwards_of_faces_survive_a_crash_and_are_no_difference() {
    let mut state = ready();
    let opened = state.handle(NOW, Event::ForwardAdded { spec: "6379".to_owned() });
    let closed = state.handle(NOW, Event::ForwardRemoved { spec: "8080".to_owned() });
    assert!(matches!(opened[..], [Effect::Persist(_)]));
    let [Effect::Persist(persisted)] = &closed[..] else { panic!("{closed:?}") };
    let (mut next, effects) = State::start(NOW, "/here".to_owned(), Some(persisted.clone()));
    let opens: Vec<_> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::OpenForward { spec, .. } => Some(spec.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(opens, ["6379"]);
    let (_, answer) = up(&mut next, Some(settings()), false);
    assert_eq!(answer, Answer::Accepted);
}

#[test]
fn a_hub_that_nobody_needs_goes() {
    let mut state = idle();
    let deadline = state.poll_timeout().unwrap();
    state.handle(NOW, Event::ClientCame);
    assert_eq!(state.poll_timeout(), None);
    state.handle(deadline, Event::ClientLeft);
    assert!(state.handle(deadline, Event::Tick).is_empty(), "its time began anew");
    let deadline = state.poll_timeout().unwrap();
    assert_eq!(state.handle(deadline, Event::Tick), [Effect::Exit]);
    assert_eq!(ready().poll_timeout(), None);
}

#[test]
fn a_stuck_sync_is_said_with_what_to_do() {
    let mut state = ready();
    sync(&mut state, SyncEvent::Stuck { reason: "all files are gone".to_owned() });
    let Readiness::Failed { code, reason, .. } = state.readiness() else { panic!() };
    assert_eq!(code, FailureCode::Conflict);
    assert!(reason.contains("all files are gone"));
    sync(&mut state, SyncEvent::InSync);
    assert_eq!(state.readiness(), Readiness::Ready);
}

#[test]
fn with_all_pods_it_is_ready_when_each_of_them_is_in_sync() {
    let mut state = idle();
    let target = Target::parse("deploy/api --all", "/".as_ref()).unwrap();
    up(&mut state, Some(Settings { target, app: None, ..settings() }), false);
    let waits = |state: &State| match state.readiness() {
        Readiness::Pending { waiting_for } => waiting_for,
        other => format!("{other:?}"),
    };
    connected(&mut state);
    sync(&mut state, SyncEvent::InSync);
    forward(&mut state, Ok(()));
    assert_eq!(waits(&state), "the list of the other pods");
    let others = |state: &mut State, came: &[&str], went: &[&str]| {
        let names = |names: &[&str]| names.iter().map(|name| format!("app@{name}")).collect();
        state.handle(NOW, Event::Others { came: names(came), went: names(went) });
    };
    others(&mut state, &["api-1", "api-2"], &[]);
    assert_eq!(waits(&state), "the first sync of app@api-1");
    let in_sync = |state: &mut State, name: &str| {
        state.handle(NOW, Event::Sync { name: name.to_owned(), phase: SyncEvent::InSync });
    };
    in_sync(&mut state, "app@api-1");
    assert_eq!(waits(&state), "the first sync of app@api-2");
    let reason = "pod api-2: no shell".to_owned();
    state.handle(NOW, Event::OtherFailed { pod: "api-2".to_owned(), reason });
    assert!(
        matches!(state.readiness(), Readiness::Failed { reason, .. } if reason.contains("no shell"))
    );
    others(&mut state, &["api-3"], &["api-2"]);
    in_sync(&mut state, "app@api-3");
    assert_eq!(state.readiness(), Readiness::Ready);
    let effects = state.handle(NOW, Event::Down { id: 2 });
    let ended = |name: &str| {
        let stop = Effect::StopSync { name: name.to_owned(), leave: Leave::Nothing };
        effects.contains(&stop)
    };
    assert!(ended("app") && ended("app@api-1") && ended("app@api-3"));
}
