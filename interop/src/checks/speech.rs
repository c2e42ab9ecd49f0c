//! O, with speech: what the media engine says and draws is decoded by the peer, encoded again and sent back. The words and the
//! pictures are known again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::call::{SIZE, begin, told};
use super::pictures::{Tale, readings};
use crate::pair::Pair;
use crate::scenario::Scenario;
use crate::test_media::{self, RATE};

/// Until what is compared is all of what came back.
const WARM_UP: Duration = Duration::from_secs(7);

/// See the module.
pub(super) async fn speech(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    begin(pair, media).await?;
    let spoken = test_media::speech().map_or(json!(true), |file| json!(file));
    let video = json!({"kind": "video", "width": SIZE.0, "height": SIZE.1, "rate": RATE});
    let tracks = json!([video, {"kind": "audio", "speech": spoken}]);
    pair.subject.call("capture", json!({"tracks": tracks})).await?;
    pair.peer.call("loop", json!({})).await?;

    tokio::time::sleep(WARM_UP).await;
    pair.subject.call("watched", json!({})).await?;
    let (seconds, mut shown, mut worst) = (scenario.parameter("seconds")?, Vec::new(), 1.0_f64);
    let began = tokio::time::Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        tokio::time::sleep(Duration::from_millis(500)).await;
        shown.extend(readings(&pair.subject.call("watched", json!({})).await?));
        let heard = pair.subject.call("heard_speech", json!({})).await?;
        let likeness = heard["likeness"].as_f64();
        let likeness = likeness.with_context(|| format!("too little was heard: {heard}"))?;
        worst = worst.min(likeness);
        pair.note("late_ms", heard["late_ms"].as_f64().unwrap_or(0.0));
    }
    pair.note("likeness", (worst * 1_000.0).round() / 1_000.0);
    let least = scenario.parameter("likeness")?;
    if worst < least {
        let why = told(pair).await;
        anyhow::bail!("what comes back is like what was said by {worst:.2} of {least}: {why}");
    }
    let tale = Tale::of(&shown)?;
    let rate = (tale.rate(0) * 100.0).round() / 100.0;
    pair.note("rate", rate);
    ensure!(tale.backwards == 0, "the pictures went back {} times", tale.backwards);
    ensure!(
        tale.unreadable * 50 <= shown.len() as u64,
        "{} of {} pictures that came back could not be read",
        tale.unreadable,
        shown.len()
    );
    ensure!((rate / f64::from(RATE) - 1.0).abs() <= 0.1, "{rate} pictures a second came back");
    Ok(())
}
