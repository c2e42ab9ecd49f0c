//! The table of streams, by SSRC, with a bound. Only packets that authenticated reach [`Streams::insert`] and
//! [`Streams::touch`], so that nobody without the key can fill the table or keep an entry alive.

use rustc_hash::FxHashMap;

/// How many other packets must have been accepted since a stream was last heard before a full table may forget it. What is
/// forgotten can be replayed, and comes back with a rollover counter of zero, so that it must be long gone.
pub const EVICTION_SILENCE: u64 = 1 << 17;

pub(crate) struct Streams<T> {
    slots: Vec<Slot<T>>,
    by_ssrc: FxHashMap<u32, u32>,
    limit: usize,
    /// Packets accepted so far.
    accepted: u64,
    /// With a full table: nobody need look for a stream to evict before `accepted` has come to this.
    evictable_at: u64,
}

struct Slot<T> {
    ssrc: u32,
    last_heard: u64,
    state: T,
}

impl<T> Streams<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            by_ssrc: FxHashMap::default(),
            limit,
            accepted: 0,
            evictable_at: 0,
        }
    }

    /// Where a stream is.
    #[inline]
    pub(crate) fn find(&self, ssrc: u32) -> Option<usize> {
        self.by_ssrc.get(&ssrc).map(|slot| *slot as usize)
    }

    #[inline]
    pub(crate) fn get(&self, slot: usize) -> &T {
        &self.slots[slot].state
    }

    /// Without taking it for a packet that was accepted.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> &mut T {
        &mut self.slots[slot].state
    }

    /// For a packet that was accepted.
    #[inline]
    pub(crate) fn touch(&mut self, slot: usize) -> &mut T {
        self.accepted += 1;
        let slot = &mut self.slots[slot];
        slot.last_heard = self.accepted;
        &mut slot.state
    }

    /// Whether the table has room, without forgetting anything.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.slots.len() < self.limit
    }

    /// Whether [`insert_or_evict`](Self::insert_or_evict) has a chance; cheap, for before a packet is authenticated.
    #[inline]
    pub(crate) fn may_have_room(&self) -> bool {
        self.has_room() || (self.limit > 0 && self.accepted >= self.evictable_at)
    }

    /// Adds a stream that [`find`](Self::find) does not know, provided there [is room](Self::has_room).
    pub(crate) fn insert(&mut self, ssrc: u32, state: T) -> Option<usize> {
        if !self.has_room() {
            return None;
        }
        let slot = self.slots.len();
        self.accepted += 1;
        self.slots.push(Slot { ssrc, last_heard: self.accepted, state });
        self.by_ssrc.insert(ssrc, slot as u32);
        Some(slot)
    }

    /// The same; a full table forgets its longest silent stream if that has been silent for [`EVICTION_SILENCE`].
    pub(crate) fn insert_or_evict(&mut self, ssrc: u32, state: T) -> Option<usize> {
        if !self.has_room() {
            let oldest = self.slots.iter().min_by_key(|slot| slot.last_heard)?;
            self.evictable_at = oldest.last_heard + EVICTION_SILENCE;
            if self.accepted < self.evictable_at {
                return None;
            }
            let oldest = oldest.ssrc;
            self.remove(oldest);
        }
        self.insert(ssrc, state)
    }

    pub(crate) fn remove(&mut self, ssrc: u32) -> Option<T> {
        let slot = self.by_ssrc.remove(&ssrc)? as usize;
        let removed = self.slots.swap_remove(slot);
        if let Some(moved) = self.slots.get(slot) {
            self.by_ssrc.insert(moved.ssrc, slot as u32);
        }
        Some(removed.state)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_refuses_until_a_stream_was_silent_long_enough() {
        let mut streams = Streams::new(2);
        let (first, second) = (streams.insert_or_evict(1, 'a'), streams.insert_or_evict(2, 'b'));
        assert_eq!((first, second), (Some(0), Some(1)));
        assert!(streams.may_have_room(), "nobody has looked yet");
        assert_eq!(streams.insert_or_evict(3, 'c'), None);
        assert!(!streams.may_have_room());
        for _ in 0..EVICTION_SILENCE {
            assert_eq!(streams.find(3), None);
            streams.touch(1);
        }
        assert!(streams.may_have_room());
        let slot = streams.insert_or_evict(3, 'c').expect("the first was silent");
        assert_eq!((streams.find(1), streams.find(3)), (None, Some(slot)));
        assert_eq!(*streams.get(streams.find(2).expect("still heard")), 'b');
        assert_eq!(streams.len(), 2);
    }

    #[test]
    fn removal_keeps_the_others_reachable() {
        let mut streams = Streams::new(100);
        for ssrc in 0..100 {
            streams.insert(ssrc, ssrc);
        }
        assert_eq!(streams.insert(100, 100), None);
        for ssrc in (0..100).step_by(3) {
            assert_eq!(streams.remove(ssrc), Some(ssrc));
            assert_eq!(streams.remove(ssrc), None);
        }
        for ssrc in 0..100 {
            let found = streams.find(ssrc).map(|slot| *streams.get(slot));
            assert_eq!(found, (ssrc % 3 != 0).then_some(ssrc));
        }
    }
}
