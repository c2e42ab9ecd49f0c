//! Our DTLS with dimpl's, in both roles.

use std::time::{Duration, Instant};

use differential_dtls::{DimplPeer, DimplVersion, OurPeer, Peer, Wire, config};
use peerage_crypto::{KeyType, NamedGroup};
use peerage_dtls::{CipherSuite, Config, ProtocolVersion};

fn run(
    ours: Config,
    theirs: dimpl::Config,
    version: DimplVersion,
    we_are_client: bool,
    loss: u64,
    seed: u64,
) -> Result<Wire<OurPeer, DimplPeer>, String> {
    let now = Instant::now();
    let a = OurPeer::new(ours, we_are_client, seed, now);
    let b = DimplPeer::new(theirs, version, !we_are_client, now);
    let mut wire = Wire::new(a, b, now, seed);
    wire.loss = loss;
    wire.check()?;
    Ok(wire)
}

fn suites_13() -> [CipherSuite; 3] {
    [
        CipherSuite::Aes128GcmSha256,
        CipherSuite::Aes256GcmSha384,
        CipherSuite::ChaCha20Poly1305Sha256,
    ]
}

#[test]
fn every_suite_and_group_of_dtls_13_in_both_roles() {
    for we_are_client in [true, false] {
        for suite in suites_13() {
            for group in [NamedGroup::Secp256r1, NamedGroup::Secp384r1, NamedGroup::X25519] {
                let mut ours = config(1, KeyType::EcdsaP256);
                ours.min_version = ProtocolVersion::Dtls13;
                ours.cipher_suites = vec![suite];
                ours.groups = vec![group];
                let theirs = dimpl::Config::default();
                let case = format!("client {we_are_client}, {suite:?}, {group:?}");
                let wire = run(ours, theirs, DimplVersion::Dtls13, we_are_client, 0, 1)
                    .unwrap_or_else(|error| panic!("{case}: {error}"));
                let summary = wire.a.summary.unwrap();
                assert_eq!((summary.cipher_suite, summary.group), (suite, Some(group)), "{case}");
            }
        }
    }
}

#[test]
fn defaults_cookies_small_datagrams_and_loss_in_both_roles() {
    for seed in 0..40 {
        for we_are_client in [true, false] {
            let mut ours = config(1, KeyType::EcdsaP256);
            let mut theirs = dimpl::Config::builder().use_server_cookie(seed % 2 == 0);
            ours.require_cookie = seed % 3 == 0;
            // dimpl shrinks nothing, so that it must be told; its minimum is larger than ours.
            if seed % 4 == 1 {
                ours.mtu = 300;
                theirs = theirs.mtu(600);
            }
            let loss = if seed < 8 { 0 } else { 20 };
            let theirs = theirs.build().unwrap();
            // As a client, dimpl guesses the version from the first datagram, which loss may have taken.
            let version = if we_are_client { DimplVersion::Auto } else { DimplVersion::Dtls13 };
            if let Err(error) = run(ours, theirs, version, we_are_client, loss, seed) {
                panic!("seed {seed}, client {we_are_client}: {error}");
            }
        }
    }
}

#[test]
fn key_updates_of_ours() {
    for we_are_client in [true, false] {
        let ours = config(1, KeyType::EcdsaP256);
        let theirs = dimpl::Config::default();
        let mut wire = run(ours, theirs, DimplVersion::Dtls13, we_are_client, 0, 1).unwrap();
        for round in 0..6 {
            let now = wire.now;
            wire.a.endpoint.update_keys(now, round % 2 == 0).unwrap();
            wire.run(Duration::from_secs(2), |_| false).unwrap();
            wire.exchange().unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        assert!(wire.a.key_updates >= 6, "{}", wire.a.key_updates);
        assert!(wire.b.is_connected());
    }
}

#[test]
fn dtls_12_in_both_roles() {
    for seed in 0..20 {
        for we_are_client in [true, false] {
            let mut ours = config(1, KeyType::EcdsaP256);
            // dimpl cannot join fragments whose sizes have changed, as ours do when nothing seems to arrive.
            ours.mtu = 512;
            let theirs = dimpl::Config::builder().use_server_cookie(seed % 2 == 0).build().unwrap();
            let loss = if seed < 4 { 0 } else { 20 };
            let wire = run(ours, theirs, DimplVersion::Dtls12, we_are_client, loss, seed)
                .unwrap_or_else(|error| panic!("seed {seed}, client {we_are_client}: {error}"));
            assert_eq!(wire.a.summary.unwrap().version, ProtocolVersion::Dtls12);
        }
    }
}
