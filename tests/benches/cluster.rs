//! A pod on the test cluster, beside `kubectl` on the same pod.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use harness::bins::static_agent;
use harness::cluster::Cluster;
use harness::sandbox::Sandbox;
use harness::tree;

use crate::measure::{self, Ports};
use crate::table::{Table, Unit, quantile_ms};

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: bench }
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: app
    image: towline.test/busybox:1
    imagePullPolicy: Never
    command: [sh, -c, 'nc -ll -p 5432 -e cat & nc -ll -p 5433 -e cat /dev/zero &
      httpd -p 8080 -h /app; sleep 1000000']
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 }
    securityContext: { runAsUser: 1000 }
";
const BULK_BYTES: u64 = 512 << 20;
const EDITS: usize = 200;

struct Bench {
    cluster: Cluster,
    agent: PathBuf,
}

pub fn bench(table: &mut Table) {
    let bench = Bench { cluster: Cluster::start(), agent: static_agent() };
    harness::wait::until("the namespace to have its account", || {
        bench.cluster.try_kubectl(&["get", "serviceaccount", "default"]).ok()
    });
    bench.cluster.apply(POD);
    bench.cluster.kubectl(&["wait", "--for=condition=Ready", "pod/bench", "--timeout=60s"]);
    bench.ways(table);
    for files in [10, 1_000, 20_000] {
        bench.first_sync(table, files);
    }
    bench.edits(table);
}

impl Bench {
    fn up(&self, sandbox: &Sandbox, carrier: &str, args: &[&str]) -> Duration {
        let mut up = sandbox.command(&[&["up", "pod/bench"], args].concat());
        up.env("KUBECONFIG", self.cluster.kubeconfig()).env("TOWLINE_AGENT_BIN", &self.agent);
        let started = Instant::now();
        let output = up.env("TOWLINE_CARRIER", carrier).output().expect("towline starts");
        let took = started.elapsed();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        took
    }

    /// Throughput, latency and the agent's memory by carrier.
    fn ways(&self, table: &mut Table) {
        let theirs = Ports::free();
        let _forwarding = self.port_forward(theirs);
        let kubectl = figures(theirs);
        let exec = self.exec_throughput();
        for (carrier, name) in
            [("stream", "exec"), ("port-forward", "port-forward"), ("udp", "direct UDP")]
        {
            let (sandbox, ours) = (Sandbox::new(), Ports::free());
            let forwards = [format!("{}:5432", ours.echo), format!("{}:5433", ours.bulk)];
            self.up(&sandbox, carrier, &["--forward", &forwards[0], "--forward", &forwards[1]]);
            harness::wait::until("the carrier to be the one that is measured", || {
                let name = if carrier == "stream" { "exec" } else { carrier };
                sandbox.run(&["status"]).contains(&format!("linked by {name}")).then_some(())
            });
            let figures = figures(ours);
            let peer = "kubectl port-forward";
            let what = format!("pod by {name}, download of 512 MiB");
            table.compare(&what, figures.rate, peer, Some(kubectl.rate), Unit::Throughput);
            if carrier == "stream" {
                let peer = "kubectl exec -- cat";
                table.compare(&what, figures.rate, peer, Some(exec), Unit::Throughput);
            }
            for (what, ours, theirs) in [
                ("64-byte echo, idle, p50", figures.idle.0, kubectl.idle.0),
                ("64-byte echo, idle, p99", figures.idle.1, kubectl.idle.1),
                ("64-byte echo, beside a bulk stream, p50", figures.beside.0, kubectl.beside.0),
                ("64-byte echo, beside a bulk stream, p99", figures.beside.1, kubectl.beside.1),
            ] {
                let what = format!("pod by {name}, {what}");
                table.compare(&what, ours, peer, Some(theirs), Unit::Millis);
            }
            let what = format!("agent in a pod, resident after all that by {name}");
            table.goal(&what, agent_mib(&sandbox), "-", Unit::Mebibytes);
            sandbox.run(&["down"]);
        }
    }

    fn port_forward(&self, ports: Ports) -> Running {
        let mut command = self.cluster.kubectl_command();
        command.args(["port-forward", "pod/bench"]);
        command.args([format!("{}:5432", ports.echo), format!("{}:5433", ports.bulk)]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let running = Running(child.expect("kubectl starts"));
        harness::wait::until("kubectl port-forward to listen", || {
            // Each of them: it opens one after the other.
            [ports.echo, ports.bulk]
                .into_iter()
                .all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok())
                .then_some(())
        });
        running
    }

    fn exec_throughput(&self) -> f64 {
        let mut command = self.cluster.kubectl_command();
        let count = (BULK_BYTES >> 16).to_string();
        let script = format!("dd if=/dev/zero bs=64k count={count} 2>/dev/null");
        command.args(["exec", "bench", "--", "sh", "-c", &script]);
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).spawn().expect("kubectl starts");
        let mut out = child.stdout.take().expect("a pipe");
        let (mut buffer, mut got) = (vec![0; 256 * 1024], 0);
        while let Ok(len @ 1..) = out.read(&mut buffer) {
            got += len;
        }
        let _ = child.wait(); // its output was all that counts
        got as f64 / f64::from(1 << 20) / started.elapsed().as_secs_f64()
    }

    /// From nothing to everything in sync.
    fn first_sync(&self, table: &mut Table, files: usize) {
        let sandbox = Sandbox::new();
        tree::fill(&sandbox.workspace(), files, 2_000, 7);
        let to = format!(".:/app/{files}");
        let ours = self.up(&sandbox, "auto", &["--sync", &to]).as_secs_f64();
        sandbox.run(&["down"]);
        let mut copy = self.cluster.kubectl_command();
        let copy = copy.args(["cp", "."]).arg(format!("bench:/app/cp-{files}"));
        let started = Instant::now();
        let copied = copy.current_dir(sandbox.workspace()).output().expect("kubectl starts");
        let theirs = copied.status.success().then(|| started.elapsed().as_secs_f64());
        let what = format!("cold up and first sync, {files} files of 2 kB");
        table.compare(&what, ours, "kubectl cp", theirs, Unit::Seconds);
        let app = format!("/app/{files} /app/cp-{files}");
        let clean = format!("rm -rf {app}");
        self.cluster.kubectl(&["exec", "bench", "--", "sh", "-c", &clean]);
    }

    /// From a saved edit to its being served, through a forward.
    fn edits(&self, table: &mut Table) {
        let (sandbox, ports) = (Sandbox::new(), Ports::free());
        tree::fill(&sandbox.workspace(), 1_000, 2_000, 7);
        let page = sandbox.workspace().join("page");
        fs::write(&page, "0").expect("a file");
        let forward = format!("{}:8080", ports.echo);
        self.up(&sandbox, "auto", &["--sync", ".:/app", "--forward", &forward]);
        let mut samples: Vec<Duration> = (1..=EDITS)
            .map(|edit| {
                let text = edit.to_string();
                let started = Instant::now();
                fs::write(&page, &text).expect("an edit");
                while get(ports.echo).as_deref() != Some(&text) {}
                started.elapsed()
            })
            .collect();
        let mut copies: Vec<Duration> = (0..10)
            .map(|_| {
                let mut copy = self.cluster.kubectl_command();
                let copy = copy.args(["cp", "page", "bench:/app/page"]);
                let started = Instant::now();
                let _ = copy.current_dir(sandbox.workspace()).output(); // its time counts
                started.elapsed()
            })
            .collect();
        let theirs = quantile_ms(&mut copies, 0.5);
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let what = format!("saved edit to served by the pod, 1,000 files, {name}");
            let ours = quantile_ms(&mut samples, share);
            table.compare(&what, ours, "kubectl cp of the file", Some(theirs), Unit::Millis);
        }
        sandbox.run(&["down"]);
    }
}

/// A way, measured.
struct Figures {
    rate: f64,
    /// p50 and p99 in milliseconds.
    idle: (f64, f64),
    beside: (f64, f64),
}

fn figures(ports: Ports) -> Figures {
    let rate = measure::download(ports, BULK_BYTES);
    let [idle, beside] = [false, true].map(|bulk| {
        let mut samples = measure::echo(ports, bulk);
        (quantile_ms(&mut samples, 0.5), quantile_ms(&mut samples, 0.99))
    });
    Figures { rate, idle, beside }
}

/// What started the command that asks is the agent.
fn agent_mib(sandbox: &Sandbox) -> f64 {
    let script = "grep VmRSS /proc/$PPID/status";
    let said = sandbox.run(&["exec", "--", "sh", "-c", script]);
    let kib = said.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
    kib.expect("a number") / 1024.0
}

fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"GET /page HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended
        let _ = self.0.wait();
    }
}
