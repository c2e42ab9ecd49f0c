//! Media of a connection: tracks under the codecs that the runner names, and a mirror that sends every frame back, on the
//! transceiver it came on or, where the runner says so, on another.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use peerage::media::{Capabilities, MediaKind, RtpCodec};
use peerage::{Frame, FrameInfo, MediaFrame, PeerConnection, RtpTransceiver, TransceiverHandle};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::playing::Playing;
use crate::source;

/// Tells tracks of one process apart.
static NEXT_TRACK: AtomicU64 = AtomicU64::new(0);

/// A packet of Opus, 20 ms, that decodes to silence.
const SILENCE: &[u8] = &[0xf8, 0xff, 0xfe];

/// Whose frames go out on a transceiver.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Those that come in on it.
    Own,
    /// Those that come in on this one.
    Of(TransceiverHandle),
    /// Nobody's.
    Nothing,
}

/// A transceiver as the mirror sees it.
pub(crate) struct Track {
    transceiver: RtpTransceiver,
    received: AtomicU64,
    size: Mutex<Option<(u16, u16)>>,
    source: Mutex<Source>,
    /// A task takes its frames.
    reflected: AtomicBool,
}

type Tracks = Arc<Mutex<HashMap<TransceiverHandle, Arc<Track>>>>;

/// What the mirror of a connection did.
#[derive(Default)]
pub(crate) struct Mirror {
    counts: Arc<[AtomicU64; 3]>,
    tracks: Tracks,
    /// In the mirror's place, where the runner names a file: what is sent, and what of the peer's arrives.
    source: OnceLock<Arc<source::Control>>,
    playing: Arc<Mutex<Playing>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The id of a track of ours.
pub(crate) fn track_id() -> String {
    format!("mirror{}", NEXT_TRACK.fetch_add(1, Ordering::Relaxed))
}

impl Track {
    /// Frames that came in, and the size of the last picture that told it.
    pub(crate) fn received(&self) -> (u64, Option<(u16, u16)>) {
        (self.received.load(Ordering::Relaxed), *lock(&self.size))
    }

    pub(crate) fn set_source(&self, source: Source) {
        *lock(&self.source) = source;
    }
}

impl Mirror {
    /// `media`: a track of each kind that is named, under that codec.
    pub(crate) async fn add_tracks(&self, pc: &PeerConnection, fields: &Value) -> Result<()> {
        for (kind, name) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
            let Some(codec) = fields[name].as_str() else { continue };
            let transceiver = pc.add_track(kind, track_id(), vec!["mirror".to_owned()]).await?;
            let mut all = Capabilities::default();
            let named = fields["fec"].as_array().filter(|_| kind == MediaKind::Video);
            let fec: Vec<&str> = named.into_iter().flatten().filter_map(Value::as_str).collect();
            if fec.contains(&"flexfec-03") {
                all.enable_flexfec();
            }
            let all = all.rtp_codecs(kind);
            let clock = all.iter().find(|have| have.is(codec)).map(|have| have.clock_rate);
            ensure!(clock.is_some(), "there is no codec {codec}");
            let mut wanted: Vec<RtpCodec> = all
                .into_iter()
                .filter(|have| {
                    have.is(codec)
                        || have.is("rtx")
                        || fec.iter().any(|name| have.is(name))
                        || (have.is("telephone-event") && Some(have.clock_rate) == clock)
                        || (codec == "red" && have.is("opus"))
                })
                .collect();
            wanted.sort_by_key(|have| !have.is(codec));
            transceiver.set_codec_preferences(wanted).await?;
            if fields["silence"].as_bool().unwrap_or(false) && kind == MediaKind::Audio {
                self.track(&transceiver).set_source(Source::Nothing);
                lock(&self.tasks).push(tokio::spawn(say_nothing(transceiver, codec == "opus")));
            } else if let (MediaKind::Video, Some(file)) = (kind, fields["file"].as_str()) {
                let frames = source::read(Path::new(file))?;
                let control = Arc::clone(self.source.get_or_init(Arc::default));
                let most = fields["bitrate"].as_u64().unwrap_or(u64::MAX);
                let source = source::send(transceiver, frames, most, control);
                lock(&self.tasks).push(tokio::spawn(source));
            }
        }
        Ok(())
    }

    /// The peer wants a keyframe of what is sent: whether one is at hand.
    pub(crate) fn want_keyframe(&self) -> bool {
        self.source.get().inspect(|source| source.want_keyframe()).is_some()
    }

    /// What stands for a camera sends nothing more.
    pub(crate) fn hold(&self) {
        if let Some(source) = self.source.get() {
            source.hold();
        }
    }

    /// What is kept of a transceiver.
    pub(crate) fn track(&self, transceiver: &RtpTransceiver) -> Arc<Track> {
        let mut tracks = lock(&self.tracks);
        let track = tracks.entry(transceiver.handle()).or_insert_with(|| {
            Arc::new(Track {
                transceiver: transceiver.clone(),
                received: AtomicU64::new(0),
                size: Mutex::new(None),
                source: Mutex::new(Source::Own),
                reflected: AtomicBool::new(false),
            })
        });
        Arc::clone(track)
    }

    /// Sends back what comes in on a transceiver, from now on; or only looks at it, where something else is sent.
    pub(crate) fn reflect(&self, transceiver: RtpTransceiver) {
        let mut tasks = lock(&self.tasks);
        if self.source.get().is_some() {
            let playing = Arc::clone(&self.playing);
            tasks.push(tokio::spawn(async move {
                while let Some(received) = transceiver.recv_frame().await {
                    let frame = &received.frame;
                    lock(&playing).frame(Instant::now(), frame.timestamp, frame.data.len());
                }
            }));
            return;
        }
        let own = self.track(&transceiver);
        // A track that comes back has its task already.
        if own.reflected.swap(true, Ordering::Relaxed) {
            return;
        }
        let (counts, tracks) = (Arc::clone(&self.counts), Arc::clone(&self.tracks));
        tasks.push(tokio::spawn(async move {
            let handle = transceiver.handle();
            let mut refused = 0_u64;
            while let Some(received) = transceiver.recv_frame().await {
                counts[0].fetch_add(1, Ordering::Relaxed);
                own.received.fetch_add(1, Ordering::Relaxed);
                if received.frame.dimensions.is_some() {
                    *lock(&own.size) = received.frame.dimensions;
                }
                if received.frame.block_payload_type.is_some() {
                    counts[2].fetch_add(1, Ordering::Relaxed);
                }
                // What redundancy brings comes late, and was sent as redundancy already.
                if received.frame.redundant {
                    continue;
                }
                let targets: Vec<Arc<Track>> = lock(&tracks)
                    .iter()
                    .filter(|(own, track)| match *lock(&track.source) {
                        Source::Own => **own == handle,
                        Source::Of(source) => source == handle,
                        Source::Nothing => false,
                    })
                    .map(|(_, track)| Arc::clone(track))
                    .collect();
                let frame = returned(received);
                for target in targets {
                    match target.transceiver.send_frame(frame.clone()).await {
                        Ok(()) => {
                            counts[1].fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            refused += 1;
                            if refused.is_power_of_two() {
                                eprintln!("mirror: {error} ({refused} frames)");
                            }
                        }
                    }
                }
            }
        }));
    }

    /// `media_stats`.
    pub(crate) async fn statistics(&self, pc: &PeerConnection) -> Result<Value> {
        let rtp = pc.statistics().await?.rtp;
        let estimate = pc.estimate().await?;
        let report = pc.get_stats().await?;
        let fec: u64 = report.inbound_rtp().filter_map(|stats| stats.fec_packets_received).sum();
        let discarded = report.inbound_rtp().filter_map(|stats| stats.fec_packets_discarded);
        let fec_discarded: u64 = discarded.sum();
        let playing = lock(&self.playing);
        let sent = self.source.get();
        let inbound = report.inbound_rtp().find(|stream| stream.kind == MediaKind::Video);
        Ok(json!({
            "video": {
                "frames_decoded": playing.frames,
                "bytes": playing.bytes,
                "freezes": playing.freezes,
                "frozen_s": playing.frozen.as_secs_f64(),
                "lost": inbound.and_then(|stream| stream.packets_lost),
                "retransmitted": inbound.and_then(|stream| stream.retransmitted_packets_received),
                "nacks": rtp.nacked_packets,
                "plis": rtp.keyframe_requests_sent,
                "fec": fec,
                "fec_discarded": fec_discarded,
                "recovered": rtp.packets_recovered,
            },
            "made": {
                "frames": sent.map(|sent| sent.frames.load(Ordering::Relaxed) - rtp.frames_left_out),
                "bytes": sent.map(|sent| sent.bytes.load(Ordering::Relaxed)),
            },
            "sent": {
                "frames": sent.map(|sent| sent.frames.load(Ordering::Relaxed)),
                "bytes": sent.map(|sent| sent.bytes.load(Ordering::Relaxed)),
                "retransmitted": rtp.retransmissions_sent,
                "left_out": rtp.frames_left_out,
                "fec": rtp.fec_packets_sent,
            },
            "estimate": format!("{estimate:?}"),
            "frames_in": self.counts[0].load(Ordering::Relaxed),
            "frames_out": self.counts[1].load(Ordering::Relaxed),
            "red_frames_in": self.counts[2].load(Ordering::Relaxed),
            "raw": format!("{rtp:?}"),
        }))
    }
}

/// A frame that came in, to be sent.
fn returned(received: MediaFrame) -> Frame {
    let frame = received.frame;
    let info = FrameInfo {
        keyframe: Some(frame.keyframe),
        discardable: frame.discardable,
        temporal_layer: frame.temporal_layer,
        dimensions: frame.dimensions,
        ..FrameInfo::default()
    };
    Frame::new(frame.data, frame.timestamp).with_payload_type(received.payload_type).with_info(info)
}

/// Sends silence for as long as the connection lasts.
async fn say_nothing(transceiver: RtpTransceiver, is_opus: bool) {
    // G.711 at 8000 Hz otherwise, where all ones are silence.
    let (silence, ticks) = if is_opus { (SILENCE, 960) } else { (&[0xff; 160][..], 160) };
    let mut clock = tokio::time::interval(Duration::from_millis(20));
    for index in 0_u32.. {
        clock.tick().await;
        let frame = Frame::new(silence, index.wrapping_mul(ticks));
        let _ = transceiver.send_frame(frame).await;
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
    }
}
