//! Tracks on connections are muted, disabled, replaced and ended as webrtc-pc and Media Capture and Streams have it, what cannot be
//! encoded is told once, and nothing is left of what has ended.

#![cfg(feature = "engine")]

mod common;
#[path = "common/numbered.rs"]
mod numbered;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::{negotiate, pair, within};
use numbered::{Camera, Factory, next_track};
use peerage::media_engine::codec::{
    AudioDecoder, AudioEncoder, CodecError, CodecFactory, CodecSpec, VideoDecoder, VideoEncoder,
};
use peerage::media_engine::track::{ReadyState, Sink, TrackEvent};
use peerage::media_engine::video::{Plane, VideoFrame};
use peerage::{Error, Event, PeerConnection, TransceiverDirection};

const WHILE: Duration = Duration::from_millis(10);

fn factory() -> Arc<dyn CodecFactory> {
    Arc::new(Factory(Arc::default()))
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    within(what, async {
        while !is() {
            tokio::time::sleep(WHILE).await;
        }
    })
    .await;
}

async fn picture(sink: &mut Sink<VideoFrame>) -> u8 {
    let frame = within("a picture", sink.recv()).await.expect("the track is live");
    frame.picture.plane(Plane::Y)[0]
}

async fn event(events: &mut Sink<TrackEvent>) -> Option<TrackEvent> {
    within("an event", events.recv()).await
}

/// Everything that a thread had is gone: the track, the encoders and decoders, and what makes them.
async fn nothing_is_left(camera: &Camera, codecs: &Arc<dyn CodecFactory>) {
    until("the source to be unwanted", || !camera.source.is_wanted()).await;
    until("the threads to end", || Arc::strong_count(codecs) == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_is_removed_lets_its_camera_go() {
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let track = camera.source.track().into();
    let sender = one.send_track(&track, &[], factory()).await.unwrap();
    negotiate(&one, &other).await;
    let received = next_track(&other).await.receive_track(factory()).unwrap();
    let mut sink = received.track().as_video().unwrap().sink(1);
    picture(&mut sink).await;
    drop(track);
    one.remove_track(sender.transceiver()).await.unwrap();
    until("the source to be unwanted", || !camera.source.is_wanted()).await;
    assert!(!sender.is_over(), "another track may follow");
    let again = Camera::begin();
    sender.replace_track(Some(&again.source.track().into())).unwrap();
    sender.transceiver().set_direction(TransceiverDirection::SendOnly).await.unwrap();
    negotiate(&one, &other).await;
    until("the other camera to be wanted", || again.source.is_wanted()).await;
    picture(&mut sink).await;
    picture(&mut sink).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_muted_while_a_description_says_that_nothing_comes() {
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let sender = one.send_track(&camera.source.track().into(), &[], factory()).await.unwrap();
    negotiate(&one, &other).await;
    let received = next_track(&other).await.receive_track(factory()).unwrap();
    let mut events = received.track().events();
    assert!(received.track().muted(), "until something comes");
    assert_eq!(event(&mut events).await, Some(TrackEvent::Unmute));
    for (direction, expected) in [
        (TransceiverDirection::Inactive, TrackEvent::Mute),
        (TransceiverDirection::SendOnly, TrackEvent::Unmute),
    ] {
        sender.transceiver().set_direction(direction).await.unwrap();
        negotiate(&one, &other).await;
        assert_eq!(event(&mut events).await, Some(expected));
        assert_eq!(received.track().muted(), expected == TrackEvent::Mute);
    }
    // This end wants nothing more.
    received.transceiver().set_direction(TransceiverDirection::Inactive).await.unwrap();
    negotiate(&other, &one).await;
    assert_eq!(event(&mut events).await, Some(TrackEvent::Mute));
    assert_eq!(received.track().ready_state(), ReadyState::Live);
    other.close().await;
    assert_eq!(event(&mut events).await, Some(TrackEvent::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_is_muted_once_the_peer_has_ended_its_sources() {
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let codecs = factory();
    let track = camera.source.track().into();
    let sender = one.send_track(&track, &[], codecs.clone()).await.unwrap();
    negotiate(&one, &other).await;
    let received = next_track(&other).await.receive_track(factory()).unwrap();
    let mut events = received.track().events();
    assert_eq!(event(&mut events).await, Some(TrackEvent::Unmute));
    // Nothing is negotiated: RTCP tells.
    sender.transceiver().stop().await.unwrap();
    assert_eq!(event(&mut events).await, Some(TrackEvent::Mute));
    within("the event", async {
        while !matches!(other.next_event().await, Some(Event::TrackMuted { .. })) {}
    })
    .await;
    // The transceiver will never send again: its thread is gone, and the source with the last track.
    drop(track);
    nothing_is_left(&camera, &codecs).await;
    assert!(sender.is_over());
    negotiate(&one, &other).await;
    assert_eq!(event(&mut events).await, Some(TrackEvent::Ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_connection_takes_no_track_and_keeps_none() {
    let (one, other) = pair().await;
    let (camera, second) = (Camera::begin(), Camera::begin());
    let (codecs, decoders) = (factory(), factory());
    let sender = one.send_track(&camera.source.track().into(), &[], codecs.clone()).await.unwrap();
    negotiate(&one, &other).await;
    let received = next_track(&other).await.receive_track(decoders.clone()).unwrap();
    picture(&mut received.track().as_video().unwrap().sink(4)).await;
    one.close().await;
    let refused = sender.replace_track(Some(&second.source.track().into()));
    let Err(Error::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.name(), "InvalidStateError");
    assert!(!second.source.is_wanted());
    let again = sender.transceiver().send_track(&second.source.track().into(), codecs.clone());
    assert!(matches!(again, Err(Error::Refused(_))), "{again:?}");
    nothing_is_left(&camera, &codecs).await;
    assert!(!second.source.is_wanted() && sender.is_over());
    // The other end knows of it by the network, and ends its track when it is closed.
    other.close().await;
    until("the decoder's thread to end", || Arc::strong_count(&decoders) == 1).await;
    assert_eq!(received.track().ready_state(), ReadyState::Ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_what_is_dropped() {
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let (codecs, decoders) = (factory(), factory());
    let sender = one.send_track(&camera.source.track().into(), &[], codecs.clone()).await.unwrap();
    negotiate(&one, &other).await;
    let received = next_track(&other).await.receive_track(decoders.clone()).unwrap();
    picture(&mut received.track().as_video().unwrap().sink(4)).await;
    // A sender alone: the connection goes on.
    drop(sender);
    nothing_is_left(&camera, &codecs).await;
    drop(received);
    until("the decoder's thread to end", || Arc::strong_count(&decoders) == 1).await;
    drop((one, other));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_track_that_shows_nothing_is_sent_as_black_once_a_second() {
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let track = camera.source.track();
    let sender = one.send_track(&track.clone().into(), &[], factory()).await.unwrap();
    negotiate(&one, &other).await;
    let received = next_track(&other).await.receive_track(factory()).unwrap();
    let mut sink = received.track().as_video().unwrap().sink(64);
    picture(&mut sink).await;
    track.set_enabled(false);
    while picture(&mut sink).await != 16 {}
    let (before, since) = (sender.statistics(), Instant::now());
    assert_eq!(picture(&mut sink).await, 16);
    let after = sender.statistics();
    let passed = since.elapsed().as_secs() + 1;
    assert!(after.encoded - before.encoded <= passed + 1, "{before:?} {after:?}");
    track.set_enabled(true);
    while picture(&mut sink).await == 16 {}
    // A track that has ended is as black; one that is null is not sent.
    track.stop();
    while picture(&mut sink).await != 16 {}
    assert!(!camera.source.is_wanted());
    sender.replace_track(None).unwrap();
    assert!(!received.track().muted(), "that takes no negotiation, and nothing tells of it");
}

/// Offers what there is no encoder for.
#[derive(Debug, Default)]
struct NoEncoder {
    attempts: AtomicU64,
    numbers: Factory,
}

impl CodecFactory for NoEncoder {
    fn encodes(&self, _: &CodecSpec) -> bool {
        false
    }
    fn decodes(&self, codec: &CodecSpec) -> bool {
        self.numbers.decodes(codec)
    }
    fn audio_encoder(&self, _: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError> {
        unreachable!("there is no sound")
    }
    fn audio_decoder(&self, _: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError> {
        unreachable!("there is no sound")
    }
    fn video_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError> {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        Err(CodecError::Missing { codec: format!("{:?}", codec.format), feature: None })
    }
    fn video_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        self.numbers.video_decoder(codec)
    }
}

async fn failure(pc: &PeerConnection) -> (usize, String) {
    loop {
        let event = within("an event", pc.next_event()).await.expect("the connection is open");
        if let Event::EncoderFailed { encoding, reason, .. } = event {
            return (encoding, reason);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_encoded_is_told_once() {
    let (one, other) = pair().await;
    let camera = Camera::begin();
    let track = camera.source.track().into();
    let codecs = Arc::new(NoEncoder::default());
    let sender = one.send_track(&track, &[], codecs.clone()).await.unwrap();
    negotiate(&one, &other).await;
    let (encoding, reason) = failure(&one).await;
    assert_eq!((encoding, reason.as_str()), (0, "no codec for Vp8 is built in"));
    let before = sender.statistics().failed;
    until("more pictures", || sender.statistics().failed > before + 10).await;
    assert_eq!(codecs.attempts.load(Ordering::Relaxed), 1, "not with each picture");
    within("the statistics", async {
        loop {
            let stats = one.get_stats().await.unwrap();
            let told = stats.outbound_rtp().find_map(|stream| stream.quality_limitation_reason);
            if told == Some(peerage::stats::QualityLimitationReason::Other) {
                break;
            }
            tokio::time::sleep(WHILE).await;
        }
    })
    .await;
    // It is known by now: whoever sends a track is told at once.
    let refused = sender.transceiver().send_track(&track, codecs.clone());
    let Err(Error::Refused(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.name(), "OperationError");
    assert!(error.to_string().contains("video/VP8"), "{error}");
    // Another track is another attempt.
    sender.replace_track(Some(&track)).unwrap();
    assert_eq!(failure(&one).await.0, 0);
    assert_eq!(codecs.attempts.load(Ordering::Relaxed), 2);
}
