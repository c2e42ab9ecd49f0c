//! Reading and writing fields of some bits, for the extensions that are not made of bytes.

/// Reads fields, most significant bit first.
#[derive(Debug)]
pub(super) struct BitReader<'a> {
    data: &'a [u8],
    /// Bits read.
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// A field of up to 32 bits; `None` where the data ends before it does.
    pub(super) fn bits(&mut self, count: u32) -> Option<u32> {
        let end = self.at.checked_add(count as usize)?;
        if end > self.data.len() * 8 {
            return None;
        }
        let mut value = 0_u64;
        while self.at < end {
            let available = 8 - self.at % 8;
            let take = available.min(end - self.at);
            let byte = u64::from(self.data[self.at / 8]) >> (available - take);
            value = value << take | (byte & ((1 << take) - 1));
            self.at += take;
        }
        Some(value as u32)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit != 0)
    }

    /// A number below `n`, which is at least 1, in as few bits as its value lets it (AV1 RTP App. A.8.2, `ns(n)`).
    pub(super) fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = 32 - n.leading_zeros();
        let short = (1 << width) - n;
        let value = self.bits(width - 1)?;
        if value < short { Some(value) } else { Some((value << 1) - short + self.bits(1)?) }
    }
}

/// Appends fields, most significant bit first; the last byte is filled with zeros.
#[derive(Debug)]
pub(super) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    /// Bits that are free in the last byte.
    free: u32,
}

impl<'a> BitWriter<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, free: 0 }
    }

    pub(super) fn bits(&mut self, value: u32, count: u32) {
        let mut left = count;
        while left > 0 {
            if self.free == 0 {
                self.out.push(0);
                self.free = 8;
            }
            let take = left.min(self.free);
            let part = (u64::from(value) >> (left - take)) as u32 & ((1 << take) - 1);
            if let Some(last) = self.out.last_mut() {
                *last |= (part << (self.free - take)) as u8;
            }
            self.free -= take;
            left -= take;
        }
    }

    pub(super) fn flag(&mut self, flag: bool) {
        self.bits(u32::from(flag), 1);
    }

    pub(super) fn non_symmetric(&mut self, value: u32, n: u32) {
        let width = 32 - n.leading_zeros();
        let short = (1 << width) - n;
        if value < short { self.bits(value, width - 1) } else { self.bits(value + short, width) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip() {
        let mut out = Vec::new();
        let mut writer = BitWriter::new(&mut out);
        let fields = [(1, 1), (0x1234_5678, 32), (5, 3), (0, 0), (0x3FFF, 14), (9, 7)];
        for (value, count) in fields {
            writer.bits(value, count);
        }
        for n in 1..40 {
            for value in 0..n {
                writer.non_symmetric(value, n);
            }
        }
        let mut reader = BitReader::new(&out);
        for (value, count) in fields {
            assert_eq!(reader.bits(count), Some(value));
        }
        for n in 1..40 {
            for value in 0..n {
                assert_eq!(reader.non_symmetric(n), Some(value));
            }
        }
        assert_eq!(reader.bits(32), None);
    }
}
