//! Self-signed certificates, as WebRTC endpoints make them (RFC 8827 §6.5), and their PEM form.
//!
//! Nobody checks who issued such a certificate: its fingerprint, sent by signalling, is what a peer trusts.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use zeroize::Zeroizing;

use crate::{
    CryptoProvider, Error, Fingerprint, HashAlgorithm, KeyType, Rng, SignatureScheme, SigningKey,
    der::{self, Reader, element},
};

const CERTIFICATE_LABEL: &str = "CERTIFICATE";
const PRIVATE_KEY_LABEL: &str = "PRIVATE KEY";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What [`Certificate::generate`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateParams {
    /// The kind of key. Default: ECDSA on P-256.
    pub key_type: KeyType,
    /// The common name of subject and issuer, at most 64 characters (RFC 5280, appendix A.1). Default: `WebRTC`, which
    /// tells an observer as little as browsers do.
    pub common_name: String,
    /// How long it is valid from now on. Default: 30 days, as in browsers.
    pub lifetime: Duration,
}

impl Default for CertificateParams {
    fn default() -> Self {
        Self { key_type: KeyType::default(), common_name: "WebRTC".to_owned(), lifetime: 30 * DAY }
    }
}

/// A certificate with its private key. Cloning is cheap and shares both.
#[derive(Clone)]
pub struct Certificate {
    provider: Arc<dyn CryptoProvider>,
    der: Arc<[u8]>,
    key: Arc<dyn SigningKey>,
    expires: SystemTime,
}

impl Certificate {
    /// Generates a key and a self-signed X.509 v3 certificate over it: random serial number, valid from a day before
    /// `now`, because peers' clocks are wrong.
    pub fn generate(
        provider: &Arc<dyn CryptoProvider>,
        params: CertificateParams,
        now: SystemTime,
        rng: &mut Rng,
    ) -> Result<Self, Error> {
        let key = provider.generate_key(params.key_type, rng)?;
        let der = self_sign(&*key, &params, now, rng)?;
        Self::from_der(provider, &der, key.into())
    }

    /// Joins a certificate, DER, with its private key.
    pub fn from_der(
        provider: &Arc<dyn CryptoProvider>,
        certificate_der: &[u8],
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, Error> {
        let parts = CertificateParts::read(certificate_der)?;
        if parts.public_key_info != key.public_key_der() {
            return Err(Error::KeyMismatch);
        }
        Ok(Self {
            provider: Arc::clone(provider),
            der: certificate_der.into(),
            key,
            expires: parts.not_after()?,
        })
    }

    /// Reads a certificate and its private key (PKCS#8), as [`to_pem`](Self::to_pem) writes them, in either order.
    pub fn from_pem(provider: &Arc<dyn CryptoProvider>, pem: &str) -> Result<Self, Error> {
        let certificate_der =
            read_pem(pem, CERTIFICATE_LABEL)?.ok_or(Error::InvalidPem("it has no certificate"))?;
        let key_der = read_pem(pem, PRIVATE_KEY_LABEL)?
            .ok_or(Error::InvalidPem("it has no PKCS#8 private key"))?;
        let key = provider.load_key(&key_der)?;
        Self::from_der(provider, &certificate_der, key.into())
    }

    /// Writes the certificate and its private key (PKCS#8) as PEM (RFC 7468). The text holds the key unencrypted.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, Error> {
        let key_der = self.key.private_key_der()?;
        // Generous, so that the string never moves and leaves a copy of the key behind.
        let mut pem =
            Zeroizing::new(String::with_capacity(2 * (self.der.len() + key_der.len()) + 256));
        write_pem(&mut pem, CERTIFICATE_LABEL, &self.der);
        write_pem(&mut pem, PRIVATE_KEY_LABEL, &key_der);
        Ok(pem)
    }

    /// The certificate, DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The private key.
    pub fn signing_key(&self) -> &Arc<dyn SigningKey> {
        &self.key
    }

    /// When its validity ends.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// Its fingerprint, for SDP.
    ///
    /// # Panics
    ///
    /// For MD5, which RFC 8122 §5 forbids.
    pub fn fingerprint(&self, algorithm: HashAlgorithm) -> Fingerprint {
        Fingerprint::of(&*self.provider, algorithm, &self.der)
            .expect("a hash function that RFC 8122 allows")
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("key", &self.key)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

fn self_sign(
    key: &dyn SigningKey,
    params: &CertificateParams,
    now: SystemTime,
    rng: &mut Rng,
) -> Result<Vec<u8>, Error> {
    const X509_V3: u8 = 2;
    const COMMON_NAME_OID: &[u8] = &[0x55, 0x04, 0x03];
    // ecdsa-with-SHA256 (RFC 5758 §3.2) has no parameters; sha256WithRSAEncryption (RFC 4055 §5) has NULL.
    const ECDSA_WITH_SHA256_OID: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    const SHA256_WITH_RSA_OID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    const NULL: &[u8] = &[0x05, 0x00];

    let (scheme, algorithm) = if key.schemes().contains(&SignatureScheme::EcdsaSecp256r1Sha256) {
        let oid = element(der::OBJECT_IDENTIFIER, &[ECDSA_WITH_SHA256_OID]);
        (SignatureScheme::EcdsaSecp256r1Sha256, element(der::SEQUENCE, &[&oid]))
    } else {
        let oid = element(der::OBJECT_IDENTIFIER, &[SHA256_WITH_RSA_OID]);
        (SignatureScheme::RsaPkcs1Sha256, element(der::SEQUENCE, &[&oid, NULL]))
    };

    // RFC 5280 §4.1.2.2: positive, at most 20 octets. The second bit keeps the encoding minimal.
    let mut serial = rng.array::<16>();
    serial[0] = serial[0] & 0x7f | 0x40;

    let common_name: String = params.common_name.chars().take(64).collect();
    let attribute = element(
        der::SEQUENCE,
        &[
            &element(der::OBJECT_IDENTIFIER, &[COMMON_NAME_OID]),
            &element(der::UTF8_STRING, &[common_name.as_bytes()]),
        ],
    );
    let name = element(der::SEQUENCE, &[&element(der::SET, &[&attribute])]);

    let not_before = now.checked_sub(DAY).unwrap_or(SystemTime::UNIX_EPOCH);
    let not_after = now.checked_add(params.lifetime).unwrap_or(now);
    let validity = element(der::SEQUENCE, &[&der::time(not_before), &der::time(not_after)]);

    // RFC 5280 §4.1: TBSCertificate.
    let to_be_signed = element(
        der::SEQUENCE,
        &[
            &element(der::CONTEXT_0, &[&element(der::INTEGER, &[&[X509_V3]])]),
            &element(der::INTEGER, &[&serial]),
            &algorithm,
            &name,
            &validity,
            &name,
            &key.public_key_der(),
        ],
    );
    let signature = key.sign(scheme, &to_be_signed, rng)?;
    // A bit string opens with the number of unused bits.
    Ok(element(
        der::SEQUENCE,
        &[&to_be_signed, &algorithm, &element(der::BIT_STRING, &[&[0], &signature])],
    ))
}

/// The fields of a certificate that we need: the key of a peer's, and when our own expires.
pub(crate) struct CertificateParts<'a> {
    /// What the validity holds, unread: nobody checks a peer's (RFC 8827 §6.5 trusts fingerprints), so that dates which
    /// RFC 5280 forbids are no reason to refuse it.
    validity: Reader<'a>,
    /// SubjectPublicKeyInfo, and where it lies.
    pub(crate) public_key_info: &'a [u8],
    pub(crate) public_key_offset: usize,
}

impl<'a> CertificateParts<'a> {
    pub(crate) fn read(certificate_der: &'a [u8]) -> Result<Self, Error> {
        let mut outer = Reader::new(certificate_der);
        let mut certificate = outer.enter(der::SEQUENCE, "a certificate was expected")?;
        if !outer.is_empty() {
            return Err(outer.error("nothing may follow the certificate"));
        }
        let mut fields = certificate.enter(der::SEQUENCE, "a TBSCertificate was expected")?;
        if fields.peek_tag() == Some(der::CONTEXT_0) {
            fields.enter(der::CONTEXT_0, "a version was expected")?;
        }
        fields.enter(der::INTEGER, "a serial number was expected")?;
        fields.enter(der::SEQUENCE, "a signature algorithm was expected")?;
        fields.enter(der::SEQUENCE, "an issuer was expected")?;
        let validity = fields.enter(der::SEQUENCE, "a validity was expected")?;
        fields.enter(der::SEQUENCE, "a subject was expected")?;
        let public_key_offset = fields.offset();
        let public_key_info = fields.whole(der::SEQUENCE, "a public key was expected")?;
        // issuerUniqueID, subjectUniqueID, extensions: each at most once and in this order.
        for tag in [der::CONTEXT_1, der::CONTEXT_2, der::CONTEXT_3] {
            if fields.peek_tag() == Some(tag) {
                fields.enter(tag, "an optional field was expected")?;
            }
        }
        if !fields.is_empty() {
            return Err(fields.error("nothing may follow the extensions"));
        }
        certificate.enter(der::SEQUENCE, "a signature algorithm was expected")?;
        certificate.enter(der::BIT_STRING, "a signature was expected")?;
        if !certificate.is_empty() {
            return Err(certificate.error("nothing may follow the signature"));
        }
        Ok(Self { validity, public_key_info, public_key_offset })
    }

    /// When the validity ends (RFC 5280 §4.1.2.5).
    fn not_after(&self) -> Result<SystemTime, Error> {
        let mut validity = self.validity;
        der::read_time(&mut validity)?;
        der::read_time(&mut validity)
    }
}

fn write_pem(out: &mut String, label: &str, der: &[u8]) {
    let text = Zeroizing::new(BASE64.encode(der));
    out.push_str("-----BEGIN ");
    out.push_str(label);
    out.push_str("-----\n");
    // RFC 7468 §2: lines of 64 characters. Base64 is ASCII, so that any split is on a character boundary.
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str("-----END ");
    out.push_str(label);
    out.push_str("-----\n");
}

/// The contents of the first block with this label, if there is one.
fn read_pem(pem: &str, label: &str) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let Some((_, rest)) = pem.split_once(&format!("-----BEGIN {label}-----")) else {
        return Ok(None);
    };
    let (body, _) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or(Error::InvalidPem("a block has no end"))?;
    let body: Zeroizing<String> =
        Zeroizing::new(body.chars().filter(|c| !c.is_ascii_whitespace()).collect());
    let der =
        BASE64.decode(body.as_bytes()).map_err(|_| Error::InvalidPem("a block is not base64"))?;
    Ok(Some(Zeroizing::new(der)))
}

#[cfg(test)]
mod tests {
    use openssl::x509::X509;

    use super::*;
    use crate::default_provider;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn generate(key_type: KeyType, seed: u64) -> Certificate {
        let params = CertificateParams { key_type, ..CertificateParams::default() };
        Certificate::generate(&default_provider(), params, now(), &mut Rng::from_seed(seed))
            .expect("generated")
    }

    #[test]
    fn openssl_reads_what_we_generate() {
        for key_type in [KeyType::EcdsaP256, KeyType::Rsa2048] {
            let certificate = generate(key_type, 1);
            let parsed = X509::from_der(certificate.der()).expect("a certificate");
            assert_eq!(parsed.version(), 2);
            assert!(parsed.verify(&parsed.public_key().expect("a key")).expect("verifies"));
            let name = parsed
                .subject_name()
                .entries()
                .next()
                .expect("a name")
                .data()
                .to_string()
                .expect("text");
            assert_eq!(name, "WebRTC");
            assert_eq!(parsed.not_before().to_string(), "Jan 14 08:00:00 2027 GMT");
            assert_eq!(parsed.not_after().to_string(), "Feb 14 08:00:00 2027 GMT");
            assert_eq!(certificate.expires(), now() + 30 * DAY);
            assert_eq!(parsed.to_der().expect("der"), certificate.der());
        }
    }

    #[test]
    fn a_seed_gives_the_same_certificate_again() {
        assert_eq!(generate(KeyType::EcdsaP256, 5).der(), generate(KeyType::EcdsaP256, 5).der());
        assert_ne!(generate(KeyType::EcdsaP256, 5).der(), generate(KeyType::EcdsaP256, 6).der());
        let from_os = || {
            Certificate::generate(
                &default_provider(),
                CertificateParams::default(),
                now(),
                &mut Rng::from_os(),
            )
            .expect("generated")
        };
        assert_ne!(from_os().der(), from_os().der());
    }

    #[test]
    fn pem_round_trips() {
        for key_type in [KeyType::EcdsaP256, KeyType::Rsa2048] {
            let certificate = generate(key_type, 2);
            let pem = certificate.to_pem().expect("encoded");
            let again = Certificate::from_pem(&default_provider(), &pem).expect("valid");
            assert_eq!(again.der(), certificate.der());
            assert_eq!(again.expires(), certificate.expires());
            assert_eq!(
                again.signing_key().public_key_der(),
                certificate.signing_key().public_key_der()
            );
            assert_eq!(
                again.fingerprint(HashAlgorithm::Sha256),
                certificate.fingerprint(HashAlgorithm::Sha256)
            );
        }
    }

    #[test]
    fn pem_that_does_not_fit_together_is_refused() {
        let provider = default_provider();
        let ours = generate(KeyType::EcdsaP256, 3).to_pem().expect("encoded");
        let theirs = generate(KeyType::EcdsaP256, 4).to_pem().expect("encoded");
        let key_of = |pem: &str| pem[pem.find("-----BEGIN PRIVATE").expect("a key")..].to_owned();
        let certificate_of =
            |pem: &str| pem[..pem.find("-----BEGIN PRIVATE").expect("a key")].to_owned();
        let mixed = certificate_of(&ours) + &key_of(&theirs);
        assert_eq!(Certificate::from_pem(&provider, &mixed).err(), Some(Error::KeyMismatch));
        for broken in [
            certificate_of(&ours),
            key_of(&ours),
            ours.replace("END", "EN"),
            ours.replace("MI", "!!"),
        ] {
            assert!(Certificate::from_pem(&provider, &broken).is_err());
        }
    }

    /// The certificate with other contents of its validity; the signature no longer fits.
    fn with_validity(certificate: &Certificate, times: &[&[u8]]) -> Vec<u8> {
        let not_before = der::time(now() - DAY);
        let not_after = der::time(certificate.expires());
        let old = element(der::SEQUENCE, &[&not_before, &not_after]);
        let mut outer = Reader::new(certificate.der());
        let mut fields = outer.enter(der::SEQUENCE, "").expect("a certificate");
        let to_be_signed = fields.enter(der::SEQUENCE, "").expect("a TBSCertificate").bytes();
        let at = to_be_signed.windows(old.len()).position(|window| window == old);
        let (before, after) = to_be_signed.split_at(at.expect("a validity"));
        let to_be_signed =
            element(der::SEQUENCE, &[before, &element(der::SEQUENCE, times), &after[old.len()..]]);
        element(der::SEQUENCE, &[&to_be_signed, fields.bytes()])
    }

    #[test]
    fn dates_matter_only_in_our_own_certificate() {
        let provider = default_provider();
        let certificate = generate(KeyType::EcdsaP256, 10);
        let key = certificate.signing_key();
        let scheme = SignatureScheme::EcdsaSecp256r1Sha256;
        let signature = key.sign(scheme, b"message", &mut Rng::from_seed(10)).expect("signed");
        let utc = |text: &str| element(der::UTC_TIME, &[text.as_bytes()]);
        let generalized = |text: &str| element(der::GENERALIZED_TIME, &[text.as_bytes()]);
        let fine = utc("270115080000Z");
        for odd in [
            utc("2701150800Z"),
            utc("270115080000+0000"),
            generalized("20270115080000.5Z"),
            generalized("99999999999999Z"),
            Vec::new(),
        ] {
            for times in [[&fine[..], &odd], [&odd, &fine]] {
                let der = with_validity(&certificate, &times);
                let peer = provider.certificate_key(&der).expect("a peer's certificate");
                assert_eq!(peer.verify(scheme, b"message", &signature), Ok(()), "{odd:?}");
                let own = Certificate::from_der(&provider, &der, Arc::clone(key));
                assert!(matches!(own, Err(Error::InvalidCertificate { .. })), "{odd:?}");
            }
        }
        let own = with_validity(&certificate, &[&fine, &fine]);
        let own = Certificate::from_der(&provider, &own, Arc::clone(key)).expect("our own");
        assert_eq!(own.expires(), now());
    }

    #[test]
    fn truncated_certificates_are_refused_without_panic() {
        let certificate = generate(KeyType::EcdsaP256, 9);
        for length in 0..certificate.der().len() {
            assert!(CertificateParts::read(&certificate.der()[..length]).is_err());
        }
    }
}
