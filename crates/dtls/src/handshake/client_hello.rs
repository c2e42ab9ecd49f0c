//! ClientHello, common to both versions (RFC 9147 §5.3, RFC 6347 §4.2.1).

use super::extension::{ExtensionType, UseSrtp, extensions};
use crate::{
    codec::{Reader, put_u16, put_u16_list, put_vec8, put_vec16, u16_list},
    error::Error,
};

const SECTION: &str = "RFC 9147 §5.3";

/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 §3.3).
const EMPTY_RENEGOTIATION_INFO: u16 = 0x00ff;

/// One share of `key_share` (RFC 8446 §4.2.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyShareEntry {
    /// A number of the registry, which need not be a group of ours.
    pub(crate) group: u16,
    pub(crate) share: Vec<u8>,
}

/// A ClientHello. `None` stands for an extension that is absent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct ClientHello {
    pub(crate) legacy_version: u16,
    pub(crate) random: [u8; 32],
    pub(crate) session_id: Vec<u8>,
    /// `legacy_cookie`, which only DTLS 1.2 uses.
    pub(crate) legacy_cookie: Vec<u8>,
    pub(crate) cipher_suites: Vec<u16>,
    pub(crate) compression_methods: Vec<u8>,
    pub(crate) supported_versions: Option<Vec<u16>>,
    pub(crate) supported_groups: Option<Vec<u16>>,
    pub(crate) key_shares: Option<Vec<KeyShareEntry>>,
    pub(crate) signature_algorithms: Option<Vec<u16>>,
    pub(crate) use_srtp: Option<UseSrtp>,
    /// The cookie of a HelloRetryRequest (RFC 8446 §4.2.2).
    pub(crate) cookie: Option<Vec<u8>>,
    pub(crate) extended_master_secret: bool,
    /// RFC 5746 §3.2.
    pub(crate) renegotiation_info: Option<Vec<u8>>,
    /// RFC 8422 §5.1.2.
    pub(crate) ec_point_formats: Option<Vec<u8>>,
    /// Everything else, as it came.
    pub(crate) others: Vec<(u16, Vec<u8>)>,
}

impl ClientHello {
    /// Reads the body of a message.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let malformed = || Error::decode("malformed ClientHello", SECTION);
        let mut reader = Reader::new(body);
        let (mut hello, block) = Self::parse_fixed(&mut reader).ok_or_else(malformed)?;
        if !reader.is_empty() {
            return Err(malformed());
        }
        let list = extensions(block)
            .ok_or(Error::decode("malformed extensions in ClientHello", "RFC 8446 §4.2"))?;
        for (index, &(extension_type, data)) in list.iter().enumerate() {
            if extension_type == ExtensionType::PRE_SHARED_KEY && index + 1 != list.len() {
                return Err(Error::illegal(
                    "pre_shared_key is not the last extension",
                    "RFC 8446 §4.2.11",
                ));
            }
            hello
                .parse_extension(extension_type, data)
                .ok_or(Error::decode("malformed extension in ClientHello", "RFC 8446 §4.2"))?;
        }
        Ok(hello)
    }

    fn parse_fixed<'a>(reader: &mut Reader<'a>) -> Option<(Self, &'a [u8])> {
        let hello = Self {
            legacy_version: reader.u16()?,
            random: reader.array()?,
            session_id: reader.vec8().filter(|id| id.len() <= 32)?.to_vec(),
            legacy_cookie: reader.vec8()?.to_vec(),
            cipher_suites: u16_list(reader.vec16()?).filter(|list| !list.is_empty())?,
            compression_methods: reader.vec8().filter(|list| !list.is_empty())?.to_vec(),
            ..Self::default()
        };
        // DTLS 1.2 allows the extension block to be absent (RFC 5246 §7.4.1.2).
        let block = if reader.is_empty() { &[][..] } else { reader.vec16()? };
        Some((hello, block))
    }

    fn parse_extension(&mut self, extension_type: ExtensionType, data: &[u8]) -> Option<()> {
        let mut reader = Reader::new(data);
        let list = |bytes: &[u8]| u16_list(bytes).filter(|list| !list.is_empty());
        match extension_type {
            ExtensionType::SUPPORTED_VERSIONS => {
                self.supported_versions = Some(list(reader.vec8()?)?);
            }
            ExtensionType::SUPPORTED_GROUPS => {
                self.supported_groups = Some(list(reader.vec16()?)?);
            }
            ExtensionType::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = Some(list(reader.vec16()?)?);
            }
            ExtensionType::KEY_SHARE => {
                let mut shares = Reader::new(reader.vec16()?);
                let mut entries = Vec::new();
                while !shares.is_empty() {
                    let group = shares.u16()?;
                    let share = shares.vec16().filter(|share| !share.is_empty())?.to_vec();
                    entries.push(KeyShareEntry { group, share });
                }
                self.key_shares = Some(entries);
            }
            ExtensionType::USE_SRTP => {
                self.use_srtp = Some(UseSrtp::parse(reader.rest())?);
            }
            ExtensionType::COOKIE => {
                let cookie = reader.vec16().filter(|cookie| !cookie.is_empty())?;
                self.cookie = Some(cookie.to_vec());
            }
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
        put_vec8(out, |out| out.extend_from_slice(&self.legacy_cookie));
        put_vec16(out, |out| put_u16_list(out, self.cipher_suites.iter().copied()));
        put_vec8(out, |out| out.extend_from_slice(&self.compression_methods));
        put_vec16(out, |out| self.write_extensions(out));
    }

    fn write_extensions(&self, out: &mut Vec<u8>) {
        if let Some(versions) = &self.supported_versions {
            ExtensionType::SUPPORTED_VERSIONS.write(out, |out| {
                put_vec8(out, |out| put_u16_list(out, versions.iter().copied()));
            });
        }
        if let Some(groups) = &self.supported_groups {
            ExtensionType::SUPPORTED_GROUPS.write(out, |out| {
                put_vec16(out, |out| put_u16_list(out, groups.iter().copied()));
            });
        }
        if let Some(schemes) = &self.signature_algorithms {
            ExtensionType::SIGNATURE_ALGORITHMS.write(out, |out| {
                put_vec16(out, |out| put_u16_list(out, schemes.iter().copied()));
            });
        }
        if let Some(use_srtp) = &self.use_srtp {
            ExtensionType::USE_SRTP.write(out, |out| use_srtp.write(out));
        }
        if let Some(cookie) = &self.cookie {
            ExtensionType::COOKIE.write(out, |out| {
                put_vec16(out, |out| out.extend_from_slice(cookie));
            });
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
        if let Some(entries) = &self.key_shares {
            ExtensionType::KEY_SHARE.write(out, |out| {
                put_vec16(out, |out| {
                    for entry in entries {
                        put_u16(out, entry.group);
                        put_vec16(out, |out| out.extend_from_slice(&entry.share));
                    }
                });
            });
        }
        for (extension_type, data) in &self.others {
            ExtensionType(*extension_type).write(out, |out| out.extend_from_slice(data));
        }
    }

    /// Whether the client offers a version in `supported_versions`.
    pub(crate) fn offers_version(&self, version: u16) -> bool {
        self.supported_versions.as_ref().is_some_and(|list| list.contains(&version))
    }

    /// Whether the client knows secure renegotiation, by extension or by SCSV (RFC 5746 §3.6).
    pub(crate) fn offers_secure_renegotiation(&self) -> bool {
        self.renegotiation_info.is_some() || self.cipher_suites.contains(&EMPTY_RENEGOTIATION_INFO)
    }

    /// Whether the client sent an extension, so that a server may answer it.
    pub(crate) fn has_extension(&self, extension_type: ExtensionType) -> bool {
        match extension_type {
            ExtensionType::SUPPORTED_VERSIONS => self.supported_versions.is_some(),
            ExtensionType::SUPPORTED_GROUPS => self.supported_groups.is_some(),
            ExtensionType::SIGNATURE_ALGORITHMS => self.signature_algorithms.is_some(),
            ExtensionType::KEY_SHARE => self.key_shares.is_some(),
            ExtensionType::USE_SRTP => self.use_srtp.is_some(),
            // A server may send a cookie unasked (RFC 8446 §4.2).
            ExtensionType::COOKIE => true,
            ExtensionType::EXTENDED_MASTER_SECRET => self.extended_master_secret,
            ExtensionType::RENEGOTIATION_INFO => self.offers_secure_renegotiation(),
            ExtensionType::EC_POINT_FORMATS => self.ec_point_formats.is_some(),
            ExtensionType(other) => self.others.iter().any(|&(offered, _)| offered == other),
        }
    }
}
