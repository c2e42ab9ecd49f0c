//! Tracks that senders have.

use super::dictionary::dictionary;
use crate::media::MediaKind;

dictionary! {
    /// `RTCAudioSourceStats` and `RTCVideoSourceStats`: a track of ours. The application keeps what produces it: what is
    /// known is what its encoded frames tell.
    MediaSourceStats {
        /// The track's id.
        track_identifier: String,
        /// Audio or video.
        kind: MediaKind,
        ;
        /// Loudness. `None`: nobody says who captures.
        audio_level: f64,
        /// Energy. `None`: nobody says who captures.
        total_audio_energy: f64,
        /// Seconds. `None`: nobody says who captures.
        total_samples_duration: f64,
        /// Echo that the canceller took away. `None`: it is the application's.
        echo_return_loss: f64,
        /// What the canceller added to that. `None`: it is the application's.
        echo_return_loss_enhancement: f64,
        /// Video: width of the largest layer's last frame that told it.
        width: u32,
        /// Video: height of the largest layer's last frame that told it.
        height: u32,
        /// Video: frames of the layer that has most.
        frames: u32,
        /// Video: frames of that layer within the last second.
        frames_per_second: f64,
    }
}
