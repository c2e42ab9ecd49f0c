//! A received message: checked once, then read in place (RFC 8489 §5, §14).

use std::net::SocketAddr;

use crate::attribute::{Attribute, RawAttribute, check_sha256_len};
use crate::attribute_type::AttributeType;
use crate::error::Error;
use crate::error_code::ErrorCode;
use crate::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, decode_type};
use crate::integrity::{IntegrityAlgorithm, IntegrityKey};

/// A STUN message, borrowed. Parsing checks the header and the frame of every attribute, and allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
    // Offsets of attribute headers; 0 where there is none (an attribute never stands inside the header).
    integrity: u32,
    integrity_sha256: u32,
    fingerprint: u32,
}

impl<'a> Message<'a> {
    /// Parses a datagram that holds one message and nothing else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let Some((header, body)) = bytes.split_first_chunk::<HEADER_LEN>() else {
            return Err(Error::Truncated { need: HEADER_LEN, have: bytes.len() });
        };
        // RFC 8489 §5: the most significant 2 bits of every message are zero.
        if header[0] & 0xC0 != 0 {
            return Err(Error::NotStun { reason: "the first two bits are not zero" });
        }
        if header[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(Error::NotStun { reason: "the magic cookie is missing" });
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if !length.is_multiple_of(4) {
            return Err(Error::InvalidLength { length, reason: "not a multiple of 4" });
        }
        if length > body.len() {
            return Err(Error::Truncated { need: HEADER_LEN + length, have: bytes.len() });
        }
        if length < body.len() {
            return Err(Error::InvalidLength { length, reason: "bytes follow the message" });
        }
        let (class, method) = decode_type(u16::from_be_bytes([header[0], header[1]]));
        let mut message =
            Self { bytes, class, method, integrity: 0, integrity_sha256: 0, fingerprint: 0 };
        message.scan()?;
        Ok(message)
    }

    /// Walks the attributes once: checks that each fits and notes the three that protect the message.
    #[inline]
    fn scan(&mut self) -> Result<(), Error> {
        let mut offset = HEADER_LEN;
        while offset < self.bytes.len() {
            if self.fingerprint != 0 {
                return Err(Error::AfterFingerprint { offset });
            }
            let Some((kind, value, end)) = attribute_at(self.bytes, offset) else {
                return Err(Error::AttributeOverrun { offset });
            };
            let length = value.len();
            let invalid = |reason| Error::InvalidAttribute { attribute: kind, reason };
            match kind {
                AttributeType::MESSAGE_INTEGRITY
                    if self.integrity == 0 && self.integrity_sha256 == 0 =>
                {
                    if length != 20 {
                        return Err(invalid("the length is not 20 (RFC 8489 §14.5)"));
                    }
                    self.integrity = offset as u32;
                }
                AttributeType::MESSAGE_INTEGRITY_SHA256 if self.integrity_sha256 == 0 => {
                    check_sha256_len(length)?;
                    self.integrity_sha256 = offset as u32;
                }
                AttributeType::FINGERPRINT => {
                    if length != 4 {
                        return Err(invalid("the length is not 4 (RFC 8489 §14.7)"));
                    }
                    self.fingerprint = offset as u32;
                }
                _ => {}
            }
            offset = end;
        }
        Ok(())
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.class
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The transaction id.
    pub fn transaction_id(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER_LEN]);
        TransactionId(id)
    }

    /// The whole message.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes that count. Those after a message integrity attribute, other than MESSAGE-INTEGRITY-SHA256 and
    /// FINGERPRINT, are not protected and are left out (RFC 8489 §14.5, §14.6).
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes {
            bytes: self.bytes,
            offset: HEADER_LEN,
            protected: false,
            protected_sha256: false,
        }
    }

    /// The first attribute of a kind; further ones are to be ignored (RFC 8489 §14).
    #[inline]
    pub fn get(&self, kind: AttributeType) -> Option<RawAttribute<'a>> {
        let noted = match kind {
            AttributeType::MESSAGE_INTEGRITY => self.integrity,
            AttributeType::MESSAGE_INTEGRITY_SHA256 => self.integrity_sha256,
            AttributeType::FINGERPRINT => self.fingerprint,
            _ => return self.find(kind),
        } as usize;
        let (_, value, _) = attribute_at(self.bytes, noted)?;
        (noted != 0).then_some(RawAttribute { kind, value, offset: noted })
    }

    /// As [`get`](Self::get), for those that only count before the message integrity attributes.
    #[inline]
    fn find(&self, kind: AttributeType) -> Option<RawAttribute<'a>> {
        let end = match (self.integrity, self.integrity_sha256) {
            (0, 0) => self.bytes.len(),
            (0, at) | (at, 0) => at as usize,
            (sha1, sha256) => sha1.min(sha256) as usize,
        };
        let bytes = self.bytes.get(..end)?;
        let mut offset = HEADER_LEN;
        while let Some((found, value, next)) = attribute_at(bytes, offset) {
            if found == kind {
                return Some(RawAttribute { kind, value, offset });
            }
            offset = next;
        }
        None
    }

    /// The first attribute of a kind, read.
    pub fn decode(&self, kind: AttributeType) -> Option<Result<Attribute<'a>, Error>> {
        Some(self.get(kind)?.decode(self.transaction_id()))
    }

    /// Comprehension-required attributes that this crate does not know, to be listed in a 420 response
    /// (RFC 8489 §6.3.1).
    pub fn unknown_required(&self) -> impl Iterator<Item = AttributeType> + use<'a> {
        self.attributes().map(|a| a.kind).filter(|k| k.is_comprehension_required() && !k.is_known())
    }

    /// USERNAME as bytes.
    #[inline]
    pub fn username(&self) -> Option<&'a [u8]> {
        self.get(AttributeType::USERNAME).map(|a| a.value)
    }

    /// PRIORITY.
    #[inline]
    pub fn priority(&self) -> Option<u32> {
        self.get(AttributeType::PRIORITY)?.u32()
    }

    /// XOR-MAPPED-ADDRESS or, from old servers, MAPPED-ADDRESS.
    pub fn mapped_address(&self) -> Option<SocketAddr> {
        let xored = self.decode(AttributeType::XOR_MAPPED_ADDRESS);
        match xored.or_else(|| self.decode(AttributeType::MAPPED_ADDRESS))? {
            Ok(Attribute::XorMappedAddress(address) | Attribute::MappedAddress(address)) => {
                Some(address)
            }
            _ => None,
        }
    }

    /// ERROR-CODE.
    pub fn error_code(&self) -> Option<ErrorCode<'a>> {
        match self.decode(AttributeType::ERROR_CODE)? {
            Ok(Attribute::ErrorCode(code)) => Some(code),
            _ => None,
        }
    }

    /// Whether there is an integrity attribute of the algorithm.
    pub fn has_integrity(&self, algorithm: IntegrityAlgorithm) -> bool {
        self.integrity_offset(algorithm) != 0
    }

    fn integrity_offset(&self, algorithm: IntegrityAlgorithm) -> usize {
        let offset = match algorithm {
            IntegrityAlgorithm::HmacSha1 => self.integrity,
            IntegrityAlgorithm::HmacSha256 => self.integrity_sha256,
        };
        offset as usize
    }

    /// Checks MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256, whichever the key is for, in constant time.
    #[inline]
    pub fn verify_integrity(&self, key: &IntegrityKey) -> Result<(), Error> {
        let offset = self.integrity_offset(key.algorithm());
        if offset == 0 {
            return Err(Error::MissingIntegrity);
        }
        let length =
            usize::from(u16::from_be_bytes([self.bytes[offset + 2], self.bytes[offset + 3]]));
        let tag = &self.bytes[offset + 4..offset + 4 + length];
        if key.verify(&self.bytes[..offset], length, tag) {
            Ok(())
        } else {
            Err(Error::IntegrityMismatch)
        }
    }

    /// Whether FINGERPRINT is present.
    pub fn has_fingerprint(&self) -> bool {
        self.fingerprint != 0
    }

    /// Checks FINGERPRINT.
    #[inline]
    pub fn verify_fingerprint(&self) -> Result<(), Error> {
        let offset = self.fingerprint as usize;
        if offset == 0 {
            return Err(Error::MissingFingerprint);
        }
        let expected = fingerprint(&self.bytes[..offset]).to_be_bytes();
        if self.bytes[offset + 4..offset + 8] == expected {
            Ok(())
        } else {
            Err(Error::FingerprintMismatch)
        }
    }
}

/// Kind and value of the attribute at an offset, and where the next one begins; `None` where it does not fit.
#[inline]
fn attribute_at(bytes: &[u8], offset: usize) -> Option<(AttributeType, &[u8], usize)> {
    let (&[k0, k1, l0, l1], rest) = bytes.get(offset..)?.split_first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let padded = length.next_multiple_of(4);
    // RFC 8489 §14: padding belongs to the attribute, so that it too has to be there.
    if padded > rest.len() {
        return None;
    }
    let kind = AttributeType(u16::from_be_bytes([k0, k1]));
    Some((kind, &rest[..length], offset + 4 + padded))
}

/// CRC-32 XOR 0x5354554e (RFC 8489 §14.7).
pub(crate) fn fingerprint(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes) ^ 0x5354_554e
}

/// Iterator over the attributes of a [`Message`].
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
    protected: bool,
    protected_sha256: bool,
}

impl<'a> Iterator for Attributes<'a> {
    type Item = RawAttribute<'a>;

    fn next(&mut self) -> Option<RawAttribute<'a>> {
        loop {
            let offset = self.offset;
            let head = self.bytes.get(offset..offset + 4)?;
            let kind = AttributeType(u16::from_be_bytes([head[0], head[1]]));
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            self.offset = offset + 4 + length.next_multiple_of(4);
            let counts = match kind {
                AttributeType::FINGERPRINT => true,
                AttributeType::MESSAGE_INTEGRITY_SHA256 => !self.protected_sha256,
                _ => !self.protected && !self.protected_sha256,
            };
            match kind {
                AttributeType::MESSAGE_INTEGRITY => self.protected = true,
                AttributeType::MESSAGE_INTEGRITY_SHA256 => self.protected_sha256 = true,
                _ => {}
            }
            if counts {
                return Some(RawAttribute {
                    kind,
                    value: self.bytes.get(offset + 4..offset + 4 + length)?,
                    offset,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![0, 1, 0, 0];
        bytes.extend(MAGIC_COOKIE.to_be_bytes());
        bytes.extend([7; 12]);
        for (kind, value) in attributes {
            bytes.extend(kind.to_be_bytes());
            bytes.extend((value.len() as u16).to_be_bytes());
            bytes.extend(*value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        let length = (bytes.len() - HEADER_LEN) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes
    }

    /// Every order of the attributes that protect, with an ordinary one before, between and behind.
    #[test]
    fn an_attribute_got_is_the_first_that_counts() {
        let protecting: [(u16, &[u8]); 3] =
            [(0x0008, &[1; 20]), (0x001C, &[2; 32]), (0x0024, &[3; 4])];
        for first in protecting {
            for second in protecting {
                for third in protecting {
                    for last in [(0x8028, &[4u8; 4][..]), (0x0006, b"late")] {
                        let bytes = message(&[
                            first,
                            (0x0006, b"a"),
                            second,
                            third,
                            (0x0024, &[5; 4]),
                            last,
                        ]);
                        let message = Message::parse(&bytes).unwrap();
                        for kind in
                            [0x0006, 0x0008, 0x001C, 0x0024, 0x0025, 0x8028].map(AttributeType)
                        {
                            let expected = message.attributes().find(|a| a.kind == kind);
                            assert_eq!(message.get(kind), expected, "{kind} in {bytes:02x?}");
                        }
                    }
                }
            }
        }
    }
}
