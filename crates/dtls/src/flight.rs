//! A flight of handshake messages: cut into records on demand, sent again as a whole or without what was acknowledged
//! (RFC 9147 §5.7, §5.8, §7.2; RFC 6347 §4.2.4).
//!
//! All messages of a flight lie end to end in one space of bytes. What a record covers, what was acknowledged and how
//! far transmission has come are ranges of that space.

use std::collections::VecDeque;

use crate::{
    handshake::{FragmentHeader, HandshakeType, MESSAGE_HEADER, Message},
    range_set::RangeSet,
    record::ContentType,
};

/// Most records of one flight whose acknowledgement is recognised; the oldest are forgotten first.
const MAX_SENT_RECORDS: usize = 128;
/// Most separate pieces of a flight that can be acknowledged.
const MAX_ACKED_RANGES: usize = 64;
/// From which epoch on several messages share a record: those that DTLS 1.3 encrypts.
const FIRST_SHARED_EPOCH: u64 = 2;
/// A fragment that would be shorter than this waits for the next datagram, if there is more of the message than that.
const MIN_FRAGMENT: usize = 32;
/// Headers of a record and of a fragment.
const HEADERS: usize = 13 + FragmentHeader::LEN;
/// How much of a message a small datagram holds.
const SMALL_FRAGMENT: usize = 400;

#[derive(Clone, Debug)]
struct Item {
    content_type: ContentType,
    epoch: u64,
    sequence: u16,
    /// A message in the form of TLS, or the contents of another record.
    bytes: Vec<u8>,
    /// Where it begins in the flight.
    start: u32,
}

#[derive(Clone, Copy, Debug)]
struct SentRecord {
    epoch: u64,
    sequence: u64,
    run: Run,
}

/// What one record covers: a range of the flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    start: u32,
    end: u32,
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// No such record, or nothing new.
    Nothing,
    /// A part of the flight arrived.
    Partial,
    /// All of it arrived.
    Complete,
}

/// Messages that go out together and are sent again together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flight {
    items: Vec<Item>,
    /// Length of the whole space.
    end: u32,
    acked: RangeSet,
    /// Where transmission goes on; at `end` when all was sent.
    cursor: u32,
    records: VecDeque<SentRecord>,
}

impl Flight {
    /// Adds a handshake message.
    pub(crate) fn push(&mut self, epoch: u64, message: Message) {
        self.push_item(ContentType::Handshake, epoch, message.sequence, message.bytes);
    }

    /// Adds the ChangeCipherSpec of DTLS 1.2, which is no handshake message but belongs to a flight.
    pub(crate) fn push_change_cipher_spec(&mut self, epoch: u64) {
        self.push_item(ContentType::ChangeCipherSpec, epoch, 0, vec![1]);
    }

    fn push_item(&mut self, content_type: ContentType, epoch: u64, sequence: u16, bytes: Vec<u8>) {
        let start = self.end;
        self.end += bytes.len() as u32;
        self.items.push(Item { content_type, epoch, sequence, bytes, start });
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// About what it takes on the wire, in bytes, if its datagrams are small.
    pub(crate) fn wire_len(&self) -> usize {
        let len = self.end as usize;
        len + (self.items.len() + len / SMALL_FRAGMENT) * HEADERS
    }

    /// Takes back all acknowledgements: someone else made them up.
    pub(crate) fn forget_acknowledgements(&mut self) {
        self.acked = RangeSet::default();
    }

    /// Whether any part was acknowledged.
    pub(crate) fn is_partly_acked(&self) -> bool {
        !self.acked.is_empty()
    }

    /// Whether something is still to be sent in this round.
    pub(crate) fn is_sending(&self) -> bool {
        self.acked.next_gap(self.cursor, self.end).is_some()
    }

    /// Starts another round: everything that was not acknowledged goes out again.
    pub(crate) fn restart(&mut self) {
        self.cursor = 0;
    }

    /// Forgets all messages.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn item_at(&self, position: u32) -> usize {
        self.items.partition_point(|item| item.start <= position) - 1
    }

    /// The epoch and the type of the record that is due.
    pub(crate) fn next_record(&self) -> Option<(u64, ContentType)> {
        let (start, _) = self.acked.next_gap(self.cursor, self.end)?;
        let item = &self.items[self.item_at(start)];
        Some((item.epoch, item.content_type))
    }

    /// Appends the contents of the record that is due, at most `room` bytes: in encrypted records of DTLS 1.3, fragments of
    /// as many messages as fit; otherwise of one.
    /// `None` if nothing fits. `fresh` tells that the datagram is empty, so that waiting would not help.
    pub(crate) fn write_record(
        &mut self,
        room: usize,
        fresh: bool,
        out: &mut Vec<u8>,
    ) -> Option<Run> {
        let (start, gap_end) = self.acked.next_gap(self.cursor, self.end)?;
        let first = self.item_at(start);
        let (epoch, content_type) = (self.items[first].epoch, self.items[first].content_type);
        let mut position = start;
        let mut left = room;
        for item in &self.items[first..] {
            if item.epoch != epoch || item.content_type != content_type || position >= gap_end {
                break;
            }
            let written = if content_type == ContentType::Handshake {
                let limit = gap_end.min(item.start + item.bytes.len() as u32);
                let empty = fresh && position == start;
                item.write_fragment(position, limit, left, empty, out)
            } else {
                (left >= item.bytes.len()).then(|| {
                    out.extend_from_slice(&item.bytes);
                    (item.bytes.len(), item.start + item.bytes.len() as u32)
                })
            };
            let Some((len, reached)) = written else { break };
            left -= len;
            position = reached;
            // Without encryption a record costs little, and there are peers of DTLS 1.2 that look at the first message of
            // a record only when they decide whether a flight is a repetition.
            if reached < item.start + item.bytes.len() as u32 || epoch < FIRST_SHARED_EPOCH {
                break;
            }
        }
        (position > start).then(|| {
            self.cursor = position;
            Run { start, end: position }
        })
    }

    /// Remembers which record a run went out in, so that an ACK for it is understood.
    pub(crate) fn sent(&mut self, epoch: u64, sequence: u64, run: Run) {
        if self.records.len() == MAX_SENT_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(SentRecord { epoch, sequence, run });
    }

    /// Takes an acknowledgement of one record. A record counts as acknowledged once it was in any ACK (RFC 9147 §7.2).
    pub(crate) fn acknowledge(&mut self, epoch: u64, sequence: u64) -> Acknowledgement {
        let Some(index) = self
            .records
            .iter()
            .position(|record| record.epoch == epoch && record.sequence == sequence)
        else {
            return Acknowledgement::Nothing;
        };
        let Some(SentRecord { run, .. }) = self.records.remove(index) else {
            return Acknowledgement::Nothing;
        };
        if self.acked.contains(run.start, run.end)
            || !self.acked.insert(run.start, run.end, MAX_ACKED_RANGES)
        {
            return Acknowledgement::Nothing;
        }
        if self.acked.contains(0, self.end) {
            Acknowledgement::Complete
        } else {
            Acknowledgement::Partial
        }
    }
}

impl Item {
    /// Appends one fragment that begins at `position` and reaches at most to `limit`, both in the space of the flight.
    /// Returns its length on the wire and the position it reached.
    fn write_fragment(
        &self,
        position: u32,
        limit: u32,
        room: usize,
        empty: bool,
        out: &mut Vec<u8>,
    ) -> Option<(usize, u32)> {
        let header = MESSAGE_HEADER as u32;
        // The first four bytes of the space stand for the header, which every fragment repeats.
        let offset = (position - self.start).saturating_sub(header);
        let wanted = (limit - self.start).saturating_sub(header).saturating_sub(offset) as usize;
        let space = room.checked_sub(FragmentHeader::LEN)?;
        let len = wanted.min(space);
        if len < wanted && len < if empty { 1 } else { MIN_FRAGMENT } {
            return None;
        }
        let fragment = FragmentHeader {
            handshake_type: HandshakeType(self.bytes[0]),
            length: (self.bytes.len() - MESSAGE_HEADER) as u32,
            sequence: self.sequence,
            offset,
            fragment_length: len as u32,
        };
        out.extend_from_slice(&fragment.to_wire());
        let from = MESSAGE_HEADER + offset as usize;
        out.extend_from_slice(&self.bytes[from..from + len]);
        Some((FragmentHeader::LEN + len, self.start + header + offset + len as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec::Reader, reassembler::Reassembler};

    fn flight(lengths: &[usize]) -> (Flight, Vec<Message>) {
        let mut flight = Flight::default();
        let mut messages = Vec::new();
        for (sequence, &length) in lengths.iter().enumerate() {
            let message = Message::build(sequence as u16, HandshakeType::CERTIFICATE, |out| {
                out.extend((0..length).map(|at| (at * 7 + sequence) as u8));
            });
            flight.push(2, message.clone());
            messages.push(message);
        }
        (flight, messages)
    }

    fn deliver(reassembler: &mut Reassembler, record: &[u8]) {
        let mut reader = Reader::new(record);
        while !reader.is_empty() {
            let (header, body) = FragmentHeader::read(&mut reader).unwrap();
            reassembler.insert(&header, body);
        }
    }

    /// Records get lost and acknowledged at random; every round sends only what is missing; all arrives.
    #[test]
    fn only_what_is_missing_goes_out_again() {
        for seed in 0..50_u64 {
            let mut state = seed;
            let mut random = move |below: u64| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 33) % below
            };
            let (mut flight, messages) = flight(&[0, 500, 1, 33, 1200, 0]);
            let total: usize = messages.iter().map(|message| message.bytes.len()).sum();
            let mut reassembler = Reassembler::default();
            let mut sequence = 0;
            let mut acked = 0;
            for round in 0.. {
                assert!(round < 100);
                flight.restart();
                let mut sent = 0;
                let mut out = Vec::new();
                while flight.next_record().is_some() {
                    out.clear();
                    let room = 60 + random(200) as usize;
                    let run = flight.write_record(room, true, &mut out).unwrap();
                    assert!(out.len() <= room);
                    flight.sent(2, sequence, run);
                    sent += (run.end - run.start) as usize;
                    if random(2) == 0 {
                        deliver(&mut reassembler, &out);
                        if random(3) != 0 {
                            let outcome = flight.acknowledge(2, sequence);
                            assert_ne!(outcome, Acknowledgement::Nothing);
                            acked += (run.end - run.start) as usize;
                            assert_eq!(outcome == Acknowledgement::Complete, acked == total);
                            assert_eq!(flight.acknowledge(2, sequence), Acknowledgement::Nothing);
                        }
                    }
                    sequence += 1;
                }
                assert!(sent <= total);
                if acked == total {
                    break;
                }
            }
            assert!(!flight.is_sending());
            for message in messages {
                assert_eq!(reassembler.pop(), Some(message));
            }
        }
    }

    #[test]
    fn several_messages_share_a_record_but_not_across_epochs() {
        let (mut flight, _) = flight(&[10, 10]);
        flight.push(3, Message::build(2, HandshakeType::FINISHED, |out| out.push(1)));
        let mut out = Vec::new();
        let run = flight.write_record(1000, true, &mut out).unwrap();
        assert_eq!(out.len(), 2 * 22);
        assert_eq!(run, Run { start: 0, end: 28 });
        assert_eq!(flight.next_record(), Some((3, ContentType::Handshake)));
        out.clear();
        flight.write_record(1000, true, &mut out).unwrap();
        assert_eq!(out.len(), 13);
        assert_eq!(flight.next_record(), None);
    }

    #[test]
    fn tiny_fragments_wait_for_the_next_datagram() {
        let (mut flight, _) = flight(&[100]);
        let mut out = Vec::new();
        assert!(flight.write_record(40, false, &mut out).is_none());
        assert!(flight.write_record(40, true, &mut out).is_some());
        assert_eq!(out.len(), 40);
    }
}
