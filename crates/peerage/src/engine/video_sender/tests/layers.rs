//! Encodings of one source: sizes, rates and keyframes of each, and layers in one stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::codec::CodecFactory;
use peerage_media::video::{I420, VideoFrame};
use peerage_peerconnection::{EncodingTarget, Frame};

use super::super::layer::Wish;
use super::super::pipeline::{Pipeline, Taken};
use super::common::call::Call;
use super::common::config;
use super::studio::Formula;
use super::{SOURCE, path};

/// What a connection asks for whose only encoding is sent.
fn target() -> EncodingTarget {
    let mut call = Call::new(11, config(), config(), path(3_000));
    call.run(Duration::from_secs(1));
    call.pair.a.pc.encoding_target(call.video, 0).unwrap()
}

struct Bench {
    pipeline: Pipeline,
    codecs: Arc<dyn CodecFactory>,
    start: Instant,
    number: u32,
    size: (u16, u16),
}

impl Bench {
    fn new(codecs: impl CodecFactory + 'static) -> Self {
        let (pipeline, start) = (Pipeline::new(), Instant::now());
        Self { pipeline, codecs: Arc::new(codecs), start, number: 0, size: SOURCE }
    }

    /// One more picture, and what came of it.
    fn take(&mut self, wishes: &[Option<Wish>]) -> (Taken, Vec<(usize, Frame)>) {
        let time = Duration::from_millis(u64::from(self.number) * 100 / 3);
        let picture = I420::black(self.size.0, self.size.1);
        let frame = VideoFrame::new(picture, time);
        self.number += 1;
        let (now, mut frames) = (self.start + time, Vec::new());
        let taken =
            self.pipeline.take(&frame, 0, wishes, &*self.codecs, &|| now, |encoding, frame| {
                frames.push((encoding, frame));
            });
        (taken, frames)
    }
}

#[test]
fn each_encoding_of_a_simulcast_has_its_size_rate_and_keyframes() {
    let target = target();
    let mut bench = Bench::new(Formula);
    let wish = |scale: f64, bitrate: u64| {
        let mut target = target.clone();
        target.scale_resolution_down_by = scale;
        Some(Wish { target, bitrate })
    };
    let mut wishes = [wish(4.0, 150_000), wish(2.0, 500_000), wish(1.0, 1_500_000)];
    wishes[0].as_mut().unwrap().target.max_framerate = Some(15.0);
    let (taken, frames) = bench.take(&wishes);
    assert_eq!((taken.encoded, taken.keyframes), (3, 3));
    let sizes: Vec<_> = frames.iter().map(|(_, frame)| frame.info.dimensions.unwrap()).collect();
    assert_eq!(sizes, [(240, 134), (480, 270), (960, 540)]);
    assert!(frames.iter().all(|(_, frame)| frame.timestamp == frames[0].1.timestamp));
    let mut counts = [0; 3];
    for _ in 0..60 {
        let (taken, frames) = bench.take(&wishes);
        assert_eq!(taken.keyframes, 0);
        frames.iter().for_each(|(encoding, _)| counts[*encoding] += 1);
    }
    assert!((29..=31).contains(&counts[0]) && counts[1..] == [60, 60], "{counts:?}");
    // One of them is asked for a keyframe, and another one pauses for a while.
    bench.pipeline.request_keyframe(1);
    wishes[2] = None;
    let keyframes = |frames: &[(usize, Frame)]| -> Vec<usize> {
        let keys = frames.iter().filter(|(_, frame)| frame.info.keyframe == Some(true));
        keys.map(|(encoding, _)| *encoding).collect()
    };
    let (taken, frames) = bench.take(&wishes);
    assert_eq!((keyframes(&frames), taken.failed), (vec![1], 0));
    assert!(frames.iter().all(|(encoding, _)| *encoding != 2));
    wishes[2] = wish(1.0, 1_500_000);
    assert_eq!(keyframes(&bench.take(&wishes).1), [2]);
    assert_eq!(bench.pipeline.statistics(1).unwrap().implementation.as_deref(), Some("a formula"));
    assert_eq!(bench.pipeline.statistics(3), None);
}

#[test]
fn odd_and_tiny_sources_have_whole_samples() {
    let mut target = target();
    for (size, scale, expected) in [
        ((321, 181), 1.0, (321, 181)),
        ((321, 181), 2.0, (160, 90)),
        ((3, 3), 2.0, (1, 1)),
        ((1, 1), 4.0, (1, 1)),
        ((640, 360), 1.5, (426, 240)),
    ] {
        let mut bench = Bench::new(Formula);
        bench.size = size;
        target.scale_resolution_down_by = scale;
        let (_, frames) = bench.take(&[Some(Wish { target: target.clone(), bitrate: 300_000 })]);
        assert_eq!(frames[0].1.info.dimensions, Some(expected), "{size:?} by {scale}");
    }
}

#[test]
fn temporal_layers_are_told() {
    let mut target = target();
    target.scalability_mode = Some("L1T2".to_owned());
    let mut bench = Bench::new(Formula);
    let wishes = [Some(Wish { target: target.clone(), bitrate: 800_000 })];
    let layers: Vec<_> = (0..4)
        .map(|_| {
            let (_, frames) = bench.take(&wishes);
            (frames[0].1.info.temporal_layer, frames[0].1.info.spatial_layer)
        })
        .collect();
    assert_eq!(layers, [(Some(0), None), (Some(1), None), (Some(0), None), (Some(1), None)]);
    assert_eq!(bench.pipeline.statistics(0).unwrap().scalability_mode.as_deref(), Some("L1T2"));
    // Another mode is another encoder, which begins with a keyframe.
    target.scalability_mode = None;
    let (taken, frames) = bench.take(&[Some(Wish { target, bitrate: 800_000 })]);
    assert_eq!((taken.keyframes, frames[0].1.info.temporal_layer), (1, None));
    assert_eq!(bench.pipeline.statistics(0).unwrap().scalability_mode, None);
}

#[cfg(feature = "vpx")]
#[test]
fn spatial_layers_of_vp9_are_frames_of_one_picture() {
    use peerage_media::codec::BuiltIn;
    use peerage_peerconnection::media::Capabilities;

    let mut target = target();
    let all = Capabilities::default();
    let vp9 = all.video.iter().find(|capability| capability.codec.is("VP9")).unwrap();
    target.codec = vp9.codec.clone();
    target.scalability_mode = Some("L2T2_KEY".to_owned());
    let mut bench = Bench::new(BuiltIn);
    bench.size = (640, 360);
    let wishes = [Some(Wish { target, bitrate: 1_000_000 })];
    let (_, frames) = bench.take(&wishes);
    let told: Vec<_> = frames
        .iter()
        .map(|(_, frame)| {
            let info = &frame.info;
            (info.spatial_layer, info.dimensions, info.inter_layer_predicted, info.end_of_picture)
        })
        .collect();
    assert_eq!(
        told,
        [(Some(0), Some((320, 180)), false, false), (Some(1), Some((640, 360)), true, true),]
    );
    let (_, frames) = bench.take(&wishes);
    assert!(frames.iter().all(|(_, frame)| frame.info.temporal_layer == Some(1)));
    assert_eq!(frames.len(), 2);
}
