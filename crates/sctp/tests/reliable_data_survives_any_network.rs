//! Reliable messages arrive whole, once and in order, whatever the network does.

mod support;

use peerage_sctp::{Config, Event, StreamId};
use std::time::Duration;
use support::{Link, Pair, check, message};

#[test]
fn both_ends_open_at_once() {
    let mut pair = Pair::plain(1);
    pair.connect_both();
    pair.run_until(Duration::from_secs(5), |pair| pair.ends.iter().all(|end| end.is_established()));
    // INIT crosses INIT: two round trips, no more.
    assert!(pair.elapsed() <= Duration::from_millis(40), "{:?}", pair.elapsed());
    for at in 0..2 {
        assert!(pair.saw(at, &Event::Connected));
        let negotiated = pair.ends[at].negotiated().unwrap();
        assert!(
            negotiated.interleaving && negotiated.partial_reliability && negotiated.stream_reset
        );
        assert!(negotiated.zero_checksum_send && negotiated.zero_checksum_receive);
        assert_eq!(negotiated.outgoing_streams, 65535);
    }
}

#[test]
fn one_end_opens_and_data_rides_with_the_cookie() {
    let mut pair = Pair::plain(2);
    let now = pair.now;
    pair.ends[0].connect(now).unwrap();
    pair.send(0, 1, message(0, 100));
    pair.run_until(Duration::from_secs(5), |pair| pair.messages(1).count() == 1);
    // INIT, INIT ACK, COOKIE ECHO with the message: one and a half round trips of 20 ms.
    assert_eq!(pair.elapsed(), Duration::from_millis(30));
}

#[test]
fn messages_of_every_size_arrive() {
    for interleaving in [false, true] {
        let config = Config { interleaving, ..Config::default() };
        let mut pair = Pair::connected(3, [config.clone(), config], [Link::default(); 2]);
        let sizes = [
            4, 5, 6, 7, 1000, 1159, 1160, 1161, 1162, 1163, 1164, 1165, 5000, 16_384, 65_536,
            262_144,
        ];
        for (number, size) in sizes.into_iter().enumerate() {
            pair.send(0, 3, message(number as u32, size));
        }
        pair.run_until(Duration::from_secs(30), |pair| pair.messages(1).count() == sizes.len());
        for (expected, (_, data)) in pair.messages(1).enumerate() {
            assert_eq!(check(data), expected as u32);
            assert_eq!(data.len(), sizes[expected]);
        }
        assert!(pair.largest <= 1191);
    }
}

/// Sends from both ends over several streams and checks all that arrives.
fn exchange(seed: u64, configs: [Config; 2], link: Link, count: u32) -> Duration {
    let mut pair = Pair::new(seed, configs, [link; 2]);
    pair.connect_both();
    for number in 0..count {
        for from in 0..2 {
            let size = match pair.dice.below(10) {
                0 => 4 + pair.dice.below(60_000),
                1..=3 => 4 + pair.dice.below(5_000),
                _ => 4 + pair.dice.below(300),
            };
            let stream = (number % 4) as u16;
            pair.send(from, stream, message(number, size as usize));
        }
    }
    pair.run_until(Duration::from_secs(600), |pair| {
        (0..2).all(|at| pair.messages(at).count() == count as usize)
    });
    for at in 0..2 {
        let mut next = [0u32; 4];
        for (stream, data) in pair.messages(at) {
            let number = check(data);
            let stream = stream.0 as usize;
            assert_eq!(number, next[stream] * 4 + stream as u32, "seed {seed}: out of order");
            next[stream] += 1;
        }
    }
    pair.elapsed()
}

#[test]
fn loss_reordering_duplication_corruption() {
    for seed in 0..60 {
        let link = Link {
            loss: [0, 10, 50, 150, 300][seed as usize % 5],
            reorder: [0, 100, 500][seed as usize % 3],
            duplicate: [0, 50][seed as usize % 2],
            corrupt: [0, 20][seed as usize / 2 % 2],
            rate: [0, 5_000_000][seed as usize / 4 % 2],
            queue: 50_000,
            ..Link::default()
        };
        // A corrupted packet is only told by its checksum.
        let config = Config {
            interleaving: seed % 2 == 0,
            zero_checksum: link.corrupt == 0 && seed % 3 == 0,
            max_association_retransmits: None,
            ..Config::default()
        };
        exchange(seed, [config.clone(), config], link, 60);
    }
}

#[test]
fn features_are_used_only_if_both_offer_them() {
    for bits in 0..16u32 {
        let config = |offset: u32| Config {
            interleaving: bits >> offset & 1 != 0,
            zero_checksum: bits >> (offset + 1) & 1 != 0,
            ..Config::default()
        };
        exchange(u64::from(bits), [config(0), config(2)], Link { loss: 50, ..Link::default() }, 20);
    }
}

#[test]
fn a_large_message_does_not_hold_up_small_ones() {
    for interleaving in [false, true] {
        let config = Config {
            interleaving,
            max_message_size: 2 << 20,
            max_send_message_size: 2 << 20,
            ..Config::default()
        };
        let link = Link { rate: 10_000_000, queue: 50_000, ..Link::default() };
        let mut pair = Pair::connected(11, [config.clone(), config], [link; 2]);
        pair.send(0, 1, message(0, 2 << 20));
        pair.run_for(Duration::from_millis(100));
        pair.send(0, 2, message(1, 100));
        pair.run_until(Duration::from_secs(30), |pair| pair.messages(1).count() == 2);
        let order: Vec<u32> = pair.messages(1).map(|(_, data)| check(data)).collect();
        assert_eq!(order, if interleaving { [1, 0] } else { [0, 1] });
    }
}

#[test]
fn bandwidth_is_shared_by_priority() {
    let link = Link { rate: 10_000_000, queue: 50_000, ..Link::default() };
    let mut pair = Pair::connected(12, [Config::default(), Config::default()], [link; 2]);
    pair.ends[0].set_stream_priority(StreamId(1), 128);
    pair.ends[0].set_stream_priority(StreamId(2), 512);
    for number in 0..500 {
        pair.send(0, 1, message(number, 5_000));
        pair.send(0, 2, message(number, 5_000));
    }
    pair.run_until(Duration::from_secs(30), |pair| pair.messages(1).count() == 300);
    let low = pair.messages(1).filter(|(stream, _)| stream.0 == 1).count();
    // One to four.
    assert!((55..=65).contains(&low), "{low}");
}

#[test]
fn more_large_messages_at_once_than_the_window_holds() {
    for loss in [0, 50] {
        let link = Link { rate: 100_000_000, loss, ..Link::default() };
        let mut pair = Pair::connected(1, [Config::default(), Config::default()], [link; 2]);
        for stream in 0..60 {
            pair.send(0, stream, message(u32::from(stream), 262_144));
            pair.send(0, stream, message(100 + u32::from(stream), 100));
        }
        let now = pair.now;
        pair.ends[0].shutdown(now);
        pair.run_until(Duration::from_secs(60), |pair| pair.ends[1].is_closed());
        assert_eq!(pair.messages(1).count(), 120);
        assert_eq!(pair.ends[1].statistics().data_refused, 0);
    }
}

#[test]
fn a_window_smaller_than_a_message_still_takes_one_after_the_other() {
    let small = Config { receive_window: 1, max_message_size: 100_000, ..Config::default() };
    let mut pair = Pair::connected(1, [Config::default(), small], [Link::default(); 2]);
    for number in 0..40 {
        pair.send(0, number as u16 % 8, message(number, 100_000));
    }
    pair.run_until(Duration::from_secs(60), |pair| pair.messages(1).count() == 40);
}
