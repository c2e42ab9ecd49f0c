//! What secures the transport: fingerprints (RFC 8122), the DTLS role and association
//! (RFC 4145, 8842), and identity assertions (RFC 8827).

use crate::scan::{Scan, Scanner};
use crate::sink::Sink;
use crate::text::{Text, Word};
use crate::value::{Value, choice_type, keyword_type};
use std::fmt;

/// A certificate fingerprint (RFC 8122 §5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The hash function.
    pub hash: HashFunction,
    /// The digest; as long as the hash function makes it, at most 64 bytes.
    pub digest: Vec<u8>,
}

keyword_type! {
    /// The hash function of a fingerprint; names are compared without regard to case.
    HashFunction, "expected a hash function, such as sha-256";
    /// SHA-256, what everyone uses.
    Sha256 = "sha-256",
    /// SHA-1.
    Sha1 = "sha-1",
    /// SHA-224.
    Sha224 = "sha-224",
    /// SHA-384.
    Sha384 = "sha-384",
    /// SHA-512.
    Sha512 = "sha-512",
    /// MD5, which must not be relied upon.
    Md5 = "md5",
    /// MD2, which must not be relied upon.
    Md2 = "md2",
}

impl HashFunction {
    /// Length of its digest in bytes, where it is known.
    pub fn digest_len(&self) -> Option<usize> {
        match self {
            HashFunction::Sha256 => Some(32),
            HashFunction::Sha1 => Some(20),
            HashFunction::Sha224 => Some(28),
            HashFunction::Sha384 => Some(48),
            HashFunction::Sha512 => Some(64),
            HashFunction::Md5 | HashFunction::Md2 => Some(16),
            HashFunction::Other(_) => None,
        }
    }
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";
const MAX_DIGEST: usize = 64;

impl Value for Fingerprint {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Fingerprint> {
        const EXPECTED: &str = "expected bytes in hexadecimal with colons between";
        let hash = HashFunction::parse(scanner)?;
        let text = scanner.word(EXPECTED)?;
        let bytes = text.as_bytes();
        // Refused rather than skipped: a certificate must never be accepted by a digest that was
        // only partly read.
        if bytes.len() % 3 != 2 {
            return scanner.fault_at(text, EXPECTED);
        }
        let length = bytes.len() / 3 + 1;
        if length > MAX_DIGEST || hash.digest_len().is_some_and(|expected| expected != length) {
            return scanner.fault_at(text, "the digest has not the length of its hash function");
        }
        let mut digest = Vec::with_capacity(length);
        for (i, triple) in bytes.chunks(3).enumerate() {
            match (hex_digit(triple[0]), hex_digit(triple[1]), triple.get(2)) {
                (Some(high), Some(low), None | Some(b':')) => digest.push(high << 4 | low),
                _ => return scanner.fault_at(&text[i * 3..], EXPECTED),
            }
        }
        Ok(Fingerprint { hash, digest })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(self.hash.as_str());
        out.put(" ");
        let mut hex = [b':'; MAX_DIGEST * 3];
        let mut length = 0;
        for byte in self.digest.iter().take(MAX_DIGEST) {
            hex[length] = HEX[usize::from(byte >> 4)];
            hex[length + 1] = HEX[usize::from(byte & 15)];
            length += 3;
        }
        out.ascii(&hex[..length.saturating_sub(1)]);
    }
}

#[inline]
fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text);
        f.write_str(&text)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

choice_type! {
    /// Who opens the DTLS association (RFC 4145 §4, RFC 8842 §5.3).
    Setup, "expected active, passive, actpass or holdconn";
    /// This end opens it: the DTLS client.
    Active = "active",
    /// The other end opens it: the DTLS server.
    Passive = "passive",
    /// Either; only in offers.
    ActPass = "actpass",
    /// Not for now.
    HoldConn = "holdconn",
}

choice_type! {
    /// Whether a new transport connection is wanted (RFC 4145 §5).
    ConnectionReuse, "expected new or existing";
    /// A new one.
    New = "new",
    /// The one there is.
    Existing = "existing",
}

/// The identity of a DTLS association (RFC 8842 §4): 20 to 255 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TlsId(Word);

impl TlsId {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes `text`, if its length and characters are right.
    ///
    /// # Errors
    /// [`Error::InvalidText`](crate::Error::InvalidText) if they are not.
    pub fn new(text: &str) -> Result<TlsId, crate::Error> {
        match TlsId::is_valid(text) {
            true => Ok(TlsId(Word::checked(text))),
            false => Err(crate::Error::invalid_text(text, TlsId::EXPECTED)),
        }
    }

    const EXPECTED: &str = "expected 20 to 255 letters, digits, +, /, - or _";

    fn is_valid(text: &str) -> bool {
        (20..=255).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b))
    }
}

impl Value for TlsId {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<TlsId> {
        let word = scanner.word(TlsId::EXPECTED)?;
        match TlsId::is_valid(word) {
            true => Ok(TlsId(Word::checked(word))),
            false => scanner.fault_at(word, TlsId::EXPECTED),
        }
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.0);
    }
}

/// An identity assertion (RFC 8827 §5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The assertion, in base64.
    pub assertion: Word,
    /// Extensions, as they came.
    pub extensions: Text,
}

impl Value for Identity {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Identity> {
        const EXPECTED: &str = "expected an assertion in base64";
        let assertion = scanner.word(EXPECTED)?;
        if !assertion.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) {
            return scanner.fault_at(assertion, EXPECTED);
        }
        Ok(Identity {
            assertion: Word::checked(assertion),
            extensions: Text::checked(scanner.take_rest()),
        })
    }

    fn write(&self, out: &mut impl Sink) {
        out.put(&self.assertion);
        if !self.extensions.is_empty() {
            out.put(" ");
            out.put(&self.extensions);
        }
    }
}
