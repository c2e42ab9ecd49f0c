//! Connections with more than one transport: a peer that does not bundle gets each m-section on a transport of its own, one
//! that does makes the others go away (RFC 8829 §4.1.1, RFC 9143).

mod common;

use std::collections::HashSet;
use std::time::Duration;

use common::{Pair, Peer, config, frames, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    BundlePolicy, Configuration, ConnectionState, DataChannelHandle, DtlsState, Event, Frame,
    IceConnectionState, IceGatheringState, MAX_TRANSPORTS, Message, OfferOptions,
    SessionDescription, StatsSelector, TransceiverHandle, TransceiverInit,
};

const PATIENCE: Duration = Duration::from_secs(10);

fn policy(policy: BundlePolicy) -> Configuration {
    let mut config = config();
    config.bundle_policy = policy;
    config
}

/// A pair whose ends have a port for each transport.
fn pair(seed: u64, a: BundlePolicy, b: BundlePolicy) -> Pair {
    let mut pair = Pair::with(seed, policy(a), policy(b));
    let now = pair.now;
    pair.a.add_ports(now, 3);
    pair.b.add_ports(now, 3);
    pair
}

/// What a peer that knows nothing of bundles makes of a description.
fn without_bundle(description: SessionDescription) -> SessionDescription {
    let lines = description.sdp.split_inclusive('\n');
    let sdp = lines.filter(|line| !line.starts_with("a=group:BUNDLE")).collect();
    SessionDescription { sdp, ..description }
}

/// An offer of `from`, of which the answerer sees no bundle, and its answer.
#[track_caller]
fn negotiate_apart(pair: &mut Pair) {
    let (now, from, to) = (pair.now, &mut pair.a, &mut pair.b);
    from.pc.set_local_description(now, None).unwrap();
    let offer = from.pc.local_description().unwrap();
    to.pc.set_remote_description(now, without_bundle(offer)).unwrap();
    to.pc.set_local_description(now, None).unwrap();
    let answer = to.pc.local_description().unwrap();
    assert!(!answer.sdp.contains("a=group"), "{}", answer.sdp);
    from.pc.set_remote_description(now, answer).unwrap();
    pair.drain();
}

/// The m-lines of a description, each with what follows it.
fn sections(sdp: &str) -> Vec<String> {
    sdp.split("\r\nm=").skip(1).map(|section| format!("m={section}\r\n")).collect()
}

fn ufrags(sdp: &str) -> Vec<&str> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:")).collect()
}

fn sections_with_candidates(peer: &Peer) -> HashSet<Option<u16>> {
    let of = |event: &Event| match event {
        Event::IceCandidate(Some(init)) if !init.candidate.is_empty() => {
            Some(init.sdp_m_line_index)
        }
        _ => None,
    };
    peer.pick(of).into_iter().collect()
}

struct Apart {
    pair: Pair,
    audio: TransceiverHandle,
    video: TransceiverHandle,
    channel: DataChannelHandle,
}

/// `a` sends audio, video and data to `b`, each over a transport of its own.
#[track_caller]
fn apart(seed: u64) -> Apart {
    let mut pair = pair(seed, BundlePolicy::Balanced, BundlePolicy::Balanced);
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    let channel = pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
    negotiate_apart(&mut pair);
    pair.connect();
    Apart { pair, audio, video, channel }
}

impl Apart {
    /// Audio, video and data reach the other end.
    #[track_caller]
    fn everything_flows(&mut self) {
        let Self { pair, audio, video, channel } = self;
        let opened = |pair: &mut Pair| pair.a.opened().contains(channel);
        assert!(pair.run_until(PATIENCE, opened), "{:?}", pair.a.events);
        pair.b.events.retain(|event| !matches!(event, Event::Frame(_)));
        pair.b.messages.clear();
        for round in 0..20u32 {
            let now = pair.now;
            let sound = Frame::new(vec![7; 80], round * 960);
            pair.a.pc.send_frame(now, *audio, 0, &sound).unwrap();
            let picture = Frame::new(vp8(round == 0, 3000, round as u8), round * 1800);
            pair.a.pc.send_frame(now, *video, 0, &picture).unwrap();
            pair.a.pc.send(now, *channel, Message::Text("text".into())).unwrap();
            pair.run_for(Duration::from_millis(20));
        }
        pair.run_for(Duration::from_millis(500));
        let sounds = frames(&pair.b.events).iter().filter(|f| f.frame.data.len() == 80).count();
        let pictures = frames(&pair.b.events).len() - sounds;
        assert_eq!((sounds, pictures, pair.b.messages.len()), (20, 20, 20));
    }
}

#[test]
fn without_a_bundle_audio_video_and_data_have_a_transport_each() {
    let mut call = apart(1);
    call.everything_flows();
    for peer in [&call.pair.a, &call.pair.b] {
        let transports: Vec<_> = peer.pc.dtls_transports().collect();
        assert_eq!(transports.len(), 3);
        assert!(transports.iter().all(|transport| transport.state == DtlsState::Connected));
        let pairs: HashSet<_> = (peer.pc.ice_transports())
            .map(|ice| ice.selected_candidate_pair.map(|pair| (pair.local, pair.remote)).unwrap())
            .collect();
        assert_eq!(pairs.len(), 3, "{pairs:?}");
        let ids: HashSet<_> = (peer.pc.transceivers())
            .map(|transceiver| peer.pc.transport_of(transceiver.handle).unwrap().unwrap().id)
            .chain(peer.pc.sctp_transport().map(|sctp| sctp.transport))
            .collect();
        assert_eq!(ids.len(), 3, "each its own");
    }
    let local = call.pair.a.pc.local_description().unwrap().sdp;
    assert_eq!(ufrags(&local).into_iter().collect::<HashSet<_>>().len(), 3);
}

#[test]
fn what_the_first_offer_says_follows_the_policy() {
    // Audio, video, video, data: which have transport parameters of their own.
    for (policy, own) in [
        (BundlePolicy::Balanced, [true, true, false, true]),
        (BundlePolicy::MaxCompat, [true; 4]),
        (BundlePolicy::MaxBundle, [true, false, false, false]),
    ] {
        let mut pair = pair(2, policy, BundlePolicy::Balanced);
        let now = pair.now;
        for kind in [MediaKind::Audio, MediaKind::Video, MediaKind::Video] {
            pair.a.pc.add_transceiver(now, kind, TransceiverInit::default()).unwrap();
        }
        pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
        pair.a.trickle = false;
        pair.a.pc.set_local_description(now, None).unwrap();
        pair.drain();
        let offer = pair.a.pc.local_description().unwrap().sdp;
        assert!(offer.contains("a=group:BUNDLE 0 1 2 3\r\n"), "one bundle always: {offer}");
        let sections = sections(&offer);
        for (section, own) in sections.iter().zip(own) {
            let port = section.split(' ').nth(1).unwrap();
            for line in ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:"] {
                assert!(section.contains(line), "{policy:?} {line} {section}");
            }
            assert_eq!(section.contains("a=candidate:"), own, "{policy:?} {section}");
            assert_eq!(section.contains("a=bundle-only"), !own, "{section}");
            assert_eq!(port == "0", !own, "{section}");
        }
        let count = own.iter().filter(|own| **own).count();
        assert_eq!(ufrags(&offer).into_iter().collect::<HashSet<_>>().len(), count);
        assert_eq!(sections_with_candidates(&pair.a).len(), count);
        assert_eq!(pair.a.pc.ice_transports().count(), count);
    }
}

#[test]
fn an_answer_that_bundles_leaves_one_transport() {
    for policy in [BundlePolicy::Balanced, BundlePolicy::MaxCompat, BundlePolicy::MaxBundle] {
        let mut pair = pair(3, policy, BundlePolicy::Balanced);
        let now = pair.now;
        let audio = pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
        let video = pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
        let channel = pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
        pair.negotiate();
        pair.connect();
        for peer in [&pair.a, &pair.b] {
            assert_eq!(peer.pc.ice_transports().count(), 1, "{policy:?}");
            assert_eq!(peer.pc.get_stats(pair.now).transports().count(), 1);
            assert_eq!(peer.pc.local_ufrags().count(), 1);
            assert!(peer.has(&Event::IceGatheringStateChange(IceGatheringState::Complete)));
        }
        let mut call = Apart { pair, audio, video, channel };
        call.everything_flows();
        // What was bundled has the candidates of one transport only.
        let local = call.pair.a.pc.local_description().unwrap().sdp;
        let with = sections(&local).iter().filter(|s| s.contains("\r\na=candidate:")).count();
        assert_eq!(with, 1, "{local}");
    }
}

/// Firefox compares them with the last description, section by section, though those of a bundle go by one.
#[test]
fn sections_that_were_bundled_repeat_their_credentials_until_a_restart() {
    let (mut pair, _, _) = common::calling(4);
    let of = |peer: &Peer| -> Vec<String> {
        let description = peer.pc.current_local_description().unwrap();
        ufrags(&description.sdp).into_iter().map(str::to_owned).collect()
    };
    let offered = of(&pair.a);
    assert_eq!(
        offered.iter().collect::<HashSet<_>>().len(),
        2,
        "a transport for each: {offered:?}"
    );
    let now = pair.now;
    pair.b.pc.add_track(now, MediaKind::Video, "more", vec!["s".into()]).unwrap();
    pair.negotiate_from_b();
    assert_eq!(of(&pair.a)[..2], offered, "in the answer");
    pair.a.pc.add_track(now, MediaKind::Audio, "more", vec!["s".into()]).unwrap();
    pair.negotiate();
    assert_eq!(of(&pair.a)[..2], offered, "in an offer");
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.pc.connection_state(), ConnectionState::Connected);

    pair.a.pc.restart_ice(pair.now);
    pair.negotiate();
    pair.run_for(Duration::from_secs(2));
    let restarted = of(&pair.a);
    assert_eq!(restarted.iter().collect::<HashSet<_>>().len(), 1, "{restarted:?}");
    assert!(!offered.contains(&restarted[0]));
    pair.negotiate_from_b();
    assert_eq!(of(&pair.a), restarted);
    assert_eq!(pair.a.pc.connection_state(), ConnectionState::Connected);
}

#[test]
fn several_groups_have_a_transport_each() {
    let mut pair = pair(4, BundlePolicy::MaxCompat, BundlePolicy::MaxCompat);
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    let channel = pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let mut offer = pair.a.pc.local_description().unwrap();
    offer.sdp = offer.sdp.replace("a=group:BUNDLE 0 1 2", "a=group:BUNDLE 2 0\r\na=group:BUNDLE 1");
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap();
    assert!(answer.sdp.contains("a=group:BUNDLE 2 0\r\na=group:BUNDLE 1\r\n"), "{}", answer.sdp);
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    for peer in [&pair.a, &pair.b] {
        assert_eq!(peer.pc.ice_transports().count(), 2);
        let of = |mid: &str| {
            let is_it = |mid_of: &str| mid_of == mid;
            let mut all = peer.pc.transceivers();
            let found = all.find(|t| t.mid.as_ref().is_some_and(|mid| is_it(mid.as_str())));
            peer.pc.transport_of(found.unwrap().handle).unwrap().unwrap().id
        };
        assert_eq!(of("0"), peer.pc.sctp_transport().unwrap().transport);
        assert_ne!(of("1"), of("0"));
    }
    Apart { pair, audio, video, channel }.everything_flows();
}

#[test]
fn an_offer_without_a_bundle_is_answered_as_the_policy_says() {
    // Audio, audio, video, data.
    for (policy, taken) in [
        (BundlePolicy::Balanced, [true, false, true, true]),
        (BundlePolicy::MaxCompat, [true; 4]),
        (BundlePolicy::MaxBundle, [true, false, false, false]),
    ] {
        let mut pair = pair(5, BundlePolicy::MaxCompat, policy);
        let now = pair.now;
        for kind in [MediaKind::Audio, MediaKind::Audio, MediaKind::Video] {
            pair.a.pc.add_transceiver(now, kind, TransceiverInit::default()).unwrap();
        }
        pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
        negotiate_apart(&mut pair);
        pair.connect();
        let answer = pair.b.pc.local_description().unwrap().sdp;
        let accepted: Vec<bool> = (sections(&answer).iter())
            .map(|section| section.split(' ').nth(1) != Some("0"))
            .collect();
        assert_eq!(accepted, taken, "{policy:?}");
        let count = taken.iter().filter(|taken| **taken).count();
        assert_eq!(
            (pair.a.pc.ice_transports().count(), count),
            (count, pair.b.pc.ice_transports().count())
        );
    }
}

#[test]
fn one_end_may_have_one_port_for_all() {
    let mut pair = Pair::with(6, config(), config());
    let now = pair.now;
    // As browsers have; the other end is a server with one socket.
    pair.a.add_ports(now, 3);
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    let channel = pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
    negotiate_apart(&mut pair);
    pair.connect();
    Apart { pair, audio, video, channel }.everything_flows();
}

/// Sockets are bound, and told of, in any order.
#[test]
fn ports_that_come_after_the_transports_are_given_to_one_each() {
    let mut pair = Pair::with(18, config(), config());
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    let channel = pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
    negotiate_apart(&mut pair);
    pair.a.add_ports(now, 2);
    pair.b.add_ports(now, 2);
    pair.connect();
    for peer in [&pair.a, &pair.b] {
        let ports: HashSet<_> = (peer.pc.ice_transports())
            .map(|ice| ice.selected_candidate_pair.map(|pair| pair.local).unwrap())
            .collect();
        assert_eq!(ports.len(), 3, "{ports:?}");
        for ice in peer.pc.ice_transports().skip(1) {
            assert_eq!(ice.local_candidates.len(), 1, "{:?}", ice.local_candidates);
        }
    }
    // A port that is gone leaves its transport one of those that remain.
    let (now, last) = (pair.now, *pair.a.addresses.last().unwrap());
    pair.a.pc.remove_local_address(now, last);
    for ice in pair.a.pc.ice_transports() {
        assert!(!ice.local_candidates.is_empty());
    }
    Apart { pair, audio, video, channel }.everything_flows();
}

#[test]
fn two_ends_with_one_port_each_are_told_what_is_wrong() {
    let mut pair = Pair::with(7, config(), config());
    let now = pair.now;
    pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
    pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    negotiate_apart(&mut pair);
    let failed = |pair: &mut Pair| pair.a.pc.connection_state() == ConnectionState::Failed;
    assert!(pair.run_until(PATIENCE, failed), "{:?}", pair.a.events);
    let told = pair.a.pick(|event| match event {
        Event::DtlsError { message, .. } => Some(message.contains("more ports")),
        _ => None,
    });
    assert_eq!(told, [true]);
}

#[test]
fn candidates_go_to_the_transport_of_their_section() {
    let mut call = apart(8);
    call.everything_flows();
    // Trickled candidates only: each agent knows those of its own section alone.
    for (peer, other) in [(&call.pair.a, &call.pair.b), (&call.pair.b, &call.pair.a)] {
        for (ours, theirs) in peer.pc.ice_transports().zip(other.pc.ice_transports()) {
            let remote = ours.remote_parameters.unwrap();
            assert_eq!(Some(&remote), theirs.local_parameters.as_ref());
            let ports: HashSet<_> = ours.remote_candidates.iter().map(|c| c.port).collect();
            assert_eq!(ports, theirs.local_candidates.iter().map(|c| c.port).collect());
        }
    }
}

#[test]
fn the_states_are_those_of_all_transports() {
    let mut call = apart(9);
    call.everything_flows();
    let states = call.pair.a.pick(|event| match event {
        Event::ConnectionStateChange(state) => Some(*state),
        _ => None,
    });
    assert_eq!(states, [ConnectionState::Connecting, ConnectionState::Connected]);
    let dtls = |state| {
        call.pair.a.events.iter().filter(|event| **event == Event::DtlsStateChange(state)).count()
    };
    assert_eq!((dtls(DtlsState::Connecting), dtls(DtlsState::Connected)), (3, 3));
    let nulls = call.pair.a.pick(|event| match event {
        Event::IceCandidate(None) => Some(()),
        _ => None,
    });
    assert_eq!(nulls.len(), 1, "the end of gathering is told once");
    // The peer's audio transport falls silent: that is enough.
    let gone = call.pair.b.pc.ice_transports().next().unwrap().local_candidates[0].port;
    let silent = call.pair.b.addresses.iter().find(|a| a.port() == gone).copied().unwrap();
    // It is not told, or it would go on by another port at once.
    call.pair.b.addresses.retain(|address| *address != silent);
    let disconnected =
        |pair: &mut Pair| pair.a.pc.ice_connection_state() == IceConnectionState::Disconnected;
    assert!(call.pair.run_until(Duration::from_secs(30), disconnected));
    assert_eq!(call.pair.a.pc.connection_state(), ConnectionState::Disconnected);
    let of_each: Vec<_> = call.pair.a.pc.ice_transports().map(|ice| ice.state).collect();
    assert_eq!(of_each.iter().filter(|s| **s == IceConnectionState::Disconnected).count(), 1);
}

#[test]
fn a_restart_renews_every_transport() {
    let mut call = apart(10);
    call.everything_flows();
    let before: HashSet<String> = call.pair.a.pc.local_ufrags().map(str::to_owned).collect();
    let now = call.pair.now;
    let options = OfferOptions { ice_restart: true };
    let (a, b) = (&mut call.pair.a.pc, &mut call.pair.b.pc);
    let offer = a.create_offer(now, options).unwrap();
    a.set_local_description(now, Some(offer.clone())).unwrap();
    b.set_remote_description(now, offer).unwrap();
    b.set_local_description(now, None).unwrap();
    a.set_remote_description(now, b.local_description().unwrap()).unwrap();
    call.pair.run_for(Duration::from_secs(2));
    let after: HashSet<String> = call.pair.a.pc.local_ufrags().map(str::to_owned).collect();
    assert_eq!((after.len(), after.intersection(&before).count()), (3, 0));
    assert_eq!(call.pair.a.pc.connection_state(), ConnectionState::Connected);
    call.everything_flows();
    let handshakes = call.pair.a.pick(|event| match event {
        Event::HandshakeComplete(_) => Some(()),
        _ => None,
    });
    assert_eq!(handshakes.len(), 3, "DTLS goes on");
}

#[test]
fn later_offers_keep_what_was_not_bundled_apart() {
    let mut call = apart(11);
    let now = call.pair.now;
    // A second video: the peer does not bundle, and with `balanced` it is to be had in a bundle only.
    let second = call.pair.a.pc.add_track(now, MediaKind::Video, "w", vec!["s".into()]).unwrap();
    call.pair.a.pc.set_local_description(now, None).unwrap();
    let offer = call.pair.a.pc.local_description().unwrap();
    assert!(offer.sdp.contains("a=group:BUNDLE 3\r\n"), "{}", offer.sdp);
    assert!(!offer.sdp.contains("a=bundle-only"), "the first of its bundle");
    call.pair.b.pc.set_remote_description(now, without_bundle(offer)).unwrap();
    call.pair.b.pc.set_local_description(now, None).unwrap();
    let answer = call.pair.b.pc.local_description().unwrap();
    call.pair.a.pc.set_remote_description(now, answer).unwrap();
    call.pair.connect();
    call.everything_flows();
    // The answerer's policy is `balanced` as well.
    assert!(call.pair.a.pc.transceiver(second).is_none(), "rejected");
    assert_eq!(call.pair.a.pc.ice_transports().count(), 3);
}

#[test]
fn a_section_that_is_rejected_takes_its_transport_along() {
    let mut call = apart(12);
    call.everything_flows();
    let now = call.pair.now;
    call.pair.a.pc.stop_transceiver(now, call.audio).unwrap();
    negotiate_apart(&mut call.pair);
    call.pair.run_for(Duration::from_millis(100));
    for peer in [&call.pair.a, &call.pair.b] {
        assert_eq!(peer.pc.ice_transports().count(), 2);
        assert_eq!(peer.pc.connection_state(), ConnectionState::Connected);
    }
    // What is left goes on, though places have changed.
    let (now, video, channel) = (call.pair.now, call.video, call.channel);
    call.pair.b.events.clear();
    call.pair.b.messages.clear();
    let picture = Frame::new(vp8(true, 3000, 1), 900_000);
    call.pair.a.pc.send_frame(now, video, 0, &picture).unwrap();
    call.pair.a.pc.send(now, channel, Message::Text("text".into())).unwrap();
    call.pair.run_for(Duration::from_millis(500));
    assert_eq!((frames(&call.pair.b.events).len(), call.pair.b.messages.len()), (1, 1));
}

#[test]
fn each_transport_has_its_statistics() {
    let mut call = apart(13);
    call.everything_flows();
    let now = call.pair.now;
    let report = call.pair.a.pc.get_stats(now);
    let transports: Vec<_> = report.transports().collect();
    assert_eq!(transports.len(), 3);
    assert!(transports.iter().all(|t| t.packets_sent > Some(3) && t.srtp_cipher.is_some()));
    assert!(transports.iter().all(|t| t.selected_candidate_pair_id.is_some()));
    let of_streams: HashSet<_> = report.outbound_rtp().map(|s| s.transport_id.clone()).collect();
    assert_eq!(of_streams.len(), 2, "audio and video");
    // A sender's report has its transport alone.
    let own = call.pair.a.pc.get_stats_of(now, StatsSelector::Sender(call.audio)).unwrap();
    assert_eq!(own.transports().count(), 1);
    assert_ne!(call.pair.a.pc.estimate_of(call.video), None);
}

#[test]
fn payload_types_may_mean_something_else_on_another_transport() {
    let mut pair = pair(14, BundlePolicy::Balanced, BundlePolicy::Balanced);
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap();
    // Opus under the number of VP8: two RTP sessions.
    let sdp = without_bundle(offer).sdp;
    let number = |name: &str| {
        let line = sdp.lines().find(|line| line.contains(name)).unwrap();
        line.split(':').nth(1).unwrap().split(' ').next().unwrap().to_owned()
    };
    let (opus, vp8) = (number(" opus/48000"), number(" VP8/90000"));
    assert_ne!(opus, vp8);
    let (head, rest) = sdp.split_once("m=video").unwrap();
    let renumber = |line: &str| -> String {
        line.replace(&format!(":{opus} "), &format!(":{vp8} "))
            .replace(&format!(" {opus} "), &format!(" {vp8} "))
    };
    let head: String = head.split_inclusive('\n').map(renumber).collect();
    let sdp = format!("{head}m=video{rest}");
    pair.b.pc.set_remote_description(now, SessionDescription::offer(sdp.clone())).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap().sdp;
    assert!(answer.contains(&format!("a=rtpmap:{vp8} opus/48000/2")), "{answer}");
    assert!(answer.contains(&format!("a=rtpmap:{vp8} VP8/90000")), "{answer}");
    // In one bundle it is a mistake.
    let grouped = sdp.replacen("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE 0 1\r\n", 1);
    let mut other = Pair::with(15, config(), config());
    let error = other.b.pc.set_remote_description(now, SessionDescription::offer(grouped));
    assert!(error.unwrap_err().to_string().contains("means another codec"));
    let _ = (audio, video);
}

#[test]
fn rtcp_on_a_port_of_its_own_is_refused() {
    let mut pair = pair(16, BundlePolicy::Balanced, BundlePolicy::Balanced);
    let now = pair.now;
    pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
    pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = without_bundle(pair.a.pc.local_description().unwrap());
    let sdp = offer.sdp.replacen("a=rtcp-mux\r\n", "", 1);
    let error = pair.b.pc.set_remote_description(now, SessionDescription::offer(sdp)).unwrap_err();
    assert_eq!(error.name(), "InvalidAccessError");
    assert!(error.to_string().contains("a=rtcp-mux"), "{error}");
    pair.b.pc.set_remote_description(now, offer).unwrap();
}

#[test]
fn transports_are_bounded() {
    let mut pair = Pair::with(17, policy(BundlePolicy::MaxCompat), policy(BundlePolicy::MaxCompat));
    let now = pair.now;
    for _ in 0..40 {
        pair.a.pc.add_transceiver(now, MediaKind::Audio, TransceiverInit::default()).unwrap();
    }
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap();
    assert_eq!(ufrags(&offer.sdp).into_iter().collect::<HashSet<_>>().len(), MAX_TRANSPORTS);
    assert_eq!(offer.sdp.matches("a=bundle-only").count(), 40 - MAX_TRANSPORTS);
    // A peer with as many sections, none of them bundled.
    let mut apart = without_bundle(offer);
    let template = sections(&apart.sdp)[0].replace("a=mid:0\r\n", "");
    let head = apart.sdp.split("m=").next().unwrap().to_owned();
    apart.sdp = (0..40).fold(head, |sdp, mid| format!("{sdp}{template}a=mid:{mid}\r\n"));
    pair.b.pc.set_remote_description(now, apart).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap().sdp;
    let taken = sections(&answer).iter().filter(|s| s.split(' ').nth(1) != Some("0")).count();
    assert_eq!(taken, MAX_TRANSPORTS);
    assert_eq!(pair.b.pc.ice_transports().count(), MAX_TRANSPORTS);
}

#[test]
fn an_answer_cannot_unbundle_what_was_offered_in_a_bundle_only() {
    let mut pair = pair(18, BundlePolicy::MaxBundle, BundlePolicy::MaxCompat);
    let now = pair.now;
    pair.a.pc.add_track(now, MediaKind::Audio, "a", vec!["s".into()]).unwrap();
    pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap();
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = without_bundle(pair.b.pc.local_description().unwrap());
    let error = pair.a.pc.set_remote_description(now, answer).unwrap_err();
    assert!(error.to_string().contains("outside of it"), "{error}");
}

#[test]
fn an_offer_that_is_rolled_back_leaves_no_transport_behind() {
    let mut pair = pair(19, BundlePolicy::MaxCompat, BundlePolicy::MaxCompat);
    let now = pair.now;
    for kind in [MediaKind::Audio, MediaKind::Video] {
        for peer in [&mut pair.a, &mut pair.b] {
            peer.pc.add_transceiver(now, kind, TransceiverInit::default()).unwrap();
        }
    }
    for round in 0..50 {
        let now = pair.now;
        pair.a.pc.set_local_description(now, None).unwrap();
        assert_eq!(pair.a.pc.ice_transports().count(), 2, "round {round}");
        pair.b.pc.set_local_description(now, None).unwrap();
        // Glare: the polite end gives way.
        let offer = without_bundle(pair.a.pc.local_description().unwrap());
        pair.b.pc.set_remote_description(now, offer).unwrap();
        assert_eq!(pair.b.pc.ice_transports().count(), 2, "round {round}");
        pair.b.pc.set_remote_description(now, SessionDescription::rollback()).unwrap();
        pair.a.pc.set_local_description(now, Some(SessionDescription::rollback())).unwrap();
        assert!(pair.a.pc.local_ufrags().count() <= 2);
        pair.run_for(Duration::from_millis(10));
    }
}
