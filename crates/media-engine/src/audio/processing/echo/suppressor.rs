//! Takes out what the filter leaves of the echo: late reverberation, what the loudspeaker distorts, what is not learnt yet. It compares
//! what is left with what the filter took out, learns in each band how much of that usually is left while the near end is silent, and
//! steps back where there is more.

use realfft::num_complex::Complex32;

use super::transform::Transform;

/// Bands' borders in Hz, as wide as those of hearing.
const BORDERS: [f32; 25] = [
    0.0, 100.0, 200.0, 300.0, 400.0, 510.0, 630.0, 770.0, 920.0, 1080.0, 1270.0, 1480.0, 1720.0,
    2000.0, 2320.0, 2700.0, 3150.0, 3700.0, 4400.0, 5300.0, 6400.0, 7700.0, 9500.0, 12_000.0,
    15_500.0,
];
const BANDS: usize = BORDERS.len();
/// Bands of speech, by which is judged who speaks.
const SPEECH: std::ops::Range<usize> = 3..18;

/// How fast the expected echo dies away, a block: rooms whose sound falls by 60 dB in 0.4 s.
const TAIL: f32 = 0.7;
/// By how much the leak falls or rises in a block: as steps in logarithms, their ratio makes it the sixth part of the blocks' ratios that
/// is above it.
const LEAK_FALLS: f32 = 0.99;
const LEAK_RISES: f32 = 1.06;
/// Should it be wrong about who speaks, it finds out in the end.
const LEAK_RISES_NEAR: f32 = 1.001;
/// The share of the speech's bands, each by how much louder it is than echo, above which the near end speaks.
const EVIDENCE: f32 = 0.4;
/// How many blocks it is believed to speak after that.
const HANG: u32 = 8;
/// How many times the expected rest is taken out while only the far end speaks, and while the near one does.
const OVER: [f32; 2] = [6.0, 2.0];
/// The least that is let through then.
const LOWEST: [f32; 2] = [0.003, 0.06];
/// How much of the expected rest follows the echo's own spectrum within a band; the other part follows that of what was left.
const SHAPE: f32 = 0.8;

/// The suppressor of one microphone. What comes out is a block late.
pub(super) struct Suppressor {
    block: usize,
    window: Vec<f32>,
    rest: Vec<f32>,
    echo: Vec<f32>,
    overlap: Vec<f32>,
    samples: Vec<f32>,
    spectrum: Vec<Complex32>,
    /// Powers of the echo that was taken out, dying away as rooms do.
    expected: Vec<f32>,
    power: Vec<f32>,
    /// The noise of the near end: nothing is pressed below it.
    floor: Vec<f32>,
    gains: Vec<f32>,
    band: Vec<usize>,
    /// How much of the expected echo usually is left.
    leak: [f32; BANDS],
    /// The loudest echo of the last moments, for when the filter fails.
    loudest: [f32; BANDS],
    near: f32,
    hang: u32,
}

impl Suppressor {
    pub(super) fn new(rate: u32, block: usize) -> Self {
        let bins = block + 1;
        let width = rate as f32 / (2 * block) as f32;
        let band = |n: usize| BORDERS.iter().rposition(|&low| n as f32 * width >= low).unwrap_or(0);
        let angle = std::f64::consts::PI / (2 * block) as f64;
        Self {
            block,
            window: (0..2 * block).map(|n| (angle * (n as f64 + 0.5)).sin() as f32).collect(),
            rest: vec![0.0; 2 * block],
            echo: vec![0.0; 2 * block],
            overlap: vec![0.0; block],
            samples: vec![0.0; 2 * block],
            spectrum: vec![Complex32::default(); bins],
            expected: vec![0.0; bins],
            power: vec![0.0; bins],
            floor: vec![1e-3; bins],
            gains: vec![1.0; bins],
            band: (0..bins).map(band).collect(),
            leak: [1.0; BANDS],
            loudest: [0.0; BANDS],
            near: 0.0,
            hang: 0,
        }
    }

    /// Takes in what the filter left of a block, the echo that it took out, and how much it believes to be left in each frequency.
    /// `fails` when the filter takes out what is not there. Writes the block before.
    pub(super) fn process(
        &mut self,
        transform: &mut Transform,
        rest: &[f32],
        echo: &[f32],
        left: &[f32],
        fails: bool,
        out: &mut [f32],
    ) {
        let block = self.block;
        for (kept, new) in [(&mut self.rest, rest), (&mut self.echo, echo)] {
            kept.copy_within(block.., 0);
            kept[block..].copy_from_slice(new);
        }
        self.spectrum_of(transform, true);
        for (expected, bin) in self.expected.iter_mut().zip(&self.spectrum) {
            *expected = bin.norm_sqr().max(TAIL * *expected);
        }
        self.spectrum_of(transform, false);
        let mut bands = [[1e-9_f32; 3]; BANDS];
        for (n, bin) in self.spectrum.iter().enumerate() {
            let power = bin.norm_sqr();
            self.power[n] = power;
            let sums = &mut bands[self.band[n]];
            sums[0] += power;
            sums[1] += self.expected[n];
            sums[2] += left[n];
            // The floor falls at once and rises by 3 dB a second.
            self.floor[n] = if power < self.floor[n] {
                0.9 * self.floor[n] + 0.1 * power
            } else {
                self.floor[n] * 1.007
            };
        }
        let mut evidence = 0.0;
        let mut echo_left = [0.0; BANDS];
        for (band, &[rest, expected, unsure]) in bands.iter().enumerate() {
            let leak = &mut self.leak[band];
            self.loudest[band] = expected.max(0.94 * self.loudest[band]);
            if expected > 1e-4 {
                let ratio = rest / expected;
                if ratio < *leak {
                    *leak *= LEAK_FALLS;
                } else if self.near < 0.3 || fails {
                    *leak *= LEAK_RISES;
                } else {
                    *leak *= LEAK_RISES_NEAR;
                }
                *leak = leak.clamp(1e-4, 2.0);
            }
            let mut most = (*leak * expected).max(unsure);
            if fails {
                most = most.max(1.5 * self.loudest[band]);
            }
            echo_left[band] = most;
            if SPEECH.contains(&band) {
                evidence += ((rest / (most + 1e-6)).log10()).clamp(0.0, 1.0) / SPEECH.len() as f32;
            }
        }
        // Near speech is there at once, and stays for a moment.
        if evidence > EVIDENCE {
            self.hang = HANG;
        }
        let target = if self.hang > 0 { 1.0 } else { 0.0 };
        self.hang = self.hang.saturating_sub(1);
        self.near += (target - self.near) * if target > self.near { 0.6 } else { 0.2 };

        let near = self.near;
        let between = |[far, near_end]: [f32; 2]| far + (near_end - far) * near;
        let (over, lowest) = (between(OVER), between(LOWEST));
        for (n, gain) in self.gains.iter_mut().enumerate() {
            let band = self.band[n];
            let [rest, expected, _] = bands[band];
            let power = self.power[n] + 1e-9;
            let like_echo = (echo_left[band] / expected * self.expected[n]).max(left[n]);
            let like_rest = echo_left[band] * self.power[n] / rest;
            let left = SHAPE * like_echo + (1.0 - SHAPE) * like_rest;
            let quiet = (self.floor[n] / power).sqrt().min(1.0);
            let wanted = (1.0 - over * left / power).max(lowest).max(quiet);
            *gain += (wanted - *gain) * if wanted > *gain { 0.6 } else { 0.8 };
        }
        // Single frequencies that stick out would ring.
        let mut before = self.gains[0];
        for n in 0..self.spectrum.len() {
            let after = self.gains.get(n + 1).copied().unwrap_or(before);
            self.spectrum[n] *= 0.25 * before + 0.5 * self.gains[n] + 0.25 * after;
            before = self.gains[n];
        }
        transform.backward(&mut self.spectrum, &mut self.samples);
        for (sample, window) in self.samples.iter_mut().zip(&self.window) {
            *sample *= window;
        }
        for ((out, kept), new) in out.iter_mut().zip(&self.overlap).zip(&self.samples) {
            *out = kept + new;
        }
        self.overlap.copy_from_slice(&self.samples[block..]);
    }

    fn spectrum_of(&mut self, transform: &mut Transform, echo: bool) {
        let sound = if echo { &self.echo } else { &self.rest };
        for ((sample, sound), window) in self.samples.iter_mut().zip(sound).zip(&self.window) {
            *sample = sound * window;
        }
        transform.forward(&mut self.samples, &mut self.spectrum);
    }
}
