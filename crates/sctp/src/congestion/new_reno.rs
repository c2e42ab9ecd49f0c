//! The window of RFC 9260 §7.2: slow start, one packet a round trip after that, half on loss.

use super::{Ack, CongestionController};
use std::time::Instant;

/// Slow-start and congestion avoidance as RFC 9260 has them, with appropriate byte counting.
#[derive(Debug)]
pub struct NewReno {
    mtu: usize,
    window: usize,
    threshold: usize,
    partial_acked: usize,
    /// Bytes delivered when the recovery under way ends, if there is one.
    recovering: bool,
    recovery_ends: u64,
    delivered: u64,
}

impl NewReno {
    /// For packets of `mtu` bytes.
    #[must_use]
    pub fn new(mtu: usize) -> Self {
        Self {
            mtu,
            window: initial_window(mtu),
            threshold: usize::MAX,
            partial_acked: 0,
            recovering: false,
            recovery_ends: 0,
            delivered: 0,
        }
    }

    fn minimum(&self) -> usize {
        4 * self.mtu
    }
}

/// Ten packets (RFC 6928 §2), where RFC 9260 §7.2.1 still says four: a data channel's first messages go out in one round trip.
pub(super) const fn initial_window(mtu: usize) -> usize {
    10 * mtu
}

impl CongestionController for NewReno {
    fn on_ack(&mut self, ack: &Ack) {
        self.delivered = ack.delivered;
        if self.recovering && ack.delivered_at_send >= self.recovery_ends {
            self.recovering = false;
        }
        if self.recovering || !ack.window_limited {
            return;
        }
        if self.window <= self.threshold {
            // RFC 9260 §7.2.1, with L = 2 as delayed acknowledgements warrant (RFC 3465).
            self.window += ack.acked_bytes.min(2 * self.mtu);
        } else {
            // RFC 9260 §7.2.2
            self.partial_acked += ack.acked_bytes;
            if self.partial_acked >= self.window {
                self.partial_acked -= self.window;
                self.window += self.mtu;
            }
        }
    }

    fn on_loss(&mut self, _now: Instant, _lost_bytes: usize, new_episode: bool) {
        if !new_episode {
            return;
        }
        // RFC 9260 §7.2.3
        self.threshold = (self.window / 2).max(self.minimum());
        self.window = self.threshold;
        self.partial_acked = 0;
        self.recovering = true;
        self.recovery_ends = self.delivered;
    }

    fn on_timeout(&mut self, _now: Instant) {
        self.threshold = (self.window / 2).max(self.minimum());
        self.window = self.mtu;
        self.partial_acked = 0;
        self.recovering = false;
    }

    fn on_idle(&mut self, _now: Instant) {
        // RFC 9260 §7.2.1: what was learnt about the path ages.
        self.window = (self.window / 2).max(self.minimum());
    }

    fn window(&self) -> usize {
        self.window
    }

    fn pacing_rate(&self) -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(now: Instant, bytes: usize) -> Ack {
        Ack {
            now,
            acked_bytes: bytes,
            lost_bytes: 0,
            prior_in_flight: bytes,
            in_flight: 0,
            round_trip: None,
            delivery_rate: None,
            app_limited: false,
            delivered: 0,
            delivered_at_send: 0,
            cumulative_advanced: true,
            window_limited: true,
        }
    }

    #[test]
    fn halves_once_an_episode() {
        let now = Instant::now();
        let mut reno = NewReno::new(1000);
        for _ in 0..20 {
            reno.on_ack(&ack(now, 2000));
        }
        assert_eq!(reno.window(), 50_000);
        reno.on_loss(now, 1000, true);
        reno.on_loss(now, 1000, false);
        assert_eq!(reno.window(), 25_000);
        reno.on_timeout(now);
        assert_eq!(reno.window(), 1000);
    }
}
