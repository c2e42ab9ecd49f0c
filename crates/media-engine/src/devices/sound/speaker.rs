//! A speaker: what a track gives waits in a bridge between its clock and the device's, from which the device's callback takes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{BufferSize, FromSample, SampleFormat, SizedSample, StreamConfig};

use super::super::{DeviceError, DeviceKind, MediaDeviceInfo, Output};
use super::{ends, format, refused};
use crate::audio::resample::ClockBridge;
use crate::audio::{AudioBlock, mix_channels};
use crate::track::{AudioTrack, MediaTrackSettings, SinkError};

/// What waits between the clocks: more than either end is late by.
const TARGET: Duration = Duration::from_millis(40);
/// Blocks that may wait for the thread.
const QUEUE: usize = 50;
/// How long the thread rests before it looks whether it is wanted.
const REST: Duration = Duration::from_millis(100);
/// How long a device may take to open.
const PATIENCE: Duration = Duration::from_secs(10);

/// A speaker that plays a track.
#[derive(Debug)]
pub(super) struct Speaker {
    over: Arc<AtomicBool>,
}

impl Output for Speaker {
    fn is_running(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// What the thread and the callback share; made anew where the track's rate changes.
type Bridge = Arc<Mutex<Option<ClockBridge>>>;

pub(super) fn play(
    device: cpal::Device,
    info: &MediaDeviceInfo,
    modes: &[MediaTrackSettings],
    track: &AudioTrack,
) -> Result<Speaker, DeviceError> {
    // Two channels at 48 kHz where there are, else what comes next to it.
    let best = modes.iter().min_by_key(|mode| {
        let rate = mode.sample_rate.unwrap_or(0).abs_diff(48_000);
        (rate, mode.channel_count.unwrap_or(0).abs_diff(2))
    });
    let mode = best.ok_or_else(|| DeviceError::unreadable(&info.label, "it cannot be opened"))?;
    let rate = mode.sample_rate.unwrap_or(48_000);
    let channels = mode.channel_count.unwrap_or(2) as u16;
    let format = format(&device, DeviceKind::AudioOutput, rate, channels)
        .ok_or_else(|| DeviceError::unreadable(&info.label, "it has changed meanwhile"))?;
    let config = StreamConfig { channels, sample_rate: rate, buffer_size: BufferSize::Default };
    let over = Arc::new(AtomicBool::new(false));
    let speaker = Speaker { over: over.clone() };
    let (told, opened) = mpsc::sync_channel(1);
    let (label, track) = (info.label.clone(), track.clone());
    let run = move || {
        let bridge = Bridge::default();
        let stream = build(&device, config, format, &bridge, &over);
        let stream = stream.and_then(|stream| stream.play().map(|()| stream));
        let _stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                over.store(true, Ordering::Relaxed);
                return drop(told.send(Err(refused(&label, &error))));
            }
        };
        let _ = told.send(Ok(()));
        feed(&track, &bridge, config, &over);
        over.store(true, Ordering::Relaxed);
    };
    std::thread::Builder::new()
        .name("peerage speaker".to_owned())
        .spawn(run)
        .map_err(|error| DeviceError::unreadable(&info.label, error))?;
    match opened.recv_timeout(PATIENCE) {
        Ok(result) => result.map(|()| speaker),
        Err(_) => Err(DeviceError::unreadable(&info.label, "it does not answer within 10 s")),
    }
}

/// Puts what comes of the track into the bridge until it ends, or nobody wants it any more.
fn feed(track: &AudioTrack, bridge: &Bridge, config: StreamConfig, over: &AtomicBool) {
    let mut sink = track.sink(QUEUE);
    let (channels, mut rate) = (usize::from(config.channels), 0);
    let mut mixed = AudioBlock::default();
    while !over.load(Ordering::Relaxed) {
        let frame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(SinkError::Empty) => continue,
            Err(SinkError::Ended) => {
                // What waits is played to its end.
                std::thread::sleep(2 * TARGET);
                return;
            }
        };
        mix_channels(&frame.block, channels, &mut mixed);
        let mut place = bridge.lock().unwrap_or_else(PoisonError::into_inner);
        if mixed.rate() != rate {
            rate = mixed.rate();
            *place = ClockBridge::new(rate, config.sample_rate, channels, TARGET).ok();
        }
        if let Some(bridge) = &mut *place {
            // It is of the rate and channels that the bridge was made for.
            let _ = bridge.push(&mixed, Instant::now());
        }
        drop(place);
        sink.recycle(frame);
    }
}

fn build(
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    bridge: &Bridge,
    over: &Arc<AtomicBool>,
) -> Result<cpal::Stream, cpal::Error> {
    match format {
        SampleFormat::F32 => stream::<f32>(device, config, bridge.clone(), over.clone()),
        SampleFormat::I32 => stream::<i32>(device, config, bridge.clone(), over.clone()),
        SampleFormat::I16 => stream::<i16>(device, config, bridge.clone(), over.clone()),
        _ => stream::<u8>(device, config, bridge.clone(), over.clone()),
    }
}

fn stream<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: StreamConfig,
    bridge: Bridge,
    over: Arc<AtomicBool>,
) -> Result<cpal::Stream, cpal::Error> {
    // A block of 10 ms, and how much of it was given already.
    let (mut block, mut given) = (AudioBlock::default(), 0);
    let fill = move |data: &mut [T], _: &cpal::OutputCallbackInfo| {
        let mut at = 0;
        while at < data.len() {
            if given == block.samples().len() {
                let mut bridge = bridge.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(bridge) = &mut *bridge else { break };
                bridge.pull(&mut block, Instant::now());
                given = 0;
                if block.samples().is_empty() {
                    break;
                }
            }
            let from = &block.samples()[given..];
            let count = from.len().min(data.len() - at);
            for (to, from) in data[at..at + count].iter_mut().zip(from) {
                *to = T::from_sample_(*from);
            }
            (at, given) = (at + count, given + count);
        }
        // Nothing to play yet: it is silent, as the library has left it.
    };
    let fail = move |error: cpal::Error| {
        if ends(&error) {
            over.store(true, Ordering::Relaxed);
        }
    };
    device.build_output_stream(config, fill, fail, Some(PATIENCE))
}
