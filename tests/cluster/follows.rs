//! The link, its forwards and its syncs follow the workload to where it runs now.

use std::fs;
use std::time::Instant;

use harness::{tree, wait};

use crate::shop::{Shop, get};

/// Serves its files; ends when it is told to, as the first process of a container
/// does only if it listens.
const WEB: &str = r#"command: [sh, -c, "trap 'exit 1' TERM; httpd -f -p 8080 -h /app & wait"]"#;

/// A workspace that is up on a deployment, with `page` in it.
fn up() -> Shop {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    tree::write(&shop.sandbox.workspace(), "page = one");
    shop.run(&["up", "deploy/api", "--sync", ".:/app", "--forward", "0:8080"]);
    assert_eq!(get(&shop.address(0), "/page").as_deref(), Some("one"));
    shop
}

fn pod(shop: &Shop) -> String {
    shop.kubectl(&["get", "pods", "-l", "app=api", "-o", "jsonpath={.items[0].metadata.name}"])
}

/// Edits, and waits until the edit is served.
fn edited(shop: &Shop, address: &str, since: Instant) {
    fs::write(shop.sandbox.workspace().join("page"), "two").expect("an edit");
    served(address);
    println!("the edit was served after {:?}", since.elapsed());
    shop.run(&["sync", "wait"]);
    let kept = fs::read_to_string(shop.sandbox.workspace().join("page")).expect("the page");
    assert_eq!(kept, "two");
}

fn served(address: &str) {
    wait::until("the edit to be served", || (get(address, "/page")? == "two").then_some(()));
}

/// Waits until the link leads to another pod, which then serves the edit, too.
fn moved_from(shop: &Shop, before: &str, address: &str) {
    wait::until("the link to lead to another pod", || {
        let status = shop.status();
        (!status["link"]["bootstrap"].as_str()?.contains(before)).then_some(())
    });
    served(address);
}

#[test]
fn a_rollout_is_followed() {
    let shop = up();
    let (address, before) = (shop.address(0), pod(&shop));
    shop.kubectl(&["rollout", "restart", "deploy/api"]);
    shop.rolled_out("deploy/api");
    edited(&shop, &address, Instant::now());
    moved_from(&shop, &before, &address);
    shop.run(&["down"]);
}

#[test]
fn a_pod_that_is_deleted_is_followed_by_its_successor() {
    let shop = up();
    let (address, before) = (shop.address(0), pod(&shop));
    shop.kubectl(&["delete", "pod", &before, "--wait=false"]);
    // The edit is made while there may be no pod at all.
    edited(&shop, &address, Instant::now());
    moved_from(&shop, &before, &address);
    shop.run(&["down"]);
}

#[test]
fn a_container_that_restarts_is_gone_into_again() {
    let shop = up();
    let address = shop.address(0);
    let _ = shop.try_kubectl(&["exec", "deploy/api", "--", "kill", "1"]); // it ends with it
    let restarts = "jsonpath={.items[0].status.containerStatuses[0].restartCount}";
    wait::until("the container to be started again", || {
        (shop.kubectl(&["get", "pods", "-l", "app=api", "-o", restarts]) == "1").then_some(())
    });
    edited(&shop, &address, Instant::now());
    shop.run(&["down"]);
}
