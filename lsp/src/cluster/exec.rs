//! One `exec` in a container as a byte stream. Knows nothing of what runs there.

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Client};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio_util::task::AbortOnDropHandle;

use super::error::ClusterError;
use super::pick::Place;
use super::socket::{Bytes, bytes};
use crate::carrier::Complaints;

/// The most that a short command may print.
const OUTPUT_MAX: u64 = 1024 * 1024;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;

/// A command that runs in a container. Ends when it is dropped, as far as the
/// API server is concerned.
pub struct Exec {
    /// Its standard output.
    pub rx: DuplexStream,
    /// Its standard input.
    pub tx: DuplexStream,
    /// Its standard error, and how it ended.
    pub complaints: Complaints,
    /// Moves the bytes.
    pub pump: AbortOnDropHandle<()>,
}

/// Starts `command`.
///
/// # Errors
/// [`ClusterError::Api`].
pub async fn exec(
    client: &Client,
    namespace: &str,
    place: &Place,
    command: &[String],
) -> Result<Exec, ClusterError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    // Of one of the two rights the API server does not say that it is missing.
    let tried = || {
        let Place { container, pod, .. } = place;
        format!("exec in container {container} of pod {pod} (get and create pods/exec)")
    };
    let params =
        AttachParams::default().container(&place.container).stdin(true).stdout(true).stderr(true);
    let request = kube::core::Request::new(api.resource_url())
        .exec(&place.pod, command, &params)
        .map_err(|error| ClusterError::api(tried())(kube::Error::BuildRequest(error)))?;
    let connection = client.connect(request).await.map_err(ClusterError::api(tried()))?;
    let complaints = Complaints::default();
    let kept = complaints.clone();
    let Bytes { rx, tx, pump } = bytes(connection, STDIN, move |channel, message| {
        match channel {
            STDOUT => return true,
            STDERR => kept.push(message),
            STATUS => kept.push(ended(message).as_bytes()),
            _ => {}
        }
        false
    });
    Ok(Exec { rx, tx, complaints, pump })
}

/// Runs a short command and returns what it printed.
///
/// # Errors
/// [`ClusterError::Api`].
pub async fn run(
    client: &Client,
    namespace: &str,
    place: &Place,
    command: &[String],
) -> Result<String, ClusterError> {
    let exec = exec(client, namespace, place, command).await?;
    let mut said = Vec::new();
    // An end in the middle is an end.
    let _ = exec.rx.take(OUTPUT_MAX).read_to_end(&mut said).await;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// What the status at the end of an exec says; nothing if it went well.
fn ended(bytes: &[u8]) -> String {
    let status: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    if status["status"] == "Success" {
        return String::new();
    }
    without_query(status["message"].as_str().unwrap_or_default())
}

/// An API server that cannot ask a node says what it asked, with all of the command.
fn without_query(message: &str) -> String {
    let Some((before, after)) = message.split_once("?command=") else { return message.to_owned() };
    let end = after.find(['"', ' ']).unwrap_or(after.len());
    format!("{before}{}", &after[end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_at_the_end_is_told_in_short() {
        let failed = r#"{"status":"Failure","message":"Post \"https://n/exec?command=sh&command=-c\": dial tcp: refused"}"#;
        assert_eq!(ended(failed.as_bytes()), r#"Post "https://n/exec": dial tcp: refused"#);
        assert_eq!(ended(br#"{"status":"Success"}"#), "");
        assert_eq!(ended(br#"{"status":"Failure","message":"exit code 3"}"#), "exit code 3");
    }
}
