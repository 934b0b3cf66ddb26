//! Two people on one pod: neither notices the other.

use std::fs;

use harness::{tree, wait};

use crate::shop::{Shop, get};

const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]";

#[test]
fn two_people_on_one_pod_take_down_what_is_their_own() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    let agents = "ls -d /tmp/.towline-* 2>/dev/null; ps -o args | grep -c '[s]tate-dir'; true";
    let agents = || shop.kubectl(&["exec", "deploy/api", "--", "sh", "-c", agents]);
    let nobody = agents();
    let other = shop.colleague();
    for (person, folder) in [(&shop, "one"), (&other, "two")] {
        tree::write(&person.sandbox.workspace(), &format!("page = {folder}"));
        let sync = format!(".:/app/{folder}");
        person.run(&["up", "deploy/api", "--sync", &sync, "--forward", "0:8080"]);
    }
    assert_eq!(get(&shop.address(0), "/two/page").as_deref(), Some("two"));
    assert_eq!(get(&other.address(0), "/one/page").as_deref(), Some("one"));
    let listed = shop.run(&["list", "--all"]);
    assert_eq!(listed.matches(" in api-").count(), 2, "{listed}");

    shop.run(&["down"]);
    fs::write(other.sandbox.workspace().join("page"), "three").expect("an edit");
    wait::until("the other one's edit to be served", || {
        (get(&other.address(0), "/two/page")? == "three").then_some(())
    });
    other.run(&["down"]);
    wait::until("no agent to be left", || (agents() == nobody).then_some(()));
}
