//! The processing of a microphone's track, between the microphone and whoever takes its sound: one call to set it up, and one for each
//! block that a speaker plays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::{AudioProcessor, AudioProcessorConfig, EchoDelay, ProcessingError, ProcessingStats};
use crate::audio::AudioBlock;
use crate::audio::vad::Voice;

/// A processor that is shared by the threads of microphone and speaker. Clones are the same one.
///
/// The microphone's thread hands each block to [`capture`](Self::capture) before it pushes it into its source; the speaker's
/// hands each block to [`render`](Self::render) before it plays it.
///
/// ```
/// use std::time::Instant;
///
/// use peerage_media::audio::processing::{AudioProcessorConfig, GainControl, MicrophoneProcessor};
/// use peerage_media::audio::{AudioBlock, AudioFrame};
/// use peerage_media::track::AudioSource;
///
/// let processor = MicrophoneProcessor::new(48_000, 1, AudioProcessorConfig::default())?;
///
/// // In the speaker's thread, for each block:
/// let speaker = processor.clone();
/// let played = AudioBlock::silence(48_000, 2, 480);
/// let now = Instant::now();
/// speaker.render(&played, now, now + std::time::Duration::from_millis(20))?;
///
/// // In the microphone's thread:
/// let source = AudioSource::new("a microphone");
/// let track = source.track();
/// let mut frame = AudioFrame { block: AudioBlock::silence(48_000, 1, 480), ..AudioFrame::default() };
/// let voice = processor.capture(&mut frame.block, Instant::now(), Instant::now())?;
/// assert!(!voice.active);
/// source.push(&frame);
///
/// // At any time, from anywhere: which stages are on.
/// let mut config = processor.config();
/// config.gain_control = GainControl::Off;
/// processor.set_config(config);
/// # Ok::<(), peerage_media::audio::processing::ProcessingError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MicrophoneProcessor {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    processor: AudioProcessor,
    delay: EchoDelay,
}

impl MicrophoneProcessor {
    /// One of a microphone of `rate` and `channels`.
    ///
    /// # Errors
    ///
    /// Like [`AudioProcessor::new`].
    pub fn new(
        rate: u32,
        channels: usize,
        config: AudioProcessorConfig,
    ) -> Result<Self, ProcessingError> {
        let processor = AudioProcessor::new(rate, channels, config)?;
        let shared = Shared { processor, delay: EchoDelay::default() };
        Ok(Self { shared: Arc::new(Mutex::new(shared)) })
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // Where the other thread panicked the worst that is left is a filter that has to learn again.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a block that is handed to the speaker at `now`, and will be heard from `plays_at` on.
    ///
    /// # Errors
    ///
    /// Like [`AudioProcessor::render`].
    pub fn render(
        &self,
        block: &AudioBlock,
        now: Instant,
        plays_at: Instant,
    ) -> Result<(), ProcessingError> {
        let mut shared = self.lock();
        shared.delay.rendered(now, plays_at);
        shared.processor.render(block)
    }

    /// Processes a block of the microphone, whose first sample was taken at `captured_at`. Returns whether somebody speaks in it.
    ///
    /// # Errors
    ///
    /// Like [`AudioProcessor::capture`]; the block is left as it is.
    pub fn capture(
        &self,
        block: &mut AudioBlock,
        now: Instant,
        captured_at: Instant,
    ) -> Result<Voice, ProcessingError> {
        let mut shared = self.lock();
        let delay = shared.delay.captured(now, captured_at);
        shared.processor.capture(block, delay)?;
        Ok(shared.processor.voice())
    }

    /// Which stages are on.
    pub fn config(&self) -> AudioProcessorConfig {
        self.lock().processor.config()
    }

    /// Switches stages on and off.
    pub fn set_config(&self, config: AudioProcessorConfig) {
        self.lock().processor.set_config(config);
    }

    /// What the stages say about themselves.
    pub fn stats(&self) -> ProcessingStats {
        self.lock().processor.stats()
    }
}
