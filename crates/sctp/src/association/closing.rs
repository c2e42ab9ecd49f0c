//! The ends of an association: graceful shutdown (RFC 9260 §9.2), abort (§9.1), and failure.

use super::Association;
use super::cookie::Cookie;
use super::state::State;
use crate::event::Event;
use crate::packet::abort::{ABORT, Abort};
use crate::packet::cause::{CauseCode, describe, first_code, write_cause};
use crate::packet::cookie::COOKIE_ECHO;
use crate::packet::data::DATA;
use crate::packet::forward_tsn::FORWARD_TSN;
use crate::packet::header::{COMMON_HEADER_LENGTH, CommonHeader};
use crate::packet::heartbeat::HEARTBEAT;
use crate::packet::idata::I_DATA;
use crate::packet::iforward_tsn::I_FORWARD_TSN;
use crate::packet::reconfig::RE_CONFIG;
use crate::packet::sack::SACK;
use crate::packet::shutdown::{SHUTDOWN, SHUTDOWN_ACK, parse_shutdown, write_shutdown_complete};
use crate::packet::tlv::{Chunks, RawChunk};
use std::time::Instant;

/// Bytes of the reason that travel in an ABORT.
const MAX_REASON: usize = 128;

impl Association {
    /// Ends the association once everything queued was acknowledged; `send` takes nothing from now on.
    /// [`Event::ShutdownComplete`] tells when it is over; before the handshake is complete that is at once.
    pub fn shutdown(&mut self, now: Instant) {
        self.shutdown_wanted = true;
        match self.state {
            State::Closed | State::CookieWait | State::CookieEchoed { .. } => {
                self.end(Event::ShutdownComplete);
            }
            State::Established => {
                self.state = State::ShutdownPending;
                self.advance_shutdown(now);
            }
            _ => {}
        }
    }

    /// Ends the association now; the peer is told once, with `reason`, and what was queued is lost.
    pub fn abort(&mut self, _now: Instant, reason: &str) {
        self.abort_with(CauseCode::USER_INITIATED_ABORT, reason);
    }

    pub(super) fn abort_with(&mut self, code: CauseCode, reason: &str) {
        if self.state == State::Ended {
            return;
        }
        let mut end = reason.len().min(MAX_REASON);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut causes = Vec::new();
        write_cause(&mut causes, code, &reason.as_bytes()[..end]);
        // Kept even while there is no peer: one that holds our cookie may yet come with it.
        self.last_abort.clear();
        Abort { reflected_tag: false, causes: &causes }.write(&mut self.last_abort);
        if let Some(peer) = self.peer {
            self.standalone.clear();
            self.push_standalone(peer.tag, self.last_abort.clone());
        }
        self.end(Event::Aborted {
            by_peer: false,
            user_initiated: code == CauseCode::USER_INITIATED_ABORT,
            reason: format!("{}: {reason}", code.name()),
        });
    }

    /// Stops everything and lets go of all memory but the events.
    pub(super) fn end(&mut self, event: Event) {
        if self.state == State::Ended {
            return;
        }
        self.state = State::Ended;
        self.timers = super::state::Timers::default();
        self.due = super::Due::default();
        self.ack = super::AckState::default();
        self.control = Vec::new();
        self.inbound = None;
        self.outbound.clear();
        self.events.push(event);
    }

    pub(super) fn on_abort(&mut self, raw: RawChunk<'_>) {
        let abort = Abort::parse(raw.flags, raw.value);
        self.end(Event::Aborted {
            by_peer: true,
            user_initiated: first_code(abort.causes) == Some(CauseCode::USER_INITIATED_ABORT),
            reason: describe(abort.causes),
        });
    }

    /// Takes the next step of the shutdown if nothing of ours is left to be delivered.
    pub(super) fn advance_shutdown(&mut self, now: Instant) {
        if !self.outbound.is_drained() {
            return;
        }
        match self.state {
            State::ShutdownPending => {
                self.state = State::ShutdownSent;
                self.due.shutdown = true;
            }
            State::ShutdownReceived => {
                self.state = State::ShutdownAckSent;
                self.due.shutdown_ack = true;
            }
            _ => return,
        }
        self.errors = 0;
        self.timers.data = None;
        self.timers.heartbeat = None;
        self.timers.shutdown = Some(now + self.rtt.rto());
    }

    pub(super) fn on_shutdown(&mut self, now: Instant, raw: RawChunk<'_>) {
        let Ok(cumulative) = parse_shutdown(raw.value) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        match self.state {
            State::Established | State::ShutdownPending => {
                self.state = State::ShutdownReceived;
                self.on_cumulative_ack(now, cumulative);
                self.advance_shutdown(now);
            }
            State::ShutdownReceived => {
                self.on_cumulative_ack(now, cumulative);
                self.advance_shutdown(now);
            }
            // Both shut down at once (RFC 9260 §9.2).
            State::ShutdownSent => {
                self.state = State::ShutdownAckSent;
                self.due.shutdown = false;
                self.due.shutdown_ack = true;
                self.timers.shutdown = Some(now + self.rtt.rto());
            }
            State::ShutdownAckSent => self.due.shutdown_ack = true,
            _ => self.statistics.chunks_discarded += 1,
        }
    }

    pub(super) fn on_shutdown_ack(&mut self) {
        let Some(peer) = self.peer else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        let mut chunk = Vec::new();
        match self.state {
            State::ShutdownSent | State::ShutdownAckSent => {
                write_shutdown_complete(&mut chunk, false);
                self.push_standalone(peer.tag, chunk);
                self.end(Event::ShutdownComplete);
            }
            _ => self.statistics.chunks_discarded += 1,
        }
    }

    /// What comes when the association is over is out of the blue (RFC 9260 §8.4): our last packet was lost, and the peer
    /// is told once more. One packet is answered with one at most, and only the newest answer waits to be sent.
    pub(super) fn answer_after_the_end(&mut self, packet: &[u8]) {
        let Some((tag, chunk)) = self.last_word(packet) else {
            self.statistics.chunks_discarded += 1;
            return;
        };
        self.standalone.clear();
        self.push_standalone(tag, chunk);
    }

    /// What a packet after the end is answered with, and the tag under which the peer takes it.
    fn last_word(&self, packet: &[u8]) -> Option<(u32, Vec<u8>)> {
        let mut chunks = Chunks::new(&packet[COMMON_HEADER_LENGTH..]);
        let first = chunks.next()?.ok()?;
        // Item 2: wherever it stands. Two ends that are both over would else go on telling each other.
        if first.kind == ABORT || chunks.flatten().any(|chunk| chunk.kind == ABORT) {
            return None;
        }
        let last_abort = || (!self.last_abort.is_empty()).then(|| self.last_abort.clone());
        match first.kind {
            // Item 4: our ABORT, or the COOKIE ACK before it, was lost. The cookie must be ours, and it says under which
            // tags: they are others than the association's if the peer is starting again.
            COOKIE_ECHO => {
                let tag = CommonHeader::parse(packet).ok()?.verification_tag;
                let cookie = Cookie::parse(first.value, self.cookie_nonce)
                    .filter(|cookie| cookie.local_tag == tag)?;
                Some((cookie.peer.tag, last_abort()?))
            }
            // Item 5.
            SHUTDOWN_ACK => {
                let mut chunk = Vec::new();
                write_shutdown_complete(&mut chunk, false);
                Some((self.peer?.tag, chunk))
            }
            // Item 8. After a shutdown there is nothing to abort, and what comes is late.
            DATA | I_DATA | SACK | HEARTBEAT | RE_CONFIG | FORWARD_TSN | I_FORWARD_TSN
            | SHUTDOWN => Some((self.peer?.tag, last_abort()?)),
            _ => None,
        }
    }

    pub(super) fn on_shutdown_complete(&mut self) {
        if self.state == State::ShutdownAckSent {
            self.end(Event::ShutdownComplete);
        } else {
            self.statistics.chunks_discarded += 1;
        }
    }
}
