//! The parts joined.

use super::background::Background;
use super::voice_level::VoiceLevel;
use crate::audio::vad::Voice;
use crate::audio::{AudioBlock, Level, Limiter};

/// How loud a voice is to be, in dBFS: its peaks, 15 dB and more above that, are within full scale.
const TARGET: f32 = -20.0;
/// The most and the least gain, in dB.
const MOST: f32 = 30.0;
const LEAST: f32 = -12.0;
/// How loud noise may be made, in dBFS.
const NOISE: f32 = -50.0;
/// Changes in a second, in dB: up in the first seconds of a voice and later, and down.
const UP_FIRST: f32 = 15.0;
const UP: f32 = 6.0;
const DOWN: f32 = 12.0;
/// Blocks of voice in a row before the gain goes up: what is shorter is no voice.
const STREAK: u32 = 10;
/// A voice is louder than that, in dBFS, and than the background by so many dB.
const QUIETEST: f32 = -65.0;
const ABOVE_BACKGROUND: f32 = 6.0;

/// Brings a voice to one level.
#[derive(Debug)]
pub(in super::super) struct GainController {
    voice: VoiceLevel,
    background: Background,
    limiter: Limiter,
    /// In dB, and the factor at the end of the last block.
    gain: f32,
    factor: f32,
    streak: u32,
}

impl GainController {
    /// One that has heard nothing, and leaves sound as loud as it is.
    pub(in super::super) fn new() -> Self {
        Self {
            voice: VoiceLevel::new(),
            background: Background::new(),
            limiter: Limiter::new(),
            gain: 0.0,
            factor: 1.0,
            streak: 0,
        }
    }

    /// Processes 10 ms; `voice` is what was found in them, `echo` whether most of what the microphone heard was the speaker:
    /// what is left of that is no voice to be raised.
    pub(in super::super) fn process(&mut self, block: &mut AudioBlock, voice: Voice, echo: bool) {
        let level = Level::of(block).dbov();
        self.background.heard(level);
        let background = self.background.level().unwrap_or(level);
        // The detector's end lasts on purpose; what lasts is no voice.
        let speaks = voice.active
            && voice.probability > 0.5
            && !echo
            && level > QUIETEST
            && level > background + ABOVE_BACKGROUND;
        self.streak = if speaks {
            self.streak.saturating_add(1)
        } else if voice.active {
            self.streak
        } else {
            0
        };
        if speaks {
            self.voice.heard(10.0_f32.powf(level / 10.0));
        }
        self.follow(speaks, background);
        self.apply(block);
        self.limiter.process(block);
    }

    /// Moves the gain to where it is wanted, no faster than is heard as a change of the room.
    fn follow(&mut self, speaks: bool, background: f32) {
        let Some(level) = self.voice.level() else { return };
        let allowed = (NOISE - background).max(0.0);
        let wanted = (TARGET - level).clamp(LEAST, MOST).min(allowed);
        let up = if self.voice.is_new() { UP_FIRST } else { UP };
        let step = (wanted - self.gain).clamp(-DOWN / 100.0, up / 100.0);
        // While nobody speaks only noise would be raised.
        if step < 0.0 || (speaks && self.streak >= STREAK) {
            self.gain += step;
        }
    }

    fn apply(&mut self, block: &mut AudioBlock) {
        let (from, to) = (self.factor, 10.0_f32.powf(self.gain / 20.0));
        self.factor = to;
        if from == 1.0 && to == 1.0 {
            return;
        }
        let (frames, channels) = (block.frames().max(1), block.channels());
        let step = (to - from) / frames as f32;
        for (n, moment) in block.samples_mut().chunks_exact_mut(channels).enumerate() {
            let factor = from + step * (n + 1) as f32;
            moment.iter_mut().for_each(|sample| *sample *= factor);
        }
    }
}
