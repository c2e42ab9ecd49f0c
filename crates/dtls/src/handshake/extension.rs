//! Extensions that more than one message carries, and the walk over an extension block (RFC 8446 §4.2).

use crate::codec::{Reader, put_u16, put_u16_list, put_vec8, put_vec16, u16_list};

/// The number of an extension in the IANA registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtensionType(pub(crate) u16);

impl ExtensionType {
    pub(crate) const SUPPORTED_GROUPS: Self = Self(10);
    pub(crate) const EC_POINT_FORMATS: Self = Self(11);
    pub(crate) const SIGNATURE_ALGORITHMS: Self = Self(13);
    pub(crate) const USE_SRTP: Self = Self(14);
    pub(crate) const EXTENDED_MASTER_SECRET: Self = Self(23);
    pub(crate) const PRE_SHARED_KEY: Self = Self(41);
    pub(crate) const SUPPORTED_VERSIONS: Self = Self(43);
    pub(crate) const COOKIE: Self = Self(44);
    pub(crate) const KEY_SHARE: Self = Self(51);
    pub(crate) const RENEGOTIATION_INFO: Self = Self(0xff01);

    /// Writes the type and a length, around the data that `body` appends.
    pub(crate) fn write(self, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
        put_u16(out, self.0);
        put_vec16(out, body);
    }
}

/// Most extensions a block may hold. Browsers send about twenty; the check for duplicates is quadratic.
const MAX_EXTENSIONS: usize = 64;

/// Splits an extension block. `None` if it is malformed, holds an extension twice (RFC 8446 §4.2), or more than
/// 64 of them.
pub(crate) fn extensions(bytes: &[u8]) -> Option<Vec<(ExtensionType, &[u8])>> {
    let mut reader = Reader::new(bytes);
    let mut list: Vec<(ExtensionType, &[u8])> = Vec::with_capacity(16);
    while !reader.is_empty() {
        let extension_type = ExtensionType(reader.u16()?);
        let data = reader.vec16()?;
        if list.len() == MAX_EXTENSIONS || list.iter().any(|&(other, _)| other == extension_type) {
            return None;
        }
        list.push((extension_type, data));
    }
    Some(list)
}

/// `use_srtp` (RFC 5764 §4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UseSrtp {
    pub(crate) profiles: Vec<u16>,
    pub(crate) mki: Vec<u8>,
}

impl UseSrtp {
    pub(crate) fn parse(data: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let profiles = u16_list(reader.vec16()?)?;
        let mki = reader.vec8()?.to_vec();
        (reader.is_empty() && !profiles.is_empty()).then_some(Self { profiles, mki })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_vec16(out, |out| put_u16_list(out, self.profiles.iter().copied()));
        put_vec8(out, |out| out.extend_from_slice(&self.mki));
    }
}
