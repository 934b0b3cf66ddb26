//! What the language server knows of the words in `towline.yaml` and in source from the
//! live cluster.

use std::fs;

use harness::editor::{Editor, uri};
use serde_json::{Value, json};

use crate::shop::Shop;

const WEB: &str = "command: [httpd, -f, -p, '8080', -h, /app]\n        \
                   ports: [{ containerPort: 8080 }]";

const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: { name: db, namespace: NAMESPACE }
spec: { selector: { app: api }, ports: [{ name: pg, port: 5432, targetPort: 8080 }] }
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: { name: services, namespace: NAMESPACE }
rules: [{ apiGroups: [''], resources: [services], verbs: [list] }]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: { name: services, namespace: NAMESPACE }
roleRef: { apiGroup: rbac.authorization.k8s.io, kind: Role, name: services }
subjects: [{ kind: ServiceAccount, name: dev, namespace: NAMESPACE }]
";

/// The labels of what is offered at the end of a text.
fn offered(editor: &mut Editor, file: &std::path::Path, text: &str) -> Vec<String> {
    let document = json!({ "uri": uri(file), "languageId": "x", "version": 1, "text": text });
    editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
    let line = text.matches('\n').count();
    let character = text.rsplit('\n').next().unwrap_or_default().len();
    let place = json!({ "line": line, "character": character });
    let params = json!({ "textDocument": { "uri": uri(file) }, "position": place });
    let items = editor.request("textDocument/completion", params).expect("items");
    let items = items.as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|item| item["label"].as_str().map(str::to_owned)).collect()
}

#[test]
fn the_cluster_completes_and_checks_the_config_and_tells_what_a_host_is() {
    let shop = Shop::new();
    shop.deploy("api", WEB);
    shop.apply(SERVICE);
    let file = shop.sandbox.workspace().join("towline.yaml");
    let mut editor = Editor::start_by(shop.command(&["lsp"]), &shop.sandbox);
    assert!(offered(&mut editor, &file, "target: d").contains(&"deploy/api".to_owned()));
    assert_eq!(offered(&mut editor, &file, "target: deploy/api -c "), ["app"]);
    let ports = offered(&mut editor, &file, "target: deploy/api\nforward:\n  - ");
    for port in ["8080", "svc/db:5432"] {
        assert!(ports.contains(&port.to_owned()), "{ports:?}");
    }

    let hints = |editor: &Editor| {
        let told = editor.diagnostics(&file).unwrap_or_default();
        let told = told.into_iter().filter(|told| told["code"] == "cluster");
        told.map(|told| told["message"].clone()).collect::<Vec<Value>>()
    };
    let text = "target: deploy/api -c web\nforward: [svc/cache:1]\n";
    fs::write(&file, text).expect("a file");
    offered(&mut editor, &file, text);
    assert!(hints(&editor).is_empty(), "nothing is connected yet");
    editor.run("towline.up", json!({ "target": "deploy/api", "forward": ["0:db:5432"] }));
    let told = editor.until("the cluster to be asked", |editor| {
        Some(hints(editor)).filter(|told| told.len() == 2)
    });
    assert_eq!(told[0], "deploy/api has no container `web`; there are app");
    assert_eq!(told[1], "there is no service `cache` here; there are db");

    let source = shop.sandbox.workspace().join("a.py");
    let names = ["db", "db.NAMESPACE", "db.NAMESPACE.svc.cluster.local"];
    for name in names.map(|name| name.replace("NAMESPACE", &shop.name)) {
        let text = format!("HOST = \"{name}\"\nURL = \"http://{name}:5432/\"\n");
        let document =
            json!({ "uri": uri(&source), "languageId": "x", "version": 1, "text": text });
        editor.notify("textDocument/didOpen", json!({ "textDocument": document }));
        for (line, character) in [(0, 9), (1, 15)] {
            let place = json!({ "line": line, "character": character });
            let params = json!({ "textDocument": { "uri": uri(&source) }, "position": place });
            let hover = editor.request("textDocument/hover", params).expect("an answer");
            let said = hover["contents"]["value"].as_str().unwrap_or_default();
            let address = shop.kubectl(&["get", "svc/db", "-o", "jsonpath={.spec.clusterIP}"]);
            assert!(said.contains(&format!("`{name}` is {}", address.trim())), "{said}");
            assert!(said.contains("(http://localhost:"), "{said}");
        }
    }
    editor.run("towline.down", json!({}));
}
