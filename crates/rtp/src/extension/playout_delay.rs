//! playout-delay: how much delay from capture to rendering the sender wishes.

use std::time::Duration;

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// Limits of the delay, in steps of 10 ms up to 40.95 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// The least delay. What is longer than 40.95 s is written as that.
    pub min: Duration,
    /// The most delay, not less than `min`.
    pub max: Duration,
}

impl HeaderExtension<'_> for PlayoutDelay {
    const KIND: ExtensionKind = ExtensionKind::PlayoutDelay;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let &[a, b, c] = data else { return Err(wrong_length(Self::KIND)) };
        let field = u32::from_be_bytes([0, a, b, c]);
        let (min, max) = (u64::from(field >> 12), u64::from(field & 0xFFF));
        if min > max {
            let reason = "the least delay is more than the most";
            return Err(Error::Invalid {
                what: Self::KIND.name(),
                reason,
                section: Self::KIND.section(),
            });
        }
        Ok(Self { min: Duration::from_millis(min * 10), max: Duration::from_millis(max * 10) })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let steps = |delay: Duration| (delay.as_millis() / 10).min(0xFFF) as u32;
        let field = steps(self.min) << 12 | steps(self.max);
        out.extend_from_slice(&field.to_be_bytes()[1..]);
    }
}
