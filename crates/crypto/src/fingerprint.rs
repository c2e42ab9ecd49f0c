//! Certificate fingerprints (RFC 8122 §5): how SDP says which certificate a DTLS peer must show.

use std::{fmt, str::FromStr};

use crate::{CryptoProvider, Digest, Error, HashAlgorithm, constant_time_eq};

/// A hash of a certificate, in SDP written `sha-256 AB:CD:...`.
///
/// Reading is lenient about case; md2 and md5 are refused (RFC 8122 §5 forbids to use them). Comparison is in constant
/// time.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint {
    algorithm: HashAlgorithm,
    digest: Digest,
}

impl Fingerprint {
    /// Makes a fingerprint of known bytes.
    pub fn new(algorithm: HashAlgorithm, digest: &[u8]) -> Result<Self, Error> {
        if name(algorithm).is_none() {
            return Err(Error::UnsupportedHash(format!("{algorithm:?}")));
        }
        if digest.len() != algorithm.output_len() {
            return Err(Error::InvalidLength {
                what: "fingerprint",
                expected: algorithm.output_len(),
                actual: digest.len(),
            });
        }
        Ok(Self { algorithm, digest: Digest::new(digest) })
    }

    /// Hashes a certificate, DER.
    pub fn of(
        provider: &dyn CryptoProvider,
        algorithm: HashAlgorithm,
        certificate_der: &[u8],
    ) -> Result<Self, Error> {
        let mut hash = provider.hash(algorithm);
        hash.update(certificate_der);
        Self::new(algorithm, &hash.current())
    }

    /// Whether this is the fingerprint of that certificate, DER.
    pub fn matches(&self, provider: &dyn CryptoProvider, certificate_der: &[u8]) -> bool {
        Self::of(provider, self.algorithm, certificate_der).is_ok_and(|actual| actual == *self)
    }

    /// The hash function.
    pub fn algorithm(&self) -> HashAlgorithm {
        self.algorithm
    }

    /// The hash function's name in SDP: `sha-1`, `sha-256`, `sha-384` or `sha-512`.
    pub fn algorithm_name(&self) -> &'static str {
        name(self.algorithm).unwrap_or("unknown")
    }

    /// The digest.
    pub fn bytes(&self) -> &[u8] {
        &self.digest
    }

    /// The digest as SDP writes it: upper-case hex with colons.
    pub fn value(&self) -> String {
        HexWithColons(&self.digest).to_string()
    }
}

/// The textual names that RFC 8122 §5 registers, as far as they may be used.
fn name(algorithm: HashAlgorithm) -> Option<&'static str> {
    match algorithm {
        HashAlgorithm::Md5 => None,
        HashAlgorithm::Sha1 => Some("sha-1"),
        HashAlgorithm::Sha256 => Some("sha-256"),
        HashAlgorithm::Sha384 => Some("sha-384"),
        HashAlgorithm::Sha512 => Some("sha-512"),
    }
}

impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && constant_time_eq(&self.digest, &other.digest)
    }
}

impl Eq for Fingerprint {}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm_name(), HexWithColons(&self.digest))
    }
}

struct HexWithColons<'a>(&'a [u8]);

impl fmt::Display for HexWithColons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02X}", if index == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl FromStr for Fingerprint {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (hash, value) = text
            .trim()
            .split_once(' ')
            .ok_or(Error::InvalidFingerprint("a hash function and a value were expected"))?;
        const KNOWN: [HashAlgorithm; 4] = [
            HashAlgorithm::Sha1,
            HashAlgorithm::Sha256,
            HashAlgorithm::Sha384,
            HashAlgorithm::Sha512,
        ];
        let algorithm = KNOWN
            .into_iter()
            .find(|known| name(*known).is_some_and(|name| name.eq_ignore_ascii_case(hash)))
            // Bounded, because the text is the peer's.
            .ok_or_else(|| Error::UnsupportedHash(hash.chars().take(32).collect()))?;
        let mut digest = [0; 64];
        let mut length = 0;
        for pair in value.trim_start().split(':') {
            let byte = match pair.as_bytes() {
                [high, low] => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
                _ => None,
            };
            let byte = byte.ok_or(Error::InvalidFingerprint(
                "pairs of hex digits with colons between were expected",
            ))?;
            *digest
                .get_mut(length)
                .ok_or(Error::InvalidFingerprint("it is longer than any hash"))? = byte;
            length += 1;
        }
        Self::new(algorithm, &digest[..length])
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OpenSslProvider;

    // RFC 8122 §3.1's example.
    const EXAMPLE: &str = "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";

    #[test]
    fn text_round_trips_and_case_does_not_matter() {
        let fingerprint: Fingerprint = EXAMPLE.parse().expect("valid");
        assert_eq!(fingerprint.algorithm(), HashAlgorithm::Sha256);
        assert_eq!(fingerprint.to_string(), EXAMPLE);
        assert_eq!(EXAMPLE.to_ascii_lowercase().parse(), Ok(fingerprint));
        assert_eq!(EXAMPLE.to_ascii_uppercase().parse(), Ok(fingerprint));
    }

    #[test]
    fn wrong_text_is_refused() {
        for text in [
            "",
            "sha-256",
            "sha-256 ",
            "sha-256 12",
            "sha-256 zz:00",
            "sha-1 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12",
            "md5 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82",
            "sha-512 +1:+2",
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
        assert!(format!("sha-512 {}", ["00"; 70].join(":")).parse::<Fingerprint>().is_err());
    }

    #[test]
    fn matching_is_by_the_hash_of_the_certificate() {
        let fingerprint = Fingerprint::of(&OpenSslProvider, HashAlgorithm::Sha256, b"certificate")
            .expect("valid");
        assert!(fingerprint.matches(&OpenSslProvider, b"certificate"));
        assert!(!fingerprint.matches(&OpenSslProvider, b"Certificate"));
        assert!(Fingerprint::of(&OpenSslProvider, HashAlgorithm::Md5, b"certificate").is_err());
    }
}
