//! Comfort noise that the sender describes (RFC 3389), for codecs that have none of their own.

use super::lpc::{Lpc, MAX_ORDER, Noise, Synthesis};
use crate::audio::AudioBlock;

/// Makes the noise that the last frame described. The same in all channels, but for the random numbers.
#[derive(Debug)]
pub(super) struct ComfortNoise {
    lpc: Lpc,
    synthesis: [Synthesis; AudioBlock::MAX_CHANNELS],
}

impl ComfortNoise {
    pub(super) fn new() -> Self {
        Self { lpc: Lpc::white(0.0), synthesis: [Synthesis::new(); AudioBlock::MAX_CHANNELS] }
    }

    /// Takes in a frame. False where it is none.
    pub(super) fn update(&mut self, payload: &[u8]) -> bool {
        // RFC 3389 §3.1: the level in -dBov, the top bit unused.
        let Some((&level, indices)) = payload.split_first() else { return false };
        let level = 10f32.powf(-f32::from(level & 0x7f) / 20.0);
        // RFC 3389 §3.2: k = 258 · (N - 127) / 32768; 255 is reserved.
        let reflections = indices
            .iter()
            .take(MAX_ORDER)
            .map(|&index| 258.0 * (f32::from(index.min(254)) - 127.0) / 32_768.0);
        self.lpc = Lpc::from_reflections(reflections, level);
        true
    }

    /// The next sample of a channel.
    pub(super) fn next(&mut self, channel: usize, noise: &mut Noise) -> f32 {
        self.synthesis[channel].next(&self.lpc, noise.next())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_described_level_is_made() {
        let mut comfort = ComfortNoise::new();
        assert!(!comfort.update(&[]));
        assert!(comfort.update(&[40, 60, 150, 127]));
        let mut noise = Noise::new(9);
        let sum: f32 = (0..80_000).map(|_| comfort.next(0, &mut noise).powi(2)).sum();
        let level = 20.0 * (sum / 80_000.0).sqrt().log10();
        assert!((level + 40.0).abs() < 1.5, "{level} dBov");
    }

    #[test]
    fn any_frame_makes_bounded_noise() {
        let mut noise = Noise::new(9);
        for value in 0..=255 {
            let mut comfort = ComfortNoise::new();
            comfort.update(&[value; 100]);
            assert!((0..1_000).all(|_| comfort.next(1, &mut noise).abs() <= 2.0));
        }
    }
}
