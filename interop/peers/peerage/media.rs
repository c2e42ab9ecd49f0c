//! Media of a connection: tracks under the codecs that the runner names, and a mirror that sends every frame back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, ensure};
use peerage::media::{Capabilities, MediaKind, RtpCodec};
use peerage::{Frame, FrameInfo, PeerConnection, RtpTransceiver};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Tells tracks of one process apart.
static NEXT_TRACK: AtomicU64 = AtomicU64::new(0);

/// What the mirror of a connection did.
#[derive(Default)]
pub(crate) struct Mirror {
    counts: Arc<[AtomicU64; 2]>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Mirror {
    /// `media`: a track of each kind that is named, under that codec.
    pub(crate) async fn add_tracks(&self, pc: &PeerConnection, fields: &Value) -> Result<()> {
        for (kind, name) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
            let Some(codec) = fields[name].as_str() else { continue };
            let track = format!("mirror{}", NEXT_TRACK.fetch_add(1, Ordering::Relaxed));
            let transceiver = pc.add_track(kind, track, vec!["mirror".to_owned()]).await?;
            let all = Capabilities::default().rtp_codecs(kind);
            let wanted: Vec<RtpCodec> = all
                .into_iter()
                .filter(|have| {
                    have.is(codec) || have.is("rtx") || (codec == "red" && have.is("opus"))
                })
                .collect();
            ensure!(wanted.iter().any(|have| have.is(codec)), "there is no codec {codec}");
            transceiver.set_codec_preferences(wanted).await?;
        }
        Ok(())
    }

    /// Sends back what comes in on a transceiver, from now on.
    pub(crate) fn reflect(&self, transceiver: RtpTransceiver) {
        let counts = Arc::clone(&self.counts);
        let task = tokio::spawn(async move {
            while let Some(received) = transceiver.recv_frame().await {
                counts[0].fetch_add(1, Ordering::Relaxed);
                let frame = received.frame;
                let info = FrameInfo {
                    keyframe: Some(frame.keyframe),
                    discardable: frame.discardable,
                    temporal_layer: frame.temporal_layer,
                    dimensions: frame.dimensions,
                    ..FrameInfo::default()
                };
                let frame = Frame::new(frame.data, frame.timestamp)
                    .with_payload_type(received.payload_type)
                    .with_info(info);
                match transceiver.send_frame(frame).await {
                    Ok(()) => {
                        counts[1].fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => eprintln!("mirror: {error}"),
                }
            }
        });
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// `media_stats`.
    pub(crate) async fn statistics(&self, pc: &PeerConnection) -> Result<Value> {
        let rtp = pc.statistics().await?.rtp;
        Ok(json!({
            "frames_in": self.counts[0].load(Ordering::Relaxed),
            "frames_out": self.counts[1].load(Ordering::Relaxed),
            "raw": format!("{rtp:?}"),
        }))
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        for task in self.tasks.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            task.abort();
        }
    }
}
