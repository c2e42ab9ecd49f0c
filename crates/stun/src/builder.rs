//! Writes a message into the caller's buffer (RFC 8489 §5, §14).

use peerage_crypto::Digest;

use crate::attribute::{Attribute, check_sha256_len, encode};
use crate::attribute_type::AttributeType;
use crate::error::Error;
use crate::header::{Class, HEADER_LEN, MAGIC_COOKIE, Method, TransactionId, encode_type};
use crate::integrity::{IntegrityAlgorithm, IntegrityKey};
use crate::message::fingerprint;

/// The largest body that is a multiple of four and fits the 16-bit length field.
const MAX_BODY_LEN: usize = 0xFFFC;

/// Appends one message to a buffer that may hold other bytes before it. The length field is right after every step.
///
/// What does not fit in the 16-bit length field is left out, so a message is always well-formed; no message of STUN or
/// TURN comes near.
#[derive(Debug)]
pub struct MessageBuilder<'b> {
    buf: &'b mut Vec<u8>,
    start: usize,
    id: TransactionId,
}

impl<'b> MessageBuilder<'b> {
    /// Writes the header.
    pub fn new(buf: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = buf.len();
        let mut header = [0; HEADER_LEN];
        header[..2].copy_from_slice(&encode_type(class, method).to_be_bytes());
        header[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        header[8..].copy_from_slice(&id.0);
        buf.extend_from_slice(&header);
        Self { buf, start, id }
    }

    /// Appends an attribute.
    pub fn attribute(self, attribute: &Attribute<'_>) -> Self {
        let id = self.id;
        encode(attribute, id, |kind, parts| self.parts(kind, parts))
    }

    /// Appends an attribute whose value is the concatenation of `parts`, as a username of two fragments is.
    pub fn parts(mut self, kind: AttributeType, parts: &[&[u8]]) -> Self {
        let room = MAX_BODY_LEN - (self.buf.len() - self.start - HEADER_LEN);
        if room < 4 {
            return self;
        }
        let at = self.buf.len();
        self.buf.extend_from_slice(&kind.0.to_be_bytes());
        self.buf.extend_from_slice(&[0, 0]);
        let mut left = room - 4;
        for part in parts {
            let part = &part[..part.len().min(left)];
            left -= part.len();
            self.buf.extend_from_slice(part);
        }
        let length = self.buf.len() - at - 4;
        self.buf[at + 2..at + 4].copy_from_slice(&(length as u16).to_be_bytes());
        // RFC 8489 §14: padding is zero on sending.
        self.buf.resize(at + 4 + length.next_multiple_of(4), 0);
        self.set_length();
        self
    }

    fn set_length(&mut self) {
        let length = (self.buf.len() - self.start - HEADER_LEN) as u16;
        self.buf[self.start + 2..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Appends MESSAGE-INTEGRITY or MESSAGE-INTEGRITY-SHA256, whichever the key is for.
    pub fn integrity(self, key: &IntegrityKey) -> Self {
        let len = key.algorithm().tag_len();
        let tag = key.sign(&self.buf[self.start..], len);
        self.tag(key.algorithm(), &tag, len)
    }

    /// Appends MESSAGE-INTEGRITY-SHA256 cut to `len` bytes, for usages that allow it (RFC 8489 §14.6).
    pub fn truncated_integrity(self, key: &IntegrityKey, len: usize) -> Result<Self, Error> {
        if key.algorithm() != IntegrityAlgorithm::HmacSha256 {
            return Err(Error::MissingIntegrity);
        }
        check_sha256_len(len)?;
        let tag = key.sign(&self.buf[self.start..], len);
        Ok(self.tag(key.algorithm(), &tag, len))
    }

    fn tag(self, algorithm: IntegrityAlgorithm, tag: &Digest, len: usize) -> Self {
        let kind = match algorithm {
            IntegrityAlgorithm::HmacSha1 => AttributeType::MESSAGE_INTEGRITY,
            IntegrityAlgorithm::HmacSha256 => AttributeType::MESSAGE_INTEGRITY_SHA256,
        };
        self.parts(kind, &[&tag[..len]])
    }

    /// Appends FINGERPRINT, after which nothing may follow, and gives the size of the message in bytes.
    pub fn fingerprint(self) -> usize {
        if self.buf.len() - self.start - HEADER_LEN + 8 > MAX_BODY_LEN {
            return self.finish();
        }
        // The CRC covers the length field, which already counts FINGERPRINT (RFC 8489 §14.7).
        let length = (self.buf.len() - self.start - HEADER_LEN + 8) as u16;
        self.buf[self.start + 2..self.start + 4].copy_from_slice(&length.to_be_bytes());
        let crc = fingerprint(&self.buf[self.start..]);
        self.parts(AttributeType::FINGERPRINT, &[&crc.to_be_bytes()]).finish()
    }

    /// Ends the message without FINGERPRINT and gives its size in bytes.
    pub fn finish(self) -> usize {
        self.buf.len() - self.start
    }
}
