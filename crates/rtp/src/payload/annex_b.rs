//! The byte stream format of H.264 (Annex B) and H.265 (Annex B): NAL units between start codes.
//! The packetisers and the file readers take frames in this form, the assembler gives them out in it.

/// Iterates over the NAL units of a byte stream, without start codes and trailing zero bytes. Bytes before the first
/// start code and empty units are skipped.
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    /// After a start code, or nothing.
    rest: Option<&'a [u8]>,
}

impl<'a> NalUnits<'a> {
    /// Over the units in `stream`.
    pub fn new(stream: &'a [u8]) -> Self {
        Self { rest: find_start_code(stream).map(|at| &stream[at + 3..]) }
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let unit = match find_start_code(rest) {
                Some(at) => {
                    self.rest = Some(&rest[at + 3..]);
                    &rest[..at]
                }
                None => {
                    self.rest = None;
                    rest
                }
            };
            // zero_byte of a four-byte start code, and trailing_zero_8bits: a NAL unit never ends with a zero byte.
            let end = unit.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
            if end > 0 {
                return Some(&unit[..end]);
            }
        }
    }
}

/// Where the next `00 00 01` is.
pub fn find_start_code(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    while let Some(&third) = data.get(at + 2) {
        if third > 1 {
            at += 3; // no start code can include this byte
        } else if third == 1 && data[at] == 0 && data[at + 1] == 0 {
            return Some(at);
        } else {
            at += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_behind_either_start_code() {
        let stream =
            [9, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 0, 0, 1, 0, 0, 1, 0x65, 0, 0, 3, 1, 0, 0];
        let units: Vec<&[u8]> = NalUnits::new(&stream).collect();
        assert_eq!(units, [&[0x67, 1][..], &[0x68], &[0x65, 0, 0, 3, 1]]);
        assert_eq!(NalUnits::new(&[1, 2, 3]).count(), 0);
        assert_eq!(NalUnits::new(&[0, 0, 1]).count(), 0);
    }

    #[test]
    fn start_codes_are_found_as_a_plain_search_finds_them() {
        let mut state = 1u32;
        for _ in 0..2000 {
            let mut data = [0u8; 12];
            for byte in &mut data {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                *byte = (state >> 30) as u8;
            }
            let plain = data.windows(3).position(|w| w == [0, 0, 1]);
            assert_eq!(find_start_code(&data), plain, "{data:?}");
        }
    }
}
