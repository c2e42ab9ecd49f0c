//! Credentials that end by themselves, made from a secret that is shared with the server
//! (draft-uberti-behave-turn-rest §2.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use peerage_crypto::{CryptoProvider, HashAlgorithm};

/// A user name and password that a TURN server with this shared secret accepts until `expires`.
///
/// The user name is the time in seconds since 1970, and `user` behind a colon where that is not empty; the password is
/// base64(HMAC-SHA1(secret, user name)).
pub fn time_limited_credentials(
    provider: &dyn CryptoProvider,
    secret: &str,
    user: &str,
    expires: SystemTime,
) -> (String, String) {
    let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    let username = match user {
        "" => seconds.to_string(),
        user => format!("{seconds}:{user}"),
    };
    let tag = provider.hmac(HashAlgorithm::Sha1, secret.as_bytes()).sign(&[username.as_bytes()]);
    (username, base64(&tag))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().enumerate().fold(0u32, |w, (i, b)| w | u32::from(*b) << (16 - 8 * i));
        for place in 0..4 {
            let symbol = ALPHABET[(word >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { symbol as char } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        // RFC 4648 §10.
        let texts =
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, encoded) in texts {
            assert_eq!(base64(plain.as_bytes()), encoded);
        }
    }

    #[test]
    fn credentials_are_those_of_openssl() {
        let provider = peerage_crypto::default_provider();
        let expires = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        // printf %s 1800000000:alice | openssl dgst -sha1 -hmac north -binary | base64
        let (username, password) = time_limited_credentials(&*provider, "north", "alice", expires);
        assert_eq!(username, "1800000000:alice");
        assert_eq!(password, "sIm7pn/teO7y3AyXGeXl/xAQR6Q=");
        assert_eq!(time_limited_credentials(&*provider, "north", "", expires).0, "1800000000");
    }
}
