//! What is known of the path to the peer.

use std::time::Duration;

/// What congestion control knows at a moment, and what waits to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Estimate {
    /// Bits a second that may be sent, headers included: `availableOutgoingBitrate` of webrtc-stats.
    pub available_outgoing_bitrate: u64,
    /// Whether the peer reports on single packets; if not, losses and the receiver's estimate are all that is known.
    pub reported: bool,
    /// The smoothed round trip.
    pub round_trip: Duration,
    /// The share of packets lost lately, 0 to 1.
    pub loss: f64,
    /// How long packets wait on the path beyond its own delay, smoothed.
    pub queue_delay: Duration,
    /// Bytes that are on their way.
    pub in_flight: u64,
    /// Bits a second that came through in the last half second, as far as the peer reports.
    pub throughput: Option<u64>,
    /// Packets that wait here.
    pub pacer_packets: usize,
    /// Their bytes, headers included.
    pub pacer_bytes: u64,
    /// How long the first of them has waited.
    pub pacer_delay: Duration,
}
