//! What is done to pictures, and what is told of it.

use std::time::Duration;

/// The stages, in the order in which they are applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// [`Denoiser`](super::Denoiser).
    Denoise,
    /// [`WhiteBalance`](super::WhiteBalance).
    WhiteBalance,
    /// [`LowLight`](super::LowLight).
    LowLight,
    /// [`Sharpener`](super::Sharpener).
    Sharpen,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Denoise, Self::WhiteBalance, Self::LowLight, Self::Sharpen];

    pub(super) fn index(self) -> usize {
        self as usize
    }
}

/// How strong each stage is: 0, as by default, is off; 1 does as much as the pictures ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EnhanceConfig {
    /// Noise taken out.
    pub denoise: f32,
    /// Colour of the light taken out.
    pub white_balance: f32,
    /// Dark pictures lifted.
    pub low_light: f32,
    /// Soft pictures sharpened.
    pub sharpen: f32,
    /// What a picture may take. Where it takes more, stages are left out until it does not. Without one none is.
    pub budget: Option<Duration>,
}

impl EnhanceConfig {
    /// Nothing is done.
    pub fn off() -> Self {
        Self::default()
    }

    /// All stages as far as pictures ask for them.
    pub fn all() -> Self {
        Self { denoise: 1.0, white_balance: 1.0, low_light: 1.0, sharpen: 1.0, budget: None }
    }

    /// With a budget for each picture.
    #[must_use]
    pub fn with_budget(mut self, budget: Duration) -> Self {
        self.budget = Some(budget);
        self
    }

    /// With one stage at a strength.
    #[must_use]
    pub fn with(mut self, stage: Stage, strength: f32) -> Self {
        match stage {
            Stage::Denoise => self.denoise = strength,
            Stage::WhiteBalance => self.white_balance = strength,
            Stage::LowLight => self.low_light = strength,
            Stage::Sharpen => self.sharpen = strength,
        }
        self
    }

    /// The strength of a stage.
    pub fn strength(&self, stage: Stage) -> f32 {
        match stage {
            Stage::Denoise => self.denoise,
            Stage::WhiteBalance => self.white_balance,
            Stage::LowLight => self.low_light,
            Stage::Sharpen => self.sharpen,
        }
    }
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnhanceStatistics {
    /// Pictures that came.
    pub pictures: u64,
    pub(super) bypassed: [u64; 4],
}

impl EnhanceStatistics {
    /// Pictures at which a stage that is on was left out, since the CPU was short.
    pub fn bypassed(&self, stage: Stage) -> u64 {
        self.bypassed[stage.index()]
    }
}
