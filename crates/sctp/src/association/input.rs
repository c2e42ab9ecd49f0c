//! What the peer sends: header checks, the walk through the chunks, and each chunk's effect (RFC 9260 §6, §8.4, §8.5).
//! Nothing here returns an error: what does not fit is counted and dropped.

use super::Association;
use super::state::State;
use crate::error::Error;
use crate::event::Event;
use crate::inbound::{Incoming, Outcome};
use crate::packet::abort::{ABORT, REFLECTED_TAG};
use crate::packet::cause::{CauseCode, write_cause};
use crate::packet::cookie::{COOKIE_ACK, COOKIE_ECHO};
use crate::packet::data::{DATA, Data};
use crate::packet::error::{ERROR, OperationError};
use crate::packet::forward_tsn::{FORWARD_TSN, ForwardTsn};
use crate::packet::header::{COMMON_HEADER_LENGTH, Checksum, CommonHeader, check, crc_is_zero};
use crate::packet::heartbeat::{HEARTBEAT, HEARTBEAT_ACK, Heartbeat};
use crate::packet::idata::{I_DATA, IData};
use crate::packet::iforward_tsn::{I_FORWARD_TSN, IForwardTsn};
use crate::packet::init::{INIT, INIT_ACK};
use crate::packet::reconfig::RE_CONFIG;
use crate::packet::sack::{SACK, Sack};
use crate::packet::shutdown::{SHUTDOWN, SHUTDOWN_ACK, SHUTDOWN_COMPLETE};
use crate::packet::tlv::{Chunks, Parameters, RawChunk, UnknownRule};
use crate::serial::Tsn;
use std::time::{Duration, Instant};

/// Bytes of an unknown chunk quoted back to its sender.
const MAX_QUOTE: usize = 64;

/// What the data of one packet means for the SACK.
#[derive(Clone, Copy, Debug, Default)]
struct PacketData {
    seen: bool,
    /// The SACK must not be delayed.
    urgent: bool,
}

impl Association {
    /// Takes one SCTP packet, as the lower layer delivered it.
    ///
    /// # Errors
    ///
    /// None today: whatever a peer sends is handled or counted in [`Statistics`](crate::Statistics).
    pub fn handle_input(&mut self, now: Instant, packet: &[u8]) -> Result<(), Error> {
        if self.accept(packet) {
            self.statistics.packets_received += 1;
            self.process(now, packet);
        } else {
            self.statistics.packets_discarded += 1;
        }
        Ok(())
    }

    /// Ports, verification tag (RFC 9260 §8.5) and checksum (§6.8, RFC 9653).
    fn accept(&self, packet: &[u8]) -> bool {
        let Ok(header) = CommonHeader::parse(packet) else { return false };
        if header.source_port != self.config.remote_port
            || header.destination_port != self.config.local_port
        {
            return false;
        }
        let Some(Ok(first)) = Chunks::new(&packet[COMMON_HEADER_LENGTH..]).next() else {
            return false;
        };
        let ours = self.local.tag;
        let tag = header.verification_tag;
        let tag_fits = match first.kind {
            INIT => tag == 0,
            // The cookie says which tag it must be.
            COOKIE_ECHO => true,
            ABORT | SHUTDOWN_COMPLETE if first.flags & REFLECTED_TAG != 0 => {
                self.peer.is_some_and(|peer| peer.tag == tag)
            }
            _ => tag == ours,
        };
        tag_fits
            && match check(packet) {
                Checksum::Correct => true,
                Checksum::Zero => {
                    // RFC 9653 §5.3: packets that set up the association carry the CRC always.
                    (self.config.zero_checksum && !matches!(first.kind, INIT | COOKIE_ECHO))
                        || crc_is_zero(packet)
                }
                Checksum::Wrong => false,
            }
    }

    fn process(&mut self, now: Instant, packet: &[u8]) {
        if self.state == State::Ended {
            self.answer_after_the_end(packet);
            return;
        }
        let mut data = PacketData::default();
        for (index, chunk) in Chunks::new(&packet[COMMON_HEADER_LENGTH..]).enumerate() {
            let Ok(raw) = chunk else {
                self.statistics.chunks_discarded += 1;
                break;
            };
            match raw.kind {
                DATA | I_DATA => self.on_data(raw, &mut data),
                SACK => self.on_sack(now, raw),
                // RFC 9260 §3.3.2, §3.3.3: these travel alone.
                INIT | INIT_ACK | SHUTDOWN_COMPLETE if index > 0 => {
                    self.statistics.chunks_discarded += 1;
                }
                INIT => {
                    self.on_init(raw);
                    break;
                }
                INIT_ACK => {
                    self.on_init_ack(now, raw);
                    break;
                }
                COOKIE_ECHO => {
                    // RFC 9260 §3.3.11: first in its packet; the tag belongs to the cookie.
                    let tag =
                        CommonHeader::parse(packet).map_or(0, |header| header.verification_tag);
                    if index > 0 || !self.on_cookie_echo(now, tag, raw) {
                        break;
                    }
                }
                COOKIE_ACK => self.on_cookie_ack(now),
                HEARTBEAT => self.on_heartbeat(raw),
                HEARTBEAT_ACK => self.on_heartbeat_ack(now, raw),
                FORWARD_TSN | I_FORWARD_TSN => self.on_forward_tsn(raw, &mut data),
                RE_CONFIG => self.on_reconfig(now, raw),
                SHUTDOWN => self.on_shutdown(now, raw),
                SHUTDOWN_ACK => self.on_shutdown_ack(),
                SHUTDOWN_COMPLETE => self.on_shutdown_complete(),
                ABORT => self.on_abort(raw),
                ERROR => self.on_error(now, raw),
                _ => {
                    if self.on_unknown(raw) {
                        break;
                    }
                }
            }
            if self.state == State::Ended {
                return;
            }
        }
        if data.seen {
            self.after_data(now, data);
        }
    }

    /// RFC 9260 §3.2: the upper bits say what to do. Returns whether to stop.
    fn on_unknown(&mut self, raw: RawChunk<'_>) -> bool {
        self.statistics.chunks_discarded += 1;
        let rule = UnknownRule::for_chunk(raw.kind);
        if rule.report && self.state.is_connected() {
            let quote = &raw.whole[..raw.whole.len().min(MAX_QUOTE)];
            self.push_control(|buf| {
                let mut causes = Vec::new();
                write_cause(&mut causes, CauseCode::UNRECOGNIZED_CHUNK, quote);
                OperationError { causes: &causes }.write(buf);
            });
        }
        rule.stop
    }

    fn on_data(&mut self, raw: RawChunk<'_>, data: &mut PacketData) {
        let (Some(negotiated), true) = (self.negotiated, self.state.takes_data()) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        // RFC 8260 §2.2.2: one kind of chunk an association, the other is a violation.
        let incoming = if raw.kind == I_DATA {
            IData::parse(raw.flags, raw.value).ok().filter(|_| negotiated.interleaving).map(|c| {
                (
                    c.flags,
                    Incoming {
                        tsn: c.tsn,
                        stream: c.stream,
                        unordered: c.flags.unordered(),
                        begin: c.flags.begin(),
                        end: c.flags.end(),
                        number: c.mid.0,
                        fsn: c.fsn.0,
                        ppid: c.ppid,
                        payload: c.payload,
                    },
                )
            })
        } else {
            Data::parse(raw.flags, raw.value).ok().filter(|_| !negotiated.interleaving).map(|c| {
                (
                    c.flags,
                    Incoming {
                        tsn: c.tsn,
                        stream: c.stream,
                        unordered: c.flags.unordered(),
                        begin: c.flags.begin(),
                        end: c.flags.end(),
                        number: u32::from(c.ssn.0),
                        fsn: 0,
                        ppid: c.ppid,
                        payload: c.payload,
                    },
                )
            })
        };
        let (Some((flags, incoming)), Some(inbound)) = (incoming, &mut self.inbound) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        data.seen = true;
        data.urgent |= flags.immediate();
        if incoming.payload.is_empty() {
            // RFC 9260 §6.2: an ABORT with "No User Data".
            let tsn = incoming.tsn.0.to_be_bytes();
            self.abort_with_bytes(
                CauseCode::NO_USER_DATA,
                &tsn,
                "a DATA chunk carried no user data",
            );
            return;
        }
        if incoming.stream.0 >= negotiated.incoming_streams {
            // RFC 9260 §6.5: acknowledged, reported, not delivered.
            inbound.discard(incoming.tsn);
            let mut information = [0; 4];
            information[..2].copy_from_slice(&incoming.stream.0.to_be_bytes());
            self.push_control(|buf| {
                let mut causes = Vec::new();
                write_cause(&mut causes, CauseCode::INVALID_STREAM, &information);
                OperationError { causes: &causes }.write(buf);
            });
            return;
        }
        if self.reset.holds_back(incoming.stream, incoming.tsn) {
            self.statistics.data_refused += 1;
            data.urgent = true;
            return;
        }
        match inbound.on_fragment(&incoming) {
            Outcome::Taken => {}
            Outcome::Duplicate => {
                self.statistics.duplicates_received += 1;
                data.urgent = true;
            }
            Outcome::Refused => {
                self.statistics.data_refused += 1;
                data.urgent = true;
            }
            Outcome::TooLong => {
                let limit = self.config.max_message_size;
                self.abort_with(
                    CauseCode::PROTOCOL_VIOLATION,
                    &format!("a message is longer than the {limit} bytes of a=max-message-size"),
                );
            }
        }
    }

    /// Delivers, and decides when to acknowledge (RFC 9260 §6.2).
    fn after_data(&mut self, now: Instant, data: PacketData) {
        self.deliver();
        self.perform_deferred_reset();
        let Some(inbound) = &self.inbound else { return };
        self.ack.packets += 1;
        if data.urgent
            || self.ack.packets >= 2
            || inbound.has_gaps()
            || self.state == State::ShutdownSent
            || self.config.delayed_ack.is_zero()
        {
            self.ack.due = true;
        } else if self.timers.ack.is_none() {
            self.timers.ack = Some(now + self.config.delayed_ack);
        }
        // RFC 9260 §9.2: in SHUTDOWN-SENT, data is answered with a SHUTDOWN too.
        if self.state == State::ShutdownSent {
            self.due.shutdown = true;
            self.timers.shutdown = Some(now + self.rtt.rto());
        }
    }

    fn deliver(&mut self) {
        let Some(inbound) = &mut self.inbound else { return };
        let mut discarded = 0;
        for message in inbound.ready.drain(..) {
            self.statistics.messages_received += 1;
            self.statistics.bytes_received += message.data.len() as u64;
            discarded += self.events.push_message(message);
        }
        if discarded > 0 {
            self.release(discarded);
        }
    }

    fn on_forward_tsn(&mut self, raw: RawChunk<'_>, data: &mut PacketData) {
        let (Some(negotiated), Some(inbound)) = (self.negotiated, &mut self.inbound) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        if !self.state.takes_data() || !negotiated.partial_reliability {
            self.statistics.chunks_discarded += 1;
            return;
        }
        let news = if raw.kind == I_FORWARD_TSN {
            IForwardTsn::parse(raw.value).ok().filter(|_| negotiated.interleaving).map(|forward| {
                inbound.forward_interleaved(
                    forward.new_cumulative_tsn,
                    forward
                        .streams()
                        .map(|skipped| (skipped.stream, skipped.unordered, skipped.mid)),
                )
            })
        } else {
            ForwardTsn::parse(raw.value)
                .ok()
                .filter(|_| !negotiated.interleaving)
                .map(|forward| inbound.forward(forward.new_cumulative_tsn, forward.streams()))
        };
        match news {
            Some(_) => {
                // RFC 3758 §3.6: answered at once when it is old, and soon when it is new. Soon and at once are one here: the
                // sender waits for it to drop what it holds.
                data.seen = true;
                data.urgent = true;
            }
            None => self.statistics.chunks_discarded += 1,
        }
    }

    fn on_sack(&mut self, now: Instant, raw: RawChunk<'_>) {
        let Ok(sack) = Sack::parse(raw.value) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        if !self.state.is_connected() {
            self.statistics.chunks_discarded += 1;
            return;
        }
        match self.outbound.on_sack(now, &sack, &mut self.rtt) {
            Some(outcome) => self.after_sack(now, outcome),
            None => self.statistics.chunks_discarded += 1,
        }
    }

    pub(super) fn on_cumulative_ack(&mut self, now: Instant, cumulative: Tsn) {
        if let Some(outcome) = self.outbound.on_cumulative(now, cumulative, &mut self.rtt) {
            self.after_sack(now, outcome);
        }
    }

    fn after_sack(&mut self, now: Instant, outcome: crate::outbound::SackOutcome) {
        // A peer that answers is there, even one whose window stays shut (RFC 9260 §6.1 A).
        self.errors = 0;
        if outcome.acked_bytes > 0 || outcome.cumulative_advanced {
            self.rtt.clear_backoff();
            // RFC 9260 §6.3.2 R2, R3.
            self.timers.data = self.outbound.needs_timer().then(|| now + self.rtt.rto());
            self.arm_probe(now);
        }
        self.collect_send_events();
        self.advance_shutdown(now);
    }

    fn on_heartbeat(&mut self, raw: RawChunk<'_>) {
        let Ok(heartbeat) = Heartbeat::parse(false, raw.value) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        if self.state.is_connected() {
            self.push_control(|buf| Heartbeat { ack: true, info: heartbeat.info }.write(buf));
        }
    }

    fn on_heartbeat_ack(&mut self, now: Instant, raw: RawChunk<'_>) {
        // Our nonce and the time of sending come back, so that a late answer counts as well.
        let sent_at = Heartbeat::parse(true, raw.value).ok().and_then(|ack| {
            let micros = u64::from_be_bytes(ack.info.get(8..16)?.try_into().ok()?);
            let sent_at = self.born.checked_add(Duration::from_micros(micros))?;
            (ack.info == self.heartbeat_info(sent_at) && sent_at <= now).then_some(sent_at)
        });
        let (Some(sent_at), true) = (sent_at, self.state.is_connected()) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        // RFC 9260 §8.3
        self.clear_errors();
        self.rtt.measured(now.saturating_duration_since(sent_at));
        self.heartbeat_outstanding = None;
        self.arm_heartbeat(now);
    }

    /// What a HEARTBEAT carries: who made it, and when.
    pub(super) fn heartbeat_info(&self, sent_at: Instant) -> [u8; 16] {
        let micros = sent_at.saturating_duration_since(self.born).as_micros() as u64;
        let mut info = [0; 16];
        info[..8].copy_from_slice(&self.cookie_nonce.to_be_bytes());
        info[8..].copy_from_slice(&micros.to_be_bytes());
        info
    }

    fn on_error(&mut self, now: Instant, raw: RawChunk<'_>) {
        for cause in Parameters::new(OperationError::parse(raw.value).causes) {
            let Ok(cause) = cause else { break };
            if CauseCode(cause.kind) == CauseCode::STALE_COOKIE {
                self.on_stale_cookie(now);
            }
        }
    }

    fn abort_with_bytes(&mut self, code: CauseCode, information: &[u8], reason: &str) {
        if let Some(peer) = self.peer {
            let mut causes = Vec::new();
            write_cause(&mut causes, code, information);
            let mut chunk = Vec::new();
            crate::packet::abort::Abort { reflected_tag: false, causes: &causes }.write(&mut chunk);
            self.push_standalone(peer.tag, chunk);
        }
        self.end(Event::Aborted {
            by_peer: false,
            user_initiated: false,
            reason: format!("{}: {reason}", code.name()),
        });
    }
}
