//! Packets that leave together (see [`Sender::protect_rtp_in_burst`](crate::Sender::protect_rtp_in_burst)): where in their buffer
//! those are whose tags are still to be computed.

use std::ops::Range;

use crate::packet::BATCH;

/// Remembers which packets of a buffer wait for their tags, up to eight. Made once and used again for each burst.
#[derive(Debug, Default)]
pub struct Burst {
    /// What each tag covers, and the rollover counter that it covers besides (RFC 3711 §4.2).
    packets: [(Range<usize>, [u8; 4]); BATCH],
    count: usize,
}

impl Burst {
    /// Whether no packet waits.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count == BATCH
    }

    /// Only while it is not full.
    pub(crate) fn push(&mut self, covered: Range<usize>, rollover_counter: [u8; 4]) {
        self.packets[self.count] = (covered, rollover_counter);
        self.count += 1;
    }

    pub(crate) fn waiting(&self) -> &[(Range<usize>, [u8; 4])] {
        &self.packets[..self.count]
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
    }
}
