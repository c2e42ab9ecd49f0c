//! The thread that decodes and plays the sound of a peer: a block of 10 ms each 10 ms, whatever comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peerage_media::audio::jitter::{JitterBuffer, JitterConfig, JitterPacket};
use peerage_media::audio::{AudioBlock, AudioFrame, TelephoneTones};
use peerage_media::codec::{CodecFactory, CodecSpec};
use peerage_media::sync::{Playing, SyncMedium};
use peerage_media::track::AudioSource;
use peerage_peerconnection::MediaFrame;
use peerage_peerconnection::media::CodecFormat;
use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::payload::telephone_event::EventReport;
use tokio::sync::mpsc;

use super::arrivals::{Arrival, Arrivals};
use super::codec_turn::{CodecTurn, Turn};
use super::failures::Failures;
use super::receiver::Told;
use super::together::Together;
use crate::Error;

/// How late the thread may be before it begins anew, rather than play what it has missed.
const MAX_LATE: Duration = Duration::from_millis(200);

/// Blocks from one time that others are told of what is played to the next.
const TOLD_EVERY: u32 = 5;

type Frames = Arc<tokio::sync::Mutex<mpsc::Receiver<MediaFrame>>>;

/// Begins to play a transceiver's frames on a source.
pub(super) fn begin(
    runtime: &tokio::runtime::Handle,
    frames: Frames,
    source: AudioSource,
    codecs: Arc<dyn CodecFactory>,
    together: Together,
    told: Told,
) -> Result<(), Error> {
    let arrivals = Arrivals::begin(runtime, frames);
    let block = AudioFrame::default();
    let mut player = Player {
        source,
        codecs,
        together,
        told,
        current: None,
        failures: Failures::default(),
        tones: TelephoneTones::new(),
        frame: block,
        blocks: 0,
    };
    let run = move || {
        let mut due = Instant::now() + AudioBlock::DURATION;
        while player.source.is_wanted() {
            player.told.muting.check(&player.source);
            match arrivals.next(due) {
                Arrival::Frame { frame, .. } => player.take(&frame),
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
    };
    std::thread::Builder::new()
        .name("peerage audio in".to_owned())
        .spawn(run)
        .map(|_| ())
        .map_err(Error::Thread)
}

/// What is played now.
struct Current {
    ssrc: u32,
    codec: CodecTurn<CodecFormat>,
    buffer: JitterBuffer,
}

/// What the thread has.
struct Player {
    source: AudioSource,
    codecs: Arc<dyn CodecFactory>,
    together: Together,
    told: Told,
    current: Option<Current>,
    failures: Failures<CodecFormat>,
    tones: TelephoneTones,
    /// Filled anew for each block.
    frame: AudioFrame,
    /// Blocks since others were told of what is played.
    blocks: u32,
}

impl Player {
    fn take(&mut self, received: &MediaFrame) {
        let payload = received.codec.payload();
        if payload == PayloadFormat::TelephoneEvent {
            self.take_event(received);
            return;
        }
        self.told.counters.received.add(1);
        let mut packet = JitterPacket::from(&received.frame);
        packet.comfort_noise = payload == PayloadFormat::ComfortNoise;
        if !packet.comfort_noise && self.turn(received) == Some(Turn::Past) {
            // The decoder for it is gone, or about to go: it counts as lost.
            return;
        }
        if !packet.comfort_noise && !self.prepare(received) {
            self.told.counters.failed.add(1);
            return;
        }
        if let Some(Current { ssrc, codec, buffer }) = &mut self.current
            && *ssrc == received.ssrc
        {
            self.together.take(received, SyncMedium::Sound(codec.codec().clock_rate()));
            buffer.insert(received.arrival.last, packet);
            self.told.muting.came(received.arrival.last, &self.source);
        }
    }

    /// Takes what names a key, which sounds in the place of what comes from the peer's microphone.
    fn take_event(&mut self, received: &MediaFrame) {
        let Some(Current { buffer, .. }) = &self.current else { return };
        let clock = (received.frame.timestamp, received.codec.clock_rate());
        // Others in the same packet follow it without a pause, and come again in their own.
        let first = EventReport::read(&received.frame.data).ok().and_then(|mut all| all.next());
        if let Some(report) = first {
            self.tones.report(received.arrival.last, clock, &report, buffer.target_delay());
        }
    }

    /// What a frame is to the stream that is played; `None` if it is of another.
    fn turn(&self, received: &MediaFrame) -> Option<Turn> {
        let current = self.current.as_ref().filter(|current| current.ssrc == received.ssrc)?;
        let frame = &received.frame;
        Some(current.codec.of(received.codec, frame.first_sequence, frame.redundant))
    }

    /// Makes a decoder for what comes, where that is something else than before. False where there is none.
    fn prepare(&mut self, received: &MediaFrame) -> bool {
        let MediaFrame { ssrc, codec, .. } = *received;
        if self.turn(received) == Some(Turn::Same) {
            return true;
        }
        if self.failures.is_known(|known| *known == codec) {
            return false;
        }
        let turn = CodecTurn::new(codec, received.frame.first_sequence);
        let spec = CodecSpec::new(codec.payload(), codec.clock_rate(), 1);
        let decoder = match self.codecs.audio_decoder(&spec) {
            Ok(decoder) => decoder,
            Err(error) => {
                tracing::warn!(%error, "a track cannot be decoded");
                self.failures.note(codec);
                return false;
            }
        };
        self.failures.clear();
        match &mut self.current {
            // It goes on in another codec: what waits is played before.
            Some(current) if current.ssrc == ssrc => {
                current.codec = turn;
                current.buffer.set_decoder(codec.clock_rate(), decoder);
            }
            current => {
                let config = JitterConfig::new(codec.clock_rate());
                let buffer = JitterBuffer::new(config, decoder);
                *current = Some(Current { ssrc, codec: turn, buffer });
            }
        }
        true
    }

    fn play(&mut self, now: Instant) {
        if let Some(Current { ssrc, buffer, .. }) = &mut self.current {
            self.blocks += 1;
            let timestamp = buffer.playout_timestamp().filter(|_| buffer.is_playing());
            if self.blocks >= TOLD_EVERY
                && let Some(timestamp) = timestamp
            {
                self.blocks = 0;
                let playing = Playing { timestamp, at: now, delay: buffer.target_delay() };
                let (delay, captured) = self.together.playing(now, playing);
                buffer.set_synchronised_delay(delay);
                buffer.set_target(self.together.target());
                self.told.played.position(captured, now);
            }
            buffer.get_audio(now, &mut self.frame.block);
            self.tones.fill(now, &mut self.frame.block);
            self.source.push(&self.frame);
            self.told.counters.played.add(1);
            self.told.played.sound(*ssrc, buffer.statistics());
        }
        self.frame.time += AudioBlock::DURATION;
    }
}
