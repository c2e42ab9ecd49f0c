//! Redundant payloads around video (RFC 2198): how ULPFEC shares the media's SSRC and numbers. A packet holds one block,
//! media or parity; more are read.

use crate::error::Error;
use crate::number::PayloadType;

/// A block of a redundant payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedBlock<'a> {
    /// What it is.
    pub payload_type: PayloadType,
    /// How long before the packet's timestamp it was sampled; 0 for the primary, which is the last.
    pub timestamp_offset: u16,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The most blocks this crate reads of a packet.
pub const MAX_RED_BLOCKS: usize = 32;

/// Calls `block` for each block in order, the primary last.
///
/// # Errors
///
/// [`Error::Truncated`] where a block reaches beyond the payload, [`Error::TooMany`] beyond [`MAX_RED_BLOCKS`] (RFC 2198
/// §3). Some blocks may have been given by then only if none of the headers is malformed.
pub fn blocks<'a>(payload: &'a [u8], mut block: impl FnMut(RedBlock<'a>)) -> Result<(), Error> {
    const SECTION: &str = "RFC 2198 §3";
    let truncated = |need| Error::Truncated {
        what: "RED payload",
        need,
        have: payload.len(),
        section: SECTION,
    };
    // First find the end of the headers and check all lengths.
    let (mut headers, mut total, mut count) = (0, 0, 0);
    loop {
        let first = *payload.get(headers).ok_or(truncated(headers + 1))?;
        if first & 0x80 == 0 {
            headers += 1;
            break;
        }
        let header = payload.get(headers..headers + 4).ok_or(truncated(headers + 4))?;
        total += usize::from(u16::from_be_bytes([header[2], header[3]]) & 0x3FF);
        headers += 4;
        count += 1;
        if count == MAX_RED_BLOCKS {
            return Err(Error::TooMany {
                what: "RED blocks",
                have: count + 1,
                limit: MAX_RED_BLOCKS,
                section: SECTION,
            });
        }
    }
    let mut rest = payload
        .get(headers..)
        .filter(|rest| rest.len() >= total)
        .ok_or(truncated(headers + total))?;
    for header in payload[..headers].chunks(4) {
        let payload_type = PayloadType::from_low_bits(header[0]);
        if header[0] & 0x80 == 0 {
            block(RedBlock { payload_type, timestamp_offset: 0, payload: rest });
            break;
        }
        // 14 bits of offset, 10 of length.
        let timestamp_offset = u16::from_be_bytes([header[1], header[2]]) >> 2;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]) & 0x3FF);
        let (payload, after) = rest.split_at(len);
        block(RedBlock { payload_type, timestamp_offset, payload });
        rest = after;
    }
    Ok(())
}

/// Appends the header of a payload with a single block, which the caller appends (RFC 2198 §3).
pub fn write_single(payload_type: PayloadType, out: &mut Vec<u8>) {
    out.push(payload_type.get());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_in_order() {
        let mut payload = vec![0x80 | 97, 0x00, 0x28, 0x03]; // offset 10, length 3
        payload.push(96);
        payload.extend_from_slice(b"oldnew!");
        let mut read = Vec::new();
        blocks(&payload, |block| {
            read.push((block.payload_type.get(), block.timestamp_offset, block.payload));
        })
        .unwrap();
        assert_eq!(read, [(97, 10, &b"old"[..]), (96, 0, b"new!")]);
        for len in [0, 1, 3, 4, 7] {
            assert!(blocks(&payload[..len], |_| panic!()).is_err(), "{len}");
        }
        assert!(blocks(&[0x80; 400], |_| panic!()).is_err());
        let mut single = Vec::new();
        write_single(PayloadType::from_low_bits(96), &mut single);
        single.extend_from_slice(b"media");
        blocks(&single, |block| assert_eq!(block.payload, b"media")).unwrap();
    }
}
