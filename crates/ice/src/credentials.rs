//! The username fragment and password of one side and generation (RFC 8445 §5.3, RFC 8839 §5.4).

use std::fmt;

use peerage_crypto::Rng;
use zeroize::Zeroize;

use crate::Error;

/// Longest ufrag and password that RFC 8839 §5.4 allows, in characters.
pub const MAX_CREDENTIAL_LEN: usize = 256;

const MIN_UFRAG_LEN: usize = 4;
const MIN_PWD_LEN: usize = 22;
/// 8 characters of 6 bits: 48 bits, where RFC 8445 §5.3 asks for 24. Servers find connections by it.
const UFRAG_LEN: usize = 8;
/// 24 characters of 6 bits: 144 bits, where RFC 8445 §5.3 asks for 128.
const PWD_LEN: usize = 24;

/// A username fragment and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    ufrag: String,
    pwd: String,
}

impl Credentials {
    /// Checks and takes a ufrag (4 to 256 `ice-char`s) and a password (22 to 256).
    pub fn new(ufrag: impl Into<String>, pwd: impl Into<String>) -> Result<Self, Error> {
        let (ufrag, pwd) = (ufrag.into(), pwd.into());
        check("ufrag", &ufrag, MIN_UFRAG_LEN)?;
        check("pwd", &pwd, MIN_PWD_LEN)?;
        Ok(Self { ufrag, pwd })
    }

    /// Draws fresh credentials.
    pub fn random(rng: &mut Rng) -> Self {
        Self { ufrag: ice_chars(rng, UFRAG_LEN), pwd: ice_chars(rng, PWD_LEN) }
    }

    /// The username fragment.
    pub fn ufrag(&self) -> &str {
        &self.ufrag
    }

    /// The password.
    pub fn pwd(&self) -> &str {
        &self.pwd
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

impl Drop for Credentials {
    fn drop(&mut self) {
        self.pwd.zeroize();
    }
}

fn check(what: &'static str, value: &str, min: usize) -> Result<(), Error> {
    let invalid = |reason| Err(Error::InvalidCredentials { what, reason });
    if value.len() < min {
        return invalid("too short");
    }
    if value.len() > MAX_CREDENTIAL_LEN {
        return invalid("longer than 256 characters");
    }
    // RFC 8839 §5.1: ice-char = ALPHA / DIGIT / "+" / "/". Deployed peers also put '-', '_' and '=' there.
    if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_=".contains(&b)) {
        return invalid("a character is not an ice-char");
    }
    Ok(())
}

fn ice_chars(rng: &mut Rng, len: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = [0u8; 32];
    rng.fill(&mut bytes[..len]);
    let text = bytes[..len].iter().map(|b| char::from(ALPHABET[usize::from(b & 63)])).collect();
    bytes.zeroize();
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_credentials_are_valid_and_differ() {
        let mut rng = Rng::from_seed(1);
        let a = Credentials::random(&mut rng);
        let b = Credentials::random(&mut rng);
        assert_ne!(a, b);
        Credentials::new(a.ufrag(), a.pwd()).unwrap();
    }

    #[test]
    fn bad_credentials_name_the_part_that_is_wrong() {
        let pwd = "0123456789012345678901";
        assert!(matches!(
            Credentials::new("abc", pwd),
            Err(Error::InvalidCredentials { what: "ufrag", .. })
        ));
        assert!(matches!(
            Credentials::new("abcd", "short"),
            Err(Error::InvalidCredentials { what: "pwd", .. })
        ));
        assert!(Credentials::new("ab:d", pwd).is_err());
        assert!(Credentials::new("a".repeat(257), pwd).is_err());
    }

    #[test]
    fn the_password_is_never_printed() {
        let c = Credentials::new("abcd", "0123456789012345678901").unwrap();
        assert!(!format!("{c:?}").contains("0123"));
    }
}
