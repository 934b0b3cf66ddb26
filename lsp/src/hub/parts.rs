//! What a hub runs: the link, syncs and forwards. Does what effects say and
//! reports what happens; decides nothing.

use std::time::Duration;

use protocol::io::connection::Connection;
use protocol::limits::HUB_BATCHES_MAX;
use protocol::wire::app::{AppReply, AppRequest};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::app;
use super::effect::Leave;
use super::event::{Event, LinkEvent, SyncEvent};
use super::run::Message;
use crate::config::{AppSetting, OnChange, SyncSetting};
use crate::link::{Link, LinkState};
use crate::ports::{ForwardSpec, Forwards};
use crate::remote::app as remote;
use crate::runtime::Workspace;
use crate::status::{AppState, SyncView};
use crate::sync::{Sync, SyncPhase, SyncSpec};
use crate::target::Target;

/// How long the far side may take to remove its traces.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two looks at a sync that changes all the time.
const SYNC_PACE: Duration = Duration::from_millis(40);

/// Everything a hub runs.
pub struct Parts {
    workspace: Workspace,
    message_tx: mpsc::Sender<Message>,
    /// link --Connection--> syncs, forwards, requests. Outlives each link.
    connection_tx: watch::Sender<Option<Connection>>,
    link: Option<(Link, Vec<AbortOnDropHandle<()>>)>,
    /// Why there is none, if it could not even be tried.
    unreachable: Option<String>,
    shared_tx: watch::Sender<Shared>,
    watchers: Vec<(String, AbortOnDropHandle<()>)>,
    /// What was ended, a line each.
    report: Vec<String>,
}

/// What requests of faces may use directly.
#[derive(Clone)]
pub struct Shared {
    /// The syncs, with what was asked for.
    pub syncs: Vec<(SyncSetting, Sync)>,
    /// The forwards.
    pub forwards: Forwards,
}

impl Parts {
    /// Nothing runs yet.
    pub fn new(workspace: Workspace, message_tx: mpsc::Sender<Message>) -> Self {
        let connection_tx = watch::Sender::new(None);
        let forwards = Forwards::new(connection_tx.subscribe());
        Self {
            workspace,
            message_tx,
            connection_tx,
            link: None,
            unreachable: None,
            shared_tx: watch::Sender::new(Shared { syncs: Vec::new(), forwards }),
            watchers: Vec::new(),
            report: Vec::new(),
        }
    }

    /// For requests.
    pub fn shared(&self) -> watch::Receiver<Shared> {
        self.shared_tx.subscribe()
    }

    /// The current connection.
    pub fn connection(&self) -> watch::Receiver<Option<Connection>> {
        self.connection_tx.subscribe()
    }

    /// How the link is.
    pub fn link_state(&self) -> Option<LinkState> {
        match (&self.link, &self.unreachable) {
            (Some((link, _)), _) => Some(link.state().borrow().clone()),
            (None, Some(reason)) => Some(LinkState::Down { reason: reason.clone() }),
            (None, None) => None,
        }
    }

    /// How the syncs are.
    pub fn sync_views(&self) -> Vec<SyncView> {
        let shared = self.shared_tx.borrow();
        let views = shared.syncs.iter().map(|(setting, sync)| SyncView::of(setting, sync));
        views.collect()
    }

    /// What was ended since the last call.
    pub fn take_report(&mut self) -> Vec<String> {
        std::mem::take(&mut self.report)
    }

    /// Reaches the target; what happened when it cannot even be tried.
    pub fn start_link(&mut self, target: &Target) -> Option<Event> {
        let link = match super::reach::start(target, &self.workspace) {
            Ok(link) => link,
            Err(reason) => {
                self.unreachable = Some(reason.clone());
                return Some(Event::Link(LinkEvent::Down { reason }));
            }
        };
        self.unreachable = None;
        let tasks = vec![
            AbortOnDropHandle::new(tokio::spawn(watch_link(
                link.clone(),
                self.connection_tx.clone(),
                self.message_tx.clone(),
            ))),
            AbortOnDropHandle::new(tokio::spawn(watch_app(
                self.connection_tx.subscribe(),
                self.message_tx.clone(),
            ))),
        ];
        self.link = Some((link, tasks));
        None
    }

    /// Waits for the link's first success, or for its failure.
    pub async fn await_link(&self) {
        let Some((link, _)) = &self.link else { return };
        let (mut connection_rx, mut state_rx) = (self.connection_tx.subscribe(), link.state());
        // An end of either channel is an end of the link.
        let reached = async { drop(connection_rx.wait_for(Option::is_some).await) };
        let failed = async {
            drop(state_rx.wait_for(|state| matches!(state, LinkState::Down { .. })).await);
        };
        tokio::select! {
            () = reached => {}
            () = failed => {}
            () = tokio::time::sleep(GOODBYE_PATIENCE) => {}
        }
    }

    /// Leaves the target.
    pub async fn stop_link(&mut self, leave: Leave) {
        let Some((link, tasks)) = self.link.take() else { return };
        drop(tasks);
        if leave == Leave::Nothing {
            let connected = self.connection_tx.borrow().is_some();
            link.shutdown(GOODBYE_PATIENCE).await;
            if connected {
                self.report.push("ended the agent and what it ran".to_owned());
            }
        } else {
            drop(link);
        }
        self.connection_tx.send_replace(None);
    }

    /// Begins a sync.
    pub fn start_sync(&mut self, setting: SyncSetting) {
        let state_dir = self.workspace.sync_dir(&setting.name);
        if let Err(error) = std::fs::create_dir_all(&state_dir) {
            tracing::error!(%error, dir = %state_dir.display(), "unable to make a sync's directory");
        }
        let spec = SyncSpec {
            name: setting.name.clone(),
            alpha: setting.from.clone(),
            beta: setting.to.clone(),
            ignore: setting.ignore.clone(),
            include: setting.include.clone(),
        };
        let (batch_tx, batch_rx) = mpsc::channel(HUB_BATCHES_MAX);
        let sync = Sync::start(spec, state_dir, self.connection_tx.subscribe(), batch_tx);
        let watcher =
            watch_sync(setting.name.clone(), sync.status(), batch_rx, self.message_tx.clone());
        self.watchers.push((setting.name.clone(), AbortOnDropHandle::new(tokio::spawn(watcher))));
        self.shared_tx.send_modify(|shared| shared.syncs.push((setting, sync)));
    }

    /// Ends a sync.
    pub async fn stop_sync(&mut self, name: &str, leave: Leave) {
        let mut ended = None;
        self.shared_tx.send_modify(|shared| {
            if let Some(at) = shared.syncs.iter().position(|(setting, _)| setting.name == name) {
                ended = Some(shared.syncs.remove(at));
            }
        });
        let Some((setting, sync)) = ended else { return };
        self.watchers.retain(|(watched, _)| watched != name);
        if leave == Leave::All {
            sync.stop().await;
            return;
        }
        let both = timeout(GOODBYE_PATIENCE, sync.forget()).await.is_ok();
        let _ = std::fs::remove_dir_all(self.workspace.sync_dir(name)); // forgotten already
        self.report.push(if both {
            format!("ended the sync `{name}` ({} stays as it is)", setting.from.display())
        } else {
            format!("ended the sync `{name}`; the target did not answer, its traces stay there")
        });
    }

    /// Opens a port.
    pub async fn open_forward(&mut self, text: String, strict: bool) -> Event {
        let forwards = self.shared_tx.borrow().forwards.clone();
        let result = match text.parse::<ForwardSpec>() {
            Ok(spec) => forwards.add(spec, strict).await.map(|_| ()),
            Err(error) => Err(error),
        };
        Event::Forward { spec: text, result: result.map_err(|error| crate::chain(&error)) }
    }

    /// Closes a port.
    pub async fn close_forward(&mut self, spec: &str) {
        let forwards = self.shared_tx.borrow().forwards.clone();
        if forwards.remove(spec).await.is_ok() {
            self.report.push(format!("closed the forward {spec}"));
        }
    }

    /// Runs the app, and says so if it cannot. How it runs is told by its watch
    /// alone: two tellers would overtake each other.
    pub fn launch_app(&self, app: AppSetting) {
        let connection = self.connection_tx.borrow().clone();
        let message_tx = self.message_tx.clone();
        tokio::spawn(async move {
            let state = match connection {
                Some(connection) => app::launch(&connection, &app).await,
                None => AppState::Failed { reason: "the link is not up".to_owned() },
            };
            if let AppState::Failed { .. } = state {
                let _ = message_tx.send(Message::Event(Event::App(state))).await;
            }
        });
    }

    /// Stops the app.
    pub async fn stop_app(&mut self) {
        let connection = self.connection_tx.borrow().clone();
        if let Some(connection) = connection {
            let stop = app::request(&connection, AppRequest::Stop);
            if let Ok(Ok(_)) = timeout(GOODBYE_PATIENCE, stop).await {
                self.report.push("stopped the app".to_owned());
            }
        }
    }

    /// Does what follows an edit, and says when it is done.
    pub fn run_hook(&self, name: String, action: OnChange) {
        let connection = self.connection_tx.borrow().clone();
        let message_tx = self.message_tx.clone();
        let shared = self.shared_tx.borrow();
        let cwd = shared.syncs.iter().find(|(setting, _)| setting.name == name);
        let cwd = cwd.map(|(setting, _)| setting.to.clone());
        tokio::spawn(async move {
            let result = match connection {
                Some(connection) => app::run_hook(&connection, &action, cwd).await,
                None => Err("the link is not up".to_owned()),
            };
            let _ = message_tx.send(Message::Event(Event::HookEnded { name, result })).await;
        });
    }
}

async fn watch_link(
    link: Link,
    connection_tx: watch::Sender<Option<Connection>>,
    message_tx: mpsc::Sender<Message>,
) {
    let mut connection_rx = link.connection();
    let mut state_rx = link.state();
    connection_rx.mark_changed();
    state_rx.mark_changed();
    loop {
        let event = tokio::select! {
            changed = connection_rx.changed() => {
                if changed.is_err() {
                    return;
                }
                let connection = connection_rx.borrow_and_update().clone();
                let connected = connection.is_some();
                connection_tx.send_replace(connection);
                if connected { LinkEvent::Connected } else { LinkEvent::Waiting }
            }
            changed = state_rx.changed() => {
                if changed.is_err() {
                    return;
                }
                match &*state_rx.borrow_and_update() {
                    LinkState::Down { reason } => LinkEvent::Down { reason: reason.clone() },
                    _ => LinkEvent::Waiting,
                }
            }
        };
        if message_tx.send(Message::Event(Event::Link(event))).await.is_err() {
            return;
        }
    }
}

/// Reports how the app of each agent is.
async fn watch_app(
    mut connection_rx: watch::Receiver<Option<Connection>>,
    message_tx: mpsc::Sender<Message>,
) {
    connection_rx.mark_changed();
    while connection_rx.changed().await.is_ok() {
        let connection = connection_rx.borrow_and_update().clone();
        let Some(connection) = connection else { continue };
        let mut watch = match remote::watch(&connection).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::warn!(error = crate::chain(&error), "unable to watch the app");
                continue;
            }
        };
        // A reading that is cut loses half a frame, so it is never cut: the
        // stream ends with its connection.
        while let Ok(reply) = watch.next().await {
            let event = Event::App(app::state_of(&reply));
            if reply != AppReply::None && message_tx.send(Message::Event(event)).await.is_err() {
                return;
            }
        }
    }
}

async fn watch_sync(
    name: String,
    mut status_rx: watch::Receiver<crate::sync::SyncStatus>,
    mut batch_rx: mpsc::Receiver<crate::sync::Batch>,
    message_tx: mpsc::Sender<Message>,
) {
    status_rx.mark_changed();
    let mut last = None;
    loop {
        let message = tokio::select! {
            // A batch first: the app must not be started, and restarted, for it.
            biased;
            batch = batch_rx.recv() => match batch {
                Some(batch) => {
                    tracing::debug!(sync = name, edits = batch.count, "a batch is visible");
                    Message::Event(Event::Batch { name: name.clone() })
                }
                None => return,
            },
            changed = status_rx.changed() => {
                if changed.is_err() {
                    return;
                }
                let phase = phase_of(&status_rx.borrow_and_update().phase);
                if last.as_ref() == Some(&phase) {
                    Message::Refresh
                } else {
                    last = Some(phase.clone());
                    Message::Event(Event::Sync { name: name.clone(), phase })
                }
            }
        };
        let refreshed = matches!(message, Message::Refresh);
        if message_tx.send(message).await.is_err() {
            return;
        }
        if refreshed {
            tokio::time::sleep(SYNC_PACE).await;
        }
    }
}

fn phase_of(phase: &SyncPhase) -> SyncEvent {
    match phase {
        SyncPhase::InSync | SyncPhase::Paused => SyncEvent::InSync,
        SyncPhase::Waiting | SyncPhase::Scanning { .. } | SyncPhase::Applying => SyncEvent::Busy,
        SyncPhase::Braked { reason } | SyncPhase::Halted { reason } => {
            SyncEvent::Stuck { reason: reason.clone() }
        }
    }
}
