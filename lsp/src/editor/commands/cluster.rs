//! What there is to connect to.

use serde_json::{Value, json};

use super::answers::{Contexts, Namespaces};
use super::arguments::Where;
use crate::cluster::{contexts, list};
use crate::face::error::FaceError;

/// The contexts of the kubeconfig; none where there is no kubeconfig.
pub fn contexts() -> Result<Value, FaceError> {
    Ok(json!(Contexts { contexts: contexts::all()? }))
}

/// The namespaces that may be listed.
pub async fn namespaces(place: Where) -> Result<Value, FaceError> {
    Ok(json!(match contexts::namespaces(place.context.as_deref()).await {
        Ok(namespaces) => Namespaces { namespaces, problem: None },
        Err(error) => Namespaces { namespaces: Vec::new(), problem: Some(error.to_string()) },
    }))
}

/// The document of `towline list`.
pub async fn list(place: Where) -> Result<Value, FaceError> {
    Ok(crate::face::workloads::document(&found(&place).await?))
}

/// The workloads there.
pub async fn found(place: &Where) -> Result<list::List, FaceError> {
    let (context, namespace) = (place.context.as_deref(), place.namespace.as_deref());
    Ok(list::list(context, namespace, false).await?)
}
