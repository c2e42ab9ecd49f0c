//! A small set of disjoint ranges: which bytes of a message arrived, which bytes of a flight were acknowledged.

/// Sorted, disjoint, not touching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    ranges: Vec<(u32, u32)>,
}

impl RangeSet {
    /// Adds `start..end`. Refuses, and changes nothing, if the set would then have more than `max` ranges.
    pub(crate) fn insert(&mut self, start: u32, end: u32, max: usize) -> bool {
        if start >= end {
            return true;
        }
        // All ranges that touch the new one become part of it.
        let first = self.ranges.partition_point(|&(_, other_end)| other_end < start);
        let last = self.ranges.partition_point(|&(other_start, _)| other_start <= end);
        if first == last && self.ranges.len() >= max {
            return false;
        }
        let merged = self.ranges[first..last]
            .iter()
            .fold((start, end), |(low, high), &(other_start, other_end)| {
                (low.min(other_start), high.max(other_end))
            });
        self.ranges.splice(first..last, [merged]);
        true
    }

    /// Whether all of `start..end` is in the set.
    pub(crate) fn contains(&self, start: u32, end: u32) -> bool {
        start >= end || self.ranges.iter().any(|&(low, high)| low <= start && end <= high)
    }

    /// The first gap at or after `from`, cut off at `limit`.
    pub(crate) fn next_gap(&self, from: u32, limit: u32) -> Option<(u32, u32)> {
        let mut start = from;
        for &(low, high) in &self.ranges {
            if low > start {
                return (start < limit).then(|| (start, low.min(limit)));
            }
            start = start.max(high);
        }
        (start < limit).then_some((start, limit))
    }

    /// Where the range that begins at 0 ends: how much there is without a gap.
    pub(crate) fn prefix(&self) -> u32 {
        match self.ranges.first() {
            Some(&(0, end)) => end,
            _ => 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_bit_per_byte() {
        let mut state = 7_u64;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 33) as u32) % below
        };
        for _ in 0..200 {
            let mut set = RangeSet::default();
            let mut bits = [false; 100];
            for _ in 0..20 {
                let start = random(100);
                let end = (start + random(20)).min(100);
                assert!(set.insert(start, end, 1000));
                bits[start as usize..end as usize].fill(true);
                let from = random(100);
                let gap = (from..100)
                    .find(|&at| !bits[at as usize])
                    .map(|low| (low, (low..100).find(|&at| bits[at as usize]).unwrap_or(100)));
                assert_eq!(set.next_gap(from, 100), gap);
                let prefix = bits.iter().position(|&bit| !bit).unwrap_or(100);
                assert_eq!(set.prefix() as usize, prefix);
                let (low, high) = (start, end.max(start + 1).min(100));
                assert_eq!(
                    set.contains(low, high),
                    low >= high || bits[low as usize..high as usize].iter().all(|&bit| bit)
                );
            }
        }
    }

    #[test]
    fn refuses_to_grow_past_the_limit() {
        let mut set = RangeSet::default();
        assert!(set.insert(0, 1, 2) && set.insert(2, 3, 2));
        assert!(!set.insert(4, 5, 2));
        assert!(set.insert(1, 2, 2));
        assert_eq!(set.prefix(), 3);
    }
}
