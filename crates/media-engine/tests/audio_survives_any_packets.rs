//! Whatever packets come in whatever order and time: 10 ms come out of each call, what waits is bounded, and once packets
//! come as they should, sound is back.

mod jitter_support;

use std::time::{Duration, Instant};

use jitter_support::{Pcm16, packet, tone};
use peerage_media::audio::AudioBlock;
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig};
use proptest::prelude::*;

const RATE: u32 = 8_000;

#[derive(Clone, Debug)]
enum Step {
    /// A packet, so far from the last one in time and sequence, of so many samples.
    Packet {
        timestamp: i32,
        sequence: i8,
        frames: usize,
        redundant: bool,
    },
    Listen,
    Wait(u64),
    Target(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0usize..3, -3i8..4, any::<bool>()).prop_map(|(frames, sequence, redundant)| {
            Step::Packet { timestamp: 160, sequence, frames: frames * 80, redundant }
        }),
        1 => (any::<i32>(), any::<i8>(), 0usize..3_000).prop_map(|(timestamp, sequence, frames)| {
            Step::Packet { timestamp, sequence, frames, redundant: false }
        }),
        16 => Just(Step::Listen),
        1 => (0u64..3_000).prop_map(Step::Wait),
        1 => (0u64..5_000).prop_map(Step::Target),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn sound_comes_back(steps in proptest::collection::vec(step(), 0..400), base in any::<u32>()) {
        let mut config = JitterConfig::new(RATE);
        config.max_packets = 50;
        let mut buffer = JitterBuffer::new(config, Box::new(Pcm16 { rate: RATE }));
        let mut now = Instant::now();
        let mut block = AudioBlock::default();
        let (mut timestamp, mut sequence) = (base, 1_000u64);
        for step in steps {
            match step {
                Step::Packet { timestamp: by, sequence: on, frames, redundant } => {
                    timestamp = timestamp.wrapping_add(by as u32);
                    sequence = sequence.wrapping_add_signed(i64::from(on));
                    let mut made = packet(RATE, 0, |_| 0.1);
                    made.payload = vec![1; frames * 2].into();
                    (made.timestamp, made.sequence, made.redundant) = (timestamp, sequence, redundant);
                    buffer.insert(now, made);
                }
                Step::Listen => {
                    buffer.get_audio(now, &mut block);
                    prop_assert_eq!(block.frames(), 80);
                    now += Duration::from_millis(10);
                }
                Step::Wait(millis) => now += Duration::from_millis(millis),
                Step::Target(millis) => buffer.set_target(Duration::from_millis(millis)),
            }
            prop_assert!(buffer.packets() <= 50);
        }
        buffer.set_target(Duration::ZERO);
        // A sender that does what it should, wherever it begins: after some seconds it is heard, all of it.
        let sound = tone(RATE, 200.0);
        let mut loud = 0;
        for index in 0..1_000u64 {
            let mut made = packet(RATE, index, &sound);
            made.timestamp = made.timestamp.wrapping_add(timestamp).wrapping_add(1_000_000);
            made.sequence += 1_000_000;
            buffer.insert(now, made);
            for _ in 0..2 {
                buffer.get_audio(now, &mut block);
                let peak = block.samples().iter().fold(0.0f32, |peak, s| peak.max(s.abs()));
                loud += u32::from(index >= 900 && peak > 0.3);
                now += Duration::from_millis(10);
            }
        }
        prop_assert!(loud >= 195, "{} of 200 blocks: {:?}", loud, buffer.statistics());
        prop_assert!(buffer.packets() < 30, "{} packets", buffer.packets());
    }
}
