//! Handshakes that go wrong, out-of-band INITs, restarts, shutdowns, aborts, and peers that vanish.

mod support;

use bytes::Bytes;
use peerage_sctp::{Association, Config, Error, Event, SendError, SendOptions, StreamId};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};
use support::{Dice, Link, PPID, Pair, check, message};

#[test]
fn the_handshake_survives_heavy_loss() {
    for seed in 0..200 {
        let link = Link { loss: 400, duplicate: 100, reorder: 300, ..Link::default() };
        let config = Config {
            max_init_retransmits: None,
            max_association_retransmits: None,
            ..Config::default()
        };
        let mut pair = Pair::new(seed, [config.clone(), config], [link; 2]);
        if seed % 2 == 0 {
            pair.connect_both();
        } else {
            let now = pair.now;
            pair.ends[0].connect(now).unwrap();
        }
        pair.run_until(Duration::from_secs(600), |pair| {
            pair.ends.iter().all(Association::is_established)
        });
        pair.links = [Link::default(); 2];
        pair.send(0, 1, message(1, 10));
        pair.send(1, 1, message(2, 10));
        pair.run_until(Duration::from_secs(60), |pair| {
            (0..2).all(|at| pair.messages(at).count() == 1)
        });
        for at in 0..2 {
            assert_eq!(
                pair.events[at].iter().filter(|event| **event == Event::Connected).count(),
                1
            );
            assert!(!pair.saw(at, &Event::PeerRestarted));
        }
    }
}

#[test]
fn out_of_band_inits_replace_the_handshake() {
    let mut pair = Pair::plain(1);
    let inits = [pair.ends[0].local_init(), pair.ends[1].local_init()];
    pair.ends[0].set_remote_init(&inits[1]).unwrap();
    pair.ends[1].set_remote_init(&inits[0]).unwrap();
    assert_eq!(pair.ends[0].poll_timeout(), None, "no timer may start");
    pair.send(0, 1, message(1, 5_000));
    pair.connect_both();
    pair.run_until(Duration::from_secs(5), |pair| pair.messages(1).count() == 1);
    // One transit.
    assert_eq!(pair.elapsed(), Duration::from_millis(10));
    assert!(pair.ends[1].negotiated().unwrap().zero_checksum_send);
    // A reset shows that the sequence numbers of both sides agree.
    let now = pair.now;
    pair.ends[0].reset_outgoing_streams(now, &[StreamId(1)]).unwrap();
    pair.run_until(Duration::from_secs(5), |pair| {
        pair.saw(0, &Event::OutgoingStreamsReset { streams: vec![StreamId(1)] })
    });
}

#[test]
fn the_drafts_init_is_understood_and_bad_ones_are_refused() {
    // The example of draft-hancke-tsvwg-snap, "SDP sctp-init attribute".
    let example = [
        1, 0, 0, 0x1e, 0x89, 0x6c, 0xdd, 0x1d, 0, 0x50, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xe0, 0x79,
        0x65, 0x1d, 0xc0, 0, 0, 4, 0x80, 8, 0, 6, 0x82, 0xc0,
    ];
    let mut pair = Pair::plain(2);
    pair.ends[0].set_remote_init(&example).unwrap();
    let now = pair.now;
    pair.ends[0].connect(now).unwrap();
    let negotiated = pair.ends[0].negotiated().unwrap();
    assert!(negotiated.partial_reliability && negotiated.stream_reset);
    assert!(!negotiated.interleaving && !negotiated.zero_checksum_send);
    assert_eq!(negotiated.peer_receive_window, 0x0050_0000);
    assert!(matches!(pair.ends[0].set_remote_init(&example), Err(Error::InvalidState { .. })));
    for bad in [&example[..10], &[][..], &[2, 0, 0, 4], &[1, 0, 0, 0]] {
        assert!(matches!(pair.ends[1].set_remote_init(bad), Err(Error::InvalidRemoteInit { .. })));
    }
}

#[test]
fn shutdown_waits_for_the_data() {
    for seed in 0..40 {
        let link = Link { loss: 150, ..Link::default() };
        let config = Config { max_association_retransmits: None, ..Config::default() };
        let mut pair = Pair::connected(seed, [config.clone(), config], [link; 2]);
        for number in 0..20 {
            pair.send(0, 1, message(number, 4_000));
            pair.send(1, 1, message(number, 4_000));
        }
        let now = pair.now;
        pair.ends[0].shutdown(now);
        if seed % 3 == 0 {
            pair.ends[1].shutdown(now);
        }
        let late = pair.ends[0].send(
            now,
            StreamId(0),
            SendOptions::reliable(PPID),
            Bytes::from_static(b"late"),
        );
        assert_eq!(late, Err(SendError::Closed));
        pair.run_until(Duration::from_secs(300), |pair| {
            pair.ends.iter().all(Association::is_closed)
        });
        assert!(
            pair.saw(0, &Event::ShutdownComplete) && pair.saw(1, &Event::ShutdownComplete),
            "seed {seed}"
        );
        // What was queued before the shutdown arrived on both sides.
        for at in 0..2 {
            let numbers: Vec<u32> = pair.messages(at).map(|(_, data)| check(data)).collect();
            assert_eq!(numbers, (0..20).collect::<Vec<_>>(), "seed {seed}");
            assert_eq!(pair.ends[at].poll_timeout(), None);
        }
    }
}

#[test]
fn abort_tells_the_peer_why() {
    let mut pair = Pair::connected(5, [Config::default(), Config::default()], [Link::default(); 2]);
    pair.send(0, 1, message(1, 100_000));
    let now = pair.now;
    pair.ends[0].abort(now, "had enough");
    pair.run_until(Duration::from_secs(5), |pair| pair.ends.iter().all(Association::is_closed));
    let reason = "user-initiated abort: had enough".to_owned();
    assert!(
        pair.saw(
            0,
            &Event::Aborted { by_peer: false, user_initiated: true, reason: reason.clone() }
        )
    );
    assert!(pair.saw(1, &Event::Aborted { by_peer: true, user_initiated: true, reason }));
    assert_eq!(pair.ends[0].total_buffered(), 0);
}

#[test]
fn a_peer_that_vanishes_fails_the_association() {
    // With data waiting, by T3-rtx.
    let mut pair = Pair::connected(6, [Config::default(), Config::default()], [Link::default(); 2]);
    pair.links = [Link { loss: 1000, ..Link::default() }; 2];
    pair.send(0, 1, message(1, 100));
    pair.run_until(Duration::from_secs(120), |pair| pair.saw(0, &Event::Failed));
    // Idle, by heartbeats.
    pair.run_until(Duration::from_secs(240), |pair| pair.saw(1, &Event::Failed));
    // Never there, by T1.
    let mut pair = Pair::new(
        7,
        [Config::default(), Config::default()],
        [Link { loss: 1000, ..Link::default() }; 2],
    );
    pair.connect_both();
    pair.run_until(Duration::from_secs(240), |pair| pair.ends.iter().all(Association::is_closed));
    assert!(pair.saw(0, &Event::Failed) && pair.saw(1, &Event::Failed));
    assert!(matches!(pair.ends[0].connect(pair.now), Err(Error::InvalidState { .. })));
}

#[test]
fn without_limits_a_path_may_be_away_for_an_hour() {
    let config = Config { max_association_retransmits: None, ..Config::default() };
    let mut pair = Pair::connected(8, [config.clone(), config], [Link::default(); 2]);
    pair.links = [Link { loss: 1000, ..Link::default() }; 2];
    pair.send(0, 1, message(1, 100_000));
    pair.run_for(Duration::from_secs(3600));
    pair.links = [Link::default(); 2];
    pair.run_until(Duration::from_secs(20), |pair| pair.messages(1).count() == 1);
}

#[test]
fn an_idle_association_only_heartbeats() {
    let mut pair = Pair::connected(9, [Config::default(), Config::default()], [Link::default(); 2]);
    pair.run_for(Duration::from_secs(1));
    let before = pair.sent;
    pair.run_for(Duration::from_secs(300));
    // Ten intervals, each a HEARTBEAT and its answer from both ends.
    for (sent, before) in pair.sent.iter().zip(before) {
        assert!((16..=22).contains(&(sent - before)), "{}", sent - before);
    }
    assert!(pair.ends.iter().all(Association::is_established));
}

#[test]
fn a_restarted_peer_is_recognised() {
    for seed in 0..10 {
        let link = Link { loss: 100, ..Link::default() };
        let mut pair = Pair::connected(seed, [Config::default(), Config::default()], [link; 2]);
        pair.send(0, 1, message(1, 50_000));
        pair.send(1, 1, message(1, 50));
        pair.run_until(Duration::from_secs(60), |pair| {
            (0..2).all(|at| pair.messages(at).count() == 1)
        });
        // The peer's program dies and comes back on the same ports.
        let now = pair.now;
        pair.ends[1] = Association::new(now, Config::default(), Dice::new(seed + 1000).seed());
        pair.ends[1].connect(now).unwrap();
        pair.run_until(Duration::from_secs(60), |pair| {
            pair.ends[1].is_established() && pair.saw(0, &Event::PeerRestarted)
        });
        for number in 10..20 {
            pair.send(0, 1, message(number, 5_000));
            pair.send(1, 1, message(number, 5_000));
        }
        pair.run_until(Duration::from_secs(60), |pair| {
            (0..2).all(|at| pair.messages(at).count() == 11)
        });
    }
}

#[test]
fn a_shutdown_outlives_the_peers_restart() {
    let mut pair = Pair::connected(4, [Config::default(), Config::default()], [Link::default(); 2]);
    pair.send(0, 1, message(1, 200_000));
    let now = pair.now;
    pair.ends[0].shutdown(now);
    // Before anything arrives the peer's program dies and comes back.
    pair.ends[1] = Association::new(now, Config::default(), Dice::new(77).seed());
    pair.ends[1].connect(now).unwrap();
    pair.run_until(Duration::from_secs(60), |pair| {
        pair.saw(0, &Event::PeerRestarted) && (0..2).all(|at| pair.ends[at].is_closed())
    });
    assert!((0..2).all(|at| pair.saw(at, &Event::ShutdownComplete)));
}

#[test]
fn sends_that_cannot_be() {
    let config =
        Config { send_buffer_limit: 1000, max_send_message_size: 2000, ..Config::default() };
    let mut pair = Pair::new(
        10,
        [config, Config { incoming_streams: 10, ..Config::default() }],
        [Link::default(); 2],
    );
    let now = pair.now;
    let options = SendOptions::reliable(PPID);
    let end = &mut pair.ends[0];
    assert_eq!(end.send(now, StreamId(0), options, Bytes::new()), Err(SendError::Empty));
    assert_eq!(
        end.send(now, StreamId(0), options, vec![0; 2001].into()),
        Err(SendError::TooLarge { size: 2001, limit: 2000 })
    );
    end.send(now, StreamId(0), options, vec![0; 1500].into()).unwrap();
    let data = Bytes::from(vec![1; 10]);
    assert_eq!(
        end.send(now, StreamId(0), options, data.clone()),
        Err(SendError::BufferFull { buffered: 1500, limit: 1000, data })
    );
    assert_eq!(end.buffered_amount(StreamId(0)), 1500);
    pair.connect_both();
    pair.run_until(Duration::from_secs(5), |pair| pair.messages(1).count() == 1);
    assert!(pair.saw(0, &Event::BufferedAmountLow(StreamId(0))));
    assert_eq!(pair.ends[0].total_buffered(), 0);
    let now = pair.now;
    assert_eq!(
        pair.ends[0].send(now, StreamId(10), options, vec![0; 5].into()),
        Err(SendError::InvalidStream { stream: StreamId(10), count: 10 })
    );
}

#[test]
fn a_restored_path_is_used_at_once() {
    let config = Config { max_association_retransmits: None, ..Config::default() };
    let mut pair = Pair::connected(11, [config.clone(), config], [Link::default(); 2]);
    pair.links = [Link { loss: 1000, ..Link::default() }; 2];
    pair.send(0, 1, message(1, 100_000));
    pair.run_for(Duration::from_secs(200));
    pair.links = [Link::default(); 2];
    let now = pair.now;
    pair.ends[0].path_restored(now);
    pair.run_until(Duration::from_secs(20), |pair| pair.messages(1).count() == 1);
    // Without that the doubled timer would have let up to ten seconds pass.
    assert!(pair.now - now < Duration::from_millis(500), "{:?}", pair.now - now);
}

/// Our last packet is lost; what the peer goes on to say is answered with it once more (RFC 9260 §8.4).
#[test]
fn a_lost_goodbye_is_said_again() {
    const ABORT: u8 = 6;
    const SHUTDOWN_COMPLETE: u8 = 14;
    for goodbye in [SHUTDOWN_COMPLETE, ABORT] {
        let configs = [Config::default(), Config::default()];
        let mut pair = Pair::connected(12, configs, [Link::default(); 2]);
        let mut lost = 0;
        // The first chunk's type follows the common header.
        pair.filter = Some(Box::new(move |_, packet| {
            lost += u32::from(packet[12] == goodbye);
            packet[12] != goodbye || lost > 2
        }));
        let now = pair.now;
        if goodbye == ABORT {
            pair.ends[1].abort(now, "enough");
            pair.send(0, 1, message(1, 5_000));
        } else {
            pair.ends[1].shutdown(now);
        }
        pair.run_until(Duration::from_secs(20), |pair| pair.ends[0].is_closed());
        assert!(pair.ends[1].is_closed());
        if goodbye == ABORT {
            let told = pair.events[0].iter().any(|event| {
                matches!(event, Event::Aborted { by_peer: true, user_initiated: true, .. })
            });
            assert!(told, "{:?}", pair.events[0]);
        } else {
            assert!((0..2).all(|at| pair.saw(at, &Event::ShutdownComplete)));
        }
        // And that is the end of it.
        pair.run_for(Duration::from_secs(60));
        let sent = pair.sent;
        pair.run_for(Duration::from_secs(60));
        assert_eq!(pair.sent, sent);
    }
}

/// A COOKIE ECHO to an aborted association is answered with the ABORT (RFC 9260 §8.4): its sender would else wait until
/// its retransmissions are used up.
#[test]
fn a_cookie_that_comes_after_an_abort_is_answered() {
    const ABORT: u8 = 6;
    const COOKIE_ECHO: u8 = 10;
    const COOKIE_ACK: u8 = 11;
    for before_the_first_cookie in [false, true] {
        let mut pair = Pair::plain(13);
        let (echoes, aborts) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (echoes_seen, aborts_seen) = (echoes.clone(), aborts.clone());
        let cookie = Rc::new(RefCell::new(Vec::new()));
        let cookie_seen = cookie.clone();
        // The first COOKIE ECHO is lost, or everything that goes back up to the first ABORT.
        pair.filter = Some(Box::new(move |from, packet| {
            let kind = packet[12];
            if from == 0 {
                if kind == COOKIE_ECHO {
                    echoes.set(echoes.get() + 1);
                    *cookie.borrow_mut() = packet.to_vec();
                }
                return !(before_the_first_cookie && echoes.get() == 1 && kind == COOKIE_ECHO);
            }
            aborts.set(aborts.get() + u32::from(kind == ABORT));
            kind != COOKIE_ACK && (before_the_first_cookie || kind != ABORT || aborts.get() > 1)
        }));
        let now = pair.now;
        pair.ends[0].connect(now).unwrap();
        if before_the_first_cookie {
            pair.run_until(Duration::from_secs(5), |_| echoes_seen.get() == 1);
        } else {
            pair.run_until(Duration::from_secs(5), |pair| pair.ends[1].is_established());
        }
        let now = pair.now;
        pair.ends[1].abort(now, "enough");
        pair.drain();
        assert_eq!(aborts_seen.get(), u32::from(!before_the_first_cookie));
        pair.run_until(Duration::from_secs(5), |pair| pair.ends[0].is_closed());
        let told = pair.events[0].iter().any(|event| {
            matches!(event, Event::Aborted { by_peer: true, user_initiated: true, .. })
        });
        assert!(told, "{:?}", pair.events[0]);
        // One answer to one COOKIE ECHO, and that is the end of it.
        pair.run_for(Duration::from_secs(60));
        assert_eq!(echoes_seen.get(), 2);
        assert_eq!(aborts_seen.get(), 1 + u32::from(!before_the_first_cookie));

        // The cookie of another association gets nothing.
        let answers = |pair: &mut Pair| {
            let before = pair.sent[1];
            let now = pair.now;
            pair.ends[1].handle_input(now, &cookie_seen.borrow()).unwrap();
            pair.drain();
            pair.sent[1] - before
        };
        assert_eq!(answers(&mut pair), 1);
        let mut other = Pair::plain(14);
        let now = other.now;
        other.ends[1].abort(now, "enough");
        assert_eq!(answers(&mut other), 0);
        assert!(other.ends[1].is_closed());
    }
}
