//! A workload of several pods: syncs go to every one of them.

use std::fs;

use harness::{tree, wait};

use crate::shop::Shop;

const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]";

/// The pods of deploy/api that are to stay.
fn pods(shop: &Shop) -> Vec<String> {
    let names = "jsonpath={range .items[*]}{.metadata.name}={.metadata.deletionTimestamp} {end}";
    let told = shop.kubectl(&["get", "pods", "-l", "app=api", "-o", names]);
    let alive = told.split_whitespace().filter_map(|word| word.strip_suffix('='));
    alive.map(str::to_owned).collect()
}

/// Waits until so many pods there have this content in /app/page.
#[track_caller]
fn until_all(shop: &Shop, count: usize, content: &str) {
    wait::until("every pod to have it", || {
        let pods = pods(shop);
        let has = |pod: &String| {
            let got = shop.try_kubectl(&["exec", pod, "--", "cat", "/app/page"]);
            got.is_ok_and(|got| got == content)
        };
        (pods.len() == count && pods.iter().all(has)).then_some(())
    });
}

#[test]
fn syncs_go_to_every_pod_of_a_workload() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    shop.kubectl(&["scale", "deploy/api", "--replicas=5"]);
    shop.rolled_out("deploy/api");
    let here = shop.sandbox.workspace();
    tree::write(&here, "page = one");
    shop.run(&["up", "deploy/api", "--all", "--sync", ".:/app"]);
    // When it is up, all have it.
    for pod in pods(&shop) {
        assert_eq!(shop.kubectl(&["exec", &pod, "--", "cat", "/app/page"]), "one");
    }
    fs::write(here.join("page"), "two").expect("an edit");
    shop.run(&["sync", "wait"]);
    until_all(&shop, 5, "two");

    // What another pod makes stays there.
    let syncs = shop.status()["syncs"].as_array().expect("a list").clone();
    assert_eq!(syncs.len(), 5, "{syncs:?}");
    let beside = syncs.iter().filter_map(|sync| sync["name"].as_str()?.rsplit_once('@'));
    let other = beside.map(|(_, pod)| pod.to_owned()).next().expect("a sync with another pod");
    shop.kubectl(&["exec", &other, "--", "sh", "-c", "echo its own > /app/made"]);
    shop.run(&["sync", "wait"]);
    assert!(!here.join("made").exists(), "nothing comes back from another pod");

    // They come and go.
    shop.kubectl(&["scale", "deploy/api", "--replicas=6"]);
    until_all(&shop, 6, "two");
    shop.kubectl(&["delete", "pod", &other, "--wait=false"]);
    until_all(&shop, 6, "two");
    fs::write(here.join("page"), "three").expect("an edit");
    until_all(&shop, 6, "three");

    shop.run(&["down"]);
    for pod in pods(&shop) {
        let left = shop.kubectl(&["exec", &pod, "--", "ls", "-A", "/tmp"]);
        assert_eq!(left, "", "pod {pod} is as it was");
    }
    shop.sandbox.assert_nothing_left();
}
