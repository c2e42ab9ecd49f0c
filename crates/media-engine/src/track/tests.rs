//! What tracks and streams do as W3C says, and that nothing piles up.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::audio::{AudioBlock, AudioFrame};
use crate::video::{I420, Plane, VideoFrame};

fn picture(ms: u64, luma: u8) -> VideoFrame {
    let mut picture = I420::black(4, 2);
    picture.planes_mut().0.fill(luma);
    VideoFrame::new(picture, Duration::from_millis(ms))
}

fn sound(ms: u64, level: f32) -> AudioFrame {
    let mut block = AudioBlock::silence(48_000, 1, 480);
    block.samples_mut().fill(level);
    AudioFrame { block, time: Duration::from_millis(ms) }
}

#[test]
fn one_source_has_many_tracks_and_each_many_sinks() {
    let source = VideoSource::new("test");
    let track = source.track();
    let clone = track.clone_track();
    assert_ne!(track.id(), clone.id());
    let mut sinks = [track.sink(4), track.sink(4), clone.sink(4)];
    let frame = picture(0, 50);
    source.push(&frame);
    for sink in &mut sinks {
        let taken = sink.try_recv().unwrap();
        assert!(Arc::ptr_eq(&taken.picture, &frame.picture), "samples are shared");
        assert_eq!(sink.try_recv(), Err(SinkError::Empty));
    }
    // A clone ends by itself.
    clone.stop();
    assert_eq!((track.ready_state(), clone.ready_state()), (ReadyState::Live, ReadyState::Ended));
    source.push(&picture(40, 51));
    assert!(sinks[1].try_recv().is_ok());
    assert_eq!(sinks[2].try_recv(), Err(SinkError::Ended));
}

#[test]
fn what_is_not_taken_in_time_is_dropped_oldest_first() {
    let source = AudioSource::new("test");
    let track = source.track();
    let mut sink = track.sink(3);
    for step in 0..10 {
        source.push(&sound(10 * step, step as f32 / 100.0));
    }
    assert_eq!(sink.dropped(), 7);
    for step in 7..10 {
        assert_eq!(sink.try_recv().unwrap().time, Duration::from_millis(10 * step));
    }
    assert_eq!(sink.try_recv(), Err(SinkError::Empty));
}

#[test]
fn sound_takes_no_memory_once_it_flows() {
    let source = AudioSource::new("test");
    let track = source.track();
    let mut sink = track.sink(2);
    source.push(&sound(0, 0.5));
    let first = sink.try_recv().unwrap();
    let place = first.block.samples().as_ptr();
    sink.recycle(first);
    source.push(&sound(10, 0.25));
    let second = sink.try_recv().unwrap();
    assert_eq!((second.block.samples().as_ptr(), second.block.samples()[7]), (place, 0.25));
}

#[test]
fn a_disabled_track_gives_black_and_silence() {
    let (pictures, sounds) = (VideoSource::new("test"), AudioSource::new("test"));
    let (video, audio) = (pictures.track(), sounds.track());
    let (mut seen, mut heard) = (video.sink(4), audio.sink(4));
    let other = video.clone_track();
    let mut unaffected = other.sink(4);
    video.set_enabled(false);
    audio.set_enabled(false);
    assert!(!video.clone_track().enabled(), "a clone is as enabled as what it is of");
    for ms in [0, 40] {
        pictures.push(&picture(ms, 90));
        let black = seen.try_recv().unwrap();
        assert_eq!((black.picture.plane(Plane::Y)[0], black.time), (16, Duration::from_millis(ms)));
        assert_eq!(unaffected.try_recv().unwrap().picture.plane(Plane::Y)[0], 90);
    }
    sounds.push(&sound(0, 0.5));
    assert_eq!(heard.try_recv().unwrap().block.samples(), [0.0; 480]);
    video.set_enabled(true);
    pictures.push(&picture(80, 90));
    assert_eq!(seen.try_recv().unwrap().picture.plane(Plane::Y)[0], 90);
}

#[test]
fn hints_are_of_the_kind_that_they_are_for() {
    let (pictures, sounds) = (VideoSource::new("test"), AudioSource::new("test"));
    let tracks: [MediaStreamTrack; 2] = [pictures.track().into(), sounds.track().into()];
    for (hint, kept) in [
        (ContentHint::Motion, [ContentHint::Motion, ContentHint::None]),
        (ContentHint::Music, [ContentHint::Motion, ContentHint::Music]),
    ] {
        tracks.iter().for_each(|track| track.set_content_hint(hint));
        assert_eq!(tracks.each_ref().map(MediaStreamTrack::content_hint), kept);
    }
    assert_eq!(tracks[0].clone_track().content_hint(), ContentHint::Motion);
    tracks[0].set_content_hint(ContentHint::None);
    assert_eq!(tracks[0].content_hint(), ContentHint::None);
}

#[test]
fn a_muted_source_gives_nothing_and_says_so() {
    let source = VideoSource::new("test");
    let track = source.track();
    let (mut sink, mut events) = (track.sink(4), track.events());
    source.set_muted(true);
    source.set_muted(true);
    source.push(&picture(0, 1));
    assert!(track.muted() && source.track().muted());
    assert_eq!(sink.try_recv(), Err(SinkError::Empty));
    source.set_muted(false);
    drop(source);
    let all: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    assert_eq!(all, [TrackEvent::Mute, TrackEvent::Unmute, TrackEvent::Ended]);
    assert_eq!(track.ready_state(), ReadyState::Ended);
    // What is made of it now has ended as well.
    assert_eq!(track.clone_track().ready_state(), ReadyState::Ended);
    assert_eq!(track.sink(1).try_recv(), Err(SinkError::Ended));
}

#[test]
fn a_source_knows_whether_anyone_wants_it() {
    let source = VideoSource::new("test");
    assert!(!source.is_wanted());
    let track = source.track();
    let other = track.clone_track();
    track.set_settings(TrackSettings::default().with_frame_rate(10.0));
    assert_eq!(source.wanted().frame_rate, None, "the other wants all");
    other.set_settings(TrackSettings::default().with_frame_rate(15.0));
    assert_eq!(source.wanted().frame_rate, Some(15.0));
    other.stop();
    assert_eq!(source.wanted().frame_rate, Some(10.0));
    // A stopped track does not say that it ended: the application knows.
    let mut events = track.events();
    track.stop();
    assert_eq!(events.try_recv(), Err(SinkError::Ended));
    assert!(!source.is_wanted());
    drop(source.track());
    assert!(!source.is_wanted(), "a track ends with its last handle");
}

#[test]
fn a_track_gives_as_many_pictures_as_it_was_set_to() {
    let source = VideoSource::new("test");
    let track = source.track();
    let mut sink = track.sink(1_000);
    let mut count = |rate: f32, from: u64| {
        track.set_settings(TrackSettings::default().with_frame_rate(rate));
        // 30 a second, each up to 5 ms off.
        for step in 0..300_u64 {
            source.push(&picture(from + step * 100 / 3 + (step * 7919) % 6, 1));
        }
        std::iter::from_fn(|| sink.try_recv().ok()).count()
    };
    assert!((99..=101).contains(&count(10.0, 0)));
    assert!((198..=202).contains(&count(20.0, 20_000)));
    assert_eq!(count(60.0, 40_000), 300);
    // A clock that goes back begins anew.
    assert!((99..=101).contains(&count(10.0, 0)));
    assert_eq!(count(f32::NAN, 0), 300);
}

#[test]
fn a_stream_is_a_set_of_tracks() {
    let (pictures, sounds) = (VideoSource::new("test"), AudioSource::new("test"));
    let stream = MediaStream::new([pictures.track().into()]);
    stream.add_track(sounds.track());
    let video = stream.video_tracks().remove(0);
    stream.add_track(video.clone());
    assert_eq!(stream.tracks().len(), 2, "a track is in it once");
    assert!(stream.has(TrackKind::Audio) && stream.active());
    let clone = stream.clone_stream();
    assert_ne!((clone.id(), clone.tracks()[0].id()), (stream.id(), stream.tracks()[0].id()));
    assert!(stream.remove_track(video.id()) && !stream.remove_track(video.id()));
    assert_eq!(video.ready_state(), ReadyState::Live, "out of the stream, and alive");
    stream.tracks().iter().for_each(MediaStreamTrack::stop);
    assert!(!stream.active() && clone.active());
    assert_eq!(stream.track(video.id()).map(|_| ()), None);
}

#[test]
fn a_sink_is_waited_for_in_threads_and_tasks() {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake};

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let source = AudioSource::new("test");
    let track = source.track();
    let mut sink = track.sink(4);
    assert_eq!(sink.recv_timeout(Duration::ZERO), Err(SinkError::Empty));
    let wakes = Arc::new(Count(AtomicUsize::new(0)));
    let waker = wakes.clone().into();
    let mut context = Context::from_waker(&waker);
    {
        let mut recv = pin!(sink.recv());
        assert_eq!(recv.as_mut().poll(&mut context), Poll::Pending);
        source.push(&sound(0, 0.5));
        assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
        assert!(matches!(recv.as_mut().poll(&mut context), Poll::Ready(Some(_))));
    }
    let waits = std::thread::spawn(move || {
        (sink.recv_timeout(Duration::from_secs(60)), sink.recv_timeout(Duration::from_secs(60)))
    });
    source.push(&sound(10, 0.5));
    drop(source);
    let (first, second) = waits.join().unwrap();
    assert_eq!((first.unwrap().time, second), (Duration::from_millis(10), Err(SinkError::Ended)));
}

#[test]
fn constraints_are_applied_to_what_the_source_is() {
    use super::constraints::*;
    let source = VideoSource::new("camera");
    let track = source.track();
    let rate = |rate: ConstrainDouble| {
        let set = MediaTrackConstraintSet { frame_rate: Some(rate), ..Default::default() };
        MediaTrackConstraints::from(set)
    };
    // Nothing is known of the source: nothing can be promised.
    let error = track.apply_constraints(rate(ConstrainDouble::at_least(1.0))).unwrap_err();
    assert_eq!(error.constraint, "frameRate");
    source.describe(SourceDescription::fixed(MediaTrackSettings::video(4, 2, 100.0)));
    assert_eq!(track.get_settings(), MediaTrackSettings::video(4, 2, 100.0));
    assert_eq!(track.get_capabilities().width, Some(Range { min: 1, max: 4 }));
    let wanted = rate(ConstrainDouble::exact(50.0));
    track.apply_constraints(wanted.clone()).unwrap();
    assert_eq!(track.get_settings().frame_rate, Some(50.0));
    let mut sink = track.sink(20);
    (0..10).for_each(|step| source.push(&picture(10 * step, 1)));
    let came = std::iter::from_fn(|| sink.try_recv().ok()).count();
    assert_eq!(came, 5, "every other one");
    // What fails changes nothing; a clone is constrained alike.
    assert!(track.apply_constraints(rate(ConstrainDouble::at_least(200.0))).is_err());
    assert_eq!(
        (track.get_constraints(), track.clone_track().get_constraints()),
        (wanted.clone(), wanted)
    );
    track.apply_constraints(MediaTrackConstraints::default()).unwrap();
    assert_eq!(track.get_settings().frame_rate, Some(100.0));
    // A source that gives less than was chosen says so.
    track.apply_constraints(rate(ConstrainDouble::exact(50.0))).unwrap();
    source.describe(SourceDescription::fixed(MediaTrackSettings::video(4, 2, 25.0)));
    assert_eq!(track.get_settings().frame_rate, Some(25.0));
}

#[test]
fn pictures_are_cropped_and_scaled_to_the_size_that_was_chosen() {
    use super::constraints::*;
    let source = VideoSource::new("camera");
    source.describe(SourceDescription::fixed(MediaTrackSettings::video(64, 36, 30.0)));
    let track = source.track();
    let (width, height) = (Some(ConstrainULong::exact(24)), Some(ConstrainULong::exact(18)));
    let set = MediaTrackConstraintSet { width, height, ..Default::default() };
    track.apply_constraints(set.into()).unwrap();
    assert_eq!(track.get_settings().resize_mode.as_deref(), Some("crop-and-scale"));
    let other = source.track();
    let (mut small, mut whole) = (track.sink(2), other.sink(2));
    source.push(&VideoFrame::new(I420::black(64, 36), Duration::ZERO));
    let size = |sink: &mut Sink<VideoFrame>| {
        let frame = sink.try_recv().unwrap();
        (frame.picture.width(), frame.picture.height())
    };
    assert_eq!((size(&mut small), size(&mut whole)), ((24, 18), (64, 36)));
}

/// Looks at all there is as soon as it is woken, as an executor does that runs a task where it is woken.
struct Nosy {
    source: Arc<VideoSource>,
    track: VideoTrack,
    stream: MediaStream,
    woken: std::sync::atomic::AtomicUsize,
}

impl std::task::Wake for Nosy {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let _ = (self.track.enabled(), self.source.is_wanted(), self.stream.active());
        self.source.set_muted(false);
        self.track.set_settings(TrackSettings::default());
    }
}

#[test]
fn who_is_woken_may_look_at_everything() {
    // In a thread of its own: it would wait for itself for ever.
    let (told, done) = std::sync::mpsc::channel();
    let run = move || {
        let source = Arc::new(VideoSource::new("test"));
        let track = source.track();
        let stream = MediaStream::new([track.clone().into()]);
        let woken = Default::default();
        let (nosy_track, nosy_stream) = (track.clone(), stream.clone());
        let nosy = Nosy { source: source.clone(), track: nosy_track, stream: nosy_stream, woken };
        let nosy = Arc::new(nosy);
        let waker = std::task::Waker::from(nosy.clone());
        let mut context = std::task::Context::from_waker(&waker);
        let mut sink = track.sink(1);
        let mut events = track.events();
        assert!(sink.poll_recv(&mut context).is_pending());
        source.push(&picture(0, 1));
        assert!(events.poll_recv(&mut context).is_pending());
        source.set_muted(true);
        let other = source.track();
        let (id, mut others) = (other.id().to_owned(), other.sink(1));
        stream.add_track(other);
        assert!(others.poll_recv(&mut context).is_pending());
        assert!(stream.remove_track(&id));
        assert!(
            sink.poll_recv(&mut context).is_ready() && sink.poll_recv(&mut context).is_pending()
        );
        track.stop();
        told.send(nosy.woken.load(std::sync::atomic::Ordering::Relaxed)).unwrap();
    };
    std::thread::spawn(run);
    assert_eq!(done.recv_timeout(Duration::from_secs(30)), Ok(4));
}

#[test]
fn a_rate_that_is_none_is_not_wanted() {
    let source = VideoSource::new("test");
    let track = source.track();
    for rate in [f32::NAN, 0.0, -1.0, f32::INFINITY] {
        track.set_settings(TrackSettings::default().with_frame_rate(rate));
        assert_eq!(source.wanted().frame_rate, None, "{rate}");
    }
}
