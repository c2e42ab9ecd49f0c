//! X: what is sent changes, what was negotiated does not.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::tracks::{self, Track, falls_silent, find, flows};
use crate::pair::{End, Pair};
use crate::scenario::Scenario;

/// Pictures that must come after each change.
const PICTURES: u64 = 10;

/// The peer changes what it sends, camera, canvas and nothing; then we change which of its tracks we send back.
pub(super) async fn switch(pair: &mut Pair, _scenario: &Scenario) -> Result<()> {
    pair.create("echo").await?;
    for source in ["camera", "canvas"] {
        let fields = json!({"kind": "video", "source": source});
        pair.peer.call_within("add_track", fields, pair.patience).await?;
        pair.subject.call("add_track", json!({"kind": "video"})).await?;
    }
    pair.negotiate().await?;
    pair.connected().await?;
    let mids: Vec<String> =
        tracks::list(&pair.peer).await?.into_iter().filter_map(|track: Track| track.mid).collect();
    let [first, second] = &mids[..] else {
        anyhow::bail!("{} has {} transceivers, not two", pair.peer.name(), mids.len());
    };
    let limit = pair.patience;
    for mid in [first, second] {
        flows(&pair.subject, mid, PICTURES, None, limit).await?;
        flows(&pair.peer, mid, PICTURES, None, limit).await?;
    }
    let camera = size(&pair.peer, first).await?;
    let canvas = size(&pair.peer, second).await?;
    ensure!(camera != canvas, "both pictures have {camera:?}");
    let asked = negotiations(pair);

    // The peer's tracks move on one transceiver.
    let replace = |end: &End, source: Option<&str>| {
        let end = end.clone();
        let fields = json!({"mid": first, "source": source});
        async move { end.call_within("replace_track", fields, limit).await }
    };
    for (source, expected) in [
        (Some("canvas"), canvas),
        (Some("camera"), camera),
        (None, camera),
        (Some("camera"), camera),
    ] {
        replace(&pair.peer, source).await?;
        if source.is_none() {
            falls_silent(&pair.subject, first, limit).await?;
            falls_silent(&pair.peer, first, limit).await?;
            continue;
        }
        flows(&pair.subject, first, PICTURES, Some(expected), limit).await?;
        let took = flows(&pair.peer, first, PICTURES, Some(expected), limit).await?;
        pair.note("after_peers_switch_ms", took.as_millis() as u64);
    }

    // Ours move: what comes in on the second goes out on the first; nothing; and back.
    pair.subject.call("replace_track", json!({"mid": first, "from": second})).await?;
    let took = flows(&pair.peer, first, PICTURES, Some(canvas), limit).await?;
    pair.note("after_our_switch_ms", took.as_millis() as u64);
    replace(&pair.subject, None).await?;
    falls_silent(&pair.peer, first, limit).await?;
    replace(&pair.subject, Some("own")).await?;
    flows(&pair.peer, first, PICTURES, Some(camera), limit).await?;
    flows(&pair.peer, second, PICTURES, Some(canvas), limit).await?;

    ensure!(negotiations(pair) == asked, "a switch asked for negotiation");
    for end in pair.ends() {
        let kept: Vec<_> =
            tracks::list(end).await?.into_iter().filter_map(|track| track.mid).collect();
        ensure!(kept == mids, "{}: the sections are {kept:?}, not {mids:?}", end.name());
    }
    Ok(())
}

async fn size(end: &End, mid: &str) -> Result<(u64, u64)> {
    let track = find(end, mid).await?;
    track.size().with_context(|| format!("{} does not tell the picture's size", end.name()))
}

/// How often each end asked for negotiation.
fn negotiations(pair: &Pair) -> Vec<usize> {
    let asked = |end: &End| {
        let events = end.process.events();
        events.iter().filter(|event| end.is(event, "negotiation_needed")).count()
    };
    pair.ends().map(asked).to_vec()
}
