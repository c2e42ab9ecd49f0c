//! What comes in: fragments, ACKs, and what is to be done about repetitions (RFC 9147 §5.8, §7).

use std::time::Instant;

use super::{
    ack::{self, RecordNumber},
    core::{Core, KeyUpdate},
    records::{APPLICATION_EPOCH, HANDSHAKE_EPOCH},
};
use crate::{
    error::Error,
    event::{Event, State},
    flight::Acknowledgement,
    handshake::{FragmentHeader, Message},
    reassembler::Insertion,
    side::Side,
};

impl Core {
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
        if self.side == Side::Server && !self.is_confirmed {
            // A client that repeats its hello does not have our ServerHello. ACKs that say otherwise were not protected: they
            // were made up, or came from before a late copy of the hello.
            self.flight.forget_acknowledgements();
        }
        if !self.flight.is_empty()
            && !self.flight.is_sending()
            && !self.flight.is_partly_acked()
            && !waits_for_key_update
            && self.timer.may_resend(now, self.flight.wire_len())
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
            if epoch < HANDSHAKE_EPOCH && number.epoch > epoch {
                // Anyone could have sent it; and an ACK comes in an epoch no lower than what it acknowledges (RFC 9147
                // §7). Later on, the two directions count their epochs apart from each other.
                continue;
            }
            match self.flight.acknowledge(number.epoch, number.sequence) {
                Acknowledgement::Nothing => {}
                Acknowledgement::Partial => progress = true,
                Acknowledgement::Complete => return self.handle_complete_ack(now),
            }
        }
        // An empty ACK says that the peer has a part that it cannot read yet.
        if !self.flight.is_sending()
            && (progress || is_empty && self.timer.may_resend(now, self.flight.wire_len()))
        {
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
}
