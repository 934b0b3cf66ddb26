//! One connection to a port of a pod, on its loopback address, as a byte stream.

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};

use super::error::ClusterError;
use super::socket::{Bytes, bytes};
use crate::carrier::{ByteStream, Complaints};

const DATA: u8 = 0;
const ERROR: u8 = 1;

/// Connects to `port` of `pod`.
///
/// # Errors
/// [`ClusterError::Api`]. That nobody listens there is told on the stream.
pub async fn port_forward(
    client: &Client,
    namespace: &str,
    pod: &str,
    port: u16,
) -> Result<ByteStream, ClusterError> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    let tried = || format!("forward to a port of pod {pod} (get and create pods/portforward)");
    let request = kube::core::Request::new(api.resource_url())
        .portforward(pod, &[port])
        .map_err(|error| ClusterError::api(tried())(kube::Error::BuildRequest(error)))?;
    let connection = client.connect(request).await.map_err(ClusterError::api(tried()))?;
    let complaints = Complaints::default();
    let kept = complaints.clone();
    // The first message of each channel is the port's number.
    let mut begun = [false; 2];
    let Bytes { rx, tx, pump } = bytes(connection, DATA, move |channel, message| {
        let begun =
            begun.get_mut(usize::from(channel)).is_some_and(|begun| std::mem::replace(begun, true));
        if begun && channel == ERROR {
            kept.push(message);
        }
        begun && channel == DATA
    });
    Ok(ByteStream {
        carrier: format!("port-forward to pod {pod}"),
        rx: Box::new(rx),
        tx: Box::new(tx),
        guard: Some(Box::new(pump)),
        complaints,
    })
}
