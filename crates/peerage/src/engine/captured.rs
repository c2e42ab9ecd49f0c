//! What a thread that encodes a track has seen of its source, where `getStats` reads it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use peerage_media::audio::{AudioBlock, LevelMeter};
use peerage_peerconnection::playback::{Capture, CaptureStatistics};

/// Of sound.
#[derive(Debug, Default)]
pub(super) struct CapturedSound(Mutex<Option<LevelMeter>>);

impl CapturedSound {
    /// A block came.
    pub(super) fn block(&self, block: &AudioBlock) {
        let mut meter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        meter.get_or_insert_default().measure(block);
    }

    /// It comes of another track: all is counted anew.
    pub(super) fn begin(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Capture for CapturedSound {
    fn statistics(&self) -> Option<CaptureStatistics> {
        let meter = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Some(CaptureStatistics::Sound {
            audio_level: f64::from(meter.shown().amplitude()),
            total_audio_energy: meter.total_energy(),
            samples_duration: Duration::from_secs_f64(meter.total_duration()),
        })
    }
}
