//! What a hub runs: the link, syncs and forwards. Does what effects say and
//! reports what happens; decides nothing.

use std::time::Duration;

use futures_util::future::join_all;
use protocol::io::connection::Connection;
use protocol::limits::HUB_BATCHES_MAX;
use protocol::sync::mode::Mode;
use protocol::wire::app::AppRequest;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::app;
use super::effect::Leave;
use super::event::{Event, LinkEvent};
use super::others::Others;
use super::reach::{self, Reach};
use super::run::Message;
use super::state::wanted::{beside, is_beside};
use super::watches;
use crate::cluster::pick::Place;
use crate::config::{AppSetting, OnChange, SyncSetting};
use crate::link::{Link, LinkState};
use crate::ports::{ForwardSpec, Forwards, PortNames};
use crate::runtime::Workspace;
use crate::status::{AppState, SyncView};
use crate::sync::{Sync, SyncSpec};
use crate::target::Target;

/// How long the far side may take to remove its traces.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(10);

/// Everything a hub runs.
pub struct Parts {
    workspace: Workspace,
    message_tx: mpsc::Sender<Message>,
    /// link --Connection--> syncs, forwards, requests. Outlives each link.
    connection_tx: watch::Sender<Option<Connection>>,
    /// link --names of ports--> forwards
    names_tx: watch::Sender<PortNames>,
    link: Option<(Link, Vec<AbortOnDropHandle<()>>)>,
    /// Why there is none, if it could not even be tried.
    unreachable: Option<String>,
    /// The other pods of the workload.
    others: Others,
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
        let names_tx = watch::Sender::new(PortNames::new());
        let forwards = Forwards::new(connection_tx.subscribe(), names_tx.subscribe());
        Self {
            workspace,
            message_tx,
            connection_tx,
            names_tx,
            link: None,
            unreachable: None,
            others: Others::default(),
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
        let Reach { link, others } = match reach::start(target, &self.workspace) {
            Ok(reach) => reach,
            Err(reason) => {
                self.unreachable = Some(reason.clone());
                return Some(Event::Link(LinkEvent::Down { reason }));
            }
        };
        self.unreachable = None;
        self.others.expect(target, others, &self.message_tx);
        let tasks = vec![
            AbortOnDropHandle::new(tokio::spawn(watches::link(
                link.clone(),
                self.connection_tx.clone(),
                self.names_tx.clone(),
                self.message_tx.clone(),
            ))),
            AbortOnDropHandle::new(tokio::spawn(watches::app(
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

    /// Leaves the target, and all of its pods; syncs with others than the first end.
    pub async fn stop_link(&mut self, leave: Leave) -> Option<Event> {
        let (link, tasks) = self.link.take()?;
        drop(tasks);
        let settings = self.settings();
        let links = self.others.end();
        let mut went = Vec::new();
        for (pod, _) in &links {
            for setting in &settings {
                went.push(beside(&setting.name, pod));
            }
        }
        for name in &went {
            self.finish(name, leave).await;
        }
        if leave == Leave::Nothing {
            let connected = self.connection_tx.borrow().is_some();
            link.shutdown(GOODBYE_PATIENCE).await;
            if connected {
                self.report.push("ended the agent and what it ran".to_owned());
            }
            let ended = links.iter().map(|(pod, link)| async move {
                link.shutdown(GOODBYE_PATIENCE).await;
                format!("ended the agent in pod {pod}")
            });
            self.report.extend(join_all(ended).await);
        } else {
            drop((link, links));
        }
        self.connection_tx.send_replace(None);
        (!went.is_empty()).then_some(Event::Others { came: Vec::new(), went })
    }

    /// Begins a sync, and the ones beside it with other pods, which it tells of.
    pub fn start_sync(&mut self, setting: SyncSetting) -> Option<Event> {
        let connection_rx = self.connection_tx.subscribe();
        let beside: Vec<_> = self.others.links();
        let came: Vec<String> = beside
            .into_iter()
            .map(|(pod, link)| self.start_beside(&setting, &pod, &link))
            .collect();
        self.begin(setting, Mode::default(), connection_rx);
        (!came.is_empty()).then_some(Event::Others { came, went: Vec::new() })
    }

    /// Ends a sync, and the ones beside it.
    pub async fn stop_sync(&mut self, name: &str, leave: Leave) -> Option<Event> {
        let pods = self.others.links().into_iter().map(|(pod, _)| beside(name, &pod));
        let went: Vec<String> = pods.collect();
        for name in &went {
            self.finish(name, leave).await;
        }
        self.finish(name, leave).await;
        (!went.is_empty()).then_some(Event::Others { came: Vec::new(), went })
    }

    /// Takes the other pods as they are now: reaches those that are new, lets go of those
    /// that are gone.
    pub async fn meet(&mut self, places: Vec<Place>) -> Event {
        let settings = self.settings();
        let (mut came, mut went) = (Vec::new(), Vec::new());
        for pod in self.others.part(&places) {
            for setting in &settings {
                let name = beside(&setting.name, &pod);
                self.finish(&name, Leave::All).await;
                // Nobody comes back to it.
                let _ = std::fs::remove_dir_all(self.workspace.sync_dir(&name));
                went.push(name);
            }
        }
        for place in places {
            let Some(link) = self.others.join(&place, &self.workspace, &self.message_tx) else {
                continue;
            };
            for setting in &settings {
                came.push(self.start_beside(setting, &place.pod, &link));
            }
        }
        Event::Others { came, went }
    }

    /// What is synced with the pod where the app is.
    fn settings(&self) -> Vec<SyncSetting> {
        let others = self.others.links();
        let is_other = |name: &str| others.iter().any(|(pod, _)| is_beside(name, pod));
        let shared = self.shared_tx.borrow();
        let own = shared.syncs.iter().filter(|(setting, _)| !is_other(&setting.name));
        own.map(|(setting, _)| setting.clone()).collect()
    }

    /// The same sync with another pod, which gets what is edited here and keeps what is
    /// made there. Returns its name.
    fn start_beside(&mut self, setting: &SyncSetting, pod: &str, link: &Link) -> String {
        let name = beside(&setting.name, pod);
        let setting =
            SyncSetting { name: name.clone(), on_change: OnChange::Nothing, ..setting.clone() };
        self.begin(setting, Mode::OneWaySafe, link.connection());
        name
    }

    fn begin(
        &mut self,
        setting: SyncSetting,
        mode: Mode,
        connection_rx: watch::Receiver<Option<Connection>>,
    ) {
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
            mode,
        };
        let (batch_tx, batch_rx) = mpsc::channel(HUB_BATCHES_MAX);
        let sync = Sync::start(spec, state_dir, connection_rx, batch_tx);
        let watcher =
            watches::sync(setting.name.clone(), sync.status(), batch_rx, self.message_tx.clone());
        self.watchers.push((setting.name.clone(), AbortOnDropHandle::new(tokio::spawn(watcher))));
        self.shared_tx.send_modify(|shared| shared.syncs.push((setting, sync)));
    }

    async fn finish(&mut self, name: &str, leave: Leave) {
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
