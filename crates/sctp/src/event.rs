//! What the association tells its owner, by [`Association::poll_event`](crate::Association::poll_event) and
//! the getters.

use crate::serial::{PayloadProtocolId, StreamId};
use bytes::Bytes;
use std::time::Duration;

/// Something happened that the owner should know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is complete.
    Connected,
    /// A message arrived.
    Message {
        /// The stream it came on.
        stream: StreamId,
        /// What the sender says it is.
        ppid: PayloadProtocolId,
        /// The message.
        data: Bytes,
        /// Whether it was sent without regard to order.
        unordered: bool,
    },
    /// Our reset was carried out by the peer; these numbers may be used again.
    OutgoingStreamsReset {
        /// The streams.
        streams: Vec<StreamId>,
    },
    /// The peer has reset its side of these streams; they start again at the first sequence number.
    IncomingStreamReset {
        /// The streams.
        streams: Vec<StreamId>,
    },
    /// The peer refused our reset of these streams.
    StreamResetFailed {
        /// The streams.
        streams: Vec<StreamId>,
    },
    /// The bytes waiting on this stream fell to its threshold or below.
    BufferedAmountLow(StreamId),
    /// A message of limited reliability was given up (RFC 7496 §3).
    SendAbandoned {
        /// The stream it was sent on.
        stream: StreamId,
    },
    /// The graceful shutdown is complete: everything sent was acknowledged (RFC 9260 §9.2).
    ShutdownComplete,
    /// The association was aborted (RFC 9260 §9.1).
    Aborted {
        /// Whether the peer did it, or we.
        by_peer: bool,
        /// Whether the application did it, and not the protocol: cause 12, user-initiated abort (RFC 9260 §3.3.10.12).
        user_initiated: bool,
        /// What the ABORT chunk said, in words.
        reason: String,
    },
    /// The peer did not answer in all the retransmissions allowed (RFC 9260 §8.1).
    Failed,
    /// The peer lost its state and started afresh on the same association (RFC 9260 §5.2): what was in flight is lost,
    /// streams start again at the first sequence number, messages not begun are still sent.
    PeerRestarted,
}

/// One packet was appended to the caller's buffer by [`Association::poll_transmit`](crate::Association::poll_transmit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Bytes appended.
    pub size: usize,
}

/// What both ends agreed on in the handshake; see [`Association::negotiated`](crate::Association::negotiated).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Messages travel as I-DATA (RFC 8260).
    pub interleaving: bool,
    /// FORWARD TSN may be used (RFC 3758).
    pub partial_reliability: bool,
    /// RE-CONFIG may be used (RFC 6525).
    pub stream_reset: bool,
    /// We may send packets without checksum (RFC 9653).
    pub zero_checksum_send: bool,
    /// The peer may send packets without checksum.
    pub zero_checksum_receive: bool,
    /// Streams we can send on.
    pub outgoing_streams: u16,
    /// Streams the peer can send on.
    pub incoming_streams: u16,
    /// The receive window the peer announced first, in bytes.
    pub peer_receive_window: u32,
}

/// Counters since the association was made. All totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Packets appended by `poll_transmit`.
    pub packets_sent: u64,
    /// Packets that passed the header checks.
    pub packets_received: u64,
    /// Packets dropped: too short, wrong port, tag or checksum.
    pub packets_discarded: u64,
    /// Chunks skipped: malformed, unknown, or not fitting the state.
    pub chunks_discarded: u64,
    /// User bytes sent, without retransmissions.
    pub bytes_sent: u64,
    /// User bytes in messages delivered.
    pub bytes_received: u64,
    /// Messages taken by `send`.
    pub messages_sent: u64,
    /// Messages delivered.
    pub messages_received: u64,
    /// DATA and I-DATA chunks sent again.
    pub retransmissions: u64,
    /// DATA and I-DATA chunks that came a second time.
    pub duplicates_received: u64,
    /// DATA and I-DATA chunks dropped because a limit was reached.
    pub data_refused: u64,
    /// Messages given up under their reliability.
    pub messages_abandoned: u64,
    /// Times T3-rtx ran out.
    pub timeouts: u64,
    /// The smoothed round trip, once measured.
    pub smoothed_round_trip: Option<Duration>,
    /// The congestion window now, in bytes.
    pub congestion_window: usize,
    /// Bytes sent and not acknowledged now.
    pub bytes_in_flight: usize,
    /// The peer's receive window as we reckon it now, in bytes.
    pub peer_window: usize,
    /// Bytes held for messages not yet polled, now.
    pub receive_buffered: usize,
}
