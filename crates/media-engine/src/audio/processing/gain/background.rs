//! How loud it is while nobody speaks: the least that was heard of late, since every voice takes a breath.

/// Blocks that the least is looked for in, twice: three seconds in all.
const WINDOW: u32 = 150;
/// The quietest that a room is, in dBFS, and for how many blocks less is taken for that: a suppressor of noise leaves nothing
/// between words, but a microphone that is switched off says nothing of the room.
const LEAST: f32 = -95.0;
const OFF: u32 = 50;
/// How much the least of a noise is below its mean, in dB.
const BELOW: f32 = 2.0;

/// See the module.
#[derive(Debug)]
pub(super) struct Background {
    smooth: Option<f32>,
    /// The least of this window and of the one before it.
    least: [Option<f32>; 2],
    blocks: u32,
    /// Blocks in a row without any sound.
    nothing: u32,
}

impl Background {
    pub(super) fn new() -> Self {
        Self { smooth: None, least: [None; 2], blocks: 0, nothing: 0 }
    }

    /// A block of so many dBFS came.
    pub(super) fn heard(&mut self, level: f32) {
        self.nothing = if level < LEAST { self.nothing.saturating_add(1) } else { 0 };
        if self.nothing > OFF {
            return;
        }
        let level = level.max(LEAST);
        let smooth = self.smooth.map_or(level, |smooth| smooth + 0.2 * (level - smooth));
        self.smooth = Some(smooth);
        self.blocks += 1;
        if self.blocks == WINDOW {
            self.blocks = 0;
            self.least = [None, self.least[0]];
        }
        self.least[0] = Some(self.least[0].map_or(smooth, |least| least.min(smooth)));
    }

    /// In dBFS; `None` until something was heard.
    pub(super) fn level(&self) -> Option<f32> {
        let [now, before] = self.least;
        now.into_iter().chain(before).reduce(f32::min).map(|least| least + BELOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_not_background_and_louder_noise_is_soon() {
        let mut background = Background::new();
        assert_eq!(background.level(), None);
        for n in 0..600 {
            background.heard(if n % 100 < 70 { -20.0 } else { -60.0 });
        }
        assert!((background.level().unwrap() + 58.0).abs() < 1.0, "{:?}", background.level());
        (0..300).for_each(|_| background.heard(-40.0));
        assert!((background.level().unwrap() + 38.0).abs() < 1.0, "{:?}", background.level());
        // A microphone that was switched off for long has noise as soon as it is on again.
        (0..4_000).for_each(|_| background.heard(-127.0));
        (0..300).for_each(|_| background.heard(-40.0));
        assert!((background.level().unwrap() + 38.0).abs() < 1.0, "{:?}", background.level());
    }
}
