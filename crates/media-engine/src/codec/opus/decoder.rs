//! The decoder on its trait, with redundancy and concealment of the library.

use std::time::Duration;

use peerage_opus::{Decoder, Error, packet};

use super::{CODEC, library};
use crate::audio::AudioBlock;
use crate::codec::{AudioDecoder, CodecError, Concealment};

/// Opus by libopus.
#[derive(Debug)]
pub struct OpusDecoder {
    decoder: Decoder,
    #[cfg(feature = "opus-dred")]
    deep: Option<peerage_opus::Dred>,
}

impl OpusDecoder {
    /// The longest that is filled or decoded at once, as the longest packet (RFC 6716 §3.4, R5).
    pub const MAX_DURATION: Duration = Duration::from_millis(120);

    /// A decoder to `rate` samples a second (8, 12, 16, 24 or 48 thousand) and one or two channels, whatever the stream has.
    ///
    /// # Errors
    ///
    /// [`CodecError::Argument`] for other rates and channels.
    pub fn new(rate: u32, channels: usize) -> Result<Self, CodecError> {
        let decoder =
            Decoder::new(rate, channels).map_err(|_| super::format_error(rate, channels))?;
        Ok(Self {
            decoder,
            #[cfg(feature = "opus-dred")]
            deep: None,
        })
    }

    /// How much CPU may be spent, 0 to 10: from 5 on gaps are filled by a neural network (feature `opus-dred`), from 6 on speech
    /// of low rates is enhanced (feature `opus-osce`). Zero at first.
    ///
    /// # Errors
    ///
    /// [`CodecError::Library`].
    pub fn set_complexity(&mut self, complexity: u8) -> Result<(), CodecError> {
        self.decoder.set_complexity(complexity.min(10)).map_err(library)
    }

    /// Samples in each channel of a duration, in the steps of 2.5 ms that the library fills gaps by.
    fn frames(&self, duration: Duration) -> usize {
        let steps = duration.min(Self::MAX_DURATION).as_micros().div_ceil(2_500) as usize;
        steps * (self.decoder.rate() as usize / 400)
    }

    /// Fills `duration`, which need not be in whole steps, with what `fill` gives for whole ones.
    fn fill(
        &mut self,
        duration: Duration,
        out: &mut AudioBlock,
        fill: impl FnOnce(&mut Self, &mut [f32]) -> Result<usize, Error>,
    ) -> Result<(), CodecError> {
        let (rate, channels) = (self.decoder.rate(), self.decoder.channels());
        let exact = duration.min(Self::MAX_DURATION).as_nanos() * u128::from(rate) / 1_000_000_000;
        out.reset(rate, channels, self.frames(duration));
        if out.frames() > 0 {
            fill(self, out.samples_mut()).map_err(damaged)?;
        }
        out.truncate(exact as usize);
        Ok(())
    }
}

/// The error of a packet.
fn damaged(error: Error) -> CodecError {
    CodecError::Damaged { codec: CODEC, reason: error.to_string() }
}

impl AudioDecoder for OpusDecoder {
    fn rate(&self) -> u32 {
        self.decoder.rate()
    }

    fn channels(&self) -> usize {
        self.decoder.channels()
    }

    fn packet_duration(&self, packet: &[u8]) -> Option<Duration> {
        let samples = packet::samples(packet).ok()?;
        Some(Duration::from_nanos(samples as u64 * 1_000_000_000 / 48_000))
    }

    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError> {
        let (rate, channels) = (self.decoder.rate(), self.decoder.channels());
        out.reset(rate, channels, 0);
        let samples = packet::samples(packet).map_err(damaged)?;
        out.reset(rate, channels, samples * rate as usize / 48_000);
        let decoded = self.decoder.decode(packet, out.samples_mut());
        out.truncate(*decoded.as_ref().unwrap_or(&0));
        decoded.map(drop).map_err(damaged)
    }

    fn has_redundancy(&self, packet: &[u8]) -> bool {
        packet::has_redundancy(packet).unwrap_or(false)
    }

    fn decode_redundancy(
        &mut self,
        packet: &[u8],
        missing: Duration,
        out: &mut AudioBlock,
    ) -> Result<bool, CodecError> {
        if !self.has_redundancy(packet) {
            return Ok(false);
        }
        self.fill(missing, out, |this, samples| this.decoder.decode_redundancy(packet, samples))?;
        Ok(true)
    }

    #[cfg(feature = "opus-dred")]
    fn deep_redundancy(&mut self, packet: &[u8]) -> Duration {
        if self.deep.is_none() {
            self.deep = peerage_opus::Dred::new().ok();
        }
        let Some(deep) = &mut self.deep else { return Duration::ZERO };
        let samples = deep.parse(packet, usize::MAX).unwrap_or(0);
        Duration::from_nanos(samples as u64 * 1_000_000_000 / 48_000)
    }

    #[cfg(feature = "opus-dred")]
    fn decode_deep_redundancy(
        &mut self,
        before: Duration,
        missing: Duration,
        out: &mut AudioBlock,
    ) -> Result<bool, CodecError> {
        let Some(deep) = self.deep.take() else { return Ok(false) };
        let before = before.as_nanos() * u128::from(self.decoder.rate()) / 1_000_000_000;
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        let mut found = true;
        let filled = self.fill(missing, out, |this, samples| {
            match deep.decode(&mut this.decoder, before, samples) {
                // None was found in the packet, or not as far back.
                Err(Error::BadArgument) => {
                    found = false;
                    Ok(0)
                }
                result => result,
            }
        });
        self.deep = Some(deep);
        filled.map(|()| found)
    }

    fn concealment(&self) -> Concealment {
        Concealment::Own
    }

    fn conceal(&mut self, duration: Duration, out: &mut AudioBlock) -> Result<(), CodecError> {
        self.fill(duration, out, |this, samples| this.decoder.conceal(samples))
    }

    fn reset(&mut self) {
        self.decoder.reset();
    }
}
