//! DTLS 1.2 (RFC 6347): one connection, from the message that chose the version to the end.
//!
//! | file | what |
//! |---|---|
//! | `core` | what both roles share: flights, timers, transcript, alerts |
//! | `client`, `server` | the handshakes, as functions from state and message to state |
//! | `authentication` | certificates and signatures |
//! | `records` | the two epochs and their keys |
//! | `protection` | one key: AEAD and nonces |
//! | `key_schedule` | from the premaster secret to keys, Finished and exporters |
//! | `messages` | codecs |

mod authentication;
mod client;
mod core;
mod key_schedule;
mod messages;
mod protection;
mod records;
mod server;
#[cfg(test)]
mod tests;

use std::{fmt, ops::Range, time::Instant};

use self::{
    core::Core,
    records::{OpenFailure, PROTECTED_EPOCH},
};
use crate::{
    alert::AlertDescription,
    error::Error,
    event::{ApplicationData, Event, State},
    handover::{ClientOffer, Handover},
    handshake::{ClientHello, Message, ServerHello},
    record::{ContentType, MAX_PLAINTEXT, PlaintextHeader, RecordHeader},
    statistics::Statistics,
    version::ProtocolVersion,
};

enum Handshake {
    Client(client::State),
    Server(server::State),
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

/// A connection of DTLS 1.2.
#[derive(Debug)]
pub(crate) struct Connection {
    core: Core,
    handshake: Handshake,
}

impl Connection {
    /// Goes on as a client after the ServerHello, which chose DTLS 1.2. Where that message is not acceptable, the
    /// connection has failed, and has an alert to send.
    pub(crate) fn client(
        handover: Handover,
        offer: ClientOffer,
        message: &Message,
        server_hello: ServerHello,
        now: Instant,
    ) -> Self {
        match client::start(handover, offer, message, &server_hello, now) {
            Ok((core, state)) => Self { core, handshake: Handshake::Client(state) },
            Err((core, error)) => Self::failed(*core, error),
        }
        .with_messages_at_hand(now)
    }

    /// Goes on as a server after the ClientHello. Where that is not acceptable, the connection has failed, and has an
    /// alert to send. `downgrade` tells whether we would have spoken DTLS 1.3 (RFC 8446 §4.1.3).
    pub(crate) fn server(
        handover: Handover,
        hello: ClientHello,
        message: &Message,
        downgrade: bool,
        now: Instant,
    ) -> Self {
        match server::start(handover, hello, message, downgrade, now) {
            Ok((core, state)) => Self { core, handshake: Handshake::Server(state) },
            Err((core, error)) => Self::failed(*core, error),
        }
    }

    fn failed(mut core: Core, error: Error) -> Self {
        core.fail(error);
        Self { core, handshake: Handshake::Done }
    }

    /// The record of the ServerHello may have held more messages.
    fn with_messages_at_hand(mut self, now: Instant) -> Self {
        if let Err(error) = self.handle_messages(now) {
            self.fail(error);
        }
        self
    }

    fn fail(&mut self, error: Error) {
        self.core.fail(error);
        self.handshake = Handshake::Done;
    }

    fn has_ended(&self) -> bool {
        matches!(self.core.state, State::Closed | State::Failed)
    }

    /// Takes the records of a datagram from `from` on.
    pub(crate) fn handle_datagram(
        &mut self,
        now: Instant,
        datagram: &mut [u8],
        from: usize,
        application_data: &mut ApplicationData,
    ) -> Result<(), Error> {
        self.core.note_received(datagram.len() - from);
        let mut at = from;
        while at < datagram.len() {
            if self.has_ended() {
                self.core.statistics.dropped_after_close += 1;
                return Ok(());
            }
            let Some(RecordHeader::Plaintext(header)) = RecordHeader::parse(&datagram[at..]) else {
                self.core.statistics.dropped_malformed += 1;
                break;
            };
            let end = at + PlaintextHeader::LEN + usize::from(header.length);
            let outcome = match self.handle_record(now, &header, &mut datagram[at..end]) {
                Ok(Some(range)) => {
                    application_data.push(at + range.start..at + range.end);
                    Ok(())
                }
                Ok(None) => self.handle_early(now),
                Err(error) => Err(error),
            };
            if let Err(error) = outcome {
                self.fail(error.clone());
                return Err(error);
            }
            at = end;
        }
        Ok(())
    }

    /// Takes one record; gives where in it application data lies.
    fn handle_record(
        &mut self,
        now: Instant,
        header: &PlaintextHeader,
        record: &mut [u8],
    ) -> Result<Option<Range<usize>>, Error> {
        if header.version != ProtocolVersion::Dtls12.to_wire() && header.epoch != 0 {
            // RFC 6347 §4.1: before the version is known a record may say 1.0. Later it must not.
            self.core.statistics.dropped_malformed += 1;
            return Ok(None);
        }
        match header.epoch {
            0 => {
                self.handle_plaintext(now, header, &record[PlaintextHeader::LEN..])?;
                Ok(None)
            }
            PROTECTED_EPOCH => self.handle_protected(now, header, record),
            _ => {
                self.core.statistics.dropped_unknown_epoch += 1;
                Ok(None)
            }
        }
    }

    fn handle_plaintext(
        &mut self,
        now: Instant,
        header: &PlaintextHeader,
        body: &[u8],
    ) -> Result<(), Error> {
        match header.content_type {
            ContentType::Handshake => {
                // After the handshake this is the repetition of a flight, or noise.
                self.core.handle_fragments(now, 0, body)?;
                self.handle_messages(now)
            }
            // Epochs say all that it says, and cannot be forged.
            ContentType::ChangeCipherSpec => Ok(()),
            ContentType::Alert => {
                self.core.note_plaintext_alert(body);
                Ok(())
            }
            ContentType::ApplicationData | ContentType::Ack => {
                self.core.statistics.dropped_unauthenticated += 1;
                Ok(())
            }
        }
    }

    fn handle_protected(
        &mut self,
        now: Instant,
        header: &PlaintextHeader,
        record: &mut [u8],
    ) -> Result<Option<Range<usize>>, Error> {
        let core = &mut self.core;
        if core.state == State::Handshaking && !core.expects_protected() {
            core.keep_early(record);
            return Ok(None);
        }
        let range = match core.records.open(header, record) {
            Ok(range) => range,
            Err(failure) => {
                match failure {
                    OpenFailure::NoKeys => core.statistics.dropped_unknown_epoch += 1,
                    OpenFailure::Replayed => core.statistics.dropped_replayed += 1,
                    OpenFailure::BadMac => core.statistics.dropped_bad_mac += 1,
                }
                return Ok(None);
            }
        };
        if core.state == State::Handshaking {
            core.note_proof();
        }
        let content = &record[range.clone()];
        if content.len() > MAX_PLAINTEXT {
            return Err(Error::protocol(
                AlertDescription::RecordOverflow,
                "a record of more than 16384 bytes",
                "RFC 5246 §6.2.1",
            ));
        }
        match header.content_type {
            ContentType::ApplicationData if core.state == State::Connected => {
                core.statistics.application_records_received += 1;
                core.note_application_data();
                return Ok(Some(range));
            }
            ContentType::ApplicationData => core.statistics.dropped_early += 1,
            ContentType::Handshake => {
                core.handle_fragments(now, PROTECTED_EPOCH, content)?;
                self.handle_messages(now)?;
            }
            ContentType::Alert => core.handle_alert(content)?,
            ContentType::ChangeCipherSpec | ContentType::Ack => {
                return Err(Error::unexpected(
                    "a protected record of unknown content",
                    "RFC 5246 §6.2.1",
                ));
            }
        }
        Ok(None)
    }

    /// Handles the records that came too early, once they can be read.
    fn handle_early(&mut self, now: Instant) -> Result<(), Error> {
        for mut record in self.core.take_early() {
            if let Some(header) = PlaintextHeader::parse(&record)
                && !self.has_ended()
                && self.handle_protected(now, &header, &mut record)?.is_some()
            {
                // Application data in a datagram that is gone: SCTP or whatever runs above sends it again.
                self.core.statistics.application_records_received -= 1;
                self.core.statistics.dropped_early += 1;
            }
        }
        Ok(())
    }

    fn handle_messages(&mut self, now: Instant) -> Result<(), Error> {
        loop {
            // What nobody waits for stays in the reassembler, which admits nothing after the handshake.
            let handshake = std::mem::replace(&mut self.handshake, Handshake::Done);
            if matches!(handshake, Handshake::Done) {
                return Ok(());
            }
            let Some(message) = self.core.next_message() else {
                self.handshake = handshake;
                return Ok(());
            };
            self.handshake = match handshake {
                Handshake::Client(state) => {
                    match client::handle(&mut self.core, state, &message, now)? {
                        client::State::Complete => Handshake::Done,
                        state => Handshake::Client(state),
                    }
                }
                Handshake::Server(state) => {
                    match server::handle(&mut self.core, state, &message, now)? {
                        server::State::Complete => Handshake::Done,
                        state => Handshake::Server(state),
                    }
                }
                Handshake::Done => Handshake::Done,
            };
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
                self.fail(error);
                None
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.core.poll_event()
    }

    /// How many bytes [`seal_application_data`](Self::seal_application_data) needs before the plaintext.
    pub(crate) fn header_len(&self) -> usize {
        self.core.records.header_len(PROTECTED_EPOCH)
    }

    /// How many bytes a record is longer than its plaintext.
    pub(crate) fn overhead(&self) -> usize {
        self.core.records.overhead(PROTECTED_EPOCH)
    }

    pub(crate) fn seal_application_data(
        &mut self,
        buf: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Error> {
        if self.core.state != State::Connected {
            return Err(Error::NotConnected);
        }
        let len = buf.len().saturating_sub(start + self.header_len());
        if len > MAX_PLAINTEXT {
            return Err(Error::RecordTooLarge { len });
        }
        match self.core.records.seal(PROTECTED_EPOCH, ContentType::ApplicationData, buf, start) {
            Ok(_) => {
                self.core.statistics.application_records_sent += 1;
                Ok(())
            }
            Err(error) => {
                // Without renegotiation there are no other keys.
                self.fail(error.clone());
                Err(error)
            }
        }
    }

    pub(crate) fn export_keying_material(
        &self,
        label: &str,
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), Error> {
        self.core.export(label, context, out)
    }

    pub(crate) fn close(&mut self) {
        self.core.close();
        self.handshake = Handshake::Done;
    }

    pub(crate) fn reject(&mut self, alert: AlertDescription) {
        self.fail(Error::Rejected(alert));
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

/// Reads every message of this version, and compares what is written with what was read.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn fuzz_messages(data: &[u8]) {
    use messages::{CertificateRequest, DigitallySigned, ServerKeyExchange};
    let mut out = Vec::new();
    if let Ok(exchange) = ServerKeyExchange::parse(data) {
        exchange.write(&mut out);
        assert_eq!(out, data);
    }
    out.clear();
    if let Ok(signed) = DigitallySigned::parse_certificate_verify(data) {
        signed.write(&mut out);
        assert_eq!(out, data);
    }
    out.clear();
    if let Ok(request) = CertificateRequest::parse(data) {
        request.write(&mut out);
        assert_eq!(CertificateRequest::parse(&out), Ok(request));
    }
    out.clear();
    if let Ok(share) = messages::parse_client_key_exchange(data) {
        messages::write_client_key_exchange(&mut out, share);
        assert_eq!(out, data);
    }
    if let Ok(chain) = messages::parse_certificate(data)
        && let [der] = &chain[..]
    {
        out.clear();
        messages::write_certificate(&mut out, Some(der));
        assert_eq!(out, data);
    }
}
