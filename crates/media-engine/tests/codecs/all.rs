//! Every encoder of pictures that the features bring, with its decoder.

use peerage_media::codec::{BuiltIn, CodecFactory, CodecSpec, VideoDecoder, VideoEncoder};
use peerage_rtp::payload::{PacketizationMode, PayloadFormat};

/// A codec of pictures.
pub(crate) struct Codec {
    pub(crate) name: &'static str,
    spec: CodecSpec,
}

impl Codec {
    pub(crate) fn encoder(&self) -> Box<dyn VideoEncoder> {
        BuiltIn.video_encoder(&self.spec).unwrap()
    }

    pub(crate) fn decoder(&self) -> Box<dyn VideoDecoder> {
        BuiltIn.video_decoder(&self.spec).unwrap()
    }
}

/// All that there are. None is an error only where a feature says that there must be one.
pub(crate) fn all() -> Vec<Codec> {
    let packetization_mode = PacketizationMode::NonInterleaved;
    let formats = [
        ("VP8", PayloadFormat::Vp8),
        ("VP9", PayloadFormat::Vp9),
        ("H264", PayloadFormat::H264 { packetization_mode }),
        ("AV1", PayloadFormat::Av1),
    ];
    let specs = formats.map(|(name, format)| (name, CodecSpec::new(format, 90_000, 1)));
    let there = specs.into_iter().filter(|(_, spec)| BuiltIn.encodes(spec));
    let codecs: Vec<_> = there.map(|(name, spec)| Codec { name, spec }).collect();
    let expected = 2 * usize::from(cfg!(feature = "vpx"))
        + usize::from(cfg!(feature = "h264"))
        + usize::from(cfg!(feature = "av1"));
    assert_eq!(codecs.len(), expected);
    codecs
}
