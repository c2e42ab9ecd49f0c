//! Takes noise out of pictures: each block is mixed with what it was in the pictures before, where it has moved from; what is left is
//! smoothed within the picture.
//!
//! ```text
//! picture ─▶ search (motion) ─▶ mix with the state (temporal) ─▶ smooth what is new (spatial) ─▶ picture
//!    └─▶ measure noise ────────────┴───────────────────────────────────┘
//! ```

mod motion;
mod plane;
mod spatial;
mod temporal;

use motion::MotionField;
use plane::DenoisedPlane;

use crate::video::I420;

/// A motion-adaptive filter for noise. What it does depends on the noise it measures: pictures without stay as they are.
#[derive(Debug, Clone, Default)]
pub struct Denoiser {
    size: (u16, u16),
    motion: MotionField,
    planes: [DenoisedPlane; 3],
    /// Whether the state is that of the picture before.
    begun: bool,
}

impl Denoiser {
    /// One that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Filters a picture. `strength` multiplies the noise that is measured: 1 is as much as there is, 0 nothing. A picture of another
    /// size begins anew.
    pub fn process(&mut self, picture: &mut I420, strength: f32) {
        let size = (picture.width(), picture.height());
        if self.size != size {
            self.size = size;
            self.begun = false;
        }
        let columns = usize::from(size.0).div_ceil(motion::BLOCK);
        let rows = usize::from(size.1).div_ceil(motion::BLOCK);
        self.motion.resize(columns, rows);
        let strength = if strength.is_finite() { strength.clamp(0.0, 4.0) } else { 1.0 };
        if !self.begun {
            self.motion.reset();
        }
        let (width, half) = (usize::from(size.0), usize::from(size.0).div_ceil(2));
        let (y, u, v) = picture.planes_mut();
        for (index, (samples, width)) in [(y, width), (u, half), (v, half)].into_iter().enumerate()
        {
            let plane = &mut self.planes[index];
            let block = if index == 0 { motion::BLOCK } else { motion::BLOCK / 2 };
            plane.load(samples, width, (columns * block, rows * block));
            if self.begun {
                if index == 0 {
                    plane.search(&mut self.motion);
                }
                plane.mix(&self.motion, block, strength);
            } else {
                plane.begin(strength);
            }
            plane.write(samples, width);
        }
        self.begun = true;
    }

    /// The standard deviation of luma's noise that was measured, at the brightness that has most.
    pub fn noise(&self) -> f32 {
        self.planes[0].noise()
    }

    /// Forgets the pictures before: those that come are others.
    pub fn reset(&mut self) {
        self.begun = false;
    }
}
