//! Linear prediction: the spectrum of a stretch of sound as a filter, through which noise gets that spectrum.

/// The most coefficients.
pub(super) const MAX_ORDER: usize = 32;

/// A filter 1/A(z), with the level of white noise that makes sound as loud as what it was found from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lpc {
    coefficients: [f32; MAX_ORDER],
    order: usize,
    /// Standard deviation of the noise that goes in.
    pub(super) gain: f32,
}

impl Lpc {
    /// Lets noise of a standard deviation of `gain` through as it is.
    pub(super) fn white(gain: f32) -> Self {
        Self { coefficients: [0.0; MAX_ORDER], order: 0, gain }
    }

    /// The spectrum of one channel of `samples`, `order` deep.
    pub(super) fn analyse(
        samples: &[f32],
        channels: usize,
        channel: usize,
        order: usize,
        scratch: &mut Vec<f32>,
    ) -> Self {
        let order = order.min(MAX_ORDER);
        let frames = samples.len() / channels;
        if frames <= order {
            return Self::white(0.0);
        }
        scratch.clear();
        let step = std::f32::consts::TAU / frames as f32;
        scratch.extend((0..frames).map(|frame| {
            let window = 0.5 - 0.5 * (step * (frame as f32 + 0.5)).cos();
            samples[frame * channels + channel] * window
        }));
        let mut correlation = [0.0f32; MAX_ORDER + 1];
        for (lag, value) in correlation[..=order].iter_mut().enumerate() {
            *value = scratch[lag..].iter().zip(scratch.iter()).map(|(a, b)| a * b).sum();
        }
        // A little white noise keeps the filter stable; the window takes 3/8 of the energy along.
        correlation[0] = correlation[0] * 1.0001 + 1e-12;
        let mut coefficients = [0.0f32; MAX_ORDER];
        let mut error = correlation[0];
        for i in 0..order {
            let mut reflection = correlation[i + 1];
            for j in 0..i {
                reflection += coefficients[j] * correlation[i - j];
            }
            let reflection = (-reflection / error).clamp(-0.999, 0.999);
            step_up(&mut coefficients, i, reflection);
            error *= 1.0 - reflection * reflection;
        }
        let gain = (error / (0.375 * frames as f32)).max(0.0).sqrt();
        Self { coefficients, order, gain }
    }
}

/// Levinson's step from `order` coefficients to one more.
fn step_up(coefficients: &mut [f32; MAX_ORDER], order: usize, reflection: f32) {
    let before = *coefficients;
    for j in 0..order {
        coefficients[j] = before[j] + reflection * before[order - 1 - j];
    }
    coefficients[order] = reflection;
}

/// The last samples that came out of a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Synthesis {
    memory: [f32; MAX_ORDER],
}

impl Synthesis {
    pub(super) fn new() -> Self {
        Self { memory: [0.0; MAX_ORDER] }
    }

    /// Goes on after sound that was: its samples, the last one first.
    pub(super) fn after(last: impl Iterator<Item = f32>) -> Self {
        let mut memory = [0.0; MAX_ORDER];
        memory.iter_mut().zip(last).for_each(|(place, sample)| *place = sample);
        Self { memory }
    }

    /// One more sample, of noise of deviation one.
    pub(super) fn next(&mut self, lpc: &Lpc, noise: f32) -> f32 {
        let mut value = lpc.gain * noise;
        for (coefficient, sample) in lpc.coefficients[..lpc.order].iter().zip(&self.memory) {
            value -= coefficient * sample;
        }
        // Never endless, whatever the coefficients.
        let value = if value.is_finite() { value.clamp(-2.0, 2.0) } else { 0.0 };
        self.memory.copy_within(..MAX_ORDER - 1, 1);
        self.memory[0] = value;
        value
    }
}

/// Random numbers for noise: an xorshift, the same with the same seed.
#[derive(Clone, Debug)]
pub(super) struct Noise(u64);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Nearly normal, deviation one: four 16-bit numbers added up.
    pub(super) fn next(&mut self) -> f32 {
        let bits = self.bits();
        let sum: i32 = (0..4).map(|part| i32::from((bits >> (16 * part)) as u16)).sum();
        // The sum has a mean of 2·65535 and a variance of 4·65536²/12.
        (sum - 2 * 65_535) as f32 * (1.732_050_8 / 65_536.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_through_the_filter_is_as_loud_and_as_coloured() {
        let mut noise = Noise::new(7);
        // Low-pass noise.
        let mut last = 0.0;
        let sound: Vec<f32> = (0..960)
            .map(|_| {
                last = 0.9 * last + 0.02 * noise.next();
                last
            })
            .collect();
        let energy = |s: &[f32]| s.iter().map(|x| x * x).sum::<f32>() / s.len() as f32;
        let lpc = Lpc::analyse(&sound, 1, 0, 16, &mut Vec::new());
        let mut synthesis = Synthesis::new();
        let made: Vec<f32> = (0..9_600).map(|_| synthesis.next(&lpc, noise.next())).collect();
        let ratio = energy(&made) / energy(&sound);
        assert!((0.5..2.0).contains(&ratio), "{ratio}");
        let colour = made.windows(2).map(|w| w[0] * w[1]).sum::<f32>() / 9_599.0 / energy(&made);
        assert!((0.8..1.0).contains(&colour), "{colour}");
    }
}
