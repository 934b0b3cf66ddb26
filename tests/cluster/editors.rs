//! A user's whole way through the product in real editors, to a pod of the cluster. Where
//! an editor cannot be installed the test fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use harness::bins::bins;
use harness::wait;

use crate::shop::{Shop, static_agent};

/// A page and what serves it.
const WEB: &str = r#"command: [sh, -c, "echo '<p>first</p>' > /app/index.html; exec httpd -f -p 8080 -h /app"]
        ports: [{ containerPort: 8080 }]"#;

/// Takes the machine for itself: an editor is as slow as what runs beside it.
fn shop() -> Shop {
    let shop = Shop::alone();
    shop.deploy("api", WEB);
    shop
}

/// Runs the journey through one editor, and looks that it leaves nothing in the pod.
fn journey(shop: &Shop, editor: &str, environment: &[(&str, &str)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let root = root.canonicalize().expect("the repository is there");
    let pod = |script: &str| shop.kubectl(&["exec", "deploy/api", "--", "sh", "-c", script]);
    let agents = "ls -d /tmp/.towline-* 2>/dev/null; ps -o args | grep -c '[s]tate-dir'; true";
    let before = pod(agents);
    let mut run = Command::new("bash");
    run.arg(root.join("tests/editors/run.sh")).arg(installed(&root)).arg(editor);
    run.env("TOWLINE_BIN_DIR", bins().towline.parent().expect("a program is in a folder"));
    run.env("TOWLINE_AGENT_BIN", static_agent());
    run.env("KUBECONFIG", shop.kubeconfig());
    run.env("SHOTS", installed(&root).join("shots-cluster"));
    run.envs(environment.iter().copied());
    let ended = run.status().expect("bash can be started");
    assert!(ended.success(), "the journey through {editor}: {ended}");
    wait::until("no agent to be left", || (pod(agents) == before).then_some(()));
}

/// Where the editors are, for every run.
fn installed(root: &Path) -> PathBuf {
    root.join("target/editors")
}

#[test]
fn vs_code_goes_to_a_pod_by_the_picker_and_back() {
    let shop = shop();
    let target = format!("dev/{}/deploy/api", shop.name);
    journey(&shop, "vscode", &[("TARGET", &target)]);
}

#[test]
fn neovim_goes_to_a_pod_by_its_command_and_by_the_picker() {
    let shop = shop();
    let picks = format!("dev,{},deploy/api", shop.name);
    journey(
        &shop,
        "nvim",
        &[
            ("TOWLINE_TEST_TARGET", "deploy/api"),
            ("TOWLINE_TEST_PICKS", &picks),
            ("TOWLINE_TEST_APP", "sh app.sh"),
        ],
    );
}
