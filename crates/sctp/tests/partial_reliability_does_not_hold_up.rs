//! RFC 3758 and RFC 7496: no message after its lifetime, none retransmitted beyond its limit, and nobody waits for what
//! was given up.

mod support;

use peerage_sctp::{Config, Event, Reliability};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use support::{Link, Pair, check, message};

fn config(interleaving: bool) -> Config {
    Config { interleaving, ..Config::default() }
}

/// Sends a message every 10 ms and notes when each arrives.
fn stream_messages(
    seed: u64,
    interleaving: bool,
    ordered: bool,
    reliability: Reliability,
    size: usize,
    loss: u64,
) -> (Vec<(u32, Duration)>, Pair) {
    let link = Link { loss, delay: Duration::from_millis(20), ..Link::default() };
    let lossless = Link { loss: 0, ..link };
    let mut pair =
        Pair::connected(seed, [config(interleaving), config(interleaving)], [lossless; 2]);
    pair.links = [link; 2];
    let mut sent: HashMap<u32, Instant> = HashMap::new();
    let mut arrived = Vec::new();
    let mut seen = 0;
    for number in 0..600u32 {
        if number < 500 {
            sent.insert(number, pair.now);
            pair.send_with(0, 7, ordered, reliability, message(number, size));
        }
        let tick = pair.now + Duration::from_millis(10);
        // Steps small enough to know when a message arrived.
        while pair.now < tick {
            pair.run_for(Duration::from_millis(1));
            let count = pair.messages(1).count();
            let new: Vec<u32> = pair.messages(1).skip(seen).map(|(_, data)| check(data)).collect();
            seen = count;
            for number in new {
                arrived.push((number, pair.now - sent[&number]));
            }
        }
    }
    (arrived, pair)
}

#[test]
fn unordered_without_retransmission_never_waits() {
    for interleaving in [false, true] {
        for seed in 0..4 {
            let (arrived, pair) = stream_messages(
                seed,
                interleaving,
                false,
                Reliability::MaxRetransmits(0),
                800,
                100,
            );
            // 10 % are lost, the rest comes after one transit: no head-of-line blocking.
            assert!((400..500).contains(&arrived.len()), "{}", arrived.len());
            for (number, after) in &arrived {
                assert!(*after <= Duration::from_millis(22), "message {number} waited {after:?}");
            }
            assert_eq!(pair.ends[0].statistics().retransmissions, 0);
            // The last may have been given up although only its SACK was lost.
            let abandoned = pair.ends[0].statistics().messages_abandoned as usize;
            assert!((500 - arrived.len()..=502 - arrived.len()).contains(&abandoned));
            assert_eq!(pair.ends[0].statistics().bytes_in_flight, 0);
            assert_eq!(pair.ends[1].statistics().receive_buffered, 0);
        }
    }
}

#[test]
fn ordered_messages_skip_what_was_given_up() {
    for interleaving in [false, true] {
        for size in [800, 5_000] {
            for seed in 0..4 {
                let (arrived, pair) = stream_messages(
                    seed,
                    interleaving,
                    true,
                    Reliability::MaxRetransmits(0),
                    size,
                    50,
                );
                assert!(arrived.len() > 300, "{}", arrived.len());
                assert!(arrived.windows(2).all(|pair| pair[0].0 < pair[1].0), "out of order");
                for (number, after) in &arrived {
                    // At worst a loss is found by timeout at either end; never a second one for the same message.
                    assert!(
                        *after <= Duration::from_millis(1500),
                        "message {number} waited {after:?}"
                    );
                }
                assert_eq!(pair.ends[1].statistics().receive_buffered, 0);
            }
        }
    }
}

#[test]
fn no_message_leaves_after_its_lifetime() {
    for interleaving in [false, true] {
        for size in [800, 4_000] {
            for seed in 0..4 {
                let lifetime = Duration::from_millis(100);
                let (arrived, pair) = stream_messages(
                    seed,
                    interleaving,
                    false,
                    Reliability::MaxLifetime(lifetime),
                    size,
                    200,
                );
                for (number, after) in &arrived {
                    // The lifetime, one transit of 20 ms, and the millisecond of our clock.
                    assert!(
                        *after <= Duration::from_millis(122),
                        "message {number} came after {after:?}"
                    );
                }
                assert!(arrived.len() > 300, "{}", arrived.len());
                assert!(pair.ends[0].statistics().retransmissions > 0);
                assert_eq!(pair.ends[0].statistics().bytes_in_flight, 0);
            }
        }
    }
}

#[test]
fn a_blocked_sender_drops_what_expires_in_the_queue() {
    for interleaving in [false, true] {
        let slow = Link { rate: 500_000, queue: 20_000, ..Link::default() };
        let mut pair = Pair::connected(9, [config(interleaving), config(interleaving)], [slow; 2]);
        for number in 0..200 {
            pair.send_with(
                0,
                1,
                true,
                Reliability::MaxLifetime(Duration::from_millis(300)),
                message(number, 10_000),
            );
        }
        pair.send(0, 2, message(1000, 10_000));
        pair.run_until(Duration::from_secs(30), |pair| {
            pair.messages(1).any(|(_, data)| check(data) == 1000)
                && pair.ends[0].total_buffered() == 0
                && pair.ends[0].statistics().bytes_in_flight == 0
        });
        // 500 kbit/s carry a handful of the 200 in 300 ms.
        assert!((1..60).contains(&pair.messages(1).count()), "{}", pair.messages(1).count());
        let abandoned = pair.events[0]
            .iter()
            .filter(|event| matches!(event, Event::SendAbandoned { .. }))
            .count();
        assert_eq!(abandoned + pair.messages(1).count(), 201);
        // And the stream still works.
        pair.send(0, 1, message(2000, 10_000));
        pair.run_until(Duration::from_secs(30), |pair| {
            pair.messages(1).any(|(_, data)| check(data) == 2000)
        });
    }
}

#[test]
fn reliable_and_unreliable_share_an_association() {
    for interleaving in [false, true] {
        for seed in 0..6 {
            let link = Link { loss: 150, ..Link::default() };
            let mut pair =
                Pair::connected(seed, [config(interleaving), config(interleaving)], [link; 2]);
            for number in 0..150 {
                let size = 4 + pair.dice.below(6_000) as usize;
                let ordered = pair.dice.chance(500);
                let limit = Reliability::MaxRetransmits(pair.dice.below(2) as u16);
                pair.send_with(0, 2, ordered, limit, message(number, size));
                pair.send(0, 1, message(number, size));
            }
            pair.run_until(Duration::from_secs(300), |pair| {
                pair.messages(1).filter(|(stream, _)| stream.0 == 1).count() == 150
                    && pair.ends[0].statistics().bytes_in_flight == 0
                    && pair.ends[0].total_buffered() == 0
            });
            let reliable: Vec<u32> = pair
                .messages(1)
                .filter(|(stream, _)| stream.0 == 1)
                .map(|(_, data)| check(data))
                .collect();
            assert_eq!(reliable, (0..150).collect::<Vec<_>>());
            pair.run_for(Duration::from_secs(20));
            assert_eq!(pair.ends[1].statistics().receive_buffered, 0, "seed {seed}");
        }
    }
}

#[test]
fn a_peer_without_forward_tsn_gets_everything() {
    let plain = Config { partial_reliability: false, ..Config::default() };
    let link = Link { loss: 100, ..Link::default() };
    let mut pair = Pair::connected(4, [Config::default(), plain], [link; 2]);
    for number in 0..100 {
        pair.send_with(0, 2, false, Reliability::MaxRetransmits(0), message(number, 500));
    }
    pair.run_until(Duration::from_secs(60), |pair| pair.messages(1).count() == 100);
}

#[test]
fn every_one_of_many_skipped_streams_goes_on() {
    for interleaving in [false, true] {
        let config = Config { interleaving, ..Config::default() };
        let mut pair = Pair::connected(1, [config.clone(), config], [Link::default(); 2]);
        pair.send(0, 999, message(0, 100));
        pair.run_for(Duration::from_secs(2));
        // More streams than one FORWARD TSN can list.
        for stream in 0..400 {
            let reliability = Reliability::MaxRetransmits(0);
            pair.send_with(0, stream, true, reliability, message(u32::from(stream), 20));
        }
        // All data is lost, FORWARD TSN is not.
        pair.filter = Some(Box::new(|from, packet| from != 0 || !matches!(packet[12], 0 | 64)));
        pair.run_for(Duration::from_secs(20));
        pair.filter = None;
        assert_eq!(pair.messages(1).count(), 1);
        assert_eq!(pair.ends[0].statistics().messages_abandoned, 400);
        for stream in 0..400 {
            pair.send(0, stream, message(1_000, 20));
        }
        pair.run_for(Duration::from_secs(10));
        assert_eq!(pair.messages(1).count(), 401, "interleaving {interleaving}");
    }
}

#[test]
fn without_forward_tsn_every_message_arrives_whatever_its_lifetime() {
    for interleaving in [false, true] {
        let plain = Config { interleaving, partial_reliability: false, ..Config::default() };
        let link = Link { loss: 200, rate: 1_000_000, ..Link::default() };
        let configs = [Config { partial_reliability: true, ..plain.clone() }, plain];
        let mut pair = Pair::connected(3, configs, [link; 2]);
        for number in 0..20 {
            let reliability = match number % 2 {
                0 => Reliability::MaxLifetime(Duration::from_millis(30)),
                _ => Reliability::MaxRetransmits(0),
            };
            pair.send_with(0, 1, true, reliability, message(number, 20_000));
        }
        pair.run_until(Duration::from_secs(60), |pair| pair.messages(1).count() == 20);
        pair.send(0, 1, message(20, 10));
        pair.run_until(Duration::from_secs(10), |pair| pair.messages(1).count() == 21);
        assert_eq!(pair.ends[0].statistics().messages_abandoned, 0);
    }
}
