//! Encoded frames between two connections: through packets, SRTP, the wire and back.

mod common;

use std::time::Duration;

use std::cell::Cell;
use std::rc::Rc;

use common::{Pair, calling, frames, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Event, Frame, MediaFrame, RtpEncodingParameters, TransceiverDirection, TransceiverInit,
};

#[test]
fn frames_arrive_as_they_were_sent() {
    let (mut pair, audio, video) = calling(1);
    let mut sent = (Vec::new(), Vec::new());
    for index in 0..50u32 {
        let picture = vp8(index == 0, 200 + 97 * index as usize, index as u8);
        let sound = vec![index as u8; 80];
        let now = pair.now;
        let frame = Frame::new(picture.clone(), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(sound.clone(), index * 960)).unwrap();
        sent.0.push(picture);
        sent.1.push(sound);
        pair.run_for(Duration::from_millis(33));
    }
    let received = frames(&pair.b.events);
    let (video, audio): (Vec<_>, Vec<_>) =
        received.iter().partition(|frame| frame.frame.data.len() > 100);
    let data = |frames: &[&&MediaFrame]| -> Vec<Vec<u8>> {
        frames.iter().map(|frame| frame.frame.data.to_vec()).collect()
    };
    assert_eq!(data(&video), sent.0);
    assert_eq!(data(&audio), sent.1);
    assert!(video[0].frame.keyframe && !video[1].frame.keyframe);
    assert_eq!(video[0].frame.dimensions, Some((640, 360)));
    let step =
        |frames: &[&&MediaFrame]| frames[1].frame.timestamp.wrapping_sub(frames[0].frame.timestamp);
    assert_eq!((step(&video), step(&audio)), (3000, 960));
    let handles: Vec<_> = pair.b.pc.transceivers().map(|transceiver| transceiver.handle).collect();
    assert_eq!([audio[0].transceiver, video[0].transceiver], handles[..]);
}

#[test]
fn a_lost_key_frame_is_asked_for_again() {
    let (mut pair, _, video) = calling(2);
    // The first packets of the stream never come: what follows cannot be decoded.
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 3000, 0), 0)).unwrap();
    let mut buffer = Vec::new();
    while pair.a.pc.poll_transmit(now, &mut buffer).is_some() {}
    let requested = |pair: &Pair| {
        pair.a.events.iter().any(|event| {
            matches!(event, Event::KeyframeRequested { transceiver, encoding: 0 } if *transceiver == video)
        })
    };
    for index in 1..20 {
        let frame = Frame::new(vp8(false, 500, index), u32::from(index) * 3000);
        let now = pair.now;
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
    assert!(frames(&pair.b.events).is_empty(), "nothing of it can be decoded");
    assert!(requested(&pair));
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 3000, 9), 60_000)).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(frames(&pair.b.events).len(), 1);
}

#[test]
fn mistakes_with_frames_are_told() {
    let (mut pair, audio, video) = calling(3);
    let now = pair.now;
    let foreign = Frame::new(vp8(true, 300, 0), 0).with_payload_type(77);
    let error = pair.a.pc.send_frame(now, video, 0, &foreign).unwrap_err();
    assert!(error.to_string().contains("payload type 77"), "{error}");
    let huge = Frame::new(vec![0; 5000], 0);
    let error = pair.a.pc.send_frame(now, audio, 0, &huge).unwrap_err();
    assert_eq!(error.name(), "OperationError", "{error}");
    let theirs = pair.b.pc.transceivers().next().unwrap().handle;
    let error = pair.b.pc.send_frame(now, theirs, 0, &Frame::new(vec![1], 0)).unwrap_err();
    assert_eq!(error.name(), "InvalidStateError", "{error}");
}

#[test]
fn lost_packets_are_sent_again() {
    let (mut pair, _, video) = calling(4);
    pair.latency = Duration::from_millis(25);
    // Every twentieth datagram of media is lost.
    let mut count = 0u32;
    pair.filter = Box::new(move |from_a, data| {
        let is_media = from_a && data.len() > 300 && (128..192).contains(&data[0]);
        count += u32::from(is_media);
        !is_media || count % 20 != 7
    });
    for index in 0..300u32 {
        let size = if index == 0 { 9000 } else { 3000 };
        let now = pair.now;
        let frame = Frame::new(vp8(index == 0, size, index as u8), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
    pair.run_for(Duration::from_secs(1));
    let statistics = (pair.a.pc.statistics().rtp, pair.b.pc.statistics().rtp);
    assert!(statistics.1.nacked_packets > 30, "{statistics:?}");
    assert!(statistics.0.retransmissions_sent > 30, "{statistics:?}");
    assert_eq!(frames(&pair.b.events).len(), 300, "all frames come: {statistics:?}");
}

/// RFC 3711 §3.3.1: sequence numbers of a source go on, else SRTP would have to seal one twice, and refuses.
#[test]
fn media_flows_again_after_it_was_held() {
    for seed in 10..18 {
        let (mut pair, _, video) = calling(seed);
        for round in 0..3u32 {
            for index in 0..20u32 {
                let now = pair.now;
                let picture = vp8(index == 0, 3000, index as u8);
                let frame = Frame::new(picture, (100 * round + index) * 3000);
                pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
                pair.run_for(Duration::from_millis(33));
            }
            pair.run_for(Duration::from_millis(500));
            let received = frames(&pair.b.events).len();
            assert_eq!(received, 20 * (round as usize + 1), "seed {seed}, round {round}");
            for direction in [TransceiverDirection::Inactive, TransceiverDirection::SendRecv] {
                pair.a.pc.set_direction(pair.now, video, direction).unwrap();
                pair.negotiate();
            }
        }
    }
}

/// webrtc-pc §4.4.3: what waits is not sent any more, neither by the end that closes nor to it.
#[test]
fn closing_ends_media() {
    let (mut pair, _, video) = calling(20);
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 20_000, 0), 0)).unwrap();
    pair.a.pc.close(now);
    assert!(pair.a.pc.transceivers().all(|t| t.direction == TransceiverDirection::Stopped));
    let mut buf = Vec::new();
    while pair.a.pc.poll_transmit(now, &mut buf).is_some() {
        assert!(!(128..192).contains(&buf[0]), "RTP or RTCP after the connection was closed");
        buf.clear();
    }

    let (mut pair, _, video) = calling(21);
    pair.b.pc.close(pair.now);
    pair.run_for(Duration::from_millis(50));
    let before = pair.a.pc.statistics().rtp.packets_sent;
    let now = pair.now;
    let _ = pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 20_000, 0), 0));
    pair.run_for(Duration::from_secs(3));
    assert_eq!(pair.a.pc.statistics().rtp.packets_sent, before, "the peer has closed");
}

/// RFC 4585 §3.1: feedback must not flood the path. An application that loses every frame asks for each.
#[test]
fn requests_for_key_frames_are_limited() {
    let (mut pair, audio, video) = calling(22);
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 3000, 0), 0)).unwrap();
    pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![0; 80], 0)).unwrap();
    pair.run_for(Duration::from_millis(100));
    let before = pair.b.pc.statistics().rtp.keyframe_requests_sent;
    let handles: Vec<_> = pair.b.pc.transceivers().map(|transceiver| transceiver.handle).collect();
    for _ in 0..50 {
        for &handle in &handles {
            pair.b.pc.request_keyframe(pair.now, handle);
        }
        pair.run_for(Duration::from_millis(2));
    }
    let sent = pair.b.pc.statistics().rtp.keyframe_requests_sent - before;
    assert!(sent <= 1, "{sent} requests within 100 ms");
}

/// RFC 3550 §6.1: reports on many sources go in several packets that fit the path.
#[test]
fn reports_of_many_streams_fit_the_path() {
    let mut pair = Pair::new(30);
    let now = pair.now;
    for peer in [&mut pair.a, &mut pair.b] {
        for index in 0..70 {
            let streams = vec!["s".into()];
            peer.pc.add_track(now, MediaKind::Audio, format!("track{index}"), streams).unwrap();
        }
    }
    pair.negotiate();
    pair.connect();
    let largest = Rc::new(Cell::new((0, 0)));
    let seen = Rc::clone(&largest);
    pair.filter = Box::new(move |_, data| {
        if (128..192).contains(&data[0]) && (192..224).contains(&data[1]) {
            seen.set((seen.get().0.max(data.len()), seen.get().1 + 1));
        }
        true
    });
    for index in 0..60u32 {
        let now = pair.now;
        for peer in [&mut pair.a, &mut pair.b] {
            let handles: Vec<_> = peer.pc.transceivers().map(|t| t.handle).collect();
            for handle in handles {
                peer.pc.send_frame(now, handle, 0, &Frame::new(vec![1; 40], index * 960)).unwrap();
            }
        }
        pair.run_for(Duration::from_millis(50));
    }
    let (largest, count) = largest.get();
    assert!(count > 4, "{count} packets of RTCP");
    assert!(largest <= 1100, "a packet of RTCP has {largest} bytes");
}

/// RFC 8853 §5.3.3: a peer that does not take a simulcast gets one stream.
#[test]
fn a_simulcast_that_is_refused_is_not_sent() {
    let mut pair = Pair::new(31);
    let now = pair.now;
    let init = TransceiverInit {
        track: Some("camera".to_owned()),
        send_encodings: ["q", "h", "f"].map(RtpEncodingParameters::new).into(),
        ..TransceiverInit::send_only()
    };
    let video = pair.a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let plain = |mut description: peerage_peerconnection::SessionDescription| {
        let keeps = |line: &&str| !line.starts_with("a=simulcast") && !line.starts_with("a=rid:");
        let lines = description.sdp.lines().filter(keeps);
        description.sdp = lines.map(|line| format!("{line}\r\n")).collect();
        description
    };
    let offer = plain(pair.a.pc.local_description().unwrap());
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap();
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    let now = pair.now;
    let frame = Frame::new(vp8(true, 3000, 0), 0);
    let error = pair.a.pc.send_frame(now, video, 1, &frame).unwrap_err();
    assert_eq!(error.name(), "InvalidStateError", "{error}");
    assert!(error.to_string().contains("no encoding of this index"), "{error}");
    pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(frames(&pair.b.events).len(), 1);
}

/// The peer names the mid; a long one must not make packets that the path cannot carry.
#[test]
fn packets_with_a_long_mid_fit_the_path() {
    let mut pair = Pair::new(32);
    let now = pair.now;
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    let theirs = TransceiverInit::recv_only();
    pair.b.pc.add_transceiver(now, MediaKind::Video, theirs).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let mut offer = pair.b.pc.local_description().unwrap();
    let mid = "m".repeat(200);
    offer.sdp = offer.sdp.replace("a=mid:0\r\n", &format!("a=mid:{mid}\r\n"));
    offer.sdp = offer.sdp.replace("a=group:BUNDLE 0\r\n", &format!("a=group:BUNDLE {mid}\r\n"));
    pair.a.pc.set_remote_description(now, offer).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let mut answer = pair.a.pc.local_description().unwrap();
    answer.sdp = answer.sdp.replace(&mid, "0");
    pair.b.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    let mtu = pair.a.pc.configuration().settings.mtu;
    let largest = Rc::new(Cell::new(0));
    let seen = Rc::clone(&largest);
    pair.filter = Box::new(move |from_a, data| {
        if from_a && (128..192).contains(&data[0]) {
            seen.set(seen.get().max(data.len()));
        }
        true
    });
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 20_000, 0), 0)).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert!((mtu - 100..=mtu).contains(&largest.get()), "{} bytes", largest.get());
}
