//! Congestion control behind a small trait. The association measures and obeys; a controller decides how much may be
//! in flight ([`CongestionController::window`]) and how fast it may leave ([`CongestionController::pacing_rate`]).

mod bbr;
mod new_reno;

pub use bbr::Bbr;
pub use new_reno::NewReno;

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Which controller an association uses.
#[derive(Clone, Default)]
pub enum Congestion {
    /// A model of the path (rate and round trip) decides: keeps its rate under random loss.
    #[default]
    Bbr,
    /// The window of RFC 9260 §7.2: halves on loss.
    NewReno,
    /// Anything else.
    Custom(Arc<dyn CongestionFactory>),
}

impl Congestion {
    pub(crate) fn build(&self, now: Instant, mtu: usize) -> Box<dyn CongestionController> {
        match self {
            Self::Bbr => Box::new(Bbr::new(mtu)),
            Self::NewReno => Box::new(NewReno::new(mtu)),
            Self::Custom(factory) => factory.build(now, mtu),
        }
    }
}

impl std::fmt::Debug for Congestion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bbr => "Bbr",
            Self::NewReno => "NewReno",
            Self::Custom(_) => "Custom",
        })
    }
}

/// Makes a controller for each association.
pub trait CongestionFactory: Send + Sync {
    /// A controller for a path whose packets carry at most `mtu` bytes.
    fn build(&self, now: Instant, mtu: usize) -> Box<dyn CongestionController>;
}

/// What one SACK told.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// When it arrived.
    pub now: Instant,
    /// Bytes newly acknowledged, cumulatively or by gap blocks.
    pub acked_bytes: usize,
    /// Bytes newly taken for lost by this SACK.
    pub lost_bytes: usize,
    /// Bytes in flight before this SACK.
    pub prior_in_flight: usize,
    /// Bytes in flight after it.
    pub in_flight: usize,
    /// The round trip it measured, if it did (Karn's rule obeyed).
    pub round_trip: Option<Duration>,
    /// The rate at which the path delivered, bytes per second, if it could be told.
    pub delivery_rate: Option<u64>,
    /// The sender had nothing to send while `delivery_rate` was measured, so the path may be faster.
    pub app_limited: bool,
    /// Bytes delivered since the association began.
    pub delivered: u64,
    /// `delivered` as it stood when the newest chunk acknowledged here was sent.
    pub delivered_at_send: u64,
    /// Whether the cumulative TSN advanced.
    pub cumulative_advanced: bool,
    /// Whether the sender was held back by the window (and not by lack of data) before this SACK.
    pub window_limited: bool,
}

/// A congestion controller. Sizes are bytes of chunks.
pub trait CongestionController: Send {
    /// A SACK acknowledged something.
    fn on_ack(&mut self, ack: &Ack);
    /// Loss was found by a SACK. `new_episode` is false for further losses of packets sent before the last reduction.
    fn on_loss(&mut self, now: Instant, lost_bytes: usize, new_episode: bool);
    /// T3-rtx ran out (RFC 9260 §7.2.3): nothing is coming back.
    fn on_timeout(&mut self, now: Instant);
    /// Nothing was sent for an RTO or more.
    fn on_idle(&mut self, now: Instant);
    /// Bytes that may be in flight.
    fn window(&self) -> usize;
    /// Bytes per second at which packets should leave; `None`: as the window allows.
    fn pacing_rate(&self) -> Option<u64>;
}
