//! E: the peer's camera and microphone come back, and it plays them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::tracks;
use crate::pair::Pair;
use crate::scenario::Scenario;

/// The peer sends what it captures, the subject sends every frame back, the peer decodes it.
pub(super) async fn echo(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    pair.create("echo").await?;
    add_tracks(pair, scenario).await?;
    pair.negotiate().await?;
    pair.connected().await?;
    played(pair, scenario).await
}

/// Tracks of the scenario's codecs at both ends.
pub(super) async fn add_tracks(pair: &Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let fields = json!({"audio": media.audio, "video": media.video});
    for end in pair.ends() {
        end.call_within("media", fields.clone(), pair.patience).await?;
    }
    Ok(())
}

/// Waits until the peer has played enough of what came back, and looks at how.
pub(super) async fn played(pair: &Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let frames = scenario.parameter("frames")?;
    // Some peers are judged by a number of their own.
    let own = scenario.parameters.get(&format!("freezes_{}", pair.peer.name())).copied();
    let freezes = own.map_or_else(|| scenario.parameter("freezes"), Ok)?;
    let began = Instant::now();
    let enough = |stats: &Value| {
        let video = &stats["video"];
        let audio = &stats["audio"];
        (media.video.is_none() || number(&video["frames_decoded"]) >= frames)
            && (media.audio.is_none() || number(&audio["energy"]) > 0.0)
    };
    let stats = loop {
        let stats = pair.peer.call("media_stats", json!({})).await?;
        if enough(&stats) {
            break stats;
        }
        if began.elapsed() > pair.patience {
            let ours = pair.subject.call("media_stats", json!({})).await?;
            ensure!(
                false,
                "{} plays too little: {stats}; {}: {ours}",
                pair.peer.name(),
                pair.subject.name()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for (kind, codec) in [("audio", &media.audio), ("video", &media.video)] {
        let Some(codec) = codec else { continue };
        let played = stats[kind]["codec"].as_str().unwrap_or("none");
        if codec == "red" {
            // The peer names what is inside; that it came as redundancy, both tell otherwise.
            redundancy(pair).await?;
            continue;
        }
        ensure!(
            played.to_ascii_lowercase().ends_with(&format!("/{}", codec.to_ascii_lowercase())),
            "the {kind} that came back is {played}, not {codec}"
        );
    }
    if media.video.is_some() {
        let frozen = stats["video"]["freezes"].as_f64();
        let frozen = frozen.context("the peer does not tell how often the video froze")?;
        pair.note("first_frames_ms", began.elapsed().as_millis() as u64);
        for name in ["frames_decoded", "freezes", "width", "height", "nacks", "plis"] {
            if !stats["video"][name].is_null() {
                pair.note(name, stats["video"][name].clone());
            }
        }
        let ours = pair.subject.call("media_stats", json!({})).await?;
        for name in ["left_out", "retransmitted"] {
            if !ours["sent"][name].is_null() {
                pair.note(name, ours["sent"][name].clone());
            }
        }
        ensure!(frozen <= freezes, "the video froze {frozen} times");
    }
    Ok(())
}

/// Redundant audio went both ways.
async fn redundancy(pair: &Pair) -> Result<()> {
    let came = |stats: &Value| number(&stats["red_frames_in"]) > 20.0;
    tracks::told(pair, &pair.subject, "redundant audio", came).await?;
    // The peer does not count what redundancy brings it. But its own packets carry each frame twice, and so must ours.
    let twice = |stats: &Value| {
        let audio = &stats["audio"];
        let sent = stats["sent"].as_array().into_iter().flatten();
        let sent = sent.filter(|stream| stream["kind"] == "audio");
        let (packets, bytes) = sent.fold((0.0, 0.0), |(packets, bytes), stream| {
            (packets + number(&stream["packetsSent"]), bytes + number(&stream["bytesSent"]))
        });
        let ours = number(&audio["bytes"]) / number(&audio["packets"]);
        number(&audio["packets"]) > 50.0 && ours > 0.75 * bytes / packets
    };
    tracks::told(pair, &pair.peer, "redundancy in what it receives", twice).await
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}
