//! A reader of single bits and Exp-Golomb codes, for the headers inside encoded frames. Every read may fail: the bytes
//! are a peer's.

/// Reads bits from the most significant down.
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    /// In bits.
    position: usize,
    /// Bytes `00 00 03` stand for `00 00` (H.264 §7.4.1, H.265 §7.4.2).
    skip_emulation: bool,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0, skip_emulation: false }
    }

    /// For the payload of a NAL unit: emulation prevention bytes are left out.
    pub(crate) fn nal(data: &'a [u8]) -> Self {
        Self { data, position: 0, skip_emulation: true }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let mut byte = self.position / 8;
        if self.skip_emulation
            && self.position.is_multiple_of(8)
            && byte >= 2
            && self.data.get(byte) == Some(&3)
            && self.data[byte - 1] == 0
            && self.data[byte - 2] == 0
        {
            self.position += 8;
            byte += 1;
        }
        let bit = self.data.get(byte)? >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// At most 32.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32);
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(crate) fn skip(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.bit()?;
        }
        Some(())
    }

    /// ue(v): unsigned Exp-Golomb.
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// se(v): signed Exp-Golomb.
    pub(crate) fn se(&mut self) -> Option<i32> {
        let code = self.ue()?;
        let magnitude = (code / 2 + code % 2) as i32;
        Some(if code % 2 == 1 { magnitude } else { -magnitude })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes() {
        // 1 010 011 00100 00101 -> 0 1 2 3 4
        let mut reader = BitReader::new(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        for expected in 0..5 {
            assert_eq!(reader.ue(), Some(expected));
        }
        let mut reader = BitReader::new(&[0b0100_1100, 0b1000_0101]);
        assert_eq!((reader.se(), reader.se(), reader.se()), (Some(1), Some(-1), Some(2)));
        assert_eq!(BitReader::new(&[0; 8]).ue(), None);
    }

    #[test]
    fn emulation_prevention_is_left_out() {
        let mut reader = BitReader::nal(&[0, 0, 3, 1, 3]);
        assert_eq!(reader.bits(24), Some(1));
        assert_eq!(reader.bits(8), Some(3));
        assert_eq!(reader.bit(), None);
    }
}
