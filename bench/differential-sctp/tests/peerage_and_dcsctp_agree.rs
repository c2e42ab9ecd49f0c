//! Handshake in all roles, data both ways, partial reliability, stream reset and reuse, shutdown from either end, with each
//! combination of I-DATA and zero checksum, clean and under loss.

use dcsctp::api::{SocketState, StreamId as TheirStreamId};
use differential_sctp::{Opens, Pair, Setup, check, message, reliable};
use peerage_sctp::{Event, PayloadProtocolId, Reliability, SendOptions, StreamId};
use std::time::Duration;

fn setups() -> Vec<Setup> {
    let mut setups = Vec::new();
    for seed in 0..96u64 {
        let opens = [Opens::Ours, Opens::Theirs, Opens::Both][seed as usize % 3];
        let bits = seed / 3;
        setups.push(Setup {
            seed,
            opens,
            interleaving: [bits & 1 != 0, bits & 2 != 0],
            zero_checksum: [bits & 4 != 0, bits & 8 != 0],
            loss: if bits & 16 != 0 { 100 } else { 0 },
            reorder: if bits & 16 != 0 { 100 } else { 0 },
        });
    }
    setups
}

fn sizes(number: u32) -> usize {
    [4, 100, 1_143, 1_200, 5_000, 16_384, 65_536, 262_144][number as usize % 8]
}

#[test]
fn reliable_data_both_ways_and_what_was_negotiated() {
    for setup in setups() {
        let mut pair = Pair::new(setup);
        pair.connect();
        let negotiated = pair.ours.negotiated().unwrap();
        let both = |pair: [bool; 2]| pair[0] && pair[1];
        assert_eq!(negotiated.interleaving, both(setup.interleaving), "{setup:?}");
        assert_eq!(negotiated.zero_checksum_send, both(setup.zero_checksum), "{setup:?}");
        let metrics = pair.theirs.get_metrics().unwrap();
        assert_eq!(metrics.uses_message_interleaving, both(setup.interleaving), "{setup:?}");
        assert_eq!(metrics.uses_zero_checksum, both(setup.zero_checksum), "{setup:?}");
        for number in 0..24 {
            pair.we_send((number % 3) as u16, reliable(), message(number, sizes(number)));
            pair.they_send(
                (number % 3) as u16,
                &dcsctp::api::SendOptions::default(),
                message(number, sizes(number)),
            );
        }
        pair.run_until("transfer", |pair| pair.we_got.len() == 24 && pair.they_got.len() == 24);
        for got in [&pair.we_got, &pair.they_got] {
            let mut next = [0, 1, 2];
            for (stream, ppid, data) in got {
                assert_eq!(*ppid, 53);
                assert_eq!(check(data), next[usize::from(*stream)], "{setup:?}");
                next[usize::from(*stream)] += 3;
            }
        }
        assert_eq!(pair.without_checksum > 0, both(setup.zero_checksum));
    }
}

#[test]
fn partial_reliability() {
    for setup in setups() {
        let setup = Setup { loss: 100, ..setup };
        let mut pair = Pair::new(setup);
        pair.connect();
        let ours = |ordered, reliability| SendOptions {
            ppid: PayloadProtocolId(53),
            ordered,
            reliability,
        };
        for number in 0..60 {
            let ordered = number % 2 == 0;
            let reliability = if number % 3 == 0 {
                Reliability::MaxLifetime(Duration::from_millis(40))
            } else {
                Reliability::MaxRetransmits(0)
            };
            pair.we_send(1, ours(ordered, reliability), message(number, 4_000));
            let theirs = dcsctp::api::SendOptions {
                unordered: !ordered,
                lifetime: (number % 3 == 0).then_some(Duration::from_millis(40)),
                max_retransmissions: (number % 3 != 0).then_some(0),
                ..dcsctp::api::SendOptions::default()
            };
            pair.they_send(1, &theirs, message(number, 4_000));
        }
        // A reliable message behind them shows that nobody waits for ever.
        pair.we_send(1, reliable(), message(1000, 4_000));
        pair.they_send(1, &dcsctp::api::SendOptions::default(), message(1000, 4_000));
        pair.run_until("partial", |pair| {
            let last = |got: &[differential_sctp::Received]| {
                got.iter().any(|(_, _, data)| check(data) == 1000)
            };
            last(&pair.we_got) && last(&pair.they_got)
        });
        for got in [&pair.we_got, &pair.they_got] {
            let mut numbers: Vec<u32> = got.iter().map(|(_, _, data)| check(data)).collect();
            let ordered: Vec<u32> =
                numbers.iter().copied().filter(|number| number % 2 == 0).collect();
            assert!(ordered.windows(2).all(|pair| pair[0] < pair[1]), "{setup:?}: {ordered:?}");
            numbers.sort();
            let before = numbers.len();
            numbers.dedup();
            assert_eq!(before, numbers.len(), "{setup:?}: something came twice");
        }
    }
}

#[test]
fn stream_reset_and_reuse_from_both_ends() {
    for setup in setups() {
        let mut pair = Pair::new(setup);
        pair.connect();
        for round in 0..3usize {
            for number in 0..10 {
                pair.we_send(7, reliable(), message(number, 2_000));
                pair.they_send(7, &dcsctp::api::SendOptions::default(), message(number, 2_000));
            }
            let now = pair.instant();
            pair.ours.reset_outgoing_streams(now, &[StreamId(7)]).unwrap();
            // dcsctp wants its buffer empty before it is asked.
            pair.run_until("drain", |pair| pair.theirs.buffered_amount(TheirStreamId(7)) == 0);
            pair.theirs.reset_streams(&[TheirStreamId(7)]).unwrap();
            pair.run_until("reset", |pair| {
                let ours = pair
                    .our_events
                    .iter()
                    .filter(|event| {
                        matches!(
                            event,
                            Event::OutgoingStreamsReset { .. } | Event::IncomingStreamReset { .. }
                        )
                    })
                    .count();
                let theirs = pair
                    .their_events
                    .iter()
                    .filter(|event| {
                        event.starts_with("OnStreamsResetPerformed")
                            || event.starts_with("OnIncomingStreamReset")
                    })
                    .count();
                ours == 2 * (round + 1) && theirs == 2 * (round + 1)
            });
            assert_eq!(pair.we_got.len(), 10 * (round + 1), "{setup:?}");
            assert_eq!(pair.they_got.len(), 10 * (round + 1), "{setup:?}");
        }
    }
}

#[test]
fn shutdown_from_either_end() {
    for setup in setups() {
        let mut pair = Pair::new(setup);
        pair.connect();
        for number in 0..10 {
            pair.we_send(1, reliable(), message(number, 20_000));
            pair.they_send(1, &dcsctp::api::SendOptions::default(), message(number, 20_000));
        }
        // dcsctp forgets what it has not sent once, whoever shuts down,
        pair.run_until("drain", |pair| pair.theirs.buffered_amount(TheirStreamId(1)) == 0);
        let now = pair.instant();
        if setup.seed % 2 == 0 {
            pair.ours.shutdown(now);
        } else {
            pair.theirs.shutdown();
        }
        pair.run_until("shutdown", |pair| {
            pair.ours.is_closed() && pair.theirs.state() == SocketState::Closed
        });
        assert!(
            pair.our_events.contains(&Event::ShutdownComplete),
            "{setup:?} {:?}",
            pair.our_events
        );
        assert_eq!(pair.they_got.len(), 10, "{setup:?}");
        // and what was lost and waits to be sent again.
        assert!(pair.we_got.len() == 10 || setup.loss > 0, "{setup:?}");
    }
}

#[test]
fn abort_from_either_end() {
    for setup in setups().into_iter().filter(|setup| setup.loss == 0) {
        let mut pair = Pair::new(setup);
        pair.connect();
        let now = pair.instant();
        if setup.seed % 2 == 0 {
            pair.ours.abort(now, "enough");
        } else {
            pair.theirs.close();
        }
        pair.run_until("abort", |pair| {
            pair.ours.is_closed() && pair.theirs.state() == SocketState::Closed
        });
    }
}
