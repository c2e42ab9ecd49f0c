#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// Tests inside and beside the crate share their helpers, which name it.
#[cfg(test)]
extern crate self as peerage_peerconnection;

mod channel;
mod config;
mod connection;
mod contributing_source;
pub mod dcep;
mod description;
mod dtmf;
mod error;
mod event;
mod event_log;
mod failure;
#[doc(hidden)]
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod ice_server;
mod jsep;
pub mod media;
mod message;
mod net;
pub mod playback;
mod queues;
mod rtp;
mod state;
mod statistics;
pub mod stats;
mod transceiver;
mod transform;
mod transport;
mod transport_info;

pub use channel::{DataChannelHandle, DataChannelInfo, DataChannelInit, Priority};
pub use config::{
    BundlePolicy, Configuration, CongestionSettings, DtlsSettings, DtlsVersions, HeaderEncryption,
    IceTransportPolicy, MAX_ICE_SERVERS, RtcpMuxPolicy, SctpSettings, Settings,
};
pub use connection::{PeerConnection, StatsSelector};
pub use contributing_source::{ContributingSource, SynchronizationSource};
pub use description::{IceCandidateInit, OfferOptions, SdpType, SessionDescription};
pub use dtmf::DtmfEvent;
pub use error::{Error, ErrorDetail, ErrorKind, SendError};
pub use event::{Event, Handshake};
pub use failure::{ConnectionFailure, FailureCause, IceFailure, PairAttempt};
pub use ice_server::IceServer;
pub use message::Message;
pub use net::Input;
pub use peerage_congestion as congestion;
pub use peerage_crypto::{Certificate, CertificateParams, KeyLog, KeyLogWriter, NamedGroup, Rng};
pub use peerage_dtls::SrtpProtectionProfile;
pub use peerage_ice::{Candidate as IceCandidate, CandidateAddress as IceCandidateAddress};
pub use peerage_ice::{
    Ecn, FamilyPolicy, MdnsMode, Protocol, StreamEnd, TcpType, Timers, Transmit,
};
pub use peerage_log as log;
pub use peerage_rtp::payload::{EncodedFrame, FrameInfo};
pub use queues::Queues;
pub use rtp::{
    Contribution, EncoderStatistics, EncodingTarget, Estimate, Frame, FrameArrival,
    MAX_LATE_PACKETS, MediaFrame, OutgoingPacket, PacketExtensions, PictureExtensions, ReceiveMode,
    ReceivedPacket, RtpStatistics, SenderTime,
};
pub use state::{
    ConnectionState, DataChannelState, DtlsState, IceConnectionState, IceGatheringState,
    SctpTransportState, SignalingState,
};
pub use statistics::{DataChannelStatistics, Statistics, TransportStatistics};
pub use transceiver::{
    Receiver, RtcpParameters, RtpEncodingParameters, RtpReceiveParameters, RtpSendParameters,
    Sender, Transceiver, TransceiverDirection, TransceiverHandle, TransceiverInit,
};
pub use transform::{FrameToTransform, FrameTransform, clear_prefix};
pub use transport_info::{
    DtlsTransportInfo, IceParameters, IceTransportInfo, MAX_TRANSPORTS, SctpTransportInfo,
    TransportId,
};
