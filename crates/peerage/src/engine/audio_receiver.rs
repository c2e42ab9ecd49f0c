//! The thread that decodes and plays the sound of a peer: a block of 10 ms each 10 ms, whatever comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::audio::jitter::{JitterBuffer, JitterConfig, JitterPacket};
use peerage_media::audio::{AudioBlock, AudioFrame};
use peerage_media::codec::{CodecFactory, CodecSpec};
use peerage_media::track::AudioSource;
use peerage_peerconnection::MediaFrame;
use peerage_peerconnection::media::CodecFormat;
use peerage_rtp::payload::PayloadFormat;
use tokio::sync::mpsc;

use super::arrivals::{Arrival, Arrivals};
use super::statistics::ReceiverCounters;
use crate::Error;

/// How late the thread may be before it begins anew, rather than play what it has missed.
const MAX_LATE: Duration = Duration::from_millis(200);

type Frames = Arc<tokio::sync::Mutex<mpsc::Receiver<MediaFrame>>>;

/// Begins to play a transceiver's frames on a source.
pub(super) fn begin(
    runtime: &tokio::runtime::Handle,
    frames: Frames,
    source: AudioSource,
    codecs: Arc<dyn CodecFactory>,
    counters: Arc<ReceiverCounters>,
) -> Result<(), Error> {
    let arrivals = Arrivals::begin(runtime, frames);
    let block = AudioFrame::default();
    let mut player = Player { source, codecs, counters, current: None, frame: block };
    let run = move || {
        let mut due = Instant::now() + AudioBlock::DURATION;
        while player.source.is_wanted() {
            match arrivals.next(due) {
                Arrival::Frame { at, frame, .. } => player.take(at, &frame),
                Arrival::Nothing => {
                    player.play(due);
                    due += AudioBlock::DURATION;
                    if due + MAX_LATE < Instant::now() {
                        due = Instant::now();
                    }
                }
                Arrival::Closed => break,
            }
        }
        arrivals.end();
    };
    std::thread::Builder::new()
        .name("peerage audio in".to_owned())
        .spawn(run)
        .map(|_| ())
        .map_err(Error::Thread)
}

/// What the thread has.
struct Player {
    source: AudioSource,
    codecs: Arc<dyn CodecFactory>,
    counters: Arc<ReceiverCounters>,
    current: Option<(CodecFormat, JitterBuffer)>,
    /// Filled anew for each block.
    frame: AudioFrame,
}

impl Player {
    fn take(&mut self, at: Instant, received: &MediaFrame) {
        self.counters.received.add(1);
        let mut packet = JitterPacket::from(&received.frame);
        packet.comfort_noise = received.codec.payload() == PayloadFormat::ComfortNoise;
        let same = self.current.as_ref().is_some_and(|(codec, _)| *codec == received.codec);
        if !same && !packet.comfort_noise {
            let codec = received.codec;
            let spec = CodecSpec::new(codec.payload(), codec.clock_rate(), 1);
            match self.codecs.audio_decoder(&spec) {
                Ok(decoder) => {
                    let config = JitterConfig::new(codec.clock_rate());
                    self.current = Some((codec, JitterBuffer::new(config, decoder)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a track cannot be decoded");
                    self.counters.failed.add(1);
                    return;
                }
            }
        }
        if let Some((_, buffer)) = &mut self.current {
            buffer.insert(at, packet);
            self.source.set_muted(false);
        }
    }

    fn play(&mut self, now: Instant) {
        if let Some((_, buffer)) = &mut self.current {
            buffer.get_audio(now, &mut self.frame.block);
            self.source.push(&self.frame);
            self.counters.played.add(1);
        }
        self.frame.time += AudioBlock::DURATION;
    }
}
