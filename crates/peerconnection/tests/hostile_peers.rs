//! Peers that lie, and strangers on the wire: nothing they send ends a connection, panics or grows without bound.

mod common;

use std::time::Duration;

use common::{A, B, Pair, config};
use peerage_peerconnection::{
    ConnectionState, DataChannelInit, ErrorDetail, Event, Input, Message, Protocol, Rng,
    SessionDescription,
};

#[test]
fn a_certificate_that_was_not_announced_ends_in_failure() {
    let mut pair = Pair::new(60);
    pair.a.pc.create_data_channel(pair.now, "a", DataChannelInit::default()).unwrap();
    pair.a.pc.set_local_description(pair.now, None).unwrap();
    pair.b.pc.set_remote_description(pair.now, pair.a.pc.local_description().unwrap()).unwrap();
    pair.b.pc.set_local_description(pair.now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap().sdp;
    let forged: String = answer
        .lines()
        .map(|line| match line.strip_prefix("a=fingerprint:sha-256 ") {
            Some(value) => {
                format!("a=fingerprint:sha-256 {}\r\n", value.chars().rev().collect::<String>())
            }
            None => format!("{line}\r\n"),
        })
        .collect();
    pair.a.pc.set_remote_description(pair.now, SessionDescription::answer(forged)).unwrap();
    let failed = pair.run_until(Duration::from_secs(10), |pair| {
        pair.a.pc.connection_state() == ConnectionState::Failed
    });
    assert!(failed, "{:?}", pair.a.events);
    let details = pair.a.pick(|event| match event {
        Event::DtlsError { detail, .. } => Some(*detail),
        _ => None,
    });
    assert_eq!(details, [ErrorDetail::FingerprintFailure]);
    assert!(pair.a.opened().is_empty() && pair.b.messages.is_empty());
    assert_eq!(pair.a.closed().len(), 1);
}

#[test]
fn noise_on_the_wire_is_dropped() {
    let (mut pair, a, _) = Pair::connected(61);
    let mut rng = Rng::from_seed(61);
    for round in 0..3000u32 {
        let mut noise = vec![0; rng.range(0..200) as usize];
        rng.fill(&mut noise);
        if let (Some(first), 0) = (noise.first_mut(), round % 2) {
            // Looks like DTLS or STUN.
            *first = [20, 22, 23, 25, 0x2f, 0, 1][round as usize % 7];
        }
        let input = Input {
            source: if round % 3 == 0 {
                "203.0.113.9:9".parse().unwrap()
            } else {
                B.parse().unwrap()
            },
            destination: A.parse().unwrap(),
            protocol: Protocol::Udp,
            ecn: None,
            data: &mut noise,
        };
        pair.a.pc.handle_input(pair.now, input).unwrap();
    }
    pair.drain();
    pair.b.echo = true;
    pair.a.pc.send(pair.now, a, Message::text("still there?")).unwrap();
    assert!(pair.run_until(Duration::from_secs(5), |pair| !pair.a.messages.is_empty()));
    assert!(pair.a.pc.statistics().transport.packets_dropped > 0);
}

#[test]
fn datagrams_spoilt_on_the_way_do_no_harm() {
    let (mut pair, a, _) = Pair::connected(62);
    let mut seen = 0;
    // One datagram in ten is lost: what a spoilt one comes to under DTLS and STUN's integrity.
    pair.filter = Box::new(move |_, _| {
        seen += 1;
        seen % 10 != 0
    });
    pair.b.echo = true;
    for _ in 0..20 {
        pair.a.pc.send(pair.now, a, Message::Binary(vec![7; 20_000].into())).unwrap();
    }
    assert!(pair.run_until(Duration::from_secs(60), |pair| pair.a.messages.len() == 20));
}

#[test]
fn early_handshake_packets_wait_for_the_answer() {
    let mut pair = Pair::new(63);
    pair.a.pc.create_data_channel(pair.now, "a", DataChannelInit::default()).unwrap();
    pair.a.pc.set_local_description(pair.now, None).unwrap();
    pair.b.pc.set_remote_description(pair.now, pair.a.pc.local_description().unwrap()).unwrap();
    pair.b.pc.set_local_description(pair.now, None).unwrap();
    // The answer is slow; checks and the ClientHello are not.
    pair.run_for(Duration::from_secs(2));
    pair.a.pc.set_remote_description(pair.now, pair.b.pc.local_description().unwrap()).unwrap();
    pair.connect();
}

#[test]
fn candidates_are_checked_as_the_w3c_says() {
    let (mut pair, ..) = Pair::connected(64);
    let init = |candidate: &str, mid: Option<&str>, ufrag: Option<&str>| {
        Some(peerage_peerconnection::IceCandidateInit {
            candidate: candidate.into(),
            sdp_mid: mid.map(str::to_owned),
            sdp_m_line_index: None,
            username_fragment: ufrag.map(str::to_owned),
        })
    };
    let good = "candidate:1 1 udp 2130706431 192.0.2.77 9 typ host";
    let cases = [
        (init(good, None, None), "TypeError"),
        (init(good, Some("nosuch"), None), "OperationError"),
        (init(good, Some("0"), Some("wrong")), "OperationError"),
        (init("candidate:nonsense", Some("0"), None), "OperationError"),
    ];
    for (candidate, name) in cases {
        let error = pair.a.pc.add_ice_candidate(pair.now, candidate.clone()).unwrap_err();
        assert_eq!(error.name(), name, "{candidate:?}: {error}");
    }
    let ufrag = pair.b.pc.local_ufrag().to_owned();
    pair.a.pc.add_ice_candidate(pair.now, init(good, Some("0"), Some(&ufrag))).unwrap();
    assert!(pair.a.pc.remote_description().unwrap().sdp.contains("192.0.2.77 9 typ host"));
    // A flood of candidates meets a bound, and the call says so.
    let mut refused = 0;
    for port in 1..2000 {
        let text = format!("candidate:1 1 udp 1 192.0.2.78 {port} typ host");
        refused += usize::from(
            pair.a.pc.add_ice_candidate(pair.now, init(&text, Some("0"), None)).is_err(),
        );
    }
    assert!(refused > 1000);
    assert_eq!(pair.a.pc.connection_state(), ConnectionState::Connected);
}

#[test]
fn both_roles_and_versions_connect() {
    use peerage_peerconnection::{DtlsVersions, NamedGroup};
    for (v1_2, v1_3, groups, version) in [
        (true, false, vec![], "DTLS 1.2"),
        (false, true, vec![NamedGroup::X25519], "DTLS 1.3"),
        (true, true, vec![NamedGroup::Secp256r1], "DTLS 1.3"),
    ] {
        for b_offers in [false, true] {
            let mut pinned = config();
            pinned.settings.dtls.versions = DtlsVersions { v1_2, v1_3 };
            pinned.settings.dtls.groups = groups.clone();
            let mut pair = Pair::with(65, config(), pinned);
            pair.a.pc.create_data_channel(pair.now, "a", DataChannelInit::default()).unwrap();
            pair.b.pc.create_data_channel(pair.now, "b", DataChannelInit::default()).unwrap();
            if b_offers {
                pair.negotiate_from_b();
            } else {
                pair.negotiate();
            }
            pair.connect();
            let handshake = pair.a.pc.statistics().handshake.unwrap();
            assert_eq!((handshake.version, handshake.is_client), (version, b_offers));
            assert!(pair.run_until(Duration::from_secs(5), |pair| pair.b.incoming().len() == 1));
        }
    }
}

#[test]
fn gso_batches_are_equal_datagrams() {
    let mut batching = config();
    batching.settings.max_gso_segments = 16;
    let mut pair = Pair::with(66, batching.clone(), batching);
    let (a, _) = pair.open("test");
    for size in [100, 60_000, 3, 5000, 200_000] {
        pair.a.pc.send(pair.now, a, Message::Binary(vec![1; size].into())).unwrap();
    }
    let mut largest = 0;
    let mut buf = Vec::new();
    while let Some(transmit) = pair.a.pc.poll_transmit(pair.now, &mut buf) {
        let segment = transmit.segment_size.unwrap_or(transmit.size);
        assert!(segment <= 1200 && transmit.size == buf.len());
        assert!(transmit.size.div_ceil(segment) <= 16);
        largest = largest.max(transmit.size.div_ceil(segment));
        buf.clear();
    }
    assert!(largest > 4, "{largest}");
}
