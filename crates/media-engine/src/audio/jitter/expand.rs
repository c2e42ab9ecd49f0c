//! Goes on with sound for which nothing came, where the codec cannot: the last pitch period again and again, mixed with
//! noise of the same spectrum as far as the sound was voiceless, fading into the background noise.

use super::background::Background;
use super::correlation::{Search, mono};
use super::lpc::{Lpc, Noise, Synthesis};
use crate::audio::AudioBlock;

// Chosen by PESQ and PLCMOS of linear samples at 10 % of losses and at 20 % in bursts (`cargo xtask bench audio`): holding for
// 20 ms, fading until 140 and turning voiceless by 160 has 0.1 less of each.

/// The shortest and longest pitch periods, in µs.
const PERIOD_MICROS: (usize, usize) = (2_500, 15_000);
/// How much is compared to find it, in µs.
const WINDOW_MICROS: usize = 15_000;
/// How deep the spectrum of voiceless sound is.
const ORDER: usize = 20;
/// Its window, in µs.
const SPECTRUM_MICROS: usize = 20_000;
/// How alike two periods have to be at least to count as voiced at all, and to count as fully voiced.
const VOICED: (f32, f32) = (0.2, 0.6);
/// How long it stays as loud as it was, in ms, and from when there is nothing left of it.
const FADE_MILLIS: (f32, f32) = (40.0, 240.0);
/// After how many ms nothing is voiced any more: what repeats unchanged for longer buzzes.
const UNVOICED_MILLIS: f32 = 400.0;
/// Over how many µs the step between the end of what was and the beginning of the period is smoothed.
const STEP_MICROS: usize = 2_000;

/// Makes up sound.
#[derive(Debug)]
pub(super) struct Expander {
    search: Search,
    mono: Vec<f32>,
    scratch: Vec<f32>,
    /// One period, whose end leads into its beginning.
    period: Vec<f32>,
    position: usize,
    voiced: f32,
    lpc: [Lpc; AudioBlock::MAX_CHANNELS],
    synthesis: [Synthesis; AudioBlock::MAX_CHANNELS],
    step: [f32; AudioBlock::MAX_CHANNELS],
    /// Frames since it began.
    made: usize,
    rate: u32,
    channels: usize,
}

impl Expander {
    pub(super) fn new() -> Self {
        Self {
            search: Search::default(),
            mono: Vec::new(),
            scratch: Vec::new(),
            period: Vec::new(),
            position: 0,
            voiced: 0.0,
            lpc: [Lpc::white(0.0); AudioBlock::MAX_CHANNELS],
            synthesis: [Synthesis::new(); AudioBlock::MAX_CHANNELS],
            step: [0.0; AudioBlock::MAX_CHANNELS],
            made: 0,
            rate: 8_000,
            channels: 1,
        }
    }

    /// Begins after `tail`, the end of what is played, which holds at least twice the longest period and a window.
    pub(super) fn begin(&mut self, tail: &[f32], rate: u32, channels: usize) {
        let micros = |micros: usize| rate as usize * micros / 1_000_000;
        (self.rate, self.channels, self.made, self.position) = (rate, channels, 0, 0);
        mono(tail, channels, &mut self.mono);
        let range = micros(PERIOD_MICROS.0)..=micros(PERIOD_MICROS.1);
        let found = self.search.back(&self.mono, rate, micros(WINDOW_MICROS), range.clone());
        let (lag, like) = found.unwrap_or((*range.end(), 0.0));
        self.voiced = ((like - VOICED.0) / (VOICED.1 - VOICED.0)).clamp(0.0, 1.0);

        let frames = tail.len() / channels;
        let at = |frame: usize, channel: usize| tail[frame * channels + channel];
        self.period.clear();
        self.period.extend_from_slice(&tail[(frames - lag) * channels..]);
        // The last quarter fades into what came before the period: that leads into its beginning.
        let fade = lag / 4;
        for frame in lag - fade..lag {
            let weight = (frame + 1 + fade - lag) as f32 / (fade + 1) as f32;
            for channel in 0..channels {
                let earlier = at(frames - 2 * lag + frame, channel);
                let sample = &mut self.period[frame * channels + channel];
                *sample += (earlier - *sample) * weight;
            }
        }
        let window = frames - micros(SPECTRUM_MICROS).min(frames);
        for channel in 0..channels {
            self.step[channel] = at(frames - 1, channel) - at(frames - 1 - lag, channel);
            let spectrum = &tail[window * channels..];
            self.lpc[channel] = Lpc::analyse(spectrum, channels, channel, ORDER, &mut self.scratch);
            self.synthesis[channel] =
                Synthesis::after((0..frames).rev().map(|frame| at(frame, channel)));
        }
    }

    /// Appends `frames` more to `out`. Gives whether any of it is more than background noise.
    pub(super) fn produce(
        &mut self,
        frames: usize,
        background: &mut Background,
        noise: &mut Noise,
        out: &mut Vec<f32>,
    ) -> bool {
        let millis = 1_000.0 / self.rate as f32;
        let smooth = (self.rate as usize * STEP_MICROS / 1_000_000).max(1);
        let audible = self.made as f32 * millis < FADE_MILLIS.1;
        for _ in 0..frames {
            let time = self.made as f32 * millis;
            let gain = self.gain(time);
            if gain <= 0.0 {
                out.extend((0..self.channels).map(|channel| background.next(channel, noise)));
                continue;
            }
            let voiced = self.voiced * (1.0 - time / UNVOICED_MILLIS).max(0.0);
            let voiceless = (1.0 - voiced * voiced).sqrt();
            let step = (1.0 - self.made as f32 / smooth as f32).max(0.0);
            for channel in 0..self.channels {
                let period = self.period[self.position * self.channels + channel];
                let periodic = period + self.step[channel] * step;
                let rough = self.synthesis[channel].next(&self.lpc[channel], noise.next());
                let sample = gain * (voiced * periodic + voiceless * rough);
                out.push(sample + (1.0 - gain) * background.next(channel, noise));
            }
            self.made += 1;
            self.position = (self.position + 1) % (self.period.len() / self.channels).max(1);
        }
        audible
    }

    /// The period that is repeated, in frames; `None` where there is hardly any.
    pub(super) fn pitch(&self) -> Option<usize> {
        (self.voiced > 0.5).then(|| self.period.len() / self.channels)
    }

    fn gain(&self, millis: f32) -> f32 {
        let (hold, end) = FADE_MILLIS;
        (1.0 - (millis - hold).max(0.0) / (end - hold)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_goes_on_and_fades() {
        for (rate, channels) in [(8_000u32, 1usize), (48_000, 2)] {
            let step = std::f32::consts::TAU * 150.0 / rate as f32;
            let sound = |frame: usize| 0.5 * (frame as f32 * step).sin();
            let millis = rate as usize / 1_000;
            let tail: Vec<f32> = (0..80 * millis * channels).map(|i| sound(i / channels)).collect();
            let (mut expander, mut noise) = (Expander::new(), Noise::new(1));
            let mut background = Background::new();
            expander.begin(&tail, rate, channels);
            let mut out = Vec::new();
            assert!(expander.produce(15 * millis, &mut background, &mut noise, &mut out));
            for (at, sample) in out.iter().enumerate() {
                let error = sample - sound(80 * millis + at / channels);
                assert!(error.abs() < 0.25, "{rate}: {error} at {at}");
            }
            expander.produce(250 * millis, &mut background, &mut noise, &mut out);
            assert!(!expander.produce(10 * millis, &mut background, &mut noise, &mut out));
            assert!(out[out.len() - 100..].iter().all(|sample| sample.abs() < 1e-3));
        }
    }

    #[test]
    fn silence_goes_on_as_silence() {
        let mut expander = Expander::new();
        expander.begin(&[0.0; 640], 8_000, 1);
        let mut out = Vec::new();
        expander.produce(800, &mut Background::new(), &mut Noise::new(1), &mut out);
        assert!(out.iter().all(|sample| sample.abs() < 1e-3));
    }
}
