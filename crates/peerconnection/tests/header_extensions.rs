//! What header extensions say of frames and packets comes out at the other end, and goes on from there.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Pair, config, frames, vp8};
use peerage_peerconnection::media::{MediaKind, RtpHeaderExtensionCapability, uri};
use peerage_peerconnection::{
    Configuration, Contribution, Frame, MediaFrame, OutgoingPacket, PacketExtensions,
    PictureExtensions, ReceiveMode, TransceiverHandle,
};
use peerage_rtp::extension::{
    AbsoluteCaptureTime, AudioLevel, ColorSpace, HdrMetadata, LayerResolution, PlayoutDelay,
    Rotation, SpatialLayerAllocation, TimingTrigger, VideoContentType, VideoLayersAllocation,
    VideoOrientation, VideoTiming,
};
use peerage_sdp::{Direction, Word};

/// A frame of several packets takes its time at the rate that connections begin with.
const FRAME_TIME: Duration = Duration::from_millis(250);

/// Everything that there is, those included that are not offered by default.
fn everything() -> Configuration {
    let mut config = config();
    let media = &mut config.settings.media;
    for extension in media.audio_extensions.iter_mut().chain(&mut media.video_extensions) {
        extension.direction = Direction::SendRecv;
    }
    media.audio_extensions.push(RtpHeaderExtensionCapability {
        uri: Word::from_static(uri::CSRC_AUDIO_LEVEL),
        direction: Direction::SendRecv,
        preferred_id: 13,
    });
    config
}

fn calling(seed: u64, config: Configuration) -> (Pair, [TransceiverHandle; 2]) {
    let mut pair = Pair::with(seed, config.clone(), config);
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    (pair, [audio, video])
}

fn turned(rotation: Rotation) -> PacketExtensions {
    let mut extensions = PacketExtensions::default();
    extensions.video_orientation =
        Some(VideoOrientation { rotation, ..VideoOrientation::default() });
    extensions
}

fn loud(level: u8) -> PacketExtensions {
    let mut extensions = PacketExtensions::default();
    extensions.audio_level = Some(AudioLevel { level, voice: true });
    extensions
}

/// All that can be said of a picture.
fn eloquent() -> PacketExtensions {
    let mut extensions = turned(Rotation::Clockwise90);
    extensions.absolute_capture_time =
        Some(AbsoluteCaptureTime { ntp: 0x1234_5678_9abc_def0, clock_offset: Some(-7) });
    let ms = Duration::from_millis;
    extensions.playout_delay = Some(PlayoutDelay { min: ms(0), max: ms(500) });
    let mut picture = PictureExtensions::default();
    let hdr = HdrMetadata { luminance_max: 1000, ..HdrMetadata::default() };
    picture.color_space =
        Some(ColorSpace { primaries: 9, transfer: 16, hdr: Some(hdr), ..ColorSpace::default() });
    picture.content_type = Some(VideoContentType::Screenshare);
    picture.timing = Some(VideoTiming {
        trigger: TimingTrigger::TIMER,
        encode_start: 3,
        encode_finish: 9,
        ..VideoTiming::default()
    });
    let layer = SpatialLayerAllocation {
        stream: 0,
        spatial_id: 0,
        bitrates_kbps: [500].into_iter().collect(),
        resolution: Some(LayerResolution { width: 640, height: 360, frame_rate: 30 }),
    };
    picture.layers =
        Some(VideoLayersAllocation { stream: 0, layers: [layer].into_iter().collect() });
    extensions.picture = Some(Arc::new(picture));
    extensions
}

fn last(pair: &Pair) -> &MediaFrame {
    frames(&pair.b.events).pop().unwrap()
}

#[test]
fn frames_bring_their_header_extensions() {
    let (mut pair, [audio, video]) = calling(1, config());
    let mut send = |handle, frame: Frame| {
        let now = pair.now;
        pair.a.pc.send_frame(now, handle, 0, &frame).unwrap();
        pair.run_for(FRAME_TIME);
        last(&pair).clone()
    };
    let frame = Frame::new(vp8(true, 5000, 0), 0);
    let got = send(video, frame.with_extensions(turned(Rotation::Clockwise270)));
    assert_eq!(got.extensions, turned(Rotation::Clockwise270));
    assert_eq!(got.frame.data, vp8(true, 5000, 0));
    // It holds until something else is said, or a keyframe says nothing.
    let got = send(video, Frame::new(vp8(false, 300, 1), 3000));
    assert_eq!(got.extensions, turned(Rotation::Clockwise270));
    let frame = Frame::new(vp8(false, 3000, 2), 6000);
    let got = send(video, frame.with_extensions(turned(Rotation::None)));
    assert_eq!(got.extensions, turned(Rotation::None));
    let got = send(video, Frame::new(vp8(true, 3000, 3), 9000));
    assert!(got.extensions.is_empty(), "{:?}", got.extensions);
    for level in [0, 30, 127] {
        let frame = Frame::new(vec![7; 80], 960 * u32::from(level));
        assert_eq!(send(audio, frame.with_extensions(loud(level))).extensions, loud(level));
    }
    assert!(send(audio, Frame::new(vec![7; 80], 960 * 200)).extensions.is_empty());
}

/// A mirror, a recorder or a bridge that takes frames: what was said of them is not lost on the way.
#[test]
fn frames_are_sent_on_with_what_was_said_of_them() {
    let (mut from, [_, video]) = calling(2, everything());
    let (mut to, [_, onward]) = calling(3, everything());
    let frame = Frame::new(vp8(true, 5000, 0), 0).with_extensions(eloquent());
    from.a.pc.send_frame(from.now, video, 0, &frame).unwrap();
    from.run_for(FRAME_TIME);
    let received = last(&from).clone();
    assert_eq!(received.extensions, eloquent());
    to.a.pc.send_frame(to.now, onward, 0, &Frame::from(received)).unwrap();
    to.run_for(FRAME_TIME);
    assert_eq!(last(&to).extensions, eloquent());
    assert_eq!(last(&to).frame.data, vp8(true, 5000, 0));
}

/// The elements of a lost packet come with the retransmission.
#[test]
fn repaired_packets_bring_their_header_extensions_too() {
    let (mut pair, [_, video]) = calling(4, config());
    let mut count = 0;
    // Both packets that say it: the first and the third of the frame.
    pair.filter = Box::new(move |from_a, data| {
        let is_media = from_a && data.len() > 300 && (128..192).contains(&data[0]);
        count += u32::from(is_media);
        !is_media || !(count == 4 || count == 6)
    });
    for index in 0..4u32 {
        let frame = Frame::new(vp8(index == 0, 3000, index as u8), 3000 * index);
        let rotation = if index == 1 { Rotation::Clockwise180 } else { Rotation::None };
        let frame = frame.with_extensions(turned(rotation));
        pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
        pair.run_for(FRAME_TIME);
    }
    pair.run_for(Duration::from_secs(1));
    let received = frames(&pair.b.events);
    assert_eq!(received.len(), 4);
    assert_eq!(received[1].extensions, turned(Rotation::Clockwise180));
    assert_eq!(received[2].extensions, turned(Rotation::None));
}

#[test]
fn packets_bring_all_that_is_said_of_them() {
    let (mut pair, [audio, video]) = calling(5, everything());
    for (handle, theirs) in [audio, video].into_iter().zip([0, 1]) {
        let theirs = pair.b.pc.transceivers().nth(theirs).unwrap().handle;
        pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
        let mut packet = OutgoingPacket::new(vec![0x10, 1, 2, 3], 0);
        if handle == video {
            packet.extensions = eloquent();
        } else {
            packet.extensions = loud(5);
            packet.contributing = vec![
                Contribution { source: 0xdead_beef, level: Some(20) },
                Contribution { source: 7, level: Some(127) },
            ];
        }
        pair.a.pc.send_rtp(pair.now, handle, 0, &packet).unwrap();
        pair.run_for(FRAME_TIME);
        let received = pair.b.pc.poll_rtp().expect("it came");
        assert_eq!(received.extensions, packet.extensions);
        assert_eq!(received.contributing, packet.contributing);
        let forwarded = OutgoingPacket::forward(&received);
        assert_eq!(forwarded.extensions, packet.extensions);
        assert_eq!(forwarded.contributing, packet.contributing);
    }
    // More than four bits can count are not all sent.
    let mut packet = OutgoingPacket::new(vec![1, 2, 3], 960);
    packet.contributing = (0..100).map(|source| Contribution { source, level: None }).collect();
    pair.a.pc.send_rtp(pair.now, audio, 0, &packet).unwrap();
    pair.run_for(FRAME_TIME);
    let received = pair.b.pc.poll_rtp().expect("it came");
    assert_eq!(received.contributing, packet.contributing[..15]);
}

/// What was not negotiated is left out, and nothing else is harmed.
#[test]
fn what_was_not_negotiated_is_left_out() {
    let mut config = config();
    let named = [uri::MID, uri::TRANSPORT_CC];
    let media = &mut config.settings.media;
    media.video_extensions.retain(|extension| named.contains(&&*extension.uri));
    let (mut pair, [_, video]) = calling(6, config);
    let frame = Frame::new(vp8(true, 5000, 0), 0).with_extensions(eloquent());
    pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
    pair.run_for(FRAME_TIME);
    assert!(last(&pair).extensions.is_empty());
    assert_eq!(last(&pair).frame.data, vp8(true, 5000, 0));
}
