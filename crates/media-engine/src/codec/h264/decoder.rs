//! Decoding.

use std::time::Duration;

use peerage_openh264::openh264::decoder::{DecodeOptions, Decoder, Flush};
use peerage_openh264::openh264::formats::YUVSource;

use super::{CODEC, implementation};
use crate::codec::video::DECODED_PICTURES;
use crate::codec::{CodecError, VideoDecoder};
use crate::video::{PicturePool, Rotation, VideoFrame};

/// Access units longer than this are refused: 8 MiB. The library takes lengths as 32 bits with a sign.
const MAX_ACCESS_UNIT: usize = 8 << 20;

/// Decodes H.264: progressive, 4:2:0, 8 bits. The library takes pictures of up to 36,864 macroblocks (level 5.2), which bounds its
/// memory.
pub struct H264Decoder {
    decoder: Decoder,
    /// Pictures that were shown serve again.
    pool: PicturePool,
    /// Pictures are shown in another order than they are decoded, as nobody does in a conversation.
    reorders: bool,
}

impl std::fmt::Debug for H264Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("H264Decoder").finish_non_exhaustive()
    }
}

impl H264Decoder {
    /// A decoder that gives a picture for each access unit at once.
    ///
    /// # Errors
    ///
    /// [`CodecError::Library`] where the library has no memory.
    pub fn new() -> Result<Self, CodecError> {
        let decoder = Decoder::new()
            .map_err(|error| CodecError::Library { codec: CODEC, reason: error.to_string() })?;
        Ok(Self { decoder, pool: PicturePool::new(DECODED_PICTURES), reorders: false })
    }

    /// One for files, whose pictures may come in another order than they are shown: it holds back what is not due yet, which
    /// [`flush`](Self::flush) gives at the end.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn reordering() -> Result<Self, CodecError> {
        Ok(Self { reorders: true, ..Self::new()? })
    }

    /// What was held back.
    ///
    /// # Errors
    ///
    /// [`CodecError::Damaged`] where it cannot be decoded.
    pub fn flush(&mut self) -> Result<Vec<VideoFrame>, CodecError> {
        let pictures = self.decoder.flush_remaining().map_err(damaged)?;
        pictures.iter().map(|picture| frame(&mut self.pool, picture)).collect()
    }
}

fn damaged(error: impl std::fmt::Display) -> CodecError {
    CodecError::Damaged { codec: CODEC, reason: error.to_string() }
}

fn frame(pool: &mut PicturePool, picture: &impl YUVSource) -> Result<VideoFrame, CodecError> {
    let (width, height) = picture.dimensions();
    let (y, u, v) = picture.strides();
    let size = |value: usize| u16::try_from(value).unwrap_or(0);
    let planes = [picture.y(), picture.u(), picture.v()];
    let picture = pool
        .copy(size(width), size(height), planes, [y, u, v])
        .ok_or_else(|| damaged(format_args!("a picture of {width}x{height}")))?;
    Ok(VideoFrame { picture, time: Duration::ZERO, rotation: Rotation::None })
}

impl VideoDecoder for H264Decoder {
    fn implementation(&self) -> String {
        implementation()
    }

    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        // No data means the end of the stream to the library.
        if !(1..=MAX_ACCESS_UNIT).contains(&data.len()) {
            return Err(damaged(format_args!("an access unit of {} bytes", data.len())));
        }
        let flush = if self.reorders { Flush::NoFlush } else { Flush::Flush };
        let options = DecodeOptions::new().flush_after_decode(flush);
        let picture = self.decoder.decode_with_options(data, options).map_err(damaged)?;
        picture.as_ref().map(|picture| frame(&mut self.pool, picture)).transpose()
    }
}
