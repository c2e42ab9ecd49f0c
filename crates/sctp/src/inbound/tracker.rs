//! Which TSNs have arrived, and what a SACK says about it (RFC 9260 §6.2). Called for every DATA and I-DATA chunk.

use crate::packet::sack::{GapBlock, SACK_HEADER_LENGTH, Sack};
use crate::range_set::RangeSet;
use crate::serial::Tsn;
use smallvec::SmallVec;

/// Holes remembered in the TSNs received; data that would open another is refused.
const MAX_GAPS: usize = 2048;
/// Duplicates reported in one SACK.
const MAX_DUPLICATES: usize = 16;
/// Gap blocks hold 16-bit offsets, so nothing further ahead can be acknowledged (RFC 9260 §3.3.4).
const MAX_AHEAD: u64 = u16::MAX as u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Not seen before; the unwrapped TSN.
    New(u64),
    Duplicate,
    /// Too far ahead, or one hole too many.
    Refused,
}

#[derive(Debug)]
pub(crate) struct TsnTracker {
    /// The last TSN before which nothing is missing, unwrapped.
    cumulative: u64,
    beyond: RangeSet,
    duplicates: SmallVec<[Tsn; MAX_DUPLICATES]>,
}

impl TsnTracker {
    pub(crate) fn new(initial_tsn: Tsn) -> Self {
        Self {
            cumulative: (1 << 32) + u64::from(initial_tsn.0) - 1,
            beyond: RangeSet::default(),
            duplicates: SmallVec::new(),
        }
    }

    pub(crate) fn cumulative(&self) -> Tsn {
        Tsn(self.cumulative as u32)
    }

    pub(crate) fn unwrap(&self, tsn: Tsn) -> u64 {
        self.cumulative.wrapping_add_signed(i64::from(tsn.distance(Tsn(self.cumulative as u32))))
    }

    /// Looks without recording.
    pub(crate) fn classify(&self, tsn: Tsn) -> Arrival {
        let tsn = self.unwrap(tsn);
        if tsn <= self.cumulative || (!self.beyond.is_empty() && self.beyond.contains(tsn)) {
            return Arrival::Duplicate;
        }
        let in_sequence = tsn == self.cumulative + 1;
        if tsn - self.cumulative > MAX_AHEAD
            || (!in_sequence && self.beyond.len() >= MAX_GAPS && self.beyond.would_split(tsn))
        {
            return Arrival::Refused;
        }
        Arrival::New(tsn)
    }

    /// Whether what arrived already is of no use without `tsn`: it fills a hole, or goes on with a message.
    pub(crate) fn is_waited_for(&self, tsn: u64, begins_message: bool) -> bool {
        self.beyond.last().is_some_and(|last| tsn < last)
            || (tsn == self.cumulative + 1 && !begins_message)
    }

    /// Records what [`TsnTracker::classify`] called new.
    pub(crate) fn record(&mut self, tsn: u64) {
        if tsn == self.cumulative + 1 {
            self.cumulative = tsn;
            self.close_gap();
        } else {
            self.beyond.insert(tsn);
        }
    }

    pub(crate) fn record_duplicate(&mut self, tsn: Tsn) {
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(tsn);
        }
    }

    fn close_gap(&mut self) {
        if let Some(end) = self.beyond.take_front_at(self.cumulative + 1) {
            self.cumulative = end;
        }
    }

    /// FORWARD TSN: nothing up to here will come (RFC 3758 §3.6). False if it tells nothing new.
    pub(crate) fn forward(&mut self, tsn: Tsn) -> bool {
        let tsn = self.unwrap(tsn);
        if tsn <= self.cumulative {
            return false;
        }
        self.cumulative = tsn;
        self.beyond.remove_through(tsn);
        self.close_gap();
        true
    }

    /// Something is missing.
    pub(crate) fn has_gaps(&self) -> bool {
        !self.beyond.is_empty()
    }

    /// Writes a SACK of at most `room` bytes; the oldest gaps matter most and come first.
    pub(crate) fn write_sack(&mut self, buf: &mut Vec<u8>, room: usize, a_rwnd: u32) {
        let entries = room.saturating_sub(SACK_HEADER_LENGTH) / 4;
        let duplicates = self.duplicates.len().min(entries);
        let cumulative = self.cumulative;
        let gaps = self
            .beyond
            .iter()
            .map(|(start, end)| GapBlock {
                start: (start - cumulative) as u16,
                end: (end - cumulative).min(MAX_AHEAD) as u16,
            })
            .take(entries - duplicates);
        Sack::write(buf, Tsn(cumulative as u32), a_rwnd, gaps, &self.duplicates[..duplicates]);
        self.duplicates.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(tracker: &mut TsnTracker, tsn: u32) -> bool {
        match tracker.classify(Tsn(tsn)) {
            Arrival::New(tsn) => {
                tracker.record(tsn);
                true
            }
            _ => false,
        }
    }

    #[test]
    fn gaps_close_across_the_wrap() {
        let mut tracker = TsnTracker::new(Tsn(u32::MAX));
        assert!(receive(&mut tracker, u32::MAX));
        assert!(receive(&mut tracker, 1));
        assert!(!receive(&mut tracker, 1));
        assert!(tracker.has_gaps());
        assert!(receive(&mut tracker, 0));
        assert_eq!(tracker.cumulative(), Tsn(1));
        assert!(!tracker.has_gaps());
    }

    #[test]
    fn too_far_ahead_is_refused() {
        let tracker = TsnTracker::new(Tsn(0));
        assert_eq!(tracker.classify(Tsn(65_535)), Arrival::Refused);
        assert!(matches!(tracker.classify(Tsn(65_534)), Arrival::New(_)));
        assert_eq!(tracker.classify(Tsn(u32::MAX)), Arrival::Duplicate);
    }

    #[test]
    fn holes_are_bounded() {
        let mut tracker = TsnTracker::new(Tsn(0));
        let mut accepted = 0;
        for n in 0..10_000 {
            accepted += usize::from(receive(&mut tracker, 1 + 2 * n));
        }
        assert_eq!(accepted, MAX_GAPS);
        assert!(receive(&mut tracker, 0));
    }
}
