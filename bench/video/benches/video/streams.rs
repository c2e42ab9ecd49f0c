//! What the jitter buffer for sound takes where one program receives a thousand streams.

use std::time::{Duration, Instant};

use bench_measure::{cpu_time, figure};
use bytes::Bytes;
use peerage_media::audio::AudioBlock;
use peerage_media::audio::jitter::{JitterBuffer, JitterConfig, JitterPacket};
use peerage_media::codec::opus::{OpusDecoder, OpusEncoder, OpusEncoderConfig};
use peerage_media::codec::{AudioEncoder, AudioTarget};

use crate::allocations;
use crate::picture_support::degrade::Chance;

const STREAMS: usize = 1_000;
const RATE: u32 = 48_000;
/// Packets of 20 ms of each stream, the first of which are not measured.
const PACKETS: (usize, usize) = (100, 250);

/// A voice of sorts: a tone that comes and goes, and noise.
fn packets() -> Vec<Bytes> {
    let mut encoder =
        OpusEncoder::new(OpusEncoderConfig::default().with_channels(1)).expect("an encoder");
    let mut target = AudioTarget::default();
    (target.bitrate, target.loss) = (32_000, 0.05);
    encoder.set_target(target).expect("a target");
    let mut chance = Chance::new(2);
    let mut block = AudioBlock::silence(RATE, 1, 960);
    let encode = |number: usize| {
        for (n, sample) in block.samples_mut().iter_mut().enumerate() {
            let t = (number * 960 + n) as f32 / RATE as f32;
            let tone = (std::f32::consts::TAU * (150.0 + 30.0 * (2.0 * t).sin()) * t).sin();
            *sample = 0.2 * tone * (3.0 * t).sin().max(0.0) + 0.005 * chance.normal();
        }
        let mut packet = Vec::new();
        encoder.encode(&block, &mut packet).expect("encoded");
        Bytes::from(packet)
    };
    (0..PACKETS.0 + PACKETS.1).map(encode).collect()
}

pub(crate) fn run() {
    let packets = packets();
    println!("\nSound of {STREAMS} streams, Opus at 48 kHz; 10 ms of one stream");
    println!("{:<40}{:>10}{:>14}{:>12}", "network", "CPU, µs", "allocations", "made up");
    for (name, jitter, lost) in
        [("good", 0, 0.0), ("30 ms of jitter, 2 % lost", 30, 0.02), ("50 ms, 10 % lost", 50, 0.1)]
    {
        let mut buffers: Vec<JitterBuffer> = (0..STREAMS)
            .map(|_| {
                let decoder = OpusDecoder::new(RATE, 1).expect("a decoder");
                JitterBuffer::new(JitterConfig::new(RATE), Box::new(decoder))
            })
            .collect();
        // When each packet comes, in steps of 10 ms, and of which stream it is.
        let mut chance = Chance::new(9);
        let total = packets.len() * 2;
        let mut arrivals = vec![Vec::new(); total + 16];
        for stream in 0..STREAMS {
            for number in 0..packets.len() {
                if chance.uniform() >= lost {
                    let late = chance.uniform() * jitter as f32 / 10.0;
                    arrivals[number * 2 + late as usize].push((stream, number));
                }
            }
        }
        let origin = Instant::now();
        let mut block = AudioBlock::default();
        let mut step = |range: std::ops::Range<usize>| {
            for step in range {
                let now = origin + Duration::from_millis(10 * step as u64);
                for &(stream, number) in &arrivals[step] {
                    let packet = JitterPacket {
                        sequence: number as u64,
                        timestamp: number as u32 * 960,
                        payload: packets[number].clone(),
                        redundant: false,
                        comfort_noise: false,
                    };
                    buffers[stream].insert(now, packet);
                }
                for buffer in &mut buffers {
                    buffer.get_audio(now, &mut block);
                }
            }
        };
        step(0..2 * PACKETS.0);
        let before = allocations::COUNT.get();
        let ((), spent) = cpu_time(|| step(2 * PACKETS.0..total));
        let count = (STREAMS * 2 * PACKETS.1) as f64;
        let taken = (allocations::COUNT.get() - before) as f64 / count;
        let each = spent.as_secs_f64() * 1e6 / count;
        let made_up: f64 = buffers.iter().map(|b| b.statistics().concealed_share()).sum();
        let made_up = made_up / STREAMS as f64 * 100.0;
        println!("{name:<40}{each:>10.2}{taken:>14.4}{made_up:>11.1}%");
        figure(&format!("video/sound of 1,000 streams, {name}/peerage"), each);
    }
}
