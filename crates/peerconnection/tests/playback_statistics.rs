//! What whoever captures, decodes and plays has counted comes out of `getStats`, and frames tell what that needs to be known.

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{calling, frames, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::playback::{
    AudioPlayout, Capture, CaptureStatistics, JitterBufferStatistics, PictureStatistics, Playback,
    PlaybackStatistics, PlayedMedium, PlayoutStatistics, SoundStatistics,
};
use peerage_peerconnection::stats::{Stats, StatsType};
use peerage_peerconnection::{Frame, TransceiverHandle};
use peerage_rtp::NtpTime;

const MS: fn(u64) -> Duration = Duration::from_millis;

#[derive(Debug)]
struct Player(PlaybackStatistics);

impl Playback for Player {
    fn statistics(&self) -> Option<PlaybackStatistics> {
        Some(self.0.clone())
    }
}

#[derive(Debug)]
struct Speaker;

impl AudioPlayout for Speaker {
    fn statistics(&self) -> PlayoutStatistics {
        PlayoutStatistics { samples_count: 480, synthesized_events: 2, ..Default::default() }
    }
}

#[derive(Debug)]
struct Camera;

impl Capture for Camera {
    fn statistics(&self) -> Option<CaptureStatistics> {
        let dimensions = (1280, 720);
        Some(CaptureStatistics::Pictures { dimensions, frames: 77, frames_per_second: 25.0 })
    }
}

fn played(ssrc: u32, medium: PlayedMedium) -> PlaybackStatistics {
    PlaybackStatistics {
        ssrc,
        playout_time: Some(NtpTime::from_unix(MS(1_700_000_000_250))),
        jitter_buffer: JitterBufferStatistics {
            delay: MS(500),
            target_delay: MS(400),
            minimum_delay: MS(300),
            emitted: 10,
        },
        total_processing_delay: MS(600),
        medium,
    }
}

#[test]
fn what_is_handed_in_comes_out() {
    let (mut pair, audio, video) = calling(3);
    for index in 0..30u32 {
        let now = pair.now;
        let picture = Frame::new(vp8(index == 0, 900, index as u8), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &picture).unwrap();
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![7; 80], index * 960)).unwrap();
        pair.run_for(MS(33));
    }
    let of = |pair: &common::Pair, kind| {
        let stats = pair.b.pc.get_stats(pair.now);
        stats.inbound_rtp().find(|stream| stream.kind == kind).unwrap().clone()
    };
    let theirs: Vec<TransceiverHandle> = pair.b.pc.transceivers().map(|t| t.handle).collect();
    let before = of(&pair, MediaKind::Video);
    assert_eq!((before.frames_decoded, before.freeze_count), (None, None), "nobody plays");

    let pictures = PictureStatistics {
        frames_decoded: 29,
        frames_dropped: 1,
        frames_rendered: 28,
        freezes: 2,
        freezes_duration: MS(700),
        dimensions: Some((320, 180)),
        qp_sum: Some(900),
        decoder_implementation: Some("test".to_owned()),
        ..PictureStatistics::default()
    };
    let player = Player(played(before.ssrc, PlayedMedium::Pictures(pictures)));
    pair.b.pc.set_playback(theirs[1], Some(Arc::new(player))).unwrap();
    let sound = SoundStatistics {
        samples_received: 48_000,
        concealed_samples: 960,
        audio_level: 0.5,
        packets_discarded: 3,
        ..SoundStatistics::default()
    };
    let ssrc = of(&pair, MediaKind::Audio).ssrc;
    let player = Player(played(ssrc, PlayedMedium::Sound(sound)));
    pair.b.pc.set_playback(theirs[0], Some(Arc::new(player))).unwrap();
    pair.b.pc.set_audio_playout(Some(Arc::new(Speaker)));

    let seen = of(&pair, MediaKind::Video);
    assert_eq!((seen.frames_decoded, seen.frames_rendered), (Some(29), Some(28)));
    assert_eq!((seen.freeze_count, seen.total_freezes_duration), (Some(2), Some(0.7)));
    assert_eq!((seen.frame_width, seen.qp_sum), (Some(320), Some(900)), "as decoded");
    assert_eq!(seen.frames_dropped, before.frames_dropped.map(|dropped| dropped + 1));
    assert_eq!((seen.jitter_buffer_delay, seen.jitter_buffer_emitted_count), (Some(0.5), Some(10)));
    assert_eq!(seen.jitter_buffer_minimum_delay, Some(0.3));
    let playing = seen.estimated_playout_timestamp.unwrap();
    assert!((playing - 1_700_000_000_250.0).abs() < 0.01, "{playing}");
    assert_eq!((seen.concealed_samples, &seen.playout_id), (None, &None), "they are pictures");

    let heard = of(&pair, MediaKind::Audio);
    assert_eq!((heard.total_samples_received, heard.concealed_samples), (Some(48_000), Some(960)));
    assert_eq!((heard.packets_discarded, heard.audio_level), (Some(3), Some(0.5)));
    assert_eq!(heard.frames_decoded, None);
    let stats = pair.b.pc.get_stats(pair.now);
    let Some(Stats::MediaPlayout(speaker)) = stats.get(heard.playout_id.as_deref().unwrap()) else {
        panic!("no loudspeaker")
    };
    assert_eq!(
        (speaker.total_samples_count, speaker.synthesized_samples_events),
        (Some(480), Some(2))
    );

    // Of a source that is gone nothing is said.
    let player = Player(played(before.ssrc ^ 1, PlayedMedium::Pictures(Default::default())));
    pair.b.pc.set_playback(theirs[1], Some(Arc::new(player))).unwrap();
    assert_eq!(of(&pair, MediaKind::Video).frames_decoded, None);
    pair.b.pc.set_audio_playout(None);
    assert_eq!(pair.b.pc.get_stats(pair.now).of_type(StatsType::MediaPlayout).count(), 0);

    pair.a.pc.set_capture(video, Some(Arc::new(Camera))).unwrap();
    let ours = pair.a.pc.get_stats(pair.now);
    let source = ours.media_sources().find(|source| source.kind == MediaKind::Video).unwrap();
    assert_eq!(
        (source.width, source.frames, source.frames_per_second),
        (Some(1280), Some(77), Some(25.0))
    );
}

/// RFC 3550 §6.4.1: reports relate timestamps to the time of capture, whatever encoding took.
#[test]
fn frames_tell_when_they_were_captured_and_when_they_came() {
    let (mut pair, audio, video) = calling(4);
    pair.latency = MS(20);
    let before = pair.now;
    for index in 0..200u32 {
        let now = pair.now;
        // Encoding pictures takes 50 ms.
        let captured = now.checked_sub(MS(50)).unwrap();
        let picture = Frame::new(vp8(index == 0, 3_000, index as u8), index * 1800);
        pair.a.pc.send_frame(now, video, 0, &picture.captured_at(captured)).unwrap();
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![7; 80], index * 960)).unwrap();
        pair.run_for(MS(20));
    }
    let of = |kind: MediaKind| {
        let handle = pair.b.pc.transceivers().find(|t| t.kind == kind).unwrap().handle;
        frames(&pair.b.events).into_iter().rfind(|frame| frame.transceiver == handle).unwrap()
    };
    let (heard, seen) = (of(MediaKind::Audio), of(MediaKind::Video));
    let time = |frame: &peerage_peerconnection::MediaFrame, rate: f64| {
        let told = frame.sender_time.expect("a report came");
        let since = f64::from(frame.frame.timestamp.wrapping_sub(told.timestamp).cast_signed());
        told.ntp.0 as f64 / 2f64.powi(32) + since / rate
    };
    // The last of both were handed in together.
    let apart = time(heard, 48_000.0) - time(seen, 90_000.0);
    assert!((apart - 0.050).abs() < 0.002, "{apart}");
    let first = frames(&pair.b.events)[0];
    assert_eq!(first.sender_time, None, "before any report");
    let Some(took) = seen.arrival.last.checked_duration_since(seen.arrival.first) else {
        panic!("{:?}", seen.arrival)
    };
    assert!(took < MS(20) && !seen.arrival.repaired, "{:?}", seen.arrival);
    let since: fn(Instant, Instant) -> Duration = |a, b| a.duration_since(b);
    assert!(since(seen.arrival.first, before) > MS(3_990), "at its time");
}
