//! What the first bits of VP9 frames say of their size (VP9 bitstream specification §6.2 and Annex B), so that a frame which is too
//! large is refused before libvpx takes memory for it.

/// The frames of what was encoded of one moment: those that a superframe's index tells of, or all of it as one.
pub(crate) fn frames(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut rest, mut sizes) = (data, index(data));
    std::iter::from_fn(move || {
        let size = match &mut sizes {
            Some(sizes) => sizes.next()?,
            None if rest.is_empty() => return None,
            None => rest.len(),
        };
        let (frame, after) = rest.split_at_checked(size)?;
        rest = after;
        Some(frame)
    })
}

/// The sizes in the index at the end of a superframe; `None` where there is none.
fn index(data: &[u8]) -> Option<impl Iterator<Item = usize>> {
    let marker = *data.last()?;
    if marker >> 5 != 0b110 {
        return None;
    }
    let (count, bytes) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let begin = data.len().checked_sub(2 + count * bytes)?;
    if data[begin] != marker {
        return None;
    }
    let little_endian =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | usize::from(*byte));
    Some(data[begin + 1..data.len() - 1].chunks_exact(bytes).map(little_endian))
}

/// Width and height, where the frame names them: keyframes do, and others that do not take those of a reference.
pub(crate) fn size(frame: &[u8]) -> Option<(u32, u32)> {
    let mut bits = Bits { data: frame, at: 0 };
    if bits.take(2)? != 2 {
        return None;
    }
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if profile == 3 {
        bits.take(1)?;
    }
    let show_existing = bits.take(1)? == 1;
    if show_existing {
        return None;
    }
    let key = bits.take(1)? == 0;
    let (shown, resilient) = (bits.take(1)? == 1, bits.take(1)? == 1);
    if key {
        bits.take(24)?;
        bits.skip_colours(profile)?;
        return bits.size();
    }
    let intra_only = !shown && bits.take(1)? == 1;
    if !resilient {
        bits.take(2)?;
    }
    if intra_only {
        bits.take(24)?;
        if profile > 0 {
            bits.skip_colours(profile)?;
        }
        bits.take(8)?;
        return bits.size();
    }
    // Which references are renewed, and three that are used.
    bits.take(8)?;
    bits.take(12)?;
    for _ in 0..3 {
        if bits.take(1)? == 1 {
            return None;
        }
    }
    bits.size()
}

/// Reads bits, the highest first.
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<u32> {
        (0..count).try_fold(0, |value, _| {
            let byte = self.data.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    fn skip_colours(&mut self, profile: u32) -> Option<()> {
        if profile >= 2 {
            self.take(1)?;
        }
        let rgb = self.take(3)? == 7;
        if !rgb {
            self.take(1)?;
        }
        if profile & 1 == 1 {
            self.take(if rgb { 1 } else { 3 })?;
        }
        Some(())
    }

    fn size(&mut self) -> Option<(u32, u32)> {
        Some((self.take(16)? + 1, self.take(16)? + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits of a keyframe of profile 0 that says this size.
    fn keyframe(width: u32, height: u32) -> Vec<u8> {
        let mut bits = String::from("10" /* marker */);
        bits += "00"; // profile
        bits += "0"; // an existing frame
        bits += "0"; // a keyframe
        bits += "10"; // shown, not resilient
        bits += &format!("{:024b}", 0x49_83_42);
        bits += "0010"; // colours
        bits += &format!("{:016b}{:016b}", width - 1, height - 1);
        bits += &"0".repeat(bits.len().next_multiple_of(8) - bits.len());
        let bytes = bits.as_bytes().chunks(8);
        bytes
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
            .collect()
    }

    #[test]
    fn sizes_are_read_in_every_frame_of_a_superframe() {
        let (small, large) = (keyframe(64, 48), keyframe(16_384, 9));
        assert_eq!(size(&small), Some((64, 48)));
        let mut superframe = [small.clone(), large.clone()].concat();
        let marker = 0b1100_0001;
        superframe.extend([marker, small.len() as u8, large.len() as u8, marker]);
        let sizes: Vec<_> = frames(&superframe).map(size).collect();
        assert_eq!(sizes, [Some((64, 48)), Some((16_384, 9))]);
        assert_eq!(frames(&small).collect::<Vec<_>>(), [&small[..]]);
    }

    #[test]
    fn an_inter_frame_may_name_a_size_of_its_own() {
        // Marker, profile, no existing frame, not a keyframe, shown, resilient; refresh, references, none found.
        let head = format!("10000111{}{}000", "0".repeat(8), "0".repeat(12));
        let bits = format!("{head}{:016b}{:016b}00000", 1_919, 1_079);
        let bytes = bits.as_bytes().chunks(8);
        let frame: Vec<u8> = bytes
            .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap_or(0))
            .collect();
        assert_eq!(size(&frame), Some((1_920, 1_080)));
    }

    #[test]
    fn whatever_is_cut_off_has_no_size() {
        let frame = keyframe(64, 48);
        for length in 0..frame.len() - 1 {
            assert_eq!(size(&frame[..length]), None);
        }
        for marker in 0..=255 {
            // An index that says more than there is.
            for size in frames(&[marker; 5]).map(<[u8]>::len) {
                assert!(size <= 5);
            }
        }
    }
}
