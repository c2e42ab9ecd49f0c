//! O: a call by the media engine: each end shows the pictures that the other one draws, in order, at their rate, and hears its
//! tone.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::pictures::{Shown, Tale, readings};
use super::play::PICTURE;
use crate::pair::Pair;
use crate::scenario::{Media, Role, Scenario};
use crate::test_media::{self, RATE, TONE};

pub(super) const SIZE: (u64, u64) = (320, 180);

/// Pictures that are read before the count begins: the first ones come while the buffers fill.
const WARM_UP: Duration = Duration::from_secs(2);

/// What one end was seen and heard to do.
#[derive(Default)]
struct Told {
    seen: Vec<Shown>,
    heard: Vec<Value>,
}

/// See the module.
pub(super) async fn call(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let seconds = scenario.parameter("seconds")?;
    let picture = begin(pair, media).await?;
    let mut tracks = Vec::new();
    let from_files = scenario.parameters.contains_key("files");
    for (kind, codec) in [("video", &media.video), ("audio", &media.audio)] {
        if codec.is_none() {
            continue;
        }
        let mut track = picture.clone();
        track["kind"] = json!(kind);
        if kind == "video" {
            track["scalability"] = json!(media.scalability);
        }
        if from_files {
            let folder = pair.folder.join("media");
            let file = match kind {
                "video" => test_media::video(&folder, "VP8", PICTURE).await?,
                _ => test_media::tone(&folder).await?,
            };
            track["file"] = json!(file);
        }
        tracks.push(track);
    }
    pair.subject.call("capture", json!({"tracks": tracks})).await?;
    let wanted = json!({"audio": media.audio.is_some(), "video": media.video.is_some()});
    pair.peer.call("watch", wanted).await?;

    let began = tokio::time::Instant::now();
    let mut ends = [Told::default(), Told::default()];
    while media.video.is_some() && ends.iter().any(|end| end.seen.is_empty()) {
        ensure!(began.elapsed() < pair.patience, "no picture was shown: {}", told(pair).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
        take(pair, &mut ends, false).await?;
    }
    pair.note("first_pictures_ms", began.elapsed().as_millis() as u64);
    tokio::time::sleep(WARM_UP).await;
    take(pair, &mut ends, false).await?;
    ends = Default::default();
    let began = tokio::time::Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        tokio::time::sleep(Duration::from_millis(500)).await;
        take(pair, &mut ends, media.audio.is_some()).await?;
    }
    // Listening takes a second in some browsers: what was shown meanwhile counts as well.
    take(pair, &mut ends, false).await?;
    if let Some(mode) = &media.scalability {
        layered(pair, mode).await?;
    }
    let names = ["by_peer", "by_us"];
    for (end, name) in ends.iter().zip(names) {
        let judged = judge(pair, scenario, end, name);
        if let Err(error) = judged {
            return Err(error.context(format!("{name}: {}", told(pair).await)));
        }
    }
    Ok(())
}

/// Whether our encoder made the layers that were asked for.
async fn layered(pair: &Pair, mode: &str) -> Result<()> {
    let stats = pair.subject.call("stats", json!({})).await?;
    let mut all = stats["rtp"].as_array().into_iter().flatten();
    let sent = all.find(|one| one["type"] == "outbound-rtp" && one["kind"] == "video");
    let sent = sent.context("no video is sent")?;
    pair.note("scalability", sent["scalabilityMode"].clone());
    ensure!(sent["scalabilityMode"] == mode, "{} is sent", sent["scalabilityMode"]);
    Ok(())
}

/// Connects both ends with tracks under these codecs: ours wait for what is to be captured, the peer draws and sounds. What both
/// are to be of.
pub(super) async fn begin(pair: &mut Pair, media: &Media) -> Result<Value> {
    pair.create("record").await?;
    pair.subject.call("engine", json!({})).await?;
    let codecs = json!({"audio": media.audio, "video": media.video});
    let picture = json!({"width": SIZE.0, "height": SIZE.1, "rate": RATE, "tone": TONE});
    let drawn = json!({"audio": media.audio, "video": media.video, "numbered": picture});
    // Whoever offers adds its tracks first, so that the other end's go on the same transceivers.
    if pair.role == Role::Offerer {
        pair.subject.call("media", codecs).await?;
        pair.peer.call("media", drawn).await?;
    } else {
        pair.peer.call("media", drawn).await?;
        pair.subject.call("media", codecs).await?;
    }
    pair.negotiate().await?;
    pair.connected().await?;
    Ok(picture)
}

/// What the peer has shown and heard, and what the subject has.
async fn take(pair: &Pair, ends: &mut [Told; 2], listen: bool) -> Result<()> {
    for (told, end) in ends.iter_mut().zip([&pair.peer, &pair.subject]) {
        told.seen.extend(readings(&end.call("watched", json!({})).await?));
        if listen {
            told.heard.push(end.call("heard", json!({})).await?);
        }
    }
    Ok(())
}

fn judge(pair: &Pair, scenario: &Scenario, told: &Told, name: &str) -> Result<()> {
    let seconds = scenario.parameter("seconds")?;
    if !told.seen.is_empty() {
        let tale = Tale::of(&told.seen)?;
        let note = |what: &str, value: f64| pair.note(&format!("{what}_{name}"), value);
        note("pictures", told.seen.len() as f64);
        note("rate", (tale.rate(0) * 100.0).round() / 100.0);
        note("longest_gap_ms", tale.longest_gap_ms.round());
        let unread = tale.unreadable;
        ensure!(
            unread * 100 <= told.seen.len() as u64,
            "{unread} of {} pictures could not be read",
            told.seen.len()
        );
        ensure!(
            tale.lasted() >= 0.9 * seconds,
            "the pictures stopped after {:.1} s",
            tale.lasted()
        );
        ensure!(tale.wrong_colours == 0, "{} pictures had wrong colours", tale.wrong_colours);
        ensure!(tale.backwards == 0, "the pictures went back {} times", tale.backwards);
        ensure!(
            told.seen.iter().all(|shown| shown.size == SIZE),
            "pictures are not {SIZE:?} large"
        );
        let (rate, tolerance) = (f64::from(RATE), scenario.parameter("rate_tolerance")?);
        ensure!(
            (tale.rate(0) / rate - 1.0).abs() <= tolerance,
            "{:.2} pictures a second, {rate} are drawn",
            tale.rate(0)
        );
        let shown = told.seen.len() as f64 / (seconds * rate);
        // Firefox draws 20 pictures a second of the 30 that it is asked for, where there is no screen.
        let least = scenario.parameter(&format!("shown_{name}"))?;
        ensure!(shown >= least, "only {:.2} of the pictures were shown", shown);
        let limit = scenario.parameter("gap_ms")?;
        ensure!(tale.longest_gap_ms <= limit, "stood still for {:.0} ms", tale.longest_gap_ms);
    }
    let late = &told.heard[told.heard.len() / 2..];
    let mut worst = 0.0_f64;
    for tone in late {
        let value = |name: &str| tone[name].as_f64();
        let (Some(frequency), Some(bin)) = (value("frequency"), value("bin")) else {
            anyhow::bail!("nothing is heard: {tone}");
        };
        worst = worst.max((frequency - TONE).abs() / bin);
        if let (Some(level), Some(rest)) = (value("level"), value("rest")) {
            pair.note(&format!("tone_over_rest_db_{name}"), (level - rest).round());
        }
    }
    ensure!(worst <= 1.0, "the tone is {worst:.0} bins from {TONE} Hz");
    Ok(())
}

pub(super) async fn told(pair: &Pair) -> String {
    let mut all = Vec::new();
    for (end, command) in [(&pair.subject, "engine_stats"), (&pair.peer, "media_stats")] {
        all.push(format!("{}: {:?}", end.name(), end.call(command, json!({})).await));
    }
    all.join("; ")
}
