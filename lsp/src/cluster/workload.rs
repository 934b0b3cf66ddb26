//! What the user names on Kubernetes: parsed once. Knows no cluster.

use std::fmt;

/// A kind of object that has pods, or is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Deployment.
    Deployment,
    /// ReplicaSet.
    ReplicaSet,
    /// StatefulSet.
    StatefulSet,
    /// DaemonSet.
    DaemonSet,
    /// Job.
    Job,
    /// CronJob.
    CronJob,
    /// Service.
    Service,
    /// Pod.
    Pod,
    /// Every pod that a label selector names.
    Labels,
}

/// Names, the first of which is how a kind is shown.
const KINDS: [(Kind, &[&str]); 9] = [
    (Kind::Deployment, &["deploy", "deployment", "deployments", "deployment.apps"]),
    (Kind::ReplicaSet, &["rs", "replicaset", "replicasets", "replicaset.apps"]),
    (Kind::StatefulSet, &["statefulset", "sts", "statefulsets", "statefulset.apps"]),
    (Kind::DaemonSet, &["daemonset", "ds", "daemonsets", "daemonset.apps"]),
    (Kind::Job, &["job", "jobs", "job.batch"]),
    (Kind::CronJob, &["cronjob", "cj", "cronjobs", "cronjob.batch"]),
    (Kind::Service, &["svc", "service", "services"]),
    (Kind::Pod, &["pod", "po", "pods"]),
    (Kind::Labels, &["label", "labels", "selector"]),
];

impl Kind {
    /// The kind of a word before the slash.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        KINDS.iter().find(|(_, names)| names.contains(&word.as_str())).map(|(kind, _)| *kind)
    }

    /// The word before the slash.
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, names)| names[0])
    }
}

/// A workload of some cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// What kind of object.
    pub kind: Kind,
    /// Its name, or the selector.
    pub name: String,
    /// The container; chosen when not said.
    pub container: Option<String>,
    /// The namespace; the context's when not said.
    pub namespace: Option<String>,
    /// The kubeconfig's context; the current one when not said.
    pub context: Option<String>,
    /// Where the agent goes; what works is chosen when not said.
    pub tier: Option<Tier>,
    /// An image with a shell, for an ephemeral container.
    pub agent_image: Option<String>,
    /// Syncs go to every one of its pods.
    pub all: bool,
}

/// Where an agent goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Into the container itself.
    Exec,
    /// Into an ephemeral container beside it.
    Ephemeral,
}

impl Tier {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exec => "exec",
            Self::Ephemeral => "ephemeral",
        }
    }

    /// The tier of a word.
    ///
    /// # Errors
    /// What there is.
    pub fn parse(word: &str) -> Result<Self, String> {
        [Self::Exec, Self::Ephemeral]
            .into_iter()
            .find(|tier| tier.word() == word)
            .ok_or_else(|| format!("there is no tier `{word}`; known: exec, ephemeral"))
    }
}

/// Longest name of an object or a selector that is taken.
const NAME_MAX: usize = 512;

impl Workload {
    /// Parses `deploy/api -c app -n shop --context prod`, where everything behind
    /// the first word may be left out.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let first = words.next().unwrap_or_default();
        let (kind, name) = first
            .split_once('/')
            .ok_or("a workload is written KIND/NAME, as in `deploy/api`".to_owned())?;
        let kind = Kind::parse(kind).ok_or_else(|| {
            let known: Vec<_> = KINDS.iter().map(|(kind, _)| kind.word()).collect();
            format!("there is no kind `{kind}`; known: {}", known.join(", "))
        })?;
        let mut workload = Self { name: name.to_owned(), ..Self::bare(kind) };
        let mut tier = None;
        while let Some(word) = words.next() {
            if word == "--all" {
                workload.all = true;
                continue;
            }
            let (flag, value) = match word.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (word, words.next()),
            };
            let seat = match flag {
                "-c" | "--container" => &mut workload.container,
                "-n" | "--namespace" => &mut workload.namespace,
                "--context" => &mut workload.context,
                "--tier" => &mut tier,
                "--agent-image" => &mut workload.agent_image,
                _ => {
                    return Err(format!(
                        "`{flag}` is no part of a target; known: -c, -n, --context, --tier, \
                         --agent-image, --all"
                    ));
                }
            };
            *seat = Some(value.ok_or_else(|| format!("`{flag}` needs a value"))?.to_owned());
        }
        workload.tier = tier.as_deref().map(Tier::parse).transpose()?;
        workload.check()?;
        Ok(workload)
    }

    /// With nothing said but the kind.
    pub fn bare(kind: Kind) -> Self {
        Self {
            kind,
            name: String::new(),
            container: None,
            namespace: None,
            context: None,
            tier: None,
            agent_image: None,
            all: false,
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.name.is_empty() {
            return Err(format!("a name has to follow `{}/`", self.kind.word()));
        }
        if self.name.len() > NAME_MAX {
            return Err(format!("the name is over {NAME_MAX} bytes long"));
        }
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        if self.kind != Kind::Labels && !plain(&self.name) {
            return Err(format!(
                "`{}` cannot be a name: only letters, digits, `-` and `.` are allowed",
                self.name
            ));
        }
        for name in [&self.container, &self.namespace].into_iter().flatten() {
            if !plain(name) {
                return Err(format!(
                    "`{name}` cannot be a name: only letters, digits, `-` and `.` are allowed"
                ));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.name)?;
        let tier = self.tier.map(|tier| tier.word().to_owned());
        for (flag, value) in [
            ("-c", &self.container),
            ("-n", &self.namespace),
            ("--context", &self.context),
            ("--tier", &tier),
            ("--agent-image", &self.agent_image),
        ] {
            if let Some(value) = value {
                write!(f, " {flag} {value}")?;
            }
        }
        if self.all { f.write_str(" --all") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn round(text: &str, shown: &str) {
        let workload = Workload::parse(text).unwrap();
        assert_eq!(workload.to_string(), shown);
        assert_eq!(Workload::parse(shown).unwrap(), workload);
    }

    #[test]
    fn workloads_are_parsed_and_shown() {
        round("deploy/api", "deploy/api");
        round("Deployment/api -n shop", "deploy/api -n shop");
        round("sts/db -c=db --context prod", "statefulset/db -c db --context prod");
        round("po/api-5d9-x2 --namespace=shop", "pod/api-5d9-x2 -n shop");
        round("svc/api --all -n shop", "svc/api -n shop --all");
        round("label/app=api,tier!=web", "label/app=api,tier!=web");
    }

    #[test]
    fn wrong_ones_are_explained() {
        let check = |text: &str, says: &str| {
            let reason = Workload::parse(text).unwrap_err();
            assert!(reason.contains(says), "{text}: {reason}");
        };
        check("api", "KIND/NAME");
        check("dep/api", "no kind `dep`");
        check("deploy/", "a name has to follow");
        check("deploy/a b", "`b` is no part");
        check("deploy/a -n", "needs a value");
        check("deploy/a;rm", "cannot be a name");
        check("pod/a -c a/b", "cannot be a name");
    }
}
