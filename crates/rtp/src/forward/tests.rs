//! The joined stream has no seams, whatever its sources do.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::number::{SequenceNumber, SequenceUnwrapper};
use crate::payload::{Depacketizer, FrameInfo, Packetizer, PacketizerOptions, PayloadFormat};

const MS: Duration = Duration::from_millis(1);

fn packet(source: u32, sequence: u64, timestamp: u32, arrival: Instant) -> SourcePacket<'static> {
    SourcePacket { source, sequence, timestamp, payload: b"media", arrival }
}

#[test]
fn nonsense_of_a_source_whose_turn_is_over_moves_nothing() {
    let start = Instant::now();
    let mut rewriter = StreamRewriter::new(PayloadFormat::Vp8, 90_000);
    let keyframe: &[u8] = &[0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
    let packet =
        |source, sequence, payload| SourcePacket { payload, ..packet(source, sequence, 0, start) };
    rewriter.switch_to(1);
    let first = rewriter.forward(&packet(1, 100, keyframe)).unwrap().sequence;
    rewriter.switch_to(2);
    assert_eq!(rewriter.forward(&packet(2, 500, keyframe)).unwrap().sequence, first + 1);
    // Its descriptor ends before it should (RFC 7741 §4.2).
    assert_eq!(rewriter.forward(&packet(1, 103, &[0x90])), None);
    assert_eq!(rewriter.forward(&packet(1, 101, keyframe)), None, "its place is another's");
    assert_eq!(rewriter.forward(&packet(2, 501, keyframe)).unwrap().sequence, first + 2);
}

#[test]
fn what_is_lost_leaves_a_gap_and_what_is_left_out_does_not() {
    let start = Instant::now();
    let mut rewriter = StreamRewriter::new(PayloadFormat::Opus, 48_000);
    rewriter.switch_to(1);
    let mut send = |n: u64| rewriter.forward(&packet(1, n, 0, start)).map(|out| out.sequence);
    let first = send(65_530).unwrap();
    assert_eq!(send(65_531), Some(first + 1));
    assert_eq!(send(65_531), None, "a duplicate");
    assert_eq!(send(65_534), Some(first + 4), "two are missing");
    assert_eq!(rewriter.skip(&packet(1, 65_535, 0, start)), None);
    let mut send = |n: u64| rewriter.forward(&packet(1, n, 0, start)).map(|out| out.sequence);
    assert_eq!(send(65_536), Some(first + 5), "closed up");
    assert_eq!(send(65_535), None, "it was left out");
    assert_eq!(send(65_533), Some(first + 3), "late");
    assert_eq!(rewriter.skip(&packet(1, 65_532, 0, start)), Some(first + 2), "it stays empty");
    assert_eq!(rewriter.skip(&packet(1, 65_532, 0, start)), None);
    assert_eq!(rewriter.source_of(first + 5), Some((1, 65_536)));
    assert_eq!(rewriter.source_of(first + 4), Some((1, 65_534)));
    assert_eq!(rewriter.source_of(first + 6), None);
}

#[test]
fn a_source_goes_on_where_the_one_before_ended() {
    let start = Instant::now();
    let mut rewriter = StreamRewriter::new(PayloadFormat::Opus, 48_000);
    rewriter.switch_to(1);
    let a = rewriter.forward(&packet(1, 70_000, u32::MAX - 10, start)).unwrap();
    rewriter.switch_to(2);
    assert_eq!(rewriter.forward(&packet(3, 5, 5, start)), None, "it is not its turn");
    let late = rewriter.forward(&packet(1, 70_002, 950, start)).unwrap();
    assert_eq!(late.sequence, a.sequence + 2);
    let b = rewriter.forward(&packet(2, 900_000, 77, start + 20 * MS)).unwrap();
    assert_eq!(b.sequence, a.sequence + 3);
    assert_eq!(b.timestamp, 950 + 960);
    assert_eq!(rewriter.source(), Some(2));
    let missing = rewriter.forward(&packet(1, 70_001, 949, start + 21 * MS)).unwrap();
    assert_eq!(missing.sequence, a.sequence + 1, "late, but in its place");
    assert_eq!(rewriter.forward(&packet(1, 70_003, 1_910, start + 21 * MS)), None);
    assert_eq!(rewriter.forward(&packet(2, 899_999, 77, start)), None, "before its turn");
    assert_eq!(rewriter.source_of(a.sequence + 1), Some((1, 70_001)));
    // And back again, at the same moment: the timestamp moves all the same.
    rewriter.switch_to(1);
    let c = rewriter.forward(&packet(1, 70_010, 3_000, start + 20 * MS)).unwrap();
    assert_eq!((c.sequence, c.timestamp), (b.sequence + 1, b.timestamp + 1));
}

#[test]
fn a_hostile_jump_uses_no_numbers_up() {
    let start = Instant::now();
    let mut rewriter = StreamRewriter::new(PayloadFormat::Opus, 48_000);
    rewriter.switch_to(1);
    let first = rewriter.forward(&packet(1, 1 << 20, 0, start)).unwrap().sequence;
    let mut at = 1 << 20;
    for jump in 1..200_000 {
        at += 600 + jump % 32_000;
        let out = rewriter.forward(&packet(1, at, 0, start)).unwrap();
        assert_eq!(out.sequence, first + 2 * jump);
    }
    assert_eq!(rewriter.forward(&packet(1, at - 100, 0, start)), None);
    assert!(rewriter.forward(&packet(1, at + (1 << 40), 0, start)).is_some());
}

/// Pictures of VP8 with two temporal layers, each in two packets.
fn film(pictures: usize, first_id: u16, first_tl0: u8) -> Vec<Vec<u8>> {
    let options = PacketizerOptions {
        picture_id: first_id,
        tl0_picture_index: first_tl0,
        ..PacketizerOptions::default()
    };
    let mut packetizer = Packetizer::new(PayloadFormat::Vp8, options);
    let mut payloads = Vec::new();
    for picture in 0..pictures {
        let mut frame = vec![0x11; 150];
        if picture == 0 {
            frame[..10].copy_from_slice(&[0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0]);
        }
        let layer = (picture % 2) as u8;
        let info = FrameInfo { temporal_layer: Some(layer), ..FrameInfo::default() };
        packetizer
            .packetize(&frame, &info, 100, &mut |parts, _| payloads.push(parts.concat()))
            .unwrap();
    }
    payloads
}

/// What a receiver reads: picture id, TL0PICIDX.
fn running_numbers(payload: &[u8], prefix: &PayloadPrefix) -> (u16, u8) {
    let joined = [&prefix[..], &payload[prefix.len()..]].concat();
    let read = Depacketizer::new(PayloadFormat::Vp8).read(&joined).unwrap();
    (read.picture_id.unwrap().value, read.tl0_picture_index.unwrap())
}

#[test]
fn picture_ids_go_on_over_layers_left_out_and_sources_switched() {
    let start = Instant::now();
    let mut rewriter = StreamRewriter::new(PayloadFormat::Vp8, 90_000);
    let reader = Depacketizer::new(PayloadFormat::Vp8);
    let mut seen = Vec::new();
    // The first wraps after two pictures; each counts for itself.
    for (source, first_id, first_tl0) in [(1, 0x7FFE, 250), (2, 77, 3), (1, 5_000, 100)] {
        rewriter.switch_to(source);
        for (index, payload) in film(20, first_id, first_tl0).iter().enumerate() {
            let sequence = 100_000 * u64::from(source) * u64::from(first_id) + index as u64;
            let packet = SourcePacket {
                source,
                sequence,
                timestamp: 3_000 * (index as u32 / 2),
                payload,
                arrival: start,
            };
            // The upper layer goes for a while.
            let upper = reader.read(payload).unwrap().temporal_layer == Some(1);
            if upper && index > 20 {
                assert_eq!(rewriter.skip(&packet), None);
                continue;
            }
            let out = rewriter.forward(&packet).unwrap();
            seen.push((out.sequence, running_numbers(payload, &out.prefix)));
        }
    }
    for pair in seen.chunks(2) {
        assert_eq!(pair[0].1, pair[1].1, "both packets of a picture");
        assert_eq!(pair[0].0 + 1, pair[1].0);
    }
    let pictures: Vec<_> = seen.chunks(2).map(|pair| pair[0]).collect();
    for pair in pictures.windows(2) {
        let ((number, (id, tl0)), (next, (next_id, next_tl0))) = (pair[0], pair[1]);
        assert_eq!(next, number + 2);
        assert_eq!(next_id, (id + 1) & 0x7FFF);
        assert!(next_tl0 == tl0 || next_tl0 == tl0.wrapping_add(1), "{tl0} {next_tl0}");
    }
    assert_eq!(pictures[0].1, (0x7FFE, 251), "the first source keeps its own");
}

#[test]
fn vp9_keeps_its_distances_and_loses_its_jumps() {
    let start = Instant::now();
    let mut rewriter = StreamRewriter::new(PayloadFormat::Vp9, 90_000);
    // I, L, B and E, non-flexible: a picture id of 15 bits, layer indices, TL0PICIDX.
    let payload = |id: u16, tl0: u8| {
        let [high, low] = (0x8000 | id).to_be_bytes();
        vec![0b1010_1100, high, low, 0, tl0, 0x82, 0x49, 0x83, 0x42, 0]
    };
    let mut send = |source: u32, sequence: u64, id: u16, tl0: u8| {
        rewriter.switch_to(source);
        let payload = payload(id, tl0);
        let packet =
            SourcePacket { source, sequence, timestamp: 0, payload: &payload, arrival: start };
        let out = rewriter.forward(&packet).unwrap();
        let joined = [&out.prefix[..], &payload[out.prefix.len()..]].concat();
        let read = Depacketizer::new(PayloadFormat::Vp9).read(&joined).unwrap();
        (read.picture_id.unwrap().value, read.tl0_picture_index.unwrap())
    };
    assert_eq!(send(1, 10, 0x7FFF, 255), (0x7FFF, 255));
    assert_eq!(send(1, 12, 1, 0), (1, 0), "one is lost, and its id with it");
    assert_eq!(send(2, 500, 999, 50), (2, 1));
    assert_eq!(send(2, 501, 1_000, 51), (3, 2));
}

#[test]
fn a_layer_changes_at_its_keyframe_though_that_comes_in_pieces_and_late() {
    let start = Instant::now();
    let mut selector = SimulcastSelector::new();
    selector.set_target(0);
    assert_eq!(selector.poll_keyframe_request(start), Some(0));
    assert_eq!(selector.poll_keyframe_request(start + 100 * MS), None);
    assert_eq!(selector.poll_keyframe_request(start + 600 * MS), Some(0));
    selector.insert(0, 10, true, "a10");
    selector.insert(0, 11, false, "a11");
    selector.insert(1, 4, true, "nobody wants it");
    let drain = |selector: &mut SimulcastSelector<&'static str>| {
        std::iter::from_fn(|| selector.poll()).map(|s| (s.packet, s.switched)).collect::<Vec<_>>()
    };
    assert_eq!(drain(&mut selector), [("a10", true), ("a11", false)]);
    selector.set_target(1);
    assert_eq!(selector.poll_keyframe_request(start + 700 * MS), Some(1));
    selector.insert(1, 7, false, "before the keyframe");
    // The keyframe's first packet, number 8, is lost, and sent again.
    selector.insert(1, 9, false, "b9");
    selector.insert(0, 12, false, "a12");
    selector.insert(1, 10, false, "b10");
    assert_eq!(drain(&mut selector), [("a12", false)]);
    assert_eq!((selector.current(), selector.target()), (Some(0), Some(1)));
    selector.insert(1, 8, true, "b8");
    selector.insert(0, 13, false, "a13");
    assert_eq!(drain(&mut selector), [("b8", true), ("b9", false), ("b10", false)]);
    assert_eq!((selector.current(), selector.target()), (Some(1), None));
    assert_eq!(selector.poll_keyframe_request(start + 900 * MS), None);
    // Held packets and those that nobody fetches are bounded.
    selector.set_target(0);
    for n in 0..100_000 {
        selector.insert(0, n, false, "");
        selector.insert(1, n, false, "");
    }
    selector.insert(0, 50, true, "");
    assert!(drain(&mut selector).len() < 2_000);
}

/// What happens to one packet.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Comes,
    ComesTwice,
    ComesLate(usize),
    Lost,
    LeftOut,
    LeftOutLate(usize),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Comes),
        1 => Just(Fate::ComesTwice),
        2 => (1_usize..40).prop_map(Fate::ComesLate),
        1 => Just(Fate::Lost),
        2 => Just(Fate::LeftOut),
        1 => (1_usize..10).prop_map(Fate::LeftOutLate),
    ]
}

/// A packet's number before and after, its timestamp before and after.
type Passage = (u64, u64, u32, u32);

proptest! {
    /// Any interleaving of sources, loss and reordering: no number twice, the order of each turn kept, one timestamp a
    /// frame that never runs back, and requests find what was sent.
    #[test]
    fn the_joined_stream_has_no_seams(
        steps in prop::collection::vec((0_u32..3, fate(), 0_u32..20), 1..400),
        switches in prop::collection::vec((0_usize..400, 0_u32..3), 1..8),
        starts in any::<[(u16, u32); 3]>(),
    ) {
        let start = Instant::now();
        let mut rewriter = StreamRewriter::new(PayloadFormat::Opus, 48_000);
        let mut unwrappers = [SequenceUnwrapper::default(); 3];
        let mut next = starts;
        // When it comes, in steps; whether it is left out.
        let mut wire: BTreeMap<(usize, usize), (u32, u16, u32, bool)> = BTreeMap::new();
        for (index, (source, fate, pace)) in steps.iter().enumerate() {
            let (sequence, timestamp) = &mut next[*source as usize];
            let mut put = |delay: usize, copy: usize, left_out| {
                wire.insert((index + delay, 2 * index + copy), (*source, *sequence, *timestamp, left_out));
            };
            match fate {
                Fate::Comes => put(0, 0, false),
                Fate::ComesTwice => { put(0, 0, false); put(3, 1, false); }
                Fate::ComesLate(delay) => put(*delay, 0, false),
                Fate::Lost => {}
                Fate::LeftOut => put(0, 0, true),
                Fate::LeftOutLate(delay) => put(*delay, 0, true),
            }
            *sequence = sequence.wrapping_add(1);
            // Several packets have one timestamp.
            if index % 3 == 0 {
                *timestamp = timestamp.wrapping_add(480 * (1 + pace));
            }
        }
        let mut used: HashMap<u64, (u32, u64)> = HashMap::new();
        // Of each turn: what went in and came out.
        let mut turns: Vec<(u32, Vec<Passage>)> = Vec::new();
        let (mut at, mut newest) = (start, None::<u32>);
        rewriter.switch_to(switches[0].1);
        for ((step, _), (source, number, timestamp, left_out)) in wire {
            at += MS;
            for (_, to) in switches.iter().filter(|(when, _)| *when == step) {
                rewriter.switch_to(*to);
            }
            let sequence = unwrappers[source as usize].unwrap(SequenceNumber(number));
            let packet = SourcePacket { source, sequence, timestamp, payload: b"x", arrival: at };
            if left_out {
                if let Some(out) = rewriter.skip(&packet) {
                    prop_assert!(used.insert(out, (source, sequence)).is_none());
                }
                continue;
            }
            let before = rewriter.source();
            let Some(out) = rewriter.forward(&packet) else { continue };
            prop_assert!(used.insert(out.sequence, (source, sequence)).is_none(), "{}", out.sequence);
            prop_assert_eq!(rewriter.source_of(out.sequence), Some((source, sequence)));
            if rewriter.source() != before {
                if let Some(newest) = newest {
                    prop_assert!(out.timestamp.wrapping_sub(newest) as i32 > 0, "time runs back");
                }
                turns.push((source, Vec::new()));
            }
            let turn = turns.iter_mut().rev().find(|(of, _)| *of == source).unwrap();
            turn.1.push((sequence, out.sequence, timestamp, out.timestamp));
            if newest.is_none_or(|newest| out.timestamp.wrapping_sub(newest) as i32 > 0) {
                newest = Some(out.timestamp);
            }
        }
        let mut ended = 0;
        for (_, mut packets) in turns {
            packets.sort_unstable();
            for pair in packets.windows(2) {
                let ((i1, o1, t1, u1), (i2, o2, t2, u2)) = (pair[0], pair[1]);
                prop_assert!(o2 > o1 && o2 - o1 <= i2 - i1, "{:?}", pair);
                prop_assert_eq!(u2.wrapping_sub(u1), t2.wrapping_sub(t1));
            }
            prop_assert!(packets[0].1 > ended, "turns do not overlap");
            ended = packets[packets.len() - 1].1;
        }
    }
}
