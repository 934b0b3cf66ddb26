//! Ways to a pod beside the exec stream: which one is taken, and that connections go
//! from one to the other.

use std::net::TcpStream;

use harness::wait;
use serde_json::Value;

use crate::faults::{connect, echo};
use crate::shop::{Shop, cluster};

const ECHO: &str = "command: [nc, -ll, -p, '5432', -e, cat]";

fn link(shop: &Shop) -> Value {
    shop.status()["link"].clone()
}

fn is_by(link: &Value, carrier: &str) -> bool {
    link["carrier"].as_str().is_some_and(|name| name.starts_with(carrier))
}

/// Brings it up with what the environment says; the forwarded echo.
fn up(shop: &Shop, carrier: Option<&str>) -> TcpStream {
    let mut up = shop.command(&["up", "deploy/api", "--forward", "0:5432"]);
    if let Some(carrier) = carrier {
        up.env("TOWLINE_CARRIER", carrier);
    }
    let output = up.output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    connect(&shop.address(0))
}

#[track_caller]
fn until_by(shop: &Shop, carrier: &str) {
    wait::until(&format!("the link to go by {carrier}"), || {
        is_by(&link(shop), carrier).then_some(())
    });
}

#[test]
fn a_pod_with_an_address_that_is_reached_is_reached_by_udp_as_long_as_it_is() {
    let shop = Shop::new();
    shop.deploy("api", ECHO);
    let mut stream = up(&shop, None);
    assert!(is_by(&link(&shop), "udp"), "from the beginning: {}", link(&shop));
    echo(&mut stream, 1);
    let address = ["get", "pods", "-o", "jsonpath={.items[0].status.podIP}"];
    let closed = cluster().close_udp(&shop.kubectl(&address));
    echo(&mut stream, 2);
    until_by(&shop, "exec");
    drop(closed);
    shop.run(&["down"]);
}

#[test]
fn with_the_right_to_it_a_port_forward_carries_more_and_without_it_says_why_not() {
    let shop = Shop::new();
    shop.deploy("api", ECHO);
    let mut stream = up(&shop, Some("port-forward"));
    echo(&mut stream, 1);
    wait::until("the missing right to be told", || {
        let link = link(&shop);
        let why = link["passed"]["tunnel"].as_str()?;
        assert!(why.contains("pods/portforward") && why.contains("towline rbac"), "{why}");
        assert!(is_by(&link, "exec"), "{link}");
        Some(())
    });
    assert!(shop.run(&["status"]).contains("not by port-forward: unable to"));
    shop.run(&["down"]);

    shop.grant("dev", &["--port-forward"]);
    let mut stream = up(&shop, Some("port-forward"));
    until_by(&shop, "port-forward");
    echo(&mut stream, 2);
    cluster().cut_connections();
    echo(&mut stream, 3);
    let resumes = &shop.run(&["status", "--json"]);
    assert!(resumes.contains("exec into pod"), "it is where it was: {resumes}");
    shop.run(&["down"]);
}
