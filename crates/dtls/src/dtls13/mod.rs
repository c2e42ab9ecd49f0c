//! DTLS 1.3 (RFC 9147): one connection, from the message that chose the version to the end.
//!
//! | file | what |
//! |---|---|
//! | `core` | the state that both roles share, keys, alerts |
//! | `inbound` | fragments, ACKs and repetitions |
//! | `outbound` | datagrams and timers |
//! | `key_update` | renewal of keys |
//! | `client`, `server` | the handshakes, as functions from state and message to state |
//! | `authentication` | certificates and their proof |
//! | `records` | epochs and their keys |
//! | `protection` | one key: AEAD, record number encryption, replay window, limits |
//! | `key_schedule` | from shared secrets to traffic secrets and exporters |
//! | `ack`, `messages` | codecs |

mod ack;
mod authentication;
mod client;
mod core;
mod inbound;
mod key_schedule;
mod key_update;
mod messages;
mod outbound;
mod protection;
mod records;
mod server;
#[cfg(test)]
mod tests;

use std::{fmt, time::Instant};

use self::{
    ack::RecordNumber,
    core::Core,
    protection::OpenFailure,
    records::{APPLICATION_EPOCH, HANDSHAKE_EPOCH, ReadFailure},
};
use crate::{
    alert::AlertDescription,
    error::Error,
    event::{ApplicationData, Event, State},
    handover::{ClientOffer, Handover},
    handshake::{ClientHello, HandshakeType, Message, ServerHello},
    record::{ContentType, MAX_PLAINTEXT, PlaintextHeader, RecordHeader, UnifiedHeader},
    side::Side,
    statistics::Statistics,
    version::ProtocolVersion,
};

pub(crate) use self::protection::OVERHEAD;

enum Handshake {
    Client(Box<client::State>),
    Server(Box<server::State>),
    Done,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "Client",
            Self::Server(_) => "Server",
            Self::Done => "Done",
        })
    }
}

/// A connection of DTLS 1.3.
#[derive(Debug)]
pub(crate) struct Connection {
    core: Core,
    handshake: Handshake,
}

impl Connection {
    /// Goes on as a client after the server's first message, a ServerHello or HelloRetryRequest that chose DTLS 1.3.
    /// Where that message is not acceptable, the connection has failed, and has an alert to send.
    pub(crate) fn client(
        handover: Handover,
        offer: ClientOffer,
        message: &Message,
        server_hello: ServerHello,
        now: Instant,
    ) -> Self {
        match client::start(handover, offer, message, server_hello, now) {
            Ok((core, state)) => Self { core, handshake: Handshake::Client(Box::new(state)) },
            Err((core, error)) => Self::failed(*core, error),
        }
    }

    /// Goes on as a server after the client's first message. Where that is not acceptable, the connection has failed,
    /// and has an alert to send.
    pub(crate) fn server(
        handover: Handover,
        hello: ClientHello,
        message: &Message,
        now: Instant,
    ) -> Self {
        match server::start(handover, hello, message, now) {
            Ok((core, state)) => Self { core, handshake: Handshake::Server(Box::new(state)) },
            Err((core, error)) => Self::failed(*core, error),
        }
    }

    fn failed(mut core: Core, error: Error) -> Self {
        core.fail(error);
        Self { core, handshake: Handshake::Done }
    }

    /// Takes the records of a datagram from `from` on.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
        from: usize,
        application_data: &mut ApplicationData,
    ) -> Result<(), Error> {
        self.core.timer.note_received(datagram.len() - from);
        let mut at = from;
        while at < datagram.len() {
            if matches!(self.core.state, State::Closed | State::Failed) {
                self.core.statistics.dropped_after_close += 1;
                return Ok(());
            }
            let Some(header) = RecordHeader::parse(&datagram[at..]) else {
                self.core.statistics.dropped_malformed += 1;
                break;
            };
            let end = at + header.record_len();
            let record = &mut datagram[at..end];
            let outcome = match header {
                RecordHeader::Plaintext(header) => {
                    let body = &record[PlaintextHeader::LEN..];
                    self.handle_plaintext(now, &header, body)
                }
                RecordHeader::Unified(header) => {
                    self.handle_ciphertext(now, &header, record, at, application_data)
                }
            };
            if let Err(error) = outcome {
                self.core.fail(error.clone());
                self.handshake = Handshake::Done;
                return Err(error);
            }
            at = end;
        }
        self.core.after_datagram(now);
        Ok(())
    }

    fn handle_plaintext(
        &mut self,
        now: Instant,
        header: &PlaintextHeader,
        body: &[u8],
    ) -> Result<(), Error> {
        if header.epoch != 0 {
            self.core.statistics.dropped_unknown_epoch += 1;
            return Ok(());
        }
        let handshaking = self.core.state == State::Handshaking;
        match header.content_type {
            ContentType::Handshake if handshaking => {
                let number = RecordNumber { epoch: 0, sequence: header.sequence };
                self.core.handle_fragments(now, number, body)?;
                self.handle_messages(now, 0)
            }
            ContentType::Ack if handshaking => self.core.handle_ack(now, 0, body),
            ContentType::Alert => {
                self.core.note_plaintext_alert(body);
                Ok(())
            }
            _ => {
                self.core.statistics.dropped_unauthenticated += 1;
                Ok(())
            }
        }
    }

    fn handle_ciphertext(
        &mut self,
        now: Instant,
        header: &UnifiedHeader,
        record: &mut [u8],
        at: usize,
        application_data: &mut ApplicationData,
    ) -> Result<(), Error> {
        let is_early = self.is_early(header);
        let core = &mut self.core;
        let (epoch, opened) = match core.records.open(record, header) {
            Ok(opened) => opened,
            Err(failure) => {
                match failure {
                    ReadFailure::UnknownEpoch if is_early => {
                        core.statistics.dropped_early += 1;
                    }
                    ReadFailure::UnknownEpoch => core.statistics.dropped_unknown_epoch += 1,
                    ReadFailure::Open(OpenFailure::Malformed) => {
                        core.statistics.dropped_malformed += 1;
                    }
                    ReadFailure::Open(OpenFailure::Replayed) => {
                        core.statistics.dropped_replayed += 1;
                    }
                    ReadFailure::Open(OpenFailure::BadMac) => {
                        core.statistics.dropped_bad_mac += 1;
                        if core.records.is_exhausted() {
                            return Err(Error::KeyLimit);
                        }
                        core.check_limits();
                    }
                }
                return Ok(());
            }
        };
        if core.state == State::Handshaking {
            // Whoever has these keys has our ServerHello.
            core.timer.lift_limit();
            core.is_confirmed = true;
        }
        let content = &record[opened.content.clone()];
        if content.len() > MAX_PLAINTEXT {
            return Err(Error::protocol(
                AlertDescription::RecordOverflow,
                "a record of more than 16384 bytes",
                "RFC 8446 §5.2",
            ));
        }
        match ContentType::from_wire(opened.content_type) {
            Some(ContentType::ApplicationData) => {
                if epoch < APPLICATION_EPOCH {
                    return Err(Error::unexpected(
                        "application data under handshake keys",
                        "RFC 9147 §6.1",
                    ));
                }
                core.statistics.application_records_received += 1;
                application_data.push(at + opened.content.start..at + opened.content.end);
                Ok(())
            }
            Some(ContentType::Handshake) if content.is_empty() => {
                Err(Error::unexpected("an empty handshake record", "RFC 8446 §5.1"))
            }
            Some(ContentType::Handshake) => {
                let number = RecordNumber { epoch, sequence: opened.sequence };
                core.handle_fragments(now, number, content)?;
                self.handle_messages(now, epoch)
            }
            Some(ContentType::Ack) => core.handle_ack(now, epoch, content),
            Some(ContentType::Alert) => core.handle_alert(content),
            Some(ContentType::ChangeCipherSpec) | None => {
                Err(Error::unexpected("a record of unknown content", "RFC 9147 §4.1"))
            }
        }
    }

    /// Whether a record that cannot be opened is of the application and came before the handshake was complete.
    fn is_early(&self, header: &UnifiedHeader) -> bool {
        self.core.state == State::Handshaking
            && u64::from(header.epoch_bits) == APPLICATION_EPOCH & 3
    }

    fn handle_messages(&mut self, now: Instant, epoch: u64) -> Result<(), Error> {
        while let Some(message) = self.core.next_message() {
            self.handshake = match std::mem::replace(&mut self.handshake, Handshake::Done) {
                Handshake::Client(state) => {
                    match client::handle(&mut self.core, *state, &message, now)? {
                        client::State::Done => Handshake::Done,
                        state => Handshake::Client(Box::new(state)),
                    }
                }
                Handshake::Server(state) => {
                    match server::handle(&mut self.core, *state, &message, now)? {
                        server::State::Done => Handshake::Done,
                        state => Handshake::Server(Box::new(state)),
                    }
                }
                Handshake::Done => {
                    self.handle_post_handshake(&message, epoch)?;
                    Handshake::Done
                }
            };
        }
        Ok(())
    }

    fn handle_post_handshake(&mut self, message: &Message, epoch: u64) -> Result<(), Error> {
        match message.handshake_type() {
            HandshakeType::KEY_UPDATE => {
                let request = messages::parse_key_update(message.body())?;
                self.core.handle_key_update(epoch, request)
            }
            // Sessions are not resumed: WebRTC makes new certificates for every call.
            HandshakeType::NEW_SESSION_TICKET if self.core.side == Side::Client => {
                messages::check_new_session_ticket(message.body())
            }
            _ => Err(Error::unexpected(
                "a handshake message that has no place after the handshake",
                "RFC 8446 §4.6",
            )),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.core.handle_timeout(now);
        if self.core.state == State::Failed {
            self.handshake = Handshake::Done;
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.core.poll_timeout()
    }

    pub(crate) fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<usize> {
        let start = buf.len();
        match self.core.poll_transmit(now, buf) {
            Ok(size) => size,
            Err(error) => {
                buf.truncate(start);
                self.core.fail(error);
                None
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.core.poll_event()
    }

    pub(crate) fn seal_application_data(
        &mut self,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Error> {
        if self.core.state != State::Connected {
            return Err(Error::NotConnected);
        }
        let len = buf.len().saturating_sub(start + UnifiedHeader::SENT_LEN);
        if len > MAX_PLAINTEXT {
            return Err(Error::RecordTooLarge { len });
        }
        let epoch = self.core.records.write_epoch();
        self.core.records.seal(epoch, ContentType::ApplicationData, buf, start)?;
        self.core.statistics.application_records_sent += 1;
        self.core.check_limits();
        Ok(())
    }

    pub(crate) fn export_keying_material(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Error> {
        // RFC 8446 §7.5: an absent context is an empty one.
        self.core.export(label, context.unwrap_or_default(), out)
    }

    pub(crate) fn update_keys(&mut self, request_peer: bool) -> Result<(), Error> {
        if self.core.state != State::Connected {
            return Err(Error::NotConnected);
        }
        self.core.request_key_update(request_peer);
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        self.core.close();
        self.handshake = Handshake::Done;
    }

    pub(crate) fn reject(&mut self, alert: AlertDescription) {
        self.core.fail(Error::Rejected(alert));
        self.handshake = Handshake::Done;
    }

    pub(crate) fn state(&self) -> State {
        self.core.state
    }

    pub(crate) fn statistics(&self) -> &Statistics {
        &self.core.statistics
    }

    pub(crate) fn statistics_mut(&mut self) -> &mut Statistics {
        &mut self.core.statistics
    }
}

/// Whether an encrypted record that came before the ServerHello may be one of the handshake's, and worth keeping.
pub(crate) fn is_worth_keeping(header: &UnifiedHeader) -> bool {
    u64::from(header.epoch_bits) == HANDSHAKE_EPOCH & 3
}

/// Appends a plaintext ACK for the records of epoch 0 that came, perhaps none: there are others that cannot be read yet
/// (RFC 9147 §7.1).
pub(crate) fn write_plaintext_ack(sequence: u64, received: &[u64], out: &mut Vec<u8>) {
    let numbers: Vec<_> =
        received.iter().map(|&sequence| RecordNumber { epoch: 0, sequence }).collect();
    let at = out.len();
    out.extend_from_slice(&[0; PlaintextHeader::LEN]);
    ack::write(&numbers, out);
    let header = PlaintextHeader {
        content_type: ContentType::Ack,
        version: ProtocolVersion::Dtls12.to_wire(),
        epoch: 0,
        sequence,
        length: (out.len() - at - PlaintextHeader::LEN) as u16,
    };
    out[at..at + PlaintextHeader::LEN].copy_from_slice(&header.to_wire());
}

/// Reads bytes as every message that only DTLS 1.3 has, and compares what is written with what was read.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz_messages(data: &[u8]) {
    if let Some(numbers) = ack::parse(data) {
        let mut out = Vec::new();
        ack::write(&numbers, &mut out);
        assert_eq!(out, data);
    }
    if let Ok(verify) = messages::CertificateVerify::parse(data) {
        let mut out = Vec::new();
        verify.write(&mut out);
        assert_eq!(out, data);
    }
    if let Ok(certificate) = messages::Certificate::parse(data) {
        let mut out = Vec::new();
        let chain: Vec<&[u8]> = certificate.chain.iter().map(Vec::as_slice).collect();
        messages::Certificate::write(&certificate.context, &chain, &mut out);
        assert_eq!(messages::Certificate::parse(&out), Ok(certificate));
    }
    if let Ok(request) = messages::CertificateRequest::parse(data) {
        let mut out = Vec::new();
        request.write(&mut out);
        assert_eq!(messages::CertificateRequest::parse(&out), Ok(request));
    }
    let _ = messages::EncryptedExtensions::parse(data);
    let _ = messages::parse_key_update(data);
    let _ = messages::check_new_session_ticket(data);
}
