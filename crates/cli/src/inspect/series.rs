//! Values over time in a bounded number of bins: when a log goes on longer than they reach, pairs of bins become one.

use std::collections::HashMap;
use std::hash::Hash;

/// More bins than this no screen shows.
const MAX_BINS: usize = 2400;
/// The width of a bin at first, in microseconds.
const FIRST_WIDTH: u64 = 100_000;

/// How the values of a bin become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sum {
    /// Their sum in a second.
    Rate,
    /// Their mean.
    Mean,
}

/// Series of values, each under a key.
pub(super) struct SeriesSet<K> {
    width: u64,
    series: HashMap<K, (Sum, Vec<(f64, f64)>)>,
}

impl<K: Copy + Eq + Hash + Ord> SeriesSet<K> {
    pub(super) fn new() -> Self {
        Self { width: FIRST_WIDTH, series: HashMap::new() }
    }

    /// Adds a value of this weight at a time in microseconds.
    pub(super) fn add(&mut self, key: K, sum: Sum, at: u64, value: f64, weight: f64) {
        while at / self.width >= MAX_BINS as u64 {
            self.width = self.width.saturating_mul(2);
            for (_, bins) in self.series.values_mut() {
                let merge = |pair: &[(f64, f64)]| {
                    pair.iter().fold((0.0, 0.0), |sum, bin| (sum.0 + bin.0, sum.1 + bin.1))
                };
                *bins = bins.chunks(2).map(merge).collect();
            }
        }
        let index = (at / self.width) as usize;
        let (_, bins) = self.series.entry(key).or_insert_with(|| (sum, Vec::new()));
        if bins.len() <= index {
            bins.resize(index + 1, (0.0, 0.0));
        }
        bins[index].0 += value * weight;
        bins[index].1 += weight;
    }

    /// The width of a bin in seconds.
    pub(super) fn width(&self) -> f64 {
        self.width as f64 / 1e6
    }

    /// The series by key: one value for each bin, `None` where a mean has nothing to be of.
    pub(super) fn finish(self) -> Vec<(K, Sum, Vec<Option<f64>>)> {
        let seconds = self.width();
        let mut all: Vec<_> = self.series.into_iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        let values = |sum, bins: Vec<(f64, f64)>| {
            bins.into_iter().map(move |(value, weight)| match sum {
                Sum::Rate => Some(short(value / seconds)),
                Sum::Mean => (weight > 0.0).then(|| short(value / weight)),
            })
        };
        all.into_iter().map(|(key, (sum, bins))| (key, sum, values(sum, bins).collect())).collect()
    }
}

/// With as many digits as a plot shows, so that the page stays small.
fn short(value: f64) -> f64 {
    if value.abs() >= 1000.0 { value.round() } else { (value * 1000.0).round() / 1000.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_logs_have_wide_bins() {
        let mut set = SeriesSet::new();
        for second in 0..10_000u64 {
            set.add(1, Sum::Rate, second * 1_000_000, 500.0, 1.0);
            set.add(2, Sum::Mean, second * 1_000_000, 7.0, 1.0);
        }
        assert_eq!(set.width(), 6.4);
        let series = set.finish();
        assert!(series.iter().all(|(_, _, bins)| bins.len() == 1563));
        // A bin has six seconds in it, or seven; the last has what is left.
        let whole = &series[0].2[..1562];
        assert!(whole.iter().flatten().all(|rate| (400.0..560.0).contains(rate)));
        assert!(series[1].2.iter().flatten().all(|mean| *mean == 7.0));
    }

    #[test]
    fn times_beyond_all_measure_do_no_harm() {
        let mut set = SeriesSet::new();
        set.add(1, Sum::Rate, 5, 1.0, 1.0);
        set.add(1, Sum::Rate, u64::MAX, 1.0, 1.0);
        assert!(set.finish()[0].2.len() <= MAX_BINS);
    }

    #[test]
    fn means_tell_where_there_is_nothing() {
        let mut set = SeriesSet::new();
        set.add(1, Sum::Mean, 0, 4.0, 1.0);
        set.add(1, Sum::Mean, 0, 1.0, 3.0);
        set.add(1, Sum::Mean, 200_000, 9.0, 1.0);
        assert_eq!(set.finish()[0].2, [Some(1.75), None, Some(9.0)]);
    }
}
