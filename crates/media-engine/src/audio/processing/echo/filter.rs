//! The filter that learns the room: a Kalman filter in the frequency domain, its response cut into blocks. Each frequency of each block
//! has an uncertainty, which falls as it learns and is weighed against what else is in the microphone, so that it need not be
//! told when both speak (Enzner and Vary 2006; in blocks: Kuech, Mabande and Enzner 2014).

use realfft::num_complex::Complex32;

use super::transform::Transform;

/// The filter of one microphone.
pub(super) struct Filter {
    block: usize,
    /// Blocks of the response.
    parts: usize,
    /// Each part's response.
    weights: Vec<Vec<Complex32>>,
    /// How unsure each is.
    uncertainty: Vec<Vec<f32>>,
    /// What else is in the microphone: near voice, noise.
    other: Vec<f32>,
    /// What the uncertainty makes of the echo: how much of it is likely to be left.
    left: Vec<f32>,
    /// Which parts are next to be held to their length.
    turn: usize,
    error: Vec<Complex32>,
    spectrum: Vec<Complex32>,
    samples: Vec<f32>,
}

/// The uncertainty that it begins with, against the power of the response.
const BEGIN: f32 = 0.05;
/// How much of the response's power is believed to stay as it is for a block.
const STAYS: f32 = 0.998;

impl Filter {
    pub(super) fn new(block: usize, parts: usize) -> Self {
        let bins = block + 1;
        let mut this = Self {
            block,
            parts,
            weights: vec![vec![Complex32::default(); bins]; parts],
            uncertainty: vec![vec![0.0; bins]; parts],
            other: vec![0.0; bins],
            left: vec![0.0; bins],
            turn: 0,
            error: vec![Complex32::default(); bins],
            spectrum: vec![Complex32::default(); bins],
            samples: vec![0.0; 2 * block],
        };
        this.forget();
        this
    }

    /// Begins anew.
    pub(super) fn forget(&mut self) {
        for weights in &mut self.weights {
            weights.fill(Complex32::default());
        }
        for (part, uncertainty) in self.uncertainty.iter_mut().enumerate() {
            // A room's sound dies away.
            uncertainty.fill(BEGIN * (-(part as f32) / 6.0).exp());
        }
        self.other.fill(0.0);
    }

    /// Makes it less sure of itself, by a share of what it has learnt.
    pub(super) fn doubt(&mut self, share: f32) {
        for (weights, uncertainty) in self.weights.iter().zip(&mut self.uncertainty) {
            for (weight, uncertainty) in weights.iter().zip(uncertainty) {
                *uncertainty += share * weight.norm_sqr();
            }
        }
    }

    /// The echo that it expects of what was played, whose newest block is the first of `played`.
    pub(super) fn echo<'a>(
        &mut self,
        transform: &mut Transform,
        played: impl Iterator<Item = &'a [Complex32]>,
        echo: &mut [f32],
    ) {
        self.spectrum.fill(Complex32::default());
        for (weights, played) in self.weights.iter().zip(played) {
            for ((sum, weight), played) in self.spectrum.iter_mut().zip(weights).zip(played) {
                *sum += weight * played;
            }
        }
        transform.backward(&mut self.spectrum, &mut self.samples);
        echo.copy_from_slice(&self.samples[self.block..]);
    }

    /// Learns of what was left of the microphone once the echo was taken out.
    pub(super) fn learn<'a>(
        &mut self,
        transform: &mut Transform,
        played: impl Iterator<Item = &'a [Complex32]> + Clone,
        rest: &[f32],
    ) {
        self.samples[..self.block].fill(0.0);
        self.samples[self.block..].copy_from_slice(rest);
        transform.forward(&mut self.samples, &mut self.error);
        self.left.fill(0.0);
        for (uncertainty, played) in self.uncertainty.iter().zip(played.clone()) {
            for ((left, uncertainty), played) in self.left.iter_mut().zip(uncertainty).zip(played) {
                *left += 0.5 * uncertainty * played.norm_sqr();
            }
        }
        for ((other, error), left) in self.other.iter_mut().zip(&self.error).zip(&self.left) {
            // What is likely to be echo is not something else; some of it may be all the same.
            let power = error.norm_sqr();
            let found = (power - left).max(0.15 * power);
            *other = 0.7 * *other + 0.3 * found;
        }
        for ((weights, uncertainty), played) in
            self.weights.iter_mut().zip(&mut self.uncertainty).zip(played)
        {
            for (n, ((weight, uncertainty), played)) in
                weights.iter_mut().zip(uncertainty.iter_mut()).zip(played).enumerate()
            {
                let power = self.left[n] + self.other[n] + 1e-6;
                let gain = *uncertainty / power;
                let change = played.conj() * self.error[n] * gain;
                *weight += change;
                let kept = 1.0 - (0.5 * gain * played.norm_sqr()).min(1.0);
                *uncertainty = STAYS * kept * *uncertainty + (1.0 - STAYS) * weight.norm_sqr();
            }
        }
        // A part's response is a block long: what the other half of its transform has is an error. A few of them at a time.
        for _ in 0..self.parts.div_ceil(3) {
            let part = self.turn;
            self.turn = (self.turn + 1) % self.parts;
            self.spectrum.copy_from_slice(&self.weights[part]);
            transform.backward(&mut self.spectrum, &mut self.samples);
            self.samples[self.block..].fill(0.0);
            transform.forward(&mut self.samples, &mut self.weights[part]);
        }
    }

    /// How much echo is likely to be left in each frequency of the last block, by what it is unsure of.
    pub(super) fn left(&self) -> &[f32] {
        &self.left
    }

    /// Shifts the response by so many samples, later or (below 0) earlier.
    pub(super) fn shift(&mut self, transform: &mut Transform, by: i64, memory: &mut Vec<f32>) {
        let length = self.parts * self.block;
        memory.resize(length, 0.0);
        for (part, weights) in self.weights.iter().enumerate() {
            self.spectrum.copy_from_slice(weights);
            transform.backward(&mut self.spectrum, &mut self.samples);
            memory[part * self.block..][..self.block].copy_from_slice(&self.samples[..self.block]);
        }
        for (part, weights) in self.weights.iter_mut().enumerate() {
            for (n, sample) in self.samples[..self.block].iter_mut().enumerate() {
                let from = (part * self.block + n) as i64 - by;
                let kept = usize::try_from(from).ok().and_then(|from| memory.get(from));
                *sample = kept.copied().unwrap_or(0.0);
            }
            self.samples[self.block..].fill(0.0);
            transform.forward(&mut self.samples, weights);
        }
    }
}
