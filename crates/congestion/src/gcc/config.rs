//! What the user sets.

use crate::error::Error;
use crate::units::DataRate;

/// Bounds and first guess of a [`Gcc`](crate::gcc::Gcc).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GccConfig {
    /// The target never falls below this, unless the receiver asks for less.
    pub min_rate: DataRate,
    /// The first target; the first bursts are sent at three and six times this.
    pub start_rate: DataRate,
    /// The target never rises above this.
    pub max_rate: DataRate,
}

impl Default for GccConfig {
    /// 30 kbit/s, 300 kbit/s, 100 Mbit/s.
    fn default() -> Self {
        Self {
            min_rate: DataRate::from_kbps(30),
            start_rate: DataRate::from_kbps(300),
            max_rate: DataRate::from_mbps(100),
        }
    }
}

impl GccConfig {
    /// Whether the bounds make sense. The start rate is brought between them without a word.
    ///
    /// # Errors
    ///
    /// [`Error::RateBounds`] if the smallest rate is above the largest, [`Error::ZeroMaximum`] if the largest is zero.
    pub fn validate(&self) -> Result<(), Error> {
        if self.max_rate.is_zero() {
            return Err(Error::ZeroMaximum);
        }
        if self.min_rate > self.max_rate {
            return Err(Error::RateBounds { min: self.min_rate, max: self.max_rate });
        }
        Ok(())
    }
}
