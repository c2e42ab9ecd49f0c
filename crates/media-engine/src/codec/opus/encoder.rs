//! The encoder on its trait: what is wanted becomes controls of the library.

use std::time::Duration;

use peerage_opus::{Application, Encoder, InbandFec};

use super::{CODEC, library};
use crate::audio::AudioBlock;
use crate::codec::{AudioEncoder, AudioTarget, CodecError};

/// What an Opus encoder is made for, and cannot change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpusEncoderConfig {
    /// Samples a second that it takes: 8, 12, 16, 24 or 48 thousand.
    pub rate: u32,
    /// One or two channels.
    pub channels: usize,
    /// The length of a packet: 2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms.
    pub packet_duration: Duration,
    /// Whether it is made for music rather than speech.
    pub music: bool,
    /// Whether redundancy may be put in at all: `useinbandfec` of what was negotiated (RFC 7587 §6.1).
    pub inband_fec: bool,
    /// How much of the past each packet carries as deep redundancy where packets get lost, up to 1.04 s (feature
    /// `opus-dred`). A peer that does not know it skips it.
    #[cfg(feature = "opus-dred")]
    pub deep_redundancy: Duration,
}

impl Default for OpusEncoderConfig {
    /// Speech of one channel at 48 kHz in packets of 20 ms with redundancy, but none of the deep kind.
    fn default() -> Self {
        Self {
            rate: 48_000,
            channels: 1,
            packet_duration: Duration::from_millis(20),
            music: false,
            inband_fec: true,
            #[cfg(feature = "opus-dred")]
            deep_redundancy: Duration::ZERO,
        }
    }
}

impl OpusEncoderConfig {
    /// With so many channels.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// With packets that last so long.
    #[must_use]
    pub fn with_packet_duration(self, packet_duration: Duration) -> Self {
        Self { packet_duration, ..self }
    }

    /// With or without redundancy.
    #[must_use]
    pub fn with_inband_fec(self, inband_fec: bool) -> Self {
        Self { inband_fec, ..self }
    }
}

/// Opus by libopus.
#[derive(Debug)]
pub struct OpusEncoder {
    encoder: Encoder,
    config: OpusEncoderConfig,
    /// Samples in each channel of a packet.
    frames: usize,
    /// What is set, so that only what changes is handed on.
    target: Option<AudioTarget>,
}

impl OpusEncoder {
    /// The least and most bits a second that are asked of the library (RFC 6716 §2.1.1).
    const BITRATES: (u32, u32) = (6_000, 510_000);
    /// Losses from which on redundancy is put in.
    const LOSSES: f32 = 0.01;

    /// An encoder with the [default target](AudioTarget::default).
    ///
    /// # Errors
    ///
    /// [`CodecError::Argument`] for a rate, channels or length that Opus does not have.
    pub fn new(config: OpusEncoderConfig) -> Result<Self, CodecError> {
        let application = if config.music { Application::Audio } else { Application::Voip };
        let encoder = Encoder::new(config.rate, config.channels, application)
            .map_err(|_| super::format_error(config.rate, config.channels))?;
        let micros = config.packet_duration.as_micros();
        if !matches!(
            micros,
            2_500 | 5_000 | 10_000 | 20_000 | 40_000 | 60_000 | 80_000 | 100_000 | 120_000
        ) {
            return Err(CodecError::Argument {
                codec: CODEC,
                what: "the length of a packet",
                value: format!("{:?}", config.packet_duration),
                expected: "2.5, 5, 10, 20, 40, 60, 80, 100 or 120 ms".into(),
            });
        }
        let frames = (u128::from(config.rate) * micros / 1_000_000) as usize;
        let mut this = Self { encoder, config, frames, target: None };
        this.set_target(AudioTarget::default())?;
        Ok(this)
    }

    /// Samples in each channel that decoded sound is late by, on top of the length of a packet.
    pub fn lookahead(&mut self) -> usize {
        self.encoder.lookahead()
    }

    #[cfg(feature = "opus-dred")]
    fn set_deep_redundancy(&mut self, loss: f32) -> Result<(), CodecError> {
        // The library counts in 10 ms and takes 104 at most. It spends bits on it that speech wants where nothing gets lost.
        let units = (self.config.deep_redundancy.as_millis() / 10).min(104) as u8;
        let units = if loss >= Self::LOSSES { units } else { 0 };
        self.encoder.set_dred(units).map_err(library)
    }
}

impl AudioEncoder for OpusEncoder {
    fn rate(&self) -> u32 {
        self.config.rate
    }

    fn channels(&self) -> usize {
        self.config.channels
    }

    fn packet_duration(&self) -> Duration {
        self.config.packet_duration
    }

    fn set_target(&mut self, target: AudioTarget) -> Result<(), CodecError> {
        if self.target == Some(target) {
            return Ok(());
        }
        let loss = target.loss.clamp(0.0, 1.0);
        let fec = self.config.inband_fec && loss >= Self::LOSSES;
        let encoder = &mut self.encoder;
        encoder
            .set_bitrate(target.bitrate.clamp(Self::BITRATES.0, Self::BITRATES.1))
            .and_then(|()| encoder.set_complexity(target.complexity.min(10)))
            .and_then(|()| encoder.set_dtx(target.dtx))
            .and_then(|()| encoder.set_inband_fec(if fec { InbandFec::On } else { InbandFec::Off }))
            .and_then(|()| encoder.set_packet_loss((loss * 100.0).round() as u8))
            .map_err(library)?;
        #[cfg(feature = "opus-dred")]
        self.set_deep_redundancy(loss)?;
        self.target = Some(target);
        Ok(())
    }

    fn encode(&mut self, block: &AudioBlock, out: &mut Vec<u8>) -> Result<bool, CodecError> {
        crate::codec::audio::check_block(CODEC, self, block)?;
        debug_assert_eq!(block.frames(), self.frames);
        let start = out.len();
        out.resize(start + Encoder::MAX_PACKET, 0);
        let length = match self.encoder.encode(block.samples(), &mut out[start..]) {
            Ok(length) => length,
            Err(error) => {
                out.truncate(start);
                return Err(library(error));
            }
        };
        // Packets of no more than a table of contents are those of DTX, which need not be sent.
        let needed = length > 2 || !self.target.is_some_and(|target| target.dtx);
        out.truncate(start + if needed { length } else { 0 });
        Ok(needed)
    }
}
