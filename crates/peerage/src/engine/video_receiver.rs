//! The thread that decodes and plays the pictures of a peer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::codec::{CodecFactory, CodecSpec, VideoDecoder};
use peerage_media::track::VideoSource;
use peerage_media::video::jitter::{
    JitterConfig, JitterEvent, PictureQueue, ReadyFrame, VideoJitterBuffer,
};
use peerage_media::video::{Rotation, VideoFrame};
use peerage_peerconnection::MediaFrame;
use peerage_peerconnection::media::CodecFormat;
use peerage_rtp::extension::Rotation as Turn;
use tokio::sync::mpsc;

use super::arrivals::{Arrival, Arrivals};
use super::frames::FrameOutlet;
use super::statistics::ReceiverCounters;
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
    outlet: FrameOutlet,
    codecs: Arc<dyn CodecFactory>,
    counters: Arc<ReceiverCounters>,
) -> Result<(), Error> {
    let arrivals = Arrivals::begin(runtime, frames);
    let mut player = Player {
        source,
        outlet,
        codecs,
        counters,
        current: None,
        buffer: VideoJitterBuffer::new(JitterConfig::default()),
        pictures: PictureQueue::new(PICTURES),
        turned: VecDeque::new(),
        broken: true,
    };
    let run = move || {
        while player.source.is_wanted() {
            let until = player.advance(Instant::now());
            match arrivals.next(until) {
                Arrival::Frame { at, frame, after_loss } => player.take(at, *frame, after_loss),
                Arrival::Nothing => {}
                Arrival::Closed => break,
            }
        }
        arrivals.end();
    };
    std::thread::Builder::new()
        .name("peerage video in".to_owned())
        .spawn(run)
        .map(|_| ())
        .map_err(Error::Thread)
}

/// What the thread has.
struct Player {
    source: VideoSource,
    outlet: FrameOutlet,
    codecs: Arc<dyn CodecFactory>,
    counters: Arc<ReceiverCounters>,
    current: Option<(CodecFormat, Box<dyn VideoDecoder>)>,
    /// Frames that wait until they are to be decoded.
    buffer: VideoJitterBuffer,
    /// Pictures that wait until they are to be shown.
    pictures: PictureQueue<VideoFrame>,
    /// How the pictures of the buffer are to be turned, by their timestamps, the oldest first.
    turned: VecDeque<(u32, Rotation)>,
    /// Only a keyframe can be decoded.
    broken: bool,
}

impl Player {
    /// Takes a frame that came.
    fn take(&mut self, at: Instant, received: MediaFrame, after_loss: bool) {
        self.counters.received.add(1);
        self.broken = (self.broken || after_loss) && !received.frame.keyframe;
        if self.broken {
            self.outlet.request_keyframe();
            self.counters.failed.add(1);
            return;
        }
        if self.current.as_ref().is_none_or(|(codec, _)| *codec != received.codec) {
            let codec = received.codec;
            let spec = CodecSpec::new(codec.payload(), codec.clock_rate(), 1);
            match self.codecs.video_decoder(&spec) {
                Ok(decoder) => self.current = Some((codec, decoder)),
                Err(error) => {
                    tracing::warn!(%error, "a track cannot be decoded");
                    self.counters.failed.add(1);
                    return;
                }
            }
            self.buffer.reset();
            self.turned.clear();
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
        self.buffer.packet_arrived(at);
        self.buffer.insert(at, received.frame);
    }

    /// Decodes and shows what is due; until when there is nothing more to do.
    fn advance(&mut self, now: Instant) -> Instant {
        while let Some(event) = self.buffer.poll(now) {
            match event {
                JitterEvent::Decode(ready) => self.decode(&ready),
                JitterEvent::RequestKeyframe => self.outlet.request_keyframe(),
                _ => {}
            }
        }
        if let Some(picture) = self.pictures.pop_due(Instant::now()) {
            self.source.set_muted(false);
            self.source.push(&picture);
            self.counters.played.add(1);
        }
        let due = [self.buffer.poll_timeout(), self.pictures.poll_timeout()];
        due.into_iter().flatten().fold(now + REST, Instant::min)
    }

    fn decode(&mut self, ready: &ReadyFrame) {
        let Some((_, decoder)) = &mut self.current else { return };
        let timestamp = ready.frame.timestamp;
        let before = self.turned.iter().position(|(of, _)| *of == timestamp);
        let rotation = before.and_then(|at| self.turned.drain(..=at).next_back());
        let begun = Instant::now();
        match decoder.decode(&ready.frame.data) {
            Ok(picture) => {
                self.counters.decoded.add(1);
                self.buffer.decoded(begun.elapsed(), ready.frame.keyframe);
                if let Some(mut picture) = picture {
                    picture.time = Duration::from_nanos(u64::from(timestamp) * 1_000_000 / 90);
                    picture.rotation = rotation.map_or(Rotation::None, |(_, rotation)| rotation);
                    self.pictures.push(ready.render_at, picture);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a picture was not decoded");
                self.counters.failed.add(1);
                self.buffer.decode_failed(begun);
                self.broken = true;
                self.outlet.request_keyframe();
            }
        }
    }
}
