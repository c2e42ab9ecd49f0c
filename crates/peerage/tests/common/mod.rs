//! Two endpoints on loopback and the signalling between them.
#![allow(dead_code, reason = "every test program uses its own part")]

use std::future::Future;
use std::time::Duration;

use peerage::{Configuration, DataChannel, Endpoint, EndpointConfig, Event, PeerConnection};

/// Loopback handshakes take milliseconds; a test that waits longer has failed, and says at what.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {PATIENCE:?} for {what}"),
    }
}

pub(crate) async fn endpoint() -> Endpoint {
    Endpoint::bind(EndpointConfig::loopback()).await.expect("loopback can be bound")
}

pub(crate) async fn pair() -> (PeerConnection, PeerConnection) {
    let (a, b) = (endpoint().await, endpoint().await);
    (
        a.connect(Configuration::default()).await.unwrap(),
        b.connect(Configuration::default()).await.unwrap(),
    )
}

/// One offer and one answer, with all candidates in them.
pub(crate) async fn negotiate(offerer: &PeerConnection, answerer: &PeerConnection) {
    offerer.set_local_description(None).await.unwrap();
    within("the offerer's candidates", offerer.gathering_complete()).await.unwrap();
    answerer.set_remote_description(offerer.local_description().unwrap()).await.unwrap();
    answerer.set_local_description(None).await.unwrap();
    within("the answerer's candidates", answerer.gathering_complete()).await.unwrap();
    offerer.set_remote_description(answerer.local_description().unwrap()).await.unwrap();
}

/// The next channel the peer opens.
pub(crate) async fn accept(connection: &PeerConnection) -> DataChannel {
    within("the peer's channel", async {
        loop {
            if let Event::DataChannel(channel) =
                connection.next_event().await.expect("the connection lives")
            {
                return channel;
            }
        }
    })
    .await
}
