//! Pictures and clicks by the media engine, for the case F: what is drawn and said is noted when it is, what is shown is compared
//! with what was drawn, and what is heard is searched for clicks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use peerage::engine::{TrackReceiver, TrackSender, sources};
use peerage::media::{Capabilities, MediaKind};
use peerage::media_engine::audio::{AudioBlock, AudioFrame};
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::track::{
    AudioSource, AudioTrack, MediaStream, MediaStreamTrack, Sink, SinkError,
};
use peerage::media_engine::video::VideoFrame;
use peerage::media_engine::video::pattern::{Region, read_number};
use peerage::{PeerConnection, RtpTransceiver};
use serde_json::{Value, json};

use crate::{now, text, texture};

/// Readings of a kind that are kept until they are asked for.
const READINGS: usize = 20_000;
/// Of pictures whose structure is compared, one in so many.
const STRUCTURES: u16 = 10;
/// The picture by which two ends see that they draw alike.
const PROOF: u16 = 4711;
/// How long a thread rests at most before it looks whether it is still wanted.
const REST: Duration = Duration::from_millis(100);
/// Samples a second of the clicks, how long one is, its frequency in Hz, and how loud.
const RATE: u32 = 48_000;
const CLICK: u64 = RATE as u64 / 50;
const FREQUENCY: f64 = 1_000.0;
const LEVEL: f64 = 0.5;
/// Samples above this are of a click; clicks that follow sooner are echoes of the one before.
const HEARD_LEVEL: f32 = 0.1;
const APART_MS: f64 = 300.0;

/// A picture that was shown: time, number, PSNR and SSIM.
type Shown = (f64, Option<u16>, Option<f64>, Option<f64>);

/// What happened since it was told last, in milliseconds of Unix time.
#[derive(Default)]
struct Told {
    /// Number and time.
    drawn: Vec<(u16, f64)>,
    shown: Vec<Shown>,
    said: Vec<f64>,
    heard: Vec<f64>,
}

/// See the module.
pub(crate) struct Fidelity {
    size: (u16, u16),
    over: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    senders: Mutex<Vec<TrackSender>>,
    receivers: Mutex<Vec<TrackReceiver>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep<T>(list: &mut Vec<T>, entry: T) {
    if list.len() < READINGS {
        list.push(entry);
    }
}

impl Fidelity {
    /// `fidelity`: tracks of these pictures and, with `audio`, of clicks, made by a clock that is `drift_ppm` fast.
    pub(crate) async fn begin(pc: &PeerConnection, fields: &Value) -> Result<(Self, Value)> {
        let number = |name: &str| fields[name].as_f64().with_context(|| format!("no `{name}`"));
        let (width, height) = (number("width")? as u16, number("height")? as u16);
        let rate = number("rate")?;
        let told: Arc<Mutex<Told>> = Arc::default();
        let drawn = told.clone();
        let pictures = sources::pictures("textured pictures", rate, move |number| {
            let picture = texture::draw(number as u16, width, height);
            keep(&mut lock(&drawn).drawn, (number as u16, now()));
            Some(picture)
        })?;
        let mut tracks: Vec<(MediaStreamTrack, &str)> =
            vec![(pictures.into(), text(fields, "video")?)];
        if let Some(codec) = fields["audio"].as_str() {
            let drift = fields["drift_ppm"].as_f64().unwrap_or(0.0);
            tracks.push((clicks(drift, told.clone())?.into(), codec));
        }
        let stream = MediaStream::new(tracks.iter().map(|(track, _)| track.clone()));
        let mut senders = Vec::new();
        for (track, codec) in tracks {
            let sender = pc.send_track(&track, &[&stream], Arc::new(BuiltIn)).await?;
            let transceiver = sender.transceiver();
            let all = Capabilities::default().rtp_codecs(transceiver.kind());
            let wanted: Vec<_> =
                all.into_iter().filter(|have| have.is(codec) || have.is("rtx")).collect();
            ensure!(wanted.iter().any(|have| have.is(codec)), "there is no codec {codec}");
            transceiver.set_codec_preferences(wanted).await?;
            if transceiver.kind() == MediaKind::Video {
                let mut parameters = transceiver.get_parameters().await?;
                for encoding in &mut parameters.encodings {
                    encoding.max_bitrate = fields["bitrate"].as_u64();
                }
                transceiver.set_parameters(parameters).await?;
            }
            senders.push(sender);
        }
        let sum = texture::sum(texture::draw(PROOF, width, height).planes().0);
        let fidelity = Self {
            size: (width, height),
            over: Arc::default(),
            told,
            senders: Mutex::new(senders),
            receivers: Mutex::default(),
        };
        Ok((fidelity, json!({"sum": sum})))
    }

    /// Takes what comes on a transceiver.
    pub(crate) fn take(&self, transceiver: &RtpTransceiver) -> Result<()> {
        let receiver = transceiver.receive_track(Arc::new(BuiltIn))?;
        let (told, over) = (self.told.clone(), self.over.clone());
        if let Some(track) = receiver.track().as_video() {
            let (sink, size) = (track.sink(30), self.size);
            std::thread::spawn(move || watch(sink, size, &told, &over));
        } else if let Some(track) = receiver.track().as_audio() {
            let sink = track.sink(20);
            std::thread::spawn(move || listen(sink, &told, &over));
        }
        lock(&self.receivers).push(receiver);
        Ok(())
    }

    /// `fidelity_told`: what was drawn, shown, said and heard since the last time.
    pub(crate) fn told(&self) -> Value {
        let Told { drawn, shown, said, heard } = std::mem::take(&mut *lock(&self.told));
        json!({"how": "decoder", "drawn": drawn, "shown": shown, "said": said, "heard": heard})
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

impl Drop for Fidelity {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

/// Compares what is shown.
fn watch(
    mut sink: Sink<VideoFrame>,
    (width, height): (u16, u16),
    told: &Mutex<Told>,
    over: &AtomicBool,
) {
    while !over.load(Ordering::Relaxed) {
        let frame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(SinkError::Empty) => continue,
            Err(_) => return,
        };
        let at = now();
        let picture = &frame.picture;
        let (have_width, have_height) = (picture.width(), picture.height());
        let number = read_number(picture, Region::lower_left(have_width, have_height));
        let same = number.filter(|_| (have_width, have_height) == (width, height));
        let drawn = same.map(|number| texture::draw(number, width, height));
        let luma = picture.planes().0;
        let psnr = drawn.as_ref().map(|drawn| texture::psnr(drawn.planes().0, luma));
        let compared = drawn.filter(|_| number.is_some_and(|n| n.is_multiple_of(STRUCTURES)));
        let ssim = compared.map(|drawn| texture::ssim(usize::from(width), drawn.planes().0, luma));
        keep(&mut lock(told).shown, (at, number, psnr, ssim));
    }
}

/// Waits for clicks.
fn listen(mut sink: Sink<AudioFrame>, told: &Mutex<Told>, over: &AtomicBool) {
    let mut last = f64::NEG_INFINITY;
    while !over.load(Ordering::Relaxed) {
        let frame = match sink.recv_timeout(REST) {
            Ok(frame) => frame,
            Err(SinkError::Empty) => continue,
            Err(_) => return,
        };
        let at = now();
        let (rate, channels) = (f64::from(frame.block.rate()), frame.block.channels());
        let mut samples = frame.block.samples().iter().step_by(channels);
        if let Some(begins) = samples.position(|sample| sample.abs() > HEARD_LEVEL) {
            let heard = at + begins as f64 * 1_000.0 / rate;
            if heard - last > APART_MS {
                keep(&mut lock(told).heard, heard);
            }
            last = heard;
        }
        sink.recycle(frame);
    }
}

/// A microphone that hears a click each second, and has a clock of its own: its samples come that much too fast, and its times
/// are those of its samples.
fn clicks(drift_ppm: f64, told: Arc<Mutex<Told>>) -> Result<AudioTrack> {
    let source = AudioSource::new("clicks");
    let track = source.track();
    // Samples in a million seconds, so that no second begins between two samples by rounding.
    let million = (f64::from(RATE) * (1e6 + drift_ppm)).round() as u64;
    let rate = million as f64 * 1e-6;
    let run = move || {
        let (begin, began) = (Instant::now(), now());
        let length = u64::from(RATE / 100);
        let mut first = 0_u64;
        while source.is_wanted() {
            // A block is there when it has ended.
            let due = Duration::from_secs_f64((first + length) as f64 / rate);
            std::thread::sleep(due.saturating_sub(begin.elapsed()));
            let mut block = AudioBlock::silence(RATE, 1, length as usize);
            for (at, sample) in block.samples_mut().iter_mut().enumerate() {
                let at = first + at as u64;
                // The second that began last, and how many samples ago.
                let second = at * 1_000_000 / million;
                let since = at - (second * million).div_ceil(1_000_000);
                if since == 0 {
                    keep(&mut lock(&told).said, began + second as f64 * 1_000.0);
                }
                if since < CLICK {
                    let turn = std::f64::consts::TAU * FREQUENCY * since as f64 / f64::from(RATE);
                    *sample = (LEVEL * turn.cos()) as f32;
                }
            }
            let time = Duration::from_secs_f64(first as f64 / f64::from(RATE));
            source.push(&AudioFrame { block, time });
            first += length;
        }
    };
    std::thread::Builder::new().name("clicks".to_owned()).spawn(run)?;
    Ok(track)
}
