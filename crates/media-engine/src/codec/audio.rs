//! What a codec of sound does.

use std::time::Duration;

use super::CodecError;
use crate::audio::AudioBlock;

/// What is wanted of an encoder of sound. It may change with every packet.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AudioTarget {
    /// Bits a second, without headers of packets.
    pub bitrate: u32,
    /// The share of packets that get lost, 0 to 1: redundancy inside of the stream follows it.
    pub loss: f32,
    /// Whether packets are left out while nobody speaks.
    pub dtx: bool,
    /// How much CPU may be spent, 0 to 10.
    pub complexity: u8,
}

impl Default for AudioTarget {
    /// 32 kbit/s, no losses, no DTX, complexity 9.
    fn default() -> Self {
        Self { bitrate: 32_000, loss: 0.0, dtx: false, complexity: 9 }
    }
}

impl AudioTarget {
    /// With so many bits a second.
    #[must_use]
    pub fn with_bitrate(self, bitrate: u32) -> Self {
        Self { bitrate, ..self }
    }

    /// With such a share of packets lost.
    #[must_use]
    pub fn with_loss(self, loss: f32) -> Self {
        Self { loss, ..self }
    }

    /// With or without packets while nobody speaks.
    #[must_use]
    pub fn with_dtx(self, dtx: bool) -> Self {
        Self { dtx, ..self }
    }
}

/// Makes packets of sound.
pub trait AudioEncoder: Send {
    /// Samples a second that it takes.
    fn rate(&self) -> u32;
    /// Channels that it takes.
    fn channels(&self) -> usize;
    /// The length of a packet.
    fn packet_duration(&self) -> Duration;
    /// Changes what is wanted; what a codec cannot change is ignored.
    fn set_target(&mut self, target: AudioTarget) -> Result<(), CodecError>;
    /// Encodes a block of exactly [`packet_duration`](Self::packet_duration), in [`rate`](Self::rate) and
    /// [`channels`](Self::channels), and appends the packet to `out`. False where nothing needs to be sent (DTX).
    fn encode(&mut self, block: &AudioBlock, out: &mut Vec<u8>) -> Result<bool, CodecError>;
}

/// How well a decoder fills gaps by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concealment {
    /// Not at all: whoever plays has to.
    None,
    /// It goes on with what it decoded last.
    Own,
}

/// Makes sound of packets.
pub trait AudioDecoder: Send {
    /// Samples a second that it gives.
    fn rate(&self) -> u32;
    /// Channels that it gives.
    fn channels(&self) -> usize;
    /// How long a packet sounds, without decoding it; `None` where it cannot be a packet.
    fn packet_duration(&self, packet: &[u8]) -> Option<Duration>;
    /// Decodes a packet into `out`, which becomes as long as the packet sounds, and empty where it cannot be decoded.
    fn decode(&mut self, packet: &[u8], out: &mut AudioBlock) -> Result<(), CodecError>;
    /// Whether a packet also has the sound of the one before it, in a lower quality.
    fn has_redundancy(&self, _packet: &[u8]) -> bool {
        false
    }
    /// Decodes the sound of the packet before this one, which was lost: `missing` of it. False where it has none; nothing
    /// is decoded then.
    fn decode_redundancy(
        &mut self,
        _packet: &[u8],
        _missing: Duration,
        _out: &mut AudioBlock,
    ) -> Result<bool, CodecError> {
        Ok(false)
    }
    /// How far the coarse sound of the past that a packet also has (DRED) goes back, to be decoded by
    /// [`decode_deep_redundancy`](Self::decode_deep_redundancy) until the next call. Zero where it has none.
    fn deep_redundancy(&mut self, _packet: &[u8]) -> Duration {
        Duration::ZERO
    }
    /// Decodes `missing` of the coarse sound that begins `before` the packet that
    /// [`deep_redundancy`](Self::deep_redundancy) saw last. False where there is none; `out` is silence then. What was
    /// decoded before has to reach to there: several lost packets are decoded in their order.
    fn decode_deep_redundancy(
        &mut self,
        _before: Duration,
        _missing: Duration,
        _out: &mut AudioBlock,
    ) -> Result<bool, CodecError> {
        Ok(false)
    }
    /// What [`conceal`](Self::conceal) does.
    fn concealment(&self) -> Concealment {
        Concealment::None
    }
    /// Fills `duration` for which nothing came.
    fn conceal(&mut self, duration: Duration, out: &mut AudioBlock) -> Result<(), CodecError> {
        let frames = (duration.as_nanos() * u128::from(self.rate()) / 1_000_000_000) as usize;
        out.reset(self.rate(), self.channels(), frames);
        Ok(())
    }
    /// Forgets what was decoded: another stream begins.
    fn reset(&mut self);
}

/// Makes sure that a block is what an encoder takes.
#[allow(dead_code, reason = "each codec is a feature")]
pub(super) fn check_block(
    codec: &'static str,
    encoder: &impl AudioEncoder,
    block: &AudioBlock,
) -> Result<(), CodecError> {
    let (rate, channels) = (encoder.rate(), encoder.channels());
    let duration = encoder.packet_duration();
    if (block.rate(), block.channels(), block.duration()) == (rate, channels, duration) {
        return Ok(());
    }
    Err(CodecError::Argument {
        codec,
        what: "the block",
        value: format!(
            "{:?} at {} samples a second in {} channels",
            block.duration(),
            block.rate(),
            block.channels()
        ),
        expected: format!("{duration:?} at {rate} in {channels}"),
    })
}
