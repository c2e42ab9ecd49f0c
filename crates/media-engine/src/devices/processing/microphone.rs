//! The microphone's side.

use std::time::{Duration, Instant};

use super::super::DeviceError;
use super::speaker::Loudspeakers;
use crate::audio::processing::{
    AudioProcessorConfig, EchoCancellation, GainControl, MicrophoneProcessor, NoiseSuppression,
};
use crate::audio::{AudioBlock, AudioFrame};
use crate::track::{
    AudioSource, AudioTrack, MediaTrackSettings, Sink, SinkError, SourceDescription, TrackEvent,
};

/// Blocks that may wait for the thread.
const QUEUE: usize = 20;
/// How long the thread rests before it looks whether it is wanted.
const REST: Duration = Duration::from_millis(100);
/// How late sound comes out of the echo canceller.
const LATE: Duration = AudioBlock::DURATION;

/// The ways in which a microphone's mode can be had: with and without each stage, unless the device has stages of its own.
pub(in super::super) fn ways(mode: &MediaTrackSettings) -> Vec<MediaTrackSettings> {
    let rate = mode.sample_rate.unwrap_or(0);
    if mode.stages() != [Some(false); 3] || !fits(rate) {
        return vec![mode.clone()];
    }
    mode.switched()
}

/// Whether the stages take sound of this rate.
fn fits(rate: u32) -> bool {
    (8_000..=AudioBlock::MAX_RATE).contains(&rate) && rate.is_multiple_of(100)
}

/// Which stages a source is to have. Nobody asks for the high-pass filter by itself: it is on where any other is.
fn config(settings: &MediaTrackSettings) -> AudioProcessorConfig {
    let on = |stage: Option<bool>| stage == Some(true);
    let mut config = AudioProcessorConfig::off();
    config.high_pass = settings.stages().into_iter().any(on);
    if on(settings.echo_cancellation) {
        config.echo_cancellation = EchoCancellation::default();
    }
    if on(settings.noise_suppression) {
        config.noise_suppression = NoiseSuppression::default();
    }
    if on(settings.auto_gain_control) {
        config.gain_control = GainControl::default();
    }
    config
}

/// A track of what a microphone's track gives once it is processed, with the stages that `settings` name; constraints switch them.
pub(in super::super) fn process(
    raw: AudioTrack,
    settings: &MediaTrackSettings,
    loudspeakers: &Loudspeakers,
) -> Result<AudioTrack, DeviceError> {
    let label = raw.label().to_owned();
    let fail = |error: &dyn std::fmt::Display| DeviceError::unreadable(&label, error);
    let (rate, channels) =
        (settings.sample_rate.unwrap_or(48_000), settings.channel_count.unwrap_or(1) as usize);
    let processor = MicrophoneProcessor::new(rate, channels, config(settings));
    let processor = processor.map_err(|error| fail(&error))?;
    let mut capabilities = raw.get_capabilities();
    for stage in [
        &mut capabilities.echo_cancellation,
        &mut capabilities.noise_suppression,
        &mut capabilities.auto_gain_control,
    ] {
        *stage = vec![true, false];
    }
    let source = AudioSource::new(label.clone());
    let description = SourceDescription {
        settings: settings.clone(),
        capabilities,
        switchable: true,
        ..SourceDescription::default()
    };
    source.describe(description);
    let track = source.track();
    let registered = loudspeakers.register(processor.clone());
    // Before the thread begins, so that nothing is missed.
    let ends = (raw.sink(QUEUE), raw.events());
    let run = move || {
        run(&raw, ends, &source, &processor, channels);
        drop(registered);
    };
    std::thread::Builder::new()
        .name("peerage microphone processing".to_owned())
        .spawn(run)
        .map_err(|error| fail(&error))?;
    Ok(track)
}

/// Processes what comes until nobody wants it any more, or the microphone is gone.
fn run(
    raw: &AudioTrack,
    (mut sink, mut events): (Sink<AudioFrame>, Sink<TrackEvent>),
    source: &AudioSource,
    processor: &MicrophoneProcessor,
    channels: usize,
) {
    let mut stages = source.settings();
    let mut mixed = AudioBlock::default();
    source.set_muted(raw.muted());
    while source.is_wanted() {
        while let Ok(event) = events.try_recv() {
            match event {
                TrackEvent::Mute => source.set_muted(true),
                TrackEvent::Unmute => source.set_muted(false),
                _ => {}
            }
        }
        let mut frame: AudioFrame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(SinkError::Empty) => continue,
            Err(SinkError::Ended) => return,
        };
        if source.stages_differ(&stages) {
            stages = source.settings();
            processor.set_config(config(&stages));
        }
        if frame.block.channels() != channels && frame.block.frames() > 0 {
            crate::audio::mix_channels(&frame.block, channels, &mut mixed);
            std::mem::swap(&mut frame.block, &mut mixed);
        }
        let now = Instant::now();
        let captured = now.checked_sub(frame.block.duration()).unwrap_or(now);
        // What does not fit, as of a device that has changed its rate, goes through as it is.
        let processed = processor.capture(&mut frame.block, now, captured).is_ok();
        if processed && stages.echo_cancellation == Some(true) {
            frame.time = frame.time.saturating_sub(LATE);
        }
        source.push(&frame);
        sink.recycle(frame);
    }
}
