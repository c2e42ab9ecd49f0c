//! What goes out: which packet is due, and what it carries (RFC 9260 §6.10: control chunks first, then data).

use super::Association;
use super::state::State;
use crate::event::Transmit;
use crate::outbound::Gate;
use crate::packet::cookie::{write_cookie_ack, write_cookie_echo};
use crate::packet::header::{COMMON_HEADER_LENGTH, CommonHeader, seal};
use crate::packet::heartbeat::Heartbeat;
use crate::packet::shutdown::{write_shutdown, write_shutdown_ack};
use std::time::{Duration, Instant};

/// Added to the two round trips before a probe, for the peer's work.
const PROBE_SLACK: Duration = Duration::from_millis(2);

impl Association {
    /// Appends the next SCTP packet to `buf`, leaving what is in it untouched. `None`: nothing may be sent now.
    ///
    /// The packet has at most [`Config::mtu`](crate::Config::mtu) bytes; the room before and after it is the caller's, for
    /// the headers of the lower layer.
    pub fn poll_transmit(&mut self, now: Instant, buf: &mut Vec<u8>) -> Option<Transmit> {
        let start = buf.len();
        if let Some(standalone) = self.standalone.pop_front() {
            self.write_header(buf, standalone.tag);
            buf.extend_from_slice(&standalone.chunk);
            return Some(self.finish(buf, start, true));
        }
        match &self.state {
            State::Closed | State::Ended => return None,
            State::CookieWait => {
                if !std::mem::take(&mut self.due.init) {
                    return None;
                }
                // RFC 9260 §8.5.1 A: the tag is zero.
                self.write_header(buf, 0);
                let init = self.local_init();
                buf.extend_from_slice(&init);
                return Some(self.finish(buf, start, true));
            }
            State::CookieEchoed { cookie } => {
                if !std::mem::take(&mut self.due.cookie_echo) {
                    return None;
                }
                let tag = self.peer?.tag;
                CommonHeader {
                    source_port: self.config.local_port,
                    destination_port: self.config.remote_port,
                    verification_tag: tag,
                }
                .write(buf);
                write_cookie_echo(buf, cookie);
                // RFC 9260 §5.1 C: data may ride along, so that the first message is there with the handshake.
                self.write_data(now, buf, start);
                return Some(self.finish(buf, start, true));
            }
            _ => {}
        }
        let tag = self.peer?.tag;
        self.start_reset_request(now);
        let gate = if self.state.sends_data() {
            self.outbound.gate(now, self.rtt.smoothed())
        } else {
            Gate::Idle
        };
        self.timers.pacing = match gate {
            Gate::Paced(at) => Some(at),
            _ => None,
        };
        if gate != Gate::Open && !self.control_is_due() {
            return None;
        }
        self.write_header(buf, tag);
        self.write_control(now, buf, start);
        if gate == Gate::Open {
            self.write_data(now, buf, start);
            // Data may have turned out to be abandoned rather than sent.
            if self.outbound.forward_due() && self.room(buf, start) >= self.control_room() {
                let room = self.room(buf, start);
                self.outbound.write_forward_tsn(now, buf, room);
                self.arm_data_timer(now);
            }
        }
        if buf.len() == start + COMMON_HEADER_LENGTH {
            buf.truncate(start);
            return None;
        }
        let needs_checksum =
            !self.negotiated.is_some_and(|negotiated| negotiated.zero_checksum_send);
        Some(self.finish(buf, start, needs_checksum))
    }

    fn control_is_due(&self) -> bool {
        let due = &self.due;
        self.ack.due
            || due.cookie_ack
            || due.heartbeat
            || due.shutdown
            || due.shutdown_ack
            || !self.control.is_empty()
            || self.reset.request_due()
            || self.outbound.forward_due()
    }

    fn write_header(&self, buf: &mut Vec<u8>, verification_tag: u32) {
        CommonHeader {
            source_port: self.config.local_port,
            destination_port: self.config.remote_port,
            verification_tag,
        }
        .write(buf);
    }

    fn finish(&mut self, buf: &mut [u8], start: usize, checksum: bool) -> Transmit {
        if checksum {
            seal(&mut buf[start..]);
        }
        self.statistics.packets_sent += 1;
        Transmit { size: buf.len() - start }
    }

    fn room(&self, buf: &[u8], start: usize) -> usize {
        self.mtu.saturating_sub(buf.len() - start)
    }

    fn write_control(&mut self, now: Instant, buf: &mut Vec<u8>, start: usize) {
        if std::mem::take(&mut self.due.cookie_ack) {
            write_cookie_ack(buf);
        }
        if !self.control.is_empty() {
            buf.append(&mut self.control);
        }
        // A SACK that would be sent soon rides along now.
        if self.ack.due || self.ack.packets > 0 {
            let room = self.room(buf, start);
            if let Some(inbound) = &mut self.inbound {
                inbound.write_sack(buf, room);
                self.ack = super::AckState { packets: 0, due: false, announced: inbound.a_rwnd() };
                self.timers.ack = None;
            }
        }
        if self.due.heartbeat && self.room(buf, start) >= 24 {
            self.due.heartbeat = false;
            if let Some(sent_at) = self.heartbeat_outstanding {
                Heartbeat { ack: false, info: &self.heartbeat_info(sent_at) }.write(buf);
            }
        }
        if self.reset.request_due() && self.room(buf, start) >= 256 {
            self.write_reset_request(buf);
        }
        // Half a packet or another one: it lists a stream for each message skipped.
        if self.outbound.forward_due()
            && self.state.sends_data()
            && self.room(buf, start) >= self.control_room()
        {
            let room = self.room(buf, start);
            self.outbound.write_forward_tsn(now, buf, room);
            self.arm_data_timer(now);
        }
        if self.due.shutdown && self.room(buf, start) >= 8 {
            self.due.shutdown = false;
            if let Some(inbound) = &self.inbound {
                write_shutdown(buf, inbound.cumulative());
            }
        }
        if self.due.shutdown_ack && self.room(buf, start) >= 4 {
            self.due.shutdown_ack = false;
            write_shutdown_ack(buf);
        }
    }

    fn write_data(&mut self, now: Instant, buf: &mut Vec<u8>, start: usize) {
        let room = self.room(buf, start);
        let immediate = self.state == State::ShutdownPending;
        let written = self.outbound.write(now, buf, room, immediate);
        self.statistics.bytes_sent += written.new_bytes as u64;
        if written.chunks > 0 {
            self.arm_data_timer(now);
            if written.new_bytes > 0 {
                self.arm_probe(now);
            }
        }
        self.collect_send_events();
        // The last message may have been dropped rather than sent.
        if matches!(self.state, State::ShutdownPending | State::ShutdownReceived) {
            self.advance_shutdown(now);
        }
    }

    /// Two round trips of silence make us ask (RFC 8985 §7.2). The last chunk of a burst asks for its SACK at once
    /// (RFC 7053), so a peer's delayed SACK is no reason for silence.
    pub(super) fn arm_probe(&mut self, now: Instant) {
        self.timers.probe = match self.rtt.smoothed() {
            Some(round_trip) if self.outbound.in_flight() > 0 => {
                // Where T3-rtx comes as soon as that, leave it to it.
                Some(now + round_trip * 2 + PROBE_SLACK)
                    .filter(|at| self.timers.data.is_some_and(|data| *at < data))
            }
            _ => None,
        };
    }

    fn arm_data_timer(&mut self, now: Instant) {
        // RFC 9260 §6.3.2 R1.
        if self.timers.data.is_none() {
            self.timers.data = Some(now + self.rtt.rto());
        }
    }
}
