//! Session keys: all that is derived from one master key, made once and used for every packet of every stream under it.
//! [`Transform`] is the cipher and the tag, for RTP or RTCP; what it covers is decided by its callers.

use peerage_crypto::{
    AeadAlgorithm, AeadKey, CounterModeKey, CryptoProvider, HashAlgorithm, HmacKey,
};
use zeroize::Zeroizing;

use crate::{
    Config, Error, MasterKey, ProtectionProfile,
    header_extension::HeaderCipher,
    kdf::{Label, derive},
};

/// The length of the authentication key of every profile with HMAC-SHA1 (RFC 3711 §8.2: n_a = 160 bits).
const AUTHENTICATION_KEY_LEN: usize = 20;

/// The session keys of one master key.
pub(crate) struct Session {
    pub(crate) mki: Box<[u8]>,
    pub(crate) rtp: Transform,
    pub(crate) rtcp: Transform,
    /// For RFC 6904, where elements are to be encrypted.
    pub(crate) header: Option<HeaderCipher>,
}

impl Session {
    pub(crate) fn new(
        provider: &dyn CryptoProvider,
        master: &MasterKey,
        config: &Config,
    ) -> Result<Self, Error> {
        use Label::{
            RtcpAuthentication, RtcpEncryption, RtcpSalt, RtpAuthentication, RtpEncryption, RtpSalt,
        };
        let transform = |labels| Transform::new(provider, master, labels);
        Ok(Self {
            mki: master.mki().into(),
            rtp: transform([RtpEncryption, RtpAuthentication, RtpSalt])?,
            rtcp: transform([RtcpEncryption, RtcpAuthentication, RtcpSalt])?,
            header: if config.encrypted_header_extensions.is_empty() {
                None
            } else {
                Some(HeaderCipher::new(provider, master)?)
            },
        })
    }
}

/// A cipher with its tag.
pub(crate) enum Transform {
    /// AES-CM with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1; RFC 6188).
    CounterMode {
        cipher: Box<dyn CounterModeKey>,
        mac: Box<dyn HmacKey>,
        salt: Zeroizing<[u8; 14]>,
    },
    /// AES-GCM (RFC 7714).
    Aead { key: Box<dyn AeadKey>, salt: Zeroizing<[u8; 12]> },
}

impl Transform {
    fn new(
        provider: &dyn CryptoProvider,
        master: &MasterKey,
        [encryption, authentication, salt]: [Label; 3],
    ) -> Result<Self, Error> {
        let key = derive::<32>(provider, master, encryption)?;
        let key = &key[..master.profile().key_len()];
        let algorithm = match master.profile() {
            ProtectionProfile::AeadAes128Gcm => AeadAlgorithm::Aes128Gcm,
            ProtectionProfile::AeadAes256Gcm => AeadAlgorithm::Aes256Gcm,
            _ => {
                let mac = derive::<AUTHENTICATION_KEY_LEN>(provider, master, authentication)?;
                return Ok(Self::CounterMode {
                    cipher: provider.aes_counter_mode(key)?,
                    mac: provider.hmac(HashAlgorithm::Sha1, &*mac),
                    salt: derive(provider, master, salt)?,
                });
            }
        };
        Ok(Self::Aead {
            key: provider.aead(algorithm, key)?,
            salt: derive(provider, master, salt)?,
        })
    }
}

/// Where the keystream of a packet begins (RFC 3711 §4.1.1): `(k_s * 2^16) XOR (SSRC * 2^64) XOR (i * 2^16)`.
#[inline]
pub(crate) fn counter_block(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; 16] {
    let mut block = [0; 16];
    block[..14].copy_from_slice(salt);
    let packet = u128::from(ssrc) << 64 ^ u128::from(index) << 16;
    (u128::from_be_bytes(block) ^ packet).to_be_bytes()
}

/// The nonce of a packet (RFC 7714 §8.1, §9.1): two zero bytes, the SSRC and the index in 48 bits, XORed with the salt.
#[inline]
pub(crate) fn nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> [u8; 12] {
    let [.., s0, s1, s2, s3] = ssrc.to_be_bytes();
    let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
    let mut nonce = [0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5];
    for (byte, salt) in nonce.iter_mut().zip(salt) {
        *byte ^= salt;
    }
    nonce
}
