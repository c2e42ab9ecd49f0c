//! Open bitstream units: header, type, and finding them in a temporal unit (AV1 specification §5.3, §6.2).

use super::leb128::read_leb128;
use crate::payload::bits::BitReader;

/// `obu_type` (AV1 specification §6.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObuType(pub u8);

impl ObuType {
    /// Sequence header.
    pub const SEQUENCE_HEADER: Self = Self(1);
    /// Temporal delimiter.
    pub const TEMPORAL_DELIMITER: Self = Self(2);
    /// Frame header without tiles.
    pub const FRAME_HEADER: Self = Self(3);
    /// Tile group.
    pub const TILE_GROUP: Self = Self(4);
    /// Metadata.
    pub const METADATA: Self = Self(5);
    /// Frame header and tile group.
    pub const FRAME: Self = Self(6);
    /// Copy of a frame header.
    pub const REDUNDANT_FRAME_HEADER: Self = Self(7);
    /// Tile list.
    pub const TILE_LIST: Self = Self(8);
    /// Padding.
    pub const PADDING: Self = Self(15);

    /// Not sent over RTP, and ignored where it comes (AV1 RTP specification §5).
    pub fn is_left_out_of_rtp(self) -> bool {
        matches!(self, Self::TEMPORAL_DELIMITER | Self::TILE_LIST)
    }
}

/// An OBU's header of one or two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObuHeader {
    /// What the OBU is.
    pub obu_type: ObuType,
    /// Whether a size follows the header.
    pub has_size: bool,
    /// Temporal and spatial layer, where the header has its extension.
    pub layers: Option<(u8, u8)>,
}

impl ObuHeader {
    /// Reads a header. `None` if it is cut off or the forbidden bit is set.
    pub fn read(data: &[u8]) -> Option<Self> {
        let &first = data.first()?;
        if first & 0x80 != 0 {
            return None;
        }
        let layers = match first & 4 {
            0 => None,
            _ => data.get(1).map(|extension| Some((extension >> 5, extension >> 3 & 3)))?,
        };
        Some(Self { obu_type: ObuType(first >> 3 & 0x0F), has_size: first & 2 != 0, layers })
    }

    /// Bytes of the header.
    #[expect(clippy::len_without_is_empty, reason = "a header is never empty")]
    pub fn len(&self) -> usize {
        1 + usize::from(self.layers.is_some())
    }
}

/// An OBU in a temporal unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Obu<'a> {
    /// The header.
    pub header: ObuHeader,
    /// The header's bytes as they stand there.
    pub header_bytes: &'a [u8],
    /// What follows header and size.
    pub payload: &'a [u8],
}

/// Iterates over OBUs in the low-overhead format (AV1 specification §5.2). An OBU without a size reaches to the end of
/// the data. The error is the offset of what is no OBU; nothing follows it.
#[derive(Debug, Clone)]
pub struct Obus<'a> {
    data: &'a [u8],
    offset: usize,
}

impl<'a> Obus<'a> {
    /// Over the OBUs in `data`.
    pub fn new(data: &'a [u8]) -> Self {
        Self { data, offset: 0 }
    }

    /// Where the next OBU begins.
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn read(&mut self) -> Option<Obu<'a>> {
        let rest = &self.data[self.offset..];
        let header = ObuHeader::read(rest)?;
        let (size, size_len) = match header.has_size {
            true => read_leb128(&rest[header.len()..])?,
            false => (rest.len() - header.len(), 0),
        };
        let start = header.len() + size_len;
        let payload = rest.get(start..start.checked_add(size)?)?;
        self.offset += start + size;
        Some(Obu { header, header_bytes: &rest[..header.len()], payload })
    }
}

impl<'a> Iterator for Obus<'a> {
    type Item = Result<Obu<'a>, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset >= self.data.len() {
            return None;
        }
        let at = self.offset;
        Some(self.read().ok_or_else(|| {
            self.offset = self.data.len();
            at
        }))
    }
}

/// Largest frame width and height out of a sequence header's payload (AV1 specification §5.5.1).
pub fn sequence_header_dimensions(payload: &[u8]) -> Option<(u16, u16)> {
    let mut reader = BitReader::new(payload);
    reader.skip(3)?; // seq_profile
    reader.bit()?; // still_picture
    if reader.bit()? {
        reader.skip(5)?; // reduced_still_picture_header: seq_level_idx
    } else {
        let mut buffer_delay_bits = None;
        if reader.bit()? {
            reader.skip(64)?; // num_units_in_display_tick, time_scale
            if reader.bit()? {
                reader.ue()?; // num_ticks_per_picture_minus_1: uvlc() has the form of ue(v)
            }
            if reader.bit()? {
                buffer_delay_bits = Some(reader.bits(5)? + 1);
                reader.skip(42)?; // num_units_in_decoding_tick and two lengths
            }
        }
        let has_initial_display_delay = reader.bit()?;
        for _ in 0..=reader.bits(5)? {
            reader.skip(12)?; // operating_point_idc
            if reader.bits(5)? > 7 {
                reader.bit()?; // seq_tier
            }
            if let Some(bits) = buffer_delay_bits
                && reader.bit()?
            {
                reader.skip(2 * bits + 1)?; // operating_parameters_info
            }
            if has_initial_display_delay && reader.bit()? {
                reader.skip(4)?;
            }
        }
    }
    let (width_bits, height_bits) = (reader.bits(4)? + 1, reader.bits(4)? + 1);
    let (width, height) = (reader.bits(width_bits)?, reader.bits(height_bits)?);
    Some((u16::try_from(width + 1).ok()?, u16::try_from(height + 1).ok()?))
}
