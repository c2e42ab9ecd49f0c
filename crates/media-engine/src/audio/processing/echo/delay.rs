//! Finds how late the echo comes: the correlation of microphone and speaker with all frequencies weighing nearly the same, over half a
//! second of what was heard and half a second of delays.

use realfft::num_complex::Complex32;

use super::history::History;
use super::transform::Transform;

/// The search, at about 16 kHz.
pub(super) struct DelaySearch {
    transform: Transform,
    /// Samples of the device for one here.
    factor: usize,
    heard: Vec<f32>,
    played: Vec<f32>,
    wide: Vec<f32>,
    cross: Vec<Complex32>,
    other: Vec<Complex32>,
    /// The last second of cross-spectra, older ones weighing less.
    kept: Vec<Complex32>,
}

impl DelaySearch {
    const SIZE: usize = 16_384;
    /// How many delays it offers.
    pub(super) const OFFERS: usize = 2;

    pub(super) fn new(rate: u32) -> Self {
        let transform = Transform::new(Self::SIZE);
        let bins = transform.bins();
        let factor = (rate as usize / 16_000).max(1);
        Self {
            transform,
            factor,
            heard: vec![0.0; Self::SIZE],
            played: vec![0.0; Self::SIZE],
            wide: vec![0.0; Self::SIZE * factor],
            cross: vec![Complex32::default(); bins],
            other: vec![Complex32::default(); bins],
            kept: vec![Complex32::default(); bins],
        }
    }

    /// How many of the microphone's samples it looks at.
    pub(super) fn needs(rate: u32) -> usize {
        Self::SIZE / 2 * (rate as usize / 16_000).max(1)
    }

    /// Forgets what was heard before.
    pub(super) fn forget(&mut self) {
        self.kept.fill(Complex32::default());
    }

    /// Looks again, at the newest samples of the microphone, oldest first. Returns the likeliest delays in the device's samples.
    pub(super) fn search(&mut self, heard: &[f32], history: &History) -> [usize; Self::OFFERS] {
        let (half, factor) = (Self::SIZE / 2, self.factor);
        self.heard[..half].fill(0.0);
        coarse(heard, factor, &mut self.heard[half..]);
        history.copy(0, &mut self.wide);
        coarse(&self.wide, factor, &mut self.played);
        self.transform.forward(&mut self.heard, &mut self.cross);
        self.transform.forward(&mut self.played, &mut self.other);
        for ((kept, heard), played) in self.kept.iter_mut().zip(&mut self.cross).zip(&self.other) {
            let product = *heard * played.conj();
            let weight = 1.0 / (product.norm().powf(0.8) + 1e-6);
            *kept = *kept * 0.6 + product * weight;
            *heard = *kept;
        }
        self.transform.backward(&mut self.cross, &mut self.heard);
        let correlation = &mut self.heard[..half];
        let mut offers = [0; Self::OFFERS];
        // Within a millisecond it is the same delay.
        let near = 16;
        for offer in &mut offers {
            let mut best = 0;
            for (n, value) in correlation.iter().enumerate() {
                if value.abs() > correlation[best].abs() {
                    best = n;
                }
            }
            let around = |n: usize| correlation.get(n).map_or(0.0, |value| value.abs());
            let (below, peak, above) =
                (around(best.wrapping_sub(1)), around(best), around(best + 1));
            let bend = below - 2.0 * peak + above;
            let between = if bend < 0.0 { 0.5 * (below - above) / bend } else { 0.0 };
            *offer = ((best as f32 + between) * factor as f32).round().max(0.0) as usize;
            correlation[best.saturating_sub(near)..(best + near).min(half)].fill(0.0);
        }
        offers
    }
}

/// The mean of each `factor` samples.
fn coarse(samples: &[f32], factor: usize, out: &mut [f32]) {
    for (out, samples) in out.iter_mut().zip(samples.chunks_exact(factor)) {
        *out = samples.iter().sum::<f32>() / factor as f32;
    }
}
