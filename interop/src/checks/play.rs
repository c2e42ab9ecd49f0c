//! Y: files that the subject plays; the peer shows the right pictures, and the right tone is heard.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::pictures::{Shown, readings};
use crate::pair::Pair;
use crate::scenario::{Role, Scenario};
use crate::test_media::{self, Picture, TONE};

pub(super) const PICTURE: Picture = Picture { width: 320, height: 180, layer: 0, bitrate: 400_000 };

/// Pictures that are read before the count begins: the first ones come while the peer's buffers fill.
const WARM_UP: Duration = Duration::from_secs(2);

/// See the module.
pub(super) async fn play(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let seconds = scenario.parameter("seconds")?;
    let folder = pair.folder.join("media");
    let mut tracks = Vec::new();
    if let Some(codec) = &media.video {
        let file = test_media::video(&folder, codec, PICTURE).await?;
        tracks.push(json!({"kind": "video", "file": file, "rate": test_media::RATE}));
    }
    if media.audio.is_some() {
        tracks.push(json!({"kind": "audio", "file": test_media::tone(&folder).await?}));
    }
    pair.create("record").await?;
    let codecs = json!({"audio": media.audio, "video": media.video});
    pair.subject.call("media", codecs.clone()).await?;
    if pair.role == Role::Answerer {
        pair.peer.call("receive_media", codecs).await?;
    }
    pair.negotiate().await?;
    pair.connected().await?;
    let wanted = json!({"audio": media.audio.is_some(), "video": media.video.is_some()});
    pair.peer.call("watch", wanted).await?;
    pair.subject.call("play", json!({"tracks": tracks})).await?;

    // The first reading takes as long as the peer's decoder needs to begin.
    let mut shown = Vec::new();
    let began = tokio::time::Instant::now();
    while media.video.is_some() && shown.is_empty() {
        ensure!(began.elapsed() < pair.patience, "no picture was shown: {}", told(pair).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        shown = readings(&pair.peer.call("watched", json!({})).await?);
    }
    pair.note("first_picture_ms", began.elapsed().as_millis() as u64);
    tokio::time::sleep(WARM_UP).await;
    pair.peer.call("watched", json!({})).await?;
    let before = pair.subject.call("played", json!({})).await?;
    let mut heard = Vec::new();
    let began = tokio::time::Instant::now();
    let mut seen = Vec::new();
    while began.elapsed().as_secs_f64() < seconds {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let watched = pair.peer.call("watched", json!({})).await?;
        seen.extend(readings(&watched));
        pair.note("pictures_read_by", watched["how"].clone());
        if media.audio.is_some() {
            heard.push(pair.peer.call("heard", json!({})).await?);
        }
    }
    // Listening takes a second in some browsers: what was shown meanwhile counts as well.
    seen.extend(readings(&pair.peer.call("watched", json!({})).await?));
    let after = pair.subject.call("played", json!({})).await?;
    if media.video.is_some() {
        let count = |told: &Value, name: &str| told["tracks"][0][name].as_u64().unwrap_or(0);
        let skipped = count(&after, "skipped") - count(&before, "skipped");
        pair.note("keyframes_asked_for", count(&after, "requests"));
        let result = judge_video(pair, scenario, &seen, skipped);
        if let Err(error) = result {
            return Err(error.context(told(pair).await));
        }
    }
    if media.audio.is_some() {
        judge_tone(pair, &heard)?;
    }
    Ok(())
}

fn judge_video(pair: &Pair, scenario: &Scenario, seen: &[Shown], skipped: u64) -> Result<()> {
    let tale = super::pictures::Tale::of(seen)?;
    pair.note("pictures", seen.len());
    pair.note("pictures_lost", tale.unreadable);
    pair.note("rate", (tale.rate(skipped) * 100.0).round() / 100.0);
    pair.note("longest_gap_ms", tale.longest_gap_ms.round());
    ensure!(
        tale.unreadable * 100 <= seen.len() as u64,
        "{} of {} pictures could not be read",
        tale.unreadable,
        seen.len()
    );
    let seconds = scenario.parameter("seconds")?;
    ensure!(
        tale.lasted() >= 0.9 * seconds,
        "the pictures stopped after {:.1} of {seconds} s",
        tale.lasted()
    );
    ensure!(tale.wrong_colours == 0, "{} pictures had wrong colours", tale.wrong_colours);
    ensure!(tale.backwards == 0, "the pictures went back {} times", tale.backwards);
    let size = (PICTURE.width as u64, PICTURE.height as u64);
    ensure!(seen.iter().all(|shown| shown.size == size), "the pictures are not {size:?} large");
    let (rate, tolerance) = (f64::from(test_media::RATE), scenario.parameter("rate_tolerance")?);
    ensure!(
        (tale.rate(skipped) / rate - 1.0).abs() <= tolerance,
        "{:.2} pictures a second, the file has {rate}",
        tale.rate(skipped)
    );
    let limit = scenario.parameter("gap_ms")?;
    ensure!(
        tale.longest_gap_ms <= limit,
        "the picture stood still for {:.0} ms",
        tale.longest_gap_ms
    );
    Ok(())
}

/// The tone is heard at all times, and it is the file's.
fn judge_tone(pair: &Pair, heard: &[Value]) -> Result<()> {
    let (mut worst, mut clearest) = (0.0_f64, f64::INFINITY);
    // The first ones are of the time before the peer's buffers were full.
    let late = &heard[heard.len() / 2..];
    ensure!(!late.is_empty(), "nobody listened");
    let mut frequencies = Vec::new();
    for tone in late {
        let value = |name: &str| tone[name].as_f64();
        let (Some(frequency), Some(bin)) = (value("frequency"), value("bin")) else {
            anyhow::bail!("nothing is heard: {tone}");
        };
        frequencies.push(frequency);
        worst = worst.max((frequency - TONE).abs() / bin);
        if let (Some(level), Some(rest)) = (value("level"), value("rest")) {
            clearest = clearest.min(level - rest);
        }
    }
    let mean = frequencies.iter().sum::<f64>() / frequencies.len().max(1) as f64;
    pair.note("tone_read_by", late[0]["how"].clone());
    pair.note("tone_hz", (mean * 100.0).round() / 100.0);
    pair.note("tone_over_rest_db", clearest.round());
    ensure!(worst <= 1.0, "the tone is {mean:.1} Hz, not {TONE}: {} bins off", worst.round());
    Ok(())
}

async fn told(pair: &Pair) -> String {
    let mut all = Vec::new();
    for (end, command) in [(&pair.subject, "played"), (&pair.peer, "media_stats")] {
        all.push(format!("{}: {:?}", end.name(), end.call(command, json!({})).await));
    }
    all.join("; ")
}
