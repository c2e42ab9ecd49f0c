//! G.711 (RFC 3551 §4.5.14: PCMU and PCMA): eight bits a sample, at steps that grow with the sample. Every telephone has it.

use std::time::Duration;

use super::audio::check_block;
use super::{AudioDecoder, AudioEncoder, AudioTarget, CodecError};
use crate::audio::{AudioBlock, pcm};

/// How samples become eight bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// µ-law: PCMU, payload type 0.
    Mu,
    /// A-law: PCMA, payload type 8.
    A,
}

impl Law {
    fn codec(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    /// The eight bits of a sample (ITU-T G.711 tables 1 and 2, in 16-bit samples rather than 13 or 14).
    pub fn compress(self, sample: i16) -> u8 {
        match self {
            Self::Mu => {
                // 33 steps of the 14 bits are added, so that each segment begins at a power of two.
                let magnitude = sample.unsigned_abs().min(32_635) + 132;
                let segment = 8 - magnitude.leading_zeros() as u16;
                let step = magnitude >> (segment + 3) & 0x0f;
                let sign = if sample < 0 { 0x80 } else { 0 };
                // All bits are sent inverted.
                !(sign | (segment << 4 | step) as u8)
            }
            Self::A => {
                // Negative samples begin at -1, so that both halves are as long.
                let magnitude = (if sample < 0 { !sample } else { sample }) as u16;
                let segment = 8_u16.saturating_sub(magnitude.leading_zeros() as u16);
                let step = magnitude >> (segment.max(1) + 3) & 0x0f;
                let sign = if sample < 0 { 0 } else { 0x80 };
                // Every other bit is sent inverted.
                (sign | (segment << 4 | step) as u8) ^ 0x55
            }
        }
    }

    /// The sample of eight bits, in the middle of its step.
    pub const fn expand(self, code: u8) -> i16 {
        match self {
            Self::Mu => {
                let code = !code;
                let (segment, step) = (code >> 4 & 7, (code & 0x0f) as i16);
                let magnitude = (((step << 3) + 132) << segment) - 132;
                if code & 0x80 != 0 { -magnitude } else { magnitude }
            }
            Self::A => {
                let code = code ^ 0x55;
                let (segment, step) = (code >> 4 & 7, (code & 0x0f) as i16);
                let magnitude = match segment {
                    0 => (step << 4) + 8,
                    segment => ((step << 4) + 0x108) << (segment - 1),
                };
                if code & 0x80 != 0 { magnitude } else { -magnitude }
            }
        }
    }
}

/// Samples of all codes.
const fn expansions(law: Law) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = law.expand(code as u8) as f32 / 32_768.0;
        code += 1;
    }
    table
}

static MU: [f32; 256] = expansions(Law::Mu);
static A: [f32; 256] = expansions(Law::A);

/// Samples a second.
const RATE: u32 = 8_000;

/// PCMU or PCMA at 8 kHz.
#[derive(Clone, Debug)]
pub struct G711Encoder {
    law: Law,
    channels: usize,
    packet_duration: Duration,
}

impl G711Encoder {
    /// An encoder of packets of `packet_duration`, whole milliseconds up to 200.
    ///
    /// # Errors
    ///
    /// [`CodecError::Argument`] for another duration, and for other than 1 to 8 channels.
    pub fn new(law: Law, channels: usize, packet_duration: Duration) -> Result<Self, CodecError> {
        check_channels(law, channels)?;
        let whole = packet_duration.subsec_nanos().is_multiple_of(1_000_000);
        if packet_duration.is_zero() || packet_duration > G711Decoder::MAX_DURATION || !whole {
            return Err(CodecError::Argument {
                codec: law.codec(),
                what: "the length of a packet",
                value: format!("{packet_duration:?}"),
                expected: "whole milliseconds up to 200".into(),
            });
        }
        Ok(Self { law, channels, packet_duration })
    }
}

fn check_channels(law: Law, channels: usize) -> Result<(), CodecError> {
    if (1..=AudioBlock::MAX_CHANNELS).contains(&channels) {
        return Ok(());
    }
    Err(CodecError::Argument {
        codec: law.codec(),
        what: "the number of channels",
        value: channels.to_string(),
        expected: format!("1 to {}", AudioBlock::MAX_CHANNELS),
    })
}

impl AudioEncoder for G711Encoder {
    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn packet_duration(&self) -> Duration {
        self.packet_duration
    }

    fn set_target(&mut self, _target: AudioTarget) -> Result<(), CodecError> {
        Ok(())
    }

    fn encode(&mut self, block: &AudioBlock, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        check_block(self.law.codec(), self, block)?;
        let law = self.law;
        out.extend(block.samples().iter().map(|&sample| law.compress(pcm::to_i16(sample))));
        Ok(true)
    }
}

/// PCMU or PCMA at 8 kHz.
#[derive(Clone, Debug)]
pub struct G711Decoder {
    law: Law,
    channels: usize,
}

impl G711Decoder {
    /// The longest packet that is taken (RFC 3551 §4.2).
    pub const MAX_DURATION: Duration = Duration::from_millis(200);

    /// A decoder of `channels`, which packets do not tell.
    ///
    /// # Errors
    ///
    /// [`CodecError::Argument`] for other than 1 to 8 channels.
    pub fn new(law: Law, channels: usize) -> Result<Self, CodecError> {
        check_channels(law, channels)?;
        Ok(Self { law, channels })
    }
}

impl AudioDecoder for G711Decoder {
    fn rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        let whole = !packet.is_empty() && packet.len().is_multiple_of(self.channels);
        let duration = Duration::from_micros(packet.len() as u64 / self.channels as u64 * 125);
        (whole && duration <= Self::MAX_DURATION).then_some(duration)
    }

    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        out.reset(RATE, self.channels, 0);
        if self.packet_duration(packet).is_none() {
            return Err(CodecError::Damaged {
                codec: self.law.codec(),
                reason: format!("{} bytes for {} channels", packet.len(), self.channels),
            });
        }
        out.reset(RATE, self.channels, packet.len() / self.channels);
        let table = match self.law {
            Law::Mu => &MU,
            Law::A => &A,
        };
        for (sample, &code) in out.samples_mut().iter_mut().zip(packet) {
            *sample = table[usize::from(code)];
        }
        Ok(())
    }

    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_tables() {
        // ITU-T G.711 tables 1a and 2a: the ends, zero, and the first value of the second segment.
        assert_eq!([0, 32_767, -32_768].map(|s| Law::Mu.compress(s)), [0xff, 0x80, 0x00]);
        assert_eq!([0, 32_767, -32_768].map(|s| Law::A.compress(s)), [0xd5, 0xaa, 0x2a]);
        assert_eq!([0xff, 0x7f, 0x80, 0x00].map(|c| Law::Mu.expand(c)), [0, 0, 32_124, -32_124]);
        assert_eq!([0xd5, 0x55, 0xaa, 0x2a].map(|c| Law::A.expand(c)), [8, -8, 32_256, -32_256]);
    }

    #[test]
    fn every_sample_comes_back_within_half_a_step() {
        for law in [Law::Mu, Law::A] {
            for sample in i16::MIN..=i16::MAX {
                let back = law.expand(law.compress(sample));
                let off = i32::from(sample) - i32::from(back);
                let step = match law {
                    Law::Mu => (i32::from(sample).abs() + 132).min(32_767) / 16,
                    Law::A => (i32::from(sample).abs() + 1).max(256) / 16,
                };
                assert!(
                    off.abs() <= step / 2 + 1 || sample.unsigned_abs() > 32_635,
                    "{sample}: {back}"
                );
            }
            // Negative zero of µ-law is the one code that has another with its sample.
            assert!((0..=255).all(|code| law.compress(law.expand(code)) == code || code == 0x7f));
        }
    }

    #[test]
    fn packets_of_other_lengths_are_refused() {
        let mut decoder = G711Decoder::new(Law::Mu, 2).unwrap();
        let mut out = AudioBlock::default();
        for length in [0, 3, 3202] {
            assert!(decoder.decode(&vec![0xff; length], &mut out).is_err());
            assert_eq!(out.frames(), 0);
        }
        decoder.decode(&[0xff; 3200], &mut out).unwrap();
        assert_eq!((out.duration(), out.channels()), (G711Decoder::MAX_DURATION, 2));
        assert!(G711Encoder::new(Law::A, 1, Duration::from_micros(125)).is_err());
        assert!(G711Encoder::new(Law::A, 9, AudioBlock::DURATION).is_err());
        let mut encoder = G711Encoder::new(Law::A, 1, Duration::from_millis(20)).unwrap();
        let mut packet = Vec::new();
        encoder.encode(&AudioBlock::silence(8_000, 1, 160), &mut packet).unwrap();
        assert_eq!(packet, [0xd5; 160]);
        assert!(encoder.encode(&AudioBlock::silence(8_000, 1, 80), &mut packet).is_err());
    }
}
