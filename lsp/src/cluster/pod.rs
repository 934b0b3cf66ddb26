//! A [`Bootstrap`] for a workload: finds its pod anew for each channel, so that a
//! link follows the workload to where it runs now.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use kube::Client;
use protocol::io::replica::BoxFuture;
use tokio::sync::watch;

use super::agent_file::{self, AgentFile};
use super::agent_image::is_agent_image;
use super::client::Server;
use super::empty;
use super::ephemeral;
use super::error::{ClusterError, no_place_for};
use super::exec::exec;
use super::forward::port_forward;
use super::inject::{self, InjectError};
use super::others::Others;
use super::pick::{NoPlace, Place, pick};
use super::pods::Pods;
use super::workload::{Tier, Workload};
use crate::carrier::{Bootstrap, BootstrapError, ByteStream, Choice, News, UdpRoute};
use crate::ports::PortNames;

/// Names the image of ephemeral containers.
const IMAGE_VARIABLE: &str = "TOWLINE_AGENT_IMAGE";

/// Reaches the agent of one hub in one workload.
pub struct PodExec {
    pods: Arc<Pods>,
    /// Names the hub in the container.
    id: String,
    choice: Choice,
    agent: OnceLock<AgentFile>,
    /// Where the last attempt went.
    last_tx: watch::Sender<Option<Place>>,
    /// Whose the target's processes are, once an ephemeral container has told.
    user: Mutex<Option<u32>>,
}

impl PodExec {
    /// For the hub `id`: hexadecimal.
    pub fn new(workload: Workload, id: String, choice: Choice) -> Self {
        Self {
            pods: Arc::new(Pods::new(workload)),
            id,
            choice,
            agent: OnceLock::new(),
            last_tx: watch::Sender::new(None),
            user: Mutex::new(None),
        }
    }

    /// The pods beside the one that this goes to.
    pub fn others(&self) -> Others {
        Others::new(self.pods.clone(), self.last_tx.subscribe())
    }

    fn last(&self) -> Option<Place> {
        self.last_tx.borrow().clone()
    }

    async fn stream(&self) -> Result<ByteStream, ClusterError> {
        let server = &self.pods.server().await?;
        let client = &server.client;
        let agent = match self.agent.get() {
            Some(agent) => agent,
            None => {
                let loaded = agent_file::load()?;
                self.agent.get_or_init(|| loaded)
            }
        };
        let place = self.place(server).await?;
        tracing::info!(pod = place.pod, container = place.container, chosen = ?place.chosen, "the place of the agent");
        if self.pods.workload.tier == Some(Tier::Ephemeral) {
            return self.beside(client, agent, &place, "asked for").await;
        }
        let command = self.script(agent, &place, None);
        match self.attach(client, agent, &place, &command).await {
            Err((ClusterError::Inject { pod, container, reason }, InjectError::Unsuited(why)))
                if self.pods.workload.tier.is_none() =>
            {
                if self.image().is_some() {
                    return self.beside(client, agent, &place, &why).await;
                }
                let reason = format!(
                    "{reason}; an ephemeral container can stand beside it: name an image with \
                     --agent-image (or {IMAGE_VARIABLE}), one that has a shell or one that \
                     `towline agent-image` made"
                );
                Err(ClusterError::Unsuited { pod, container, reason })
            }
            Err((
                ClusterError::Inject { pod, container, reason },
                InjectError::OtherMachine { .. },
            )) => Err(ClusterError::Unsuited { pod, container, reason }),
            Err((error, _)) => Err(error),
            Ok(stream) => Ok(stream),
        }
    }

    /// The image of ephemeral containers, if one is named.
    fn image(&self) -> Option<String> {
        self.pods.workload.agent_image.clone().or_else(|| std::env::var(IMAGE_VARIABLE).ok())
    }

    /// Into an ephemeral container, as `why` it has to be.
    async fn beside(
        &self,
        client: &Client,
        agent: &AgentFile,
        place: &Place,
        why: &str,
    ) -> Result<ByteStream, ClusterError> {
        let Some(image) = self.image() else {
            return Err(ClusterError::Unsuited {
                pod: place.pod.clone(),
                container: place.container.clone(),
                reason: format!(
                    "an ephemeral container needs an image, one that has a shell or one that \
                     `towline agent-image` made: --agent-image, or {IMAGE_VARIABLE}"
                ),
            });
        };
        let mut asked = false;
        loop {
            let user = *locked(&self.user);
            let wanted = ephemeral::Wanted { place, image: &image, id: &self.id, user };
            let container = ephemeral::ensure(client, self.pods.namespace(client), &wanted).await?;
            let inside = Place { container: container.clone(), ..place.clone() };
            let command = if is_agent_image(&image) {
                inject::beside(&self.id, agent, &place.run)
            } else {
                self.script(agent, &inside, Some(&place.run))
            };
            match self.attach(client, agent, &inside, &command).await {
                // The image's own user is not the target's: once more as that one.
                Err((_, InjectError::OtherUser(other))) if !asked => {
                    asked = true;
                    *locked(&self.user) = Some(other);
                }
                Err((
                    ClusterError::Inject { pod, container, reason },
                    InjectError::OtherVersion { .. },
                )) => return Err(ClusterError::Unsuited { pod, container, reason }),
                Err((error, _)) => return Err(error),
                Ok(stream) => {
                    let carrier = format!(
                        "exec into pod {}, ephemeral container {container} beside {} ({why})",
                        place.pod, place.container
                    );
                    return Ok(ByteStream { carrier, ..stream });
                }
            }
        }
    }

    /// What a shell in `place` is given.
    fn script(&self, agent: &AgentFile, place: &Place, beside: Option<&str>) -> Vec<String> {
        let who = who();
        let script = inject::Script { id: &self.id, digest: &agent.digest, who: &who, beside };
        inject::command(place, &script)
    }

    /// One exec in `place`, with the agent at its other end.
    async fn attach(
        &self,
        client: &Client,
        agent: &AgentFile,
        place: &Place,
        command: &[String],
    ) -> Result<ByteStream, (ClusterError, InjectError)> {
        let opened = exec(client, self.pods.namespace(client), place, command).await;
        let mut exec = opened.map_err(|error| {
            let failed = InjectError::Failed(error.to_string());
            (error, failed)
        })?;
        inject::inject(&mut exec, agent).await.map_err(|error| {
            let (pod, container) = (place.pod.clone(), place.container.clone());
            (ClusterError::Inject { pod, container, reason: error.to_string() }, error)
        })?;
        Ok(ByteStream {
            carrier: format!("exec into pod {}, container {}", place.pod, place.container),
            rx: Box::new(exec.rx),
            tx: Box::new(exec.tx),
            guard: Some(Box::new(exec.pump)),
            complaints: exec.complaints,
        })
    }

    async fn place(&self, server: &Server) -> Result<Place, ClusterError> {
        let pods = self.pods.list(server).await?;
        let workload = &self.pods.workload;
        let namespace = self.pods.namespace(&server.client);
        let place = match pick(workload, &pods, self.last().as_ref()) {
            Ok(place) => place,
            Err(mut why) => {
                if let NoPlace::Unknown { .. } = why
                    && let Some(reason) = empty::why(&server.client, namespace, workload).await
                {
                    why = NoPlace::Empty { reason };
                }
                return Err(no_place_for(workload, namespace, why));
            }
        };
        self.last_tx.send_replace(Some(place.clone()));
        Ok(place)
    }
}

impl Bootstrap for PodExec {
    fn name(&self) -> String {
        self.pods.workload.to_string()
    }

    fn open(&self) -> BoxFuture<'_, Result<ByteStream, BootstrapError>> {
        Box::pin(async move { self.pods.noting(self.stream().await).map_err(BootstrapError::from) })
    }

    fn udp(&self) -> Option<UdpRoute> {
        let address = self.last().and_then(|place| place.address);
        self.choice.udp(address)
    }

    fn port_names(&self) -> PortNames {
        self.last().map(|place| place.ports).unwrap_or_default()
    }

    fn has_tunnel(&self) -> bool {
        self.choice.tunnel()
    }

    fn tunnel(&self, port: u16) -> BoxFuture<'_, Result<ByteStream, BootstrapError>> {
        Box::pin(async move {
            let place = self.last().ok_or_else(|| BootstrapError {
                message: "no pod is known yet".into(),
                again: true,
            })?;
            let Server { client, .. } = &self.pods.server().await?;
            let forwarded =
                port_forward(client, self.pods.namespace(client), &place.pod, port).await;
            Ok(self.pods.noting(forwarded)?)
        })
    }

    fn news(&self) -> BoxFuture<'_, News> {
        Box::pin(self.pods.until(|pods, failed| {
            if failed {
                return Some(News::Reachable);
            }
            let last = self.last();
            let place = pick(&self.pods.workload, pods, last.as_ref()).ok()?;
            let moved = last.is_none_or(|last| (last.uid, last.run) != (place.uid, place.run));
            moved.then_some(News::Moved)
        }))
    }
}

/// A value that is never left half made.
fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who asks, for others who look into the container.
fn who() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_default();
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy();
    format!("{}@{machine}", if user.is_empty() { "somebody" } else { &user })
}
