//! Reading and writing of the TLS presentation language (RFC 8446 §3): big-endian numbers and length-prefixed vectors.

/// A cursor over bytes of a peer. Every read checks the length; `None` means that the bytes ended too early.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.bytes.split_at_checked(len)?;
        self.bytes = tail;
        Some(head)
    }

    /// All that is left.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.bytes.split_first_chunk::<N>()?;
        self.bytes = tail;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    pub(crate) fn u48(&mut self) -> Option<u64> {
        self.array().map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// `opaque x<0..2^8-1>`.
    pub(crate) fn vec8(&mut self) -> Option<&'a [u8]> {
        let len = self.u8()?;
        self.take(usize::from(len))
    }

    /// `opaque x<0..2^16-1>`.
    pub(crate) fn vec16(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// `opaque x<0..2^24-1>`.
    pub(crate) fn vec24(&mut self) -> Option<&'a [u8]> {
        let len = self.u24()?;
        self.take(len as usize)
    }
}

/// A list of 16-bit numbers, as they fill a vector; `None` if the length is odd.
pub(crate) fn u16_list(bytes: &[u8]) -> Option<Vec<u16>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect())
}

pub(crate) fn put_u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes the low 24 bits.
#[cfg(test)]
pub(crate) fn put_u24(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes()[1..]);
}

/// Writes the low 48 bits.
#[cfg(test)]
pub(crate) fn put_u48(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes()[2..]);
}

/// Writes a vector with an 8-bit length, whose contents `body` appends. Contents of ours always fit.
pub(crate) fn put_vec8(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.push(0);
    body(out);
    let len = out.len() - at - 1;
    debug_assert!(len <= 0xff);
    out[at] = len as u8;
}

/// Writes a vector with a 16-bit length, whose contents `body` appends. Contents of ours always fit.
pub(crate) fn put_vec16(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 2]);
    body(out);
    let len = out.len() - at - 2;
    debug_assert!(len <= 0xffff);
    out[at..at + 2].copy_from_slice(&(len as u16).to_be_bytes());
}

/// Writes a vector with a 24-bit length, whose contents `body` appends. Contents of ours always fit.
pub(crate) fn put_vec24(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 3]);
    body(out);
    let len = out.len() - at - 3;
    debug_assert!(len <= 0x00ff_ffff);
    out[at..at + 3].copy_from_slice(&(len as u32).to_be_bytes()[1..]);
}

/// Writes 16-bit numbers one after another.
pub(crate) fn put_u16_list(out: &mut Vec<u8>, values: impl IntoIterator<Item = u16>) {
    for value in values {
        put_u16(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_vectors_read_back() {
        let mut out = Vec::new();
        put_u16(&mut out, 0x0102);
        put_u24(&mut out, 0x03_0405);
        put_u48(&mut out, 0x0607_0809_0a0b);
        put_vec8(&mut out, |out| out.push(1));
        put_vec16(&mut out, |out| put_vec24(out, |out| put_u16_list(out, [7, 8])));
        let mut reader = Reader::new(&out);
        assert_eq!(reader.u16(), Some(0x0102));
        assert_eq!(reader.u24(), Some(0x03_0405));
        assert_eq!(reader.u48(), Some(0x0607_0809_0a0b));
        assert_eq!(reader.vec8(), Some(&[1][..]));
        let mut inner = Reader::new(reader.vec16().unwrap());
        assert_eq!(u16_list(inner.vec24().unwrap()), Some(vec![7, 8]));
        assert!(inner.is_empty() && reader.is_empty());
        assert_eq!(reader.u8(), None);
        assert_eq!(u16_list(&[1, 2, 3]), None);
        assert_eq!(Reader::new(&[5, 1]).vec8(), None);
    }
}
