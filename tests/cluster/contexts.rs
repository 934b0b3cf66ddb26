//! Ways in which a kubeconfig proves who asks, each on the real API server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;

use harness::{bins, rootfs};

use crate::shop::{Shop, cluster};

const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]";

/// Brings it up, uses it and takes it down.
fn works(shop: &Shop, what: &str) {
    let up = shop.try_run(&["up", "deploy/api"]);
    let said = String::from_utf8_lossy(&up.stderr);
    assert!(up.status.success(), "{what}: {said}");
    assert_eq!(shop.run(&["exec", "--", "echo", "here"]), "here\n", "{what}");
    shop.run(&["down"]);
}

#[test]
fn each_way_to_prove_who_asks_works() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    works(&shop, "token");
    let plain = fs::read_to_string(shop.kubeconfig()).expect("the kubeconfig");
    let user = plain.lines().find(|line| line.starts_with("users:")).expect("a user");
    let token = user.split("token: ").nth(1).and_then(|rest| rest.split('}').next());
    let token = token.expect("a token");
    let with = |user: &str| {
        let users = format!("users: [{{name: dev, user: {{{user}}}}}]");
        let text: Vec<&str> = plain
            .lines()
            .map(|line| if line.starts_with("users:") { users.as_str() } else { line })
            .collect();
        fs::write(shop.kubeconfig(), text.join("\n")).expect("the kubeconfig");
    };

    let file = shop.sandbox.path().join("token");
    fs::write(&file, token).expect("a file");
    with(&format!("tokenFile: {}", file.display()));
    works(&shop, "token file");

    let plugin = shop.sandbox.path().join("plugin");
    fs::write(
        &plugin,
        format!(
            "#!/bin/sh\necho '{{\"apiVersion\": \"client.authentication.k8s.io/v1\", \
             \"kind\": \"ExecCredential\", \"status\": {{\"token\": \"{token}\"}}}}'\n"
        ),
    )
    .expect("a file");
    fs::set_permissions(&plugin, fs::Permissions::from_mode(0o700)).expect("a mode");
    with(&format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: {}}}",
        plugin.display()
    ));
    works(&shop, "exec plugin");

    let view = ["config", "view", "--raw", "--flatten", "--minify", "-o"];
    let of_admin = |what: &str| {
        let path = format!("jsonpath={{.users[0].user.{what}}}");
        cluster().kubectl(&[&view[..], &[&path]].concat())
    };
    let (certificate, key) = (of_admin("client-certificate-data"), of_admin("client-key-data"));
    with(&format!("client-certificate-data: {certificate}, client-key-data: {key}"));
    works(&shop, "client certificate");

    let proxied = plain.replacen("server: ", &format!("proxy-url: '{}', server: ", proxy()), 1);
    fs::write(shop.kubeconfig(), proxied).expect("the kubeconfig");
    works(&shop, "proxy");
}

/// In a pod there is no kubeconfig, but the account of the pod.
#[test]
fn a_pod_reaches_another_with_its_own_account() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    let root = shop.sandbox.path().join("root");
    rootfs::gnu(&root);
    rootfs::program(&root, &bins::bins().towline.display().to_string());
    fs::copy(bins::static_agent(), root.join("bin/towline-agent-static")).expect("a copy");
    cluster().image("towline.test/towline:1", &root, "1000", &[]);
    shop.pod(
        "runner",
        "  serviceAccountName: dev
  containers:
  - name: app
    image: towline.test/towline:1
    imagePullPolicy: Never
    command: [sleep, '100000']
    workingDir: /app
    env: [{ name: HOME, value: /tmp }]
    SECURITY",
    );
    let run = |args: &[&str]| shop.kubectl(&[&["exec", "runner", "--", "towline"], args].concat());
    let name = ["get", "pods", "-l", "app=api", "-o", "jsonpath={.items[0].metadata.name}"];
    run(&["up", "deploy/api", "--sync", ".:/app"]);
    assert_eq!(run(&["exec", "--", "hostname"]), shop.kubectl(&name) + "\n");
    run(&["down"]);
}

/// An HTTP proxy that serves CONNECT; its address.
fn proxy() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || connect(client));
        }
    });
    format!("http://{address}")
}

fn connect(mut client: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let (mut line, mut request) = (String::new(), String::new());
    reader.read_line(&mut request).ok()?;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).ok()?;
    }
    let server = TcpStream::connect(request.split(' ').nth(1)?).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut up, mut down) = (server.try_clone().ok()?, server);
    let back = std::thread::spawn(move || {
        let _ = std::io::copy(&mut down, &mut client); // either end may close
        client.shutdown(Shutdown::Both)
    });
    let _ = std::io::copy(&mut reader, &mut up); // either end may close
    let _ = up.shutdown(Shutdown::Both); // it may be closed already
    back.join().ok()?.ok()
}
