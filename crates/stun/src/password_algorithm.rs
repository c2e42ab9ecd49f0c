//! PASSWORD-ALGORITHM(S) and the nonce cookie that protects them (RFC 8489 §9.2.1, §14.11, §14.12, §18.1, §18.5).

use std::fmt;

/// How a long-term password becomes an HMAC key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PasswordAlgorithm {
    /// MD5 (§18.5.1.1): the key of RFC 5389.
    #[default]
    Md5,
    /// SHA-256 (§18.5.1.2).
    Sha256,
    /// A number this crate does not know; it can be listed, not used.
    Unknown(u16),
}

impl PasswordAlgorithm {
    /// The number on the wire.
    pub fn number(self) -> u16 {
        match self {
            Self::Md5 => 1,
            Self::Sha256 => 2,
            Self::Unknown(number) => number,
        }
    }

    /// Reads the number.
    pub fn from_number(number: u16) -> Self {
        match number {
            1 => Self::Md5,
            2 => Self::Sha256,
            other => Self::Unknown(other),
        }
    }
}

/// The value of PASSWORD-ALGORITHMS: iterates over the server's list, best first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PasswordAlgorithms<'a> {
    value: &'a [u8],
}

impl<'a> PasswordAlgorithms<'a> {
    /// Checks the lengths inside.
    pub fn new(value: &'a [u8]) -> Option<Self> {
        let mut rest = value;
        while !rest.is_empty() {
            rest = split(rest)?.1;
        }
        Some(Self { value })
    }

    /// The value as it stands on the wire.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.value
    }

    /// The algorithms, in order. Parameters (none are defined) are skipped.
    pub fn iter(&self) -> impl Iterator<Item = PasswordAlgorithm> + 'a {
        let mut rest = self.value;
        std::iter::from_fn(move || {
            let (algorithm, after) = split(rest)?;
            rest = after;
            Some(algorithm)
        })
    }
}

impl fmt::Debug for PasswordAlgorithms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

fn split(bytes: &[u8]) -> Option<(PasswordAlgorithm, &[u8])> {
    let (head, rest) = bytes.split_at_checked(4)?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    let rest = rest.get(length..)?;
    // The last parameter's padding may be the attribute's own, outside of its length.
    let rest = rest.get((4 - length % 4) % 4..).unwrap_or(&[]);
    Some((PasswordAlgorithm::from_number(u16::from_be_bytes([head[0], head[1]])), rest))
}

/// STUN security features (RFC 8489 §18.1), as the first 13 characters of a nonce tell them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SecurityFeatures {
    /// Bit 0: PASSWORD-ALGORITHMS is in use.
    pub password_algorithms: bool,
    /// Bit 1: USERHASH is in use.
    pub username_anonymity: bool,
}

const COOKIE_PREFIX: &[u8] = b"obMatJos2";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

impl SecurityFeatures {
    /// Reads the nonce cookie; `None` when the nonce has none, that is, when the server is older than RFC 8489.
    pub fn from_nonce(nonce: &str) -> Option<Self> {
        let code = nonce.as_bytes().strip_prefix(COOKIE_PREFIX)?.get(..4)?;
        let mut bits = 0u32;
        for b in code {
            bits = bits << 6 | BASE64.iter().position(|c| c == b)? as u32;
        }
        Some(Self {
            password_algorithms: bits & 1 << 23 != 0,
            username_anonymity: bits & 1 << 22 != 0,
        })
    }

    /// The 13 characters a server puts before its nonce.
    pub fn nonce_cookie(self) -> String {
        let bits =
            u32::from(self.password_algorithms) << 23 | u32::from(self.username_anonymity) << 22;
        let mut cookie = String::from("obMatJos2");
        cookie.extend((0..4).rev().map(|i| char::from(BASE64[(bits >> (6 * i) & 63) as usize])));
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonce_cookies_round_trip() {
        for password_algorithms in [false, true] {
            for username_anonymity in [false, true] {
                let features = SecurityFeatures { password_algorithms, username_anonymity };
                let nonce = features.nonce_cookie() + "rest";
                assert_eq!(SecurityFeatures::from_nonce(&nonce), Some(features));
            }
        }
        assert_eq!(
            SecurityFeatures { password_algorithms: true, username_anonymity: false }
                .nonce_cookie(),
            "obMatJos2gAAA"
        );
        assert_eq!(SecurityFeatures::from_nonce("f//499k954d6OL34oL9FSTvy64sA"), None);
        assert_eq!(SecurityFeatures::from_nonce("obMatJos2A-A"), None);
    }

    #[test]
    fn lists_skip_parameters() {
        let list = PasswordAlgorithms::new(&[0, 2, 0, 1, 9, 0, 0, 0, 0, 1, 0, 0]).unwrap();
        assert!(list.iter().eq([PasswordAlgorithm::Sha256, PasswordAlgorithm::Md5]));
        assert!(PasswordAlgorithms::new(&[0, 2, 0, 8, 0]).is_none());
    }
}
