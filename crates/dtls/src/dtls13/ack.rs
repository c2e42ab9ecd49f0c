//! ACK records: which records of the peer we tell it we have (RFC 9147 §7).

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::codec::{Reader, put_vec16};

/// Most record numbers remembered for one ACK; the oldest are forgotten first, and the peer sends those again.
const MAX_PENDING: usize = 64;
/// Length of a RecordNumber.
const NUMBER_LEN: usize = 16;

/// A RecordNumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordNumber {
    pub(crate) epoch: u64,
    pub(crate) sequence: u64,
}

/// Reads the body of an ACK.
pub(crate) fn parse(body: &[u8]) -> Option<Vec<RecordNumber>> {
    let mut reader = Reader::new(body);
    let mut list = Reader::new(reader.vec16()?);
    if !reader.is_empty() {
        return None;
    }
    let mut numbers = Vec::new();
    while !list.is_empty() {
        numbers.push(RecordNumber { epoch: list.u64()?, sequence: list.u64()? });
    }
    Some(numbers)
}

/// Writes the body of an ACK.
pub(crate) fn write(numbers: &[RecordNumber], out: &mut Vec<u8>) {
    put_vec16(out, |out| {
        for number in numbers {
            out.extend_from_slice(&number.epoch.to_be_bytes());
            out.extend_from_slice(&number.sequence.to_be_bytes());
        }
    });
}

/// What is to be acknowledged, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Acks {
    numbers: VecDeque<RecordNumber>,
    due: bool,
    deadline: Option<Instant>,
}

impl Acks {
    /// A record with handshake messages was received, and all of them were processed or buffered.
    pub(crate) fn push(&mut self, number: RecordNumber) {
        if self.numbers.len() == MAX_PENDING {
            self.numbers.pop_front();
        }
        self.numbers.push_back(number);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// The next flight has begun, which acknowledges everything before it.
    pub(crate) fn clear(&mut self) {
        self.numbers.clear();
        self.numbers.shrink_to_fit();
        self.due = false;
        self.deadline = None;
    }

    /// An ACK shall go out at once.
    pub(crate) fn send_now(&mut self) {
        self.due = true;
        self.deadline = None;
    }

    /// An ACK shall go out unless the flight completes before.
    pub(crate) fn send_later(&mut self, now: Instant, delay: Duration) {
        if !self.due && self.deadline.is_none() {
            self.deadline = Some(now + delay);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_some_and(|deadline| now >= deadline) {
            self.send_now();
        }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.due
    }

    /// Takes the numbers of the ACK that is due, in increasing order: the newest that fit into `room` bytes.
    /// Those of a handshake flight are kept (`keep`), for they may need to be sent once more.
    pub(crate) fn take(&mut self, room: usize, keep: bool) -> Option<Vec<RecordNumber>> {
        if !self.due {
            return None;
        }
        let fits = room.checked_sub(2)? / NUMBER_LEN;
        self.due = false;
        let skipped = self.numbers.len().saturating_sub(fits);
        let mut numbers: Vec<_> = self.numbers.iter().skip(skipped).copied().collect();
        numbers.sort_unstable();
        if !keep {
            self.clear();
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_numbers_that_fit_go_out_in_order() {
        let mut acks = Acks::default();
        for sequence in (0..100).rev() {
            acks.push(RecordNumber { epoch: 2, sequence });
        }
        assert_eq!(acks.take(1000, true), None);
        acks.send_now();
        let numbers = acks.take(2 + 3 * 16 + 15, true).unwrap();
        let expected: Vec<_> = (0..3).map(|sequence| RecordNumber { epoch: 2, sequence }).collect();
        assert_eq!(numbers, expected);
        acks.send_now();
        let numbers = acks.take(10_000, false).unwrap();
        assert_eq!(numbers.len(), MAX_PENDING);
        assert!(acks.is_empty());
        let mut out = Vec::new();
        write(&numbers, &mut out);
        assert_eq!(parse(&out), Some(numbers));
        assert_eq!(parse(&out[..out.len() - 1]), None);
        assert_eq!(parse(&[0, 0]), Some(vec![]));
        assert_eq!(parse(&[0, 1, 0]), None);
    }
}
