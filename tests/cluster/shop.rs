//! A namespace of its own for one test: Pod Security `restricted`, an account with
//! the rights that the README names and no others, and workloads to go to.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use harness::cluster::Cluster;
use harness::sandbox::Sandbox;
use harness::wait;

/// The cluster of all tests.
pub fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start)
}

/// The agent that goes into pods, built once.
pub fn static_agent() -> &'static Path {
    static AGENT: OnceLock<PathBuf> = OnceLock::new();
    AGENT.get_or_init(harness::bins::static_agent)
}

/// Held for reading by every test, and for writing by one that kills parts of the
/// cluster, which no other test may notice.
static CALM: RwLock<()> = RwLock::new(());

#[expect(dead_code, reason = "held, not read")]
enum Calm {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
    /// As long as the person whose guest this is.
    Guest,
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
    _calm: Calm,
}

impl Shop {
    /// Makes it.
    pub fn new() -> Self {
        Self::under("restricted")
    }

    /// Makes one while no other test runs.
    pub fn alone() -> Self {
        let alone = CALM.write().unwrap_or_else(PoisonError::into_inner);
        Self::make("restricted", Calm::Alone(alone))
    }

    /// Another person in this one's namespace, with a machine and an account as good.
    pub fn colleague(&self) -> Self {
        let sandbox = Sandbox::new();
        let kubeconfig = sandbox.path().join("kubeconfig");
        fs::copy(&self.kubeconfig, &kubeconfig).expect("the kubeconfig can be copied");
        Self { name: self.name.clone(), sandbox, kubeconfig, _calm: Calm::Guest }
    }

    /// Makes one that enforces another Pod Security level.
    pub fn under(level: &str) -> Self {
        let shared = CALM.read().unwrap_or_else(PoisonError::into_inner);
        Self::make(level, Calm::Shared(shared))
    }

    fn make(level: &str, calm: Calm) -> Self {
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
  labels: {{ pod-security.kubernetes.io/enforce: {level} }}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{ name: dev, namespace: {name} }}
"
        ));
        let kubeconfig = sandbox.path().join("kubeconfig");
        let shop = Self { name, sandbox, kubeconfig, _calm: calm };
        wait::until("the namespace to have its account", || {
            shop.try_kubectl(&["get", "serviceaccount", "default"]).ok()
        });
        shop.grant("dev", &[]);
        shop.write_kubeconfig("dev");
        shop
    }

    /// Gives an account what `towline rbac` says, and nothing else.
    pub fn grant(&self, account: &str, more: &[&str]) {
        let args = ["rbac", "-n", &self.name, "--service-account", account];
        let role = self.sandbox.run(&[&args, more].concat());
        cluster().apply(&role);
    }

    /// The account's own way to the cluster.
    pub fn write_kubeconfig(&self, account: &str) {
        let token = cluster().kubectl(&["-n", &self.name, "create", "token", account]);
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

    /// Applies a Deployment with one container `app`, which `container` (YAML flow)
    /// describes, and waits for it.
    pub fn deploy(&self, name: &str, container: &str) {
        self.apply(&format!(
            "
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name}, namespace: NAMESPACE }}
spec:
  selector: {{ matchLabels: {{ app: {name} }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: app
        image: BUSYBOX
        imagePullPolicy: IfNotPresent
        {container}
        SECURITY
"
        ));
        self.rolled_out(&format!("deploy/{name}"));
    }

    /// Applies a pod with this spec and waits until it is ready.
    pub fn pod(&self, name: &str, spec: &str) {
        self.apply(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{ name: {name}, namespace: NAMESPACE }}
spec:
  terminationGracePeriodSeconds: 1
{spec}
"
        ));
        let pod = format!("pod/{name}");
        self.kubectl(&["wait", "--for=condition=Ready", &pod, "--timeout=120s"]);
    }

    /// Runs `towline ARGS`, which has to fail with exit code `code`; returns what it
    /// said.
    pub fn fails(&self, code: i32, args: &[&str]) -> String {
        let output = self.try_run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "towline {args:?} said {said}");
        println!("towline {}: {said}", args.join(" "));
        said
    }

    /// The cluster's DNS server, as pods know it.
    pub fn name_server(&self) -> String {
        let file = self.kubectl(&["exec", "deploy/api", "--", "cat", "/etc/resolv.conf"]);
        let mut lines = file.lines().filter_map(|line| line.strip_prefix("nameserver "));
        lines.next().expect("pods have a DNS server").trim().to_owned()
    }

    /// The first local address of a forward.
    pub fn address(&self, forward: usize) -> String {
        let status = self.status();
        let address = status["forwards"][forward]["local"][0].as_str();
        address.unwrap_or_else(|| panic!("no forward {forward}: {status}")).to_owned()
    }

    /// `towline status --json`.
    pub fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.run(&["status", "--json"])).expect("status is JSON")
    }

    /// `kubectl ARGS` as the administrator, in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> String {
        cluster().kubectl(&[&["-n", &self.name], args].concat())
    }

    /// `kubectl ARGS` that may fail.
    pub fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        cluster().try_kubectl(&[&["-n", &self.name], args].concat())
    }

    /// The account's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Waits until a deployment's pods are all there.
    pub fn rolled_out(&self, workload: &str) {
        self.kubectl(&["rollout", "status", workload, "--timeout", "120s"]);
    }

    /// `towline ARGS` in the workspace, as the account's owner.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.sandbox.command(args);
        command.env("KUBECONFIG", &self.kubeconfig);
        command.env("TOWLINE_AGENT_BIN", static_agent());
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
        let _ = cluster().try_kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// The body of an HTTP answer; none without one.
pub fn get(address: &str, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}
