//! Commands about a Kubernetes namespace as a whole: list, rbac, and the question
//! which workload is meant.

use std::io::{BufRead, IsTerminal};

use super::flags::{self, Global};
use super::output;
use crate::cluster::error::ClusterError;
use crate::cluster::list::{self, List, Row};
use crate::cluster::rbac::{self, Subject};
use crate::face::error::FaceError;
use crate::face::workloads::{connected, document, workspaces};
use crate::hub::api::Failure;
use crate::status::FailureCode;

/// Shows workloads and who is connected.
///
/// # Errors
/// What to tell the user.
pub async fn list(global: &Global, list: flags::List) -> Result<(), FaceError> {
    let (context, namespace) = (list.context.as_deref(), list.namespace.as_deref());
    let found = list::list(context, namespace, list.all).await?;
    if global.json {
        output::json_line(&document(&found));
        return Ok(());
    }
    let ours = connected();
    if found.workloads.is_empty() {
        output::note(&format!("namespace {} has no pods", found.namespace));
        return Ok(());
    }
    let mut rows =
        vec![["WORKLOAD", "READY", "CONTAINERS", "CONNECTED"].map(str::to_owned).to_vec()];
    for row in &found.workloads {
        let mut connected = workspaces(&ours, row, &found.namespace);
        connected.extend(row.agents.iter().map(|agent| {
            let state = if agent.running { "" } else { " (ended)" };
            format!("{} in {}/{}{state}", agent.who, agent.pod, agent.container)
        }));
        let ready = format!("{}/{}", row.ready, row.pods);
        let containers = match &row.problem {
            Some(problem) => problem.clone(),
            None => row.containers.join(", "),
        };
        rows.push(vec![row.workload.clone(), ready, containers, connected.join(", ")]);
    }
    output::table(&rows).iter().for_each(|line| output::line(line.trim_end()));
    Ok(())
}

/// Prints the Role.
///
/// # Errors
/// None; for the dispatcher.
pub fn rbac(rbac: flags::Rbac) {
    let account = |text: String| match text.split_once('/') {
        Some((namespace, name)) => Subject::ServiceAccount(namespace.into(), name.into()),
        None => Subject::ServiceAccount(rbac.namespace.clone(), text),
    };
    let mut subjects: Vec<_> = rbac.user.into_iter().map(Subject::User).collect();
    subjects.extend(rbac.group.into_iter().map(Subject::Group));
    subjects.extend(rbac.service_account.into_iter().map(account));
    let mut more = Vec::new();
    more.extend(rbac.ephemeral.then_some(rbac::EPHEMERAL));
    more.extend(rbac.port_forward.then_some(rbac::PORT_FORWARD));
    // JSON is YAML, and every reader takes it.
    for document in rbac::documents(&rbac.namespace, &subjects, &more) {
        output::line("---");
        output::line(&format!("{document:#}"));
    }
}

/// Asks a person which workload of the current namespace is meant; none when
/// nobody is there to ask.
///
/// # Errors
/// When the namespace cannot be listed, or has nothing to go to.
pub async fn ask() -> Result<Option<Row>, FaceError> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(None);
    }
    let List { namespace, workloads } = match list::list(None, None, false).await {
        Ok(list) => list,
        // Without a cluster nothing else was meant than what the help says.
        Err(ClusterError::Config(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut rows: Vec<Row> = workloads.into_iter().filter(|row| row.problem.is_none()).collect();
    if rows.is_empty() {
        return Err(FaceError(Failure::new(
            FailureCode::Unreachable,
            format!("nothing runs in namespace {namespace}"),
        ))
        .help("name a workload of another one: towline up deploy/NAME -n NAMESPACE"));
    }
    output::note(&format!("Where to? Namespace {namespace} has:"));
    for (at, row) in rows.iter().enumerate() {
        let note = format!("{}/{} ready, {}", row.ready, row.pods, row.containers.join(", "));
        output::note(&format!("  {:>2}  {}  ({note})", at + 1, row.workload));
    }
    loop {
        eprint!("Number or name [1]: ");
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        if !matches!(read, Ok(1..)) {
            return Err(FaceError::usage("no workload was chosen"));
        }
        let line = line.trim();
        let chosen = match line {
            "" => Some(0),
            line => match line.parse::<usize>() {
                Ok(number) => number.checked_sub(1).filter(|at| *at < rows.len()),
                Err(_) => rows.iter().position(|row| row.workload == line),
            },
        };
        match chosen {
            Some(at) => return Ok(Some(rows.swap_remove(at))),
            None => output::note(&format!("`{line}` is none of them")),
        }
    }
}
