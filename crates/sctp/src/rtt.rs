//! The round trip and the retransmission timeout that follows from it (RFC 9260 §6.3.1). Fed by acknowledgements and
//! heartbeats, read by every timer.

use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct RttEstimator {
    smoothed: Option<Duration>,
    variation: Duration,
    /// The lowest seen; tells an acknowledgement of a retransmission from a late one of the original.
    lowest: Option<Duration>,
    rto: Duration,
    backoff: u32,
    rto_initial: Duration,
    rto_min: Duration,
    rto_max: Duration,
}

impl RttEstimator {
    pub(crate) fn new(rto_initial: Duration, rto_min: Duration, rto_max: Duration) -> Self {
        let rto_max = rto_max.max(rto_min);
        let rto = rto_initial.clamp(rto_min, rto_max);
        Self {
            smoothed: None,
            variation: Duration::ZERO,
            lowest: None,
            rto,
            backoff: 0,
            rto_initial: rto,
            rto_min,
            rto_max,
        }
    }

    /// A round trip was measured, by something sent once only (Karn's rule).
    pub(crate) fn measured(&mut self, sample: Duration) {
        self.lowest = Some(self.lowest.map_or(sample, |lowest| lowest.min(sample)));
        let smoothed = match self.smoothed {
            None => {
                // RFC 9260 §6.3.1 C2
                self.variation = sample / 2;
                sample
            }
            Some(smoothed) => {
                // C3, with RTO.Alpha 1/8 and RTO.Beta 1/4.
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                (smoothed * 7 + sample) / 8
            }
        };
        self.smoothed = Some(smoothed);
        self.rto = (smoothed + self.variation * 4).clamp(self.rto_min, self.rto_max);
        self.backoff = 0;
    }

    /// A timer ran out: wait twice as long next time (RFC 9260 §6.3.3 E2).
    pub(crate) fn back_off(&mut self) {
        self.backoff = (self.backoff + 1).min(16);
    }

    /// The peer is there after all.
    pub(crate) fn clear_backoff(&mut self) {
        self.backoff = 0;
    }

    /// A timer ran out since the peer was heard last.
    pub(crate) fn is_backed_off(&self) -> bool {
        self.backoff > 0
    }

    pub(crate) fn rto(&self) -> Duration {
        self.rto.saturating_mul(1 << self.backoff).min(self.rto_max)
    }

    pub(crate) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    pub(crate) fn lowest(&self) -> Option<Duration> {
        self.lowest
    }

    /// Starts over, as for a new path.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.rto_initial, self.rto_min, self.rto_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn first_sample_and_backoff() {
        let mut rtt = RttEstimator::new(500 * MS, 200 * MS, 10_000 * MS);
        assert_eq!(rtt.rto(), 500 * MS);
        rtt.measured(100 * MS);
        assert_eq!(rtt.rto(), 300 * MS);
        rtt.back_off();
        assert_eq!(rtt.rto(), 600 * MS);
        for _ in 0..20 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), 10_000 * MS);
        rtt.measured(100 * MS);
        assert!(rtt.rto() < 300 * MS);
    }

    #[test]
    fn the_floor_holds() {
        let mut rtt = RttEstimator::new(500 * MS, 200 * MS, 10_000 * MS);
        for _ in 0..50 {
            rtt.measured(MS);
        }
        assert_eq!(rtt.rto(), 200 * MS);
        assert_eq!(rtt.smoothed(), Some(MS));
    }
}
