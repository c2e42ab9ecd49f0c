//! Width and height out of a sequence parameter set (ITU-T H.264 §7.3.2.1.1).

use crate::payload::bits::BitReader;

/// Width and height in pixels after cropping, of a sequence parameter set given as a whole NAL unit.
/// `None` if it is cut off, invalid, or larger than 65,535.
pub fn dimensions(unit: &[u8]) -> Option<(u16, u16)> {
    dimensions_of_rbsp(unit.get(1..)?)
}

pub(super) fn dimensions_of_rbsp(rbsp: &[u8]) -> Option<(u16, u16)> {
    let mut reader = BitReader::nal(rbsp);
    let profile = reader.bits(8)?;
    reader.skip(16)?; // constraint flags and level_idc
    reader.ue()?; // seq_parameter_set_id
    let mut chroma_format = 1;
    let mut separate_planes = false;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma_format = reader.ue()?;
        if chroma_format == 3 {
            separate_planes = reader.bit()?;
        }
        reader.ue()?; // bit_depth_luma_minus8
        reader.ue()?; // bit_depth_chroma_minus8
        reader.bit()?; // qpprime_y_zero_transform_bypass_flag
        if reader.bit()? {
            for list in 0..if chroma_format == 3 { 12 } else { 8 } {
                if reader.bit()? {
                    skip_scaling_list(&mut reader, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    reader.ue()?; // log2_max_frame_num_minus4
    match reader.ue()? {
        0 => {
            reader.ue()?; // log2_max_pic_order_cnt_lsb_minus4
        }
        1 => {
            reader.bit()?; // delta_pic_order_always_zero_flag
            reader.se()?; // offset_for_non_ref_pic
            reader.se()?; // offset_for_top_to_bottom_field
            let count = reader.ue()?;
            if count > 255 {
                return None;
            }
            for _ in 0..count {
                reader.se()?; // offset_for_ref_frame
            }
        }
        2 => {}
        _ => return None,
    }
    reader.ue()?; // max_num_ref_frames
    reader.bit()?; // gaps_in_frame_num_value_allowed_flag
    let width_in_macroblocks = reader.ue()?.checked_add(1)?;
    let height_in_map_units = reader.ue()?.checked_add(1)?;
    let frames_only = reader.bit()?;
    if !frames_only {
        reader.bit()?; // mb_adaptive_frame_field_flag
    }
    reader.bit()?; // direct_8x8_inference_flag
    let mut crop = [0; 4];
    if reader.bit()? {
        for edge in &mut crop {
            *edge = reader.ue()?;
        }
    }
    // ITU-T H.264 equations 7-18 to 7-21.
    let array_type = if separate_planes { 0 } else { chroma_format };
    let (sub_width, sub_height) = match array_type {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let fields = 2 - u32::from(frames_only);
    let [left, right, top, bottom] = crop;
    let cropped = |size: u32, unit: u32, a: u32, b: u32| {
        let crop = a.checked_add(b)?.checked_mul(unit)?;
        u16::try_from(size.checked_sub(crop)?).ok().filter(|&size| size > 0)
    };
    let width = width_in_macroblocks.checked_mul(16)?;
    let height = height_in_map_units.checked_mul(16)?.checked_mul(fields)?;
    Some((
        cropped(width, sub_width, left, right)?,
        cropped(height, sub_height * fields, top, bottom)?,
    ))
}

/// ITU-T H.264 §7.3.2.1.1.1.
fn skip_scaling_list(reader: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last.wrapping_add(reader.se()?)).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}
