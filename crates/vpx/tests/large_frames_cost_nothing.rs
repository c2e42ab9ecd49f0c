//! Frames that say they are larger than is allowed are refused, wherever they are, and no memory stays behind.
#![cfg(feature = "libvpx")]

use peerage_vpx::{Codec, Decoder, Encoder, EncoderConfig, Error, Flags, Planes};

const LIMIT: u32 = 320 * 240;

/// A keyframe of 64x48.
fn small() -> Vec<u8> {
    let config = EncoderConfig {
        width: 64,
        height: 48,
        threads: 1,
        temporal_layers: 1,
        spatial_layers: 1,
        rates: [[200; 3]; 3],
        drop_frame_threshold: 0,
        min_quantizer: 2,
        max_quantizer: 52,
        undershoot: 50,
        overshoot: 50,
        buffer: 1_000,
        buffer_initial: 500,
        buffer_optimal: 600,
        error_resilient: false,
        speed: 7,
        max_intra_percent: 300,
        static_threshold: 0,
        noise_sensitivity: 0,
        screen: false,
    };
    let mut encoder = Encoder::new(Codec::Vp9, config).unwrap();
    let (luma, chroma) = (vec![100; 64 * 48], vec![128; 32 * 24]);
    let planes = Planes { y: &luma, u: &chroma, v: &chroma };
    let mut out = Vec::new();
    encoder.encode(planes, 0, 3_000, Flags::default(), &mut out).unwrap();
    out.remove(0).data
}

/// The beginning of a keyframe of 16384x16384, and zeros.
fn large() -> Vec<u8> {
    // Marker, profile, no existing frame, keyframe, shown; sync code; colours; sizes.
    let size = format!("{0:016b}{0:016b}", 16_383);
    let bits = format!("10000010{:024b}0010{size}0000", 0x49_83_42);
    let bytes = bits.as_bytes().chunks(8);
    let mut frame: Vec<u8> = bytes
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    frame.resize(60, 0);
    frame
}

/// Kibibytes that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

#[test]
fn a_large_frame_behind_a_small_one_is_refused() {
    let mut decoder = Decoder::new(Codec::Vp9, 1, LIMIT).unwrap();
    let (small, large) = (small(), large());
    assert!(decoder.decode(&small).unwrap().is_some());
    let before = resident();

    // In a superframe.
    let marker = 0b1100_1001;
    let mut superframe = [&small[..], &large].concat();
    superframe.push(marker);
    for size in [small.len(), large.len()] {
        superframe.extend((size as u16).to_le_bytes());
    }
    superframe.push(marker);
    let refused = decoder.decode(&superframe).unwrap_err();
    assert!(matches!(refused, Error::TooLarge { width: 16_384, .. }), "{refused}");

    // One behind the other without an index, where only libvpx sees where the first ends.
    for _ in 0..3 {
        assert!(decoder.decode(&[&small[..], &large].concat()).is_err());
        let grown = resident().saturating_sub(before);
        assert!(grown < 64 << 10, "{grown} KiB stay behind");
    }
    assert!(decoder.decode(&small).unwrap().is_some(), "it goes on from a keyframe");
}
