//! The header that all RTCP packets share, cutting a compound into packets, and the checks of RFC 3550 App. A.2.

use crate::error::Error;

const SECTION: &str = "RFC 3550 §6.1";

/// Packet types (RFC 3550 §12.1 and IANA).
pub(super) mod packet_type {
    pub(in crate::rtcp) const SENDER_REPORT: u8 = 200;
    pub(in crate::rtcp) const RECEIVER_REPORT: u8 = 201;
    pub(in crate::rtcp) const SOURCE_DESCRIPTION: u8 = 202;
    pub(in crate::rtcp) const GOODBYE: u8 = 203;
    pub(in crate::rtcp) const APPLICATION_DEFINED: u8 = 204;
    pub(in crate::rtcp) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(in crate::rtcp) const PAYLOAD_FEEDBACK: u8 = 206;
    pub(in crate::rtcp) const EXTENDED_REPORT: u8 = 207;
}

/// One packet of a compound, cut out and without its padding, not yet read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawPacket<'a> {
    /// The packet type.
    pub packet_type: u8,
    /// Five bits: a count of reports or sources, a feedback message type, or a subtype.
    pub count: u8,
    /// What follows the first four bytes, without padding. Its length is a multiple of 4, but for transport-wide
    /// feedback.
    pub body: &'a [u8],
    /// Bytes of padding that were there.
    pub padding: u8,
}

impl<'a> RawPacket<'a> {
    /// Cuts the first packet off a compound and gives the rest.
    pub(super) fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Error> {
        let truncated = |need| Error::Truncated {
            what: "RTCP packet",
            need,
            have: bytes.len(),
            section: SECTION,
        };
        let Some((&[first, packet_type, l0, l1], rest)) = bytes.split_first_chunk::<4>() else {
            return Err(truncated(4));
        };
        if first >> 6 != 2 {
            return Err(Error::Version { what: "RTCP", version: first >> 6, section: SECTION });
        }
        let len = usize::from(u16::from_be_bytes([l0, l1])) * 4;
        let (mut body, rest) = rest.split_at_checked(len).ok_or(truncated(len + 4))?;
        let mut padding = 0;
        if first & 0x20 != 0 {
            // RFC 3550 §6.4.1: the last octet counts the padding, itself included, a multiple of four.
            padding = body.last().copied().unwrap_or(0);
            let kept = body.len().checked_sub(usize::from(padding));
            // Transport-wide feedback ends where its last delta does, and libwebrtc marks the one to three bytes up to
            // the next word as padding (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
            let is_whole = padding % 4 == 0
                || (packet_type == packet_type::TRANSPORT_FEEDBACK && first & 0x1F == 15);
            body = match kept {
                Some(kept) if padding != 0 && is_whole => &body[..kept],
                _ => {
                    let have = body.len();
                    return Err(Error::Padding {
                        what: "an RTCP packet",
                        padding,
                        have,
                        section: "RFC 3550 §6.4.1",
                    });
                }
            };
        }
        Ok((Self { packet_type, count: first & 0x1F, body, padding }, rest))
    }
}

/// Checks a compound as RFC 3550 App. A.2 says: versions, lengths that add up, padding in the last packet alone, and a
/// report first unless `reduced_size` packets were negotiated (RFC 5506).
///
/// # Errors
///
/// The first thing that is wrong.
pub fn validate(compound: &[u8], reduced_size: bool) -> Result<(), Error> {
    let (first, mut rest) = RawPacket::split(compound)?;
    let is_report =
        matches!(first.packet_type, packet_type::SENDER_REPORT | packet_type::RECEIVER_REPORT);
    if !reduced_size && !is_report {
        let reason = "its first packet is no SR or RR";
        return Err(Error::Invalid { what: "RTCP compound", reason, section: "RFC 3550 App. A.2" });
    }
    let mut padded = first.padding > 0;
    while !rest.is_empty() {
        if padded {
            let reason = "a packet before the last has padding";
            return Err(Error::Invalid {
                what: "RTCP compound",
                reason,
                section: "RFC 3550 App. A.2",
            });
        }
        let (packet, after) = RawPacket::split(rest)?;
        padded = packet.padding > 0;
        rest = after;
    }
    Ok(())
}

/// Appends a packet whose body `write` appends; the length field is filled in, and the body padded with zeros to whole
/// words.
pub(super) fn write_packet(
    out: &mut Vec<u8>,
    packet_type: u8,
    count: u8,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0x80 | (count & 0x1F), packet_type, 0, 0]);
    write(out);
    let body = (out.len() - start - 4).next_multiple_of(4);
    out.resize(start + 4 + body, 0);
    // Writers split what could be longer than 65,535 words, so this holds.
    let words = u16::try_from(body / 4).unwrap_or(u16::MAX);
    out[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

/// A 32-bit field at a byte offset.
pub(super) fn u32_at(
    body: &[u8],
    offset: usize,
    what: &'static str,
    section: &'static str,
) -> Result<u32, Error> {
    match body.get(offset..offset + 4) {
        Some(&[a, b, c, d]) => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(Error::Truncated { what, need: offset + 4, have: body.len(), section }),
    }
}

/// The part of a body from a byte offset on, where it must have at least `need` bytes in all.
pub(super) fn tail<'a>(
    body: &'a [u8],
    need: usize,
    what: &'static str,
    section: &'static str,
) -> Result<&'a [u8], Error> {
    body.get(need..).ok_or(Error::Truncated { what, need, have: body.len(), section })
}
