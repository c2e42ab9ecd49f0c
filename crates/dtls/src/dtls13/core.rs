//! What client and server of DTLS 1.3 have in common: the state, the keys and the end. The files `inbound`, `outbound`
//! and `key_update` add what happens to it.
//!
//! ```text
//! datagram -> records -> open -> fragments -> reassembler -> messages -> client / server
//! datagram <- records <- seal <- fragments <-   flight    <- messages <- client / server
//! ```

use std::{collections::VecDeque, sync::Arc, time::Instant};

use peerage_crypto::{HmacKey, NamedGroup, PublicKey, Rng};

use super::{
    ack::{Acks, RecordNumber},
    key_schedule::{HandshakeStage, Hkdf, Secret, SecretPair},
    records::{APPLICATION_EPOCH, HANDSHAKE_EPOCH, Records},
};
use crate::{
    alert::{Alert, AlertDescription},
    cipher_suite::CipherSuite,
    config::Config,
    error::Error,
    event::{Event, HandshakeSummary, State},
    flight::Flight,
    handover::Handover,
    handshake::{HandshakeType, Message},
    reassembler::Reassembler,
    side::Side,
    srtp_profile::SrtpProtectionProfile,
    statistics::Statistics,
    timer::RetransmitTimer,
    transcript::Transcript,
    version::ProtocolVersion,
};

/// What was negotiated so far.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(crate) suite: CipherSuite,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) srtp_profile: Option<SrtpProtectionProfile>,
    pub(crate) peer_certificates: Vec<Vec<u8>>,
    /// The key of the first of them, until the handshake is complete.
    pub(crate) peer_key: Option<Box<dyn PublicKey>>,
}

/// Where our own key update stands (RFC 9147 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyUpdate {
    Idle,
    /// Waits for the flight before it to be acknowledged.
    Pending {
        request_peer: bool,
    },
    /// Sent; the new keys take over with the ACK. Another one may wait behind it.
    Sent {
        again: Option<bool>,
    },
}

/// State of a connection that does not depend on the role.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Arc<Config>,
    pub(crate) rng: Rng,
    pub(crate) side: Side,
    pub(crate) client_random: [u8; 32],
    pub(crate) hkdf: Hkdf,
    pub(crate) records: Records,
    pub(crate) transcript: Transcript,
    pub(crate) negotiated: Negotiated,
    pub(crate) acks: Acks,
    pub(crate) statistics: Statistics,
    pub(crate) state: State,
    pub(super) reassembler: Reassembler,
    pub(super) flight: Flight,
    pub(super) timer: RetransmitTimer,
    /// The peer has yet to prove that it can receive, so that nothing is sent unless it asks (RFC 9147 §5.1).
    pub(super) unproven_peer: bool,
    /// A record of the handshake came that opens: the peer has our ServerHello.
    pub(super) is_confirmed: bool,
    /// Our next `message_seq`; beyond 16 bits when there is none left.
    pub(super) next_message: u32,
    /// In which epoch the peer's next handshake message must come; any from 3 on once the handshake is complete.
    pub(super) expected_epoch: u64,
    pub(super) handshake_secrets: Option<SecretPair>,
    pub(super) exporter_secret: Option<Secret>,
    pub(super) key_update: KeyUpdate,
    pub(super) events: VecDeque<Event>,
    pub(super) alert: Option<Alert>,
    pub(super) deadline: Option<Instant>,
    /// Until when the keys of epoch 2 are kept after the handshake, to acknowledge repetitions.
    pub(super) retain_until: Option<Instant>,
    pub(super) peer_alert: Option<AlertDescription>,
}

impl Core {
    pub(crate) fn new(
        handover: Handover,
        side: Side,
        suite: CipherSuite,
        client_random: [u8; 32],
    ) -> Self {
        let Handover { config, rng, mut timer, .. } = handover;
        if side == Side::Server && config.is_peer_unproven() {
            timer.limit();
        }
        let hkdf = Hkdf::new(Arc::clone(&config.provider), suite.hash());
        let mut acks = Acks::default();
        for sequence in handover.hello_records {
            acks.push(RecordNumber { epoch: 0, sequence });
        }
        // What came in plaintext behind the hello cannot belong to DTLS 1.3.
        let mut reassembler = handover.reassembler;
        reassembler.clear();
        Self {
            records: Records::new(
                Arc::clone(&config.provider),
                hkdf.clone(),
                suite.aead(),
                handover.plaintext_sequence,
            ),
            config,
            rng,
            side,
            client_random,
            hkdf,
            transcript: Transcript::new(),
            negotiated: Negotiated {
                suite,
                group: None,
                srtp_profile: None,
                peer_certificates: Vec::new(),
                peer_key: None,
            },
            acks,
            statistics: handover.statistics,
            state: State::Handshaking,
            reassembler,
            flight: Flight::default(),
            timer,
            unproven_peer: false,
            is_confirmed: false,
            next_message: handover.next_message,
            expected_epoch: 0,
            handshake_secrets: None,
            exporter_secret: None,
            key_update: KeyUpdate::Idle,
            events: VecDeque::new(),
            alert: None,
            deadline: Some(handover.deadline),
            retain_until: None,
            peer_alert: handover.peer_alert,
        }
    }

    // ---- messages out ----

    /// Begins the next flight: what the peer sent before is thereby acknowledged, and it has ours before.
    pub(crate) fn begin_flight(&mut self, now: Instant) {
        self.acks.clear();
        self.answered(now);
        self.unproven_peer = false;
    }

    /// The peer has our whole flight.
    pub(crate) fn answered(&mut self, now: Instant) {
        if !self.flight.is_empty() {
            self.flight.clear();
            self.timer.answered(now);
        }
    }

    /// Adds a message to the flight, and to the transcript.
    pub(crate) fn send(
        &mut self,
        epoch: u64,
        handshake_type: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        // Handshakes are short, and key updates check the number first.
        let message = Message::build(self.next_message as u16, handshake_type, body);
        self.next_message += 1;
        if self.state == State::Handshaking {
            self.transcript.update(&message.bytes);
        }
        self.flight.push(epoch, message);
    }

    // ---- keys ----

    /// Derives and installs the keys of epoch 2. The transcript reaches to the ServerHello.
    pub(crate) fn install_handshake_keys(
        &mut self,
        shared_secret: &[u8],
    ) -> Result<HandshakeStage, Error> {
        let stage = self.hkdf.handshake(shared_secret)?;
        let secrets = stage.traffic_secrets(&self.transcript.hash())?;
        self.log_key("CLIENT_HANDSHAKE_TRAFFIC_SECRET", &secrets.client);
        self.log_key("SERVER_HANDSHAKE_TRAFFIC_SECRET", &secrets.server);
        self.records.install_handshake(secrets.of(self.side), secrets.of(self.side.other()))?;
        self.handshake_secrets = Some(secrets);
        self.expect_epoch(HANDSHAKE_EPOCH)?;
        Ok(stage)
    }

    /// Derives the secrets of the application. The transcript reaches to the server's Finished.
    pub(crate) fn application_secrets(
        &mut self,
        stage: HandshakeStage,
    ) -> Result<SecretPair, Error> {
        let (secrets, exporter) = stage.into_application(&self.transcript.hash())?;
        self.log_key("CLIENT_TRAFFIC_SECRET_0", &secrets.client);
        self.log_key("SERVER_TRAFFIC_SECRET_0", &secrets.server);
        self.log_key("EXPORTER_SECRET", &exporter);
        self.exporter_secret = Some(exporter);
        Ok(secrets)
    }

    pub(super) fn log_key(&self, label: &str, secret: &Secret) {
        if let Some(log) = &self.config.key_log {
            log.log(label, &self.client_random, secret.as_bytes());
        }
    }

    /// The key that makes or checks the Finished of one side.
    pub(crate) fn finished_key(&self, side: Side) -> Result<Box<dyn HmacKey>, Error> {
        match &self.handshake_secrets {
            Some(secrets) => self.hkdf.finished_key(secrets.of(side)),
            None => Err(Error::unexpected("Finished before the key exchange", "RFC 8446 §4.4.4")),
        }
    }

    /// Checks the peer's Finished. The transcript reaches to the message before it.
    pub(crate) fn check_finished(&self, body: &[u8]) -> Result<(), Error> {
        let hash = self.transcript.hash();
        if body.len() != hash.len() {
            return Err(Error::decode("Finished of a wrong length", "RFC 8446 §4.4.4"));
        }
        if !self.finished_key(self.side.other())?.verify(&[&hash], body) {
            return Err(Error::protocol(
                AlertDescription::DecryptError,
                "Finished does not verify",
                "RFC 8446 §4.4.4",
            ));
        }
        Ok(())
    }

    /// Adds our Finished to the flight.
    pub(crate) fn send_finished(&mut self) -> Result<(), Error> {
        let mac = self.finished_key(self.side)?.sign(&[&self.transcript.hash()]);
        self.send(HANDSHAKE_EPOCH, HandshakeType::FINISHED, |out| out.extend_from_slice(&mac));
        Ok(())
    }

    /// Says in which epoch the peer goes on. What is left over from the epoch before has no place.
    pub(super) fn expect_epoch(&mut self, epoch: u64) -> Result<(), Error> {
        if self.reassembler.is_waiting() {
            // RFC 8446 §5.1: handshake messages must not span key changes. In epoch 0 anyone could have sent them.
            if self.expected_epoch >= HANDSHAKE_EPOCH {
                return Err(Error::unexpected(
                    "handshake messages in a row across a key change",
                    "RFC 8446 §5.1",
                ));
            }
            self.statistics.dropped_handshake += 1;
            self.reassembler.clear();
        }
        self.expected_epoch = epoch;
        Ok(())
    }

    /// The handshake is complete on our side.
    pub(crate) fn complete(&mut self, now: Instant) -> Result<(), Error> {
        self.expect_epoch(APPLICATION_EPOCH)?;
        self.state = State::Connected;
        self.handshake_secrets = None;
        self.transcript = Transcript::new();
        match self.side {
            // Its last flight has yet to be acknowledged; the time for that is what is left of the handshake.
            Side::Client => self.retain_until = self.deadline,
            Side::Server => {
                self.records.drop_handshake_write();
                // RFC 9147 §5.8.1: twice the maximum segment lifetime of TCP, which is two minutes.
                self.retain_until = Some(now + std::time::Duration::from_secs(240));
                self.acks.send_now();
            }
        }
        self.deadline = None;
        let negotiated = &mut self.negotiated;
        negotiated.peer_key = None;
        self.events.push_back(Event::Connected(Box::new(HandshakeSummary {
            version: ProtocolVersion::Dtls13,
            cipher_suite: negotiated.suite,
            group: negotiated.group,
            peer_certificates: std::mem::take(&mut negotiated.peer_certificates),
            srtp_profile: negotiated.srtp_profile,
            is_client: self.side == Side::Client,
        })));
        Ok(())
    }

    // ---- alerts and the end ----

    /// Takes an alert of an epoch that is authenticated.
    pub(crate) fn handle_alert(&mut self, body: &[u8]) -> Result<(), Error> {
        let Some(alert) = Alert::parse(body) else {
            return Err(Error::decode("malformed alert", "RFC 8446 §6"));
        };
        match alert.description {
            AlertDescription::CloseNotify => {
                if self.state == State::Handshaking {
                    return self.fail_with(Error::PeerAlert(AlertDescription::CloseNotify));
                }
                self.close();
                Ok(())
            }
            // RFC 8446 §6.1: informational; a close_notify follows.
            AlertDescription::UserCanceled => Ok(()),
            // RFC 8446 §6: whatever the level says, all others are fatal.
            description => self.fail_with(Error::PeerAlert(description)),
        }
    }

    /// An alert that anyone could have sent: remembered as a hint, otherwise ignored.
    pub(crate) fn note_plaintext_alert(&mut self, body: &[u8]) {
        self.statistics.dropped_unauthenticated += 1;
        if let Some(alert) = Alert::parse(body) {
            self.peer_alert = Some(alert.description);
        }
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self) {
        if matches!(self.state, State::Closed | State::Failed) {
            return;
        }
        self.state = State::Closed;
        self.alert = Some(Alert::close_notify());
        self.stop();
        self.events.push_back(Event::Closed);
    }

    /// Ends in failure, and tells the peer why if it does not know.
    pub(crate) fn fail(&mut self, error: Error) {
        if matches!(self.state, State::Closed | State::Failed) {
            return;
        }
        self.state = State::Failed;
        self.alert = error.alert().map(Alert::fatal);
        self.stop();
        self.events.push_back(Event::Failed(error));
    }

    pub(super) fn fail_with(&mut self, error: Error) -> Result<(), Error> {
        self.fail(error.clone());
        Err(error)
    }

    pub(super) fn stop(&mut self) {
        self.flight.clear();
        self.acks.clear();
        self.reassembler.clear();
        self.deadline = None;
        self.retain_until = None;
    }

    pub(crate) fn export(&self, label: &str, context: &[u8], out: &mut [u8]) -> Result<(), Error> {
        match &self.exporter_secret {
            Some(secret) if self.state == State::Connected => {
                self.hkdf.export(secret, label, context, out)
            }
            _ => Err(Error::NotConnected),
        }
    }
}
