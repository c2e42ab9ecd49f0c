//! Reading payloads of any format: dispatches to the formats. The frame assembler uses it, and packet forwarders that
//! want to know layers and keyframes without assembling.

use smallvec::smallvec;

use super::{
    av1,
    descriptor::{Lead, MediaRange, PayloadDescriptor},
    error::Error,
    format::PayloadFormat,
    h264, h265, red,
    telephone_event::EventReport,
    vp8, vp9,
};

/// Reads the payloads of one format. Has no state: what needs more than one packet is the assembler's.
#[derive(Debug, Clone, Copy)]
pub struct Depacketizer {
    format: PayloadFormat,
}

impl Depacketizer {
    /// For payloads of `format`.
    pub fn new(format: PayloadFormat) -> Self {
        Self { format }
    }

    /// The format.
    pub fn format(&self) -> PayloadFormat {
        self.format
    }

    /// Reads one payload, padding removed. Payloads without bytes (padding only) are no payloads and refused.
    ///
    /// # Errors
    ///
    /// The payload is cut off, breaks its format, or uses a part of it that is not supported.
    pub fn read(&self, payload: &[u8]) -> Result<PayloadDescriptor, Error> {
        if payload.is_empty() || payload.len() > MediaRange::MAX_PAYLOAD {
            return Err(Error::Malformed {
                format: self.format.name(),
                reason: "the payload is empty or longer than 65,535 bytes",
                section: "RFC 3550 §5.1",
            });
        }
        match self.format {
            PayloadFormat::Vp8 => vp8::read(payload),
            PayloadFormat::Vp9 => vp9::read(payload),
            PayloadFormat::H264 { .. } => h264::read(payload),
            PayloadFormat::H265 => h265::read(payload),
            PayloadFormat::Av1 => av1::read(payload),
            PayloadFormat::Red => red::read(payload),
            PayloadFormat::TelephoneEvent => {
                EventReport::read(payload).map(|_| whole(payload, true))
            }
            PayloadFormat::Raw => Ok(whole(payload, false)),
            _ => Ok(whole(payload, true)),
        }
    }
}

/// A payload that is media from end to end; `frame`: and a frame of its own.
fn whole(payload: &[u8], frame: bool) -> PayloadDescriptor {
    PayloadDescriptor {
        start_of_frame: frame,
        end_of_frame: frame,
        keyframe: true,
        media: smallvec![MediaRange::new(0..payload.len(), Lead::None)],
        ..PayloadDescriptor::default()
    }
}
