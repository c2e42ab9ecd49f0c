//! Puts fragments of handshake messages together and hands the messages out in order (RFC 9147 §5.5, RFC 6347 §4.2.3).
//!
//! Memory is bounded: [`WINDOW`] messages ahead, [`MAX_MESSAGE`] bytes each, [`MAX_BUFFERED`] bytes and
//! [`MAX_RANGES`] gaps in all. What exceeds a limit is refused, and the peer will send it again.

use crate::{
    handshake::{FragmentHeader, HandshakeType, MAX_MESSAGE, MESSAGE_HEADER, Message},
    range_set::RangeSet,
};

/// How many messages may be under way at once: the longest flight has six.
const WINDOW: usize = 10;
/// Most bytes held for messages that are not complete, or not yet due.
const MAX_BUFFERED: usize = 2 * MAX_MESSAGE;
/// Most pieces of one message with gaps between them.
const MAX_RANGES: usize = 64;

/// What became of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Insertion {
    /// It brought new bytes. `in_order` tells whether nothing is missing before it.
    New { in_order: bool },
    /// Its bytes are here already, in a message that is not complete or not yet due.
    Repeated,
    /// Its message was handed out long ago.
    Old,
    /// It contradicts an earlier fragment about the type or the length of the message.
    Conflict,
    /// It exceeds a limit.
    Refused,
}

#[derive(Clone, Debug)]
struct Partial {
    handshake_type: HandshakeType,
    /// Of the body.
    length: u32,
    /// The form of TLS, as far as there are bytes.
    bytes: Vec<u8>,
    received: RangeSet,
}

impl Partial {
    fn is_complete(&self) -> bool {
        self.received.contains(0, self.length) && self.bytes.len() >= MESSAGE_HEADER
    }
}

/// Fragments in, whole messages out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reassembler {
    /// `next_receive_seq`; one past the last number when no further message can come.
    next: u32,
    /// The messages `next`, `next + 1` and so on.
    slots: [Option<Partial>; WINDOW],
    buffered: usize,
}

impl Reassembler {
    /// Takes a fragment.
    pub(crate) fn insert(&mut self, header: &FragmentHeader, body: &[u8]) -> Insertion {
        debug_assert_eq!(header.fragment_length as usize, body.len());
        let Some(ahead) = u32::from(header.sequence).checked_sub(self.next) else {
            return Insertion::Old;
        };
        let ahead = ahead as usize;
        if ahead >= WINDOW || header.length as usize > MAX_MESSAGE - MESSAGE_HEADER {
            return Insertion::Refused;
        }
        let end = header.offset + header.fragment_length;
        let wanted = MESSAGE_HEADER + end as usize;
        let slot = &mut self.slots[ahead];
        let held = slot.as_ref().map_or(0, |partial| partial.bytes.len());
        if self.buffered + wanted.saturating_sub(held) > MAX_BUFFERED {
            return Insertion::Refused;
        }
        let partial = slot.get_or_insert_with(|| Partial {
            handshake_type: header.handshake_type,
            length: header.length,
            bytes: Vec::new(),
            received: RangeSet::default(),
        });
        if partial.handshake_type != header.handshake_type || partial.length != header.length {
            return Insertion::Conflict;
        }
        if !partial.bytes.is_empty() && partial.received.contains(header.offset, end) {
            return Insertion::Repeated;
        }
        let in_order = ahead == 0 && header.offset <= partial.received.prefix();
        if !partial.received.insert(header.offset, end, MAX_RANGES) {
            return Insertion::Refused;
        }
        if partial.bytes.is_empty() {
            partial.bytes.reserve_exact(wanted);
            partial.bytes.push(header.handshake_type.0);
            partial.bytes.extend_from_slice(&header.length.to_be_bytes()[1..]);
        }
        if partial.bytes.len() < wanted {
            partial.bytes.resize(wanted, 0);
        }
        partial.bytes[wanted - body.len()..wanted].copy_from_slice(body);
        self.buffered += partial.bytes.len() - held;
        Insertion::New { in_order }
    }

    /// The next message, if it is whole.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        if !self.slots[0].as_ref()?.is_complete() {
            return None;
        }
        let partial = self.slots[0].take()?;
        self.slots.rotate_left(1);
        self.buffered -= partial.bytes.len();
        // Fragments are numbered by 16 bits, so `next` was one of them.
        let sequence = self.next as u16;
        self.next += 1;
        Some(Message { sequence, bytes: partial.bytes })
    }

    /// The number of the message that is due.
    pub(crate) fn next_sequence(&self) -> u32 {
        self.next
    }

    /// Whether fragments are held that are not a whole message yet, or not due.
    pub(crate) fn is_waiting(&self) -> bool {
        self.buffered != 0
    }

    /// Throws away what is held; the number of the next message stays.
    pub(crate) fn clear(&mut self) {
        self.slots = Default::default();
        self.buffered = 0;
    }

    /// Starts with a given message, for a server that answered the first ClientHello without state.
    #[cfg(test)]
    pub(crate) fn starting_at(next: u16) -> Self {
        Self { next: u32::from(next), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(sequence: u16, length: u32, offset: u32, body: &[u8]) -> (FragmentHeader, Vec<u8>) {
        let header = FragmentHeader {
            handshake_type: HandshakeType::CERTIFICATE,
            length,
            sequence,
            offset,
            fragment_length: body.len() as u32,
        };
        (header, body.to_vec())
    }

    fn insert(
        reassembler: &mut Reassembler,
        (header, body): (FragmentHeader, Vec<u8>),
    ) -> Insertion {
        reassembler.insert(&header, &body)
    }

    #[test]
    fn overlapping_fragments_in_any_order_make_one_message() {
        let body: Vec<u8> = (0..200).collect();
        let pieces = [(150, 200), (0, 60), (40, 90), (80, 160), (0, 200)];
        let mut reassembler = Reassembler::default();
        let mut seen = Vec::new();
        for (start, end) in pieces {
            seen.push(insert(&mut reassembler, fragment(0, 200, start as u32, &body[start..end])));
        }
        assert_eq!(
            seen,
            [
                Insertion::New { in_order: false },
                Insertion::New { in_order: true },
                Insertion::New { in_order: true },
                Insertion::New { in_order: true },
                Insertion::Repeated
            ]
        );
        let message = reassembler.pop().unwrap();
        assert_eq!(message.body(), body);
        assert_eq!(message.bytes[..4], [11, 0, 0, 200]);
        assert!(!reassembler.is_waiting());
        assert_eq!(insert(&mut reassembler, fragment(0, 200, 0, &body)), Insertion::Old);
    }

    #[test]
    fn messages_come_out_in_order_and_may_be_empty() {
        let mut reassembler = Reassembler::starting_at(7);
        assert_eq!(
            insert(&mut reassembler, fragment(8, 0, 0, &[])),
            Insertion::New { in_order: false }
        );
        assert_eq!(insert(&mut reassembler, fragment(8, 0, 0, &[])), Insertion::Repeated);
        assert!(reassembler.pop().is_none());
        insert(&mut reassembler, fragment(7, 1, 0, &[5]));
        assert_eq!(reassembler.pop().unwrap().sequence, 7);
        let empty = reassembler.pop().unwrap();
        assert_eq!((empty.sequence, empty.bytes), (8, vec![11, 0, 0, 0]));
        assert!(reassembler.pop().is_none());
    }

    #[test]
    fn contradictions_and_excess_are_refused() {
        let mut reassembler = Reassembler::default();
        insert(&mut reassembler, fragment(0, 10, 0, &[1]));
        assert_eq!(insert(&mut reassembler, fragment(0, 11, 1, &[1])), Insertion::Conflict);
        let (mut header, body) = fragment(0, 10, 1, &[1]);
        header.handshake_type = HandshakeType::FINISHED;
        assert_eq!(reassembler.insert(&header, &body), Insertion::Conflict);
        let far = fragment(WINDOW as u16, 1, 0, &[1]);
        assert_eq!(insert(&mut reassembler, far), Insertion::Refused);
        let long = fragment(1, MAX_MESSAGE as u32, 0, &[1]);
        assert_eq!(insert(&mut reassembler, long), Insertion::Refused);
        let mut held = 0;
        for sequence in 1..WINDOW as u16 {
            let last = MAX_MESSAGE as u32 - 4 - 1;
            let piece = fragment(sequence, last + 1, last, &[1]);
            held += usize::from(insert(&mut reassembler, piece) != Insertion::Refused);
        }
        assert_eq!(held, 1, "the total is bounded");
        reassembler.clear();
        assert!(!reassembler.is_waiting());
    }

    #[test]
    fn the_number_of_gaps_is_bounded() {
        let mut reassembler = Reassembler::default();
        let refused = (0..1000_u32)
            .map(|index| insert(&mut reassembler, fragment(0, 4000, 2 * index, &[1])))
            .filter(|&outcome| outcome == Insertion::Refused)
            .count();
        assert_eq!(refused, 1000 - MAX_RANGES);
    }

    #[test]
    fn the_last_sequence_number_ends_the_stream() {
        let mut reassembler = Reassembler::starting_at(u16::MAX);
        insert(&mut reassembler, fragment(u16::MAX, 0, 0, &[]));
        assert!(reassembler.pop().is_some());
        assert_eq!(insert(&mut reassembler, fragment(u16::MAX, 0, 0, &[])), Insertion::Old);
        assert_eq!(insert(&mut reassembler, fragment(0, 0, 0, &[])), Insertion::Old);
    }
}
