//! A call by G.711 with comfort noise (RFC 3389): while nobody speaks, the far end gets noise described in a few bytes, and the level
//! of each packet says whether it is voice (RFC 6464's V bit).

#![cfg(feature = "engine")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::{endpoint, negotiate, within};
use peerage::media_engine::audio::{AudioBlock, AudioFrame};
use peerage::media_engine::codec::BuiltIn;
use peerage::media_engine::track::AudioSource;
use peerage::rtp::payload::PayloadFormat;
use peerage::{Configuration, Event, PeerConnection, RtpTransceiver};

async fn connection() -> PeerConnection {
    let mut config = Configuration::default();
    config.settings.media.audio.retain(|one| one.codec.is("PCMU") || one.codec.is("CN"));
    endpoint().await.connect(config).await.unwrap()
}

async fn next_track(pc: &PeerConnection) -> RtpTransceiver {
    loop {
        let event = within("a track", pc.next_event()).await.expect("the connection is open");
        if let Event::Track { transceiver, .. } = event {
            return transceiver;
        }
    }
}

/// Gives a quiet room's noise, and a voice over it where somebody is to speak, until it is dropped.
struct Person {
    source: Arc<AudioSource>,
    speaks: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Person {
    fn begin() -> Self {
        let this = Self {
            source: Arc::new(AudioSource::new("a person")),
            speaks: Arc::default(),
            over: Arc::default(),
        };
        let (source, speaks) = (this.source.clone(), this.speaks.clone());
        let over = this.over.clone();
        std::thread::spawn(move || {
            let (begin, mut seed) = (Instant::now(), 1_u32);
            let mut frame =
                AudioFrame { block: AudioBlock::silence(8_000, 1, 80), time: Duration::ZERO };
            for n in 0.. {
                let voice = if speaks.load(Ordering::Relaxed) { 0.2 } else { 0.0 };
                for (k, sample) in frame.block.samples_mut().iter_mut().enumerate() {
                    let t = (n * 80 + k) as f32 / 8_000.0;
                    let tone = |f: f32| (std::f32::consts::TAU * f * t).sin();
                    let syllable = (std::f32::consts::PI * 3.0 * t).sin().abs();
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let noise = 0.002 * ((seed >> 8) as f32 / (1 << 23) as f32 - 1.0);
                    *sample =
                        voice * syllable * (tone(140.0) + tone(280.0) + 0.8 * tone(700.0)) + noise;
                }
                frame.time = AudioBlock::DURATION * n as u32;
                source.push(&frame);
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let due = begin + AudioBlock::DURATION * (n as u32 + 1);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
        });
        this
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_described_and_voice_is_sent() {
    let (one, other) = (connection().await, connection().await);
    let person = Person::begin();
    let _sender = one.send_track(&person.source.track().into(), &[], Arc::new(BuiltIn)).await;
    negotiate(&one, &other).await;
    let transceiver = next_track(&other).await;
    // Frames come whatever they hold: without a bound, what never comes would be waited for without an end.
    let frames = AtomicU32::new(0);
    let next = || async {
        assert!(
            frames.fetch_add(1, Ordering::Relaxed) < 1_000,
            "1,000 packets, and none as it should be"
        );
        let frame = within("a frame", transceiver.recv_frame()).await.expect("it is open");
        let level = frame.extensions.audio_level.expect("the level was negotiated");
        (frame.codec.payload(), level, frame.frame)
    };

    // Nobody speaks: noise of -56 dBov or so, described five times in a second.
    let mut described = Vec::new();
    while described.len() < 5 {
        let (format, level, frame) = next().await;
        if format == PayloadFormat::ComfortNoise {
            assert!(!level.voice);
            assert!((50..64).contains(&frame.data[0]), "{:?}", frame.data);
            assert!(frame.data.len() > 1, "coloured");
            described.push(frame.timestamp);
        }
    }
    let ticks = described[4].wrapping_sub(described[0]);
    assert!(ticks >= 4 * 1_600, "a packet for each 20 ms would be {}: {ticks}", 4 * 160);

    person.speaks.store(true, Ordering::Relaxed);
    let mut voiced = 0;
    while voiced < 20 {
        let (format, level, _) = next().await;
        voiced += u32::from(format == PayloadFormat::Pcmu && level.voice);
    }
    person.speaks.store(false, Ordering::Relaxed);
    loop {
        let (format, level, _) = next().await;
        if format == PayloadFormat::ComfortNoise {
            assert!(!level.voice);
            break;
        }
    }
    one.close().await;
    other.close().await;
}
