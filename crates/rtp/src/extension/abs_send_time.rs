//! abs-send-time: when a packet left, for bandwidth estimation at the receiver (REMB).

use std::time::Duration;

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// Seconds in 6.18 fixed point, modulo 64 seconds. The epoch is the sender's affair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsoluteSendTime(
    /// 24 bits, in units of 2^-18 seconds.
    pub u32,
);

impl AbsoluteSendTime {
    /// The value for a time since any epoch.
    #[must_use]
    pub fn from_duration(time: Duration) -> Self {
        let fraction = (u64::from(time.subsec_nanos()) << 18) / 1_000_000_000;
        Self((((time.as_secs() & 0x3F) << 18) | fraction) as u32)
    }

    /// Time since the last multiple of 64 seconds of the sender's clock.
    #[must_use]
    pub fn to_duration(self) -> Duration {
        Duration::from_nanos((u64::from(self.0 & 0xFF_FFFF) * 1_000_000_000) >> 18)
    }
}

impl HeaderExtension<'_> for AbsoluteSendTime {
    const KIND: ExtensionKind = ExtensionKind::AbsoluteSendTime;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let &[a, b, c] = data else { return Err(wrong_length(Self::KIND)) };
        Ok(Self(u32::from_be_bytes([0, a, b, c])))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes()[1..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip_within_a_tick() {
        for nanos in [0, 3_815, 999_999_999, 63_999_999_999_u64] {
            let time = Duration::from_nanos(nanos);
            let back =
                AbsoluteSendTime::from_duration(time + Duration::from_secs(640)).to_duration();
            assert!(time >= back && time - back < Duration::from_nanos(7_630), "{time:?} {back:?}");
        }
    }
}
