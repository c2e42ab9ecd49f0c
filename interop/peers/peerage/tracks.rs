//! Transceivers one by one, and tones: the commands of the cases G, X and K.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use peerage::media::MediaKind;
use peerage::{DtmfEvent, PeerConnection, RtpTransceiver, TransceiverDirection};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::media::{Mirror, Source, track_id};
use crate::text;

/// How long a command waits for tones unless it says otherwise.
const TONES_LIMIT: Duration = Duration::from_secs(10);

/// Tones of ours that began, and those of the peer's that ended.
#[derive(Default)]
pub(crate) struct Tones {
    sent: Mutex<Vec<String>>,
    heard: Mutex<Vec<Value>>,
    changed: Notify,
}

impl Tones {
    /// `tonechange`.
    pub(crate) fn began(&self, tone: Option<char>) {
        let tone = tone.map(String::from).unwrap_or_default();
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(tone);
        self.changed.notify_waiters();
    }

    /// A key of the peer's.
    pub(crate) fn heard(&self, event: DtmfEvent) {
        let Some(duration) = event.duration else { return };
        let tone = event.tone().map(String::from).unwrap_or_default();
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(json!({"tone": tone, "ms": duration.as_millis() as u64, "volume": event.volume}));
        self.changed.notify_waiters();
    }

    async fn wait(&self, limit: Duration, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + limit;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if done() || tokio::time::timeout_at(deadline, changed).await.is_err() {
                return;
            }
        }
    }
}

/// Runs a command of this file; `None` if it is none.
pub(crate) async fn run(
    pc: &PeerConnection,
    mirror: &Mirror,
    tones: &Tones,
    command: &str,
    fields: &Value,
) -> Result<Option<Value>> {
    Ok(Some(match command {
        "tracks" => list(pc, mirror).await?,
        "add_track" => {
            let kind = kind(text(fields, "kind")?);
            pc.add_track(kind, track_id(), vec!["mirror".to_owned()]).await?;
            json!({})
        }
        "set_direction" => {
            let direction = text(fields, "direction")?;
            let direction = TransceiverDirection::from_name(direction)
                .with_context(|| format!("there is no direction {direction}"))?;
            of_mid(pc, text(fields, "mid")?).await?.set_direction(direction).await?;
            json!({})
        }
        "stop_transceiver" => {
            of_mid(pc, text(fields, "mid")?).await?.stop().await?;
            json!({})
        }
        "replace_track" => {
            replace(pc, mirror, fields).await?;
            json!({})
        }
        "rollback" => {
            pc.set_local_description(peerage::SessionDescription::rollback()).await?;
            json!({})
        }
        "dtmf" => {
            tones.sent.lock().unwrap_or_else(PoisonError::into_inner).clear();
            let number = |name: &str| fields[name].as_u64().context("`dtmf` lacks a time");
            let (duration, gap) = (number("duration")?, number("gap")?);
            let (duration, gap) = (Duration::from_millis(duration), Duration::from_millis(gap));
            first_audio(pc).await?.insert_dtmf(text(fields, "tones")?, duration, gap).await?;
            let sent = || tones.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tones.wait(TONES_LIMIT, || sent().last().is_some_and(String::is_empty)).await;
            json!({"tones": sent()})
        }
        "listen_dtmf" => {
            tones.heard.lock().unwrap_or_else(PoisonError::into_inner).clear();
            json!({})
        }
        "heard_dtmf" => {
            let count = fields["count"].as_u64().unwrap_or(0) as usize;
            let heard = || tones.heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tones.wait(TONES_LIMIT, || heard().len() >= count).await;
            json!({"tones": heard()})
        }
        _ => return Ok(None),
    }))
}

/// Gives every transceiver that the peer's offer has made a track of ours, to be sent both ways.
pub(crate) async fn attach(pc: &PeerConnection) -> Result<()> {
    for transceiver in pc.transceivers().await? {
        let Some(state) = transceiver.state().await? else { continue };
        if state.sender.track.is_none() && state.direction == TransceiverDirection::RecvOnly {
            transceiver.replace_track(Some(track_id())).await?;
            transceiver.set_direction(TransceiverDirection::SendRecv).await?;
        }
    }
    Ok(())
}

async fn list(pc: &PeerConnection, mirror: &Mirror) -> Result<Value> {
    let mut tracks = Vec::new();
    for transceiver in pc.transceivers().await? {
        let Some(state) = transceiver.state().await? else { continue };
        let (received, size) = mirror.track(&transceiver).received();
        tracks.push(json!({
            "mid": state.mid.as_ref().map(ToString::to_string),
            "kind": if state.kind == MediaKind::Audio { "audio" } else { "video" },
            "direction": state.direction.name(),
            "current": state.current_direction.map(TransceiverDirection::name),
            "sends": state.sender.track.is_some(),
            "received": received,
            "width": size.map(|(width, _)| width),
            "height": size.map(|(_, height)| height),
        }));
    }
    Ok(json!({"tracks": tracks}))
}

/// `source`: null for none, anything else for what comes in there; or `from`: what comes in on another.
async fn replace(pc: &PeerConnection, mirror: &Mirror, fields: &Value) -> Result<()> {
    let transceiver = of_mid(pc, text(fields, "mid")?).await?;
    let (source, origin) = match fields["from"].as_str() {
        Some(mid) => {
            let origin = of_mid(pc, mid).await?;
            (Source::Of(origin.handle()), Some(origin))
        }
        None if fields["source"].is_null() => (Source::Nothing, None),
        None => (Source::Own, Some(transceiver.clone())),
    };
    transceiver.replace_track(origin.as_ref().map(|_| track_id())).await?;
    mirror.track(&transceiver).set_source(source);
    if let Some(origin) = origin {
        // Decoding begins with a keyframe of the new source.
        origin.request_keyframe().await?;
    }
    Ok(())
}

async fn of_mid(pc: &PeerConnection, mid: &str) -> Result<RtpTransceiver> {
    for transceiver in pc.transceivers().await? {
        let state = transceiver.state().await?;
        if state.and_then(|state| state.mid).is_some_and(|own| *own == *mid) {
            return Ok(transceiver);
        }
    }
    bail!("no transceiver with mid {mid}")
}

async fn first_audio(pc: &PeerConnection) -> Result<RtpTransceiver> {
    let all = pc.transceivers().await?;
    all.into_iter().find(|t| t.kind() == MediaKind::Audio).context("no transceiver of audio")
}

fn kind(name: &str) -> MediaKind {
    if name == "audio" { MediaKind::Audio } else { MediaKind::Video }
}
