//! Protection profiles: which cipher, which tag, which lengths (RFC 5764 §4.1.2, RFC 7714 §12, RFC 6188 §6). Everything
//! else asks a profile instead of knowing the names of algorithms.

/// An SRTP protection profile: the transform of RTP and RTCP, and the lengths of its keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtectionProfile {
    /// SRTP_AES128_CM_HMAC_SHA1_80, 0x0001: AES-128 in counter mode, tags of 80 bits.
    Aes128CmHmacSha1_80,
    /// SRTP_AES128_CM_HMAC_SHA1_32, 0x0002: as above, with tags of 32 bits on RTP and still 80 bits on RTCP.
    Aes128CmHmacSha1_32,
    /// SRTP_AEAD_AES_128_GCM, 0x0007.
    AeadAes128Gcm,
    /// SRTP_AEAD_AES_256_GCM, 0x0008.
    AeadAes256Gcm,
    /// AES_192_CM_HMAC_SHA1_80 (RFC 6188 §6.1). DTLS-SRTP has no number for it: keys come from elsewhere.
    Aes192CmHmacSha1_80,
    /// AES_192_CM_HMAC_SHA1_32 (RFC 6188 §6.1). DTLS-SRTP has no number for it.
    Aes192CmHmacSha1_32,
    /// AES_256_CM_HMAC_SHA1_80 (RFC 6188 §6.2). DTLS-SRTP has no number for it.
    Aes256CmHmacSha1_80,
    /// AES_256_CM_HMAC_SHA1_32 (RFC 6188 §6.2). DTLS-SRTP has no number for it.
    Aes256CmHmacSha1_32,
}

impl ProtectionProfile {
    /// Every profile, in the order Peerage prefers them.
    pub const ALL: [Self; 8] = [
        Self::AeadAes128Gcm,
        Self::AeadAes256Gcm,
        Self::Aes128CmHmacSha1_80,
        Self::Aes128CmHmacSha1_32,
        Self::Aes256CmHmacSha1_80,
        Self::Aes256CmHmacSha1_32,
        Self::Aes192CmHmacSha1_80,
        Self::Aes192CmHmacSha1_32,
    ];

    /// The number in the IANA registry "DTLS-SRTP Protection Profiles"; `None` for the profiles of RFC 6188.
    pub const fn to_wire(self) -> Option<u16> {
        match self {
            Self::Aes128CmHmacSha1_80 => Some(0x0001),
            Self::Aes128CmHmacSha1_32 => Some(0x0002),
            Self::AeadAes128Gcm => Some(0x0007),
            Self::AeadAes256Gcm => Some(0x0008),
            _ => None,
        }
    }

    /// Looks a number of the registry up; `None` for every profile that is not supported.
    pub fn from_wire(value: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.to_wire() == Some(value))
    }

    /// Length of the master key and of the session encryption key, in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128CmHmacSha1_80 | Self::Aes128CmHmacSha1_32 | Self::AeadAes128Gcm => 16,
            Self::Aes192CmHmacSha1_80 | Self::Aes192CmHmacSha1_32 => 24,
            Self::Aes256CmHmacSha1_80 | Self::Aes256CmHmacSha1_32 | Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt and of the session salt, in bytes.
    pub const fn salt_len(self) -> usize {
        if self.is_aead() { 12 } else { 14 }
    }

    /// Length of the tag on an RTP packet, in bytes.
    pub const fn rtp_tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 | Self::Aes192CmHmacSha1_80 | Self::Aes256CmHmacSha1_80 => 10,
            Self::Aes128CmHmacSha1_32 | Self::Aes192CmHmacSha1_32 | Self::Aes256CmHmacSha1_32 => 4,
        }
    }

    /// Length of the tag on an RTCP packet, in bytes: never short, not even with a short tag on RTP (RFC 5764 §4.1.2,
    /// RFC 6188 §6).
    pub const fn rtcp_tag_len(self) -> usize {
        if self.is_aead() { 16 } else { 10 }
    }

    /// Whether the cipher authenticates by itself (RFC 7714); otherwise HMAC-SHA1 does.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// How many bytes to export from DTLS under the label `EXTRACTOR-dtls_srtp` (RFC 5764 §4.2).
    pub const fn keying_material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_registry() {
        let known: Vec<u16> =
            (0..=u16::MAX).filter(|value| ProtectionProfile::from_wire(*value).is_some()).collect();
        assert_eq!(known, [1, 2, 7, 8]);
        for profile in ProtectionProfile::ALL {
            if let Some(value) = profile.to_wire() {
                assert_eq!(ProtectionProfile::from_wire(value), Some(profile));
            }
        }
    }

    #[test]
    fn material_is_as_long_as_dtls_exports() {
        // RFC 5764 §4.1.2 and RFC 7714 §12.
        assert_eq!(ProtectionProfile::Aes128CmHmacSha1_80.keying_material_len(), 60);
        assert_eq!(ProtectionProfile::AeadAes128Gcm.keying_material_len(), 56);
        assert_eq!(ProtectionProfile::AeadAes256Gcm.keying_material_len(), 88);
    }
}
