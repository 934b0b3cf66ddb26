//! Which pod and which container are meant. Pure: objects of the API in, a choice
//! with its reasons out. Workloads are found from their pods alone, by owner and
//! `pod-template-hash`, so that rights on pods are enough.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};

use super::workload::{Kind, Workload};
use crate::ports::PortNames;

/// Names the container that kubectl would choose.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Names a pod's ReplicaSet within its Deployment.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// Containers that stand beside an app, by the start of their name.
const SIDECARS: [&str; 12] = [
    "istio-proxy",
    "istio-init",
    "linkerd-proxy",
    "linkerd-init",
    "envoy",
    "vault-agent",
    "cloud-sql-proxy",
    "cloudsql-proxy",
    "daprd",
    "fluent",
    "otel-",
    "consul-",
];

/// Where the agent goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The pod.
    pub pod: String,
    /// Its identity: another pod may bear the same name.
    pub uid: String,
    /// The container.
    pub container: String,
    /// Which run of it: another one after each restart.
    pub run: String,
    /// The pod's address, once it has one.
    pub address: Option<IpAddr>,
    /// The pod's ports that have names.
    pub ports: PortNames,
    /// Mounts of the container that can be written to, in the pod's own order.
    pub mounts: Vec<String>,
    /// What the user did not say and was chosen.
    pub chosen: Vec<String>,
}

/// Why there is no place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlace {
    /// The workload has no pod; others that are near are named.
    Unknown {
        /// What the namespace has.
        known: Vec<String>,
    },
    /// It is there, and has no pod.
    Empty {
        /// Why, as far as it is known.
        reason: String,
    },
    /// It has pods, none of which runs.
    NotRunning {
        /// What they wait for.
        reasons: Vec<String>,
    },
    /// The pod has no such container.
    NoContainer {
        /// Which pod.
        pod: String,
        /// What it has.
        known: Vec<String>,
    },
}

impl NoPlace {
    /// In a few words.
    pub fn in_short(&self) -> String {
        match self {
            Self::Unknown { .. } | Self::Empty { .. } => "it has no pod".to_owned(),
            Self::NotRunning { reasons } => reasons.first().cloned().unwrap_or_default(),
            Self::NoContainer { .. } => "its pod has no such container".to_owned(),
        }
    }
}

/// Chooses among all pods of the namespace (for a selector and a Service: among
/// those it selects). One that was chosen before is kept while it can be used.
///
/// # Errors
/// See [`NoPlace`].
pub fn pick(workload: &Workload, pods: &[Pod], last: Option<&Place>) -> Result<Place, NoPlace> {
    let mut members: Vec<&Pod> = pods.iter().filter(|pod| is_member(workload, pod)).collect();
    if members.is_empty() {
        return Err(NoPlace::Unknown { known: workloads(pods) });
    }
    // Of two generations of a rollout the younger one; within it the oldest pod,
    // which stays longest.
    members.sort_by_key(|pod| {
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        let generation = generation_start(pod, pods);
        (std::cmp::Reverse(generation), created, name(pod).to_owned())
    });
    // A pod without the container is not passed over: that is a mistake to tell.
    let runs = |pod: &Pod| {
        is_usable(pod)
            && container(workload, pod).map_or(true, |(chosen, _)| is_running(pod, &chosen.name))
    };
    let kept = last.and_then(|last| members.iter().find(|pod| uid(pod) == last.uid && runs(pod)));
    let Some(pod) = kept
        .or_else(|| members.iter().find(|pod| is_ready(pod) && runs(pod)))
        .or_else(|| members.iter().find(|pod| runs(pod)))
    else {
        let reasons = members.iter().map(|pod| format!("{}: {}", name(pod), why_not(pod)));
        return Err(NoPlace::NotRunning { reasons: reasons.collect() });
    };
    place(workload, pod, members.len())
}

/// The places in the other pods of the same generation that serve.
pub fn others(workload: &Workload, pods: &[Pod], first: &Place) -> Vec<Place> {
    let generation = pods.iter().find(|pod| uid(pod) == first.uid).and_then(template_hash);
    let mut others: Vec<Place> = pods
        .iter()
        .filter(|pod| is_member(workload, pod) && is_ready(pod) && uid(pod) != first.uid)
        .filter(|pod| template_hash(pod) == generation)
        .filter_map(|pod| place(workload, pod, 1).ok())
        .collect();
    others.sort_by(|one, other| one.pod.cmp(&other.pod));
    others
}

/// The place in a pod, which is one of so many.
fn place(workload: &Workload, pod: &Pod, of_pods: usize) -> Result<Place, NoPlace> {
    let mut chosen = Vec::new();
    if of_pods > 1 {
        chosen.push(format!("pod {} of {of_pods}", name(pod)));
    }
    let (container, of) = container(workload, pod)?;
    if workload.container.is_none() && of > 1 {
        chosen.push(format!("container {} of {of}", container.name));
    }
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let is_empty_dir = |volume: &str| {
        volumes.iter().any(|known| known.name == volume && known.empty_dir.is_some())
    };
    let mounts = container.volume_mounts.iter().flatten();
    let mounts = mounts
        .filter(|mount| !mount.read_only.unwrap_or(false) && is_empty_dir(&mount.name))
        .map(|mount| mount.mount_path.clone());
    Ok(Place {
        pod: name(pod).to_owned(),
        uid: uid(pod).to_owned(),
        container: container.name.clone(),
        run: status(pod, &container.name)
            .and_then(|status| status.container_id.clone())
            .unwrap_or_default(),
        address: pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()?.parse().ok()),
        ports: named_ports(pod),
        mounts: mounts.collect(),
        chosen,
    })
}

/// The workloads that the pods belong to, as the user would name them.
pub fn workloads(pods: &[Pod]) -> Vec<String> {
    let mut names: Vec<String> = pods.iter().map(owner_text).collect();
    names.sort();
    names.dedup();
    names
}

/// The names of the pods that belong to what [`workloads`] named.
pub fn members<'a>(workload: &str, pods: &'a [Pod]) -> Vec<&'a str> {
    pods.iter().filter(|pod| owner_text(pod) == workload).map(name).collect()
}

/// The place in one pod, if it runs.
pub fn place_of(pod: &Pod) -> Option<Place> {
    let workload = Workload { name: name(pod).to_owned(), ..Workload::bare(Kind::Pod) };
    pick(&workload, std::slice::from_ref(pod), None).ok()
}

fn is_member(workload: &Workload, pod: &Pod) -> bool {
    match workload.kind {
        Kind::Pod => name(pod) == workload.name,
        // The API server has selected.
        Kind::Labels | Kind::Service => true,
        kind => owners(pod).any(|(owner, name)| owner == kind && name == workload.name),
    }
}

/// The workloads a pod belongs to: its controller, and what that belongs to as far
/// as names tell.
fn owners(pod: &Pod) -> impl Iterator<Item = (Kind, &str)> {
    let references = pod.metadata.owner_references.iter().flatten();
    let controller = references.into_iter().find(|owner| owner.controller.unwrap_or(false));
    let direct =
        controller.and_then(|owner| Some((Kind::parse(&owner.kind)?, owner.name.as_str())));
    let above = direct.and_then(|(kind, name)| match kind {
        Kind::ReplicaSet => {
            let hash = pod.metadata.labels.as_ref()?.get(TEMPLATE_HASH)?;
            Some((Kind::Deployment, name.strip_suffix(hash.as_str())?.strip_suffix('-')?))
        }
        // A CronJob names its Jobs by the minute they were due.
        Kind::Job => {
            let (above, minute) = name.rsplit_once('-')?;
            let due = minute.len() >= 8 && minute.bytes().all(|byte| byte.is_ascii_digit());
            due.then_some((Kind::CronJob, above))
        }
        _ => None,
    });
    direct.into_iter().chain(above)
}

fn owner_text(pod: &Pod) -> String {
    let (kind, name) = owners(pod).last().unwrap_or((Kind::Pod, name(pod)));
    format!("{}/{name}", kind.word())
}

/// Names the generation that a rollout made.
fn template_hash(pod: &Pod) -> Option<&str> {
    pod.metadata.labels.as_ref()?.get(TEMPLATE_HASH).map(String::as_str)
}

/// When the first pod of the same generation was made.
fn generation_start(pod: &Pod, pods: &[Pod]) -> Option<i64> {
    let own = template_hash(pod)?;
    let same = pods.iter().filter(|other| template_hash(other) == Some(own));
    same.filter_map(|pod| Some(pod.metadata.creation_timestamp.as_ref()?.0.as_second())).min()
}

/// The container that is meant, of how many.
fn container<'a>(workload: &Workload, pod: &'a Pod) -> Result<(&'a Container, usize), NoPlace> {
    let all = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let named = |wanted: &str| all.iter().find(|container| container.name == wanted);
    let missing = || NoPlace::NoContainer {
        pod: name(pod).to_owned(),
        known: all.iter().map(|container| container.name.clone()).collect(),
    };
    if let Some(wanted) = &workload.container {
        return named(wanted).map(|container| (container, all.len())).ok_or_else(missing);
    }
    let annotations = pod.metadata.annotations.as_ref();
    let by_annotation = annotations.and_then(|all| all.get(DEFAULT_CONTAINER));
    let is_sidecar =
        |container: &&Container| SIDECARS.iter().any(|start| container.name.starts_with(start));
    by_annotation
        .and_then(|wanted| named(wanted))
        .or_else(|| all.iter().find(|container| !is_sidecar(container)))
        .or(all.first())
        .map(|container| (container, all.len()))
        .ok_or_else(missing)
}

/// Names of ports are unique in a pod.
fn named_ports(pod: &Pod) -> PortNames {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.container_port).ok()?)))
        .collect()
}

fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let mut all = pod.status.as_ref()?.container_statuses.iter().flatten();
    all.find(|status| status.name == container)
}

/// Whether a container runs, as far as is known.
fn is_running(pod: &Pod, container: &str) -> bool {
    status(pod, container)
        .is_none_or(|status| status.state.as_ref().is_none_or(|state| state.running.is_some()))
}

fn is_usable(pod: &Pod) -> bool {
    let running = pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running");
    running && pod.metadata.deletion_timestamp.is_none()
}

/// Whether a pod serves.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let mut conditions = conditions.filter(|condition| condition.type_ == "Ready");
    is_usable(pod) && conditions.any(|condition| condition.status == "True")
}

/// What a pod that cannot be used waits for.
fn why_not(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "is being deleted".to_owned();
    }
    let Some(status) = &pod.status else { return "is not scheduled yet".to_owned() };
    let containers = status.container_statuses.iter().flatten();
    let waiting = containers
        .chain(status.init_container_statuses.iter().flatten())
        .filter_map(|container| {
            let state = container.state.as_ref()?;
            if let Some(waiting) = &state.waiting {
                let reason = waiting.reason.as_deref()?;
                let message = waiting.message.as_deref().unwrap_or_default();
                let why = if message.is_empty() { "" } else { ": " };
                return Some(format!("container {} is in {reason}{why}{message}", container.name));
            }
            let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
            Some(format!("container {} ended with {}", container.name, ended.exit_code))
        })
        .next();
    let unscheduled = || {
        let mut conditions = status.conditions.iter().flatten();
        let condition = conditions.find(|condition| condition.type_ == "PodScheduled")?;
        condition.message.clone()
    };
    waiting
        .or_else(|| status.message.clone())
        .or_else(unscheduled)
        .unwrap_or_else(|| status.phase.clone().unwrap_or_else(|| "has no phase".to_owned()))
        .trim()
        .to_owned()
}

/// A pod's name.
pub fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn uid(pod: &Pod) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests;
