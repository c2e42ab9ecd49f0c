//! What one direction of a link has done so far.

use std::time::Duration;

/// Counters of one direction of a link. At any time
/// `offered + duplicated == delivered + dropped() + queued + on_wire`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Packets that entered.
    pub offered: u64,
    /// Their bytes, headers included.
    pub offered_bytes: u64,
    /// Packets that came out at the other end, duplicates included.
    pub delivered: u64,
    /// Their bytes, headers included.
    pub delivered_bytes: u64,
    /// Copies made on the wire.
    pub duplicated: u64,
    /// Packets in which bits were flipped.
    pub corrupted: u64,
    /// Packets held back on purpose. Jitter that reorders is not counted.
    pub held_back: u64,
    /// Packets marked [`Ecn::Ce`](crate::Ecn::Ce) here.
    pub marked: u64,
    /// Lost on the wire.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub dropped_full: u64,
    /// Dropped by the queue's management.
    pub dropped_aqm: u64,
    /// Dropped because they exceeded the MTU.
    pub dropped_mtu: u64,
    /// Dropped because the link was down.
    pub dropped_down: u64,
    /// Packets waiting, the one being serialised included.
    pub queued: u64,
    /// Packets on the wire.
    pub on_wire: u64,
    /// Longest wait in the queue so far.
    pub max_queue_delay: Duration,
    /// All waits in the queue together; divided by the packets that left it, the mean.
    pub total_queue_delay: Duration,
}

impl LinkStats {
    /// All that did not get through.
    pub fn dropped(&self) -> u64 {
        self.lost + self.dropped_full + self.dropped_aqm + self.dropped_mtu + self.dropped_down
    }

    /// Mean wait in the queue.
    pub fn mean_queue_delay(&self) -> Duration {
        let never_left = self.dropped() - self.lost + self.queued;
        let left = u128::from(self.offered.saturating_sub(never_left));
        let mean = self.total_queue_delay.as_nanos().checked_div(left).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// The two directions of a link together; of the longest waits, the longer.
    pub(crate) fn merge(mut self, other: &Self) -> Self {
        self.offered += other.offered;
        self.offered_bytes += other.offered_bytes;
        self.delivered += other.delivered;
        self.delivered_bytes += other.delivered_bytes;
        self.duplicated += other.duplicated;
        self.corrupted += other.corrupted;
        self.held_back += other.held_back;
        self.marked += other.marked;
        self.lost += other.lost;
        self.dropped_full += other.dropped_full;
        self.dropped_aqm += other.dropped_aqm;
        self.dropped_mtu += other.dropped_mtu;
        self.dropped_down += other.dropped_down;
        self.queued += other.queued;
        self.on_wire += other.on_wire;
        self.max_queue_delay = self.max_queue_delay.max(other.max_queue_delay);
        self.total_queue_delay += other.total_queue_delay;
        self
    }
}
