//! More and fewer channels.

use super::AudioBlock;

/// Puts a block into `out` with another number of channels. One becomes the mean of all, and is copied to all; two are the means
/// of the even (left) and odd (right) ones; of more, those that there are not stay silent.
///
/// # Panics
///
/// If `channels` is zero or more than [`AudioBlock::MAX_CHANNELS`], or the block was never filled.
pub fn mix_channels(block: &AudioBlock, channels: usize, out: &mut AudioBlock) {
    let from = block.channels();
    if from == channels {
        out.copy_from(block);
        return;
    }
    out.reset(block.rate(), channels, block.frames());
    let moments = block.samples().chunks_exact(from);
    for (moment, out) in moments.zip(out.samples_mut().chunks_exact_mut(channels)) {
        match (from, channels) {
            (1, _) => out.fill(moment[0]),
            (_, 1) => out[0] = moment.iter().sum::<f32>() / from as f32,
            (_, 2) => {
                let side = |first: usize| {
                    let samples = moment[first..].iter().step_by(2);
                    samples.sum::<f32>() / (from - first).div_ceil(2) as f32
                };
                out.copy_from_slice(&[side(0), side(1)]);
            }
            _ => {
                let shared = from.min(channels);
                out[..shared].copy_from_slice(&moment[..shared]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed(samples: &[f32], channels: usize) -> Vec<f32> {
        let mut block = AudioBlock::silence(8_000, samples.len(), 1);
        block.samples_mut().copy_from_slice(samples);
        let mut out = AudioBlock::default();
        mix_channels(&block, channels, &mut out);
        assert_eq!((out.channels(), out.frames(), out.rate()), (channels, 1, 8_000));
        out.samples().to_vec()
    }

    #[test]
    fn channels_are_copied_and_averaged() {
        assert_eq!(mixed(&[0.5], 3), [0.5, 0.5, 0.5]);
        assert_eq!(mixed(&[0.5, 0.25], 1), [0.375]);
        assert_eq!(mixed(&[0.5, 0.25], 2), [0.5, 0.25]);
        assert_eq!(mixed(&[0.5, 0.25], 4), [0.5, 0.25, 0.0, 0.0]);
        assert_eq!(mixed(&[0.2, 0.5, 0.4], 2), [0.3, 0.5]);
    }
}
