//! The memory of incomplete frames, over all streams of a connection: each assembler has a limit of its own, and a peer may
//! have a thousand streams. Places of packets that are missing count, and so does what is noted of them.

use super::RtpTransport;
use super::receive::ReceiveStream;

/// Bytes that all streams together may hold, of all transports: eight streams at their own limit.
const MAX_INCOMPLETE_BYTES: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct AssemblyBudget {
    held: usize,
    most: usize,
}

impl Default for AssemblyBudget {
    fn default() -> Self {
        Self { held: 0, most: MAX_INCOMPLETE_BYTES }
    }
}

impl AssemblyBudget {
    /// Counts anew what is left, when streams went.
    pub(super) fn recount<'a>(&mut self, streams: impl Iterator<Item = &'a ReceiveStream>) {
        self.held = streams.map(ReceiveStream::counted_bytes).sum();
    }

    /// One stream holds more or less than before.
    pub(super) fn changed(&mut self, before: usize, after: usize) {
        self.held = self.held - before + after;
    }

    /// What is counted is what is held, and no more than may be.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn assert_bounded(&self, held: impl Iterator<Item = usize>) {
        assert_eq!(self.held, held.sum::<usize>(), "bytes of incomplete frames");
        assert!(self.held <= MAX_INCOMPLETE_BYTES, "{} bytes of incomplete frames", self.held);
    }
}

impl RtpTransport {
    /// Says how many transports the connection has: each has its share, so that those of a peer that has several do not add
    /// up.
    pub(crate) fn share_budget(&mut self, transports: usize) {
        self.assembly.most = MAX_INCOMPLETE_BYTES / transports.max(1);
        self.keep_to_budget();
    }

    /// Brings the count up to date with one stream, and gives up what is too much.
    pub(super) fn settle_budget(&mut self, index: usize) {
        let (before, after) = self.receivers[index].count_bytes();
        self.assembly.changed(before, after);
        self.keep_to_budget();
    }

    /// When it is too much, the streams that hold most give up what is incomplete: to look for them takes a walk over all,
    /// but each walk frees a thousandth of the budget at least.
    fn keep_to_budget(&mut self) {
        while self.assembly.held > self.assembly.most {
            let largest = self.receivers.iter_mut().max_by_key(|stream| stream.counted_bytes());
            let Some(stream) = largest.filter(|stream| stream.counted_bytes() > 0) else { return };
            stream.give_up();
            let (before, after) = stream.count_bytes();
            self.assembly.changed(before, after);
            self.statistics.assemblies_given_up += 1;
        }
    }
}
