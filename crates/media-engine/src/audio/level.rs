//! How loud sound is, on the scale of the header extension for it (RFC 6464 §3) and of comfort noise (RFC 3389 §3.1).

use super::AudioBlock;

/// A level in dBov: zero is a square wave at full scale, -127 is silence (RFC 6464 §3).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Level(f32);

impl Level {
    /// Silence.
    pub const SILENCE: Self = Self(-127.0);

    /// Of a mean square, full scale being 1.
    pub fn of_power(power: f32) -> Self {
        // What is no number is silence as well.
        if power > 0.0 { Self((10.0 * power.log10()).clamp(-127.0, 0.0)) } else { Self::SILENCE }
    }

    /// Of a block: all of its channels together.
    pub fn of(block: &AudioBlock) -> Self {
        let samples = block.samples();
        let sum: f32 = samples.iter().map(|sample| sample * sample).sum();
        Self::of_power(sum / samples.len().max(1) as f32)
    }

    /// What the extension says, seven bits: how far below full scale.
    pub fn from_negative_dbov(level: u8) -> Self {
        Self(-f32::from(level.min(127)))
    }

    /// What the extension says, seven bits: how far below full scale.
    pub fn negative_dbov(self) -> u8 {
        (-self.0).round() as u8
    }

    /// In dBov, -127 to 0.
    pub fn dbov(self) -> f32 {
        self.0
    }

    /// The root of the mean square, full scale being 1; zero for silence. What `audioLevel` of webrtc-stats is.
    pub fn amplitude(self) -> f32 {
        if self.0 <= -127.0 { 0.0 } else { 10.0_f32.powf(self.0 / 20.0) }
    }
}

/// Measures what goes by.
#[derive(Clone, Debug, Default)]
pub struct LevelMeter {
    power: f32,
    energy: f64,
    seconds: f64,
}

impl LevelMeter {
    /// Takes in a block, and returns its level.
    pub fn measure(&mut self, block: &AudioBlock) -> Level {
        let level = Level::of(block);
        let (power, seconds) = (level.amplitude().powi(2), block.duration().as_secs_f64());
        // Up at once and down over 100 ms, as the eye expects of a meter.
        let share = 1.0 - (-seconds / 0.1).exp() as f32;
        self.power = power.max(self.power + share * (power - self.power));
        self.energy += f64::from(power) * seconds;
        self.seconds += seconds;
        level
    }

    /// The level for somebody to look at: it rises at once and falls over a tenth of a second.
    pub fn shown(&self) -> Level {
        Level::of_power(self.power)
    }

    /// `totalAudioEnergy` of webrtc-stats: the sum of squares times seconds.
    pub fn total_energy(&self) -> f64 {
        self.energy
    }

    /// `totalSamplesDuration` of webrtc-stats, in seconds.
    pub fn total_duration(&self) -> f64 {
        self.seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_zero_and_silence_127() {
        let mut block = AudioBlock::silence(48_000, 2, 480);
        assert_eq!(Level::of(&block).negative_dbov(), 127);
        assert_eq!(Level::of(&AudioBlock::default()), Level::SILENCE);
        assert_eq!(Level::SILENCE.amplitude(), 0.0);
        block.samples_mut().fill(-1.0);
        assert_eq!(Level::of(&block).negative_dbov(), 0);
        block.samples_mut().fill(0.1);
        assert_eq!(Level::of(&block).negative_dbov(), 20);
        assert!((Level::of(&block).amplitude() - 0.1).abs() < 1e-4);
        block.samples_mut().fill(f32::NAN);
        assert_eq!(Level::of(&block), Level::SILENCE);
        assert!((0..=127).all(|n| Level::from_negative_dbov(n).negative_dbov() == n));
    }

    #[test]
    fn a_meter_falls_slowly_and_counts_all() {
        let mut meter = LevelMeter::default();
        let mut block = AudioBlock::silence(48_000, 1, 480);
        block.samples_mut().fill(0.5);
        for _ in 0..100 {
            meter.measure(&block);
        }
        assert!((meter.total_energy() - 0.25).abs() < 1e-3, "{}", meter.total_energy());
        assert!((meter.total_duration() - 1.0).abs() < 1e-9);
        let silence = AudioBlock::silence(48_000, 1, 480);
        let before = meter.shown().dbov();
        meter.measure(&silence);
        assert!((before - 1.0..before).contains(&meter.shown().dbov()));
        for _ in 0..50 {
            meter.measure(&silence);
        }
        assert!(meter.shown().dbov() < before - 20.0);
    }
}
