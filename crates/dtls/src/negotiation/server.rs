//! A server before its version is known: puts the ClientHello together, however it is fragmented, and chooses
//! (RFC 9147 §5.3, RFC 8446 §4.2.1).

use std::{sync::Arc, time::Instant};

use peerage_crypto::Rng;

use super::{fresh_state, note_hello_record};
use crate::{
    alert::{Alert, AlertDescription},
    config::Config,
    dtls12, dtls13,
    error::Error,
    handover::Handover,
    handshake::{ClientHello, FragmentHeader, HandshakeType, Message},
    reassembler::{Insertion, Reassembler},
    record::{ContentType, PlaintextHeader, RecordHeader},
    version::ProtocolVersion,
};

/// The negotiation of a server.
pub(crate) struct ServerNegotiation {
    state: Handover,
    /// Whether anything came: only then does the handshake's time run.
    started: bool,
}

/// What a datagram led to.
pub(crate) enum ServerOutcome {
    /// Nothing is decided.
    Undecided,
    /// DTLS 1.3. The records from `from` on are for the connection.
    Dtls13 { connection: Box<dtls13::Connection>, from: usize },
    /// DTLS 1.2. The records from `from` on are for the connection.
    Dtls12 { connection: Box<dtls12::Connection>, from: usize },
    /// The peer broke the protocol.
    Failed(Error),
}

impl ServerNegotiation {
    pub(crate) fn new(config: Arc<Config>, rng: Rng, now: Instant) -> Self {
        Self { state: fresh_state(config, rng, now), started: false }
    }

    pub(crate) fn state(&self) -> &Handover {
        &self.state
    }

    pub(crate) fn state_mut(&mut self) -> &mut Handover {
        &mut self.state
    }

    /// Takes a datagram, up to the record that completes the ClientHello.
    pub(crate) fn handle_datagram(
        mut self,
        now: Instant,
        datagram: &[u8],
    ) -> (Option<Self>, ServerOutcome) {
        let mut at = 0;
        while at < datagram.len() {
            let Some(header) = RecordHeader::parse(&datagram[at..]) else {
                self.state.statistics.dropped_malformed += 1;
                break;
            };
            let record = &datagram[at..at + header.record_len()];
            at += header.record_len();
            match header {
                RecordHeader::Plaintext(header) => {
                    self.handle_plaintext(now, &header, &record[PlaintextHeader::LEN..]);
                }
                RecordHeader::Unified(_) => self.state.statistics.dropped_unknown_epoch += 1,
            }
            if let Some(message) = self.state.reassembler.pop() {
                let Ok(hello) = ClientHello::parse(message.body()) else {
                    self.forget_hello();
                    continue;
                };
                return match self.choose(&hello) {
                    Ok(version) => (None, self.hand_over(now, at, hello, &message, version)),
                    Err(error) => (Some(self), ServerOutcome::Failed(error)),
                };
            }
        }
        (Some(self), ServerOutcome::Undecided)
    }

    fn handle_plaintext(&mut self, now: Instant, header: &PlaintextHeader, body: &[u8]) {
        let state = &mut self.state;
        if header.epoch != 0 {
            state.statistics.dropped_unknown_epoch += 1;
            return;
        }
        if header.content_type != ContentType::Handshake {
            state.statistics.dropped_unauthenticated += 1;
            if header.content_type == ContentType::Alert {
                state.peer_alert = Alert::parse(body).map(|alert| alert.description);
            }
            return;
        }
        let mut reader = crate::codec::Reader::new(body);
        while !reader.is_empty() {
            let Some((fragment, bytes)) = FragmentHeader::read(&mut reader) else {
                state.statistics.dropped_malformed += 1;
                return;
            };
            // Nothing but the first message can come before we have spoken. Whatever else is noise.
            if fragment.handshake_type != HandshakeType::CLIENT_HELLO || fragment.sequence != 0 {
                state.statistics.dropped_handshake += 1;
                continue;
            }
            match state.reassembler.insert(&fragment, bytes) {
                Insertion::New { .. } => {
                    if !std::mem::replace(&mut self.started, true) {
                        state.deadline = now + state.config.handshake_timeout;
                    }
                    note_hello_record(state, header.sequence);
                }
                Insertion::Repeated | Insertion::Old => {}
                // A fragment of another ClientHello: the client may have started anew. The newest one wins, for the
                // rest of the other may never come.
                Insertion::Conflict => {
                    state.statistics.dropped_handshake += 1;
                    state.reassembler.clear();
                    state.hello_records.clear();
                    if let Insertion::New { .. } = state.reassembler.insert(&fragment, bytes) {
                        note_hello_record(state, header.sequence);
                    }
                }
                Insertion::Refused => state.statistics.dropped_handshake += 1,
            }
        }
    }

    /// What cannot be read is noise: anybody could have sent it, and the client's own is still to come (RFC 9147 §4.5.2).
    fn forget_hello(&mut self) {
        self.state.statistics.dropped_malformed += 1;
        self.state.reassembler = Reassembler::default();
        self.state.hello_records.clear();
        self.started = false;
    }

    fn choose(&self, hello: &ClientHello) -> Result<ProtocolVersion, Error> {
        let config = &self.state.config;
        let versions = [ProtocolVersion::Dtls13, ProtocolVersion::Dtls12];
        let chosen = if hello.supported_versions.is_some() {
            // RFC 8446 §4.2.1: the extension is all that counts, if it is there.
            versions
                .into_iter()
                .find(|&version| config.allows(version) && hello.offers_version(version.to_wire()))
        } else {
            // Newer versions of DTLS have smaller numbers.
            let offers_12 = hello.legacy_version <= ProtocolVersion::Dtls12.to_wire()
                && hello.legacy_version >> 8 == 0xfe;
            let allowed = config.allows(ProtocolVersion::Dtls12);
            (offers_12 && allowed).then_some(ProtocolVersion::Dtls12)
        };
        chosen.ok_or(Error::protocol(
            AlertDescription::ProtocolVersion,
            "no version in common",
            "RFC 8446 §4.2.1",
        ))
    }

    fn hand_over(
        mut self,
        now: Instant,
        from: usize,
        hello: ClientHello,
        message: &Message,
        version: ProtocolVersion,
    ) -> ServerOutcome {
        // What we answer acknowledges the ClientHello.
        self.state.hello_records.clear();
        match version {
            ProtocolVersion::Dtls13 => ServerOutcome::Dtls13 {
                connection: Box::new(dtls13::Connection::server(self.state, hello, message, now)),
                from,
            },
            ProtocolVersion::Dtls12 => {
                let downgrade = self.state.config.max_version >= ProtocolVersion::Dtls13;
                ServerOutcome::Dtls12 {
                    connection: Box::new(dtls12::Connection::server(
                        self.state, hello, message, downgrade, now,
                    )),
                    from,
                }
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.started.then_some(self.state.deadline)
    }

    /// Fails when the time for the handshake is over. It runs from the first sign of a client.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if self.started && now >= self.state.deadline {
            return Err(Error::HandshakeTimeout { peer_alert: self.state.peer_alert });
        }
        Ok(())
    }
}
