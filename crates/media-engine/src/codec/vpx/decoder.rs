//! Decoding.

use std::time::Duration;

use peerage_vpx::{Codec, Decoder};

use super::error;
use crate::codec::video::DECODED_PICTURES;
use crate::codec::{CodecError, MAX_LUMA, VideoDecoder};
use crate::video::{PicturePool, Rotation, VideoFrame};

/// Decodes VP8 or VP9 (profile 0). A picture of VP9 with spatial layers is handed over with all its layers one after the other,
/// and comes out in the size of the highest.
#[derive(Debug)]
pub struct VpxDecoder {
    decoder: Decoder,
    /// Pictures that were shown serve again.
    pool: PicturePool,
}

impl VpxDecoder {
    /// A decoder with so many threads (1 is enough for 720p).
    ///
    /// # Errors
    ///
    /// [`CodecError::Library`] where libvpx was built without this codec.
    pub fn new(codec: Codec, threads: u32) -> Result<Self, CodecError> {
        let decoder = Decoder::new(codec, threads, MAX_LUMA).map_err(error)?;
        Ok(Self { decoder, pool: PicturePool::new(DECODED_PICTURES) })
    }
}

impl VideoDecoder for VpxDecoder {
    fn implementation(&self) -> String {
        format!("libvpx {}", peerage_vpx::version())
    }

    fn quantizer(&mut self) -> Option<u8> {
        self.decoder.quantizer()
    }

    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError> {
        let codec = self.decoder.codec().name();
        let Some(picture) = self.decoder.decode(data).map_err(error)? else { return Ok(None) };
        let size = |value: u32| u16::try_from(value).unwrap_or(0);
        let (width, height) = (size(picture.width), size(picture.height));
        let picture =
            self.pool.copy(width, height, picture.planes, picture.strides).ok_or_else(|| {
                CodecError::Damaged {
                    codec,
                    reason: format!("a picture of {}x{}", picture.width, picture.height),
                }
            })?;
        Ok(Some(VideoFrame { picture, time: Duration::ZERO, rotation: Rotation::None }))
    }
}
