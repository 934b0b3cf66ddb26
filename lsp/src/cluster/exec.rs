//! One `exec` in a container as a byte stream: frames of the API's websocket
//! protocol in and out. Knows nothing of what runs there.
//!
//! By hand and not by kube's `AttachedProcess`, which cuts what is sent into 4 KiB
//! messages and does not end its reader when it is dropped.

use futures_util::{SinkExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Api, Client};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_util::task::AbortOnDropHandle;

use super::error::ClusterError;
use super::pick::Place;
use crate::carrier::Complaints;

/// Bytes in one message: an eighth of what the API server takes, and enough that
/// its header costs nothing.
const MESSAGE_MAX: usize = 128 * 1024;
/// Bytes that wait on either side.
const BUFFER: usize = 256 * 1024;

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
    command: &[&str],
) -> Result<Exec, ClusterError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let tried = || format!("exec in container {} of pod {}", place.container, place.pod);
    let params =
        AttachParams::default().container(&place.container).stdin(true).stdout(true).stderr(true);
    let request = kube::core::Request::new(api.resource_url())
        .exec(&place.pod, command.iter().copied(), &params)
        .map_err(|error| ClusterError::api(tried())(kube::Error::BuildRequest(error)))?;
    let connection = client.connect(request).await.map_err(ClusterError::api(tried()))?;
    let (mut sink, mut source) = connection.into_stream().split();
    let (rx, mut out) = tokio::io::duplex(BUFFER);
    let (tx, mut input) = tokio::io::duplex(BUFFER);
    let complaints = Complaints::default();
    let kept = complaints.clone();
    let receive = async move {
        while let Some(Ok(message)) = source.next().await {
            let Message::Binary(bytes) = message else { continue };
            match bytes.split_first() {
                Some((&STDOUT, bytes)) if out.write_all(bytes).await.is_err() => return,
                Some((&STDERR, bytes)) => kept.push(bytes),
                Some((&STATUS, bytes)) => kept.push(ended(bytes).as_bytes()),
                _ => {}
            }
        }
    };
    let send = async move {
        let mut message = Vec::with_capacity(MESSAGE_MAX + 1);
        loop {
            message.clear();
            message.push(STDIN);
            match (&mut input).take(MESSAGE_MAX as u64).read_buf(&mut message).await {
                Ok(1..) => {}
                _ => return, // the carrier is dropped
            }
            let bytes = Bytes::copy_from_slice(&message);
            if sink.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
        }
    };
    let pump = AbortOnDropHandle::new(tokio::spawn(async move {
        tokio::select! {
            () = receive => {}
            () = send => {}
        }
    }));
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
    command: &[&str],
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
    status["message"].as_str().unwrap_or_default().to_owned()
}
