//! Fuzz bodies: functions from bytes to nothing that must neither panic nor hang. libFuzzer targets and the unit test below
//! call them.

use crate::packet::abort::Abort;
use crate::packet::cause::describe;
use crate::packet::data::Data;
use crate::packet::error::OperationError;
use crate::packet::forward_tsn::ForwardTsn;
use crate::packet::header::{COMMON_HEADER_LENGTH, CommonHeader, check, seal};
use crate::packet::heartbeat::Heartbeat;
use crate::packet::idata::IData;
use crate::packet::iforward_tsn::IForwardTsn;
use crate::packet::init::Init;
use crate::packet::reconfig::parameters;
use crate::packet::sack::Sack;
use crate::packet::shutdown::parse_shutdown;
use crate::packet::tlv::Chunks;
use crate::{Association, Config, Event, PayloadProtocolId, Reliability, SendOptions, StreamId};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Parses a packet and each chunk as every kind of chunk, whatever it says it is.
pub fn packet(data: &[u8]) {
    let _ = CommonHeader::parse(data);
    let _ = check(data);
    for chunk in Chunks::new(data.get(COMMON_HEADER_LENGTH..).unwrap_or(data)).flatten() {
        let _ = Data::parse(chunk.flags, chunk.value);
        let _ = IData::parse(chunk.flags, chunk.value);
        let _ = Init::parse(false, chunk.value);
        let _ = Init::parse(true, chunk.value);
        if let Ok(sack) = Sack::parse(chunk.value) {
            let _ = sack.gaps().count() + sack.duplicates().count();
        }
        let _ = Heartbeat::parse(false, chunk.value);
        let _ = Abort::parse(chunk.flags, chunk.value);
        let _ = describe(OperationError::parse(chunk.value).causes);
        if let Ok(forward) = ForwardTsn::parse(chunk.value) {
            let _ = forward.streams().count();
        }
        if let Ok(forward) = IForwardTsn::parse(chunk.value) {
            let _ = forward.streams().count();
        }
        let _ = parameters(chunk.value).count();
        let _ = parse_shutdown(chunk.value);
    }
}

/// Reads the input as a script of calls and packets.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn word(&mut self) -> u16 {
        u16::from(self.byte().unwrap_or(0)) << 8 | u16::from(self.byte().unwrap_or(0))
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

fn config(bits: u8) -> Config {
    Config {
        interleaving: bits & 1 != 0,
        zero_checksum: bits & 2 != 0,
        partial_reliability: bits & 4 == 0,
        stream_reset: bits & 8 == 0,
        accept_added_streams: bits & 16 != 0,
        max_message_size: 20_000,
        receive_window: 100_000,
        ..Config::default()
    }
}

/// A connected pair driven by a script: API calls on either end, time, packets lost, repeated, damaged, and chunks made up
/// by a peer that knows the tag.
pub fn association(data: &[u8]) {
    let mut script = Script(data);
    let start = Instant::now();
    let mut now = start;
    let bits = script.byte().unwrap_or(0);
    let mut ends = [
        Association::new(now, config(bits), [1; 32]),
        Association::new(now, config(script.byte().unwrap_or(0)), [2; 32]),
    ];
    let mut wires: [Vec<Vec<u8>>; 2] = [Vec::new(), Vec::new()];
    // The last header seen of each end, so that made-up chunks get past the tag.
    let mut headers: [Option<[u8; COMMON_HEADER_LENGTH]>; 2] = [None, None];
    let mut steps = 0;
    // Most scripts begin with a connection.
    if bits & 0x80 == 0 {
        let _ = ends[0].connect(now);
        let _ = ends[1].connect(now);
        for _ in 0..4 {
            exchange(&mut ends, &mut wires, &mut headers, now);
        }
    }
    while let Some(command) = script.byte() {
        steps += 1;
        if steps > 2_000 {
            break;
        }
        let at = usize::from(command >> 7);
        match command & 0x1f {
            0 => {
                let _ = ends[at].connect(now);
            }
            1..=6 => {
                let length = usize::from(script.word()) % 24_000;
                let shape = script.byte().unwrap_or(0);
                let reliability = match shape >> 6 {
                    0 | 1 => Reliability::Reliable,
                    2 => Reliability::MaxRetransmits(u16::from(shape >> 4 & 3)),
                    _ => Reliability::MaxLifetime(Duration::from_millis(u64::from(shape & 0x3f))),
                };
                let options = SendOptions {
                    ppid: PayloadProtocolId(53),
                    ordered: shape & 8 != 0,
                    reliability,
                };
                let _ = ends[at].send(
                    now,
                    StreamId(u16::from(shape & 7)),
                    options,
                    Bytes::from(vec![shape; length]),
                );
            }
            7 => {
                let streams = [StreamId(script.word() & 7), StreamId(script.word())];
                let _ = ends[at].reset_outgoing_streams(now, &streams);
            }
            8 => ends[at].shutdown(now),
            9 => ends[at].abort(now, "script"),
            10..=12 => now += Duration::from_millis(u64::from(script.word()) % 5_000),
            13 => {
                for end in &mut ends {
                    end.handle_timeout(now);
                }
            }
            14..=18 => exchange(&mut ends, &mut wires, &mut headers, now),
            // Loses or repeats what is on the wire.
            19 => {
                send(&mut ends, &mut wires, &mut headers, now);
                let index = usize::from(script.byte().unwrap_or(0));
                if index < wires[at].len() {
                    wires[at].remove(index);
                }
            }
            20 => {
                if let Some(packet) = wires[at].last().cloned() {
                    wires[at].push(packet);
                }
            }
            // Damages it, checksum made good.
            21 | 22 => {
                send(&mut ends, &mut wires, &mut headers, now);
                let (offset, value) = (usize::from(script.word()), script.byte().unwrap_or(0));
                let packet =
                    wires[at].first_mut().filter(|packet| packet.len() > COMMON_HEADER_LENGTH);
                if let Some(packet) = packet {
                    let offset =
                        COMMON_HEADER_LENGTH + offset % (packet.len() - COMMON_HEADER_LENGTH);
                    packet[offset] = value;
                    packet[8..COMMON_HEADER_LENGTH].fill(0);
                    seal(packet);
                }
            }
            // A chunk of the peer's own making.
            23..=28 => {
                let length = usize::from(script.byte().unwrap_or(0));
                let chunks = script.take(length);
                if let Some(header) = headers[at] {
                    let mut packet = header.to_vec();
                    packet[8..].fill(0);
                    packet.extend_from_slice(chunks);
                    seal(&mut packet);
                    let _ = ends[1 - at].handle_input(now, &packet);
                }
            }
            29 => {
                let length = usize::from(script.byte().unwrap_or(0));
                let _ = ends[at].handle_input(now, script.take(length));
            }
            30 => {
                let length = usize::from(script.byte().unwrap_or(0));
                let _ = ends[at].set_remote_init(script.take(length));
            }
            _ => ends[at].set_stream_priority(StreamId(script.word() & 7), script.word()),
        }
        for end in &mut ends {
            check_invariants(end, now);
        }
    }
}

/// Memory stays within what the configuration allows, and polling comes to an end.
fn check_invariants(end: &mut Association, now: Instant) {
    let statistics = end.statistics();
    // 100,000 of window and one message beyond, with bookkeeping.
    assert!(statistics.receive_buffered <= 100_000 + 20_000 + 2_000, "{statistics:?}");
    let mut events = 0;
    // Now and then the owner asks past the messages first.
    if statistics.packets_received.is_multiple_of(2) {
        while let Some(event) = end.poll_control_event() {
            events += 1;
            assert!(events < 100_000);
            assert!(!matches!(event, Event::Message { .. }));
        }
    }
    while let Some(event) = end.poll_event() {
        events += 1;
        assert!(events < 100_000);
        if let Event::Message { data, .. } = event {
            assert!(data.len() <= 20_000);
        }
    }
    if end.poll_timeout().is_some_and(|at| at <= now) {
        end.handle_timeout(now);
        assert!(end.poll_timeout().is_none_or(|at| at > now), "a timer that does not go away");
    }
}

fn send(
    ends: &mut [Association; 2],
    wires: &mut [Vec<Vec<u8>>; 2],
    headers: &mut [Option<[u8; COMMON_HEADER_LENGTH]>; 2],
    now: Instant,
) {
    for at in 0..2 {
        for _ in 0..5_000 {
            let mut packet = Vec::new();
            if ends[at].poll_transmit(now, &mut packet).is_none() {
                break;
            }
            assert!(packet.len() <= 1191);
            if packet[4..8] != [0; 4] {
                headers[at] = packet.first_chunk().copied();
            }
            if wires[at].len() < 1_000 {
                wires[at].push(packet);
            }
        }
    }
}

fn exchange(
    ends: &mut [Association; 2],
    wires: &mut [Vec<Vec<u8>>; 2],
    headers: &mut [Option<[u8; COMMON_HEADER_LENGTH]>; 2],
    now: Instant,
) {
    send(ends, wires, headers, now);
    for at in 0..2 {
        for packet in std::mem::take(&mut wires[at]) {
            let _ = ends[1 - at].handle_input(now, &packet);
        }
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
mod inputs;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    #[test]
    fn bodies_run() {
        let mut random = Random::new([9; 32]);
        for length in (0..400).chain([2_000; 40]) {
            let mut data: Vec<u8> = (0..length).map(|_| random.next_u64() as u8).collect();
            packet(&data);
            association(&data);
            // And with a connection at the start.
            if let Some(first) = data.first_mut() {
                *first &= 0x7f;
            }
            association(&data);
        }
    }

    #[test]
    fn made_up_chunks() {
        let mut random = Random::new([10; 32]);
        let kinds =
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 64, 130, 192, 194, 63, 127, 191, 255];
        for round in 0..3_000u32 {
            let mut script =
                vec![(round & 0x1f) as u8, (round >> 5 & 0x1f) as u8, 3, 1, 0, 0x40, 14];
            for _ in 0..8 {
                let length = (random.next_u64() % 60) as u8 & !3;
                script.extend_from_slice(&[23 | (random.next_u64() as u8 & 0x80), length + 4]);
                let kind = kinds[random.next_u64() as usize % kinds.len()];
                script.extend_from_slice(&[kind, random.next_u64() as u8, 0, length + 4]);
                // Small numbers reach further than random ones.
                script.extend((0..length).map(|_| {
                    if random.next_u64().is_multiple_of(3) {
                        random.next_u64() as u8
                    } else {
                        (random.next_u64() % 3) as u8
                    }
                }));
                script.push(14);
            }
            association(&script);
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("sctp_association", association);
        inputs::run("sctp_packet", packet);
    }
}
