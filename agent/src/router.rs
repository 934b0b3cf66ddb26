//! Accepts streams and hands each to its feature. The only place that knows all
//! features of the agent.

use protocol::error::{ErrorCode, WireError};
use protocol::io::connection::{Channel, Connection};
use protocol::io::framed::{self, FrameError};
use protocol::wire::stream::{Open, Opened};

use crate::context::Context;
use crate::{app, control, copy, debug, exec, files, ports, resolve, sync};

/// Everything a connection's streams can reach.
#[derive(Clone)]
pub struct Router {
    /// What all handlers share.
    pub context: Context,
    /// The one supervised app.
    pub app: app::Supervisor,
    /// The open replicas.
    pub replicas: sync::Replicas,
    /// The debug sessions.
    pub debuggers: debug::Debuggers,
}

impl Router {
    /// An agent's features over `context`.
    pub fn new(context: Context) -> Self {
        Self {
            app: app::Supervisor::new(context.clone()),
            replicas: sync::Replicas::new(context.clone()),
            debuggers: debug::Debuggers::new(context.clone()),
            context,
        }
    }

    /// Serves one connection until it is gone.
    pub async fn serve(&self, connection: Connection) {
        while let Some(channel) = connection.accept().await {
            let router = self.clone();
            tokio::spawn(async move {
                if let Err(error) = router.dispatch(channel).await {
                    tracing::debug!(%error, "a stream ended early");
                }
            });
        }
    }

    async fn dispatch(&self, mut channel: Channel) -> Result<(), FrameError> {
        match framed::read(&mut channel.rx).await {
            Ok(Open::Control(_)) => control::serve(self, channel).await,
            Ok(Open::Dial(dial)) => ports::serve(&self.context, dial, channel).await,
            Ok(Open::Exec(exec)) => exec::serve(&self.context, exec, channel).await,
            Ok(Open::App(request)) => self.app.serve(request, channel).await,
            Ok(Open::Logs(logs)) => self.app.serve_logs(logs, channel).await,
            Ok(Open::Copy(copy)) => copy::serve(&self.context, copy, channel).await,
            Ok(Open::Files(files)) => files::serve(&self.context, files, channel).await,
            Ok(Open::Resolve(wanted)) => resolve::serve(wanted, channel).await,
            Ok(Open::Sync(open)) => self.replicas.serve(open, channel).await,
            Ok(Open::SyncApply(open)) => self.replicas.serve_apply(open, channel).await,
            Ok(Open::SyncFetch(open)) => self.replicas.serve_fetch(open, channel).await,
            Ok(Open::SyncAsk(open)) => self.replicas.serve_ask(open, channel).await,
            Ok(Open::Processes(open)) => self.debuggers.processes(open, channel).await,
            Ok(Open::Debug(open)) => self.debuggers.debug(open, channel).await,
            Ok(Open::Source(open)) => self.debuggers.source(open, channel).await,
            Ok(Open::Upload(open)) => self.debuggers.upload(open, channel).await,
            Err(FrameError::Malformed { reason, .. }) => {
                refuse(&mut channel, WireError::new(ErrorCode::BadRequest, reason)).await
            }
            Err(error) => Err(error),
        }
    }
}

/// Answers a stream with yes.
///
/// # Errors
/// The stream's.
pub async fn accept(channel: &mut Channel) -> Result<(), FrameError> {
    framed::write(&mut channel.tx, &Opened::Ok).await
}

/// Answers a stream with no.
///
/// # Errors
/// The stream's.
pub async fn refuse(channel: &mut Channel, error: WireError) -> Result<(), FrameError> {
    framed::write(&mut channel.tx, &Opened::Refused(error)).await
}
