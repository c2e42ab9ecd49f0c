//! Which codec a stream of sound is in: packets of the one before that come late do not turn it back.

/// Packets up to so many before the change in sequence are late ones; others are of a sender that began anew.
const REORDERED: u64 = 1_000;

/// What a packet is to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is in the codec that the stream is in.
    Same,
    /// The stream goes on in its codec.
    Changed,
    /// It is in another codec and says nothing of what comes: sent before the change, or a copy (RFC 2198) of what was.
    Past,
}

/// The codec that a stream is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct CodecTurn<C> {
    codec: C,
    /// The packet that began it.
    since: u64,
}

impl<C: Copy + PartialEq> CodecTurn<C> {
    /// A stream that begins in `codec` with the packet of this extended sequence number.
    pub(super) fn new(codec: C, sequence: u64) -> Self {
        Self { codec, since: sequence }
    }

    /// The codec.
    pub(super) fn codec(&self) -> C {
        self.codec
    }

    /// What a packet is to the stream. Nothing is changed.
    pub(super) fn of(&self, codec: C, sequence: u64, redundant: bool) -> Turn {
        let before = sequence < self.since && self.since - sequence < REORDERED;
        match () {
            () if codec == self.codec => Turn::Same,
            () if redundant || before => Turn::Past,
            () => Turn::Changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_turns_nothing_back() {
        let turn = CodecTurn::new('a', 5_000);
        assert_eq!(turn.of('a', 4_990, false), Turn::Same);
        assert_eq!(turn.of('b', 5_003, true), Turn::Past);
        assert_eq!(turn.of('b', 5_003, false), Turn::Changed);
        let turn = CodecTurn::new('b', 5_003);
        assert_eq!(turn.of('a', 5_001, false), Turn::Past);
        assert_eq!(turn.of('a', 5_002, false), Turn::Past);
        assert_eq!(turn.of('b', 5_004, false), Turn::Same);
        assert_eq!(turn.of('a', 5_005, false), Turn::Changed);
        // Numbers that begin anew.
        assert_eq!(turn.of('a', 7, false), Turn::Changed);
    }
}
