//! Payload types and identifiers of header extensions that an offer has named are bound once it is answered, and not
//! before (RFC 8285 §7, RFC 3264 §8.3.2): where two offers meet, the numbers of the one that counts are used.

mod common;

use common::{Pair, Peer, negotiate};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{OfferOptions, SessionDescription};
use peerage_sdp::SessionDescription as Sdp;
use std::time::Instant;

/// Firefox's offer of a microphone and a camera, which numbers mids 3 and transport-wide sequence numbers 7; ours has them
/// the other way round.
const FIREFOX: &str =
    include_str!("../../../vectors/media/write-vp8-firefox-answerer-trickle/offer.sdp");

fn add_tracks(now: Instant, peer: &mut Peer) {
    for (kind, id) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
        peer.pc.add_track(now, kind, id, vec!["stream".to_owned()]).unwrap();
    }
}

/// Header extensions and payload types of a section.
type Numbers = (Vec<(u16, String)>, Vec<u8>);

fn numbers(sdp: &str) -> Vec<Numbers> {
    let sdp = Sdp::parse(sdp).unwrap();
    let sections = sdp.sections().map(|section| {
        let mut extensions: Vec<_> =
            section.extmaps().map(|map| (map.id, map.uri.to_string())).collect();
        extensions.sort();
        (extensions, section.line.payload_types().collect())
    });
    sections.collect()
}

/// The answer of a connection that has done `before` to Firefox's offer.
fn answer_after(before: impl FnOnce(Instant, &mut Peer)) -> Vec<Numbers> {
    let Pair { now, mut a, .. } = Pair::new(30);
    add_tracks(now, &mut a);
    before(now, &mut a);
    a.pc.set_remote_description(now, SessionDescription::offer(FIREFOX)).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    numbers(&a.pc.local_description().unwrap().sdp)
}

#[test]
fn an_offer_that_gives_way_to_the_peers_binds_no_numbers() {
    let expected = answer_after(|_, _| ());
    let uris = |section: usize| expected[section].0.iter().map(|(_, uri)| uri.as_str());
    for section in [0, 1] {
        assert!(uris(section).any(|uri| uri.ends_with(":mid")), "{expected:?}");
        assert!(uris(section).any(|uri| uri.contains("transport-wide-cc")), "{expected:?}");
    }
    assert!(uris(1).any(|uri| uri.ends_with("abs-send-time")), "{expected:?}");

    let created = answer_after(|now, a| {
        a.pc.create_offer(now, OfferOptions::default()).unwrap();
    });
    assert_eq!(created, expected, "an offer that was only created");
    let glare = answer_after(|now, a| a.pc.set_local_description(now, None).unwrap());
    assert_eq!(glare, expected, "an offer that the peer's rolled back");
    let rolled_back = answer_after(|now, a| {
        a.pc.set_local_description(now, None).unwrap();
        a.pc.set_local_description(now, Some(SessionDescription::rollback())).unwrap();
    });
    assert_eq!(rolled_back, expected, "an offer that was rolled back");
    let answered = answer_after(|now, a| {
        let other = FIREFOX.replace("a=extmap:3 ", "a=extmap:14 ");
        a.pc.set_remote_description(now, SessionDescription::offer(other)).unwrap();
        a.pc.create_answer(now).unwrap();
        a.pc.set_remote_description(now, SessionDescription::rollback()).unwrap();
    });
    assert_eq!(answered, expected, "an answer that was never set");
}

/// RFC 8285 §7: an update may add extensions. Identifiers that the answer left out are the peer's to use.
#[test]
fn identifiers_that_an_answer_left_out_are_free_again() {
    let Pair { now, mut a, mut b, .. } = Pair::new(31);
    a.pc.add_track(now, MediaKind::Video, "video", vec!["stream".to_owned()]).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    // The peer knows neither video-timing (7) nor color-space (8).
    let strip = |sdp: &str| -> String {
        let keeps = |line: &&str| !line.starts_with("a=extmap:7 ") && !line.contains("color-space");
        sdp.lines().filter(keeps).map(|line| format!("{line}\r\n")).collect()
    };
    let offer = strip(&a.pc.local_description().unwrap().sdp);
    b.pc.set_remote_description(now, SessionDescription::offer(offer)).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap();
    // It then numbers an extension that only its second offer has 7, and keeps the others.
    b.pc.set_local_description(now, None).unwrap();
    let capture = "a=extmap:7 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time\r\n";
    let offer = strip(&b.pc.local_description().unwrap().sdp);
    let offer = offer.replace("a=extmap:2 ", &format!("{capture}a=extmap:2 "));
    let offered = numbers(&offer);
    a.pc.set_remote_description(now, SessionDescription::offer(offer)).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    assert_eq!(numbers(&a.pc.local_description().unwrap().sdp)[0].0, offered[0].0);
}

/// RFC 8285 §7, RFC 3264 §8.3.2: what is in use is never given another meaning, by rollbacks least of all.
#[test]
fn numbers_in_use_outlive_rollbacks() {
    let Pair { now, mut a, mut b, .. } = Pair::new(32);
    add_tracks(now, &mut a);
    add_tracks(now, &mut b);
    negotiate(now, &mut a, &mut b);
    let before = numbers(&b.pc.local_description().unwrap().sdp);
    b.pc.set_local_description(now, None).unwrap();
    b.pc.set_local_description(now, Some(SessionDescription::rollback())).unwrap();
    negotiate(now, &mut b, &mut a);
    let after = numbers(&b.pc.local_description().unwrap().sdp);
    for (before, after) in before.iter().zip(&after) {
        assert!(before.0.iter().all(|extension| after.0.contains(extension)));
        assert!(before.1.iter().all(|payload_type| after.1.contains(payload_type)));
    }
}
