//! Ways to a pod beside the exec stream.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use harness::wait;

use crate::shop::{Shop, cluster};

const ECHO: &str = "command: [nc, -ll, -p, '5432', -e, cat]";

fn carrier(shop: &Shop) -> String {
    shop.status()["link"]["carrier"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_pod_with_an_address_that_is_reached_is_reached_by_udp_as_long_as_it_is() {
    let shop = Shop::new();
    shop.deploy("api", ECHO);
    let up = ["up", "deploy/api", "--forward", "0:5432"];
    let output = shop.command(&up).env("TOWLINE_CARRIER", "auto").output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    wait::until("the link to go by UDP", || (carrier(&shop) == "udp").then_some(()));
    let mut stream = TcpStream::connect(shop.address(0)).expect("the forward listens");
    let mut echo = |text: &[u8; 4]| {
        let mut got = [0; 4];
        stream.write_all(text).expect("the connection lives");
        stream.read_exact(&mut got).expect("the connection lives");
        assert_eq!(&got, text);
    };
    echo(b"udp1");
    let closed = cluster().close_udp(&shop.kubectl(&[
        "get",
        "pods",
        "-o",
        "jsonpath={.items[0].status.podIP}",
    ]));
    echo(b"exec");
    wait::until("the link to go by exec", || carrier(&shop).contains("exec").then_some(()));
    drop(closed);
    shop.run(&["down"]);
}
