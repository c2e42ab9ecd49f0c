//! The noise that is heard where nobody speaks, learnt from what was decoded: what concealment fades into, so that the
//! line does not go dead.

use super::lpc::{Lpc, Noise, Synthesis};
use crate::audio::AudioBlock;

/// How deep its spectrum is learnt.
const ORDER: usize = 12;
/// By how much the level that counts as quiet rises with each 10 ms that is louder: 3 dB in 0.7 s, so that noise which
/// became louder is learnt within seconds.
const RISE: f32 = 1.01;
/// Noise above this level (-40 dB of full scale) is not taken as such.
const LOUDEST: f32 = 0.01;
/// The length of what is learnt from, in ms.
pub(super) const WINDOW_MILLIS: usize = 20;
/// Learnt again at most once in so many ms.
const APART_MILLIS: u32 = 100;

/// The noise of each channel.
#[derive(Debug)]
pub(super) struct Background {
    channels: [Option<Lpc>; AudioBlock::MAX_CHANNELS],
    synthesis: [Synthesis; AudioBlock::MAX_CHANNELS],
    /// Energy of the quietest of late.
    quietest: f32,
    since: u32,
    scratch: Vec<f32>,
}

impl Background {
    pub(super) fn new() -> Self {
        Self {
            channels: [None; AudioBlock::MAX_CHANNELS],
            synthesis: [Synthesis::new(); AudioBlock::MAX_CHANNELS],
            quietest: LOUDEST * LOUDEST,
            since: APART_MILLIS,
            scratch: Vec::new(),
        }
    }

    /// Learns from the end of what was decoded: [`WINDOW_MILLIS`], of which `millis` are new.
    pub(super) fn learn(&mut self, samples: &[f32], channels: usize, millis: u32) {
        self.since = self.since.saturating_add(millis);
        let energy = samples.iter().map(|sample| sample * sample).sum::<f32>();
        let energy = energy / samples.len().max(1) as f32;
        if energy > self.quietest {
            let rise = RISE.powf(millis.min(200) as f32 / 10.0);
            self.quietest = (self.quietest * rise).min(LOUDEST * LOUDEST);
            return;
        }
        // It never gets so low that it could not rise again.
        self.quietest = energy.max(1e-10);
        if self.since < APART_MILLIS {
            return;
        }
        self.since = 0;
        for (channel, lpc) in self.channels[..channels].iter_mut().enumerate() {
            *lpc = Some(Lpc::analyse(samples, channels, channel, ORDER, &mut self.scratch));
        }
    }

    /// The next sample of a channel; silence where nothing was learnt.
    pub(super) fn next(&mut self, channel: usize, noise: &mut Noise) -> f32 {
        match &self.channels[channel] {
            Some(lpc) => self.synthesis[channel].next(lpc, noise.next()),
            None => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_between_words_is_learnt() {
        let mut noise = Noise::new(1);
        let mut background = Background::new();
        for round in 0..100 {
            let level = if round % 10 < 7 { 0.2 } else { 0.003 };
            let block: Vec<f32> = (0..320).map(|_| level * noise.next()).collect();
            background.learn(&block, 1, 20);
        }
        let sum: f32 = (0..16_000).map(|_| background.next(0, &mut noise).powi(2)).sum();
        let level = (sum / 16_000.0).sqrt();
        assert!((0.0015..0.006).contains(&level), "{level}");
    }

    #[test]
    fn noise_after_silence_is_learnt_of_short_packets_too() {
        let mut noise = Noise::new(1);
        let mut background = Background::new();
        for round in 0..6_000 {
            let level = if round < 20 { 0.0 } else { 0.003 };
            let block: Vec<f32> = (0..320).map(|_| level * noise.next()).collect();
            background.learn(&block, 1, 5);
        }
        let sum: f32 = (0..16_000).map(|_| background.next(0, &mut noise).powi(2)).sum();
        let level = (sum / 16_000.0).sqrt();
        assert!((0.0015..0.006).contains(&level), "{level}");
    }
}
