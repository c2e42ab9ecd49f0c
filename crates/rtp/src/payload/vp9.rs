//! VP9 payloads (RFC 9628), flexible and non-flexible mode with spatial and temporal layers, and the few fields of the
//! VP9 frame header (VP9 bitstream specification §6.2) that transport needs.

use arrayvec::ArrayVec;
use smallvec::{SmallVec, smallvec};

use super::{
    bits::BitReader,
    descriptor::{CodecDescriptor, Lead, MediaRange, PayloadDescriptor, PictureId},
    error::Error,
    fragments::fragments,
    frame::FrameInfo,
};

const FORMAT: &str = "VP9";
const SECTION: &str = "RFC 9628 §4.2";

/// What only VP9's payload descriptor has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vp9Descriptor {
    /// P: predicted from earlier pictures.
    pub inter_picture_predicted: bool,
    /// F: references are written out in every frame.
    pub flexible: bool,
    /// B: begins a layer frame.
    pub begins_layer_frame: bool,
    /// E: ends a layer frame.
    pub ends_layer_frame: bool,
    /// Z: no higher spatial layer of the picture refers to this layer frame.
    pub not_reference_for_upper: bool,
    /// D: predicted from the next lower spatial layer of the picture.
    pub inter_layer_predicted: bool,
    /// P_DIFF: distances back, in pictures, to those referred to; flexible mode only.
    pub reference_distances: ArrayVec<u8, 3>,
    /// The scalability structure, if this packet brings one.
    pub scalability: Option<Box<ScalabilityStructure>>,
}

/// Scalability structure (RFC 9628 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScalabilityStructure {
    /// Spatial layers, 1 to 8.
    pub spatial_layers: u8,
    /// Width and height of each spatial layer; empty if not told.
    pub dimensions: ArrayVec<(u16, u16), 8>,
    /// The pictures of a group, in decoding order, after which the pattern repeats; `None` if no pattern is told.
    pub picture_group: Option<Vec<GroupPicture>>,
}

/// One picture of a group (RFC 9628 §4.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupPicture {
    /// Temporal layer.
    pub temporal_layer: u8,
    /// Higher temporal layers may be joined here.
    pub switching_up: bool,
    /// Distances back, in pictures, to those referred to.
    pub reference_distances: ArrayVec<u8, 3>,
}

/// What the frame header of a VP9 frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp9FrameHeader {
    /// Whether this is a key frame.
    pub keyframe: bool,
    /// Width and height in pixels; key frames only.
    pub dimensions: Option<(u16, u16)>,
}

impl Vp9FrameHeader {
    /// Reads the uncompressed header at the start of a frame; `None` if it is none.
    pub fn read(frame: &[u8]) -> Option<Self> {
        let mut reader = BitReader::new(frame);
        if reader.bits(2)? != 2 {
            return None; // frame_marker
        }
        let profile = reader.bits(1)? | reader.bits(1)? << 1;
        if profile == 3 && reader.bit()? {
            return None; // reserved_zero
        }
        if reader.bit()? {
            return Some(Self { keyframe: false, dimensions: None }); // show_existing_frame
        }
        let keyframe = !reader.bit()?;
        reader.skip(2)?; // show_frame, error_resilient_mode
        let dimensions = keyframe.then(|| Self::key_dimensions(&mut reader, profile)).flatten();
        Some(Self { keyframe, dimensions })
    }

    fn key_dimensions(reader: &mut BitReader<'_>, profile: u32) -> Option<(u16, u16)> {
        if reader.bits(24)? != 0x49_83_42 {
            return None; // frame_sync_code
        }
        if profile >= 2 {
            reader.bit()?; // ten_or_twelve_bit
        }
        let is_rgb = reader.bits(3)? == 7;
        let has_subsampling = profile & 1 == 1;
        reader.skip(match (is_rgb, has_subsampling) {
            (true, true) => 1,   // reserved_zero
            (true, false) => 0,  // nothing
            (false, true) => 4,  // color_range, subsampling_x, subsampling_y, reserved_zero
            (false, false) => 1, // color_range
        })?;
        let (width, height) = (reader.bits(16)?, reader.bits(16)?);
        Some((u16::try_from(width + 1).ok()?, u16::try_from(height + 1).ok()?))
    }
}

/// Sends VP9: keeps the running numbers.
#[derive(Debug, Clone)]
pub(crate) struct Vp9Packetizer {
    flexible: bool,
    temporal_layers: u8,
    spatial_layers: u8,
    picture_id: u16,
    tl0_picture_index: u8,
    /// The next frame begins a picture.
    new_picture: bool,
}

impl Vp9Packetizer {
    pub(crate) fn new(
        picture_id: u16,
        tl0_picture_index: u8,
        flexible: bool,
        temporal_layers: u8,
        spatial_layers: u8,
    ) -> Self {
        let picture_id = picture_id & 0x7FFF;
        Self {
            flexible,
            temporal_layers,
            spatial_layers: spatial_layers.clamp(1, 8),
            picture_id,
            tl0_picture_index,
            new_picture: true,
        }
    }

    pub(crate) fn set_layers(&mut self, flexible: bool, temporal_layers: u8, spatial_layers: u8) {
        self.flexible = flexible;
        self.temporal_layers = temporal_layers;
        self.spatial_layers = spatial_layers.clamp(1, 8);
    }

    pub(crate) fn packetize(
        &mut self,
        frame: &[u8],
        info: &FrameInfo,
        max_payload: usize,
        emit: &mut impl FnMut(&[&[u8]], bool),
    ) -> Result<(), Error> {
        if frame.is_empty() {
            return Err(Error::InvalidFrame { format: FORMAT, reason: "the frame is empty" });
        }
        let spatial_layer = info.spatial_layer.unwrap_or(0) & 7;
        let temporal_layer = info.temporal_layer.unwrap_or(0) & 7;
        let header = Vp9FrameHeader::read(frame);
        let keyframe = info.keyframe.unwrap_or_else(|| header.is_some_and(|h| h.keyframe));
        let inter_picture = !keyframe;
        let distances = &info.reference_distances;
        if self.flexible && inter_picture && !info.inter_layer_predicted && distances.is_empty() {
            let reason = "flexible mode needs the reference distances of every inter frame";
            return Err(Error::InvalidFrame { format: FORMAT, reason });
        }
        if distances.iter().any(|&distance| distance == 0 || distance > 127) {
            let reason = "reference distances are 1 to 127";
            return Err(Error::InvalidFrame { format: FORMAT, reason });
        }
        let predicted = inter_picture && !(self.flexible && distances.is_empty());
        let has_layers =
            !self.flexible || info.temporal_layer.is_some() || info.spatial_layer.is_some();

        let mut descriptor: SmallVec<[u8; 32]> = smallvec![
            0x80 | u8::from(predicted) << 6
                | u8::from(has_layers) << 5
                | u8::from(self.flexible) << 4
                | u8::from(info.discardable)
        ];
        descriptor.extend_from_slice(&(0x8000 | self.picture_id).to_be_bytes());
        let mut tl0_picture_index = self.tl0_picture_index;
        if has_layers {
            descriptor.push(
                temporal_layer << 5
                    | u8::from(info.layer_sync) << 4
                    | spatial_layer << 1
                    | u8::from(info.inter_layer_predicted),
            );
            if !self.flexible {
                if temporal_layer == 0 && self.new_picture {
                    tl0_picture_index = tl0_picture_index.wrapping_add(1);
                }
                descriptor.push(tl0_picture_index);
            }
        }
        if self.flexible && predicted {
            for (index, distance) in distances.iter().enumerate() {
                descriptor.push(distance << 1 | u8::from(index + 1 < distances.len()));
            }
        }
        // The structure goes with the first packet of a key picture only.
        let mut structure: SmallVec<[u8; 32]> = SmallVec::new();
        if keyframe && !info.inter_layer_predicted {
            let dimensions = info.dimensions.or_else(|| header.and_then(|h| h.dimensions));
            self.write_structure(dimensions, &mut structure);
        }
        let shared = descriptor.len();
        if max_payload <= shared + structure.len() {
            return Err(Error::PayloadLimitTooSmall { format: FORMAT, max: max_payload });
        }
        // Every packet leaves room for the structure: it is a few bytes in a keyframe only.
        for piece in fragments(frame, max_payload - shared - structure.len()) {
            let mut first = descriptor[0];
            first |= u8::from(piece.is_first) << 3 | u8::from(piece.is_last) << 2;
            let has_structure = piece.is_first && !structure.is_empty();
            first |= u8::from(has_structure) << 1;
            let structure: &[u8] = if has_structure { &structure } else { &[] };
            let marker = piece.is_last && info.end_of_picture;
            emit(&[&[first], &descriptor[1..], structure, piece.bytes], marker);
        }
        self.tl0_picture_index = tl0_picture_index;
        self.new_picture = info.end_of_picture;
        if info.end_of_picture {
            self.picture_id = (self.picture_id + 1) & 0x7FFF;
        }
        Ok(())
    }

    /// RFC 9628 §4.2.1.
    fn write_structure(&self, dimensions: Option<(u16, u16)>, out: &mut SmallVec<[u8; 32]>) {
        // The dimensions of all layers or of none are told; those of upper layers are not known here.
        let dimensions = dimensions.filter(|_| self.spatial_layers == 1);
        let group = picture_group(self.temporal_layers);
        let has_group = !self.flexible;
        out.push(
            (self.spatial_layers - 1) << 5
                | u8::from(dimensions.is_some()) << 4
                | u8::from(has_group) << 3,
        );
        if let Some((width, height)) = dimensions {
            out.extend_from_slice(&width.to_be_bytes());
            out.extend_from_slice(&height.to_be_bytes());
        }
        if has_group {
            out.push(group.len() as u8);
            for &(temporal_layer, distance) in group {
                out.push(temporal_layer << 5 | 1 << 4 | 1 << 2);
                out.push(distance);
            }
        }
    }
}

/// Temporal layer and reference distance of each picture of the group, in the patterns of L1T1, L1T2 and L1T3.
fn picture_group(temporal_layers: u8) -> &'static [(u8, u8)] {
    match temporal_layers {
        0 | 1 => &[(0, 1)],
        2 => &[(0, 2), (1, 1)],
        _ => &[(0, 4), (2, 1), (1, 2), (2, 1)],
    }
}

/// RFC 9628 §4.2.
pub(crate) fn read(payload: &[u8]) -> Result<PayloadDescriptor, Error> {
    let mut offset = 0;
    let mut next = |field| {
        let byte = payload.get(offset).copied().ok_or(Error::Truncated {
            format: FORMAT,
            field,
            offset: payload.len(),
            section: SECTION,
        });
        offset += 1;
        byte
    };
    let mut out = PayloadDescriptor::default();
    let first = next("the payload descriptor")?;
    let mut vp9 = Vp9Descriptor {
        inter_picture_predicted: first & 0x40 != 0,
        flexible: first & 0x10 != 0,
        begins_layer_frame: first & 0x08 != 0,
        ends_layer_frame: first & 0x04 != 0,
        not_reference_for_upper: first & 0x01 != 0,
        ..Vp9Descriptor::default()
    };
    if first & 0x80 != 0 {
        let high = next("PictureID")?;
        out.picture_id = Some(if high & 0x80 != 0 {
            let value = u16::from(high & 0x7F) << 8 | u16::from(next("PictureID")?);
            PictureId { value, is_long: true }
        } else {
            PictureId { value: u16::from(high), is_long: false }
        });
    } else if vp9.flexible {
        let reason = "flexible mode without a picture id";
        return Err(Error::Malformed { format: FORMAT, reason, section: SECTION });
    }
    if first & 0x20 != 0 {
        let layers = next("the layer indices")?;
        out.temporal_layer = Some(layers >> 5);
        out.layer_sync = layers & 0x10 != 0;
        out.spatial_layer = Some(layers >> 1 & 7);
        vp9.inter_layer_predicted = layers & 1 != 0;
        if !vp9.flexible {
            out.tl0_picture_index = Some(next("TL0PICIDX")?);
        }
    }
    if vp9.flexible && vp9.inter_picture_predicted {
        loop {
            let byte = next("P_DIFF")?;
            let Ok(()) = vp9.reference_distances.try_push(byte >> 1) else {
                let reason = "more than three reference distances";
                return Err(Error::Malformed { format: FORMAT, reason, section: SECTION });
            };
            if byte & 1 == 0 {
                break;
            }
        }
    }
    if first & 0x02 != 0 {
        vp9.scalability = Some(Box::new(read_structure(&mut next)?));
    }
    if offset >= payload.len() {
        let offset = payload.len();
        return Err(Error::Truncated { format: FORMAT, field: "media", offset, section: SECTION });
    }
    out.start_of_frame = vp9.begins_layer_frame && !vp9.inter_layer_predicted;
    out.end_of_frame = vp9.ends_layer_frame;
    out.keyframe = !vp9.inter_picture_predicted && !vp9.inter_layer_predicted;
    if let Some(structure) = &vp9.scalability {
        out.dimensions = structure.dimensions.last().copied();
    }
    if out.dimensions.is_none() && out.start_of_frame && out.keyframe {
        out.dimensions = Vp9FrameHeader::read(&payload[offset..]).and_then(|h| h.dimensions);
    }
    out.codec = CodecDescriptor::Vp9(vp9);
    out.media = smallvec![MediaRange::new(offset..payload.len(), Lead::None)];
    Ok(out)
}

/// RFC 9628 §4.2.1.
fn read_structure(
    next: &mut impl FnMut(&'static str) -> Result<u8, Error>,
) -> Result<ScalabilityStructure, Error> {
    let field = "the scalability structure";
    let head = next(field)?;
    let mut structure =
        ScalabilityStructure { spatial_layers: (head >> 5) + 1, ..ScalabilityStructure::default() };
    if head & 0x10 != 0 {
        for _ in 0..structure.spatial_layers {
            let width = u16::from_be_bytes([next(field)?, next(field)?]);
            let height = u16::from_be_bytes([next(field)?, next(field)?]);
            structure.dimensions.push((width, height));
        }
    }
    if head & 0x08 != 0 {
        let count = next(field)?;
        let mut group = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            let byte = next(field)?;
            let mut reference_distances = ArrayVec::new();
            for _ in 0..byte >> 2 & 3 {
                reference_distances.push(next(field)?);
            }
            group.push(GroupPicture {
                temporal_layer: byte >> 5,
                switching_up: byte & 0x10 != 0,
                reference_distances,
            });
        }
        structure.picture_group = Some(group);
    }
    Ok(structure)
}
