//! A block of sound at a time.

use std::time::Duration;

use super::AudioBlock;

/// Sound at a time: what tracks of sound carry, 10 ms each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioFrame {
    /// The samples.
    pub block: AudioBlock,
    /// When the first of them was taken, on the clock of its source; begins anywhere.
    pub time: Duration,
}
