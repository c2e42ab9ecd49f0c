//! Packing NAL units into payloads and finding them again (RFC 6184 §5).

use smallvec::SmallVec;

use super::{nal_type, sps};
use crate::payload::{
    annex_b::NalUnits,
    descriptor::{CodecDescriptor, Lead, MediaRange, NalSummary, PayloadDescriptor},
    error::Error,
    format::PacketizationMode,
    fragments::fragments,
    frame::FrameInfo,
};

const FORMAT: &str = "H264";

/// Sends an access unit in Annex B form.
pub(crate) fn packetize(
    mode: PacketizationMode,
    frame: &[u8],
    info: &FrameInfo,
    max_payload: usize,
    emit: &mut impl FnMut(&[&[u8]], bool),
) -> Result<(), Error> {
    let units: SmallVec<[&[u8]; 16]> = NalUnits::new(frame).collect();
    if units.is_empty() {
        return Err(Error::InvalidFrame { format: FORMAT, reason: "no NAL unit in Annex B form" });
    }
    // FU indicator, FU header and a byte of media.
    if max_payload < 3 {
        return Err(Error::PayloadLimitTooSmall { format: FORMAT, max: max_payload });
    }
    if mode == PacketizationMode::SingleNalUnit {
        // Checked before anything is sent: half an access unit helps nobody.
        if let Some(large) = units.iter().find(|unit| unit.len() > max_payload) {
            return Err(Error::TooLarge {
                format: FORMAT,
                size: large.len(),
                max: max_payload,
                section: "RFC 6184 §6.2",
            });
        }
        for (index, unit) in units.iter().enumerate() {
            emit(&[unit], index + 1 == units.len() && info.end_of_picture);
        }
        return Ok(());
    }
    let mut index = 0;
    while index < units.len() {
        let unit = units[index];
        if unit.len() > max_payload {
            index += 1;
            let is_last_unit = index == units.len();
            // RFC 6184 §5.8: F and NRI of the unit with type 28, then S, E and the unit's type.
            let indicator = unit[0] & 0xE0 | nal_type::FU_A;
            for piece in fragments(&unit[1..], max_payload - 2) {
                let header =
                    u8::from(piece.is_first) << 7 | u8::from(piece.is_last) << 6 | unit[0] & 0x1F;
                let marker = is_last_unit && piece.is_last && info.end_of_picture;
                emit(&[&[indicator, header], piece.bytes], marker);
            }
            continue;
        }
        let mut size = 1;
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
            emit_stap_a(group, marker, emit);
        }
    }
    Ok(())
}

/// RFC 6184 §5.7.1.
fn emit_stap_a(group: &[&[u8]], marker: bool, emit: &mut impl FnMut(&[&[u8]], bool)) {
    // F is set if any is set, NRI is the highest (§5.7).
    let forbidden = group.iter().fold(0, |all, unit| all | unit[0] & 0x80);
    let importance = group.iter().map(|unit| unit[0] & 0x60).max().unwrap_or(0);
    let header = [forbidden | importance | nal_type::STAP_A];
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

/// RFC 6184 §5.6 to §5.8.
pub(crate) fn read(payload: &[u8]) -> Result<PayloadDescriptor, Error> {
    let truncated =
        |field, offset, section| Error::Truncated { format: FORMAT, field, offset, section };
    let Some(&header) = payload.first() else {
        return Err(truncated("the NAL unit header", 0, "RFC 6184 §5.3"));
    };
    let mut out = PayloadDescriptor::default();
    let mut seen = NalSummary::default();
    // nal_ref_idc 0: no other picture refers to this (ITU-T H.264 §7.4.1).
    out.discardable = header & 0x60 == 0;
    match header & 0x1F {
        1..=23 => {
            note_unit(payload, true, &mut seen, &mut out);
            out.media.push(MediaRange::new(0..payload.len(), Lead::StartCode));
        }
        nal_type::STAP_A => {
            let section = "RFC 6184 §5.7.1";
            let mut offset = 1;
            while offset < payload.len() {
                let Some(size) = payload.get(offset..offset + 2) else {
                    return Err(truncated("a NAL unit size", offset, section));
                };
                let size = usize::from(u16::from_be_bytes([size[0], size[1]]));
                offset += 2;
                let Some(unit) = payload.get(offset..offset + size) else {
                    return Err(truncated("an aggregated NAL unit", payload.len(), section));
                };
                // An empty unit carries nothing; an aggregate or fragment inside an aggregate is not allowed.
                if let Some(first) = unit.first() {
                    if !(1..=23).contains(&(first & 0x1F)) {
                        let reason = "an aggregate holds something that is no NAL unit";
                        return Err(Error::Malformed { format: FORMAT, reason, section });
                    }
                    note_unit(unit, out.media.is_empty(), &mut seen, &mut out);
                    out.media.push(MediaRange::new(offset..offset + size, Lead::StartCode));
                }
                offset += size;
            }
            if out.media.is_empty() {
                return Err(truncated("the first aggregated NAL unit", payload.len(), section));
            }
        }
        nal_type::FU_A => {
            let section = "RFC 6184 §5.8";
            let &[indicator, fu, ref media @ ..] = payload else {
                return Err(truncated("the FU header", payload.len(), section));
            };
            let (start, end) = (fu & 0x80 != 0, fu & 0x40 != 0);
            if start && end {
                let reason = "a fragment is both the first and the last of its NAL unit";
                return Err(Error::Malformed { format: FORMAT, reason, section });
            }
            let unit_type = fu & 0x1F;
            if !(1..=23).contains(&unit_type) {
                let reason = "a fragment of something that is no NAL unit";
                return Err(Error::Malformed { format: FORMAT, reason, section });
            }
            note_type(unit_type, &mut seen);
            let lead = if start {
                note_first(unit_type, media.first().copied(), &mut seen, &mut out);
                Lead::NalHeader([indicator & 0xE0 | unit_type, 0], 1)
            } else {
                Lead::None
            };
            if start && unit_type == nal_type::SPS {
                out.dimensions = sps::dimensions_of_rbsp(media);
            }
            out.media.push(MediaRange::new(2..payload.len(), lead));
        }
        nal_type::STAP_B | nal_type::MTAP_16 | nal_type::MTAP_24 | nal_type::FU_B => {
            let what = "interleaved mode (STAP-B, MTAP16, MTAP24, FU-B)";
            return Err(Error::Unsupported { format: FORMAT, what, section: "RFC 6184 §6.4" });
        }
        _ => {
            let reason = "the NAL unit type is 0, 30 or 31, which are undefined";
            return Err(Error::Malformed { format: FORMAT, reason, section: "RFC 6184 §5.2" });
        }
    }
    out.keyframe = seen.intra || seen.sps;
    out.codec = CodecDescriptor::H264(seen);
    Ok(out)
}

fn note_unit(unit: &[u8], is_first: bool, seen: &mut NalSummary, out: &mut PayloadDescriptor) {
    let unit_type = unit[0] & 0x1F;
    note_type(unit_type, seen);
    if is_first {
        note_first(unit_type, unit.get(1).copied(), seen, out);
    }
    if unit_type == nal_type::SPS {
        out.dimensions = sps::dimensions(unit);
    }
}

/// Only a delimiter and a sequence parameter set leave no doubt that the access unit begins here. What stands before a
/// slice may have been lost.
fn note_first(
    unit_type: u8,
    first_byte: Option<u8>,
    seen: &mut NalSummary,
    out: &mut PayloadDescriptor,
) {
    out.start_of_frame = matches!(unit_type, nal_type::ACCESS_UNIT_DELIMITER | nal_type::SPS);
    // first_mb_in_slice is ue(v): a leading 1 is the value 0 (ITU-T H.264 §7.3.3).
    seen.first_slice = matches!(unit_type, nal_type::SLICE | nal_type::IDR_SLICE)
        && first_byte.is_some_and(|byte| byte & 0x80 != 0);
}

fn note_type(unit_type: u8, seen: &mut NalSummary) {
    seen.sps |= unit_type == nal_type::SPS;
    seen.pps |= unit_type == nal_type::PPS;
    seen.intra |= unit_type == nal_type::IDR_SLICE;
    seen.slice |= (nal_type::SLICE..=nal_type::IDR_SLICE).contains(&unit_type);
}
