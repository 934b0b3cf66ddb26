//! Why a cluster does not do what is asked: the API's answers in words, with the
//! verb and the resource that are missing and what to ask an administrator for.

use kube::config::KubeconfigError;

use super::pick::NoPlace;
use super::workload::Workload;
use crate::carrier::BootstrapError;

/// Why no channel was opened.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No way to the cluster is configured.
    #[error("unable to read the kubeconfig: {0}")]
    Config(#[source] Box<KubeconfigError>),
    /// The configuration makes no client.
    #[error("unable to use the kubeconfig: {0}")]
    Client(#[source] Box<kube::Error>),
    /// The API server refused or could not be asked.
    #[error("unable to {tried}: {}", explain(source))]
    Api {
        /// What was tried.
        tried: String,
        /// Why it failed.
        source: Box<kube::Error>,
    },
    /// There is no pod to go to.
    #[error("{}", no_place(workload, namespace, why))]
    NoPlace {
        /// What was looked for.
        workload: String,
        /// Where.
        namespace: String,
        /// Why there is none.
        why: NoPlace,
    },
    /// The agent could not be put into the container.
    #[error("unable to start the agent in container {container} of pod {pod}: {reason}")]
    Inject {
        /// Where.
        pod: String,
        /// Where in it.
        container: String,
        /// Why not.
        reason: String,
    },
    /// The container is not made for it.
    #[error("unable to start the agent in container {container} of pod {pod}: {reason}")]
    Unsuited {
        /// Where.
        pod: String,
        /// Where in it.
        container: String,
        /// Why not, and what else can be done.
        reason: String,
    },
    /// There is no agent to put there.
    #[error("{0}")]
    NoAgent(String),
}

impl ClusterError {
    /// For a request that failed.
    pub fn api(tried: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let tried = tried.into();
        move |source| Self::Api { tried, source: Box::new(source) }
    }

    /// Whether the API server did not believe who asks.
    pub fn is_unauthorized(&self) -> bool {
        let Self::Api { source, .. } = self else { return false };
        matches!(&**source, kube::Error::Api(status) if status.code == 401)
    }

    /// Whether another attempt can be different.
    fn again(&self) -> bool {
        match self {
            Self::Config(_) | Self::Client(_) | Self::NoAgent(_) | Self::Unsuited { .. } => false,
            Self::Api { source, .. } => match &**source {
                // Rights may be granted, and tokens renewed, meanwhile; a wrong
                // request stays wrong.
                kube::Error::Api(status) => !matches!(status.code, 400 | 422),
                _ => true,
            },
            Self::NoPlace { why, .. } => !matches!(why, NoPlace::NoContainer { .. }),
            Self::Inject { .. } => true,
        }
    }
}

impl From<ClusterError> for BootstrapError {
    fn from(error: ClusterError) -> Self {
        Self { message: error.to_string(), again: error.again() }
    }
}

fn explain(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => match status.code {
            401 => format!(
                "the API server does not know who you are ({}): a token or certificate may have \
                 expired; log in again, or check the context's user",
                status.message
            ),
            403 => format!(
                "{}; ask an administrator for it (`towline rbac` prints the Role)",
                status.message.trim_end_matches([':', ' '])
            ),
            _ => status.message.clone(),
        },
        kube::Error::Service(error) => crate::chain(&**error),
        other => crate::chain(other),
    }
}

fn no_place(workload: &str, namespace: &str, why: &NoPlace) -> String {
    match why {
        NoPlace::Unknown { known } if known.is_empty() => {
            format!(
                "there is no {workload} in namespace {namespace} with a pod, and no other pod either"
            )
        }
        NoPlace::Unknown { known } => {
            let name = workload.split_whitespace().next().unwrap_or_default();
            let all: Vec<&str> = known.iter().map(String::as_str).collect();
            let near = crate::config::file::nearest(name, &all)
                .map_or_else(String::new, |near| format!("did you mean {near}? "));
            let more = known.len().saturating_sub(LISTED);
            let mut list = known.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
            if more > 0 {
                list.push_str(&format!(" and {more} more"));
            }
            format!(
                "there is no {workload} in namespace {namespace} with a pod; {near}it has: {list}"
            )
        }
        NoPlace::Empty { reason } => {
            format!("{workload} in namespace {namespace} has no pod: {reason}")
        }
        NoPlace::NotRunning { reasons } => {
            let list = reasons.iter().take(LISTED).cloned().collect::<Vec<_>>().join("; ");
            format!("{workload} in namespace {namespace} does not run: {list}")
        }
        NoPlace::NoContainer { pod, known } => {
            format!("pod {pod} has no such container; it has: {}", known.join(", "))
        }
    }
}

/// Names in one message.
const LISTED: usize = 12;

/// Says which workload and where.
pub fn no_place_for(workload: &Workload, namespace: &str, why: NoPlace) -> ClusterError {
    let bare = Workload { namespace: None, context: None, ..workload.clone() };
    ClusterError::NoPlace { workload: bare.to_string(), namespace: namespace.to_owned(), why }
}
