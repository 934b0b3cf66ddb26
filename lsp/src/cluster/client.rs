//! A client of the API server, as the kubeconfig has it.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::error::ClusterError;

/// A way to an API server.
#[derive(Clone)]
pub struct Server {
    /// What asks it; with the namespace of the context.
    pub client: Client,
    /// Its address.
    pub url: String,
}

/// The server of a context, the current one when none is named.
///
/// # Errors
/// See [`ClusterError`].
pub async fn connect(context: Option<&str>) -> Result<Server, ClusterError> {
    let options =
        KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let config = match Config::from_kubeconfig(&options).await {
        Ok(config) => config,
        // In a pod there is no kubeconfig, but an account of the pod's own.
        Err(error) if context.is_none() && Kubeconfig::read().is_err() => {
            Config::incluster().map_err(|_| ClusterError::Config(Box::new(error)))?
        }
        Err(error) => return Err(ClusterError::Config(Box::new(error))),
    };
    let refused = |error| ClusterError::Client(Box::new(error));
    let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let client = if config.proxy_url.is_some() { Client::try_from(config) } else { build(config) };
    Ok(Server { client: client.map_err(refused)?, url })
}

/// How long the API server may take to accept a connection: less than a person
/// waits who has just opened a laptop.
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);
/// How long sent bytes may stay unacknowledged.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The crate's own connector leaves Nagle's algorithm on, which holds small
/// datagrams in a websocket back for 40 ms.
fn build(config: Config) -> Result<Client, kube::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(CONNECT_PATIENCE));
    connector.set_tcp_user_timeout(Some(SILENCE_MAX));
    let https = config.rustls_https_connector_with_connector(connector)?;
    let service = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        // A connection from before an outage would take its time to die.
        .pool_max_idle_per_host(0)
        .build::<_, Body>(https);
    let service = tower::ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(service);
    Ok(Client::new(service, config.default_namespace))
}
