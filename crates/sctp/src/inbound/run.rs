//! Fragments put together: runs of neighbours that grow and join until one reaches from the beginning of a message to its
//! end. With DATA the position of a fragment is its TSN, with I-DATA its FSN.
//!
//! A fragment is copied once, onto the end of the run it continues; only messages that arrived out of order are copied
//! once more, when they are complete.

use crate::serial::PayloadProtocolId;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Reckoned for each piece of memory held, so that many tiny fragments fill the window as their bookkeeping does.
pub(crate) const OVERHEAD: usize = 96;

/// What all fragments of a message have in common. With DATA, neighbours in TSN of different messages are told apart by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MessageKey {
    pub(crate) stream: u16,
    pub(crate) unordered: bool,
    /// SSN or MID; 0 for unordered DATA.
    pub(crate) number: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fragment<'a> {
    pub(crate) key: MessageKey,
    pub(crate) position: u64,
    pub(crate) begin: bool,
    pub(crate) end: bool,
    /// Meaningful in the first fragment.
    pub(crate) ppid: PayloadProtocolId,
    pub(crate) payload: &'a [u8],
}

#[derive(Debug)]
struct Run {
    key: MessageKey,
    first: u64,
    next: u64,
    begin: bool,
    end: bool,
    ppid: PayloadProtocolId,
    length: usize,
    /// More room than the first fragment needed was reserved.
    reserved: bool,
    segments: VecDeque<Vec<u8>>,
}

impl Run {
    fn new(fragment: &Fragment<'_>, capacity: usize) -> Self {
        let mut segment = Vec::with_capacity(capacity.max(fragment.payload.len()));
        segment.extend_from_slice(fragment.payload);
        Self {
            key: fragment.key,
            first: fragment.position,
            next: fragment.position + 1,
            begin: fragment.begin,
            end: fragment.end,
            ppid: fragment.ppid,
            length: fragment.payload.len(),
            reserved: capacity > fragment.payload.len(),
            segments: VecDeque::from([segment]),
        }
    }

    fn cost(&self) -> usize {
        self.length + self.segments.len() * OVERHEAD
    }

    fn continued_by(&self, fragment: &Fragment<'_>) -> bool {
        self.next == fragment.position && !self.end && !fragment.begin && self.key == fragment.key
    }

    fn append(&mut self, fragment: &Fragment<'_>) {
        match self.segments.back_mut() {
            Some(segment) => segment.extend_from_slice(fragment.payload),
            None => self.segments.push_back(fragment.payload.to_vec()),
        }
        self.length += fragment.payload.len();
        self.next += 1;
        self.end = fragment.end;
    }

    fn joins(&self, later: &Self) -> bool {
        self.next == later.first && !self.end && !later.begin && self.key == later.key
    }

    fn join(mut self, mut later: Self) -> Self {
        // The shorter list moves, whichever side it is on.
        if self.segments.len() >= later.segments.len() {
            self.segments.append(&mut later.segments);
        } else {
            while let Some(segment) = self.segments.pop_back() {
                later.segments.push_front(segment);
            }
            self.segments = later.segments;
        }
        self.length += later.length;
        self.next = later.next;
        self.end = later.end;
        self
    }

    fn finish(mut self) -> Complete {
        let data = if self.segments.len() == 1 {
            let segment = self.segments.pop_front().unwrap_or_default();
            // Do not let a short message keep a long allocation alive.
            if segment.capacity() > 2 * segment.len() + 1024 {
                Bytes::copy_from_slice(&segment)
            } else {
                Bytes::from(segment)
            }
        } else {
            let mut whole = Vec::with_capacity(self.length);
            for segment in &self.segments {
                whole.extend_from_slice(segment);
            }
            Bytes::from(whole)
        };
        Complete { key: self.key, ppid: self.ppid, data }
    }
}

/// A whole message.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) key: MessageKey,
    pub(crate) ppid: PayloadProtocolId,
    pub(crate) data: Bytes,
}

/// The message grew beyond what we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The runs of one association (DATA) or message (I-DATA).
#[derive(Debug, Default)]
pub(crate) struct RunSet {
    /// The run that grew last: the next fragment most likely continues it.
    recent: Option<Run>,
    others: BTreeMap<u64, Run>,
    cost: usize,
    /// A run has room reserved that `cost` does not tell of: one at most.
    reserving: bool,
}

impl RunSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.recent.is_none() && self.others.is_empty()
    }

    /// Bytes held, with bookkeeping.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Adds a fragment that is not a whole message itself. `capacity` is reserved if it is the first of one and no
    /// other run has room reserved.
    pub(crate) fn insert(
        &mut self,
        fragment: &Fragment<'_>,
        capacity: usize,
        max_length: usize,
    ) -> Result<Option<Complete>, TooLong> {
        let recent = match self.recent.take() {
            Some(mut recent) if recent.continued_by(fragment) => {
                recent.append(fragment);
                self.cost += fragment.payload.len();
                recent
            }
            recent => {
                if let Some(recent) = recent {
                    // With I-DATA a hostile sender may use an FSN twice.
                    if let Some(replaced) = self.others.insert(recent.first, recent) {
                        self.forget(&replaced);
                    }
                }
                let before = self.others.range(..fragment.position).next_back();
                match before.filter(|(_, run)| run.continued_by(fragment)).map(|(first, _)| *first)
                {
                    Some(first) => {
                        let Some(mut run) = self.others.remove(&first) else { return Ok(None) };
                        run.append(fragment);
                        self.cost += fragment.payload.len();
                        run
                    }
                    None => {
                        let reserve = fragment.begin && !self.reserving;
                        let run = Run::new(fragment, if reserve { capacity } else { 0 });
                        self.reserving |= run.reserved;
                        self.cost += run.cost();
                        run
                    }
                }
            }
        };
        let mut run = recent;
        if !self.others.is_empty()
            && !run.end
            && let Some(later) = self.others.remove(&run.next)
        {
            if run.joins(&later) {
                run = run.join(later);
            } else {
                self.others.insert(later.first, later);
            }
        }
        if run.length > max_length {
            return Err(TooLong);
        }
        if run.begin && run.end {
            self.forget(&run);
            return Ok(Some(run.finish()));
        }
        self.recent = Some(run);
        Ok(None)
    }

    /// A run is held no longer.
    fn forget(&mut self, run: &Run) {
        self.cost -= run.cost();
        self.reserving &= !run.reserved;
    }

    /// Drops the runs that begin at or before `position` (and so can never be whole).
    pub(crate) fn drop_through(&mut self, position: u64) {
        if self.recent.as_ref().is_some_and(|run| run.first <= position)
            && let Some(run) = self.recent.take()
        {
            self.forget(&run);
        }
        while let Some(entry) = self.others.first_entry() {
            if *entry.key() > position {
                break;
            }
            let run = entry.remove();
            self.forget(&run);
        }
    }

    /// Drops the runs of these streams (they were reset); all if `None`.
    pub(crate) fn drop_streams(&mut self, streams: Option<&[crate::serial::StreamId]>) {
        let dropped =
            |run: &Run| streams.is_none_or(|ids| ids.iter().any(|id| id.0 == run.key.stream));
        if let Some(run) = self.recent.take_if(|run| dropped(run)) {
            self.forget(&run);
        }
        let (cost, reserving) = (&mut self.cost, &mut self.reserving);
        self.others.retain(|_, run| {
            let keep = !dropped(run);
            if !keep {
                *cost -= run.cost();
                *reserving &= !run.reserved;
            }
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fragment(position: u64, count: u64, payload: &[u8]) -> Fragment<'_> {
        Fragment {
            key: MessageKey { stream: 1, unordered: false, number: 7 },
            position,
            begin: position == 0,
            end: position + 1 == count,
            ppid: PayloadProtocolId(51),
            payload,
        }
    }

    proptest! {
        #[test]
        fn any_order_gives_the_message(order in Just((0u64..40).collect::<Vec<_>>()).prop_shuffle()) {
            let mut set = RunSet::default();
            for (step, position) in order.iter().enumerate() {
                let payload = [*position as u8; 3];
                let result = set.insert(&fragment(*position, 40, &payload), 0, 1000).unwrap();
                if step + 1 < order.len() {
                    prop_assert!(result.is_none());
                    let pieces = usize::from(set.recent.is_some()) + set.others.len();
                    prop_assert!(set.cost() >= (step + 1) * 3 + pieces * OVERHEAD);
                } else {
                    let expected: Vec<u8> = (0..40u8).flat_map(|n| [n; 3]).collect();
                    prop_assert_eq!(result.unwrap().data, expected);
                }
            }
            prop_assert_eq!(set.cost(), 0);
            prop_assert!(set.is_empty());
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_refused() {
        let mut set = RunSet::default();
        assert!(set.insert(&fragment(0, 9, &[0; 60]), 0, 100).unwrap().is_none());
        assert_eq!(set.insert(&fragment(1, 9, &[0; 60]), 0, 100).unwrap_err(), TooLong);
    }

    #[test]
    fn neighbours_of_different_messages_stay_apart() {
        let mut set = RunSet::default();
        let mut other = fragment(1, 2, b"x");
        other.key.stream = 2;
        assert!(set.insert(&fragment(0, 9, b"y"), 0, 100).unwrap().is_none());
        assert!(set.insert(&other, 0, 100).unwrap().is_none());
        set.drop_streams(Some(&[crate::serial::StreamId(2)]));
        assert_eq!(set.cost(), 1 + OVERHEAD);
        set.drop_through(0);
        assert_eq!(set.cost(), 0);
    }

    #[test]
    fn beginnings_without_end_reserve_room_once() {
        let mut set = RunSet::default();
        for position in 0..1_000 {
            let mut begin = fragment(2 * position, u64::MAX, b"x");
            begin.begin = true;
            assert!(set.insert(&begin, 100_000, 100_000).unwrap().is_none());
        }
        let reserved = |set: &RunSet| {
            let runs = set.others.values().chain(&set.recent);
            runs.flat_map(|run| &run.segments).map(Vec::capacity).sum::<usize>()
        };
        assert!(reserved(&set) < 100_000 + set.cost(), "{}", reserved(&set));
        // The one that reserved is gone: another may.
        set.drop_through(0);
        let mut begin = fragment(5_000, u64::MAX, b"x");
        begin.begin = true;
        assert!(set.insert(&begin, 100_000, 100_000).unwrap().is_none());
        assert!(reserved(&set) >= 100_000);
    }

    #[test]
    fn a_fragment_number_used_twice_costs_once() {
        let mut set = RunSet::default();
        for _ in 0..100 {
            assert!(set.insert(&fragment(0, 9, b"x"), 0, 100).unwrap().is_none());
        }
        assert!(set.cost() <= 2 * (1 + OVERHEAD));
        set.drop_through(0);
        assert_eq!(set.cost(), 0);
    }
}
