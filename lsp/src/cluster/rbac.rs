//! The Role that an administrator grants: what Towline asks the API server for, and
//! no more. Pure.

use serde_json::{Value, json};

/// Who is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A user, as the API server knows it.
    User(String),
    /// A group.
    Group(String),
    /// A ServiceAccount: namespace and name.
    ServiceAccount(String, String),
}

/// What is needed, as `(resource, verbs)` of the core API group.
pub const RULES: [(&str, &[&str]); 2] =
    [("pods", &["get", "list", "watch"]), ("pods/exec", &["get", "create"])];

/// What an ephemeral container needs beside that.
pub const EPHEMERAL: (&str, &[&str]) = ("pods/ephemeralcontainers", &["patch"]);

/// What the faster stream needs beside that.
pub const PORT_FORWARD: (&str, &[&str]) = ("pods/portforward", &["get", "create"]);

/// The Role with [`RULES`] and `more`, and with subjects its binding, as documents for
/// `kubectl apply`.
pub fn documents(namespace: &str, subjects: &[Subject], more: &[(&str, &[&str])]) -> Vec<Value> {
    let metadata = json!({ "name": "towline", "namespace": namespace });
    let rules: Vec<_> = RULES
        .iter()
        .chain(more)
        .map(|(resource, verbs)| {
            json!({ "apiGroups": [""], "resources": [resource], "verbs": verbs })
        })
        .collect();
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": metadata,
        "rules": rules,
    });
    if subjects.is_empty() {
        return vec![role];
    }
    let group = "rbac.authorization.k8s.io";
    let subjects: Vec<_> = subjects
        .iter()
        .map(|subject| match subject {
            Subject::User(name) => json!({ "apiGroup": group, "kind": "User", "name": name }),
            Subject::Group(name) => json!({ "apiGroup": group, "kind": "Group", "name": name }),
            Subject::ServiceAccount(namespace, name) => {
                json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
            }
        })
        .collect();
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": { "apiGroup": group, "kind": "Role", "name": "towline" },
        "subjects": subjects,
    });
    vec![role, binding]
}
