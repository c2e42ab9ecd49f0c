//! The transport, its certificates, candidates and pairs.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use peerage_crypto::{Fingerprint, HashAlgorithm};
use peerage_ice::{Candidate, CandidateAddress, CandidateKind, PairStats, Protocol};

use super::super::transport_info::{dtls_role, ice_role};
use super::{Gathering, clip};
use crate::stats::{
    CertificateStats, IceCandidatePairStats, IceCandidateStats, Stats, StatsType, TransportStats,
};
use crate::transport::dtls::DtlsTransport;
use crate::transport::set::Transport;

impl Gathering<'_> {
    pub(super) fn transports(&mut self) {
        let pc = self.pc;
        if pc.has_transport() {
            pc.used_transports().for_each(|transport| self.transport(transport));
        }
    }

    fn transport(&mut self, transport: &Transport) {
        let (pc, id) = (self.pc, self.ids.transport(transport.id));
        let (agent, dtls) = (&transport.ice.agent, &transport.dtls);
        let total = transport.paths.total();
        let (handshake, rtp) = (dtls.handshake(), transport.rtp.statistics());
        let (local, remote) = self.certificate_ids(dtls);
        let stats = TransportStats {
            packets_sent: Some(total.packets_sent),
            packets_received: Some(total.packets_received),
            bytes_sent: Some(total.bytes_sent),
            bytes_received: Some(total.bytes_received),
            ice_role: Some(ice_role(transport)),
            ice_local_username_fragment: (pc.negotiation.local())
                .map(|_| agent.local_credentials().ufrag().to_owned()),
            ice_state: Some(pc.ice_state_of(transport)),
            selected_candidate_pair_id: None,
            local_certificate_id: local,
            remote_certificate_id: remote,
            tls_version: handshake.map(|handshake| match handshake.version {
                // RFC 9147 §5.3, RFC 6347 §4.1.
                "DTLS 1.3" => "FEFC".to_owned(),
                _ => "FEFD".to_owned(),
            }),
            dtls_cipher: handshake.map(|handshake| handshake.cipher_suite.to_owned()),
            dtls_role: Some(dtls_role(transport)),
            srtp_cipher: dtls.srtp_profile().map(|profile| profile.name().to_owned()),
            selected_candidate_pair_changes: Some(clip(transport.pair_changes)),
            ccfb_messages_sent: Some(clip(rtp.stream_feedback_sent)).filter(|count| *count > 0),
            ccfb_messages_received: Some(clip(rtp.stream_feedback_received))
                .filter(|count| *count > 0),
            ..TransportStats::new(id, self.timestamp, dtls.state())
        };
        let pairs = agent.pairs();
        let selected = pairs.iter().find(|pair| pair.selected).map(|pair| self.pair_id(pair));
        self.report.insert(Stats::Transport(TransportStats {
            selected_candidate_pair_id: selected,
            ..stats
        }));
        self.certificates(dtls);
        self.candidates(transport);
        for pair in &pairs {
            self.pair(transport, pair);
        }
    }

    /// Ours once DTLS is negotiated, the peer's once it was seen.
    fn certificate_ids(&self, dtls: &DtlsTransport) -> (Option<String>, Option<String>) {
        let local = dtls.is_client().map(|_| self.ids.certificate(dtls.certificate().der()));
        let remote = dtls.peer_certificates().first().map(|der| self.ids.certificate(der));
        (local, remote)
    }

    fn certificates(&mut self, dtls: &DtlsTransport) {
        if dtls.is_client().is_some() {
            self.certificate(dtls, dtls.certificate().der(), None);
        }
        let chain = dtls.peer_certificates();
        for (index, der) in chain.iter().enumerate() {
            self.certificate(dtls, der, chain.get(index + 1).map(Vec::as_slice));
        }
    }

    fn certificate(&mut self, dtls: &DtlsTransport, der: &[u8], issuer: Option<&[u8]>) {
        let provider = dtls.provider();
        let Ok(fingerprint) = Fingerprint::of(&**provider, HashAlgorithm::Sha256, der) else {
            return;
        };
        self.report.insert(Stats::Certificate(CertificateStats {
            issuer_certificate_id: issuer.map(|der| self.ids.certificate(der)),
            ..CertificateStats::new(
                self.ids.certificate(der),
                self.timestamp,
                fingerprint.value(),
                fingerprint.algorithm_name().to_owned(),
                STANDARD.encode(der),
            )
        }));
    }

    /// The candidates of this generation.
    fn candidates(&mut self, transport: &Transport) {
        let agent = &transport.ice.agent;
        let ufrag = agent.local_credentials().ufrag();
        for candidate in agent.local_candidates() {
            self.local_candidate(transport, &candidate, ufrag);
        }
        let Some(remote) = agent.remote_credentials() else { return };
        for (candidate, address) in agent.remote_candidate_addresses() {
            self.remote_candidate(transport, candidate, address, remote.ufrag());
        }
    }

    fn local_candidate(
        &mut self,
        transport: &Transport,
        candidate: &Candidate,
        ufrag: &str,
    ) -> String {
        let id = self.ids.local_candidate(candidate, ufrag);
        let stats = IceCandidateStats {
            username_fragment: Some(ufrag.to_owned()),
            url: transport.ice.url_of(candidate).map(str::to_owned),
            relay_protocol: relay_protocol(transport, candidate).map(str::to_owned),
            ..self.candidate(transport, id.clone(), candidate)
        };
        self.report.insert(Stats::LocalCandidate(stats));
        id
    }

    fn remote_candidate(
        &mut self,
        transport: &Transport,
        candidate: &Candidate,
        address: SocketAddr,
        ufrag: &str,
    ) -> String {
        let id = self.ids.remote_candidate(address, ufrag);
        let stats = self.candidate(transport, id.clone(), candidate);
        // The address of one that nobody has told is not to be exposed (webrtc-stats, RTCIceCandidateStats).
        let told = candidate.kind != CandidateKind::PeerReflexive;
        self.report.insert(Stats::RemoteCandidate(IceCandidateStats {
            address: stats.address.filter(|_| told),
            username_fragment: told.then(|| ufrag.to_owned()),
            ..stats
        }));
        id
    }

    fn candidate(
        &self,
        transport: &Transport,
        id: String,
        candidate: &Candidate,
    ) -> IceCandidateStats {
        let related = candidate.related.as_ref();
        let address = |address: &CandidateAddress| address.to_string();
        let (transport, kind) = (self.ids.transport(transport.id), candidate.kind.into());
        IceCandidateStats {
            address: Some(address(&candidate.address)),
            port: Some(candidate.port),
            protocol: Some(candidate.transport.as_str().to_owned()),
            priority: Some(candidate.priority),
            foundation: Some(candidate.foundation.clone()),
            related_address: related.map(|(related, _)| address(related)),
            related_port: related.map(|&(_, port)| port),
            tcp_type: candidate.extension("tcptype").map(str::to_owned),
            ..IceCandidateStats::new(id, self.timestamp, transport, kind)
        }
    }

    fn pair_id(&self, pair: &PairStats) -> String {
        let key = (pair.local, pair.remote, &pair.local_ufrag, &pair.remote_ufrag);
        self.ids.of(StatsType::CandidatePair, key)
    }

    fn pair(&mut self, transport: &Transport, pair: &PairStats) {
        let local = self.local_candidate(transport, &pair.local_candidate, &pair.local_ufrag);
        let (candidate, ufrag) = (&pair.remote_candidate, &pair.remote_ufrag);
        let remote = self.remote_candidate(transport, candidate, pair.remote, ufrag);
        let path = transport.paths.get((pair.local, pair.remote));
        let at = |instant: Option<std::time::Instant>| instant.map(|at| self.pc.milliseconds(at));
        let current = pair.current_round_trip_time;
        let estimate = transport.rtp.estimate(self.now).filter(|e| e.reported && pair.selected);
        self.report.insert(Stats::CandidatePair(IceCandidatePairStats {
            nominated: Some(pair.nominated),
            packets_sent: Some(path.packets_sent),
            packets_received: Some(path.packets_received),
            bytes_sent: Some(path.bytes_sent),
            bytes_received: Some(path.bytes_received),
            last_packet_sent_timestamp: at(path.last_sent),
            last_packet_received_timestamp: at(path.last_received),
            total_round_trip_time: Some(pair.total_round_trip_time.as_secs_f64()),
            current_round_trip_time: current.map(|time| time.as_secs_f64()),
            available_outgoing_bitrate: estimate.map(|e| e.available_outgoing_bitrate as f64),
            requests_received: Some(pair.requests_received),
            requests_sent: Some(pair.requests_sent),
            responses_received: Some(pair.responses_received),
            responses_sent: Some(pair.responses_sent),
            consent_requests_sent: Some(pair.consent_requests_sent),
            ..IceCandidatePairStats::new(
                self.pair_id(pair),
                self.timestamp,
                self.ids.transport(transport.id),
                local,
                remote,
                pair.state.into(),
            )
        }));
    }
}

/// How the server of a relayed candidate is reached.
fn relay_protocol(transport: &Transport, candidate: &Candidate) -> Option<&'static str> {
    Some(match transport.ice.agent.relay_of(candidate)?.protocol {
        Protocol::TurnTls => "tls",
        Protocol::TurnTcp => "tcp",
        _ => "udp",
    })
}
