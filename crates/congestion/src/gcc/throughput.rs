//! What the path has carried lately: bytes that arrived, over the receiver's clock.
//!
//! Fifty buckets of ten milliseconds, so that neither memory nor time depends on the packet rate.

use crate::units::{DataRate, DataSize};

const BUCKET_US: i64 = 10_000;
const BUCKETS: usize = 50;
/// Buckets of the short rate.
const SHORT: i64 = 15;
/// An arrival this far beyond the newest is a receiver that changed its clock.
const JUMP_US: i64 = 10_000_000;
/// No estimate from less than this.
const MIN_SPAN_US: i64 = 150_000;

/// The estimator; see the module.
#[derive(Debug)]
pub(crate) struct Throughput {
    buckets: [u64; BUCKETS],
    sum: u64,
    /// Number of the newest bucket, and the newest arrival in it.
    newest: Option<(i64, i64)>,
    /// The first arrival since it began anew.
    first: i64,
}

impl Default for Throughput {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS], sum: 0, newest: None, first: 0 }
    }
}

impl Throughput {
    /// So many bytes arrived then, in microseconds on the receiver's clock.
    pub(crate) fn push(&mut self, arrived: i64, size: DataSize) {
        // Far beyond any clock, and far from overflow.
        let arrived = arrived.clamp(-(1 << 60), 1 << 60);
        let number = arrived.div_euclid(BUCKET_US);
        match self.newest {
            Some((_, at)) if arrived.saturating_sub(at).saturating_abs() <= JUMP_US => {}
            _ => {
                *self = Self { newest: Some((number, arrived)), first: arrived, ..Self::default() }
            }
        }
        let Some((newest, at)) = &mut self.newest else { return };
        if number > *newest {
            for gone in (*newest + 1..=number).take(BUCKETS) {
                let bucket = &mut self.buckets[gone.rem_euclid(BUCKETS as i64) as usize];
                self.sum -= *bucket;
                *bucket = 0;
            }
            *newest = number;
        }
        *at = (*at).max(arrived);
        if *newest - number < BUCKETS as i64 {
            // Sizes are bounded so that no sum can overflow.
            let bytes = size.as_bytes().min(1 << 32);
            self.buckets[number.rem_euclid(BUCKETS as i64) as usize] += bytes;
            self.sum += bytes;
        }
    }

    /// So many bytes arrived between the last arrival and this one, in microseconds on the receiver's clock; when, no report
    /// has told.
    pub(crate) fn fill(&mut self, until: i64, size: DataSize) {
        let Some((_, from)) = self.newest else { return };
        let span = until.saturating_sub(from);
        if !(1..=BUCKETS as i64 * BUCKET_US).contains(&span) {
            return;
        }
        let parts = (span / BUCKET_US).max(1);
        let part = DataSize::from_bytes(size.as_bytes() / parts as u64);
        for index in 1..=parts {
            self.push(from + span * index / (parts + 1), part);
        }
    }

    /// Bytes over time of the last 150 ms: for when the path has just changed.
    pub(crate) fn short_rate(&self) -> Option<DataRate> {
        let (newest, at) = self.newest?;
        let oldest = newest - SHORT + 1;
        let span = at - (oldest * BUCKET_US).max(self.first);
        if span < MIN_SPAN_US - BUCKET_US {
            return None;
        }
        let bytes: u64 = (oldest..=newest)
            .map(|number| self.buckets[number.rem_euclid(BUCKETS as i64) as usize])
            .sum();
        Some(DataRate::from_f64(bytes as f64 * 8e6 / span as f64))
    }

    /// Bytes over time of the last half second, of less at the beginning.
    pub(crate) fn rate(&self) -> Option<DataRate> {
        let (newest, at) = self.newest?;
        let oldest = (newest - BUCKETS as i64 + 1) * BUCKET_US;
        let span = at - oldest.max(self.first);
        if span < MIN_SPAN_US {
            return None;
        }
        Some(DataRate::from_f64(self.sum as f64 * 8e6 / span as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_a_steady_stream() {
        let mut throughput = Throughput::default();
        for i in 0..200 {
            throughput.push(7_000_000 + i * 10_000, DataSize::from_bytes(1_250));
        }
        let kbps = throughput.rate().expect("known").as_kbps();
        assert!((980..=1_040).contains(&kbps), "{kbps}");
    }

    #[test]
    fn what_no_report_told_of_is_made_up_for() {
        let mut throughput = Throughput::default();
        for i in 0..200 {
            // A report of every three is lost, each of five packets.
            if (i / 5) % 3 < 2 {
                if i % 15 == 0 && i > 0 {
                    throughput.fill(i * 10_000, DataSize::from_bytes(5 * 1_250));
                }
                throughput.push(i * 10_000, DataSize::from_bytes(1_250));
            }
        }
        let kbps = throughput.rate().expect("known").as_kbps();
        assert!((900..=1_100).contains(&kbps), "{kbps}");
        throughput.fill(i64::MAX, DataSize::MAX);
        throughput.fill(i64::MIN, DataSize::MAX);
    }

    #[test]
    fn gaps_and_jumps_leave_nothing_behind() {
        let mut throughput = Throughput::default();
        for at in [0, 5_000_000, -4_000_000, i64::MAX, i64::MIN, 0] {
            throughput.push(at, DataSize::MAX);
        }
        assert_eq!(throughput.rate(), None);
    }
}
