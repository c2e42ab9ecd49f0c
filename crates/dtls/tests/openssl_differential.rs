//! DTLS 1.2 against OpenSSL's own DTLS, in process: OpenSSL is the oracle.
//!
//! Datagrams go to and from OpenSSL through a queue. Where datagrams are lost the tests wait in real time, for nobody
//! can tell OpenSSL what time it is: its first retransmission comes after a second.

mod common;

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use openssl::{
    pkey::PKey,
    ssl::{
        ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslOptions, SslStream,
        SslVerifyMode, SslVersion,
    },
    x509::X509,
};
use peerage_crypto::{Certificate, CertificateParams, KeyType, Rng};
use peerage_dtls::{
    CipherSuite, Config, Endpoint, Error, Event, HandshakeSummary, NamedGroup, ProtocolVersion,
    SrtpProtectionProfile,
};

const SUITES: [(CipherSuite, &str); 6] = [
    (CipherSuite::EcdheEcdsaAes128GcmSha256, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    (CipherSuite::EcdheEcdsaAes256GcmSha384, "ECDHE-ECDSA-AES256-GCM-SHA384"),
    (CipherSuite::EcdheEcdsaChaCha20Poly1305, "ECDHE-ECDSA-CHACHA20-POLY1305"),
    (CipherSuite::EcdheRsaAes128GcmSha256, "ECDHE-RSA-AES128-GCM-SHA256"),
    (CipherSuite::EcdheRsaAes256GcmSha384, "ECDHE-RSA-AES256-GCM-SHA384"),
    (CipherSuite::EcdheRsaChaCha20Poly1305, "ECDHE-RSA-CHACHA20-POLY1305"),
];

/// P-256 is always among OpenSSL's, for in DTLS 1.2 it takes only certificates on curves of this list.
const GROUPS: [(NamedGroup, &str); 3] = [
    (NamedGroup::X25519, "X25519:P-256"),
    (NamedGroup::Secp256r1, "P-256"),
    (NamedGroup::Secp384r1, "P-384:P-256"),
];

const PROFILES: [(SrtpProtectionProfile, &str); 4] = [
    (SrtpProtectionProfile::Aes128CmHmacSha1_80, "SRTP_AES128_CM_SHA1_80"),
    (SrtpProtectionProfile::Aes128CmHmacSha1_32, "SRTP_AES128_CM_SHA1_32"),
    (SrtpProtectionProfile::AeadAes128Gcm, "SRTP_AEAD_AES_128_GCM"),
    (SrtpProtectionProfile::AeadAes256Gcm, "SRTP_AEAD_AES_256_GCM"),
];

const SSL_OP_NO_EXTENDED_MASTER_SECRET: u64 = 1;

fn certificate(key_type: KeyType) -> Arc<Certificate> {
    static CERTIFICATES: OnceLock<[Arc<Certificate>; 2]> = OnceLock::new();
    let all = CERTIFICATES.get_or_init(|| {
        [KeyType::EcdsaP256, KeyType::Rsa2048].map(|key_type| {
            let params = CertificateParams { key_type, ..CertificateParams::default() };
            let now = SystemTime::now();
            let mut rng = Rng::from_seed(77);
            Arc::new(Certificate::generate(&common::provider(), params, now, &mut rng).unwrap())
        })
    });
    Arc::clone(&all[usize::from(key_type == KeyType::Rsa2048)])
}

/// The socket that OpenSSL believes in.
#[derive(Default)]
struct Wire {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let datagram = self.incoming.pop_front().ok_or(io::ErrorKind::WouldBlock)?;
        let len = datagram.len().min(buf.len());
        buf[..len].copy_from_slice(&datagram[..len]);
        Ok(len)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(buf.to_vec());
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How OpenSSL is set up.
struct Theirs {
    ciphers: &'static str,
    groups: &'static str,
    key_type: KeyType,
    options: u64,
    cookie: bool,
    srtp: &'static str,
    mtu: Option<u32>,
}

impl Default for Theirs {
    fn default() -> Self {
        Self {
            ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256",
            groups: "X25519:P-256",
            key_type: KeyType::EcdsaP256,
            options: 0,
            cookie: false,
            srtp: "SRTP_AES128_CM_SHA1_80",
            mtu: None,
        }
    }
}

fn context(theirs: &Theirs) -> SslContext {
    let mut builder: SslContextBuilder = SslContext::builder(SslMethod::dtls()).unwrap();
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2)).unwrap();
    builder.set_cipher_list(theirs.ciphers).unwrap();
    builder.set_groups_list(theirs.groups).unwrap();
    let certificate = certificate(theirs.key_type);
    builder.set_certificate(&X509::from_der(certificate.der()).unwrap()).unwrap();
    let key = certificate.signing_key().private_key_der().unwrap();
    builder.set_private_key(&PKey::private_key_from_pkcs8(&key).unwrap()).unwrap();
    let both = SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT;
    // Self-signed on purpose: WebRTC trusts the fingerprint.
    builder.set_verify_callback(both, |_, _| true);
    builder.set_tlsext_use_srtp(theirs.srtp).unwrap();
    builder.set_options(SslOptions::from_bits_retain(theirs.options as _));
    if theirs.mtu.is_some() {
        builder.set_options(SslOptions::NO_QUERY_MTU);
    }
    if theirs.cookie {
        builder.set_options(SslOptions::COOKIE_EXCHANGE);
        builder.set_cookie_generate_cb(|_, out| {
            out[..20].copy_from_slice(b"twenty bytes exactly");
            Ok(20)
        });
        builder.set_cookie_verify_cb(|_, cookie| cookie == b"twenty bytes exactly");
    }
    builder.build()
}

/// What the network does, drawn from a seed. Probabilities are in percent.
#[derive(Clone, Copy, Default)]
struct Faults {
    loss: u64,
    reordering: u64,
    duplication: u64,
}

/// Our endpoint and OpenSSL's.
struct Pair {
    ours: Endpoint,
    theirs: SslStream<Wire>,
    summary: Option<HandshakeSummary>,
    failure: Option<Error>,
    closed: bool,
    received: Vec<Vec<u8>>,
    they_are_connected: bool,
    they_failed: Option<String>,
    faults: Faults,
    rng: Rng,
    largest_to_them: usize,
    largest_to_us: usize,
}

impl Pair {
    fn new(config: Config, theirs: &Theirs, we_are_client: bool, seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let now = Instant::now();
        let config = Arc::new(config);
        let mut ssl = Ssl::new(&context(theirs)).unwrap();
        if let Some(mtu) = theirs.mtu {
            ssl.set_mtu(mtu).unwrap();
        }
        let ours = if we_are_client {
            ssl.set_accept_state();
            Endpoint::client(config, rng.fork(), now).unwrap()
        } else {
            ssl.set_connect_state();
            Endpoint::server(config, rng.fork(), now).unwrap()
        };
        Self {
            ours,
            theirs: SslStream::new(ssl, Wire::default()).unwrap(),
            summary: None,
            failure: None,
            closed: false,
            received: Vec::new(),
            they_are_connected: false,
            they_failed: None,
            faults: Faults::default(),
            rng,
            largest_to_them: 0,
            largest_to_us: 0,
        }
    }

    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.rng.range(0..100) < percent
    }

    /// Applies the faults to datagrams of one direction.
    fn network(&mut self, datagrams: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut out: Vec<Vec<u8>> = Vec::new();
        for datagram in datagrams {
            if self.chance(self.faults.loss) {
                continue;
            }
            let copies = 1 + usize::from(self.chance(self.faults.duplication));
            for _ in 0..copies {
                let late = !out.is_empty() && self.chance(self.faults.reordering);
                let at =
                    if late { self.rng.range(0..out.len() as u64) as usize } else { out.len() };
                out.insert(at, datagram.clone());
            }
        }
        out
    }

    fn drain_ours(&mut self) -> bool {
        let now = Instant::now();
        let mut datagrams = Vec::new();
        loop {
            let mut buf = Vec::new();
            if self.ours.poll_transmit(now, &mut buf).is_none() {
                break;
            }
            self.largest_to_them = self.largest_to_them.max(buf.len());
            datagrams.push(buf);
        }
        while let Some(event) = self.ours.poll_event() {
            match event {
                Event::Connected(summary) => self.summary = Some(*summary),
                Event::Failed(error) => self.failure = Some(error),
                Event::Closed => self.closed = true,
                other => panic!("unexpected event {other:?}"),
            }
        }
        let progress = !datagrams.is_empty();
        let delivered = self.network(datagrams);
        self.theirs.get_mut().incoming.extend(delivered);
        progress
    }

    fn drain_theirs(&mut self) -> bool {
        if self.they_are_connected {
            let mut buf = [0; 2000];
            // OpenSSL looks at its datagrams only when it is asked for data.
            while let Ok(len) = self.theirs.ssl_read(&mut buf) {
                if len == 0 {
                    break;
                }
                self.received_by_them(&buf[..len]);
            }
        } else if self.they_failed.is_none() {
            match self.theirs.do_handshake() {
                Ok(()) => self.they_are_connected = true,
                Err(error) if error.code() == ErrorCode::WANT_READ => {}
                Err(error) => self.they_failed = Some(error.to_string()),
            }
        }
        let datagrams: Vec<_> = self.theirs.get_mut().outgoing.drain(..).collect();
        let progress = !datagrams.is_empty();
        for mut datagram in self.network(datagrams) {
            self.largest_to_us = self.largest_to_us.max(datagram.len());
            if let Ok(data) = self.ours.handle_input(Instant::now(), &mut datagram) {
                for range in data.iter() {
                    self.received.push(datagram[range].to_vec());
                }
            }
        }
        progress
    }

    fn received_by_them(&mut self, data: &[u8]) {
        self.received.push([b"them:", data].concat());
    }

    /// Carries datagrams until nothing moves.
    fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 2 {
            let moved = self.drain_ours() | self.drain_theirs();
            quiet = if moved { 0 } else { quiet + 1 };
        }
    }

    fn is_connected(&self) -> bool {
        self.summary.is_some() && self.they_are_connected
    }

    /// Carries datagrams until both are connected, and waits for timers where nothing moves.
    fn connect(&mut self) {
        for _ in 0..3000 {
            self.settle();
            if self.is_connected() || self.failure.is_some() || self.they_failed.is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
            self.ours.handle_timeout(Instant::now());
        }
        assert!(
            self.is_connected(),
            "ours: {:?} {:?}, theirs: {:?}",
            self.summary.is_some(),
            self.failure,
            self.they_failed
        );
    }

    fn assert_equal_keys(&self) {
        for (label, context) in [
            ("EXTRACTOR-dtls_srtp", None),
            ("EXPORTER-peerage", Some(&b""[..])),
            ("EXPORTER-peerage", Some(&b"context"[..])),
        ] {
            let (mut ours, mut theirs) = ([0; 60], [0; 60]);
            self.ours.export_keying_material(label, context, &mut ours).unwrap();
            self.theirs.ssl().export_keying_material(&mut theirs, label, context).unwrap();
            assert_eq!(ours, theirs, "{label} {context:?}");
        }
    }

    fn send(&mut self, data: &[u8]) {
        let mut buf = vec![0; self.ours.header_len()];
        buf.extend_from_slice(data);
        self.ours.seal_application_data(&mut buf, 0).unwrap();
        self.theirs.get_mut().incoming.push_back(buf);
    }

    /// Data both ways, then a goodbye.
    fn assert_talks_and_closes(&mut self, we_close: bool) {
        self.faults = Faults::default();
        self.settle();
        self.received.clear();
        for length in [1, 16, 1200] {
            self.send(&vec![7; length]);
            assert_eq!(self.theirs.ssl_write(&vec![9; length]).unwrap(), length);
            self.settle();
        }
        for length in [1, 16, 1200] {
            assert!(self.received.contains(&[&b"them:"[..], &vec![7; length]].concat()));
            assert!(self.received.contains(&vec![9; length]));
        }
        if we_close {
            self.ours.close(Instant::now());
            self.settle();
            let mut buf = [0; 10];
            let end = self.theirs.ssl_read(&mut buf);
            let code = end.expect_err("no data").code();
            assert_eq!(code, ErrorCode::ZERO_RETURN);
        } else {
            self.theirs.shutdown().unwrap();
            self.settle();
            assert!(self.closed);
        }
    }
}

fn config(key_type: KeyType) -> Config {
    let mut config = Config::new(common::provider(), certificate(key_type));
    config.max_version = ProtocolVersion::Dtls12;
    // OpenSSL waits a second before it repeats itself; our first timeout need not be shorter than a busy machine.
    config.initial_timeout = Duration::from_millis(200);
    config
}

fn key_type(suite: CipherSuite) -> KeyType {
    if suite.name().contains("_RSA_") { KeyType::Rsa2048 } else { KeyType::EcdsaP256 }
}

fn check(pair: &mut Pair, suite: CipherSuite, group: NamedGroup) {
    let summary = pair.summary.as_ref().unwrap();
    assert_eq!(summary.version, ProtocolVersion::Dtls12);
    assert_eq!(summary.cipher_suite, suite);
    assert_eq!(summary.group, Some(group));
    let their_name = pair.theirs.ssl().current_cipher().unwrap().standard_name().unwrap();
    assert_eq!(their_name, suite.name());
    // Both ends have the other's certificate.
    assert_eq!(summary.peer_certificates, [certificate(key_type(suite)).der().to_vec()]);
    let seen_by_them = pair.theirs.ssl().peer_certificate().unwrap().to_der().unwrap();
    assert_eq!(seen_by_them, certificate(KeyType::EcdsaP256).der());
    pair.assert_equal_keys();
}

/// Each suite with each group, in both roles, with certificates both ways.
#[test]
fn every_suite_and_group_in_both_roles() {
    for we_are_client in [true, false] {
        for (index, &(suite, ciphers)) in SUITES.iter().enumerate() {
            for &(group, groups) in &GROUPS {
                // The server's certificate decides whether it is an ECDSA suite or an RSA suite.
                let (our_key, their_key) = if we_are_client {
                    (KeyType::EcdsaP256, key_type(suite))
                } else {
                    (key_type(suite), KeyType::EcdsaP256)
                };
                let mut ours = config(our_key);
                ours.cipher_suites = vec![suite];
                // And it picks the first of the client's.
                ours.groups = vec![group, NamedGroup::Secp256r1];
                let theirs = Theirs { ciphers, groups, key_type: their_key, ..Theirs::default() };
                let mut pair = Pair::new(ours, &theirs, we_are_client, 1);
                pair.connect();
                if we_are_client {
                    check(&mut pair, suite, group);
                } else {
                    let summary = pair.summary.as_ref().unwrap();
                    assert_eq!((summary.cipher_suite, summary.group), (suite, Some(group)));
                    let certificates = &summary.peer_certificates;
                    assert_eq!(certificates[..], [certificate(KeyType::EcdsaP256).der().to_vec()]);
                    let seen = pair.theirs.ssl().peer_certificate().unwrap().to_der().unwrap();
                    assert_eq!(seen, certificate(our_key).der());
                    pair.assert_equal_keys();
                }
                pair.assert_talks_and_closes(index % 2 == 0);
            }
        }
    }
}

/// Our certificate is an RSA one while the server's is not: CertificateVerify with RSA-PSS or PKCS#1.
#[test]
fn rsa_client_certificates_in_both_roles() {
    for we_are_client in [true, false] {
        let (our_key, their_key) = if we_are_client {
            (KeyType::Rsa2048, KeyType::EcdsaP256)
        } else {
            (KeyType::EcdsaP256, KeyType::Rsa2048)
        };
        let theirs = Theirs { key_type: their_key, ..Theirs::default() };
        let mut pair = Pair::new(config(our_key), &theirs, we_are_client, 2);
        pair.connect();
        let seen = pair.theirs.ssl().peer_certificate().unwrap().to_der().unwrap();
        assert_eq!(seen, certificate(our_key).der());
        pair.assert_equal_keys();
        pair.assert_talks_and_closes(we_are_client);
    }
}

#[test]
fn every_srtp_profile_in_both_roles() {
    for we_are_client in [true, false] {
        for (profile, name) in PROFILES {
            let theirs = Theirs { srtp: name, ..Theirs::default() };
            let mut pair = Pair::new(config(KeyType::EcdsaP256), &theirs, we_are_client, 3);
            pair.connect();
            assert_eq!(pair.summary.as_ref().unwrap().srtp_profile, Some(profile));
            assert_eq!(pair.theirs.ssl().selected_srtp_profile().unwrap().name(), name);
            pair.assert_equal_keys();
        }
    }
}

/// The best group of each that both have, when both have several.
#[test]
fn groups_are_negotiated() {
    for we_are_client in [true, false] {
        let theirs = Theirs { groups: "P-384:P-256", ..Theirs::default() };
        let mut pair = Pair::new(config(KeyType::EcdsaP256), &theirs, we_are_client, 4);
        pair.connect();
        let expected = if we_are_client {
            [NamedGroup::Secp384r1, NamedGroup::Secp256r1]
        } else {
            [NamedGroup::Secp256r1; 2]
        };
        assert!(expected.contains(&pair.summary.as_ref().unwrap().group.unwrap()));
        pair.assert_equal_keys();
    }
}

/// Clients that offer DTLS 1.3 as well, and hybrid groups, as browsers do.
#[test]
fn both_versions_are_offered_and_the_older_is_taken() {
    for we_are_client in [true, false] {
        let mut ours = config(KeyType::EcdsaP256);
        ours.max_version = ProtocolVersion::Dtls13;
        let mut pair = Pair::new(ours, &Theirs::default(), we_are_client, 5);
        pair.connect();
        assert_eq!(pair.summary.as_ref().unwrap().version, ProtocolVersion::Dtls12);
        pair.assert_equal_keys();
        pair.assert_talks_and_closes(we_are_client);
    }
}

#[test]
fn cookies_in_both_roles() {
    for we_are_client in [true, false] {
        let mut ours = config(KeyType::EcdsaP256);
        ours.require_cookie = true;
        let theirs = Theirs { cookie: we_are_client, ..Theirs::default() };
        let mut pair = Pair::new(ours, &theirs, we_are_client, 6);
        pair.connect();
        pair.assert_equal_keys();
        pair.assert_talks_and_closes(we_are_client);
    }
}

/// RFC 5246 §8.1 instead of RFC 7627.
#[test]
fn peers_without_extended_master_secret() {
    for we_are_client in [true, false] {
        let theirs = Theirs { options: SSL_OP_NO_EXTENDED_MASTER_SECRET, ..Theirs::default() };
        let mut pair = Pair::new(config(KeyType::EcdsaP256), &theirs, we_are_client, 7);
        pair.connect();
        pair.assert_equal_keys();
        pair.assert_talks_and_closes(we_are_client);
    }
}

#[test]
fn small_datagrams_in_both_directions() {
    for we_are_client in [true, false] {
        for mtu in [256, 300, 576] {
            let mut ours = config(KeyType::Rsa2048);
            ours.mtu = mtu as usize;
            let theirs = Theirs {
                key_type: KeyType::Rsa2048,
                ciphers: "ECDHE-RSA-AES128-GCM-SHA256",
                mtu: Some(mtu),
                ..Theirs::default()
            };
            let mut pair = Pair::new(ours, &theirs, we_are_client, 8);
            pair.connect();
            assert!(pair.largest_to_them <= mtu as usize);
            assert!(pair.largest_to_us <= mtu as usize);
            pair.assert_equal_keys();
        }
    }
}

#[test]
fn reordered_and_repeated_datagrams() {
    for seed in 0..30 {
        let we_are_client = seed % 2 == 0;
        let mut ours = config(KeyType::EcdsaP256);
        ours.mtu = 300;
        ours.require_cookie = seed % 3 == 0;
        let theirs = Theirs { mtu: Some(300), ..Theirs::default() };
        let mut pair = Pair::new(ours, &theirs, we_are_client, seed);
        pair.faults = Faults { loss: 0, reordering: 50, duplication: 30 };
        pair.connect();
        pair.assert_equal_keys();
        pair.assert_talks_and_closes(we_are_client);
    }
}

#[test]
fn lost_datagrams() {
    // Each waits for OpenSSL's timers, in real time: all at once.
    let runs: Vec<_> = (0..8)
        .map(|seed| {
            std::thread::spawn(move || {
                let we_are_client = seed % 2 == 0;
                let mut ours = config(KeyType::EcdsaP256);
                ours.mtu = 400;
                let theirs = Theirs { mtu: Some(400), ..Theirs::default() };
                let mut pair = Pair::new(ours, &theirs, we_are_client, seed);
                pair.faults = Faults { loss: 15, reordering: 20, duplication: 10 };
                pair.connect();
                pair.assert_equal_keys();
                pair.assert_talks_and_closes(we_are_client);
            })
        })
        .collect();
    for run in runs {
        run.join().expect("the run did not panic");
    }
}
