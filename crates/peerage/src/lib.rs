#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// Tests from inside share the helpers of those from outside.
#[cfg(test)]
extern crate self as peerage;

mod data_channel;
mod driver;
mod encoder_requests;
mod endpoint;
#[cfg(feature = "engine")]
pub mod engine;
mod error;
mod event;
mod interfaces;
mod lifeline;
mod observe;
mod peer_connection;
#[cfg(feature = "engine")]
mod receiving;
mod rtp_transceiver;
mod socket;
mod target_bitrate;

pub use bytes::Bytes;
pub use peerage_log as log;
/// The media engine: tracks, codecs, processing, files. With the feature `engine`, tracks go on connections: see [`engine`].
#[cfg(feature = "engine")]
pub use peerage_media as media_engine;
pub use peerage_peerconnection::congestion;
pub use peerage_peerconnection::media;
pub use peerage_peerconnection::playback;
pub use peerage_peerconnection::stats;
pub use peerage_peerconnection::{
    BundlePolicy, Certificate, CertificateParams, Configuration, CongestionSettings,
    ConnectionFailure, ConnectionState, ContributingSource, Contribution, DataChannelInit,
    DataChannelState, DataChannelStatistics, DtlsSettings, DtlsState, DtlsTransportInfo,
    DtlsVersions, DtmfEvent, EncodedFrame, EncodingTarget, ErrorKind, Estimate, FailureCause,
    Frame, FrameArrival, FrameInfo, FrameToTransform, FrameTransform, Handshake, HeaderEncryption,
    IceCandidate, IceCandidateInit, IceConnectionState, IceFailure, IceGatheringState,
    IceParameters, IceServer, IceTransportInfo, IceTransportPolicy, KeyLog, KeyLogWriter,
    MAX_TRANSPORTS, MdnsMode, MediaFrame, Message, NamedGroup, OfferOptions, OutgoingPacket,
    PacketExtensions, PairAttempt, PictureExtensions, Priority, ReceiveMode, ReceivedPacket,
    RtcpParameters, RtpEncodingParameters, RtpReceiveParameters, RtpSendParameters, RtpStatistics,
    SctpSettings, SctpTransportInfo, SctpTransportState, SdpType, SenderTime, SessionDescription,
    Settings, SignalingState, SrtpProtectionProfile, Statistics, SynchronizationSource,
    Transceiver, TransceiverDirection, TransceiverHandle, TransceiverInit, TransportId,
    TransportStatistics, clear_prefix,
};
/// RTP itself, for those who work with packets: headers, payload formats, and [`forward`](peerage_rtp::forward) for servers.
pub use peerage_rtp as rtp;

pub use crate::data_channel::DataChannel;
pub use crate::encoder_requests::EncoderRequests;
pub use crate::endpoint::{Endpoint, EndpointConfig, IceTcp};
pub use crate::error::{Error, SendError, TrySendError};
pub use crate::event::Event;
pub use crate::interfaces::{InterfaceFilter, InterfacePolicy};
pub use crate::peer_connection::PeerConnection;
pub use crate::rtp_transceiver::RtpTransceiver;
pub use crate::target_bitrate::TargetBitrate;
