//! [`PeerConnection`]: the state machine that joins JSEP, ICE, DTLS, SCTP and data channels. Split by concern: the five
//! verbs ([`verbs`]), descriptions, candidates, channels and states each have a file.

mod batches;
mod candidates;
mod channels;
#[cfg(test)]
mod collision_tests;
#[cfg(test)]
mod congestion_tests;
mod descriptions;
mod dtmf;
mod event_log;
mod failure;
#[cfg(test)]
mod fec_tests;
#[cfg(test)]
mod feedback_tests;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod held_opens;
#[cfg(test)]
mod limit_tests;
mod media_sections;
mod packets;
mod parameters;
mod playback;
mod queues;
#[cfg(test)]
mod renegotiation_tests;
mod renewal;
mod source_collisions;
#[cfg(test)]
mod source_tests;
mod states;
mod stats;
#[cfg(test)]
mod stats_tests;
#[cfg(test)]
mod tests;
mod transceivers;
mod transforms;
mod transport_info;
mod verbs;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use peerage_crypto::{
    Certificate, CertificateParams, Fingerprint, HashAlgorithm, Rng, default_provider,
};
use peerage_sctp::Association;
use peerage_sdp::{Text, TlsId};

use self::held_opens::HeldOpens;
use self::states::ReportedStates;
pub use self::stats::StatsSelector;
use crate::channel::DataChannels;
use crate::config::{Configuration, Settings};
use crate::error::Error;
use crate::event::Event;
use crate::event_log::Log;
use crate::jsep::Negotiation;
use crate::playback::AudioPlayout;
use crate::rtp::RtpTransport;
use crate::state::{ConnectionState, IceConnectionState, IceGatheringState, SignalingState};
use crate::statistics::{Statistics, TransportStatistics};
use crate::transceiver::{Transceivers, random_id};
use crate::transform::Transforms;
use crate::transport::dtls::DtlsTransport;
use crate::transport::early::EarlyPackets;
use crate::transport::ice::IceTransport;
use crate::transport::set::{Transport, TransportId, Transports, random_tls_id};

/// `RTCPeerConnection` without I/O. See the [crate documentation](crate) for the loop that drives it.
///
/// After every call that changes something the caller drains [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event) until both give `None`, then waits for a datagram, for
/// [`poll_timeout`](Self::poll_timeout), or for the application.
pub struct PeerConnection {
    config: Configuration,
    rng: Rng,
    /// When it was made: the moment of [`Configuration::wall_clock`].
    started: Instant,
    /// The time of the last call, for work that `poll_event` does.
    now: Instant,
    closed: bool,
    negotiation: Negotiation,
    fingerprints: Vec<Fingerprint>,
    /// The `a=tls-id` of DTLS associations that the next offer is to replace.
    to_renew: Vec<TlsId>,
    /// Whether `poll_event` is to look whether negotiation is needed: once for all changes made in between
    /// (webrtc-pc §4.7.3).
    check_negotiation: bool,
    states: ReportedStates,

    transports: Transports,
    /// The role of ICE, as the first negotiation has settled it.
    controlling: bool,
    early: EarlyPackets,
    sctp: Option<Box<Association>>,
    /// The association when it is over: it says its last word again where that was lost.
    ended_sctp: Option<Box<Association>>,
    /// The peer's port of the association, as the peer said it.
    sctp_port: Option<u16>,
    max_segments: usize,

    transceivers: Transceivers,
    /// The canonical name of our RTP sources.
    cname: Text,

    log: Log,
    transforms: Transforms,
    /// What plays all received sound, for statistics.
    playout: Option<Arc<dyn AudioPlayout>>,

    channels: DataChannels,
    /// Streams that were reset because no channel may be on them.
    refused_streams: Vec<u16>,
    /// An OPEN of the peer on a stream whose reset it has not answered yet.
    held_opens: HeldOpens,
    /// Bytes of messages in the deprecated fragmentation that wait for their last part.
    partial_bytes: usize,
    /// The association is over, and with it all data.
    data_ended: bool,
    receive_paused: bool,

    events: VecDeque<Event>,
    /// The transports of the frames in `events`.
    frame_origins: VecDeque<TransportId>,
    /// Payload bytes in `events`.
    queued_bytes: usize,
    counters: TransportStatistics,
}

impl PeerConnection {
    /// Makes a connection. `rng` feeds everything that must be unpredictable.
    ///
    /// # Errors
    /// A server URL that does not parse (`SyntaxError`), credentials missing or a certificate expired
    /// (`InvalidAccessError`), a setting out of its range (`TypeError`).
    pub fn new(now: Instant, mut config: Configuration, mut rng: Rng) -> Result<Self, Error> {
        check_settings(&mut config.settings)?;
        let bitrates = config.settings.congestion.bounds()?;
        let provider = config.settings.provider.clone().unwrap_or_else(default_provider);
        let expired = |certificate: &Arc<Certificate>| certificate.expires() <= config.wall_clock;
        if let Some(index) = config.certificates.iter().position(expired) {
            return Err(Error::CertificateExpired { index });
        }
        let certificate = match config.certificates.first() {
            Some(certificate) => Arc::clone(certificate),
            None => Certificate::generate(
                &provider,
                CertificateParams::default(),
                config.wall_clock,
                &mut rng,
            )
            .map(Arc::new)
            .map_err(|error| Error::Layer { layer: "crypto", message: error.to_string() })?,
        };
        let fingerprints = vec![certificate.fingerprint(HashAlgorithm::Sha256)];
        let ice = IceTransport::new(now, &config, &mut rng, Arc::clone(&provider), 0)?;
        // RFC 7022 §4.2: 96 random bits and more.
        let cname = Text::new(&random_id(&mut rng)).unwrap_or_else(|_| unreachable!("hexadecimal"));
        let dtls = DtlsTransport::new(&config.settings, provider, certificate)?;
        let negotiation = Negotiation::new(&mut rng);
        let tls_id = random_tls_id(&mut rng);
        let clock = (now, config.wall_clock);
        let mut rtp = RtpTransport::new(&mut rng, cname.clone(), clock, bitrates);
        rtp.set_controller(config.settings.congestion.controller.clone());
        let first = Transport::new(TransportId::FIRST, ice, dtls, tls_id, rtp);
        Ok(Self {
            started: now,
            now,
            closed: false,
            negotiation,
            fingerprints,
            to_renew: Vec::new(),
            check_negotiation: false,
            states: ReportedStates::default(),
            transports: Transports::new(first, cname.clone(), clock, bitrates),
            controlling: false,
            early: EarlyPackets::default(),
            sctp: None,
            ended_sctp: None,
            sctp_port: None,
            max_segments: config.settings.max_gso_segments,
            transceivers: Transceivers::default(),
            transforms: Transforms::default(),
            playout: None,
            cname,
            log: Log::default(),
            channels: DataChannels::default(),
            refused_streams: Vec::new(),
            held_opens: HeldOpens::default(),
            partial_bytes: 0,
            data_ended: false,
            receive_paused: false,
            events: VecDeque::new(),
            frame_origins: VecDeque::new(),
            queued_bytes: 0,
            counters: TransportStatistics::default(),
            config,
            rng,
        })
    }

    /// `signalingState`.
    pub fn signaling_state(&self) -> SignalingState {
        self.negotiation.state()
    }

    /// `iceGatheringState`.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.states.gathering
    }

    /// `iceConnectionState`.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.states.ice
    }

    /// `connectionState`.
    pub fn connection_state(&self) -> ConnectionState {
        self.states.connection
    }

    /// `getConfiguration`.
    pub fn configuration(&self) -> &Configuration {
        &self.config
    }

    /// `setConfiguration`. New servers are used by the next gathering, which an ICE restart brings about.
    ///
    /// # Errors
    /// `InvalidModificationError` for what may not change, `SyntaxError` for server URLs, `NotSupportedError` for another
    /// transport policy once gathering has begun.
    pub fn set_configuration(&mut self, now: Instant, config: Configuration) -> Result<(), Error> {
        self.now = now;
        if self.closed {
            return Err(Error::Closed);
        }
        let negotiated = self.negotiation.local().is_some();
        config.check_replacement(&self.config, negotiated)?;
        let policy_changes = config.ice_transport_policy != self.config.ice_transport_policy;
        if policy_changes {
            return Err(Error::NotSupported("changing the ICE transport policy of a connection"));
        }
        for transport in self.transports.iter_mut() {
            transport.ice.set_servers(&config)?;
        }
        self.config.ice_servers = config.ice_servers;
        self.config.ice_candidate_pool_size = config.ice_candidate_pool_size;
        Ok(())
    }

    /// `close`. Drain [`PeerConnection::poll_transmit`] once more: the peer is told. All channels are reported closed;
    /// beyond what the browser does, the new states are reported as well.
    pub fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        self.now = now;
        self.say_goodbye(now);
        self.closed = true;
        self.end_association(now, None);
        for transport in self.transports.iter_mut() {
            transport.rtp.disconnected();
            transport.ice.relays.close(now);
            transport.ice.agent.close(now);
        }
        // webrtc-pc §4.4.3, "close the connection": no event tells of it.
        for transceiver in self.transceivers.iter_mut() {
            transceiver.stop_now();
            transceiver.fired = false;
        }
        self.early = EarlyPackets::default();
        self.negotiation.close();
        self.update_signaling_state();
        self.update_states();
    }

    /// `getStats`, in one piece: of all transports together, or, where that has no meaning, of the first.
    pub fn statistics(&self) -> Statistics {
        let first = self.transports.first();
        let mut rtp = first.rtp.statistics();
        for transport in self.transports.iter().skip(1) {
            rtp.add(&transport.rtp.statistics());
        }
        let pairs = self.transports.iter().flat_map(|transport| transport.ice.agent.pairs());
        let changes = self.transports.iter().map(|transport| transport.pair_changes);
        Statistics {
            transport: TransportStatistics {
                ice_state: self.states.ice,
                dtls_state: first.dtls.state(),
                selected_candidate_pair_changes: changes.sum(),
                ..self.counters
            },
            rtp,
            frames_not_transformed: self.transforms.dropped,
            selected_pair: first.ice.agent.selected_pair().cloned(),
            candidate_pairs: pairs.collect(),
            handshake: first.dtls.handshake().cloned(),
            sctp: self.sctp.as_ref().map(|sctp| sctp.statistics()),
            sctp_negotiated: self.sctp.as_ref().and_then(|sctp| sctp.negotiated()),
            data_channels_opened: self.channels.opened,
            data_channels_closed: self.channels.closed,
            data_channels: self.channels.statistics(),
        }
    }

    /// Aborts SCTP, ends the sources of media and closes DTLS. SCTP's last packet is sealed now, for DTLS will not seal once it is closed.
    fn say_goodbye(&mut self, now: Instant) {
        for transport in self.transports.iter_mut() {
            let pair = transport.ice.agent.selected_pair();
            transport.path = pair.map(|pair| (pair.local, pair.remote));
        }
        if let Some(mut sctp) = self.sctp.take() {
            sctp.abort(now, "closed by the application");
            self.hold_last_packet(now, &mut sctp);
        }
        for transport in self.transports.iter_mut() {
            transport.rtp.say_goodbye(now);
            transport.dtls.close(now);
        }
    }

    /// Seals the ABORT or SHUTDOWN COMPLETE of an association that ended, for it is about to be dropped. What waited to
    /// be sent is of no use to the peer any more.
    fn hold_last_packet(&mut self, now: Instant, sctp: &mut Association) {
        let transport = self.transports.data_mut();
        transport.held_back.clear();
        transport.held_back_ecn = None;
        let Some(endpoint) = transport.dtls.connected() else { return };
        let mut packet = vec![0; endpoint.header_len()];
        if sctp.poll_transmit(now, &mut packet).is_some()
            && endpoint.seal_application_data(&mut packet, 0).is_ok()
        {
            transport.held_back = packet;
        }
    }
}

impl fmt::Debug for PeerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnection")
            .field("signaling_state", &self.negotiation.state())
            .field("connection_state", &self.states.connection)
            .field("data_channels", &self.channels.len())
            .finish_non_exhaustive()
    }
}

fn check_settings(settings: &mut Settings) -> Result<(), Error> {
    // A path of less cannot carry a fragmented ClientHello in a sensible number of datagrams (RFC 9147 §4.4).
    if !(576..=65_507).contains(&settings.mtu) {
        return Err(Error::Type {
            argument: "settings.mtu",
            reason: "it is not from 576 to 65507 bytes".into(),
        });
    }
    if settings.sctp.max_message_size == 0 {
        return Err(Error::Type {
            argument: "settings.sctp.max_message_size",
            reason: "it is 0".into(),
        });
    }
    settings.max_gso_segments = settings.max_gso_segments.clamp(1, 64);
    Ok(())
}
