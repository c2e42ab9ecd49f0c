//! Where the path's limit was met, and how sure that is: the mean and deviation of the throughput at which overuse was
//! seen (draft-ietf-rmcat-gcc-02 §5.5, the average maximum bit rate).

use crate::units::DataRate;

/// Weight of one overuse, and of one probe that saw the limit.
const OVERUSE_WEIGHT: f64 = 0.05;
const PROBE_WEIGHT: f64 = 0.5;
/// Bounds of the variance over the mean, in kbit/s.
const VARIANCE_RANGE: (f64, f64) = (0.4, 2.5);

/// The estimator; see the module.
#[derive(Debug)]
pub(crate) struct LinkCapacity {
    mean_kbps: Option<f64>,
    /// Variance over the mean.
    variance: f64,
}

impl Default for LinkCapacity {
    fn default() -> Self {
        Self { mean_kbps: None, variance: VARIANCE_RANGE.0 }
    }
}

impl LinkCapacity {
    /// This was what came through when the path was overused.
    pub(crate) fn on_overuse(&mut self, throughput: DataRate) {
        self.update(throughput, OVERUSE_WEIGHT);
    }

    /// A probe came through at this rate, below the rate it was sent at.
    pub(crate) fn on_probe(&mut self, rate: DataRate) {
        self.update(rate, PROBE_WEIGHT);
    }

    fn update(&mut self, rate: DataRate, weight: f64) {
        let sample = rate.as_f64() / 1_000.0;
        let mean = self.mean_kbps.map_or(sample, |mean| (1.0 - weight) * mean + weight * sample);
        self.mean_kbps = Some(mean);
        let error = mean - sample;
        let norm = mean.max(1.0);
        self.variance = ((1.0 - weight) * self.variance + weight * error * error / norm)
            .clamp(VARIANCE_RANGE.0, VARIANCE_RANGE.1);
    }

    pub(crate) fn reset(&mut self) {
        self.mean_kbps = None;
    }

    pub(crate) fn is_known(&self) -> bool {
        self.mean_kbps.is_some()
    }

    fn at(&self, deviations: f64) -> Option<DataRate> {
        let mean = self.mean_kbps?;
        let deviation = (self.variance * mean).sqrt();
        Some(DataRate::from_f64((mean + deviations * deviation).max(0.0) * 1_000.0))
    }

    /// More than this is not what was known as the limit.
    pub(crate) fn upper_bound(&self) -> Option<DataRate> {
        self.at(3.0)
    }

    /// Less than this likewise.
    pub(crate) fn lower_bound(&self) -> Option<DataRate> {
        self.at(-3.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_lie_around_the_mean() {
        let mut capacity = LinkCapacity::default();
        assert_eq!(capacity.upper_bound(), None);
        capacity.on_overuse(DataRate::from_kbps(1_000));
        let (low, high) = (capacity.lower_bound().unwrap(), capacity.upper_bound().unwrap());
        assert!(low < DataRate::from_kbps(1_000) && high > DataRate::from_kbps(1_000));
        assert!(high - low < DataRate::from_kbps(200), "{low} {high}");
        capacity.on_probe(DataRate::from_kbps(2_000));
        assert!(capacity.upper_bound().unwrap() > DataRate::from_kbps(1_500));
        capacity.reset();
        assert!(!capacity.is_known());
    }
}
