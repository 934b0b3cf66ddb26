//! What `list` shows: workloads, and whose agents are in them.

use harness::terminal::Terminal;
use harness::{tree, wait};
use serde_json::Value;

use crate::shop::{Shop, get};

const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]";

/// Kills every agent of a container.
const KILL: &str =
    "for p in /proc/[0-9]*; do grep -q '[s]tate-dir' $p/cmdline && kill -9 ${p#/proc/}; done; true";

fn list(shop: &Shop, args: &[&str]) -> Value {
    let said = shop.run(&[&["list", "--json"], args].concat());
    serde_json::from_str(&said).expect("JSON")
}

#[test]
fn workloads_and_agents_are_listed_until_they_go() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    shop.deploy("db", WEB);
    let text = shop.run(&["list"]);
    assert!(text.contains("deploy/api  1/1    app"), "{text}");
    let before = list(&shop, &["--all"]);
    assert_eq!(before["workloads"][0]["agents"], serde_json::json!([]));

    shop.run(&["up", "deploy/api"]);
    let here = shop.sandbox.workspace().canonicalize().expect("the workspace");
    let up = list(&shop, &["--all"]);
    let api = &up["workloads"][0];
    assert_eq!(api["workload"], "deploy/api");
    assert_eq!(api["workspaces"], serde_json::json!([here]));
    assert_eq!(api["agents"][0]["running"], true);
    assert!(api["agents"][0]["who"].as_str().is_some_and(|who| who.contains('@')), "{api}");
    assert_eq!(up["workloads"][1]["agents"], serde_json::json!([]));

    // An agent that was killed leaves its directory, which is told, and goes with the
    // next `down`.
    shop.kubectl(&["exec", "deploy/api", "--", "sh", "-c", KILL]);
    wait::until("the link to be up again", || {
        (shop.status()["link"]["state"] == "up").then_some(())
    });
    shop.run(&["down"]);
    assert_eq!(list(&shop, &["--all"]), before);
}

#[test]
fn who_says_nothing_is_asked() {
    let shop = Shop::new();
    shop.deploy(
        "api",
        &format!("{WEB}\n        workingDir: /app\n        ports: [{{ containerPort: 8080 }}]"),
    );
    shop.deploy("db", WEB);
    tree::write(&shop.sandbox.workspace(), "page = one");
    let mut terminal = Terminal::run(&shop.command(&["up"]), (40, 100));
    terminal.expect("1  deploy/api  (1/1 ready, app)");
    terminal.expect("2  deploy/db");
    terminal.expect("Number or name [1]: ");
    terminal.type_in("deploy/cache\r");
    terminal.expect("`deploy/cache` is none of them");
    terminal.type_in("1\r");
    terminal.expect("towline up deploy/api --sync .:/app --forward 8080");
    assert_eq!(terminal.wait(), Some(0));
    assert_eq!(get(&shop.address(0), "/page").as_deref(), Some("one"));
    shop.run(&["down"]);
    // Nobody is there to ask.
    let said = shop.fails(2, &["up"]);
    assert!(said.contains("there is no target"), "{said}");
}

#[test]
fn doctor_removes_what_a_dead_hub_and_its_dead_agent_left_in_the_pod() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    let files = || shop.kubectl(&["exec", "deploy/api", "--", "ls", "-A", "/tmp"]);
    let before = files();
    tree::write(&shop.sandbox.workspace(), "page = one");
    shop.run(&["up", "deploy/api", "--sync", ".:/app"]);
    let hub = shop.status()["pid"].as_u64().expect("the hub's process").to_string();
    let killed = std::process::Command::new("kill").args(["-9", &hub]).status();
    assert!(killed.is_ok_and(|status| status.success()));
    shop.kubectl(&["exec", "deploy/api", "--", "sh", "-c", KILL]);
    assert_ne!(files(), before);
    let told = shop.try_run(&["doctor"]);
    assert!(String::from_utf8_lossy(&told.stdout).contains("in deploy/api"), "{told:?}");
    shop.run(&["doctor", "--fix"]);
    assert_eq!(files(), before);
    shop.run(&["doctor"]);
}
