//! `getStats`: the dictionaries of the W3C's webrtc-stats and the report that holds them (webrtc-pc §8).
//!
//! Plain data: the connection makes them, nothing here knows it. Members are named and counted as in the specification, in
//! Rust's spelling; with the feature `serde` they are serialised under the W3C's names, so that a page or a tool made for
//! browsers can read them.

mod candidate;
mod certificate;
mod codec;
mod data_channel;
mod dictionary;
mod media_source;
mod peer_connection;
mod playout;
mod report;
mod rtp;
#[cfg(feature = "serde")]
mod serialize;
mod states;
#[cfg(all(test, feature = "serde"))]
mod tests;
mod transport;

pub use candidate::{IceCandidatePairStats, IceCandidateStats};
pub use certificate::CertificateStats;
pub use codec::CodecStats;
pub use data_channel::DataChannelStats;
pub use media_source::MediaSourceStats;
pub use peer_connection::PeerConnectionStats;
pub use playout::AudioPlayoutStats;
pub use report::StatsReport;
pub use rtp::{
    InboundRtpStreamStats, OutboundRtpStreamStats, RemoteInboundRtpStreamStats,
    RemoteOutboundRtpStreamStats,
};
pub use states::{
    DtlsRole, IceCandidatePairState, IceCandidateType, IceComponent, IceRole,
    QualityLimitationReason,
};
pub use transport::TransportStats;

use crate::state::named_states;

named_states! {
    /// `RTCStatsType`.
    StatsType {
        /// [`CodecStats`].
        #[default]
        Codec = "codec",
        /// [`InboundRtpStreamStats`].
        InboundRtp = "inbound-rtp",
        /// [`OutboundRtpStreamStats`].
        OutboundRtp = "outbound-rtp",
        /// [`RemoteInboundRtpStreamStats`].
        RemoteInboundRtp = "remote-inbound-rtp",
        /// [`RemoteOutboundRtpStreamStats`].
        RemoteOutboundRtp = "remote-outbound-rtp",
        /// [`MediaSourceStats`].
        MediaSource = "media-source",
        /// [`AudioPlayoutStats`].
        MediaPlayout = "media-playout",
        /// [`PeerConnectionStats`].
        PeerConnection = "peer-connection",
        /// [`DataChannelStats`].
        DataChannel = "data-channel",
        /// [`TransportStats`].
        Transport = "transport",
        /// [`IceCandidatePairStats`].
        CandidatePair = "candidate-pair",
        /// [`IceCandidateStats`] of ours.
        LocalCandidate = "local-candidate",
        /// [`IceCandidateStats`] of the peer.
        RemoteCandidate = "remote-candidate",
        /// [`CertificateStats`].
        Certificate = "certificate",
    }
}

/// One dictionary of a [`StatsReport`]: `RTCStats`.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "kebab-case")
)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "a report has a handful of them, of all sizes")]
pub enum Stats {
    /// A codec.
    Codec(CodecStats),
    /// A stream of the peer.
    InboundRtp(InboundRtpStreamStats),
    /// A stream of ours.
    OutboundRtp(OutboundRtpStreamStats),
    /// What the peer reports of a stream of ours.
    RemoteInboundRtp(RemoteInboundRtpStreamStats),
    /// What the peer reports of a stream of its own.
    RemoteOutboundRtp(RemoteOutboundRtpStreamStats),
    /// A track of ours.
    MediaSource(MediaSourceStats),
    /// What plays sound.
    MediaPlayout(AudioPlayoutStats),
    /// The connection.
    PeerConnection(PeerConnectionStats),
    /// A data channel.
    DataChannel(DataChannelStats),
    /// The transport.
    Transport(TransportStats),
    /// A pair of candidates.
    CandidatePair(IceCandidatePairStats),
    /// A candidate of ours.
    LocalCandidate(IceCandidateStats),
    /// A candidate of the peer.
    RemoteCandidate(IceCandidateStats),
    /// A certificate.
    Certificate(CertificateStats),
}

/// The same of every dictionary.
macro_rules! common {
    ($self:ident, $stats:ident => $value:expr) => {
        match $self {
            Self::Codec($stats) => $value,
            Self::InboundRtp($stats) => $value,
            Self::OutboundRtp($stats) => $value,
            Self::RemoteInboundRtp($stats) => $value,
            Self::RemoteOutboundRtp($stats) => $value,
            Self::MediaSource($stats) => $value,
            Self::MediaPlayout($stats) => $value,
            Self::PeerConnection($stats) => $value,
            Self::DataChannel($stats) => $value,
            Self::Transport($stats) => $value,
            Self::CandidatePair($stats) => $value,
            Self::LocalCandidate($stats) => $value,
            Self::RemoteCandidate($stats) => $value,
            Self::Certificate($stats) => $value,
        }
    };
}

impl Stats {
    /// Names the object that is described, for as long as that lives, in all reports of its connection.
    pub fn id(&self) -> &str {
        common!(self, stats => &stats.id)
    }

    /// When the numbers were taken or, of what the peer reports, when the report came: milliseconds since 1970, by a clock that
    /// was set when the connection was made and never goes back.
    pub fn timestamp(&self) -> f64 {
        common!(self, stats => stats.timestamp)
    }

    /// What it describes.
    pub fn stats_type(&self) -> StatsType {
        match self {
            Self::Codec(_) => StatsType::Codec,
            Self::InboundRtp(_) => StatsType::InboundRtp,
            Self::OutboundRtp(_) => StatsType::OutboundRtp,
            Self::RemoteInboundRtp(_) => StatsType::RemoteInboundRtp,
            Self::RemoteOutboundRtp(_) => StatsType::RemoteOutboundRtp,
            Self::MediaSource(_) => StatsType::MediaSource,
            Self::MediaPlayout(_) => StatsType::MediaPlayout,
            Self::PeerConnection(_) => StatsType::PeerConnection,
            Self::DataChannel(_) => StatsType::DataChannel,
            Self::Transport(_) => StatsType::Transport,
            Self::CandidatePair(_) => StatsType::CandidatePair,
            Self::LocalCandidate(_) => StatsType::LocalCandidate,
            Self::RemoteCandidate(_) => StatsType::RemoteCandidate,
            Self::Certificate(_) => StatsType::Certificate,
        }
    }

    /// The ids of other objects that it names.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        let ids: [Option<&String>; 5] = match self {
            Self::Codec(s) => [Some(&s.transport_id), None, None, None, None],
            Self::InboundRtp(s) => [
                s.transport_id.as_ref(),
                s.codec_id.as_ref(),
                s.remote_id.as_ref(),
                s.playout_id.as_ref(),
                None,
            ],
            Self::OutboundRtp(s) => [
                s.transport_id.as_ref(),
                s.codec_id.as_ref(),
                s.remote_id.as_ref(),
                s.media_source_id.as_ref(),
                None,
            ],
            Self::RemoteInboundRtp(s) => {
                [s.transport_id.as_ref(), s.codec_id.as_ref(), s.local_id.as_ref(), None, None]
            }
            Self::RemoteOutboundRtp(s) => {
                [s.transport_id.as_ref(), s.codec_id.as_ref(), s.local_id.as_ref(), None, None]
            }
            Self::Transport(s) => [
                s.selected_candidate_pair_id.as_ref(),
                s.local_certificate_id.as_ref(),
                s.remote_certificate_id.as_ref(),
                None,
                None,
            ],
            Self::CandidatePair(s) => [
                Some(&s.transport_id),
                Some(&s.local_candidate_id),
                Some(&s.remote_candidate_id),
                None,
                None,
            ],
            Self::LocalCandidate(s) | Self::RemoteCandidate(s) => {
                [Some(&s.transport_id), None, None, None, None]
            }
            Self::Certificate(s) => [s.issuer_certificate_id.as_ref(), None, None, None, None],
            Self::MediaSource(_)
            | Self::MediaPlayout(_)
            | Self::PeerConnection(_)
            | Self::DataChannel(_) => [None; 5],
        };
        ids.into_iter().flatten().map(String::as_str)
    }
}
