//! What a codec of pictures does.

use bytes::Bytes;
use peerage_rtp::payload::FrameInfo;

use super::CodecError;
use crate::video::VideoFrame;

/// Pictures that a decoder keeps to fill again: as many as wait to be shown, and some.
#[cfg_attr(not(any(feature = "vpx", feature = "h264", feature = "av1")), expect(dead_code))]
pub(crate) const DECODED_PICTURES: usize = 20;

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

impl VideoTarget {
    /// So many bits and pictures a second.
    pub fn new(bitrate: u64, framerate: f32) -> Self {
        Self { bitrate, framerate }
    }
}

/// What is asked for with one picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PictureRequest {
    /// It must be decodable by itself.
    pub keyframe: bool,
}

impl PictureRequest {
    /// With or without a keyframe.
    #[must_use]
    pub fn with_keyframe(self, keyframe: bool) -> Self {
        Self { keyframe }
    }
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
    /// It refers to the lowest temporal layer only, so that whoever gets less may join its layer here.
    pub layer_sync: bool,
    /// It is predicted from the spatial layer below it in the same picture.
    pub inter_layer_predicted: bool,
    /// No further spatial layer of the same picture follows.
    pub end_of_picture: bool,
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
            layer_sync: false,
            inter_layer_predicted: false,
            end_of_picture: true,
        }
    }

    /// What a packetiser is told of it. `layers` are how many temporal and spatial layers the stream has.
    pub fn frame_info(&self, timestamp: u32, layers: (u8, u8)) -> FrameInfo {
        FrameInfo {
            keyframe: Some(self.keyframe),
            timestamp,
            discardable: self.discardable,
            temporal_layer: (layers.0 > 1).then_some(self.temporal_layer),
            layer_sync: self.layer_sync,
            spatial_layer: (layers.1 > 1).then_some(self.spatial_layer),
            inter_layer_predicted: self.inter_layer_predicted,
            end_of_picture: self.end_of_picture,
            dimensions: Some(self.dimensions),
            ..FrameInfo::default()
        }
    }
}

/// What pictures show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// What a camera sees: rather a worse picture than a late one.
    #[default]
    Camera,
    /// A screen: text stays readable, pictures may be left out.
    Screen,
}

/// What an encoder is made for: it holds as long as the encoder lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VideoEncoderSettings {
    /// Temporal layers that are wanted, 1 to 3.
    pub temporal_layers: u8,
    /// Spatial layers that are wanted, 1 to 3.
    pub spatial_layers: u8,
    /// The pictures are of a screen, or text: sharpness matters more than their rate.
    pub screen: bool,
}

impl Default for VideoEncoderSettings {
    /// A camera's pictures without layers.
    fn default() -> Self {
        Self { temporal_layers: 1, spatial_layers: 1, screen: false }
    }
}

impl VideoEncoderSettings {
    /// With so many temporal and spatial layers.
    #[must_use]
    pub fn with_layers(self, temporal_layers: u8, spatial_layers: u8) -> Self {
        Self { temporal_layers, spatial_layers, ..self }
    }

    /// Of a screen, or not.
    #[must_use]
    pub fn with_screen(self, screen: bool) -> Self {
        Self { screen, ..self }
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

impl VideoEncoderInfo {
    /// Of this name, without anything known of its quantisers.
    pub fn new(implementation: impl Into<String>) -> Self {
        Self { implementation: implementation.into(), quantizer_range: None }
    }
}

/// Encodes pictures.
pub trait VideoEncoder: Send {
    /// What it is.
    fn info(&self) -> VideoEncoderInfo;
    /// How many temporal and spatial layers it makes, which may be fewer than were wanted.
    fn layers(&self) -> (u8, u8) {
        (1, 1)
    }
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
    /// The quantiser of the picture that was decoded last, on the codec's own scale (`qpSum` of webrtc-stats); `None` where the
    /// library does not tell.
    fn quantizer(&mut self) -> Option<u8> {
        None
    }
}
