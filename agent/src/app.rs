//! The app the agent supervises, its hooks and its log. One app at a time; one
//! that ends by itself stays ended until it is launched or restarted, because
//! an app that fails at once would otherwise fail in a loop.

use std::sync::Arc;
use std::time::Duration;

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::{Channel, ChannelRx};
use protocol::io::framed::{self, FrameError};
use protocol::wire::app::{AppCommand, AppReply, AppRequest, LogSource, Logs};
use protocol::wire::exec::Exit;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, watch};

use crate::context::Context;
use crate::exec::spawn::{self, Out, Process, TASK_VAR};
use crate::exec::tree::Tree;
use crate::router::{accept, refuse};
use log::Log;

mod log;

/// What SIGTERM gets before SIGKILL.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// The same for what an agent that ends still finds.
const SWEEP_GRACE: Duration = Duration::from_secs(1);

/// After an exit, how long its last output may take. Somebody else may hold the
/// pipe open for ever; what comes later still gets into the log.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Owns the supervised app.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

struct Inner {
    context: Context,
    log: Log,
    /// supervisor --how the app is--> watchers.
    state_tx: watch::Sender<AppReply>,
    /// Held through each change, so that changes come one after the other.
    app: Mutex<App>,
    hooks: Mutex<()>,
}

#[derive(Default)]
struct App {
    command: Option<AppCommand>,
    running: Option<Running>,
    starts: u64,
}

struct Running {
    tree: Tree,
    /// its waiter --exit--> supervisor.
    exit_rx: watch::Receiver<Option<Exit>>,
}

impl Supervisor {
    /// No app yet.
    pub fn new(context: Context) -> Self {
        Self(Arc::new(Inner {
            context,
            log: Log::new(),
            state_tx: watch::channel(AppReply::None).0,
            app: Mutex::default(),
            hooks: Mutex::default(),
        }))
    }

    /// Serves one request.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve(&self, request: AppRequest, mut channel: Channel) -> Result<(), FrameError> {
        let done = match request {
            AppRequest::Launch(command) => self.launch(command).await,
            AppRequest::Restart => self.restart().await,
            AppRequest::Stop => self.stop().await,
            AppRequest::Status => Ok(self.state()),
            AppRequest::Watch => return self.watch(channel).await,
            AppRequest::Hook(command) => {
                // The hook of a client that went away is ended with it.
                let stopped = channel.tx.stopped();
                tokio::select! {
                    biased;
                    () = stopped => return Err(FrameError::Ended),
                    () = gone(&mut channel.rx) => return Err(FrameError::Ended),
                    done = self.hook(command) => done,
                }
            }
        };
        match done {
            Ok(reply) => {
                accept(&mut channel).await?;
                framed::write(&mut channel.tx, &reply).await?;
                channel.tx.shutdown().await?;
                Ok(())
            }
            Err(error) => refuse(&mut channel, error).await,
        }
    }

    /// Streams the log.
    ///
    /// # Errors
    /// The stream's.
    pub async fn serve_logs(&self, logs: Logs, mut channel: Channel) -> Result<(), FrameError> {
        accept(&mut channel).await?;
        let mut reader = self.0.log.reader(logs.tail);
        let stopped = channel.tx.stopped();
        let Channel { mut tx, mut rx } = channel;
        let send = async {
            loop {
                let lines = reader.read();
                for line in &lines {
                    framed::write(&mut tx, line).await?;
                }
                match (lines.is_empty(), logs.follow) {
                    (false, _) => {}
                    (true, true) => reader.more().await,
                    (true, false) => return Ok::<_, FrameError>(()),
                }
            }
        };
        tokio::select! {
            biased;
            () = self.0.context.shutdown.cancelled() => {}
            () = stopped => {}
            () = gone(&mut rx) => {}
            sent = send => sent?,
        }
        tx.shutdown().await?;
        Ok(())
    }

    /// Stops the app and everything else that carries the agent's marker.
    pub async fn stop_all(&self) {
        let _ = self.stop().await; // it has no way to fail
        Tree::of_agent(&self.0.context).end(&[Signal::TERM], SWEEP_GRACE).await;
    }

    async fn launch(&self, command: AppCommand) -> Result<AppReply, WireError> {
        let mut app = self.0.app.lock().await;
        let is_same = app.command.as_ref() == Some(&command);
        if is_same && app.running.as_ref().is_some_and(Running::is_alive) {
            return Ok(self.state());
        }
        self.stop_running(&mut app).await;
        app.command = Some(command);
        self.start(&mut app)
    }

    async fn restart(&self) -> Result<AppReply, WireError> {
        let mut app = self.0.app.lock().await;
        if app.command.is_none() {
            return Err(WireError::new(ErrorCode::NotFound, "no app was started yet"));
        }
        self.0.log.note("restarting".to_owned());
        self.stop_running(&mut app).await;
        self.start(&mut app)
    }

    async fn stop(&self) -> Result<AppReply, WireError> {
        let mut app = self.0.app.lock().await;
        self.stop_running(&mut app).await;
        Ok(self.state())
    }

    async fn stop_running(&self, app: &mut App) {
        let Some(mut running) = app.running.take() else { return };
        running.tree.end(&[Signal::TERM], STOP_GRACE).await;
        // Its waiter tells of the exit before anything new starts; were it stuck,
        // the tree is ended all the same.
        let told = running.exit_rx.wait_for(Option::is_some);
        let _ = tokio::time::timeout(STOP_GRACE, told).await;
    }

    fn start(&self, app: &mut App) -> Result<AppReply, WireError> {
        let Some(command) = &app.command else { return Ok(AppReply::None) };
        let process = match spawn_logged(&self.0.context, command) {
            Ok(process) => process,
            Err(error) => {
                self.0.log.note(error.message.clone());
                app.command = None; // what never ran cannot be restarted
                self.0.state_tx.send_replace(AppReply::None);
                return Err(error);
            }
        };
        app.starts += 1;
        let (pid, starts) = (process.tree.pid(), app.starts);
        self.0.log.note(format!("started {} (process {pid})", shown(&command.argv)));
        self.0.state_tx.send_replace(AppReply::Running { pid, starts });
        let (exit_tx, exit_rx) = watch::channel(None);
        let Process { mut child, tree, out, err, stdin: _ } = process;
        let inner = self.0.clone();
        tokio::spawn(async move {
            let output = take_output(&inner.log, out, err, [LogSource::Stdout, LogSource::Stderr]);
            let exit = crate::exec::exit_of(child.wait().await);
            let _ = tokio::time::timeout(LAST_WORDS, output).await;
            inner.log.note(told(exit));
            inner.state_tx.send_replace(AppReply::Exited { exit, starts });
            exit_tx.send_replace(Some(exit));
        });
        app.running = Some(Running { tree, exit_rx });
        Ok(self.state())
    }

    async fn hook(&self, command: AppCommand) -> Result<AppReply, WireError> {
        let _one_at_a_time = self.0.hooks.lock().await;
        let name = shown(&command.argv);
        self.0.log.note(format!("running the hook {name}"));
        let process = spawn_logged(&self.0.context, &command)
            .inspect_err(|error| self.0.log.note(error.message.clone()))?;
        let Process { mut child, tree, out, err, stdin: _ } = process;
        let mut ending = EndOnDrop(Some(tree));
        let output = take_output(&self.0.log, out, err, [LogSource::Hook, LogSource::Hook]);
        let exit = tokio::select! {
            biased;
            () = self.0.context.shutdown.cancelled() => {
                return Err(WireError::new(ErrorCode::Other, "the agent is ending"));
            }
            status = child.wait() => crate::exec::exit_of(status),
        };
        ending.0 = None;
        let _ = tokio::time::timeout(LAST_WORDS, output).await;
        self.0.log.note(format!("the hook {name} {}", told(exit)));
        Ok(AppReply::Ran(exit))
    }

    async fn watch(&self, mut channel: Channel) -> Result<(), FrameError> {
        accept(&mut channel).await?;
        let stopped = channel.tx.stopped();
        let Channel { mut tx, mut rx } = channel;
        let mut state_rx = self.0.state_tx.subscribe();
        let send = async {
            loop {
                let state = state_rx.borrow_and_update().clone();
                framed::write(&mut tx, &state).await?;
                if state_rx.changed().await.is_err() {
                    return Ok::<_, FrameError>(());
                }
            }
        };
        tokio::select! {
            biased;
            () = self.0.context.shutdown.cancelled() => {}
            () = stopped => {}
            () = gone(&mut rx) => {}
            sent = send => sent?,
        }
        tx.shutdown().await?;
        Ok(())
    }

    fn state(&self) -> AppReply {
        self.0.state_tx.borrow().clone()
    }
}

impl Running {
    fn is_alive(&self) -> bool {
        self.exit_rx.borrow().is_none()
    }
}

/// Ends a tree in the background when its owner is dropped half-way.
struct EndOnDrop(Option<Tree>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if let Some(tree) = self.0.take() {
            tokio::spawn(async move { tree.end(&[Signal::TERM], STOP_GRACE).await });
        }
    }
}

/// Without input, as nobody types into an app or a hook.
fn spawn_logged(context: &Context, command: &AppCommand) -> Result<Process, WireError> {
    let Some(program) = command.argv.first() else {
        return Err(WireError::new(ErrorCode::BadRequest, "an app needs a command"));
    };
    let task = Tree::new_task(context);
    let mut spawned = spawn::command(context, &command.argv, command.cwd.as_deref(), &command.env)?;
    let input = crate::null::null().map_err(|error| WireError::from(&error))?;
    spawned.env(TASK_VAR, &task).stdin(input);
    spawn::piped(context, spawned, program, task)
}

/// Reads both outputs into the log, in tasks that go on to the outputs' end;
/// returns when they are there.
fn take_output(
    log: &Log,
    out: Out,
    err: Option<tokio::process::ChildStderr>,
    [out_source, err_source]: [LogSource; 2],
) -> impl Future<Output = ()> + use<> {
    let out = match out {
        Out::Pipe(pipe) => tokio::spawn(log.clone().take(pipe, out_source)),
        Out::Pty(pty) => tokio::spawn(log.clone().take(pty, out_source)),
    };
    let err = err.map(|pipe| tokio::spawn(log.clone().take(pipe, err_source)));
    async move {
        let _ = out.await; // a reader that failed has read what it could
        if let Some(err) = err {
            let _ = err.await;
        }
    }
}

/// Returns when the client's side was cut. A clean end only says that it has
/// nothing more to say.
async fn gone(rx: &mut ChannelRx) {
    let mut buffer = [0; 64];
    loop {
        match rx.read(&mut buffer).await {
            Ok(0) => return std::future::pending().await,
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn told(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exited with {code}"),
        Exit::Signal(number) => match Signal::from_named_raw(number) {
            Some(signal) => format!("was ended by signal {number} ({signal:?})"),
            None => format!("was ended by signal {number}"),
        },
    }
}

fn shown(argv: &[String]) -> String {
    argv.join(" ")
}
