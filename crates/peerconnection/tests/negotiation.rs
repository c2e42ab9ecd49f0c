//! The JSEP state machine through the public API, without a packet (RFC 9429 §3, §4, §5).

mod common;

use common::{Pair, config, negotiate};
use peerage_peerconnection::{
    Configuration, DataChannelInit, Error, Event, OfferOptions, PeerConnection, SdpType,
    SessionDescription, SignalingState,
};

fn sdp_of(pc: &PeerConnection) -> String {
    pc.local_description().unwrap().sdp
}

fn ufrag(sdp: &str) -> &str {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).unwrap()
}

#[test]
fn offer_and_answer_walk_the_states() {
    let Pair { now, mut a, mut b, .. } = Pair::new(1);
    a.pc.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    let offer = a.pc.create_offer(now, OfferOptions::default()).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    a.pc.set_local_description(now, Some(offer.clone())).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::HaveLocalOffer);
    assert!(a.pc.current_local_description().is_none());
    b.pc.set_remote_description(now, offer).unwrap();
    assert_eq!(b.pc.signaling_state(), SignalingState::HaveRemoteOffer);
    let answer = b.pc.create_answer(now).unwrap();
    b.pc.set_local_description(now, Some(answer.clone())).unwrap();
    assert_eq!(b.pc.signaling_state(), SignalingState::Stable);
    a.pc.set_remote_description(now, answer).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    for pc in [&a.pc, &b.pc] {
        assert!(
            pc.pending_local_description().is_none() && pc.pending_remote_description().is_none()
        );
        assert!(
            pc.current_local_description().is_some() && pc.current_remote_description().is_some()
        );
        assert_eq!(pc.can_trickle_ice_candidates(), Some(true));
    }
    assert_eq!(a.pc.current_local_description().unwrap().kind, SdpType::Offer);
    assert_eq!(b.pc.current_local_description().unwrap().kind, SdpType::Answer);
}

#[test]
fn roles_follow_setup() {
    let Pair { now, mut a, mut b, .. } = Pair::new(2);
    a.pc.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    negotiate(now, &mut a, &mut b);
    assert!(sdp_of(&a.pc).contains("a=setup:actpass\r\n"));
    assert!(sdp_of(&b.pc).contains("a=setup:active\r\n"));
    // The answerer is the DTLS client, so the offerer takes odd ids (RFC 8832 §6).
    let handle = a.pc.create_data_channel(now, "second", DataChannelInit::default()).unwrap();
    assert_eq!(a.pc.data_channel(handle).unwrap().init.id, Some(3));
}

#[test]
fn a_passive_offer_is_answered_actively_and_the_reverse() {
    for (offered, answered) in [("passive", "active"), ("active", "passive"), ("actpass", "active")]
    {
        let Pair { now, mut a, mut b, .. } = Pair::new(3);
        a.pc.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
        a.pc.set_local_description(now, None).unwrap();
        let offer = sdp_of(&a.pc).replace("a=setup:actpass", &format!("a=setup:{offered}"));
        b.pc.set_remote_description(now, SessionDescription::offer(offer)).unwrap();
        b.pc.set_local_description(now, None).unwrap();
        assert!(sdp_of(&b.pc).contains(&format!("a=setup:{answered}\r\n")), "{offered}");
    }
}

#[test]
fn provisional_answers_are_replaced_by_final_ones() {
    let Pair { now, mut a, mut b, .. } = Pair::new(4);
    a.pc.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    let answer = b.pc.create_answer(now).unwrap();
    let provisional = SessionDescription::pranswer(answer.sdp.clone());
    b.pc.set_local_description(now, Some(provisional.clone())).unwrap();
    assert_eq!(b.pc.signaling_state(), SignalingState::HaveLocalPrAnswer);
    a.pc.set_remote_description(now, provisional).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::HaveRemotePrAnswer);
    assert_eq!(a.pc.remote_description().unwrap().kind, SdpType::PrAnswer);
    b.pc.set_local_description(now, Some(answer.clone())).unwrap();
    a.pc.set_remote_description(now, answer).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    assert_eq!(b.pc.signaling_state(), SignalingState::Stable);
}

/// RFC 9429 §5.8.3: RTCP has no port of its own.
#[test]
fn media_without_rtcp_mux_is_refused() {
    use peerage_peerconnection::media::MediaKind;
    const LINE: &str = "a=rtcp-mux\r\n";
    let Pair { now, mut a, mut b, .. } = Pair::new(40);
    for (kind, track) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
        a.pc.add_track(now, kind, track, Vec::new()).unwrap();
    }
    a.pc.set_local_description(now, None).unwrap();
    let offer = sdp_of(&a.pc);
    let none = SessionDescription::offer(offer.replace(LINE, ""));
    let error = b.pc.set_remote_description(now, none).unwrap_err();
    assert!(matches!(error, Error::InvalidDescription { .. }), "{error}");
    assert!(error.to_string().contains("a=rtcp-mux"), "{error}");
    assert_eq!(b.pc.signaling_state(), SignalingState::Stable);
    // Of sections that are bundled one says it for all (RFC 9143 §9.3), whose answers say it then.
    let one = SessionDescription::offer(offer.replacen(LINE, "", 1));
    b.pc.set_remote_description(now, one).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    let answer = sdp_of(&b.pc);
    assert_eq!(answer.matches(LINE).count(), 2, "{answer}");
    let none = SessionDescription::answer(answer.replace(LINE, ""));
    let error = a.pc.set_remote_description(now, none).unwrap_err();
    assert!(error.to_string().contains("a=rtcp-mux"), "{error}");
    a.pc.set_remote_description(now, SessionDescription::answer(answer)).unwrap();
}

#[test]
fn rollback_returns_to_stable_and_to_the_descriptions_before() {
    let Pair { now, mut a, mut b, .. } = Pair::new(5);
    a.pc.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    a.pc.set_local_description(now, Some(SessionDescription::rollback())).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    assert!(a.pc.local_description().is_none());

    negotiate(now, &mut a, &mut b);
    let before = sdp_of(&b.pc);
    let offer = a.pc.create_offer(now, OfferOptions { ice_restart: true }).unwrap();
    b.pc.set_remote_description(now, offer).unwrap();
    b.pc.set_remote_description(now, SessionDescription::rollback()).unwrap();
    assert_eq!(b.pc.signaling_state(), SignalingState::Stable);
    assert_eq!(sdp_of(&b.pc), before);
}

#[test]
fn an_offer_over_an_offer_rolls_back() {
    let Pair { now, mut a, mut b, .. } = Pair::new(6);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    b.pc.create_data_channel(now, "b", DataChannelInit::default()).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    // `a` is polite: it takes the other's offer and gives up its own.
    a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::HaveRemoteOffer);
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    assert_eq!(b.pc.signaling_state(), SignalingState::Stable);
}

#[test]
fn a_failed_offer_leaves_the_pending_one() {
    let Pair { now, mut a, .. } = Pair::new(7);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    let error = a.pc.set_remote_description(now, SessionDescription::offer("v=1\r\n")).unwrap_err();
    assert_eq!((error.name(), error.sdp_line()), ("RTCError", Some(1)));
    assert_eq!(a.pc.signaling_state(), SignalingState::HaveLocalOffer);
    assert!(a.pc.pending_local_description().is_some());
}

/// Every call in every state where it is wrong, and the name of its error.
#[test]
fn wrong_calls_have_w3c_names() {
    type Call =
        fn(&mut PeerConnection, std::time::Instant, SessionDescription) -> Result<(), Error>;
    let calls: [(&str, Call); 9] = [
        ("create_offer", |pc, now, _| pc.create_offer(now, OfferOptions::default()).map(drop)),
        ("create_answer", |pc, now, _| pc.create_answer(now).map(drop)),
        ("set_local(offer)", |pc, now, _| {
            let offer = pc
                .create_offer(now, OfferOptions::default())
                .unwrap_or(SessionDescription::offer(""));
            pc.set_local_description(now, Some(offer))
        }),
        ("set_local(answer)", |pc, now, _| {
            pc.set_local_description(now, Some(SessionDescription::answer("")))
        }),
        ("set_local(rollback)", |pc, now, _| {
            pc.set_local_description(now, Some(SessionDescription::rollback()))
        }),
        ("set_remote(offer)", |pc, now, peer| {
            pc.set_remote_description(now, SessionDescription { kind: SdpType::Offer, ..peer })
        }),
        ("set_remote(answer)", |pc, now, peer| {
            pc.set_remote_description(now, SessionDescription { kind: SdpType::Answer, ..peer })
        }),
        ("set_remote(rollback)", |pc, now, _| {
            pc.set_remote_description(now, SessionDescription::rollback())
        }),
        ("add_ice_candidate", |pc, now, _| pc.add_ice_candidate(now, None)),
    ];
    // Which calls succeed: in stable, have-local-offer, have-remote-offer, have-local-pranswer, have-remote-pranswer,
    // closed.
    let expected: [(&str, [bool; 6]); 9] = [
        ("create_offer", [true, true, false, false, false, false]),
        ("create_answer", [false, false, true, true, false, false]),
        ("set_local(offer)", [true, true, false, false, false, false]),
        ("set_local(answer)", [false, false, true, true, false, false]),
        ("set_local(rollback)", [false, true, true, false, false, false]),
        ("set_remote(offer)", [true, true, true, false, false, false]),
        ("set_remote(answer)", [false, true, false, false, true, false]),
        ("set_remote(rollback)", [false, true, true, false, false, false]),
        ("add_ice_candidate", [false, false, true, true, true, false]),
    ];
    let states = [
        SignalingState::Stable,
        SignalingState::HaveLocalOffer,
        SignalingState::HaveRemoteOffer,
        SignalingState::HaveLocalPrAnswer,
        SignalingState::HaveRemotePrAnswer,
        SignalingState::Closed,
    ];
    for ((name, call), (expected_name, allowed)) in calls.into_iter().zip(expected) {
        assert_eq!(name, expected_name);
        for (state, allowed) in states.into_iter().zip(allowed) {
            let (mut pc, now, peer) = in_state(state);
            let result = call(&mut pc, now, peer);
            match &result {
                Ok(()) => assert!(allowed, "{name} in {state} must fail"),
                Err(error) => {
                    assert!(!allowed, "{name} in {state}: {error}");
                    assert_eq!(error.name(), "InvalidStateError", "{name} in {state}: {error}");
                }
            }
        }
    }
}

/// A connection in `state`, and a description of its peer that fits.
fn in_state(state: SignalingState) -> (PeerConnection, std::time::Instant, SessionDescription) {
    let Pair { now, mut a, mut b, .. } = Pair::new(8);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    b.pc.create_data_channel(now, "b", DataChannelInit::default()).unwrap();
    match state {
        SignalingState::Stable | SignalingState::Closed => {
            b.pc.set_local_description(now, None).unwrap();
            if state == SignalingState::Closed {
                a.pc.close(now);
            }
        }
        SignalingState::HaveLocalOffer | SignalingState::HaveRemotePrAnswer => {
            a.pc.set_local_description(now, None).unwrap();
            b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
            b.pc.set_local_description(now, None).unwrap();
            if state == SignalingState::HaveRemotePrAnswer {
                let sdp = sdp_of(&b.pc);
                a.pc.set_remote_description(now, SessionDescription::pranswer(sdp)).unwrap();
            }
        }
        SignalingState::HaveRemoteOffer | SignalingState::HaveLocalPrAnswer => {
            b.pc.set_local_description(now, None).unwrap();
            a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap();
            if state == SignalingState::HaveLocalPrAnswer {
                let answer = a.pc.create_answer(now).unwrap();
                a.pc.set_local_description(now, Some(SessionDescription::pranswer(answer.sdp)))
                    .unwrap();
            }
        }
    }
    assert_eq!(a.pc.signaling_state(), state);
    let peer = b.pc.local_description().unwrap();
    (a.pc, now, peer)
}

#[test]
fn descriptions_must_not_be_changed_before_they_are_set() {
    let Pair { now, mut a, .. } = Pair::new(9);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    let mut offer = a.pc.create_offer(now, OfferOptions::default()).unwrap();
    offer.sdp.push_str("a=x:y\r\n");
    let error = a.pc.set_local_description(now, Some(offer)).unwrap_err();
    assert_eq!(error.name(), "InvalidModificationError");
    // An empty text stands for the last one created.
    a.pc.set_local_description(now, Some(SessionDescription::offer(""))).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::HaveLocalOffer);
}

#[test]
fn negotiation_is_asked_for_once_per_need() {
    let Pair { now, mut a, mut b, .. } = Pair::new(10);
    let needed = |pc: &mut PeerConnection| {
        std::iter::from_fn(|| pc.poll_event())
            .filter(|event| *event == Event::NegotiationNeeded)
            .count()
    };
    assert_eq!(needed(&mut a.pc), 0);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    a.pc.create_data_channel(now, "b", DataChannelInit::default()).unwrap();
    assert_eq!(needed(&mut a.pc), 1);
    negotiate(now, &mut a, &mut b);
    assert_eq!(needed(&mut a.pc), 0);
    assert_eq!(needed(&mut b.pc), 0);
    a.pc.create_data_channel(now, "c", DataChannelInit::default()).unwrap();
    assert_eq!(needed(&mut a.pc), 0, "data is negotiated already");
    a.pc.restart_ice(now);
    assert_eq!(needed(&mut a.pc), 1);
    negotiate(now, &mut a, &mut b);
    assert_eq!(needed(&mut a.pc), 0);
}

#[test]
fn ice_restart_changes_credentials_on_both_sides_only_when_asked() {
    let Pair { now, mut a, mut b, .. } = Pair::new(12);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    negotiate(now, &mut a, &mut b);
    let (first_a, first_b) = (sdp_of(&a.pc), sdp_of(&b.pc));
    negotiate(now, &mut b, &mut a);
    assert_eq!(ufrag(&sdp_of(&a.pc)), ufrag(&first_a));
    assert_eq!(ufrag(&sdp_of(&b.pc)), ufrag(&first_b));
    a.pc.restart_ice(now);
    negotiate(now, &mut a, &mut b);
    assert_ne!(ufrag(&sdp_of(&a.pc)), ufrag(&first_a));
    assert_ne!(ufrag(&sdp_of(&b.pc)), ufrag(&first_b));
    assert_eq!(a.pc.local_ufrag(), ufrag(&sdp_of(&a.pc)));
    // The mid and the DTLS roles stay.
    assert!(sdp_of(&a.pc).contains("a=mid:0\r\n"));
    assert!(sdp_of(&b.pc).contains("a=setup:active\r\n"));
}

#[test]
fn an_answer_that_does_not_fit_its_offer_is_refused() {
    type Change = fn(&str) -> String;
    let cases: [(&str, Change); 8] = [
        ("m-sections", |sdp| format!("{sdp}m=audio 9 UDP/TLS/RTP/SAVPF 0\r\nc=IN IP4 0.0.0.0\r\n")),
        ("kind", |sdp| sdp.replace("m=application", "m=video")),
        ("protocol", |sdp| sdp.replace("UDP/DTLS/SCTP", "TCP/DTLS/SCTP")),
        ("mid", |sdp| sdp.replace("a=mid:0", "a=mid:1").replace("BUNDLE 0", "BUNDLE 1")),
        ("setup", |sdp| sdp.replace("a=setup:active", "a=setup:actpass")),
        ("fingerprint", |sdp| {
            sdp.lines()
                .filter(|line| !line.starts_with("a=fingerprint"))
                .map(|line| format!("{line}\r\n"))
                .collect()
        }),
        ("ufrag", |sdp| {
            sdp.lines()
                .filter(|line| !line.starts_with("a=ice-ufrag"))
                .map(|line| format!("{line}\r\n"))
                .collect()
        }),
        ("bundle", |sdp| sdp.replace("BUNDLE 0", "BUNDLE 0 7")),
    ];
    for (name, change) in cases {
        let Pair { now, mut a, mut b, .. } = Pair::new(13);
        a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
        a.pc.set_local_description(now, None).unwrap();
        b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
        b.pc.set_local_description(now, None).unwrap();
        let answer = change(&sdp_of(&b.pc));
        let error =
            a.pc.set_remote_description(now, SessionDescription::answer(answer)).unwrap_err();
        assert_eq!(error.name(), "InvalidAccessError", "{name}: {error}");
        assert_eq!(a.pc.signaling_state(), SignalingState::HaveLocalOffer, "{name}");
        // Nothing is spoilt: the right answer still fits.
        a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap();
    }
}

#[test]
fn a_restart_must_be_answered_by_a_restart() {
    let Pair { now, mut a, mut b, .. } = Pair::new(14);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    negotiate(now, &mut a, &mut b);
    let old = b.pc.local_description().unwrap();
    a.pc.restart_ice(now);
    a.pc.set_local_description(now, None).unwrap();
    let error = a.pc.set_remote_description(now, old).unwrap_err();
    assert_eq!(error.name(), "InvalidAccessError");
}

#[test]
fn a_rejected_data_section_closes_the_channels() {
    let Pair { now, mut a, mut b, .. } = Pair::new(15);
    let channel = a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    let answer = sdp_of(&b.pc)
        .replace("m=application 9", "m=application 0")
        .replace("m=application 5002", "m=application 0")
        .replace("a=group:BUNDLE 0\r\n", "");
    a.pc.set_remote_description(now, SessionDescription::answer(answer)).unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    let events: Vec<Event> = std::iter::from_fn(|| a.pc.poll_event()).collect();
    assert!(events.contains(&Event::DataChannelClosed(channel)), "{events:?}");
    // A later offer takes the place of the rejected section (RFC 9429 §5.2.2).
    a.pc.create_data_channel(now, "again", DataChannelInit::default()).unwrap();
    let offer = a.pc.create_offer(now, OfferOptions::default()).unwrap();
    assert_eq!(offer.sdp.matches("m=application").count(), 1);
    assert!(offer.sdp.contains("a=mid:1\r\n"), "{}", offer.sdp);
}

#[test]
fn an_offer_without_data_is_answered_in_kind() {
    let Pair { now, mut a, mut b, .. } = Pair::new(16);
    negotiate(now, &mut a, &mut b);
    assert!(!sdp_of(&a.pc).contains("m="));
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    negotiate(now, &mut a, &mut b);
    assert!(sdp_of(&b.pc).contains("m=application"));
}

#[test]
fn the_version_of_the_origin_grows_and_its_id_stays() {
    let Pair { now, mut a, .. } = Pair::new(17);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    let origin = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("o=")).unwrap().to_owned();
        let mut fields = line.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap());
        (fields.next().unwrap(), line.split(' ').nth(2).unwrap().parse::<u64>().unwrap())
    };
    let first = origin(&a.pc.create_offer(now, OfferOptions::default()).unwrap().sdp);
    let second = origin(&a.pc.create_offer(now, OfferOptions::default()).unwrap().sdp);
    assert_eq!(first.0, second.0);
    assert_eq!(first.1 + 1, second.1);
}

#[test]
fn configuration_changes_are_checked() {
    let Pair { now, mut a, .. } = Pair::new(18);
    let servers = config().ice_server("stun:192.0.2.9");
    a.pc.set_configuration(now, servers).unwrap();
    assert_eq!(a.pc.configuration().ice_servers.len(), 1);
    let mut bundle = config();
    bundle.bundle_policy = peerage_peerconnection::BundlePolicy::MaxBundle;
    assert_eq!(a.pc.set_configuration(now, bundle).unwrap_err().name(), "InvalidModificationError");
    assert_eq!(
        a.pc.set_configuration(now, config().ice_server("http:x")).unwrap_err().name(),
        "SyntaxError"
    );
    let bad: [(Configuration, &str); 3] = [
        (config().ice_server("stun"), "SyntaxError"),
        (config().ice_server("turn:example.org"), "InvalidAccessError"),
        (
            {
                let mut config = config();
                config.settings.mtu = 100;
                config
            },
            "TypeError",
        ),
    ];
    for (config, name) in bad {
        let error = PeerConnection::new(now, config, peerage_peerconnection::Rng::from_seed(1))
            .unwrap_err();
        assert_eq!(error.name(), name, "{error}");
    }
}
#[test]
fn a_glare_that_loses_asks_again() {
    let Pair { now, mut a, mut b, .. } = Pair::new(11);
    a.pc.create_data_channel(now, "a", DataChannelInit::default()).unwrap();
    negotiate(now, &mut a, &mut b);
    while a.pc.poll_event().is_some() {}
    a.pc.restart_ice(now);
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_local_description(now, None).unwrap();
    // The other's offer wins; the restart is still wanted afterwards.
    a.pc.set_remote_description(now, b.pc.local_description().unwrap()).unwrap();
    a.pc.set_local_description(now, None).unwrap();
    b.pc.set_remote_description(now, a.pc.local_description().unwrap()).unwrap();
    let events: Vec<Event> = std::iter::from_fn(|| a.pc.poll_event()).collect();
    assert!(events.contains(&Event::NegotiationNeeded), "{events:?}");
}
