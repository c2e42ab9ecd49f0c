//! Redundancy is played in the place of what was lost, silence is not taken for loss, and a change of the codec or of the
//! timestamps is followed.

mod jitter_support;

use std::time::{Duration, Instant};

use jitter_support::{Pcm16, Random, impurity, packet, tone};
use peerage_media::audio::AudioBlock;
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig, JitterPacket};

const RATE: u32 = 16_000;

struct Ends {
    buffer: JitterBuffer,
    now: Instant,
    block: AudioBlock,
    heard: Vec<f32>,
}

impl Ends {
    fn new() -> Self {
        let buffer = JitterBuffer::new(JitterConfig::new(RATE), Box::new(Pcm16 { rate: RATE }));
        let (block, heard) = (AudioBlock::default(), Vec::new());
        Self { buffer, now: Instant::now(), block, heard }
    }

    fn packet(&mut self, packet: JitterPacket) {
        self.buffer.insert(self.now, packet);
    }

    /// Two blocks, the time of a packet.
    fn listen(&mut self) {
        for _ in 0..2 {
            self.buffer.get_audio(self.now, &mut self.block);
            self.heard.extend_from_slice(self.block.samples());
            self.now += AudioBlock::DURATION;
        }
    }
}

#[test]
fn a_frame_that_was_lost_is_played_from_the_next_packet() {
    let sound = tone(RATE, 200.0);
    let mut ends = Ends::new();
    let mut random = Random(8);
    let mut before_lost = false;
    let mut both_lost = 0;
    for index in 0..3_000 {
        let lost = random.next() < 0.2;
        both_lost += u64::from(lost && before_lost);
        if !lost {
            if index > 0 {
                let mut copy = packet(RATE, index - 1, &sound);
                (copy.sequence, copy.redundant) = (index, true);
                ends.packet(copy);
            }
            ends.packet(packet(RATE, index, &sound));
        }
        before_lost = lost;
        ends.listen();
    }
    let statistics = ends.buffer.statistics();
    assert!(statistics.redundant_packets_used > 400, "{statistics:?}");
    // Only what both packets with it were lost of is made up; and a little until the delay was found that it takes.
    let most = (both_lost + 25) * u64::from(RATE) / 50;
    assert!(statistics.concealed_samples < most, "{statistics:?}");
    assert_eq!(statistics.packets_discarded, 0, "copies count as packets");
    assert!(statistics.mean_delay() < Duration::from_millis(60), "{statistics:?}");
}

#[test]
fn silence_is_noise_and_no_loss() {
    let sound = tone(RATE, 200.0);
    let mut ends = Ends::new();
    let mut sequence = 0;
    for index in 0..500 {
        // Two seconds of speech, two of silence with a description of the noise every 200 ms: -40 dBov, white.
        let speech = index % 200 < 100;
        if speech || index % 10 == 0 {
            let mut packet = packet(RATE, index, &sound);
            packet.sequence = sequence;
            if !speech {
                (packet.payload, packet.comfort_noise) = (vec![40].into(), true);
            }
            ends.packet(packet);
            sequence += 1;
        }
        ends.listen();
    }
    let statistics = ends.buffer.statistics();
    assert_eq!((statistics.concealed_samples, statistics.packets_discarded), (0, 0));
    let silence = &ends.heard[5 * RATE as usize / 2..7 * RATE as usize / 2];
    let level = (silence.iter().map(|s| s * s).sum::<f32>() / silence.len() as f32).sqrt();
    assert!((0.007..0.014).contains(&level), "{level}");
}

#[test]
fn silence_without_any_description_is_no_loss_once_it_is_over() {
    let sound = tone(RATE, 200.0);
    let mut ends = Ends::new();
    let mut sequence = 0;
    for index in 0..500 {
        if index % 100 < 50 {
            let mut packet = packet(RATE, index, &sound);
            packet.sequence = sequence;
            ends.packet(packet);
            sequence += 1;
        }
        ends.listen();
    }
    let statistics = ends.buffer.statistics();
    assert_eq!(statistics.packets_discarded, 0);
    // Each sentence is heard from its first sample, and the delay does not grow from one to the next.
    assert!(statistics.mean_delay() < Duration::from_millis(60), "{statistics:?}");
}

#[test]
fn a_change_of_codec_is_followed_when_its_packets_are_due() {
    let mut ends = Ends::new();
    for index in 0..300 {
        if index == 150 {
            ends.buffer.set_decoder(RATE, Box::new(Pcm16 { rate: 8_000 }));
        }
        let rate = if index < 150 { RATE } else { 8_000 };
        let mut packet = packet(rate, index, tone(rate, 200.0));
        // The clock goes on at the rate of before.
        packet.timestamp = index as u32 * RATE / 50;
        ends.packet(packet);
        ends.listen();
        let expected = if ends.buffer.rate() == RATE { 160 } else { 80 };
        assert_eq!(ends.block.frames(), expected);
        assert!(index < 160 || ends.buffer.rate() == 8_000);
    }
    let statistics = ends.buffer.statistics();
    assert_eq!((statistics.packets_discarded, statistics.packets_undecodable), (0, 0));
    let settled = &ends.heard[ends.heard.len() - 8_000..];
    assert!(impurity(settled, 8_000, 200.0) < 1e-3);
}

#[test]
fn timestamps_that_wrap_and_jump_are_followed() {
    let sound = tone(RATE, 200.0);
    let mut ends = Ends::new();
    for index in 0..1_000u64 {
        let mut packet = packet(RATE, index, &sound);
        // Wraps after two seconds; jumps after ten.
        packet.timestamp = packet.timestamp.wrapping_add(u32::MAX - 2 * RATE);
        if index >= 500 {
            packet.timestamp = packet.timestamp.wrapping_add(1_234_567_890);
        }
        ends.packet(packet);
        // One that is of nothing known changes nothing.
        if index % 50 == 0 {
            let mut stray = jitter_support::packet(RATE, index, &sound);
            stray.timestamp = stray.timestamp.wrapping_mul(2_654_435_761).wrapping_add(0x4000_0000);
            ends.packet(stray);
        }
        ends.listen();
    }
    let statistics = ends.buffer.statistics();
    assert!(statistics.concealed_samples < u64::from(RATE) / 10, "{statistics:?}");
    assert!(ends.buffer.packets() <= 3);
    assert!(impurity(&ends.heard[18 * RATE as usize..], RATE, 200.0) < 1e-3);
}

#[test]
fn what_waited_longer_than_the_most_is_left_out() {
    let sound = tone(RATE, 200.0);
    let mut config = JitterConfig::new(RATE);
    config.max_delay = Duration::from_millis(500);
    let mut ends = Ends::new();
    ends.buffer = JitterBuffer::new(config, Box::new(Pcm16 { rate: RATE }));
    for index in 0..300 {
        ends.packet(packet(RATE, index, &sound));
        // The device stands still for three seconds.
        if (100..250).contains(&index) {
            ends.now += 2 * AudioBlock::DURATION;
        } else {
            ends.listen();
        }
        if index == 251 {
            assert!(ends.buffer.packets() <= 32, "{} packets", ends.buffer.packets());
        }
    }
    assert!(ends.buffer.statistics().packets_discarded > 100);
}
