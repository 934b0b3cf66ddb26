//! Why a workload has no pod, as far as the rights of who asks go: with rights on
//! pods alone a workload without pods is not to be told from none at all.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client};
use serde_json::Value;

use super::workload::{Kind, Workload};

/// Conditions that say why pods are not made.
const FAILURES: [&str; 2] = ["ReplicaFailure", "Failed"];

/// Why there is no pod; none when the workload is not there, or may not be asked.
pub async fn why(client: &Client, namespace: &str, workload: &Workload) -> Option<String> {
    let resource = resource(workload.kind)?;
    let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
    let object = api.get(&workload.name).await.ok()?; // it is a better answer, never needed
    Some(reason(&object.data, workload))
}

fn resource(kind: Kind) -> Option<ApiResource> {
    match kind {
        Kind::Deployment => Some(ApiResource::erase::<Deployment>(&())),
        Kind::ReplicaSet => Some(ApiResource::erase::<ReplicaSet>(&())),
        Kind::StatefulSet => Some(ApiResource::erase::<StatefulSet>(&())),
        Kind::DaemonSet => Some(ApiResource::erase::<DaemonSet>(&())),
        Kind::Job => Some(ApiResource::erase::<Job>(&())),
        Kind::CronJob => Some(ApiResource::erase::<CronJob>(&())),
        Kind::Service | Kind::Pod | Kind::Labels => None,
    }
}

fn reason(object: &Value, workload: &Workload) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let failure = conditions.into_iter().flatten().find(|condition| {
        FAILURES.iter().any(|failure| condition["type"] == *failure)
            && condition["status"] == "True"
    });
    if let Some(message) = failure.and_then(|condition| condition["message"].as_str()) {
        return message.to_owned();
    }
    if object["spec"]["replicas"] == 0 {
        return "it is scaled to 0".to_owned();
    }
    if object["spec"]["suspend"] == true {
        return "it is suspended".to_owned();
    }
    let (kind, name) = (workload.kind.word(), &workload.name);
    format!("none was made, or it has ended; `kubectl describe {kind} {name}` may say why")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_workload_says_why_it_has_no_pod() {
        let check = |object: Value, expected: &str| {
            let workload = Workload::parse("deploy/api").unwrap();
            let reason = reason(&object, &workload);
            assert!(reason.contains(expected), "{reason}");
        };
        let failed = |status: &str| {
            let quota = json!({ "type": "ReplicaFailure", "status": status, "message": "quota" });
            json!({ "spec": { "replicas": 1 }, "status": { "conditions": [quota] } })
        };
        check(failed("True"), "quota");
        check(failed("False"), "describe deploy api");
        check(json!({ "spec": { "replicas": 0 } }), "scaled to 0");
        check(json!({ "spec": { "suspend": true } }), "suspended");
        check(json!({}), "describe deploy api");
    }
}
