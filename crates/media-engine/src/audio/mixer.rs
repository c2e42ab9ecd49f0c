//! Several voices as one: for a speaker that plays them all, and for a conference in which each hears all but itself.

use std::time::Duration;

use super::{AudioBlock, Level, Limiter, SpeakerDetector, mix_channels};

/// Why a mixer did not take something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MixerError {
    /// There are [`Mixer::MAX_INPUTS`] already.
    #[error("no more than {} inputs", Mixer::MAX_INPUTS)]
    Full,
    /// There is no input of that number.
    #[error("no input {0}")]
    NoInput(u32),
    /// A block that is not 10 ms at the mixer's rate.
    #[error("a block of {frames} samples at {rate} a second is not 10 ms at {expected}")]
    Block {
        /// Its rate.
        rate: u32,
        /// Its samples in each channel.
        frames: usize,
        /// The rate of the mixer.
        expected: u32,
    },
}

/// Mixes blocks of 10 ms. In each step, [`add`](Self::add) takes what inputs have, [`mix`](Self::mix) and
/// [`mix_without`](Self::mix_without) give what there is to be heard, and [`advance`](Self::advance) goes on to the next step.
#[derive(Debug)]
pub struct Mixer {
    rate: u32,
    channels: usize,
    inputs: Vec<Input>,
    next_id: u32,
    /// The sum of all of this step, beyond full scale maybe.
    sum: AudioBlock,
    limiter: Limiter,
    speakers: SpeakerDetector,
    time: Duration,
}

#[derive(Debug)]
struct Input {
    id: u32,
    /// What is wanted, and what it was at the end of the last block: changes glide over a block.
    gain: f32,
    gain_now: f32,
    level: Level,
    /// What it has in this step, in the mixer's channels and at its gain.
    block: AudioBlock,
    fresh: bool,
    /// Of what this one hears.
    limiter: Limiter,
}

impl Mixer {
    /// The most inputs.
    pub const MAX_INPUTS: usize = 256;

    /// One without inputs.
    ///
    /// # Panics
    ///
    /// If rate or channels are not what a block may have.
    pub fn new(rate: u32, channels: usize) -> Self {
        Self {
            rate,
            channels,
            inputs: Vec::new(),
            next_id: 0,
            sum: AudioBlock::silence(rate, channels, rate as usize / 100),
            limiter: Limiter::new(),
            speakers: SpeakerDetector::new(),
            time: Duration::ZERO,
        }
    }

    /// Adds an input, at a gain of 1, and returns its number.
    ///
    /// # Errors
    ///
    /// [`MixerError::Full`].
    pub fn add_input(&mut self) -> Result<u32, MixerError> {
        if self.inputs.len() >= Self::MAX_INPUTS {
            return Err(MixerError::Full);
        }
        let id = self.next_id;
        self.next_id += 1;
        self.inputs.push(Input {
            id,
            gain: 1.0,
            gain_now: 0.0,
            level: Level::SILENCE,
            block: AudioBlock::silence(self.rate, self.channels, self.sum.frames()),
            fresh: false,
            limiter: Limiter::new(),
        });
        Ok(id)
    }

    /// Removes an input. What it has added to this step is still heard.
    pub fn remove_input(&mut self, id: u32) {
        self.inputs.retain(|input| input.id != id);
        self.speakers.remove(id);
    }

    /// Sets what an input is multiplied by, 0 to 10; it glides there over the next block.
    ///
    /// # Errors
    ///
    /// [`MixerError::NoInput`].
    pub fn set_gain(&mut self, id: u32, gain: f32) -> Result<(), MixerError> {
        let input = find(&mut self.inputs, id)?;
        input.gain = if gain.is_finite() { gain.clamp(0.0, 10.0) } else { 0.0 };
        Ok(())
    }

    /// Takes what an input has in this step; the second time in a step, it is ignored.
    ///
    /// # Errors
    ///
    /// [`MixerError::NoInput`], and [`MixerError::Block`] for one that is not 10 ms at the mixer's rate.
    pub fn add(&mut self, id: u32, block: &AudioBlock) -> Result<(), MixerError> {
        let input = find(&mut self.inputs, id)?;
        let (rate, frames) = (block.rate(), block.frames());
        if (rate, frames) != (self.rate, self.sum.frames()) {
            return Err(MixerError::Block { rate, frames, expected: self.rate });
        }
        if input.fresh {
            return Ok(());
        }
        input.fresh = true;
        input.level = Level::of(block);
        self.speakers.hear(id, input.level, self.time);
        mix_channels(block, self.channels, &mut input.block);
        let step = (input.gain - input.gain_now) / frames as f32;
        let sum = self.sum.samples_mut().chunks_exact_mut(self.channels);
        let mine = input.block.samples_mut().chunks_exact_mut(self.channels);
        for (n, (mine, sum)) in mine.zip(sum).enumerate() {
            let gain = input.gain_now + step * (n + 1) as f32;
            for (mine, sum) in mine.iter_mut().zip(sum) {
                // One input that is no number would be heard by all.
                *mine = if mine.is_finite() { (*mine * gain).clamp(-16.0, 16.0) } else { 0.0 };
                *sum += *mine;
            }
        }
        input.gain_now = input.gain;
        Ok(())
    }

    /// What all inputs of this step together are, within full scale. Once a step.
    pub fn mix(&mut self, out: &mut AudioBlock) {
        out.copy_from(&self.sum);
        self.limiter.process(out);
    }

    /// What one of the inputs is to hear: all but itself. Once a step for each.
    ///
    /// # Errors
    ///
    /// [`MixerError::NoInput`].
    pub fn mix_without(&mut self, id: u32, out: &mut AudioBlock) -> Result<(), MixerError> {
        let input = find(&mut self.inputs, id)?;
        out.copy_from(&self.sum);
        if input.fresh {
            for (out, mine) in out.samples_mut().iter_mut().zip(input.block.samples()) {
                *out -= mine;
            }
        }
        input.limiter.process(out);
        Ok(())
    }

    /// Ends the step. Returns whether another input is dominant than before.
    pub fn advance(&mut self) -> bool {
        self.sum.samples_mut().fill(0.0);
        for input in &mut self.inputs {
            if !input.fresh {
                // It comes back from silence.
                (input.level, input.gain_now) = (Level::SILENCE, 0.0);
            }
            input.fresh = false;
        }
        let changed = self.speakers.update(self.time);
        self.time += AudioBlock::DURATION;
        changed
    }

    /// How loud an input was in its last block, before its gain.
    ///
    /// # Errors
    ///
    /// [`MixerError::NoInput`].
    pub fn level(&self, id: u32) -> Result<Level, MixerError> {
        let input = self.inputs.iter().find(|input| input.id == id);
        input.map(|input| input.level).ok_or(MixerError::NoInput(id))
    }

    /// Who speaks.
    pub fn speakers(&self) -> &SpeakerDetector {
        &self.speakers
    }
}

fn find(inputs: &mut [Input], id: u32) -> Result<&mut Input, MixerError> {
    inputs.iter_mut().find(|input| input.id == id).ok_or(MixerError::NoInput(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constant(value: f32) -> AudioBlock {
        let mut block = AudioBlock::silence(48_000, 1, 480);
        block.samples_mut().fill(value);
        block
    }

    #[test]
    fn each_hears_all_but_itself() {
        let mut mixer = Mixer::new(48_000, 2);
        let ids: Vec<u32> = (0..3).map(|_| mixer.add_input().unwrap()).collect();
        let mut out = AudioBlock::default();
        for _ in 0..2 {
            for (id, value) in ids.iter().zip([0.1, 0.2, 0.3]) {
                mixer.add(*id, &constant(value)).unwrap();
                // A second block in the step is not heard.
                mixer.add(*id, &constant(1.0)).unwrap();
            }
            mixer.mix(&mut out);
            assert_eq!((out.channels(), out.frames()), (2, 480));
            for (id, value) in ids.iter().zip([0.5, 0.4, 0.3]) {
                mixer.mix_without(*id, &mut out).unwrap();
                assert!((out.samples()[959] - value).abs() < 1e-6, "{}", out.samples()[959]);
            }
            mixer.advance();
        }
        // One that has nothing hears the others.
        mixer.add(ids[1], &constant(0.2)).unwrap();
        mixer.mix_without(ids[0], &mut out).unwrap();
        assert!((out.samples()[0] - 0.2).abs() < 1e-6);
        assert_eq!(mixer.level(ids[1]).unwrap().negative_dbov(), 14);
    }

    #[test]
    fn gains_glide_and_the_sum_stays_in_bounds() {
        let mut mixer = Mixer::new(48_000, 1);
        let ids: Vec<u32> = (0..10).map(|_| mixer.add_input().unwrap()).collect();
        let mut out = AudioBlock::default();
        for step in 0..20 {
            for id in &ids {
                mixer.add(*id, &constant(0.5)).unwrap();
            }
            mixer.mix(&mut out);
            let peak = out.samples().iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
            assert!(peak <= if step == 0 { 1.0 } else { 0.951 }, "{step}: {peak}");
            mixer.advance();
        }
        for id in &ids[1..] {
            mixer.remove_input(*id);
        }
        mixer.set_gain(ids[0], 0.5).unwrap();
        mixer.mix_without(ids[0], &mut out).unwrap();
        mixer.advance();
        mixer.set_gain(ids[0], 1.0).unwrap();
        mixer.add(ids[0], &constant(0.5)).unwrap();
        mixer.set_gain(ids[0], 0.0).unwrap();
        mixer.advance();
        mixer.add(ids[0], &constant(0.5)).unwrap();
        assert!((mixer.sum.samples()[0] - 0.5).abs() < 0.01);
        assert!(mixer.sum.samples()[479].abs() < 1e-6);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut mixer = Mixer::new(48_000, 1);
        let id = mixer.add_input().unwrap();
        let wrong = AudioBlock::silence(48_000, 1, 960);
        assert!(matches!(mixer.add(id, &wrong), Err(MixerError::Block { .. })));
        assert_eq!(mixer.add(99, &wrong), Err(MixerError::NoInput(99)));
        assert_eq!(mixer.set_gain(99, 1.0), Err(MixerError::NoInput(99)));
        mixer.add(id, &constant(f32::NAN)).unwrap();
        let mut out = AudioBlock::default();
        mixer.mix(&mut out);
        assert!(out.samples().iter().all(|sample| *sample == 0.0));
        for _ in 1..Mixer::MAX_INPUTS {
            mixer.add_input().unwrap();
        }
        assert_eq!(mixer.add_input(), Err(MixerError::Full));
    }

    #[test]
    fn the_one_who_speaks_is_dominant() {
        let mut mixer = Mixer::new(48_000, 1);
        let (one, other) = (mixer.add_input().unwrap(), mixer.add_input().unwrap());
        let mut changes = Vec::new();
        for step in 0..400 {
            let speaks = if step < 200 { one } else { other };
            for id in [one, other] {
                let quiet = if id == speaks { 0.1 } else { 0.0003 };
                mixer.add(id, &constant(quiet)).unwrap();
            }
            if mixer.advance() {
                changes.push(mixer.speakers().dominant());
            }
        }
        assert_eq!(changes, [Some(one), Some(other)]);
    }
}
