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
    shop.apply(
        "
apiVersion: v1
kind: ResourceQuota
metadata: { name: none, namespace: NAMESPACE }
spec: { hard: { pods: '2' } }
",
    );
    let said = shop.fails(4, &["up", "deploy/api"]);
    says(&said, &["there is no deploy/api", "it has: pod/crashing, pod/missing"]);
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
