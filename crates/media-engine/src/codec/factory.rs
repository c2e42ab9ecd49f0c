//! Which codecs there are: what negotiation names becomes an encoder or a decoder.

use std::fmt;

use peerage_rtp::payload::PayloadFormat;

use super::{AudioDecoder, AudioEncoder, CodecError, VideoDecoder, VideoEncoder};

/// A codec as it was negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodecSpec {
    /// Which, and how it is put into packets.
    pub format: PayloadFormat,
    /// The rate of its RTP clock, in Hz: for G.722 not that of its samples (RFC 3551 §4.5.2).
    pub clock_rate: u32,
    /// Channels of sound, 1 for pictures.
    pub channels: u16,
    /// The parameters as they stand in `a=fmtp`.
    pub parameters: String,
}

impl CodecSpec {
    /// Without parameters.
    pub fn new(format: PayloadFormat, clock_rate: u32, channels: u16) -> Self {
        Self { format, clock_rate, channels, parameters: String::new() }
    }

    /// With parameters as they stand in `a=fmtp`: `stereo=1;useinbandfec=1`.
    #[must_use]
    pub fn with_parameters(self, parameters: impl Into<String>) -> Self {
        Self { parameters: parameters.into(), ..self }
    }

    /// A parameter by its name, whose case does not matter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut pairs = self.parameters.split(';').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }
}

/// Makes encoders and decoders. An application with codecs of its own, in hardware for instance, implements it, and hands on to
/// [`BuiltIn`] what it has none for.
pub trait CodecFactory: fmt::Debug + Send + Sync {
    /// Whether there is an encoder.
    fn encodes(&self, codec: &CodecSpec) -> bool;
    /// Whether there is a decoder.
    fn decodes(&self, codec: &CodecSpec) -> bool;
    /// An encoder of sound.
    fn audio_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError>;
    /// A decoder of sound.
    fn audio_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError>;
    /// An encoder of pictures of any size.
    fn video_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError>;
    /// A decoder of pictures.
    fn video_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError>;
}

/// The codecs of this crate that its features switch on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuiltIn;

fn missing(codec: &CodecSpec) -> CodecError {
    let feature = match codec.format {
        PayloadFormat::Opus => Some("opus"),
        PayloadFormat::Vp8 | PayloadFormat::Vp9 => Some("vpx"),
        PayloadFormat::H264 { .. } => Some("h264"),
        PayloadFormat::Av1 => Some("av1"),
        _ => None,
    };
    CodecError::Missing { codec: format!("{:?}", codec.format), feature }
}
