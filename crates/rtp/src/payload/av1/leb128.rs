//! Little-endian base 128 numbers (AV1 specification §4.10.5).

/// Reads a number: its value and how many bytes it has. `None` if it is cut off, has more than 8 bytes, or does not fit
/// 32 bits, all of which the specification forbids.
pub fn read_leb128(data: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (index, &byte) in data.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()? as usize, index + 1));
        }
    }
    None
}

/// Writes a number in the fewest bytes: the bytes, and how many of them count.
pub fn write_leb128(value: u32) -> ([u8; 5], usize) {
    let mut out = [0; 5];
    let mut rest = value;
    let mut len = 0;
    loop {
        out[len] = (rest & 0x7F) as u8;
        rest >>= 7;
        len += 1;
        if rest == 0 {
            return (out, len);
        }
        out[len - 1] |= 0x80;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_survive() {
        for value in [0, 1, 127, 128, 300, 16_383, 16_384, u32::MAX] {
            let (bytes, len) = write_leb128(value);
            assert_eq!(read_leb128(&bytes[..len]), Some((value as usize, len)));
            assert_eq!(read_leb128(&bytes[..len - 1]), None);
        }
        assert_eq!(read_leb128(&[0x85, 0x80, 0x00]), Some((5, 3))); // padded
        assert_eq!(read_leb128(&[0xFF; 9]), None);
        assert_eq!(read_leb128(&[0xFF, 0xFF, 0xFF, 0xFF, 0x1F]), None);
    }
}
