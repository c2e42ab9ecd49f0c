//! What the threads of tracks count.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the frames of a track that is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SenderStatistics {
    /// Taken from the track.
    pub captured: u64,
    /// Given to the connection.
    pub encoded: u64,
    /// Of those, keyframes.
    pub keyframes: u64,
    /// Left out: while nothing may be sent, by the encoder to keep to its rate, or because there are too many a second.
    pub left_out: u64,
    /// That the connection did not take, because too much waits there.
    pub refused: u64,
    /// That could not be encoded.
    pub failed: u64,
    /// Dropped because the encoder was too slow.
    pub too_slow: u64,
}

/// What became of the frames of a track that is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceiverStatistics {
    /// Encoded frames that came.
    pub received: u64,
    /// Decoded.
    pub decoded: u64,
    /// That could not be decoded.
    pub failed: u64,
    /// Given to the track.
    pub played: u64,
}

macro_rules! counters {
    ($name:ident -> $out:ident { $($field:ident),* }) => {
        #[derive(Debug, Default)]
        pub(super) struct $name { $(pub(super) $field: Counter),* }
        impl $name {
            pub(super) fn read(&self) -> $out {
                $out { $($field: self.$field.get()),* }
            }
        }
    };
}

/// Read by others while it counts.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn set(&self, count: u64) {
        self.0.store(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

counters!(SenderCounters -> SenderStatistics {
    captured, encoded, keyframes, left_out, refused, failed, too_slow
});
counters!(ReceiverCounters -> ReceiverStatistics { received, decoded, failed, played });
