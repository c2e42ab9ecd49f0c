//! Counters and facts, taken as a snapshot (the data of webrtc-stats, without its object graph).

use crate::channel::DataChannelHandle;
use crate::event::Handshake;
use crate::rtp::RtpStatistics;
use crate::state::{DtlsState, IceConnectionState};

/// A snapshot of everything.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Transport counters: `RTCTransportStats`.
    pub transport: TransportStatistics,
    /// The RTP transport, all streams together.
    pub rtp: RtpStatistics,
    /// Frames that transforms of the application did not let through.
    pub frames_not_transformed: u64,
    /// The pair over which data go.
    pub selected_pair: Option<peerage_ice::SelectedPair>,
    /// All candidate pairs: `RTCIceCandidatePairStats`.
    pub candidate_pairs: Vec<peerage_ice::PairStats>,
    /// What the DTLS handshake agreed on.
    pub handshake: Option<Handshake>,
    /// The SCTP association: `RTCSctpTransportStats` and more.
    pub sctp: Option<peerage_sctp::Statistics>,
    /// What the SCTP handshake agreed on.
    pub sctp_negotiated: Option<peerage_sctp::Negotiated>,
    /// `dataChannelsOpened`: channels that reached `open`.
    pub data_channels_opened: u64,
    /// `dataChannelsClosed`: channels that were open and no longer are.
    pub data_channels_closed: u64,
    /// Channels that live.
    pub data_channels: Vec<DataChannelStatistics>,
}

/// Counters of the one transport beneath everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportStatistics {
    /// Datagrams sent, ICE checks included.
    pub packets_sent: u64,
    /// Datagrams received.
    pub packets_received: u64,
    /// Bytes of UDP payload sent.
    pub bytes_sent: u64,
    /// Bytes of UDP payload received.
    pub bytes_received: u64,
    /// Datagrams that belong to nothing known, or came too early and did not fit the waiting room.
    pub packets_dropped: u64,
    /// State of ICE.
    pub ice_state: IceConnectionState,
    /// State of DTLS.
    pub dtls_state: DtlsState,
    /// How often the selected pair changed.
    pub selected_candidate_pair_changes: u64,
}

/// Counters of one data channel: `RTCDataChannelStats`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataChannelStatistics {
    /// The channel.
    pub handle: DataChannelHandle,
    /// Messages taken by `send`.
    pub messages_sent: u64,
    /// Payload bytes taken by `send`.
    pub bytes_sent: u64,
    /// Messages handed to the application.
    pub messages_received: u64,
    /// Payload bytes handed to the application.
    pub bytes_received: u64,
}
