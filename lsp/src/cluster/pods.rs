//! The pods that a workload may be, as the API server tells of them: once, or again and
//! again. Which of them is meant is [`super::pick`]'s business.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};

use super::client::{Server, connect};
use super::error::{ClusterError, no_place_for};
use super::pick::NoPlace;
use super::workload::{Kind, Workload};

/// The pause after a watch that ended, and the longest one after some that could
/// not begin.
const WATCH_PAUSE_MIN: Duration = Duration::from_millis(250);
const WATCH_PAUSE_MAX: Duration = Duration::from_secs(2);

/// The pods of a namespace, as far as the workload's kind narrows them down.
pub struct Pods {
    /// Whose.
    pub workload: Workload,
    /// As the kubeconfig has it; read again when it is not believed any more.
    server: Mutex<Option<Server>>,
}

impl Pods {
    /// Of `workload`.
    pub fn new(workload: Workload) -> Self {
        Self { workload, server: Mutex::new(None) }
    }

    /// A way to the API server.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn server(&self) -> Result<Server, ClusterError> {
        if let Some(server) = &*self.known() {
            return Ok(server.clone());
        }
        let server = connect(self.workload.context.as_deref()).await?;
        *self.known() = Some(server.clone());
        Ok(server)
    }

    /// Credentials expire, and people log in again: the next attempt reads them anew.
    pub fn noting<T>(&self, result: Result<T, ClusterError>) -> Result<T, ClusterError> {
        if result.as_ref().is_err_and(ClusterError::is_unauthorized) {
            *self.known() = None;
        }
        result
    }

    /// The workload's namespace.
    pub fn namespace<'a>(&'a self, client: &'a Client) -> &'a str {
        self.workload.namespace.as_deref().unwrap_or_else(|| client.default_namespace())
    }

    /// All of them.
    ///
    /// # Errors
    /// See [`ClusterError`].
    pub async fn list(&self, server: &Server) -> Result<Vec<Pod>, ClusterError> {
        let labels = self.labels(&server.client).await?;
        let namespace = self.namespace(&server.client);
        let api = Api::<Pod>::namespaced(server.client.clone(), namespace);
        let params = ListParams { label_selector: labels, ..Default::default() };
        let tried = listing(namespace, &server.url);
        Ok(api.list(&params).await.map_err(ClusterError::api(tried))?.items)
    }

    /// Shows all of them to `each`, and again whenever one has changed, until it returns
    /// something. It is told, too, whether the server could not be asked before.
    pub async fn until<T>(&self, mut each: impl FnMut(&[Pod], bool) -> Option<T>) -> T {
        let mut pause = None;
        loop {
            let failed = pause.is_some();
            match self.noting(self.watch(|pods| each(pods, failed)).await) {
                Ok(Some(found)) => return found,
                Ok(None) => pause = None,
                Err(error) => {
                    tracing::debug!(%error, "no watch of the pods");
                    let longer = pause.map_or(WATCH_PAUSE_MIN, |pause| pause * 2);
                    pause = Some(longer.min(WATCH_PAUSE_MAX));
                }
            }
            tokio::time::sleep(pause.unwrap_or(WATCH_PAUSE_MIN)).await;
        }
    }

    /// One watch; none when it ends before `each` has found something.
    async fn watch<T>(
        &self,
        mut each: impl FnMut(&[Pod]) -> Option<T>,
    ) -> Result<Option<T>, ClusterError> {
        let Server { client, url } = &self.server().await?;
        let namespace = self.namespace(client);
        let api = Api::<Pod>::namespaced(client.clone(), namespace);
        let tried = || ClusterError::api(listing(namespace, url));
        let labels = self.labels(client).await?;
        let params = ListParams { label_selector: labels.clone(), ..Default::default() };
        let list = api.list(&params).await.map_err(tried())?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let mut pods = list.items;
        if let Some(found) = each(&pods) {
            return Ok(Some(found));
        }
        let params = WatchParams { label_selector: labels, ..Default::default() };
        let mut events = api.watch(&params, &version).await.map_err(tried())?.boxed();
        while let Some(event) = events.next().await {
            let (pod, there) = match event.map_err(tried())? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => (pod, true),
                WatchEvent::Deleted(pod) => (pod, false),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => return Ok(None), // too old: begin again
            };
            pods.retain(|known| known.metadata.uid != pod.metadata.uid);
            pods.extend(there.then_some(pod));
            if let Some(found) = each(&pods) {
                return Ok(Some(found));
            }
        }
        Ok(None)
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

    fn known(&self) -> std::sync::MutexGuard<'_, Option<Server>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner) // never half made
    }
}

/// What was tried.
pub fn listing(namespace: &str, url: &str) -> String {
    format!("list and watch the pods of namespace {namespace} at {url}")
}
