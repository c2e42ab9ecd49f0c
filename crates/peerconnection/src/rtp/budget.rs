//! The bytes of incomplete frames, over all streams of a connection: each assembler has a limit of its own, and a peer may
//! have a thousand streams.

use super::RtpTransport;
use super::receive::ReceiveStream;

/// Payload bytes of incomplete frames that all streams together may hold: eight streams at their own limit.
const MAX_INCOMPLETE_BYTES: usize = 64 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct AssemblyBudget {
    held: usize,
}

impl AssemblyBudget {
    /// Counts anew what is left, when streams went.
    pub(super) fn recount<'a>(&mut self, streams: impl Iterator<Item = &'a ReceiveStream>) {
        self.held = streams.map(ReceiveStream::counted_bytes).sum();
    }

    /// What is counted is what is held, and no more than may be.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn assert_bounded(&self, held: impl Iterator<Item = usize>) {
        assert_eq!(self.held, held.sum::<usize>(), "bytes of incomplete frames");
        assert!(self.held <= MAX_INCOMPLETE_BYTES, "{} bytes of incomplete frames", self.held);
    }
}

impl RtpTransport {
    /// Brings the count up to date with one stream. When it is too much, the streams that hold most give up what is
    /// incomplete: to look for them takes a walk over all, but each walk frees a thousandth of the budget at least.
    pub(super) fn settle_budget(&mut self, index: usize) {
        let (before, after) = self.receivers[index].count_bytes();
        self.assembly.held = self.assembly.held - before + after;
        while self.assembly.held > MAX_INCOMPLETE_BYTES {
            let largest = self.receivers.iter_mut().max_by_key(|stream| stream.counted_bytes());
            let Some(stream) = largest.filter(|stream| stream.counted_bytes() > 0) else { return };
            stream.give_up();
            let (before, after) = stream.count_bytes();
            self.assembly.held = self.assembly.held - before + after;
            self.statistics.assemblies_given_up += 1;
        }
    }
}
