//! Header extensions encrypted like the payload (cryptex, RFC 9335), where both ends say `a=cryptex`.

mod common;

use common::{Pair, config, frames, negotiate, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{Configuration, Frame, HeaderEncryption};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn with(encryption: HeaderEncryption) -> Configuration {
    let mut config = config();
    config.settings.header_encryption = encryption;
    config
}

/// A call between two ends of these settings; the kinds of header extension of the packets on the wire, and how many
/// frames came through.
fn call(a: HeaderEncryption, b: HeaderEncryption) -> (Vec<u16>, usize, Pair) {
    let mut pair = Pair::with(90, with(a), with(b));
    let now = pair.now;
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    pair.connect();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let profiles = Arc::clone(&seen);
    pair.filter = Box::new(move |from_a, data| {
        let is_media = data[0] >> 6 == 2 && !(192..224).contains(&data[1]);
        if from_a && is_media && data[0] & 0x10 != 0 {
            profiles.lock().unwrap().push(u16::from_be_bytes([data[12], data[13]]));
        }
        true
    });
    for number in 0..10u32 {
        let frame = Frame::new(vp8(number == 0, 2000, number as u8), number * 3000);
        pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
    pair.run_for(Duration::from_secs(1));
    let profiles = seen.lock().unwrap().clone();
    let count = frames(&pair.b.events).len();
    (profiles, count, pair)
}

#[test]
fn headers_are_encrypted_where_both_ends_take_them_so() {
    use HeaderEncryption::{Negotiate, Require};
    for (a, b) in [(Negotiate, Negotiate), (Require, Negotiate), (Require, Require)] {
        let (profiles, count, pair) = call(a, b);
        assert_eq!(count, 10, "{a:?} {b:?}");
        assert!(profiles.len() >= 20 && profiles.iter().all(|profile| *profile == 0xc0de));
        for peer in [&pair.a, &pair.b] {
            assert!(peer.pc.local_description().unwrap().sdp.contains("a=cryptex\r\n"));
        }
    }
}

#[test]
fn headers_are_in_the_clear_unless_both_ends_ask() {
    use HeaderEncryption::{Disable, Negotiate};
    for (a, b) in [(Disable, Disable), (Negotiate, Disable), (Disable, Negotiate)] {
        let (profiles, count, pair) = call(a, b);
        assert_eq!(count, 10, "{a:?} {b:?}");
        assert!(profiles.len() >= 20 && profiles.iter().all(|profile| *profile == 0xbede));
        assert!(!pair.b.pc.local_description().unwrap().sdp.contains("a=cryptex"));
    }
}

#[test]
fn a_peer_that_does_not_take_what_is_required_is_refused() {
    let (required, plain) = (with(HeaderEncryption::Require), config());
    let Pair { now, mut a, mut b, .. } = Pair::with(91, required, plain);
    for peer in [&mut a, &mut b] {
        peer.pc.add_track(now, MediaKind::Audio, "audio", Vec::new()).unwrap();
    }
    b.pc.set_local_description(now, None).unwrap();
    let offer = b.pc.local_description().unwrap();
    let error = a.pc.set_remote_description(now, offer).unwrap_err();
    assert!(error.to_string().contains("a=cryptex"), "{error}");
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    let error = a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap_err();
    assert!(error.to_string().contains("a=cryptex"), "{error}");
}
