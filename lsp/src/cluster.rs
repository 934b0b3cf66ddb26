//! Kubernetes targets: from what the user names to a channel to an agent in a
//! running container. The only place that names `kube`; needs nothing but
//! `get`, `list`, `watch` on pods and `get`, `create` on pods/exec.
//!
//! ```text
//! Workload ──pick──▶ pod, container ──exec + inject──▶ agent ──▶ ByteStream
//!                                  └─forward, when it is allowed──▶ ByteStream
//! ```

pub mod agent_file;
pub mod agent_image;
pub mod client;
pub mod contexts;
mod empty;
pub mod ephemeral;
pub mod error;
pub mod exec;
pub mod forward;
pub mod inject;
pub mod list;
pub mod others;
pub mod pick;
pub mod pod;
pub mod pods;
pub mod rbac;
pub mod services;
pub mod socket;
pub mod workload;
