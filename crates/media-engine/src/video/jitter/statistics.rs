//! What the buffer counts, in the terms of webrtc-stats (`RTCInboundRtpStreamStats`).

use std::time::Duration;

/// Counters since the beginning, which only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct VideoJitterStatistics {
    /// Frames that came in, those that were dropped at once included.
    pub frames_received: u64,
    /// `framesDropped`: found no room, came while a keyframe was waited for, or were too late and nothing referred to them.
    pub frames_dropped: u64,
    /// `framesDecoded`.
    pub frames_decoded: u64,
    /// `keyFramesDecoded`.
    pub key_frames_decoded: u64,
    /// `totalDecodeTime`.
    pub total_decode_time: Duration,
    /// Frames that the decoder could make nothing of.
    pub decode_errors: u64,
    /// `jitterBufferDelay`: from a frame's first packet to its decoding, added up.
    pub jitter_buffer_delay: Duration,
    /// `jitterBufferTargetDelay`: the delay that was aimed at when each frame left, added up.
    pub jitter_buffer_target_delay: Duration,
    /// `jitterBufferMinimumDelay`: the same without what was asked for from outside.
    pub jitter_buffer_minimum_delay: Duration,
    /// `jitterBufferEmittedCount`: frames that left for the decoder.
    pub jitter_buffer_emitted_count: u64,
    /// `totalProcessingDelay`: from a frame's first packet until it was decoded, added up.
    pub total_processing_delay: Duration,
    /// Keyframes that were asked for.
    pub keyframes_requested: u64,
}
