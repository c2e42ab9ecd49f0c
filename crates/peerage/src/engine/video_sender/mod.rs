//! The thread that encodes the pictures of a track.

mod blank;
mod framerate;
mod layer;
mod pipeline;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::codec::CodecFactory;
use peerage_media::track::SinkError;

use self::blank::Blank;
use self::layer::Wish;
use self::pipeline::Pipeline;
use super::frames::{FrameOutlet, Posted};
use super::sender::{Input, Shared};
use super::timeline::Timeline;
use crate::{EncoderRequests, TargetBitrate};

/// How long the thread rests at most before it looks whether it is still wanted.
const REST: Duration = Duration::from_millis(100);
/// How often getStats is told what encoders have done.
const NEWS: Duration = Duration::from_millis(200);

/// Encodes until the sender is dropped or the connection is gone.
pub(super) fn run(
    shared: &Arc<Shared>,
    outlet: &FrameOutlet,
    mut requests: EncoderRequests,
    rates: &TargetBitrate,
    codecs: &dyn CodecFactory,
) {
    let (mut input, mut removals) = (Input::None, requests.removals());
    let mut pipeline = Pipeline::new();
    let (mut timeline, mut blank) = (Timeline::new(), Blank::default());
    let (mut refused, mut dropped) = (0, 0);
    let mut told: Option<Instant> = None;
    let mut wishes = Vec::new();
    let counters = &shared.counters;
    while !shared.is_over() && !outlet.is_closed() && !requests.is_over() {
        if let Some(next) = shared.take_next(&requests, &mut removals) {
            input = next;
            dropped = 0;
            pipeline.begin_source();
            timeline.begin_source();
            blank.begin_source();
        }
        pipeline.tell_failures(|encoding, reason| outlet.fail(encoding, reason));
        let Input::Video { track, sink } = &mut input else {
            std::thread::sleep(REST);
            continue;
        };
        let frame = match sink.recv_timeout(REST) {
            Ok(frame) => Some(frame),
            Err(SinkError::Ended) => {
                std::thread::sleep(REST);
                None
            }
            Err(_) => None,
        };
        let now = Instant::now();
        counters.captured.add(u64::from(frame.is_some()));
        let is_blank = Blank::is_due(track);
        let frame = if is_blank { blank.picture(frame.as_ref(), now) } else { frame };
        let Some(mut frame) = frame else { continue };
        if !is_blank {
            blank.seen(&frame, now);
        }
        frame.time = timeline.place(frame.time, now);
        pipeline.set_blank(is_blank);
        let missed = sink.dropped() - std::mem::replace(&mut dropped, sink.dropped());
        counters.too_slow.add(missed);
        pipeline.prefer(shared.preference(), track.content_hint());
        // What the connection did not take is missing for those after it.
        if std::mem::replace(&mut refused, outlet.refused()) != refused {
            pipeline.request_keyframes();
        }
        counters.refused.set(refused);
        wish(&mut wishes, &mut requests, rates, &mut pipeline);
        if wishes.iter().all(Option::is_none) {
            counters.left_out.add(1);
        }
        let mut busy = Vec::new();
        let taken =
            pipeline.take(&frame, missed, &wishes, codecs, &Instant::now, |encoding, frame| {
                if outlet.post(encoding, frame.captured_at(now)) == Posted::Busy {
                    busy.push(encoding);
                }
            });
        for encoding in busy {
            counters.refused.add(1);
            pipeline.request_keyframe(encoding);
        }
        counters.encoded.add(taken.encoded);
        counters.keyframes.add(taken.keyframes);
        counters.left_out.add(taken.left_out);
        counters.failed.add(taken.failed);
        if told.is_none_or(|at| now.saturating_duration_since(at) >= NEWS) {
            told = Some(now);
            for encoding in 0..wishes.len() {
                if let Some(statistics) = pipeline.statistics(encoding) {
                    outlet.report(encoding, statistics);
                }
            }
        }
    }
}

/// What is wanted of each encoding now.
fn wish(
    wishes: &mut Vec<Option<Wish>>,
    requests: &mut EncoderRequests,
    rates: &TargetBitrate,
    pipeline: &mut Pipeline,
) {
    wishes.clear();
    for encoding in 0..requests.encodings() {
        if requests.take_keyframe_request(encoding) {
            pipeline.request_keyframe(encoding);
        }
        let target = requests.target(encoding).filter(|target| target.active);
        let bitrate = rates.get(encoding).filter(|bitrate| *bitrate > 0);
        wishes.push(target.zip(bitrate).map(|(target, bitrate)| Wish { target, bitrate }));
    }
}
