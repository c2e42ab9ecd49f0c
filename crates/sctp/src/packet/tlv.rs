//! Type-length-value, the shape of everything after the common header: chunks, their parameters, error causes
//! (RFC 9260 §3.2). Every file beside this one builds on it.

/// Why bytes are not the thing they claim to be. Counted, never an error of the association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]))
}

pub(crate) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

/// A length rounded up to the four-byte boundary on which chunks and parameters start.
pub(crate) const fn padded(length: usize) -> usize {
    (length + 3) & !3
}

/// A chunk whose type has not been looked at yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawChunk<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// After the four-byte chunk header, without padding.
    pub(crate) value: &'a [u8],
    /// Header and value, without padding: what an ERROR about this chunk quotes.
    pub(crate) whole: &'a [u8],
}

/// Walks the chunks of a packet; ends at the first whose length cannot be true.
#[derive(Clone, Debug)]
pub(crate) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    pub(crate) fn new(after_common_header: &'a [u8]) -> Self {
        Self { rest: after_common_header }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<RawChunk<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let Some(length) = be16(rest, 2).map(usize::from) else {
            return Some(Err(Malformed("chunk header cut short (RFC 9260 §3.2)")));
        };
        // A length below four would make the walk stand still.
        let Some(whole) = rest.get(..length).filter(|whole| whole.len() >= 4) else {
            return Some(Err(Malformed(
                "chunk length beyond the packet or below 4 (RFC 9260 §3.2)",
            )));
        };
        // The padding of the last chunk may be missing: it carries nothing.
        self.rest = rest.get(padded(length)..).unwrap_or(&[]);
        Some(Ok(RawChunk { kind: rest[0], flags: rest[1], value: &whole[4..], whole }))
    }
}

/// A parameter or error cause: both have a 16-bit type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawParameter<'a> {
    pub(crate) kind: u16,
    pub(crate) value: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Walks the parameters of a chunk; ends at the first whose length cannot be true.
#[derive(Clone, Debug)]
pub(crate) struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Parameters<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<RawParameter<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let rest = std::mem::take(&mut self.rest);
        let (Some(kind), Some(length)) = (be16(rest, 0), be16(rest, 2).map(usize::from)) else {
            return Some(Err(Malformed("parameter header cut short (RFC 9260 §3.2.1)")));
        };
        let Some(whole) = rest.get(..length).filter(|whole| whole.len() >= 4) else {
            return Some(Err(Malformed(
                "parameter length beyond the chunk or below 4 (RFC 9260 §3.2.1)",
            )));
        };
        self.rest = rest.get(padded(length)..).unwrap_or(&[]);
        Some(Ok(RawParameter { kind, value: &whole[4..], whole }))
    }
}

/// What to do with a type we do not know, from its two upper bits (RFC 9260 §3.2 and §3.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownRule {
    /// Process nothing that follows in this packet (chunks) or chunk (parameters).
    pub(crate) stop: bool,
    /// Tell the sender.
    pub(crate) report: bool,
}

impl UnknownRule {
    pub(crate) const fn for_chunk(kind: u8) -> Self {
        Self { stop: kind & 0x80 == 0, report: kind & 0x40 != 0 }
    }

    pub(crate) const fn for_parameter(kind: u16) -> Self {
        Self { stop: kind & 0x8000 == 0, report: kind & 0x4000 != 0 }
    }
}

/// Begins a chunk; give what it returns to [`end`].
pub(crate) fn begin_chunk(buf: &mut Vec<u8>, kind: u8, flags: u8) -> usize {
    let start = buf.len();
    buf.extend_from_slice(&[kind, flags, 0, 0]);
    start
}

/// Begins a parameter or error cause; give what it returns to [`end`].
pub(crate) fn begin_parameter(buf: &mut Vec<u8>, kind: u16) -> usize {
    let start = buf.len();
    let kind = kind.to_be_bytes();
    buf.extend_from_slice(&[kind[0], kind[1], 0, 0]);
    start
}

/// Fills in the length of what was begun at `start` and pads it. Nested parameters pad themselves; the padding of the
/// last one counts as padding of the chunk only if the chunk ends with it, which receivers accept either way.
pub(crate) fn end(buf: &mut Vec<u8>, start: usize) {
    let length = buf.len() - start;
    debug_assert!(length <= usize::from(u16::MAX));
    let bytes = (length as u16).to_be_bytes();
    buf[start + 2] = bytes[0];
    buf[start + 3] = bytes[1];
    const ZEROS: [u8; 3] = [0; 3];
    buf.extend_from_slice(&ZEROS[..padded(length) - length]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_of_length_zero_ends_the_walk() {
        let mut chunks = Chunks::new(&[1, 0, 0, 0, 9, 9, 9, 9]);
        assert!(chunks.next().unwrap().is_err());
        assert!(chunks.next().is_none());
    }

    #[test]
    fn missing_final_padding_is_accepted() {
        let mut chunks = Chunks::new(&[1, 2, 0, 5, 7]);
        let chunk = chunks.next().unwrap().unwrap();
        assert_eq!((chunk.kind, chunk.flags, chunk.value), (1, 2, &[7u8][..]));
        assert!(chunks.next().is_none());
    }

    #[test]
    fn upper_bits_rule() {
        assert_eq!(UnknownRule::for_chunk(0x3f), UnknownRule { stop: true, report: false });
        assert_eq!(UnknownRule::for_chunk(0x7f), UnknownRule { stop: true, report: true });
        assert_eq!(UnknownRule::for_chunk(0xbf), UnknownRule { stop: false, report: false });
        assert_eq!(UnknownRule::for_parameter(0xc00f), UnknownRule { stop: false, report: true });
    }
}
