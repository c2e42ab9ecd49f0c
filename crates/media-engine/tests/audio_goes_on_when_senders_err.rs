//! Clocks of senders that jump, stand still or are set back, packets dated wrong, sent twice, too long or too short: each costs what it
//! has to and no more, and is counted as what it is.

mod jitter_support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use jitter_support::{Pcm16, Random, impurity, packet, tone};
use peerage_media::audio::AudioBlock;
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig, JitterPacket, JitterStatistics};
use peerage_media::codec::{AudioDecoder, CodecError};

const RATE: u32 = 16_000;
/// Frames of a packet of 20 ms.
const FRAMES: u32 = RATE / 50;

fn millis(samples: u64) -> u64 {
    samples * 1_000 / u64::from(RATE)
}

fn buffer() -> JitterBuffer {
    JitterBuffer::new(JitterConfig::new(RATE), Box::new(Pcm16 { rate: RATE }))
}

/// Plays packets that come when told, in µs, for so many seconds; `each` is called before each block.
fn play(
    buffer: &mut JitterBuffer,
    mut packets: Vec<(i64, JitterPacket)>,
    seconds: i64,
    mut each: impl FnMut(i64, &mut JitterBuffer),
) -> Vec<f32> {
    packets.sort_by_key(|(arrival, _)| *arrival);
    let origin = Instant::now();
    let at = |micros: i64| origin + Duration::from_micros(micros as u64);
    let mut packets = packets.into_iter().peekable();
    let (mut block, mut heard) = (AudioBlock::default(), Vec::new());
    for now in (0..seconds * 100).map(|call| call * 10_000) {
        while let Some((arrival, packet)) = packets.next_if(|(arrival, _)| *arrival <= now) {
            buffer.insert(at(arrival), packet);
        }
        each(now, buffer);
        buffer.get_audio(at(now), &mut block);
        heard.extend_from_slice(block.samples());
    }
    heard
}

/// A sender's packets with a jitter of 40 ms.
fn sent(
    count: u64,
    mut change: impl FnMut(u64, &mut i64, &mut JitterPacket),
) -> Vec<(i64, JitterPacket)> {
    let (sound, mut random) = (tone(RATE, 200.0), Random(2));
    let one = |index: u64| {
        let mut arrival = index as i64 * 20_000 + 30_000 + (random.next() * 40_000.0) as i64;
        let mut packet = packet(RATE, index, &sound);
        change(index, &mut arrival, &mut packet);
        (arrival, packet)
    };
    (0..count).map(one).collect()
}

/// What was counted from `from` on, in µs, until the end.
fn counted(packets: Vec<(i64, JitterPacket)>, seconds: i64, from: i64) -> JitterStatistics {
    let (mut buffer, mut before) = (buffer(), JitterStatistics::default());
    play(&mut buffer, packets, seconds, |now, buffer| {
        if now == from {
            before = *buffer.statistics();
        }
    });
    let mut counted = *buffer.statistics();
    counted.packets_discarded -= before.packets_discarded;
    counted.concealed_samples -= before.concealed_samples;
    counted.concealment_events -= before.concealment_events;
    counted
}

#[test]
fn a_packet_dated_ahead_mutes_nothing() {
    for ahead in [1_100, 2_200, 3_500, 4_900] {
        let packets = sent(1_500, |index, _, packet| {
            if index == 1_000 {
                packet.timestamp += ahead * RATE / 1_000;
            }
        });
        let counted = counted(packets, 29, 19_000_000);
        assert!(counted.packets_discarded <= 2, "{ahead}: {counted:?}");
        assert!(millis(counted.concealed_samples) < 100, "{ahead}: {counted:?}");
    }
}

#[test]
fn a_clock_that_jumps_is_followed_at_once() {
    for jump in [300, 1_000, 2_000, 60_000, -100, -300, -1_000, -4_900, -60_000] {
        let (mut buffer, mut before) = (buffer(), JitterStatistics::default());
        let packets = sent(1_500, |index, _, packet| {
            if index >= 1_000 {
                let ticks = jump * RATE as i32 / 1_000;
                packet.timestamp = packet.timestamp.wrapping_add_signed(ticks);
            }
        });
        play(&mut buffer, packets, 29, |now, buffer| {
            if now == 19_000_000 {
                before = *buffer.statistics();
            } else if now == 21_200_000 {
                let target = buffer.target_delay();
                assert!(target < Duration::from_millis(70), "{jump}: {target:?}");
            }
        });
        let statistics = buffer.statistics();
        let concealed = millis(statistics.concealed_samples - before.concealed_samples);
        assert!(concealed < 200, "{jump}: {concealed} ms");
        let discarded = statistics.packets_discarded - before.packets_discarded;
        assert!(discarded <= 5, "{jump}: {discarded} discarded");
    }
}

#[test]
fn packets_that_are_really_late_begin_nothing() {
    // A second of packets comes four seconds late, between the others and in order.
    let packets = sent(1_500, |index, arrival, _| {
        if (1_000..1_050).contains(&index) {
            *arrival = index as i64 * 20_000 + 4_030_000;
        }
    });
    let mut buffer = buffer();
    let heard = play(&mut buffer, packets, 29, |_, _| {});
    let statistics = buffer.statistics();
    assert_eq!(statistics.packets_discarded, 50);
    // That second, and nothing of what was played when they came.
    assert!(millis(statistics.concealed_samples) < 1_100, "{statistics:?}");
    assert!(impurity(&heard[22 * RATE as usize..], RATE, 200.0) < 1e-3);
}

#[test]
fn a_clock_that_stood_still_in_a_pause_is_waited_for() {
    for pause in [1_500_000, 2_500_000, 3_500_000, 4_800_000] {
        let packets = sent(1_500, |index, arrival, _| {
            if index >= 1_000 {
                *arrival += pause;
            }
        });
        let resumed = 20_000_000 + pause + 500_000;
        let counted = counted(packets, (29_000_000 + pause) / 1_000_000, resumed);
        let before = counted.concealment_events;
        assert_eq!((counted.packets_discarded, before), (0, 0), "{pause}: {counted:?}");
    }
}

#[test]
fn an_outage_is_no_jitter_to_come() {
    for outage in [1_500_000, 3_000_000] {
        let mut buffer = buffer();
        let packets = sent(1_500, |index, arrival, _| {
            let back = 20_000_000 + outage;
            if (1_000..).contains(&index) && *arrival < back {
                *arrival = back + index as i64;
            }
        });
        play(&mut buffer, packets, 29, |now, buffer| {
            if now == 20_500_000 + outage {
                let target = buffer.target_delay();
                assert!(target < Duration::from_millis(60), "{outage}: {target:?}");
            }
        });
    }
}

#[test]
fn what_is_asked_for_is_no_more_than_there_is_room_for() {
    for (micros, wanted) in [(2_500, 1_000), (2_500, 2_000), (5_000, 2_000), (10_000, 2_000)] {
        let (sound, mut random) = (tone(RATE, 200.0), Random(4));
        let frames = micros as usize * RATE as usize / 1_000_000;
        let packets = (0..30_000_000 / micros).map(|index| {
            let mut packet = packet(RATE, 0, |frame| sound(frame + index as u64 * frames as u64));
            packet.payload.truncate(frames * 2);
            (packet.sequence, packet.timestamp) = (index as u64, index as u32 * frames as u32);
            (index * micros + 30_000 + (random.next() * 5_000.0) as i64, packet)
        });
        let mut buffer = buffer();
        buffer.set_target(Duration::from_millis(wanted));
        let mut before = JitterStatistics::default();
        play(&mut buffer, packets.collect(), 29, |now, buffer| {
            if now == 20_000_000 {
                before = *buffer.statistics();
            }
        });
        let statistics = buffer.statistics();
        let discarded = statistics.packets_discarded - before.packets_discarded;
        assert_eq!(discarded, 0, "{micros} µs, {wanted} ms: {statistics:?}");
        let inserted =
            statistics.inserted_samples_for_deceleration - before.inserted_samples_for_deceleration;
        assert!(millis(inserted) < 20, "{micros} µs, {wanted} ms: {inserted} samples");
        assert!(buffer.packets() > 150, "{} packets", buffer.packets());
    }
}

#[test]
fn duplicates_and_copies_are_not_discarded_packets() {
    for again in [0, 15_000, 500_000] {
        let mut packets = sent(500, |_, _, _| {});
        let copies: Vec<_> =
            packets.iter().map(|(at, packet)| (at + again, packet.clone())).collect();
        packets.extend(copies);
        assert_eq!(counted(packets, 9, 0).packets_discarded, 0, "after {again} µs");
    }
    // A copy of what was before the first packet.
    let mut packets = sent(500, |_, _, packet| packet.timestamp += 10 * FRAMES);
    let mut copy = packets[0].clone();
    copy.0 -= 1;
    (copy.1.timestamp, copy.1.redundant) = (9 * FRAMES, true);
    packets.push(copy);
    assert_eq!(counted(packets, 9, 0).packets_discarded, 0);
}

#[test]
fn copies_dated_wrong_displace_nothing() {
    let packets = sent(1_000, |_, _, _| {});
    let mut with_copies = packets.clone();
    for (index, (arrival, original)) in packets.iter().enumerate().skip(1) {
        // Of the packet before, as it should be at 20 ms.
        let mut copy = packets[index - 1].1.clone();
        copy.timestamp = original.timestamp - FRAMES / 2;
        (copy.sequence, copy.redundant) = (original.sequence, true);
        with_copies.push((*arrival - i64::from(index % 2 == 0), copy));
    }
    let mut buffer = buffer();
    let heard = play(&mut buffer, with_copies, 19, |_, _| {});
    let statistics = buffer.statistics();
    assert_eq!((statistics.redundant_packets_used, statistics.concealed_samples), (0, 0));
    assert!(impurity(&heard[RATE as usize..], RATE, 200.0) < 1e-4);
}

#[test]
fn packets_of_200_milliseconds_are_played() {
    let sound = tone(RATE, 200.0);
    let packets = (0..50u64).map(|index| {
        let payload: Vec<u8> = (index * 10..index * 10 + 10)
            .flat_map(|part| packet(RATE, part, &sound).payload)
            .collect();
        let mut long = packet(RATE, index, &sound);
        (long.payload, long.timestamp) = (payload.into(), index as u32 * 10 * FRAMES);
        (index as i64 * 200_000 + 230_000, long)
    });
    let mut buffer = buffer();
    let heard = play(&mut buffer, packets.collect(), 10, |_, _| {});
    let statistics = buffer.statistics();
    assert_eq!((statistics.packets_undecodable, statistics.concealed_samples), (0, 0));
    assert!(impurity(&heard[RATE as usize..], RATE, 200.0) < 1e-3);
}

#[test]
fn time_goes_on_in_silence() {
    let mut packets = sent(100, |_, _, _| {});
    let mut noise = packets[99].clone();
    noise.0 += 40_000;
    (noise.1.sequence, noise.1.timestamp) = (100, 100 * FRAMES);
    (noise.1.payload, noise.1.comfort_noise) = (vec![40].into(), true);
    packets.push(noise);
    let (mut buffer, mut times) = (buffer(), Vec::new());
    play(&mut buffer, packets, 6, |now, buffer| {
        if now >= 1_000_000 {
            times.push((now, buffer.playout_timestamp().unwrap()));
        }
    });
    let (begin, end) = (times[120], times[420]);
    let went = i64::from(end.1.wrapping_sub(begin.1)) * 1_000_000 / i64::from(RATE);
    assert!((went - (end.0 - begin.0)).abs() <= 20_000, "{went} µs");
    // And no jump where silence begins, but for what stretching does.
    for pair in times.windows(2) {
        let step = pair[1].1.wrapping_sub(pair[0].1);
        assert!((0..=4 * FRAMES).contains(&step), "{step} at {}", pair[1].0);
    }
}

#[test]
fn what_overlaps_is_counted_once() {
    // Packets of 20 ms, each of which has the second half of the one before.
    let packets = sent(500, |index, _, packet| {
        packet.timestamp = index as u32 * FRAMES / 2;
    });
    let packets = packets.into_iter().map(|(at, packet)| (at / 2, packet)).collect();
    let mut buffer = buffer();
    play(&mut buffer, packets, 4, |_, _| {});
    let statistics = buffer.statistics();
    let made = statistics.jitter_buffer_emitted_count
        + statistics.concealed_samples
        + statistics.inserted_samples_for_deceleration;
    let used = statistics.total_samples_received
        + statistics.removed_samples_for_acceleration
        // What waits still.
        + u64::from(RATE) * 60 / 1_000;
    assert!(made <= used, "{made} of {used}: {statistics:?}");
}

#[test]
fn packets_that_overtake_others_at_a_jump_begin_one_timeline() {
    let packets = sent(1_500, |index, arrival, packet| {
        *arrival = index as i64 * 20_000 + 30_000;
        if index >= 1_000 {
            packet.timestamp = packet.timestamp.wrapping_add(1_234_567_890);
        }
        // A998 and A999 come after the first two of the new timeline.
        if (998..1_000).contains(&index) {
            *arrival = 20_000_000 + 55_000 + index as i64;
        }
    });
    let counted = counted(packets, 29, 19_000_000);
    assert!(counted.packets_discarded <= 3, "{counted:?}");
    assert!(millis(counted.concealed_samples) < 100, "{counted:?}");
}

/// Linear samples of 8 bits.
struct Pcm8;

impl AudioDecoder for Pcm8 {
    fn rate(&self) -> u32 {
        8_000
    }
    fn channels(&self) -> usize {
        1
    }
    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        Some(Duration::from_micros(125 * packet.len() as u64))
    }
    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        out.reset(8_000, 1, packet.len());
        for (sample, &byte) in out.samples_mut().iter_mut().zip(packet) {
            *sample = f32::from(byte.cast_signed()) / 128.0;
        }
        Ok(())
    }
    fn reset(&mut self) {}
}

#[test]
fn what_could_not_be_played_in_time_is_counted_as_made_up() {
    let sound = tone(8_000, 200.0);
    // A sample in each, or twenty milliseconds that advance by one sample.
    for length in [1u64, 160] {
        let packets = (0..80_000u64).map(|index| {
            let samples = (index..index + length).map(|at| (sound(at) * 127.0) as i8 as u8);
            let packet = JitterPacket {
                sequence: index,
                timestamp: index as u32,
                payload: samples.collect::<Vec<u8>>().into(),
                redundant: false,
                comfort_noise: false,
            };
            (index as i64 * 125 + 30_000, packet)
        });
        let mut config = JitterConfig::new(8_000);
        config.stretch = false;
        let mut buffer = JitterBuffer::new(config, Box::new(Pcm8));
        play(&mut buffer, packets.collect(), 10, |_, _| {});
        let statistics = buffer.statistics();
        let counted = statistics.jitter_buffer_emitted_count + statistics.concealed_samples;
        let off = counted.abs_diff(statistics.total_samples_received);
        // Before the first packet is nothing.
        assert!(off < 800, "{length}: {off} samples: {statistics:?}");
    }
}

/// Takes packets that begin with its mark.
struct Marked {
    mark: u8,
    others: std::sync::Arc<std::sync::atomic::AtomicU32>,
}

impl AudioDecoder for Marked {
    fn rate(&self) -> u32 {
        8_000
    }
    fn channels(&self) -> usize {
        1
    }
    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        Some(Duration::from_micros(125 * packet.len() as u64))
    }
    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        if packet[0] != self.mark {
            self.others.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
        out.reset(8_000, 1, packet.len());
        Ok(())
    }
    fn reset(&mut self) {}
}

#[test]
fn a_decoder_gets_its_own_packets_only() {
    let others = std::sync::Arc::default();
    let decoder = |mark| Box::new(Marked { mark, others: std::sync::Arc::clone(&others) });
    let mut buffer = JitterBuffer::new(JitterConfig::new(8_000), decoder(1));
    buffer.set_target(Duration::from_millis(200));
    let (mut now, mut block) = (Instant::now(), AudioBlock::default());
    for index in 0..300u64 {
        // The first packets of the new codec are dated before the last ones of the old.
        let mark = if index < 150 { 1 } else { 2 };
        let time = if (150..154).contains(&index) { 2 * index - 156 } else { index };
        if index == 150 {
            buffer.set_decoder(8_000, decoder(2));
        }
        let packet = JitterPacket {
            sequence: index,
            timestamp: time as u32 * 160 + if time < index { 80 } else { 0 },
            payload: Bytes::from(vec![mark; 160]),
            redundant: false,
            comfort_noise: false,
        };
        buffer.insert(now, packet);
        for _ in 0..2 {
            buffer.get_audio(now, &mut block);
            now += AudioBlock::DURATION;
        }
    }
    assert_eq!(others.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert!(buffer.statistics().packets_discarded > 0);
}
