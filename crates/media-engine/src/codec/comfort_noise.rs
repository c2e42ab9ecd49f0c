//! Comfort noise (RFC 3389): a few bytes say how loud silence is and how it is coloured, and noise like it is made of them. For
//! codecs without a DTX of their own, and for gaps that have lasted too long to be filled with speech.

use super::CodecError;
use crate::audio::{AudioBlock, Level};

const CODEC: &str = "CN";

/// The highest order of the model that is sent and taken: beyond it there is nothing to hear. Payloads with more coefficients are
/// taken, and the rest is left (RFC 3389 §3.2: order M is any).
pub const MAX_ORDER: usize = 12;

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Parameters {
    /// How loud it is: the root of the mean square, full scale being 1.
    amplitude: f32,
    /// Reflection coefficients of a lattice filter that colours white noise.
    reflections: [f32; MAX_ORDER],
}

impl Parameters {
    const SILENCE: Self = Self { amplitude: 0.0, reflections: [0.0; MAX_ORDER] };
}

/// Finds out what noise sounds like, and makes payloads of it.
#[derive(Clone, Debug)]
pub struct ComfortNoiseAnalyzer {
    order: usize,
    /// Autocorrelation, smoothed over blocks, since what is looked for is what stays.
    correlation: [f64; MAX_ORDER + 1],
    blocks: u32,
}

impl ComfortNoiseAnalyzer {
    /// An analyser of so many coefficients, at most [`MAX_ORDER`]; zero for noise of a level alone.
    pub fn new(order: usize) -> Self {
        Self { order: order.min(MAX_ORDER), correlation: [0.0; MAX_ORDER + 1], blocks: 0 }
    }

    /// Takes in a block of noise, of which the first channel is listened to.
    pub fn analyze(&mut self, block: &AudioBlock) {
        let frames = block.frames();
        if frames <= self.order {
            return;
        }
        let first = || block.samples().iter().step_by(block.channels());
        self.blocks = self.blocks.saturating_add(1);
        // The mean of the first ten, then a slow average.
        let share = 1.0 / f64::from(self.blocks.min(10));
        for (lag, average) in self.correlation[..=self.order].iter_mut().enumerate() {
            let sum: f64 =
                first().skip(lag).zip(first()).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            *average += share * (sum / frames as f64 - *average);
        }
    }

    /// Appends the payload for one channel (RFC 3389 §3.3) to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(Level::of_power(self.correlation[0] as f32).negative_dbov());
        let (reflections, _) = reflections(&self.correlation, self.order);
        for reflection in &reflections[..self.order] {
            // RFC 3389 §3.2: k = 258 (N - 127) / 32768, N in 0..=254.
            let index = (reflection * 32_768.0 / 258.0).round() + 127.0;
            out.push(index.clamp(0.0, 254.0) as u8);
        }
    }

    /// Forgets what was heard: speech has been in between.
    pub fn reset(&mut self) {
        *self = Self::new(self.order);
    }
}

/// Reflection coefficients of an autocorrelation, and the share of its power that is left when it is whitened (the recursion of
/// Levinson and Durbin).
fn reflections(correlation: &[f64], order: usize) -> ([f32; MAX_ORDER], f64) {
    let mut reflections = [0.0; MAX_ORDER];
    // White noise 50 dB below keeps what has only a few tones from being predicted beyond what eight bits can say.
    let mut error = correlation[0] * 1.000_01 + 1e-12;
    let whole = error;
    let mut predictor = [0.0_f64; MAX_ORDER + 1];
    for i in 1..=order {
        let sum: f64 = (1..i).map(|j| predictor[j] * correlation[i - j]).sum();
        let reflection = (-(correlation[i] + sum) / error).clamp(-0.999, 0.999);
        let before = predictor;
        for j in 1..i {
            predictor[j] = before[j] + reflection * before[i - j];
        }
        predictor[i] = reflection;
        reflections[i - 1] = reflection as f32;
        error *= 1.0 - reflection * reflection;
    }
    (reflections, error / whole)
}

/// Makes noise of payloads.
#[derive(Clone, Debug)]
pub struct ComfortNoise {
    wanted: Parameters,
    now: Parameters,
    /// The lattice's delayed values.
    lattice: [f32; MAX_ORDER],
    /// State of the generator of random numbers.
    random: u64,
}

impl ComfortNoise {
    /// A generator, silent until the first payload. The seed is any number.
    pub fn new(seed: u64) -> Self {
        Self {
            wanted: Parameters::SILENCE,
            now: Parameters::SILENCE,
            lattice: [0.0; MAX_ORDER],
            random: seed | 1,
        }
    }

    /// Takes in a payload of one channel. What is heard changes over the next 50 ms or so, but for the first, which is heard at once.
    ///
    /// # Errors
    ///
    /// [`CodecError::Damaged`] where it is empty.
    pub fn update(&mut self, payload: &[u8]) -> Result<(), CodecError> {
        let Some((&level, coefficients)) = payload.split_first() else {
            let reason = "an empty payload (RFC 3389 §3.3)".into();
            return Err(CodecError::Damaged { codec: CODEC, reason });
        };
        // The bit before the level is to be zero (RFC 3389 §3.1).
        let amplitude = Level::from_negative_dbov(level & 0x7f).amplitude();
        let mut reflections = [0.0; MAX_ORDER];
        for (reflection, &index) in reflections.iter_mut().zip(coefficients) {
            // RFC 3389 §3.2. 255 is reserved, and would be less than one all the same; the filter has to be stable.
            *reflection = 258.0 * (f32::from(index) - 127.0) / 32_768.0;
            *reflection = reflection.clamp(-0.999, 0.999);
        }
        self.wanted = Parameters { amplitude, reflections };
        if self.now == Parameters::SILENCE {
            self.now = self.wanted;
        }
        Ok(())
    }

    /// Fills a block with noise, the same in all channels, and returns whether there was a payload to make it of.
    pub fn fill(&mut self, block: &mut AudioBlock) -> bool {
        if self.wanted == Parameters::SILENCE {
            block.samples_mut().fill(0.0);
            return false;
        }
        // Coefficients between those of two stable lattices are those of a stable one.
        let step = |now: &mut f32, wanted: f32| *now += 0.3 * (wanted - *now);
        step(&mut self.now.amplitude, self.wanted.amplitude);
        for (now, &wanted) in self.now.reflections.iter_mut().zip(&self.wanted.reflections) {
            step(now, wanted);
        }
        // The filter amplifies by one over the root of this.
        let left: f32 = self.now.reflections.iter().map(|k| 1.0 - k * k).product();
        let gain = self.now.amplitude * left.sqrt();
        let channels = block.channels().max(1);
        for moment in block.samples_mut().chunks_exact_mut(channels) {
            let mut forward = gain * self.gaussian();
            for i in (0..MAX_ORDER).rev() {
                forward -= self.now.reflections[i] * self.lattice[i];
                let backward = self.lattice[i] + self.now.reflections[i] * forward;
                if i + 1 < MAX_ORDER {
                    self.lattice[i + 1] = backward;
                }
            }
            self.lattice[0] = forward;
            moment.fill(forward.clamp(-1.0, 1.0));
        }
        true
    }

    /// Is silent again until the next payload.
    pub fn reset(&mut self) {
        (self.wanted, self.now) = (Parameters::SILENCE, Parameters::SILENCE);
        self.lattice = [0.0; MAX_ORDER];
    }

    /// About normal, of variance one: the sum of four uniform numbers of 16 bits.
    fn gaussian(&mut self) -> f32 {
        // xorshift64.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let sum: u32 = (0..4).map(|i| (self.random >> (16 * i)) as u32 & 0xffff).sum();
        // Each has a mean of half, and a variance of a twelfth.
        (sum as f32 / 65_535.0 - 2.0) * 3.0_f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn analyzed(block: &AudioBlock, order: usize) -> Vec<u8> {
        let mut analyzer = ComfortNoiseAnalyzer::new(order);
        for part in block.samples().chunks(80) {
            let mut ten = AudioBlock::silence(block.rate(), 1, part.len());
            ten.samples_mut().copy_from_slice(part);
            analyzer.analyze(&ten);
        }
        let mut payload = Vec::new();
        analyzer.write(&mut payload);
        payload
    }

    #[test]
    fn noise_made_of_a_payload_gives_the_payload() {
        for payload in [&[60_u8, 40, 140, 120, 127][..], &[30, 200, 100], &[100], &[20, 20, 180]] {
            let mut noise = ComfortNoise::new(3);
            noise.update(payload).unwrap();
            let mut block = AudioBlock::silence(8_000, 1, 80_000);
            assert!(noise.fill(&mut block));
            let mut analyzer = ComfortNoiseAnalyzer::new(payload.len() - 1);
            analyzer.analyze(&block);
            let mut back = Vec::new();
            analyzer.write(&mut back);
            assert_eq!(back.len(), payload.len());
            for (index, (&a, &b)) in payload.iter().zip(&back).enumerate() {
                let most = if index == 0 { 1 } else { 5 };
                assert!(a.abs_diff(b) <= most, "{payload:?} {back:?}");
            }
        }
    }

    #[test]
    fn the_first_coefficient_of_low_noise_is_negative() {
        // Each sample like the one before it: k1 = -r1 / r0, as other implementations have it.
        let mut noise = ComfortNoise::new(9);
        noise.update(&[40]).unwrap();
        let mut block = AudioBlock::silence(8_000, 1, 8_000);
        noise.fill(&mut block);
        let mut last = 0.0;
        for sample in block.samples_mut() {
            last = 0.9 * last + 0.1 * *sample;
            *sample = last;
        }
        let payload = analyzed(&block, 4);
        assert!(payload[1] < 30, "{payload:?}");
    }

    #[test]
    fn any_payload_makes_noise_that_stays_in_bounds() {
        let mut noise = ComfortNoise::new(0);
        let mut block = AudioBlock::silence(8_000, 2, 80);
        assert!(!noise.fill(&mut block));
        assert!(noise.update(&[]).is_err());
        for seed in 0..200_u8 {
            let payload: Vec<u8> = (0..seed % 40 + 1)
                .map(|i| seed.wrapping_mul(37).wrapping_add(i.wrapping_mul(91)))
                .collect();
            noise.update(&payload).unwrap();
            for _ in 0..10 {
                noise.fill(&mut block);
                assert!(block.samples().iter().all(|s| s.abs() <= 1.0));
            }
        }
        noise.update(&[0, 255, 0, 255, 0, 255, 0]).unwrap();
        for _ in 0..100 {
            noise.fill(&mut block);
            assert!(block.samples().iter().all(|s| s.abs() <= 1.0));
        }
        noise.reset();
        assert!(!noise.fill(&mut block));
        assert!(block.samples().iter().all(|&s| s == 0.0));
    }
}
