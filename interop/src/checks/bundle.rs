//! I: media and data share one transport, or have one each with a peer that knows nothing of bundles.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{attribute, media};
use crate::pair::Pair;
use crate::scenario::Scenario;

/// Messages that go round while media does, and milliseconds between them.
const MESSAGES: u64 = 200;
const INTERVAL: u64 = 15;
/// Audio, video and data.
const SECTIONS: u64 = 3;

/// The camera comes back while messages do, all of it over one transport.
pub(super) async fn bundle(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    pair.create("echo").await?;
    media::add_tracks(pair, scenario).await?;
    pair.offerer().channel("main", "record", json!({})).await?;
    let (offer, answer) = pair.negotiate().await?;
    for (what, sdp) in [("offer", &offer), ("answer", &answer)] {
        let group = attribute(sdp, "group").with_context(|| format!("the {what} has no group"))?;
        let sections = sdp.lines().filter(|line| line.starts_with("m=")).count();
        let bundled = group.split_whitespace().skip(1).count();
        ensure!(
            group.starts_with("BUNDLE ") && bundled == sections,
            "the {what} bundles {bundled} of its {sections} m-sections"
        );
    }
    flows(pair, scenario).await
}

/// The same without a bundle: as with a peer that knows nothing of it, audio, video and data have a transport each.
pub(super) async fn unbundled(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    pair.hide_bundles();
    let config = json!({"bundlePolicy": "max-compat"});
    pair.create_with(json!({"incoming": "echo", "config": config})).await?;
    media::add_tracks(pair, scenario).await?;
    pair.offerer().channel("main", "record", json!({})).await?;
    let (_, answer) = pair.negotiate().await?;
    ensure!(attribute(&answer, "group").is_none(), "the answer has a group that was not offered");
    let rejected = answer.lines().filter(|line| line.starts_with("m=") && line.contains(" 0 "));
    ensure!(rejected.count() == 0, "the answer rejects an m-section");
    flows(pair, scenario).await?;
    for end in pair.ends() {
        let stats = end.call("stats", json!({})).await?;
        let transports = stats["transports"].as_u64().unwrap_or(SECTIONS);
        ensure!(transports == SECTIONS, "{} has {transports} transports", end.name());
    }
    Ok(())
}

/// Messages and media come back.
async fn flows(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    pair.connected().await?;
    pair.offerer().opened("main", pair.patience).await?;
    let messages = async {
        let fields = json!({"kind": "binary", "size": 1000, "count": MESSAGES, "interval": INTERVAL, "seed": 3});
        let sent = pair.offerer().send("main", fields, pair.patience).await?;
        let back = pair.offerer().receive("main", MESSAGES, 0, pair.patience).await?;
        ensure!(back.complete, "{} of {MESSAGES} messages came back", back.messages);
        ensure!(back.digest == sent, "the messages that came back differ");
        Ok(())
    };
    let (messages, played) = tokio::join!(messages, media::played(pair, scenario));
    messages.and(played)
}
