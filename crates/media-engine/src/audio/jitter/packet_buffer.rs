//! The packets that wait, ordered by their time, bounded in number and bytes.

use std::collections::VecDeque;

use bytes::Bytes;

/// A packet that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// When it begins, in ticks of the RTP clock, extended.
    pub(super) start: i64,
    /// How long it sounds, in ticks. Zero for comfort noise.
    pub(super) length: i64,
    /// Extended sequence number, of the packet that brought it.
    pub(super) sequence: u64,
    /// When it came, in µs.
    pub(super) arrival: i64,
    /// What is decoded.
    pub(super) payload: Bytes,
    /// Restored from redundancy: may be of a lower quality.
    pub(super) redundant: bool,
    /// RFC 3389.
    pub(super) comfort_noise: bool,
    /// Carries the sound of the packet before it too.
    pub(super) has_redundancy: bool,
    /// Which decoder it is for.
    pub(super) epoch: u32,
}

impl Waiting {
    pub(super) fn end(&self) -> i64 {
        self.start + self.length
    }
}

/// What became of a packet that was put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    /// It waits now. The number of others that had to go for it, copies aside.
    Kept { evicted: usize },
    /// The same sound waits already.
    Duplicate,
}

/// The packets that wait, oldest first.
#[derive(Debug)]
pub(super) struct PacketBuffer {
    packets: VecDeque<Waiting>,
    bytes: usize,
    max_packets: usize,
    max_bytes: usize,
}

impl PacketBuffer {
    pub(super) fn new(max_packets: usize, max_bytes: usize) -> Self {
        // One more, since the oldest is dropped after the newest came in. Grows to its bound once.
        Self { packets: VecDeque::with_capacity(16), bytes: 0, max_packets, max_bytes }
    }

    /// Puts a packet in its place. A frame itself takes the place of copies that redundancy brought, sound that of comfort noise.
    pub(super) fn insert(&mut self, packet: Waiting) -> Inserted {
        // Packets come nearly in order: the place is found from the newest.
        let mut place = self.packets.len();
        while place > 0 && self.packets[place - 1].start > packet.start {
            place -= 1;
        }
        let overlaps = |next: &Waiting| !next.redundant && next.start < packet.end();
        if packet.redundant
            && (self.covers(packet.start) || self.packets.get(place).is_some_and(overlaps))
        {
            return Inserted::Duplicate;
        }
        if place > 0 && self.packets[place - 1].start == packet.start {
            let other = &mut self.packets[place - 1];
            let better = (other.redundant && !packet.redundant)
                || (other.comfort_noise && !packet.comfort_noise);
            if !better {
                return Inserted::Duplicate;
            }
            self.bytes = self.bytes - other.payload.len() + packet.payload.len();
            *other = packet;
            place -= 1;
        } else {
            self.bytes += packet.payload.len();
            self.packets.insert(place, packet);
        }
        self.drop_copies_around(place);
        Inserted::Kept { evicted: self.evict() }
    }

    /// Drops copies that have a part of what the frame at `place` has: they are dated wrong.
    fn drop_copies_around(&mut self, place: usize) {
        let Waiting { start, redundant, .. } = self.packets[place];
        let end = self.packets[place].end();
        if redundant || start == end {
            return;
        }
        let copy =
            |packet: &Waiting| packet.redundant && packet.start < end && start < packet.end();
        while self.packets.get(place + 1).is_some_and(copy) {
            self.remove(place + 1);
        }
        let mut place = place;
        while place > 0 && copy(&self.packets[place - 1]) {
            place -= 1;
            self.remove(place);
        }
    }

    fn remove(&mut self, place: usize) {
        if let Some(packet) = self.packets.remove(place) {
            self.bytes -= packet.payload.len();
        }
    }

    /// Drops packets of decoders before that of `epoch`, and says how many were no copies.
    pub(super) fn drop_before(&mut self, epoch: u32) -> usize {
        let (mut bytes, mut dropped) = (0, 0);
        self.packets.retain(|packet| {
            let old = packet.epoch < epoch;
            bytes += if old { packet.payload.len() } else { 0 };
            dropped += usize::from(old && !packet.redundant);
            !old
        });
        self.bytes -= bytes;
        dropped
    }

    /// Drops the oldest that are too many, and says how many were no copies.
    fn evict(&mut self) -> usize {
        let mut evicted = 0;
        while self.packets.len() > self.max_packets
            || (self.bytes > self.max_bytes && self.packets.len() > 1)
        {
            evicted += self.pop().map_or(0, |packet| usize::from(!packet.redundant));
        }
        evicted
    }

    /// The oldest.
    pub(super) fn front(&self) -> Option<&Waiting> {
        self.packets.front()
    }

    /// Takes the oldest out.
    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let packet = self.packets.pop_front()?;
        self.bytes -= packet.payload.len();
        Some(packet)
    }

    /// Whether something of `tick` waits.
    pub(super) fn covers(&self, tick: i64) -> bool {
        let newest_first = self.packets.iter().rev();
        newest_first
            .skip_while(|packet| packet.start > tick)
            .take(1)
            .any(|packet| packet.end() > tick)
    }

    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops all, and says how many were no copies.
    pub(super) fn clear(&mut self) -> usize {
        self.bytes = 0;
        let count = self.packets.iter().filter(|packet| !packet.redundant).count();
        self.packets.clear();
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(start: i64, redundant: bool) -> Waiting {
        Waiting {
            start,
            length: 960,
            sequence: 0,
            arrival: 0,
            payload: Bytes::from(vec![0; 100]),
            redundant,
            comfort_noise: false,
            has_redundancy: false,
            epoch: 0,
        }
    }

    #[test]
    fn packets_come_out_in_order() {
        let mut buffer = PacketBuffer::new(10, 10_000);
        for start in [960, 0, 2880, 1920] {
            assert_eq!(buffer.insert(packet(start, false)), Inserted::Kept { evicted: 0 });
        }
        assert_eq!(buffer.insert(packet(1920, false)), Inserted::Duplicate);
        assert!(buffer.covers(1000) && !buffer.covers(3840) && !buffer.covers(-1));
        let starts: Vec<i64> = std::iter::from_fn(|| buffer.pop()).map(|p| p.start).collect();
        assert_eq!(starts, [0, 960, 1920, 2880]);
        assert_eq!(buffer.bytes(), 0);
    }

    #[test]
    fn the_frame_itself_replaces_its_copy() {
        let mut buffer = PacketBuffer::new(10, 10_000);
        buffer.insert(packet(0, true));
        assert_eq!(buffer.insert(packet(0, false)), Inserted::Kept { evicted: 0 });
        assert_eq!(buffer.insert(packet(0, true)), Inserted::Duplicate);
        assert!(!buffer.front().unwrap().redundant);
    }

    #[test]
    fn copies_give_way_where_they_overlap() {
        let mut buffer = PacketBuffer::new(10, 10_000);
        buffer.insert(packet(960, false));
        assert_eq!(buffer.insert(packet(1_440, true)), Inserted::Duplicate);
        assert_eq!(buffer.insert(packet(480, true)), Inserted::Duplicate);
        for start in [-480, 2_400, 4_800] {
            assert_eq!(buffer.insert(packet(start, true)), Inserted::Kept { evicted: 0 });
        }
        buffer.insert(packet(1_920, false));
        buffer.insert(packet(0, false));
        let starts: Vec<i64> = std::iter::from_fn(|| buffer.pop()).map(|p| p.start).collect();
        assert_eq!(starts, [0, 960, 1_920, 4_800]);
        assert_eq!(buffer.bytes(), 0);
    }

    #[test]
    fn sound_takes_the_place_of_comfort_noise() {
        let noise = Waiting { length: 0, comfort_noise: true, ..packet(960, false) };
        for sound_first in [false, true] {
            let mut buffer = PacketBuffer::new(10, 10_000);
            let (first, second) = match sound_first {
                true => (packet(960, false), noise.clone()),
                false => (noise.clone(), packet(960, false)),
            };
            buffer.insert(first);
            buffer.insert(second);
            assert_eq!((buffer.len(), buffer.bytes()), (1, 100));
            assert!(!buffer.front().unwrap().comfort_noise);
        }
    }

    #[test]
    fn the_oldest_go_where_it_is_full() {
        let mut buffer = PacketBuffer::new(3, 250);
        assert_eq!(buffer.insert(packet(0, false)), Inserted::Kept { evicted: 0 });
        assert_eq!(buffer.insert(packet(960, false)), Inserted::Kept { evicted: 0 });
        assert_eq!(buffer.insert(packet(1920, false)), Inserted::Kept { evicted: 1 });
        assert_eq!((buffer.len(), buffer.bytes()), (2, 200));
        assert_eq!(buffer.front().unwrap().start, 960);
    }
}
