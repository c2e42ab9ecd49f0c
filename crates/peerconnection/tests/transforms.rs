//! What an application does to frames on their way: end-to-end encryption, for one.

mod common;

use std::time::Duration;

use common::{Pair, negotiate};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    ConnectionState, Event, Frame, FrameToTransform, FrameTransform, clear_prefix,
};

/// Not a cipher: enough to see that bytes are changed and changed back.
struct Scramble {
    key: u8,
    /// What was seen of the frames.
    codec: &'static str,
}

impl FrameTransform for Scramble {
    fn transform(&mut self, frame: &FrameToTransform<'_>, out: &mut Vec<u8>) -> bool {
        assert_eq!(frame.codec, self.codec);
        let clear = clear_prefix(frame.codec, frame.data).unwrap();
        out.extend_from_slice(&frame.data[..clear]);
        out.extend(frame.data[clear..].iter().map(|byte| byte ^ self.key));
        // A frame that says it cannot be read.
        frame.data.last() != Some(&0xff)
    }
}

fn vp8(size: usize, last: u8) -> Vec<u8> {
    let mut data = vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
    data.resize(size, 7);
    data.push(last);
    data
}

#[test]
fn frames_pass_the_transforms_of_both_ends() {
    let mut pair = Pair::new(1);
    let now = pair.now;
    let sent = pair.a.pc.add_track(now, MediaKind::Video, "video", Vec::new()).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    assert!(pair.run_until(Duration::from_secs(10), |pair| {
        [&pair.a, &pair.b]
            .iter()
            .all(|peer| peer.pc.connection_state() == ConnectionState::Connected)
    }));
    let now = pair.now;
    let received = pair.b.pc.transceivers().next().unwrap().handle;
    let scramble =
        |key| -> Option<Box<dyn FrameTransform>> { Some(Box::new(Scramble { key, codec: "VP8" })) };
    let send = |pair: &mut Pair, data: Vec<u8>| {
        let now = pair.now;
        pair.a.pc.send_frame(now, sent, 0, &Frame::new(data, 0)).unwrap();
        pair.run_for(Duration::from_millis(100));
        pair.b.events.drain(..).find_map(|event| match event {
            Event::Frame(frame) => Some(frame.frame),
            _ => None,
        })
    };
    let plain = vp8(3000, 1);

    pair.a.pc.set_sender_transform(now, sent, scramble(0x55)).unwrap();
    let changed = send(&mut pair, plain.clone()).unwrap();
    assert!(changed.keyframe, "what the payload format shows is left clear");
    assert_eq!(changed.data[..10], plain[..10]);
    assert_eq!(changed.data[10], plain[10] ^ 0x55);

    pair.b.pc.set_receiver_transform(now, received, scramble(0x55)).unwrap();
    assert_eq!(send(&mut pair, plain.clone()).unwrap().data[..], plain);

    assert!(send(&mut pair, vp8(300, 0xff)).is_none(), "the sender's transform refuses it");
    assert!(send(&mut pair, vp8(300, 0xff ^ 0x55)).is_none(), "the receiver's does");
    let refused = |pair: &Pair| {
        (
            pair.a.pc.statistics().frames_not_transformed,
            pair.b.pc.statistics().frames_not_transformed,
        )
    };
    assert_eq!(refused(&pair), (1, 1));

    pair.a.pc.set_sender_transform(now, sent, None).unwrap();
    pair.b.pc.set_receiver_transform(now, received, None).unwrap();
    assert_eq!(send(&mut pair, plain.clone()).unwrap().data[..], plain);
}

#[test]
fn a_transform_needs_a_transceiver() {
    let mut pair = Pair::new(2);
    let now = pair.now;
    let unknown = pair.b.pc.add_track(now, MediaKind::Audio, "audio", Vec::new()).unwrap();
    assert!(pair.a.pc.set_sender_transform(now, unknown, None).is_err());
    pair.b.pc.close(now);
    assert!(pair.b.pc.set_sender_transform(now, unknown, None).is_err());
}
