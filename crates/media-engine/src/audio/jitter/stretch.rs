//! Makes sound shorter or longer without changing its pitch, by leaving out or repeating a pitch period (WSOLA).
//!
//! Both work at the point that is played next. Shorter: what is there fades into what comes one period later. Longer: it
//! fades into what was played one period before. Either is done only where the two are alike enough that nobody hears it.

use super::correlation::{Search, likeness, mono};
use super::play_buffer::PlayBuffer;

/// The shortest and longest periods, in µs: pitches of 400 Hz down to 66 Hz.
const PERIOD_MICROS: (usize, usize) = (2_500, 15_000);
/// Over how long it fades, at most, in µs: also the stretches that have to be alike.
const FADE_MICROS: usize = 10_000;
/// And at least.
const MIN_FADE_MICROS: usize = 2_500;
/// How alike they have to be.
const LIKE: f32 = 0.9;
/// The same where delay has to go down quickly.
const LIKE_FAST: f32 = 0.5;
/// Sound below this root mean square (-50 dB of full scale) is stretched wherever it is.
const QUIET: f32 = 0.003;

/// Memory of stretching, kept from one time to the next.
#[derive(Debug, Default)]
pub(super) struct Stretcher {
    search: Search,
    mono: Vec<f32>,
    scratch: Vec<f32>,
}

impl Stretcher {
    /// Leaves a period out of what is to be played. Gives how many frames are fewer: zero where it would be heard.
    pub(super) fn shorten(
        &mut self,
        play: &mut PlayBuffer,
        rate: u32,
        channels: usize,
        fast: bool,
    ) -> usize {
        let micros = |micros: usize| rate as usize * micros / 1_000_000;
        let future = play.future();
        let least = micros(PERIOD_MICROS.0);
        let fade = micros(FADE_MICROS).min(future / 3);
        if fade < micros(MIN_FADE_MICROS) || future < fade + least {
            return 0;
        }
        // In a hurry several periods go at once, as far as what is there reaches.
        let most = if fast { 2 * micros(PERIOD_MICROS.1) } else { micros(PERIOD_MICROS.1) };
        let most = most.min(future - fade);
        let (samples, cursor) = play.parts();
        let future = &mut samples[cursor * channels..];
        // The search looks back in time: the signal is turned round.
        mono(&future[..(fade + most) * channels], channels, &mut self.mono);
        let quiet = root_mean_square(&self.mono) < QUIET;
        self.mono.reverse();
        let Some((period, like)) = self.search.back(&self.mono, rate, fade, least..=most) else {
            return 0;
        };
        if !quiet && like < if fast { LIKE_FAST } else { LIKE } {
            return 0;
        }
        // Nobody hears where quiet sound is cut.
        let period = if quiet { most } else { period };
        let like = if quiet { 0.0 } else { like };
        // The fade may be longer than the period: what it starts from is read as it was.
        self.scratch.clear();
        self.scratch.extend_from_slice(&future[..fade * channels]);
        for (at, before) in self.scratch.iter().enumerate() {
            let (from, to) = weights(at / channels, fade, like);
            let after = &mut future[at + period * channels];
            *after = before * from + *after * to;
        }
        let start = cursor * channels;
        samples.copy_within(start + period * channels.., start);
        samples.truncate(samples.len() - period * channels);
        period
    }

    /// Repeats a period at the point that is played next. Gives how many frames are more: zero where it would be heard.
    pub(super) fn lengthen(&mut self, play: &mut PlayBuffer, rate: u32, channels: usize) -> usize {
        let micros = |micros: usize| rate as usize * micros / 1_000_000;
        let (least, most) = (micros(PERIOD_MICROS.0), micros(PERIOD_MICROS.1));
        let fade = micros(FADE_MICROS).min(play.future());
        if fade < micros(MIN_FADE_MICROS) || play.room() < most {
            return 0;
        }
        let (samples, cursor) = play.parts();
        mono(
            &samples[(cursor - most) * channels..(cursor + fade) * channels],
            channels,
            &mut self.mono,
        );
        let quiet = root_mean_square(&self.mono) < QUIET;
        let Some((period, like)) = self.search.back(&self.mono, rate, fade, least..=most) else {
            return 0;
        };
        if !quiet && like < LIKE {
            return 0;
        }
        let period = if quiet { most } else { period };
        let like = if quiet { 0.0 } else { like };
        // fade of now into one period ago, then that period's end, then what follows as it was.
        let (start, back) = (cursor * channels, (cursor - period) * channels);
        self.scratch.clear();
        self.scratch.extend_from_slice(&samples[back..start + fade * channels]);
        let length = samples.len();
        samples.resize(length + period * channels, 0.0);
        samples.copy_within(start..length, start + period * channels);
        let added = (period + fade) * channels;
        for at in 0..fade * channels {
            let (from, to) = weights(at / channels, fade, like);
            self.scratch[at] = self.scratch[period * channels + at] * from + self.scratch[at] * to;
        }
        samples[start..start + added].copy_from_slice(&self.scratch);
        period
    }
}

fn root_mean_square(samples: &[f32]) -> f32 {
    let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
    (sum / samples.len().max(1) as f32).sqrt()
}

/// The weights of a fade of `length` at `frame`: they add up to one where the two are alike, and their squares do where
/// they are not, so that it is as loud on the way.
pub(super) fn weights(frame: usize, length: usize, like: f32) -> (f32, f32) {
    let position = (frame as f32 + 0.5) / length as f32;
    let (sin, cos) = (position * std::f32::consts::FRAC_PI_2).sin_cos();
    let like = like.clamp(0.0, 1.0);
    // Energy of a fade by squares: cos⁴ + sin⁴ + 2·like·sin²·cos².
    let (from, to) = (cos * cos, sin * sin);
    let energy = from * from + to * to + 2.0 * like * from * to;
    let scale = 1.0 / energy.sqrt();
    (from * scale, to * scale)
}

/// Fades the end of `out` into the beginning of `new`: `fade` frames become those of `new`, whose rest is not copied.
pub(super) fn fade_in(out: &mut [f32], new: &[f32], channels: usize, fade: usize) {
    let like = likeness(&out[..fade * channels], &new[..fade * channels]);
    for at in 0..fade * channels {
        let (from, to) = weights(at / channels, fade, like);
        out[at] = out[at] * from + new[at] * to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, hertz: f32, frames: usize, channels: usize) -> Vec<f32> {
        let step = std::f32::consts::TAU * hertz / rate as f32;
        (0..frames * channels).map(|i| 0.5 * (step * (i / channels) as f32).sin()).collect()
    }

    #[test]
    fn a_period_less_and_a_period_more_leave_a_tone_as_it_was() {
        for (rate, channels) in [(8_000, 1), (16_000, 2), (48_000, 1), (48_000, 2)] {
            let millis = rate as usize / 1_000;
            let mut play = PlayBuffer::new(rate, channels);
            let sound = tone(rate, 200.0, 130 * millis, channels);
            play.push(&sound);
            let mut out = vec![0.0; 100 * millis * channels];
            play.take(&mut out);
            let mut stretcher = Stretcher::default();
            let removed = stretcher.shorten(&mut play, rate, channels, false);
            assert!(removed > 0 && removed % (5 * millis) <= 1, "{rate} {removed}");
            assert_eq!(play.future(), 30 * millis - removed);
            let added = stretcher.lengthen(&mut play, rate, channels);
            assert!(added > 0 && added % (5 * millis) <= 1, "{rate} {added}");
            assert_eq!(play.future(), 30 * millis - removed + added);
            let (samples, cursor) = play.parts();
            for (at, sample) in samples[cursor * channels..].iter().enumerate() {
                // A whole number of periods apart, the tone is where it was.
                let expected = sound[100 * millis * channels + at];
                assert!((sample - expected).abs() < 0.02, "{rate}/{channels} at {at}");
            }
        }
    }

    #[test]
    fn what_has_no_period_is_left_alone() {
        let mut play = PlayBuffer::new(8_000, 1);
        let mut state = 1u32;
        let noise: Vec<f32> = (0..1_200)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / 8_388_608.0 - 1.0
            })
            .collect();
        play.push(&noise);
        play.take(&mut [0.0; 960]);
        let mut stretcher = Stretcher::default();
        assert_eq!(stretcher.shorten(&mut play, 8_000, 1, false), 0);
        assert_eq!(stretcher.lengthen(&mut play, 8_000, 1), 0);
        assert_eq!(play.future(), 240);
    }

    #[test]
    fn weights_keep_the_loudness() {
        for frame in 0..100 {
            let (from, to) = weights(frame, 100, 1.0);
            assert!((from + to - 1.0).abs() < 1e-5);
            let (from, to) = weights(frame, 100, 0.0);
            assert!((from * from + to * to - 1.0).abs() < 1e-5);
        }
    }
}
