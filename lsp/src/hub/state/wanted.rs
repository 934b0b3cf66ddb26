//! What is wanted and how far it has come. Pure.

use std::collections::BTreeMap;

use super::change;
use crate::config::{OnChange, Settings, SyncSetting};
use crate::hub::effect::{Effect, Leave};
use crate::hub::event::{Event, LinkEvent, SyncEvent};
use crate::hub::hooks::Hooks;
use crate::hub::persist::Persisted;
use crate::status::{AppState, FailureCode, Readiness};
use crate::target::Target;

/// What is wanted and how far it has come.
#[derive(Debug)]
pub struct Wanted {
    /// As `up` was asked.
    pub settings: Settings,
    added: Vec<String>,
    removed: Vec<String>,
    link: Link,
    syncs: BTreeMap<String, Sync>,
    /// Whether it is not known yet which other pods there are.
    awaits_others: bool,
    /// None while one is being opened.
    forwards: BTreeMap<String, Option<Result<(), String>>>,
    /// Whether this agent was told to run the app.
    launched: bool,
    /// How the app is.
    pub app: AppState,
    /// What follows edits.
    pub hooks: Hooks,
    /// Whether all was there at some time, in this hub or an earlier one.
    worked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Link {
    Waiting,
    Connected,
    Down { reason: String },
}

#[derive(Debug, Clone)]
struct Sync {
    /// Whether it was in sync since it was started.
    reached: bool,
    phase: SyncEvent,
}

impl Wanted {
    /// Something new.
    pub fn new(settings: Settings) -> Self {
        let syncs = settings.syncs.iter().map(|sync| (sync.name.clone(), Sync::new())).collect();
        let forwards = settings.forwards.iter().map(|spec| (spec.clone(), None)).collect();
        let awaits_others = matches!(&settings.target, Target::Workload(workload) if workload.all);
        Self {
            awaits_others,
            settings,
            added: Vec::new(),
            removed: Vec::new(),
            link: Link::Waiting,
            syncs,
            forwards,
            launched: false,
            app: AppState::Waiting,
            hooks: Hooks::default(),
            worked: false,
        }
    }

    /// What an earlier hub left.
    pub fn resumed(persisted: Persisted) -> Self {
        let mut wanted = Self::new(persisted.settings);
        for spec in persisted.added {
            wanted.added(spec);
        }
        for spec in persisted.removed {
            wanted.closed(&spec);
        }
        wanted.forwards.values_mut().for_each(|state| *state = None);
        wanted.worked = true;
        wanted
    }

    /// For the next hub.
    pub fn persisted(&self, workspace: String) -> Persisted {
        Persisted::new(workspace, self.settings.clone(), self.added.clone(), self.removed.clone())
    }

    /// What brings it up.
    pub fn start(&self) -> Vec<Effect> {
        let mut effects = vec![Effect::StartLink(self.settings.target.clone())];
        effects.extend(self.settings.syncs.iter().cloned().map(Effect::StartSync));
        effects.extend(self.specs().map(|spec| self.open(spec)));
        effects
    }

    /// What ends it.
    pub fn end(&self, leave: Leave) -> Vec<Effect> {
        let close = |spec: &String| Effect::CloseForward { spec: spec.clone() };
        let mut effects: Vec<Effect> = self.forwards.keys().map(close).collect();
        if leave == Leave::Nothing {
            // A hub that was just started for this has not met its agent yet.
            effects.push(Effect::AwaitLink);
            effects.extend(self.settings.app.as_ref().map(|_| Effect::StopApp));
        }
        effects
            .extend(self.syncs.keys().map(|name| Effect::StopSync { name: name.clone(), leave }));
        effects.push(Effect::StopLink(leave));
        effects
    }

    /// What tries again where it had failed.
    pub fn revive(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        if matches!(self.link, Link::Down { .. }) {
            self.link = Link::Waiting;
            effects.push(Effect::StopLink(Leave::All));
            effects.push(Effect::StartLink(self.settings.target.clone()));
        }
        for spec in core::mem::take(&mut self.removed) {
            self.forwards.insert(spec, Some(Err("closed".to_owned())));
        }
        let failed: Vec<String> =
            self.failed_forwards().into_iter().map(|(spec, _)| spec).collect();
        for spec in failed {
            effects.push(self.open(&spec));
            self.forwards.insert(spec, None);
        }
        effects
    }

    /// The next thing wanted instead, and the steps to it.
    pub fn change_to(&self, settings: Settings) -> (Self, Vec<Effect>) {
        let mut next = Self::new(settings);
        if next.settings.target != self.settings.target {
            let mut effects = self.end(Leave::Nothing);
            effects.extend(next.start());
            return (next, effects);
        }
        next.link = self.link.clone();
        next.app = self.app.clone();
        next.awaits_others = self.awaits_others;
        next.launched = self.launched && next.settings.app == self.settings.app;
        let mut effects = change::steps(&self.settings, &next.settings);
        for sync in &self.settings.syncs {
            if let (true, Some(state)) =
                (next.settings.syncs.contains(sync), self.syncs.get(&sync.name))
            {
                next.syncs.insert(sync.name.clone(), state.clone());
            }
        }
        // With other pods they go on, too.
        for (name, state) in &self.syncs {
            if base_of(name).is_some_and(|base| {
                let of = |sync: &&SyncSetting| sync.name == base;
                self.settings.syncs.iter().find(of) == next.settings.syncs.iter().find(of)
            }) {
                next.syncs.insert(name.clone(), state.clone());
            }
        }
        for (spec, state) in &self.forwards {
            match next.forwards.get_mut(spec) {
                Some(kept) => *kept = state.clone(),
                None => effects.push(Effect::CloseForward { spec: spec.clone() }),
            }
        }
        let missing: Vec<String> = next
            .specs()
            .filter(|spec| !matches!(self.forwards.get(*spec), Some(Some(Ok(())) | None)))
            .cloned()
            .collect();
        for spec in missing {
            effects.push(next.open(&spec));
            next.forwards.insert(spec, None);
        }
        effects.extend(next.revive());
        (next, effects)
    }

    /// Handles what concerns only what is wanted.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Sync { name, phase } => {
                if let Some(sync) = self.syncs.get_mut(&name) {
                    sync.reached |= phase == SyncEvent::InSync;
                    sync.phase = phase;
                }
            }
            Event::Batch { name } => {
                let due = match self.hook_of(&name) {
                    OnChange::Nothing => false,
                    // The app starts with these edits anyway.
                    OnChange::Restart => self.launched && self.settings.app.is_some(),
                    OnChange::Run(_) => true,
                };
                let next = if due { self.hooks.request(&name) } else { None };
                return self.run_hook(next);
            }
            Event::HookEnded { name, result } => {
                let next = self.hooks.ended(&name, result);
                return self.run_hook(next);
            }
            Event::App(state) => self.app = state,
            Event::Others { came, went } => {
                self.awaits_others = false;
                self.syncs.retain(|name, _| !went.contains(name));
                self.syncs.extend(came.into_iter().map(|name| (name, Sync::new())));
            }
            Event::OtherFailed { pod, reason } => {
                for (name, sync) in &mut self.syncs {
                    if is_beside(name, &pod) {
                        sync.phase = SyncEvent::Stuck { reason: reason.clone() };
                    }
                }
            }
            Event::Forward { spec, result } => {
                if let Some(state) = self.forwards.get_mut(&spec) {
                    *state = Some(result);
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Takes note of the link.
    pub fn link_changed(&mut self, event: LinkEvent) {
        self.link = match event {
            LinkEvent::Connected => {
                self.launched = false;
                Link::Connected
            }
            // Streams wait while carriers are changed; only the first one counts.
            LinkEvent::Waiting if self.link == Link::Connected => Link::Connected,
            LinkEvent::Waiting => Link::Waiting,
            LinkEvent::Down { reason } => Link::Down { reason },
        };
    }

    /// Why the link was given up.
    pub fn link_failure(&self) -> Option<String> {
        match &self.link {
            Link::Down { reason } => Some(reason.clone()),
            _ => None,
        }
    }

    /// Whether it failed before it ever worked.
    pub fn never_worked(&self) -> bool {
        !self.worked && matches!(self.readiness(), Readiness::Failed { .. })
    }

    /// Whether the very first link was given up.
    pub fn gave_up_at_once(&self) -> bool {
        !self.worked && matches!(self.link, Link::Down { .. })
    }

    /// Starts the app once the files it needs are there.
    pub fn launch_if_due(&mut self) -> Option<Effect> {
        let app = self.settings.app.clone()?;
        let due = !self.launched
            && self.link == Link::Connected
            && self.settings.syncs.iter().all(|sync| self.is_reached(&sync.name))
            && self.hooks.is_idle();
        self.launched |= due;
        due.then_some(Effect::LaunchApp(app))
    }

    /// Remembers that all was there.
    pub fn note_ready(&mut self) {
        self.worked |= self.readiness() == Readiness::Ready;
    }

    /// Whether all is there.
    pub fn readiness(&self) -> Readiness {
        self.failure().unwrap_or_else(|| match self.missing() {
            Some(waiting_for) => Readiness::Pending { waiting_for },
            None => Readiness::Ready,
        })
    }

    /// A face opened a forward.
    pub fn added(&mut self, spec: String) {
        self.removed.retain(|removed| *removed != spec);
        if !self.settings.forwards.contains(&spec) && !self.added.contains(&spec) {
            self.added.push(spec.clone());
        }
        self.forwards.insert(spec, Some(Ok(())));
    }

    /// A face closed one.
    pub fn closed(&mut self, spec: &str) {
        self.added.retain(|added| added != spec);
        if self.settings.forwards.iter().any(|wanted| wanted == spec) {
            self.removed.push(spec.to_owned());
        }
        self.forwards.remove(spec);
    }

    /// Forwards that could not be opened, and why.
    pub fn failed_forwards(&self) -> Vec<(String, String)> {
        self.forwards
            .iter()
            .filter_map(|(spec, state)| match state {
                Some(Err(reason)) => Some((spec.clone(), reason.clone())),
                _ => None,
            })
            .collect()
    }

    fn failure(&self) -> Option<Readiness> {
        let failed = |code, reason: String, help: &str| {
            Some(Readiness::Failed { code, reason, help: help.to_owned() })
        };
        if let Some(reason) = self.link_failure() {
            let help = "check the target and run `towline up` again; `towline doctor` looks for \
                        usual causes";
            return failed(FailureCode::Unreachable, reason, help);
        }
        for (name, sync) in &self.syncs {
            if let SyncEvent::Stuck { reason } = &sync.phase {
                let reason = format!("the sync `{name}` stopped: {reason}");
                let help = "look at `towline sync list`; go on with `towline sync resume`, \
                            `--delete` or `--restore`";
                return failed(FailureCode::Conflict, reason, help);
            }
        }
        if let Some((spec, reason)) = self.failed_forwards().into_iter().next() {
            let help = "free the port, choose another one (LOCAL:REMOTE), or leave out \
                        --strict-ports";
            return failed(
                FailureCode::Failure,
                format!("unable to forward {spec}: {reason}"),
                help,
            );
        }
        if let AppState::Failed { reason } = &self.app {
            let reason = format!("unable to start the app: {reason}");
            return failed(FailureCode::Failure, reason, "check the command after `--`");
        }
        None
    }

    fn missing(&self) -> Option<String> {
        if self.link != Link::Connected {
            return Some("the agent".to_owned());
        }
        if self.awaits_others {
            return Some("the list of the other pods".to_owned());
        }
        if let Some((name, _)) = self.syncs.iter().find(|(_, sync)| !sync.reached) {
            return Some(format!("the first sync of {name}"));
        }
        if let Some((spec, _)) = self.forwards.iter().find(|(_, state)| state.is_none()) {
            return Some(format!("the forward {spec}"));
        }
        if self.settings.app.is_some() && (!self.launched || self.app == AppState::Waiting) {
            return Some("the app's start".to_owned());
        }
        None
    }

    fn is_reached(&self, sync: &str) -> bool {
        self.syncs.get(sync).is_some_and(|sync| sync.reached)
    }

    fn hook_of(&self, name: &str) -> OnChange {
        let sync = self.settings.syncs.iter().find(|sync| sync.name == name);
        sync.map(|sync| sync.on_change.clone()).unwrap_or_default()
    }

    fn run_hook(&self, name: Option<String>) -> Vec<Effect> {
        name.map(|name| Effect::RunHook { action: self.hook_of(&name), name }).into_iter().collect()
    }

    fn specs(&self) -> impl Iterator<Item = &String> {
        let configured = self.settings.forwards.iter().filter(|spec| !self.removed.contains(spec));
        configured.chain(&self.added)
    }

    fn open(&self, spec: &str) -> Effect {
        Effect::OpenForward { spec: spec.to_owned(), strict: self.settings.strict_ports }
    }
}

/// Stands in the name of a sync with another pod between the name of the sync and the
/// pod's, which never has one.
const BESIDE: char = '@';

/// The name of a sync with another pod.
pub fn beside(sync: &str, pod: &str) -> String {
    format!("{sync}{BESIDE}{pod}")
}

/// Whether it is the name of a sync with this other pod.
pub fn is_beside(name: &str, pod: &str) -> bool {
    name.strip_suffix(pod).is_some_and(|rest| rest.ends_with(BESIDE))
}

/// The sync that one with another pod stands beside.
fn base_of(name: &str) -> Option<&str> {
    name.rsplit_once(BESIDE).map(|(base, _)| base)
}

impl Sync {
    fn new() -> Self {
        Self { reached: false, phase: SyncEvent::Busy }
    }
}
