//! RFC 6525: a stream is reset when all it sent has arrived, and its number starts again.

mod support;

use bytes::Bytes;
use peerage_sctp::{Config, Event, SendError, SendOptions, StreamId};
use std::time::Duration;
use support::{Link, PPID, Pair, check, message};

fn resets(pair: &Pair, at: usize, outgoing: bool) -> Vec<StreamId> {
    let mut ids: Vec<StreamId> = pair.events[at]
        .iter()
        .filter_map(|event| match event {
            Event::OutgoingStreamsReset { streams } if outgoing => Some(streams.clone()),
            Event::IncomingStreamReset { streams } if !outgoing => Some(streams.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    ids.sort();
    ids
}

#[test]
fn close_and_reuse_under_loss() {
    for seed in 0..24 {
        let config = Config { interleaving: seed % 2 == 0, ..Config::default() };
        let link = Link { loss: 200, reorder: 200, duplicate: 50, ..Link::default() };
        let mut pair = Pair::connected(seed, [config.clone(), config], [link; 2]);
        for round in 0..4u32 {
            for number in 0..10 {
                pair.send(0, 5, message(round * 10 + number, 3_000));
                pair.send(0, 6, message(round * 10 + number, 30));
            }
            let now = pair.now;
            pair.ends[0].reset_outgoing_streams(now, &[StreamId(5), StreamId(6)]).unwrap();
            let refused = pair.ends[0].send(
                now,
                StreamId(5),
                SendOptions::reliable(PPID),
                Bytes::from_static(b"late"),
            );
            assert_eq!(refused, Err(SendError::StreamResetting(StreamId(5))));
            let expected = 2 * (round as usize + 1);
            pair.run_until(Duration::from_secs(120), |pair| {
                resets(pair, 0, true).len() == expected && resets(pair, 1, false).len() == expected
            });
            for stream in [5, 6] {
                let numbers: Vec<u32> = pair
                    .messages(1)
                    .filter(|(id, _)| id.0 == stream)
                    .map(|(_, data)| check(data))
                    .collect();
                assert_eq!(numbers, (0..(round + 1) * 10).collect::<Vec<_>>(), "seed {seed}");
            }
        }
    }
}

#[test]
fn all_messages_come_before_the_reset() {
    let mut pair = Pair::connected(1, [Config::default(), Config::default()], [Link::default(); 2]);
    pair.send(0, 9, message(1, 100_000));
    let now = pair.now;
    pair.ends[0].reset_outgoing_streams(now, &[StreamId(9)]).unwrap();
    pair.run_until(Duration::from_secs(10), |pair| !resets(pair, 1, false).is_empty());
    let order: Vec<bool> = pair.events[1]
        .iter()
        .filter_map(|event| match event {
            Event::Message { .. } => Some(true),
            Event::IncomingStreamReset { .. } => Some(false),
            _ => None,
        })
        .collect();
    assert_eq!(order, [true, false]);
}

#[test]
fn many_streams_from_both_ends_at_once() {
    let link = Link { loss: 50, ..Link::default() };
    let mut pair = Pair::connected(2, [Config::default(), Config::default()], [link; 2]);
    let ids: Vec<StreamId> = (0..350).map(StreamId).collect();
    for from in 0..2 {
        for id in &ids {
            pair.send(from, id.0, message(u32::from(id.0), 50));
        }
        let now = pair.now;
        pair.ends[from].reset_outgoing_streams(now, &ids).unwrap();
    }
    pair.run_until(Duration::from_secs(60), |pair| {
        (0..2).all(|at| resets(pair, at, true).len() == ids.len())
    });
    pair.run_until(Duration::from_secs(60), |pair| {
        (0..2).all(|at| resets(pair, at, false).len() == ids.len())
    });
    for at in 0..2 {
        assert_eq!(resets(&pair, at, true), ids);
        assert_eq!(resets(&pair, at, false), ids);
    }
}

#[test]
fn a_peer_without_reconfig() {
    let plain = Config { stream_reset: false, ..Config::default() };
    let mut pair = Pair::new(3, [Config::default(), plain], [Link::default(); 2]);
    let now = pair.now;
    // Asked for before anybody knows.
    pair.ends[0].reset_outgoing_streams(now, &[StreamId(1)]).unwrap();
    pair.connect_both();
    pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(0, &Event::StreamResetFailed { streams: vec![StreamId(1)] })
    });
    let now = pair.now;
    assert!(pair.ends[0].reset_outgoing_streams(now, &[StreamId(1)]).is_err());
    pair.send(0, 1, message(1, 10));
    pair.run_until(Duration::from_secs(5), |pair| pair.messages(1).count() == 1);
}

#[test]
fn a_reset_waits_until_the_data_before_it_arrived() {
    for seed in 0..8 {
        let link = Link { loss: 200, reorder: 300, ..Link::default() };
        let mut pair = Pair::connected(seed, [Config::default(), Config::default()], [link; 2]);
        // RE-CONFIG responses that say "in progress" (RFC 6525 §4.4: 6).
        let in_progress = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = in_progress.clone();
        pair.filter = Some(Box::new(move |_, packet| {
            if packet.windows(4).any(|at| at == [0, 16, 0, 12])
                && packet.windows(4).any(|at| at == [0, 0, 0, 6])
            {
                count.set(count.get() + 1);
            }
            true
        }));
        for round in 0..5 {
            // Another stream keeps the association busy all the while.
            pair.send(0, 8, vec![0xff; 200_000]);
            pair.send(0, 5, vec![0xff; 20_000]);
            let now = pair.now;
            pair.ends[0].reset_outgoing_streams(now, &[StreamId(5)]).unwrap();
            pair.run_until(Duration::from_secs(60), |pair| {
                resets(pair, 0, true).len() == round + 1
            });
        }
        assert_eq!(in_progress.get(), 0, "seed {seed}");
    }
}
