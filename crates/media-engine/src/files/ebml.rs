//! The elements of EBML (RFC 8794) that a Matroska file is made of, written into a buffer.

/// Size of an element that lasts to the end of the file (RFC 8794 §6.2): all value bits set, in 8 bytes.
const UNKNOWN_SIZE: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// Appends an element's id, which has its length marker in it.
fn id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    out.extend_from_slice(&bytes[id.leading_zeros() as usize / 8..]);
}

fn size(out: &mut Vec<u8>, size: usize) {
    // Shortest of 1 to 8 bytes whose 7 bits each can hold it; all ones means unknown.
    let size = size as u64;
    let len = (1..8).find(|&len| size < (1 << (7 * len)) - 1).unwrap_or(8);
    let marked = size | 1 << (7 * len);
    out.extend_from_slice(&marked.to_be_bytes()[8 - len..]);
}

/// An element with bytes in it.
pub(super) fn binary(out: &mut Vec<u8>, element: u32, data: &[u8]) {
    id(out, element);
    size(out, data.len());
    out.extend_from_slice(data);
}

/// An element with an unsigned number in it.
pub(super) fn unsigned(out: &mut Vec<u8>, element: u32, value: u64) {
    let bytes = value.to_be_bytes();
    binary(out, element, &bytes[(value.leading_zeros() as usize / 8).min(7)..]);
}

/// An element with a floating point number in it.
pub(super) fn float(out: &mut Vec<u8>, element: u32, value: f64) {
    binary(out, element, &value.to_be_bytes());
}

/// An element with other elements in it.
pub(super) fn master(out: &mut Vec<u8>, element: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    fill(&mut inner);
    binary(out, element, &inner);
}

/// The beginning of an element that lasts until another of its rank, or the end of the file.
pub(super) fn open(out: &mut Vec<u8>, element: u32) {
    id(out, element);
    out.extend_from_slice(&UNKNOWN_SIZE);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_numbers_are_as_short_as_may_be() {
        let mut out = Vec::new();
        unsigned(&mut out, 0xD7, 1);
        unsigned(&mut out, 0x2A_D7B1, 1_000_000);
        unsigned(&mut out, 0xD7, 0);
        assert_eq!(out, [0xD7, 0x81, 1, 0x2A, 0xD7, 0xB1, 0x83, 0x0F, 0x42, 0x40, 0xD7, 0x81, 0]);
        let mut out = Vec::new();
        binary(&mut out, 0xEC, &[0; 127]); // 127 in one byte would mean unknown
        assert_eq!(out[..3], [0xEC, 0x40, 0x7F]);
        let mut out = Vec::new();
        binary(&mut out, 0xEC, &[0; 126]);
        assert_eq!(out[..2], [0xEC, 0xFE]);
    }
}
