//! What audio has brought already, where frames are handed on as they arrive: by sequence number, and for redundant
//! audio by timestamp. Used by the frame assembler.

use arrayvec::ArrayVec;

/// Which of the last 1,024 packets have arrived.
#[derive(Debug, Default)]
pub(crate) struct ArrivalWindow {
    newest: Option<u64>,
    /// Ring of bits by sequence number.
    bits: [u64; Self::WORDS],
}

pub(crate) enum Arrival {
    New,
    Again,
    TooOld,
}

impl ArrivalWindow {
    const WORDS: usize = 16;
    const SIZE: u64 = Self::WORDS as u64 * 64;

    pub(crate) fn note(&mut self, sequence: u64) -> Arrival {
        let newest = *self.newest.get_or_insert(sequence);
        if sequence > newest {
            if sequence - newest >= Self::SIZE {
                self.bits = [0; Self::WORDS];
            } else {
                for passed in newest + 1..sequence {
                    let (word, bit) = Self::place(passed);
                    self.bits[word] &= !bit;
                }
            }
            self.newest = Some(sequence);
        } else if newest - sequence >= Self::SIZE {
            return Arrival::TooOld;
        }
        let (word, bit) = Self::place(sequence);
        if sequence <= newest && self.bits[word] & bit != 0 {
            return Arrival::Again;
        }
        self.bits[word] |= bit;
        Arrival::New
    }

    fn place(sequence: u64) -> (usize, u64) {
        ((sequence / 64) as usize % Self::WORDS, 1 << (sequence % 64))
    }
}

/// Timestamps of the last frames handed on, in any order.
#[derive(Debug, Default)]
pub(crate) struct RecentTimestamps {
    ring: ArrayVec<u32, 64>,
    next: usize,
}

impl RecentTimestamps {
    /// `false` if the timestamp is among them.
    pub(crate) fn note(&mut self, timestamp: u32) -> bool {
        if self.ring.contains(&timestamp) {
            return false;
        }
        if self.ring.try_push(timestamp).is_err() {
            self.ring[self.next] = timestamp;
            self.next = (self.next + 1) % self.ring.len();
        }
        true
    }
}
