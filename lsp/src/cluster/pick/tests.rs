//! Pods as the API would show them, and which one is meant.

use serde_json::json;

use super::*;

/// A running pod: name, owner, hash, minute of creation, readiness.
fn pod(name: &str, owner: &str, hash: &str, minute: u8, ready: bool) -> Pod {
    let owners = owner.split_once('/').map(|(kind, name)| {
        json!([{ "apiVersion": "v1", "kind": kind, "name": name, "uid": "u", "controller": true }])
    });
    let made = json!({
        "metadata": {
            "name": name,
            "uid": format!("uid-{name}"),
            "creationTimestamp": format!("2026-01-01T00:{minute:02}:00Z"),
            "labels": { "pod-template-hash": hash },
            "ownerReferences": owners,
        },
        "spec": { "containers": [{ "name": "app" }] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
        },
    });
    serde_json::from_value(made).unwrap()
}

fn with(mut pod: Pod, change: impl FnOnce(&mut serde_json::Value)) -> Pod {
    let mut value = serde_json::to_value(&pod).unwrap();
    change(&mut value);
    pod = serde_json::from_value(value).unwrap();
    pod
}

#[track_caller]
fn picks(target: &str, pods: &[Pod], wanted: &str) {
    let place = pick(&Workload::parse(target).unwrap(), pods, None).unwrap();
    assert_eq!(format!("{}/{}", place.pod, place.container), wanted);
}

#[test]
fn workloads_are_found_from_their_pods_alone() {
    let pods = [
        pod("api-5d9-x", "ReplicaSet/api-5d9", "5d9", 1, true),
        pod("api-v2-77c-y", "ReplicaSet/api-v2-77c", "77c", 1, true),
        pod("db-0", "StatefulSet/db", "", 1, true),
        pod("nightly-28123456-z", "Job/nightly-28123456", "", 1, true),
        pod("bare", "", "", 1, true),
    ];
    picks("deploy/api", &pods, "api-5d9-x/app");
    picks("deploy/api-v2", &pods, "api-v2-77c-y/app");
    picks("rs/api-5d9", &pods, "api-5d9-x/app");
    picks("sts/db", &pods, "db-0/app");
    picks("cronjob/nightly", &pods, "nightly-28123456-z/app");
    picks("pod/bare", &pods, "bare/app");
    let known = ["cronjob/nightly", "deploy/api", "deploy/api-v2", "pod/bare", "statefulset/db"];
    assert_eq!(workloads(&pods), known);
    let missing = pick(&Workload::parse("deploy/apu").unwrap(), &pods, None);
    assert!(matches!(missing, Err(NoPlace::Unknown { known }) if known.len() == 5));
}

#[test]
fn the_newest_generations_oldest_ready_pod_is_meant() {
    let pods = [
        pod("api-old-a", "ReplicaSet/api-old", "old", 1, true),
        pod("api-new-c", "ReplicaSet/api-new", "new", 5, false),
        pod("api-new-b", "ReplicaSet/api-new", "new", 7, true),
        pod("api-new-d", "ReplicaSet/api-new", "new", 9, true),
    ];
    picks("deploy/api", &pods, "api-new-b/app");
    // Until a new one is ready, the old one is.
    picks("deploy/api", &pods[..2], "api-old-a/app");
}

#[test]
fn a_pod_that_was_chosen_is_kept_while_it_runs() {
    let workload = Workload::parse("deploy/api").unwrap();
    let mut pods = vec![
        pod("api-1-a", "ReplicaSet/api-1", "1", 1, true),
        pod("api-1-b", "ReplicaSet/api-1", "1", 2, true),
    ];
    let place = pick(&workload, &pods[1..], None).unwrap();
    assert_eq!(pick(&workload, &pods, Some(&place)).unwrap().pod, "api-1-b");
    pods[1] = with(pods[1].clone(), |pod| {
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:09:00Z".into();
    });
    assert_eq!(pick(&workload, &pods, Some(&place)).unwrap().pod, "api-1-a");
}

#[test]
fn containers_are_chosen_as_kubectl_does_and_sidecars_last() {
    let containers = |names: &[&str]| {
        let list: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        with(pod("a", "", "", 1, true), |pod| pod["spec"]["containers"] = list.into())
    };
    picks("pod/a", &[containers(&["istio-proxy", "web"])], "a/web");
    picks("pod/a", &[containers(&["web", "db"])], "a/web");
    picks("pod/a -c db", &[containers(&["web", "db"])], "a/db");
    picks("pod/a", &[containers(&["envoy"])], "a/envoy");
    let annotated = with(containers(&["web", "db"]), |pod| {
        pod["metadata"]["annotations"] = json!({ "kubectl.kubernetes.io/default-container": "db" });
    });
    picks("pod/a", &[annotated], "a/db");
    let missing =
        pick(&Workload::parse("pod/a -c x").unwrap(), &[containers(&["web", "db"])], None);
    assert_eq!(
        missing,
        Err(NoPlace::NoContainer { pod: "a".into(), known: vec!["web".into(), "db".into()] })
    );
}

#[test]
fn what_does_not_run_says_why() {
    let crashing = with(pod("a", "", "", 1, false), |pod| {
        pod["status"]["phase"] = "Pending".into();
        pod["status"]["containerStatuses"] = json!([{
            "name": "app", "image": "x", "imageID": "", "ready": false, "restartCount": 3,
            "state": { "waiting": { "reason": "ImagePullBackOff", "message": "no such image" } },
        }]);
    });
    let result = pick(&Workload::parse("pod/a").unwrap(), &[crashing], None);
    let Err(NoPlace::NotRunning { reasons }) = result else { panic!("{result:?}") };
    assert_eq!(reasons, ["a: container app is in ImagePullBackOff: no such image"]);
}

#[test]
fn only_writable_empty_dirs_are_offered() {
    let mounted = with(pod("a", "", "", 1, true), |pod| {
        pod["spec"]["volumes"] = json!([
            { "name": "scratch", "emptyDir": {} },
            { "name": "read", "emptyDir": {} },
            { "name": "conf", "configMap": { "name": "c" } },
        ]);
        pod["spec"]["containers"][0]["volumeMounts"] = json!([
            { "name": "conf", "mountPath": "/etc/app" },
            { "name": "read", "mountPath": "/read", "readOnly": true },
            { "name": "scratch", "mountPath": "/scratch" },
        ]);
    });
    let place = pick(&Workload::parse("pod/a").unwrap(), &[mounted], None).unwrap();
    assert_eq!(place.mounts, ["/scratch"]);
}

#[test]
fn the_other_pods_are_those_of_the_same_generation_that_serve() {
    let pods = [
        pod("api-new-1", "ReplicaSet/api-new", "new", 5, true),
        pod("api-new-2", "ReplicaSet/api-new", "new", 6, true),
        pod("api-new-3", "ReplicaSet/api-new", "new", 7, false),
        pod("api-old-1", "ReplicaSet/api-old", "old", 1, true),
        pod("web-new-1", "ReplicaSet/web-new", "new", 5, true),
    ];
    let workload = Workload::parse("deploy/api --all").unwrap();
    let first = pick(&workload, &pods, None).unwrap();
    assert_eq!(first.pod, "api-new-1");
    let others = others(&workload, &pods, &first);
    assert_eq!(others.iter().map(|place| place.pod.as_str()).collect::<Vec<_>>(), ["api-new-2"]);
}
