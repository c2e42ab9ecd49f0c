//! The DTLS transport: begins when both descriptions and a path are there, checks the peer's certificate against the
//! fingerprints of its description (RFC 8122 §5.1), and only then lets SCTP through. The connection calls it.

use std::sync::Arc;
use std::time::Instant;

use peerage_crypto::{Certificate, CryptoProvider, Fingerprint, HashAlgorithm, NamedGroup, Rng};
use peerage_dtls::{
    AlertDescription, ApplicationData, Config, Endpoint, HandshakeSummary, ProtocolVersion,
    SrtpProtectionProfile,
};
use peerage_sdp::{Setup, TlsId};

use crate::config::Settings;
use crate::error::{Error, ErrorDetail};
use crate::event::Handshake;
use crate::state::DtlsState;
use crate::transport::srtp::SrtpTransport;

/// What happened to the association.
#[derive(Debug)]
pub(crate) enum DtlsEvent {
    /// Up, and the certificate is right.
    Connected(Handshake),
    /// `close_notify` from either side.
    Closed,
    /// Over, and why.
    Failed { detail: ErrorDetail, message: String },
}

/// What the descriptions say about the association.
#[derive(Clone, Debug)]
pub(crate) struct DtlsParameters {
    pub(crate) is_client: bool,
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// `a=tls-id` of ours and of the peer's, where they say it.
    pub(crate) tls_ids: (Option<TlsId>, Option<TlsId>),
}

impl DtlsParameters {
    /// Whether they are of another association (RFC 8842 §3.1). An id of ours counts only where the peer has one as well: it
    /// cannot tell from it otherwise that a new association is wanted.
    fn are_of_another(&self, other: &Self) -> bool {
        let (ours, theirs) = &self.tls_ids;
        let is_other = |one: &Option<TlsId>, other: &Option<TlsId>| {
            one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one != other)
        };
        self.is_client != other.is_client
            || !is_same_set(&self.fingerprints, &other.fingerprints)
            || is_other(theirs, &other.tls_ids.1)
            || (other.tls_ids.1.is_some() && is_other(ours, &other.tls_ids.0))
    }
}

/// Whether two descriptions name the same certificates: their order says nothing (RFC 8122 §5).
pub(crate) fn is_same_set(one: &[Fingerprint], other: &[Fingerprint]) -> bool {
    let within = |of: &[Fingerprint], all: &[Fingerprint]| of.iter().all(|f| all.contains(f));
    within(one, other) && within(other, one)
}

/// See the module.
pub(crate) struct DtlsTransport {
    config: Arc<Config>,
    parameters: Option<DtlsParameters>,
    /// Those of the association that is to take the place of this one, once ICE has a path for it.
    next: Option<DtlsParameters>,
    endpoint: Option<Box<Endpoint>>,
    state: DtlsState,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    handshake: Option<Handshake>,
    srtp_profile: Option<SrtpProtectionProfile>,
    /// The peer's chain, once it is trusted.
    peer_certificates: Vec<Vec<u8>>,
}

impl DtlsTransport {
    pub(crate) fn new(
        settings: &Settings,
        provider: Arc<dyn CryptoProvider>,
        certificate: Arc<Certificate>,
    ) -> Result<Self, Error> {
        let mut config = Config::new(provider, certificate);
        let dtls = &settings.dtls;
        (config.min_version, config.max_version) = match (dtls.versions.v1_2, dtls.versions.v1_3) {
            (true, true) => (ProtocolVersion::Dtls12, ProtocolVersion::Dtls13),
            (true, false) => (ProtocolVersion::Dtls12, ProtocolVersion::Dtls12),
            (false, true) => (ProtocolVersion::Dtls13, ProtocolVersion::Dtls13),
            (false, false) => {
                return Err(Error::Type {
                    argument: "settings.dtls.versions",
                    reason: "none is allowed".into(),
                });
            }
        };
        if !dtls.groups.is_empty() {
            config.groups.clone_from(&dtls.groups);
            config.key_shares.retain(|group| dtls.groups.contains(group));
        }
        if !dtls.srtp_profiles.is_empty() {
            config.srtp_profiles.clone_from(&dtls.srtp_profiles);
        }
        if let Some(timeout) = dtls.retransmission_timeout {
            config.initial_timeout = timeout;
        }
        if let Some(timeout) = dtls.handshake_timeout {
            config.handshake_timeout = timeout;
        }
        // `use_srtp` (RFC 5764 §4.1) is offered and answered without media too: there are stacks, aiortc for one,
        // that fail a handshake in which no SRTP profile was negotiated.
        config.mtu = settings.mtu;
        // Only datagrams of a path that ICE checked get here, and only there are ours sent (RFC 7675 §5.1).
        config.peer_address_is_proven = true;
        config.key_log.clone_from(&settings.key_log);
        Ok(Self::over(Arc::new(config)))
    }

    /// Another association with the same certificate and parameters of ours.
    pub(crate) fn alike(&self) -> Self {
        Self::over(Arc::clone(&self.config))
    }

    fn over(config: Arc<Config>) -> Self {
        Self {
            config,
            parameters: None,
            next: None,
            endpoint: None,
            state: DtlsState::New,
            failure: None,
            handshake: None,
            srtp_profile: None,
            peer_certificates: Vec::new(),
        }
    }

    pub(crate) fn state(&self) -> DtlsState {
        self.state
    }

    pub(crate) fn handshake(&self) -> Option<&Handshake> {
        self.handshake.as_ref()
    }

    /// The peer's chain, DER, its own certificate first; empty before the handshake is over.
    pub(crate) fn peer_certificates(&self) -> &[Vec<u8>] {
        &self.peer_certificates
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.config.certificate
    }

    pub(crate) fn provider(&self) -> &Arc<dyn CryptoProvider> {
        &self.config.provider
    }

    /// The SRTP profile that the handshake agreed on.
    pub(crate) fn srtp_profile(&self) -> Option<SrtpProtectionProfile> {
        self.srtp_profile
    }

    /// Whether we are the DTLS client, once the descriptions have decided it.
    pub(crate) fn is_client(&self) -> Option<bool> {
        self.parameters.as_ref().map(|parameters| parameters.is_client)
    }

    /// What was agreed on last: of the association that is to come, if there is one.
    pub(crate) fn agreed(&self) -> Option<&DtlsParameters> {
        self.next.as_ref().or(self.parameters.as_ref())
    }

    /// Takes what an answer, provisional or final, has settled. While no handshake runs a later answer may still
    /// change it. Afterwards, what differs is of another association, which waits for [`Self::renew`].
    pub(crate) fn negotiated(&mut self, parameters: DtlsParameters) {
        let Some(current) = self.parameters.as_mut().filter(|_| self.state != DtlsState::New)
        else {
            self.parameters = Some(parameters);
            return;
        };
        if current.are_of_another(&parameters) {
            self.next = Some(parameters);
        } else {
            // Ids that were not there before may be there now.
            current.tls_ids = parameters.tls_ids;
            self.next = None;
        }
    }

    /// Whether the peer describes another association than the one that was agreed on last: another certificate, another
    /// `a=tls-id`, or another role (RFC 8842 §3.1).
    pub(crate) fn is_another(
        &self,
        setup: Option<Setup>,
        fingerprints: &[Fingerprint],
        tls_id: Option<&TlsId>,
    ) -> bool {
        let Some(agreed) = self.agreed() else { return false };
        let is_client = match setup {
            Some(Setup::Active) => false,
            Some(Setup::Passive) => true,
            _ => agreed.is_client,
        };
        agreed.are_of_another(&DtlsParameters {
            is_client,
            fingerprints: fingerprints.to_vec(),
            tls_ids: (None, tls_id.cloned()),
        })
    }

    /// Whether another association is to take the place of this one.
    pub(crate) fn is_replaced(&self) -> bool {
        self.next.is_some()
    }

    /// Lets go of this association for the next one, whose handshake has not begun then. Says whether the peer has another
    /// certificate there; `None` if there is no next one. The peer is told nothing: it was by the descriptions.
    pub(crate) fn renew(&mut self) -> Option<bool> {
        let next = self.next.take()?;
        let before = std::mem::replace(self, Self::over(Arc::clone(&self.config)));
        let is_same = |old: &DtlsParameters| is_same_set(&old.fingerprints, &next.fingerprints);
        let another = !before.parameters.as_ref().is_some_and(is_same);
        self.parameters = Some(next);
        Some(another)
    }

    /// Begins the handshake if the descriptions are there and it has not begun. Call once there is a path.
    pub(crate) fn start(&mut self, now: Instant, rng: &mut Rng) -> Result<bool, Error> {
        let Some(parameters) = &self.parameters else { return Ok(false) };
        if self.endpoint.is_some() || self.state != DtlsState::New {
            return Ok(false);
        }
        let make = if parameters.is_client { Endpoint::client } else { Endpoint::server };
        let endpoint = make(Arc::clone(&self.config), rng.fork(), now)
            .map_err(|error| Error::Layer { layer: "dtls", message: error.to_string() })?;
        self.endpoint = Some(Box::new(endpoint));
        self.state = DtlsState::Connecting;
        Ok(true)
    }

    /// Whether datagrams can be taken already.
    pub(crate) fn has_begun(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Opens a datagram in place. Failures show in [`DtlsTransport::poll_event`].
    pub(crate) fn handle_input(&mut self, now: Instant, datagram: &mut [u8]) -> ApplicationData {
        match &mut self.endpoint {
            Some(endpoint) => endpoint.handle_input(now, datagram).unwrap_or_default(),
            None => ApplicationData::default(),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.handle_timeout(now);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.as_ref()?.poll_timeout()
    }

    /// Appends a datagram of the handshake, an ACK or an alert.
    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        self.endpoint.as_mut()?.poll_transmit(now, buf).map(|transmit| transmit.size)
    }

    /// What happened. Must be drained before application data of the same datagram is believed.
    pub(crate) fn poll_event(&mut self, now: Instant) -> Option<DtlsEvent> {
        loop {
            let event = self.endpoint.as_mut()?.poll_event()?;
            // What comes after the end, or again, is no news.
            if !matches!(self.state, DtlsState::Connecting | DtlsState::Connected) {
                continue;
            }
            match event {
                peerage_dtls::Event::Connected(summary) => return Some(self.verify(now, &summary)),
                peerage_dtls::Event::Closed => {
                    self.state = DtlsState::Closed;
                    return Some(DtlsEvent::Closed);
                }
                peerage_dtls::Event::Failed(error) => {
                    self.state = DtlsState::Failed;
                    return Some(DtlsEvent::Failed {
                        detail: ErrorDetail::DtlsFailure,
                        message: error.to_string(),
                    });
                }
                _ => {}
            }
        }
    }

    /// The endpoint, once it may carry application data.
    pub(crate) fn connected(&mut self) -> Option<&mut Endpoint> {
        match self.state {
            DtlsState::Connected => self.endpoint.as_deref_mut(),
            _ => None,
        }
    }

    /// SRTP contexts from the handshake's keys; `None` if no profile was agreed on.
    pub(crate) fn srtp(&self) -> Option<Result<SrtpTransport, Error>> {
        let (endpoint, handshake) = (self.endpoint.as_deref()?, self.handshake.as_ref()?);
        let (provider, profile) = (&self.config.provider, self.srtp_profile?);
        Some(SrtpTransport::new(provider, endpoint, profile, handshake.is_client))
    }

    /// Bytes a record adds to its plaintext.
    pub(crate) fn overhead(&self) -> usize {
        self.endpoint.as_ref().map_or(0, |endpoint| endpoint.overhead())
    }

    /// Gives up: nothing can come of it.
    pub(crate) fn fail(&mut self) {
        self.endpoint = None;
        self.state = DtlsState::Failed;
    }

    /// Says goodbye with `close_notify`.
    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(endpoint) = &mut self.endpoint {
            endpoint.close(now);
        }
        self.state = DtlsState::Closed;
    }

    fn verify(&mut self, now: Instant, summary: &HandshakeSummary) -> DtlsEvent {
        let fingerprints =
            self.parameters.as_ref().map_or(&[][..], |parameters| &parameters.fingerprints);
        let trusted = summary.peer_certificates.first().is_some_and(|certificate| {
            is_trusted(&*self.config.provider, fingerprints, certificate)
        });
        if !trusted {
            if let Some(endpoint) = &mut self.endpoint {
                // RFC 8122 §5.1: the connection must not be established.
                endpoint.reject(now, AlertDescription::BadCertificate);
            }
            self.state = DtlsState::Failed;
            return DtlsEvent::Failed {
                detail: ErrorDetail::FingerprintFailure,
                message: "the peer's certificate matches no fingerprint of its description (RFC 8122 §5.1)".into(),
            };
        }
        self.state = DtlsState::Connected;
        let handshake = Handshake {
            version: match summary.version {
                ProtocolVersion::Dtls12 => "DTLS 1.2",
                ProtocolVersion::Dtls13 => "DTLS 1.3",
            },
            cipher_suite: summary.cipher_suite.name(),
            group: summary.group.map_or("", group_name),
            is_client: summary.is_client,
        };
        self.handshake = Some(handshake.clone());
        self.srtp_profile = summary.srtp_profile;
        self.peer_certificates.clone_from(&summary.peer_certificates);
        DtlsEvent::Connected(handshake)
    }
}

/// Whether a certificate matches one of the fingerprints made with the strongest hash the peer gave (RFC 8122 §5.1): a
/// weaker one beside it must not let another certificate in.
fn is_trusted(
    provider: &dyn CryptoProvider,
    fingerprints: &[Fingerprint],
    certificate_der: &[u8],
) -> bool {
    let Some(strongest) =
        fingerprints.iter().map(|fingerprint| strength(fingerprint.algorithm())).max()
    else {
        return false;
    };
    fingerprints
        .iter()
        .filter(|fingerprint| strength(fingerprint.algorithm()) == strongest)
        .any(|fingerprint| fingerprint.matches(provider, certificate_der))
}

fn strength(algorithm: HashAlgorithm) -> u8 {
    match algorithm {
        HashAlgorithm::Md5 => 0,
        HashAlgorithm::Sha1 => 1,
        HashAlgorithm::Sha256 => 2,
        HashAlgorithm::Sha384 => 3,
        HashAlgorithm::Sha512 => 4,
    }
}

fn group_name(group: NamedGroup) -> &'static str {
    match group {
        NamedGroup::Secp256r1 => "secp256r1",
        NamedGroup::Secp384r1 => "secp384r1",
        NamedGroup::X25519 => "x25519",
        NamedGroup::X25519MlKem768 => "X25519MLKEM768",
    }
}

#[cfg(test)]
mod tests {
    use peerage_crypto::{CertificateParams, default_provider};

    use super::*;

    #[test]
    fn the_strongest_hash_decides() {
        let provider = default_provider();
        let of = |algorithm, certificate: &[u8]| {
            Fingerprint::of(&*provider, algorithm, certificate).unwrap()
        };
        let ours = b"certificate".as_slice();
        let sha1 = of(HashAlgorithm::Sha1, ours);
        let sha256 = of(HashAlgorithm::Sha256, ours);
        let other = of(HashAlgorithm::Sha256, b"another");
        assert!(is_trusted(&*provider, &[sha256], ours));
        assert!(is_trusted(&*provider, &[other, sha256], ours), "one of several certificates");
        assert!(is_trusted(&*provider, &[sha1, sha256], ours));
        assert!(!is_trusted(&*provider, &[sha1, other], ours), "a weaker hash does not help");
        assert!(!is_trusted(&*provider, &[], ours));
    }

    #[test]
    fn an_srtp_profile_is_offered_without_media_too() {
        let provider = default_provider();
        let certificate = Certificate::generate(
            &provider,
            CertificateParams::default(),
            std::time::UNIX_EPOCH,
            &mut Rng::from_seed(1),
        );
        let transport =
            DtlsTransport::new(&Settings::default(), provider, Arc::new(certificate.unwrap()));
        assert!(!transport.unwrap().config.srtp_profiles.is_empty());
    }
}
