//! What plays sound.

use super::dictionary::dictionary;
use crate::media::MediaKind;

dictionary! {
    /// `RTCAudioPlayoutStats`: what plays the sound of the connection, all tracks together.
    AudioPlayoutStats {
        /// Audio.
        kind: MediaKind,
        ;
        /// Seconds that were played though nothing was ready.
        synthesized_samples_duration: f64,
        /// How often that began.
        synthesized_samples_events: u32,
        /// Seconds that were played.
        total_samples_duration: f64,
        /// Seconds from being handed out until it was heard, over all samples.
        total_playout_delay: f64,
        /// Samples that were played.
        total_samples_count: u64,
    }
}
