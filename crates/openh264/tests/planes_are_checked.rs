//! What implements `YUVSource` may say anything: the library, which reads by pointers, must not believe it.
#![cfg(feature = "source")]

use std::cell::Cell;

use peerage_openh264::RunningEncoder;
use peerage_openh264::openh264::encoder::EncoderConfig;
use peerage_openh264::openh264::formats::{YUVBuffer, YUVSource};

struct Lies {
    strides: (usize, usize, usize),
    luma: Vec<u8>,
    chroma: Vec<u8>,
    /// Luma is given out once.
    asked: Cell<bool>,
}

impl YUVSource for Lies {
    fn dimensions(&self) -> (usize, usize) {
        (64, 48)
    }

    fn strides(&self) -> (usize, usize, usize) {
        self.strides
    }

    fn y(&self) -> &[u8] {
        if self.asked.replace(true) { &[] } else { &self.luma }
    }

    fn u(&self) -> &[u8] {
        &self.chroma
    }

    fn v(&self) -> &[u8] {
        &self.chroma
    }
}

#[test]
fn planes_that_are_too_short_are_refused() {
    let mut encoder = RunningEncoder::new(EncoderConfig::new(), 500_000).unwrap();
    let mut out = Vec::new();
    let whole = Lies {
        strides: (64, 32, 32),
        luma: vec![16; 64 * 48],
        chroma: vec![128; 32 * 24],
        asked: Cell::new(false),
    };
    // Asked once, what was given is what is used.
    encoder.encode(&whole, 0, &mut out).unwrap();
    assert!(!out.is_empty());
    for (strides, luma, chroma) in [
        ((64, 32, 32), 64 * 48 - 1, 32 * 24),
        ((64, 32, 32), 64 * 48, 32 * 24 - 1),
        ((65, 32, 32), 64 * 48, 32 * 24),
        ((63, 32, 32), 64 * 48, 32 * 24),
        ((usize::MAX, 32, 32), 64 * 48, 32 * 24),
        ((0, 0, 0), 0, 0),
    ] {
        let lies = Lies {
            strides,
            luma: vec![16; luma],
            chroma: vec![128; chroma],
            asked: Cell::new(false),
        };
        out.clear();
        assert!(encoder.encode(&lies, 33, &mut out).is_err(), "{strides:?} {luma} {chroma}");
        assert!(out.is_empty());
    }
}

#[test]
fn a_rate_outlasts_another_size() {
    let mut encoder = RunningEncoder::new(EncoderConfig::new(), 300_000).unwrap();
    let mut out = Vec::new();
    encoder.encode(&YUVBuffer::new(64, 48), 0, &mut out).unwrap();
    assert!(encoder.set_rate(2_000_000, 30.0));
    encoder.encode(&YUVBuffer::new(128, 96), 33, &mut out).unwrap();
    // Below what it was, above what the encoder began anew with.
    assert!(encoder.set_rate(1_000_000, 30.0));
    assert!(encoder.set_rate(3_000_000, 30.0));
}
