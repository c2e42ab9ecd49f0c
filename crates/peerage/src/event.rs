//! What a connection tells the application: one enum, no callbacks.

use std::net::SocketAddr;

use peerage_peerconnection::{
    ConnectionState, Handshake, IceCandidateInit, IceConnectionState, IceGatheringState,
    SignalingState,
};

use crate::DataChannel;

/// Events of a [`PeerConnection`](crate::PeerConnection), in the order in which they happened (webrtc-pc §4.4).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An offer is due: something that needs negotiation has changed.
    NegotiationNeeded,
    /// A local candidate to be signalled; `None` after the last of this generation.
    IceCandidate(Option<IceCandidateInit>),
    /// The signalling state changed.
    SignalingStateChange(SignalingState),
    /// The gathering state changed.
    IceGatheringStateChange(IceGatheringState),
    /// The ICE connection state changed.
    IceConnectionStateChange(IceConnectionState),
    /// The connection state changed.
    ConnectionStateChange(ConnectionState),
    /// The path that carries the data changed.
    SelectedCandidatePairChange {
        /// Our address.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// The DTLS handshake is over, and the peer's certificate matches its description.
    HandshakeComplete(Handshake),
    /// DTLS failed; the text says how.
    TransportError(String),
    /// The peer opened a channel.
    DataChannel(DataChannel),
}
