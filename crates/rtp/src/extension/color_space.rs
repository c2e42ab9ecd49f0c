//! color-space: what the numbers of a frame's samples mean, and metadata of high dynamic range.

use super::kind::ExtensionKind;
use super::value::{HeaderExtension, wrong_length};
use crate::error::Error;

/// Which values samples take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorRange {
    /// Not said.
    #[default]
    Invalid,
    /// Studio swing.
    Limited,
    /// Full swing.
    Full,
    /// Derived from matrix and transfer.
    Derived,
}

/// Where chroma samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ChromaSiting {
    /// Not said.
    #[default]
    Unspecified,
    /// With a luma sample: left, or top.
    Collocated,
    /// Between two.
    Half,
}

/// A point of the CIE 1931 diagram in units of 1/50,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chromaticity {
    /// x.
    pub x: u16,
    /// y.
    pub y: u16,
}

/// Metadata of high dynamic range (SMPTE ST 2086, CTA 861.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HdrMetadata {
    /// The mastering display's most luminance in cd/m².
    pub luminance_max: u16,
    /// The mastering display's least luminance in 1/10,000 cd/m².
    pub luminance_min: u16,
    /// Its red.
    pub primary_red: Chromaticity,
    /// Its green.
    pub primary_green: Chromaticity,
    /// Its blue.
    pub primary_blue: Chromaticity,
    /// Its white.
    pub white_point: Chromaticity,
    /// The most light of a pixel, in cd/m².
    pub max_content_light_level: u16,
    /// The most light of a frame on average, in cd/m².
    pub max_frame_average_light_level: u16,
}

/// The colour space of a frame. The first three fields have the code points of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ColorSpace {
    /// Colour primaries (H.273 table 2).
    pub primaries: u8,
    /// Transfer characteristics (H.273 table 3).
    pub transfer: u8,
    /// Matrix coefficients (H.273 table 4).
    pub matrix: u8,
    /// Which values samples take.
    pub range: ColorRange,
    /// Where chroma samples are horizontally.
    pub chroma_siting_horizontal: ChromaSiting,
    /// Where chroma samples are vertically.
    pub chroma_siting_vertical: ChromaSiting,
    /// Metadata of high dynamic range. With it the extension has 28 bytes and needs a two-byte header.
    pub hdr: Option<HdrMetadata>,
}

fn siting(bits: u8) -> Result<ChromaSiting, Error> {
    match bits & 3 {
        0 => Ok(ChromaSiting::Unspecified),
        1 => Ok(ChromaSiting::Collocated),
        2 => Ok(ChromaSiting::Half),
        _ => Err(Error::Invalid {
            what: "color-space",
            reason: "unknown chroma siting",
            section: ExtensionKind::ColorSpace.section(),
        }),
    }
}

impl HeaderExtension<'_> for ColorSpace {
    const KIND: ExtensionKind = ExtensionKind::ColorSpace;

    fn parse(data: &[u8]) -> Result<Self, Error> {
        if data.len() != 4 && data.len() != 28 {
            return Err(wrong_length(Self::KIND));
        }
        let range = match data[3] >> 4 & 3 {
            0 => ColorRange::Invalid,
            1 => ColorRange::Limited,
            2 => ColorRange::Full,
            _ => ColorRange::Derived,
        };
        let at = |index: usize| u16::from_be_bytes([data[4 + index * 2], data[5 + index * 2]]);
        let point = |index| Chromaticity { x: at(index), y: at(index + 1) };
        let hdr = (data.len() == 28).then(|| HdrMetadata {
            luminance_max: at(0),
            luminance_min: at(1),
            primary_red: point(2),
            primary_green: point(4),
            primary_blue: point(6),
            white_point: point(8),
            max_content_light_level: at(10),
            max_frame_average_light_level: at(11),
        });
        Ok(Self {
            primaries: data[0],
            transfer: data[1],
            matrix: data[2],
            range,
            chroma_siting_horizontal: siting(data[3] >> 2)?,
            chroma_siting_vertical: siting(data[3])?,
            hdr,
        })
    }

    fn write(&self, out: &mut Vec<u8>) {
        let (horizontal, vertical) =
            (self.chroma_siting_horizontal as u8, self.chroma_siting_vertical as u8);
        let combined = (self.range as u8) << 4 | horizontal << 2 | vertical;
        out.extend_from_slice(&[self.primaries, self.transfer, self.matrix, combined]);
        let Some(hdr) = &self.hdr else { return };
        for value in [
            hdr.luminance_max,
            hdr.luminance_min,
            hdr.primary_red.x,
            hdr.primary_red.y,
            hdr.primary_green.x,
            hdr.primary_green.y,
            hdr.primary_blue.x,
            hdr.primary_blue.y,
            hdr.white_point.x,
            hdr.white_point.y,
            hdr.max_content_light_level,
            hdr.max_frame_average_light_level,
        ] {
            out.extend_from_slice(&value.to_be_bytes());
        }
    }
}
