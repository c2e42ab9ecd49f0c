//! Who decides that somebody speaks: for the V bit of the audio level (RFC 6464 §3), for comfort noise in the place of silence (DTX) and for
//! finding the speaker of a conference. What is louder than the background is looked at, and whether it has a pitch as voices have.

use super::AudioBlock;

/// What a block is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Voice {
    /// How likely it is that somebody speaks in this block, 0 to 1.
    pub probability: f32,
    /// Whether somebody speaks: it begins with two blocks in a row, and lasts for 200 ms, so that ends of words and short pauses
    /// belong to it.
    pub active: bool,
}

/// Detects voice in blocks of 10 ms, of any rate from 8,000 on, all channels together. It takes no memory once it was made.
///
/// ```
/// use peerage_media::audio::AudioBlock;
/// use peerage_media::audio::vad::VoiceDetector;
///
/// let mut detector = VoiceDetector::default();
/// let silence = AudioBlock::silence(48_000, 1, 480);
/// assert!(!detector.detect(&silence).active);
/// ```
#[derive(Clone, Debug)]
pub struct VoiceDetector {
    /// The last 40 ms at about 8 kHz, oldest first.
    samples: [f32; Self::KEPT],
    /// What a filter that cuts off hum remembers.
    before: [f32; 2],
    /// The background's power, and how long it has been louder.
    floor: f32,
    louder: u32,
    sure: f32,
    streak: u32,
    hang: u32,
}

impl Default for VoiceDetector {
    fn default() -> Self {
        Self {
            samples: [0.0; Self::KEPT],
            before: [0.0; 2],
            floor: 1e-8,
            louder: 0,
            sure: 0.0,
            streak: 0,
            hang: 0,
        }
    }
}

impl VoiceDetector {
    const KEPT: usize = 320;
    const BLOCK: usize = 80;
    /// Periods of voices in samples: 400 to 70 Hz.
    const PERIODS: std::ops::RangeInclusive<usize> = 20..=114;
    const HANG: u32 = 20;

    /// Looks at the next block. What is no block of 10 ms is taken for silence.
    pub fn detect(&mut self, block: &AudioBlock) -> Voice {
        self.samples.copy_within(Self::BLOCK.., 0);
        let fresh = &mut self.samples[Self::KEPT - Self::BLOCK..];
        fresh.fill(0.0);
        let (channels, frames) = (block.channels(), block.frames());
        if block.rate() >= 8_000 && frames == block.rate() as usize / 100 {
            // The mean of what falls to each sample at 8 kHz: what is left of higher frequencies does no harm here.
            for (n, fresh) in fresh.iter_mut().enumerate() {
                let (from, to) = (n * frames / Self::BLOCK, (n + 1) * frames / Self::BLOCK);
                let part = &block.samples()[from * channels..to * channels];
                let sum: f32 = part.iter().map(|s| if s.is_finite() { *s } else { 0.0 }).sum();
                let input = (sum / part.len() as f32).clamp(-1.0, 1.0);
                let [last_in, last_out] = self.before;
                *fresh = input - last_in + 0.92 * last_out;
                self.before = [input, *fresh];
            }
        }
        let power = fresh.iter().map(|s| s * s).sum::<f32>() / Self::BLOCK as f32;
        let over = 10.0 * (power.max(1e-9) / self.floor).log10();
        self.follow(power);
        let pitch = if over > 1.0 { self.pitch() } else { 0.0 };
        self.decide(probability(over, pitch))
    }

    /// The same for those who have a probability from elsewhere, as of `Denoiser::process` (feature `denoise`): when
    /// voice begins and ends by it.
    pub fn decide(&mut self, probability: f32) -> Voice {
        let probability = probability.clamp(0.0, 1.0);
        self.sure = 0.5 * self.sure + 0.5 * probability;
        self.streak = if self.sure > 0.5 { self.streak + 1 } else { 0 };
        if self.streak >= 2 {
            self.hang = Self::HANG;
        }
        let active = self.hang > 0;
        self.hang = self.hang.saturating_sub(1);
        Voice { probability, active }
    }

    /// The background: down at once, up slowly, and faster once something has been louder for longer than anybody speaks without a
    /// breath.
    fn follow(&mut self, power: f32) {
        let power = power.max(1e-9);
        if power < self.floor {
            self.floor += 0.3 * (power - self.floor);
            self.louder = 0;
        } else {
            self.louder = (self.louder + 1).min(1_000);
            self.floor *= if self.louder > 150 { 1.03 } else { 1.006 };
            self.floor = self.floor.min(power);
        }
    }

    /// How much of the last 40 ms comes again after the period that fits best, 0 to 1.
    fn pitch(&self) -> f32 {
        let last = &self.samples[*Self::PERIODS.end()..];
        let own: f32 = last.iter().map(|s| s * s).sum();
        let mut best = 0.0_f32;
        for period in Self::PERIODS {
            let from = *Self::PERIODS.end() - period;
            let earlier = &self.samples[from..from + last.len()];
            let (mut dot, mut theirs) = (0.0, 0.0);
            for (a, b) in last.iter().zip(earlier) {
                dot += a * b;
                theirs += b * b;
            }
            best = best.max(dot / (own * theirs).sqrt().max(1e-9));
        }
        best
    }
}

/// Of how many dB a block is over the background, and how much of a pitch it has.
fn probability(over: f32, pitch: f32) -> f32 {
    let score = 0.35 * (over - 9.0).min(12.0) + 7.0 * (pitch - 0.55);
    1.0 / (1.0 + (-score).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: &mut u32) -> f32 {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*seed >> 8) as f32 / (1 << 23) as f32 - 1.0
    }

    /// Shares of blocks taken for voice: of those with voice, and of those a while after it.
    fn shares(rate: u32, channels: usize, loudness: f32) -> (f32, f32) {
        let (mut detector, mut seed) = (VoiceDetector::default(), 5);
        let mut counts = [[0.0_f32; 2]; 2];
        for n in 0..1_200_usize {
            // After three seconds of noise: a second of voice and a second without.
            let speaks = n >= 300 && (n / 100) % 2 == 1;
            let mut block = AudioBlock::silence(rate, channels, rate as usize / 100);
            for (k, moment) in block.samples_mut().chunks_exact_mut(channels).enumerate() {
                let t = n as f32 * 0.01 + k as f32 / rate as f32;
                let tone = |f: f32| (std::f32::consts::TAU * f * t).sin();
                let voice = 0.5 * tone(140.0) + 0.5 * tone(280.0) + 0.4 * tone(700.0);
                let voice = if speaks { loudness * voice } else { 0.0 };
                moment.fill(voice + 0.01 * noise(&mut seed));
            }
            let found = detector.detect(&block).active;
            // Its end lasts on purpose.
            if n >= 300 && (speaks || n % 100 >= 30) {
                counts[usize::from(speaks)][usize::from(found)] += 1.0;
            }
        }
        let share = |[no, yes]: [f32; 2]| yes / (no + yes);
        (share(counts[1]), share(counts[0]))
    }

    #[test]
    fn voice_is_told_from_noise_at_any_rate() {
        for (rate, channels) in [(8_000, 1), (16_000, 1), (44_100, 2), (48_000, 1)] {
            let (found, wrong) = shares(rate, channels, 0.05);
            assert!(found > 0.9, "{rate}: {found}");
            assert!(wrong < 0.05, "{rate}: {wrong}");
        }
        let (found, _) = shares(48_000, 1, 0.0);
        assert!(found < 0.05, "{found}");
    }

    #[test]
    fn what_is_no_number_does_not_stay() {
        let mut detector = VoiceDetector::default();
        let mut block = AudioBlock::silence(48_000, 1, 480);
        block.samples_mut()[7] = f32::NAN;
        detector.detect(&block);
        detector.detect(&AudioBlock::silence(96_000, 8, 11));
        assert!(detector.detect(&AudioBlock::silence(48_000, 1, 480)).probability.is_finite());
        assert!(detector.decide(f32::INFINITY).probability <= 1.0);
    }
}
