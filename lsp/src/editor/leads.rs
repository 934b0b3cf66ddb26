//! Where a word of `towline.yaml` leads: to a file here, to a path that only the target
//! has, to the manifest of an object. Pure.

use std::path::{Path, PathBuf};

use super::facts::{Facts, SyncView};
use super::hosts::canonical;
use super::references::{self, Named};
use crate::cluster::workload::Kind;
use crate::config::file;
use crate::ports::ForwardSpec;
use crate::target::Target;

/// Where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lead {
    /// The first of these that is there.
    Files(Vec<PathBuf>),
    /// A path of the target, and the local file that it is, if it is synced.
    Remote(String, Option<PathBuf>),
    /// What declares an object of this kind and name.
    Object(&'static str, String),
}

/// Where something that `text` names leads.
pub fn of(named: &Named, text: &str, facts: &Facts) -> Option<Lead> {
    let root = &facts.root;
    match named {
        Named::Folder(folder) => Some(Lead::Files(vec![plain(&root.join(folder))])),
        Named::Remote(path) => {
            let local = planned(text, facts).local_of(path);
            Some(Lead::Remote(path.clone(), local.map(|path| plain(&path))))
        }
        Named::Target(target) => match Target::parse(target, root).ok()? {
            Target::Local(folder) => Some(Lead::Files(vec![plain(&folder)])),
            Target::Workload(workload) => {
                Some(Lead::Object(object_kind(workload.kind)?, workload.name))
            }
        },
        Named::Forward(spec) => {
            let spec: ForwardSpec = spec.parse().ok()?;
            if spec.is_own() {
                return None;
            }
            let name = canonical(spec.name(), None).split('.').next()?.to_owned();
            Some(Lead::Object("Service", name))
        }
        Named::Word(word) if word.starts_with('/') => {
            let local = planned(text, facts).local_of(word)?;
            Some(Lead::Files(vec![plain(&local)]))
        }
        Named::Word(word) => {
            // It is seen from where the command runs, mostly a sync's root.
            let planned = planned(text, facts);
            let roots = planned.status.syncs.iter().map(|sync| PathBuf::from(&sync.alpha));
            let roots = roots.chain([root.clone()]);
            Some(Lead::Files(roots.map(|root| plain(&root.join(word))).collect()))
        }
    }
}

/// The facts with the syncs that are up, else those of the text.
fn planned(text: &str, facts: &Facts) -> Facts {
    let mut planned = Facts { root: facts.root.clone(), ..Facts::default() };
    planned.status.target.clone_from(&facts.status.target);
    planned.status.syncs.clone_from(&facts.status.syncs);
    if planned.status.syncs.is_empty() {
        let view = |(from, to): (String, String)| SyncView {
            alpha: plain(&facts.root.join(from)).display().to_string(),
            beta: to,
            ..SyncView::default()
        };
        planned.status.syncs = pairs(text, facts).into_iter().map(view).collect();
    }
    planned
}

/// What a text syncs: local and remote. One that is being typed is no YAML yet: of it
/// every local folder counts that is followed by a path of the target.
fn pairs(text: &str, facts: &Facts) -> Vec<(String, String)> {
    if let Ok(file) = file::parse(&facts.root, text) {
        return file.sync.into_iter().map(|sync| (sync.value.from, sync.value.to)).collect();
    }
    let mut found = Vec::new();
    let mut from = None;
    for named in references::all(text) {
        match named.named {
            Named::Folder(folder) => from = Some(folder),
            Named::Remote(to) => found.extend(from.take().map(|from| (from, to))),
            _ => {}
        }
    }
    found
}

/// Without `.` and `..`, as editors name files.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

fn object_kind(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Deployment => "Deployment",
        Kind::ReplicaSet => "ReplicaSet",
        Kind::StatefulSet => "StatefulSet",
        Kind::DaemonSet => "DaemonSet",
        Kind::Job => "Job",
        Kind::CronJob => "CronJob",
        Kind::Service => "Service",
        Kind::Pod => "Pod",
        Kind::Labels => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_word_leads_to_what_it_means() {
        let text = "sync:\n  - from: ./src\n    to: /app\n";
        let down = Facts { root: "/w".into(), ..Facts::default() };
        let mut up = Facts { root: "/w".into(), ..Facts::default() };
        up.told(Some(json!({ "syncs": [{ "alpha": "/w/lib", "beta": "/app" }] })));
        let file = |path: &str| Some(Lead::Files(vec![path.into()]));
        let check = |named, expected| assert_eq!(of(&named, text, &down), expected);
        check(Named::Folder("./src/../x".into()), file("/w/x"));
        let local = Some("/w/src/a".into());
        check(Named::Remote("/app/a".into()), Some(Lead::Remote("/app/a".into(), local)));
        check(Named::Remote("/etc".into()), Some(Lead::Remote("/etc".into(), None)));
        check(Named::Target("local:../there".into()), file("/there"));
        let object = |kind, name: &str| Some(Lead::Object(kind, name.to_owned()));
        check(Named::Target("deploy/api -c app".into()), object("Deployment", "api"));
        check(Named::Target("label/a=b".into()), None);
        check(Named::Forward("5433:svc/db:5432".into()), object("Service", "db"));
        check(Named::Forward("db.shop.svc:1".into()), object("Service", "db"));
        check(Named::Forward("8080".into()), None);
        let either = Lead::Files(vec!["/w/src/run.sh".into(), "/w/run.sh".into()]);
        check(Named::Word("./run.sh".into()), Some(either));
        check(Named::Word("/app/run.sh".into()), file("/w/src/run.sh"));
        let typed = format!("{text}  - fr");
        let remote = of(&Named::Remote("/app".into()), &typed, &down);
        assert_eq!(remote, Some(Lead::Remote("/app".into(), Some("/w/src".into()))));
        let there = Named::Word("/app/run.sh".into());
        assert_eq!(of(&there, text, &up), file("/w/lib/run.sh"), "what is up counts");
    }
}
