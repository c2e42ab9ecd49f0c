//! What a thread that plays a track has counted, where `getStats` reads it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use peerage_media::audio::jitter::JitterStatistics;
use peerage_media::video::jitter::{FreezeCounter, VideoJitterStatistics};
use peerage_peerconnection::playback::{
    JitterBufferStatistics, PictureStatistics, Playback, PlaybackStatistics, PlayedMedium,
    SoundStatistics,
};
use peerage_rtp::NtpTime;

/// Pictures within a second that are counted.
const MAX_PER_SECOND: usize = 480;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Played(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    statistics: Option<PlaybackStatistics>,
    /// What was played last, by the sender's clock and by ours.
    position: Option<(NtpTime, Instant)>,
    /// When pictures of the last second were decoded.
    decoded: VecDeque<Instant>,
}

impl Playback for Played {
    fn statistics(&self) -> Option<PlaybackStatistics> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        state.forget(now);
        let per_second = state.decoded.len() as f64;
        let mut statistics = state.statistics.clone()?;
        // It goes on from what was played last.
        statistics.playout_time =
            state.position.map(|(time, at)| time.plus(now.saturating_duration_since(at)));
        if let PlayedMedium::Pictures(pictures) = &mut statistics.medium {
            pictures.frames_per_second = per_second;
        }
        Some(statistics)
    }
}

impl State {
    fn forget(&mut self, now: Instant) {
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= Duration::from_secs(1);
        while self.decoded.front().is_some_and(is_old) || self.decoded.len() > MAX_PER_SECOND {
            self.decoded.pop_front();
        }
    }

    /// The dictionary of a source, begun anew where it is another one.
    fn of(&mut self, ssrc: u32, medium: impl FnOnce() -> PlayedMedium) -> &mut PlaybackStatistics {
        if self.statistics.as_ref().is_none_or(|statistics| statistics.ssrc != ssrc) {
            self.position = None;
            self.statistics = None;
        }
        self.statistics.get_or_insert_with(|| PlaybackStatistics {
            ssrc,
            playout_time: None,
            jitter_buffer: JitterBufferStatistics::default(),
            total_processing_delay: Duration::ZERO,
            medium: medium(),
        })
    }
}

impl Played {
    fn with(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is played at `at` is of this time of the sender's clock.
    pub(super) fn position(&self, time: Option<NtpTime>, at: Instant) {
        if let Some(time) = time {
            self.with(|state| state.position = Some((time, at)));
        }
    }

    /// A picture was decoded.
    pub(super) fn decoded(&self, now: Instant) {
        self.with(|state| {
            state.forget(now);
            state.decoded.push_back(now);
        });
    }

    /// What the buffer of sound has counted of a source.
    pub(super) fn sound(&self, ssrc: u32, counted: &JitterStatistics) {
        let sound = SoundStatistics {
            samples_received: counted.total_samples_received,
            samples_duration: counted.total_samples_duration,
            concealed_samples: counted.concealed_samples,
            silent_concealed_samples: counted.silent_concealed_samples,
            concealment_events: counted.concealment_events,
            inserted_samples_for_deceleration: counted.inserted_samples_for_deceleration,
            removed_samples_for_acceleration: counted.removed_samples_for_acceleration,
            audio_level: counted.audio_level,
            total_audio_energy: counted.total_audio_energy,
            packets_discarded: counted.packets_discarded,
        };
        self.with(|state| {
            let statistics = state.of(ssrc, || PlayedMedium::Sound(sound));
            statistics.medium = PlayedMedium::Sound(sound);
            statistics.total_processing_delay = counted.total_processing_delay;
            statistics.jitter_buffer = JitterBufferStatistics {
                delay: counted.jitter_buffer_delay,
                target_delay: counted.jitter_buffer_target_delay,
                minimum_delay: counted.jitter_buffer_minimum_delay,
                emitted: counted.jitter_buffer_emitted_count,
            };
        });
    }

    /// What the buffer of pictures has counted of a source, how smoothly they were shown, and how many came too late for that.
    pub(super) fn pictures(
        &self,
        ssrc: u32,
        counted: &VideoJitterStatistics,
        shown: &FreezeCounter,
        not_shown: u64,
    ) {
        self.with(|state| {
            let begin = || PlayedMedium::Pictures(PictureStatistics::default());
            let statistics = state.of(ssrc, begin);
            statistics.total_processing_delay = counted.total_processing_delay;
            statistics.jitter_buffer = JitterBufferStatistics {
                delay: counted.jitter_buffer_delay,
                target_delay: counted.jitter_buffer_target_delay,
                minimum_delay: counted.jitter_buffer_minimum_delay,
                emitted: counted.jitter_buffer_emitted_count,
            };
            if let PlayedMedium::Pictures(pictures) = &mut statistics.medium {
                pictures.frames_decoded = counted.frames_decoded;
                pictures.key_frames_decoded = counted.key_frames_decoded;
                pictures.frames_dropped = counted.frames_dropped + not_shown;
                pictures.total_decode_time = counted.total_decode_time;
                pictures.frames_rendered = shown.rendered;
                pictures.total_inter_frame_delay = shown.total_inter_frame_delay;
                pictures.total_squared_inter_frame_delay = shown.total_squared_inter_frame_delay;
                pictures.pauses = shown.pauses;
                pictures.pauses_duration = shown.paused;
                pictures.freezes = shown.freezes;
                pictures.freezes_duration = shown.frozen;
            }
        });
    }

    /// By what pictures of a source are decoded, how large the last one is, and its quantiser where the decoder tells.
    pub(super) fn picture(
        &self,
        ssrc: u32,
        implementation: &str,
        dimensions: (u32, u32),
        quantizer: Option<u8>,
    ) {
        self.with(|state| {
            let begin = || PlayedMedium::Pictures(PictureStatistics::default());
            if let PlayedMedium::Pictures(pictures) = &mut state.of(ssrc, begin).medium {
                if pictures.decoder_implementation.as_deref() != Some(implementation) {
                    pictures.decoder_implementation = Some(implementation.to_owned());
                }
                pictures.dimensions = Some(dimensions);
                if let Some(quantizer) = quantizer {
                    pictures.qp_sum = Some(pictures.qp_sum.unwrap_or(0) + u64::from(quantizer));
                }
            }
        });
    }
}
