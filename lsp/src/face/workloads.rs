//! The workloads of a namespace as every face tells of them: with this machine's
//! workspaces that are up on each.

use serde::Serialize;
use serde_json::Value;

use crate::cluster::error::ClusterError;
use crate::cluster::list::{List, Row};
use crate::documents;
use crate::face::error::FaceError;
use crate::hub::api::Failure;
use crate::hub::persist;
use crate::runtime::{Dirs, Workspace};
use crate::status::FailureCode;
use crate::target::Target;

/// The document of `towline list --json`.
pub fn document(found: &List) -> Value {
    let ours = connected();
    let rows = found.workloads.iter().map(|row| Workload {
        row: row.clone(),
        workspaces: workspaces(&ours, row, &found.namespace),
    });
    let namespace = found.namespace.clone();
    documents::of(&Workloads { namespace, workloads: rows.collect() })
}

/// The workloads of a namespace.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Workloads {
    /// The namespace.
    pub namespace: String,
    /// In order of their names.
    pub workloads: Vec<Workload>,
}

/// One of them.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Workload {
    /// As the cluster has it.
    #[serde(flatten)]
    pub row: Row,
    /// Workspaces of this machine that are up on it.
    pub workspaces: Vec<String>,
}

/// Workspaces of this machine that are up on a workload, with it.
pub fn connected() -> Vec<(String, Target)> {
    let Ok(dirs) = Dirs::of_user() else { return Vec::new() };
    let names = std::fs::read_dir(&dirs.state).into_iter().flatten().flatten();
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .map(|id| Workspace::known(&dirs, &id))
        .filter(|workspace| workspace.socket().exists())
        .filter_map(|workspace| persist::load(&workspace).ok()?)
        .map(|persisted| (persisted.workspace, persisted.settings.target))
        .collect()
}

/// Those of them that are up on this one.
pub fn workspaces(ours: &[(String, Target)], row: &Row, namespace: &str) -> Vec<String> {
    let here = |target: &Target| match target {
        Target::Workload(workload) => {
            let named = format!("{}/{}", workload.kind.word(), workload.name);
            named == row.workload
                && workload.namespace.as_deref().is_none_or(|named| named == namespace)
        }
        Target::Local(_) => false,
    };
    ours.iter().filter(|(_, target)| here(target)).map(|(root, _)| root.clone()).collect()
}

impl From<ClusterError> for FaceError {
    fn from(error: ClusterError) -> Self {
        let help = match &error {
            ClusterError::Config(_) | ClusterError::Client(_) => {
                "set KUBECONFIG or write ~/.kube/config, as for kubectl; a directory of this \
                 machine (local:DIR) needs none"
            }
            _ => {
                "`kubectl config get-contexts` shows what there is; choose a context and a namespace"
            }
        };
        Self(Failure::new(FailureCode::Unreachable, error.to_string())).help(help)
    }
}
