//! VP8 payloads (RFC 7741) and the few fields of the VP8 frame header (RFC 6386 §9.1) that transport needs.

use smallvec::smallvec;

use super::{
    descriptor::{CodecDescriptor, Lead, MediaRange, PayloadDescriptor, PictureId},
    error::Error,
    fragments::fragments,
    frame::FrameInfo,
};

const FORMAT: &str = "VP8";
const SECTION: &str = "RFC 7741 §4.2";

/// What the frame header of a VP8 frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8FrameHeader {
    /// Whether this is a key frame.
    pub keyframe: bool,
    /// Width and height in pixels; key frames only.
    pub dimensions: Option<(u16, u16)>,
}

impl Vp8FrameHeader {
    /// Reads the uncompressed data chunk at the start of a frame (RFC 6386 §9.1); `None` for an empty frame.
    /// A key frame whose dimensions are cut off or whose start code is wrong has none.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let keyframe = frame.first()? & 1 == 0;
        let dimensions = match frame {
            [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] if keyframe => Some((
                u16::from_le_bytes([*w0, *w1]) & 0x3FFF,
                u16::from_le_bytes([*h0, *h1]) & 0x3FFF,
            )),
            _ => None,
        };
        Some(Self { keyframe, dimensions })
    }
}

/// Sends VP8: keeps the running numbers.
#[derive(Debug, Clone)]
pub(crate) struct Vp8Packetizer {
    picture_id: u16,
    tl0_picture_index: u8,
}

/// X, extension bits, 15-bit picture id, TL0PICIDX, TID/Y/KEYIDX.
const MAX_DESCRIPTOR: usize = 6;

impl Vp8Packetizer {
    pub(crate) fn new(picture_id: u16, tl0_picture_index: u8) -> Self {
        Self { picture_id: picture_id & 0x7FFF, tl0_picture_index }
    }

    pub(crate) fn packetize(
        &mut self,
        frame: &[u8],
        info: &FrameInfo,
        max_payload: usize,
        emit: &mut impl FnMut(&[&[u8]], bool),
    ) -> Result<(), Error> {
        let mut descriptor = [0u8; MAX_DESCRIPTOR];
        let has_layers = info.temporal_layer.is_some();
        let len = if has_layers { MAX_DESCRIPTOR } else { 4 };
        if max_payload <= len {
            return Err(Error::PayloadLimitTooSmall { format: FORMAT, max: max_payload });
        }
        if frame.is_empty() {
            return Err(Error::InvalidFrame { format: FORMAT, reason: "the frame is empty" });
        }
        descriptor[0] = 0x80 | u8::from(info.discardable) << 5;
        descriptor[1] = if has_layers { 0xE0 } else { 0x80 };
        descriptor[2..4].copy_from_slice(&(0x8000 | self.picture_id).to_be_bytes());
        if let Some(layer) = info.temporal_layer {
            if layer == 0 {
                self.tl0_picture_index = self.tl0_picture_index.wrapping_add(1);
            }
            descriptor[4] = self.tl0_picture_index;
            descriptor[5] = (layer & 3) << 6 | u8::from(info.layer_sync) << 5;
        }
        for piece in fragments(frame, max_payload - len) {
            // Partitions are not told apart: S on the first packet only, PID 0 throughout, as §4.2 allows.
            let first = descriptor[0] | u8::from(piece.is_first) << 4;
            emit(
                &[&[first], &descriptor[1..len], piece.bytes],
                piece.is_last && info.end_of_picture,
            );
        }
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        Ok(())
    }
}

/// RFC 7741 §4.2, §4.3.
pub(crate) fn read(payload: &[u8]) -> Result<PayloadDescriptor, Error> {
    let mut offset = 0;
    let mut next = |field| {
        let byte = payload.get(offset).copied().ok_or(Error::Truncated {
            format: FORMAT,
            field,
            offset,
            section: SECTION,
        });
        offset += 1;
        byte
    };
    let mut out = PayloadDescriptor::default();
    let first = next("the payload descriptor")?;
    let partition = first & 7;
    out.discardable = first & 0x20 != 0;
    out.start_of_frame = first & 0x10 != 0 && partition == 0;
    let mut key_index = None;
    if first & 0x80 != 0 {
        let extension = next("the extension bits")?;
        if extension & 0x80 != 0 {
            let high = next("PictureID")?;
            out.picture_id = Some(if high & 0x80 != 0 {
                let value = u16::from(high & 0x7F) << 8 | u16::from(next("PictureID")?);
                PictureId { value, is_long: true }
            } else {
                PictureId { value: u16::from(high), is_long: false }
            });
        }
        if extension & 0x40 != 0 {
            out.tl0_picture_index = Some(next("TL0PICIDX")?);
        }
        if extension & 0x30 != 0 {
            let byte = next("TID/Y/KEYIDX")?;
            if extension & 0x20 != 0 {
                out.temporal_layer = Some(byte >> 6);
                out.layer_sync = byte & 0x20 != 0;
            }
            if extension & 0x10 != 0 {
                key_index = Some(byte & 0x1F);
            }
        }
    }
    if offset >= payload.len() {
        return Err(Error::Truncated { format: FORMAT, field: "media", offset, section: SECTION });
    }
    if out.start_of_frame {
        let header = Vp8FrameHeader::read(&payload[offset..]);
        out.keyframe = header.is_some_and(|h| h.keyframe);
        out.dimensions = header.and_then(|h| h.dimensions);
    }
    out.codec = CodecDescriptor::Vp8 { key_index, partition };
    out.media = smallvec![MediaRange::new(offset..payload.len(), Lead::None)];
    Ok(out)
}
