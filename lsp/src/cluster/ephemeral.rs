//! An ephemeral container beside the one that is meant: for images that have no
//! shell or no place for the agent. It shares the target's processes and sees its
//! files through /proc/PID/root. Nobody can remove one, so it ends by itself when
//! the agent in it is gone, or never came.

use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{EphemeralContainer, Pod, SecurityContext};
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::json;

use super::agent_image::{self, is_agent_image};
use super::error::ClusterError;
use super::pick::{self, Place};

/// The start of every such container's name.
pub const PREFIX: &str = "towline-";

/// How long the image may take to be pulled.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// A pod keeps them all, so there is an end to it.
const ENDED_MAX: usize = 20;

/// Lives as long as an agent's directory, which has two minutes to appear. It is told
/// when one has appeared, which may be gone before it is seen, or when none will.
const LOOP: &str = r#"n=0
until [ -d /tmp/.towline-$id ]; do
  n=$((n+1))
  [ $n -lt 120 ] || exit 0
  [ -e /tmp/.towline-$id-end ] && ! [ -d /tmp/.towline-$id ] && exit 0
  sleep 1
done
while [ -d /tmp/.towline-$id ]; do sleep 1; done"#;

/// What to start.
pub struct Wanted<'a> {
    /// Beside this.
    pub place: &'a Place,
    /// From this image, which has a shell or is the agent's own.
    pub image: &'a str,
    /// For this hub.
    pub id: &'a str,
    /// As this user, where the image's own is another one than the target's.
    pub user: Option<u32>,
}

/// Finds one of ours that runs, or starts one; its name.
///
/// # Errors
/// [`ClusterError`]: no right, refused by admission, no image.
pub async fn ensure(
    client: &Client,
    namespace: &str,
    wanted: &Wanted<'_>,
) -> Result<String, ClusterError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let name = &wanted.place.pod;
    let pod = api.get(name).await.map_err(ClusterError::api(format!("get pod {name}")))?;
    let own = format!("{PREFIX}{}-", wanted.id);
    let known = of_pod(&pod).filter(|known| known.name.starts_with(&own));
    let known: Vec<&EphemeralContainer> = known.collect();
    let user = wanted.user.or_else(|| nobody(&pod, &wanted.place.container));
    let is_wanted = |known: &EphemeralContainer| {
        known.image.as_deref() == Some(wanted.image)
            && (user.is_none() || user_of(known) == user.map(i64::from))
    };
    // One that cannot start is told of, not started again.
    for known in known.iter().filter(|known| is_wanted(known)) {
        match state(&pod, &known.name) {
            State::Running => return Ok(known.name.clone()),
            State::Waiting => return started(&api, wanted, &known.name).await,
            State::Stuck(why) => return Err(stuck(wanted, &known.name, why)),
            State::Ended => {}
        }
    }
    if known.len() >= ENDED_MAX {
        let why = format!(
            "{ENDED_MAX} of ours have ended in this pod, and nobody can remove them; delete the \
             pod when you can"
        );
        return Err(unsuited(wanted, &wanted.place.container, why));
    }
    let fresh = format!("{own}{}", known.len());
    let container = json!({
        "name": fresh,
        "image": wanted.image,
        "imagePullPolicy": "IfNotPresent",
        "command": command(wanted),
        "targetContainerName": wanted.place.container,
        "securityContext": security(&pod, &wanted.place.container, user),
    });
    let patch = json!({ "spec": { "ephemeralContainers": [container] } });
    let tried =
        format!("add an ephemeral container to pod {name} (patch pods/ephemeralcontainers)");
    api.patch_ephemeral_containers(name, &PatchParams::default(), &Patch::Strategic(patch))
        .await
        .map_err(ClusterError::api(tried))?;
    started(&api, wanted, &fresh).await
}

/// What the container does: wait for the agent, and for its end.
fn command(wanted: &Wanted<'_>) -> Vec<String> {
    if is_agent_image(wanted.image) {
        return [agent_image::PROGRAM, "hold", "--id", wanted.id].map(str::to_owned).to_vec();
    }
    vec!["sh".to_owned(), "-c".to_owned(), format!("id={}; {LOOP}", wanted.id)]
}

fn of_pod(pod: &Pod) -> impl Iterator<Item = &EphemeralContainer> {
    let spec = pod.spec.as_ref().and_then(|spec| spec.ephemeral_containers.as_ref());
    spec.into_iter().flatten()
}

fn user_of(container: &EphemeralContainer) -> Option<i64> {
    container.security_context.as_ref()?.run_as_user
}

/// How an ephemeral container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is on its way.
    Waiting,
    /// It cannot start: why.
    Stuck(String),
    /// It runs.
    Running,
    /// It has ended.
    Ended,
}

/// How it is.
pub fn state(pod: &Pod, name: &str) -> State {
    let statuses = pod.status.as_ref().and_then(|status| {
        status.ephemeral_container_statuses.as_ref()?.iter().find(|status| status.name == name)
    });
    let Some(state) = statuses.and_then(|status| status.state.as_ref()) else {
        return State::Waiting;
    };
    if state.running.is_some() {
        return State::Running;
    }
    if state.terminated.is_some() {
        return State::Ended;
    }
    let waiting = state.waiting.as_ref();
    let reason = waiting.and_then(|waiting| waiting.reason.as_deref()).unwrap_or_default();
    if matches!(reason, "" | "ContainerCreating" | "PodInitializing") {
        return State::Waiting;
    }
    let message = waiting.and_then(|waiting| waiting.message.as_deref()).unwrap_or_default();
    State::Stuck(format!("{reason}: {message}"))
}

/// Waits until it runs; its name.
async fn started(
    api: &Api<Pod>,
    wanted: &Wanted<'_>,
    container: &str,
) -> Result<String, ClusterError> {
    let until = until_runs(api, wanted, container);
    tokio::time::timeout(START_PATIENCE, until).await.unwrap_or_else(|_| {
        let patience = START_PATIENCE.as_secs();
        Err(stuck(wanted, container, format!("it did not start within {patience} s")))
    })?;
    Ok(container.to_owned())
}

async fn until_runs(
    api: &Api<Pod>,
    wanted: &Wanted<'_>,
    container: &str,
) -> Result<(), ClusterError> {
    let name = &wanted.place.pod;
    let tried = || ClusterError::api(format!("watch pod {name}"));
    loop {
        let params = WatchParams::default().fields(&format!("metadata.name={name}"));
        // From the beginning: the pod as it is comes first.
        let mut events = api.watch(&params, "0").await.map_err(tried())?.boxed();
        while let Some(event) = events.next().await {
            let pod = match event.map_err(tried())? {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => pod,
                WatchEvent::Deleted(_) => {
                    return Err(stuck(wanted, container, "the pod was deleted".to_owned()));
                }
                WatchEvent::Bookmark(_) | WatchEvent::Error(_) => continue,
            };
            match state(&pod, container) {
                State::Running => return Ok(()),
                State::Waiting => {}
                State::Stuck(why) => return Err(stuck(wanted, container, why)),
                State::Ended => {
                    return Err(stuck(wanted, container, "it ended at once".to_owned()));
                }
            }
        }
    }
}

/// Some user that is not root, where root is forbidden and nobody says who instead.
fn nobody(pod: &Pod, container: &str) -> Option<u32> {
    const NOBODY: u32 = 65534;
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.security_context.as_ref());
    let of_pod = of_pod.map(|of| (of.run_as_non_root, of.run_as_user)).unwrap_or_default();
    let context = security_of(pod, container);
    let user = context.run_as_user.or(of_pod.1);
    let not_root = context.run_as_non_root.or(of_pod.0).unwrap_or(false);
    (user.is_none() && not_root).then_some(NOBODY)
}

fn security_of(pod: &Pod, container: &str) -> SecurityContext {
    let mut all = pod.spec.iter().flat_map(|spec| &spec.containers);
    let of = all.find(|known| known.name == container);
    of.and_then(|of| of.security_context.clone()).unwrap_or_default()
}

/// Who the target's container is, so that its processes and files are ours to see.
fn security(pod: &Pod, container: &str, user: Option<u32>) -> serde_json::Value {
    let mut context = security_of(pod, container);
    // The image is another one: it may write to its own layer.
    context.read_only_root_filesystem = None;
    if let Some(user) = user {
        context.run_as_user = Some(i64::from(user));
    }
    json!(context)
}

fn stuck(wanted: &Wanted<'_>, container: &str, reason: String) -> ClusterError {
    let reason = format!("{reason} (it is an ephemeral container of the image {})", wanted.image);
    unsuited(wanted, container, reason)
}

fn unsuited(wanted: &Wanted<'_>, container: &str, reason: String) -> ClusterError {
    let (pod, container) = (wanted.place.pod.clone(), container.to_owned());
    ClusterError::Unsuited { pod, container, reason }
}

/// An ephemeral container of some hub.
pub struct Beside {
    /// The pod.
    pub pod: String,
    /// Its name.
    pub container: String,
    /// Whether there is nothing but the agent in it.
    pub bare: bool,
    /// Whether it runs.
    pub running: bool,
}

/// Ephemeral containers of any hub.
pub fn all(pod: &Pod) -> Vec<Beside> {
    of_pod(pod)
        .filter(|container| container.name.starts_with(PREFIX))
        .map(|container| Beside {
            pod: pick::name(pod).to_owned(),
            container: container.name.clone(),
            bare: container.image.as_deref().is_some_and(is_agent_image),
            running: state(pod, &container.name) == State::Running,
        })
        .collect()
}
