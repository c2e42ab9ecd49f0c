//! The layers of a simulcast: counted as they come in, and one of them handed on to another connection, as a server does. A
//! layer is left for another at a keyframe of the other, and the timestamps go on as if nothing had happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use peerage::media::MediaKind;
use peerage::{EncodedFrame, Frame, FrameInfo, PeerConnection, RtpTransceiver};
use serde_json::{Value, json};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use crate::now;

/// Frames that wait for a connection that they are handed on to; the oldest are lost then.
const BACKLOG: usize = 256;

/// How often a keyframe of the layer that is wanted is asked for.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The RTP clock of video (RFC 3551 §5).
const CLOCK: f64 = 90_000.0;

/// What came in of one layer.
#[derive(Default)]
struct Layer {
    ssrc: u32,
    frames: u64,
    keyframes: u64,
    last_keyframe: f64,
    dimensions: (u16, u16),
    /// Every size that keyframes had, in order.
    sizes: Vec<(u16, u16)>,
}

/// Sizes of a layer that are kept.
const SIZE_LIMIT: usize = 16;

#[derive(Clone)]
struct Arrived {
    rid: Arc<str>,
    frame: EncodedFrame,
}

/// Everything that comes in on one connection.
pub(crate) struct Layers {
    state: Arc<Mutex<BTreeMap<String, Layer>>>,
    source: Mutex<Option<RtpTransceiver>>,
    frames: broadcast::Sender<Arrived>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Default for Layers {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            source: Mutex::default(),
            frames: broadcast::channel(BACKLOG).0,
            tasks: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Layers {
    /// Counts what comes in on a transceiver of video, and offers it to those that hand it on.
    pub(crate) fn take(&self, transceiver: RtpTransceiver) {
        if transceiver.kind() == MediaKind::Video {
            *lock(&self.source) = Some(transceiver.clone());
        }
        let (state, frames) = (Arc::clone(&self.state), self.frames.clone());
        let task = tokio::spawn(async move {
            while let Some(received) = transceiver.recv_frame().await {
                if transceiver.kind() == MediaKind::Audio {
                    continue;
                }
                let rid: Arc<str> = received.rid.as_deref().unwrap_or("").into();
                {
                    let mut state = lock(&state);
                    let layer = state.entry(rid.to_string()).or_default();
                    layer.ssrc = received.ssrc;
                    layer.frames += 1;
                    if received.frame.keyframe {
                        layer.keyframes += 1;
                        layer.last_keyframe = now();
                    }
                    if let Some(dimensions) = received.frame.dimensions
                        && dimensions != layer.dimensions
                    {
                        layer.dimensions = dimensions;
                        if layer.sizes.len() < SIZE_LIMIT {
                            layer.sizes.push(dimensions);
                        }
                    }
                }
                // Nobody may be listening.
                let _ = frames.send(Arrived { rid, frame: received.frame });
            }
        });
        lock(&self.tasks).push(task);
    }

    /// `layers`: what came in, by `rid`.
    pub(crate) fn statistics(&self) -> Value {
        let state = lock(&self.state);
        let told: serde_json::Map<String, Value> = state
            .iter()
            .map(|(rid, layer)| {
                let told = json!({
                    "ssrc": layer.ssrc,
                    "frames": layer.frames,
                    "keyframes": layer.keyframes,
                    "last_keyframe": layer.last_keyframe,
                    "width": layer.dimensions.0,
                    "height": layer.dimensions.1,
                    "sizes": layer.sizes,
                });
                (rid.clone(), told)
            })
            .collect();
        Value::Object(told)
    }

    /// `layer_keyframe`: asks the sender for a keyframe of one layer.
    pub(crate) async fn request_keyframe(&self, rid: &str) -> Result<()> {
        let source = lock(&self.source).clone().context("no video has come in yet")?;
        let ssrc = lock(&self.state).get(rid).map(|layer| layer.ssrc);
        Ok(source
            .request_keyframe_from(ssrc.context("nothing of the layer has come in yet")?)
            .await?)
    }
}

impl Drop for Layers {
    fn drop(&mut self) {
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
    }
}

/// What is handed on now, and what is wanted.
struct Choice {
    current: Option<Arc<str>>,
    wanted: Arc<str>,
    since: Instant,
    asked: Option<Instant>,
    /// Each change: the layer, and the milliseconds until its keyframe came.
    switches: Vec<(String, f64)>,
    sent: u64,
}

/// Hands one layer of what comes in on a connection on to another.
pub(crate) struct Forwarder {
    choice: Arc<Mutex<Choice>>,
    from: Arc<Layers>,
    task: JoinHandle<()>,
}

impl Forwarder {
    /// `forward`: to the video transceiver of `pc`, beginning with the layer `rid`.
    pub(crate) async fn new(pc: &PeerConnection, from: Arc<Layers>, rid: &str) -> Result<Self> {
        let all = pc.transceivers().await?;
        let to = all.into_iter().find(|transceiver| transceiver.kind() == MediaKind::Video);
        let to = to.context("there is no video transceiver to hand on to")?;
        let choice = Arc::new(Mutex::new(Choice {
            current: None,
            wanted: rid.into(),
            since: Instant::now(),
            asked: None,
            switches: Vec::new(),
            sent: 0,
        }));
        let task = tokio::spawn(run(to, from.clone(), choice.clone()));
        Ok(Self { choice, from, task })
    }

    /// `select`: another layer, from its next keyframe on.
    pub(crate) async fn select(&self, rid: &str) -> Result<()> {
        {
            let mut choice = lock(&self.choice);
            choice.wanted = rid.into();
            choice.since = Instant::now();
            choice.asked = Some(choice.since);
        }
        self.from.request_keyframe(rid).await
    }

    /// The receiver misses a keyframe: the sender of the layer in hand is asked for one.
    pub(crate) async fn keyframe_requested(&self) {
        let current = lock(&self.choice).current.clone();
        if let Some(current) = current {
            let _ = self.from.request_keyframe(&current).await;
        }
    }

    /// `forwarded`: what was done so far.
    pub(crate) fn statistics(&self) -> Value {
        let choice = lock(&self.choice);
        json!({
            "current": choice.current.as_deref(),
            "wanted": &*choice.wanted,
            "sent": choice.sent,
            "switches": choice.switches,
        })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(to: RtpTransceiver, from: Arc<Layers>, choice: Arc<Mutex<Choice>>) {
    let mut frames = from.frames.subscribe();
    let mut clock = Clock::default();
    loop {
        let arrived = match frames.recv().await {
            Ok(arrived) => arrived,
            // What was lost may have been referred to.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                lock(&choice).current = None;
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let (is_current, ask) = {
            let mut choice = lock(&choice);
            let is_wanted = choice.current.as_ref() != Some(&choice.wanted);
            if is_wanted && arrived.rid == choice.wanted && arrived.frame.keyframe {
                let waited = choice.since.elapsed().as_secs_f64() * 1000.0;
                choice.switches.push((arrived.rid.to_string(), waited.round()));
                choice.current = Some(arrived.rid.clone());
            }
            let missing = choice.current.as_ref() != Some(&choice.wanted);
            let ask = missing && choice.asked.is_none_or(|at| at.elapsed() >= ASK_AGAIN);
            if ask {
                choice.asked = Some(Instant::now());
            }
            (choice.current.as_ref() == Some(&arrived.rid), ask.then(|| choice.wanted.clone()))
        };
        if let Some(wanted) = ask {
            let _ = from.request_keyframe(&wanted).await;
        }
        if !is_current {
            continue;
        }
        let frame = arrived.frame;
        let info = FrameInfo {
            keyframe: Some(frame.keyframe),
            discardable: frame.discardable,
            temporal_layer: frame.temporal_layer,
            dimensions: frame.dimensions,
            ..FrameInfo::default()
        };
        let timestamp = clock.rewrite(&arrived.rid, frame.timestamp, Instant::now());
        match to.send_frame(Frame::new(frame.data, timestamp).with_info(info)).await {
            Ok(()) => lock(&choice).sent += 1,
            Err(peerage::Error::ConnectionClosed) => return,
            Err(error) => eprintln!("forward: {error}"),
        }
    }
}

/// Joins the timestamps of layers, which begin anywhere each (RFC 3550 §5.1), to one course.
#[derive(Default)]
struct Clock {
    rid: Option<Arc<str>>,
    /// Added to the timestamps of the layer.
    offset: u32,
    last: Option<(u32, Instant)>,
}

impl Clock {
    fn rewrite(&mut self, rid: &Arc<str>, timestamp: u32, now: Instant) -> u32 {
        if self.rid.as_ref() != Some(rid) {
            // The layer goes on where the one before would be by now.
            let expected = self.last.map_or(0, |(last, at)| {
                let passed = (now.duration_since(at).as_secs_f64() * CLOCK) as u32;
                last.wrapping_add(passed.max(1))
            });
            self.offset = expected.wrapping_sub(timestamp);
            self.rid = Some(rid.clone());
        }
        let rewritten = timestamp.wrapping_add(self.offset);
        self.last = Some((rewritten, now));
        rewritten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_go_on_across_a_switch() {
        let (low, high): (Arc<str>, Arc<str>) = ("q".into(), "f".into());
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut clock = Clock::default();
        assert_eq!(clock.rewrite(&low, 4_000_000_000, at(0)), 0);
        assert_eq!(clock.rewrite(&low, 4_000_003_000, at(33)), 3000);
        assert_eq!(clock.rewrite(&high, 77, at(133)), 3000 + 9000);
        assert_eq!(clock.rewrite(&high, 3077, at(170)), 15_000);
        // At once: a frame never has the timestamp of the one before.
        assert_eq!(clock.rewrite(&low, 5, at(170)), 15_001);
    }
}
