//! What a jitter buffer counts, in the terms of the W3C's Identifiers for WebRTC's Statistics API
//! (`RTCInboundRtpStreamStats`). Samples are counted in one channel.

use std::time::Duration;

/// Counters since the beginning, which only grow, and two levels of now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct JitterStatistics {
    /// `totalSamplesReceived`: samples handed out, concealed ones included.
    pub total_samples_received: u64,
    /// `totalSamplesDuration`.
    pub total_samples_duration: Duration,
    /// `concealedSamples`: made up, because packets were lost or late.
    pub concealed_samples: u64,
    /// `silentConcealedSamples`: those of them that are silence or comfort noise.
    pub silent_concealed_samples: u64,
    /// `concealmentEvents`: how often concealing began.
    pub concealment_events: u64,
    /// `insertedSamplesForDeceleration`.
    pub inserted_samples_for_deceleration: u64,
    /// `removedSamplesForAcceleration`.
    pub removed_samples_for_acceleration: u64,
    /// `jitterBufferDelay`: the time each sample waited, added up.
    pub jitter_buffer_delay: Duration,
    /// `jitterBufferTargetDelay`: the target at the time of each sample, added up.
    pub jitter_buffer_target_delay: Duration,
    /// `jitterBufferMinimumDelay`: the same without what was asked for from outside.
    pub jitter_buffer_minimum_delay: Duration,
    /// `jitterBufferEmittedCount`: samples that came from packets.
    pub jitter_buffer_emitted_count: u64,
    /// `totalProcessingDelay`: from the packet of each sample until it was decoded, added up.
    pub total_processing_delay: Duration,
    /// `packetsDiscarded`: came too late, twice, or found no room.
    pub packets_discarded: u64,
    /// `audioLevel`: the root mean square of about the last 100 ms, 0 to 1.
    pub audio_level: f64,
    /// `totalAudioEnergy`: the square of each sample, multiplied by its time.
    pub total_audio_energy: f64,
    /// Packets that the decoder could make nothing of.
    pub packets_undecodable: u64,
    /// Samples that redundancy inside of the codec's packets restored, deep one too. Not concealed ones.
    pub restored_samples: u64,
    /// Packets used that came as redundancy (RFC 2198).
    pub redundant_packets_used: u64,
}

/// How much of the level's square is that of the last 10 ms.
const LEVEL_SHARE: f64 = 0.1;

impl JitterStatistics {
    /// Takes in what is handed out.
    pub(super) fn heard(&mut self, samples: &[f32], frames: usize, duration: Duration) {
        // Of the channel with the highest energy, as webrtc-stats has it (totalAudioEnergy).
        let channels = samples.len() / frames.max(1);
        let power = |channel: usize| -> f32 {
            samples.iter().skip(channel).step_by(channels).map(|sample| sample * sample).sum()
        };
        let sum = (0..channels).map(power).fold(0.0, f32::max);
        let mean = f64::from(sum / frames.max(1) as f32).min(1.0);
        let level = self.audio_level * self.audio_level;
        self.audio_level = (level + LEVEL_SHARE * (mean - level)).max(0.0).sqrt();
        self.total_audio_energy += mean * duration.as_secs_f64();
        self.total_samples_received += frames as u64;
        self.total_samples_duration += duration;
    }

    /// The mean time that samples waited.
    pub fn mean_delay(&self) -> Duration {
        let count = u128::from(self.jitter_buffer_emitted_count.max(1));
        Duration::from_nanos((self.jitter_buffer_delay.as_nanos() / count) as u64)
    }

    /// The share of samples that was made up, 0 to 1.
    pub fn concealed_share(&self) -> f64 {
        self.concealed_samples as f64 / self.total_samples_received.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_channel_counts() {
        let mut statistics = JitterStatistics::default();
        let samples: Vec<f32> = (0..960).map(|at| if at % 2 == 0 { 0.5 } else { 0.1 }).collect();
        statistics.heard(&samples, 480, Duration::from_millis(10));
        assert!((statistics.total_audio_energy - 0.25 * 0.01).abs() < 1e-6);
        statistics.heard(&[], 0, Duration::ZERO);
        assert_eq!(statistics.total_samples_received, 480);
    }
}
