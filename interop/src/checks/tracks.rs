//! What the ends tell of their transceivers, for the cases that change them.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::pair::{End, Pair};

/// One transceiver at one end.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Track {
    pub mid: Option<String>,
    pub kind: String,
    pub direction: String,
    pub current: Option<String>,
    /// A track of this end is sent on it.
    pub sends: bool,
    /// Pictures that were decoded (browsers) or put together (ours), or packets of sound.
    pub received: u64,
    pub width: Option<u64>,
    pub height: Option<u64>,
}

impl Track {
    pub(super) fn receives_now(&self) -> bool {
        matches!(self.current.as_deref(), Some("sendrecv" | "recvonly"))
    }

    pub(super) fn sends_now(&self) -> bool {
        matches!(self.current.as_deref(), Some("sendrecv" | "sendonly"))
    }

    pub(super) fn size(&self) -> Option<(u64, u64)> {
        self.width.zip(self.height)
    }
}

/// The transceivers of an end that live.
pub(super) async fn list(end: &End) -> Result<Vec<Track>> {
    let told = end.call("tracks", json!({})).await?;
    serde_json::from_value(told["tracks"].clone())
        .with_context(|| format!("{} tells of its tracks: {told}", end.name()))
}

/// The one with this mid.
pub(super) async fn find(end: &End, mid: &str) -> Result<Track> {
    let all = list(end).await?;
    let found = all.into_iter().find(|track| track.mid.as_deref() == Some(mid));
    found.with_context(|| format!("{} has no transceiver with mid {mid}", end.name()))
}

/// Waits until so much more has come in on a transceiver, of this size if one is named.
pub(super) async fn flows(
    end: &End,
    mid: &str,
    more: u64,
    size: Option<(u64, u64)>,
    limit: Duration,
) -> Result<Duration> {
    let began = Instant::now();
    let mut before: Option<u64> = None;
    loop {
        let track = find(end, mid).await?;
        let right = size.is_none() || track.size() == size;
        match before {
            // What counts begins when the size is right; counters of a new stream begin anew.
            Some(first) if right && track.received >= first => {
                if track.received - first >= more {
                    return Ok(began.elapsed());
                }
            }
            _ => before = right.then_some(track.received),
        }
        if began.elapsed() > limit {
            bail!("{}: nothing more comes in on mid {mid}, wanted {size:?}: {track:?}", end.name());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until nothing comes in on a transceiver for a while.
pub(super) async fn falls_silent(end: &End, mid: &str, limit: Duration) -> Result<()> {
    let began = Instant::now();
    let mut before = find(end, mid).await?.received;
    while began.elapsed() < limit {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let now = find(end, mid).await?.received;
        if now == before {
            return Ok(());
        }
        before = now;
    }
    bail!("{}: mid {mid} goes on, although nobody sends on it", end.name())
}

/// Waits until `media_stats` of an end satisfies a condition.
pub(super) async fn told(
    pair: &Pair,
    end: &End,
    what: &str,
    enough: impl Fn(&Value) -> bool,
) -> Result<()> {
    let began = Instant::now();
    loop {
        let stats = end.call("media_stats", json!({})).await?;
        if enough(&stats) {
            return Ok(());
        }
        if began.elapsed() > pair.patience {
            bail!("{}: no {what}: {stats}", end.name());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
