//! The hub's loop: receives events, performs effects, publishes the status.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use protocol::io::connection::Connection;
use protocol::limits::HUB_EVENTS_MAX;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::effect::{Answer, Effect};
use super::event::{Event, RequestId};
use super::parts::{Parts, Shared};
use super::persist;
use super::state::State;
use crate::cluster::pick::Place;
use crate::config::Settings;
use crate::config::watch::ConfigWatch;
use crate::runtime::{RuntimeError, Workspace};
use crate::status::{AppStatus, SCHEMA, Status};

/// How often byte counts and round trips are looked at while somebody watches.
const WATCH_PACE: Duration = Duration::from_millis(500);

/// What reaches the loop.
pub enum Message {
    /// Something happened.
    Event(Event),
    /// A face wants something to be up.
    Up {
        /// What.
        settings: Option<Box<Settings>>,
        /// Also when something else is up.
        replace: bool,
        /// Where the answer goes.
        answer_tx: oneshot::Sender<Answered>,
    },
    /// A face wants everything to end.
    Down {
        /// Where the answer goes.
        answer_tx: oneshot::Sender<Answered>,
    },
    /// These are the other pods of the workload.
    Others(Vec<Place>),
    /// The status may have changed.
    Refresh,
    /// The same, and somebody waits for it.
    RefreshNow(oneshot::Sender<()>),
}

/// An answer, and what was ended for it.
pub struct Answered {
    /// The answer.
    pub answer: Answer,
    /// A line each.
    pub report: Vec<String>,
}

/// What the face of the loop can reach. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    /// serve --Message--> run
    pub message_tx: mpsc::Sender<Message>,
    /// run --Status--> serve
    pub status_rx: watch::Receiver<Arc<Status>>,
    /// parts --Shared--> serve
    pub shared_rx: watch::Receiver<Shared>,
    /// link --Connection--> serve
    pub connection_rx: watch::Receiver<Option<Connection>>,
    /// Held strongly while somebody watches.
    pub watching: Weak<()>,
}

/// Runs the hub of a workspace until `down`, `quit`, or nobody needs it. The
/// caller holds the workspace's lock.
///
/// # Errors
/// When the socket cannot be opened or the settings cannot be read.
pub async fn run(
    workspace: Workspace,
    listener: UnixListener,
    quit: CancellationToken,
) -> Result<(), persist::PersistError> {
    let (message_tx, message_rx) = mpsc::channel(HUB_EVENTS_MAX);
    let persisted = persist::load(&workspace)?;
    let parts = Parts::new(workspace.clone(), message_tx.clone());
    let config = {
        let message_tx = message_tx.clone();
        // A full queue means that the status is about to be published anyway.
        ConfigWatch::start(&workspace.root, move || drop(message_tx.try_send(Message::Refresh)))
    };
    let began = Instant::now();
    let (state, effects) =
        State::start(Duration::ZERO, workspace.root.display().to_string(), persisted);
    let watching = Arc::new(());
    let status_tx = watch::Sender::new(Arc::new(build(&workspace, &state, &parts, &config)));
    let handle = Handle {
        message_tx,
        status_rx: status_tx.subscribe(),
        shared_rx: parts.shared(),
        connection_rx: parts.connection(),
        watching: Arc::downgrade(&watching),
    };
    let mut hub = Hub {
        workspace,
        state,
        parts,
        config,
        status_tx,
        began,
        waiting: HashMap::new(),
        next_id: 0,
        exiting: false,
        after: Vec::new(),
    };
    forget_shown(&hub.workspace); // of a hub that was killed
    tracing::info!(workspace = %hub.workspace.root.display(), "the hub is up");
    hub.perform(effects).await;
    hub.settle().await;
    // Only now: a face that asks at once must see what an earlier hub kept up.
    let faces = CancellationToken::new();
    let serving = tokio::spawn(super::serve::serve(listener, handle, faces.clone()));
    hub.turn(message_rx, quit, &watching).await;
    // Answers are on their way: faces end when they have them.
    faces.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(5), serving).await;
    tracing::info!("the hub is down");
    Ok(())
}

struct Hub {
    workspace: Workspace,
    state: State,
    parts: Parts,
    config: ConfigWatch,
    status_tx: watch::Sender<Arc<Status>>,
    began: Instant,
    waiting: HashMap<RequestId, oneshot::Sender<Answered>>,
    next_id: RequestId,
    exiting: bool,
    /// Events that effects made themselves.
    after: Vec<Event>,
}

impl Hub {
    async fn turn(
        &mut self,
        mut message_rx: mpsc::Receiver<Message>,
        quit: CancellationToken,
        watching: &Arc<()>,
    ) {
        let mut pace = tokio::time::interval(WATCH_PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        while !self.exiting {
            let deadline = self.state.poll_timeout().map(|at| self.began + at);
            let watched = Arc::strong_count(watching) > 1;
            let message = tokio::select! {
                biased;
                () = quit.cancelled() => Message::Event(Event::Quit),
                message = message_rx.recv() => message.unwrap_or(Message::Event(Event::Quit)),
                () = sleep_until(deadline) => Message::Event(Event::Tick),
                _ = pace.tick(), if watched => Message::Refresh,
            };
            self.handle(message).await;
        }
    }

    async fn handle(&mut self, message: Message) {
        let event = match message {
            Message::Event(event) => event,
            Message::Others(places) => self.parts.meet(places).await,
            Message::Refresh => return self.publish(),
            Message::RefreshNow(done_tx) => {
                self.publish();
                let _ = done_tx.send(()); // nobody waits any more
                return;
            }
            Message::Up { settings, replace, answer_tx } => {
                if replace || self.state.settings().is_none() {
                    self.config.accept(); // the face has just read it
                }
                Event::Up { id: self.wait(answer_tx), settings, replace }
            }
            Message::Down { answer_tx } => Event::Down { id: self.wait(answer_tx) },
        };
        self.one(event).await;
        self.settle().await;
    }

    /// Handles what effects made happen at once, in order.
    async fn settle(&mut self) {
        while !self.after.is_empty() {
            let event = self.after.remove(0);
            self.one(event).await;
        }
    }

    async fn one(&mut self, event: Event) {
        let began = Instant::now();
        tracing::debug!(?event, "event");
        let effects = self.state.handle(self.began.elapsed(), event);
        self.perform(effects).await;
        self.publish();
        let took = began.elapsed();
        if took > Duration::from_millis(200) {
            tracing::warn!(took_ms = took.as_millis(), "a slow turn");
        }
    }

    fn wait(&mut self, answer_tx: oneshot::Sender<Answered>) -> RequestId {
        self.next_id += 1;
        self.waiting.insert(self.next_id, answer_tx);
        self.next_id
    }

    async fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            tracing::debug!(?effect, "effect");
            match effect {
                Effect::Persist(persisted) => {
                    if let Err(error) = persist::store(&self.workspace, &persisted) {
                        tracing::error!(
                            error = crate::chain(&error),
                            "unable to keep the settings"
                        );
                    }
                }
                Effect::Unpersist => persist::remove(&self.workspace),
                Effect::StartLink(target) => self.after.extend(self.parts.start_link(&target)),
                Effect::AwaitLink => self.parts.await_link().await,
                Effect::StopLink(leave) => self.after.extend(self.parts.stop_link(leave).await),
                Effect::StartSync(setting) => self.after.extend(self.parts.start_sync(setting)),
                Effect::StopSync { name, leave } => {
                    let event = self.parts.stop_sync(&name, leave).await;
                    self.after.extend(event);
                }
                Effect::OpenForward { spec, strict } => {
                    let event = self.parts.open_forward(spec, strict).await;
                    self.after.push(event);
                }
                Effect::CloseForward { spec } => self.parts.close_forward(&spec).await,
                Effect::LaunchApp(app) => self.parts.launch_app(app),
                Effect::StopApp => self.parts.stop_app().await,
                Effect::RunHook { name, action } => self.parts.run_hook(name, action),
                Effect::Answer { id, answer } => self.answer(id, answer),
                Effect::Exit => self.exit(),
            }
        }
    }

    fn answer(&mut self, id: RequestId, answer: Answer) {
        self.publish();
        let report = self.parts.take_report();
        if let Some(answer_tx) = self.waiting.remove(&id) {
            let _ = answer_tx.send(Answered { answer, report }); // the face is gone
        }
    }

    fn exit(&mut self) {
        self.exiting = true;
        forget_shown(&self.workspace);
        let _ = std::fs::remove_file(self.workspace.socket());
        if self.state.settings().is_none() && !self.workspace.settings().exists() {
            remove_state(&self.workspace);
        }
    }

    fn publish(&self) {
        let status = build(&self.workspace, &self.state, &self.parts, &self.config);
        self.status_tx.send_if_modified(|last| {
            let modified = **last != status;
            if modified {
                *last = Arc::new(status);
            }
            modified
        });
    }
}

/// Opens the hub's socket. The caller holds the lock, so an older socket is a
/// dead hub's.
///
/// # Errors
/// [`RuntimeError::File`].
pub fn bind(workspace: &Workspace) -> Result<UnixListener, RuntimeError> {
    let path = workspace.socket();
    let _ = std::fs::remove_file(&path); // there is none after a clean end
    UnixListener::bind(&path).map_err(|source| RuntimeError::File { path, source })
}

/// Removes what an editor was shown of the target: nobody else does.
fn forget_shown(workspace: &Workspace) {
    let _ = std::fs::remove_dir_all(workspace.shown_dir()); // mostly there is none
}

/// Removes all that a workspace keeps on this machine, but for its lock.
fn remove_state(workspace: &Workspace) {
    let dir = workspace.state_dir();
    if let Err(error) = std::fs::remove_dir_all(&dir)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%error, dir = %dir.display(), "unable to remove the state directory");
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

fn build(workspace: &Workspace, state: &State, parts: &Parts, config: &ConfigWatch) -> Status {
    let syncs = parts.sync_views();
    let forwards = parts.shared().borrow().forwards.list();
    let mut warnings = Vec::new();
    if state.settings().is_some() {
        warnings.extend(config.warning());
    }
    for sync in &syncs {
        let name = &sync.status.name;
        warnings.extend(sync.status.degraded.iter().map(|text| format!("sync `{name}`: {text}")));
    }
    for forward in &forwards {
        if let Some(wanted) = forward.instead_of {
            let local = forward.local.first().map_or(0, std::net::SocketAddr::port);
            warnings.push(format!(
                "local port {wanted} is taken; {} is on port {local} instead",
                forward.remote
            ));
        }
    }
    for (spec, reason) in state.failed_forwards() {
        warnings.push(format!("unable to forward {spec}: {reason}"));
    }
    Status {
        schema: SCHEMA,
        version: protocol::version::VERSION,
        pid: std::process::id(),
        workspace: workspace.root.display().to_string(),
        readiness: state.readiness(),
        target: state.settings().map(|settings| settings.target.to_string()),
        link: parts.link_state(),
        syncs,
        forwards,
        app: state.settings().and_then(|settings| settings.app.as_ref()).map(|app| AppStatus {
            command: app.command.clone(),
            state: state.app().cloned().unwrap_or_default(),
        }),
        hooks: state.hooks(),
        warnings,
    }
}
