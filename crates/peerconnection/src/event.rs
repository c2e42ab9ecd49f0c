//! Everything a connection reports, in one enum.

use std::net::SocketAddr;

use crate::channel::DataChannelHandle;
use crate::description::IceCandidateInit;
use crate::dtmf::DtmfEvent;
use crate::error::ErrorDetail;
use crate::message::Message;
use crate::rtp::MediaFrame;
use crate::state::{
    ConnectionState, DtlsState, IceConnectionState, IceGatheringState, SctpTransportState,
    SignalingState,
};
use crate::transceiver::TransceiverHandle;

/// An event, named as in webrtc-pc where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// `negotiationneeded`: create an offer and send it.
    NegotiationNeeded,
    /// `signalingstatechange`.
    SignalingStateChange(SignalingState),
    /// `icecandidate`: send it to the peer. `None` once gathering is complete; a candidate whose text is empty
    /// ends a generation and is to be sent to the peer too (webrtc-pc §4.8.1.2).
    IceCandidate(Option<IceCandidateInit>),
    /// `icegatheringstatechange`.
    IceGatheringStateChange(IceGatheringState),
    /// `iceconnectionstatechange`.
    IceConnectionStateChange(IceConnectionState),
    /// `connectionstatechange`.
    ConnectionStateChange(ConnectionState),
    /// `selectedcandidatepairchange` of the ICE transport.
    SelectedCandidatePairChange {
        /// Our address.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// `statechange` of the DTLS transport.
    DtlsStateChange(DtlsState),
    /// `statechange` of the SCTP transport, beginning with `connecting`.
    SctpStateChange(SctpTransportState),
    /// The DTLS handshake is over and the peer's certificate matches its description.
    HandshakeComplete(Handshake),
    /// `datachannel`: the peer opened a channel. It is open already; `DataChannelOpen` follows.
    DataChannel(DataChannelHandle),
    /// `open`: messages may be sent.
    DataChannelOpen(DataChannelHandle),
    /// `closing`: the peer has begun to close the channel.
    DataChannelClosing(DataChannelHandle),
    /// `close`: the last event of this channel; the handle names nothing any more.
    DataChannelClosed(DataChannelHandle),
    /// `error` of a channel; `DataChannelClosed` follows.
    DataChannelError {
        /// The channel.
        channel: DataChannelHandle,
        /// `sctp-failure`, `dtls-failure` or `data-channel-failure`.
        detail: ErrorDetail,
        /// What happened.
        message: String,
    },
    /// `icecandidateerror`: a server is of no use from one of our sockets.
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
    /// `message`.
    Message(DataChannelHandle, Message),
    /// `bufferedamountlow`: what waits to be sent has fallen to the channel's threshold.
    BufferedAmountLow(DataChannelHandle),
    /// `track`: the peer sends media on this transceiver, which may be new.
    Track {
        /// The transceiver.
        transceiver: TransceiverHandle,
        /// Ids of the streams that the peer puts the track into.
        streams: Vec<String>,
    },
    /// The peer sends media on this transceiver no more, for now (the track is muted and leaves its streams) or for ever
    /// (it is ended, and the transceiver stopped).
    TrackRemoved {
        /// The transceiver.
        transceiver: TransceiverHandle,
        /// Whether it was for ever.
        ended: bool,
    },
    /// The peer said goodbye (RFC 3550 §6.6) for all that it sent on this transceiver: the track is muted until something comes
    /// again (webrtc-pc §5.3).
    TrackMuted {
        /// The transceiver.
        transceiver: TransceiverHandle,
    },
    /// An encoded frame came in.
    Frame(Box<MediaFrame>),
    /// The peer asks for a keyframe (RFC 4585 §6.3.1, RFC 5104 §3.5.1).
    KeyframeRequested {
        /// The transceiver.
        transceiver: TransceiverHandle,
        /// The encoding, 0 without simulcast.
        encoding: usize,
    },
    /// `tonechange`: this tone of `insert_dtmf` begins (a comma: a pause); `None` once all are over.
    ToneChange {
        /// The transceiver.
        transceiver: TransceiverHandle,
        /// The tone.
        tone: Option<char>,
    },
    /// The peer pressed a key, or let it go (RFC 4733).
    Dtmf(DtmfEvent),
    /// An encoder is to do something else from now on: its encoding begins or ends, has another codec, or the application
    /// has set other parameters. [`PeerConnection::encoding_target`](crate::PeerConnection::encoding_target) tells what.
    EncodingChanged {
        /// The transceiver.
        transceiver: TransceiverHandle,
        /// The encoding, 0 without simulcast.
        encoding: usize,
    },
    /// What an encoder may use from now on. It is told when it changes by a twentieth, and smaller changes once a second.
    TargetBitrate {
        /// The transceiver.
        transceiver: TransceiverHandle,
        /// The encoding, 0 without simulcast.
        encoding: usize,
        /// Bits a second of encoded media, headers not counted; zero: there is no room for this encoding, and it is to
        /// pause.
        bitrate: u64,
    },
    /// Look this host name up (a STUN or TURN server's) and answer with `host_resolved`.
    ResolveHost {
        /// To be given back.
        id: u32,
        /// The name.
        host: String,
        /// The port to put into the addresses.
        port: u16,
    },
    /// Resolve this `.local` name by multicast DNS and answer with `mdns_resolved`.
    ResolveMdns {
        /// The name.
        name: String,
    },
    /// Answer multicast DNS queries for this `.local` name with this address.
    PublishMdns {
        /// The name.
        name: String,
        /// The address it stands for.
        address: std::net::IpAddr,
    },
    /// The DTLS association failed, or the peer's certificate matches none of its fingerprints; the connection
    /// state follows.
    DtlsError {
        /// `dtls-failure` or `fingerprint-failure`.
        detail: ErrorDetail,
        /// What happened.
        message: String,
    },
}

/// What a DTLS handshake agreed on, by the IANA names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// `"DTLS 1.3"` or `"DTLS 1.2"`.
    pub version: &'static str,
    /// The cipher suite, `"TLS_AES_128_GCM_SHA256"` for instance.
    pub cipher_suite: &'static str,
    /// The key exchange group, `"X25519MLKEM768"` for instance.
    pub group: &'static str,
    /// Whether this end was the DTLS client.
    pub is_client: bool,
}
