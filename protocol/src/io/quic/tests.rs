//! Real QUIC in one process: who may connect, and swaps under a transfer.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::wire::stream::Priority;

#[tokio::test]
async fn only_the_pinned_peer_connects() {
    let (hub, agent, other) = (
        Identity::generate().unwrap(),
        Identity::generate().unwrap(),
        Identity::generate().unwrap(),
    );
    for (shown, pinned_by_hub, pinned_by_agent, fits) in [
        (&hub, agent.fingerprint(), hub.fingerprint(), true),
        (&other, agent.fingerprint(), hub.fingerprint(), false),
        (&hub, other.fingerprint(), hub.fingerprint(), false),
    ] {
        let client = Endpoint::client(shown, pinned_by_hub, Datagrams::ForStreams).unwrap();
        let server = Endpoint::server(&agent, pinned_by_agent).unwrap();
        let (left, right) = tokio::io::duplex(64 * 1024);
        client.socket().replace(stream_carrier("memory", left));
        server.socket().replace(stream_carrier("memory", right));
        let accepting = tokio::spawn({
            let server = server.clone();
            async move { server.accept().await }
        });
        let worked = match client.connect().await {
            Err(_) => false,
            // a client is through before the server has judged its certificate
            Ok(connection) => {
                let opened = connection.open_raw(Priority::Control).await;
                match opened {
                    Err(_) => false,
                    Ok(mut channel) => {
                        let _ = channel.tx.write_all(b"x").await;
                        tokio::select! {
                            () = connection.closed() => false,
                            accepted = accepting => accepted.unwrap().is_some(),
                        }
                    }
                }
            }
        };
        assert_eq!(worked, fits);
    }
}

#[tokio::test]
async fn a_transfer_survives_twenty_swaps() {
    let pair = pair().await.unwrap();
    const LEN: usize = 8 * 1024 * 1024;
    let sending = tokio::spawn({
        let hub = pair.hub.clone();
        async move {
            let mut channel = hub.open_raw(Priority::Bulk).await.unwrap();
            let piece: Vec<u8> = (0..=255).cycle().take(64 * 1024).collect();
            for _ in 0..LEN / piece.len() {
                channel.tx.write_all(&piece).await.unwrap();
            }
            channel.tx.finished().await;
        }
    });
    let mut channel = pair.agent.accept().await.unwrap();
    let mut got = vec![0; LEN / 21];
    for _ in 0..20 {
        channel.rx.read_exact(&mut got).await.unwrap();
        pair.hub_endpoint.socket().cut("test");
        pair.agent_endpoint.socket().cut("test");
        let (left, right) = tokio::io::duplex(256 * 1024);
        pair.agent_endpoint.socket().replace(stream_carrier("memory", right));
        pair.hub_endpoint.socket().replace(stream_carrier("memory", left));
    }
    let mut rest = Vec::new();
    channel.rx.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), LEN - 20 * got.len());
    sending.await.unwrap();
}
