//! What a codec of pictures does.

use bytes::Bytes;

use super::CodecError;
use crate::video::VideoFrame;

/// What is wanted of an encoder of pictures. It may change with every picture.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct VideoTarget {
    /// Bits a second, all layers together.
    pub bitrate: u64,
    /// Pictures a second that come, which the rate of each is reckoned by.
    pub framerate: f32,
}

impl Default for VideoTarget {
    /// 500 kbit/s, 30 pictures a second.
    fn default() -> Self {
        Self { bitrate: 500_000, framerate: 30.0 }
    }
}

/// What is asked for with one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureRequest {
    /// It must be decodable by itself.
    pub keyframe: bool,
}

/// An encoded picture, or one spatial layer of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodedPicture {
    /// The bitstream, as payload formats take it (Annex B for H.264, low-overhead OBUs for AV1).
    pub data: Bytes,
    /// It can be decoded by itself.
    pub keyframe: bool,
    /// Width and height.
    pub dimensions: (u16, u16),
    /// The quantiser, on the codec's own scale, where the encoder tells: what a quality scaler looks at.
    pub quantizer: Option<u8>,
    /// Temporal layer, zero where there is one only.
    pub temporal_layer: u8,
    /// Spatial layer, zero where there is one only.
    pub spatial_layer: u8,
    /// No other picture refers to it.
    pub discardable: bool,
}

impl EncodedPicture {
    /// One that others may refer to, without layers.
    pub fn new(data: Bytes, keyframe: bool, dimensions: (u16, u16)) -> Self {
        Self {
            data,
            keyframe,
            dimensions,
            quantizer: None,
            temporal_layer: 0,
            spatial_layer: 0,
            discardable: false,
        }
    }
}

/// What whoever drives an encoder has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoEncoderInfo {
    /// The library and its version.
    pub implementation: String,
    /// Quantisers below and above which pictures of this codec look better and worse than they need to.
    pub quantizer_range: Option<(u8, u8)>,
}

/// Encodes pictures.
pub trait VideoEncoder: Send {
    /// What it is.
    fn info(&self) -> VideoEncoderInfo;
    /// Changes what is wanted, within the next pictures.
    fn set_target(&mut self, target: VideoTarget) -> Result<(), CodecError>;
    /// Encodes a picture and appends what comes of it to `out`: nothing where the encoder leaves it out to keep to its rate,
    /// one for each spatial layer else. Another size than before makes a keyframe.
    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<EncodedPicture>,
    ) -> Result<(), CodecError>;
}

/// Decodes pictures.
pub trait VideoDecoder: Send {
    /// The library and its version.
    fn implementation(&self) -> String;
    /// Decodes what was encoded of one moment. `None` where it shows nothing. Time and rotation of the picture are zero, for
    /// the caller to fill in.
    ///
    /// After an error, pictures that refer to what could not be decoded may be wrong: the caller asks for a keyframe.
    fn decode(&mut self, data: &[u8]) -> Result<Option<VideoFrame>, CodecError>;
}
