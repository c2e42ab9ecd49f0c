//! One encoding: its encoder, the size and rate of its pictures, and what getStats tells of it.

use std::time::{Duration, Instant};

use peerage_media::codec::{
    CodecError, CodecFactory, EncodedPicture, PictureRequest, VideoEncoder, VideoEncoderSettings,
    VideoTarget,
};
use peerage_media::video::scale::Scaler;
use peerage_media::video::{Area, PictureError, PicturePool, VideoFrame};
use peerage_peerconnection::{EncoderStatistics, EncodingTarget};
use peerage_rtp::scalability::{InterLayerPrediction, ScalabilityMode};

use super::super::codecs;
use super::framerate::Framerate;

/// Pictures that encoders may hold on to.
const POOL: usize = 4;
/// The least that encoders take, in bits a second.
const LEAST_BITRATE: u64 = 1_000;
/// The most pictures a second that they are told of.
const MOST_FRAMERATE: f32 = 60.0;

/// What is wanted of an encoding at one picture.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) target: EncodingTarget,
    /// Bits a second now, which change more often than the rest.
    pub(super) bitrate: u64,
}

/// An encoder and what it was made for.
struct Current {
    encoder: Box<dyn VideoEncoder>,
    target: EncodingTarget,
    settings: VideoEncoderSettings,
    wanted: VideoTarget,
}

/// What became of a picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There are too many a second for this encoding.
    NotDue,
    /// The encoder was given it, for so long. What it made is in the list, which is empty where it left the picture out.
    Encoded(Duration),
}

/// See the module.
#[derive(Default)]
pub(super) struct Layer {
    current: Option<Current>,
    framerate: Framerate,
    scaler: Scaler,
    pool: Option<PicturePool>,
    /// The next picture must be a keyframe.
    keyframe: bool,
    statistics: EncoderStatistics,
    /// The last picture could not be encoded.
    fails: bool,
    pub(super) pictures: Vec<EncodedPicture>,
}

impl Layer {
    pub(super) fn request_keyframe(&mut self) {
        self.keyframe = true;
    }

    /// Nothing is sent now: what comes later cannot refer to what came before.
    pub(super) fn rest(&mut self) {
        self.current = None;
        self.keyframe = true;
    }

    /// Notes whether a picture could be encoded. Whether that is news.
    pub(super) fn note(&mut self, fails: bool) -> bool {
        std::mem::replace(&mut self.fails, fails) != fails
    }

    pub(super) fn statistics(&mut self) -> &mut EncoderStatistics {
        &mut self.statistics
    }

    /// Payload type, and temporal and spatial layers that the encoder makes.
    pub(super) fn format(&self) -> (u8, (u8, u8)) {
        let of = |current: &Current| (current.target.payload_type, current.encoder.layers());
        self.current.as_ref().map_or((0, (1, 1)), of)
    }

    /// Between which quantisers pictures are good enough.
    pub(super) fn quantizer_range(&self) -> Option<(u8, u8)> {
        self.current.as_ref()?.encoder.info().quantizer_range
    }

    /// Encodes a picture, whose source is to be `size` large before this encoding divides that. `clock` says when it is.
    pub(super) fn encode(
        &mut self,
        frame: &VideoFrame,
        size: (u16, u16),
        wish: &Wish,
        screen: bool,
        codecs: &dyn CodecFactory,
        clock: &dyn Fn() -> Instant,
    ) -> Result<Outcome, CodecError> {
        self.pictures.clear();
        if !self.framerate.passes(frame.time, wish.target.max_framerate) {
            return Ok(Outcome::NotDue);
        }
        let frame = self.scale(frame, size, &wish.target)?;
        let framerate = self.framerate.rate().round().clamp(1.0, MOST_FRAMERATE);
        let wanted = VideoTarget::new(wish.bitrate.max(LEAST_BITRATE), framerate);
        self.prepare(wish, screen, wanted, codecs)?;
        let Some(current) = &mut self.current else { return Ok(Outcome::NotDue) };
        let request = PictureRequest::default().with_keyframe(self.keyframe);
        let begun = clock();
        // Where it fails, nothing can refer to the picture.
        self.keyframe = true;
        current.encoder.encode(&frame, request, &mut self.pictures)?;
        let spent = clock().saturating_duration_since(begun);
        // Asked for, and not there yet.
        self.keyframe = request.keyframe && self.pictures.is_empty();
        let statistics = &mut self.statistics;
        statistics.encode_time += spent;
        if let Some(last) = self.pictures.last() {
            statistics.target_bytes += (wanted.bitrate as f32 / 8.0 / framerate) as u64;
            if let Some(quantizer) = last.quantizer {
                *statistics.quantizer_sum.get_or_insert(0) += u64::from(quantizer);
            }
        }
        Ok(Outcome::Encoded(spent))
    }

    /// The picture in the size of this encoding.
    fn scale(
        &mut self,
        frame: &VideoFrame,
        size: (u16, u16),
        target: &EncodingTarget,
    ) -> Result<VideoFrame, CodecError> {
        let picture = &frame.picture;
        let whole = (picture.width(), picture.height());
        let (width, height) = target.resolution(size.0.into(), size.1.into());
        let (width, height) = (width as u16, height as u16);
        if (width, height) == whole {
            return Ok(frame.clone());
        }
        // Halves of samples are nobody's friend; a picture of one sample stays that.
        let even = |length: u16| if length > 1 { length & !1 } else { length };
        let pool = self.pool.get_or_insert_with(|| PicturePool::new(POOL));
        let scaled = pool.take(even(width), even(height), |small| {
            self.scaler.scale(picture, Area::of(picture), small)
        });
        let failed = |error: PictureError| CodecError::Library {
            codec: "scaling",
            reason: error.to_string(),
        };
        Ok(VideoFrame { picture: scaled.map_err(failed)?, ..frame.clone() })
    }

    /// Has the encoder for what is wanted now.
    fn prepare(
        &mut self,
        wish: &Wish,
        screen: bool,
        wanted: VideoTarget,
        codecs: &dyn CodecFactory,
    ) -> Result<(), CodecError> {
        let target = &wish.target;
        let settings = settings(target.scalability_mode.as_deref()).with_screen(screen);
        let same = |current: &Current| {
            (current.target.payload_type, &current.target.codec)
                == (target.payload_type, &target.codec)
                && current.settings == settings
        };
        if !self.current.as_ref().is_some_and(same) {
            self.current = None;
            let spec = codecs::spec(&target.codec).ok_or_else(|| CodecError::Missing {
                codec: target.codec.name.to_string(),
                feature: None,
            })?;
            let mut encoder = codecs.video_encoder_with(&spec, settings)?;
            encoder.set_target(wanted)?;
            self.keyframe = true;
            self.statistics.implementation = Some(encoder.info().implementation);
            let mode = target.scalability_mode.as_deref();
            let made = encoder.layers();
            let is_made = mode
                .and_then(ScalabilityMode::parse)
                .is_some_and(|mode| (mode.temporal, mode.spatial) == made);
            self.statistics.scalability_mode = mode.map(|mode| match is_made {
                true => mode.to_owned(),
                false => format!("L{}T{}", made.1, made.0),
            });
            let target = target.clone();
            self.current = Some(Current { encoder, target, settings, wanted });
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.target != *target {
            current.target = target.clone();
        }
        if current.wanted != wanted {
            current.encoder.set_target(wanted)?;
            current.wanted = wanted;
        }
        Ok(())
    }
}

/// The layers of a mode. Of spatial layers that are streams of their own only the lowest would be made: they are left to
/// simulcast.
fn settings(mode: Option<&str>) -> VideoEncoderSettings {
    let settings = VideoEncoderSettings::default();
    match mode.and_then(ScalabilityMode::parse) {
        Some(mode) if mode.prediction == InterLayerPrediction::Never => {
            settings.with_layers(mode.temporal, 1)
        }
        Some(mode) => settings.with_layers(mode.temporal, mode.spatial),
        None => settings,
    }
}
