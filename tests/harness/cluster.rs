//! A real single-node Kubernetes: built from `tests/node`, started in namespaces
//! of its own, gone with the test run. Needs root, Go, and Debian's containerd,
//! runc, CNI plugins, iproute2, nftables, iptables, conntrack and busybox-static.
//!
//! With `TOWLINE_KEEP_CLUSTER=1` a developer's cluster outlives the test run and
//! the next run takes it. With `TOWLINE_TEST_CLUSTER=1` the cluster that KUBECONFIG
//! names is taken instead; it has to be able to pull `TOWLINE_TEST_IMAGE`, an image
//! with BusyBox.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use crate::{rootfs, wait};

/// A running cluster.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    number: u8,
    kubeconfig: PathBuf,
    node: Option<Child>,
    /// Held for the number.
    _lock: Option<fs::File>,
}

/// The node's components that a test may kill or hold down.
#[derive(Debug, Clone, Copy)]
pub enum Component {
    /// The API server.
    ApiServer,
    /// The kubelet.
    Kubelet,
    /// The container runtime.
    Containerd,
}

impl Component {
    fn name(self) -> &'static str {
        match self {
            Self::ApiServer => "kube-apiserver",
            Self::Kubelet => "kubelet",
            Self::Containerd => "containerd",
        }
    }
}

impl Cluster {
    /// Starts one with the images `towline.test/pause:1`, `towline.test/busybox:1` and
    /// `towline.test/no-shell:1`, which is a web server and nothing else.
    ///
    /// # Panics
    /// When it cannot be started: a suite that could not run must not pass.
    pub fn start() -> Self {
        let clusters = target().join("cluster");
        fs::create_dir_all(&clusters).expect("the clusters' directory can be made");
        if let Some(kubeconfig) = foreign() {
            let cluster = Self { folder: clusters, number: 0, kubeconfig, node: None, _lock: None };
            cluster.kubectl(&["get", "namespaces"]);
            return cluster;
        }
        if kept()
            && let Some(cluster) = Self::kept(&clusters.join("kept"))
        {
            return cluster;
        }
        let (number, lock) = reserve();
        let folder = clusters.join(if kept() { "kept".to_owned() } else { number.to_string() });
        let kubeconfig = folder.join("admin.kubeconfig");
        let mut cluster = Self { folder, number, kubeconfig, node: None, _lock: Some(lock) };
        let _ = fs::remove_dir_all(&cluster.folder); // a killed predecessor's
        fs::create_dir_all(&cluster.folder).expect("the cluster's directory can be made");
        fs::write(cluster.folder.join("number"), number.to_string()).expect("its number");
        let mut node = Command::new("setsid");
        node.arg(binary()).arg("node").args(kept().then_some("--keep"));
        node.arg(&cluster.folder).arg(cluster.number.to_string());
        let mut node = node
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the node can be started");
        let pid = node.id().to_string();
        fs::write(cluster.folder.join("pid"), pid).expect("its process");
        let mut line = String::new();
        let out = node.stdout.take().expect("stdout is piped");
        BufReader::new(out).read_line(&mut line).expect("the node says something");
        let log = cluster.folder.join("log");
        assert_eq!(line, "ready\n", "the cluster did not start; see {}", log.display());
        cluster.node = Some(node);
        cluster.base_images();
        cluster
    }

    /// The one that an earlier run left to us, if it is well.
    fn kept(folder: &Path) -> Option<Self> {
        let number = fs::read_to_string(folder.join("number")).ok()?.parse().ok()?;
        let kubeconfig = folder.join("admin.kubeconfig");
        let cluster =
            Self { folder: folder.to_owned(), number, kubeconfig, node: None, _lock: None };
        cluster.try_kubectl(&["get", "node", "node"]).is_ok().then_some(cluster)
    }

    /// What reaches it as its administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// What reaches it as somebody whose certificate has expired.
    pub fn expired_kubeconfig(&self) -> PathBuf {
        self.folder.join("late.kubeconfig")
    }

    /// An image with BusyBox that its node has or can pull.
    pub fn busybox(&self) -> String {
        match foreign() {
            Some(_) => std::env::var("TOWLINE_TEST_IMAGE").expect("TOWLINE_TEST_IMAGE is set"),
            None => "towline.test/busybox:1".to_owned(),
        }
    }

    /// The host's end of the link to the node, for `tc` and `ip`.
    pub fn link(&self) -> String {
        format!("twl-host{}", self.number)
    }

    /// `kubectl ARGS`, which has to succeed; returns what it printed.
    ///
    /// # Panics
    /// When it fails, with what it said.
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.try_kubectl(args).unwrap_or_else(|error| panic!("kubectl {}: {error}", args.join(" ")))
    }

    /// `kubectl`, not started yet.
    pub fn kubectl_command(&self) -> Command {
        let mut kubectl = Command::new(binary());
        kubectl.arg("kubectl").arg("--kubeconfig").arg(&self.kubeconfig);
        kubectl
    }

    /// See [`Cluster::kubectl`].
    ///
    /// # Errors
    /// What it said.
    pub fn try_kubectl(&self, args: &[&str]) -> Result<String, String> {
        let mut kubectl = Command::new(binary());
        kubectl.arg("kubectl").arg("--kubeconfig").arg(&self.kubeconfig).args(args);
        let output = kubectl.output().map_err(|error| format!("it cannot be started: {error}"))?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Applies `manifest`.
    ///
    /// # Panics
    /// When the API server refuses.
    pub fn apply(&self, manifest: &str) {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        file.write_all(manifest.as_bytes()).expect("the manifest can be written");
        self.kubectl(&["apply", "-f", &file.path().display().to_string()]);
    }

    /// Kills a component with SIGKILL; the node starts it again at once.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self, component: Component) {
        let path = self.folder.join(format!("log/{}.pid", component.name()));
        let pid = fs::read_to_string(path).expect("the component has run");
        // The pid is of the node's own pid namespace.
        let inside = self.inside_pid();
        let status = Command::new("nsenter")
            .args(["-t", &inside, "-p", "-m", "kill", "-9", pid.trim()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "{} could not be killed",
            component.name()
        );
    }

    /// Kills a component and keeps it down until the value is dropped.
    ///
    /// # Panics
    /// When it does not run.
    pub fn hold(&self, component: Component) -> impl Drop + use<> {
        struct Held(PathBuf);
        impl Drop for Held {
            fn drop(&mut self) {
                let _ = fs::remove_file(&self.0); // the node's end removes it, too
            }
        }
        let hold = self.folder.join(format!("log/{}.hold", component.name()));
        fs::write(&hold, "").expect("the node's directory can be written to");
        self.kill(component);
        Held(hold)
    }

    /// Takes the link between this machine and the node down, for that long.
    ///
    /// # Panics
    /// When the interface cannot be changed.
    pub fn outage(&self, duration: Duration) {
        // At the node's end: packets vanish, and nobody else answers in its place.
        let inside = self.inside_pid();
        let ip = |args: &str| {
            let mut nsenter = Command::new("nsenter");
            nsenter.args(["-t", &inside, "-n", "ip"]).args(args.split(' '));
            assert!(nsenter.status().is_ok_and(|status| status.success()), "ip {args}");
        };
        ip("link set twl-node down");
        wait::pass(duration);
        ip("link set twl-node up");
        // The kernel forgets routes with the link.
        ip(&format!("route replace default via 10.99.{}.1", self.number));
    }

    /// Drops all UDP to an address, as a firewall does, until the value is dropped.
    ///
    /// # Panics
    /// When the firewall cannot be changed.
    pub fn close_udp(&self, address: &str) -> impl Drop + use<> {
        self.firewall(&format!(
            "chain outgoing {{
                type filter hook output priority 0
                ip daddr {address} ip protocol udp drop
            }}"
        ))
    }

    /// Loses so many of a hundred packets between this machine and the node, in each
    /// direction, until the value is dropped.
    ///
    /// # Panics
    /// When the firewall cannot be changed.
    pub fn lose(&self, percent: u32) -> impl Drop + use<> {
        let link = format!("twl-host{}", self.number);
        let lost = format!("numgen random mod 100 < {percent} drop");
        self.firewall(&format!(
            "chain outgoing {{ type filter hook output priority 0; oifname {link} {lost}; }}
             chain incoming {{ type filter hook input priority 0; iifname {link} {lost}; }}"
        ))
    }

    fn firewall(&self, chains: &str) -> impl Drop + use<> {
        struct Closed(String);
        impl Drop for Closed {
            fn drop(&mut self) {
                let _ = Command::new("nft").args(["delete", "table", "ip", &self.0]).status();
            }
        }
        let table = format!("towline_test_{}", self.number);
        let rules = format!("table ip {table} {{\n{chains}\n}}");
        let closed = Command::new("nft").arg(&rules).status();
        assert!(closed.is_ok_and(|status| status.success()), "nft {rules}");
        Closed(table)
    }

    /// Cuts every connection that this machine has with the API server.
    ///
    /// # Panics
    /// When there is no `ss`, or it may not.
    pub fn cut_connections(&self) {
        let node = format!("10.99.{}.2", self.number);
        let mut cut = Command::new("ss");
        let to_server = ["dport", "=", ":6443"];
        let cut = cut.args(["-t", "-K", "state", "established", "dst", &node]);
        let cut = cut.args(to_server).output().expect("ss can be started: install iproute2");
        assert!(cut.status.success(), "{}", String::from_utf8_lossy(&cut.stderr));
    }

    /// Makes `image` from a directory and loads it.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn image(&self, image: &str, root: &Path, user: &str, command: &[&str]) {
        let archive = self.folder.join("image.tar");
        let mut make = Command::new(binary());
        make.args(["image", "--user", user, image]).arg(&archive).arg(root).args(command);
        assert!(
            make.status().is_ok_and(|status| status.success()),
            "image {image} could not be made"
        );
        self.load(&archive, &[]);
    }

    /// Loads an archive of images; `how` are flags of `ctr images import`.
    ///
    /// # Panics
    /// When it cannot be loaded.
    pub fn load(&self, archive: &Path, how: &[&str]) {
        let mut load = Command::new("ctr");
        load.arg("-a").arg(self.folder.join("containerd.sock"));
        load.args(["-n", "k8s.io", "images", "import"]).args(how).arg(archive);
        let loaded = load.output().expect("ctr can be started: install containerd");
        let said = String::from_utf8_lossy(&loaded.stderr);
        assert!(loaded.status.success(), "{}: {said}", archive.display());
    }

    fn base_images(&self) {
        let root = self.folder.join("image");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/pause/pause.c");
        fs::create_dir_all(&root).expect("directory");
        let compiled = Command::new("gcc")
            .args(["-static", "-Os", "-o"])
            .arg(root.join("pause"))
            .arg(source)
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "pause could not be compiled");
        self.image("towline.test/pause:1", &root, "", &["/pause"]);
        fs::remove_dir_all(&root).expect("directory");

        rootfs::directories(&root);
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("install busybox-static");
        let applets =
            Command::new("/bin/busybox").arg("--list").output().expect("busybox can be started");
        for applet in
            String::from_utf8_lossy(&applets.stdout).lines().filter(|name| *name != "busybox")
        {
            symlink("busybox", root.join("bin").join(applet)).expect("link");
        }
        self.image("towline.test/busybox:1", &root, "", &["/bin/sh"]);
        // One program alone: BusyBox does what it is called.
        fs::remove_dir_all(root.join("bin")).expect("directory");
        fs::create_dir(root.join("bin")).expect("directory");
        fs::copy("/bin/busybox", root.join("bin/httpd")).expect("install busybox-static");
        self.image("towline.test/no-shell:1", &root, "1000", &["/bin/httpd", "-f", "-p", "8080"]);
        fs::remove_dir_all(&root).expect("directory");
    }

    fn inside_pid(&self) -> String {
        let node = fs::read_to_string(self.folder.join("pid")).expect("the node has run");
        // Each thread has children of its own, and Go starts processes from any.
        let threads = fs::read_dir(format!("/proc/{node}/task")).expect("the node runs");
        let children: String = threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
            .collect();
        children.split_whitespace().next().expect("the node has its first process").to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let Some(node) = &mut self.node else { return };
        if kept() {
            return;
        }
        let _ = node.kill(); // takes every process, mount and address along
        let _ = node.wait();
        wait::until("the node's interface to be gone", || {
            (!Path::new("/sys/class/net").join(format!("twl-host{}", self.number)).exists())
                .then_some(())
        });
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn kept() -> bool {
    std::env::var_os("TOWLINE_KEEP_CLUSTER").is_some()
}

fn foreign() -> Option<PathBuf> {
    std::env::var_os("TOWLINE_TEST_CLUSTER")?;
    Some(std::env::var_os("KUBECONFIG").expect("KUBECONFIG names the cluster").into())
}

/// A number, from which a cluster's addresses follow, that no other cluster of this
/// machine has.
fn reserve() -> (u8, fs::File) {
    for number in 0..=200 {
        if Path::new("/sys/class/net").join(format!("twl-host{number}")).exists() {
            continue;
        }
        let path = std::env::temp_dir().join(format!("towline-test-cluster-{number}.lock"));
        let lock = fs::File::create(path).expect("a lock can be made");
        if lock.try_lock().is_ok() {
            return (number, lock);
        }
    }
    panic!("201 clusters run on this machine");
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target")
}

/// The node's binary, built once; minutes with an empty Go cache, else seconds.
///
/// # Panics
/// When it does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let out = target().join("cluster/node");
        let version = "k8s.io/component-base/version";
        let flags = format!(
            "-s -w -X {version}.gitVersion=v1.35.4 -X {version}.gitMajor=1 -X {version}.gitMinor=35"
        );
        let mut go = Command::new("go");
        go.args(["build", "-ldflags", &flags, "-o"]).arg(&out).arg(".");
        let built = go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("node")).status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "the test cluster did not build: Go is needed"
        );
        out
    })
}
