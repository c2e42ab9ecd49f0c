//! How late sound comes: a histogram of arrival delays that forgets, from which the delay that is worth its cost is read.

/// Width of a bucket, in µs.
pub(super) const BUCKET: i64 = 5_000;
/// Buckets: delays up to two seconds; what is later counts with the last.
pub(super) const BUCKETS: usize = 400;
/// How fast the past fades: after this many samples a sample's weight is down to 1/e. With packets of 20 ms that is ten seconds.
const MEMORY: f32 = 500.0;
/// Beyond this weight of a new sample all are scaled down, so that floating point holds them.
const RESCALE: f32 = 1e12;

/// Arrival delays of the last while, recent ones weighing more.
#[derive(Debug)]
pub(super) struct Histogram {
    weights: [f32; BUCKETS],
    total: f32,
    /// The weight of the next sample: it grows instead of all others being made smaller.
    weight: f32,
    growth: f32,
    samples: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        let growth = (1.0 / MEMORY).exp();
        Self { weights: [0.0; BUCKETS], total: 0.0, weight: 1.0, growth, samples: 0 }
    }

    /// How many came in.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    /// Takes in that sound came `delay` µs after the quickest.
    pub(super) fn add(&mut self, delay: i64) {
        let bucket = (delay.max(0) / BUCKET).min(BUCKETS as i64 - 1) as usize;
        self.weights[bucket] += self.weight;
        self.total += self.weight;
        self.weight *= self.growth;
        self.samples += 1;
        if self.weight > RESCALE {
            let scale = 1.0 / self.weight;
            self.weights.iter_mut().for_each(|weight| *weight *= scale);
            self.total = self.weights.iter().sum();
            self.weight = 1.0;
        }
    }

    /// The quickest packet is another one: delays until now count as `by` µs more.
    pub(super) fn shift(&mut self, by: i64) {
        let buckets = (by.unsigned_abs() / BUCKET.unsigned_abs()).min(BUCKETS as u64) as usize;
        if buckets == 0 {
            return;
        }
        if by > 0 {
            let over: f32 = self.weights[BUCKETS - buckets..].iter().sum();
            self.weights.copy_within(..BUCKETS - buckets, buckets);
            self.weights[..buckets].fill(0.0);
            self.weights[BUCKETS - 1] += over;
        } else {
            let under: f32 = self.weights[..buckets].iter().sum();
            self.weights.copy_within(buckets.., 0);
            self.weights[BUCKETS - buckets..].fill(0.0);
            self.weights[0] += under;
        }
    }

    /// The delay in µs that costs least, where a percent of sound that comes too late costs as much as `per_percent` ms.
    pub(super) fn best(&self, per_percent: f32) -> i64 {
        if self.total <= 0.0 {
            return 0;
        }
        let millis_per_share = per_percent * 100.0 / self.total;
        let mut late = self.total;
        let (mut best, mut least) = (0, f32::INFINITY);
        for (bucket, weight) in self.weights.iter().enumerate() {
            // Held to the end of this bucket, all in it are in time.
            late -= weight;
            let delay = (bucket as i64 + 1) * BUCKET;
            let cost = delay as f32 / 1_000.0 + late.max(0.0) * millis_per_share;
            if cost < least {
                (best, least) = (delay, cost);
            }
            // What floating point leaves of a difference is no sound.
            if late <= self.total * 1e-5 {
                break;
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_network_costs_a_bucket() {
        let mut histogram = Histogram::new();
        for _ in 0..100_000 {
            histogram.add(0);
        }
        assert_eq!(histogram.best(20.0), BUCKET);
    }

    #[test]
    fn delay_is_held_where_it_saves_enough() {
        let mut histogram = Histogram::new();
        for sample in 0..1_000 {
            histogram.add(if sample % 10 == 0 { 42_000 } else { 1_000 });
        }
        assert_eq!(histogram.best(20.0), 45_000);
        // A tenth of the sound is not worth 40 ms at one millisecond for a percent.
        assert_eq!(histogram.best(1.0), BUCKET);
        // It was long ago.
        for _ in 0..3_000 {
            histogram.add(1_000);
        }
        assert_eq!(histogram.best(20.0), BUCKET);
    }

    #[test]
    fn shifting_keeps_the_weight() {
        let mut histogram = Histogram::new();
        histogram.add(50_000);
        histogram.shift(20_000);
        assert_eq!(histogram.best(20.0), 75_000);
        histogram.shift(-70_000);
        assert_eq!(histogram.best(20.0), BUCKET);
        histogram.shift(i64::MAX);
        assert_eq!(histogram.best(20.0), BUCKETS as i64 * BUCKET);
        histogram.shift(-i64::MAX);
        assert_eq!(histogram.best(20.0), BUCKET);
    }
}
