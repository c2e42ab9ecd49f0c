//! Whether decoding can begin at a frame, from its bytes as an encoder hands it over.

use super::annex_b::NalUnits;
use super::av1::{ObuType, Obus};
use super::format::PayloadFormat;
use super::vp8::Vp8FrameHeader;
use super::vp9::Vp9FrameHeader;

impl PayloadFormat {
    /// Whether this is a frame that decoding can begin at. Every frame of audio is one, and so is every frame of a format
    /// unknown here.
    pub fn is_keyframe(self, frame: &[u8]) -> bool {
        match self {
            Self::Vp8 => Vp8FrameHeader::read(frame).is_some_and(|header| header.keyframe),
            Self::Vp9 => Vp9FrameHeader::read(frame).is_some_and(|header| header.keyframe),
            // IDR slices, and sequence parameter sets, which come with them (ITU-T H.264 table 7-1).
            Self::H264 { .. } => NalUnits::new(frame)
                .map(|unit| unit[0] & 0x1F)
                .find(|kind| matches!(kind, 1..=5 | 7))
                .is_some_and(|kind| matches!(kind, 5 | 7)),
            // Intra random access points, and parameter sets (ITU-T H.265 table 7-1).
            Self::H265 => NalUnits::new(frame)
                .map(|unit| unit[0] >> 1 & 0x3F)
                .find(|kind| matches!(kind, 0..=33))
                .is_some_and(|kind| matches!(kind, 16..=23 | 32 | 33)),
            // AV1 specification §7.5: a sequence header comes before the frame.
            Self::Av1 => Obus::new(frame)
                .map_while(Result::ok)
                .any(|obu| obu.header.obu_type == ObuType::SEQUENCE_HEADER),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::PacketizationMode;

    #[test]
    fn keyframes_are_told_from_others() {
        let h264 = PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };
        let cases: [(PayloadFormat, &[u8], bool); 12] = [
            (PayloadFormat::Vp8, &[0x10, 0, 0, 0x9d, 1, 0x2a, 0, 1, 0, 1], true),
            (PayloadFormat::Vp8, &[0x11, 0, 0], false),
            (PayloadFormat::Vp9, &[0b1000_0010, 0x49, 0x83, 0x42], true),
            (PayloadFormat::Vp9, &[0b1000_0110], false),
            (h264, &[0, 0, 0, 1, 0x09, 0xF0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, 1], true),
            (h264, &[0, 0, 0, 1, 0x09, 0xF0, 0, 0, 1, 0x41, 1], false),
            (PayloadFormat::H265, &[0, 0, 0, 1, 0x46, 1, 1, 0, 0, 1, 0x26, 1, 1], true),
            (PayloadFormat::H265, &[0, 0, 0, 1, 0x02, 1, 1], false),
            (PayloadFormat::Av1, &[0x12, 0, 0x0A, 1, 0, 0x32, 1, 0], true),
            (PayloadFormat::Av1, &[0x12, 0, 0x32, 1, 0], false),
            (PayloadFormat::Opus, &[1], true),
            (PayloadFormat::Vp8, &[], false),
        ];
        for (format, frame, expected) in cases {
            assert_eq!(format.is_keyframe(frame), expected, "{format:?} {frame:?}");
        }
    }
}
