//! Redundant audio (RFC 2198): a packet brings its own frame and copies of those before it.

use arrayvec::ArrayVec;
use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use super::{
    descriptor::{Lead, MediaRange, PayloadDescriptor},
    error::Error,
    frame::FrameInfo,
};

const FORMAT: &str = "red";
const SECTION: &str = "RFC 2198 §3";

/// Blocks in a packet, the primary included; more are refused. Browsers send two or three.
pub const MAX_BLOCKS: usize = 32;

/// Most redundant frames a packetiser adds to a packet.
pub const MAX_REDUNDANCY: usize = 8;

/// A block of a redundant audio packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedBlock {
    /// Payload type of the block's encoding.
    pub payload_type: u8,
    /// How far before the packet's timestamp the block's is; 0 for the primary.
    pub timestamp_offset: u16,
    /// Where in the payload the block's frame is.
    pub range: std::ops::Range<usize>,
}

/// Finds the blocks of a payload, in the order in which they stand there: oldest first, the primary last.
///
/// # Errors
///
/// The payload is cut off or has more than [`MAX_BLOCKS`].
pub fn blocks(payload: &[u8]) -> Result<SmallVec<[RedBlock; 4]>, Error> {
    let truncated =
        |field, offset| Error::Truncated { format: FORMAT, field, offset, section: SECTION };
    let mut out: SmallVec<[RedBlock; 4]> = SmallVec::new();
    let mut lengths: SmallVec<[usize; 4]> = SmallVec::new();
    let mut offset = 0;
    loop {
        let &first = payload.get(offset).ok_or(truncated("a block header", offset))?;
        if out.len() == MAX_BLOCKS {
            let reason = "too many blocks";
            return Err(Error::Malformed { format: FORMAT, reason, section: SECTION });
        }
        let payload_type = first & 0x7F;
        if first & 0x80 == 0 {
            offset += 1;
            out.push(RedBlock { payload_type, timestamp_offset: 0, range: 0..0 });
            break;
        }
        let Some(&[_, high, middle, low]) = payload.get(offset..offset + 4) else {
            return Err(truncated("a block header", payload.len()));
        };
        offset += 4;
        // 14 bits of timestamp offset, 10 bits of block length.
        let timestamp_offset = u16::from(high) << 6 | u16::from(middle >> 2);
        lengths.push(usize::from(middle & 3) << 8 | usize::from(low));
        out.push(RedBlock { payload_type, timestamp_offset, range: 0..0 });
    }
    for (block, length) in out.iter_mut().zip(lengths) {
        let end = offset + length;
        if end > payload.len() {
            return Err(truncated("a redundant block", payload.len()));
        }
        block.range = offset..end;
        offset = end;
    }
    if let Some(primary) = out.last_mut() {
        primary.range = offset..payload.len();
    }
    Ok(out)
}

pub(crate) fn read(payload: &[u8]) -> Result<PayloadDescriptor, Error> {
    let primary = blocks(payload)?.pop().map_or(0..0, |block| block.range);
    Ok(PayloadDescriptor {
        start_of_frame: true,
        end_of_frame: true,
        keyframe: true,
        media: smallvec![MediaRange::new(primary, Lead::None)],
        ..PayloadDescriptor::default()
    })
}

/// Sends redundant audio: keeps the last frames. This is the one packetiser that copies media, because a frame is sent
/// again after its caller has let go of it.
#[derive(Debug, Clone)]
pub(crate) struct RedPacketizer {
    block_payload_type: u8,
    redundancy: usize,
    /// Timestamp and data, oldest first.
    sent: ArrayVec<(u32, Bytes), MAX_REDUNDANCY>,
}

impl RedPacketizer {
    pub(crate) fn new(block_payload_type: u8, redundancy: u8) -> Self {
        let redundancy = usize::from(redundancy).min(MAX_REDUNDANCY);
        Self { block_payload_type: block_payload_type & 0x7F, redundancy, sent: ArrayVec::new() }
    }

    pub(crate) fn packetize(
        &mut self,
        frame: &[u8],
        info: &FrameInfo,
        max_payload: usize,
        emit: &mut impl FnMut(&[&[u8]], bool),
    ) -> Result<(), Error> {
        let mut size = 1 + frame.len();
        if size > max_payload {
            let max = max_payload;
            return Err(Error::TooLarge { format: FORMAT, size, max, section: SECTION });
        }
        // The newest that fit: they are the most likely to be of use.
        let mut first = self.sent.len();
        while first > 0 {
            let (timestamp, data) = &self.sent[first - 1];
            let offset = info.timestamp.wrapping_sub(*timestamp);
            let added = 4 + data.len();
            if offset == 0 || offset > MAX_OFFSET || size + added > max_payload {
                break;
            }
            size += added;
            first -= 1;
        }
        let redundant = &self.sent[first..];
        let mut headers: ArrayVec<u8, { 4 * MAX_REDUNDANCY + 1 }> = ArrayVec::new();
        for (timestamp, data) in redundant {
            let offset = info.timestamp.wrapping_sub(*timestamp) as u16;
            let word = u32::from(self.block_payload_type | 0x80) << 24
                | u32::from(offset) << 10
                | data.len() as u32;
            headers.extend(word.to_be_bytes());
        }
        headers.push(self.block_payload_type);
        let mut parts: ArrayVec<&[u8], { MAX_REDUNDANCY + 2 }> = ArrayVec::new();
        parts.push(&headers);
        parts.extend(redundant.iter().map(|(_, data)| &data[..]));
        parts.push(frame);
        emit(&parts, info.after_silence);
        drop(parts);
        if self.redundancy > 0 {
            if self.sent.len() == self.redundancy {
                self.sent.remove(0);
            }
            // Longer ones cannot be sent as redundancy; an empty place keeps no older one in.
            if frame.len() <= MAX_LENGTH {
                self.sent.push((info.timestamp, Bytes::copy_from_slice(frame)));
            }
        }
        Ok(())
    }
}

/// 14 bits of timestamp offset.
const MAX_OFFSET: u32 = 0x3FFF;
/// 10 bits of block length.
const MAX_LENGTH: usize = 0x3FF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_sent_again() {
        let mut packetizer = RedPacketizer::new(111, 2);
        let mut packets = Vec::new();
        for index in 0..4u32 {
            let info = FrameInfo { timestamp: index * 960, ..FrameInfo::default() };
            let frame = [index as u8; 5];
            packetizer
                .packetize(&frame, &info, 1200, &mut |parts, _| packets.push(parts.concat()))
                .unwrap();
        }
        let last = blocks(&packets[3]).unwrap();
        let seen: Vec<_> = last
            .iter()
            .map(|block| {
                (
                    block.payload_type,
                    block.timestamp_offset,
                    packets[3][block.range.clone()].to_vec(),
                )
            })
            .collect();
        assert_eq!(seen, [(111, 1920, vec![1; 5]), (111, 960, vec![2; 5]), (111, 0, vec![3; 5])]);
        assert_eq!(blocks(&packets[0]).unwrap().len(), 1);
        // The example of RFC 2198 §4: one redundant block of 14 bytes.
        let mut example = vec![0x80 | 7, 0x0A, 0, 14, 5];
        example.extend([1; 14]);
        example.extend([2; 3]);
        let read = blocks(&example).unwrap();
        assert_eq!((read[0].timestamp_offset, read[0].range.clone()), (10 << 6, 5..19));
        assert_eq!((read[1].payload_type, read[1].range.clone()), (5, 19..22));
    }

    #[test]
    fn cut_off_packets_are_refused() {
        for payload in [&[][..], &[0x80], &[0x80, 0, 0, 5], &[0x80, 0, 0, 5, 0, 1, 2, 3, 4]] {
            assert!(blocks(payload).is_err(), "{payload:?}");
        }
        let endless = [0x80; 4 * (MAX_BLOCKS + 2)];
        assert!(blocks(&endless).is_err());
    }
}
