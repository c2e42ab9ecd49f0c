//! toffset: how long after its timestamp a packet left (RFC 5450).

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// Ticks of the RTP clock from the packet's timestamp to its leaving (RFC 5450 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransmissionOffset(
    /// 24 bits with a sign; what is beyond is written as the nearest value.
    pub i32,
);

impl HeaderExtension<'_> for TransmissionOffset {
    const KIND: ExtensionKind = ExtensionKind::TransmissionOffset;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let &[a, b, c] = data else { return Err(wrong_length(Self::KIND)) };
        Ok(Self(i32::from_be_bytes([a, b, c, 0]) >> 8))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.clamp(-0x80_0000, 0x7F_FFFF).to_be_bytes()[1..]);
    }
}
