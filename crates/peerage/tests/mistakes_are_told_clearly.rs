//! Bad input from the application gets an error that says what was wrong.

mod common;

use common::{endpoint, pair};
use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Error, IceCandidateInit,
    SessionDescription,
};

fn name(error: &Error) -> &'static str {
    match error {
        Error::Refused(error) => error.name(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_busy_port_is_named() {
    let first =
        Endpoint::bind(EndpointConfig::single("127.0.0.1:0".parse().unwrap())).await.unwrap();
    let address = first.local_addresses()[0];
    let error = Endpoint::bind(EndpointConfig::single(address)).await.unwrap_err().to_string();
    assert!(error.contains(&address.to_string()) && error.contains("port is busy"), "{error}");
}

#[test]
fn outside_of_a_runtime_the_error_says_so() {
    let mut future = std::pin::pin!(Endpoint::bind(EndpointConfig::loopback()));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = future.as_mut().poll(&mut context) else {
        panic!("no error")
    };
    assert!(matches!(error, Error::NoRuntime), "{error}");
}

#[tokio::test]
async fn wrong_urls_states_and_sdp_have_their_w3c_names() {
    let endpoint = endpoint().await;
    let error = endpoint
        .connect(Configuration::default().ice_server("http://example.org"))
        .await
        .unwrap_err();
    assert_eq!(name(&error), "SyntaxError");

    let (alice, _bob) = pair().await;
    assert_eq!(name(&alice.create_answer().await.unwrap_err()), "InvalidStateError");
    let early = IceCandidateInit {
        candidate: "candidate:1 1 udp 1 192.0.2.1 1 typ host".into(),
        sdp_mid: Some("0".into()),
        ..Default::default()
    };
    assert_eq!(name(&alice.add_ice_candidate(early).await.unwrap_err()), "InvalidStateError");
    let error = alice
        .set_remote_description(SessionDescription::offer("v=0\r\nnonsense\r\n"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    let both = DataChannelInit {
        max_retransmits: Some(1),
        max_packet_life_time: Some(1),
        ..Default::default()
    };
    assert_eq!(name(&alice.create_data_channel("x", both).await.unwrap_err()), "TypeError");
    alice.close().await;
    let closed = alice.create_data_channel("x", DataChannelInit::default()).await.unwrap_err();
    assert_eq!(name(&closed), "InvalidStateError");
}
