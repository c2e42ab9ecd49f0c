//! Measures the rate at which the path delivers, from what was acknowledged between a packet's sending and its
//! acknowledgement (the delivery-rate estimation that model-based congestion control needs). Fed by the flight.

use std::time::{Duration, Instant};

/// What a transmission remembers of the moment it left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateStamp {
    pub(crate) delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    app_limited: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RateSample {
    /// Bytes per second, if the interval was long enough to tell.
    pub(crate) rate: Option<u64>,
    pub(crate) app_limited: bool,
    pub(crate) delivered_at_send: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct RateEstimator {
    pub(crate) delivered: u64,
    delivered_at: Instant,
    first_sent_at: Instant,
    /// Samples are app-limited until this many bytes are delivered.
    app_limited_until: u64,
}

impl RateEstimator {
    pub(crate) fn new(now: Instant) -> Self {
        Self { delivered: 0, delivered_at: now, first_sent_at: now, app_limited_until: 0 }
    }

    pub(crate) fn on_send(&mut self, now: Instant, was_idle: bool) -> RateStamp {
        if was_idle {
            self.first_sent_at = now;
            self.delivered_at = now;
        }
        RateStamp {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            app_limited: self.app_limited_until > self.delivered,
        }
    }

    /// The sender ran out of data with `in_flight` bytes under way.
    pub(crate) fn on_app_limited(&mut self, in_flight: usize) {
        self.app_limited_until = self.delivered + in_flight as u64;
    }

    pub(crate) fn on_delivered(&mut self, now: Instant, bytes: usize) {
        self.delivered += bytes as u64;
        self.delivered_at = now;
    }

    /// Call after `on_delivered` for all that a SACK acknowledged, with the newest transmission among it.
    pub(crate) fn sample(
        &mut self,
        now: Instant,
        sent_at: Instant,
        stamp: &RateStamp,
        lowest_round_trip: Option<Duration>,
    ) -> RateSample {
        self.first_sent_at = sent_at;
        let send_elapsed = sent_at.saturating_duration_since(stamp.first_sent_at);
        let ack_elapsed = now.saturating_duration_since(stamp.delivered_at);
        let interval = send_elapsed.max(ack_elapsed);
        // Shorter than a round trip means that acknowledgements were compressed on the way: no measure of the path.
        let usable =
            !interval.is_zero() && lowest_round_trip.is_none_or(|lowest| interval >= lowest);
        let rate = usable.then(|| {
            let bytes = u128::from(self.delivered - stamp.delivered);
            (bytes * 1_000_000_000 / interval.as_nanos()).min(u128::from(u64::MAX)) as u64
        });
        RateSample { rate, app_limited: stamp.app_limited, delivered_at_send: stamp.delivered }
    }
}
