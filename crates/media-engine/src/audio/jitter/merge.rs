//! Joins decoded sound to what was made up before it: at the place where both are most alike, fading from one into the other.

use super::background::Background;
use super::correlation::likeness;
use super::expand::Expander;
use super::lpc::Noise;
use super::play_buffer::PlayBuffer;
use super::stretch::fade_in;

/// Over how long it fades, at most, in µs.
const FADE_MICROS: usize = 8_000;
/// How far the place is looked for, at most, in µs.
const REACH_MICROS: usize = 10_000;

/// What made up the sound that is played last.
pub(super) struct MadeUp<'a> {
    pub(super) expander: &'a mut Expander,
    pub(super) background: &'a mut Background,
    pub(super) noise: &'a mut Noise,
    /// Memory that is kept from one time to the next.
    pub(super) scratch: &'a mut Vec<f32>,
}

/// Appends `new` to what [`Expander`] made last. Gives how many frames are heard more than `new` has: what the made-up
/// sound goes on for until both fit.
pub(super) fn merge(
    play: &mut PlayBuffer,
    new: &[f32],
    rate: u32,
    channels: usize,
    made_up: MadeUp<'_>,
) -> usize {
    let MadeUp { expander, background, noise, scratch } = made_up;
    let micros = |micros: usize| rate as usize * micros / 1_000_000;
    let fade = micros(FADE_MICROS).min(new.len() / channels);
    if fade == 0 {
        return 0;
    }
    // Within one period there is a place that fits; without a period all are as good.
    let reach = expander.pitch().map_or(0, |pitch| pitch.min(micros(REACH_MICROS)));
    scratch.clear();
    expander.produce(reach + fade, background, noise, scratch);
    let mut best = (0, f32::NEG_INFINITY);
    for offset in (0..=reach).step_by((rate as usize / 16_000).max(1)) {
        let made = &scratch[offset * channels..(offset + fade) * channels];
        let like = likeness(made, &new[..fade * channels]);
        // The nearest of several that are as good: each frame of offset is delay.
        if like > best.1 + 0.02 {
            best = (offset, like);
        }
    }
    let offset = best.0;
    scratch.truncate((offset + fade) * channels);
    fade_in(&mut scratch[offset * channels..], new, channels, fade);
    play.push(scratch);
    play.push(&new[fade * channels..]);
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_joined_in_phase() {
        let rate = 16_000;
        let step = std::f32::consts::TAU * 150.0 / rate as f32;
        let tone = |from: usize, frames: usize| -> Vec<f32> {
            (from..from + frames).map(|i| 0.5 * (i as f32 * step).sin()).collect()
        };
        let mut play = PlayBuffer::new(rate, 1);
        play.push(&tone(0, 1_600));
        let (mut expander, mut background) = (Expander::new(), Background::new());
        let (mut noise, mut scratch) = (Noise::new(1), Vec::new());
        expander.begin(play.tail(1_280), rate, 1);
        expander.produce(80, &mut background, &mut noise, &mut scratch);
        play.push(&scratch);
        // What comes is a third of a period off.
        let new = tone(1_600 + 80 + 35, 320);
        let made_up = MadeUp {
            expander: &mut expander,
            background: &mut background,
            noise: &mut noise,
            scratch: &mut scratch,
        };
        let more = merge(&mut play, &new, rate, 1, made_up);
        assert!((25..=45).contains(&more), "{more}");
        let steepest = 0.5 * step;
        let (samples, _) = play.parts();
        for pair in samples.windows(2) {
            assert!((pair[1] - pair[0]).abs() < 3.0 * steepest, "a step of {}", pair[1] - pair[0]);
        }
    }
}
