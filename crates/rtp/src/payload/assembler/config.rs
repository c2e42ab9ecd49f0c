//! What an assembler is told, and what it tells.

use bytes::Bytes;

use super::super::error::Error;

/// Limits and options of a [`FrameAssembler`](super::FrameAssembler).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssemblerConfig {
    /// Sequence numbers from the oldest packet held to the newest; what is older is given up. At least 2.
    pub max_packets: usize,
    /// Bytes of payloads held, and of what describes them; the oldest are given up. At least 65,535.
    pub max_bytes: usize,
    /// Audio only: hold frames back until those before them have come or are given up, as files want it. Otherwise they
    /// come out as they arrive, as jitter buffers want it.
    pub audio_in_order: bool,
    /// H.264 and H.265: parameter sets that came with the session description (`sprop-parameter-sets`), in Annex B
    /// form. Put before keyframes that bring none.
    pub parameter_sets: Bytes,
}

impl Default for AssemblerConfig {
    /// 2,048 packets, 8 MiB: two seconds of video at 10 Mbit/s.
    fn default() -> Self {
        Self {
            max_packets: 2048,
            max_bytes: 8 << 20,
            audio_in_order: false,
            parameter_sets: Bytes::new(),
        }
    }
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Insertion {
    /// It is held, or was handed on at once.
    Stored,
    /// It was here before.
    Duplicate,
    /// What it belongs to was handed on or given up.
    TooOld,
    /// Its payload cannot be read. The frame it belongs to is lost.
    Malformed(Error),
}

/// Counters, from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AssemblerStatistics {
    /// Frames handed out.
    pub frames: u64,
    /// Of those, keyframes.
    pub keyframes: u64,
    /// Complete frames dropped because what they refer to was lost.
    pub undecodable_frames: u64,
    /// Frames (or parts of frames) dropped because packets of theirs were lost or malformed.
    pub incomplete_frames: u64,
    /// Sequence numbers given up without a packet.
    pub lost_packets: u64,
    /// Packets whose payload could not be read.
    pub malformed_packets: u64,
    /// Packets that had been here before.
    pub duplicate_packets: u64,
    /// Packets that came after they had been given up.
    pub late_packets: u64,
    /// Sequence numbers without a packet that were of no media, as the frames before and after them tell.
    pub passed_over: u64,
}
