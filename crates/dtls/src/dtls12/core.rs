//! What client and server of DTLS 1.2 have in common: records, flights, timers, the transcript and events.
//!
//! ```text
//! datagram -> records -> open -> fragments -> reassembler -> messages -> client / server
//! datagram <- records <- seal <- fragments <-   flight    <- messages <- client / server
//! ```

use std::{collections::VecDeque, sync::Arc, time::Instant};

use peerage_crypto::{Digest, NamedGroup, PublicKey, Rng, constant_time_eq};

use super::{
    key_schedule::{KeySchedule, Randoms, VERIFY_DATA},
    protection::RecordProtection,
    records::{PROTECTED_EPOCH, Records},
};
use crate::{
    alert::{Alert, AlertDescription, AlertLevel},
    cipher_suite::CipherSuite,
    codec::Reader,
    config::Config,
    error::Error,
    event::{Event, HandshakeSummary, State},
    flight::Flight,
    handover::Handover,
    handshake::{FragmentHeader, HandshakeType, Message},
    reassembler::{Insertion, Reassembler},
    record::ContentType,
    side::Side,
    srtp_profile::SrtpProtectionProfile,
    statistics::Statistics,
    timer::RetransmitTimer,
    version::ProtocolVersion,
};

/// How long the server keeps its last flight for a client that may have missed it: twice the maximum segment lifetime
/// of TCP (RFC 6347 §4.2.4).
const RETAIN: std::time::Duration = std::time::Duration::from_secs(240);
/// Most records of epoch 1 kept while messages of epoch 0 are missing, and the bytes of them all.
const MAX_EARLY_RECORDS: usize = 4;
const MAX_EARLY_BYTES: usize = 1 << 11;

/// What was negotiated so far.
#[derive(Debug)]
pub(crate) struct Negotiated {
    pub(crate) suite: CipherSuite,
    pub(crate) group: Option<NamedGroup>,
    pub(crate) srtp_profile: Option<SrtpProtectionProfile>,
    pub(crate) peer_certificates: Vec<Vec<u8>>,
    /// The key of the first of them, until the handshake is complete.
    pub(crate) peer_key: Option<Box<dyn PublicKey>>,
    /// Whether both ends derive the master secret from the transcript (RFC 7627).
    pub(crate) extended_master_secret: bool,
}

/// Who makes a flight go out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retransmission {
    /// The timer, or a repetition of what came before it.
    Timed,
    /// A repetition only: a HelloVerifyRequest and the last flight of the handshake (RFC 6347 §4.2.1, §4.2.4).
    OnRepetition,
}

/// State of a connection that does not depend on the role.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Arc<Config>,
    pub(crate) rng: Rng,
    pub(crate) side: Side,
    pub(crate) randoms: Randoms,
    pub(crate) records: Records,
    pub(crate) negotiated: Negotiated,
    pub(crate) statistics: Statistics,
    pub(crate) state: State,
    /// Every message so far, in the form that is hashed: CertificateVerify may sign it with another hash than the
    /// cipher suite's, so the bytes are kept until the handshake is complete.
    transcript: Vec<u8>,
    keys: Option<KeySchedule>,
    reassembler: Reassembler,
    flight: Flight,
    /// The flight answers messages of the peer with lower numbers than this: their repetition means that it got lost.
    answers_below: u32,
    retransmission: Retransmission,
    timer: RetransmitTimer,
    /// Our next `message_seq`.
    next_message: u32,
    /// In which epoch the peer's next handshake message must come.
    expected_epoch: u16,
    /// Records of epoch 1 that overtook messages of epoch 0.
    early: Vec<Vec<u8>>,
    events: VecDeque<Event>,
    alert: Option<Alert>,
    deadline: Option<Instant>,
    /// Until when the last flight is kept.
    retain_until: Option<Instant>,
    peer_alert: Option<AlertDescription>,
}

impl Core {
    pub(crate) fn new(
        handover: Handover,
        side: Side,
        suite: CipherSuite,
        randoms: Randoms,
    ) -> Self {
        let mut timer = handover.timer;
        if side == Side::Server && handover.config.is_peer_unproven() {
            timer.limit();
        }
        Self {
            records: Records::new(handover.plaintext_sequence),
            config: handover.config,
            rng: handover.rng,
            side,
            randoms,
            negotiated: Negotiated {
                suite,
                group: None,
                srtp_profile: None,
                peer_certificates: Vec::new(),
                peer_key: None,
                extended_master_secret: false,
            },
            statistics: handover.statistics,
            state: State::Handshaking,
            transcript: Vec::new(),
            keys: None,
            reassembler: handover.reassembler,
            flight: Flight::default(),
            answers_below: 0,
            retransmission: Retransmission::Timed,
            timer,
            next_message: handover.next_message,
            expected_epoch: 0,
            early: Vec::new(),
            events: VecDeque::new(),
            alert: None,
            deadline: Some(handover.deadline),
            retain_until: None,
            peer_alert: handover.peer_alert,
        }
    }

    // ---- messages out ----

    /// Begins the next flight: the peer has ours before.
    pub(crate) fn begin_flight(&mut self, now: Instant, retransmission: Retransmission) {
        if !self.flight.is_empty() {
            self.flight.clear();
            self.timer.answered(now);
        }
        self.answers_below = self.reassembler.next_sequence();
        self.retransmission = retransmission;
    }

    /// Takes over a flight that the negotiation has sent already. There are no ACKs in DTLS 1.2: until the answer is
    /// whole, the flight goes out again and again.
    pub(crate) fn resume_flight(&mut self, message: Message, now: Instant) {
        self.flight.push(0, message);
        let mut sent_before = Vec::new();
        while self.flight.write_record(usize::MAX, true, &mut sent_before).is_some() {}
        self.timer.arm(now);
    }

    /// Adds a message to the flight, and to the transcript.
    pub(crate) fn send(&mut self, handshake_type: HandshakeType, body: impl FnOnce(&mut Vec<u8>)) {
        self.send_in(0, handshake_type, body);
    }

    fn send_in(
        &mut self,
        epoch: u16,
        handshake_type: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let message = self.build(handshake_type, body);
        self.hash(&message);
        self.flight.push(u64::from(epoch), message);
    }

    /// Adds a message that is not hashed: HelloVerifyRequest (RFC 6347 §4.2.6).
    pub(crate) fn send_unhashed(
        &mut self,
        handshake_type: HandshakeType,
        body: impl FnOnce(&mut Vec<u8>),
    ) {
        let message = self.build(handshake_type, body);
        self.flight.push(0, message);
    }

    fn build(&mut self, handshake_type: HandshakeType, body: impl FnOnce(&mut Vec<u8>)) -> Message {
        // A handshake has ten messages, so the number fits.
        let message = Message::build(self.next_message as u16, handshake_type, body);
        self.next_message += 1;
        message
    }

    /// Adds ChangeCipherSpec and our Finished to the flight. What is sent from now on is protected by `write`.
    pub(crate) fn send_finished(&mut self, write: RecordProtection) -> Result<(), Error> {
        let verify_data = self.verify_data(self.side)?;
        self.flight.push_change_cipher_spec(0);
        self.records.install_write(write);
        self.send_in(PROTECTED_EPOCH, HandshakeType::FINISHED, |out| {
            out.extend_from_slice(&verify_data);
        });
        Ok(())
    }

    // ---- transcript and keys ----

    /// Adds a message to the transcript, as if it had come in one fragment (RFC 6347 §4.2.6).
    pub(crate) fn hash(&mut self, message: &Message) {
        self.transcript.extend_from_slice(&message.unfragmented_header());
        self.transcript.extend_from_slice(message.body());
    }

    /// Everything so far, which is what CertificateVerify signs (RFC 5246 §7.4.8).
    pub(crate) fn transcript(&self) -> &[u8] {
        &self.transcript
    }

    fn transcript_hash(&self) -> Digest {
        let mut hash = self.config.provider.hash(self.negotiated.suite.hash());
        hash.update(&self.transcript);
        hash.current()
    }

    /// Derives the master secret and the keys of both sides, the client's first. The transcript reaches to
    /// ClientKeyExchange (RFC 7627 §3).
    pub(crate) fn derive_keys(
        &mut self,
        premaster: &[u8],
    ) -> Result<(RecordProtection, RecordProtection), Error> {
        let session_hash = self.negotiated.extended_master_secret.then(|| self.transcript_hash());
        let suite = self.negotiated.suite;
        let provider = &*self.config.provider;
        let mut keys = KeySchedule::new(
            provider,
            suite.hash(),
            premaster,
            session_hash.as_deref(),
            self.randoms,
        );
        if let Some(log) = &self.config.key_log {
            log.log("CLIENT_RANDOM", &self.randoms.client, keys.master_secret());
        }
        keys.forget_master_secret();
        let record_keys = keys.record_keys(provider, suite)?;
        self.keys = Some(keys);
        Ok(record_keys)
    }

    fn verify_data(&self, side: Side) -> Result<[u8; VERIFY_DATA], Error> {
        match &self.keys {
            Some(keys) => Ok(keys.verify_data(side, &self.transcript_hash())),
            None => Err(Error::unexpected("Finished before the key exchange", "RFC 5246 §7.4.9")),
        }
    }

    /// Checks the peer's Finished, and adds it to the transcript.
    pub(crate) fn check_finished(&mut self, message: &Message) -> Result<(), Error> {
        const SECTION: &str = "RFC 5246 §7.4.9";
        let expected = self.verify_data(self.side.other())?;
        if message.body().len() != expected.len() {
            return Err(Error::decode("Finished of a wrong length", SECTION));
        }
        if !constant_time_eq(message.body(), &expected) {
            return Err(Error::protocol(
                AlertDescription::DecryptError,
                "Finished does not verify",
                SECTION,
            ));
        }
        self.hash(message);
        Ok(())
    }

    /// The peer's next message is its Finished, which comes behind its ChangeCipherSpec.
    pub(crate) fn expect_finished(&mut self) {
        if self.reassembler.is_waiting() {
            // Fragments of epoch 0 that are not due: anyone could have sent them.
            self.statistics.dropped_handshake += 1;
            self.reassembler.clear();
        }
        self.expected_epoch = PROTECTED_EPOCH;
    }

    /// The handshake is complete.
    pub(crate) fn complete(&mut self, now: Instant) {
        self.state = State::Connected;
        self.transcript = Vec::new();
        self.deadline = None;
        match self.side {
            // The server's Finished answers our last flight.
            Side::Client => self.begin_flight(now, Retransmission::OnRepetition),
            Side::Server => self.retain_until = Some(now + RETAIN),
        }
        let negotiated = &mut self.negotiated;
        negotiated.peer_key = None;
        self.events.push_back(Event::Connected(Box::new(HandshakeSummary {
            version: ProtocolVersion::Dtls12,
            cipher_suite: negotiated.suite,
            group: negotiated.group,
            peer_certificates: std::mem::take(&mut negotiated.peer_certificates),
            srtp_profile: negotiated.srtp_profile,
            is_client: self.side == Side::Client,
        })));
    }

    // ---- messages in ----

    /// Takes the contents of a handshake record.
    pub(crate) fn handle_fragments(
        &mut self,
        now: Instant,
        epoch: u16,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let authenticated = epoch == PROTECTED_EPOCH;
        let mut reader = Reader::new(bytes);
        let (mut fresh, mut repeated) = (false, false);
        while !reader.is_empty() {
            let Some((header, body)) = FragmentHeader::read(&mut reader) else {
                if authenticated {
                    return Err(Error::decode("malformed handshake fragment", "RFC 6347 §4.2.2"));
                }
                self.statistics.dropped_malformed += 1;
                return Ok(());
            };
            if authenticated && self.state == State::Connected && self.is_renegotiation(&header) {
                self.refuse_renegotiation();
                continue;
            }
            let is_old = u32::from(header.sequence) < self.reassembler.next_sequence();
            if !is_old && (self.state != State::Handshaking || epoch != self.expected_epoch) {
                self.statistics.dropped_handshake += 1;
                continue;
            }
            match self.reassembler.insert(&header, body) {
                Insertion::New { .. } => fresh = true,
                Insertion::Repeated => {}
                Insertion::Old => repeated |= u32::from(header.sequence) < self.answers_below,
                Insertion::Conflict if authenticated => {
                    return Err(Error::illegal(
                        "fragments that contradict each other",
                        "RFC 6347 §4.2.3",
                    ));
                }
                Insertion::Conflict | Insertion::Refused => self.statistics.dropped_handshake += 1,
            }
        }
        if repeated && !fresh {
            self.handle_repetition(now);
        }
        Ok(())
    }

    /// The peer repeats a flight that we answered: the answer got lost (RFC 6347 §4.2.4).
    fn handle_repetition(&mut self, now: Instant) {
        if !self.flight.is_empty()
            && !self.flight.is_sending()
            && self.timer.may_resend(now, self.flight.wire_len())
        {
            self.flight.restart();
            self.timer.resend();
            self.statistics.retransmissions += 1;
        }
    }

    /// Whether a protected message starts another handshake. Its numbers start from zero again (RFC 6347 §4.2.2).
    fn is_renegotiation(&self, header: &FragmentHeader) -> bool {
        match self.side {
            Side::Client => header.handshake_type == HandshakeType::HELLO_REQUEST,
            Side::Server => header.handshake_type == HandshakeType::CLIENT_HELLO,
        }
    }

    /// RFC 5246 §7.2.2. WebRTC has no use for renegotiation (RFC 8827 §6.5).
    fn refuse_renegotiation(&mut self) {
        self.statistics.dropped_handshake += 1;
        self.alert = Some(Alert {
            level: AlertLevel::Warning,
            description: AlertDescription::NoRenegotiation,
        });
    }

    /// The next whole message of the peer.
    pub(crate) fn next_message(&mut self) -> Option<Message> {
        self.reassembler.pop()
    }

    #[cfg(test)]
    pub(crate) fn next_sequence_of_peer(&self) -> u32 {
        self.reassembler.next_sequence()
    }

    /// Keeps a record of epoch 1 that overtook messages of epoch 0.
    pub(crate) fn keep_early(&mut self, record: &[u8]) {
        let held: usize = self.early.iter().map(Vec::len).sum();
        if self.early.len() == MAX_EARLY_RECORDS || held + record.len() > MAX_EARLY_BYTES {
            self.statistics.dropped_early += 1;
            return;
        }
        self.early.push(record.to_vec());
    }

    /// The records that came early, once they can be read.
    pub(crate) fn take_early(&mut self) -> Vec<Vec<u8>> {
        if self.expects_protected() { std::mem::take(&mut self.early) } else { Vec::new() }
    }

    /// Whether the peer's next handshake message comes in epoch 1, and can be opened.
    pub(crate) fn expects_protected(&self) -> bool {
        self.expected_epoch == PROTECTED_EPOCH && self.records.can_open()
    }

    /// Bytes came from the peer.
    pub(crate) fn note_received(&mut self, len: usize) {
        self.timer.note_received(len);
    }

    /// A protected record proves that the client has received what we sent.
    pub(crate) fn note_proof(&mut self) {
        self.timer.lift_limit();
    }

    /// A protected record of application data proves that the client has our last flight.
    pub(crate) fn note_application_data(&mut self) {
        if self.retain_until.take().is_some() {
            self.flight.clear();
        }
    }

    // ---- alerts and the end ----

    /// Takes an alert of epoch 1.
    pub(crate) fn handle_alert(&mut self, body: &[u8]) -> Result<(), Error> {
        let Some(alert) = Alert::parse(body) else {
            return Err(Error::decode("malformed alert", "RFC 5246 §7.2"));
        };
        match (alert.description, alert.level) {
            (AlertDescription::CloseNotify, _) if self.state == State::Handshaking => {
                self.fail_with(Error::PeerAlert(AlertDescription::CloseNotify))
            }
            (AlertDescription::CloseNotify, _) => {
                self.close();
                Ok(())
            }
            // RFC 5246 §7.2.2: it is for the receiver to decide, and none of them matters.
            (_, AlertLevel::Warning) => Ok(()),
            (description, AlertLevel::Fatal) => self.fail_with(Error::PeerAlert(description)),
        }
    }

    /// An alert that anyone could have sent: remembered as a hint, otherwise ignored (RFC 6347 §4.1.2.7).
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
        self.reassembler.clear();
        self.early = Vec::new();
        self.transcript = Vec::new();
        self.deadline = None;
        self.retain_until = None;
    }

    /// RFC 5705.
    pub(crate) fn export(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Error> {
        match &self.keys {
            Some(keys) if self.state == State::Connected => keys.export(label, context, out),
            _ => Err(Error::NotConnected),
        }
    }

    // ---- time ----

    fn is_timed(&self) -> bool {
        !self.flight.is_empty() && self.retransmission == Retransmission::Timed
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let timer = if self.is_timed() { self.timer.deadline() } else { None };
        [timer, self.deadline, self.retain_until].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.fail(Error::HandshakeTimeout { peer_alert: self.peer_alert });
            return;
        }
        if self.retain_until.is_some_and(|until| now >= until) {
            self.retain_until = None;
            self.flight.clear();
        }
        if self.is_timed() && self.timer.expire(now) {
            self.flight.restart();
            self.statistics.retransmissions += 1;
        }
    }

    // ---- datagrams out ----

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Appends one datagram: as much of the flight as fits, an alert.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        buf: &mut Vec<u8>,
    ) -> Result<Option<usize>, Error> {
        let start = buf.len();
        let mtu = self.timer.mtu(self.config.mtu);
        self.write_flight(now, mtu, buf, start)?;
        self.write_alert(mtu, buf, start)?;
        let size = buf.len() - start;
        if size == 0 {
            return Ok(None);
        }
        self.statistics.datagrams_sent += 1;
        Ok(Some(size))
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
            let epoch = epoch as u16;
            let at = buf.len();
            let Some(room) = mtu.checked_sub(at - start + self.records.overhead(epoch)) else {
                break;
            };
            buf.resize(at + self.records.header_len(epoch), 0);
            if self.flight.write_record(room, at == start, buf).is_none() {
                buf.truncate(at);
                break;
            }
            self.records.seal(epoch, content_type, buf, at)?;
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
        if at - start + self.records.overhead(epoch) + 2 > mtu {
            return Ok(());
        }
        self.alert = None;
        buf.resize(at + self.records.header_len(epoch), 0);
        buf.extend_from_slice(&alert.to_wire());
        self.records.seal(epoch, ContentType::Alert, buf, at)?;
        Ok(())
    }
}
