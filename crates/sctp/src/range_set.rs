//! A set of numbers kept as sorted ranges: the TSNs received beyond the cumulative one (inbound), those gap-acknowledged
//! (outbound). Its cost follows the number of holes, not of members.

use std::collections::VecDeque;

/// Sorted, disjoint, non-adjacent ranges, both ends included.
#[derive(Clone, Debug, Default)]
pub(crate) struct RangeSet {
    ranges: VecDeque<(u64, u64)>,
}

impl RangeSet {
    pub(crate) fn len(&self) -> usize {
        self.ranges.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.ranges.iter().copied()
    }

    /// The largest member.
    pub(crate) fn last(&self) -> Option<u64> {
        self.ranges.back().map(|&(_, end)| end)
    }

    pub(crate) fn clear(&mut self) {
        self.ranges.clear();
    }

    /// The index of the first range that ends at `value` or later.
    fn position(&self, value: u64) -> usize {
        // Most look-ups concern the newest numbers.
        match self.ranges.back() {
            Some(&(_, end)) if end < value => self.ranges.len(),
            _ => self.ranges.partition_point(|&(_, end)| end < value),
        }
    }

    pub(crate) fn contains(&self, value: u64) -> bool {
        self.ranges.get(self.position(value)).is_some_and(|&(start, _)| start <= value)
    }

    /// Whether adding `value` would add a range rather than extend one.
    pub(crate) fn would_split(&self, value: u64) -> bool {
        let at = self.position(value);
        let touches_left = at > 0 && self.ranges[at - 1].1 + 1 == value;
        let touches_right = self.ranges.get(at).is_some_and(|&(start, _)| start <= value + 1);
        !touches_left && !touches_right
    }

    /// Adds one number; false if it was there.
    pub(crate) fn insert(&mut self, value: u64) -> bool {
        let mut new = false;
        self.insert_range(value, value, |_, _| new = true);
        new
    }

    /// Adds a range and tells `added` of each part of it that was not there.
    pub(crate) fn insert_range(&mut self, start: u64, end: u64, mut added: impl FnMut(u64, u64)) {
        debug_assert!(start <= end);
        let first = self.position(start.saturating_sub(1));
        let mut merged = (start, end);
        let mut missing_from = start;
        let mut last = first;
        while let Some(&(s, e)) = self.ranges.get(last) {
            if s > end.saturating_add(1) {
                break;
            }
            if s > missing_from && missing_from <= end {
                added(missing_from, (s - 1).min(end));
            }
            missing_from = missing_from.max(e + 1);
            merged = (merged.0.min(s), merged.1.max(e));
            last += 1;
        }
        if missing_from <= end {
            added(missing_from, end);
        }
        match last - first {
            0 => self.ranges.insert(first, merged),
            1 => self.ranges[first] = merged,
            _ => {
                self.ranges[first] = merged;
                self.ranges.drain(first + 1..last);
            }
        }
    }

    /// Forgets everything up to and including `value`.
    pub(crate) fn remove_through(&mut self, value: u64) {
        while let Some(front) = self.ranges.front_mut() {
            if front.1 <= value {
                self.ranges.pop_front();
            } else {
                front.0 = front.0.max(value + 1);
                break;
            }
        }
    }

    /// If the first range starts at `value`, takes it out and returns its end.
    pub(crate) fn take_front_at(&mut self, value: u64) -> Option<u64> {
        match self.ranges.front() {
            Some(&(start, end)) if start == value => {
                self.ranges.pop_front();
                Some(end)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set(ops in prop::collection::vec((0u64..64, 0u64..6, any::<bool>()), 0..60)) {
            let mut set = RangeSet::default();
            let mut model = BTreeSet::new();
            for (start, length, remove) in ops {
                if remove && length == 0 {
                    set.remove_through(start / 4);
                    model.retain(|v| *v > start / 4);
                    continue;
                }
                let end = start + length;
                let would_split = set.would_split(start);
                let before = set.len();
                let mut added = BTreeSet::new();
                set.insert_range(start, end, |a, b| added.extend(a..=b));
                if start == end {
                    prop_assert_eq!(would_split, set.len() > before);
                }
                let expected: BTreeSet<u64> = (start..=end).filter(|v| !model.contains(v)).collect();
                prop_assert_eq!(&added, &expected);
                model.extend(start..=end);
                let members: BTreeSet<u64> = set.iter().flat_map(|(a, b)| a..=b).collect();
                prop_assert_eq!(&members, &model);
                for pair in set.ranges.make_contiguous().windows(2) {
                    prop_assert!(pair[0].1 + 1 < pair[1].0);
                }
                for value in 0..72 {
                    prop_assert_eq!(set.contains(value), model.contains(&value));
                }
            }
        }
    }
}
