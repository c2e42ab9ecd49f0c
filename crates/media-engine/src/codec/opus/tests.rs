//! What the traits promise, kept by Opus.

use std::time::Duration;

use super::*;
use crate::audio::AudioBlock;
use crate::codec::{AudioDecoder, AudioEncoder, AudioTarget, Concealment};

fn tone(encoder: &OpusEncoder, start: usize) -> AudioBlock {
    let rate = encoder.rate();
    let frames = (encoder.packet_duration().as_micros() * u128::from(rate) / 1_000_000) as usize;
    let mut block = AudioBlock::silence(rate, encoder.channels(), frames);
    for (n, moment) in block.samples_mut().chunks_exact_mut(encoder.channels()).enumerate() {
        let t = (start + n) as f32 / rate as f32;
        moment.fill(0.3 * (std::f32::consts::TAU * (200.0 + 100.0 * t) * t).sin());
    }
    block
}

fn power(block: &AudioBlock) -> f32 {
    block.samples().iter().map(|s| s * s).sum::<f32>() / block.samples().len() as f32
}

#[test]
fn packets_sound_as_long_as_they_say() {
    for millis in [10, 20, 40, 60, 120] {
        let packet_duration = Duration::from_millis(millis);
        let config = OpusEncoderConfig { packet_duration, channels: 2, ..Default::default() };
        let mut encoder = OpusEncoder::new(config).unwrap();
        let mut decoder = OpusDecoder::new(48_000, 1).unwrap();
        let (mut packet, mut out) = (vec![7, 7], AudioBlock::default());
        for n in 0..10 {
            let block = tone(&encoder, n * 48 * millis as usize);
            packet.truncate(2);
            assert!(encoder.encode(&block, &mut packet).unwrap());
            assert_eq!(packet[..2], [7, 7]);
            assert_eq!(decoder.packet_duration(&packet[2..]), Some(packet_duration));
            decoder.decode(&packet[2..], &mut out).unwrap();
            assert_eq!((out.rate(), out.channels(), out.duration()), (48_000, 1, packet_duration));
        }
        assert!((0.02..0.08).contains(&power(&out)), "{millis}: {}", power(&out));
    }
}

#[test]
fn a_gap_is_filled_by_redundancy_or_a_guess() {
    let mut encoder = OpusEncoder::new(OpusEncoderConfig::default()).unwrap();
    encoder.set_target(AudioTarget { loss: 0.3, ..AudioTarget::default() }).unwrap();
    let mut decoder = OpusDecoder::new(48_000, 2).unwrap();
    assert_eq!(decoder.concealment(), Concealment::Own);
    let mut out = AudioBlock::default();
    let mut packet = Vec::new();
    let mut redundant = 0;
    for n in 0..60 {
        packet.clear();
        encoder.encode(&tone(&encoder, n * 960), &mut packet).unwrap();
        if n % 10 == 9 {
            continue;
        }
        if n % 10 == 0 && n > 0 {
            let missing = Duration::from_millis(20);
            let has = decoder.has_redundancy(&packet);
            assert_eq!(decoder.decode_redundancy(&packet, missing, &mut out).unwrap(), has);
            if !has {
                decoder.conceal(missing, &mut out).unwrap();
            }
            assert_eq!(out.duration(), missing);
            assert!(power(&out) > 0.001, "{n}: {}", power(&out));
            redundant += usize::from(has);
        }
        decoder.decode(&packet, &mut out).unwrap();
    }
    assert!(redundant >= 3, "{redundant}");
    // Any length, not only the steps of the library; and no more than the longest packet.
    decoder.conceal(Duration::from_micros(3_100), &mut out).unwrap();
    assert_eq!((out.frames(), out.channels()), (148, 2));
    decoder.conceal(Duration::ZERO, &mut out).unwrap();
    assert_eq!(out.frames(), 0);
    decoder.conceal(Duration::from_secs(9), &mut out).unwrap();
    assert_eq!(out.duration(), OpusDecoder::MAX_DURATION);
    decoder.reset();
}

#[test]
fn no_packets_are_sent_of_silence() {
    let mut encoder = OpusEncoder::new(OpusEncoderConfig::default()).unwrap();
    encoder.set_target(AudioTarget { dtx: true, ..AudioTarget::default() }).unwrap();
    let silence = AudioBlock::silence(48_000, 1, 960);
    let mut packet = Vec::new();
    let sent = (0..100).filter(|_| {
        packet.clear();
        let needed = encoder.encode(&silence, &mut packet).unwrap();
        assert_eq!(needed, !packet.is_empty());
        needed
    });
    assert!((1..25).contains(&sent.count()));
}

#[test]
fn what_does_not_fit_is_refused() {
    let bad = OpusEncoderConfig { rate: 44_100, ..Default::default() };
    assert!(matches!(OpusEncoder::new(bad), Err(CodecError::Argument { .. })));
    let bad =
        OpusEncoderConfig { packet_duration: Duration::from_millis(30), ..Default::default() };
    assert!(matches!(OpusEncoder::new(bad), Err(CodecError::Argument { .. })));
    assert!(matches!(OpusDecoder::new(48_000, 3), Err(CodecError::Argument { .. })));

    let mut encoder = OpusEncoder::new(OpusEncoderConfig::default()).unwrap();
    let mut packet = Vec::new();
    for block in [
        AudioBlock::silence(48_000, 1, 480),
        AudioBlock::silence(48_000, 2, 960),
        AudioBlock::silence(24_000, 1, 960),
    ] {
        let result = encoder.encode(&block, &mut packet);
        assert!(matches!(result, Err(CodecError::Argument { .. })));
        assert!(packet.is_empty());
    }
    let mut decoder = OpusDecoder::new(48_000, 1).unwrap();
    let mut out = AudioBlock::default();
    for packet in [&[][..], &[3], &[1, 2, 3, 4]] {
        // What was there before does not stay.
        out.reset(48_000, 1, 960);
        assert!(matches!(decoder.decode(packet, &mut out), Err(CodecError::Damaged { .. })));
        assert_eq!(out.frames(), 0);
        assert!(!decoder.has_redundancy(packet));
    }
}

#[cfg(feature = "opus-dred")]
#[test]
fn many_lost_packets_are_in_the_next() {
    let config =
        OpusEncoderConfig { deep_redundancy: Duration::from_secs(1), ..Default::default() };
    let mut encoder = OpusEncoder::new(config).unwrap();
    encoder
        .set_target(AudioTarget { loss: 0.3, bitrate: 48_000, ..AudioTarget::default() })
        .unwrap();
    let mut decoder = OpusDecoder::new(48_000, 1).unwrap();
    decoder.set_complexity(5).unwrap();
    let (mut out, mut packet) = (AudioBlock::default(), Vec::new());
    for n in 0..100 {
        packet.clear();
        encoder.encode(&tone(&encoder, n * 960), &mut packet).unwrap();
        if n < 90 {
            decoder.decode(&packet, &mut out).unwrap();
        }
    }
    let deep = decoder.deep_redundancy(&packet);
    assert!(deep >= Duration::from_millis(180), "{deep:?}");
    for step in (1..=9).rev() {
        let missing = Duration::from_millis(20);
        assert!(decoder.decode_deep_redundancy(missing * step, missing, &mut out).unwrap());
        assert_eq!(out.duration(), missing);
        // A network for speech makes of a tone what it can, on each processor a little else: it is not silence.
        assert!(power(&out) > 1e-4, "{step}: {}", power(&out));
    }
    assert!(!decoder.decode_deep_redundancy(deep * 2, deep, &mut out).unwrap());
    assert_eq!(decoder.deep_redundancy(&[1]), Duration::ZERO);
    assert!(!decoder.decode_deep_redundancy(deep, deep, &mut out).unwrap());
}
