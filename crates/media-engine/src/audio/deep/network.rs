//! GTCRN's layers in their order, one frame at a time.

use super::layers::{Down, Middle, Parameters, Recurrent, Up, with_neighbours};

/// The published parameters, batch normalisation folded into the convolutions: little-endian floats in the order in which they
/// are taken here.
static PARAMETERS: &[u8] = include_bytes!("../../../models/gtcrn.f32");

/// Frequencies of a spectrum at 16 kHz.
pub(super) const BINS: usize = 257;
/// The lowest ones, which the network sees each by itself.
const LOW: usize = 65;
/// Bands above.
const BANDS: usize = 64;
const WIDE: usize = LOW + BANDS;
const HALF: usize = 65;

/// A complex number: real and imaginary part.
pub(super) type Complex = [f32; 2];

pub(super) struct Network {
    /// Of each band: its first bin above the low ones, and the weights from there on.
    bands: Vec<(usize, Vec<f32>)>,
    down: [Down; 2],
    before: [Middle; 3],
    recurrent: [Recurrent; 2],
    after: [Middle; 3],
    up: [Up; 2],
}

impl Network {
    pub(super) fn new() -> Self {
        let mut parameters = Parameters(PARAMETERS);
        let table = parameters.take(2 * BANDS);
        let bands = table.as_chunks::<2>().0.iter();
        let bands = bands
            .map(|&[first, count]| (first as usize, parameters.take(count as usize)))
            .collect();
        let from = &mut parameters;
        Self {
            bands,
            down: [Down::new(from, 9, 1), Down::new(from, 16, 2)],
            before: [1, 2, 5].map(|apart| Middle::new(from, apart)),
            recurrent: [Recurrent::new(from), Recurrent::new(from)],
            after: [5, 2, 1].map(|apart| Middle::new(from, apart)),
            up: [Up::new(from, 16, 2, true), Up::new(from, 2, 1, false)],
        }
    }

    /// What each frequency is to be multiplied by, a complex number.
    pub(super) fn mask(&mut self, spectrum: &[Complex; BINS], mask: &mut [Complex; BINS]) {
        let mut seen = [0.0; 3 * WIDE];
        for (channel, seen) in seen.chunks_exact_mut(WIDE).enumerate() {
            let value = |bin: usize| match (channel, spectrum[bin]) {
                (0, [real, imaginary]) => (real * real + imaginary * imaginary + 1e-12).sqrt(),
                (1, [real, _]) => real,
                (_, [_, imaginary]) => imaginary,
            };
            for (bin, seen) in seen[..LOW].iter_mut().enumerate() {
                *seen = value(bin);
            }
            for ((first, weights), seen) in self.bands.iter().zip(&mut seen[LOW..]) {
                let values = (LOW + first..).map(value);
                *seen = weights.iter().zip(values).map(|(weight, value)| weight * value).sum();
            }
        }
        let mut wide = [0.0; 9 * WIDE];
        with_neighbours(&seen, 3, &mut wide);
        let mut first = [0.0; 16 * HALF];
        self.down[0].run(&wide, &mut first);
        let mut second = [0.0; Middle::SIZE];
        self.down[1].run(&first, &mut second);
        let mut map = second;
        let mut passed = [[0.0; Middle::SIZE]; 3];
        for (block, passed) in self.before.iter_mut().zip(&mut passed) {
            block.run(&mut map);
            *passed = map;
        }
        for block in &mut self.recurrent {
            block.run(&mut map);
        }
        for (block, passed) in self.after.iter_mut().zip(passed.iter().rev()) {
            add(&mut map, passed);
            block.run(&mut map);
        }
        add(&mut map, &second);
        let mut half = [0.0; 16 * HALF];
        self.up[0].run(&map, &mut half);
        add(&mut half, &first);
        let mut out = [0.0; 2 * WIDE];
        self.up[1].run(&half, &mut out);

        mask.fill([0.0; 2]);
        for (part, out) in out.chunks_exact(WIDE).enumerate() {
            for (bin, value) in out[..LOW].iter().enumerate() {
                mask[bin][part] = value.tanh();
            }
            for ((first, weights), value) in self.bands.iter().zip(&out[LOW..]) {
                let value = value.tanh();
                for (bin, weight) in mask[LOW + first..].iter_mut().zip(weights) {
                    bin[part] += weight * value;
                }
            }
        }
    }
}

fn add(map: &mut [f32], other: &[f32]) {
    map.iter_mut().zip(other).for_each(|(map, other)| *map += other);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_the_published_graph_says() {
        // Frames that ONNX Runtime was given too, and four frequencies of what it made of them.
        let expected = [
            (
                0,
                [
                    [0.019884, 0.004018],
                    [0.009544, 0.004411],
                    [-0.000149, -0.002854],
                    [-0.001952, 0.001996],
                ],
            ),
            (
                7,
                [
                    [-0.087350, -0.057005],
                    [-0.002021, 0.014426],
                    [0.001734, -0.004233],
                    [-0.000089, -0.001813],
                ],
            ),
            (
                19,
                [
                    [-0.001759, -0.030712],
                    [-0.004372, 0.001956],
                    [0.001017, 0.000975],
                    [-0.000057, -0.000094],
                ],
            ),
        ];
        let mut seed = 1_u32;
        let mut random = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(seed >> 8) / f64::from(1 << 23) - 1.0
        };
        let mut network = Network::new();
        let (mut spectrum, mut mask) = ([[0.0; 2]; BINS], [[0.0; 2]; BINS]);
        for frame in 0..20 {
            let loudness = if frame % 5 == 0 { 0.1 } else { 4.0 };
            for (bin, value) in spectrum.iter_mut().enumerate() {
                *value = [(); 2].map(|()| (random() * loudness / (1.0 + bin as f64 / 20.0)) as f32);
            }
            network.mask(&spectrum, &mut mask);
            let Some((_, expected)) = expected.iter().find(|(n, _)| *n == frame) else { continue };
            for (bin, expected) in [3, 40, 100, 200].into_iter().zip(expected) {
                let ([a, b], [c, d]) = (spectrum[bin], mask[bin]);
                let (real, imaginary) = (a * c - b * d, a * d + b * c);
                assert!((real - expected[0]).abs() < 1e-5, "{frame} {bin}: {real} {expected:?}");
                assert!((imaginary - expected[1]).abs() < 1e-5, "{frame} {bin}: {imaginary}");
            }
        }
    }
}
