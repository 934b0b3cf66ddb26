//! A client of the API server, as the kubeconfig has it.

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::error::ClusterError;

/// A client for a context, the current one when none is named; with the namespace
/// of that context.
///
/// # Errors
/// See [`ClusterError`].
pub async fn client(context: Option<&str>) -> Result<Client, ClusterError> {
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
    if config.proxy_url.is_some() {
        return Client::try_from(config).map_err(refused);
    }
    build(config).map_err(refused)
}

/// The crate's own connector leaves Nagle's algorithm on, which holds small
/// datagrams in a websocket back for 40 ms.
fn build(config: Config) -> Result<Client, kube::Error> {
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let https = config.rustls_https_connector_with_connector(connector)?;
    let service =
        hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(https);
    let service = tower::ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(service);
    Ok(Client::new(service, config.default_namespace))
}
