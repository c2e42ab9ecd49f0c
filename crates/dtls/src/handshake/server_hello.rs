//! ServerHello, common to both versions, and its twin HelloRetryRequest (RFC 8446 §4.1.3, §4.1.4).

use super::{
    client_hello::KeyShareEntry,
    extension::{ExtensionType, UseSrtp, extensions},
};
use crate::{
    codec::{Reader, put_u16, put_vec8, put_vec16},
    error::Error,
};

const SECTION: &str = "RFC 8446 §4.1.3";

/// The random that makes a ServerHello a HelloRetryRequest: SHA-256 of "HelloRetryRequest" (RFC 8446 §4.1.3).
pub(crate) const HELLO_RETRY_REQUEST_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// `key_share` as a server sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerKeyShare {
    /// In a ServerHello: the server's share.
    Share(KeyShareEntry),
    /// In a HelloRetryRequest: the group it wants a share for.
    Retry(u16),
}

/// A ServerHello of either version, or a HelloRetryRequest.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct ServerHello {
    pub(crate) legacy_version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    pub(crate) cipher_suite: u16,
    pub(crate) compression_method: u8,
    /// The selected version; present in DTLS 1.3 only.
    pub(crate) supported_version: Option<u16>,
    pub(crate) key_share: Option<ServerKeyShare>,
    pub(crate) cookie: Option<Vec<u8>>,
    pub(crate) use_srtp: Option<UseSrtp>,
    pub(crate) extended_master_secret: bool,
    pub(crate) renegotiation_info: Option<Vec<u8>>,
    pub(crate) ec_point_formats: Option<Vec<u8>>,
    /// Everything else, as it came.
    pub(crate) others: Vec<(u16, Vec<u8>)>,
}

impl ServerHello {
    /// Reads the body of a message.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let (mut hello, block) = Self::parse_fixed(&mut reader)
            .filter(|_| reader.is_empty())
            .ok_or(Error::decode("malformed ServerHello", SECTION))?;
        let list = extensions(block)
            .ok_or(Error::decode("malformed extensions in ServerHello", "RFC 8446 §4.2"))?;
        for (extension_type, data) in list {
            hello
                .parse_extension(extension_type, data)
                .ok_or(Error::decode("malformed extension in ServerHello", "RFC 8446 §4.2"))?;
        }
        Ok(hello)
    }

    fn parse_fixed<'a>(reader: &mut Reader<'a>) -> Option<(Self, &'a [u8])> {
        let hello = Self {
            legacy_version: reader.u16()?,
            random: reader.array()?,
            session_id: reader.vec8().filter(|id| id.len() <= 32)?.to_vec(),
            cipher_suite: reader.u16()?,
            compression_method: reader.u8()?,
            ..Self::default()
        };
        let block = if reader.is_empty() { &[][..] } else { reader.vec16()? };
        Some((hello, block))
    }

    fn parse_extension(&mut self, extension_type: ExtensionType, data: &[u8]) -> Option<()> {
        let mut reader = Reader::new(data);
        match extension_type {
            ExtensionType::SUPPORTED_VERSIONS => self.supported_version = Some(reader.u16()?),
            ExtensionType::KEY_SHARE => {
                let group = reader.u16()?;
                self.key_share = Some(if self.is_hello_retry_request() {
                    ServerKeyShare::Retry(group)
                } else {
                    let share = reader.vec16().filter(|share| !share.is_empty())?.to_vec();
                    ServerKeyShare::Share(KeyShareEntry { group, share })
                });
            }
            ExtensionType::COOKIE => {
                let cookie = reader.vec16().filter(|cookie| !cookie.is_empty())?;
                self.cookie = Some(cookie.to_vec());
            }
            ExtensionType::USE_SRTP => self.use_srtp = Some(UseSrtp::parse(reader.rest())?),
            ExtensionType::EXTENDED_MASTER_SECRET => self.extended_master_secret = true,
            ExtensionType::RENEGOTIATION_INFO => {
                self.renegotiation_info = Some(reader.vec8()?.to_vec());
            }
            ExtensionType::EC_POINT_FORMATS => {
                self.ec_point_formats = Some(reader.vec8()?.to_vec());
            }
            ExtensionType(other) => self.others.push((other, reader.rest().to_vec())),
        }
        reader.is_empty().then_some(())
    }

    /// Writes the body of a message.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_u16(out, self.legacy_version);
        out.extend_from_slice(&self.random);
        put_vec8(out, |out| out.extend_from_slice(&self.session_id));
        put_u16(out, self.cipher_suite);
        out.push(self.compression_method);
        put_vec16(out, |out| self.write_extensions(out));
    }

    fn write_extensions(&self, out: &mut Vec<u8>) {
        if let Some(version) = self.supported_version {
            ExtensionType::SUPPORTED_VERSIONS.write(out, |out| put_u16(out, version));
        }
        match &self.key_share {
            Some(ServerKeyShare::Share(entry)) => ExtensionType::KEY_SHARE.write(out, |out| {
                put_u16(out, entry.group);
                put_vec16(out, |out| out.extend_from_slice(&entry.share));
            }),
            Some(ServerKeyShare::Retry(group)) => {
                ExtensionType::KEY_SHARE.write(out, |out| put_u16(out, *group));
            }
            None => {}
        }
        if let Some(cookie) = &self.cookie {
            ExtensionType::COOKIE.write(out, |out| {
                put_vec16(out, |out| out.extend_from_slice(cookie));
            });
        }
        if let Some(use_srtp) = &self.use_srtp {
            ExtensionType::USE_SRTP.write(out, |out| use_srtp.write(out));
        }
        if self.extended_master_secret {
            ExtensionType::EXTENDED_MASTER_SECRET.write(out, |_| {});
        }
        if let Some(info) = &self.renegotiation_info {
            ExtensionType::RENEGOTIATION_INFO.write(out, |out| {
                put_vec8(out, |out| out.extend_from_slice(info));
            });
        }
        if let Some(formats) = &self.ec_point_formats {
            ExtensionType::EC_POINT_FORMATS.write(out, |out| {
                put_vec8(out, |out| out.extend_from_slice(formats));
            });
        }
        for (extension_type, data) in &self.others {
            ExtensionType(*extension_type).write(out, |out| out.extend_from_slice(data));
        }
    }

    pub(crate) fn is_hello_retry_request(&self) -> bool {
        self.random == HELLO_RETRY_REQUEST_RANDOM
    }

    /// Every extension it carries, for the check that each was offered (RFC 8446 §4.2).
    pub(crate) fn extension_types(&self) -> impl Iterator<Item = ExtensionType> + '_ {
        let known = [
            (self.supported_version.is_some(), ExtensionType::SUPPORTED_VERSIONS),
            (self.key_share.is_some(), ExtensionType::KEY_SHARE),
            (self.cookie.is_some(), ExtensionType::COOKIE),
            (self.use_srtp.is_some(), ExtensionType::USE_SRTP),
            (self.extended_master_secret, ExtensionType::EXTENDED_MASTER_SECRET),
            (self.renegotiation_info.is_some(), ExtensionType::RENEGOTIATION_INFO),
            (self.ec_point_formats.is_some(), ExtensionType::EC_POINT_FORMATS),
        ];
        known
            .into_iter()
            .filter_map(|(present, extension_type)| present.then_some(extension_type))
            .chain(self.others.iter().map(|&(number, _)| ExtensionType(number)))
    }
}
