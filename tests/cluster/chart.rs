//! The chart for teams: what it renders is what `towline rbac` prints, and the API
//! server takes all of it.

use std::fs;
use std::path::Path;
use std::process::Command;

use harness::wait;
use serde_json::Value;

use crate::shop::{Shop, cluster};

/// Renders the chart for the namespace.
fn render(shop: &Shop, values: &str) -> String {
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/chart");
    let file = shop.sandbox.path().join("values.yaml");
    fs::write(&file, values).expect("the values");
    let mut render = Command::new(harness::cluster::binary());
    render.arg("chart").arg(chart).args(["towline", &shop.name]).arg(file);
    let rendered = render.output().expect("the renderer starts");
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    String::from_utf8(rendered.stdout).expect("text")
}

fn role(shop: &Shop) -> Value {
    let role = shop.kubectl(&["get", "role", "towline", "-o", "json"]);
    serde_json::from_str::<Value>(&role).expect("JSON")["rules"].clone()
}

#[test]
fn the_chart_grants_what_rbac_says_and_is_taken_by_the_api_server() {
    let shop = Shop::new();
    for (values, flags) in [
        ("{}", &[][..]),
        ("ephemeral: true", &["--ephemeral"][..]),
        ("portForward: true", &["--port-forward"][..]),
    ] {
        shop.grant("dev", flags);
        let printed = role(&shop);
        shop.kubectl(&["delete", "role/towline", "rolebinding/towline"]);
        cluster().apply(&render(&shop, values));
        assert_eq!(role(&shop), printed, "{values}");
    }
    let can = |what: &[&str]| {
        let who = format!("system:serviceaccount:{}:dev", shop.name);
        shop.try_kubectl(&[&["auth", "can-i", "--as", &who], what].concat()).is_ok()
    };
    assert!(!can(&["list", "pods"]), "nobody is bound yet");
    let values = "
subjects:
- { kind: User, name: ada }
- { kind: ServiceAccount, name: dev }
prePull: { enabled: true, image: 'towline.test/busybox:1', pause: 'towline.test/pause:1' }
";
    cluster().apply(&render(&shop, values));
    // The API server's authorizer hears of it a moment later.
    wait::until("the right to be granted", || can(&["list", "pods"]).then_some(()));
    assert!(can(&["create", "pods", "--subresource", "exec"]));
    assert!(!can(&["delete", "pods"]) && !can(&["get", "secrets"]));
    // Under `restricted`, it runs.
    shop.kubectl(&["rollout", "status", "daemonset/towline-pre-pull", "--timeout", "60s"]);
}
