//! Our DTLS with BoringSSL's, in both roles. `cargo build -p boring-peer` comes first; without it these tests are skipped.

use std::time::{Duration, Instant};

use differential_dtls::{BoringOptions, BoringPeer, OurPeer, Peer, Wire, boring_program, config};
use peerage_crypto::{KeyType, NamedGroup};
use peerage_dtls::{CipherSuite, Config, ProtocolVersion};

fn run(
    ours: Config,
    theirs: &BoringOptions,
    we_are_client: bool,
    loss: u64,
    seed: u64,
) -> Result<Wire<OurPeer, BoringPeer>, String> {
    let now = Instant::now();
    let a = OurPeer::new(ours, we_are_client, seed, now);
    let b = BoringPeer::new(theirs, !we_are_client, now);
    let mut wire = Wire::new(a, b, now, seed);
    wire.loss = loss;
    wire.check()?;
    Ok(wire)
}

#[test]
fn every_suite_and_group_of_dtls_13_in_both_roles() {
    if boring_program().is_none() {
        return;
    }
    for we_are_client in [true, false] {
        for suite in [
            CipherSuite::Aes128GcmSha256,
            CipherSuite::Aes256GcmSha384,
            CipherSuite::ChaCha20Poly1305Sha256,
        ] {
            for group in [
                NamedGroup::X25519MlKem768,
                NamedGroup::X25519,
                NamedGroup::Secp256r1,
                NamedGroup::Secp384r1,
            ] {
                for key_type in [KeyType::EcdsaP256, KeyType::Rsa2048] {
                    let mut ours = config(1, key_type);
                    ours.min_version = ProtocolVersion::Dtls13;
                    ours.cipher_suites = vec![suite];
                    ours.groups = vec![group];
                    let theirs = BoringOptions { key_type, ..BoringOptions::default() };
                    let case =
                        format!("client {we_are_client}, {suite:?}, {group:?}, {key_type:?}");
                    let wire = run(ours, &theirs, we_are_client, 0, 1)
                        .unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert!(
                        wire.a.peer_certificate().is_some() && wire.b.peer_certificate().is_some()
                    );
                    let summary = wire.a.summary.unwrap();
                    assert_eq!(
                        (summary.cipher_suite, summary.group),
                        (suite, Some(group)),
                        "{case}"
                    );
                }
            }
        }
    }
}

#[test]
fn defaults_retries_small_datagrams_and_loss_in_both_roles() {
    if boring_program().is_none() {
        return;
    }
    for seed in 0..60 {
        for we_are_client in [true, false] {
            let mut ours = config(1, KeyType::EcdsaP256);
            let mut theirs = BoringOptions::default();
            ours.require_cookie = seed % 3 == 0;
            match seed % 4 {
                1 => (ours.mtu, theirs.mtu) = (300, 400),
                // Either side has not what the other sent a share for.
                2 => theirs.groups = "P-384",
                3 => ours.groups = vec![NamedGroup::Secp384r1],
                _ => {}
            }
            if seed % 4 == 3 {
                ours.min_version = ProtocolVersion::Dtls13;
            }
            let loss = if seed < 8 { 0 } else { 20 };
            if let Err(error) = run(ours, &theirs, we_are_client, loss, seed) {
                panic!("seed {seed}, client {we_are_client}: {error}");
            }
        }
    }
}

#[test]
fn key_updates_of_both() {
    if boring_program().is_none() {
        return;
    }
    for we_are_client in [true, false] {
        let ours = config(1, KeyType::EcdsaP256);
        let mut wire = run(ours, &BoringOptions::default(), we_are_client, 0, 1).unwrap();
        for round in 0..8 {
            let now = wire.now;
            wire.loss = if round < 4 { 0 } else { 30 };
            wire.a.endpoint.update_keys(now, round % 2 == 0).unwrap();
            wire.run(Duration::from_secs(3), |_| false).unwrap();
            let now = wire.now;
            wire.b.update_keys(now, round % 3 == 0).unwrap();
            wire.run(Duration::from_secs(3), |_| false).unwrap();
            wire.exchange().unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        assert!(wire.a.key_updates >= 16, "{}", wire.a.key_updates);
    }
}

#[test]
fn dtls_12_in_both_roles() {
    if boring_program().is_none() {
        return;
    }
    for we_are_client in [true, false] {
        for key_type in [KeyType::EcdsaP256, KeyType::Rsa2048] {
            for pinned_by_us in [true, false] {
                for loss in [0, 20] {
                    let mut ours = config(1, key_type);
                    let mut theirs = BoringOptions { key_type, ..BoringOptions::default() };
                    if pinned_by_us {
                        ours.max_version = ProtocolVersion::Dtls12;
                    } else {
                        theirs.max = "1.2";
                    }
                    let case = format!("client {we_are_client}, {key_type:?}, {pinned_by_us}");
                    let wire = run(ours, &theirs, we_are_client, loss, 5)
                        .unwrap_or_else(|error| panic!("{case}: {error}"));
                    assert_eq!(wire.a.summary.unwrap().version, ProtocolVersion::Dtls12);
                }
            }
        }
    }
}
