//! Bad input from the application gets an error that says what was wrong.

mod common;

use common::{accept, endpoint, negotiate, pair, within};
use peerage::{
    Configuration, DataChannelInit, Endpoint, EndpointConfig, Error, Event, IceCandidateInit,
    PeerConnection, SessionDescription,
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

/// Data is told apart by its addresses: of two connections between the same two sockets one cannot work, and must say so.
#[tokio::test]
async fn a_second_connection_between_two_sockets_is_an_error() {
    let any = "127.0.0.1:0".parse().unwrap();
    let [a, b] = [EndpointConfig::single(any), EndpointConfig::single(any)].map(Endpoint::bind);
    let (a, b) = (a.await.unwrap(), b.await.unwrap());
    let connect = async || {
        let alice = a.connect(Configuration::default()).await.unwrap();
        let bob = b.connect(Configuration::default()).await.unwrap();
        let channel = alice.create_data_channel("x", DataChannelInit::default()).await.unwrap();
        negotiate(&alice, &bob).await;
        (alice, bob, channel)
    };
    let (_alice, bob, first) = connect().await;
    let echo = accept(&bob).await;
    let (second_alice, second_bob, _channel) = connect().await;
    for connection in [&second_alice, &second_bob] {
        let text = within("the error", error_of(connection)).await;
        assert!(text.contains("another connection is open between 127.0.0.1:"), "{text}");
    }
    within("room", first.send("still here")).await.unwrap();
    assert_eq!(within("the first connection", echo.recv()).await, Some("still here".into()));
}

async fn error_of(connection: &PeerConnection) -> String {
    loop {
        if let Event::TransportError(text) = connection.next_event().await.expect("it lives") {
            return text;
        }
    }
}
