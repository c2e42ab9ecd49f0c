//! The bodies of the handshake messages that only DTLS 1.2 has, or has in another form (RFC 5246 §7.4, RFC 8422 §5.4).

use crate::{
    codec::{Reader, put_u16, put_u16_list, put_vec8, put_vec16, put_vec24, u16_list},
    error::Error,
};

/// Most certificates of a chain that are kept. WebRTC needs one.
const MAX_CHAIN: usize = 10;

/// ECCurveType named_curve (RFC 8422 §5.4); the explicit forms are gone.
const NAMED_CURVE: u8 = 3;

/// ClientCertificateType rsa_sign and ecdsa_sign (RFC 5246 §7.4.4, RFC 8422 §5.5).
const CERTIFICATE_TYPES: [u8; 2] = [64, 1];

/// Writes a Certificate with one certificate, or with none.
pub(crate) fn write_certificate(out: &mut Vec<u8>, certificate: Option<&[u8]>) {
    put_vec24(out, |out| {
        if let Some(der) = certificate {
            put_vec24(out, |out| out.extend_from_slice(der));
        }
    });
}

/// Reads a Certificate: the chain, the peer's own first.
pub(crate) fn parse_certificate(body: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
    let malformed = || Error::decode("malformed Certificate", "RFC 5246 §7.4.2");
    let mut reader = Reader::new(body);
    let mut list = Reader::new(reader.vec24().ok_or_else(malformed)?);
    let mut chain = Vec::new();
    while !list.is_empty() {
        let der = list.vec24().filter(|der| !der.is_empty()).ok_or_else(malformed)?;
        if chain.len() == MAX_CHAIN {
            return Err(Error::decode("more than ten certificates", "RFC 5246 §7.4.2"));
        }
        chain.push(der.to_vec());
    }
    if reader.is_empty() { Ok(chain) } else { Err(malformed()) }
}

/// A signature with its scheme, as CertificateVerify and ServerKeyExchange hold it (RFC 5246 §4.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DigitallySigned {
    /// A number of the registry, which need not be a scheme of ours.
    pub(crate) scheme: u16,
    pub(crate) signature: Vec<u8>,
}

impl DigitallySigned {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self { scheme: reader.u16()?, signature: reader.vec16()?.to_vec() })
    }

    /// Reads the body of a CertificateVerify.
    pub(crate) fn parse_certificate_verify(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        Self::read(&mut reader)
            .filter(|_| reader.is_empty())
            .ok_or(Error::decode("malformed CertificateVerify", "RFC 5246 §7.4.8"))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_u16(out, self.scheme);
        put_vec16(out, |out| out.extend_from_slice(&self.signature));
    }
}

/// ServerKeyExchange with an ephemeral key on a named curve (RFC 8422 §5.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerKeyExchange {
    /// A number of the registry, which need not be a group of ours.
    pub(crate) group: u16,
    pub(crate) share: Vec<u8>,
    pub(crate) signed: DigitallySigned,
}

impl ServerKeyExchange {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let malformed = Error::decode("malformed ServerKeyExchange", "RFC 8422 §5.4");
        let mut reader = Reader::new(body);
        let Some(curve_type) = reader.u8() else { return Err(malformed) };
        if curve_type != NAMED_CURVE {
            return Err(Error::illegal("the server's curve has no name", "RFC 8422 §5.4"));
        }
        let mut read = || {
            Some(Self {
                group: reader.u16()?,
                share: reader.vec8()?.to_vec(),
                signed: DigitallySigned::read(&mut reader)?,
            })
        };
        read().filter(|_| reader.is_empty()).ok_or(malformed)
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        write_params(out, self.group, &self.share);
        self.signed.write(out);
    }
}

/// Writes ServerECDHParams, the part of a ServerKeyExchange that is signed (RFC 8422 §5.4).
pub(crate) fn write_params(out: &mut Vec<u8>, group: u16, share: &[u8]) {
    out.push(NAMED_CURVE);
    put_u16(out, group);
    put_vec8(out, |out| out.extend_from_slice(share));
}

/// What a ServerKeyExchange's signature covers: both randoms and the parameters (RFC 8422 §5.4).
pub(crate) fn signed_params(
    client_random: &[u8; 32],
    server_random: &[u8; 32],
    group: u16,
    share: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(68 + share.len());
    out.extend_from_slice(client_random);
    out.extend_from_slice(server_random);
    write_params(&mut out, group, share);
    out
}

/// CertificateRequest (RFC 5246 §7.4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateRequest {
    /// Numbers of the registry, in the server's order of preference.
    pub(crate) signature_schemes: Vec<u16>,
}

impl CertificateRequest {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(body);
        let mut read = || {
            // Which types of certificate the server likes says no more than the schemes do.
            reader.vec8().filter(|types| !types.is_empty())?;
            let signature_schemes = u16_list(reader.vec16()?).filter(|list| !list.is_empty())?;
            // Names of authorities mean nothing to a self-signed certificate.
            reader.vec16()?;
            Some(Self { signature_schemes })
        };
        read()
            .filter(|_| reader.is_empty())
            .ok_or(Error::decode("malformed CertificateRequest", "RFC 5246 §7.4.4"))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        put_vec8(out, |out| out.extend_from_slice(&CERTIFICATE_TYPES));
        put_vec16(out, |out| put_u16_list(out, self.signature_schemes.iter().copied()));
        put_vec16(out, |_| {});
    }
}

/// Reads a ClientKeyExchange: the client's public key (RFC 8422 §5.7).
pub(crate) fn parse_client_key_exchange(body: &[u8]) -> Result<&[u8], Error> {
    let mut reader = Reader::new(body);
    reader
        .vec8()
        .filter(|share| !share.is_empty() && reader.is_empty())
        .ok_or(Error::decode("malformed ClientKeyExchange", "RFC 8422 §5.7"))
}

/// Writes a ClientKeyExchange.
pub(crate) fn write_client_key_exchange(out: &mut Vec<u8>, share: &[u8]) {
    put_vec8(out, |out| out.extend_from_slice(share));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(range: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), range)
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            der in bytes(1..3000),
            group: u16,
            share in bytes(1..200),
            scheme: u16,
            signature in bytes(0..600),
            signature_schemes in proptest::collection::vec(any::<u16>(), 1..20),
        ) {
            let mut out = Vec::new();
            write_certificate(&mut out, Some(&der));
            prop_assert_eq!(parse_certificate(&out), Ok(vec![der]));

            let signed = DigitallySigned { scheme, signature };
            out.clear();
            signed.write(&mut out);
            prop_assert_eq!(DigitallySigned::parse_certificate_verify(&out), Ok(signed.clone()));

            let exchange = ServerKeyExchange { group, share: share.clone(), signed };
            out.clear();
            exchange.write(&mut out);
            prop_assert_eq!(ServerKeyExchange::parse(&out), Ok(exchange));

            let request = CertificateRequest { signature_schemes };
            out.clear();
            request.write(&mut out);
            prop_assert_eq!(CertificateRequest::parse(&out), Ok(request));

            out.clear();
            write_client_key_exchange(&mut out, &share);
            prop_assert_eq!(parse_client_key_exchange(&out), Ok(&share[..]));
        }

        #[test]
        fn noise_never_panics(noise in bytes(0..300)) {
            let _ = parse_certificate(&noise);
            let _ = DigitallySigned::parse_certificate_verify(&noise);
            let _ = ServerKeyExchange::parse(&noise);
            let _ = CertificateRequest::parse(&noise);
            let _ = parse_client_key_exchange(&noise);
        }
    }

    #[test]
    fn an_empty_chain_is_a_chain_and_a_long_one_is_refused() {
        let mut out = Vec::new();
        write_certificate(&mut out, None);
        assert_eq!(parse_certificate(&out), Ok(Vec::new()));
        out.clear();
        put_vec24(&mut out, |out| {
            for _ in 0..=MAX_CHAIN {
                put_vec24(out, |out| out.push(1));
            }
        });
        assert!(parse_certificate(&out).is_err());
    }
}
