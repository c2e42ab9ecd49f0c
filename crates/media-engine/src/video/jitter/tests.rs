//! The buffer on traces in virtual time.

use std::time::{Duration, Instant};

use bytes::Bytes;
use peerage_rtp::payload::EncodedFrame;

use super::fuzzing::video_jitter;
use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn frame(number: u32, size: usize) -> EncodedFrame {
    EncodedFrame {
        data: Bytes::from(vec![0; size]),
        timestamp: number.wrapping_mul(3000).wrapping_add(u32::MAX - 50_000),
        keyframe: number == 0,
        discardable: false,
        first_sequence: number.into(),
        last_sequence: number.into(),
        marker: true,
        temporal_layer: None,
        spatial_layer: None,
        dimensions: None,
        picture_id: None,
        block_payload_type: None,
        redundant: false,
    }
}

/// What was seen of a trace.
#[derive(Debug, Default)]
struct Seen {
    /// Number and time since the start, of each picture shown.
    shown: Vec<(u32, Duration)>,
    freezes: FreezeCounter,
    /// The delay of each picture from its sending.
    delays: Vec<f64>,
    keyframes: u64,
}

impl Seen {
    fn mean_delay(&self, from: usize) -> f64 {
        let delays = &self.delays[from..];
        delays.iter().sum::<f64>() / delays.len() as f64
    }
}

/// Plays 30 frames a second, each of which takes `under_way` ms (`None`: it is lost, and with it all up to the next keyframe, which
/// comes when asked for), and decoding `decoding`.
fn play(
    buffer: &mut VideoJitterBuffer,
    count: u32,
    decoding: Duration,
    mut under_way: impl FnMut(u32) -> Option<f64>,
) -> Seen {
    let start = Instant::now();
    let sent = |number: u32| Duration::from_secs_f64(f64::from(number) / 30.0);
    // Frames come in order: one that is late holds back those behind it.
    let mut arrivals = Vec::new();
    let mut last = start;
    for number in 0..count {
        if let Some(delay) = under_way(number) {
            last = last.max(start + sent(number) + Duration::from_secs_f64(delay / 1000.0));
            arrivals.push((last, number));
        }
    }
    let (mut seen, mut queue) = (Seen::default(), PictureQueue::new(8));
    let mut arrivals = arrivals.into_iter().peekable();
    let mut now = start;
    let end = start + sent(count) + Duration::from_secs(2);
    while now < end {
        while let Some((_, number)) = arrivals.next_if(|(at, _)| *at <= now) {
            buffer.insert(now, frame(number, 3000 + 37 * (number as usize % 11)));
        }
        while let Some(event) = buffer.poll(now) {
            match event {
                JitterEvent::Decode(ready) => {
                    buffer.decoded(decoding, ready.frame.keyframe);
                    queue.push(
                        ready.render_at.max(now + decoding),
                        ready.frame.first_sequence as u32,
                    );
                }
                JitterEvent::RequestKeyframe => seen.keyframes += 1,
            }
        }
        if let Some(number) = queue.pop_due(now) {
            seen.freezes.shown(now);
            seen.shown.push((number, now - start));
            seen.delays
                .push((now - start).as_secs_f64() * 1000.0 - sent(number).as_secs_f64() * 1000.0);
        }
        now += MS(1);
    }
    seen
}

fn noise(seed: u32) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24)
    }
}

#[test]
fn on_a_steady_network_pictures_are_shown_in_time_and_soon() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let seen = play(&mut buffer, 300, MS(5), |_| Some(40.0));
    assert_eq!(seen.shown.len(), 300);
    assert_eq!((seen.freezes.freezes, seen.keyframes), (0, 0));
    let delay = seen.mean_delay(100);
    assert!((50.0..85.0).contains(&delay), "{delay} ms from sending to showing");
    let statistics = buffer.statistics();
    assert_eq!((statistics.frames_decoded, statistics.key_frames_decoded), (300, 1));
    assert_eq!(statistics.jitter_buffer_emitted_count, 300);
    assert!(statistics.jitter_buffer_target_delay >= statistics.jitter_buffer_minimum_delay);
}

#[test]
fn jitter_is_evened_out() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let mut random = noise(7);
    let seen = play(&mut buffer, 1800, MS(5), |_| Some(30.0 + 80.0 * random()));
    // Intervals between pictures, against those of arrivals.
    let late = seen.shown.windows(2).skip(300).filter(|two| two[1].1 - two[0].1 > MS(60)).count();
    assert!(late < 15, "{late} of {} pictures were late", seen.shown.len());
    assert_eq!(seen.freezes.freezes, 0);
    assert!(seen.shown.len() > 1750);
    let delay = seen.mean_delay(300);
    assert!(delay < 210.0, "{delay} ms for jitter of 80 ms");
    assert!(seen.shown.windows(2).all(|two| two[0].0 < two[1].0), "order");
}

#[test]
fn the_delay_comes_down_again_after_a_storm() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let mut random = noise(3);
    play(&mut buffer, 300, MS(2), |_| Some(20.0));
    let calm = buffer.target_delay();
    buffer.reset();
    let seen = play(&mut buffer, 3000, MS(2), |number| {
        Some(if (300..600).contains(&number) { 20.0 + 200.0 * random() } else { 20.0 })
    });
    assert!(buffer.current_delay() < calm + MS(40), "{:?} after {calm:?}", buffer.current_delay());
    assert!(seen.freezes.freezes <= 3, "{:?}", seen.freezes);
}

#[test]
fn one_long_stop_is_one_freeze() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let seen = play(&mut buffer, 600, MS(5), |number| {
        // Everything between waits for frame 300, which takes 700 ms.
        Some(if number == 300 { 700.0 } else { 40.0 })
    });
    assert_eq!(seen.freezes.freezes, 1, "{:?}", seen.freezes);
    let frozen = seen.freezes.frozen;
    assert!((MS(550)..MS(800)).contains(&frozen), "{frozen:?}");
    // The backlog is shown as the newest picture, not one after the other.
    let delay = seen.mean_delay(450);
    assert!(delay < 200.0, "{delay}");
}

#[test]
fn what_is_asked_for_is_held() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    buffer.set_target(MS(400));
    let seen = play(&mut buffer, 300, MS(5), |_| Some(40.0));
    let delay = seen.mean_delay(100);
    assert!((430.0..450.0).contains(&delay), "{delay}");
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    buffer.set_playout_delay(Duration::ZERO, Duration::ZERO);
    let mut random = noise(5);
    let seen = play(&mut buffer, 300, MS(5), |_| Some(30.0 + 50.0 * random()));
    let delay = seen.mean_delay(100);
    assert!(delay < 75.0, "{delay}: pictures are shown as they come");
}

#[test]
fn decoding_begins_before_the_picture_is_due() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    buffer.set_target(MS(200));
    let start = Instant::now();
    for number in 0..30 {
        buffer.decoded(MS(30), false);
        let now = start + number * Duration::from_nanos(33_333_333);
        buffer.insert(now, frame(number, 1000));
    }
    let due = buffer.poll_timeout().unwrap();
    // 200 ms after its arrival, less 30 for decoding and 10 for showing.
    assert!((MS(150)..MS(165)).contains(&(due - start)), "{:?}", due - start);
    let Some(JitterEvent::Decode(ready)) = buffer.poll(due) else { panic!("not due") };
    assert!((MS(190)..MS(205)).contains(&(ready.render_at - start)));
}

#[test]
fn a_keyframe_is_asked_for_until_it_comes() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let start = Instant::now();
    // No keyframe at the beginning.
    buffer.insert(start, frame(1, 100));
    assert_eq!(buffer.poll(start), Some(JitterEvent::RequestKeyframe));
    assert_eq!(buffer.poll(start), None);
    assert_eq!(buffer.poll_timeout(), Some(start + MS(500)));
    assert_eq!(buffer.poll(start + MS(500)), Some(JitterEvent::RequestKeyframe));
    let keyframe = EncodedFrame { keyframe: true, ..frame(20, 100) };
    buffer.insert(start + MS(600), keyframe);
    let due = buffer.poll_timeout().unwrap();
    assert!(matches!(buffer.poll(due), Some(JitterEvent::Decode(_))));
    // The decoder fails at it: what follows is dropped.
    buffer.insert(due, frame(21, 100));
    buffer.decode_failed(due);
    assert_eq!(buffer.frames(), 0);
    assert_eq!(buffer.poll(due), Some(JitterEvent::RequestKeyframe));
    buffer.insert(due + MS(30), frame(22, 100));
    assert_eq!((buffer.frames(), buffer.statistics().frames_dropped), (0, 3));
    assert_eq!(buffer.statistics().keyframes_requested, 3);
}

#[test]
fn packets_without_frames_ask_for_a_keyframe_and_silence_does_not() {
    let start = Instant::now();
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    buffer.insert(start, frame(0, 100));
    let due = buffer.poll_timeout().unwrap();
    assert!(buffer.poll(due).is_some());
    assert_eq!(buffer.poll(start + Duration::from_secs(60)), None);
    buffer.packet_arrived(start + Duration::from_secs(60));
    assert_eq!(buffer.poll(start + Duration::from_secs(60)), Some(JitterEvent::RequestKeyframe));
}

#[test]
fn what_is_held_is_bounded() {
    let mut config = JitterConfig::default();
    (config.max_frames, config.max_bytes) = (10, 10_000);
    let mut buffer = VideoJitterBuffer::new(config);
    buffer.set_target(Duration::from_secs(10));
    let start = Instant::now();
    for number in 0..100 {
        let keyframe = number % 7 == 0;
        buffer.insert(start, EncodedFrame { keyframe, ..frame(number, 900) });
        assert!(buffer.frames() <= 10 && buffer.bytes() <= 10_000);
    }
    assert_eq!(buffer.poll(start), None, "a keyframe was there each time");
    buffer.insert(start, frame(100, 20_000));
    assert_eq!(buffer.poll(start), Some(JitterEvent::RequestKeyframe));
}

#[test]
fn late_frames_that_nothing_refers_to_are_not_decoded() {
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let start = Instant::now();
    buffer.insert(start, frame(0, 1000));
    let due = buffer.poll_timeout().unwrap();
    buffer.poll(due).unwrap();
    // A second of frames comes at once, every second one of the upper temporal layer.
    let now = start + MS(1500);
    for number in 1..31 {
        buffer.insert(now, EncodedFrame { discardable: number % 2 == 1, ..frame(number, 1000) });
    }
    let mut decode = |now| {
        let mut numbers = Vec::new();
        while let Some(JitterEvent::Decode(ready)) = buffer.poll(now) {
            numbers.push(ready.frame.first_sequence);
        }
        numbers
    };
    // What is late already is decoded for the sake of what refers to it only.
    let late = decode(now);
    assert!(late.len() >= 8 && late.iter().all(|number| number % 2 == 0), "{late:?}");
    let rest: Vec<u64> = (1..1000).flat_map(|later| decode(now + MS(later))).collect();
    assert_eq!(late.iter().chain(&rest).filter(|number| *number % 2 == 0).count(), 15);
    assert!(rest.iter().any(|number| number % 2 == 1), "those in time are shown: {rest:?}");
}

#[test]
fn bodies_hold_on_noise() {
    let mut random = noise(99);
    for length in 0..400 {
        let data: Vec<u8> = (0..length * 4).map(|_| (random() * 256.0) as u8).collect();
        video_jitter(&data);
    }
}

#[test]
fn seeds_and_regressions_hold() {
    crate::files::fuzzing::inputs::run("media_video_jitter", video_jitter);
}

#[test]
fn clocks_that_are_set_do_not_stop_the_picture() {
    // Forward and back, by less and by more than what the timeline takes as another stream.
    for jump in [-20.0, -8.0, -2.0, 2.0, 8.0, 20.0] {
        let start = Instant::now();
        let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
        buffer.set_target(MS(300));
        let (mut queue, mut shown) = (PictureQueue::new(8), FreezeCounter::default());
        let mut sent = 0;
        for time in 0..20_000 {
            let now = start + MS(time);
            if time * 3 / 100 > sent {
                sent = time * 3 / 100;
                let shift = if sent > 300 { jump * 90_000.0 } else { 0.0 } as i32;
                let mut frame = frame(sent as u32, 3000);
                frame.timestamp = frame.timestamp.wrapping_add_signed(shift);
                frame.keyframe = sent == 1;
                buffer.insert(now, frame);
            }
            while let Some(JitterEvent::Decode(ready)) = buffer.poll(now) {
                buffer.decoded(MS(5), false);
                queue.push(ready.render_at, ());
            }
            if queue.pop_due(now).is_some() {
                shown.shown(now);
            }
        }
        assert!(shown.frozen < MS(700), "{jump}: {shown:?}");
        assert!(shown.rendered > 560, "{jump}: {shown:?}");
    }
}

#[test]
fn repairs_that_are_frequent_are_given_time_for() {
    let start = Instant::now();
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    let (mut queue, mut shown) = (PictureQueue::new(8), FreezeCounter::default());
    let (mut came, mut longest, mut last) = (0, Duration::ZERO, None);
    for time in 0..30_000u64 {
        let now = start + MS(time);
        // One frame in twenty is whole 90 ms late, and holds back the two behind it.
        while came < 880 && {
            let late = if came % 20 == 7 { 90 } else { 0 };
            let held = if (8..10).contains(&(came % 20)) { 90 - 33 * (came % 20 - 7) } else { 0 };
            came * 100 / 3 + late + held <= time
        } {
            let own = start + MS(came * 100 / 3);
            let repaired = came % 20 == 7;
            let last = if repaired { now } else { own };
            buffer.insert_arrived(
                now,
                Arrived { first: own, last, repaired },
                frame(came as u32, 3000),
            );
            came += 1;
        }
        while let Some(JitterEvent::Decode(ready)) = buffer.poll(now) {
            buffer.decoded(MS(5), false);
            queue.push(ready.render_at.max(now), ());
        }
        if queue.pop_due(now).is_some() {
            shown.shown(now);
            if let Some(before) = last.replace(now)
                && time > 10_000
            {
                longest = longest.max(now - before);
            }
        }
    }
    assert_eq!(shown.freezes, 0);
    assert!(longest < MS(60), "{longest:?}: pictures come evenly");
    assert!(buffer.target_delay() < MS(140), "{:?}", buffer.target_delay());
    let statistics = buffer.statistics();
    let mean = statistics.jitter_buffer_delay / statistics.jitter_buffer_emitted_count as u32;
    assert!((MS(60)..MS(120)).contains(&mean), "{mean:?}: from the first packet");
    assert_eq!(
        statistics.total_processing_delay,
        statistics.jitter_buffer_delay + MS(5) * statistics.frames_decoded as u32
    );
}

/// The longest time between two frames that leave for the decoder, of frames that come as told: in ms, with their timestamps.
fn longest_wait(target: u64, frames: impl Iterator<Item = (u64, u32)>) -> Duration {
    let start = Instant::now();
    let mut buffer = VideoJitterBuffer::new(JitterConfig::default());
    buffer.set_target(MS(target));
    let (mut frames, mut last, mut longest) = (frames.enumerate().peekable(), None, MS(0));
    let mut time = 0;
    while frames.peek().is_some() {
        let now = start + MS(time);
        while let Some((number, (_, timestamp))) = frames.next_if(|(_, (at, _))| *at <= time) {
            let mut frame = frame(number as u32, 3_000);
            // One begins each stream.
            (frame.timestamp, frame.keyframe) = (timestamp, number == 0 || timestamp == 0);
            buffer.insert(now, frame);
        }
        while let Some(event) = buffer.poll(now) {
            if let JitterEvent::Decode(_) = event {
                buffer.decoded(MS(5), false);
                let since = last.replace(now).map_or(MS(0), |last| now.duration_since(last));
                longest = longest.max(since);
            }
        }
        // What it says of when to ask again holds: nothing is due before.
        if let Some(due) = buffer.poll_timeout() {
            assert!(due > now, "at {time} ms");
        }
        time += 1;
    }
    longest
}

#[test]
fn frames_that_wait_outlast_no_restart_of_the_timestamps() {
    let restarts = [(1_500_000_000, 200), (1_500_000_000, 0), (2_000_000, 500), (2_000_000, 2_500)];
    for (before, target) in restarts {
        let frames = (0..700).map(|number: u32| {
            let first = if number < 300 { before } else { 0u32.wrapping_sub(300 * 3_000) };
            (u64::from(number) * 100 / 3, first.wrapping_add(number * 3_000))
        });
        let longest = longest_wait(target, frames);
        assert!(longest < MS(100), "{before}, {target}: {longest:?}");
    }
}

#[test]
fn a_frame_dated_ahead_holds_back_no_others() {
    for ahead in [300, 900, 2_000, 5_000, 9_900] {
        for target in [0, 200] {
            let frames = (0..900).map(|number: u32| {
                let wrong = if number == 500 { ahead * 90 } else { 0 };
                (u64::from(number) * 100 / 3, number * 3_000 + wrong)
            });
            let longest = longest_wait(target, frames);

            assert!(longest < MS(200), "{ahead}, {target}: {longest:?}");
        }
    }
}

#[test]
fn durations_without_an_end_are_none_that_go_by() {
    let forever = Duration::MAX;
    let config = JitterConfig {
        max_delay: forever,
        request_interval: forever,
        stalled: forever,
        ..JitterConfig::default()
    };
    let mut buffer = VideoJitterBuffer::new(config);
    let now = Instant::now();
    buffer.set_target(forever);
    buffer.insert(now, frame(1, 10));
    assert_eq!(buffer.poll(now), Some(JitterEvent::RequestKeyframe));
    assert_eq!(buffer.poll(now + Duration::from_secs(86_400)), None, "asked for once");
    buffer.insert(now, frame(0, 10));
    buffer.packet_arrived(now + MS(10_000));
    assert_eq!(buffer.poll(now + MS(10_000)), None, "it waits for ever, as was asked for");
    assert!(buffer.poll_timeout().is_some());
}
