//! What a user reads when it does not work: what was tried, why it failed, what to
//! do.

use std::fs;

use harness::cluster::Component;
use harness::wait;

use crate::shop::{Shop, cluster};

const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]";

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in: {said}");
    }
}

/// Replaces a part of the kubeconfig.
fn edit_kubeconfig(shop: &Shop, from: &str, to: &str) {
    let text = fs::read_to_string(shop.kubeconfig()).expect("the kubeconfig");
    let (before, rest) = text.split_once(from).expect("the part is there");
    let (_, after) = rest.split_once(['}', ',']).expect("it ends");
    let end = &rest[rest.len() - after.len() - 1..];
    fs::write(shop.kubeconfig(), format!("{before}{to}{end}")).expect("the kubeconfig");
}

#[test]
fn without_a_way_to_the_cluster() {
    let shop = Shop::new();
    let said = shop.fails(4, &["up", "deploy/api", "--context", "nope"]);
    says(&said, &["kubeconfig", "nope"]);
    edit_kubeconfig(&shop, "server: ", "server: 'https://127.0.0.1:9'");
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["list and watch the pods", "127.0.0.1:9", "refused"]);
    shop.write_kubeconfig("dev");
    edit_kubeconfig(&shop, "token: ", "token: nonsense");
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["does not know who you are", "log in again"]);
    fs::write(shop.kubeconfig(), "not: [yaml").expect("the kubeconfig");
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["unable to read the kubeconfig"]);
    fs::copy(cluster().expired_kubeconfig(), shop.kubeconfig()).expect("the kubeconfig");
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["certificate may have expired"]);
}

#[test]
fn another_kind_of_machine_is_told() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    let mut agent = fs::read(harness::bins::static_agent()).expect("the agent");
    agent[18..20].copy_from_slice(&183_u16.to_le_bytes()); // aarch64, says its ELF header
    let other = shop.sandbox.path().join("agent");
    fs::write(&other, agent).expect("a file");
    let mut up = shop.command(&["up", "deploy/api"]);
    let output = up.env("TOWLINE_AGENT_BIN", &other).output().expect("it starts");
    assert_eq!(output.status.code(), Some(4));
    says(&String::from_utf8_lossy(&output.stderr), &["its node is x86_64", "is for aarch64"]);
    let left = shop.kubectl(&["exec", "deploy/api", "--", "ls", "-A", "/tmp"]);
    assert_eq!(left, "", "what was tried leaves nothing");
}

#[test]
fn a_node_that_is_gone_is_told() {
    let shop = Shop::alone();
    shop.deploy("api", WEB);
    let held = cluster().hold(Component::Kubelet);
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["container app", "cannot reach its node", "connection refused"]);
    assert!(!said.contains("command="), "{said}");
    drop(held);
    wait::until("the node to be back", || {
        shop.try_kubectl(&["exec", "deploy/api", "--", "true"]).ok()
    });
    shop.run(&["up", "deploy/api"]);
    shop.run(&["down"]);
}

#[test]
fn without_rights_the_missing_one_is_named() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    cluster().apply(&format!(
        "
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: nobody, namespace: {0} }}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: looker, namespace: {0} }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: looker, namespace: {0} }}
rules: [{{ apiGroups: [''], resources: [pods], verbs: [get, list, watch] }}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: looker, namespace: {0} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: looker }}
subjects: [{{ kind: ServiceAccount, name: looker, namespace: {0} }}]
",
        shop.name
    ));
    shop.write_kubeconfig("nobody");
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["cannot list resource \"pods\"", "ask an administrator", "towline rbac"]);
    shop.write_kubeconfig("looker");
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["pods/exec", "ask an administrator", "towline rbac"]);
    let said = shop.fails(4, &["up", "svc/api"]);
    says(&said, &["services", "get"]);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    let said = shop.fails(4, &["up", "deploy/apy"]);
    says(&said, &["there is no deploy/apy", "did you mean deploy/api?"]);
    let said = shop.fails(4, &["up", "deploy/api", "-c", "nginx"]);
    says(&said, &["no such container", "it has: app"]);
    let said = shop.fails(4, &["up", "deploy/api", "-n", "elsewhere"]);
    says(&said, &["cannot list resource", "elsewhere"]);
    let said = shop.fails(2, &["up", "depoy/api"]);
    says(&said, &["no kind `depoy`", "deploy"]);
}

#[test]
fn what_does_not_run_is_told_with_its_reason() {
    let shop = Shop::new();
    // It never runs, not even for a moment.
    shop.apply(&pod("crashing", "image: BUSYBOX, command: ['/no/such/program'],"));
    shop.apply(&pod("missing", "image: '127.0.0.1:9/none:1', command: [sh],"));
    let state = "jsonpath={.status.containerStatuses[0].state}";
    let reached = |pod: &str, reasons: [&str; 2]| {
        wait::until("the pod to fail", || {
            let state = shop.kubectl(&["get", "pod", pod, "-o", state]);
            reasons.iter().any(|reason| state.contains(reason)).then_some(())
        });
    };
    reached("crashing", ["CrashLoopBackOff", "StartError"]);
    reached("missing", ["ErrImagePull", "ImagePullBackOff"]);
    let said = shop.fails(4, &["up", "pod/crashing"]);
    // It is started again and again, so it is in one of two states.
    let (waits, ended) = ("container app is in ", "container app ended with 128");
    assert!(said.contains(waits) || said.contains(ended), "{said}");
    let said = shop.fails(4, &["up", "pod/missing"]);
    says(&said, &["container app is in", "Image"]);
}

#[test]
fn a_workload_without_a_pod_says_why_to_who_may_ask() {
    let shop = Shop::new();
    shop.apply(
        "
apiVersion: v1
kind: ResourceQuota
metadata: { name: none, namespace: NAMESPACE }
spec: { hard: { pods: '0' } }
",
    );
    shop.apply(
        "
apiVersion: apps/v1
kind: Deployment
metadata: { name: api, namespace: NAMESPACE }
spec:
  selector: { matchLabels: { app: api } }
  template:
    metadata: { labels: { app: api } }
    spec: { containers: [{ name: app, image: BUSYBOX, SECURITY }] }
",
    );
    let failure = "jsonpath={.status.conditions[?(@.type=='ReplicaFailure')].message}";
    wait::until("the quota to be felt", || {
        let told = shop.kubectl(&["get", "deploy", "api", "-o", failure]);
        told.contains("exceeded quota").then_some(())
    });
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["there is no deploy/api", "with a pod", "no other pod either"]);
    shop.kubectl(&["create", "role", "apps", "--verb=get", "--resource=deployments.apps"]);
    let to = format!("--serviceaccount={}:dev", shop.name);
    shop.kubectl(&["create", "rolebinding", "apps", "--role=apps", &to]);
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["deploy/api in namespace", "has no pod", "exceeded quota: none"]);
    shop.kubectl(&["delete", "resourcequota", "none"]);
    shop.kubectl(&["scale", "deploy/api", "--replicas=0"]);
    wait::until("no pod to be left", || {
        shop.kubectl(&["get", "pods", "-o", "name"]).is_empty().then_some(())
    });
    // The condition is of the last attempt to make a pod.
    wait::until("the scale to be told", || {
        let output = shop.try_run(&["up", "deploy/api"]);
        String::from_utf8_lossy(&output.stderr).contains("scaled to 0").then_some(())
    });
}

#[test]
fn each_right_that_is_missing_is_named() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    let rules = [
        ("pods", &["get", "list", "watch"][..]),
        ("pods/exec", &["get", "create"]),
        ("pods/ephemeralcontainers", &["patch"]),
    ];
    // In this order: what a later one starts, an earlier one would find.
    for (resource, verb) in [
        ("pods", "list"),
        ("pods", "get"),
        ("pods/ephemeralcontainers", "patch"),
        ("pods/exec", "create"),
    ] {
        let rules: Vec<String> = rules
            .iter()
            .map(|(of, verbs)| {
                let left = verbs.iter().filter(|left| (*of, **left) != (resource, verb));
                let left = left.copied().collect::<Vec<_>>().join(", ");
                format!("{{ apiGroups: [''], resources: [{of}], verbs: [{left}] }}")
            })
            .filter(|rule| !rule.contains("verbs: []"))
            .collect();
        shop.apply(&format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: towline, namespace: NAMESPACE }}
rules: [{}]
",
            rules.join(", ")
        ));
        let image = cluster().busybox();
        let up = ["up", "deploy/api", "--tier", "ephemeral", "--agent-image", &image];
        let said = shop.fails(4, &up);
        // The API server does not say which one it misses, when it is this one.
        let missing = match (resource, verb) {
            ("pods/exec", "create") => "create pods/exec".to_owned(),
            _ => format!("cannot {verb} resource \"{resource}\""),
        };
        says(&said, &[&missing, "towline rbac"]);
    }
}

#[test]
fn an_image_that_cannot_be_pulled_for_an_ephemeral_container_is_told() {
    let shop = Shop::new();
    shop.grant("dev", &["--ephemeral"]);
    shop.deploy("api", WEB);
    let image = "127.0.0.1:9/none:1";
    let up = ["up", "deploy/api", "--tier", "ephemeral", "--agent-image", image];
    says(&shop.fails(4, &up), &["ephemeral", "Image", image]);
}

fn pod(name: &str, container: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{ name: {name}, namespace: NAMESPACE }}
spec:
  containers:
  - {{ name: app, imagePullPolicy: IfNotPresent, {container} SECURITY }}
"
    )
}

#[test]
fn an_admission_rule_is_named() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    cluster().apply(&format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: no-exec-{0} }}
spec:
  failurePolicy: Fail
  matchConstraints:
    namespaceSelector: {{ matchLabels: {{ kubernetes.io/metadata.name: {0} }} }}
    resourceRules:
    - {{ apiGroups: [''], apiVersions: [v1], resources: [pods/exec], operations: [CONNECT] }}
  validations: [{{ expression: 'false', message: 'nobody goes in here' }}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: no-exec-{0} }}
spec: {{ policyName: no-exec-{0}, validationActions: [Deny] }}
",
        shop.name
    ));
    wait::until("the rule to hold", || {
        shop.try_kubectl(&["exec", "deploy/api", "--", "true"]).is_err().then_some(())
    });
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["exec in container app", "nobody goes in here", "no-exec"]);
}
