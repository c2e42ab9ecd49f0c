//! What links and the network share: the packets on their way, the buffers they come from and the queue of events.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use slab::Slab;

use crate::packet::Packet;

/// Most buffers kept for reuse; more are given back to the allocator.
const MAX_POOLED_BUFFERS: usize = 1_024;
/// Largest buffer kept for reuse.
const MAX_POOLED_CAPACITY: usize = 65_536;

/// A packet in [`Engine::packets`].
pub(crate) type PacketKey = u32;

/// What happens next somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// Pipe `.0` has put the packet it was busy with on the wire.
    Serialised(u32),
    /// Packet `.1` comes out of pipe `.0`.
    Arrival(u32, PacketKey),
    /// Packet `.1` is for node `.0`, which sent it.
    Loopback(u32, PacketKey),
    /// Entry `.0` of the timeline is due.
    Change(u32),
}

/// Packets, buffers, events. Times are nanoseconds since the start of the simulation.
#[derive(Debug, Default)]
pub(crate) struct Engine {
    pub(crate) packets: Slab<Packet>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// Breaks ties: what was scheduled first happens first.
    sequence: u64,
    pool: Vec<Vec<u8>>,
}

impl Engine {
    pub(crate) fn schedule(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    pub(crate) fn next_event_time(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((at, ..))| *at)
    }

    /// The next event if it is due.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<(u64, Event)> {
        if self.next_event_time()? > now {
            return None;
        }
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }

    pub(crate) fn insert(&mut self, packet: Packet) -> PacketKey {
        self.packets.insert(packet) as PacketKey
    }

    /// Ends a packet's life, keeping its buffer.
    pub(crate) fn discard(&mut self, key: PacketKey) {
        let packet = self.packets.remove(key as usize);
        self.recycle(packet.data);
    }

    pub(crate) fn duplicate(&mut self, key: PacketKey) -> PacketKey {
        let mut data = self.buffer();
        let original = &self.packets[key as usize];
        data.extend_from_slice(&original.data);
        let copy = Packet {
            source: original.source,
            destination: original.destination,
            ecn: original.ecn,
            data,
        };
        self.insert(copy)
    }

    pub(crate) fn buffer(&mut self) -> Vec<u8> {
        self.pool.pop().unwrap_or_default()
    }

    pub(crate) fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.pool.len() < MAX_POOLED_BUFFERS
            && (1..=MAX_POOLED_CAPACITY).contains(&buffer.capacity())
        {
            buffer.clear();
            self.pool.push(buffer);
        }
    }
}
