//! A call by the media engine: pictures that tell their number and a tone are encoded and sent, and what the peer sends is
//! decoded, and read as the pages read what they show.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use peerage::engine::{TrackReceiver, TrackSender, sources};
use peerage::media::MediaKind;
use peerage::media_engine::audio::AudioFrame;
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::player::{MediaPlayer, PlayerOptions};
use peerage::media_engine::track::Sink;
use peerage::media_engine::video::VideoFrame;
use peerage::media_engine::video::pattern::NumberedPicture;
use peerage::{PeerConnection, RtpTransceiver};
use serde_json::{Value, json};

use crate::speech::{self, Said};

/// Readings that are kept until they are asked for.
const READINGS: usize = 5_000;
/// Samples in which the tone is looked for: a third of a second at 48 kHz.
const HEARD: usize = 16_384;
/// How long a thread rests at most before it looks whether it is still wanted.
const REST: Duration = Duration::from_millis(100);

/// See the module.
#[derive(Default)]
pub(crate) struct Engine {
    over: Arc<AtomicBool>,
    senders: Mutex<Vec<TrackSender>>,
    receivers: Mutex<Vec<TrackReceiver>>,
    readings: Arc<Mutex<Vec<Value>>>,
    heard: Arc<Mutex<Heard>>,
    said: Said,
}

/// The last samples of the first channel, and how many a second there are: as many as the codec has.
#[derive(Default)]
struct Heard {
    rate: u32,
    samples: Vec<f32>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// `capture`: each of `tracks` is a `kind`, and for video `width`, `height` and `rate`, for audio a `tone` in Hz, or `speech`:
    /// true, or a file of it; or a `file` that is played over and over. Video may have a `scalability` mode.
    pub(crate) async fn capture(&self, pc: &PeerConnection, fields: &Value) -> Result<()> {
        let all = pc.transceivers().await?;
        for wanted in fields["tracks"].as_array().context("`capture` lacks `tracks`")? {
            let is_video = wanted["kind"] == "video";
            let kind = if is_video { MediaKind::Video } else { MediaKind::Audio };
            let transceiver = all.iter().find(|transceiver| transceiver.kind() == kind);
            let transceiver = transceiver.context("there is no such transceiver")?;
            let number = |name: &str| wanted[name].as_f64().context("a track lacks what it is of");
            let track = if let Some(file) = wanted["file"].as_str() {
                let options = PlayerOptions::default().with_looped(true);
                // Its thread plays on for as long as somebody has the track.
                let player = MediaPlayer::open(file, options, Arc::new(BuiltIn))?;
                let tracks = player.stream().tracks();
                tracks.into_iter().next().context("the file has no track")?
            } else if is_video {
                let (width, height) = (number("width")? as u16, number("height")? as u16);
                sources::numbered_pictures(width, height, number("rate")?)?.into()
            } else if let Some(speech) = wanted.get("speech") {
                self.said.begin(speech.as_str().map(Path::new))?.into()
            } else {
                sources::tone(number("tone")?)?.into()
            };
            if let Some(mode) = wanted["scalability"].as_str() {
                let mut parameters = transceiver.get_parameters().await?;
                let encoding = parameters.encodings.first_mut().context("nothing is sent")?;
                encoding.scalability_mode = Some(mode.to_owned());
                transceiver.set_parameters(parameters).await?;
            }
            let sender = transceiver.send_track(&track, Arc::new(BuiltIn))?;
            lock(&self.senders).push(sender);
        }
        Ok(())
    }

    /// Takes what comes on a transceiver.
    pub(crate) fn take(&self, transceiver: &RtpTransceiver) -> Result<()> {
        let receiver = transceiver.receive_track(Arc::new(BuiltIn))?;
        if let Some(track) = receiver.track().as_video() {
            let (sink, readings, over) = (track.sink(30), self.readings.clone(), self.over.clone());
            std::thread::spawn(move || read(sink, &readings, &over));
        }
        if let Some(track) = receiver.track().as_audio() {
            let (sink, heard, over) = (track.sink(20), self.heard.clone(), self.over.clone());
            std::thread::spawn(move || listen(sink, &heard, &over));
        }
        lock(&self.receivers).push(receiver);
        Ok(())
    }

    /// `watched`: what was shown since this was called last, as pages tell it.
    pub(crate) fn watched(&self) -> Value {
        json!({"how": "decoder", "readings": std::mem::take(&mut *lock(&self.readings))})
    }

    /// `heard`: the loudest frequency of the last third of a second.
    pub(crate) fn heard(&self) -> Value {
        let heard = lock(&self.heard);
        match heard.samples.len().checked_sub(HEARD) {
            Some(before) => loudest(&heard.samples[before..], heard.rate),
            None => json!({"how": "decoder"}),
        }
    }

    /// `heard_speech`: how like each other what was said and what came back of it are.
    pub(crate) fn heard_speech(&self) -> Value {
        let heard = lock(&self.heard);
        self.said.compare(&heard.samples, heard.rate)
    }

    /// `engine_stats`: what became of the frames of all tracks.
    pub(crate) fn statistics(&self) -> Value {
        let senders = lock(&self.senders);
        let sent = senders.iter().map(|one| format!("{:?}", one.statistics()));
        let receivers = lock(&self.receivers);
        let received = receivers.iter().map(|one| format!("{:?}", one.statistics()));
        json!({"sent": sent.collect::<Vec<_>>(), "received": received.collect::<Vec<_>>()})
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn read(mut sink: Sink<VideoFrame>, readings: &Mutex<Vec<Value>>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let frame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(peerage::media_engine::track::SinkError::Empty) => continue,
            Err(_) => return,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let reading = NumberedPicture::read(&frame.picture);
        let (width, height) = (frame.picture.width(), frame.picture.height());
        let mut all = lock(readings);
        if all.len() < READINGS {
            all.push(json!([
                now.as_secs_f64() * 1_000.0,
                frame.time.as_secs_f64(),
                reading.number,
                reading.layer,
                reading.colours,
                width,
                height,
                null
            ]));
        }
    }
}

fn listen(mut sink: Sink<AudioFrame>, heard: &Mutex<Heard>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let frame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(peerage::media_engine::track::SinkError::Empty) => continue,
            Err(_) => return,
        };
        let mut heard = lock(heard);
        if std::mem::replace(&mut heard.rate, frame.block.rate()) != frame.block.rate() {
            heard.samples.clear();
        }
        let channels = frame.block.channels();
        heard.samples.extend(frame.block.samples().iter().step_by(channels));
        let kept = HEARD.max(speech::kept(heard.rate));
        let surplus = heard.samples.len().saturating_sub(kept);
        heard.samples.drain(..surplus);
        drop(heard);
        sink.recycle(frame);
    }
}

/// The loudest frequency, and how loud it and all others are, in dB of the same scale: by the tone's own correlation in steps of
/// a bin from 100 Hz to 3.5 kHz, in a Hann window.
fn loudest(samples: &[f32], rate: u32) -> Value {
    let rate = f64::from(rate);
    let bin = rate / HEARD as f64;
    let windowed: Vec<f64> = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| {
            let phase = std::f64::consts::TAU * at as f64 / HEARD as f64;
            f64::from(*sample) * (0.5 - 0.5 * phase.cos())
        })
        .collect();
    let power = |frequency: f64| {
        // Goertzel's recurrence.
        let factor = 2.0 * (std::f64::consts::TAU * frequency / rate).cos();
        let (mut one, mut two) = (0.0, 0.0);
        for sample in &windowed {
            (one, two) = (sample + factor * one - two, one);
        }
        one * one + two * two - factor * one * two
    };
    let bins = (100.0 / bin) as usize..(3_500.0 / bin) as usize;
    let powers: Vec<f64> = bins.clone().map(|at| power(at as f64 * bin)).collect();
    let best = (0..powers.len()).max_by(|a, b| powers[*a].total_cmp(&powers[*b])).unwrap_or(0);
    let decibels = |power: f64| 10.0 * power.max(1e-12).log10();
    let far = |at: &usize| at.abs_diff(best) > 4;
    let rest = (0..powers.len()).filter(far).map(|at| powers[at]).fold(0.0, f64::max);
    // Between the bins, by a parabola through three of them.
    let around = |at: usize| decibels(powers[at.min(powers.len() - 1)]);
    let (left, middle, right) = (around(best.saturating_sub(1)), around(best), around(best + 1));
    let bend = left - 2.0 * middle + right;
    let offset = if bend == 0.0 { 0.0 } else { 0.5 * (left - right) / bend };
    json!({
        "how": "decoder",
        "frequency": (bins.start as f64 + best as f64 + offset) * bin,
        "bin": bin,
        "level": decibels(powers[best]),
        "rest": decibels(rest),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loudest_tone_is_found() {
        let samples: Vec<f32> = (0..HEARD)
            .map(|at| (std::f64::consts::TAU * 1_000.4 * at as f64 / 48_000.0).sin() as f32)
            .collect();
        let told = loudest(&samples, 48_000);
        let value = |name: &str| told[name].as_f64().unwrap();
        assert!((value("frequency") - 1_000.4).abs() < 0.3, "{told}");
        assert!(value("level") - value("rest") > 40.0, "{told}");
    }
}
