//! Two connections end to end in memory: ICE, DTLS, SCTP and data channels.

mod common;

use std::time::Duration;

use common::Pair;
use peerage_peerconnection::{
    ConnectionState, Event, IceConnectionState, IceGatheringState, Message,
};

#[test]
fn connects_and_echoes() {
    let (mut pair, a, _) = Pair::connected(30);
    pair.b.echo = true;
    pair.a.pc.send(pair.now, a, Message::text("hello")).unwrap();
    assert!(pair.run_until(Duration::from_secs(5), |pair| !pair.a.messages.is_empty()));
    assert_eq!(pair.a.messages, [(a, Message::text("hello"))]);
    for peer in [&pair.a, &pair.b] {
        assert_eq!(peer.pc.connection_state(), ConnectionState::Connected);
        assert!(matches!(
            peer.pc.ice_connection_state(),
            IceConnectionState::Connected | IceConnectionState::Completed
        ));
        assert_eq!(peer.pc.ice_gathering_state(), IceGatheringState::Complete);
        let handshakes = peer.pick(|event| match event {
            Event::HandshakeComplete(handshake) => Some(handshake.clone()),
            _ => None,
        });
        assert_eq!(handshakes.len(), 1);
        assert_eq!((handshakes[0].version, handshakes[0].group), ("DTLS 1.3", "X25519MLKEM768"));
        let states = peer.pick(|event| match event {
            Event::ConnectionStateChange(state) => Some(*state),
            _ => None,
        });
        assert_eq!(states, [ConnectionState::Connecting, ConnectionState::Connected]);
    }
}
