//! The headers of parity packets: ULPFEC (RFC 5109 §7.3), FlexFEC as browsers speak it
//! (draft-ietf-payload-flexible-fec-scheme-03 §4.2), and FlexFEC (RFC 8627 §4.2.2).

use super::parity::Parity;
use crate::error::Error;
use crate::number::{SequenceNumber, Ssrc};

/// The format of parity packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FecFormat {
    /// RFC 5109, level 0, inside RED on the media's SSRC.
    UlpFec,
    /// draft-ietf-payload-flexible-fec-scheme-03, on an SSRC of its own, protecting one stream.
    FlexFec03,
    /// RFC 8627, on an SSRC of its own, whose packets name the protected stream in their CSRC list.
    FlexFec,
}

impl FecFormat {
    /// The most numbers from the first to the last protected packet that the longest mask spans.
    pub(super) fn span(self) -> u16 {
        match self {
            Self::UlpFec => 48,
            Self::FlexFec03 => 109,
            Self::FlexFec => 110,
        }
    }

    pub(super) fn section(self) -> &'static str {
        match self {
            Self::UlpFec => "RFC 5109 §7.3",
            Self::FlexFec03 => "draft-ietf-payload-flexible-fec-scheme-03 §4.2",
            Self::FlexFec => "RFC 8627 §4.2.2",
        }
    }
}

/// Which packets a parity packet protects: bit 127 - i of the mask is the packet `base + i * step`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Protected {
    pub(super) base: SequenceNumber,
    pub(super) mask: u128,
    pub(super) step: u16,
}

impl Protected {
    /// The offsets from the base.
    pub(super) fn offsets(self) -> impl Iterator<Item = u16> {
        let mut mask = self.mask;
        std::iter::from_fn(move || {
            (mask != 0).then(|| {
                let index = mask.leading_zeros();
                mask &= !(1 << (127 - index));
                index as u16 * self.step
            })
        })
    }
}

/// A parity packet's header and what follows.
#[derive(Debug)]
pub(super) enum FecHeader<'a> {
    Parity {
        protected: Protected,
        parity: Parity,
        body: &'a [u8],
    },
    /// A packet sent again as it was (RFC 8627 §4.2.2.3); the first byte lacks the version.
    Retransmission(&'a [u8]),
}

/// Writes the header of a parity packet.
pub(super) fn write(
    format: FecFormat,
    protected: Protected,
    parity: &Parity,
    ssrc: Ssrc,
    out: &mut Vec<u8>,
) {
    let timestamp = parity.timestamp.to_be_bytes();
    let length = parity.length.to_be_bytes();
    let base = protected.base.0.to_be_bytes();
    match format {
        FecFormat::UlpFec => {
            // RFC 5109 §7.3: L says that the mask has 48 bits.
            let long = protected.mask << 16 != 0;
            out.extend_from_slice(&[u8::from(long) << 6 | parity.flags, parity.marker_and_type]);
            out.extend_from_slice(&base);
            out.extend_from_slice(&timestamp);
            out.extend_from_slice(&length);
            out.extend_from_slice(&(parity.body.len() as u16).to_be_bytes());
            out.extend_from_slice(&protected.mask.to_be_bytes()[..if long { 6 } else { 2 }]);
        }
        FecFormat::FlexFec03 => {
            out.extend_from_slice(&[parity.flags, parity.marker_and_type]);
            out.extend_from_slice(&length);
            out.extend_from_slice(&timestamp);
            out.extend_from_slice(&[1, 0, 0, 0]); // SSRCCount, reserved
            out.extend_from_slice(&ssrc.0.to_be_bytes());
            out.extend_from_slice(&base);
            // In the draft a k bit of 1 ends the mask; the third part has one too, so 63 bits.
            write_mask(protected.mask, true, 63, out);
        }
        FecFormat::FlexFec => {
            out.extend_from_slice(&[parity.flags, parity.marker_and_type]);
            out.extend_from_slice(&length);
            out.extend_from_slice(&timestamp);
            out.extend_from_slice(&base);
            // RFC 8627 §4.2.2.1: a k bit of 0 ends the mask; the third part has none, so 64 bits.
            write_mask(protected.mask, false, 64, out);
        }
    }
}

fn write_mask(mask: u128, end: bool, third: u32, out: &mut Vec<u8>) {
    let (first, second) = ((mask >> 113) as u16, (mask >> 82) as u32 & 0x7FFF_FFFF);
    let rest = (mask >> (82 - third)) as u64 & (u64::MAX >> (64 - third));
    let last_first = second == 0 && rest == 0;
    out.extend_from_slice(&(u16::from(last_first == end) << 15 | first).to_be_bytes());
    if last_first {
        return;
    }
    let last_second = rest == 0;
    out.extend_from_slice(&(u32::from(last_second == end) << 31 | second).to_be_bytes());
    if !last_second {
        let k = if third == 63 { u64::from(end) << 63 } else { 0 };
        out.extend_from_slice(&(k | rest).to_be_bytes());
    }
}

/// Reads a mask with k bits; gives it and its length.
fn read_mask(bytes: &[u8], end: bool, third: u32) -> Option<(u128, usize)> {
    let word = u16::from_be_bytes(*bytes.first_chunk()?);
    let mut mask = u128::from(word & 0x7FFF) << 113;
    if (word & 0x8000 != 0) == end {
        return Some((mask, 2));
    }
    let word = u32::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    mask |= u128::from(word & 0x7FFF_FFFF) << 82;
    if (word & 0x8000_0000 != 0) == end {
        return Some((mask, 6));
    }
    let word = u64::from_be_bytes(*bytes.get(6..)?.first_chunk()?);
    mask |= u128::from(word & (u64::MAX >> (64 - third))) << (82 - third);
    Some((mask, 14))
}

/// Reads the header of a parity packet that is to protect `ssrc`. `csrcs` is the CSRC list of its RTP header.
pub(super) fn read<'a>(
    format: FecFormat,
    ssrc: Ssrc,
    mut csrcs: impl ExactSizeIterator<Item = Ssrc>,
    payload: &'a [u8],
) -> Result<FecHeader<'a>, Error> {
    const WHAT: &str = "FEC packet";
    let section = format.section();
    let invalid = |reason| Error::Invalid { what: WHAT, reason, section };
    let truncated = |need| Error::Truncated { what: WHAT, need, have: payload.len(), section };
    let Some((&fixed, _)) = payload.split_first_chunk::<10>() else { return Err(truncated(10)) };
    let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let mut parity = Parity {
        flags: fixed[0] & 0x3F,
        marker_and_type: fixed[1],
        timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
        ..Parity::default()
    };
    let (protected, body) = match format {
        FecFormat::UlpFec => {
            parity.length = word(8);
            let mask_len = if fixed[0] & 0x40 != 0 { 6 } else { 2 };
            let start = 12 + mask_len;
            let level = payload.get(10..start).ok_or(truncated(start))?;
            let protection_len = usize::from(u16::from_be_bytes([level[0], level[1]]));
            let mut mask = [0; 16];
            mask[..mask_len].copy_from_slice(&level[2..]);
            // Higher levels may follow; they protect parts of packets that level 0 does not, and are not read.
            let body = payload
                .get(start..start + protection_len)
                .ok_or(truncated(start + protection_len))?;
            let base = SequenceNumber(word(2));
            (Protected { base, mask: u128::from_be_bytes(mask), step: 1 }, body)
        }
        FecFormat::FlexFec03 => {
            parity.length = word(2);
            if fixed[0] & 0xC0 != 0 {
                return Err(invalid("retransmissions and fixed blocks are not of browsers"));
            }
            let head = payload.get(..18).ok_or(truncated(20))?;
            if head[8] != 1 {
                return Err(invalid("it protects other than one stream"));
            }
            if u32::from_be_bytes([head[12], head[13], head[14], head[15]]) != ssrc.0 {
                return Err(invalid("it protects another stream"));
            }
            let base = SequenceNumber(u16::from_be_bytes([head[16], head[17]]));
            let (mask, len) = read_mask(&payload[18..], true, 63).ok_or(truncated(18 + 14))?;
            if len == 14 && payload[24] & 0x80 == 0 {
                return Err(invalid("its mask does not end"));
            }
            (Protected { base, mask, step: 1 }, &payload[18 + len..])
        }
        FecFormat::FlexFec => {
            if fixed[0] & 0xC0 == 0xC0 {
                return Err(invalid("R and F are both set"));
            }
            if fixed[0] & 0x80 != 0 {
                return Ok(FecHeader::Retransmission(payload));
            }
            if csrcs.len() != 1 || csrcs.next() != Some(ssrc) {
                return Err(invalid("it protects another stream, or several"));
            }
            parity.length = word(2);
            let base = SequenceNumber(word(8));
            if fixed[0] & 0x40 != 0 {
                let &[_, _, _, _, _, _, _, _, _, _, columns, rows, ref body @ ..] = payload else {
                    return Err(truncated(12));
                };
                // RFC 8627 §4.2.2.2, figure 14.
                let (count, step) = match (columns, rows) {
                    (0, _) => return Err(invalid("it has no columns")),
                    (columns, 0 | 1) => (columns, 1),
                    (columns, rows) => (rows, u16::from(columns)),
                };
                if count > 128 {
                    return Err(invalid("it protects more than 128 packets"));
                }
                (Protected { base, mask: u128::MAX << (128 - u32::from(count)), step }, body)
            } else {
                let (mask, len) = read_mask(&payload[10..], false, 64).ok_or(truncated(10 + 14))?;
                (Protected { base, mask, step: 1 }, &payload[10 + len..])
            }
        }
    };
    if protected.mask == 0 {
        return Err(invalid("it protects nothing"));
    }
    Ok(FecHeader::Parity { protected, parity, body })
}
