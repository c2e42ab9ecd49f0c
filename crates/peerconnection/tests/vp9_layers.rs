//! The layers that `scalabilityMode` names are told in VP9's payload headers (RFC 9628 §4.2), so that receivers find the
//! references of a frame.

mod common;

use common::{Pair, negotiate};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Frame, FrameInfo, ReceiveMode, RtpEncodingParameters, TransceiverHandle, TransceiverInit,
};
use peerage_rtp::payload::{
    CodecDescriptor, Depacketizer, PayloadDescriptor, PayloadFormat, Vp9Descriptor,
};
use std::time::Duration;

/// A pair whose `a` sends VP9 in this mode.
fn calling(mode: Option<&str>, vp9_flexible: bool) -> (Pair, TransceiverHandle) {
    let mut pair = Pair::new(100);
    let now = pair.now;
    let mut encoding = RtpEncodingParameters::default();
    encoding.scalability_mode = mode.map(str::to_owned);
    encoding.vp9_flexible = vp9_flexible;
    let init = TransceiverInit { send_encodings: vec![encoding], ..TransceiverInit::send_only() };
    let video = pair.a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    let all = peerage_peerconnection::media::Capabilities::default().rtp_codecs(MediaKind::Video);
    let vp9: Vec<_> = all.into_iter().filter(|codec| codec.is("VP9")).take(1).collect();
    pair.a.pc.set_codec_preferences(now, video, &vp9).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    pair.connect();
    let theirs = pair.b.pc.transceivers().next().unwrap().handle;
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    (pair, video)
}

fn frame(number: u32, info: FrameInfo) -> Frame {
    let info = FrameInfo { keyframe: Some(number == 0), ..info };
    Frame::new(vec![0x86; 200], number * 3000).with_info(info)
}

/// Sends a frame of these layers and reads what arrives of it.
fn send(
    pair: &mut Pair,
    video: TransceiverHandle,
    number: u32,
    info: FrameInfo,
) -> (PayloadDescriptor, Vp9Descriptor) {
    pair.a.pc.send_frame(pair.now, video, 0, &frame(number, info)).unwrap();
    pair.run_for(Duration::from_millis(33));
    let packet = pair.b.pc.poll_rtp().unwrap();
    let read = Depacketizer::new(PayloadFormat::Vp9).read(&packet.payload).unwrap();
    let CodecDescriptor::Vp9(vp9) = read.codec.clone() else { panic!("{read:?}") };
    (read, vp9)
}

fn layers(spatial: u8, temporal: u8) -> FrameInfo {
    FrameInfo {
        spatial_layer: Some(spatial),
        temporal_layer: Some(temporal),
        ..FrameInfo::default()
    }
}

#[test]
fn the_structure_has_the_layers_of_the_mode() {
    let (mut pair, video) = calling(Some("L2T3"), false);
    let (_, key) = send(&mut pair, video, 0, layers(0, 0));
    let structure = key.scalability.expect("a keyframe brings it");
    assert_eq!(structure.spatial_layers, 2);
    let group = structure.picture_group.expect("a pattern");
    let temporal: Vec<u8> = group.iter().map(|picture| picture.temporal_layer).collect();
    assert_eq!(temporal, [0, 2, 1, 2]);
    let (read, vp9) = send(&mut pair, video, 1, layers(1, 2));
    assert_eq!((read.spatial_layer, read.temporal_layer), (Some(1), Some(2)));
    assert!(!vp9.flexible);
    let error = pair.a.pc.send_frame(pair.now, video, 0, &frame(2, layers(2, 0))).unwrap_err();
    assert_eq!(error.name(), "OperationError", "{error}");
}

#[test]
fn references_are_told_in_flexible_mode() {
    let (mut pair, video) = calling(Some("L1T2"), true);
    let (_, key) = send(&mut pair, video, 0, layers(0, 0));
    assert!(key.flexible && key.scalability.unwrap().picture_group.is_none());
    let mut info = layers(0, 1);
    info.reference_distances.push(1);
    let (_, vp9) = send(&mut pair, video, 1, info);
    assert_eq!(vp9.reference_distances.as_slice(), [1]);
}

#[test]
fn without_a_mode_the_stream_is_one_layer() {
    let (mut pair, video) = calling(None, false);
    send(&mut pair, video, 0, layers(0, 0));
    let (read, _) = send(&mut pair, video, 1, layers(0, 2));
    assert_eq!(read.temporal_layer, Some(0), "else a reference would be missing");
}

#[test]
fn another_mode_begins_with_a_keyframe_and_numbers_go_on() {
    let (mut pair, video) = calling(Some("L1T1"), false);
    let (first, _) = send(&mut pair, video, 0, layers(0, 0));
    let mut parameters = pair.a.pc.get_parameters(pair.now, video).unwrap();
    parameters.encodings[0].scalability_mode = Some("L1T2".to_owned());
    pair.a.pc.set_parameters(pair.now, video, parameters).unwrap();
    assert!(pair.a.pc.send_frame(pair.now, video, 0, &frame(1, layers(0, 1))).is_err(), "not yet");
    let (second, key) = send(&mut pair, video, 0, layers(0, 0));
    assert_eq!(key.scalability.unwrap().picture_group.unwrap().len(), 2);
    let id = |read: &PayloadDescriptor| read.picture_id.unwrap().value;
    assert_eq!(id(&second), (id(&first) + 1) & 0x7fff);
    let (read, _) = send(&mut pair, video, 1, layers(0, 1));
    assert_eq!(read.temporal_layer, Some(1));
}
