//! abs-capture-time: when the first sample of a frame was captured, for synchronising streams of several sources.

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// When the first sample was captured, by the NTP clock of whoever captured it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsoluteCaptureTime {
    /// An NTP timestamp: seconds since 1900 in 32.32 fixed point.
    pub ntp: u64,
    /// How far the capturer's clock is ahead of the sender's, as the sender estimates: signed 32.32 seconds.
    pub clock_offset: Option<i64>,
}

impl HeaderExtension<'_> for AbsoluteCaptureTime {
    const KIND: ExtensionKind = ExtensionKind::AbsoluteCaptureTime;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        let (ntp, rest) = data.split_first_chunk().ok_or(wrong_length(Self::KIND))?;
        let clock_offset = match rest.len() {
            0 => None,
            8 => rest.first_chunk().map(|bytes| i64::from_be_bytes(*bytes)),
            _ => return Err(wrong_length(Self::KIND)),
        };
        Ok(Self { ntp: u64::from_be_bytes(*ntp), clock_offset })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.ntp.to_be_bytes());
        if let Some(offset) = self.clock_offset {
            out.extend_from_slice(&offset.to_be_bytes());
        }
    }
}
