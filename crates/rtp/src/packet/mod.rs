//! RTP packets (RFC 3550 §5): parsing by borrowing, writing into the caller's buffer, and telling RTP from RTCP on one
//! port (RFC 5761). The receive path calls [`RtpPacket::parse`] once per packet; it copies and allocates nothing.

mod header;

use std::ops::Range;

pub use header::{FIXED_HEADER_LEN, MAX_CSRCS, RtpHeader, write_padding};

use crate::error::Error;
use crate::extension::{Elements, ExtensionMap, HeaderExtension};
use crate::number::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};

/// What a datagram with the first byte of RTP and RTCP is (RFC 5761 §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketClass {
    /// An RTP packet.
    Rtp,
    /// A compound or reduced-size RTCP packet.
    Rtcp,
}

/// Tells RTP from RTCP on one port; `None` for what is neither (wrong version, or shorter than any).
///
/// Works on encrypted packets too, since SRTP leaves the first eight bytes alone.
#[must_use]
pub fn classify(datagram: &[u8]) -> Option<PacketClass> {
    let &[first, second, _, _, ..] = datagram else { return None };
    if first >> 6 != 2 {
        return None;
    }
    // RFC 5761 §4: RTCP packet types are 192 to 223, so RTP with payload types 64 to 95 (marker set) is not to be used.
    Some(if (192..=223).contains(&second) { PacketClass::Rtcp } else { PacketClass::Rtp })
}

/// An RTP packet, borrowed from the datagram that brought it.
#[derive(Debug, Clone, Copy)]
pub struct RtpPacket<'a> {
    bytes: &'a [u8],
    header: RtpHeader,
    extension_profile: Option<u16>,
    /// Where the elements of the extension begin; the payload begins at `payload_start`.
    extension_start: usize,
    payload_start: usize,
    payload_end: usize,
}

impl<'a> RtpPacket<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    ///
    /// [`Error::Version`], [`Error::Truncated`] when CSRCs or the extension reach beyond the packet, and
    /// [`Error::Padding`] (RFC 3550 §5.1, App. A.1). Elements inside the extension are not looked at: one that is
    /// malformed ends [`extensions`](Self::extensions) early, and the packet remains good.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        const SECTION: &str = "RFC 3550 §5.1";
        let truncated = |need| Error::Truncated {
            what: "RTP header",
            need,
            have: bytes.len(),
            section: SECTION,
        };
        let Some((fixed, _)) = bytes.split_first_chunk::<FIXED_HEADER_LEN>() else {
            return Err(truncated(FIXED_HEADER_LEN));
        };
        let version = fixed[0] >> 6;
        if version != 2 {
            return Err(Error::Version { what: "RTP", version, section: SECTION });
        }
        let header = RtpHeader {
            marker: fixed[1] & 0x80 != 0,
            payload_type: PayloadType::from_low_bits(fixed[1]),
            sequence_number: SequenceNumber(u16::from_be_bytes([fixed[2], fixed[3]])),
            timestamp: RtpTimestamp(u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]])),
            ssrc: Ssrc(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
        };
        let mut payload_start = FIXED_HEADER_LEN + usize::from(fixed[0] & 0x0F) * 4;
        let mut extension_start = payload_start;
        let mut extension_profile = None;
        if fixed[0] & 0x10 != 0 {
            // RFC 3550 §5.3.1: 16 bits of the profile, then the length in words without this first one.
            extension_start = payload_start + 4;
            let Some(&[p0, p1, l0, l1]) = bytes.get(payload_start..extension_start) else {
                return Err(truncated(extension_start));
            };
            extension_profile = Some(u16::from_be_bytes([p0, p1]));
            payload_start = extension_start + usize::from(u16::from_be_bytes([l0, l1])) * 4;
        }
        if payload_start > bytes.len() {
            return Err(truncated(payload_start));
        }
        let mut payload_end = bytes.len();
        if fixed[0] & 0x20 != 0 {
            let have = bytes.len() - payload_start;
            let padding = if have == 0 { 0 } else { bytes[bytes.len() - 1] };
            if padding == 0 || usize::from(padding) > have {
                return Err(Error::Padding {
                    what: "an RTP packet",
                    padding,
                    have,
                    section: SECTION,
                });
            }
            payload_end -= usize::from(padding);
        }
        Ok(Self { bytes, header, extension_profile, extension_start, payload_start, payload_end })
    }

    /// The fixed fields.
    #[must_use]
    pub fn header(&self) -> RtpHeader {
        self.header
    }

    /// The marker.
    #[must_use]
    pub fn marker(&self) -> bool {
        self.header.marker
    }

    /// What the payload is.
    #[must_use]
    pub fn payload_type(&self) -> PayloadType {
        self.header.payload_type
    }

    /// Counts the packets of the source.
    #[must_use]
    pub fn sequence_number(&self) -> SequenceNumber {
        self.header.sequence_number
    }

    /// When the payload's first octet was sampled.
    #[must_use]
    pub fn timestamp(&self) -> RtpTimestamp {
        self.header.timestamp
    }

    /// The source.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        self.header.ssrc
    }

    /// The contributing sources, at most 15.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        let count = usize::from(self.bytes[0] & 0x0F);
        let list = &self.bytes[FIXED_HEADER_LEN..FIXED_HEADER_LEN + count * 4];
        list.chunks_exact(4).map(|c| Ssrc(u32::from_be_bytes([c[0], c[1], c[2], c[3]])))
    }

    /// The extension's 16 bits "defined by profile": 0xBEDE and 0x1000 to 0x100F are RFC 8285's.
    #[must_use]
    pub fn extension_profile(&self) -> Option<u16> {
        self.extension_profile
    }

    /// The body of the header extension, whatever its profile.
    #[must_use]
    pub fn extension_data(&self) -> &'a [u8] {
        match self.extension_profile {
            Some(_) => &self.bytes[self.extension_start..self.payload_start],
            None => &[],
        }
    }

    /// The elements of the header extension: identifier and value (RFC 8285 §4). None where its profile is not RFC 8285's.
    #[must_use]
    pub fn extensions(&self) -> Elements<'a> {
        Elements::new(self.extension_profile.unwrap_or(0), self.extension_data())
    }

    /// One extension of the kinds that `map` knows; `None` where it is absent, not negotiated, or malformed.
    #[must_use]
    pub fn extension<T: HeaderExtension<'a>>(&self, map: &ExtensionMap) -> Option<T> {
        self.extension_profile?;
        let id = map.id(T::KIND)?;
        let (_, value) = self.extensions().find(|&(element, _)| element == id)?;
        T::parse(value).ok()
    }

    /// Where in the packet the value of an element is, so that a sender can rewrite it in place (transport-wide sequence
    /// number, send time) when the packet leaves.
    #[must_use]
    pub fn extension_range(&self, id: u8) -> Option<Range<usize>> {
        let (_, value) = self.extensions().find(|&(element, _)| element == id)?;
        // Both slices are of one allocation; the difference of their addresses is the offset.
        let start = value.as_ptr() as usize - self.bytes.as_ptr() as usize;
        Some(start..start + value.len())
    }

    /// What the packet carries, without padding.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.bytes[self.payload_start..self.payload_end]
    }

    /// Where the payload is in the packet.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        self.payload_start..self.payload_end
    }

    /// Bytes of padding at the end, with their count.
    #[must_use]
    pub fn padding_len(&self) -> usize {
        self.bytes.len() - self.payload_end
    }

    /// Bytes before the payload: fixed header, CSRCs and extension.
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.payload_start
    }

    /// The whole packet.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
