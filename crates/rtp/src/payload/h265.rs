//! H.265 payloads (RFC 7798): single NAL units, aggregation packets and fragmentation units, without decoding order
//! numbers (`sprop-max-don-diff` 0, which is all that WebRTC negotiates).

use smallvec::SmallVec;

use super::{
    annex_b::NalUnits,
    bits::BitReader,
    descriptor::{CodecDescriptor, Lead, MediaRange, NalSummary, PayloadDescriptor},
    error::Error,
    fragments::fragments,
    frame::FrameInfo,
};

const FORMAT: &str = "H265";

/// `nal_unit_type` (ITU-T H.265 table 7-1, RFC 7798 §4.4).
mod nal_type {
    /// First and last of the types at which decoding can begin.
    pub(super) const IRAP: std::ops::RangeInclusive<u8> = 16..=23;
    pub(super) const LAST_SLICE: u8 = 31;
    pub(super) const VPS: u8 = 32;
    pub(super) const SPS: u8 = 33;
    pub(super) const PPS: u8 = 34;
    pub(super) const ACCESS_UNIT_DELIMITER: u8 = 35;
    pub(super) const LAST: u8 = 47;
    pub(super) const AGGREGATION: u8 = 48;
    pub(super) const FRAGMENTATION: u8 = 49;
    pub(super) const PACI: u8 = 50;
}

/// The two-byte NAL unit header: F, Type, LayerId, TID.
const HEADER: usize = 2;

fn unit_type(header: u8) -> u8 {
    header >> 1 & 0x3F
}

/// Sends an access unit in Annex B form.
pub(crate) fn packetize(
    frame: &[u8],
    info: &FrameInfo,
    max_payload: usize,
    emit: &mut impl FnMut(&[&[u8]], bool),
) -> Result<(), Error> {
    let units: SmallVec<[&[u8]; 16]> =
        NalUnits::new(frame).filter(|unit| unit.len() > HEADER).collect();
    if units.is_empty() {
        return Err(Error::InvalidFrame { format: FORMAT, reason: "no NAL unit in Annex B form" });
    }
    // Payload header, FU header and a byte of media.
    if max_payload < 4 {
        return Err(Error::PayloadLimitTooSmall { format: FORMAT, max: max_payload });
    }
    let mut index = 0;
    while index < units.len() {
        let unit = units[index];
        if unit.len() > max_payload {
            index += 1;
            let is_last_unit = index == units.len();
            // RFC 7798 §4.4.3: the unit's header with type 49, then S, E and the unit's type.
            let header = [unit[0] & 0x81 | nal_type::FRAGMENTATION << 1, unit[1]];
            for piece in fragments(&unit[HEADER..], max_payload - 3) {
                let fu = u8::from(piece.is_first) << 7
                    | u8::from(piece.is_last) << 6
                    | unit_type(unit[0]);
                let marker = is_last_unit && piece.is_last && info.end_of_picture;
                emit(&[&header, &[fu], piece.bytes], marker);
            }
            continue;
        }
        let mut size = HEADER;
        let count = units[index..]
            .iter()
            .take_while(|unit| {
                size += 2 + unit.len();
                size <= max_payload && unit.len() <= usize::from(u16::MAX)
            })
            .count()
            .max(1);
        let group = &units[index..index + count];
        index += count;
        let marker = index == units.len() && info.end_of_picture;
        if let [unit] = group {
            emit(&[unit], marker);
        } else {
            emit_aggregate(group, marker, emit);
        }
    }
    Ok(())
}

/// RFC 7798 §4.4.2.
fn emit_aggregate(group: &[&[u8]], marker: bool, emit: &mut impl FnMut(&[&[u8]], bool)) {
    // F is set if any is set; LayerId and TID are the lowest.
    let forbidden = group.iter().fold(0, |all, unit| all | unit[0] & 0x80);
    let layer = |unit: &[u8]| (unit[0] & 1) << 5 | unit[1] >> 3;
    let lowest_layer = group.iter().map(|unit| layer(unit)).min().unwrap_or(0);
    let lowest_tid = group.iter().map(|unit| unit[1] & 7).min().unwrap_or(1);
    let header = [
        forbidden | nal_type::AGGREGATION << 1 | lowest_layer >> 5,
        (lowest_layer & 0x1F) << 3 | lowest_tid,
    ];
    let sizes: SmallVec<[[u8; 2]; 16]> =
        group.iter().map(|unit| (unit.len() as u16).to_be_bytes()).collect();
    let mut parts: SmallVec<[&[u8]; 32]> = SmallVec::new();
    parts.push(&header);
    for (size, unit) in sizes.iter().zip(group) {
        parts.push(size);
        parts.push(unit);
    }
    emit(&parts, marker);
}

/// RFC 7798 §4.4.
pub(crate) fn read(payload: &[u8]) -> Result<PayloadDescriptor, Error> {
    let truncated =
        |field, offset, section| Error::Truncated { format: FORMAT, field, offset, section };
    if payload.len() <= HEADER {
        return Err(truncated("the payload header", payload.len(), "RFC 7798 §4.2"));
    }
    let malformed = |reason, section| Error::Malformed { format: FORMAT, reason, section };
    if payload[1] & 7 == 0 {
        return Err(malformed("TID is 0", "RFC 7798 §1.1.4"));
    }
    let mut out =
        PayloadDescriptor { temporal_layer: Some((payload[1] & 7) - 1), ..Default::default() };
    let mut seen = NalSummary::default();
    match unit_type(payload[0]) {
        0..=nal_type::LAST => {
            note_unit(payload, true, &mut seen, &mut out);
            out.media.push(MediaRange::new(0..payload.len(), Lead::StartCode));
        }
        nal_type::AGGREGATION => {
            let section = "RFC 7798 §4.4.2";
            let mut offset = HEADER;
            while offset < payload.len() {
                let Some(size) = payload.get(offset..offset + 2) else {
                    return Err(truncated("a NAL unit size", offset, section));
                };
                let size = usize::from(u16::from_be_bytes([size[0], size[1]]));
                offset += 2;
                let Some(unit) = payload.get(offset..offset + size) else {
                    return Err(truncated("an aggregated NAL unit", payload.len(), section));
                };
                if unit.len() < HEADER || unit_type(unit[0]) > nal_type::LAST {
                    let reason = "an aggregate holds something that is no NAL unit";
                    return Err(malformed(reason, section));
                }
                note_unit(unit, out.media.is_empty(), &mut seen, &mut out);
                out.media.push(MediaRange::new(offset..offset + size, Lead::StartCode));
                offset += size;
            }
        }
        nal_type::FRAGMENTATION => {
            let section = "RFC 7798 §4.4.3";
            let fu = payload[HEADER];
            let (start, end, unit_type) = (fu & 0x80 != 0, fu & 0x40 != 0, fu & 0x3F);
            if start && end {
                let reason = "a fragment is both the first and the last of its NAL unit";
                return Err(malformed(reason, section));
            }
            if unit_type > nal_type::LAST {
                return Err(malformed("a fragment of something that is no NAL unit", section));
            }
            note_type(unit_type, &mut seen);
            let media = &payload[HEADER + 1..];
            let lead = if start {
                note_first(unit_type, media.first().copied(), &mut seen, &mut out);
                Lead::NalHeader([payload[0] & 0x81 | unit_type << 1, payload[1]], 2)
            } else {
                Lead::None
            };
            out.media.push(MediaRange::new(HEADER + 1..payload.len(), lead));
        }
        nal_type::PACI => {
            let what = "payload content information (PACI)";
            return Err(Error::Unsupported { format: FORMAT, what, section: "RFC 7798 §4.4.4" });
        }
        _ => return Err(malformed("the payload type is reserved", "RFC 7798 §4.4")),
    }
    out.keyframe = seen.intra || seen.sps;
    out.codec = CodecDescriptor::H265(seen);
    Ok(out)
}

fn note_unit(unit: &[u8], is_first: bool, seen: &mut NalSummary, out: &mut PayloadDescriptor) {
    let unit_type = unit_type(unit[0]);
    note_type(unit_type, seen);
    if is_first {
        note_first(unit_type, unit.get(HEADER).copied(), seen, out);
    }
    if unit_type == nal_type::SPS {
        out.dimensions = sps_dimensions(unit);
    }
}

fn note_type(unit_type: u8, seen: &mut NalSummary) {
    seen.sps |= unit_type == nal_type::SPS;
    seen.pps |= unit_type == nal_type::PPS;
    seen.intra |= nal_type::IRAP.contains(&unit_type);
    seen.slice |= unit_type <= nal_type::LAST_SLICE;
}

/// As for H.264: what stands before a slice may have been lost.
fn note_first(
    unit_type: u8,
    first_byte: Option<u8>,
    seen: &mut NalSummary,
    out: &mut PayloadDescriptor,
) {
    out.start_of_frame = matches!(unit_type, nal_type::ACCESS_UNIT_DELIMITER | nal_type::VPS);
    // first_slice_segment_in_pic_flag (ITU-T H.265 §7.3.6.1).
    seen.first_slice =
        unit_type <= nal_type::LAST_SLICE && first_byte.is_some_and(|byte| byte & 0x80 != 0);
}

/// Width and height in pixels after cropping, of a sequence parameter set given as a whole NAL unit
/// (ITU-T H.265 §7.3.2.2.1). `None` if it is cut off, invalid, or larger than 65,535.
pub fn sps_dimensions(unit: &[u8]) -> Option<(u16, u16)> {
    let mut reader = BitReader::nal(unit.get(HEADER..)?);
    reader.skip(4)?; // sps_video_parameter_set_id
    let sub_layers = reader.bits(3)?; // sps_max_sub_layers_minus1
    reader.bit()?; // sps_temporal_id_nesting_flag
    reader.skip(96)?; // general profile, tier and level
    let mut present = SmallVec::<[(bool, bool); 8]>::new();
    for _ in 0..sub_layers {
        present.push((reader.bit()?, reader.bit()?));
    }
    if sub_layers > 0 {
        reader.skip(2 * (8 - sub_layers))?;
    }
    for (profile, level) in present {
        reader.skip(if profile { 88 } else { 0 } + if level { 8 } else { 0 })?;
    }
    reader.ue()?; // sps_seq_parameter_set_id
    let chroma_format = reader.ue()?;
    let separate_planes = chroma_format == 3 && reader.bit()?;
    let (width, height) = (reader.ue()?, reader.ue()?);
    let mut window = [0; 4];
    if reader.bit()? {
        for edge in &mut window {
            *edge = reader.ue()?;
        }
    }
    let (sub_width, sub_height) = match chroma_format {
        1 if !separate_planes => (2, 2),
        2 if !separate_planes => (2, 1),
        _ => (1, 1),
    };
    let [left, right, top, bottom] = window;
    let cropped = |size: u32, unit: u32, a: u32, b: u32| {
        let crop = a.checked_add(b)?.checked_mul(unit)?;
        u16::try_from(size.checked_sub(crop)?).ok().filter(|&size| size > 0)
    };
    Some((cropped(width, sub_width, left, right)?, cropped(height, sub_height, top, bottom)?))
}
