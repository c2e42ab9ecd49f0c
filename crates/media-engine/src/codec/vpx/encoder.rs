//! Encoding.

use bytes::Bytes;
use peerage_vpx::{
    Codec, Encoder, EncoderConfig, Flags, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS, Packet, Planes,
};

use super::{error, temporal};
use crate::codec::layered::{BUFFER, EncoderClock, check_layers, most_of_keyframes, rates};
use crate::codec::limits::{check_size, check_target};
use crate::codec::{
    CodecError, Content, EncodedPicture, PictureRequest, VideoEncoder, VideoEncoderInfo,
    VideoTarget,
};
use crate::video::VideoFrame;

/// How pictures are encoded. What may change with every picture is in [`VideoTarget`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VpxConfig {
    /// Which codec.
    pub codec: Codec,
    /// Temporal layers, 1 to 3; each doubles the rate of pictures.
    pub temporal_layers: u8,
    /// Spatial layers, 1 to 3; each doubles width and height. VP9 only.
    pub spatial_layers: u8,
    /// Threads, 1 to 16.
    pub threads: u32,
    /// What pictures show.
    pub content: Content,
    /// Whether pictures are left out where the rate is exceeded otherwise.
    pub drop_frames: bool,
    /// libvpx's `cpu-used`; chosen by codec and size where `None`.
    pub speed: Option<i32>,
}

impl VpxConfig {
    /// A camera's pictures, without layers, by one thread.
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            temporal_layers: 1,
            spatial_layers: 1,
            threads: 1,
            content: Content::Camera,
            drop_frames: true,
            speed: None,
        }
    }

    fn check(&self) -> Result<(), CodecError> {
        let codec = self.codec.name();
        let spatial = if self.codec == Codec::Vp8 { 1 } else { MAX_SPATIAL_LAYERS };
        let layers = (self.temporal_layers, self.spatial_layers);
        check_layers(codec, layers, (MAX_TEMPORAL_LAYERS, spatial))
    }
}

/// Encodes VP8 or VP9.
#[derive(Debug)]
pub struct VpxEncoder {
    config: VpxConfig,
    target: VideoTarget,
    /// Made for the size of the first picture, and anew for each other size.
    encoder: Option<Encoder>,
    clock: EncoderClock,
    /// The place of the next picture in the pattern of temporal layers.
    index: u32,
    packets: Vec<Packet>,
}

impl VpxEncoder {
    /// An encoder; it allocates when the first picture comes.
    ///
    /// # Errors
    ///
    /// [`CodecError::Argument`] for layers that the codec does not have.
    pub fn new(config: VpxConfig) -> Result<Self, CodecError> {
        config.check()?;
        let target = VideoTarget::default();
        let clock = EncoderClock::default();
        Ok(Self { config, target, encoder: None, clock, index: 0, packets: Vec::new() })
    }

    fn settings(&self, width: u16, height: u16) -> EncoderConfig {
        let VpxConfig { codec, temporal_layers, spatial_layers, threads, content, .. } =
            self.config;
        let screen = content == Content::Screen;
        let area = u32::from(width) * u32::from(height);
        let layered = temporal_layers > 1 || spatial_layers > 1;
        let (buffer, buffer_initial, buffer_optimal) = BUFFER;
        let (quantizers, deviation, speed) = match codec {
            Codec::Vp8 => (if screen { (12, 56) } else { (2, 56) }, (100, 15), -6),
            Codec::Vp9 => {
                let speed = if area > 1280 * 720 { 8 } else { 7 };
                (if screen { (8, 52) } else { (2, 52) }, (50, 50), speed)
            }
        };
        EncoderConfig {
            width: width.into(),
            height: height.into(),
            threads: threads.clamp(1, 16),
            temporal_layers: temporal_layers.into(),
            spatial_layers: spatial_layers.into(),
            rates: rates(self.target.bitrate, (temporal_layers, spatial_layers)),
            drop_frame_threshold: if self.config.drop_frames { 30 } else { 0 },
            min_quantizer: quantizers.0,
            max_quantizer: quantizers.1,
            undershoot: deviation.0,
            overshoot: deviation.1,
            buffer,
            buffer_initial,
            buffer_optimal,
            error_resilient: layered,
            speed: self.config.speed.unwrap_or(speed),
            max_intra_percent: most_of_keyframes(self.target.framerate),
            static_threshold: match codec {
                Codec::Vp8 if screen => 100,
                Codec::Vp8 => 1,
                Codec::Vp9 => 0,
            },
            noise_sensitivity: 0,
            screen,
        }
    }

    /// The encoder for pictures of a size.
    fn prepare(&mut self, width: u16, height: u16) -> Result<(), CodecError> {
        let fits = self.encoder.as_ref().is_some_and(|encoder| {
            let config = encoder.config();
            (config.width, config.height) == (width.into(), height.into())
        });
        if !fits {
            let codec = self.config.codec.name();
            let least = match self.config.codec {
                // libvpx reads beyond what it has of pictures smaller than a macroblock.
                Codec::Vp8 => 16,
                // Each spatial layer has half the size of the next.
                Codec::Vp9 => 1 << (self.config.spatial_layers - 1),
            };
            check_size(codec, width, height, least)?;
            self.encoder = None;
            let settings = self.settings(width, height);
            self.encoder = Some(Encoder::new(self.config.codec, settings).map_err(error)?);
            self.index = 0;
        }
        Ok(())
    }
}

impl VideoEncoder for VpxEncoder {
    fn info(&self) -> VideoEncoderInfo {
        VideoEncoderInfo {
            implementation: format!("libvpx {}", peerage_vpx::version()),
            // On the scales of the bitstreams, 0 to 127 and 0 to 255.
            quantizer_range: Some(match self.config.codec {
                Codec::Vp8 => (29, 95),
                Codec::Vp9 => (149, 205),
            }),
        }
    }

    fn layers(&self) -> (u8, u8) {
        (self.config.temporal_layers, self.config.spatial_layers)
    }

    fn set_target(&mut self, target: VideoTarget) -> Result<(), CodecError> {
        check_target(self.config.codec.name(), target, 240.0)?;
        if target == self.target {
            return Ok(());
        }
        self.target = target;
        let Some(config) = self.encoder.as_ref().map(Encoder::config) else { return Ok(()) };
        let (width, height) = (config.width as u16, config.height as u16);
        let settings = self.settings(width, height);
        match &mut self.encoder {
            Some(encoder) => encoder.configure(settings).map_err(error),
            None => Ok(()),
        }
    }

    fn encode(
        &mut self,
        frame: &VideoFrame,
        request: PictureRequest,
        out: &mut Vec<EncodedPicture>,
    ) -> Result<(), CodecError> {
        let (width, height) = (frame.picture.width(), frame.picture.height());
        self.prepare(width, height)?;
        let (time, duration) = self.clock.advance(frame.time, self.target.framerate);
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let vp8 = self.config.codec == Codec::Vp8;
        let layers = self.config.temporal_layers;
        let keyframe = request.keyframe || self.index == 0;
        let place = if keyframe { 0 } else { self.index };
        let step = temporal::step(layers, place);
        let flags = Flags { keyframe, ..if vp8 { step.flags } else { Flags::default() } };
        let (y, u, v) = frame.picture.planes();
        self.packets.clear();
        encoder
            .encode(Planes { y, u, v }, time, duration, flags, &mut self.packets)
            .map_err(error)?;
        if self.packets.is_empty() {
            return Ok(());
        }
        self.index = place + 1;
        let quantizer = encoder.quantizer();
        let last = self.packets.len() - 1;
        for (at, packet) in self.packets.drain(..).enumerate() {
            let temporal_layer = packet.temporal_layer;
            let size = |value: u32, whole: u16| match u16::try_from(value) {
                Ok(value @ 1..) => value,
                _ => whole,
            };
            let top = temporal_layer > 0 && temporal_layer + 1 == layers;
            out.push(EncodedPicture {
                dimensions: (size(packet.dimensions.0, width), size(packet.dimensions.1, height)),
                quantizer,
                temporal_layer,
                spatial_layer: packet.spatial_layer,
                discardable: if vp8 { step.discardable } else { top },
                // VP9's pattern of three layers is 0 2 1 2, in which the second picture of the top layer refers to the middle one.
                layer_sync: if vp8 {
                    step.layer_sync
                } else {
                    temporal_layer > 0 && place % 4 != 3
                },
                inter_layer_predicted: packet.keyframe && packet.spatial_layer > 0,
                end_of_picture: at == last,
                ..EncodedPicture::new(Bytes::from(packet.data), packet.keyframe, (width, height))
            });
        }
        Ok(())
    }
}
