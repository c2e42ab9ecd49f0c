//! Master keys, and how DTLS keying material becomes two of them (RFC 5764 §4.2).

use zeroize::Zeroize;

use crate::{Error, ProtectionProfile};

/// A master key with its salt and, where keys rotate, its identifier. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, zeroize::ZeroizeOnDrop)]
pub struct MasterKey {
    #[zeroize(skip)]
    profile: ProtectionProfile,
    key: [u8; 32],
    salt: [u8; 14],
    #[zeroize(skip)]
    mki: Box<[u8]>,
}

impl MasterKey {
    /// The longest master key identifier, in bytes: what `use_srtp` can carry (RFC 5764 §4.1.1).
    pub const MAX_MKI_LEN: usize = 255;

    /// Takes a key of [`ProtectionProfile::key_len`] and a salt of [`ProtectionProfile::salt_len`] bytes.
    pub fn new(profile: ProtectionProfile, key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let check = |what, expected, actual| {
            if expected == actual {
                Ok(())
            } else {
                Err(Error::InvalidLength { what, expected, actual })
            }
        };
        check("the master key", profile.key_len(), key.len())?;
        check("the master salt", profile.salt_len(), salt.len())?;
        let mut master = Self { profile, key: [0; 32], salt: [0; 14], mki: Box::default() };
        master.key[..key.len()].copy_from_slice(key);
        master.salt[..salt.len()].copy_from_slice(salt);
        Ok(master)
    }

    /// Names the key: each packet then carries `mki` (RFC 3711 §3.1), at most [`MAX_MKI_LEN`](Self::MAX_MKI_LEN) bytes.
    /// Empty means none.
    pub fn with_mki(mut self, mki: &[u8]) -> Result<Self, Error> {
        if mki.len() > Self::MAX_MKI_LEN {
            return Err(Error::MkiTooLong(mki.len()));
        }
        self.mki = mki.into();
        Ok(self)
    }

    /// The profile it is for.
    pub fn profile(&self) -> ProtectionProfile {
        self.profile
    }

    /// The master key identifier; empty if there is none.
    pub fn mki(&self) -> &[u8] {
        &self.mki
    }

    pub(crate) fn key(&self) -> &[u8] {
        &self.key[..self.profile.key_len()]
    }

    /// The salt of 112 bits. One of 96 bits (RFC 7714 §12) has zeros behind it, as every implementation has it.
    pub(crate) fn salt(&self) -> &[u8; 14] {
        &self.salt
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey")
            .field("profile", &self.profile)
            .field("mki", &self.mki)
            .finish_non_exhaustive()
    }
}

/// The two master keys of a DTLS-SRTP association.
#[derive(Clone, Debug)]
pub struct KeyingMaterial {
    /// Protects what the DTLS client sends.
    pub client: MasterKey,
    /// Protects what the DTLS server sends.
    pub server: MasterKey,
}

impl KeyingMaterial {
    /// Splits what DTLS exported under the label `EXTRACTOR-dtls_srtp`,
    /// [`ProtectionProfile::keying_material_len`] bytes: client key, server key, client salt, server salt (RFC 5764 §4.2).
    pub fn split(profile: ProtectionProfile, exported: &[u8]) -> Result<Self, Error> {
        if exported.len() != profile.keying_material_len() {
            return Err(Error::InvalidLength {
                what: "the exported keying material",
                expected: profile.keying_material_len(),
                actual: exported.len(),
            });
        }
        let (keys, salts) = exported.split_at(2 * profile.key_len());
        let (client_key, server_key) = keys.split_at(profile.key_len());
        let (client_salt, server_salt) = salts.split_at(profile.salt_len());
        Ok(Self {
            client: MasterKey::new(profile, client_key, client_salt)?,
            server: MasterKey::new(profile, server_key, server_salt)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn material_is_split_in_the_order_of_the_rfc() {
        for profile in ProtectionProfile::ALL {
            let exported: Vec<u8> = (0..profile.keying_material_len() as u8).collect();
            let both = KeyingMaterial::split(profile, &exported).expect("the right length");
            let at = |from: usize, len| &exported[from..from + len];
            let (key, salt) = (profile.key_len(), profile.salt_len());
            assert_eq!(both.client.key(), at(0, key));
            assert_eq!(both.server.key(), at(key, key));
            assert_eq!(&both.client.salt()[..salt], at(2 * key, salt));
            assert_eq!(&both.server.salt()[..salt], at(2 * key + salt, salt));
            assert!(KeyingMaterial::split(profile, &exported[1..]).is_err());
        }
    }

    #[test]
    fn wrong_lengths_are_refused_and_nothing_secret_is_printed() {
        let profile = ProtectionProfile::AeadAes128Gcm;
        assert!(MasterKey::new(profile, &[1; 15], &[1; 12]).is_err());
        assert!(MasterKey::new(profile, &[1; 16], &[1; 14]).is_err());
        let key = MasterKey::new(profile, &[0xab; 16], &[0xab; 12]).expect("lengths fit");
        assert!(!format!("{key:?}").contains("171"));
        assert!(key.clone().with_mki(&[0; 256]).is_err());
        assert_eq!(key.with_mki(b"k1").expect("short").mki(), b"k1");
    }
}
