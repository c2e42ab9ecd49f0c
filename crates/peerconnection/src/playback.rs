//! What whoever captures, decodes and plays media counts, for `getStats`: the connection carries encoded frames and sees none of
//! it, so it is handed in. Each part is asked when statistics are, and never otherwise.

use std::fmt;
use std::time::Duration;

use peerage_rtp::NtpTime;

/// Whoever decodes and plays what a transceiver receives. Asked within [`get_stats`](crate::PeerConnection::get_stats): it must
/// answer at once.
pub trait Playback: fmt::Debug + Send + Sync {
    /// What was counted of the source that is played now; `None` before there is one.
    fn statistics(&self) -> Option<PlaybackStatistics>;
}

/// Whoever plays the mixed sound of several tracks, a loudspeaker: `RTCAudioPlayoutStats`.
pub trait AudioPlayout: fmt::Debug + Send + Sync {
    /// What was counted.
    fn statistics(&self) -> PlayoutStatistics;
}

/// Whoever captures what a transceiver sends: `RTCAudioSourceStats` and `RTCVideoSourceStats`. Asked like [`Playback`].
pub trait Capture: fmt::Debug + Send + Sync {
    /// What was counted of the track that is sent now; `None` before there is something.
    fn statistics(&self) -> Option<CaptureStatistics>;
}

/// What [`Playback`] tells of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaybackStatistics {
    /// The synchronisation source ([`MediaFrame::ssrc`](crate::MediaFrame::ssrc)) that all of it is of, from its beginning.
    pub ssrc: u32,
    /// Time on the sender's clock of what is heard or seen at this moment (`estimatedPlayoutTimestamp`), where sender reports
    /// tell it.
    pub playout_time: Option<NtpTime>,
    /// What was held, by frames of pictures or by samples of sound.
    pub jitter_buffer: JitterBufferStatistics,
    /// `totalProcessingDelay`: from the first packet of each until it was decoded, added up.
    pub total_processing_delay: Duration,
    /// What only sound or pictures have.
    pub medium: PlayedMedium,
}

/// What a jitter buffer counts, whatever it holds: frames of pictures or samples of sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JitterBufferStatistics {
    /// `jitterBufferDelay`: how long each waited since its first packet came, added up.
    pub delay: Duration,
    /// `jitterBufferTargetDelay`: what was aimed at when each left, added up.
    pub target_delay: Duration,
    /// `jitterBufferMinimumDelay`: the same without what was asked for from outside.
    pub minimum_delay: Duration,
    /// `jitterBufferEmittedCount`: how many left.
    pub emitted: u64,
}

/// See [`PlaybackStatistics::medium`].
#[derive(Clone, Debug, PartialEq)]
pub enum PlayedMedium {
    /// Sound.
    Sound(SoundStatistics),
    /// Pictures.
    Pictures(PictureStatistics),
}

/// What is counted of sound, in samples of one channel.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SoundStatistics {
    /// `totalSamplesReceived`: handed out, made up ones included.
    pub samples_received: u64,
    /// `totalSamplesDuration`.
    pub samples_duration: Duration,
    /// `concealedSamples`.
    pub concealed_samples: u64,
    /// `silentConcealedSamples`.
    pub silent_concealed_samples: u64,
    /// `concealmentEvents`.
    pub concealment_events: u64,
    /// `insertedSamplesForDeceleration`.
    pub inserted_samples_for_deceleration: u64,
    /// `removedSamplesForAcceleration`.
    pub removed_samples_for_acceleration: u64,
    /// `audioLevel`, 0 to 1.
    pub audio_level: f64,
    /// `totalAudioEnergy`.
    pub total_audio_energy: f64,
    /// Packets that the buffer had no use for, which count as `packetsDiscarded`.
    pub packets_discarded: u64,
}

/// What is counted of pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PictureStatistics {
    /// `framesDecoded`.
    pub frames_decoded: u64,
    /// `keyFramesDecoded`.
    pub key_frames_decoded: u64,
    /// Frames that were left undecoded, or not shown, which count as `framesDropped`.
    pub frames_dropped: u64,
    /// `framesRendered`.
    pub frames_rendered: u64,
    /// `framesPerSecond`: decoded within the last second.
    pub frames_per_second: f64,
    /// `frameWidth` and `frameHeight` of the last one.
    pub dimensions: Option<(u32, u32)>,
    /// `qpSum`, where the bitstream tells it.
    pub qp_sum: Option<u64>,
    /// `totalDecodeTime`.
    pub total_decode_time: Duration,
    /// `totalInterFrameDelay`.
    pub total_inter_frame_delay: Duration,
    /// `totalSquaredInterFrameDelay`, in square seconds.
    pub total_squared_inter_frame_delay: f64,
    /// `pauseCount`.
    pub pauses: u64,
    /// `totalPausesDuration`.
    pub pauses_duration: Duration,
    /// `freezeCount`.
    pub freezes: u64,
    /// `totalFreezesDuration`.
    pub freezes_duration: Duration,
    /// `decoderImplementation`.
    pub decoder_implementation: Option<String>,
    /// `powerEfficientDecoder`: whether hardware decodes.
    pub power_efficient: bool,
}

/// What [`AudioPlayout`] tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PlayoutStatistics {
    /// `synthesizedSamplesDuration`: played though nothing was ready.
    pub synthesized_duration: Duration,
    /// `synthesizedSamplesEvents`: how often that began.
    pub synthesized_events: u64,
    /// `totalSamplesDuration`: all that was played.
    pub samples_duration: Duration,
    /// `totalPlayoutDelay`: from being handed out until it was heard, added up over all samples.
    pub total_playout_delay: Duration,
    /// `totalSamplesCount`.
    pub samples_count: u64,
}

/// What [`Capture`] tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CaptureStatistics {
    /// Of sound.
    Sound {
        /// `audioLevel`, 0 to 1.
        audio_level: f64,
        /// `totalAudioEnergy`.
        total_audio_energy: f64,
        /// `totalSamplesDuration`.
        samples_duration: Duration,
    },
    /// Of pictures.
    Pictures {
        /// `width` and `height` of the last one.
        dimensions: (u32, u32),
        /// `frames`.
        frames: u64,
        /// `framesPerSecond`: within the last second.
        frames_per_second: f64,
    },
}
