//! Room for payloads: one copy of a datagram's payload, and an allocation once for a dozen of them. The streams and the
//! receive path each have one. Where payloads live shortly, two blocks take turns and nothing is allocated at all.

use bytes::{Bytes, BytesMut};

/// Bytes taken from the allocator at a time. A payload that is kept keeps all of its block, so that it is not larger.
const BLOCK: usize = 16 * 1024;

/// See the module. Nothing is taken before the first payload.
#[derive(Debug)]
pub(super) struct Arena {
    block: BytesMut,
    /// The one before, some of whose payloads may still be somewhere.
    before: BytesMut,
    block_len: usize,
}

impl Default for Arena {
    fn default() -> Self {
        Self::with_blocks(BLOCK)
    }
}

impl Arena {
    /// Takes so many bytes at a time.
    pub(super) fn with_blocks(block_len: usize) -> Self {
        Self { block: BytesMut::new(), before: BytesMut::new(), block_len }
    }

    /// The parts, one after the other, as a payload that shares its block with those before and after it.
    pub(super) fn copy(&mut self, parts: &[&[u8]]) -> Bytes {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        // Where nobody has a payload of a block any more, it is used again.
        if self.block.capacity() < len && !self.block.try_reclaim(len) {
            std::mem::swap(&mut self.block, &mut self.before);
            if !self.block.try_reclaim(len) {
                self.block = BytesMut::with_capacity(len.max(self.block_len));
            }
        }
        for part in parts {
            self.block.extend_from_slice(part);
        }
        self.block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_stay_what_they_were() {
        let mut arena = Arena::default();
        let payloads: Vec<Bytes> = (0..100u8)
            .map(|n| arena.copy(&[&[n], &vec![n; usize::from(n) * 20], &[1, 2]]))
            .collect();
        for (n, payload) in payloads.iter().enumerate() {
            assert_eq!(payload.len(), 20 * n + 3);
            assert!(payload[..=20 * n].iter().all(|&byte| usize::from(byte) == n));
            assert_eq!(payload[20 * n + 1..], [1, 2]);
        }
        assert_eq!(arena.copy(&[&vec![7; 3 * BLOCK]]).len(), 3 * BLOCK);
        assert!(arena.copy(&[]).is_empty());
    }

    #[test]
    fn a_block_that_nobody_needs_is_used_again() {
        let mut arena = Arena::default();
        let first = arena.copy(&[&[1; 1000]]).as_ptr();
        let again = (0..100).any(|_| arena.copy(&[&[2; 1000]]).as_ptr() == first);
        assert!(again);
    }

    #[test]
    fn two_blocks_take_turns_while_the_last_payloads_are_held() {
        let mut arena = Arena::with_blocks(1000);
        let (mut held, mut places) = (std::collections::VecDeque::new(), Vec::new());
        for n in 0..1000u32 {
            let payload = arena.copy(&[&n.to_be_bytes(), &[0; 96]]);
            places.push(payload.as_ptr());
            held.push_back((n, payload));
            if held.len() > 5 {
                let (n, payload) = held.pop_front().unwrap();
                assert_eq!(payload[..4], n.to_be_bytes());
            }
        }
        places.sort_unstable();
        places.dedup();
        assert!(places.len() <= 20, "{} places", places.len());
    }
}
