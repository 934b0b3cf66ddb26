//! A [`Bootstrap`] for a workload: finds its pod anew for each channel, so that a
//! link follows the workload to where it runs now.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use protocol::io::replica::BoxFuture;

use super::agent_file::{self, AgentFile};
use super::client::{Server, connect};
use super::ephemeral;
use super::error::{ClusterError, no_place_for};
use super::exec::exec;
use super::forward::port_forward;
use super::inject::{self, InjectError};
use super::pick::{NoPlace, Place, pick};
use super::workload::{Kind, Tier, Workload};
use crate::carrier::{Bootstrap, BootstrapError, ByteStream, Choice, News, UdpRoute};

/// Names the image of ephemeral containers.
const IMAGE_VARIABLE: &str = "TOWLINE_AGENT_IMAGE";

/// The pause after a watch that ended, and the longest one after some that could
/// not begin.
const WATCH_PAUSE_MIN: Duration = Duration::from_millis(250);
const WATCH_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Reaches the agent of one hub in one workload.
pub struct PodExec {
    workload: Workload,
    /// Names the hub in the container.
    id: String,
    choice: Choice,
    /// As the kubeconfig has it; read again when it is not believed any more.
    server: Mutex<Option<Server>>,
    agent: OnceLock<AgentFile>,
    last: Mutex<Option<Place>>,
    /// Whose the target's processes are, once an ephemeral container has told.
    user: Mutex<Option<u32>>,
}

impl PodExec {
    /// For the hub `id`: hexadecimal.
    pub fn new(workload: Workload, id: String, choice: Choice) -> Self {
        Self {
            workload,
            id,
            choice,
            server: Mutex::new(None),
            agent: OnceLock::new(),
            last: Mutex::new(None),
            user: Mutex::new(None),
        }
    }

    async fn server(&self) -> Result<Server, ClusterError> {
        if let Some(server) = &*locked(&self.server) {
            return Ok(server.clone());
        }
        let server = connect(self.workload.context.as_deref()).await?;
        *locked(&self.server) = Some(server.clone());
        Ok(server)
    }

    /// Credentials expire, and people log in again: the next attempt reads them anew.
    fn noting<T>(&self, result: Result<T, ClusterError>) -> Result<T, ClusterError> {
        if result.as_ref().is_err_and(ClusterError::is_unauthorized) {
            *locked(&self.server) = None;
        }
        result
    }

    async fn stream(&self) -> Result<ByteStream, ClusterError> {
        let server = &self.server().await?;
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
        if self.workload.tier == Some(Tier::Ephemeral) {
            return self.beside(client, agent, &place, "asked for").await;
        }
        match self.attach(client, agent, &place, None).await {
            Err((ClusterError::Inject { pod, container, reason }, InjectError::Unsuited(why)))
                if self.workload.tier.is_none() =>
            {
                if self.image().is_some() {
                    return self.beside(client, agent, &place, &why).await;
                }
                let reason = format!(
                    "{reason}; an ephemeral container can stand beside it: name an image that \
                     has a shell with --agent-image (or {IMAGE_VARIABLE})"
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
        self.workload.agent_image.clone().or_else(|| std::env::var(IMAGE_VARIABLE).ok())
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
                    "an ephemeral container needs an image with a shell: --agent-image, or \
                     {IMAGE_VARIABLE}"
                ),
            });
        };
        let mut asked = false;
        loop {
            let user = *locked(&self.user);
            let wanted = ephemeral::Wanted { place, image: &image, id: &self.id, user };
            let container = ephemeral::ensure(client, self.namespace(client), &wanted).await?;
            let inside = Place { container: container.clone(), ..place.clone() };
            match self.attach(client, agent, &inside, Some(&place.run)).await {
                // The image's own user is not the target's: once more as that one.
                Err((_, InjectError::OtherUser(other))) if !asked => {
                    asked = true;
                    *locked(&self.user) = Some(other);
                }
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

    /// One exec in `place`, with the agent at its other end.
    async fn attach(
        &self,
        client: &Client,
        agent: &AgentFile,
        place: &Place,
        beside: Option<&str>,
    ) -> Result<ByteStream, (ClusterError, InjectError)> {
        let who = who();
        let script = inject::Script { id: &self.id, digest: &agent.digest, who: &who, beside };
        let [shell, flag, script] = inject::command(place, &script);
        let words: [&str; 3] = [&shell, &flag, &script];
        let opened = exec(client, self.namespace(client), place, &words).await;
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

    fn namespace<'a>(&'a self, client: &'a Client) -> &'a str {
        self.workload.namespace.as_deref().unwrap_or_else(|| client.default_namespace())
    }

    async fn place(&self, Server { client, url }: &Server) -> Result<Place, ClusterError> {
        let namespace = self.namespace(client);
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        let params =
            ListParams { label_selector: self.labels(client).await?, ..Default::default() };
        let pods = pods.list(&params).await.map_err(ClusterError::api(listing(namespace, url)))?;
        let last = locked(&self.last).clone();
        let place = pick(&self.workload, &pods.items, last.as_ref())
            .map_err(|why| no_place_for(&self.workload, namespace, why))?;
        *locked(&self.last) = Some(place.clone());
        Ok(place)
    }

    /// Watches the pods until the workload is to be found somewhere else than
    /// where the last attempt went; none when the watch ends before. With `failed`
    /// it is news enough that the server answers.
    async fn watch(&self, failed: bool) -> Result<Option<News>, ClusterError> {
        let Server { client, url } = &self.server().await?;
        let namespace = self.namespace(client);
        let api = Api::<Pod>::namespaced(client.clone(), namespace);
        let tried = || ClusterError::api(listing(namespace, url));
        let labels = self.labels(client).await?;
        let params = ListParams { label_selector: labels.clone(), ..Default::default() };
        let list = api.list(&params).await.map_err(tried())?;
        if failed {
            return Ok(Some(News::Reachable));
        }
        let version = list.metadata.resource_version.unwrap_or_default();
        let mut pods = list.items;
        let params = WatchParams { label_selector: labels, ..Default::default() };
        let mut events = api.watch(&params, &version).await.map_err(tried())?.boxed();
        loop {
            let last = locked(&self.last).clone();
            if let Ok(place) = pick(&self.workload, &pods, last.as_ref())
                && last.is_none_or(|last| (last.uid, last.run) != (place.uid, place.run))
            {
                return Ok(Some(News::Moved));
            }
            let Some(event) = events.next().await else { return Ok(None) };
            let (pod, there) = match event.map_err(tried())? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => (pod, true),
                WatchEvent::Deleted(pod) => (pod, false),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => return Ok(None), // too old: begin again
            };
            pods.retain(|known| known.metadata.uid != pod.metadata.uid);
            pods.extend(there.then_some(pod));
        }
    }

    /// What selects the pods, for kinds that do not name them.
    async fn labels(&self, client: &Client) -> Result<Option<String>, ClusterError> {
        match self.workload.kind {
            Kind::Labels => Ok(Some(self.workload.name.clone())),
            Kind::Service => self.selector(client, self.namespace(client)).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn selector(&self, client: &Client, namespace: &str) -> Result<String, ClusterError> {
        let name = &self.workload.name;
        let services = Api::<Service>::namespaced(client.clone(), namespace);
        let service = services.get(name).await.map_err(ClusterError::api(format!(
            "get the service {name} of namespace {namespace} (name its workload, and it is not needed)"
        )))?;
        let selector = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
        if selector.is_empty() {
            let why = NoPlace::Unknown { known: Vec::new() };
            return Err(no_place_for(&self.workload, namespace, why));
        }
        Ok(selector
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join(","))
    }
}

impl Bootstrap for PodExec {
    fn name(&self) -> String {
        self.workload.to_string()
    }

    fn open(&self) -> BoxFuture<'_, Result<ByteStream, BootstrapError>> {
        Box::pin(async move { self.noting(self.stream().await).map_err(BootstrapError::from) })
    }

    fn udp(&self) -> Option<UdpRoute> {
        let address = locked(&self.last).as_ref().and_then(|place| place.address);
        self.choice.udp(address)
    }

    fn has_tunnel(&self) -> bool {
        self.choice.tunnel()
    }

    fn tunnel(&self, port: u16) -> BoxFuture<'_, Result<ByteStream, BootstrapError>> {
        Box::pin(async move {
            let place = locked(&self.last).clone();
            let place = place.ok_or_else(|| BootstrapError {
                message: "no pod is known yet".into(),
                again: true,
            })?;
            let Server { client, .. } = &self.server().await?;
            let forwarded = port_forward(client, self.namespace(client), &place.pod, port).await;
            Ok(self.noting(forwarded)?)
        })
    }

    fn news(&self) -> BoxFuture<'_, News> {
        Box::pin(async move {
            let mut pause = None;
            loop {
                match self.noting(self.watch(pause.is_some()).await) {
                    Ok(Some(news)) => return news,
                    Ok(None) => pause = None,
                    Err(error) => {
                        tracing::debug!(%error, "no watch of the pods");
                        let longer = pause.map_or(WATCH_PAUSE_MIN, |pause| pause * 2);
                        pause = Some(longer.min(WATCH_PAUSE_MAX));
                    }
                }
                tokio::time::sleep(pause.unwrap_or(WATCH_PAUSE_MIN)).await;
            }
        })
    }
}

/// What was tried.
pub fn listing(namespace: &str, url: &str) -> String {
    format!("list and watch the pods of namespace {namespace} at {url}")
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
