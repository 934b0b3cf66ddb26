//! The Services of a namespace, for those who may list them.

use k8s_openapi::api::core::v1;
use kube::Api;
use kube::api::ListParams;

use super::client::{Server, connect};
use super::error::ClusterError;

/// One Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its TCP ports, with their names where they have some.
    pub ports: Vec<(u16, Option<String>)>,
}

/// The Services of a namespace, the context's own when none is named.
///
/// # Errors
/// See [`ClusterError`]; nothing else that is done needs the right to list them.
pub async fn services(
    context: Option<&str>,
    namespace: Option<&str>,
) -> Result<Vec<Service>, ClusterError> {
    let Server { client, url } = connect(context).await?;
    let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
    let found = Api::<v1::Service>::namespaced(client, &namespace)
        .list(&ListParams::default())
        .await
        .map_err(ClusterError::api(format!("list the services of {namespace} at {url}")))?;
    Ok(found.items.into_iter().filter_map(service).collect())
}

fn service(found: v1::Service) -> Option<Service> {
    let ports = found.spec.and_then(|spec| spec.ports).unwrap_or_default();
    let ports = ports.into_iter().filter(|port| port.protocol.as_deref() != Some("UDP"));
    let ports = ports.filter_map(|port| Some((u16::try_from(port.port).ok()?, port.name)));
    Some(Service { name: found.metadata.name?, ports: ports.collect() })
}
