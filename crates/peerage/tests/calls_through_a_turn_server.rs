//! Two ends that may use nothing but relayed candidates, and a TURN server of ours between them, over real sockets.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use common::{accept, negotiate, within};
use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Event, IceServer, IceTransportPolicy,
    PeerConnection,
};
use peerage_turn::driver::{Options, TurnServer};
use peerage_turn::{Config, RelayAddress};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn server() -> TurnServer {
    let mut config = Config::default();
    config.relays.push(RelayAddress { bind: HOME, advertised: HOME });
    config.users.push(("alice".into(), "secret".into()));
    config.peers.allow.push("127.0.0.0/8".parse().unwrap());
    let mut options = Options::new(config);
    options.udp.push((HOME, 0).into());
    options.workers = std::num::NonZeroUsize::new(1);
    TurnServer::start(options).expect("loopback can be bound")
}

fn relay_only(server: &TurnServer, password: &str) -> Configuration {
    let port = server.udp_addresses()[0].port();
    let mut configuration = Configuration::default();
    configuration.ice_servers.push(IceServer {
        urls: vec![format!("turn:127.0.0.1:{port}")],
        username: Some("alice".into()),
        credential: Some(password.into()),
    });
    configuration.ice_transport_policy = IceTransportPolicy::Relay;
    configuration
}

async fn end(configuration: Configuration) -> PeerConnection {
    let endpoint = Endpoint::bind(EndpointConfig::loopback()).await.expect("loopback can be bound");
    endpoint.connect(configuration).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn data_goes_through_the_relay_alone() {
    let server = server();
    let one = end(relay_only(&server, "secret")).await;
    let other = end(relay_only(&server, "secret")).await;
    let channel = one.create_data_channel("chat", DataChannelInit::default()).await.unwrap();
    negotiate(&one, &other).await;
    let sdp = one.local_description().unwrap().sdp;
    let candidates: Vec<&str> =
        sdp.lines().filter(|line| line.starts_with("a=candidate")).collect();
    assert!(!candidates.is_empty(), "{sdp}");
    assert!(
        candidates.iter().all(|line| line.contains("typ relay raddr 0.0.0.0 rport 9")),
        "{sdp}"
    );
    let far = accept(&other).await;
    within("the channel", channel.opened()).await.unwrap();
    for number in 0..200u32 {
        channel.send(vec![number as u8; 8_000]).await.unwrap();
    }
    for number in 0..200u32 {
        let message = within("a message", far.recv()).await.expect("the channel is open");
        assert_eq!(message.into_data(), [number as u8; 8_000][..]);
    }
    assert!(server.allocations() >= 2, "one for each socket of each end");
    one.close().await;
    other.close().await;
    within("the allocations to be given back", async {
        while server.allocations() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    server.shut_down(Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told() {
    let server = server();
    let one = end(relay_only(&server, "wrong")).await;
    one.create_data_channel("chat", DataChannelInit::default()).await.unwrap();
    one.set_local_description(None).await.unwrap();
    let (code, url, text) = within("the error", async {
        loop {
            if let Some(Event::IceCandidateError { code, url, text, .. }) = one.next_event().await {
                return (code, url, text);
            }
        }
    })
    .await;
    assert_eq!(code, 401);
    assert!(url.starts_with("turn:127.0.0.1:"), "{url}");
    assert!(text.contains("user name and password"), "{text}");
    within("the end of gathering", one.gathering_complete()).await.unwrap();
    server.shut_down(Duration::ZERO);
}
