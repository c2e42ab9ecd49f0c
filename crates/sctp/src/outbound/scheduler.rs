//! Which stream sends next (RFC 8260 §3). With DATA a message goes out whole, so streams take turns message by message;
//! with I-DATA the turn can change with every fragment, so bandwidth is shared fairly by priority.

use crate::serial::StreamId;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Virtual time one byte takes at priority 1; larger keeps the division exact enough.
const SCALE: u64 = 1 << 16;

#[derive(Debug)]
pub(crate) enum Scheduler {
    /// RFC 8260 §3.2: round robin, a message each.
    RoundRobin(VecDeque<StreamId>),
    /// RFC 8260 §3.6: weighted fair queueing; virtual finish time, order of entry, stream.
    WeightedFair { queue: BinaryHeap<Reverse<(u64, u64, StreamId)>>, now: u64, entries: u64 },
}

impl Scheduler {
    pub(crate) fn new(interleaving: bool) -> Self {
        if interleaving {
            Self::WeightedFair { queue: BinaryHeap::new(), now: 0, entries: 0 }
        } else {
            Self::RoundRobin(VecDeque::new())
        }
    }

    /// A stream that had nothing to send has now. `time` is its virtual time, brought up to date.
    pub(crate) fn activate(&mut self, stream: StreamId, time: &mut u64) {
        match self {
            Self::RoundRobin(queue) => queue.push_back(stream),
            Self::WeightedFair { queue, now, entries } => {
                // What a stream did not use while idle is not saved up.
                *time = (*time).max(*now);
                *entries += 1;
                queue.push(Reverse((*time, *entries, stream)));
            }
        }
    }

    /// The stream whose turn it is.
    pub(crate) fn current(&self) -> Option<StreamId> {
        match self {
            Self::RoundRobin(queue) => queue.front().copied(),
            Self::WeightedFair { queue, .. } => queue.peek().map(|Reverse((_, _, stream))| *stream),
        }
    }

    /// The current stream sent `bytes`. `message_done`: a message ended with them. `more`: it has more to send.
    pub(crate) fn sent(
        &mut self,
        bytes: usize,
        priority: u16,
        time: &mut u64,
        message_done: bool,
        more: bool,
    ) {
        match self {
            Self::RoundRobin(queue) => {
                if !more {
                    queue.pop_front();
                } else if message_done && queue.len() > 1 {
                    queue.rotate_left(1);
                }
            }
            Self::WeightedFair { queue, now, entries } => {
                let Some(mut top) = queue.peek_mut() else { return };
                *now = top.0.0;
                *time = top.0.0 + bytes as u64 * SCALE / u64::from(priority.max(1));
                if more {
                    *entries += 1;
                    top.0.0 = *time;
                    top.0.1 = *entries;
                } else {
                    std::collections::binary_heap::PeekMut::pop(top);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_share_the_bytes() {
        let mut scheduler = Scheduler::new(true);
        let mut times = [0u64; 2];
        scheduler.activate(StreamId(0), &mut times[0]);
        scheduler.activate(StreamId(1), &mut times[1]);
        let mut sent = [0usize; 2];
        for _ in 0..600 {
            let stream = scheduler.current().unwrap();
            let index = usize::from(stream.0);
            sent[index] += 1000;
            scheduler.sent(1000, [128, 256][index], &mut times[index], false, true);
        }
        assert!((199..=201).contains(&(sent[0] / 1000)), "{sent:?}");
    }

    #[test]
    fn round_robin_changes_with_the_message() {
        let mut scheduler = Scheduler::new(false);
        let mut time = 0;
        scheduler.activate(StreamId(5), &mut time);
        scheduler.activate(StreamId(6), &mut time);
        scheduler.sent(10, 1, &mut time, false, true);
        assert_eq!(scheduler.current(), Some(StreamId(5)));
        scheduler.sent(10, 1, &mut time, true, true);
        assert_eq!(scheduler.current(), Some(StreamId(6)));
        scheduler.sent(10, 1, &mut time, true, false);
        assert_eq!(scheduler.current(), Some(StreamId(5)));
    }
}
