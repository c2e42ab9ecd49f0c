//! What an application sets of encodings reaches the encoders, and chooses the codec that is sent.

mod common;

use std::time::Duration;

use common::{Pair, calling, vp8};
use peerage_peerconnection::media::{Capabilities, CodecFormat, MediaKind, RtpCodec};
use peerage_peerconnection::{
    Event, Frame, OutgoingPacket, ReceiveMode, RtpEncodingParameters, TransceiverDirection,
    TransceiverHandle,
};
use peerage_rtp::payload::PayloadFormat;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn codec(name: &str) -> RtpCodec {
    let mut codecs = Capabilities::default().rtp_codecs(MediaKind::Video).into_iter();
    codecs.find(|codec| codec.is(name)).unwrap()
}

/// The encodings of `a` that have changed since this was asked last.
fn changed(pair: &mut Pair) -> Vec<(TransceiverHandle, usize)> {
    pair.run_for(MS(10));
    let changed = pair.a.pick(|event| match event {
        Event::EncodingChanged { transceiver, encoding } => Some((*transceiver, *encoding)),
        _ => None,
    });
    pair.a.events.clear();
    changed
}

fn encodings(pair: &Pair, handle: TransceiverHandle) -> Vec<RtpEncodingParameters> {
    pair.a.pc.transceiver(handle).unwrap().sender.encodings.clone()
}

#[test]
fn encoders_are_told_what_is_set() {
    let (mut pair, audio, video) = calling(1);
    assert_eq!(changed(&mut pair), [(audio, 0), (video, 0)], "they begin");
    let target = pair.a.pc.encoding_target(video, 0).unwrap();
    assert!(target.active && target.bitrate > 100_000 && target.codec.is("VP8"), "{target:?}");
    assert_eq!(target.resolution(1280, 720), (1280, 720));
    assert_eq!(target.bitrate, pair.a.pc.target_bitrate(video, 0).unwrap());

    let mut wanted = encodings(&pair, video);
    pair.a.pc.set_encodings(pair.now, video, wanted.clone()).unwrap();
    assert!(changed(&mut pair).is_empty(), "nothing is new");
    wanted[0].max_framerate = Some(15.0);
    wanted[0].scale_resolution_down_by = Some(1.5);
    wanted[0].scalability_mode = Some("L1T3".into());
    pair.a.pc.set_encodings(pair.now, video, wanted.clone()).unwrap();
    assert_eq!(changed(&mut pair), [(video, 0)]);
    let target = pair.a.pc.encoding_target(video, 0).unwrap();
    assert_eq!((target.max_framerate, target.resolution(1281, 1)), (Some(15.0), (854, 1)));
    assert_eq!(target.scalability_mode.as_deref(), Some("L1T3"));
    wanted[0].active = false;
    pair.a.pc.set_encodings(pair.now, video, wanted).unwrap();
    assert_eq!(changed(&mut pair), [(video, 0)]);
    let target = pair.a.pc.encoding_target(video, 0).unwrap();
    assert_eq!((target.active, target.bitrate), (false, 0));

    pair.a.pc.set_direction(pair.now, video, TransceiverDirection::Inactive).unwrap();
    pair.negotiate();
    assert_eq!(changed(&mut pair), [(video, 0)], "it ends");
    assert_eq!(pair.a.pc.encoding_target(video, 0), None);
    assert!(pair.a.pc.encoding_target(audio, 0).is_some());
}

/// What comes of a frame, and of a packet, that name no codec.
fn sent_as(pair: &mut Pair, video: TransceiverHandle, timestamp: u32) -> Vec<PayloadFormat> {
    let frame = Frame::new(vp8(true, 300, 0), timestamp);
    pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
    let packet = OutgoingPacket::new(vec![0x90; 100], timestamp + 3_000);
    pair.a.pc.send_rtp(pair.now, video, 0, &packet).unwrap();
    pair.run_for(MS(100));
    let formats = std::iter::from_fn(|| pair.b.pc.poll_rtp()).map(|packet| packet.format);
    formats.filter(|format| format.is_video()).collect()
}

#[test]
fn the_codec_of_an_encoding_is_the_one_that_is_sent() {
    let (mut pair, _, video) = calling(2);
    let theirs = pair.b.pc.transceivers().nth(1).unwrap().handle;
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    changed(&mut pair);
    assert_eq!(sent_as(&mut pair, video, 0), [PayloadFormat::Vp8; 2]);
    let mut wanted = encodings(&pair, video);
    wanted[0].codec = Some(codec("VP9"));
    pair.a.pc.set_encodings(pair.now, video, wanted.clone()).unwrap();
    assert_eq!(changed(&mut pair), [(video, 0)]);
    let target = pair.a.pc.encoding_target(video, 0).unwrap();
    let format = CodecFormat::of(&codec("VP9")).unwrap();
    let number = pair.a.pc.sending_payload_type(video, format);
    assert_eq!((target.codec.is("VP9"), Some(target.payload_type)), (true, number));
    assert_eq!(sent_as(&mut pair, video, 9_000), [PayloadFormat::Vp9; 2]);
    // It stays through a negotiation that agrees on it again.
    pair.negotiate();
    assert_eq!(sent_as(&mut pair, video, 18_000), [PayloadFormat::Vp9; 2]);
    // And not through one that does not.
    pair.a.pc.set_codec_preferences(pair.now, video, &[codec("VP8"), codec("H264")]).unwrap();
    changed(&mut pair);
    pair.negotiate();
    assert_eq!(changed(&mut pair), [(video, 0)]);
    assert_eq!(encodings(&pair, video)[0].codec, None);
    assert_eq!(sent_as(&mut pair, video, 27_000), [PayloadFormat::Vp8; 2]);
    let error = pair.a.pc.set_encodings(pair.now, video, wanted).unwrap_err();
    assert_eq!(error.name(), "InvalidModificationError");
    assert!(error.to_string().contains("video/VP9 of encoding 0"), "{error}");
    let mut wanted = encodings(&pair, video);
    wanted[0].codec = Some(codec("H264"));
    pair.a.pc.set_encodings(pair.now, video, wanted.clone()).unwrap();
    assert!(pair.a.pc.encoding_target(video, 0).unwrap().codec.is("H264"));
    wanted[0].codec = None;
    pair.a.pc.set_encodings(pair.now, video, wanted).unwrap();
    assert!(pair.a.pc.encoding_target(video, 0).unwrap().codec.is("VP8"), "the first again");
}

#[test]
fn parameters_that_make_no_sense_are_refused_and_change_nothing() {
    let (mut pair, _, video) = calling(3);
    changed(&mut pair);
    let before = encodings(&pair, video);
    let mut refused = |change: fn(&mut RtpEncodingParameters)| {
        let mut wanted = before.clone();
        change(&mut wanted[0]);
        let error = pair.a.pc.set_encodings(pair.now, video, wanted).unwrap_err();
        assert_eq!(encodings(&pair, video), before);
        error.name()
    };
    assert_eq!(refused(|e| e.scale_resolution_down_by = Some(0.9)), "RangeError");
    assert_eq!(refused(|e| e.max_framerate = Some(-1.0)), "RangeError");
    assert_eq!(refused(|e| e.scalability_mode = Some("L5T5".into())), "OperationError");
    assert_eq!(refused(|e| e.rid = "other".into()), "InvalidModificationError");
    assert!(changed(&mut pair).is_empty());
}
