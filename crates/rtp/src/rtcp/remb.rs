//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2): an application-layer feedback message that
//! old receivers send instead of reports on every packet.

use super::feedback::FeedbackSources;
use super::header::{packet_type, write_packet};
use super::list::List;
use crate::error::Error;
use crate::number::Ssrc;

const IDENTIFIER: &[u8; 4] = b"REMB";
/// The count of sources has eight bits.
const MAX_SOURCES: usize = 255;

/// How much a receiver believes it can take on the path from the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Who says it. The media source is 0.
    pub sources: FeedbackSources,
    /// Bits per second. Written in 18 bits and a power of two, rounded down.
    pub bitrate: u64,
    /// Which sources the bitrate is for, together; at most 255 are written.
    pub ssrcs: List<'a, Ssrc>,
}

impl<'a> Remb<'a> {
    /// Reads the message; `None` where it is another application's.
    pub(super) fn read(body: &'a [u8]) -> Result<Option<Self>, Error> {
        let (sources, fci) = FeedbackSources::read(body)?;
        let Some(rest) = fci.strip_prefix(IDENTIFIER) else { return Ok(None) };
        const SECTION: &str = "draft-alvestrand-rmcat-remb-03 §2.2";
        let truncated =
            |need| Error::Truncated { what: "REMB", need, have: body.len(), section: SECTION };
        let Some((&[count, a, b, c], list)) = rest.split_first_chunk::<4>() else {
            return Err(truncated(16));
        };
        let word = u32::from_be_bytes([0, a, b, c]);
        let (exponent, mantissa) = (word >> 18, u64::from(word & 0x3_FFFF));
        if exponent > mantissa.leading_zeros() {
            let reason = "the bitrate does not fit 64 bits";
            return Err(Error::Invalid { what: "REMB", reason, section: SECTION });
        }
        let need = usize::from(count) * 4;
        let list = list.get(..need).ok_or(truncated(16 + need))?;
        Ok(Some(Self { sources, bitrate: mantissa << exponent, ssrcs: List::wire(list) }))
    }

    /// Appends the message.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_packet(out, packet_type::PAYLOAD_FEEDBACK, 15, |out| {
            self.sources.write(out);
            out.extend_from_slice(IDENTIFIER);
            let count = self.ssrcs.len().min(MAX_SOURCES);
            let exponent = (64 - self.bitrate.leading_zeros()).saturating_sub(18);
            let word = (count as u32) << 24 | exponent << 18 | (self.bitrate >> exponent) as u32;
            out.extend_from_slice(&word.to_be_bytes());
            self.ssrcs.write(0, count, out);
        });
    }
}
