//! Nonces that the server does not have to remember: the time and a MAC over the time and the client's address
//! (RFC 8489 §9.2, and §18.1 for the cookie in front).

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use peerage_crypto::{CryptoProvider, HashAlgorithm, HmacKey, Rng};
use peerage_stun::SecurityFeatures;

const MAC_LEN: usize = 11;

/// Makes and checks nonces. Workers of one server share it.
pub(crate) struct Nonces {
    key: Box<dyn HmacKey>,
    /// In front of each nonce, and under the MAC: who takes a bit away makes the nonce void.
    cookie: String,
}

impl Nonces {
    pub(crate) fn new(
        provider: &dyn CryptoProvider,
        features: SecurityFeatures,
        rng: &mut Rng,
    ) -> Self {
        Self {
            key: provider.hmac(HashAlgorithm::Sha256, &rng.array::<32>()),
            cookie: features.nonce_cookie(),
        }
    }

    /// A nonce for a client, at a second of the server's own count.
    pub(crate) fn issue(&self, second: u32, client: SocketAddr) -> String {
        let time = second.to_be_bytes();
        let (address, len) = address_bytes(client);
        let mac = self.key.sign(&[self.cookie.as_bytes(), &time, &address[..len]]);
        let mut bytes = [0; 4 + MAC_LEN];
        bytes[..4].copy_from_slice(&time);
        bytes[4..].copy_from_slice(&mac[..MAC_LEN]);
        let mut nonce = self.cookie.clone();
        BASE64.encode_string(bytes, &mut nonce);
        nonce
    }

    /// Whether a nonce was made here, for this client, at most `lifetime` seconds ago.
    pub(crate) fn is_valid(
        &self,
        nonce: &str,
        second: u32,
        lifetime: u64,
        client: SocketAddr,
    ) -> bool {
        let Some(text) = nonce.strip_prefix(self.cookie.as_str()) else { return false };
        let mut bytes = [0; 4 + MAC_LEN];
        if text.len() != (4 + MAC_LEN) * 4 / 3
            || BASE64.decode_slice(text, &mut bytes) != Ok(bytes.len())
        {
            return false;
        }
        let (time, mac) = bytes.split_at(4);
        let (address, len) = address_bytes(client);
        if !self.key.verify(&[self.cookie.as_bytes(), time, &address[..len]], mac) {
            return false;
        }
        let issued = u32::from_be_bytes([time[0], time[1], time[2], time[3]]);
        second.checked_sub(issued).is_some_and(|age| u64::from(age) <= lifetime)
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Nonces").field("cookie", &self.cookie).finish_non_exhaustive()
    }
}

fn address_bytes(address: SocketAddr) -> ([u8; 18], usize) {
    let mut bytes = [0; 18];
    bytes[..2].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            bytes[2..6].copy_from_slice(&ip.octets());
            (bytes, 6)
        }
        IpAddr::V6(ip) => {
            bytes[2..].copy_from_slice(&ip.octets());
            (bytes, 18)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_for_its_client_and_its_time() {
        let provider = peerage_crypto::default_provider();
        let features = SecurityFeatures { password_algorithms: true, username_anonymity: false };
        let nonces = Nonces::new(&*provider, features, &mut Rng::from_seed(1));
        let others = Nonces::new(&*provider, features, &mut Rng::from_seed(2));
        let client: SocketAddr = "192.0.2.1:5000".parse().unwrap();
        let nonce = nonces.issue(100, client);
        assert_eq!(SecurityFeatures::from_nonce(&nonce), Some(features));
        assert!(nonces.is_valid(&nonce, 100, 60, client));
        assert!(nonces.is_valid(&nonce, 160, 60, client));
        assert!(!nonces.is_valid(&nonce, 161, 60, client), "stale");
        assert!(!nonces.is_valid(&nonce, 99, 60, client), "from the future");
        assert!(!nonces.is_valid(&nonce, 100, 60, "192.0.2.1:5001".parse().unwrap()));
        assert!(!nonces.is_valid(&nonce, 100, 60, "[2001:db8::1]:5000".parse().unwrap()));
        assert!(!others.is_valid(&nonce, 100, 60, client), "another server's");
        for at in 0..nonce.len() {
            let mut forged = nonce.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert!(!nonces.is_valid(&forged, 100, 60, client), "{forged}");
        }
    }
}
