//! What goes out, and when: datagrams and timers.

use std::time::Instant;

use super::{
    ack,
    core::{Core, KeyUpdate},
    records::Records,
};
use crate::{
    error::Error,
    event::{Event, State},
    record::ContentType,
    side::Side,
};

impl Core {
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
            if self.unproven_peer {
                self.timer.sent_once(now);
            } else {
                self.timer.arm(now);
            }
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
