//! From a picture to the frames of all encodings, without thread or clock: what is encoded follows what the connection asks for,
//! and what the adapter makes of how encoding goes.
//!
//! ```text
//!                          ┌ size, rate ─────────── Adapter ◀──────── quantisers, time ┐
//! picture ─▶ leave out ─▶ for each encoding: leave out ─▶ scale ─▶ encode ─▶ Frame ────┘
//! ```

use std::time::{Duration, Instant};

use peerage_media::codec::{CodecFactory, EncodedPicture};
use peerage_media::track::ContentHint;
use peerage_media::video::adaptation::{
    Adapter, DegradationPreference, EncodedReport, LimitationReason,
};
use peerage_media::video::{Rotation, VideoFrame};
use peerage_peerconnection::stats::QualityLimitationReason;
use peerage_peerconnection::{EncoderStatistics, Frame};
use peerage_rtp::extension::{Rotation as Turn, VideoOrientation};

use super::framerate::Framerate;
use super::layer::{Layer, Outcome, Wish};

/// Ticks of the RTP clock of all video (RFC 3551 §5).
const CLOCK: u128 = 90_000;

/// What became of a picture, over all encodings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Frames that came of it.
    pub(super) encoded: u64,
    /// Of those, keyframes.
    pub(super) keyframes: u64,
    /// Encodings that are sent, and left it out.
    pub(super) left_out: u64,
    /// Encodings in which it could not be encoded.
    pub(super) failed: u64,
}

/// See the module.
pub(super) struct Pipeline {
    adapter: Adapter,
    /// Of the source, and of what is encoded of it.
    captured: Framerate,
    adapted: Framerate,
    layers: Vec<Layer>,
    preference: Option<DegradationPreference>,
    hint: ContentHint,
    /// See [`set_blank`](Self::set_blank).
    blank: bool,
}

impl Pipeline {
    pub(super) fn new() -> Self {
        Self {
            adapter: Adapter::new(DegradationPreference::default()),
            captured: Framerate::default(),
            adapted: Framerate::default(),
            layers: Vec::new(),
            preference: None,
            hint: ContentHint::None,
            blank: false,
        }
    }

    /// Another track: nothing is known of it.
    pub(super) fn begin_source(&mut self) {
        self.adapter.restart();
        self.layers.iter_mut().for_each(Layer::begin_source);
    }

    /// Whether the pictures that come now are black ones in place of the source's: they say nothing of it.
    pub(super) fn set_blank(&mut self, blank: bool) {
        if blank || self.blank {
            self.captured.pause();
            self.adapted.pause();
            self.layers.iter_mut().for_each(Layer::pause);
        }
        self.blank = blank;
    }

    /// Tells of encodings that there is no encoder for, each once; again where `tell` could not.
    pub(super) fn tell_failures(&mut self, mut tell: impl FnMut(usize, String) -> bool) {
        for (encoding, layer) in self.layers.iter_mut().enumerate() {
            layer.tell_failure(|reason| tell(encoding, reason));
        }
    }

    /// What is given up first, and what the track is of; the application's word counts for more.
    pub(super) fn prefer(&mut self, preference: Option<DegradationPreference>, hint: ContentHint) {
        (self.preference, self.hint) = (preference, hint);
        let by_content = DegradationPreference::of_content(hint);
        self.adapter.set_preference(preference.unwrap_or(by_content));
    }

    /// The next picture of all encodings must be a keyframe.
    pub(super) fn request_keyframes(&mut self) {
        self.layers.iter_mut().for_each(Layer::request_keyframe);
    }

    /// The same of one.
    pub(super) fn request_keyframe(&mut self, encoding: usize) {
        self.layer(encoding).request_keyframe();
    }

    fn layer(&mut self, encoding: usize) -> &mut Layer {
        if self.layers.len() <= encoding {
            self.layers.resize_with(encoding + 1, Layer::default);
        }
        &mut self.layers[encoding]
    }

    /// Takes a picture, of which `missed` before it were dropped because this took too long, and hands frames to `out`. Of
    /// the encodings, those that are not sent now have no wish.
    pub(super) fn take(
        &mut self,
        frame: &VideoFrame,
        missed: u64,
        wishes: &[Option<Wish>],
        codecs: &dyn CodecFactory,
        clock: &dyn Fn() -> Instant,
        mut out: impl FnMut(usize, Frame),
    ) -> Taken {
        let mut taken = Taken::default();
        self.captured.measure(frame.time, missed);
        let source = (frame.picture.width(), frame.picture.height());
        self.adapter.set_source(source, self.captured.rate());
        self.adapter.set_bitrate(wishes.iter().flatten().map(|wish| wish.bitrate).sum());
        let sent = wishes.iter().flatten().count();
        if !self.adapted.passes(frame.time, self.adapter.max_framerate().map(f64::from)) {
            taken.left_out = sent as u64;
            return taken;
        }
        let screen = matches!(self.hint, ContentHint::Detail | ContentHint::Text);
        let size = self.adapter.size(source);
        let (mut spent, mut encoders, mut quantizer) = (Duration::ZERO, 0, None);
        let mut range = None;
        for (encoding, wish) in wishes.iter().enumerate() {
            let layer = self.layer(encoding);
            let Some(wish) = wish else {
                layer.rest();
                continue;
            };
            match layer.encode(frame, size, wish, screen, codecs, clock) {
                Ok(Outcome::NotDue) => taken.left_out += 1,
                Ok(Outcome::NoEncoder) => taken.failed += 1,
                Ok(Outcome::Encoded(time)) => {
                    layer.note(false);
                    spent += time;
                    encoders += 1;
                    taken.left_out += u64::from(layer.pictures.is_empty());
                    let (payload_type, layers) = layer.format();
                    quantizer = layer.pictures.last().and_then(|picture| picture.quantizer);
                    range = layer.quantizer_range().filter(|_| sent == 1 && layers.1 == 1);
                    for picture in layer.pictures.drain(..) {
                        taken.encoded += 1;
                        taken.keyframes += u64::from(picture.keyframe);
                        out(encoding, encoded(picture, frame, payload_type, layers));
                    }
                }
                Err(error) => {
                    if layer.note(true) {
                        tracing::warn!(%error, encoding, "a track cannot be encoded");
                    } else {
                        tracing::debug!(%error, encoding, "a picture was not encoded");
                    }
                    layer.request_keyframe();
                    taken.failed += 1;
                }
            }
        }
        if encoders > 0 && !self.blank {
            self.adapter.set_quantizer_range(range);
            let report = EncodedReport::new(spent)
                .with_quantizer(quantizer)
                .with_left_out(taken.encoded == 0)
                .with_missed(missed);
            if self.adapter.on_encoded(clock(), report) {
                let (reason, size) = (self.adapter.reason(), self.adapter.size(source));
                tracing::debug!(?reason, ?size, rate = ?self.adapter.max_framerate(), "adapted");
            }
        }
        taken
    }

    /// What the encoder of an encoding has done so far; `None` where there never was one.
    pub(super) fn statistics(&mut self, encoding: usize) -> Option<EncoderStatistics> {
        let limitation = match self.adapter.reason() {
            LimitationReason::None => QualityLimitationReason::None,
            LimitationReason::Bandwidth => QualityLimitationReason::Bandwidth,
            LimitationReason::Cpu => QualityLimitationReason::Cpu,
        };
        let resolution_changes = self.adapter.resolution_changes();
        self.layers.get_mut(encoding)?.statistics(limitation, resolution_changes)
    }
}

fn encoded(
    picture: EncodedPicture,
    frame: &VideoFrame,
    payload_type: u8,
    layers: (u8, u8),
) -> Frame {
    let ticks = (frame.time.as_nanos() * CLOCK / 1_000_000_000) as u32;
    let info = picture.frame_info(ticks, layers);
    let mut encoded =
        Frame::new(picture.data, ticks).with_payload_type(payload_type).with_info(info);
    let rotation = match frame.rotation {
        Rotation::None => Turn::None,
        Rotation::Quarter => Turn::Clockwise90,
        Rotation::Half => Turn::Clockwise180,
        Rotation::ThreeQuarters => Turn::Clockwise270,
    };
    let orientation = VideoOrientation { rotation, ..VideoOrientation::default() };
    encoded.extensions.video_orientation = Some(orientation);
    encoded
}
