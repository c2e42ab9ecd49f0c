//! The packets level: RTP comes out as it was sent, lost packets are mended under their own numbers, and packets of the
//! application's go out with all that a receiver expects.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Pair, vp8};
use peerage_peerconnection::media::{CodecFormat, RtpCodec};
use peerage_peerconnection::{
    Event, Frame, MAX_LATE_PACKETS, OutgoingPacket, ReceiveMode, ReceivedPacket, TransceiverHandle,
};
use peerage_rtp::extension::AudioLevel;
use peerage_rtp::payload::PayloadFormat;

const FRAME_TIME: Duration = Duration::from_millis(33);

/// A pair that sends audio and video from `a` to `b`; the handles at `a`, then at `b`. Without forward error correction, whose
/// packets have numbers of the media's and are not sent again.
fn calling(seed: u64) -> (Pair, [TransceiverHandle; 2], [TransceiverHandle; 2]) {
    let mut config = common::config();
    config.settings.media.disable_video_fec();
    let (pair, audio, video) = common::calling_with(Pair::with(seed, config, common::config()));
    let theirs: Vec<_> = pair.b.pc.transceivers().map(|transceiver| transceiver.handle).collect();
    (pair, [audio, video], [theirs[0], theirs[1]])
}

fn received(pair: &mut Pair) -> Vec<ReceivedPacket> {
    std::iter::from_fn(|| pair.b.pc.poll_rtp()).collect()
}

/// `count` frames of video as `a` sends them, and the packets that come out at `b` meanwhile.
fn film(pair: &mut Pair, video: TransceiverHandle, count: u32) -> Vec<ReceivedPacket> {
    let mut packets = Vec::new();
    for index in 0..count {
        let now = pair.now;
        let frame = Frame::new(vp8(index == 0, 3000, index as u8), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(FRAME_TIME);
        packets.extend(received(pair));
    }
    pair.run_for(Duration::from_secs(1));
    packets.extend(received(pair));
    packets
}

#[test]
fn packets_come_out_instead_of_frames() {
    let (mut pair, [_, video], [_, theirs]) = calling(1);
    assert_eq!(pair.b.pc.receive_mode(theirs), ReceiveMode::Frames);
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    let packets = film(&mut pair, video, 20);
    assert!(!pair.b.events.iter().any(|event| matches!(event, Event::Frame(_))));
    assert_eq!(packets.len(), 60);
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet.sequence, packets[0].sequence + index as u64);
        assert_eq!(packet.marker, index % 3 == 2, "{index}");
        let ticks = packet.timestamp.wrapping_sub(packets[0].timestamp);
        assert_eq!(ticks, index as u32 / 3 * 3000);
        assert_eq!((packet.format, packet.transceiver), (PayloadFormat::Vp8, theirs));
        assert!(!packet.repaired && packet.rid.is_none());
    }
    let media: usize = packets.iter().map(|packet| packet.payload.len()).sum();
    assert_eq!(media, 20 * 3000 + 60 * 4, "the descriptors and the frames, no padding");

    // And back: frames again, once a keyframe is there.
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Frames).unwrap();
    assert!(film(&mut pair, video, 5).is_empty());
    let frames = pair.b.events.iter().filter(|event| matches!(event, Event::Frame(_))).count();
    assert_eq!(frames, 5);
}

#[test]
fn lost_packets_come_out_under_their_own_numbers() {
    let (mut pair, [_, video], [_, theirs]) = calling(2);
    pair.latency = Duration::from_millis(25);
    let mut count = 0u32;
    pair.filter = Box::new(move |from_a, data| {
        let is_media = from_a && data.len() > 300 && (128..192).contains(&data[0]);
        count += u32::from(is_media);
        !is_media || count % 20 != 7
    });
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    // Of a packet after which none comes nobody knows that it is missing: the last ones are not looked at.
    let mut packets = film(&mut pair, video, 210);
    let repaired = packets.iter().filter(|packet| packet.repaired).count();
    assert!(repaired > 20, "{repaired}");
    packets.sort_by_key(|packet| packet.sequence);
    assert!(packets.len() >= 600, "{}", packets.len());
    for (index, packet) in packets[..600].iter().enumerate() {
        assert_eq!(packet.sequence, packets[0].sequence + index as u64);
        assert_eq!(packet.marker, index % 3 == 2);
    }
}

#[test]
fn packets_of_the_application_become_frames_at_the_other_end() {
    let (mut pair, [audio, video], [theirs_audio, _]) = calling(3);
    pair.b.pc.set_receive_mode(pair.now, theirs_audio, ReceiveMode::Packets).unwrap();
    let codec = CodecFormat::of(&RtpCodec::video("VP8".parse().unwrap())).unwrap();
    let vp8_number = pair.a.pc.sending_payload_type(video, codec);
    assert!(vp8_number.is_some());
    for index in 0..30u32 {
        let now = pair.now;
        // A descriptor that says only "here begins a partition" (RFC 7741 §4.2).
        let mut payload = vec![0x10];
        payload.extend(vp8(index == 0, 900, index as u8));
        let mut packet = OutgoingPacket::new(payload, index * 3000);
        packet.payload_type = vp8_number;
        packet.marker = true;
        // Two are sent in the wrong order.
        packet.sequence = Some(1_000_000 + u64::from(index));
        if index % 10 == 5 {
            let mut late = packet.clone();
            late.sequence = packet.sequence.map(|number| number + 1);
            late.timestamp += 3000;
            let mut second = vec![0x10];
            second.extend(vp8(false, 900, index as u8 + 1));
            late.payload = second.into();
            pair.a.pc.send_rtp(now, video, 0, &late).unwrap();
        }
        if index % 10 != 6 {
            pair.a.pc.send_rtp(now, video, 0, &packet).unwrap();
        }
        let mut sound = OutgoingPacket::new(vec![index as u8; 60], index * 960);
        sound.extensions.audio_level = Some(AudioLevel { level: index as u8, voice: true });
        pair.a.pc.send_rtp(now, audio, 0, &sound).unwrap();
        pair.run_for(FRAME_TIME);
    }
    let frames: Vec<_> = pair.b.pick(|event| match event {
        Event::Frame(frame) => Some((frame.frame.timestamp, frame.frame.data.clone())),
        _ => None,
    });
    assert_eq!(frames.len(), 30);
    for (index, (timestamp, data)) in frames.iter().enumerate() {
        assert_eq!(timestamp.wrapping_sub(frames[0].0), 3000 * index as u32);
        assert_eq!(data[..], vp8(index == 0, 900, index as u8), "frame {index}");
    }
    let sounds = received(&mut pair);
    assert_eq!(sounds.len(), 30);
    for (index, packet) in sounds.iter().enumerate() {
        let level = Some(AudioLevel { level: index as u8, voice: true });
        assert_eq!(packet.extensions.audio_level, level);
        assert_eq!(packet.payload[..], [index as u8; 60]);
    }
}

#[test]
fn mistakes_with_packets_are_told() {
    let (mut pair, [_, video], [_, theirs]) = calling(4);
    let now = pair.now;
    let numbered = |number: u64| {
        let mut packet = OutgoingPacket::new(vec![1, 2, 3], 0);
        packet.sequence = Some(number);
        packet
    };
    pair.a.pc.send_rtp(now, video, 0, &numbered(u64::MAX - 5)).unwrap();
    pair.a.pc.send_rtp(now, video, 0, &numbered(3)).expect("numbers may wrap");
    pair.a.pc.send_rtp(now, video, 0, &numbered(u64::MAX - MAX_LATE_PACKETS + 10)).unwrap();
    let late = numbered(u64::MAX - MAX_LATE_PACKETS);
    let error = pair.a.pc.send_rtp(now, video, 0, &late).unwrap_err();
    assert!(error.to_string().contains("too far"), "{error}");
    let mut foreign = numbered(5);
    foreign.payload_type = Some(77);
    let error = pair.a.pc.send_rtp(now, video, 0, &foreign).unwrap_err();
    assert!(error.to_string().contains("payload type 77"), "{error}");
    let long = OutgoingPacket::new(Bytes::from(vec![0; 1440]), 0);
    let error = pair.a.pc.send_rtp(now, video, 0, &long).unwrap_err();
    assert_eq!(error.name(), "OperationError", "{error}");
    let error = pair.b.pc.send_rtp(now, theirs, 0, &numbered(1)).unwrap_err();
    assert_eq!(error.name(), "InvalidStateError", "{error}");
    pair.a.pc.close(now);
    assert!(pair.a.pc.send_rtp(now, video, 0, &numbered(6)).is_err());
    assert!(pair.a.pc.set_receive_mode(now, video, ReceiveMode::Packets).is_err());
}

/// While a sender is inactive its source goes on, and it must not be cut off for that.
#[test]
fn numbers_that_run_ahead_are_followed() {
    let (mut pair, [_, video], [_, theirs]) = calling(6);
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    for number in [10, 11, 40_000, 40_001, 1 << 40] {
        let mut packet = OutgoingPacket::new(vec![0x10, 1, 2, 3], 0);
        packet.sequence = Some(number);
        pair.a.pc.send_rtp(pair.now, video, 0, &packet).unwrap();
    }
    // One without a number of its own comes between.
    pair.a.pc.send_rtp(pair.now, video, 0, &OutgoingPacket::new(vec![0x10, 9], 0)).unwrap();
    let mut packet = OutgoingPacket::new(vec![0x10, 4], 0);
    packet.sequence = Some((1 << 40) + 1);
    pair.a.pc.send_rtp(pair.now, video, 0, &packet).unwrap();
    pair.run_for(Duration::from_secs(1));
    let numbers: Vec<u64> = received(&mut pair).iter().map(|packet| packet.sequence).collect();
    let from_first: Vec<u64> = numbers.iter().map(|number| number - numbers[0]).collect();
    assert_eq!(
        from_first,
        [0, 1, 3, 4, 6, 7, 8],
        "a gap of one where numbers jump, and none twice"
    );
}

/// What nobody takes does not pile up.
#[test]
fn packets_that_wait_are_bounded() {
    let (mut pair, [_, video], [_, theirs]) = calling(5);
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    for index in 0..1700u32 {
        let now = pair.now;
        let frame = Frame::new(vp8(index == 0, 3000, index as u8), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(Duration::from_millis(10));
    }
    assert_eq!(received(&mut pair).len(), 4096);
    assert_eq!(pair.b.pc.statistics().rtp.received_packets_dropped, 1700 * 3 - 4096);
}

/// RFC 5450 §3: by timestamps and offsets it can be told when packets left, those that were sent again too.
#[test]
fn packets_tell_how_long_after_their_timestamps_they_left() {
    let (mut pair, [audio, video], [heard, seen]) = calling(30);
    for theirs in [heard, seen] {
        pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    }
    let mut media = 0;
    pair.filter = Box::new(move |from_a, data| {
        let is_video = from_a && (128..192).contains(&data[0]) && data.len() > 500;
        media += u32::from(is_video);
        // One of the first frame, one of a later one.
        !is_video || (media != 7 && media != 30)
    });
    let mut packets = Vec::new();
    for index in 0..20 {
        // The first is far more than leaves at once.
        let len = if index == 0 { 30_000 } else { 2_000 };
        let frame = Frame::new(vp8(index == 0, len, index as u8), index * 3_000);
        pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
        let sound = Frame::new(vec![7; 80], index * 1_600);
        pair.a.pc.send_frame(pair.now, audio, 0, &sound).unwrap();
        pair.run_for(Duration::from_micros(33_333));
        packets.extend(received(&mut pair));
    }
    pair.run_for(Duration::from_secs(1));
    packets.extend(received(&mut pair));
    let (sounds, pictures): (Vec<_>, Vec<_>) =
        packets.iter().partition(|packet| packet.transceiver == heard);
    assert_eq!(sounds.len(), 20);
    assert!(sounds.iter().all(|packet| packet.transmission_offset.is_none()), "of video only");
    assert_eq!(pictures.iter().filter(|packet| packet.repaired).count(), 2);
    let first = pictures[0];
    let mut longest = 0;
    for packet in &pictures {
        let offset = packet.transmission_offset.expect("agreed on");
        longest = longest.max(offset);
        let ticks = packet.timestamp.wrapping_sub(first.timestamp) as i32 + offset
            - first.transmission_offset.unwrap();
        let left = f64::from(ticks) / 90.0;
        let came = (packet.arrival - first.arrival).as_secs_f64() * 1e3;
        assert!((left - came).abs() < 2.0, "left after {left} ms, came after {came}: {packet:?}");
    }
    assert!(longest > 90 * 50, "some waited longer than 50 ms: {longest} ticks");
}
