//! Speech that is sent, and compared with what comes back of it: loudness in four bands over time says whether the same words
//! are heard, however codecs and loudness on the way have changed the samples; by how much it is late says how long the way is.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use peerage::engine::sources;
use peerage::media_engine::track::AudioTrack;
use serde_json::{Value, json};

/// Samples a second of the speech.
pub(crate) const RATE: u32 = 16_000;
/// The middle of each band in Hz: below what a telephone carries.
const BANDS: [f64; 4] = [400.0, 800.0, 1_500.0, 2_700.0];
/// How wide a band is, as a part of its middle.
const WIDTH: f64 = 0.5;
/// Steps of loudness a second.
const STEPS: usize = 100;
/// Seconds that are compared, and by which what comes back is late at most.
const COMPARED: usize = 4;
const LATEST: usize = 2;
/// What is softer than the loudest by so many dB is as good as silence.
const RANGE: f64 = 40.0;

/// What was said in the last seconds, the oldest first.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<Vec<f32>>>);

impl Said {
    /// A track that says what is in a file of 16-bit samples at 16 kHz again and again, or syllables without words.
    pub(crate) fn begin(&self, file: Option<&Path>) -> Result<AudioTrack> {
        let words = match file {
            Some(file) => read(file)?,
            None => syllables(),
        };
        let said = self.0.clone();
        let track = sources::sound("speech", RATE, move |first, samples| {
            for (at, sample) in samples.iter_mut().enumerate() {
                *sample = words[(first as usize + at) % words.len()];
            }
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.extend_from_slice(samples);
            let surplus = said.len().saturating_sub((COMPARED + LATEST) * RATE as usize);
            said.drain(..surplus);
            true
        });
        Ok(track?)
    }

    /// How like each other (0 to 1) what was said and the samples are, and by how many milliseconds these are late.
    pub(crate) fn compare(&self, heard: &[f32], rate: u32) -> Value {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let enough = said.len() >= (COMPARED + LATEST) * RATE as usize;
        if !enough || heard.len() < COMPARED * rate as usize {
            return json!({"likeness": null});
        }
        let said = loudness(&said, RATE);
        let heard = loudness(&heard[heard.len() - COMPARED * rate as usize..], rate);
        let length = COMPARED * STEPS;
        let latest = LATEST * STEPS;
        // Both end now: what is late by so much ended that long ago when it was said.
        let likeness = |late: usize| {
            let of = |band: usize| {
                let whole = &said[band];
                let end = whole.len() - late;
                correlation(&whole[end - length..end], &heard[band][heard[band].len() - length..])
            };
            (0..BANDS.len()).map(of).sum::<f64>() / BANDS.len() as f64
        };
        let all = (0..latest).map(|late| (likeness(late), late));
        let (best, late) = all.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, 0));
        json!({"likeness": best, "late_ms": late * 1_000 / STEPS})
    }
}

/// Of how many samples `heard` is to be kept.
pub(crate) fn kept(rate: u32) -> usize {
    COMPARED * rate as usize
}

fn read(file: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let sample = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
    let samples: Vec<f32> = bytes.chunks_exact(2).map(sample).collect();
    ensure!(samples.len() >= RATE as usize, "{} is shorter than a second", file.display());
    Ok(samples)
}

/// Thirty syllables of a voice that glides: pulses through two resonances that are others for each, with pauses of several
/// lengths, so that no part is like another one.
fn syllables() -> Vec<f32> {
    let mut random = 0x2545_f491_u32;
    let mut next = |most: u32| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        random % most
    };
    let mut all = Vec::new();
    for _ in 0..30 {
        let length = RATE as usize * (90 + next(160) as usize) / 1_000;
        let pause = RATE as usize * next(140) as usize / 1_000;
        let pitch = 95.0 + f64::from(next(60));
        let formants = [300.0 + f64::from(next(500)), 900.0 + f64::from(next(1_900))];
        let loud = 0.3 + 0.1 * f64::from(next(7));
        let mut filters = formants.map(|middle| Band::new(middle, 0.12, RATE));
        let mut phase = 0.0;
        for at in 0..length {
            let part = at as f64 / length as f64;
            phase += pitch * (1.1 - 0.2 * part) / f64::from(RATE);
            let pulse = if phase >= 1.0 { 1.0 } else { 0.0 };
            phase = phase.fract();
            let voiced: f64 = filters.iter_mut().map(|filter| filter.pass(pulse)).sum();
            let shape = (std::f64::consts::PI * part).sin();
            all.push((4.0 * loud * shape * voiced).clamp(-0.9, 0.9) as f32);
        }
        all.extend(std::iter::repeat_n(0.0, pause));
    }
    all
}

/// A band-pass filter of second order.
struct Band {
    gain: f64,
    feedback: [f64; 2],
    before: [f64; 4],
}

impl Band {
    fn new(middle: f64, width: f64, rate: u32) -> Self {
        let turn = std::f64::consts::TAU * middle / f64::from(rate);
        let alpha = turn.sin() * width / 2.0;
        let whole = 1.0 + alpha;
        let feedback = [-2.0 * turn.cos() / whole, (1.0 - alpha) / whole];
        Self { gain: alpha / whole, feedback, before: [0.0; 4] }
    }

    fn pass(&mut self, sample: f64) -> f64 {
        let [in1, in2, out1, out2] = self.before;
        let out = self.gain * (sample - in2) - self.feedback[0] * out1 - self.feedback[1] * out2;
        self.before = [sample, in1, out, out1];
        out
    }
}

/// The loudness of each band in dB, [`STEPS`] a second, none of it softer than [`RANGE`] below the loudest.
fn loudness(samples: &[f32], rate: u32) -> Vec<Vec<f64>> {
    let step = rate as usize / STEPS;
    let of = |middle: f64| {
        let mut filter = Band::new(middle, WIDTH, rate);
        let power = |block: &[f32]| {
            block.iter().map(|sample| filter.pass(f64::from(*sample)).powi(2)).sum::<f64>()
        };
        let powers: Vec<f64> = samples.chunks_exact(step).map(power).collect();
        let loudest = powers.iter().copied().fold(1e-9, f64::max);
        let decibels = |power: &f64| (10.0 * (power / loudest).max(1e-12).log10()).max(-RANGE);
        powers.iter().map(decibels).collect()
    };
    BANDS.into_iter().map(of).collect()
}

/// Pearson's.
fn correlation(one: &[f64], other: &[f64]) -> f64 {
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (mean_one, mean_other) = (mean(one), mean(other));
    let (mut both, mut first, mut second) = (0.0, 0.0, 0.0);
    for (a, b) in one.iter().zip(other) {
        let (a, b) = (a - mean_one, b - mean_other);
        both += a * b;
        first += a * a;
        second += b * b;
    }
    if first > 0.0 && second > 0.0 { both / (first * second).sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &[f32]) -> Said {
        let needed = (COMPARED + LATEST) * RATE as usize;
        let said = words.iter().cycle().take(needed).copied().collect();
        Said(Arc::new(Mutex::new(said)))
    }

    #[test]
    fn the_same_words_are_known_again_softer_and_later() {
        let words = syllables();
        let told = said(&words).0.lock().unwrap().clone();
        // 250 ms late, a tenth as loud.
        let late = RATE as usize / 4;
        let heard: Vec<f32> = told[..told.len() - late].iter().map(|sample| sample * 0.1).collect();
        let told = said(&words).compare(&heard, RATE);
        assert!(told["likeness"].as_f64().unwrap() > 0.99, "{told}");
        assert_eq!(told["late_ms"], 250);
    }

    #[test]
    fn other_words_a_tone_and_silence_are_not() {
        let words = syllables();
        let said = said(&words);
        let backwards: Vec<f32> = words.iter().rev().cycle().take(100_000).copied().collect();
        let tone: Vec<f32> = (0..100_000).map(|at| (at as f32 * 0.3).sin()).collect();
        for heard in [backwards, tone, vec![0.0; 100_000]] {
            let likeness = said.compare(&heard, RATE)["likeness"].as_f64().unwrap();
            assert!(likeness < 0.6, "{likeness}");
        }
    }
}
