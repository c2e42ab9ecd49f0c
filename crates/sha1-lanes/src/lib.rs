#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "x86_64")]
use x86_64::Kernel;

/// Messages that are hashed side by side.
pub const LANES: usize = 8;
/// Bytes of a block.
pub const BLOCK_LEN: usize = 64;
/// What is known of the blocks so far (FIPS 180-4 §6.1.2).
pub type State = [u32; 5];
/// A block of a message.
pub type Block = [u8; BLOCK_LEN];

/// The state before the first block (FIPS 180-4 §5.3.1).
pub const INITIAL: State = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Takes the blocks of `messages[i]` into `states[i]`, for each `i`. Messages of about the same length, [`LANES`] at a time, gain
/// most.
///
/// # Panics
/// If there are not as many states as messages.
pub fn compress(states: &mut [State], messages: &[&[Block]]) {
    assert_eq!(states.len(), messages.len(), "a state for each message");
    for (states, messages) in states.chunks_mut(LANES).zip(messages.chunks(LANES)) {
        let mut rest: [&[Block]; LANES] = [&[]; LANES];
        rest[..messages.len()].copy_from_slice(messages);
        #[cfg(target_arch = "x86_64")]
        if let Some(kernel) = Kernel::detect() {
            compress_wide(kernel, states, &mut rest);
        }
        for (state, blocks) in states.iter_mut().zip(rest) {
            if !blocks.is_empty() {
                sha1::block_api::compress(state, blocks);
            }
        }
    }
}

/// Side by side as long as enough messages have blocks; what is left stays in `rest`.
#[cfg(target_arch = "x86_64")]
fn compress_wide(kernel: Kernel, states: &mut [State], rest: &mut [&[Block]; LANES]) {
    loop {
        let live = rest.iter().filter(|blocks| !blocks.is_empty());
        if live.clone().count() < kernel.least_messages() {
            return;
        }
        let count = live.map(|blocks| blocks.len()).min().unwrap_or(0);
        let first = rest.iter().position(|blocks| !blocks.is_empty()).unwrap_or(0);
        // A lane without a message repeats another one's, for nobody.
        let source: [usize; LANES] =
            std::array::from_fn(|lane| if rest[lane].is_empty() { first } else { lane });
        let mut lanes = source.map(|lane| states[lane]);
        kernel.compress(&mut lanes, &source.map(|lane| &rest[lane][..count]));
        for (lane, blocks) in rest.iter_mut().enumerate() {
            if !blocks.is_empty() {
                states[lane] = lanes[lane];
                *blocks = &blocks[count..];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(states: &mut [State], messages: &[&[Block]]) {
        for (state, blocks) in states.iter_mut().zip(messages) {
            sha1::block_api::compress(state, blocks);
        }
    }

    /// RFC 3174 §7.3, the first two and the fourth, with their padding.
    fn rfc_3174() -> [(Vec<Block>, State); 3] {
        let padded = |text: &[u8]| {
            let mut bytes = text.to_vec();
            bytes.push(0x80);
            bytes.resize((bytes.len() + 8).next_multiple_of(BLOCK_LEN) - 8, 0);
            bytes.extend_from_slice(&(8 * text.len() as u64).to_be_bytes());
            bytes.as_chunks().0.to_vec()
        };
        [
            (padded(b"abc"), [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c, 0x9cd0_d89d]),
            (
                padded(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                [0x8498_3e44, 0x1c3b_d26e, 0xbaae_4aa1, 0xf951_29e5, 0xe546_70f1],
            ),
            (
                padded(&b"01234567".repeat(80)),
                [0xdea3_56a2, 0xcddd_90c7, 0xa7ec_edc5, 0xebb5_6393, 0x4f46_0452],
            ),
        ]
    }

    #[test]
    fn matches_rfc_3174_in_every_lane() {
        let vectors = rfc_3174();
        for number in 1..=2 * LANES + 1 {
            for offset in 0..3 {
                let chosen = || (0..number).map(|at| &vectors[(at + offset) % 3]);
                let messages: Vec<_> = chosen().map(|(blocks, _)| &blocks[..]).collect();
                let mut states = vec![INITIAL; number];
                compress(&mut states, &messages);
                assert!(states.iter().eq(chosen().map(|(_, digest)| digest)), "{number}");
            }
        }
    }

    /// Each way that works on this CPU, with a different message in each lane.
    #[test]
    #[cfg(target_arch = "x86_64")]
    fn every_kernel_keeps_its_lanes_apart() {
        let data: Vec<Block> = (0..LANES * 5)
            .map(|block| std::array::from_fn(|at| (block * 131 + at * 7 + at * at) as u8))
            .collect();
        let messages: [&[Block]; LANES] = std::array::from_fn(|lane| &data[5 * lane..5 * lane + 5]);
        let start: [State; LANES] =
            std::array::from_fn(|lane| INITIAL.map(|word| word.rotate_left(lane as u32)));
        let mut expected = start;
        one_by_one(&mut expected, &messages);
        for kernel in Kernel::all() {
            let mut states = start;
            kernel.compress(&mut states, &messages);
            assert_eq!(states, expected, "{kernel:?}");
        }
    }

    #[test]
    fn nothing_to_hash_changes_nothing() {
        compress(&mut [], &[]);
        let mut states = [INITIAL; LANES];
        compress(&mut states, &[&[] as &[Block]; LANES]);
        assert_eq!(states, [INITIAL; LANES]);
    }

    proptest! {
        /// Any number of messages of any lengths, from any states.
        #[test]
        fn agrees_with_one_after_the_other(
            messages in prop::collection::vec(
                (prop::array::uniform5(any::<u32>()), 0_usize..9, any::<u8>()), 0..20,
            ),
        ) {
            let data: Vec<Block> =
                (0..300).map(|block| std::array::from_fn(|at| (block * 37 + at * 11) as u8)).collect();
            let blocks: Vec<&[Block]> = messages
                .iter()
                .map(|&(_, len, at)| &data[usize::from(at)..usize::from(at) + len])
                .collect();
            let mut states: Vec<State> = messages.iter().map(|message| message.0).collect();
            let mut expected = states.clone();
            compress(&mut states, &blocks);
            one_by_one(&mut expected, &blocks);
            prop_assert_eq!(states, expected);
        }
    }
}
