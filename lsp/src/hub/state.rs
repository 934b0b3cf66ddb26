//! What a hub decides: pure. Events and `now` in, effects out.

mod change;
pub mod wanted;

use core::time::Duration;

use protocol::limits::HUB_IDLE_GRACE;

use super::effect::{Answer, Effect, Leave};
use super::event::{Event, LinkEvent, RequestId};
use super::persist::Persisted;
use crate::config::{OnChange, Settings};
use crate::status::{AppState, FailureCode, HookStatus, Readiness};
use wanted::Wanted;

/// The state of one hub.
#[derive(Debug)]
pub struct State {
    workspace: String,
    wanted: Option<Wanted>,
    /// Why the last `up` came to nothing.
    failure: Option<String>,
    clients: usize,
    /// Since when nobody and nothing needs this hub.
    idle_since: Option<Duration>,
}

impl State {
    /// A hub that was just started, with what an earlier one left to do.
    pub fn start(
        now: Duration,
        workspace: String,
        persisted: Option<Persisted>,
    ) -> (Self, Vec<Effect>) {
        let mut state =
            Self { workspace, wanted: None, failure: None, clients: 0, idle_since: Some(now) };
        let mut effects = Vec::new();
        if let Some(persisted) = persisted {
            let wanted = Wanted::resumed(persisted);
            effects = wanted.start();
            state.wanted = Some(wanted);
        }
        (state, effects)
    }

    /// Handles one event. Effects are to be performed in their order.
    pub fn handle(&mut self, now: Duration, event: Event) -> Vec<Effect> {
        let mut effects = match event {
            Event::Up { id, settings, replace } => {
                self.up(id, settings.map(|settings| *settings), replace)
            }
            Event::Down { id } => self.down(id),
            Event::Quit => self.quit(),
            Event::ClientCame => {
                self.clients += 1;
                Vec::new()
            }
            Event::ClientLeft => {
                self.clients = self.clients.saturating_sub(1);
                Vec::new()
            }
            Event::Link(event) => self.link(event),
            Event::Tick => self.tick(now),
            Event::ForwardAdded { spec } => self.forwards_changed(|wanted| wanted.added(spec)),
            Event::ForwardRemoved { spec } => self.forwards_changed(|wanted| wanted.closed(&spec)),
            other => match &mut self.wanted {
                Some(wanted) => wanted.handle(other),
                None => Vec::new(),
            },
        };
        if let Some(wanted) = &mut self.wanted {
            effects.extend(wanted.launch_if_due());
            wanted.note_ready();
        }
        let needed = self.wanted.is_some() || self.clients > 0;
        self.idle_since = if needed { None } else { self.idle_since.or(Some(now)) };
        effects
    }

    /// When [`Event::Tick`] is due.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.idle_since.map(|since| since + HUB_IDLE_GRACE)
    }

    /// What is wanted.
    pub fn settings(&self) -> Option<&Settings> {
        self.wanted.as_ref().map(|wanted| &wanted.settings)
    }

    /// Whether all that is wanted is there.
    pub fn readiness(&self) -> Readiness {
        match (&self.wanted, &self.failure) {
            (Some(wanted), _) => wanted.readiness(),
            (None, Some(reason)) => Readiness::Failed {
                code: FailureCode::Unreachable,
                reason: reason.clone(),
                help: "check the target and run `towline up` again; `towline doctor` looks for \
                       usual causes"
                    .to_owned(),
            },
            (None, None) => Readiness::Idle,
        }
    }

    /// How the app is, if one is wanted.
    pub fn app(&self) -> Option<&AppState> {
        self.wanted.as_ref().map(|wanted| &wanted.app)
    }

    /// What follows edits.
    pub fn hooks(&self) -> Vec<HookStatus> {
        let Some(wanted) = &self.wanted else { return Vec::new() };
        let with_hook = wanted.settings.syncs.iter().filter(|s| s.on_change != OnChange::Nothing);
        with_hook
            .map(|sync| {
                let record = wanted.hooks.record(&sync.name);
                HookStatus {
                    sync: sync.name.clone(),
                    action: sync.on_change.to_string(),
                    running: wanted.hooks.is_running(&sync.name),
                    runs: record.runs,
                    last_error: record.last_error,
                }
            })
            .collect()
    }

    /// Forwards that could not be opened, and why.
    pub fn failed_forwards(&self) -> Vec<(String, String)> {
        self.wanted.as_ref().map(Wanted::failed_forwards).unwrap_or_default()
    }

    fn up(&mut self, id: RequestId, settings: Option<Settings>, replace: bool) -> Vec<Effect> {
        self.failure = None;
        let answer = |answer| Effect::Answer { id, answer };
        let (mut effects, last) = match (&mut self.wanted, settings) {
            (None, Some(settings)) => {
                let wanted = Wanted::new(settings);
                let mut effects = vec![Effect::Persist(wanted.persisted(self.workspace.clone()))];
                effects.extend(wanted.start());
                self.wanted = Some(wanted);
                (effects, Answer::Accepted)
            }
            (Some(wanted), settings)
                if settings.as_ref().is_none_or(|settings| *settings == wanted.settings) =>
            {
                let mut effects = wanted.revive();
                effects.insert(0, Effect::Persist(wanted.persisted(self.workspace.clone())));
                (effects, Answer::Accepted)
            }
            (_, None) => (Vec::new(), Answer::NotUp),
            (Some(wanted), Some(settings)) if replace || wanted.never_worked() => {
                let (next, steps) = wanted.change_to(settings);
                let mut effects = vec![Effect::Persist(next.persisted(self.workspace.clone()))];
                effects.extend(steps);
                *wanted = next;
                (effects, Answer::Accepted)
            }
            (Some(wanted), Some(settings)) => {
                (Vec::new(), Answer::Differs(change::differences(&wanted.settings, &settings)))
            }
        };
        effects.push(answer(last));
        effects
    }

    fn down(&mut self, id: RequestId) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Some(wanted) = self.wanted.take() {
            effects = wanted.end(Leave::Nothing);
            effects.push(Effect::Unpersist);
        }
        // The answer comes when nothing of ours is left.
        effects.push(Effect::Exit);
        effects.push(Effect::Answer { id, answer: Answer::Ended });
        effects
    }

    fn quit(&mut self) -> Vec<Effect> {
        let mut effects = self.wanted.take().map(|w| w.end(Leave::All)).unwrap_or_default();
        effects.push(Effect::Exit);
        effects
    }

    fn link(&mut self, event: LinkEvent) -> Vec<Effect> {
        let Some(wanted) = &mut self.wanted else { return Vec::new() };
        wanted.link_changed(event);
        // What never came to be is not wanted for ever: a wrong target would
        // otherwise stand in the way of the right one.
        if wanted.gave_up_at_once() {
            let reason = wanted.link_failure().unwrap_or_default();
            let mut effects = wanted.end(Leave::All);
            effects.push(Effect::Unpersist);
            self.wanted = None;
            self.failure = Some(reason);
            return effects;
        }
        Vec::new()
    }

    fn tick(&mut self, now: Duration) -> Vec<Effect> {
        match self.poll_timeout() {
            Some(deadline) if deadline <= now => vec![Effect::Exit],
            _ => Vec::new(),
        }
    }

    fn forwards_changed(&mut self, change: impl FnOnce(&mut Wanted)) -> Vec<Effect> {
        let Some(wanted) = &mut self.wanted else { return Vec::new() };
        change(wanted);
        let persist = wanted.persisted(self.workspace.clone());
        vec![Effect::Persist(persist)]
    }
}

#[cfg(test)]
mod tests;
