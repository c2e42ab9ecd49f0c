//! The thread that decodes and plays the pictures of a peer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::codec::{CodecFactory, CodecSpec, VideoDecoder};
use peerage_media::track::VideoSource;
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
    let mut player = Player { source, outlet, codecs, counters, current: None, broken: true };
    let run = move || {
        while player.source.is_wanted() {
            match arrivals.next(Instant::now() + REST) {
                Arrival::Frame { frame, after_loss, .. } => player.frame(&frame, after_loss),
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
    /// Only a keyframe can be decoded.
    broken: bool,
}

impl Player {
    fn frame(&mut self, received: &MediaFrame, after_loss: bool) {
        self.counters.received.add(1);
        self.broken = (self.broken || after_loss) && !received.frame.keyframe;
        if self.broken {
            self.outlet.request_keyframe();
            self.counters.failed.add(1);
            return;
        }
        let Some(decoder) = self.decoder(received.codec) else { return };
        match decoder.decode(&received.frame.data) {
            Ok(picture) => {
                self.counters.decoded.add(1);
                if let Some(picture) = picture {
                    self.play(picture, received);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "a picture was not decoded");
                self.counters.failed.add(1);
                self.broken = true;
                self.outlet.request_keyframe();
            }
        }
    }

    fn decoder(&mut self, codec: CodecFormat) -> Option<&mut Box<dyn VideoDecoder>> {
        if self.current.as_ref().is_none_or(|(current, _)| *current != codec) {
            let spec = CodecSpec::new(codec.payload(), codec.clock_rate(), 1);
            match self.codecs.video_decoder(&spec) {
                Ok(decoder) => self.current = Some((codec, decoder)),
                Err(error) => {
                    tracing::warn!(%error, "a track cannot be decoded");
                    self.counters.failed.add(1);
                    return None;
                }
            }
        }
        self.current.as_mut().map(|(_, decoder)| decoder)
    }

    fn play(&mut self, mut picture: VideoFrame, received: &MediaFrame) {
        picture.time = Duration::from_nanos(u64::from(received.frame.timestamp) * 1_000_000 / 90);
        if let Some(orientation) = received.extensions.video_orientation {
            picture.rotation = match orientation.rotation {
                Turn::None => Rotation::None,
                Turn::Clockwise90 => Rotation::Quarter,
                Turn::Clockwise180 => Rotation::Half,
                Turn::Clockwise270 => Rotation::ThreeQuarters,
            };
        }
        self.source.set_muted(false);
        self.source.push(&picture);
        self.counters.played.add(1);
    }
}
