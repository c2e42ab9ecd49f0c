//! The fixed RTP header (RFC 3550 §5.1) and writing it, with CSRCs, header extensions and padding, into the caller's
//! buffer. Packetisers, RTX and FEC recovery call it.

use crate::extension::ExtensionWriter;
use crate::number::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// Length of the header without CSRCs and extensions.
pub const FIXED_HEADER_LEN: usize = 12;

/// The most CSRCs that the header's count can announce (RFC 3550 §5.1).
pub const MAX_CSRCS: usize = 15;

/// The fixed fields of an RTP header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtpHeader {
    /// The marker; what it marks is the payload format's affair.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: PayloadType,
    /// Counts the packets of the source.
    pub sequence_number: SequenceNumber,
    /// When the payload's first octet was sampled.
    pub timestamp: RtpTimestamp,
    /// The source.
    pub ssrc: Ssrc,
}

impl RtpHeader {
    /// Appends the header and the extensions that `extensions` puts; the payload is the caller's to append.
    ///
    /// A header without extensions carries no extension block at all: `header.write(&mut out, |_| {})`.
    pub fn write(&self, out: &mut Vec<u8>, extensions: impl FnOnce(&mut ExtensionWriter<'_>)) {
        self.write_with_csrcs(out, &[], extensions);
    }

    /// Like [`write`](Self::write), with contributing sources; those beyond [`MAX_CSRCS`] are left out, as a mixer does
    /// (RFC 3550 §5.1).
    pub fn write_with_csrcs(
        &self,
        out: &mut Vec<u8>,
        csrcs: &[Ssrc],
        extensions: impl FnOnce(&mut ExtensionWriter<'_>),
    ) {
        let csrcs = &csrcs[..csrcs.len().min(MAX_CSRCS)];
        let start = out.len();
        out.extend_from_slice(&[
            0x80 | csrcs.len() as u8,
            u8::from(self.marker) << 7 | self.payload_type.get(),
        ]);
        out.extend_from_slice(&self.sequence_number.0.to_be_bytes());
        out.extend_from_slice(&self.timestamp.0.to_be_bytes());
        out.extend_from_slice(&self.ssrc.0.to_be_bytes());
        for csrc in csrcs {
            out.extend_from_slice(&csrc.0.to_be_bytes());
        }
        let mut writer = ExtensionWriter::new(out);
        extensions(&mut writer);
        if writer.finish() {
            out[start] |= 0x10;
        }
    }
}

/// Appends `count` bytes of padding to the packet that begins at `start` of `out` and sets its padding bit (RFC 3550
/// §5.1). Zero changes nothing.
///
/// # Panics
///
/// If there is no packet at `start`.
pub fn write_padding(out: &mut Vec<u8>, start: usize, count: u8) {
    if count > 0 {
        out[start] |= 0x20;
        out.resize(out.len() + usize::from(count) - 1, 0);
        out.push(count);
    }
}
