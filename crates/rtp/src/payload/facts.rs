//! What a whole encoded frame says of itself in its first bytes, for counters of what is sent: nothing here cuts or joins.

use super::{
    annex_b::NalUnits,
    av1::{ObuType, Obus, sequence_header_dimensions},
    format::PayloadFormat,
    h264, h265,
    vp8::Vp8FrameHeader,
    vp9::Vp9FrameHeader,
};

/// NAL units that are looked at: delimiter, parameter sets and messages stand before the first slice.
const MAX_UNITS: usize = 16;

/// What a frame of video says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FrameFacts {
    /// Whether decoding can begin here.
    pub keyframe: bool,
    /// Width and height in pixels; keyframes only, where they tell.
    pub dimensions: Option<(u16, u16)>,
}

impl FrameFacts {
    /// Reads a frame, in the form the [packetiser](super::Packetizer) takes it. Audio, encrypted frames and frames of another
    /// format say nothing that means anything.
    pub fn read(format: PayloadFormat, frame: &[u8]) -> Option<Self> {
        match format {
            PayloadFormat::Vp8 => Vp8FrameHeader::read(frame)
                .map(|Vp8FrameHeader { keyframe, dimensions }| Self { keyframe, dimensions }),
            PayloadFormat::Vp9 => Vp9FrameHeader::read(frame)
                .map(|Vp9FrameHeader { keyframe, dimensions }| Self { keyframe, dimensions }),
            PayloadFormat::H264 { .. } => Some(Self::of_units(frame, |unit| {
                // ITU-T H.264 table 7-1.
                match unit[0] & 0x1F {
                    5 => Unit::KeySlice,
                    1..=4 => Unit::Slice,
                    7 => Unit::Other(h264::sps_dimensions(unit)),
                    _ => Unit::Other(None),
                }
            })),
            PayloadFormat::H265 => Some(Self::of_units(frame, |unit| {
                // ITU-T H.265 table 7-1.
                match unit[0] >> 1 & 0x3F {
                    16..=23 => Unit::KeySlice,
                    0..=31 => Unit::Slice,
                    33 => Unit::Other(h265::sps_dimensions(unit)),
                    _ => Unit::Other(None),
                }
            })),
            PayloadFormat::Av1 => {
                let mut obus = Obus::new(frame).map_while(Result::ok);
                let sequence = obus.find(|obu| obu.header.obu_type == ObuType::SEQUENCE_HEADER);
                Some(match sequence {
                    Some(obu) => {
                        Self { keyframe: true, dimensions: sequence_header_dimensions(obu.payload) }
                    }
                    None => Self::default(),
                })
            }
            _ => None,
        }
    }

    /// Up to the first slice.
    fn of_units(frame: &[u8], read: impl Fn(&[u8]) -> Unit) -> Self {
        let mut facts = Self::default();
        for unit in NalUnits::new(frame).take(MAX_UNITS) {
            match read(unit) {
                Unit::KeySlice => return Self { keyframe: true, ..facts },
                Unit::Slice => break,
                Unit::Other(dimensions) => facts.dimensions = dimensions.or(facts.dimensions),
            }
        }
        facts
    }
}

/// What a NAL unit is, as far as it matters here.
enum Unit {
    /// A slice of a picture at which decoding can begin.
    KeySlice,
    /// Another slice.
    Slice,
    /// Something else; a parameter set has dimensions.
    Other(Option<(u16, u16)>),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::PacketizationMode;

    #[test]
    fn frames_tell_what_they_are() {
        let vp8 = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 7];
        let key = FrameFacts { keyframe: true, dimensions: Some((640, 360)) };
        assert_eq!(FrameFacts::read(PayloadFormat::Vp8, &vp8), Some(key));
        assert_eq!(FrameFacts::read(PayloadFormat::Vp8, &[0x11, 0]), Some(FrameFacts::default()));
        let h264 = PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };
        // A parameter set without its fields, and an IDR slice; then a slice of another picture.
        let idr = [0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 0x88];
        assert!(FrameFacts::read(h264, &idr).unwrap().keyframe);
        assert!(!FrameFacts::read(h264, &[0, 0, 1, 0x41, 0x9a]).unwrap().keyframe);
        let irap = [0, 0, 0, 1, 0x26, 1, 0xaf];
        assert!(FrameFacts::read(PayloadFormat::H265, &irap).unwrap().keyframe);
        assert!(!FrameFacts::read(PayloadFormat::H265, &[0, 0, 1, 2, 1, 9]).unwrap().keyframe);
        assert_eq!(FrameFacts::read(PayloadFormat::Opus, &[1, 2]), None);
        for format in
            [PayloadFormat::Vp8, PayloadFormat::Vp9, h264, PayloadFormat::H265, PayloadFormat::Av1]
        {
            assert!(!FrameFacts::read(format, &[]).unwrap_or_default().keyframe);
        }
    }
}
