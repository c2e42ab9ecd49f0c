//! Which codecs there are: what negotiation names becomes an encoder or a decoder.

use std::fmt;
use std::time::Duration;

#[cfg(feature = "h264")]
use peerage_rtp::payload::PacketizationMode;
use peerage_rtp::payload::PayloadFormat;

use super::{
    AudioDecoder, AudioEncoder, CodecError, VideoDecoder, VideoEncoder, VideoEncoderSettings,
};

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
    /// How long packets of sound are to last (`a=ptime`). Encoders make what they have that is not longer, or else their shortest.
    /// `None`: 20 ms.
    pub packet_duration: Option<Duration>,
}

impl CodecSpec {
    /// Without parameters.
    pub fn new(format: PayloadFormat, clock_rate: u32, channels: u16) -> Self {
        Self { format, clock_rate, channels, parameters: String::new(), packet_duration: None }
    }

    /// With parameters as they stand in `a=fmtp`: `stereo=1;useinbandfec=1`.
    #[must_use]
    pub fn with_parameters(self, parameters: impl Into<String>) -> Self {
        Self { parameters: parameters.into(), ..self }
    }

    /// With packets of sound that last so long.
    #[must_use]
    pub fn with_packet_duration(self, duration: Duration) -> Self {
        Self { packet_duration: Some(duration), ..self }
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
    /// The same with settings, as far as the codec has them: [`VideoEncoder::layers`] tells which layers it makes. Without an
    /// implementation of its own it is [`video_encoder`](Self::video_encoder).
    fn video_encoder_with(
        &self,
        codec: &CodecSpec,
        settings: VideoEncoderSettings,
    ) -> Result<Box<dyn VideoEncoder>, CodecError> {
        let _ = settings;
        self.video_encoder(codec)
    }
    /// The scalability modes (W3C webrtc-svc §6) of its encoder of pictures, as their names are there.
    fn scalability_modes(&self, codec: &CodecSpec) -> &'static [&'static str] {
        let _ = codec;
        &["L1T1"]
    }
    /// A decoder of pictures.
    fn video_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError>;
}

/// The codecs of this crate that its features switch on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuiltIn;

fn missing(codec: &CodecSpec) -> CodecError {
    let feature = match codec.format {
        PayloadFormat::Opus => Some("opus"),
        PayloadFormat::Pcmu | PayloadFormat::Pcma => Some("g711"),
        PayloadFormat::G722 => Some("g722"),
        PayloadFormat::Vp8 | PayloadFormat::Vp9 => Some("vpx"),
        PayloadFormat::H264 { .. } => Some("h264"),
        PayloadFormat::Av1 => Some("av1"),
        _ => None,
    };
    CodecError::Missing { codec: format!("{:?}", codec.format), feature }
}

/// What encoders make: the first is there without layers, and the first three are layers in time.
const LAYERS: [&str; 9] = [
    "L1T1", "L1T2", "L1T3", "L2T1_KEY", "L2T2_KEY", "L2T3_KEY", "L3T1_KEY", "L3T2_KEY", "L3T3_KEY",
];

const AV1: bool = cfg!(feature = "av1");
const OPUS: bool = cfg!(feature = "opus");
const G711: bool = cfg!(feature = "g711");
const G722: bool = cfg!(feature = "g722");
const VPX: bool = cfg!(feature = "vpx");
const H264: bool = cfg!(feature = "h264");

impl CodecFactory for BuiltIn {
    fn encodes(&self, codec: &CodecSpec) -> bool {
        match codec.format {
            PayloadFormat::Opus => OPUS,
            PayloadFormat::Pcmu | PayloadFormat::Pcma => G711,
            PayloadFormat::G722 => G722,
            PayloadFormat::Vp8 | PayloadFormat::Vp9 => VPX,
            PayloadFormat::Av1 => AV1,
            PayloadFormat::H264 { .. } => H264,
            _ => false,
        }
    }

    fn decodes(&self, codec: &CodecSpec) -> bool {
        self.encodes(codec)
    }

    fn audio_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioEncoder>, CodecError> {
        match codec.format {
            #[cfg(feature = "opus")]
            PayloadFormat::Opus => Ok(Box::new(super::opus::OpusEncoder::new(opus(codec))?)),
            #[cfg(feature = "g711")]
            PayloadFormat::Pcmu | PayloadFormat::Pcma => {
                Ok(Box::new(super::g711::G711Encoder::new(law(codec), 1, whole_blocks(codec))?))
            }
            #[cfg(feature = "g722")]
            PayloadFormat::G722 => {
                Ok(Box::new(super::g722::G722Encoder::new(whole_blocks(codec))?))
            }
            _ => Err(missing(codec)),
        }
    }

    fn audio_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn AudioDecoder>, CodecError> {
        match codec.format {
            // Both ends of Opus can do with two channels, whatever is sent (RFC 7587 §7).
            #[cfg(feature = "opus")]
            PayloadFormat::Opus => Ok(Box::new(super::opus::OpusDecoder::new(48_000, 2)?)),
            #[cfg(feature = "g711")]
            PayloadFormat::Pcmu | PayloadFormat::Pcma => {
                Ok(Box::new(super::g711::G711Decoder::new(law(codec), 1)?))
            }
            #[cfg(feature = "g722")]
            PayloadFormat::G722 => Ok(Box::new(super::g722::G722Decoder::new())),
            _ => Err(missing(codec)),
        }
    }

    fn video_encoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoEncoder>, CodecError> {
        self.video_encoder_with(codec, VideoEncoderSettings::default())
    }

    fn scalability_modes(&self, codec: &CodecSpec) -> &'static [&'static str] {
        match codec.format {
            PayloadFormat::Vp8 => &LAYERS[..3],
            // Spatial layers are predicted from each other in keyframes only, and each has half the size of the next.
            PayloadFormat::Vp9 | PayloadFormat::Av1 => &LAYERS,
            _ => &LAYERS[..1],
        }
    }

    fn video_encoder_with(
        &self,
        codec: &CodecSpec,
        settings: VideoEncoderSettings,
    ) -> Result<Box<dyn VideoEncoder>, CodecError> {
        let _ = settings;
        match codec.format {
            #[cfg(feature = "vpx")]
            PayloadFormat::Vp8 | PayloadFormat::Vp9 => {
                use super::vpx::{VpxCodec, VpxConfig, VpxEncoder};
                let mut config = VpxConfig::new(vpx(codec));
                config.temporal_layers = settings.temporal_layers.clamp(1, 3);
                if config.codec == VpxCodec::Vp9 {
                    config.spatial_layers = settings.spatial_layers.clamp(1, 3);
                }
                config.content = content(settings);
                Ok(Box::new(VpxEncoder::new(config)?))
            }
            #[cfg(feature = "av1")]
            PayloadFormat::Av1 => {
                let config = super::av1::Av1Config {
                    temporal_layers: settings.temporal_layers.clamp(1, 3),
                    spatial_layers: settings.spatial_layers.clamp(1, 3),
                    content: content(settings),
                    ..super::av1::Av1Config::default()
                };
                Ok(Box::new(super::av1::Av1Encoder::new(config)?))
            }
            #[cfg(feature = "h264")]
            PayloadFormat::H264 { packetization_mode } => {
                let encoder = super::h264::H264Encoder::new(settings.screen);
                Ok(Box::new(match packetization_mode {
                    PacketizationMode::SingleNalUnit => encoder.with_slices(SLICE),
                    PacketizationMode::NonInterleaved => encoder,
                }))
            }
            _ => Err(missing(codec)),
        }
    }

    fn video_decoder(&self, codec: &CodecSpec) -> Result<Box<dyn VideoDecoder>, CodecError> {
        match codec.format {
            #[cfg(feature = "vpx")]
            PayloadFormat::Vp8 | PayloadFormat::Vp9 => {
                Ok(Box::new(super::vpx::VpxDecoder::new(vpx(codec), 1)?))
            }
            #[cfg(feature = "av1")]
            PayloadFormat::Av1 => Ok(Box::new(super::av1::Av1Decoder::new(1)?)),
            #[cfg(feature = "h264")]
            PayloadFormat::H264 { .. } => Ok(Box::new(super::h264::H264Decoder::new()?)),
            _ => Err(missing(codec)),
        }
    }
}

/// What packets last where nobody says anything else (RFC 3551 §4.2, RFC 7587 §6.1).
#[cfg(any(feature = "g711", feature = "g722", feature = "opus"))]
const PACKET: Duration = Duration::from_millis(20);

/// What packets of codecs without a length of their own last: tens of milliseconds, 120 at most.
#[cfg(any(feature = "g711", feature = "g722"))]
fn whole_blocks(codec: &CodecSpec) -> Duration {
    let wanted = codec.packet_duration.unwrap_or(PACKET).as_millis() as u64;
    Duration::from_millis((wanted / 10 * 10).clamp(10, 120))
}

/// Bytes of a slice that fits a packet with its headers, their extensions and what protects it, where datagrams have 1,200.
#[cfg(feature = "h264")]
const SLICE: u32 = 1_000;

#[cfg(feature = "g711")]
fn law(codec: &CodecSpec) -> super::g711::Law {
    match codec.format {
        PayloadFormat::Pcma => super::g711::Law::A,
        _ => super::g711::Law::Mu,
    }
}

#[cfg(any(feature = "av1", feature = "vpx"))]
fn content(settings: VideoEncoderSettings) -> super::Content {
    if settings.screen { super::Content::Screen } else { super::Content::Camera }
}

#[cfg(feature = "vpx")]
fn vpx(codec: &CodecSpec) -> super::vpx::VpxCodec {
    match codec.format {
        PayloadFormat::Vp9 => super::vpx::VpxCodec::Vp9,
        _ => super::vpx::VpxCodec::Vp8,
    }
}

/// What the peer's parameters make of an encoder (RFC 7587 §6.1).
#[cfg(feature = "opus")]
fn opus(codec: &CodecSpec) -> super::opus::OpusEncoderConfig {
    let is = |name: &str| codec.parameter(name) == Some("1");
    let channels = if is("stereo") { 2 } else { 1 };
    let wanted = codec.packet_duration.unwrap_or(PACKET);
    // RFC 6716 §2.1.4; below 10 ms there is neither speech's part of the codec nor redundancy.
    let lengths = [120, 100, 80, 60, 40, 20, 10].map(Duration::from_millis);
    let longest = lengths.into_iter().find(|length| *length <= wanted);
    super::opus::OpusEncoderConfig::default()
        .with_channels(channels)
        .with_inband_fec(is("useinbandfec"))
        .with_packet_duration(longest.unwrap_or(lengths[6]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_built_in_says_which_feature_brings_it() {
        let codec = CodecSpec::new(PayloadFormat::H265, 90_000, 1);
        let error = BuiltIn.video_encoder(&codec).err().unwrap();
        assert_eq!(error.to_string(), "no codec for H265 is built in");
        let error = missing(&CodecSpec::new(PayloadFormat::Vp9, 90_000, 1)).to_string();
        assert!(error.ends_with("switch on the feature `vpx` of peerage-media"), "{error}");
    }

    #[test]
    fn packets_are_as_long_as_they_may_be() {
        let millis = Duration::from_millis;
        let length = |format, wanted: Option<u64>| {
            let mut spec = CodecSpec::new(format, 48_000, 2);
            spec.packet_duration = wanted.map(millis);
            BuiltIn.audio_encoder(&spec).ok().map(|encoder| encoder.packet_duration())
        };
        if G711 {
            let of = |wanted| length(PayloadFormat::Pcmu, wanted);
            assert_eq!((of(None), of(Some(35))), (Some(millis(20)), Some(millis(30))));
            assert_eq!((of(Some(1)), of(Some(900))), (Some(millis(10)), Some(millis(120))));
        }
        if OPUS {
            let of = |wanted| length(PayloadFormat::Opus, wanted);
            assert_eq!((of(None), of(Some(50))), (Some(millis(20)), Some(millis(40))));
            assert_eq!((of(Some(3)), of(Some(900))), (Some(millis(10)), Some(millis(120))));
        }
    }

    #[test]
    fn parameters_are_found_by_name() {
        let codec = CodecSpec::new(PayloadFormat::Opus, 48_000, 2)
            .with_parameters("minptime=10; useinbandfec=1;Stereo = 1");
        assert_eq!(codec.parameter("UseInbandFec"), Some("1"));
        assert_eq!(codec.parameter("stereo"), Some("1"));
        assert_eq!(codec.parameter("maxptime"), None);
    }
}
