//! The seam between the algorithm and those who use it: a controller is told what was sent and what became of it, and
//! says how much may be sent. A second algorithm is another file behind this trait.

use std::time::{Duration, Instant};

use crate::report::{Feedback, ProbeClusterId, SentPacket};
use crate::units::{DataRate, DataSize};

/// How much may be sent, as of now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// What encoders, retransmissions and protection may use together.
    pub rate: DataRate,
    /// A rate that has held for a while: never above `rate`. For choices that are costly to undo, such as layers.
    pub stable_rate: DataRate,
    /// How fast the pacer may send what waits.
    pub pacing_rate: DataRate,
    /// How much the pacer is to fill up with padding when there is less media than this; zero for none.
    pub padding_rate: DataRate,
    /// Most bytes in flight. While more are, the pacer holds everything but audio back: see
    /// [`Pacer::set_congested`](crate::Pacer::set_congested).
    pub congestion_window: Option<DataSize>,
    /// Whether more bytes are in flight than that window has room for.
    pub congested: bool,
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// Share of packets lost lately, 0 to 1.
    pub loss: f64,
}

/// What a controller has seen of the path: for statistics and logs, and for waits that must not be shorter than the path is
/// long.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What came through in the last half second or so.
    pub throughput: Option<DataRate>,
    /// How long packets wait on the way beyond the path's own delay, smoothed.
    pub queue_delay: Duration,
    /// The smallest round-trip time lately, where one is known.
    pub min_rtt: Option<Duration>,
    /// Bytes on their way.
    pub in_flight: DataSize,
    /// Packets that reports have told of as arrived. While there are none, times are guesses.
    pub arrived: u64,
}

/// A burst to send, to see whether the path carries that rate. For [`Pacer::add_probe`](crate::Pacer::add_probe).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeCluster {
    /// Goes into [`SentPacket::probe`] of each of its packets.
    pub id: ProbeClusterId,
    /// The rate to send at.
    pub rate: DataRate,
    /// It is over when at least so much was sent ...
    pub min_size: DataSize,
    /// ... in at least so many packets.
    pub min_packets: u32,
}

/// A congestion controller for the packets of one path.
///
/// Call [`target`](Self::target) and drain [`poll_probe`](Self::poll_probe) after each call that changes anything.
/// Calls do not allocate once the state has grown to its bounded size, and take time in proportion to what they report,
/// whatever the number of streams.
pub trait Controller {
    /// A packet was handed to the network.
    fn on_packet_sent(&mut self, now: Instant, packet: &SentPacket);

    /// A report came in.
    fn on_feedback(&mut self, now: Instant, feedback: &Feedback<'_>);

    /// The next report begins behind packets that none has told of, since reports get lost as well: so many bytes of them.
    /// Called before [`on_feedback`](Self::on_feedback). What became of those packets nobody will know.
    fn on_reports_lost(&mut self, size: DataSize) {
        let _ = size;
    }

    /// A round-trip time from elsewhere, such as RTCP's receiver reports (RFC 3550 §6.4.1) or ICE's checks.
    fn on_rtt(&mut self, now: Instant, rtt: Duration);

    /// The most that the receiver asks for by REMB (draft-alvestrand-rmcat-remb) or TMMBR (RFC 5104 §4.2.1); the
    /// smaller where both are in force. `None` lifts it.
    fn on_remote_limit(&mut self, now: Instant, limit: Option<DataRate>);

    /// The most that the application has a use for, whatever the path carries: the sum of its encodings' largest rates.
    /// There is no point in probing far above it. `None` is unlimited.
    fn on_application_limited(&mut self, now: Instant, demand: Option<DataRate>);

    /// The path is another one, as when ICE selects another pair: what was learnt of the old one is forgotten,
    /// the limit that the receiver asked for included.
    fn on_route_change(&mut self, now: Instant);

    /// Time has passed: call it at [`poll_timeout`](Self::poll_timeout).
    fn handle_timeout(&mut self, now: Instant);

    /// When to call [`handle_timeout`](Self::handle_timeout); `None` while nothing is sent.
    fn poll_timeout(&self) -> Option<Instant>;

    /// How much may be sent.
    fn target(&self) -> Target;

    /// Whether more bytes are in flight than the path is to be given: [`Target::congested`], asked for after each packet.
    fn is_congested(&self) -> bool {
        self.target().congested
    }

    /// The next burst to send, until `None`.
    fn poll_probe(&mut self) -> Option<ProbeCluster>;

    /// What it has seen so far. A controller that keeps no such figures leaves them out.
    fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }
}
