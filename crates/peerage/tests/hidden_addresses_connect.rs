//! Host addresses behind mDNS names (draft-ietf-rtcweb-mdns-ice-candidates): they appear in no description, and the peers
//! find each other all the same.

mod common;

use common::{accept, endpoint, negotiate, within};
use peerage::{Configuration, DataChannelInit, MdnsMode};

#[tokio::test]
async fn names_are_published_resolved_and_connected_to() {
    let (a, b) = (endpoint().await, endpoint().await);
    let mut hidden = Configuration::default();
    hidden.settings.mdns = MdnsMode::ResolveAndPublish;
    let (alice, bob) = (a.connect(hidden.clone()).await.unwrap(), b.connect(hidden).await.unwrap());
    let channel = alice.create_data_channel("x", DataChannelInit::default()).await.unwrap();
    negotiate(&alice, &bob).await;
    for pc in [&alice, &bob] {
        let sdp = pc.local_description().unwrap().sdp;
        let candidates: Vec<_> =
            sdp.lines().filter(|line| line.starts_with("a=candidate:")).collect();
        assert!(!candidates.is_empty());
        assert!(candidates.iter().all(|line| line.contains(".local ")), "{candidates:?}");
        assert!(candidates.iter().all(|line| !line.contains("127.0.0.1")), "{candidates:?}");
    }
    channel.send("found you").await.unwrap();
    let peer = accept(&bob).await;
    assert_eq!(within("a message", peer.recv()).await.unwrap(), "found you".into());
}
