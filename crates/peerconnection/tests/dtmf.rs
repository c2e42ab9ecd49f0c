//! `RTCDTMFSender` (webrtc-pc §7): tones are played in order and at their times, told as they begin, and heard at the
//! other end as RFC 4733 says.

mod common;

use std::time::Duration;

use common::{Pair, negotiate};
use peerage_peerconnection::media::{Capabilities, MediaKind};
use peerage_peerconnection::{
    ConnectionState, Error, Event, Frame, MediaFrame, OutgoingPacket, ReceiveMode,
    TransceiverDirection, TransceiverHandle,
};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// A pair that sends audio from `a` to `b` under this codec.
fn calling(seed: u64, codec: &str) -> (Pair, TransceiverHandle) {
    let mut pair = Pair::new(seed);
    let now = pair.now;
    let handle = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
    let all = Capabilities::default().rtp_codecs(MediaKind::Audio);
    let wanted: Vec<_> =
        all.into_iter().filter(|have| have.is(codec) || have.is("telephone-event")).collect();
    pair.a.pc.set_codec_preferences(now, handle, &wanted).unwrap();
    assert!(!pair.a.pc.can_insert_dtmf(handle), "nothing is agreed on yet");
    negotiate(now, &mut pair.a, &mut pair.b);
    assert!(pair.run_until(Duration::from_secs(10), |pair| {
        [&pair.a, &pair.b]
            .iter()
            .all(|peer| peer.pc.connection_state() == ConnectionState::Connected)
    }));
    (pair, handle)
}

/// Runs on, with a frame of audio every 20 ms; the moments at which events came, in milliseconds.
fn talk(pair: &mut Pair, handle: TransceiverHandle, duration: u64, step: u32) -> Vec<(u64, Event)> {
    let mut seen = Vec::new();
    let mut known = [pair.a.events.len(), pair.b.events.len()];
    for at in 0..duration / 10 {
        if at.is_multiple_of(2) {
            let frame = Frame::new(vec![7; 80], (at / 2) as u32 * step);
            pair.a.pc.send_frame(pair.now, handle, 0, &frame).unwrap();
        }
        pair.run_for(MS(10));
        for (events, known) in [&pair.a.events, &pair.b.events].into_iter().zip(&mut known) {
            seen.extend(events[*known..].iter().cloned().map(|event| (at * 10, event)));
            *known = events.len();
        }
    }
    seen
}

fn told(seen: &[(u64, Event)]) -> Vec<(u64, Option<char>)> {
    let tone = |(at, event): &(u64, Event)| match event {
        Event::ToneChange { tone, .. } => Some((*at, *tone)),
        _ => None,
    };
    seen.iter().filter_map(tone).collect()
}

/// The keys that were let go, and how long each was held.
fn heard(seen: &[(u64, Event)]) -> Vec<(char, u64)> {
    let ended = |(_, event): &(u64, Event)| match event {
        Event::Dtmf(event) => Some((event.tone()?, event.duration?.as_millis() as u64)),
        _ => None,
    };
    seen.iter().filter_map(ended).collect()
}

#[test]
fn tones_come_in_order_and_as_long_as_asked() {
    for (seed, codec, step) in [(1, "opus", 960), (2, "PCMU", 160)] {
        let (mut pair, handle) = calling(seed, codec);
        talk(&mut pair, handle, 100, step);
        let now = pair.now;
        pair.a.pc.insert_dtmf(now, handle, "1d,#", MS(100), MS(70)).unwrap();
        assert_eq!(pair.a.pc.tone_buffer(handle), "1D,#");
        let seen = talk(&mut pair, handle, 3000, step);
        let told = told(&seen);
        assert_eq!(
            told.iter().map(|(_, tone)| *tone).collect::<Vec<_>>(),
            [Some('1'), Some('D'), Some(','), Some('#'), None],
            "{codec}"
        );
        for (index, at) in [0, 170, 340, 2340, 2510].into_iter().enumerate() {
            assert!(told[index].0.abs_diff(at) <= 10, "{codec}: {told:?}");
        }
        assert_eq!(heard(&seen), [('1', 100), ('D', 100), ('#', 100)], "{codec}");
        let begun = seen.iter().filter(|(_, event)| {
            matches!(event, Event::Dtmf(event) if event.duration.is_none() && event.volume == 10)
        });
        assert_eq!(begun.count(), 3);
        assert_eq!(pair.a.pc.tone_buffer(handle), "");
    }
}

#[test]
fn an_event_has_a_marker_updates_and_three_ends_on_the_audio_clock() {
    let (mut pair, handle) = calling(3, "opus");
    talk(&mut pair, handle, 200, 960);
    let now = pair.now;
    pair.a.pc.insert_dtmf(now, handle, "5", MS(100), MS(70)).unwrap();
    let seen = talk(&mut pair, handle, 400, 960);
    // Each packet comes out as a frame too, and audio is silent meanwhile.
    let frames: Vec<_> = seen
        .iter()
        .filter_map(|(_, event)| match event {
            Event::Frame(frame) => Some(frame),
            _ => None,
        })
        .collect();
    let (events, audio): (Vec<&Box<MediaFrame>>, Vec<&Box<MediaFrame>>) =
        frames.into_iter().partition(|frame| frame.frame.data.len() == 4);
    let report = |index: usize| {
        let data = &events[index].frame.data;
        (u16::from_be_bytes([data[2], data[3]]), data[1] & 0x80 != 0)
    };
    assert_eq!(
        (0..events.len()).map(report).collect::<Vec<_>>(),
        [
            (960, false),
            (1920, false),
            (2880, false),
            (3840, false),
            (4800, true),
            (4800, true),
            (4800, true)
        ]
    );
    assert!(events[0].frame.marker && events[1..].iter().all(|event| !event.frame.marker));
    assert!(events.iter().all(|event| event.frame.timestamp == events[0].frame.timestamp));
    // The event begins where the last frame of audio was, and 20 ms later at the most.
    let mut before =
        audio.iter().filter(|frame| frame.frame.last_sequence < events[0].frame.first_sequence);
    let last = before.next_back().unwrap().frame.timestamp;
    assert!(events[0].frame.timestamp.wrapping_sub(last) <= 960);
    // Audio gave way to the tone, but for the frame at its very beginning.
    assert_eq!(audio.len(), 20 - 4);
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let (mut pair, handle) = calling(4, "opus");
    let now = pair.now;
    assert!(pair.a.pc.can_insert_dtmf(handle));
    let error = pair.a.pc.insert_dtmf(now, handle, "12x", MS(100), MS(70)).unwrap_err();
    assert_eq!(error, Error::InvalidCharacter { argument: "tones", character: 'x' });
    pair.a.pc.replace_track(now, handle, None).unwrap();
    let error = pair.a.pc.insert_dtmf(now, handle, "1", MS(100), MS(70)).unwrap_err();
    assert_eq!(error.name(), "InvalidStateError");
    assert!(error.to_string().contains("replace_track"), "it says what to do: {error}");
    // The other end only receives.
    let there = pair.b.pc.transceivers().next().unwrap().handle;
    assert!(!pair.b.pc.can_insert_dtmf(there));
}

#[test]
fn tones_that_wait_are_replaced_or_cancelled_and_end_with_the_sender() {
    let (mut pair, handle) = calling(5, "opus");
    let now = pair.now;
    pair.a.pc.insert_dtmf(now, handle, "123", MS(100), MS(70)).unwrap();
    talk(&mut pair, handle, 50, 960);
    pair.a.pc.insert_dtmf(pair.now, handle, "9", MS(40), MS(30)).unwrap();
    let seen = talk(&mut pair, handle, 500, 960);
    assert_eq!(heard(&seen), [('1', 100), ('9', 40)]);
    pair.a.pc.insert_dtmf(pair.now, handle, "123", MS(100), MS(70)).unwrap();
    talk(&mut pair, handle, 50, 960);
    pair.a.pc.insert_dtmf(pair.now, handle, "", MS(100), MS(70)).unwrap();
    let seen = talk(&mut pair, handle, 500, 960);
    assert_eq!(told(&seen).iter().map(|(_, tone)| *tone).collect::<Vec<_>>(), [None]);
    // Held, it says nothing more, not even that it is over.
    pair.a.pc.insert_dtmf(pair.now, handle, "123", MS(100), MS(70)).unwrap();
    pair.run_for(MS(50));
    let now = pair.now;
    pair.a.pc.set_direction(now, handle, TransceiverDirection::Inactive).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    let known = pair.a.events.len();
    pair.run_for(MS(1000));
    let later = pair.a.events[known..].iter();
    assert_eq!(later.filter(|event| matches!(event, Event::ToneChange { .. })).count(), 0);
    assert_eq!(pair.a.pc.tone_buffer(handle), "");
}

#[test]
fn an_event_whose_end_is_lost_ends_by_itself() {
    let (mut pair, handle) = calling(6, "opus");
    talk(&mut pair, handle, 100, 960);
    pair.a.pc.insert_dtmf(pair.now, handle, "7", MS(1000), MS(70)).unwrap();
    pair.run_for(MS(205));
    // From here on nothing more of it arrives.
    let known = pair.b.events.len();
    let (mut now, mut buffer) = (pair.now, Vec::new());
    for _ in 0..100 {
        now += MS(10);
        pair.b.pc.handle_timeout(now);
        while pair.b.pc.poll_transmit(now, &mut buffer).is_some() {}
        while let Some(event) = pair.b.pc.poll_event() {
            pair.b.events.push(event);
        }
    }
    let ended: Vec<_> = pair.b.events[known..]
        .iter()
        .filter_map(|event| match event {
            Event::Dtmf(event) => event.duration,
            _ => None,
        })
        .collect();
    assert_eq!(ended, [MS(200)]);
}

/// RFC 7874 §3, at the level of packets too: the tone takes the place of the audio, and no packet seems to be lost.
#[test]
fn packets_of_audio_give_way_to_a_tone() {
    let (mut pair, handle) = calling(30, "opus");
    let theirs = pair.b.pc.transceivers().next().unwrap().handle;
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    for index in 0..50u32 {
        if index == 10 {
            pair.a.pc.insert_dtmf(pair.now, handle, "5", MS(200), MS(70)).unwrap();
        }
        let mut packet = OutgoingPacket::new(vec![7; 80], index * 960);
        packet.sequence = Some(u64::from(index) + 7_000);
        pair.a.pc.send_rtp(pair.now, handle, 0, &packet).unwrap();
        pair.run_for(MS(20));
    }
    let packets: Vec<_> = std::iter::from_fn(|| pair.b.pc.poll_rtp()).collect();
    let sounds = packets.iter().filter(|packet| packet.payload.len() == 80).count();
    assert!((39..=41).contains(&sounds), "{sounds} of 50, for ten are left out");
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet.sequence, packets[0].sequence + index as u64, "no gap");
    }
}
