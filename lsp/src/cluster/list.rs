//! The workloads of a namespace, and whose agents are in them.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use serde::Serialize;

use super::client::{Server, connect};
use super::ephemeral;
use super::error::ClusterError;
use super::exec;
use super::inject;
use super::pick::{self, Place};
use super::pods::listing;
use super::workload::Workload;

/// Pods that are asked at once.
const AT_ONCE: usize = 8;

/// A workload as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Row {
    /// As `up` takes it.
    pub workload: String,
    /// Its pods.
    pub pods: usize,
    /// Those of them that are ready.
    pub ready: usize,
    /// The containers of the pod that `up` would go to, the chosen one first.
    pub containers: Vec<String>,
    /// Ports that this container declares.
    pub ports: Vec<u16>,
    /// Where its process starts.
    pub cwd: Option<String>,
    /// Why `up` would not work now.
    pub problem: Option<String>,
    /// Agents in its pods; none where nobody looked.
    pub agents: Vec<Found>,
}

/// What an agent left or keeps in a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "FoundAgent"))]
pub struct Found {
    /// The pod.
    pub pod: String,
    /// The container.
    pub container: String,
    /// Its directory there.
    pub home: String,
    /// Whether it runs.
    pub running: bool,
    /// Whose it is: `user@machine`.
    pub who: String,
}

/// Where was looked, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct List {
    /// The namespace.
    pub namespace: String,
    /// In order of their names.
    pub workloads: Vec<Row>,
}

/// Lists a namespace. With `agents` each pod is asked for agents by exec; one that
/// does not answer has none.
///
/// # Errors
/// When the pods cannot be listed.
pub async fn list(
    context: Option<&str>,
    namespace: Option<&str>,
    agents: bool,
) -> Result<List, ClusterError> {
    let Server { client, url } = connect(context).await?;
    let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
    let api = Api::<Pod>::namespaced(client.clone(), &namespace);
    let pods = api
        .list(&ListParams::default())
        .await
        .map_err(ClusterError::api(listing(&namespace, &url)))?
        .items;
    let mut workloads: Vec<Row> =
        pick::workloads(&pods).into_iter().filter_map(|name| row(&name, &pods)).collect();
    if agents {
        let places = pods.iter().filter_map(pick::place_of);
        let found = futures_util::stream::iter(places)
            .map(|place| find(&client, &namespace, place))
            .buffer_unordered(AT_ONCE);
        let found: Vec<Found> = found.collect::<Vec<_>>().await.into_iter().flatten().collect();
        let beside = pods.iter().flat_map(ephemeral::all).map(|beside| Found {
            pod: beside.pod,
            container: beside.container,
            home: String::new(),
            running: beside.running,
            who: "ephemeral container".to_owned(),
        });
        let found: Vec<Found> = found.into_iter().chain(beside).collect();
        for row in &mut workloads {
            let members = pick::members(&row.workload, &pods);
            row.agents.extend(found.iter().filter(|found| members.contains(&&*found.pod)).cloned());
            row.agents.sort();
        }
    }
    Ok(List { namespace, workloads })
}

/// Ends the agents of hub `id` in the workload's namespace and removes what they
/// have there; the directories that are gone, as `POD:PATH`.
///
/// # Errors
/// When the pods cannot be listed.
pub async fn remove(workload: &Workload, id: &str) -> Result<Vec<String>, ClusterError> {
    let Server { client, url } = connect(workload.context.as_deref()).await?;
    let namespace = workload.namespace.as_deref().unwrap_or(client.default_namespace()).to_owned();
    let api = Api::<Pod>::namespaced(client.clone(), &namespace);
    let pods = api.list(&ListParams::default()).await;
    let pods = pods.map_err(ClusterError::api(listing(&namespace, &url)))?.items;
    let own = format!("{}{id}-", ephemeral::PREFIX);
    let places = pods.iter().filter_map(pick::place_of).flat_map(|place| {
        let pod = pods.iter().find(|pod| pick::name(pod) == place.pod);
        let beside = pod.into_iter().flat_map(ephemeral::all);
        let beside = beside
            .filter(|beside| beside.container.starts_with(&own) && beside.running)
            .map(|beside| (Place { container: beside.container, ..place.clone() }, beside.bare));
        beside.chain([(place.clone(), false)]).collect::<Vec<_>>()
    });
    let removed = futures_util::stream::iter(places)
        .map(|(place, bare)| remove_in(&client, &namespace, place, bare, id))
        .buffer_unordered(AT_ONCE);
    Ok(removed.collect::<Vec<_>>().await.into_iter().flatten().collect())
}

async fn remove_in(
    client: &Client,
    namespace: &str,
    place: Place,
    bare: bool,
    id: &str,
) -> Vec<String> {
    let command = if bare { inject::clear(id) } else { inject::remove(&place, id) };
    let said = exec::run(client, namespace, &place, &command).await;
    let said = said.unwrap_or_default(); // it has no shell, so it has no agent of ours
    let homes = said.lines().filter_map(|line| line.strip_prefix("towline-removed "));
    homes.map(|home| format!("{}:{home}", place.pod)).collect()
}

fn row(name: &str, pods: &[Pod]) -> Option<Row> {
    let workload = Workload::parse(name).ok()?;
    let members = pick::members(name, pods);
    let ready =
        pods.iter().filter(|pod| members.contains(&pick::name(pod)) && pick::is_ready(pod)).count();
    let (place, problem) = match pick::pick(&workload, pods, None) {
        Ok(place) => (Some(place), None),
        Err(why) => (None, Some(why.in_short())),
    };
    let pod = place.as_ref().and_then(|place| pods.iter().find(|pod| pick::name(pod) == place.pod));
    let spec = pod.and_then(|pod| pod.spec.as_ref());
    let mut containers: Vec<_> = spec.iter().flat_map(|spec| &spec.containers).collect();
    let chosen = place.as_ref().map(|place| place.container.as_str()).unwrap_or_default();
    containers.sort_by_key(|container| container.name != chosen);
    let first = containers.first();
    let declared = first.iter().flat_map(|container| container.ports.iter().flatten());
    Some(Row {
        workload: name.to_owned(),
        pods: members.len(),
        ready,
        ports: declared.filter_map(|port| u16::try_from(port.container_port).ok()).collect(),
        cwd: first.and_then(|container| container.working_dir.clone()),
        containers: containers.iter().map(|container| container.name.clone()).collect(),
        problem,
        agents: Vec::new(),
    })
}

async fn find(client: &Client, namespace: &str, place: Place) -> BTreeSet<Found> {
    let command = inject::find(&place);
    let said = exec::run(client, namespace, &place, &command).await;
    let said = said.unwrap_or_default(); // it has no shell, so it has no agent of ours
    said.lines().filter_map(|line| found(line, &place)).collect()
}

fn found(line: &str, place: &Place) -> Option<Found> {
    let mut words = line.strip_prefix("towline-found ")?.splitn(3, ' ');
    Some(Found {
        pod: place.pod.clone(),
        container: place.container.clone(),
        home: words.next()?.to_owned(),
        running: words.next()? == "running",
        who: words.next().unwrap_or_default().trim().to_owned(),
    })
}
