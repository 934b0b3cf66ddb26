//! A namespace of its own for one test: Pod Security `restricted`, an account with
//! the rights that the README names and no others, and workloads to go to.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::bins::static_agent;
use harness::cluster::Cluster;
use harness::sandbox::Sandbox;

/// The cluster of all tests.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(0))
}

/// What `restricted` wants of a container.
pub const SECURITY: &str = "securityContext: { allowPrivilegeEscalation: false, \
    runAsNonRoot: true, runAsUser: 1000, capabilities: { drop: [ALL] }, \
    seccompProfile: { type: RuntimeDefault } }";

/// A namespace with an account, and the workspace of the account's owner.
pub struct Shop {
    /// The namespace.
    pub name: String,
    /// The workspace.
    pub sandbox: Sandbox,
    kubeconfig: PathBuf,
}

impl Shop {
    /// Makes it.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("shop-{}-{number}", std::process::id());
        let sandbox = Sandbox::new();
        cluster().apply(&format!(
            "
apiVersion: v1
kind: Namespace
metadata:
  name: {name}
  labels: {{ pod-security.kubernetes.io/enforce: restricted }}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: dev, namespace: {name} }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{ name: dev, namespace: {name} }}
rules:
- {{ apiGroups: [''], resources: [pods], verbs: [get, list, watch] }}
- {{ apiGroups: [''], resources: [pods/exec], verbs: [get, create] }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{ name: dev, namespace: {name} }}
roleRef: {{ apiGroup: rbac.authorization.k8s.io, kind: Role, name: dev }}
subjects: [{{ kind: ServiceAccount, name: dev, namespace: {name} }}]
"
        ));
        let kubeconfig = sandbox.path().join("kubeconfig");
        let shop = Self { name, sandbox, kubeconfig };
        shop.write_kubeconfig();
        shop
    }

    /// The account's own way to the cluster.
    fn write_kubeconfig(&self) {
        let token = cluster().kubectl(&["-n", &self.name, "create", "token", "dev"]);
        let view = ["config", "view", "--raw", "--flatten", "--minify", "-o"];
        let of_cluster = |what: &str| {
            let path = format!("jsonpath={{.clusters[0].cluster.{what}}}");
            cluster().kubectl(&[&view[..], &[&path]].concat())
        };
        let authority = of_cluster("certificate-authority-data");
        let text = format!(
            "apiVersion: v1
kind: Config
clusters: [{{name: local, cluster: {{server: '{}', certificate-authority-data: {authority}}}}}]
users: [{{name: dev, user: {{token: {}}}}}]
contexts: [{{name: dev, context: {{cluster: local, user: dev, namespace: {}}}}}]
current-context: dev
",
            of_cluster("server"),
            token.trim(),
            self.name
        );
        fs::write(&self.kubeconfig, text).expect("the kubeconfig can be written");
    }

    /// Applies a manifest in the namespace.
    pub fn apply(&self, manifest: &str) {
        let manifest = manifest
            .replace("NAMESPACE", &self.name)
            .replace("SECURITY", SECURITY)
            .replace("BUSYBOX", &cluster().busybox());
        cluster().apply(&manifest);
    }

    /// `kubectl ARGS` as the administrator, in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> String {
        cluster().kubectl(&[&["-n", &self.name], args].concat())
    }

    /// Waits until a deployment's pods are all there.
    pub fn rolled_out(&self, workload: &str) {
        self.kubectl(&["rollout", "status", workload, "--timeout", "120s"]);
    }

    /// `towline ARGS` in the workspace, as the account's owner.
    pub fn command(&self, args: &[&str]) -> Command {
        static AGENT: OnceLock<PathBuf> = OnceLock::new();
        let mut command = self.sandbox.command(args);
        command.env("KUBECONFIG", &self.kubeconfig);
        command.env("TOWLINE_AGENT_BIN", AGENT.get_or_init(static_agent));
        command
    }

    /// Runs it to its end, whatever it is.
    pub fn try_run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("towline can be started")
    }

    /// Runs it, which has to succeed, and returns what it printed.
    pub fn run(&self, args: &[&str]) -> String {
        let output = self.try_run(args);
        assert!(
            output.status.success(),
            "towline {args:?}: {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.sandbox.logs()
        );
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // In the background: pods take their time to end.
        cluster().kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}
