//! What the kubeconfig offers: contexts and, for those who may list them, namespaces.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::ListParams;
use kube::config::Kubeconfig;
use serde::Serialize;

use super::client::{Server, connect};
use super::error::ClusterError;

/// One context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The namespace that it means when none is named.
    pub namespace: Option<String>,
    /// Whether it is meant when none is named.
    pub current: bool,
}

/// All contexts, the current one first; none where there is no kubeconfig.
///
/// # Errors
/// [`ClusterError::Config`] when the kubeconfig is there and cannot be used.
pub fn all() -> Result<Vec<Context>, ClusterError> {
    let config = match Kubeconfig::read() {
        Ok(config) => config,
        Err(kube::config::KubeconfigError::FindPath) => return Ok(Vec::new()),
        Err(kube::config::KubeconfigError::ReadConfig(error, _))
            if error.kind() == std::io::ErrorKind::NotFound =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(ClusterError::Config(Box::new(error))),
    };
    let current = config.current_context.clone();
    let mut contexts: Vec<Context> = config
        .contexts
        .into_iter()
        .map(|named| Context {
            current: Some(&named.name) == current.as_ref(),
            namespace: named.context.and_then(|context| context.namespace),
            name: named.name,
        })
        .collect();
    contexts.sort_by_key(|context| !context.current);
    Ok(contexts)
}

/// The namespaces of a context, by name.
///
/// # Errors
/// See [`ClusterError`]; few people may list them.
pub async fn namespaces(context: Option<&str>) -> Result<Vec<String>, ClusterError> {
    let Server { client, url } = connect(context).await?;
    let found = Api::<Namespace>::all(client)
        .list(&ListParams::default())
        .await
        .map_err(ClusterError::api(format!("list the namespaces at {url}")))?;
    Ok(found.items.into_iter().filter_map(|namespace| namespace.metadata.name).collect())
}
