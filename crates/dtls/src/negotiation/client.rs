//! A client before its version is known: sends one ClientHello for both versions, answers a HelloVerifyRequest, and
//! lets the ServerHello decide (RFC 9147 §5.3, RFC 6347 §4.2.1).

use std::{sync::Arc, time::Instant};

use peerage_crypto::{NamedGroup, Rng};

use super::{fresh_state, note_hello_record, write_plaintext};
use crate::{
    alert::{Alert, AlertDescription},
    config::Config,
    dtls12, dtls13,
    error::Error,
    flight::Flight,
    handover::{ClientOffer, Handover},
    handshake::{
        ClientHello, ExtensionType, FragmentHeader, HandshakeType, HelloVerifyRequest,
        KeyShareEntry, Message, ServerHello, UseSrtp,
    },
    reassembler::Insertion,
    record::{ContentType, PlaintextHeader, RecordHeader},
    registry::{group_to_wire, scheme_allowed_in_13, scheme_to_wire},
    version::ProtocolVersion,
};

/// How often a server may ask for a cookie. Once is enough for an honest one.
const MAX_HELLO_VERIFY_REQUESTS: u32 = 3;
/// Most encrypted records kept until the ServerHello comes, and the bytes of them all.
const MAX_EARLY_RECORDS: usize = 16;
const MAX_EARLY_BYTES: usize = 1 << 15;
/// The last eight bytes of a server's random when it speaks DTLS 1.3 but chose 1.2 (RFC 8446 §4.1.3).
const DOWNGRADE_FROM_13: &[u8; 8] = b"DOWNGRD\x01";

/// The negotiation of a client.
pub(crate) struct ClientNegotiation {
    state: Handover,
    offer: ClientOffer,
    flight: Flight,
    cookies: u32,
    /// Encrypted records that overtook the ServerHello.
    early: Vec<Vec<u8>>,
    /// When to tell what came, because something did that cannot be read yet.
    ack_at: Option<Instant>,
    ack_due: bool,
}

/// What a datagram led to.
pub(crate) enum ClientOutcome {
    /// Nothing is decided.
    Undecided,
    /// DTLS 1.3. The records from `from` on, and those that came early, are for the connection.
    Dtls13 { connection: Box<dtls13::Connection>, from: usize, early: Vec<Vec<u8>> },
    /// DTLS 1.2. The records from `from` on are for the connection.
    Dtls12 { connection: Box<dtls12::Connection>, from: usize },
    /// The peer broke the protocol.
    Failed(Error),
}

/// Internal: either the negotiation goes on, or a ServerHello has come.
enum Step {
    Continue,
    Chosen { message: Message, server_hello: Box<ServerHello>, version: ProtocolVersion },
}

impl ClientNegotiation {
    pub(crate) fn new(config: Arc<Config>, mut rng: Rng, now: Instant) -> Result<Self, Error> {
        let offer = make_offer(&config, &mut rng)?;
        let mut state = fresh_state(config, rng, now);
        state.next_message = 1;
        let mut flight = Flight::default();
        flight.push(0, offer.message.clone());
        Ok(Self {
            state,
            offer,
            flight,
            cookies: 0,
            early: Vec::new(),
            ack_at: None,
            ack_due: false,
        })
    }

    pub(crate) fn state(&self) -> &Handover {
        &self.state
    }

    pub(crate) fn state_mut(&mut self) -> &mut Handover {
        &mut self.state
    }

    /// Takes a datagram, up to the record that decides.
    pub(crate) fn handle_datagram(
        mut self,
        now: Instant,
        datagram: &[u8],
    ) -> (Option<Self>, ClientOutcome) {
        let mut at = 0;
        while at < datagram.len() {
            let Some(header) = RecordHeader::parse(&datagram[at..]) else {
                self.state.statistics.dropped_malformed += 1;
                break;
            };
            let record = &datagram[at..at + header.record_len()];
            at += header.record_len();
            let step = match header {
                RecordHeader::Plaintext(header) => {
                    self.handle_plaintext(&header, &record[PlaintextHeader::LEN..])
                }
                RecordHeader::Unified(header) => {
                    self.keep_early(now, record, dtls13::is_worth_keeping(&header));
                    Ok(Step::Continue)
                }
            };
            match step {
                Ok(Step::Continue) => {}
                Ok(Step::Chosen { message, server_hello, version }) => {
                    return (None, self.hand_over(now, at, &message, *server_hello, version));
                }
                Err(error) => return (Some(self), ClientOutcome::Failed(error)),
            }
        }
        (Some(self), ClientOutcome::Undecided)
    }

    fn keep_early(&mut self, now: Instant, record: &[u8], worth: bool) {
        let held: usize = self.early.iter().map(Vec::len).sum();
        if !worth
            || !self.state.config.allows(ProtocolVersion::Dtls13)
            || self.early.len() == MAX_EARLY_RECORDS
            || held + record.len() > MAX_EARLY_BYTES
        {
            self.state.statistics.dropped_early += 1;
            return;
        }
        self.early.push(record.to_vec());
        // The ServerHello, or a part of it, is late or lost. An ACK for what came, even an empty one, makes the server
        // send the rest again (RFC 9147 §7.1).
        self.ack_at.get_or_insert(now + self.state.timer.current() / 4);
    }

    fn handle_plaintext(&mut self, header: &PlaintextHeader, body: &[u8]) -> Result<Step, Error> {
        let state = &mut self.state;
        if header.epoch != 0 {
            // DTLS 1.2 has its Finished here; the server sends it again.
            state.statistics.dropped_unknown_epoch += 1;
            return Ok(Step::Continue);
        }
        match header.content_type {
            ContentType::Handshake => {}
            ContentType::Alert => {
                state.statistics.dropped_unauthenticated += 1;
                if let Some(alert) = Alert::parse(body) {
                    state.peer_alert = Some(alert.description);
                }
                return Ok(Step::Continue);
            }
            _ => {
                state.statistics.dropped_unauthenticated += 1;
                return Ok(Step::Continue);
            }
        }
        let mut reader = crate::codec::Reader::new(body);
        while !reader.is_empty() {
            let Some((fragment, bytes)) = FragmentHeader::read(&mut reader) else {
                state.statistics.dropped_malformed += 1;
                break;
            };
            match state.reassembler.insert(&fragment, bytes) {
                Insertion::New { .. } => note_hello_record(state, header.sequence),
                Insertion::Repeated | Insertion::Old => {}
                Insertion::Conflict | Insertion::Refused => state.statistics.dropped_handshake += 1,
            }
        }
        match self.state.reassembler.pop() {
            Some(message) => self.handle_message(message),
            None => Ok(Step::Continue),
        }
    }

    fn handle_message(&mut self, message: Message) -> Result<Step, Error> {
        match message.handshake_type() {
            HandshakeType::HELLO_VERIFY_REQUEST => {
                self.handle_hello_verify_request(&message)?;
                Ok(Step::Continue)
            }
            HandshakeType::SERVER_HELLO => {
                let server_hello = ServerHello::parse(message.body())?;
                let version = self.choose_version(&server_hello)?;
                Ok(Step::Chosen { message, server_hello: Box::new(server_hello), version })
            }
            _ => Err(Error::unexpected("a message before the ServerHello", "RFC 8446 §4.1.3")),
        }
    }

    /// RFC 6347 §4.2.1: the same ClientHello again, with the cookie. The first one and the request are not hashed.
    fn handle_hello_verify_request(&mut self, message: &Message) -> Result<(), Error> {
        const SECTION: &str = "RFC 6347 §4.2.1";
        let request = HelloVerifyRequest::parse(message.body())
            .ok_or(Error::decode("malformed HelloVerifyRequest", SECTION))?;
        self.cookies += 1;
        // RFC 9147 §5.1: DTLS 1.3 has another way to do this, so the server speaks 1.2.
        if !self.state.config.allows(ProtocolVersion::Dtls12)
            || self.cookies > MAX_HELLO_VERIFY_REQUESTS
        {
            return Err(Error::unexpected("HelloVerifyRequest", SECTION));
        }
        let hello = &mut self.offer.hello;
        hello.legacy_cookie = request.cookie;
        self.offer.message =
            Message::build(self.state.next_message as u16, HandshakeType::CLIENT_HELLO, |out| {
                hello.write(out);
            });
        self.state.next_message += 1;
        self.state.hello_records.clear();
        self.flight.clear();
        self.flight.push(0, self.offer.message.clone());
        self.state.timer.resend();
        Ok(())
    }

    fn choose_version(&self, server_hello: &ServerHello) -> Result<ProtocolVersion, Error> {
        const SECTION: &str = "RFC 8446 §4.1.3";
        let config = &self.state.config;
        let refused = Error::protocol(
            AlertDescription::ProtocolVersion,
            "the server chose a version that was not offered",
            SECTION,
        );
        let version = match server_hello.supported_version {
            Some(chosen) => {
                // RFC 8446 §4.2.1: the extension must not choose a version before 1.3.
                if ProtocolVersion::from_wire(chosen) != Some(ProtocolVersion::Dtls13) {
                    return Err(Error::illegal(
                        "supported_versions chose no DTLS 1.3",
                        "RFC 8446 §4.2.1",
                    ));
                }
                ProtocolVersion::Dtls13
            }
            None => ProtocolVersion::from_wire(server_hello.legacy_version)
                .filter(|&version| version == ProtocolVersion::Dtls12)
                .ok_or(refused.clone())?,
        };
        if !config.allows(version) {
            return Err(refused);
        }
        // Either sentinel: DTLS 1.1 does not exist, but a server that claims to be older lies just as well.
        if version == ProtocolVersion::Dtls12
            && config.max_version >= ProtocolVersion::Dtls13
            && (server_hello.random.ends_with(DOWNGRADE_FROM_13)
                || server_hello.random.ends_with(b"DOWNGRD\x00"))
        {
            return Err(Error::illegal("someone has forced a downgrade to DTLS 1.2", SECTION));
        }
        if version == ProtocolVersion::Dtls13 && self.cookies > 0 {
            return Err(Error::illegal(
                "a server of DTLS 1.3 has sent a HelloVerifyRequest",
                "RFC 9147 §5.2",
            ));
        }
        Ok(version)
    }

    fn hand_over(
        mut self,
        now: Instant,
        from: usize,
        message: &Message,
        server_hello: ServerHello,
        version: ProtocolVersion,
    ) -> ClientOutcome {
        self.state.timer.answered(now);
        match version {
            ProtocolVersion::Dtls13 => ClientOutcome::Dtls13 {
                connection: Box::new(dtls13::Connection::client(
                    self.state,
                    self.offer,
                    message,
                    server_hello,
                    now,
                )),
                from,
                early: self.early,
            },
            ProtocolVersion::Dtls12 => ClientOutcome::Dtls12 {
                connection: Box::new(dtls12::Connection::client(
                    self.state,
                    self.offer,
                    message,
                    server_hello,
                    now,
                )),
                from,
            },
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.state.timer.deadline(), self.ack_at, Some(self.state.deadline)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what is due. Fails when the time for the handshake is over.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        if now >= self.state.deadline {
            return Err(Error::HandshakeTimeout { peer_alert: self.state.peer_alert });
        }
        if self.ack_at.is_some_and(|at| now >= at) {
            self.ack_at = None;
            self.ack_due = true;
        }
        if self.state.timer.expire(now) {
            self.flight.restart();
            self.state.statistics.retransmissions += 1;
        }
        Ok(())
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        let start = buf.len();
        if std::mem::take(&mut self.ack_due) {
            dtls13::write_plaintext_ack(
                self.state.plaintext_sequence,
                &self.state.hello_records,
                buf,
            );
            self.state.plaintext_sequence += 1;
            self.state.statistics.acks_sent += 1;
        }
        let mtu = self.state.timer.mtu(self.state.config.mtu);
        let mut sent = false;
        while self.flight.next_record().is_some() {
            let at = buf.len();
            let Some(room) = mtu.checked_sub(at - start + PlaintextHeader::LEN) else { break };
            let flight = &mut self.flight;
            let mut run = None;
            // Old servers want a ClientHello in a record of DTLS 1.0 or 1.2 (RFC 9147 §4).
            let version = ProtocolVersion::Dtls12.to_wire();
            let before = self.state.plaintext_sequence;
            write_plaintext(&mut self.state, ContentType::Handshake, version, buf, |out| {
                run = flight.write_record(room, at == start, out);
            });
            if run.is_none() {
                self.state.plaintext_sequence = before;
                buf.truncate(at);
                break;
            }
            sent = true;
        }
        if sent && !self.flight.is_sending() {
            self.state.timer.arm(now);
        }
        let size = buf.len() - start;
        (size > 0).then(|| {
            self.state.statistics.datagrams_sent += 1;
            size
        })
    }
}

/// Makes the ClientHello, and the private halves of its key shares.
fn make_offer(config: &Config, rng: &mut Rng) -> Result<ClientOffer, Error> {
    let allows_13 = config.allows(ProtocolVersion::Dtls13);
    let allows_12 = config.allows(ProtocolVersion::Dtls12);
    let groups: Vec<NamedGroup> = config
        .groups
        .iter()
        .copied()
        // A KEM has no place in DTLS 1.2.
        .filter(|&group| allows_13 || group != NamedGroup::X25519MlKem768)
        .collect();
    let exchanges = if allows_13 { start_exchanges(config, &groups, rng)? } else { Vec::new() };
    let versions = [ProtocolVersion::Dtls13, ProtocolVersion::Dtls12];
    let hello = ClientHello {
        legacy_version: ProtocolVersion::Dtls12.to_wire(),
        random: rng.array(),
        cipher_suites: versions
            .into_iter()
            .filter(|&version| config.allows(version))
            .flat_map(|version| config.suites(version))
            .map(|suite| suite.to_wire())
            .collect(),
        compression_methods: vec![0],
        supported_versions: allows_13.then(|| {
            let offered = versions.into_iter().filter(|&version| config.allows(version));
            offered.map(ProtocolVersion::to_wire).collect()
        }),
        supported_groups: Some(groups.iter().copied().map(group_to_wire).collect()),
        key_shares: allows_13.then(|| {
            exchanges
                .iter()
                .map(|exchange| KeyShareEntry {
                    group: group_to_wire(exchange.group()),
                    share: exchange.share().to_vec(),
                })
                .collect()
        }),
        signature_algorithms: Some(
            config
                .signature_schemes
                .iter()
                .copied()
                .filter(|&scheme| allows_12 || scheme_allowed_in_13(scheme))
                .map(scheme_to_wire)
                .collect(),
        ),
        use_srtp: (!config.srtp_profiles.is_empty()).then(|| UseSrtp {
            profiles: config.srtp_profiles.iter().map(|profile| profile.to_wire()).collect(),
            mki: Vec::new(),
        }),
        extended_master_secret: allows_12,
        renegotiation_info: allows_12.then(Vec::new),
        // uncompressed(0), the only one that RFC 8422 §5.1.2 leaves.
        ec_point_formats: allows_12.then(|| vec![0]),
        ..ClientHello::default()
    };
    let message = Message::build(0, HandshakeType::CLIENT_HELLO, |out| hello.write(out));
    debug_assert!(hello.has_extension(ExtensionType::SUPPORTED_GROUPS));
    Ok(ClientOffer { hello, message, exchanges })
}

fn start_exchanges(
    config: &Config,
    groups: &[NamedGroup],
    rng: &mut Rng,
) -> Result<Vec<Box<dyn peerage_crypto::KeyExchange>>, Error> {
    let mut wanted: Vec<NamedGroup> =
        config.key_shares.iter().copied().filter(|group| groups.contains(group)).collect();
    wanted.dedup();
    if wanted.is_empty() {
        wanted.extend(groups.first());
    }
    wanted.into_iter().map(|group| Ok(config.provider.start_key_exchange(group, rng)?)).collect()
}
