//! How loud somebody speaks: the power of a fifth of a second of voice at a time, and of those a mean in dB, so that a person who speaks
//! up for a word does not count for a minute.

/// Blocks of voice that are taken together.
const PART: u32 = 20;
/// The share that a part has in the mean, once there are many.
const SHARE: f32 = 1.0 / 12.0;
/// The same where part after part says that it is somebody else, or that the microphone was moved.
const SHARE_MOVED: f32 = 1.0 / 3.0;
/// What is far off, in dB, and how many parts in a row are to be so.
const FAR: f32 = 6.0;
const IN_A_ROW: u32 = 4;
/// The most that a part counts as off until then, in dB.
const BOUND: f32 = 9.0;

/// See the module.
#[derive(Debug)]
pub(super) struct VoiceLevel {
    power: f32,
    blocks: u32,
    /// The mean, and of how many parts.
    level: f32,
    parts: u32,
    /// Parts in a row that are far off, and to which side.
    far: u32,
    above: bool,
}

impl VoiceLevel {
    pub(super) fn new() -> Self {
        Self { power: 0.0, blocks: 0, level: 0.0, parts: 0, far: 0, above: false }
    }

    /// A block of voice, its mean square.
    pub(super) fn heard(&mut self, power: f32) {
        self.power += power;
        self.blocks += 1;
        if self.blocks == PART {
            let level = 10.0 * (self.power / PART as f32).max(1e-12).log10();
            (self.power, self.blocks) = (0.0, 0);
            self.part(level);
        }
    }

    fn part(&mut self, level: f32) {
        self.parts = self.parts.saturating_add(1);
        if self.parts == 1 {
            self.level = level;
            return;
        }
        let off = level - self.level;
        let again = off.abs() > FAR && (self.far == 0 || self.above == (off > 0.0));
        self.far = if again { self.far + 1 } else { u32::from(off.abs() > FAR) };
        self.above = off > 0.0;
        self.level += if self.parts <= 5 {
            off / self.parts as f32
        } else if self.far >= IN_A_ROW {
            SHARE_MOVED * off
        } else {
            SHARE * off.clamp(-BOUND, BOUND)
        };
    }

    /// In dBFS; `None` until somebody has spoken for a fifth of a second.
    pub(super) fn level(&self) -> Option<f32> {
        (self.parts > 0).then_some(self.level)
    }

    /// Whether so little was heard that the first seconds still count for much.
    pub(super) fn is_new(&self) -> bool {
        self.parts < 25
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speak(voice: &mut VoiceLevel, level: f32, blocks: usize) {
        (0..blocks).for_each(|_| voice.heard(10.0_f32.powf(level / 10.0)));
    }

    #[test]
    fn a_shout_counts_little_and_another_voice_soon() {
        let mut voice = VoiceLevel::new();
        speak(&mut voice, -30.0, 19);
        assert_eq!(voice.level(), None);
        speak(&mut voice, -30.0, 400);
        assert!((voice.level().unwrap() + 30.0).abs() < 0.1);
        speak(&mut voice, -10.0, 40);
        assert!(voice.level().unwrap() < -28.0, "{:?}", voice.level());
        speak(&mut voice, -30.0, 200);
        speak(&mut voice, -50.0, 240);
        assert!(voice.level().unwrap() < -46.0, "{:?}", voice.level());
    }
}
