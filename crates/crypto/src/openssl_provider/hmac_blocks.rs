//! HMAC (RFC 2104) over SHA-1 and SHA-256, straight on the compression functions.
//!
//! STUN authenticates every message, so that here the cost per call counts: a prepared key is two hash states, and a tag
//! costs the compressions that RFC 2104 asks for and one block on the stack. The general `hmac` crate copies and wipes
//! more than it hashes for messages of this size.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{Digest, HmacKey, constant_time_eq};

const BLOCK: usize = 64;
/// Blocks that are hashed in one piece; more cost more to clear than they save.
const SHORT: usize = 4;
/// Messages that are hashed side by side.
const LANES: usize = peerage_sha1_lanes::LANES;

/// A Merkle-Damgård hash with blocks of 64 bytes and a state of `N` 32-bit words.
pub(super) trait BlockHash<const N: usize>: Send + Sync + 'static {
    const INITIAL: [u32; N];
    fn compress(state: &mut [u32; N], blocks: &[[u8; BLOCK]]);

    /// The same for several messages, each with its state.
    fn compress_many(states: &mut [[u32; N]], messages: &[&[[u8; BLOCK]]]) {
        for (state, blocks) in states.iter_mut().zip(messages) {
            Self::compress(state, blocks);
        }
    }
}

/// SHA-1 (FIPS 180-4 §6.1).
pub(super) struct Sha1Blocks;

impl BlockHash<5> for Sha1Blocks {
    // FIPS 180-4 §5.3.1.
    const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

    fn compress(state: &mut [u32; 5], blocks: &[[u8; BLOCK]]) {
        sha1::block_api::compress(state, blocks);
    }

    fn compress_many(states: &mut [[u32; 5]], messages: &[&[[u8; BLOCK]]]) {
        peerage_sha1_lanes::compress(states, messages);
    }
}

/// SHA-256 (FIPS 180-4 §6.2).
pub(super) struct Sha256Blocks;

impl BlockHash<8> for Sha256Blocks {
    // FIPS 180-4 §5.3.3.
    const INITIAL: [u32; 8] = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];

    fn compress(state: &mut [u32; 8], blocks: &[[u8; BLOCK]]) {
        sha2::block_api::compress256(state, blocks);
    }
}

/// An HMAC key: the hash states after the inner and the outer padded key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(super) struct BlockHmac<H, const N: usize> {
    inner: [u32; N],
    outer: [u32; N],
    #[zeroize(skip)]
    hash: std::marker::PhantomData<H>,
}

impl<H: BlockHash<N>, const N: usize> BlockHmac<H, N> {
    pub(super) fn new(key: &[u8]) -> Self {
        let mut block = [0; BLOCK];
        if key.len() <= BLOCK {
            block[..key.len()].copy_from_slice(key);
        } else {
            // RFC 2104 §3: a longer key is hashed first.
            let state = finish::<H, N>(H::INITIAL, 0, &[key]);
            write_words(&state, &mut block);
        }
        let padded = |pad: u8| {
            let mut state = H::INITIAL;
            let mut padded = block.map(|byte| byte ^ pad);
            H::compress(&mut state, &[padded]);
            padded.zeroize();
            state
        };
        let (inner, outer) = (padded(0x36), padded(0x5c));
        block.zeroize();
        Self { inner, outer, hash: std::marker::PhantomData }
    }
}

impl<H: BlockHash<N>, const N: usize> BlockHmac<H, N> {
    /// The tag in the first `4 * N` bytes.
    #[inline]
    fn tag(&self, parts: &[&[u8]]) -> [u8; BLOCK] {
        let inner = finish::<H, N>(self.inner, BLOCK as u64, parts);
        let mut block = Self::outer_block(&inner);
        let mut outer = self.outer;
        H::compress(&mut outer, &[block]);
        write_words(&outer, &mut block);
        block
    }

    /// Tags of up to [`LANES`] messages: the blocks that lie whole in the first part, then those that are put together here,
    /// then the outer hash, each for all of them.
    fn sign_group(&self, messages: &[[&[u8]; 2]], tags: &mut [Digest]) {
        let count = messages.len();
        // A second part that is longer than what packets have behind them is not worth a buffer.
        if count == 1 || messages.iter().any(|[_, second]| second.len() >= BLOCK) {
            for (message, tag) in messages.iter().zip(tags) {
                *tag = self.sign(message);
            }
            return;
        }
        let mut states = [self.inner; LANES];
        let mut whole: [&[[u8; BLOCK]]; LANES] = [&[]; LANES];
        // What is left of the first part, the second, and the padding: 63 + 63 + 9 bytes at most.
        let mut ends = [[[0; BLOCK]; 3]; LANES];
        let mut end_blocks = [0; LANES];
        for (lane, &[first, second]) in messages.iter().enumerate() {
            let (blocks, tail) = first.as_chunks();
            whole[lane] = blocks;
            let end = ends[lane].as_flattened_mut();
            let filled = tail.len() + second.len();
            end[..tail.len()].copy_from_slice(tail);
            end[tail.len()..filled].copy_from_slice(second);
            end[filled] = 0x80;
            end_blocks[lane] = (filled + 9).div_ceil(BLOCK);
            let total = 8 * (BLOCK + first.len() + second.len()) as u64;
            let at = end_blocks[lane] * BLOCK - 8;
            end[at..at + 8].copy_from_slice(&total.to_be_bytes());
        }
        H::compress_many(&mut states[..count], &whole[..count]);
        let mut lasts: [&[[u8; BLOCK]]; LANES] = [&[]; LANES];
        for (last, (end, blocks)) in lasts.iter_mut().zip(ends.iter().zip(end_blocks)) {
            *last = &end[..blocks];
        }
        H::compress_many(&mut states[..count], &lasts[..count]);
        let mut outers = [[[0; BLOCK]; 1]; LANES];
        for ([outer], inner) in outers.iter_mut().zip(&states) {
            *outer = Self::outer_block(inner);
        }
        let mut states = [self.outer; LANES];
        H::compress_many(&mut states[..count], &outers.each_ref().map(|b| &b[..])[..count]);
        for (tag, state) in tags.iter_mut().zip(&states) {
            let mut block = [0; BLOCK];
            write_words(state, &mut block);
            *tag = Digest::new(&block[..4 * N]);
        }
    }

    /// What the outer hash covers behind the key: one digest, which fits into a block with its padding.
    fn outer_block(inner: &[u32; N]) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        write_words(inner, &mut block);
        block[4 * N] = 0x80;
        block[BLOCK - 8..].copy_from_slice(&(8 * (BLOCK + 4 * N) as u64).to_be_bytes());
        block
    }
}

impl<H: BlockHash<N>, const N: usize> HmacKey for BlockHmac<H, N> {
    fn sign(&self, parts: &[&[u8]]) -> Digest {
        Digest::new(&self.tag(parts)[..4 * N])
    }

    fn sign_many(&self, messages: &[[&[u8]; 2]], tags: &mut [Digest]) {
        assert_eq!(messages.len(), tags.len(), "a tag for each message");
        for (messages, tags) in messages.chunks(LANES).zip(tags.chunks_mut(LANES)) {
            self.sign_group(messages, tags);
        }
    }

    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let expected = self.tag(parts);
        // An empty "truncated" tag would match anything.
        !tag.is_empty()
            && expected[..4 * N]
                .get(..tag.len())
                .is_some_and(|prefix| constant_time_eq(prefix, tag))
    }
}

/// Hashes the parts and the padding on top of a state that has taken `before` bytes, a multiple of the block.
fn finish<H: BlockHash<N>, const N: usize>(
    mut state: [u32; N],
    before: u64,
    parts: &[&[u8]],
) -> [u32; N] {
    if let Some(state) = finish_short::<H, N>(state, before, parts) {
        return state;
    }
    let mut block = [0; BLOCK];
    let mut filled = 0;
    let mut total = before;
    for part in parts {
        total += part.len() as u64;
        let mut rest = *part;
        if filled != 0 {
            let taken = rest.len().min(BLOCK - filled);
            block[filled..filled + taken].copy_from_slice(&rest[..taken]);
            filled += taken;
            rest = &rest[taken..];
            if filled < BLOCK {
                continue;
            }
            H::compress(&mut state, &[block]);
        }
        let (blocks, tail) = rest.as_chunks::<BLOCK>();
        if !blocks.is_empty() {
            H::compress(&mut state, blocks);
        }
        block[..tail.len()].copy_from_slice(tail);
        filled = tail.len();
    }
    // FIPS 180-4 §5.1.1: a one bit, zeros, and the length in bits.
    block[filled] = 0x80;
    block[filled + 1..].fill(0);
    if filled + 1 > BLOCK - 8 {
        H::compress(&mut state, &[block]);
        block.fill(0);
    }
    block[BLOCK - 8..].copy_from_slice(&(8 * total).to_be_bytes());
    H::compress(&mut state, &[block]);
    state
}

/// The same for what fits into a few blocks, as connectivity checks do: laid out in one piece, it takes one call of the
/// compression function, and none of its loads waits for a store that covers only a part of it.
fn finish_short<H: BlockHash<N>, const N: usize>(
    mut state: [u32; N],
    before: u64,
    parts: &[&[u8]],
) -> Option<[u32; N]> {
    let mut blocks = [[0; BLOCK]; SHORT];
    let bytes = blocks.as_flattened_mut();
    let mut filled = 0;
    for part in parts {
        bytes.get_mut(filled..filled + part.len())?.copy_from_slice(part);
        filled += part.len();
    }
    // FIPS 180-4 §5.1.1: a one bit, zeros, and the length in bits, 9 bytes at least.
    let count = (filled + 9).div_ceil(BLOCK);
    let length = bytes.get_mut(count * BLOCK - 8..count * BLOCK)?;
    length.copy_from_slice(&(8 * (before + filled as u64)).to_be_bytes());
    bytes[filled] = 0x80;
    H::compress(&mut state, &blocks[..count]);
    Some(state)
}

fn write_words(words: &[u32], out: &mut [u8; BLOCK]) {
    for (bytes, word) in out.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *bytes = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    /// Against the `hmac` crate, for every length around the block boundaries and every way to split.
    #[test]
    fn agrees_with_the_general_implementation() {
        let data: Vec<u8> = (0..300).map(|at| (at * 31) as u8).collect();
        for key_len in [0, 1, 20, 63, 64, 65, 200] {
            let key = &data[..key_len];
            let (sha1, sha256) =
                (BlockHmac::<Sha1Blocks, 5>::new(key), BlockHmac::<Sha256Blocks, 8>::new(key));
            for length in 0..=300 {
                let message = &data[..length];
                let mut general =
                    <Hmac<sha1::Sha1> as KeyInit>::new_from_slice(key).expect("any key");
                general.update(message);
                let expected1 = general.finalize().into_bytes();
                let mut general =
                    <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(key).expect("any key");
                general.update(message);
                let expected256 = general.finalize().into_bytes();
                for split in [0, 1, 20, 63, 64, 65, 150, 300] {
                    let (first, rest) = message.split_at(split.min(length));
                    let (second, third) = rest.split_at(rest.len() / 2);
                    assert_eq!(*sha1.sign(&[first, second, &[], third]), expected1[..]);
                    assert_eq!(*sha256.sign(&[first, second, &[], third]), expected256[..]);
                }
            }
        }
    }
    /// Any number of messages, of lengths around the block boundaries and well apart, with second parts that are packed with
    /// the first, and that are not.
    #[test]
    fn tags_of_many_are_those_of_each() {
        let data: Vec<u8> = (0..1300).map(|at| (at * 31 + at / 7) as u8).collect();
        let lengths =
            [0, 1, 51, 52, 55, 56, 63, 64, 65, 1196, 1200, 300, 119, 120, 128, 700, 1199, 12];
        let (sha1, sha256) =
            (BlockHmac::<Sha1Blocks, 5>::new(b"key"), BlockHmac::<Sha256Blocks, 8>::new(b"key"));
        for count in 0..=lengths.len() {
            for second in [0, 4, 63, 64, 200] {
                let messages: Vec<[&[u8]; 2]> = lengths[..count]
                    .iter()
                    .map(|&length| [&data[..length], &data[length..length + second.min(100)]])
                    .collect();
                for key in [&sha1 as &dyn HmacKey, &sha256] {
                    let mut tags = vec![Digest::default(); count];
                    key.sign_many(&messages, &mut tags);
                    for (message, tag) in messages.iter().zip(&tags) {
                        assert_eq!(*tag, key.sign(message), "{count} messages, {second}");
                    }
                }
            }
        }
    }
}
