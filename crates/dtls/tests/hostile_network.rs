//! What an attacker on the network, without keys, can and cannot do to a connection of DTLS 1.3.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use common::{Pair, client_config, server_config};
use peerage_crypto::{KeyLog, NamedGroup, Rng};
use peerage_dtls::{AlertDescription, CipherSuite, Endpoint, Error, ProtocolVersion, State};

/// A plaintext record with sequence number 99.
fn plaintext_record(content_type: u8, body: &[u8]) -> Vec<u8> {
    let mut record = vec![content_type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99];
    record.extend_from_slice(&(body.len() as u16).to_be_bytes());
    record.extend_from_slice(body);
    record
}

fn connected() -> Pair {
    let mut pair = Pair::new(client_config(), server_config(), 7);
    assert!(pair.connect());
    pair.run_for(Duration::from_secs(1));
    pair
}

#[test]
fn plaintext_alerts_end_nothing() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    for to_server in [true, false] {
        pair.inject(to_server, plaintext_record(21, &[2, 40]));
        pair.inject(to_server, plaintext_record(21, &[1, 0]));
    }
    assert!(pair.connect());
    for to_server in [true, false] {
        pair.inject(to_server, plaintext_record(21, &[2, 40]));
    }
    pair.run_for(Duration::from_secs(1));
    for side in [&pair.client, &pair.server] {
        assert_eq!(side.endpoint.state(), State::Connected);
        assert_eq!(side.endpoint.statistics().dropped_unauthenticated, 3);
    }
}

#[test]
fn an_unauthenticated_alert_is_named_when_the_handshake_times_out() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    pair.faults.loss = 100;
    pair.faults.until = Duration::from_secs(100);
    pair.inject(false, plaintext_record(21, &[2, 40]));
    assert!(!pair.connect());
    let peer_alert = Some(AlertDescription::HandshakeFailure);
    assert_eq!(pair.client.failure, Some(Error::HandshakeTimeout { peer_alert }));
}

#[test]
fn replayed_records_are_dropped() {
    let mut pair = connected();
    pair.send(true, b"once");
    let record = pair.client.sent_datagrams.last().unwrap().clone();
    for _ in 0..10 {
        pair.inject(true, record.clone());
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received, [b"once"]);
    assert_eq!(pair.server.endpoint.statistics().dropped_replayed, 10);
}

#[test]
fn a_whole_handshake_replayed_changes_nothing() {
    let mut pair = connected();
    for (to_server, datagrams) in
        [(true, pair.client.sent_datagrams.clone()), (false, pair.server.sent_datagrams.clone())]
    {
        for datagram in datagrams {
            pair.inject(to_server, datagram);
        }
    }
    let sent = pair.server.sent_datagrams.len();
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.client.failure, None);
    assert_eq!(pair.server.failure, None);
    assert!(pair.server.sent_datagrams.len() <= sent + 2, "a replay is not amplified");
    pair.send(true, b"still here");
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.server.received, [b"still here"]);
}

#[test]
fn junk_is_counted() {
    let mut pair = connected();
    let before = pair.server.endpoint.statistics().dropped();
    let junk: [&[u8]; 7] = [
        &[],
        &[0],
        &[22; 12],
        &[0x2f, 1, 2, 0xff, 0xff, 1],
        &[0x3f; 60],
        &[0x80; 100],
        &plaintext_record(20, &[1]),
    ];
    for bytes in junk {
        pair.inject(true, bytes.to_vec());
    }
    // An epoch nobody has heard of.
    let mut unknown = vec![0x2c | 1, 0, 0, 0, 30];
    unknown.extend_from_slice(&[7; 30]);
    pair.inject(true, unknown);
    pair.run_for(Duration::from_secs(1));
    let statistics = pair.server.endpoint.statistics();
    assert_eq!(statistics.dropped() - before, 7, "{statistics:?}");
    assert_eq!(pair.server.endpoint.state(), State::Connected);
}

/// RFC 9147 §4.5.2: before the client is heard of, anybody can send a server what looks like one.
#[test]
fn a_malformed_first_hello_ends_nothing() {
    for body in [&[0xff; 60][..], &[0xfe, 0xfd], &[]] {
        let mut pair = Pair::new(client_config(), server_config(), 1);
        let mut hello = vec![1];
        hello.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        hello.extend_from_slice(&[0; 5]);
        hello.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
        hello.extend_from_slice(body);
        pair.deliver(true, &mut plaintext_record(22, &hello));
        assert_eq!(pair.server.failure, None);
        assert_eq!(pair.server.endpoint.statistics().dropped_malformed, 1);
        assert!(pair.server.endpoint.poll_timeout().is_none(), "no handshake has begun");
        assert!(pair.connect());
    }
}

#[test]
fn early_application_data_is_dropped() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    // The client's last flight is held back; its data arrives first.
    assert!(pair.run_until(Duration::from_secs(1), |pair| pair.client.summary.is_some()));
    let flight = pair.client.sent_datagrams.last().unwrap().clone();
    let endpoint = &mut pair.client.endpoint;
    let mut early = vec![0; endpoint.header_len()];
    early.extend_from_slice(b"early");
    endpoint.seal_application_data(&mut early, 0).unwrap();
    pair.deliver(true, &mut early);
    assert_eq!(pair.server.endpoint.statistics().dropped_early, 1);
    assert!(pair.server.summary.is_none() && !flight.is_empty());
    assert!(pair.connect());
    assert!(pair.server.received.is_empty());
}

#[test]
fn a_flood_of_fragments_is_bounded_and_harmless() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    for sequence in 0..200_u16 {
        for offset in [0_u32, 30_000, 60_000] {
            // A certificate of 60,001 bytes, of which one byte is sent.
            let mut body = vec![11, 0, 0xea, 0x61];
            body.extend_from_slice(&sequence.to_be_bytes());
            body.extend_from_slice(&offset.to_be_bytes()[1..]);
            body.extend_from_slice(&[0, 0, 1, 9]);
            pair.inject(true, plaintext_record(22, &body));
        }
    }
    assert!(pair.connect());
    assert!(pair.server.endpoint.statistics().dropped_handshake >= 590);
}

/// Someone on the path hides that the client speaks DTLS 1.3, so that the server chooses 1.2: its random tells.
#[test]
fn a_forced_downgrade_is_noticed() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    let mut buf = Vec::new();
    let now = pair.now;
    while pair.client.endpoint.poll_transmit(now, &mut buf).is_some() {
        // supported_versions, 5 bytes, a list of 4: give it a number that nobody knows.
        let needle = [0, 43, 0, 5, 4, 0xfe, 0xfc, 0xfe, 0xfd];
        if let Some(at) = buf.windows(needle.len()).position(|window| window == needle) {
            buf[at] = 0x99;
        }
        pair.inject(true, std::mem::take(&mut buf));
    }
    assert!(!pair.connect());
    assert!(
        matches!(
            pair.client.failure,
            Some(Error::Protocol { alert: AlertDescription::IllegalParameter, .. })
        ),
        "{:?}",
        pair.client.failure
    );
}

#[test]
fn ends_that_have_nothing_in_common_fail_clearly() {
    type Change = fn(&mut peerage_dtls::Config);
    let client_changes: [(Change, AlertDescription); 3] = [
        (|config| config.groups = vec![NamedGroup::Secp384r1], AlertDescription::HandshakeFailure),
        (
            |config| config.cipher_suites = vec![CipherSuite::ChaCha20Poly1305Sha256],
            AlertDescription::HandshakeFailure,
        ),
        (
            |config| {
                config.signature_schemes = vec![peerage_dtls::SignatureScheme::RsaPssRsaeSha256];
            },
            AlertDescription::HandshakeFailure,
        ),
    ];
    for (change, alert) in client_changes {
        let (mut client, mut server) = (client_config(), server_config());
        client.min_version = ProtocolVersion::Dtls13;
        server.groups = vec![NamedGroup::X25519];
        server.cipher_suites = vec![CipherSuite::Aes128GcmSha256];
        server.min_version = ProtocolVersion::Dtls13;
        change(&mut client);
        client.handshake_timeout = Duration::from_secs(2);
        let mut pair = Pair::new(client, server, 1);
        assert!(!pair.connect());
        let failure = pair.server.failure.clone();
        assert!(
            matches!(failure, Some(Error::Protocol { alert: sent, .. }) if sent == alert),
            "{failure:?}"
        );
        // The alert cannot be authenticated, so that it is a hint.
        let peer_alert = Some(alert);
        assert_eq!(pair.client.failure, Some(Error::HandshakeTimeout { peer_alert }));
    }
    let (mut client, mut server) = (client_config(), server_config());
    client.min_version = ProtocolVersion::Dtls13;
    server.max_version = ProtocolVersion::Dtls12;
    let mut pair = Pair::new(client, server, 1);
    assert!(!pair.connect());
    assert!(matches!(
        pair.server.failure,
        Some(Error::Protocol { alert: AlertDescription::ProtocolVersion, .. })
    ));
}

#[test]
fn a_peer_that_is_refused_is_told() {
    for by_client in [true, false] {
        let mut pair = connected();
        let now = pair.now;
        let alert = AlertDescription::BadCertificate;
        pair.side(by_client).endpoint.reject(now, alert);
        pair.run_for(Duration::from_secs(1));
        assert_eq!(pair.side(by_client).failure, Some(Error::Rejected(alert)));
        assert_eq!(pair.side(!by_client).failure, Some(Error::PeerAlert(alert)));
        for is_client in [true, false] {
            let endpoint = &mut pair.side(is_client).endpoint;
            assert_eq!((endpoint.state(), endpoint.poll_timeout()), (State::Failed, None));
            let mut buf = vec![0; 10];
            assert_eq!(endpoint.seal_application_data(&mut buf, 0), Err(Error::NotConnected));
        }
    }
}

#[test]
fn a_farewell_ends_both_ends() {
    for by_client in [true, false] {
        let mut pair = connected();
        let now = pair.now;
        pair.side(by_client).endpoint.close(now);
        pair.run_for(Duration::from_secs(1));
        assert!(pair.client.closed && pair.server.closed);
        let now = pair.now;
        pair.inject(true, vec![0x2f; 60]);
        pair.run_for(Duration::from_secs(1));
        for side in [&mut pair.client, &mut pair.server] {
            assert_eq!(
                (side.endpoint.state(), side.endpoint.poll_timeout()),
                (State::Closed, None)
            );
            assert_eq!(side.failure, None);
            side.endpoint.close(now);
        }
        assert!(pair.server.endpoint.statistics().dropped_after_close >= 1);
    }
}

#[test]
fn an_idle_connection_needs_no_timer() {
    let mut pair = connected();
    assert_eq!(pair.client.endpoint.poll_timeout(), None);
    // The server keeps the keys of the handshake for four minutes (RFC 9147 §5.8.1).
    let until = pair.server.endpoint.poll_timeout().unwrap();
    assert!(until - pair.now > Duration::from_secs(200));
    pair.run_for(Duration::from_secs(300));
    assert_eq!(pair.server.endpoint.poll_timeout(), None);
}

/// Every datagram of the server's flight in turn is lost. The client says what it has, long before a timer runs out.
#[test]
fn only_what_was_lost_is_sent_again() {
    let mut lost = 0;
    loop {
        let mut pair = Pair::new(client_with_mtu(300), server_with_mtu(300), 1);
        assert!(
            pair.run_until(Duration::from_secs(1), |pair| pair.server.sent_datagrams.len() > 3)
        );
        pair.drop_all_in_flight();
        let flight = pair.server.sent_datagrams.clone();
        if lost == flight.len() {
            break;
        }
        let start = pair.now;
        for (index, datagram) in flight.iter().enumerate() {
            if index != lost {
                pair.deliver(false, &mut datagram.clone());
            }
        }
        assert!(pair.connect());
        assert!(pair.now - start < Duration::from_millis(500), "datagram {lost}");
        let again: usize = pair.server.sent_datagrams[flight.len()..].iter().map(Vec::len).sum();
        // Without the whole ServerHello the client cannot read the rest, nor say that it came.
        let is_server_hello = flight[lost][0] == 22;
        assert!(again < if is_server_hello { 1000 } else { 400 }, "datagram {lost}: {again} bytes");
        lost += 1;
    }
    assert!(lost > 6);
}

fn client_with_mtu(mtu: usize) -> peerage_dtls::Config {
    let mut config = client_config();
    config.mtu = mtu;
    config.initial_timeout = Duration::from_secs(1);
    config
}

fn server_with_mtu(mtu: usize) -> peerage_dtls::Config {
    let mut config = server_config();
    config.mtu = mtu;
    config.initial_timeout = Duration::from_secs(1);
    config
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8; 32], secret: &[u8]) {
        let line = format!("{label} {:02x?} {:02x?}", client_random, secret);
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn both_ends_log_the_same_keys() {
    let logs = [Arc::new(Log::default()), Arc::new(Log::default())];
    let (mut client, mut server) = (client_config(), server_config());
    client.key_log = Some(logs[0].clone());
    server.key_log = Some(logs[1].clone());
    let mut pair = Pair::new(client, server, 1);
    assert!(pair.connect());
    let [mut ours, theirs] = logs.map(|log| std::mem::take(&mut *log.0.lock().unwrap()));
    assert_eq!(ours, theirs);
    ours.iter_mut().for_each(|line| line.truncate(line.find(' ').unwrap()));
    assert_eq!(
        ours,
        [
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            "CLIENT_TRAFFIC_SECRET_0",
            "SERVER_TRAFFIC_SECRET_0",
            "EXPORTER_SECRET"
        ]
    );
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    type Change = fn(&mut peerage_dtls::Config);
    let changes: [Change; 6] = [
        |config| config.mtu = 100,
        |config| config.groups.clear(),
        |config| config.groups = vec![NamedGroup::X25519MlKem768],
        |config| config.cipher_suites = vec![CipherSuite::Aes128GcmSha256],
        |config| config.initial_timeout = Duration::ZERO,
        |config| config.signature_schemes.clear(),
    ];
    for change in changes {
        let mut config = client_config();
        change(&mut config);
        let rng = Rng::from_seed(1);
        let outcome = Endpoint::client(Arc::new(config), rng, Instant::now());
        assert!(matches!(outcome, Err(Error::BadConfig(_))));
    }
}

/// Whoever has not shown the cookie gets one answer per question, and no more.
#[test]
fn a_server_that_wants_a_cookie_does_not_repeat_itself() {
    let mut server = server_config();
    server.require_cookie = true;
    let mut pair = Pair::new(client_config(), server, 1);
    assert!(pair.run_until(Duration::from_secs(1), |pair| !pair.server.sent_datagrams.is_empty()));
    // The client falls silent.
    let mut silent = Pair::new(client_config(), server_config(), 2);
    std::mem::swap(&mut silent.server, &mut pair.server);
    silent.faults.loss = 100;
    silent.faults.until = Duration::from_secs(100);
    silent.run_for(Duration::from_secs(20));
    assert_eq!(silent.server.sent_datagrams.len(), 1);
}

/// A forged ClientHello must not aim a server at a victim for as long as a handshake may take (RFC 9147 §5.1, §11).
#[test]
fn a_server_falls_silent_towards_an_address_that_never_answers() {
    for max_version in [ProtocolVersion::Dtls12, ProtocolVersion::Dtls13] {
        let mut config = client_config();
        config.max_version = max_version;
        let mut now = Instant::now();
        let mut client = Endpoint::client(Arc::new(config), Rng::from_seed(1), now).unwrap();
        let hello = transmit(&mut client, now);
        let server = Arc::new(server_config());
        let timeout = server.handshake_timeout;
        let mut server = Endpoint::server(server, Rng::from_seed(2), now).unwrap();
        for datagram in &hello {
            server.handle_input(now, &mut datagram.clone()).unwrap();
        }
        let bytes = |datagrams: Vec<Vec<u8>>| datagrams.iter().map(Vec::len).sum::<usize>();
        let flight = bytes(transmit(&mut server, now));
        let mut sent = flight;
        let start = now;
        while let Some(at) = server.poll_timeout() {
            now = at;
            server.handle_timeout(now);
            let out = bytes(transmit(&mut server, now));
            assert!(out == 0 || now < start + Duration::from_secs(7), "{out} bytes, late");
            sent += out;
        }
        assert_eq!(now, start + timeout, "the handshake fails in the end");
        // Repetitions go in smaller datagrams in the end, with more headers.
        assert!((8 * flight..9 * flight).contains(&sent), "{sent} of {flight}, {max_version}");
    }
}

/// Who repeats a ClientHello gets one flight for it, not a new series of them.
#[test]
fn a_repeated_hello_is_answered_once() {
    let mut now = Instant::now();
    let mut client = Endpoint::client(Arc::new(client_config()), Rng::from_seed(1), now).unwrap();
    let hello = transmit(&mut client, now);
    let server = Arc::new(server_config());
    let mut server = Endpoint::server(server, Rng::from_seed(2), now).unwrap();
    let mut flights = 0;
    for _ in 0..6 {
        for datagram in &hello {
            server.handle_input(now, &mut datagram.clone()).unwrap();
        }
        flights += usize::from(!transmit(&mut server, now).is_empty());
        let next = now + Duration::from_millis(4_900);
        while let Some(at) = server.poll_timeout().filter(|&at| at <= next) {
            server.handle_timeout(at);
            flights += usize::from(!transmit(&mut server, at).is_empty());
        }
        now = next;
    }
    assert_eq!(flights, 6 + 7);
}

fn transmit(endpoint: &mut Endpoint, now: Instant) -> Vec<Vec<u8>> {
    let (mut out, mut buf) = (Vec::new(), Vec::new());
    while endpoint.poll_transmit(now, &mut buf).is_some() {
        out.push(std::mem::take(&mut buf));
    }
    out
}
