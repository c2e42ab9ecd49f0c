//! Decoding.

use std::time::Duration;

use peerage_dav1d::{Decoder, Error};

use super::CODEC;
use crate::codec::video::DECODED_PICTURES;
use crate::codec::{CodecError, MAX_LUMA, VideoDecoder};
use crate::video::{PicturePool, Rotation, VideoFrame};

/// Decodes AV1 (main profile, 8 bits). A picture with spatial layers is handed over with all its layers one after the other, and comes
/// out in the size of the highest. Film grain is put on, as the stream asks for it.
#[derive(Debug)]
pub struct Av1Decoder {
    decoder: Decoder,
    /// Pictures that were shown serve again.
    pool: PicturePool,
}

impl Av1Decoder {
    /// A decoder with so many threads (1 is enough for 720p).
    ///
    /// # Errors
    ///
    /// [`CodecError::Library`] where there is no memory.
    pub fn new(threads: u32) -> Result<Self, CodecError> {
        let decoder = Decoder::new(threads, MAX_LUMA).map_err(error)?;
        Ok(Self { decoder, pool: PicturePool::new(DECODED_PICTURES) })
    }
}

fn error(error: Error) -> CodecError {
    let reason = error.to_string();
    match error {
        Error::Memory => CodecError::Library { codec: CODEC, reason },
        _ => CodecError::Damaged { codec: CODEC, reason },
    }
}

impl VideoDecoder for Av1Decoder {
    fn implementation(&self) -> String {
        format!("dav1d {}", peerage_dav1d::version())
    }

    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        let Some(picture) = self.decoder.decode(data).map_err(error)? else { return Ok(None) };
        let size = |value: u32| u16::try_from(value).unwrap_or(0);
        let (width, height) = (size(picture.width), size(picture.height));
        let picture =
            self.pool.copy(width, height, picture.planes, picture.strides).ok_or_else(|| {
                CodecError::Damaged {
                    codec: CODEC,
                    reason: format!("a picture of {}x{}", picture.width, picture.height),
                }
            })?;
        Ok(Some(VideoFrame { picture, time: Duration::ZERO, rotation: Rotation::None }))
    }
}
