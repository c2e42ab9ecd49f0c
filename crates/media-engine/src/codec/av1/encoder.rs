//! Encoding.

use bytes::Bytes;
use peerage_aom::{
    Encoder, EncoderConfig, Error, MAX_SPATIAL_LAYERS, MAX_TEMPORAL_LAYERS, Packet, Planes,
};
use peerage_rtp::payload::av1::TEMPORAL_DELIMITER;

use super::{CODEC, layers};
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
pub struct Av1Config {
    /// Temporal layers, 1 to 3; each doubles the rate of pictures.
    pub temporal_layers: u8,
    /// Spatial layers, 1 to 3; each doubles width and height.
    pub spatial_layers: u8,
    /// Threads, 1 to 16.
    pub threads: u32,
    /// What pictures show.
    pub content: Content,
    /// Whether pictures are left out where the rate is exceeded otherwise. Not with spatial layers, of which a single one would go.
    pub drop_frames: bool,
    /// libaom's `cpu-used`, 5 to 10; chosen by size where `None`.
    pub speed: Option<i32>,
}

impl Default for Av1Config {
    /// A camera's pictures, without layers, by one thread.
    fn default() -> Self {
        Self {
            temporal_layers: 1,
            spatial_layers: 1,
            threads: 1,
            content: Content::Camera,
            drop_frames: true,
            speed: None,
        }
    }
}

impl Av1Config {
    fn check(&self) -> Result<(), CodecError> {
        let layers = (self.temporal_layers, self.spatial_layers);
        check_layers(CODEC, layers, (MAX_TEMPORAL_LAYERS, MAX_SPATIAL_LAYERS))
    }
}

fn error(error: Error) -> CodecError {
    match error {
        Error::Argument { what, value, expected } => CodecError::Argument {
            codec: CODEC,
            what,
            value: value.to_string(),
            expected: expected.to_owned(),
        },
        other => CodecError::Library { codec: CODEC, reason: other.to_string() },
    }
}

/// Encodes AV1 (main profile, 8 bits, 4:2:0).
#[derive(Debug)]
pub struct Av1Encoder {
    config: Av1Config,
    target: VideoTarget,
    /// Made for the size of the first picture, and anew for each other size.
    encoder: Option<Encoder>,
    clock: EncoderClock,
    /// The place of the next picture in the pattern of layers.
    index: u32,
    packets: Vec<Packet>,
}

impl Av1Encoder {
    /// An encoder; it allocates when the first picture comes.
    ///
    /// # Errors
    ///
    /// [`CodecError::Argument`] for layers that there are not.
    pub fn new(config: Av1Config) -> Result<Self, CodecError> {
        config.check()?;
        let target = VideoTarget::default();
        let clock = EncoderClock::default();
        Ok(Self { config, target, encoder: None, clock, index: 0, packets: Vec::new() })
    }

    fn settings(&self, width: u16, height: u16) -> EncoderConfig {
        let Av1Config { temporal_layers, spatial_layers, threads, content, .. } = self.config;
        let area = u32::from(width) * u32::from(height);
        let threads = threads.clamp(1, 16);
        let (buffer, buffer_initial, buffer_optimal) = BUFFER;
        let speed = match area {
            0..=57_600 => 8,
            57_601..=409_920 => 9,
            _ => 10,
        };
        EncoderConfig {
            width: width.into(),
            height: height.into(),
            threads,
            // A column is at least 256 samples wide.
            tile_columns_log2: threads.ilog2().min((u32::from(width) / 256).max(1).ilog2()).min(2),
            temporal_layers: temporal_layers.into(),
            spatial_layers: spatial_layers.into(),
            rates: rates(self.target.bitrate, (temporal_layers, spatial_layers)),
            drop_frame_threshold: if self.config.drop_frames && spatial_layers == 1 {
                30
            } else {
                0
            },
            min_quantizer: if content == Content::Screen { 8 } else { 2 },
            max_quantizer: 56,
            undershoot: 50,
            overshoot: 50,
            buffer,
            buffer_initial,
            buffer_optimal,
            speed: self.config.speed.unwrap_or(speed),
            max_intra_percent: most_of_keyframes(self.target.framerate),
            screen: content == Content::Screen,
        }
    }

    /// The encoder for pictures of a size.
    fn prepare(&mut self, width: u16, height: u16) -> Result<(), CodecError> {
        let fits = self.encoder.as_ref().is_some_and(|encoder| {
            let config = encoder.config();
            (config.width, config.height) == (width.into(), height.into())
        });
        if !fits {
            // Each spatial layer has half the size of the next, and none has none.
            check_size(CODEC, width, height, LEAST << (self.config.spatial_layers - 1))?;
            self.encoder = None;
            let settings = self.settings(width, height);
            self.encoder = Some(Encoder::new(settings).map_err(error)?);
            self.index = 0;
        }
        Ok(())
    }
}

/// The smallest width and height.
const LEAST: u16 = 16;

impl VideoEncoder for Av1Encoder {
    fn info(&self) -> VideoEncoderInfo {
        VideoEncoderInfo {
            implementation: format!("libaom {}", peerage_aom::version()),
            // On the scale of the bitstream, 0 to 255.
            quantizer_range: Some((145, 205)),
        }
    }

    fn layers(&self) -> (u8, u8) {
        (self.config.temporal_layers, self.config.spatial_layers)
    }

    fn set_target(&mut self, target: VideoTarget) -> Result<(), CodecError> {
        check_target(CODEC, target, 240.0)?;
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
        let when = self.clock.advance(frame.time, self.target.framerate);
        let Av1Config { temporal_layers, spatial_layers, .. } = self.config;
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let keyframe = request.keyframe || self.index == 0;
        let place = if keyframe { 0 } else { self.index };
        let (y, u, v) = frame.picture.planes();
        let first = out.len();
        for spatial_layer in 0..spatial_layers {
            let step = layers::step(temporal_layers, place, spatial_layer);
            let forced = keyframe && spatial_layer == 0;
            self.packets.clear();
            let planes = Planes { y, u, v };
            let encoded = encoder.encode(planes, when, forced, step.layer, &mut self.packets);
            if let Err(failed) = encoded {
                // A picture without all its layers would be missed by the next ones.
                out.truncate(first);
                self.index = 0;
                return Err(error(failed));
            }
            let quantizer = encoder.quantizer();
            let layered = temporal_layers > 1 || spatial_layers > 1;
            let shift = spatial_layers - 1 - spatial_layer;
            for packet in self.packets.drain(..) {
                let data = Bytes::from(packet.data);
                let data = match data.strip_prefix(&TEMPORAL_DELIMITER) {
                    Some(rest) => data.slice_ref(rest),
                    None => data,
                };
                if data.is_empty() {
                    continue;
                }
                let dimensions = (width.div_ceil(1 << shift), height.div_ceil(1 << shift));
                out.push(EncodedPicture {
                    quantizer,
                    temporal_layer: step.layer.temporal,
                    spatial_layer,
                    discardable: layered && step.layer.store.is_none(),
                    layer_sync: step.layer_sync,
                    inter_layer_predicted: step.layer.below.is_some(),
                    end_of_picture: false,
                    ..EncodedPicture::new(data, packet.keyframe, dimensions)
                });
            }
        }
        if out.len() > first {
            self.index = place.wrapping_add(1).max(1);
            if let Some(last) = out.last_mut() {
                last.end_of_picture = true;
            }
        }
        Ok(())
    }
}
