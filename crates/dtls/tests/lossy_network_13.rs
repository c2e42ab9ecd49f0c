//! Handshakes of DTLS 1.3 over a network that loses, repeats, reorders and damages datagrams. A failing seed is printed,
//! and replays exactly.

mod common;

use std::time::Duration;

use common::{Faults, Pair, client_config, server_config};
use peerage_dtls::{Config, Error, NamedGroup, ProtocolVersion, State};

const SEEDS: u64 = 120;

/// The shapes a handshake can have, by seed.
fn configs(seed: u64) -> (Config, Config) {
    let (mut client, mut server) = (client_config(), server_config());
    client.min_version = ProtocolVersion::Dtls13;
    match seed % 4 {
        0 => {}
        1 => client.groups = vec![NamedGroup::X25519, NamedGroup::Secp256r1],
        // A share that the server does not want: HelloRetryRequest.
        2 => {
            client.key_shares = vec![NamedGroup::X25519];
            server.groups = vec![NamedGroup::Secp256r1];
        }
        _ => server.require_cookie = true,
    }
    if seed % 3 == 1 {
        (client.mtu, server.mtu) = (256, 300);
    }
    if seed % 5 == 4 {
        server.require_peer_certificate = false;
    }
    (client, server)
}

fn check_data(pair: &mut Pair) {
    let before = [pair.client.received.len(), pair.server.received.len()];
    for at in 0..5_u8 {
        pair.send(true, &[at; 100]);
        pair.send(false, &[at; 1000]);
    }
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.client.received.len() - before[0], 5);
    assert_eq!(pair.server.received.len() - before[1], 5);
}

#[test]
fn loss_duplication_and_reordering_only_cost_time() {
    for seed in 0..SEEDS {
        let (client, server) = configs(seed);
        let mut pair = Pair::new(client, server, seed);
        pair.faults = Faults {
            loss: 30,
            duplication: 10,
            reordering: 30,
            corruption: 0,
            until: Duration::from_secs(20),
        };
        assert!(
            pair.connect(),
            "seed {seed}: {:?} {:?}",
            pair.client.endpoint,
            pair.server.endpoint
        );
        // The client's last flight may still be under way.
        pair.run_for(Duration::from_secs(25));
        check_data(&mut pair);
        let client = pair.client.endpoint.statistics();
        let server = pair.server.endpoint.statistics();
        assert_eq!(client.dropped_bad_mac + server.dropped_bad_mac, 0, "seed {seed}");
        assert!(client.datagrams_sent + server.datagrams_sent < 400, "seed {seed}: {client:?}");
    }
}

#[test]
fn damage_ends_in_a_connection_or_in_a_clear_failure() {
    let mut connected = 0;
    for seed in 0..SEEDS {
        let (client, server) = configs(seed);
        let mut pair = Pair::new(client, server, seed);
        pair.faults = Faults {
            loss: 10,
            duplication: 10,
            reordering: 20,
            corruption: 5,
            until: Duration::from_secs(20),
        };
        if pair.connect() {
            pair.run_for(Duration::from_secs(25));
            check_data(&mut pair);
            connected += 1;
        } else {
            for side in [&pair.client, &pair.server] {
                // One end may be connected when the other fails.
                assert!(
                    side.failure.is_some() || side.summary.is_some(),
                    "seed {seed}: neither connected nor failed"
                );
                assert!(matches!(side.endpoint.state(), State::Failed | State::Connected));
            }
        }
    }
    println!("{connected} of {SEEDS} connected");
    assert!(connected > SEEDS / 2, "only {connected} of {SEEDS} connected");
}

#[test]
fn key_updates_survive_a_lossy_network() {
    for seed in 0..SEEDS {
        let mut pair = Pair::new(client_config(), server_config(), seed);
        assert!(pair.connect());
        pair.faults = Faults {
            loss: 30,
            duplication: 10,
            reordering: 30,
            corruption: 0,
            until: Duration::from_secs(600),
        };
        for round in 0..12_u64 {
            let now = pair.now;
            let by_client = (seed + round) % 2 == 0;
            pair.side(by_client).endpoint.update_keys(now, round % 3 == 0).unwrap();
            if round % 4 == 3 {
                pair.side(!by_client).endpoint.update_keys(now, true).unwrap();
            }
            pair.send(true, b"data");
            pair.send(false, b"data");
            pair.run_for(Duration::from_millis(100 * (seed % 7)));
        }
        pair.faults = Faults::default();
        pair.run_for(Duration::from_secs(30));
        check_data(&mut pair);
        // Requests that come while an update is under way are joined.
        let enough = if seed % 7 == 0 { 3 } else { 5 };
        let updates = (pair.client.key_updates, pair.server.key_updates);
        assert!(updates.0 >= enough && updates.1 >= enough, "seed {seed}: {updates:?}");
        for side in [&pair.client, &pair.server] {
            assert_eq!(side.failure, None, "seed {seed}");
            let statistics = side.endpoint.statistics();
            assert_eq!(statistics.dropped_bad_mac, 0, "seed {seed}: {statistics:?}");
            // Nothing is under way any more: an unacknowledged update would be sent again and again.
            let sent = statistics.datagrams_sent;
            assert!(sent < 150, "seed {seed}: {sent} datagrams");
        }
    }
}

#[test]
fn a_silent_network_ends_in_a_timeout() {
    let mut pair = Pair::new(client_config(), server_config(), 1);
    pair.faults = Faults { loss: 100, until: Duration::from_secs(1000), ..Faults::default() };
    assert!(!pair.connect());
    assert_eq!(pair.client.failure, Some(Error::HandshakeTimeout { peer_alert: None }));
    assert_eq!(pair.now - pair.start, client_config().handshake_timeout);
    assert_eq!(pair.client.endpoint.poll_timeout(), None);
    assert_eq!(pair.server.endpoint.poll_timeout(), None);
}
