//! A peer inside DTLS may still be hostile: nothing it sends panics, ends the connection of an honest pair, or makes memory
//! grow beyond the window.

mod support;

use peerage_sctp::{Association, Config, Event};
use std::time::Duration;
use support::{Link, Pair, message};

/// An established pair with plain DATA, whose first end's packets we can imitate.
struct Attack {
    pair: Pair,
    header: Vec<u8>,
    next_tsn: u32,
}

impl Attack {
    fn new(interleaving: bool) -> Self {
        let config = Config {
            interleaving,
            zero_checksum: true,
            max_message_size: 20_000,
            receive_window: 200_000,
            heartbeat_interval: None,
            ..Config::default()
        };
        let mut pair = Pair::connected(1, [config.clone(), config], [Link::default(); 2]);
        pair.send(0, 0, message(0, 100));
        let seen = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let sink = seen.clone();
        pair.filter = Some(Box::new(move |from, packet| {
            if from == 0 {
                *sink.borrow_mut() = packet.to_vec();
            }
            true
        }));
        // Its last packet carries the DATA: common header, chunk header, TSN.
        pair.drain();
        pair.filter = None;
        let packet = seen.borrow().clone();
        pair.run_for(Duration::from_secs(1));
        let at = packet.len() - 100 - if interleaving { 20 } else { 16 };
        let tsn =
            u32::from_be_bytes([packet[at + 4], packet[at + 5], packet[at + 6], packet[at + 7]]);
        let mut header = packet[..8].to_vec();
        // Zero checksum spares us the CRC.
        header.extend_from_slice(&[0; 4]);
        assert_eq!(pair.messages(1).count(), 1);
        Self { pair, header, next_tsn: tsn.wrapping_add(1) }
    }

    fn inject(&mut self, chunks: &[u8]) {
        let mut packet = self.header.clone();
        packet.extend_from_slice(chunks);
        let now = self.pair.now;
        self.pair.ends[1].handle_input(now, &packet).unwrap();
    }

    fn held(&self) -> usize {
        self.pair.ends[1].statistics().receive_buffered
    }

    fn data(tsn: u32, stream: u16, ssn: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut chunk = vec![0, flags];
        chunk.extend_from_slice(&(16 + payload.len() as u16).to_be_bytes());
        chunk.extend_from_slice(&tsn.to_be_bytes());
        chunk.extend_from_slice(&stream.to_be_bytes());
        chunk.extend_from_slice(&ssn.to_be_bytes());
        chunk.extend_from_slice(&[0, 0, 0, 53]);
        chunk.extend_from_slice(payload);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    fn i_data(tsn: u32, stream: u16, mid: u32, fsn: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut chunk = vec![64, flags];
        chunk.extend_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        chunk.extend_from_slice(&tsn.to_be_bytes());
        chunk.extend_from_slice(&stream.to_be_bytes());
        chunk.extend_from_slice(&[0, 0]);
        chunk.extend_from_slice(&mid.to_be_bytes());
        chunk.extend_from_slice(&fsn.to_be_bytes());
        chunk.extend_from_slice(payload);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    /// RE-CONFIG with an Outgoing SSN Reset Request (RFC 6525 §4.1).
    fn reset(request: u32, last_tsn: u32, streams: std::ops::Range<u16>) -> Vec<u8> {
        let length = 16 + 2 * streams.len() as u16;
        let mut chunk = vec![130, 0];
        chunk.extend_from_slice(&(4 + length).to_be_bytes());
        chunk.extend_from_slice(&[0, 13]);
        chunk.extend_from_slice(&length.to_be_bytes());
        chunk.extend_from_slice(&request.to_be_bytes());
        chunk.extend_from_slice(&[0; 4]);
        chunk.extend_from_slice(&last_tsn.to_be_bytes());
        for stream in streams {
            chunk.extend_from_slice(&stream.to_be_bytes());
        }
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    /// The association must still serve the honest end.
    fn still_works(mut self) {
        assert!(self.pair.ends[1].is_established());
        self.pair.send(1, 3, message(7, 5_000));
        self.pair.run_until(Duration::from_secs(30), |pair| pair.messages(0).count() == 1);
    }
}

const BEGIN: u8 = 2;
const END: u8 = 1;
const UNORDERED: u8 = 4;
/// The window, one message, and bookkeeping.
const LIMIT: usize = 200_000 + 20_000 + 2_000;

#[test]
fn tsns_far_ahead_are_refused() {
    let mut attack = Attack::new(false);
    for ahead in [40_000u32, 65_536, 1 << 20, 1 << 30, u32::MAX / 2 - 1] {
        let tsn = attack.next_tsn.wrapping_add(ahead);
        attack.inject(&Attack::data(tsn, 1, 0, BEGIN | END, b"far"));
    }
    // Only the one that a gap block can name was taken, and it was delivered to nobody in front of what it waits for.
    assert_eq!(attack.pair.ends[1].statistics().data_refused, 4);
    attack.still_works();
}

#[test]
fn every_other_fragment_fills_the_window_and_no_more() {
    for interleaving in [false, true] {
        let mut attack = Attack::new(interleaving);
        for n in 0..60_000u32 {
            let tsn = attack.next_tsn.wrapping_add(2 * n + 1);
            let chunk = if interleaving {
                Attack::i_data(tsn, (n % 60_000) as u16, n, 5, 0, b"x")
            } else {
                Attack::data(tsn, (n % 60_000) as u16, 9, 0, b"x")
            };
            attack.inject(&chunk);
            assert!(attack.held() <= LIMIT, "{}", attack.held());
        }
        assert!(attack.held() > 100_000, "the window was not even filled: {}", attack.held());
        attack.still_works();
    }
}

#[test]
fn messages_that_never_end_stop_at_the_limit() {
    for interleaving in [false, true] {
        let mut attack = Attack::new(interleaving);
        let mut tsn = attack.next_tsn;
        for n in 0..40u32 {
            let flags = if n == 0 { BEGIN } else { 0 };
            let chunk = if interleaving {
                // The first carries the PPID where the others carry the FSN.
                Attack::i_data(tsn, 1, 0, if n == 0 { 53 } else { n }, flags, &[1; 1_000])
            } else {
                Attack::data(tsn, 1, 0, flags, &[1; 1_000])
            };
            attack.inject(&chunk);
            tsn = tsn.wrapping_add(1);
        }
        attack.pair.drain();
        // 20,000 bytes are allowed: the association ends, as documented.
        assert!(attack.pair.ends[1].is_closed());
        assert!(
            attack.pair.events[1]
                .iter()
                .any(|event| matches!(event, Event::Aborted { by_peer: false, .. }))
        );
        assert_eq!(attack.held(), 0);
    }
}

#[test]
fn messages_held_back_for_order_fill_the_window_and_no_more() {
    let mut attack = Attack::new(false);
    let mut tsn = attack.next_tsn;
    for n in 0..30_000u32 {
        // Never the one that is next in its stream.
        attack.inject(&Attack::data(
            tsn,
            (n % 500) as u16,
            1 + (n / 500) as u16,
            BEGIN | END,
            &[7; 50],
        ));
        tsn = tsn.wrapping_add(1);
        assert!(attack.held() <= LIMIT, "{}", attack.held());
    }
    attack.still_works();
}

#[test]
fn a_reader_that_stops_stops_the_sender() {
    let config = Config { receive_window: 100_000, max_message_size: 30_000, ..Config::default() };
    let mut pair = Pair::connected(2, [Config::default(), config], [Link::default(); 2]);
    for number in 0..50 {
        pair.send(0, 1, message(number, 20_000));
    }
    // Drive by hand, without fetching events at the receiver.
    let mut packets = 0;
    while pair.now - pair.start < Duration::from_secs(600) {
        let mut busy = true;
        while busy {
            busy = false;
            for from in 0..2 {
                let now = pair.now;
                let mut packet = Vec::new();
                while pair.ends[from].poll_transmit(now, &mut packet).is_some() {
                    pair.ends[1 - from].handle_input(now, &packet).unwrap();
                    packet.clear();
                    packets += 1;
                    busy = true;
                }
            }
        }
        let next = pair.ends.iter().filter_map(Association::poll_timeout).min().unwrap();
        pair.now = pair.now.max(next);
        let now = pair.now;
        pair.ends.iter_mut().for_each(|end| end.handle_timeout(now));
        assert!(pair.ends[1].statistics().receive_buffered <= 100_000 + 30_000 + 2_000);
    }
    // Only probes went out in ten minutes, and the association lives.
    assert!(packets < 500, "{packets}");
    assert!(pair.ends[1].statistics().data_refused > 10);
    assert!(pair.ends[0].is_established());
    // The reader comes back.
    pair.run_until(Duration::from_secs(60), |pair| pair.messages(1).count() == 50);
}

#[test]
fn chunks_of_length_zero_and_nonsense() {
    let mut attack = Attack::new(false);
    attack.inject(&[0, 3, 0, 0]);
    attack.inject(&[3, 0, 0, 3]);
    attack.inject(&[192, 0, 0, 4]);
    attack.inject(&[130, 0, 0, 8, 0, 13, 0, 4]);
    attack.inject(&[0xff; 40]);
    attack.inject(&[7, 0, 0, 4]);
    // A SACK for what was never sent, and one with blocks beyond it.
    attack.inject(&[3, 0, 0, 16, 1, 2, 3, 4, 0, 0, 255, 255, 0, 0, 0, 0]);
    let mut sack = vec![3, 0, 0, 24];
    sack.extend_from_slice(&[0; 8]);
    sack.extend_from_slice(&[0, 2, 0, 0, 0, 2, 255, 255, 255, 255, 0, 1]);
    attack.inject(&sack);
    let statistics = attack.pair.ends[1].statistics();
    assert_eq!(statistics.chunks_discarded + statistics.packets_discarded, 8);
    attack.still_works();
}

#[test]
fn huge_reset_lists_and_wrong_numbers() {
    let mut attack = Attack::new(false);
    // 16,000 streams in one request, with a sequence number nobody expects.
    let mut chunk = vec![130, 0];
    let length = 4 + 16 + 2 * 16_000u16;
    chunk.extend_from_slice(&length.to_be_bytes());
    chunk.extend_from_slice(&[0, 13]);
    chunk.extend_from_slice(&(length - 4).to_be_bytes());
    chunk.extend_from_slice(&[9; 12]);
    for stream in 0..16_000u16 {
        chunk.extend_from_slice(&stream.to_be_bytes());
    }
    for _ in 0..1_000 {
        attack.inject(&chunk);
    }
    attack.pair.drain();
    assert!(
        !attack.pair.events[1]
            .iter()
            .any(|event| matches!(event, Event::IncomingStreamReset { .. }))
    );
    attack.still_works();
}

#[test]
fn forward_tsn_skips_at_most_what_is_missing() {
    let mut attack = Attack::new(false);
    attack.inject(&Attack::data(
        attack.next_tsn.wrapping_add(3),
        1,
        0,
        BEGIN | UNORDERED,
        &[1; 500],
    ));
    assert!(attack.held() > 0);
    let mut forward = vec![192, 0, 0, 12];
    forward.extend_from_slice(&attack.next_tsn.wrapping_add(10).to_be_bytes());
    forward.extend_from_slice(&[0, 1, 0, 9]);
    attack.inject(&forward);
    assert_eq!(attack.held(), 0);
    // The same stream goes on behind what was skipped.
    attack.inject(&Attack::data(
        attack.next_tsn.wrapping_add(11),
        1,
        10,
        BEGIN | END,
        &message(5, 40),
    ));
    attack.pair.drain();
    assert_eq!(attack.pair.messages(1).count(), 2);
    attack.still_works();
}

#[test]
fn replies_do_not_pile_up() {
    let mut attack = Attack::new(false);
    let mut heartbeat = vec![4, 0, 4, 8, 0, 1, 4, 4];
    heartbeat.resize(8 + 1024, 1);
    let mut init = vec![1, 0, 0, 20, 1, 2, 3, 4];
    init.extend_from_slice(&[0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
    let tag = std::mem::take(&mut attack.header);
    for _ in 0..1_000 {
        attack.header = tag.clone();
        attack.inject(&heartbeat);
        attack.inject(&[0x7f, 0, 0, 4]);
        attack.header[4..8].fill(0);
        attack.inject(&init);
    }
    attack.header = tag;
    let now = attack.pair.now;
    let (mut packets, mut bytes) = (0, Vec::new());
    while attack.pair.ends[1].poll_transmit(now, &mut bytes).is_some() {
        packets += 1;
    }
    assert!(packets <= 6, "{packets}");
    assert!(bytes.len() <= 6 * 1191);
    attack.still_works();
}

#[test]
fn a_late_forward_tsn_does_not_skip_what_follows() {
    for interleaving in [false, true] {
        let mut attack = Attack::new(interleaving);
        let old = attack.next_tsn.wrapping_sub(1);
        let mut forward = vec![if interleaving { 194 } else { 192 }, 0];
        if interleaving {
            forward.extend_from_slice(&16u16.to_be_bytes());
            forward.extend_from_slice(&old.to_be_bytes());
            forward.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, 3]);
        } else {
            forward.extend_from_slice(&12u16.to_be_bytes());
            forward.extend_from_slice(&old.to_be_bytes());
            forward.extend_from_slice(&[0, 1, 0, 3]);
        }
        attack.inject(&forward);
        let data = if interleaving {
            Attack::i_data(attack.next_tsn, 1, 0, 53, BEGIN | END, &message(5, 40))
        } else {
            Attack::data(attack.next_tsn, 1, 0, BEGIN | END, &message(5, 40))
        };
        attack.inject(&data);
        attack.pair.drain();
        assert_eq!(attack.pair.messages(1).count(), 2);
        attack.still_works();
    }
}

#[test]
fn resets_nobody_fetches_do_not_pile_up() {
    let mut attack = Attack::new(true);
    let last = attack.next_tsn.wrapping_sub(1);
    for number in 0..10_000u32 {
        let chunk = Attack::reset(last.wrapping_add(number), last, 0..500);
        attack.inject(&chunk);
        let (now, mut packet) = (attack.pair.now, Vec::new());
        while attack.pair.ends[1].poll_transmit(now, &mut packet).is_some() {
            packet.clear();
        }
    }
    let mut named = 0;
    while let Some(event) = attack.pair.ends[1].poll_event() {
        if let Event::IncomingStreamReset { streams } = event {
            named += streams.len();
        }
    }
    assert!((50_000..=66_000).contains(&named), "{named}");
    attack.still_works();
}

#[test]
fn a_reset_asked_for_again_under_a_new_number_is_carried_out_once() {
    let mut attack = Attack::new(false);
    let (tsn, request) = (attack.next_tsn, attack.next_tsn.wrapping_sub(1));
    // Its data is still under way: in progress.
    attack.inject(&Attack::reset(request, tsn, 1..2));
    attack.inject(&Attack::reset(request.wrapping_add(1), tsn, 1..2));
    attack.inject(&Attack::data(tsn, 1, 0, BEGIN | END, &message(1, 40)));
    // Our answer and this question cross, and the stream is in use again.
    attack.inject(&Attack::data(tsn.wrapping_add(1), 1, 0, BEGIN | END, &message(2, 40)));
    attack.inject(&Attack::reset(request.wrapping_add(2), tsn, 1..2));
    attack.inject(&Attack::data(tsn.wrapping_add(2), 1, 1, BEGIN | END, &message(3, 40)));
    attack.pair.drain();
    assert_eq!(attack.pair.messages(1).count(), 4);
    let reset = Event::IncomingStreamReset { streams: vec![peerage_sctp::StreamId(1)] };
    assert_eq!(attack.pair.events[1].iter().filter(|event| **event == reset).count(), 1);
    // The next one is meant.
    attack.inject(&Attack::reset(request.wrapping_add(3), tsn.wrapping_add(2), 1..2));
    attack.pair.drain();
    assert_eq!(attack.pair.events[1].iter().filter(|event| **event == reset).count(), 2);
    attack.still_works();
}

#[test]
fn restarts_do_not_open_the_window_again() {
    let config = Config {
        max_message_size: 20_000,
        receive_window: 200_000,
        heartbeat_interval: None,
        ..Config::default()
    };
    let mut pair = Pair::connected(1, [config.clone(), config.clone()], [Link::default(); 2]);
    pair.paused[0] = true;
    for round in 0..6u8 {
        for number in 0..15 {
            pair.send(1, 1, message(number, 10_000));
        }
        pair.run_for(Duration::from_secs(2));
        assert!(pair.ends[0].statistics().receive_buffered <= LIMIT);
        let now = pair.now;
        pair.ends[1] = Association::new(now, config.clone(), [round + 50; 32]);
        pair.ends[1].connect(now).unwrap();
        pair.run_for(Duration::from_secs(2));
        assert!(pair.ends[1].is_established());
    }
    let mut bytes = 0;
    while let Some(event) = pair.ends[0].poll_event() {
        if let Event::Message { data, .. } = event {
            bytes += data.len();
        }
    }
    assert!((150_000..=LIMIT).contains(&bytes), "{bytes}");
    assert_eq!(pair.ends[0].statistics().receive_buffered, 0);
}

/// RFC 9260 §8.4, item 2: an ABORT anywhere in a packet keeps it from being answered.
#[test]
fn an_ended_association_answers_once_and_never_an_abort() {
    const SACK: [u8; 16] = [3, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0];
    const ABORT: [u8; 4] = [6, 0, 0, 4];
    let mut attack = Attack::new(false);
    let now = attack.pair.now;
    attack.pair.ends[1].abort(now, "enough");
    attack.pair.drain();
    let mut answers_to = |chunks: &[&[u8]]| {
        let before = attack.pair.sent[1];
        attack.inject(&chunks.concat());
        attack.pair.drain();
        attack.pair.sent[1] - before
    };
    assert_eq!(answers_to(&[&SACK]), 1);
    assert_eq!(answers_to(&[&SACK, &SACK, &SACK]), 1);
    for chunks in [&[&SACK[..], &ABORT][..], &[&ABORT, &SACK], &[&SACK, &SACK, &ABORT, &SACK]] {
        assert_eq!(answers_to(chunks), 0, "{chunks:?}");
    }
}
