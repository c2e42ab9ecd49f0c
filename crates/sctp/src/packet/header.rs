//! The common header and the CRC32c that protects a packet (RFC 9260 §3.1, §6.8, Appendix A).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Source Port Number       |    Destination Port Number    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Verification Tag                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           Checksum                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::tlv::{Malformed, be16, be32};

/// Bytes before the first chunk.
pub(crate) const COMMON_HEADER_LENGTH: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CommonHeader {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) verification_tag: u32,
}

/// How the checksum of a packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// It is zero, which only a peer that we allowed may send (RFC 9653).
    Zero,
    /// It is the CRC32c of the packet.
    Correct,
    /// It is neither.
    Wrong,
}

impl CommonHeader {
    pub(crate) fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        if packet.len() < COMMON_HEADER_LENGTH {
            return Err(Malformed("packet shorter than the common header (RFC 9260 §3.1)"));
        }
        Ok(Self {
            source_port: be16(packet, 0).unwrap_or_default(),
            destination_port: be16(packet, 2).unwrap_or_default(),
            verification_tag: be32(packet, 4).unwrap_or_default(),
        })
    }

    /// Writes the header with a checksum of zero; [`seal`] puts the right one in.
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        let [s0, s1] = self.source_port.to_be_bytes();
        let [d0, d1] = self.destination_port.to_be_bytes();
        let [t0, t1, t2, t3] = self.verification_tag.to_be_bytes();
        buf.extend_from_slice(&[s0, s1, d0, d1, t0, t1, t2, t3, 0, 0, 0, 0]);
    }
}

/// CRC32c over the packet with its checksum field taken as zero.
fn crc(packet: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&packet[..8]);
    let crc = crc32c::crc32c_append(crc, &[0; 4]);
    crc32c::crc32c_append(crc, &packet[COMMON_HEADER_LENGTH..])
}

/// Looks at the checksum. The CRC is computed only if the field is not zero.
pub(crate) fn check(packet: &[u8]) -> Checksum {
    let Some(field) = packet.get(8..COMMON_HEADER_LENGTH) else { return Checksum::Wrong };
    // RFC 9260 Appendix A: the CRC's bytes travel lowest first.
    let field = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
    if field == 0 {
        // A true CRC of zero has one chance in 2^32, and then counts as absent.
        Checksum::Zero
    } else if crc(packet) == field {
        Checksum::Correct
    } else {
        Checksum::Wrong
    }
}

/// Whether the CRC of a packet whose field is zero happens to be zero.
pub(crate) fn crc_is_zero(packet: &[u8]) -> bool {
    packet.len() >= COMMON_HEADER_LENGTH && crc(packet) == 0
}

/// Puts the checksum into a packet written with [`CommonHeader::write`].
pub(crate) fn seal(packet: &mut [u8]) {
    let crc = crc32c::crc32c(packet).to_le_bytes();
    packet[8..12].copy_from_slice(&crc);
}
