//! Payloads and digests that every interop peer computes alike, whatever its language.

use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// Bytes of the payload table; no message is longer than one round of it plus itself.
pub const TABLE_SIZE: usize = 65536;

/// Bytes at the start of a stamped message: a 32-bit index and the time of sending as an IEEE double.
pub const STAMP_SIZE: usize = 12;

static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9E37_79B9_u32;
    let mut table = Vec::with_capacity(TABLE_SIZE);
    for _ in 0..TABLE_SIZE {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        table.push((state & 0xff) as u8);
    }
    table
});

static TEXT: LazyLock<Vec<u8>> =
    LazyLock::new(|| TABLE.iter().map(|byte| 32 + byte % 95).collect());

/// Whether a message is text or binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string, sent as UTF-8.
    Text,
    /// Bytes.
    Binary,
}

impl Kind {
    /// The name used in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Binary => "binary",
        }
    }
}

/// Message `index` of the stream with this seed; text payloads are printable ASCII.
pub fn payload(kind: Kind, seed: u64, index: u64, size: usize) -> Vec<u8> {
    let table: &[u8] = match kind {
        Kind::Text => &TEXT,
        Kind::Binary => &TABLE,
    };
    let mut at = ((seed * 7919 + index * 104_729) % TABLE_SIZE as u64) as usize;
    let mut out = Vec::with_capacity(size);
    while out.len() < size {
        let take = (size - out.len()).min(TABLE_SIZE - at);
        out.extend_from_slice(&table[at..at + take]);
        at = 0;
    }
    out
}

/// Writes index and time of sending (milliseconds of Unix time) over the first [`STAMP_SIZE`] bytes.
pub fn stamp(message: &mut [u8], index: u32, time: f64) {
    if message.len() >= STAMP_SIZE {
        message[..4].copy_from_slice(&index.to_be_bytes());
        message[4..STAMP_SIZE].copy_from_slice(&time.to_be_bytes());
    }
}

/// Reads what [`stamp`] wrote.
pub fn read_stamp(message: &[u8]) -> Option<(u32, f64)> {
    let (index, rest) = message.split_first_chunk::<4>()?;
    let time = rest.first_chunk::<8>()?;
    Some((u32::from_be_bytes(*index), f64::from_be_bytes(*time)))
}

/// A digest over a sequence of messages: their order, boundaries, kinds and bytes.
#[derive(Clone, Default)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Adds a message and returns the digest of that message alone.
    pub fn add(&mut self, kind: Kind, message: &[u8]) -> [u8; 32] {
        let inner: [u8; 32] = Sha256::digest(message).into();
        let mut chain = Sha256::new();
        chain.update(self.0);
        chain.update([u8::from(kind == Kind::Binary)]);
        chain.update(inner);
        self.0 = chain.finalize().into();
        inner
    }

    /// The digest so far, in hexadecimal.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_go_round_the_table() {
        let long = payload(Kind::Binary, 1, 0, TABLE_SIZE + 100);
        assert_eq!(long.len(), TABLE_SIZE + 100);
        assert_eq!(long[TABLE_SIZE - 7919..TABLE_SIZE], payload(Kind::Binary, 0, 0, 7919)[..]);
        assert_ne!(payload(Kind::Binary, 1, 1, 64), payload(Kind::Binary, 1, 0, 64));
        assert!(payload(Kind::Text, 3, 9, 4096).iter().all(|byte| (32..127).contains(byte)));
    }

    #[test]
    fn digests_see_boundaries_and_kinds() {
        let digest = |messages: &[(Kind, &[u8])]| {
            let mut digest = Digest::default();
            for (kind, bytes) in messages {
                digest.add(*kind, bytes);
            }
            digest.hex()
        };
        let whole = digest(&[(Kind::Binary, b"ab")]);
        assert_ne!(whole, digest(&[(Kind::Binary, b"a"), (Kind::Binary, b"b")]));
        assert_ne!(whole, digest(&[(Kind::Text, b"ab")]));
        assert_eq!(whole.len(), 64);
    }

    #[test]
    fn a_stamp_is_read_back() {
        let mut message = vec![0; 20];
        stamp(&mut message, 77, 1234.5);
        assert_eq!(read_stamp(&message), Some((77, 1234.5)));
        assert_eq!(read_stamp(&message[..11]), None);
    }
}
