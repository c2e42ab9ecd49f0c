//! Spreads packets over time at the congestion controller's rate, in bursts that a millisecond timer can serve
//! (RFC 9260 §6.1 Max.Burst, in time rather than in packets). Asked before each data packet.

use std::time::{Duration, Instant};

/// A burst lasts this long at the pacing rate, so that a timer of a millisecond keeps up.
const BURST: Duration = Duration::from_millis(2);
/// And is never fewer packets than this (RFC 9002 §7.7 recommends the initial window of ten).
const BURST_PACKETS: u64 = 10;

#[derive(Clone, Debug)]
pub(crate) struct Pacer {
    /// Bytes that may leave now; the last packet may overdraw it.
    budget: i64,
    updated: Instant,
    mtu: u64,
}

impl Pacer {
    pub(crate) fn new(now: Instant, mtu: usize) -> Self {
        Self { budget: (BURST_PACKETS * mtu as u64) as i64, updated: now, mtu: mtu as u64 }
    }

    fn capacity(&self, rate: u64) -> i64 {
        (self.mtu * BURST_PACKETS).max((u128::from(rate) * BURST.as_micros() / 1_000_000) as u64)
            as i64
    }

    /// Whether a packet may leave now; otherwise when to ask again.
    pub(crate) fn ready(&mut self, now: Instant, rate: Option<u64>) -> Result<(), Instant> {
        let Some(rate) = rate else { return Ok(()) };
        let rate = rate.max(1);
        let elapsed = now.saturating_duration_since(self.updated);
        if !elapsed.is_zero() {
            // An idle hour cannot overflow: the budget is capped after at most ten seconds.
            let micros = elapsed.as_micros().min(10_000_000);
            let earned = (u128::from(rate) * micros / 1_000_000) as i64;
            // Keep the remainder: only move the clock when bytes were earned.
            if earned > 0 {
                self.budget = (self.budget + earned).min(self.capacity(rate));
                self.updated = now;
            }
        }
        if self.budget > 0 {
            return Ok(());
        }
        // Wait for a packet's worth or a millisecond's, whichever is more, so that timers stay rare.
        let wanted = self.mtu.max(rate / 1000) as i64 - self.budget;
        let micros = (wanted as u128 * 1_000_000 / u128::from(rate)).max(1);
        Err(self.updated + Duration::from_micros(micros as u64))
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.budget = (self.budget - bytes as i64).max(-(1 << 30));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_the_rate() {
        let start = Instant::now();
        let mut now = start;
        let mut pacer = Pacer::new(now, 1200);
        let mut sent = 0u64;
        while now < start + Duration::from_secs(1) {
            match pacer.ready(now, Some(1_000_000)) {
                Ok(()) => {
                    pacer.sent(1200);
                    sent += 1200;
                }
                Err(later) => {
                    assert!(later > now);
                    now = later;
                }
            }
        }
        assert!((1_000_000..1_030_000).contains(&sent), "{sent}");
    }
}
