//! A microphone: what its callback gives goes through a bounded queue to a thread that makes blocks of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, FromSample, SampleFormat, SizedSample, StreamConfig};

use super::super::{DeviceError, DeviceKind, MediaDeviceInfo};
use super::blocks::Blocks;
use super::{ends, format, refused};
use crate::track::{
    AudioSource, AudioTrack, MediaTrackCapabilities, MediaTrackSettings, SourceDescription,
};

/// Pieces that may wait for the thread: what comes when it is full is lost, and the gap is told by the times.
const QUEUE: usize = 64;
/// How long a device may take to open.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the thread rests before it looks whether it is wanted.
const REST: Duration = Duration::from_millis(100);
/// A device that gives nothing for so long is muted, until it does again.
const SILENT: Duration = Duration::from_secs(2);

/// What a callback gave.
struct Piece {
    samples: Vec<f32>,
    /// When the first sample was taken.
    taken: Instant,
}

/// The ends of the queue that the callback has.
struct Inlet {
    full: SyncSender<Piece>,
    /// Memory to be used again.
    free: Receiver<Vec<f32>>,
}

pub(super) fn open(
    device: cpal::Device,
    info: &MediaDeviceInfo,
    mode: &MediaTrackSettings,
    modes: &[MediaTrackSettings],
) -> Result<AudioTrack, DeviceError> {
    let rate = mode.sample_rate.unwrap_or(48_000);
    let channels = mode.channel_count.unwrap_or(1) as u16;
    let format = format(&device, DeviceKind::AudioInput, rate, channels)
        .ok_or_else(|| DeviceError::unreadable(&info.label, "it has changed meanwhile"))?;
    let source = AudioSource::new(info.label.clone());
    source.describe(SourceDescription {
        settings: mode.clone(),
        capabilities: MediaTrackCapabilities::of(modes),
        ..SourceDescription::default()
    });
    let track = source.track();
    let config = StreamConfig { channels, sample_rate: rate, buffer_size: BufferSize::Default };
    let (told, opened) = sync_channel(1);
    let label = info.label.clone();
    let run = move || {
        let failed = Arc::new(AtomicBool::new(false));
        let (full, pieces) = sync_channel(QUEUE);
        let (spare, free) = sync_channel(QUEUE);
        let stream = match build(&device, config, format, Inlet { full, free }, &failed) {
            Ok(stream) => stream,
            Err(error) => return drop(told.send(Err(refused(&label, &error)))),
        };
        if let Err(error) = stream.play() {
            return drop(told.send(Err(refused(&label, &error))));
        }
        // Whoever asked may have gone.
        let _ = told.send(Ok(()));
        capture(&source, &pieces, &spare, &failed, config);
    };
    std::thread::Builder::new()
        .name("peerage microphone".to_owned())
        .spawn(run)
        .map_err(|error| DeviceError::unreadable(&info.label, error))?;
    match opened.recv_timeout(PATIENCE) {
        Ok(result) => result.map(|()| track),
        Err(_) => Err(DeviceError::unreadable(&info.label, "it does not answer within 10 s")),
    }
}

/// Passes on what comes until nobody wants it any more, or the device is gone: then the source ends, and its tracks with it.
fn capture(
    source: &AudioSource,
    pieces: &Receiver<Piece>,
    spare: &SyncSender<Vec<f32>>,
    failed: &AtomicBool,
    config: StreamConfig,
) {
    let mut blocks = Blocks::new(config.sample_rate, usize::from(config.channels));
    // Times count from the moment at which it was opened, minus what it may have taken before.
    let epoch = Instant::now().checked_sub(Duration::from_secs(10)).unwrap_or_else(Instant::now);
    let mut last = Instant::now();
    while source.is_wanted() && !failed.load(Ordering::Relaxed) {
        match pieces.recv_timeout(REST) {
            Ok(piece) => {
                source.set_muted(false);
                last = Instant::now();
                let time = piece.taken.saturating_duration_since(epoch);
                blocks.take(&piece.samples, time, |frame| source.push(frame));
                // Full is as good: it is freed then.
                let _ = spare.try_send(piece.samples);
            }
            Err(RecvTimeoutError::Timeout) if last.elapsed() > SILENT => source.set_muted(true),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn build(
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    inlet: Inlet,
    failed: &Arc<AtomicBool>,
) -> Result<cpal::Stream, cpal::Error> {
    match format {
        SampleFormat::F32 => stream::<f32>(device, config, inlet, failed.clone()),
        SampleFormat::I32 => stream::<i32>(device, config, inlet, failed.clone()),
        SampleFormat::I16 => stream::<i16>(device, config, inlet, failed.clone()),
        _ => stream::<u8>(device, config, inlet, failed.clone()),
    }
}

fn stream<T: SizedSample>(
    device: &cpal::Device,
    config: StreamConfig,
    inlet: Inlet,
    failed: Arc<AtomicBool>,
) -> Result<cpal::Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let take = move |data: &[T], info: &cpal::InputCallbackInfo| {
        let times = info.timestamp();
        let ago = times.callback.saturating_duration_since(times.capture);
        let taken = Instant::now().checked_sub(ago).unwrap_or_else(Instant::now);
        let mut samples = inlet.free.try_recv().unwrap_or_default();
        samples.clear();
        samples.extend(data.iter().map(|sample| <f32 as FromSample<T>>::from_sample_(*sample)));
        // A thread that is stuck must not hold up the device.
        let _ = inlet.full.try_send(Piece { samples, taken });
    };
    let fail = move |error: cpal::Error| {
        if ends(&error) {
            failed.store(true, Ordering::Relaxed);
        }
    };
    device.build_input_stream(config, take, fail, Some(PATIENCE))
}
