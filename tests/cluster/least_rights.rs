//! The main job with the least rights: no more than pods and their exec, under Pod
//! Security `restricted`, in an image with nothing but a shell.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::process::Stdio;

use harness::terminal::Terminal;
use harness::{tree, wait};

use crate::shop::{Shop, get};

/// An app that serves its files.
const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]
        ports: [{ name: http, containerPort: 8080 }]";
/// A server that says back what it hears.
const ECHO: &str = "command: [nc, -ll, -p, '5432', -e, cat]";

/// Asks DNS for the address of kubernetes.default.svc.cluster.local.
const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0akubernetes\
    \x07default\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: { name: db, namespace: NAMESPACE }
spec: { selector: { app: db }, ports: [{ name: pg, port: 5432 }] }
";

/// All files of the container but its app's, and all processes.
fn inventory(shop: &Shop) -> String {
    let files = "find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o \
                 -path '/app/*' -prune -o -print | sort; ps -o args | grep -v -e 'ps -o' -e find \
                 -e 'sort' -e grep -e 'sh -c'";
    shop.kubectl(&["exec", "deploy/api", "--", "sh", "-c", files])
}

#[test]
fn the_main_job_works_with_rights_on_pods_alone_and_leaves_nothing() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    shop.deploy("db", ECHO);
    shop.apply(SERVICE);
    wait::until("the Service to lead to its pod", || {
        let ask = "echo hello | nc -w 1 db 5432";
        let said = shop.try_kubectl(&["exec", "deploy/api", "--", "sh", "-c", ask]);
        said.is_ok_and(|said| said.starts_with("hello")).then_some(())
    });
    let before = inventory(&shop);
    let pod = shop.kubectl(&["get", "pods", "-l", "app=api", "-o", "jsonpath={.items[*].spec}"]);
    let here = shop.sandbox.workspace();
    tree::write(&here, "index.html = hello\nsrc/a.py = print(1)");

    shop.run(&[
        "up",
        "deploy/api",
        "--sync",
        ".:/app",
        "--forward",
        "0:http",
        "--forward",
        "0:svc/db:pg",
        "--forward",
        &format!("0:{}:53/udp", shop.name_server()),
        "--",
        "sh",
        "-c",
        "echo the app is here; exec sleep 100000",
    ]);
    wait::until("the app's output", || {
        shop.run(&["logs"]).contains("the app is here").then_some(())
    });
    assert_eq!(get(&shop.address(0), "/index.html").as_deref(), Some("hello"));
    let mut db = TcpStream::connect(shop.address(1)).expect("the Service's forward listens");
    db.write_all(b"select 1").expect("it takes bytes");
    let mut answer = [0; 8];
    db.read_exact(&mut answer).expect("they come back");
    assert_eq!(&answer, b"select 1");
    drop(db);
    shop.run(&["forward", "0:svc/db:5432"]);
    shop.run(&["forward", "0:grpc"]);
    assert_eq!(get(&shop.address(4), "/"), None);
    let status = shop.status();
    let said = status["forwards"][4]["last_error"].as_str().unwrap_or_default();
    assert!(said.contains("no port named `grpc`; it has http (8080)"), "{said}");

    let names = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    names.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout can be set");
    names.send_to(QUESTION, shop.address(2)).expect("a datagram goes out");
    let mut answer = [0; 512];
    let (len, _) = names.recv_from(&mut answer).expect("the cluster's DNS answers");
    assert!(answer[..len].ends_with(&[0, 4, 10, 96, 0, 1]), "{:?}", &answer[..len]);

    // both ways
    fs::write(here.join("index.html"), "edited").expect("an edit");
    wait::until("the edit to be visible", || {
        (get(&shop.address(0), "/index.html")? == "edited").then_some(())
    });
    shop.kubectl(&["exec", "deploy/api", "--", "sh", "-c", "echo built > /app/out.txt"]);
    wait::until("the container's file to come back", || {
        (fs::read_to_string(here.join("out.txt")).ok()? == "built\n").then_some(())
    });

    let told = shop.run(&["exec", "--", "sh", "-c", "id -u; cat /app/index.html"]);
    assert_eq!(told, "1000\nedited");
    let mut shell = Terminal::run(&shop.command(&["shell", "-w", "/app"]), (40, 100));
    shell.type_in("echo $((6*7)) in $PWD; stty size; exit 5\r");
    shell.expect("42 in /app");
    shell.expect("40 100");
    assert_eq!(shell.wait(), Some(5));
    let failed = shop.try_run(&["exec", "--", "sh", "-c", "exit 7"]);
    assert_eq!(failed.status.code(), Some(7));
    let mut cat = shop.command(&["exec", "--", "cat"]);
    let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let sent: Vec<u8> = (0..3_000_000_u32).map(|at| (at % 251) as u8).collect();
    let mut input = cat.stdin.take().expect("a pipe");
    let copy = sent.clone();
    let writer = std::thread::spawn(move || input.write_all(&copy));
    let output = cat.wait_with_output().expect("it ends");
    writer.join().expect("it does not panic").expect("everything is taken");
    assert!(output.stdout == sent, "what came back is not what was sent");
    fs::write(shop.sandbox.path().join("local.bin"), &sent).expect("a file");
    shop.run(&["cp", "../local.bin", ":/tmp/copied.bin"]);
    shop.run(&["cp", ":/tmp/copied.bin", "../back.bin"]);
    assert!(fs::read(shop.sandbox.path().join("back.bin")).expect("it came back") == sent);
    shop.run(&["exec", "--", "rm", "/tmp/copied.bin"]);

    shop.run(&["down"]);
    wait::until("the container to be as it was", || (inventory(&shop) == before).then_some(()));
    let after = shop.kubectl(&["get", "pods", "-l", "app=api", "-o", "jsonpath={.items[*].spec}"]);
    assert_eq!(after, pod, "the pod was changed");
    shop.sandbox.assert_nothing_left();
}
