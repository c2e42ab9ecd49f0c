//! What an endpoint is willing to speak, and how patient it is.

use std::{fmt, sync::Arc, time::Duration};

use peerage_crypto::{Certificate, CryptoProvider, KeyLog, NamedGroup, SignatureScheme};

use crate::{
    cipher_suite::CipherSuite, error::Error, registry::scheme_allowed_in_13,
    srtp_profile::SrtpProtectionProfile, version::ProtocolVersion,
};

/// Smallest datagram a configuration may ask for: a record header, a handshake header and a few bytes of progress.
pub const MIN_MTU: usize = 128;

/// The configuration of an [`Endpoint`](crate::Endpoint), shared by any number of them.
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Who supplies the primitives.
    pub provider: Arc<dyn CryptoProvider>,
    /// Our certificate and its key. Both ends of WebRTC have one.
    pub certificate: Arc<Certificate>,
    /// The oldest version to accept.
    pub min_version: ProtocolVersion,
    /// The newest version to offer.
    pub max_version: ProtocolVersion,
    /// Key exchange groups, best first. A server takes the first of its own that the client supports, unless another
    /// saves a round trip ([`Config::key_shares`] says which a client sends at once).
    pub groups: Vec<NamedGroup>,
    /// For which groups a client sends a key share in its first ClientHello. Those that are not in [`Config::groups`]
    /// are passed over; if none remains, the first group is used.
    pub key_shares: Vec<NamedGroup>,
    /// Cipher suites of both versions, best first.
    pub cipher_suites: Vec<CipherSuite>,
    /// Signature schemes we accept from the peer, best first.
    pub signature_schemes: Vec<SignatureScheme>,
    /// SRTP profiles, best first; empty means that `use_srtp` is neither offered nor answered (RFC 5764).
    pub srtp_profiles: Vec<SrtpProtectionProfile>,
    /// Largest datagram of the handshake, in bytes, without IP and UDP headers. At least [`MIN_MTU`].
    pub mtu: usize,
    /// How long to wait before the first retransmission of a flight. Doubles with every further one.
    ///
    /// RFC 9147 §5.8.2 asks for 1.5 times the round trip where ICE has measured it: the caller should say so here.
    pub initial_timeout: Duration,
    /// The longest pause between two retransmissions.
    pub max_timeout: Duration,
    /// How long the handshake may take before the endpoint gives up.
    pub handshake_timeout: Duration,
    /// Whether a server makes the client prove by a cookie that it can receive (RFC 9147 §5.1); `false` by default.
    ///
    /// Without it, one ClientHello from a forged address makes a server send its flight there at most eight times (some
    /// 1 kB each, 2 kB with X25519MLKEM768), and further ones at most three times as long as what comes from there; a
    /// protected record from the client lifts the limit. A server that anyone may reach without ICE should set it: all it
    /// sends then is one short request per ClientHello.
    pub require_cookie: bool,
    /// Whether the peer's address is proven before DTLS begins, as ICE's checks and consent do; `false` by default. Then a
    /// server retransmits for as long as [`Config::handshake_timeout`] lets it, also over a path that fails for seconds.
    pub peer_address_is_proven: bool,
    /// Whether a peer without a certificate is refused. A server also asks for the certificate only if this is set.
    pub require_peer_certificate: bool,
    /// After how many sent records a DTLS 1.3 endpoint renews its keys of its own accord. Never later than the AEAD
    /// allows (RFC 8446 §5.5).
    pub rekey_after_records: u64,
    /// Where secrets are written for packet analysers (NSS key log format). `None` by default.
    pub key_log: Option<Arc<dyn KeyLog>>,
}

impl Config {
    /// The defaults of WebRTC: DTLS 1.3 preferred, 1.2 accepted, mutual certificates, all SRTP profiles, datagrams of
    /// 1200 bytes, a first retransmission after 50 ms and 30 s for the whole handshake.
    pub fn new(provider: Arc<dyn CryptoProvider>, certificate: Arc<Certificate>) -> Self {
        use NamedGroup::{Secp256r1, Secp384r1, X25519, X25519MlKem768};
        Self {
            provider,
            certificate,
            min_version: ProtocolVersion::Dtls12,
            max_version: ProtocolVersion::Dtls13,
            groups: vec![X25519MlKem768, X25519, Secp256r1, Secp384r1],
            key_shares: vec![X25519MlKem768, X25519],
            cipher_suites: CipherSuite::ALL.to_vec(),
            signature_schemes: vec![
                SignatureScheme::EcdsaSecp256r1Sha256,
                SignatureScheme::RsaPssRsaeSha256,
                SignatureScheme::RsaPkcs1Sha256,
                SignatureScheme::EcdsaSecp384r1Sha384,
                SignatureScheme::RsaPssRsaeSha384,
                SignatureScheme::RsaPkcs1Sha384,
                SignatureScheme::RsaPssRsaeSha512,
                SignatureScheme::RsaPkcs1Sha512,
            ],
            srtp_profiles: SrtpProtectionProfile::ALL.to_vec(),
            mtu: 1200,
            initial_timeout: Duration::from_millis(50),
            max_timeout: Duration::from_secs(3),
            handshake_timeout: Duration::from_secs(30),
            require_cookie: false,
            peer_address_is_proven: false,
            require_peer_certificate: true,
            rekey_after_records: 1 << 23,
            key_log: None,
        }
    }

    /// Whether the configuration allows `version`.
    pub fn allows(&self, version: ProtocolVersion) -> bool {
        (self.min_version..=self.max_version).contains(&version)
    }

    /// Whether a server has no reason to think that its first flight goes to the one who asked for it.
    pub(crate) fn is_peer_unproven(&self) -> bool {
        !self.require_cookie && !self.peer_address_is_proven
    }

    /// The suites of one version, best first.
    pub(crate) fn suites(&self, version: ProtocolVersion) -> impl Iterator<Item = CipherSuite> {
        self.cipher_suites.iter().copied().filter(move |suite| suite.version() == version)
    }

    pub(crate) fn validate(&self) -> Result<(), Error> {
        if self.min_version > self.max_version {
            return Err(Error::BadConfig("min_version is newer than max_version"));
        }
        if self.mtu < MIN_MTU {
            return Err(Error::BadConfig("mtu is below 128 bytes"));
        }
        if self.initial_timeout.is_zero() || self.max_timeout < self.initial_timeout {
            return Err(Error::BadConfig("initial_timeout is zero or longer than max_timeout"));
        }
        if self.groups.is_empty() {
            return Err(Error::BadConfig("groups is empty"));
        }
        for version in [ProtocolVersion::Dtls12, ProtocolVersion::Dtls13] {
            if self.allows(version) && self.suites(version).next().is_none() {
                return Err(Error::BadConfig(
                    "cipher_suites has none for a version that is allowed",
                ));
            }
        }
        if self.allows(ProtocolVersion::Dtls12)
            && self.groups.iter().all(|&group| group == NamedGroup::X25519MlKem768)
        {
            return Err(Error::BadConfig("groups has none that DTLS 1.2 can use"));
        }
        if !self.signature_schemes.iter().copied().any(scheme_allowed_in_13) {
            return Err(Error::BadConfig("signature_schemes has none that DTLS 1.3 can use"));
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("versions", &(self.min_version..=self.max_version))
            .field("groups", &self.groups)
            .field("cipher_suites", &self.cipher_suites)
            .field("srtp_profiles", &self.srtp_profiles)
            .field("mtu", &self.mtu)
            .field("initial_timeout", &self.initial_timeout)
            .field("handshake_timeout", &self.handshake_timeout)
            .field("require_cookie", &self.require_cookie)
            .field("require_peer_certificate", &self.require_peer_certificate)
            .field("key_log", &self.key_log.is_some())
            .finish_non_exhaustive()
    }
}
