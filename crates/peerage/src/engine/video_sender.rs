//! The thread that encodes the pictures of a track.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::codec::{
    CodecError, CodecFactory, EncodedPicture, PictureRequest, VideoEncoder, VideoTarget,
};
use peerage_media::track::SinkError;
use peerage_media::video::{Rotation, VideoFrame};
use peerage_peerconnection::{EncodingTarget, Frame};
use peerage_rtp::extension::{Rotation as Turn, VideoOrientation};

use super::codecs;
use super::frames::{FrameOutlet, Posted};
use super::sender::{Input, Shared};
use super::timeline::Timeline;
use crate::{EncoderRequests, TargetBitrate};

/// How long the thread rests at most before it looks whether it is still wanted.
const REST: Duration = Duration::from_millis(100);
/// Ticks of the RTP clock of all video (RFC 3551 §5).
const CLOCK: u128 = 90_000;

/// An encoder and what it was made for.
struct Current {
    encoder: Box<dyn VideoEncoder>,
    target: EncodingTarget,
    wanted: VideoTarget,
}

/// Encodes until the sender is dropped or the connection is gone.
pub(super) fn run(
    shared: &Arc<Shared>,
    outlet: &FrameOutlet,
    mut requests: EncoderRequests,
    rates: &TargetBitrate,
    codecs: &dyn CodecFactory,
) {
    let mut input = Input::None;
    let mut current: Option<Current> = None;
    let mut framerate = Framerate::default();
    let mut timeline = Timeline::new();
    let (mut keyframe, mut refused) = (true, 0);
    let mut pictures = Vec::new();
    let counters = &shared.counters;
    while !shared.is_over() && !outlet.is_closed() && !requests.is_over() {
        if let Some(next) = shared.take_next() {
            input = next;
            keyframe = true;
            timeline.begin_source();
        }
        let Input::Video { sink, .. } = &mut input else {
            std::thread::sleep(REST);
            continue;
        };
        let mut frame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(SinkError::Ended) => {
                input = Input::None;
                continue;
            }
            Err(_) => continue,
        };
        let came = Instant::now();
        frame.time = timeline.place(frame.time, came);
        counters.captured.add(1);
        counters.too_slow.set(sink.dropped());
        // What the connection did not take is missing for those after it.
        keyframe |= std::mem::replace(&mut refused, outlet.refused()) != refused;
        counters.refused.set(refused);
        let target = requests.target(0).filter(|target| target.active);
        let bitrate = rates.get(0).unwrap_or(0);
        let (Some(target), true) = (target, bitrate > 0) else {
            counters.left_out.add(1);
            keyframe = true;
            continue;
        };
        if !framerate.passes(&frame, target.max_framerate) {
            counters.left_out.add(1);
            continue;
        }
        let wanted = framerate.target(bitrate);
        let made = prepare(&mut current, codecs, target, wanted, &mut keyframe);
        let current = match made {
            Ok(current) => current,
            Err(error) => {
                tracing::warn!(%error, "a track cannot be encoded");
                counters.failed.add(1);
                continue;
            }
        };
        let request = PictureRequest::default()
            .with_keyframe(requests.take_keyframe_request(0) || std::mem::take(&mut keyframe));
        if let Err(error) = current.encoder.encode(&frame, request, &mut pictures) {
            tracing::debug!(%error, "a picture was not encoded");
            counters.failed.add(1);
            keyframe = true;
            continue;
        }
        if pictures.is_empty() {
            counters.left_out.add(1);
            // Asked for, and not there yet.
            keyframe |= request.keyframe;
        }
        for picture in pictures.drain(..) {
            counters.encoded.add(1);
            counters.keyframes.add(u64::from(picture.keyframe));
            let encoded = encoded(picture, &frame, current.target.payload_type).captured_at(came);
            if outlet.post(0, encoded) == Posted::Busy {
                counters.refused.add(1);
                keyframe = true;
            }
        }
    }
}

/// The encoder for what is wanted now.
fn prepare<'a>(
    current: &'a mut Option<Current>,
    codecs: &dyn CodecFactory,
    target: EncodingTarget,
    wanted: VideoTarget,
    keyframe: &mut bool,
) -> Result<&'a mut Current, CodecError> {
    let same = |current: &Current| {
        (current.target.payload_type, &current.target.codec) == (target.payload_type, &target.codec)
    };
    if !current.as_ref().is_some_and(same) {
        *current = None;
        let spec = codecs::spec(&target.codec).ok_or_else(|| CodecError::Missing {
            codec: target.codec.name.to_string(),
            feature: None,
        })?;
        let mut encoder = codecs.video_encoder(&spec)?;
        encoder.set_target(wanted)?;
        *keyframe = true;
        *current = Some(Current { encoder, target: target.clone(), wanted });
    }
    let Some(current) = current else { unreachable!("it was made above") };
    current.target = target;
    if current.wanted != wanted {
        current.encoder.set_target(wanted)?;
        current.wanted = wanted;
    }
    Ok(current)
}

fn encoded(picture: EncodedPicture, frame: &VideoFrame, payload_type: u8) -> Frame {
    let ticks = frame.time.as_nanos() * CLOCK / 1_000_000_000;
    let mut encoded = Frame::new(picture.data, ticks as u32).with_payload_type(payload_type);
    encoded.info.keyframe = Some(picture.keyframe);
    encoded.info.discardable = picture.discardable;
    encoded.info.temporal_layer = Some(picture.temporal_layer).filter(|layer| *layer > 0);
    encoded.info.dimensions = Some(picture.dimensions);
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

/// How many pictures a second come, and which are passed on.
#[derive(Debug, Default)]
struct Framerate {
    last: Option<Duration>,
    /// Smoothed distance of those that were passed on, in seconds.
    interval: Option<f32>,
    next: Option<Duration>,
}

impl Framerate {
    fn passes(&mut self, frame: &VideoFrame, max: Option<f64>) -> bool {
        if let Some(max) = max.filter(|max| max.is_finite()) {
            if max <= 0.0 {
                return false;
            }
            let interval = Duration::from_secs_f64((1.0 / max).min(3_600.0));
            let near = |next: &Duration| next.abs_diff(frame.time) <= 2 * interval;
            let due = self.next.filter(near).unwrap_or(frame.time);
            if frame.time + interval / 4 < due {
                return false;
            }
            self.next = Some(due + interval);
        }
        if let Some(last) = self.last.replace(frame.time) {
            let passed = frame.time.saturating_sub(last).as_secs_f32().clamp(0.001, 1.0);
            let before = self.interval.unwrap_or(passed);
            self.interval = Some(before + (passed - before) / 16.0);
        }
        true
    }

    /// In steps, so that an encoder is not told of every breath.
    fn target(&self, bitrate: u64) -> VideoTarget {
        let rate = self.interval.map_or(30.0, |interval| 1.0 / interval);
        VideoTarget::new(bitrate, rate.round().max(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use peerage_media::video::I420;

    #[test]
    fn a_third_of_the_pictures_is_left_out_where_two_thirds_are_wanted() {
        let mut framerate = Framerate::default();
        let picture = |ms: u64| VideoFrame::new(I420::black(2, 2), Duration::from_millis(ms));
        let passed = (0..300).filter(|step| framerate.passes(&picture(step * 100 / 3), Some(20.0)));
        assert!((199..=202).contains(&passed.count()));
        assert_eq!(framerate.target(7).framerate, 20.0);
        assert!(!framerate.passes(&picture(20_000), Some(0.0)), "the picture is frozen");
    }
}
