//! One encoding: its encoder, the size and rate of its pictures, and what getStats tells of it.

use std::time::{Duration, Instant};

use peerage_media::codec::{
    CodecError, CodecFactory, CodecSpec, EncodedPicture, PictureRequest, VideoEncoder,
    VideoEncoderSettings, VideoTarget,
};
use peerage_media::video::scale::Scaler;
use peerage_media::video::{Area, PictureError, PicturePool, VideoFrame};
use peerage_peerconnection::media::RtpCodec;
use peerage_peerconnection::stats::QualityLimitationReason;
use peerage_peerconnection::{EncoderStatistics, EncodingTarget};
use peerage_rtp::scalability::{InterLayerPrediction, ScalabilityMode};

use super::super::codecs;
use super::super::failures::Failures;
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
    /// There is no encoder for what is wanted, as was told before.
    NoEncoder,
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
    /// What no encoder could be made for.
    failures: Failures<(EncodingTarget, VideoEncoderSettings)>,
    /// Why, until the application knows.
    untold: Option<String>,
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

    /// Another source: what could not be encoded is tried again.
    pub(super) fn begin_source(&mut self) {
        self.failures.clear();
        self.keyframe = true;
    }

    /// The pictures that come now say nothing of the source's rate.
    pub(super) fn pause(&mut self) {
        self.framerate.pause();
    }

    /// Why there is no encoder, until `tell` has told it.
    pub(super) fn tell_failure(&mut self, tell: impl FnOnce(String) -> bool) {
        if let Some(reason) = &self.untold
            && tell(reason.clone())
        {
            self.untold = None;
        }
    }

    /// Notes whether a picture could be encoded. Whether that is news.
    pub(super) fn note(&mut self, fails: bool) -> bool {
        std::mem::replace(&mut self.fails, fails) != fails
    }

    /// What is told of it; `None` where there never was an encoder.
    pub(super) fn statistics(
        &mut self,
        limitation: QualityLimitationReason,
        resolution_changes: u32,
    ) -> Option<EncoderStatistics> {
        let fails = self.failures.fails();
        let statistics = &mut self.statistics;
        statistics.limitation = if fails { QualityLimitationReason::Other } else { limitation };
        statistics.resolution_changes = resolution_changes;
        (fails || statistics.implementation.is_some()).then(|| statistics.clone())
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
        let settings = settings(wish.target.scalability_mode.as_deref()).with_screen(screen);
        let same = |known: &(EncodingTarget, VideoEncoderSettings)| {
            known.1 == settings && same_codec(&known.0, &wish.target)
        };
        if self.failures.is_known(same) {
            return Ok(Outcome::NoEncoder);
        }
        let frame = self.scale(frame, size, &wish.target)?;
        let framerate = self.framerate.rate().round().clamp(1.0, MOST_FRAMERATE);
        let wanted = VideoTarget::new(wish.bitrate.max(LEAST_BITRATE), framerate);
        self.prepare(wish, settings, wanted, codecs)?;
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
        settings: VideoEncoderSettings,
        wanted: VideoTarget,
        codecs: &dyn CodecFactory,
    ) -> Result<(), CodecError> {
        let target = &wish.target;
        let same =
            |current: &Current| current.settings == settings && same_codec(&current.target, target);
        if !self.current.as_ref().is_some_and(same) {
            self.current = None;
            let made = make(codecs, &target.codec, settings, wanted).inspect_err(|error| {
                self.failures.note((target.clone(), settings));
                self.untold = Some(error.to_string());
            });
            let (spec, encoder) = made?;
            self.failures.clear();
            self.keyframe = true;
            self.statistics.implementation = Some(encoder.info().implementation);
            let mode = target.scalability_mode.as_deref();
            let modes = codecs.scalability_modes(&spec);
            self.statistics.scalability_mode =
                mode.map(|mode| made_mode(mode, modes, encoder.layers()));
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

fn same_codec(one: &EncodingTarget, other: &EncodingTarget) -> bool {
    (one.payload_type, &one.codec) == (other.payload_type, &other.codec)
}

/// An encoder of a codec, and how the media engine names that.
fn make(
    codecs: &dyn CodecFactory,
    codec: &RtpCodec,
    settings: VideoEncoderSettings,
    wanted: VideoTarget,
) -> Result<(CodecSpec, Box<dyn VideoEncoder>), CodecError> {
    let spec = codecs::spec(codec)
        .ok_or_else(|| CodecError::Missing { codec: codec.name.to_string(), feature: None })?;
    let mut encoder = codecs.video_encoder_with(&spec, settings)?;
    encoder.set_target(wanted)?;
    Ok((spec, encoder))
}

/// What an encoder makes of a mode that was wanted, by name: those that it does not have are refused where the connection knows of
/// them ([`capabilities`](crate::engine::capabilities)), and come near it elsewhere.
fn made_mode(wanted: &str, modes: &[&str], made: (u8, u8)) -> String {
    let layers =
        |name: &str| ScalabilityMode::parse(name).map(|mode| (mode.temporal, mode.spatial));
    let fits = |name: &&&str| layers(name) == Some(made);
    if modes.contains(&wanted) && layers(wanted) == Some(made) {
        return wanted.to_owned();
    }
    let near = modes.iter().find(fits);
    near.map_or_else(|| format!("L{}T{}", made.1, made.0), |name| (*name).to_owned())
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
