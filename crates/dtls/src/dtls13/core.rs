//! What client and server of DTLS 1.3 have in common: records, flights, ACKs, timers and events.
//!
//! ```text
//! datagram -> records -> open -> fragments -> reassembler -> messages -> client / server
//! datagram <- records <- seal <- fragments <-   flight    <- messages <- client / server
//! ```

use std::{collections::VecDeque, sync::Arc, time::Instant};

use peerage_crypto::{HmacKey, NamedGroup, Rng};

use super::{
    ack::{self, Acks, RecordNumber},
    key_schedule::{HandshakeStage, Hkdf, Secret, SecretPair, Side},
    records::{APPLICATION_EPOCH, HANDSHAKE_EPOCH, Records},
};
use crate::{
    alert::{Alert, AlertDescription},
    cipher_suite::CipherSuite,
    config::Config,
    error::Error,
    event::{Event, HandshakeSummary, State},
    flight::{Acknowledgement, Flight},
    handover::Handover,
    handshake::{FragmentHeader, HandshakeType, Message},
    reassembler::{Insertion, Reassembler},
    record::ContentType,
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
}

/// Where our own key update stands (RFC 9147 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyUpdate {
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
    reassembler: Reassembler,
    flight: Flight,
    timer: RetransmitTimer,
    /// Our next `message_seq`; beyond 16 bits when there is none left.
    next_message: u32,
    /// In which epoch the peer's next handshake message must come; any from 3 on once the handshake is complete.
    expected_epoch: u64,
    handshake_secrets: Option<SecretPair>,
    exporter_secret: Option<Secret>,
    key_update: KeyUpdate,
    events: VecDeque<Event>,
    alert: Option<Alert>,
    deadline: Option<Instant>,
    /// Until when the keys of epoch 2 are kept after the handshake, to acknowledge repetitions.
    retain_until: Option<Instant>,
    peer_alert: Option<AlertDescription>,
}

impl Core {
    pub(crate) fn new(
        handover: Handover,
        side: Side,
        suite: CipherSuite,
        client_random: [u8; 32],
    ) -> Self {
        let Handover { config, rng, .. } = handover;
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
            },
            acks,
            statistics: handover.statistics,
            state: State::Handshaking,
            reassembler,
            flight: Flight::default(),
            timer: handover.timer,
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
        self.records.install_handshake(secrets.of(self.side), secrets.of(self.other_side()))?;
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

    fn log_key(&self, label: &str, secret: &Secret) {
        if let Some(log) = &self.config.key_log {
            log.log(label, &self.client_random, secret.as_bytes());
        }
    }

    fn other_side(&self) -> Side {
        match self.side {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
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
        if !self.finished_key(self.other_side())?.verify(&[&hash], body) {
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
    fn expect_epoch(&mut self, epoch: u64) -> Result<(), Error> {
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

    // ---- messages in ----

    /// Takes the contents of a handshake record.
    pub(crate) fn handle_fragments(
        &mut self,
        now: Instant,
        number: RecordNumber,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let authenticated = number.epoch >= HANDSHAKE_EPOCH;
        let mut reader = crate::codec::Reader::new(bytes);
        let (mut acceptable, mut fresh, mut in_order, mut old) = (true, false, true, false);
        while !reader.is_empty() {
            let Some((header, body)) = FragmentHeader::read(&mut reader) else {
                if authenticated {
                    return Err(Error::decode("malformed handshake fragment", "RFC 9147 §5.2"));
                }
                self.statistics.dropped_malformed += 1;
                return Ok(());
            };
            if u32::from(header.sequence) >= self.reassembler.next_sequence()
                && !self.may_receive_in(number.epoch)
            {
                self.statistics.dropped_handshake += 1;
                acceptable = false;
                continue;
            }
            match self.reassembler.insert(&header, body) {
                Insertion::New { in_order: is_next } => {
                    fresh = true;
                    in_order &= is_next;
                }
                Insertion::Repeated => {}
                Insertion::Old => old = true,
                Insertion::Conflict if authenticated => {
                    return Err(Error::illegal(
                        "fragments that contradict each other",
                        "RFC 9147 §5.5",
                    ));
                }
                Insertion::Conflict | Insertion::Refused => {
                    self.statistics.dropped_handshake += 1;
                    acceptable = false;
                }
            }
        }
        if fresh && authenticated && self.state == State::Handshaking {
            // The peer answers our flight, so it has all of it (RFC 9147 §7).
            self.answered(now);
        }
        if acceptable && self.is_acknowledged(number.epoch, old && !fresh) {
            self.acks.push(number);
            if self.state != State::Handshaking || !in_order {
                self.acks.send_now();
            }
        }
        if old && !fresh {
            self.handle_repetition(now);
        }
        Ok(())
    }

    fn may_receive_in(&self, epoch: u64) -> bool {
        match self.state {
            State::Handshaking => epoch == self.expected_epoch,
            _ => epoch >= APPLICATION_EPOCH,
        }
    }

    /// Whether a record with handshake messages goes on the list. Messages of earlier flights do not.
    fn is_acknowledged(&self, epoch: u64, old: bool) -> bool {
        match (self.state, self.side) {
            (State::Handshaking, _) => !old && epoch == self.expected_epoch,
            // A client's ACK for the server's flight is its own last flight.
            (_, Side::Client) => epoch >= APPLICATION_EPOCH,
            (_, Side::Server) => epoch >= HANDSHAKE_EPOCH,
        }
    }

    /// The peer repeats a flight that we answered: the answer got lost (RFC 9147 §5.8.1, exit 3 of WAITING).
    fn handle_repetition(&mut self, now: Instant) {
        let waits_for_key_update = matches!(self.key_update, KeyUpdate::Sent { .. });
        if !self.flight.is_empty()
            && !self.flight.is_sending()
            && !self.flight.is_partly_acked()
            && !waits_for_key_update
            && self.timer.may_resend(now)
        {
            self.flight.restart();
            self.timer.resend();
            self.statistics.retransmissions += 1;
        }
    }

    /// The next whole message of the peer.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        self.reassembler.pop()
    }

    /// All records of a datagram were handled: arranges for an ACK if a flight has begun and not ended.
    pub(crate) fn after_datagram(&mut self, now: Instant) {
        if self.state == State::Handshaking && !self.acks.is_empty() {
            // RFC 9147 §7.1: a quarter of the retransmission timer.
            self.acks.send_later(now, self.timer.current() / 4);
        }
    }

    /// Takes an ACK.
    pub(crate) fn handle_ack(
        &mut self,
        now: Instant,
        epoch: u64,
        body: &[u8],
    ) -> Result<(), Error> {
        let Some(numbers) = ack::parse(body) else {
            if epoch >= HANDSHAKE_EPOCH {
                return Err(Error::decode("malformed ACK", "RFC 9147 §7"));
            }
            self.statistics.dropped_malformed += 1;
            return Ok(());
        };
        if self.flight.is_empty() {
            return Ok(());
        }
        self.statistics.acks_received += 1;
        let (mut progress, is_empty) = (false, numbers.is_empty());
        for number in numbers {
            if number.epoch > epoch {
                // An ACK comes in an epoch no lower than what it acknowledges (RFC 9147 §7).
                continue;
            }
            match self.flight.acknowledge(number.epoch, number.sequence) {
                Acknowledgement::Nothing => {}
                Acknowledgement::Partial => progress = true,
                Acknowledgement::Complete => return self.handle_complete_ack(now),
            }
        }
        // An empty ACK says that the peer has a part that it cannot read yet.
        if (progress || is_empty && self.timer.may_resend(now)) && !self.flight.is_sending() {
            self.flight.restart();
            self.timer.resend();
            self.statistics.retransmissions += 1;
        }
        Ok(())
    }

    fn handle_complete_ack(&mut self, now: Instant) -> Result<(), Error> {
        self.answered(now);
        if self.state != State::Connected {
            return Ok(());
        }
        if let KeyUpdate::Sent { again } = self.key_update {
            self.records.advance_write()?;
            self.events.push_back(Event::KeyUpdated);
            self.key_update = match again {
                Some(request_peer) => KeyUpdate::Pending { request_peer },
                None => KeyUpdate::Idle,
            };
        } else if self.side == Side::Client {
            self.records.drop_handshake();
            self.retain_until = None;
        }
        self.start_key_update();
        Ok(())
    }

    // ---- key updates ----

    /// Asks for new sending keys.
    pub(crate) fn request_key_update(&mut self, request_peer: bool) {
        self.key_update = match self.key_update {
            KeyUpdate::Idle => KeyUpdate::Pending { request_peer },
            KeyUpdate::Pending { request_peer: before } => {
                KeyUpdate::Pending { request_peer: request_peer || before }
            }
            KeyUpdate::Sent { again } => {
                KeyUpdate::Sent { again: Some(request_peer || again.unwrap_or(false)) }
            }
        };
        self.start_key_update();
    }

    fn start_key_update(&mut self) {
        let KeyUpdate::Pending { request_peer } = self.key_update else { return };
        // One flight at a time; and the numbers of messages do not wrap.
        if !self.flight.is_empty() || self.next_message > u32::from(u16::MAX) {
            return;
        }
        let epoch = self.records.write_epoch();
        // RFC 9147 §8: the epoch must not exceed 2^48-1.
        if epoch >= (1 << 48) - 1 {
            return;
        }
        self.send(epoch, HandshakeType::KEY_UPDATE, |out| out.push(u8::from(request_peer)));
        self.key_update = KeyUpdate::Sent { again: None };
    }

    /// The peer is about to renew its sending keys. `epoch` is that of the message.
    pub(crate) fn handle_key_update(&mut self, epoch: u64, request: bool) -> Result<(), Error> {
        if epoch != self.records.newest_read_epoch() {
            // RFC 9147 §8: not before the one before was acknowledged and the keys were changed.
            return Err(Error::unexpected(
                "KeyUpdate before the previous one took effect",
                "RFC 9147 §8",
            ));
        }
        self.records.advance_read()?;
        self.events.push_back(Event::KeyUpdated);
        if request {
            self.request_key_update(false);
        }
        Ok(())
    }

    /// Whether a key update should begin of our own accord: before one of the limits of RFC 9147 §4.5.3 is reached.
    pub(crate) fn check_limits(&mut self) {
        if self.key_update != KeyUpdate::Idle {
            return;
        }
        if self.records.sealed() >= self.config.rekey_after_records {
            self.request_key_update(false);
        } else if self.records.wants_rekey() {
            self.request_key_update(true);
        }
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

    fn fail_with(&mut self, error: Error) -> Result<(), Error> {
        self.fail(error.clone());
        Err(error)
    }

    fn stop(&mut self) {
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

    // ---- time ----

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timer = if self.flight.is_empty() { None } else { self.timer.deadline() };
        [timer, self.acks.deadline(), self.deadline, self.retain_until].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.fail(Error::HandshakeTimeout { peer_alert: self.peer_alert });
            return;
        }
        if self.retain_until.is_some_and(|until| now >= until) {
            self.retain_until = None;
            if self.side == Side::Client && self.key_update == KeyUpdate::Idle {
                // The server never acknowledged our last flight. If it is alive, it has it.
                self.flight.clear();
            }
            self.records.drop_handshake();
            self.start_key_update();
        }
        self.acks.handle_timeout(now);
        if !self.flight.is_empty() && self.timer.expire(now) {
            self.flight.restart();
            self.statistics.retransmissions += 1;
        }
    }

    // ---- datagrams out ----

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Appends one datagram: an ACK if one is due, as much of the flight as fits, an alert.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
    ) -> Result<Option<usize>, Error> {
        let start = buf.len();
        let mtu = self.timer.mtu(self.config.mtu);
        self.write_ack(mtu, buf, start)?;
        self.write_flight(now, mtu, buf, start)?;
        self.write_alert(mtu, buf, start)?;
        let size = buf.len() - start;
        if size == 0 {
            return Ok(None);
        }
        self.statistics.datagrams_sent += 1;
        Ok(Some(size))
    }

    fn write_ack(&mut self, mtu: usize, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        if !self.acks.is_due() {
            return Ok(());
        }
        let epoch = self.records.write_epoch();
        let room = mtu.saturating_sub(Records::overhead(epoch));
        let keep = self.state == State::Handshaking;
        if let Some(numbers) = self.acks.take(room, keep) {
            buf.resize(start + Records::header_len(epoch), 0);
            ack::write(&numbers, buf);
            self.records.seal(epoch, ContentType::Ack, buf, start)?;
            self.statistics.acks_sent += 1;
        }
        Ok(())
    }

    fn write_flight(
        &mut self,
        now: Instant,
        mtu: usize,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Error> {
        let mut sent = false;
        while let Some((epoch, content_type)) = self.flight.next_record() {
            let at = buf.len();
            let Some(room) = mtu.checked_sub(at - start + Records::overhead(epoch)) else { break };
            buf.resize(at + Records::header_len(epoch), 0);
            let Some(run) = self.flight.write_record(room, at == start, buf) else {
                buf.truncate(at);
                break;
            };
            let sequence = self.records.seal(epoch, content_type, buf, at)?;
            self.flight.sent(epoch, sequence, run);
            sent = true;
        }
        if sent && !self.flight.is_sending() {
            self.timer.arm(now);
        }
        Ok(())
    }

    fn write_alert(&mut self, mtu: usize, buf: &mut Vec<u8>, start: usize) -> Result<(), Error> {
        let Some(alert) = self.alert else { return Ok(()) };
        let epoch = self.records.write_epoch();
        let at = buf.len();
        if at - start + Records::overhead(epoch) + 2 > mtu {
            return Ok(());
        }
        self.alert = None;
        buf.resize(at + Records::header_len(epoch), 0);
        buf.extend_from_slice(&alert.to_wire());
        self.records.seal(epoch, ContentType::Alert, buf, at)?;
        Ok(())
    }
}
