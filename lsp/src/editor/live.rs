//! What the cluster has where `towline.yaml` points: its workloads and services, and
//! which of the file's words name nothing there. Hints only, and only while connected:
//! a cluster changes, and what is not there today may be there tomorrow.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::facts::Facts;
use super::references::{Named, Reference};
use super::session::Input;
use crate::cluster::list::{self, Row};
use crate::cluster::services::{Service, services};
use crate::cluster::workload::{Kind, Workload};
use crate::config::file::nearest;
use crate::ports::{ForwardSpec, Port};
use crate::target::Target;

/// How long the file has to be left alone before the cluster is asked about another
/// place: whoever types a name means its end.
const QUIET: Duration = Duration::from_millis(500);

/// A context and a namespace; none for those that hold when none is named.
pub type Place = (Option<String>, Option<String>);

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Where was looked.
    pub place: Place,
    /// Its workloads; none where they cannot be listed.
    pub workloads: Option<Vec<Row>>,
    /// Its services; none where they cannot be listed.
    pub services: Option<Vec<Service>>,
}

/// The place that a text of `towline.yaml` points to, if it is in a cluster.
pub fn place(named: &[Reference]) -> Option<Place> {
    let Workload { context, namespace, .. } = workload(named)?.1;
    Some((context, namespace))
}

fn workload(named: &[Reference]) -> Option<(&Reference, Workload)> {
    let (at, text) = named.iter().find_map(|found| match &found.named {
        Named::Target(text) => Some((found, text)),
        _ => None,
    })?;
    match Target::parse(text, "/".as_ref()).ok()? {
        Target::Workload(workload) => Some((at, workload)),
        _ => None,
    }
}

/// What the text names and the cluster does not have.
pub fn missing<'a>(named: &'a [Reference], facts: &Facts) -> Vec<(&'a Reference, String)> {
    let mut found = Vec::new();
    let Some(live) = facts
        .live
        .as_ref()
        .filter(|live| facts.is_up() && place(named).as_ref() == Some(&live.place))
    else {
        return found;
    };
    if let Some((at, workload)) = workload(named)
        && let Some(why) = live.workloads.as_ref().and_then(|rows| no_workload(&workload, rows))
    {
        found.push((at, why));
    }
    for at in named {
        if let Named::Forward(text) = &at.named
            && let Some(services) = &live.services
            && let Some(why) = no_service(text, services)
        {
            found.push((at, why));
        }
    }
    found
}

fn no_workload(workload: &Workload, rows: &[Row]) -> Option<String> {
    // Others have no row of their own.
    if matches!(workload.kind, Kind::Service | Kind::Labels | Kind::Pod | Kind::ReplicaSet) {
        return None;
    }
    let name = format!("{}/{}", workload.kind.word(), workload.name);
    let Some(row) = rows.iter().find(|row| row.workload == name) else {
        let names: Vec<&str> = rows.iter().map(|row| row.workload.as_str()).collect();
        return Some(format!("there is no {name} with a pod now; {}", instead(&name, &names)));
    };
    let container = workload.container.as_deref()?;
    let known: Vec<&str> = row.containers.iter().map(String::as_str).collect();
    (!known.is_empty() && !known.contains(&container))
        .then(|| format!("{name} has no container `{container}`; {}", instead(container, &known)))
}

fn no_service(text: &str, services: &[Service]) -> Option<String> {
    let spec: ForwardSpec = text.parse().ok()?;
    if spec.is_own() || spec.udp {
        return None;
    }
    let is_named = spec.name() != spec.host;
    let Some(service) = services.iter().find(|service| service.name == spec.name()) else {
        let names: Vec<&str> = services.iter().map(|service| service.name.as_str()).collect();
        // Any other host may be anywhere.
        return is_named.then(|| {
            format!("there is no service `{}` here; {}", spec.name(), instead(spec.name(), &names))
        });
    };
    let has = service.ports.iter().any(|(number, name)| match &spec.port {
        Port::Number(wanted) => number == wanted,
        Port::Name(wanted) => name.as_ref() == Some(wanted),
    });
    let known: Vec<String> = service.ports.iter().map(|(number, _)| number.to_string()).collect();
    (!has && !known.is_empty()).then(|| {
        format!(
            "the service `{}` has no port {}; it has {}",
            service.name,
            spec.port,
            known.join(", ")
        )
    })
}

fn instead(given: &str, known: &[&str]) -> String {
    const LISTED: usize = 8;
    match nearest(given, known) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "there is none at all".to_owned(),
        None => {
            let more = if known.len() > LISTED { ", …" } else { "" };
            format!("there are {}{more}", known[..known.len().min(LISTED)].join(", "))
        }
    }
}

/// What forwards may name: declared ports of the workloads and those of services, each
/// with what it is.
pub fn ports(live: &Live) -> Vec<(String, String)> {
    let rows = live.workloads.iter().flatten();
    let own = rows.flat_map(|row| {
        row.ports.iter().map(|port| (port.to_string(), format!("declared by {}", row.workload)))
    });
    let services = live.services.iter().flatten().flat_map(|service| {
        let name = &service.name;
        service.ports.iter().map(move |(number, label)| {
            let what = label.as_deref().unwrap_or("a service");
            (format!("svc/{name}:{number}"), what.to_owned())
        })
    });
    own.chain(services).collect()
}

/// Looks at a place. Nobody asked for it: what cannot be listed is not told about.
pub async fn look(place: Place) -> Live {
    let (context, namespace) = (place.0.as_deref(), place.1.as_deref());
    let (workloads, services) =
        tokio::join!(list::list(context, namespace, false), services(context, namespace));
    let workloads = workloads.ok().map(|list| list.workloads);
    Live { workloads, services: services.ok(), place }
}

/// Looks at the place that is wanted, whenever it is another one.
pub async fn follow(mut place_rx: watch::Receiver<Option<Place>>, input_tx: mpsc::Sender<Input>) {
    while place_rx.changed().await.is_ok() {
        while tokio::time::timeout(QUIET, place_rx.changed()).await.is_ok_and(|it| it.is_ok()) {}
        let Some(place) = place_rx.borrow_and_update().clone() else { continue };
        tokio::select! {
            biased;
            _ = input_tx.closed() => return,
            live = look(place) => if input_tx.send(Input::Live(live)).await.is_err() {
                return;
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::editor::references;
    use serde_json::json;

    fn row(name: &str, containers: &[&str]) -> Row {
        Row {
            workload: name.to_owned(),
            pods: 1,
            ready: 1,
            containers: containers.iter().map(ToString::to_string).collect(),
            ports: vec![8080],
            cwd: None,
            problem: None,
            agents: Vec::new(),
        }
    }

    #[track_caller]
    fn check(is_up: bool, text: &str, expected: &[&str]) {
        let mut facts = Facts::default();
        let state = if is_up { "ready" } else { "idle" };
        facts.told(Some(json!({ "readiness": { "state": state } })));
        facts.live = Some(Live {
            place: (None, Some("shop".to_owned())),
            workloads: Some(vec![row("deploy/api", &["app", "proxy"])]),
            services: Some(vec![Service {
                name: "db".to_owned(),
                ports: vec![(5432, Some("pg".to_owned()))],
            }]),
        });
        let named = references::all(text);
        let found = missing(&named, &facts);
        let found: Vec<_> = found.iter().map(|(_, why)| why.as_str()).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn only_what_the_cluster_does_not_have_is_told_and_only_while_connected() {
        check(true, "target: deploy/api -c app -n shop\n", &[]);
        check(false, "target: deploy/apj -n shop\n", &[]);
        check(true, "target: deploy/apj -n other\n", &[]);
        check(true, "target: svc/x -n shop\n", &[]);
        check(true, "target: local:x\n", &[]);
        check(
            true,
            "target: deployment/apj -n shop\n",
            &["there is no deploy/apj with a pod now; did you mean deploy/api?"],
        );
        check(
            true,
            "target: deploy/api -c web -n shop\n",
            &["deploy/api has no container `web`; there are app, proxy"],
        );
        let ports = |text: &str, expected: &[&str]| {
            check(true, &format!("target: deploy/api -n shop\nforward: [{text}]\n"), expected);
        };
        ports("8080, svc/db:5432, svc/db:pg, db:5432, elsewhere.net:1, 53/udp", &[]);
        ports("svc/cache:1", &["there is no service `cache` here; there are db"]);
        ports("db:1", &["the service `db` has no port 1; it has 5432"]);
    }
}
