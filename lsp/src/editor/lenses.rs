//! The state of a service above the lines that name it: in `towline.yaml`, Dockerfiles,
//! compose files and Kubernetes manifests. Pure.

use lsp_types::{CodeLens, Command, Position, Range, Url};
use serde_json::json;

use super::actions::command;
use super::facts::{Facts, Forward};
use super::objects::{self, Object};
use super::session::path_of;
use crate::runtime::CONFIG_NAME;
use crate::target::Target;

/// Kinds of objects that have pods.
const KINDS: [&str; 7] =
    ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet", "Pod"];

/// The lenses of a text.
pub fn of(uri: &Url, text: &str, facts: &Facts) -> Vec<CodeLens> {
    let Some(path) = path_of(uri) else { return Vec::new() };
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut lenses = Lenses { facts, found: Vec::new() };
    match name {
        CONFIG_NAME => lenses.config(text),
        "Dockerfile" | "Containerfile" => lenses.dockerfile(text),
        "compose.yaml" | "compose.yml" | "docker-compose.yaml" | "docker-compose.yml" => {
            lenses.compose(text);
        }
        _ if name.ends_with(".yaml") || name.ends_with(".yml") => lenses.manifest(text),
        _ => {}
    }
    lenses.found
}

struct Lenses<'a> {
    facts: &'a Facts,
    found: Vec<CodeLens>,
}

impl Lenses<'_> {
    fn config(&mut self, text: &str) {
        let mut in_forward = false;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with("target:") {
                self.service(number);
            }
            if line.starts_with(|first: char| first.is_alphabetic()) {
                in_forward = line.starts_with("forward:");
            }
            if in_forward {
                for forward in &self.facts.status.forwards {
                    if line
                        .split(|end: char| !(end.is_alphanumeric() || ":/._-".contains(end)))
                        .any(|word| word == forward.spec)
                    {
                        self.port(number, forward);
                    }
                }
            }
        }
    }

    fn dockerfile(&mut self, text: &str) {
        let line_of =
            |word: &str| text.lines().position(|line| line.to_ascii_uppercase().starts_with(word));
        if let Some(number) = line_of("FROM ") {
            self.service(number);
        }
        for (number, line) in text.lines().enumerate() {
            let Some(ports) = line.to_ascii_uppercase().strip_prefix("EXPOSE ").map(str::to_owned)
            else {
                continue;
            };
            for port in ports.split_whitespace() {
                let port = port.split('/').next().and_then(|port| port.parse().ok());
                if let Some(forward) = port.and_then(|port| self.facts.forwarded(port)) {
                    self.port(number, forward);
                }
            }
        }
    }

    /// The service that bears the workload's or its container's name.
    fn compose(&mut self, text: &str) {
        let names = self.names();
        let mut in_services = false;
        for (number, line) in text.lines().enumerate() {
            if line.starts_with(|first: char| first.is_alphabetic()) {
                in_services = line.starts_with("services:");
            }
            let name = line.trim().strip_suffix(':');
            let is_child = line.starts_with("  ") && !line.starts_with("   ");
            if in_services && is_child && name.is_some_and(|name| names.iter().any(|n| n == name)) {
                self.service(number);
            }
        }
    }

    /// The object that is the target.
    fn manifest(&mut self, text: &str) {
        let names = self.names();
        let Some(own) = names.first() else { return };
        let is_own = |object: &Object| KINDS.contains(&&*object.kind) && object.name == *own;
        for object in objects::of(text).iter().filter(|object| is_own(object)) {
            self.service(object.kind_line);
        }
    }

    /// The workload's name, and its container's.
    fn names(&self) -> Vec<String> {
        let target = self.facts.status.target.as_deref();
        match target.and_then(|text| Target::parse(text, "/".as_ref()).ok()) {
            Some(Target::Workload(workload)) => {
                std::iter::once(workload.name).chain(workload.container).collect()
            }
            _ => Vec::new(),
        }
    }

    /// How the whole is, and what to do with it.
    fn service(&mut self, line: usize) {
        let summary = format!("towline: {}", self.facts.summary());
        if !self.facts.is_up() {
            self.add(line, command(&summary, "towline.up", json!({})));
            return;
        }
        self.add(line, command(&summary, "towline.status", json!({})));
        let forwards = &self.facts.status.forwards;
        for forward in forwards.iter().filter(|forward| forward.protocol != "udp") {
            self.port(line, forward);
        }
        self.add(line, command("logs", "towline.logs", json!({})));
        self.add(line, command("shell", "towline.shell", json!({})));
        if self.facts.status.app.is_some() {
            self.add(line, command("restart", "towline.restart", json!({})));
        }
    }

    fn port(&mut self, line: usize, forward: &Forward) {
        let Some(local) = forward.local.first() else { return };
        let (title, url) = (format!("{} → {local}", forward.remote), format!("http://{local}/"));
        self.add(line, command(&title, "towline.open", json!({ "url": url })));
    }

    fn add(&mut self, line: usize, command: Command) {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let start = Position { line, character: 0 };
        let range = Range { start, end: start };
        self.found.push(CodeLens { range, command: Some(command), data: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.told(Some(json!({
            "readiness": { "state": "ready" },
            "target": "deploy/api -c app",
            "link": { "state": "up", "rtt_us": 1200 },
            "forwards": [{ "spec": "8080", "local": ["127.0.0.1:8081"], "remote": "localhost:8080" }],
        })));
        facts
    }

    #[track_caller]
    fn check(name: &str, text: &str, expected: &[(u32, &str)]) {
        let uri = format!("file:///w/{name}").parse().unwrap();
        let found = of(&uri, text, &facts());
        let found: Vec<_> = found
            .iter()
            .map(|lens| (lens.range.start.line, lens.command.as_ref().unwrap().title.as_str()))
            .collect();
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn a_service_is_told_of_where_it_is_named() {
        let all = |line| {
            [
                (line, "towline: connected, 1.2 ms"),
                (line, "localhost:8080 → 127.0.0.1:8081"),
                (line, "logs"),
                (line, "shell"),
            ]
        };
        let port = "localhost:8080 → 127.0.0.1:8081";
        check(
            "towline.yaml",
            "target: deploy/api\nforward:\n  - 8080\n",
            &[&all(0)[..], &[(2, port)]].concat(),
        );
        check(
            "Dockerfile",
            "# x\nFROM a\nEXPOSE 8080/tcp 9090\n",
            &[&all(1)[..], &[(2, port)]].concat(),
        );
        check("compose.yaml", "services:\n  db:\n  api:\n    image: x\n", &all(2));
        check(
            "k8s.yaml",
            "kind: Service\nmetadata:\n  name: api\n---\nkind: Deployment\nmetadata:\n  name: api\n",
            &all(4),
        );
        check("k8s.yaml", "kind: Deployment\nmetadata: { name: api, x: y }\n", &all(0));
        check("k8s.yaml", "kind: Deployment\nmetadata:\n  name: other\n", &[]);
        check("main.py", "target: deploy/api\n", &[]);
    }
}
