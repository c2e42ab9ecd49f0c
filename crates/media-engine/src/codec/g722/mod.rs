//! G.722 (ITU-T G.722, RFC 3551 §4.5.2): speech of 7 kHz in 64 kbit/s. Two bands, each of differences from a prediction: six
//! bits for the lower, two for the higher. Its RTP clock is 8 kHz although it has 16 thousand samples a second.

mod band;
mod tables;

use std::time::Duration;

use self::band::{Band, Side, saturate};
use self::tables::{Q6, QM2, QM4, QM6, QMF, W_HIGH, W_LOW};
use super::audio::check_block;
use super::{AudioDecoder, AudioEncoder, AudioTarget, CodecError};
use crate::audio::{AudioBlock, pcm};

const CODEC: &str = "G722";
/// Samples a second.
const RATE: u32 = 16_000;

/// The last 24 samples that one of the filters between one signal and two bands goes over. They are kept twice, so that the
/// latest 24 are always side by side.
#[derive(Clone, Debug)]
struct History {
    samples: [i32; 48],
    at: usize,
}

impl History {
    fn new() -> Self {
        Self { samples: [0; 48], at: 0 }
    }

    /// Takes two in, and returns the filter's two sums: over the even places, and over the odd ones with the coefficients the
    /// other way around.
    fn push(&mut self, pair: [i32; 2]) -> (i32, i32) {
        for start in [self.at, self.at + 24] {
            self.samples[start..start + 2].copy_from_slice(&pair);
        }
        self.at = (self.at + 2) % 24;
        let window = &self.samples[self.at..self.at + 24];
        let (mut even, mut odd) = (0, 0);
        for (i, pair) in window.chunks_exact(2).enumerate() {
            even += pair[0] * QMF[i];
            odd += pair[1] * QMF[11 - i];
        }
        (even, odd)
    }
}

/// G.722 at 64 kbit/s, one channel.
#[derive(Clone, Debug)]
pub struct G722Encoder {
    packet_duration: Duration,
    history: History,
    low: Band,
    high: Band,
}

impl G722Encoder {
    /// An encoder of packets of `packet_duration`, whole milliseconds up to 200.
    ///
    /// # Errors
    ///
    /// [`CodecError::Argument`] for another duration.
    pub fn new(packet_duration: Duration) -> Result<Self, CodecError> {
        let whole = packet_duration.subsec_nanos().is_multiple_of(1_000_000);
        if packet_duration.is_zero() || packet_duration > G722Decoder::MAX_DURATION || !whole {
            return Err(CodecError::Argument {
                codec: CODEC,
                what: "the length of a packet",
                value: format!("{packet_duration:?}"),
                expected: "whole milliseconds up to 200".into(),
            });
        }
        let (low, high) = (Band::new(Side::Low), Band::new(Side::High));
        Ok(Self { packet_duration, history: History::new(), low, high })
    }

    fn code(&mut self, pair: [i32; 2]) -> u8 {
        let (even, odd) = self.history.push(pair);
        let (low, high) = ((odd + even) >> 14, (odd - even) >> 14);

        // QUANTL: the first level that the difference is below; codes go down from 31 (negative) and 61 (positive) as the
        // level goes up, but that the two lowest of the negative ones are 63 and 62.
        let difference = saturate(low - self.low.prediction);
        let magnitude = if difference < 0 { !difference } else { difference };
        let level = (1..30)
            .find(|&level| magnitude < (Q6[level] * self.low.scale) >> 12)
            .unwrap_or(30) as u8;
        let low_code = match (difference < 0, level) {
            (true, 1 | 2) => 64 - level,
            (true, level) => 34 - level,
            (false, level) => 62 - level,
        };
        let four = usize::from(low_code >> 2);
        let quantised = (self.low.scale * QM4[four]) >> 15;
        self.low.adapt_scale(Side::Low, W_LOW[four]);
        self.low.update(quantised);

        // QUANTH.
        let difference = saturate(high - self.high.prediction);
        let magnitude = if difference < 0 { !difference } else { difference };
        let outer = magnitude >= (564 * self.high.scale) >> 12;
        let high_code = match (difference < 0, outer) {
            (true, false) => 1,
            (true, true) => 0,
            (false, false) => 3,
            (false, true) => 2,
        };
        let quantised = (self.high.scale * QM2[usize::from(high_code)]) >> 15;
        self.high.adapt_scale(Side::High, W_HIGH[usize::from(high_code)]);
        self.high.update(quantised);
        high_code << 6 | low_code
    }
}

impl AudioEncoder for G722Encoder {
    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        1
    }

    fn packet_duration(&self) -> Duration {
        self.packet_duration
    }

    fn set_target(&mut self, _target: AudioTarget) -> Result<(), CodecError> {
        Ok(())
    }

    fn encode(&mut self, block: &AudioBlock, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        check_block(CODEC, self, block)?;
        out.extend(block.samples().chunks_exact(2).map(|pair| {
            self.code([i32::from(pcm::to_i16(pair[0])), i32::from(pcm::to_i16(pair[1]))])
        }));
        Ok(true)
    }
}

/// G.722 at 64 kbit/s, one channel.
#[derive(Clone, Debug)]
pub struct G722Decoder {
    history: History,
    low: Band,
    high: Band,
}

impl Default for G722Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl G722Decoder {
    /// The longest packet that is taken (RFC 3551 §4.2).
    pub const MAX_DURATION: Duration = Duration::from_millis(200);

    /// A decoder.
    pub fn new() -> Self {
        let (low, high) = (Band::new(Side::Low), Band::new(Side::High));
        Self { history: History::new(), low, high }
    }

    fn pair(&mut self, code: u8) -> [i32; 2] {
        // INVQBL and RECONS with all six bits, LIMIT; INVQAL for the predictor with four.
        let low_code = usize::from(code & 0x3f);
        let low = self.low.prediction + ((self.low.scale * QM6[low_code]) >> 15);
        let low = low.clamp(-16_384, 16_383);
        let quantised = (self.low.scale * QM4[low_code >> 2]) >> 15;
        self.low.adapt_scale(Side::Low, W_LOW[low_code >> 2]);
        self.low.update(quantised);

        // INVQAH, RECONS and LIMIT.
        let high_code = usize::from(code >> 6);
        let quantised = (self.high.scale * QM2[high_code]) >> 15;
        let high = (self.high.prediction + quantised).clamp(-16_384, 16_383);
        self.high.adapt_scale(Side::High, W_HIGH[high_code]);
        self.high.update(quantised);

        let (even, odd) = self.history.push([low + high, low - high]);
        [saturate(odd >> 11), saturate(even >> 11)]
    }
}

impl AudioDecoder for G722Decoder {
    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        1
    }

    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        // A byte is two samples.
        let duration = Duration::from_micros(packet.len() as u64 * 125);
        (!packet.is_empty() && duration <= Self::MAX_DURATION).then_some(duration)
    }

    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        out.reset(RATE, 1, 0);
        if self.packet_duration(packet).is_none() {
            let reason = format!("{} bytes", packet.len());
            return Err(CodecError::Damaged { codec: CODEC, reason });
        }
        out.reset(RATE, 1, packet.len() * 2);
        for (pair, &code) in out.samples_mut().chunks_exact_mut(2).zip(packet) {
            for (sample, value) in pair.iter_mut().zip(self.pair(code)) {
                *sample = pcm::from_i16(value as i16);
            }
        }
        Ok(())
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_comes_back_at_its_level() {
        for frequency in [300.0, 1000.0, 3000.0, 6000.0] {
            let mut encoder = G722Encoder::new(Duration::from_millis(20)).unwrap();
            let mut decoder = G722Decoder::new();
            let mut block = AudioBlock::silence(16_000, 1, 320);
            let (mut packet, mut out) = (Vec::new(), AudioBlock::default());
            for n in 0..50 {
                for (i, sample) in block.samples_mut().iter_mut().enumerate() {
                    let t = (n * 320 + i) as f32 / 16_000.0;
                    *sample = 0.5 * (std::f32::consts::TAU * frequency * t).sin();
                }
                packet.clear();
                encoder.encode(&block, &mut packet).unwrap();
                assert_eq!(packet.len(), 160);
                decoder.decode(&packet, &mut out).unwrap();
            }
            let power = out.samples().iter().map(|s| s * s).sum::<f32>() / 320.0;
            assert!((0.11..0.14).contains(&power), "{frequency}: {power}");
        }
    }

    #[test]
    fn packets_of_other_lengths_are_refused() {
        let mut decoder = G722Decoder::default();
        let mut out = AudioBlock::default();
        assert!(decoder.decode(&[], &mut out).is_err());
        assert!(decoder.decode(&[0; 1601], &mut out).is_err());
        decoder.decode(&[0; 1600], &mut out).unwrap();
        assert_eq!(out.duration(), G722Decoder::MAX_DURATION);
        decoder.reset();
        assert!(G722Encoder::new(Duration::from_millis(201)).is_err());
    }
}
