//! Numbers from the seed: verification tags, initial TSNs, the cookie's nonce. They tell associations apart; secrecy is the
//! business of DTLS beneath (RFC 8261 §5), so a small generator is enough.

/// SplitMix64 over the folded seed.
#[derive(Clone, Debug)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut random = Self { state: 0x9e37_79b9_7f4a_7c15 };
        for chunk in seed.chunks_exact(8) {
            let mut word = [0; 8];
            word.copy_from_slice(chunk);
            random.state ^= u64::from_le_bytes(word);
            random.state = random.next_u64();
        }
        random
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A verification tag: anything but zero (RFC 9260 §5.3.1).
    pub(crate) fn tag(&mut self) -> u32 {
        self.next_u32().max(1)
    }
}
