//! A [`Bootstrap`] for a workload: finds its pod anew for each channel, so that a
//! link follows the workload to where it runs now.

use std::sync::{Mutex, OnceLock, PoisonError};

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::ListParams;
use kube::{Api, Client};
use protocol::io::replica::BoxFuture;

use super::agent_file::{self, AgentFile};
use super::client::client;
use super::error::{ClusterError, no_place_for};
use super::exec::exec;
use super::inject;
use super::pick::{NoPlace, Place, pick};
use super::workload::{Kind, Workload};
use crate::carrier::{Bootstrap, BootstrapError, ByteStream};

/// Reaches the agent of one hub in one workload.
pub struct PodExec {
    workload: Workload,
    /// Names the hub in the container.
    id: String,
    client: tokio::sync::OnceCell<Client>,
    agent: OnceLock<AgentFile>,
    last: Mutex<Option<Place>>,
}

impl PodExec {
    /// For the hub `id`: hexadecimal.
    pub fn new(workload: Workload, id: String) -> Self {
        Self {
            workload,
            id,
            client: tokio::sync::OnceCell::new(),
            agent: OnceLock::new(),
            last: Mutex::new(None),
        }
    }

    async fn stream(&self) -> Result<ByteStream, ClusterError> {
        let context = self.workload.context.as_deref();
        let client = self.client.get_or_try_init(|| client(context)).await?;
        let agent = match self.agent.get() {
            Some(agent) => agent,
            None => {
                let loaded = agent_file::load()?;
                self.agent.get_or_init(|| loaded)
            }
        };
        let namespace = self
            .workload
            .namespace
            .clone()
            .unwrap_or_else(|| client.default_namespace().to_owned());
        let place = self.place(client, &namespace).await?;
        tracing::info!(pod = place.pod, container = place.container, chosen = ?place.chosen, "the place of the agent");
        let [shell, flag, script] = inject::command(&place, &self.id, &agent.digest);
        let mut exec = exec(client, &namespace, &place, &[&shell, &flag, &script]).await?;
        inject::inject(&mut exec, agent).await.map_err(|reason| ClusterError::Inject {
            pod: place.pod.clone(),
            container: place.container.clone(),
            reason,
        })?;
        Ok(ByteStream {
            carrier: format!("exec into pod {}, container {}", place.pod, place.container),
            rx: Box::new(exec.rx),
            tx: Box::new(exec.tx),
            guard: Some(Box::new(exec.pump)),
            complaints: exec.complaints,
        })
    }

    async fn place(&self, client: &Client, namespace: &str) -> Result<Place, ClusterError> {
        let params = match self.workload.kind {
            Kind::Labels => ListParams::default().labels(&self.workload.name),
            Kind::Service => ListParams::default().labels(&self.selector(client, namespace).await?),
            Kind::Pod => ListParams::default(),
            _ => ListParams::default(),
        };
        let pods = Api::<Pod>::namespaced(client.clone(), namespace);
        let pods = pods
            .list(&params)
            .await
            .map_err(ClusterError::api(format!("list the pods of namespace {namespace}")))?;
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let place = pick(&self.workload, &pods.items, last.as_ref())
            .map_err(|why| no_place_for(&self.workload, namespace, why))?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(place.clone());
        Ok(place)
    }

    async fn selector(&self, client: &Client, namespace: &str) -> Result<String, ClusterError> {
        let name = &self.workload.name;
        let services = Api::<Service>::namespaced(client.clone(), namespace);
        let service = services.get(name).await.map_err(ClusterError::api(format!(
            "get the service {name} of namespace {namespace}"
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
        Box::pin(async move { self.stream().await.map_err(BootstrapError::from) })
    }
}
