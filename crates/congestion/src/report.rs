//! What a controller is told: what was sent, and what became of it. The reports of transport-wide congestion control
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01) and of RFC 8888 both come down to the one list of
//! [`PacketResult`]s, so that this crate knows neither format.

use std::time::{Duration, Instant};

use crate::units::DataSize;

/// The ECN field a packet arrived with (RFC 3168 §5; RFC 8888 §3.1 reports it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// Not ECN-capable, or not reported.
    #[default]
    NotEct,
    /// ECT(1), which L4S senders set (RFC 9331).
    Ect1,
    /// ECT(0).
    Ect0,
    /// A queue on the way marked it.
    Ce,
}

/// Names a burst that was sent to measure the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeClusterId(pub u32);

/// A packet that has just been handed to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// The transport-wide sequence number, unwrapped; of increasing order.
    pub id: u64,
    /// Everything that loads the path: RTP, SRTP tag and, where known, UDP and IP.
    pub size: DataSize,
    /// The burst it belongs to.
    pub probe: Option<ProbeClusterId>,
    /// Whether it is padding: it says nothing about how much the application wants to send.
    pub padding: bool,
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// When it was sent.
    pub sent: Instant,
    /// When it arrived, on the receiver's clock: since any moment that stays the same for the whole session. `None`
    /// is lost, as far as the receiver knows.
    pub arrived: Option<Duration>,
    /// Its size as given in [`SentPacket::size`].
    pub size: DataSize,
    /// The ECN field it arrived with.
    pub ecn: Ecn,
    /// The burst it belongs to.
    pub probe: Option<ProbeClusterId>,
    /// An earlier report said it was lost, and now it has arrived after all.
    pub was_lost: bool,
}

/// One report, in the order of sending.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// The packets that this report tells of for the first time.
    pub results: &'a [PacketResult],
    /// A round-trip time measured with this report, without the time the receiver sat on it; `None` lets the
    /// controller take the time from the sending of the packet that arrived last.
    pub rtt: Option<Duration>,
}
