//! The queue before a link's serialiser: limits, and what manages it.

use std::time::Duration;

/// A queue's limits and its management. A packet that finds the queue full is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Most packets waiting (the one being serialised not counted).
    pub max_packets: usize,
    /// Most bytes waiting, headers included.
    pub max_bytes: usize,
    /// What happens before it is full.
    pub management: Management,
}

/// Active queue management.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Management {
    /// None: packets wait until there is no more room.
    #[default]
    DropTail,
    /// CoDel (RFC 8289): drops at a growing pace while the waiting time stays above `target` for an `interval`.
    CoDel {
        /// Acceptable standing delay; 5 ms in RFC 8289 §4.4.
        target: Duration,
        /// About the largest round-trip time of the flows; 100 ms in RFC 8289 §4.3.
        interval: Duration,
        /// Whether ECN-capable packets are marked instead of dropped (RFC 8289 §3 leaves it open; RFC 3168 §5).
        ecn: bool,
    },
    /// Marks each ECN-capable packet that waited longer than this, as a shallow L4S queue does (RFC 9332 §2.5.1.1), and
    /// leaves the others alone.
    MarkAbove(Duration),
}

impl Default for Queue {
    /// 1,000 packets, drop-tail.
    fn default() -> Self {
        Self::packets(1_000)
    }
}

impl Queue {
    /// Drop-tail with room for so many packets.
    pub fn packets(max_packets: usize) -> Self {
        Self { max_packets, max_bytes: usize::MAX, management: Management::DropTail }
    }

    /// Drop-tail with room for so many bytes.
    pub fn bytes(max_bytes: usize) -> Self {
        Self { max_packets: usize::MAX, max_bytes, management: Management::DropTail }
    }

    /// CoDel with the values of RFC 8289 §4.4 over a queue of 1,000 packets; `ecn` marks instead of dropping.
    pub fn codel(ecn: bool) -> Self {
        Self::packets(1_000).management(Management::CoDel {
            target: Duration::from_millis(5),
            interval: Duration::from_millis(100),
            ecn,
        })
    }

    /// Sets the management.
    pub fn management(mut self, management: Management) -> Self {
        self.management = management;
        self
    }
}
