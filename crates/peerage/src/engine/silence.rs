//! Comfort noise in the place of silence (RFC 3389), for codecs that have none of their own: while nobody speaks and it is quiet, a few
//! bytes now and then say what the room sounds like.

use std::time::Duration;

use peerage_media::audio::{AudioBlock, Level};
use peerage_media::codec::comfort_noise::ComfortNoiseAnalyzer;

/// What is louder than this is sent as it is, in dBov: music is no voice, and no silence.
const LOUD: f32 = -40.0;
/// How often noise that stays the same is described again, so that a packet that gets lost is no matter for long.
const AGAIN: Duration = Duration::from_millis(200);
/// It is described at once where it has become another by so many dB.
const OTHER: f32 = 3.0;
/// Coefficients that colour it.
const ORDER: usize = 8;

/// What to do with a packet's worth of sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instead {
    /// It is encoded.
    Encode,
    /// The payload that was written goes in its place.
    Noise,
    /// Nothing goes: the noise goes on.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Silence {
    analyzer: ComfortNoiseAnalyzer,
    /// When it was described last, and how loud it was.
    told: Option<(Duration, f32)>,
}

impl Silence {
    /// Of a codec whose timestamps count samples, or do not: then the peer could not tell at which rate the colour is meant, and
    /// only the level is sent.
    pub(super) fn new(counts_samples: bool) -> Self {
        let order = if counts_samples { ORDER } else { 0 };
        Self { analyzer: ComfortNoiseAnalyzer::new(order), told: None }
    }

    /// Decides on a block that begins at a time, `voice` where somebody speaks in it. A payload is appended to `out`.
    pub(super) fn decide(
        &mut self,
        block: &AudioBlock,
        begins: Duration,
        voice: bool,
        out: &mut Vec<u8>,
    ) -> Instead {
        let level = Level::of(block).dbov();
        if voice || level > LOUD {
            self.told = None;
            return Instead::Encode;
        }
        self.analyzer.analyze(block);
        let same = self.told.is_some_and(|(at, told)| {
            begins.saturating_sub(at) < AGAIN && (level - told).abs() < OTHER
        });
        if same {
            return Instead::Nothing;
        }
        self.told = Some((begins, level));
        self.analyzer.write(out);
        Instead::Noise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(level: f32) -> AudioBlock {
        let mut block = AudioBlock::silence(8_000, 1, 160);
        let amplitude = 10.0_f32.powf(level / 20.0);
        for (n, sample) in block.samples_mut().iter_mut().enumerate() {
            *sample = if n % 2 == 0 { amplitude } else { -amplitude };
        }
        block
    }

    #[test]
    fn noise_is_described_now_and_then_and_voice_is_encoded() {
        let mut silence = Silence::new(true);
        let (mut noises, mut nothings) = (0, 0);
        for n in 0..200_u32 {
            let mut out = Vec::new();
            let begins = Duration::from_millis(20) * n;
            let voice = (50..60).contains(&n);
            match silence.decide(&block(-60.0), begins, voice, &mut out) {
                Instead::Encode => assert!(voice && out.is_empty(), "{n}"),
                Instead::Noise => {
                    assert_eq!(out.len(), 1 + ORDER);
                    assert_eq!(out[0], 60);
                    noises += 1;
                }
                Instead::Nothing => nothings += 1,
            }
        }
        // Each 200 ms, and anew after the voice.
        assert_eq!((noises, nothings), (5 + 14, 45 + 126));
        // Louder noise is told at once; what is loud is no silence.
        let at = Duration::from_secs(4);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        silence.decide(&block(-60.0), at, false, &mut first);
        let soon = at + Duration::from_millis(20);
        assert_eq!(silence.decide(&block(-50.0), soon, false, &mut second), Instead::Noise);
        let later = at + Duration::from_millis(40);
        assert_eq!(silence.decide(&block(-20.0), later, false, &mut Vec::new()), Instead::Encode);
        let mut level_alone = Vec::new();
        Silence::new(false).decide(&block(-60.0), at, false, &mut level_alone);
        assert_eq!(level_alone, [60]);
    }
}
