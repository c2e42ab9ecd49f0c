//! Handshakes of DTLS 1.2 between two of our endpoints.

mod common;

use std::{sync::Arc, time::Duration};

use common::{Faults, Pair, certificates, client_config, provider, server_config};
use peerage_crypto::{Certificate, CertificateParams, KeyLogWriter, KeyType, Rng};
use peerage_dtls::{
    AlertDescription, CipherSuite, Config, Error, NamedGroup, ProtocolVersion, State,
};

const SUITES: [CipherSuite; 6] = [
    CipherSuite::EcdheEcdsaAes128GcmSha256,
    CipherSuite::EcdheEcdsaAes256GcmSha384,
    CipherSuite::EcdheEcdsaChaCha20Poly1305,
    CipherSuite::EcdheRsaAes128GcmSha256,
    CipherSuite::EcdheRsaAes256GcmSha384,
    CipherSuite::EcdheRsaChaCha20Poly1305,
];

const GROUPS: [NamedGroup; 3] = [NamedGroup::X25519, NamedGroup::Secp256r1, NamedGroup::Secp384r1];

fn only_12(mut config: Config) -> Config {
    config.max_version = ProtocolVersion::Dtls12;
    config
}

fn configs() -> (Config, Config) {
    (only_12(client_config()), only_12(server_config()))
}

fn rsa_certificate() -> Arc<Certificate> {
    let params = CertificateParams { key_type: KeyType::Rsa2048, ..CertificateParams::default() };
    let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Arc::new(Certificate::generate(&provider(), params, now, &mut Rng::from_seed(9)).unwrap())
}

fn assert_talks(pair: &mut Pair) {
    let mut keys = [[0; 60], [0; 60]];
    for (side, out) in [&pair.client, &pair.server].into_iter().zip(&mut keys) {
        assert_eq!(side.endpoint.state(), State::Connected);
        side.endpoint.export_keying_material("EXTRACTOR-dtls_srtp", None, out).unwrap();
    }
    assert_eq!(keys[0], keys[1]);
    pair.send(true, b"hello");
    pair.send(false, b"world");
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received, [b"hello"]);
    assert_eq!(pair.client.received, [b"world"]);
}

#[test]
fn every_suite_works_with_every_group() {
    let rsa = rsa_certificate();
    for suite in SUITES {
        for group in GROUPS {
            let (mut client, mut server) = configs();
            client.cipher_suites = vec![suite];
            server.groups = vec![group];
            if suite.name().contains("_RSA_") {
                server.certificate = Arc::clone(&rsa);
            }
            let mut pair = Pair::new(client, server, 1);
            assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
            for side in [&pair.client, &pair.server] {
                let summary = side.summary.as_ref().unwrap();
                assert_eq!(summary.version, ProtocolVersion::Dtls12);
                assert_eq!((summary.cipher_suite, summary.group), (suite, Some(group)));
                assert!(summary.srtp_profile.is_some());
                assert_eq!(side.endpoint.statistics().retransmissions, 0);
            }
            let certificate = pair.server.summary.as_ref().unwrap().peer_certificates.clone();
            assert_eq!(certificate, [certificates()[0].der().to_vec()]);
            assert_talks(&mut pair);
        }
    }
}

#[test]
fn either_end_may_be_older() {
    for (client_is_old, server_is_old) in [(true, false), (false, true)] {
        let (mut client, mut server) = (client_config(), server_config());
        if client_is_old {
            client = only_12(client);
        }
        if server_is_old {
            server = only_12(server);
        }
        let mut pair = Pair::new(client, server, 2);
        assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
        assert_eq!(pair.client.summary.as_ref().unwrap().version, ProtocolVersion::Dtls12);
        assert_talks(&mut pair);
    }
}

/// Someone on the path hides that the client speaks DTLS 1.3. The server's random gives it away (RFC 8446 §4.1.3).
#[test]
fn a_forced_downgrade_is_seen() {
    let mut pair = Pair::new(client_config(), server_config(), 3);
    let mut to_server = true;
    for _ in 0..20 {
        let now = pair.now;
        let mut buf = Vec::new();
        if pair.side(to_server).endpoint.poll_transmit(now, &mut buf).is_none() {
            to_server = !to_server;
            continue;
        }
        // supported_versions { DTLS 1.3, DTLS 1.2 } becomes { 0xfefb, DTLS 1.2 }.
        let versions = [0, 43, 0, 5, 4, 0xfe, 0xfc, 0xfe, 0xfd];
        if let Some(at) = buf.windows(versions.len()).position(|window| window == versions) {
            buf[at + 6] = 0xfb;
        }
        pair.deliver(to_server, &mut buf);
    }
    let failure = pair.client.failure.as_ref().expect("the client refuses");
    let illegal = AlertDescription::IllegalParameter;
    assert!(matches!(failure, Error::Protocol { alert, .. } if *alert == illegal), "{failure}");
}

#[test]
fn a_cookie_costs_one_round_trip() {
    let (client, mut server) = configs();
    server.require_cookie = true;
    let mut pair = Pair::new(client, server, 4);
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
    assert_eq!(pair.now - pair.start, pair.latency * 6);
    assert_talks(&mut pair);
}

#[test]
fn without_certificate_of_the_client_it_works_if_the_server_does_not_ask() {
    let (client, mut server) = configs();
    server.require_peer_certificate = false;
    let mut pair = Pair::new(client, server, 5);
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
    assert!(pair.server.summary.as_ref().unwrap().peer_certificates.is_empty());
    assert_talks(&mut pair);
}

#[test]
fn a_certificate_that_the_server_cannot_check_is_not_sent() {
    let (mut client, mut server) = configs();
    client.certificate = rsa_certificate();
    server.signature_schemes = vec![peerage_dtls::SignatureScheme::EcdsaSecp256r1Sha256];
    let mut pair = Pair::new(client, server, 6);
    assert!(!pair.run_until(Duration::from_secs(5), |pair| pair.server.summary.is_some()));
    let failure = AlertDescription::HandshakeFailure;
    assert!(matches!(
        pair.server.failure,
        Some(Error::Protocol { alert, .. }) if alert == failure
    ));
}

#[test]
fn nothing_in_common_ends_in_handshake_failure() {
    type Change = fn(&mut Config, &mut Config);
    let changes: [Change; 2] = [
        |client, _| client.cipher_suites = vec![CipherSuite::EcdheRsaAes128GcmSha256],
        |client, server| {
            client.groups = vec![NamedGroup::Secp256r1];
            server.groups = vec![NamedGroup::X25519];
        },
    ];
    for change in changes {
        let (mut client, mut server) = configs();
        change(&mut client, &mut server);
        let mut pair = Pair::new(client, server, 7);
        assert!(!pair.connect());
        let failure = AlertDescription::HandshakeFailure;
        assert!(matches!(
            pair.server.failure,
            Some(Error::Protocol { alert, .. }) if alert == failure
        ));
        // The alert came in plaintext: anyone could have sent it, so the client waits, and knows it as a hint.
        assert_eq!(
            pair.client.failure,
            Some(Error::HandshakeTimeout { peer_alert: Some(failure) })
        );
    }
}

#[test]
fn small_datagrams_suffice() {
    let (mut client, mut server) = configs();
    client.mtu = 128;
    server.mtu = 128;
    let mut pair = Pair::new(client, server, 8);
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
    for side in [&pair.client, &pair.server] {
        assert!(side.sent_datagrams.iter().all(|datagram| datagram.len() <= 128));
        assert_eq!(side.endpoint.statistics().retransmissions, 0);
    }
    assert_talks(&mut pair);
}

#[test]
fn bad_networks_are_survived() {
    for seed in 0..150 {
        let (mut client, mut server) = configs();
        client.mtu = 200 + (seed as usize % 5) * 250;
        server.mtu = 200 + (seed as usize % 7) * 150;
        server.require_cookie = seed % 3 == 0;
        let mut pair = Pair::new(client, server, seed);
        pair.faults = Faults {
            loss: 20,
            duplication: 10,
            reordering: 30,
            // Handshake messages in plaintext cannot be told from damaged ones, so that corruption may end a handshake.
            corruption: 0,
            until: Duration::from_secs(20),
        };
        assert!(pair.connect(), "seed {seed}: {:?} {:?}", pair.client.failure, pair.server.failure);
        pair.faults = Faults::default();
        pair.run_for(Duration::from_secs(1));
        assert_talks(&mut pair);
    }
}

#[test]
fn damaged_records_never_deliver_wrong_data() {
    let (client, server) = configs();
    let mut pair = Pair::new(client, server, 9);
    assert!(pair.connect());
    pair.faults = Faults { corruption: 50, until: Duration::from_secs(1000), ..Faults::default() };
    for number in 0..200_u32 {
        pair.send(true, &number.to_be_bytes());
    }
    pair.run_for(Duration::from_secs(1));
    let received: Vec<u32> = pair
        .server
        .received
        .iter()
        .map(|bytes| u32::from_be_bytes(bytes[..].try_into().unwrap()))
        .collect();
    assert!(received.is_sorted() && received.len() > 50 && received.len() < 150);
    assert_eq!(pair.server.failure, None);
    assert!(pair.server.endpoint.statistics().dropped() > 50);
}

#[test]
fn replayed_records_are_dropped() {
    let (client, server) = configs();
    let mut pair = Pair::new(client, server, 10);
    assert!(pair.connect());
    pair.send(true, b"once");
    let record = pair.client.sent_datagrams.last().unwrap().clone();
    pair.inject(true, record.clone());
    pair.inject(true, record);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received, [b"once"]);
    assert_eq!(pair.server.endpoint.statistics().dropped_replayed, 2);
}

/// The client misses the server's last flight and repeats its own (RFC 6347 §4.2.4).
#[test]
fn the_last_flight_is_sent_again_for_a_client_that_missed_it() {
    let (client, server) = configs();
    let mut pair = Pair::new(client, server, 11);
    // A handshake record of epoch 1: the client's flight is on its way. What comes back is lost.
    let finished = [22, 0xfe, 0xfd, 0, 1];
    assert!(pair.run_until(Duration::from_secs(5), |pair| {
        let sent = pair.client.sent_datagrams.iter();
        sent.flat_map(|datagram| datagram.windows(5)).any(|window| window == finished)
    }));
    pair.faults = Faults { loss: 100, until: Duration::from_secs(60), ..Faults::default() };
    assert!(pair.run_until(Duration::from_secs(5), |pair| pair.server.summary.is_some()));
    pair.faults = Faults::default();
    assert!(pair.client.summary.is_none());
    assert!(pair.connect(), "{:?} {:?}", pair.client.failure, pair.server.failure);
    assert_eq!(pair.client.endpoint.statistics().retransmissions, 1);
    assert_eq!(pair.server.endpoint.statistics().retransmissions, 1);
    assert_talks(&mut pair);
    // Once the client has spoken, nothing is kept and no timer runs.
    assert_eq!(pair.server.endpoint.poll_timeout(), None);
    assert_eq!(pair.client.endpoint.poll_timeout(), None);
}

#[test]
fn closing_reaches_the_other_end() {
    for client_closes in [true, false] {
        let (client, server) = configs();
        let mut pair = Pair::new(client, server, 12);
        assert!(pair.connect());
        let now = pair.now;
        pair.side(client_closes).endpoint.close(now);
        pair.run_for(Duration::from_secs(1));
        assert!(pair.client.closed && pair.server.closed);
        assert_eq!(pair.client.endpoint.state(), State::Closed);
    }
}

#[test]
fn a_refused_peer_learns_why() {
    let (client, server) = configs();
    let mut pair = Pair::new(client, server, 13);
    assert!(pair.connect());
    let now = pair.now;
    pair.client.endpoint.reject(now, AlertDescription::BadCertificate);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client.failure, Some(Error::Rejected(AlertDescription::BadCertificate)));
    assert_eq!(pair.server.failure, Some(Error::PeerAlert(AlertDescription::BadCertificate)));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let run = || {
        let (client, server) = configs();
        let mut pair = Pair::new(client, server, 14);
        assert!(pair.connect());
        (pair.client.sent_datagrams, pair.server.sent_datagrams)
    };
    assert_eq!(run(), run());
}

#[test]
fn the_master_secret_goes_to_the_key_log_of_both_ends() {
    let logs = [(); 2].map(|()| Arc::new(KeyLogWriter::new(Vec::new())));
    let (mut client, mut server) = configs();
    client.key_log = Some(Arc::clone(&logs[0]) as _);
    server.key_log = Some(Arc::clone(&logs[1]) as _);
    let mut pair = Pair::new(client, server, 15);
    assert!(pair.connect());
    drop(pair);
    let lines = logs.map(|log| Arc::into_inner(log).expect("no other owner").into_inner());
    assert_eq!(lines[0], lines[1]);
    let line = String::from_utf8(lines[0].clone()).unwrap();
    let fields: Vec<&str> = line.trim_end().split(' ').collect();
    assert_eq!(fields.len(), 3);
    assert_eq!((fields[0], fields[1].len(), fields[2].len()), ("CLIENT_RANDOM", 64, 96));
}

#[test]
fn exported_material_depends_on_label_and_context() {
    let (client, server) = configs();
    let mut pair = Pair::new(client, server, 16);
    assert!(pair.connect());
    let export = |pair: &Pair, label: &str, context: Option<&[u8]>| {
        let mut out = [[0; 40], [0; 40]];
        pair.client.endpoint.export_keying_material(label, context, &mut out[0]).unwrap();
        pair.server.endpoint.export_keying_material(label, context, &mut out[1]).unwrap();
        assert_eq!(out[0], out[1]);
        out[0]
    };
    let all = [
        export(&pair, "a", None),
        export(&pair, "b", None),
        export(&pair, "a", Some(b"")),
        export(&pair, "a", Some(b"x")),
    ];
    for (index, one) in all.iter().enumerate() {
        assert!(all[..index].iter().all(|other| other != one));
    }
}
