//! The messages that only DTLS 1.3 has, or has in a form of its own (RFC 8446 §4.3, §4.4, §4.6).

use peerage_crypto::Digest;

use crate::{
    codec::{Reader, put_u16, put_u16_list, put_vec8, put_vec16, put_vec24, u16_list},
    error::Error,
    handshake::{ExtensionType, UseSrtp, extensions},
    side::Side,
};

/// Most certificates in a chain. WebRTC sends one.
const MAX_CHAIN: usize = 16;

/// EncryptedExtensions (RFC 8446 §4.3.1).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct EncryptedExtensions {
    pub(crate) use_srtp: Option<UseSrtp>,
    /// Everything it carried, for the check that each was offered.
    pub(crate) types: Vec<ExtensionType>,
}

impl EncryptedExtensions {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let malformed = Error::decode("malformed EncryptedExtensions", "RFC 8446 §4.3.1");
        let mut reader = Reader::new(body);
        let list = reader
            .vec16()
            .filter(|_| reader.is_empty())
            .and_then(extensions)
            .ok_or(malformed.clone())?;
        let mut message = Self::default();
        for (extension_type, data) in list {
            if extension_type == ExtensionType::USE_SRTP {
                message.use_srtp = Some(UseSrtp::parse(data).ok_or(malformed.clone())?);
            }
            message.types.push(extension_type);
        }
        Ok(message)
    }

    pub(crate) fn write(use_srtp: Option<&UseSrtp>, out: &mut Vec<u8>) {
        put_vec16(out, |out| {
            if let Some(use_srtp) = use_srtp {
                ExtensionType::USE_SRTP.write(out, |out| use_srtp.write(out));
            }
        });
    }
}

/// CertificateRequest (RFC 8446 §4.3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateRequest {
    pub(crate) context: Vec<u8>,
    pub(crate) signature_algorithms: Vec<u16>,
}

impl CertificateRequest {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let malformed = Error::decode("malformed CertificateRequest", "RFC 8446 §4.3.2");
        let parse = || {
            let mut reader = Reader::new(body);
            let context = reader.vec8()?.to_vec();
            let list = extensions(reader.vec16()?)?;
            reader.is_empty().then_some((context, list))
        };
        let (context, list) = parse().ok_or(malformed.clone())?;
        let (_, data) = list
            .into_iter()
            .find(|&(extension_type, _)| extension_type == ExtensionType::SIGNATURE_ALGORITHMS)
            .ok_or(Error::protocol(
                crate::alert::AlertDescription::MissingExtension,
                "CertificateRequest without signature_algorithms",
                "RFC 8446 §4.3.2",
            ))?;
        let mut reader = Reader::new(data);
        let signature_algorithms = reader
            .vec16()
            .filter(|_| reader.is_empty())
            .and_then(u16_list)
            .filter(|schemes| !schemes.is_empty())
            .ok_or(malformed)?;
        Ok(Self { context, signature_algorithms })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(&self.context));
        put_vec16(out, |out| {
            ExtensionType::SIGNATURE_ALGORITHMS.write(out, |out| {
                put_vec16(out, |out| put_u16_list(out, self.signature_algorithms.iter().copied()));
            });
        });
    }
}

/// Certificate (RFC 8446 §4.4.2), without the extensions of its entries: we ask for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) context: Vec<u8>,
    /// DER, the peer's own first.
    pub(crate) chain: Vec<Vec<u8>>,
}

impl Certificate {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        Self::parse_inner(body).ok_or(Error::decode("malformed Certificate", "RFC 8446 §4.4.2"))
    }

    fn parse_inner(body: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(body);
        let context = reader.vec8()?.to_vec();
        let mut entries = Reader::new(reader.vec24()?);
        let mut chain = Vec::new();
        while !entries.is_empty() {
            let der = entries.vec24().filter(|der| !der.is_empty())?;
            extensions(entries.vec16()?)?;
            if chain.len() == MAX_CHAIN {
                return None;
            }
            chain.push(der.to_vec());
        }
        reader.is_empty().then_some(Self { context, chain })
    }

    pub(crate) fn write(context: &[u8], chain: &[&[u8]], out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(context));
        put_vec24(out, |out| {
            for der in chain {
                put_vec24(out, |out| out.extend_from_slice(der));
                put_u16(out, 0);
            }
        });
    }
}

/// CertificateVerify (RFC 8446 §4.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateVerify {
    pub(crate) scheme: u16,
    pub(crate) signature: Vec<u8>,
}

impl CertificateVerify {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let parse = || {
            let mut reader = Reader::new(body);
            let message = Self { scheme: reader.u16()?, signature: reader.vec16()?.to_vec() };
            reader.is_empty().then_some(message)
        };
        parse().ok_or(Error::decode("malformed CertificateVerify", "RFC 8446 §4.4.3"))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_u16(out, self.scheme);
        put_vec16(out, |out| out.extend_from_slice(&self.signature));
    }

    /// What is signed. The context string is that of TLS 1.3; only labels of keys have a prefix of DTLS.
    pub(crate) fn signed_content(side: Side, transcript: &Digest) -> Vec<u8> {
        let mut content = vec![0x20; 64];
        content.extend_from_slice(match side {
            Side::Server => b"TLS 1.3, server CertificateVerify",
            Side::Client => b"TLS 1.3, client CertificateVerify",
        });
        content.push(0);
        content.extend_from_slice(transcript);
        content
    }
}

/// KeyUpdate (RFC 8446 §4.6.3): whether the peer shall update as well.
pub(crate) fn parse_key_update(body: &[u8]) -> Result<bool, Error> {
    match body {
        [0] => Ok(false),
        [1] => Ok(true),
        [_] => Err(Error::illegal("KeyUpdate with an unknown request", "RFC 8446 §4.6.3")),
        _ => Err(Error::decode("malformed KeyUpdate", "RFC 8446 §4.6.3")),
    }
}

/// NewSessionTicket (RFC 8446 §4.6.1), which is only checked for its form.
pub(crate) fn check_new_session_ticket(body: &[u8]) -> Result<(), Error> {
    let parse = || {
        let mut reader = Reader::new(body);
        reader.take(8)?;
        reader.vec8()?;
        reader.vec16().filter(|ticket| !ticket.is_empty())?;
        extensions(reader.vec16()?)?;
        reader.is_empty().then_some(())
    };
    parse().ok_or(Error::decode("malformed NewSessionTicket", "RFC 8446 §4.6.1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out);
        out
    }

    #[test]
    fn messages_survive_the_wire_and_reject_every_truncation() {
        let request =
            CertificateRequest { context: vec![1], signature_algorithms: vec![0x0403, 0x0804] };
        let bytes = written(|out| request.write(out));
        assert_eq!(CertificateRequest::parse(&bytes), Ok(request));
        let chain: [&[u8]; 2] = [&[1, 2, 3], &[4]];
        let certificate = written(|out| Certificate::write(&[9], &chain, out));
        let parsed = Certificate::parse(&certificate).unwrap();
        assert_eq!(parsed.chain, [vec![1, 2, 3], vec![4]]);
        let verify = CertificateVerify { scheme: 0x0403, signature: vec![1, 2] };
        let verify_bytes = written(|out| verify.write(out));
        assert_eq!(CertificateVerify::parse(&verify_bytes), Ok(verify));
        let use_srtp = UseSrtp { profiles: vec![7], mki: vec![] };
        let extensions = written(|out| EncryptedExtensions::write(Some(&use_srtp), out));
        let parsed = EncryptedExtensions::parse(&extensions).unwrap();
        assert_eq!(parsed.use_srtp, Some(use_srtp));
        for cut in 0..bytes.len() {
            assert!(CertificateRequest::parse(&bytes[..cut]).is_err());
        }
        for cut in 0..certificate.len() {
            assert!(Certificate::parse(&certificate[..cut]).is_err());
        }
        for cut in 0..verify_bytes.len() {
            assert!(CertificateVerify::parse(&verify_bytes[..cut]).is_err());
        }
        for cut in 0..extensions.len() {
            assert!(EncryptedExtensions::parse(&extensions[..cut]).is_err());
        }
    }
}
