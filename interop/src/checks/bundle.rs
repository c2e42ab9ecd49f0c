//! I: media and data share one transport.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{attribute, media};
use crate::pair::Pair;
use crate::scenario::Scenario;

/// Messages that go round while media does, and milliseconds between them.
const MESSAGES: u64 = 200;
const INTERVAL: u64 = 15;

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
