//! What a connection tells the application: one enum, no callbacks.

use std::net::SocketAddr;

use peerage_peerconnection::{
    ConnectionState, DtlsState, DtmfEvent, Handshake, IceCandidateInit, IceConnectionState,
    IceGatheringState, SctpTransportState, SignalingState,
};

use crate::{DataChannel, RtpTransceiver};

/// Events of a [`PeerConnection`](crate::PeerConnection), in the order in which they happened (webrtc-pc §4.4).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// An offer is due: something that needs negotiation has changed.
    NegotiationNeeded,
    /// A local candidate to be signalled; `None` after the last of this generation.
    IceCandidate(Option<IceCandidateInit>),
    /// A STUN or TURN server is of no use from one of our sockets: `icecandidateerror`.
    IceCandidateError {
        /// The socket.
        local: SocketAddr,
        /// The server's URL, as configured.
        url: String,
        /// STUN's error code; 701 where the server was not reached (webrtc-pc §4.8.2).
        code: u16,
        /// What happened.
        text: String,
    },
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
    /// The state of the DTLS transport changed.
    DtlsStateChange(DtlsState),
    /// The state of the SCTP transport changed, or there is one now.
    SctpStateChange(SctpTransportState),
    /// The DTLS handshake is over, and the peer's certificate matches its description.
    HandshakeComplete(Handshake),
    /// DTLS failed, or cannot begin because another connection of this endpoint is open between the same two addresses; the
    /// text says which.
    TransportError(String),
    /// The peer sends media on this transceiver, which may be new.
    Track {
        /// The transceiver.
        transceiver: RtpTransceiver,
        /// Ids of the streams that the peer puts the track into.
        streams: Vec<String>,
    },
    /// The peer sends media on this transceiver no more, for now or, if `ended`, for ever.
    TrackRemoved {
        /// The transceiver.
        transceiver: RtpTransceiver,
        /// Whether it was for ever.
        ended: bool,
    },
    /// The peer has ended what it sent on this transceiver (RTCP BYE): the track is muted until something comes again.
    TrackMuted {
        /// The transceiver.
        transceiver: RtpTransceiver,
    },
    /// No encoder can make what was negotiated for a track that [`send_track`](RtpTransceiver::send_track) sends: nothing is sent
    /// on this encoding until something else is negotiated, or set. Told once for each such change.
    #[cfg(feature = "engine")]
    EncoderFailed {
        /// The transceiver.
        transceiver: RtpTransceiver,
        /// The encoding, 0 without simulcast.
        encoding: usize,
        /// What is missing, or what the encoder says.
        reason: String,
    },
    /// An encoder is to do something else from now on: its encoding begins or ends, has another codec, or other parameters
    /// were set. [`RtpTransceiver::encoding_target`] tells what.
    EncodingChanged {
        /// The transceiver.
        transceiver: RtpTransceiver,
        /// The encoding, 0 without simulcast.
        encoding: usize,
    },
    /// The peer asks for a keyframe on an encoding of this transceiver.
    KeyframeRequested {
        /// The transceiver.
        transceiver: RtpTransceiver,
        /// The encoding, 0 without simulcast.
        encoding: usize,
    },
    /// This tone of [`insert_dtmf`](RtpTransceiver::insert_dtmf) begins (a comma: a pause); `None` once all are over.
    ToneChange {
        /// The transceiver.
        transceiver: RtpTransceiver,
        /// The tone.
        tone: Option<char>,
    },
    /// The peer pressed a key on this transceiver, or let it go (RFC 4733).
    Dtmf {
        /// The transceiver.
        transceiver: RtpTransceiver,
        /// Which key, and for how long.
        event: DtmfEvent,
    },
    /// The peer opened a channel.
    DataChannel(DataChannel),
}
