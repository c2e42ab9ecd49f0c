//! Transceivers through negotiation, without a packet (RFC 9429 §5; webrtc-pc §4.4, §5).

mod common;

use common::{Pair, Peer, negotiate};
use peerage_peerconnection::media::{MediaKind, RtpCodec};
use peerage_peerconnection::{
    Error, Event, RtpEncodingParameters, SignalingState, TransceiverDirection, TransceiverHandle,
    TransceiverInit,
};
use std::time::Instant;

fn track(now: Instant, peer: &mut Peer, kind: MediaKind, id: &str) -> TransceiverHandle {
    peer.pc.add_track(now, kind, id, vec!["stream".to_owned()]).unwrap()
}

fn events(peer: &mut Peer) -> Vec<Event> {
    std::iter::from_fn(|| peer.pc.poll_event()).collect()
}

/// Tracks that began, and those that ended or paused.
fn tracks(peer: &mut Peer) -> (Vec<TransceiverHandle>, Vec<(TransceiverHandle, bool)>) {
    let events = events(peer);
    let begun = events.iter().filter_map(|event| match event {
        Event::Track { transceiver, .. } => Some(*transceiver),
        _ => None,
    });
    let over = events.iter().filter_map(|event| match event {
        Event::TrackRemoved { transceiver, ended } => Some((*transceiver, *ended)),
        _ => None,
    });
    (begun.collect(), over.collect())
}

fn sdp(peer: &Peer) -> String {
    peer.pc.local_description().unwrap().sdp
}

fn count(text: &str, line: &str) -> usize {
    text.lines().filter(|have| *have == line).count()
}

#[test]
fn tracks_of_both_ends_meet_in_one_section() {
    let Pair { now, mut a, mut b, .. } = Pair::new(1);
    let ours = track(now, &mut a, MediaKind::Audio, "a-audio");
    let theirs = track(now, &mut b, MediaKind::Audio, "b-audio");
    negotiate(now, &mut a, &mut b);
    assert_eq!(tracks(&mut a).0, [ours]);
    assert_eq!(tracks(&mut b).0, [theirs]);
    for (peer, handle) in [(&a, ours), (&b, theirs)] {
        let transceiver = peer.pc.transceiver(handle).unwrap();
        assert_eq!(transceiver.current_direction, Some(TransceiverDirection::SendRecv));
        assert_eq!(transceiver.receiver.streams, ["stream"]);
        assert!(transceiver.mid.is_some());
        assert_eq!(peer.pc.transceivers().count(), 1);
    }
    assert_eq!(a.pc.transceiver(ours).unwrap().receiver.track, "b-audio");
}

#[test]
fn add_transceiver_waits_for_no_offer_of_the_peer() {
    let Pair { now, mut a, mut b, .. } = Pair::new(2);
    track(now, &mut a, MediaKind::Video, "video");
    // RFC 9429 §5.10: only what addTrack made is joined to a section of the peer.
    let own = b.pc.add_transceiver(now, MediaKind::Video, TransceiverInit::default()).unwrap();
    negotiate(now, &mut a, &mut b);
    assert_eq!(b.pc.transceivers().count(), 2);
    assert!(b.pc.transceiver(own).unwrap().mid.is_none());
    let answer = sdp(&b);
    assert_eq!(count(&answer, "a=recvonly"), 1);
    // What is left over asks for a round of its own.
    assert!(events(&mut b).contains(&Event::NegotiationNeeded));
    negotiate(now, &mut b, &mut a);
    assert!(b.pc.transceiver(own).unwrap().mid.is_some());
    assert_eq!(a.pc.transceivers().count(), 2);
    events(&mut a);
    events(&mut b);
    for peer in [&mut a, &mut b] {
        assert_eq!(peer.pc.signaling_state(), SignalingState::Stable);
        assert!(!events(peer).contains(&Event::NegotiationNeeded), "all is said");
    }
}

#[test]
fn directions_change_and_tracks_follow() {
    let Pair { now, mut a, mut b, .. } = Pair::new(3);
    let video = track(now, &mut a, MediaKind::Video, "video");
    negotiate(now, &mut a, &mut b);
    let (begun, _) = tracks(&mut b);
    let theirs = begun[0];
    events(&mut a);
    a.pc.remove_track(now, video).unwrap();
    assert!(events(&mut a).contains(&Event::NegotiationNeeded));
    negotiate(now, &mut a, &mut b);
    assert_eq!(tracks(&mut b).1, [(theirs, false)]);
    let transceiver = a.pc.transceiver(video).unwrap();
    assert_eq!(transceiver.direction, TransceiverDirection::RecvOnly);
    assert_eq!(transceiver.current_direction, Some(TransceiverDirection::Inactive));
    // It comes back, from the same sender, by direction and replaceTrack.
    a.pc.replace_track(now, video, Some("other".to_owned())).unwrap();
    a.pc.set_direction(now, video, TransceiverDirection::SendOnly).unwrap();
    negotiate(now, &mut a, &mut b);
    assert_eq!(tracks(&mut b).0, [theirs]);
    let current = a.pc.transceiver(video).unwrap().current_direction;
    assert_eq!(current, Some(TransceiverDirection::SendOnly));
}

#[test]
fn a_stopped_transceiver_frees_its_section_for_another() {
    let Pair { now, mut a, mut b, .. } = Pair::new(4);
    let video = track(now, &mut a, MediaKind::Video, "video");
    track(now, &mut a, MediaKind::Audio, "audio");
    negotiate(now, &mut a, &mut b);
    let theirs = b.pc.transceivers().next().unwrap().handle;
    let old_mid = a.pc.transceiver(video).unwrap().mid.clone();
    events(&mut a);
    events(&mut b);
    a.pc.stop_transceiver(now, video).unwrap();
    assert!(events(&mut a).contains(&Event::NegotiationNeeded));
    negotiate(now, &mut a, &mut b);
    assert_eq!(tracks(&mut b).1, [(theirs, true)]);
    assert!(a.pc.transceiver(video).is_none() && b.pc.transceiver(theirs).is_none());
    assert!(sdp(&a).contains("m=video 0 "));
    let again = track(now, &mut a, MediaKind::Audio, "second");
    negotiate(now, &mut a, &mut b);
    let offer = sdp(&a);
    assert_eq!(offer.matches("\r\nm=").count(), 2, "the section is used again:\n{offer}");
    assert!(!offer.contains("m=video"));
    assert_ne!(a.pc.transceiver(again).unwrap().mid, old_mid, "with another mid");
    assert_eq!(tracks(&mut b).0.len(), 1);
}

#[test]
fn a_rollback_takes_back_what_an_offer_made() {
    let Pair { now, mut a, mut b, .. } = Pair::new(5);
    track(now, &mut a, MediaKind::Audio, "audio");
    a.pc.set_local_description(now, None).unwrap();
    let offer = a.pc.local_description().unwrap();
    b.pc.set_remote_description(now, offer).unwrap();
    let (begun, _) = tracks(&mut b);
    assert_eq!(begun.len(), 1);
    let rollback = peerage_peerconnection::SessionDescription::rollback();
    b.pc.set_remote_description(now, rollback.clone()).unwrap();
    assert_eq!(tracks(&mut b).1, [(begun[0], true)]);
    assert_eq!(b.pc.transceivers().count(), 0);
    a.pc.set_local_description(now, Some(rollback)).unwrap();
    let transceiver = a.pc.transceivers().next().unwrap();
    assert!(transceiver.mid.is_none(), "the section is forgotten, the transceiver stays");
    negotiate(now, &mut a, &mut b);
    assert_eq!(tracks(&mut b).0.len(), 1);
}

/// webrtc-pc §4.4.1.5, step 4.12: the receiver has the track that it had.
#[test]
fn a_rollback_gives_the_receiver_its_track_back() {
    let Pair { now, mut a, mut b, .. } = Pair::new(24);
    track(now, &mut a, MediaKind::Audio, "audio");
    let theirs = track(now, &mut b, MediaKind::Audio, "theirs");
    let before = b.pc.transceiver(theirs).unwrap().receiver.track.clone();
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    assert_eq!(b.pc.transceiver(theirs).unwrap().receiver.track, "audio");
    let rollback = peerage_peerconnection::SessionDescription::rollback();
    b.pc.set_remote_description(now, rollback).unwrap();
    assert_eq!(b.pc.transceiver(theirs).unwrap().receiver.track, before);
}

#[test]
fn glare_ends_with_the_tracks_of_both() {
    let Pair { now, mut a, mut b, .. } = Pair::new(6);
    track(now, &mut a, MediaKind::Video, "a");
    track(now, &mut b, MediaKind::Video, "b");
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    // `b` is polite: the offer of `a` rolls its own back.
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap();
    for peer in [&mut a, &mut b] {
        assert_eq!(tracks(peer).0.len(), 1);
        let transceiver = peer.pc.transceivers().next().unwrap();
        assert_eq!(transceiver.current_direction, Some(TransceiverDirection::SendRecv));
        assert_eq!(peer.pc.transceivers().count(), 1);
    }
}

#[test]
fn codec_preferences_order_offers_and_answers() {
    let Pair { now, mut a, mut b, .. } = Pair::new(7);
    let handle = track(now, &mut a, MediaKind::Video, "video");
    let all = peerage_peerconnection::media::Capabilities::default().rtp_codecs(MediaKind::Video);
    let vp9: Vec<RtpCodec> =
        all.iter().filter(|codec| codec.is("VP9") || codec.is("rtx")).cloned().collect();
    a.pc.set_codec_preferences(now, handle, &vp9).unwrap();
    negotiate(now, &mut a, &mut b);
    for text in [sdp(&a), sdp(&b)] {
        assert!(text.contains(" VP9/90000") && !text.contains(" VP8/90000"), "{text}");
    }
    let unknown = RtpCodec::video(peerage_sdp::Word::from_static("theora"));
    let error = a.pc.set_codec_preferences(now, handle, &[unknown]).unwrap_err();
    assert_eq!(error.name(), "InvalidModificationError");
}

#[test]
fn simulcast_is_offered_by_rid() {
    let Pair { now, mut a, mut b, .. } = Pair::new(8);
    let encodings: Vec<_> = ["q", "h", "f"].map(RtpEncodingParameters::new).into();
    let init = TransceiverInit {
        track: Some("camera".to_owned()),
        send_encodings: encodings,
        ..TransceiverInit::send_only()
    };
    let handle = a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    negotiate(now, &mut a, &mut b);
    let offer = sdp(&a);
    assert!(offer.contains("a=simulcast:send q;h;f\r\n"), "{offer}");
    assert!(!offer.contains("a=ssrc"), "sources are found by their identifiers");
    assert!(sdp(&b).contains("a=simulcast:recv q;h;f\r\n"), "{}", sdp(&b));
    let scales = a.pc.transceiver(handle).unwrap().sender.encodings.iter();
    let scales: Vec<_> = scales.map(|encoding| encoding.scale_resolution_down_by).collect();
    assert_eq!(scales, [Some(4.0), Some(2.0), Some(1.0)]);
}

#[test]
fn mistakes_have_w3c_names() {
    let Pair { now, mut a, .. } = Pair::new(9);
    let handle = track(now, &mut a, MediaKind::Audio, "audio");
    let twice = a.pc.add_track(now, MediaKind::Audio, "audio", Vec::new()).unwrap_err();
    assert_eq!(twice.name(), "InvalidAccessError");
    let stopped = a.pc.set_direction(now, handle, TransceiverDirection::Stopped).unwrap_err();
    assert_eq!(stopped.name(), "TypeError");
    let same_rid = TransceiverInit {
        send_encodings: ["x", "x"].map(RtpEncodingParameters::new).into(),
        ..TransceiverInit::default()
    };
    let error = a.pc.add_transceiver(now, MediaKind::Video, same_rid).unwrap_err();
    assert_eq!(error.name(), "TypeError");
    let mut small = RtpEncodingParameters::new("x");
    small.scale_resolution_down_by = Some(0.5);
    let init = TransceiverInit { send_encodings: vec![small], ..TransceiverInit::default() };
    let error = a.pc.add_transceiver(now, MediaKind::Video, init).unwrap_err();
    assert_eq!(error.name(), "RangeError");
    a.pc.stop_transceiver(now, handle).unwrap();
    let late = a.pc.replace_track(now, handle, None).unwrap_err();
    assert_eq!(late.name(), "InvalidStateError");
    a.pc.close(now);
    let closed = a.pc.add_track(now, MediaKind::Audio, "x", Vec::new()).unwrap_err();
    assert_eq!(closed, Error::Closed);
}

#[test]
fn twenty_rounds_of_changes_stay_consistent() {
    let Pair { now, mut a, mut b, .. } = Pair::new(10);
    let mut sections = 0;
    for round in 0..20 {
        let (from, to) = if round % 2 == 0 { (&mut a, &mut b) } else { (&mut b, &mut a) };
        let kind = if round % 3 == 0 { MediaKind::Audio } else { MediaKind::Video };
        track(now, from, kind, &format!("track{round}"));
        if round % 4 == 3 {
            let first = from.pc.transceivers().next().unwrap().handle;
            from.pc.stop_transceiver(now, first).unwrap();
        }
        negotiate(now, from, to);
        let offered = sdp(from).matches("\r\nm=").count();
        assert!(offered >= sections, "sections are never taken away");
        sections = offered;
        let living = |peer: &Peer| -> Vec<_> {
            let mut mids: Vec<_> =
                peer.pc.transceivers().filter_map(|t| Some((t.mid.clone()?, t.kind))).collect();
            mids.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
            mids
        };
        assert_eq!(living(from), living(to), "round {round}");
    }
}

/// RFC 9429 §5.2.2: the section of an offer that was replaced is another's now.
#[test]
fn an_offer_in_the_place_of_another_frees_what_it_leaves_out() {
    let Pair { now, mut a, mut b, .. } = Pair::new(20);
    let first = track(now, &mut a, MediaKind::Audio, "first");
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    assert_eq!(tracks(&mut b).0.len(), 1);
    a.pc.stop_transceiver(now, first).unwrap();
    let second = track(now, &mut a, MediaKind::Video, "second");
    negotiate(now, &mut a, &mut b);
    let (begun, over) = tracks(&mut b);
    assert_eq!((begun.len(), over.len()), (1, 1), "the first track is gone");
    for peer in [&mut a, &mut b] {
        assert_eq!(peer.pc.transceivers().count(), 1, "of the first nothing is left");
        assert!(!events(peer).contains(&Event::NegotiationNeeded));
    }
    // The section that is rejected now is that of the second.
    let theirs = b.pc.transceivers().next().unwrap().handle;
    b.pc.stop_transceiver(now, theirs).unwrap();
    negotiate(now, &mut b, &mut a);
    assert!(a.pc.transceiver(second).is_none());
}

/// Transceivers that are stopped before they are negotiated leave nothing behind.
#[test]
fn what_was_never_negotiated_is_forgotten_when_stopped() {
    let Pair { now, mut a, mut b, .. } = Pair::new(21);
    track(now, &mut a, MediaKind::Audio, "audio");
    negotiate(now, &mut a, &mut b);
    let init = TransceiverInit::recv_only();
    let handle = a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    a.pc.stop_transceiver(now, handle).unwrap();
    negotiate(now, &mut a, &mut b);
    assert_eq!(a.pc.transceivers().count(), 1);
}

/// RFC 9429 §5.10: peers that know nothing of mid.
#[test]
fn a_section_without_mid_asks_for_no_negotiation() {
    let Pair { now, mut a, mut b, .. } = Pair::new(22);
    track(now, &mut a, MediaKind::Audio, "audio");
    a.pc.set_local_description(now, None).unwrap();
    let mut offer = a.pc.local_description().unwrap();
    let keeps = |line: &&str| !line.starts_with("a=mid") && !line.starts_with("a=group");
    offer.sdp = offer.sdp.lines().filter(keeps).map(|line| format!("{line}\r\n")).collect();
    b.pc.set_remote_description(now, offer).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    assert!(!sdp(&b).contains("m=audio 0 "));
    let transceiver = b.pc.transceivers().next().unwrap();
    assert_eq!(transceiver.current_direction, Some(TransceiverDirection::RecvOnly));
    assert!(!events(&mut b).contains(&Event::NegotiationNeeded));
}

/// RFC 8830 §2: an id that no description can carry would ask for negotiation for ever.
#[test]
fn ids_that_sdp_cannot_carry_are_refused() {
    let Pair { now, mut a, mut b, .. } = Pair::new(23);
    for bad in ["", "two words", "line\r\na=mid:9"] {
        let error = a.pc.add_track(now, MediaKind::Audio, "t", vec![bad.to_owned()]).unwrap_err();
        assert_eq!(error.name(), "TypeError", "{error}");
        let error = a.pc.add_track(now, MediaKind::Audio, bad, Vec::new()).unwrap_err();
        assert_eq!(error.name(), "TypeError", "{error}");
    }
    let handle = track(now, &mut a, MediaKind::Audio, "audio");
    assert_eq!(a.pc.set_streams(now, handle, vec![" ".into()]).unwrap_err().name(), "TypeError");
    let error = a.pc.replace_track(now, handle, Some(" ".into())).unwrap_err();
    assert_eq!(error.name(), "TypeError");
    negotiate(now, &mut a, &mut b);
    events(&mut a);
    negotiate(now, &mut a, &mut b);
    assert!(!events(&mut a).contains(&Event::NegotiationNeeded));
}
