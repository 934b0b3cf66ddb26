//! Kinds of images and pods: into which of them the agent goes, how, and that the
//! main job works there.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::{rootfs, tree, wait};

use crate::shop::{Shop, cluster, get};

const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]";

/// Brings `target` up with a sync to /app and a forward, edits, takes it down.
/// Returns how the agent came there.
#[track_caller]
fn works(shop: &Shop, target: &[&str]) -> String {
    let here = shop.sandbox.workspace();
    tree::write(&here, "page = one");
    let up = ["--sync", ".:/app", "--forward", "0:8080"];
    shop.run(&[&["up"], target, &up].concat());
    let address = shop.address(0);
    assert_eq!(get(&address, "/page").as_deref(), Some("one"), "{target:?}");
    fs::write(here.join("page"), "two").expect("an edit");
    wait::until("the edit to be served", || (get(&address, "/page")? == "two").then_some(()));
    let way = shop.status()["link"]["bootstrap"].as_str().unwrap_or_default().to_owned();
    shop.run(&["down"]);
    println!("{target:?}: {way}");
    way
}

#[test]
fn an_image_without_a_shell_gets_a_container_beside_it() {
    let shop = Shop::new();
    // Its user is the image's own: nothing in the pod says who that is.
    let security = "securityContext: { allowPrivilegeEscalation: false, runAsNonRoot: true, \
                    capabilities: { drop: [ALL] }, seccompProfile: { type: RuntimeDefault } }";
    let spec = format!(
        "
  containers:
  - name: app
    image: towline.test/no-shell:1
    imagePullPolicy: Never
    args: [/bin/httpd, -f, -p, '8080', -h, /app]
    {security}"
    );
    shop.pod("bare", &spec);
    let said = shop.fails(4, &["up", "pod/bare"]);
    for word in ["its image has no shell", "--agent-image"] {
        assert!(said.contains(word), "{said}");
    }
    let image = cluster().busybox();
    let beside = ["pod/bare", "--agent-image", &image];
    let said = shop.fails(4, &[&["up"], &beside[..]].concat());
    for word in ["pods/ephemeralcontainers", "patch", "towline rbac"] {
        assert!(said.contains(word), "{said}");
    }
    shop.grant("dev", &["--ephemeral"]);
    let carrier = works(&shop, &beside);
    assert!(carrier.contains("ephemeral container"), "{carrier}");
    assert!(carrier.contains("no shell"), "{carrier}");
    ended(&shop, "bare");
    // And once more.
    works(&shop, &beside);
}

/// The agent's own image, made and loaded as a user would; its name.
fn agent_image(shop: &Shop) -> String {
    const REPOSITORY: &str = "towline.test/towline-agent";
    let archive = shop.sandbox.path().join("agent.tar");
    let out = archive.display().to_string();
    let told = shop.run(&["agent-image", &out, "--json"]);
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!(told["platforms"][0], "linux/amd64");
    let first = fs::read(&archive).expect("the archive");
    shop.run(&["agent-image", &out]);
    assert_eq!(fs::read(&archive).expect("the archive"), first, "it is always the same");
    cluster().load(&archive, &["--base-name", REPOSITORY]);
    format!("{REPOSITORY}:{}", told["tag"].as_str().expect("a tag"))
}

/// A container with a web server that may do nothing else.
fn guarded(image: &str, user: &str) -> String {
    format!(
        "
  containers:
  - name: app
    image: {image}
    imagePullPolicy: IfNotPresent
    command: [/bin/httpd, -f, -p, '8080', -h, /app]
    securityContext: {{ allowPrivilegeEscalation: false, runAsNonRoot: true, {user} \
     readOnlyRootFilesystem: true, capabilities: {{ drop: [ALL] }}, \
     seccompProfile: {{ type: RuntimeDefault }} }}"
    )
}

#[test]
fn the_agents_own_image_stands_beside_an_image_without_a_shell() {
    let shop = Shop::new();
    shop.grant("dev", &["--ephemeral"]);
    let image = agent_image(&shop);
    // Its user is the image's own, and what is synced is a volume.
    let spec = guarded("towline.test/no-shell:1", "");
    let volume = "\n    volumeMounts: [{ name: app, mountPath: /app }]";
    let spec = format!("  volumes: [{{ name: app, emptyDir: {{}} }}]{spec}{volume}");
    shop.pod("bare", &spec);
    let beside = ["pod/bare", "--agent-image", &image];
    for _ in 0..2 {
        let way = works(&shop, &beside);
        assert!(way.contains("ephemeral container") && way.contains("no shell"), "{way}");
        ended(&shop, "bare");
    }

    // What there is no program for is told; what a crash leaves is removed.
    shop.run(&[&["up"], &beside[..], &["--forward", "0:8080"]].concat());
    let said = shop.fails(127, &["exec", "--", "ls"]);
    for word in ["unable to run `ls`", "ephemeral container", "chroot", "--agent-image"] {
        assert!(said.contains(word), "{said}");
    }
    let hub = shop.status()["pid"].as_i64().expect("the hub's process").to_string();
    let killed = Command::new("kill").args(["-9", &hub]).status();
    assert!(killed.is_ok_and(|status| status.success()), "kill {hub}");
    wait::until("the doctor to find it", || {
        let told = shop.try_run(&["doctor"]).stdout;
        String::from_utf8_lossy(&told).contains("in pod/bare").then_some(())
    });
    shop.run(&["doctor", "--fix"]);
    ended(&shop, "bare");
}

#[test]
fn the_agents_own_image_stands_beside_a_read_only_root() {
    let shop = Shop::new();
    shop.grant("dev", &["--ephemeral"]);
    let image = agent_image(&shop);
    shop.pod("shut", &guarded(&cluster().busybox(), "runAsUser: 1000,"));
    let up = ["up", "pod/shut", "--agent-image", &image, "--forward", "0:8080"];
    shop.run(&up);
    assert_eq!(get(&shop.address(0), "/none"), None);
    let way = shop.status()["link"]["bootstrap"].as_str().unwrap_or_default().to_owned();
    assert!(way.contains("ephemeral container") && way.contains("cannot be written"), "{way}");
    let hosts = shop.sandbox.path().join("hosts");
    shop.run(&["cp", ":/etc/hosts", &hosts.display().to_string()]);
    assert!(fs::read_to_string(hosts).expect("the copy").contains("localhost"));
    shop.run(&["down"]);
    ended(&shop, "shut");

    // Another build of the agent is not taken for the hub's.
    let mut other = fs::read(harness::bins::static_agent()).expect("the agent");
    other.push(0);
    let file = shop.sandbox.path().join("agent");
    fs::write(&file, other).expect("a file");
    let up = shop.command(&up).env("TOWLINE_AGENT_BIN", &file).output().expect("it starts");
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(4), "{said}");
    assert!(said.contains("holds another agent") && said.contains("agent-image"), "{said}");
    ended(&shop, "shut");
}

/// Ephemeral containers cannot be removed, so they end.
#[track_caller]
fn ended(shop: &Shop, pod: &str) {
    wait::until("the ephemeral containers to end", || {
        let running = "jsonpath={.status.ephemeralContainerStatuses[*].state.running}";
        shop.kubectl(&["get", "pod", pod, "-o", running]).is_empty().then_some(())
    });
}

#[test]
fn a_read_only_root_is_gone_into_where_an_empty_dir_is_and_beside_where_none_is() {
    let shop = Shop::new();
    shop.grant("dev", &["--ephemeral"]);
    let spec = |volumes: &str, mounts: &str| {
        format!(
            "
  {volumes}
  containers:
  - name: app
    image: BUSYBOX
    imagePullPolicy: IfNotPresent
    {WEB}
    {mounts}
    securityContext: {{ allowPrivilegeEscalation: false, runAsNonRoot: true, runAsUser: 1000, \
     readOnlyRootFilesystem: true, capabilities: {{ drop: [ALL] }}, \
     seccompProfile: {{ type: RuntimeDefault }} }}"
        )
    };
    let volume = "volumes: [{ name: app, emptyDir: {} }]";
    shop.pod("with", &spec(volume, "volumeMounts: [{ name: app, mountPath: /app }]"));
    let carrier = works(&shop, &["pod/with"]);
    assert!(!carrier.contains("ephemeral"), "{carrier}");
    assert!(!shop.sandbox.workspace().join(".towline-agent").exists());
    let left = shop.kubectl(&["exec", "with", "--", "ls", "-A", "/app"]);
    assert_eq!(left.trim(), "page", "only what is synced stays");

    shop.pod("without", &spec("", ""));
    let said = shop.fails(4, &["up", "pod/without"]);
    assert!(said.contains("/tmp cannot be written to"), "{said}");
    assert!(said.contains("/dev/shm is mounted noexec"), "{said}");
    let image = cluster().busybox();
    shop.run(&["up", "pod/without", "--agent-image", &image, "--forward", "0:8080"]);
    assert_eq!(get(&shop.address(0), "/none"), None);
    assert_eq!(shop.run(&["exec", "--", "id", "-u"]), "1000\n");
    shop.run(&["down"]);
}

#[test]
fn images_of_other_distributions_work() {
    let shop = Shop::new();
    type Fill = fn(&Path);
    let images: [(&str, Fill, &str); 2] = [
        ("gnu", rootfs::gnu, "[httpd, -f, -p, '8080', -h, /app]"),
        ("musl", rootfs::musl, "[sh, -c, 'httpd -p 8080 -h /app; exec wait']"),
    ];
    for (name, fill, command) in images {
        let image = format!("towline.test/{name}:1");
        let root = shop.sandbox.path().join(name);
        fill(&root);
        cluster().image(&image, &root, "1000", &[]);
        let container = format!("image: '{image}'\n    imagePullPolicy: Never");
        shop.pod(
            name,
            &format!(
                "  containers:\n  - name: app\n    {container}\n    command: {command}\n    \
                 SECURITY"
            ),
        );
        works(&shop, &[&format!("pod/{name}")]);
    }
}

#[test]
fn pods_of_many_kinds_work() {
    let shop = Shop::new();
    let container =
        format!("image: BUSYBOX\n    imagePullPolicy: IfNotPresent\n    {WEB}\n    SECURITY");
    shop.pod(
        "two",
        &format!(
            "
  initContainers:
  - name: first
    image: BUSYBOX
    imagePullPolicy: IfNotPresent
    command: ['true']
    SECURITY
  containers:
  - name: istio-proxy
    image: BUSYBOX
    imagePullPolicy: IfNotPresent
    command: [sleep, '100000']
    ports: [{{ containerPort: 8080 }}]
    SECURITY
  - name: app
    ports: [{{ containerPort: 8080 }}]
    {container}"
        ),
    );
    assert!(works(&shop, &["pod/two"]).contains("container app"));
    assert!(works(&shop, &["pod/two", "-c", "app"]).contains("container app"));

    shop.pod(
        "shared",
        &format!("  shareProcessNamespace: true\n  containers:\n  - name: app\n    {container}"),
    );
    works(&shop, &["pod/shared"]);
    shop.grant("dev", &["--ephemeral"]);
    let image = cluster().busybox();
    let beside = ["pod/shared", "--tier", "ephemeral", "--agent-image", &image];
    assert!(works(&shop, &beside).contains("ephemeral container"));

    let nobody = container.replace("SECURITY", &crate::shop::SECURITY.replace("1000", "12345"));
    shop.pod("nobody", &format!("  containers:\n  - name: app\n    {nobody}"));
    works(&shop, &["pod/nobody"]);

    for (kind, name) in [("StatefulSet", "statefulset/many"), ("Job", "job/once")] {
        shop.apply(&workload(kind, name.rsplit('/').next().unwrap_or_default(), &container));
        wait::until("its pods to be ready", || {
            let ready = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}";
            let label = format!("app={}", name.rsplit('/').next().unwrap_or_default());
            let found = shop.kubectl(&["get", "pods", "-l", &label, "-o", ready]);
            let wanted = if kind == "Job" { 1 } else { 5 };
            (found.split_whitespace().filter(|word| *word == "True").count() == wanted)
                .then_some(())
        });
        works(&shop, &[name]);
    }
    works(&shop, &["label/app=many"]);
}

fn workload(kind: &str, name: &str, container: &str) -> String {
    let (group, more) = match kind {
        "Job" => ("batch/v1", "backoffLimit: 0".to_owned()),
        _ => (
            "apps/v1",
            format!(
                "replicas: 5\n  podManagementPolicy: Parallel\n  serviceName: {name}\n  \
                 selector: {{ matchLabels: {{ app: {name} }} }}"
            ),
        ),
    };
    let restart = if kind == "Job" { "restartPolicy: Never" } else { "" };
    let container = container.replace("\n    ", "\n        ");
    format!(
        "
apiVersion: {group}
kind: {kind}
metadata: {{ name: {name}, namespace: NAMESPACE }}
spec:
  {more}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      terminationGracePeriodSeconds: 1
      {restart}
      containers:
      - name: app
        {container}
"
    )
}

#[test]
fn a_pod_in_the_hosts_network_works() {
    let shop = Shop::under("privileged");
    let web = WEB.replace("8080", "18080");
    shop.pod(
        "host",
        &format!(
            "  hostNetwork: true\n  containers:\n  - name: app\n    image: BUSYBOX\n    \
             imagePullPolicy: IfNotPresent\n    {web}"
        ),
    );
    tree::write(&shop.sandbox.workspace(), "page = one");
    shop.run(&["up", "pod/host", "--sync", ".:/app", "--forward", "0:18080"]);
    assert_eq!(get(&shop.address(0), "/page").as_deref(), Some("one"));
    shop.run(&["down"]);
}
