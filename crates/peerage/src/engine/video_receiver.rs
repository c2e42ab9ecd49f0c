//! The thread that decodes and plays the pictures of a peer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::codec::{CodecFactory, CodecSpec, VideoDecoder};
use peerage_media::sync::{Playing, SyncMedium};
use peerage_media::track::VideoSource;
use peerage_media::video::jitter::{
    Arrived, FreezeCounter, JitterConfig, JitterEvent, PictureQueue, ReadyFrame, VideoJitterBuffer,
};
use peerage_media::video::{Rotation, VideoFrame};
use peerage_peerconnection::media::CodecFormat;
use peerage_peerconnection::{FrameArrival, MediaFrame};
use peerage_rtp::extension::Rotation as Turn;
use tokio::sync::mpsc;

use super::arrivals::{Arrival, Arrivals};
use super::failures::Failures;
use super::frames::FrameOutlet;
use super::receiver::Told;
use super::together::Together;
use crate::Error;

/// How long the thread rests at most before it looks whether it is still wanted.
const REST: Duration = Duration::from_millis(100);
/// Decoded pictures that wait for their time: the buffer gives frames out no sooner than decoding takes.
const PICTURES: usize = 16;
/// Frames whose rotation is remembered: as many as the buffer holds.
const MAX_TURNED: usize = 1_024;

type Frames = Arc<tokio::sync::Mutex<mpsc::Receiver<MediaFrame>>>;

/// Begins to play a transceiver's frames on a source.
pub(super) fn begin(
    runtime: &tokio::runtime::Handle,
    frames: Frames,
    source: VideoSource,
    (outlet, codecs): (FrameOutlet, Arc<dyn CodecFactory>),
    together: Together,
    told: Told,
) -> Result<(), Error> {
    let arrivals = Arrivals::begin(runtime, frames);
    let mut player = Player {
        source,
        outlet,
        codecs,
        together,
        told,
        current: None,
        failures: Failures::default(),
        buffer: VideoJitterBuffer::new(JitterConfig::default()),
        pictures: PictureQueue::new(PICTURES),
        shown: FreezeCounter::default(),
        turned: VecDeque::new(),
        broken: true,
    };
    let run = move || {
        while player.source.is_wanted() {
            player.told.muting.check(&player.source);
            let until = player.advance(Instant::now());
            match arrivals.next(until) {
                Arrival::Frame { at, frame, after_loss } => player.take(at, *frame, after_loss),
                Arrival::Nothing => {}
                Arrival::Closed => break,
            }
        }
    };
    std::thread::Builder::new()
        .name("peerage video in".to_owned())
        .spawn(run)
        .map(|_| ())
        .map_err(Error::Thread)
}

/// What is decoded now.
struct Current {
    ssrc: u32,
    codec: CodecFormat,
    decoder: Box<dyn VideoDecoder>,
    implementation: String,
}

/// A picture that waits until it is to be shown, and the RTP timestamp of its frame.
type Waiting = (u32, VideoFrame);

/// What the thread has.
struct Player {
    source: VideoSource,
    outlet: FrameOutlet,
    codecs: Arc<dyn CodecFactory>,
    together: Together,
    told: Told,
    current: Option<Current>,
    failures: Failures<CodecFormat>,
    /// Frames that wait until they are to be decoded.
    buffer: VideoJitterBuffer,
    /// Pictures that wait until they are to be shown.
    pictures: PictureQueue<Waiting>,
    /// How smoothly they are.
    shown: FreezeCounter,
    /// How the pictures of the buffer are to be turned, by their timestamps, the oldest first.
    turned: VecDeque<(u32, Rotation)>,
    /// Only a keyframe can be decoded.
    broken: bool,
}

impl Player {
    /// Takes a frame that came.
    fn take(&mut self, at: Instant, received: MediaFrame, after_loss: bool) {
        self.told.counters.received.add(1);
        self.told.muting.came(received.arrival.last, &self.source);
        // What another source sends refers to nothing that was here.
        let other = self.current.as_ref().is_some_and(|current| current.ssrc != received.ssrc);
        self.broken = (self.broken || after_loss || other) && !received.frame.keyframe;
        if self.broken {
            self.outlet.request_keyframe();
            self.told.counters.failed.add(1);
            return;
        }
        if !self.prepare(&received) {
            self.told.counters.failed.add(1);
            return;
        }
        self.together.take(&received, SyncMedium::Pictures);
        if let Some(delay) = received.extensions.playout_delay {
            self.buffer.set_playout_delay(delay.min, delay.max);
        }
        let rotation =
            received.extensions.video_orientation.map_or(Rotation::None, |orientation| {
                match orientation.rotation {
                    Turn::None => Rotation::None,
                    Turn::Clockwise90 => Rotation::Quarter,
                    Turn::Clockwise180 => Rotation::Half,
                    Turn::Clockwise270 => Rotation::ThreeQuarters,
                }
            });
        if self.turned.len() == MAX_TURNED {
            self.turned.pop_front();
        }
        self.turned.push_back((received.frame.timestamp, rotation));
        let FrameArrival { first, last, repaired } = received.arrival;
        self.buffer.insert_arrived(at, Arrived { first, last, repaired }, received.frame);
    }

    /// Makes a decoder for what comes, where that is something else than before. False where there is none.
    fn prepare(&mut self, received: &MediaFrame) -> bool {
        let MediaFrame { ssrc, codec, .. } = *received;
        if self.current.as_ref().is_some_and(|now| (now.ssrc, now.codec) == (ssrc, codec)) {
            return true;
        }
        if self.failures.is_known(|known| *known == codec) {
            return false;
        }
        let spec = CodecSpec::new(codec.payload(), codec.clock_rate(), 1);
        let decoder = match self.codecs.video_decoder(&spec) {
            Ok(decoder) => decoder,
            Err(error) => {
                tracing::warn!(%error, "a track cannot be decoded");
                self.failures.note(codec);
                return false;
            }
        };
        self.failures.clear();
        if self.current.as_ref().is_some_and(|current| current.ssrc != ssrc) {
            // All is counted anew, as of another stream.
            self.buffer = VideoJitterBuffer::new(JitterConfig::default());
            self.shown = FreezeCounter::default();
        } else {
            self.buffer.reset();
        }
        self.turned.clear();
        let implementation = decoder.implementation();
        self.current = Some(Current { ssrc, codec, decoder, implementation });
        true
    }

    /// Decodes and shows what is due; until when there is nothing more to do.
    fn advance(&mut self, now: Instant) -> Instant {
        self.buffer.set_target(self.together.target());
        while let Some(event) = self.buffer.poll(now) {
            match event {
                JitterEvent::Decode(ready) => self.decode(&ready),
                JitterEvent::RequestKeyframe => self.outlet.request_keyframe(),
                _ => {}
            }
        }
        self.show(Instant::now());
        let due = [self.buffer.poll_timeout(), self.pictures.poll_timeout()];
        due.into_iter().flatten().fold(now + REST, Instant::min)
    }

    /// Shows what is due.
    fn show(&mut self, now: Instant) {
        let Some((timestamp, picture)) = self.pictures.pop_due(now) else { return };
        self.source.push(&picture);
        self.told.counters.played.add(1);
        self.shown.shown(now);
        let playing = Playing { timestamp, at: now, delay: self.buffer.current_delay() };
        let (delay, captured) = self.together.playing(now, playing);
        self.buffer.set_synchronised_delay(delay);
        self.told.played.position(captured, now);
        if let Some(Current { ssrc, .. }) = &self.current {
            let (counted, not_shown) = (self.buffer.statistics(), self.pictures.dropped());
            self.told.played.pictures(*ssrc, counted, &self.shown, not_shown);
        }
    }

    fn decode(&mut self, ready: &ReadyFrame) {
        let Some(current) = &mut self.current else { return };
        let timestamp = ready.frame.timestamp;
        let before = self.turned.iter().position(|(of, _)| *of == timestamp);
        let rotation = before.and_then(|at| self.turned.drain(..=at).next_back());
        let begun = Instant::now();
        match current.decoder.decode(&ready.frame.data) {
            Ok(picture) => {
                let done = Instant::now();
                self.told.counters.decoded.add(1);
                self.told.played.decoded(done);
                self.buffer.decoded(done - begun, ready.frame.keyframe);
                if let Some(mut picture) = picture {
                    picture.time = Duration::from_nanos(u64::from(timestamp) * 1_000_000 / 90);
                    picture.rotation = rotation.map_or(Rotation::None, |(_, rotation)| rotation);
                    let (width, height) = (picture.picture.width(), picture.picture.height());
                    let size = (u32::from(width), u32::from(height));
                    let quantizer = current.decoder.quantizer();
                    let by = &current.implementation;
                    self.told.played.picture(current.ssrc, by, size, quantizer);
                    self.pictures.push(ready.render_at, (timestamp, picture));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a picture was not decoded");
                self.told.counters.failed.add(1);
                self.buffer.decode_failed(begun);
                self.broken = true;
                self.outlet.request_keyframe();
            }
        }
    }
}
