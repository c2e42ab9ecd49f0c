//! Media that follows what the path carries, over an emulated network in virtual time.

mod common;

use std::time::Duration;

use common::call::Call;
use common::config;
use peerage_netsim::{Direction, LinkConfig, Loss, Queue, Rate};
use peerage_peerconnection::media::{MediaKind, uri};
use peerage_peerconnection::{Configuration, Priority};
use peerage_sdp::Feedback;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A path with a queue of half a second.
fn path(kbit: u64) -> LinkConfig {
    let queue = Queue::bytes((kbit * 1_000 / 8 / 2) as usize);
    LinkConfig::new().rate(Rate::kbit(kbit)).delay(Duration::from_millis(25)).queue(queue)
}

fn call(seed: u64, path: LinkConfig) -> Call {
    Call::new(seed, config(), config(), path)
}

#[test]
fn the_rate_of_the_path_is_found_without_filling_its_queue() {
    for (kbit, least) in [(300, 0.55), (1_000, 0.7), (3_000, 0.75)] {
        let mut call = call(1, path(kbit));
        call.run(seconds(10));
        let seen = call.run(seconds(20));
        let used = seen.video_kbps() / kbit as f64;
        assert!(used > least, "{kbit} kbit/s: {used:.2} of it is video");
        assert!(seen.queue_mean() < Duration::from_millis(60), "{:?}", seen.queue_mean());
        assert!(seen.queue_max() < Duration::from_millis(350), "{:?}", seen.queue_max());
        assert!(seen.targets < 20 * 12, "{} changes were told in 20 s", seen.targets);
        assert!(seen.audio_frames + 10 > seen.audio_sent, "{seen:?}");
    }
}

#[test]
fn a_path_that_becomes_slower_is_drained() {
    let mut call = call(2, path(3_000));
    call.run(seconds(15));
    assert!(call.target_kbps() > 1_800, "{}", call.target_kbps());
    call.change(path(500).queue(Queue::bytes(250_000)));
    call.run(seconds(2));
    let seen = call.run(seconds(3));
    assert!(seen.queue_mean() < Duration::from_millis(150), "{:?}", seen.queue_mean());
    assert!(call.target_kbps() < 500, "{}", call.target_kbps());
    call.change(path(3_000));
    call.run(seconds(20));
    let seen = call.run(seconds(10));
    assert!(seen.video_kbps() > 1_800.0, "{}", seen.video_kbps());
}

#[test]
fn losses_by_chance_cost_little() {
    for (loss, least) in [(0.02, 0.75), (0.05, 0.65), (0.1, 0.5)] {
        let mut call = call(3, path(2_000).loss(Loss::Random(loss)));
        call.run(seconds(15));
        let seen = call.run(seconds(20));
        let used = seen.video_kbps() / 2_000.0;
        assert!(used > least, "{loss}: {used:.2}");
        assert!(seen.video_frames > 570, "{loss}: {} frames of 606", seen.video_frames);
    }
}

#[test]
fn audio_flows_beside_video_that_fills_the_path() {
    let mut call = call(4, path(250));
    // An encoder that does not listen.
    call.least_kbps = 1_500;
    call.run(seconds(5));
    let seen = call.run(seconds(20));
    assert!(
        seen.audio_frames * 100 > seen.audio_sent * 97,
        "{} of {}",
        seen.audio_frames,
        seen.audio_sent
    );
    assert!(seen.audio_gap < Duration::from_millis(400), "{:?}", seen.audio_gap);
    let statistics = call.pair.a.pc.statistics().rtp;
    assert!(statistics.frames_left_out > 100, "{statistics:?}");
    assert!((1..30).contains(&seen.keyframe_requests), "{}", seen.keyframe_requests);
    assert!(seen.video_frames > 0, "what is sent is sent whole");
    let estimate = call.pair.a.pc.estimate().unwrap();
    assert!(estimate.pacer_packets < 1_000, "{estimate:?}");
}

/// With reports by stream (RFC 8888).
fn by_stream() -> Configuration {
    let mut config = config();
    config.settings.media.enable_ccfb();
    config
}

#[test]
fn reports_by_stream_do_as_well() {
    let mut call = Call::new(5, by_stream(), by_stream(), path(1_000));
    call.run(seconds(10));
    let seen = call.run(seconds(10));
    assert!(call.pair.a.pc.estimate().unwrap().reported);
    assert!(seen.video_kbps() > 700.0, "{}", seen.video_kbps());
    assert!(seen.queue_mean() < Duration::from_millis(60), "{:?}", seen.queue_mean());
}

#[test]
fn a_queue_that_marks_loses_nothing() {
    let marking = path(1_000).queue(Queue::codel(true));
    let mut call = Call::new(15, by_stream(), by_stream(), marking);
    call.run(seconds(10));
    // A burst of what does not follow the target fills the queue.
    call.least_kbps = 2_500;
    call.run(seconds(3));
    call.least_kbps = 0;
    let seen = call.run(seconds(20));
    let stats = call.network.link_stats(call.link, Direction::Forward);
    assert!(stats.marked > 0, "{stats:?}");
    // What is not marked is dropped in its place: reports of ours carry no mark (RFC 6679 is about RTP).
    assert!(stats.dropped_aqm <= 2, "{stats:?}");
    assert!(seen.video_kbps() > 600.0, "{}", seen.video_kbps());
    assert!(seen.queue_mean() < Duration::from_millis(60), "{:?}", seen.queue_mean());
}

#[test]
fn a_path_without_marks_is_as_good() {
    let mut call = Call::new(16, by_stream(), by_stream(), path(1_000).bleach_ecn(true));
    call.run(seconds(10));
    let seen = call.run(seconds(10));
    assert!(seen.video_kbps() > 700.0, "{}", seen.video_kbps());
}

/// A peer without reports on packets.
fn without_reports(remb: bool) -> Configuration {
    let mut config = config();
    let media = &mut config.settings.media;
    for codec in media.audio.iter_mut().chain(&mut media.video) {
        codec.codec.rtcp_feedback.retain(|feedback| {
            *feedback != Feedback::TransportCc && (remb || *feedback != Feedback::GoogRemb)
        });
    }
    media.audio_extensions.retain(|extension| *extension.uri != *uri::TRANSPORT_CC);
    media.video_extensions.retain(|extension| *extension.uri != *uri::TRANSPORT_CC);
    config
}

#[test]
fn the_receivers_estimate_does_where_there_is_nothing_else() {
    let mut call = Call::new(6, config(), without_reports(true), path(1_000));
    call.run(seconds(20));
    let seen = call.run(seconds(10));
    assert!(!call.pair.a.pc.estimate().unwrap().reported);
    assert!(seen.video_kbps() > 500.0, "{}", seen.video_kbps());
    assert!(seen.queue_mean() < Duration::from_millis(250), "{:?}", seen.queue_mean());
}

#[test]
fn without_any_word_of_the_peer_the_start_stands_until_losses_speak() {
    let mut call = Call::new(7, config(), without_reports(false), path(2_000));
    let seen = call.run(seconds(10));
    assert!((170.0..300.0).contains(&seen.video_kbps()), "{}", seen.video_kbps());
    call.change(path(2_000).loss(Loss::Random(0.3)));
    call.run(seconds(10));
    assert!(call.target_kbps() < 120, "{}", call.target_kbps());
    call.change(path(2_000));
    call.run(seconds(30));
    assert!(call.target_kbps() > 130, "{}", call.target_kbps());
}

/// Bounds and priorities of encodings.
#[test]
fn encodings_share_by_priority_and_within_their_bounds() {
    let mut call = call(8, path(1_500));
    let now = call.pair.now;
    let mut encodings = call.pair.a.pc.transceiver(call.video).unwrap().sender.encodings.clone();
    encodings[0].max_bitrate = Some(400_000);
    call.pair.a.pc.set_encodings(now, call.video, encodings.clone()).unwrap();
    call.run(seconds(10));
    assert!((380..=400).contains(&call.target_kbps()), "{}", call.target_kbps());
    encodings[0].active = false;
    call.pair.a.pc.set_encodings(call.pair.now, call.video, encodings.clone()).unwrap();
    assert_eq!(call.target_kbps(), 0);
    call.run(seconds(1));
    let seen = call.run(seconds(2));
    assert!(seen.audio_frames > 95, "{seen:?}");
    assert_eq!(seen.video_frames, 0);
}

/// RFC 8835 §4.1: high is four times low.
#[test]
fn streams_share_by_priority() {
    let mut call = call(10, path(3_000));
    let now = call.pair.now;
    let pc = &mut call.pair.a.pc;
    let other = pc.add_track(now, MediaKind::Video, "other", vec!["s".into()]).unwrap();
    let mut encodings = pc.transceiver(other).unwrap().sender.encodings.clone();
    encodings[0].priority = Priority::High;
    pc.set_encodings(now, other, encodings).unwrap();
    call.pair.negotiate();
    call.run(seconds(10));
    let more = call.pair.a.pc.target_bitrate(other, 0).unwrap() / 1_000;
    let less = call.target_kbps();
    assert!(less >= 50 && (3 * less..=5 * less).contains(&more), "{less} and {more}");
}

/// Nothing wakes up more often because there are more streams.
#[test]
fn idle_streams_cost_no_wakeups() {
    let wakeups = |streams: usize| {
        let mut call = call(9, path(5_000));
        let now = call.pair.now;
        for index in 1..streams {
            let pc = &mut call.pair.a.pc;
            pc.add_track(now, MediaKind::Video, format!("v{index}"), vec!["s".into()]).unwrap();
        }
        call.pair.negotiate();
        call.most_kbps = 100;
        call.run(seconds(5));
        call.run(seconds(10)).wakeups
    };
    let (one, many) = (wakeups(1), wakeups(30));
    assert!(many < one + one / 5, "{one} and {many}");
}
