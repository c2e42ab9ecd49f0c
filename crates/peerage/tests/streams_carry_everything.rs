//! ICE-TCP (RFC 6544): with no UDP candidate told, data go by a stream that one side opens and the other accepts.

mod common;

use common::{accept, within};
use peerage::{Configuration, DataChannelInit, Endpoint, EndpointConfig, IceTcp, PeerConnection};

async fn connection(ice_tcp: IceTcp) -> PeerConnection {
    let mut config = EndpointConfig::loopback();
    config.ice_tcp = ice_tcp;
    let endpoint = Endpoint::bind(config).await.unwrap();
    endpoint.connect(Configuration::default()).await.unwrap()
}

/// One offer and one answer without candidates of UDP.
async fn negotiate_tcp(offerer: &PeerConnection, answerer: &PeerConnection) {
    for (from, to) in [(offerer, answerer), (answerer, offerer)] {
        from.set_local_description(None).await.unwrap();
        within("candidates", from.gathering_complete()).await.unwrap();
        let mut description = from.local_description().unwrap();
        assert!(description.sdp.contains(" tcptype active"), "{}", description.sdp);
        let keep = |line: &&str| !(line.starts_with("a=candidate:") && line.contains(" udp "));
        let lines = description.sdp.lines().filter(keep);
        description.sdp = lines.map(|line| format!("{line}\r\n")).collect();
        to.set_remote_description(description).await.unwrap();
    }
}

async fn talk(alice: &PeerConnection, bob: &PeerConnection) {
    let channel = alice.create_data_channel("x", DataChannelInit::default()).await.unwrap();
    negotiate_tcp(alice, bob).await;
    let sent = vec![0x5a; 200_000];
    within("a sender", channel.send(sent.clone())).await.unwrap();
    let peer = accept(bob).await;
    assert_eq!(within("a message", peer.recv()).await.unwrap(), sent.into());
    within("a sender", peer.send("heard you")).await.unwrap();
    assert_eq!(within("an answer", channel.recv()).await.unwrap(), "heard you".into());
}

#[tokio::test]
async fn the_offerer_opens_the_stream() {
    let (alice, bob) =
        (connection(IceTcp::Active).await, connection(IceTcp::Listen { port: 0 }).await);
    talk(&alice, &bob).await;
}

#[tokio::test]
async fn the_answerer_opens_the_stream() {
    let (alice, bob) =
        (connection(IceTcp::Listen { port: 0 }).await, connection(IceTcp::Active).await);
    talk(&alice, &bob).await;
}

#[tokio::test]
async fn both_may_open_it() {
    let (alice, bob) = (
        connection(IceTcp::Listen { port: 0 }).await,
        connection(IceTcp::Listen { port: 0 }).await,
    );
    talk(&alice, &bob).await;
}

#[tokio::test]
async fn nobody_is_offered_what_is_switched_off() {
    let alice = connection(IceTcp::Off).await;
    let _channel = alice.create_data_channel("x", DataChannelInit::default()).await.unwrap();
    alice.set_local_description(None).await.unwrap();
    within("candidates", alice.gathering_complete()).await.unwrap();
    assert!(!alice.local_description().unwrap().sdp.contains("tcptype"));
}
