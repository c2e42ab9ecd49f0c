//! What a loudspeaker that is driven hard makes of sound: a curve that bends, otherwise on either side, which is learnt along with the
//! room. Sound goes through the curve first and through the room then (a Hammerstein model), so that the room is learnt once, and the
//! curve is a handful of numbers, which are found by least squares of what the room makes of each of its parts.

use realfft::num_complex::Complex32;

use super::filter::Filter;
use super::transform::Transform;

/// Parts of the curve besides the straight line: those of the one side, then those of the other.
const BENDS: usize = 4;
/// Where the parts of a side bend.
const KNEES: [f32; BENDS / 2] = [0.025, 0.25];
/// Blocks of the room's response through which the parts are heard: what comes later is weak.
const PARTS: usize = 8;
/// How much of what was heard counts when as much is heard anew: it is some five seconds.
const KEPT: f64 = 0.996;
/// How much it is held to the straight line, against the part that is heard most, and at least.
const STRAIGHT: [f64; 2] = [1e-4, 10.0];
/// How far the curve goes at once to what was found.
const STEP: f32 = 0.5;
/// The most that a part can have, either way.
const MOST: f32 = 1.5;
/// How much of a sample is taken from the next: low frequencies, which are the loudest, would decide it all.
const SHARPEN: f32 = 0.9;

/// The curve of a loudspeaker, as far as it is not straight.
pub(super) struct Loudspeaker {
    curve: [f32; BENDS],
    /// Spectra of the parts of what was played, the newest at `newest`.
    played: Vec<[Vec<Complex32>; BENDS]>,
    newest: usize,
    /// How many blocks were taken in since it began to look elsewhere.
    taken: usize,
    samples: [Vec<f32>; BENDS],
    heard: [Vec<f32>; BENDS],
    rest: Vec<f32>,
    /// Products of the parts as heard, with each other and with the microphone's sound.
    products: [[f64; BENDS]; BENDS],
    matches: [f64; BENDS],
}

impl Loudspeaker {
    pub(super) fn new(block: usize) -> Self {
        let spectra = || std::array::from_fn(|_| vec![Complex32::default(); block + 1]);
        Self {
            curve: [0.0; BENDS],
            played: (0..PARTS).map(|_| spectra()).collect(),
            newest: 0,
            taken: 0,
            samples: std::array::from_fn(|_| vec![0.0; 2 * block]),
            heard: std::array::from_fn(|_| vec![0.0; block]),
            rest: vec![0.0; block],
            products: [[0.0; BENDS]; BENDS],
            matches: [0.0; BENDS],
        }
    }

    /// Makes of samples what the loudspeaker makes of them.
    pub(super) fn play(&self, samples: &mut [f32]) {
        for sample in samples {
            let (side, bends) = bends(*sample);
            let curve = &self.curve[side..];
            *sample += curve[0] * bends[0] + curve[1] * bends[1];
        }
    }

    /// Takes in the newest two blocks of what is played, as they were handed in.
    pub(super) fn take(&mut self, transform: &mut Transform, samples: &[f32]) {
        self.newest = (self.newest + PARTS - 1) % PARTS;
        self.taken += 1;
        self.samples.iter_mut().for_each(|part| part.fill(0.0));
        for (n, sample) in samples.iter().enumerate() {
            let (side, bends) = bends(*sample);
            for (part, bend) in self.samples[side..].iter_mut().zip(bends) {
                part[n] = bend;
            }
        }
        for (samples, spectrum) in self.samples.iter_mut().zip(&mut self.played[self.newest]) {
            transform.forward(samples, spectrum);
        }
    }

    /// The blocks that are taken in next are others than those that follow: the delay has changed.
    pub(super) fn look_elsewhere(&mut self) {
        self.taken = 0;
    }

    /// Learns of what was left of the microphone's newest block after the room's filter.
    pub(super) fn learn(&mut self, transform: &mut Transform, filter: &mut Filter, rest: &[f32]) {
        if self.taken < PARTS {
            return;
        }
        let (newest, older) = (&self.played[self.newest..], &self.played[..self.newest]);
        for (n, heard) in self.heard.iter_mut().enumerate() {
            let played = newest.iter().chain(older).map(|parts| parts[n].as_slice());
            filter.echo(transform, played, heard);
            sharpen(heard);
        }
        self.rest.copy_from_slice(rest);
        sharpen(&mut self.rest);
        // A block with much else in it, such as a near voice, weighs little.
        let power = 1e-7 * rest.len() as f64 + dot(&self.rest, &self.rest);
        for n in 0..BENDS {
            let mut known = 0.0;
            for m in 0..BENDS {
                let product = dot(&self.heard[n], &self.heard[m]);
                known += product * f64::from(self.curve[m]);
                self.products[n][m] = KEPT * self.products[n][m] + product / power;
            }
            // The filter had what is known of the curve already: that is not in the rest any more.
            let matched = dot(&self.heard[n], &self.rest) + known;
            self.matches[n] = KEPT * self.matches[n] + matched / power;
        }
        let found = self.solve();
        for (curve, found) in self.curve.iter_mut().zip(found) {
            if found.is_finite() {
                *curve += STEP * ((found as f32).clamp(-MOST, MOST) - *curve);
            }
        }
    }

    /// The curve that fits best to what was heard.
    fn solve(&self) -> [f64; BENDS] {
        let (mut left, mut right) = (self.products, self.matches);
        let most = (0..BENDS).map(|n| left[n][n]).fold(0.0, f64::max);
        for (n, row) in left.iter_mut().enumerate() {
            row[n] += STRAIGHT[0] * most + STRAIGHT[1];
        }
        // The matrix is positive definite: no pivots have to be looked for.
        for n in 0..BENDS {
            let pivot = left[n];
            for m in n + 1..BENDS {
                let share = left[m][n] / pivot[n];
                left[m].iter_mut().zip(pivot).for_each(|(value, pivot)| *value -= share * pivot);
                right[m] -= share * right[n];
            }
        }
        for n in (0..BENDS).rev() {
            let known: f64 = (n + 1..BENDS).map(|m| left[n][m] * right[m]).sum();
            right[n] = (right[n] - known) / left[n][n];
        }
        right
    }
}

/// Where the parts of the sample's side begin, and what each makes of it: nothing while it is small, a straight line once it is not.
fn bends(sample: f32) -> (usize, [f32; BENDS / 2]) {
    let side = if sample > 0.0 { 0 } else { BENDS / 2 };
    (side, KNEES.map(|knee| sample * sample.abs() / (knee + sample.abs())))
}

fn sharpen(samples: &mut [f32]) {
    for n in (1..samples.len()).rev() {
        samples[n] -= SHARPEN * samples[n - 1];
    }
}

/// In lanes, which the compiler makes vectors of.
fn dot(one: &[f32], other: &[f32]) -> f64 {
    let (one, other) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let mut lanes = [0.0_f32; 8];
    for (one, other) in one.0.iter().zip(other.0) {
        for n in 0..8 {
            lanes[n] += one[n] * other[n];
        }
    }
    let rest: f32 = one.1.iter().zip(other.1).map(|(one, other)| one * other).sum();
    f64::from(lanes.iter().sum::<f32>() + rest)
}
