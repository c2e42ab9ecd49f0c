//! S: layers of a simulcast, of the peer and of ours, told apart and switched.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::pictures::{Shown, Tale, readings};
use crate::pair::{End, Pair};
use crate::scenario::{Role, Scenario};
use crate::test_media::{self, Picture};

/// The layers, the smallest first.
const RIDS: [&str; 3] = ["q", "h", "f"];

/// Bits a second of each layer of the peer's camera: little, so that an estimate of the path reaches their sum early.
const BITRATES: [u32; 3] = [100_000, 250_000, 600_000];

/// Our layers.
const LAYERS: [Picture; 3] = [
    Picture { width: 160, height: 90, layer: 1, bitrate: 120_000 },
    Picture { width: 320, height: 180, layer: 2, bitrate: 300_000 },
    Picture { width: 640, height: 360, layer: 3, bitrate: 700_000 },
];

/// The peer sends three layers; each comes, has its size and answers to a keyframe request. Then one after the other goes
/// back to the peer, which shows it.
pub(super) async fn receive(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let codec = media.video.as_deref().context("the scenario names no codec of video")?;
    let (width, height) = (scenario.parameter("width")?, scenario.parameter("height")?);
    let limit = Duration::from_secs_f64(scenario.parameter("start_seconds")?);
    pair.create("record").await?;
    pair.subject.call("collect", json!({})).await?;
    // What is to go back: in the section of the peer's offer, or in that of ours, which asks for the layers.
    let asks = pair.role == Role::Offerer;
    match asks {
        true => pair.subject.call("receive_layers", json!({"video": codec, "rids": RIDS})).await?,
        false => pair.subject.call("media", json!({"video": codec})).await?,
    };
    let fields = json!({
        "video": codec, "rids": RIDS, "width": width, "height": height, "rate": 30, "bitrates": BITRATES, "answering": asks,
    });
    pair.peer.call_within("simulcast", fields, pair.patience).await?;
    let (_, answer) = pair.negotiate().await?;
    let line = format!("a=simulcast:{} {}", if asks { "send" } else { "recv" }, RIDS.join(";"));
    ensure!(answer.lines().any(|have| have.trim_end() == line), "the answer has no {line}");
    pair.connected().await?;
    let began = tokio::time::Instant::now();
    let expected = |index: usize| -> (u64, u64) {
        let scale = f64::from(1 << (RIDS.len() - 1 - index));
        ((width / scale) as u64, (height / scale) as u64)
    };
    let layers = loop {
        let layers = pair.subject.call("layers", json!({})).await?;
        let whole = |index: usize| size(&layers[RIDS[index]]) == expected(index);
        if (0..RIDS.len()).all(whole) {
            break layers;
        }
        ensure!(began.elapsed() < limit, "not all layers came: {layers}; {}", told(pair).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    pair.note("all_layers_ms", began.elapsed().as_millis() as u64);
    let mut sources: Vec<_> = RIDS.iter().map(|rid| layers[rid]["ssrc"].as_u64()).collect();
    sources.sort_unstable();
    sources.dedup();
    ensure!(sources.len() == RIDS.len(), "layers share a source: {layers}");
    ensure!(
        layers.as_object().is_some_and(|all| all.len() == RIDS.len()),
        "there is more than the layers: {layers}"
    );
    for rid in RIDS {
        let took = keyframe(&pair.subject, rid, pair.patience).await?;
        pair.note(&format!("keyframe_{rid}_ms"), took);
    }

    // Back to the peer, layer after layer.
    pair.subject.call("forward", json!({"from": "a", "rid": RIDS[0]})).await?;
    for (index, rid) in RIDS.iter().enumerate().chain([(0, &RIDS[0])]) {
        pair.subject.call("select", json!({"rid": rid})).await?;
        let asked = tokio::time::Instant::now();
        loop {
            let stats = pair.peer.call("media_stats", json!({})).await?;
            if size(&stats["video"]) == expected(index) {
                break;
            }
            ensure!(
                asked.elapsed() < pair.patience,
                "layer {rid} is not shown at its size {:?}: {stats}; {}",
                expected(index),
                pair.subject.call("forwarded", json!({})).await?
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        pair.note(&format!("shown_{rid}_ms"), asked.elapsed().as_millis() as u64);
    }
    let stats = pair.peer.call("media_stats", json!({})).await?;
    pair.note("freezes", stats["video"]["freezes"].clone());
    pair.note("switches", pair.subject.call("forwarded", json!({})).await?["switches"].clone());
    Ok(())
}

/// We send three layers, of files or made by the media engine, to a server of ours, which hands one after the other on to the peer.
pub(super) async fn send(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let codec = media.video.as_deref().context("the scenario names no codec of video")?;
    let seconds = scenario.parameter("seconds")?;
    let is_encoded = scenario.parameters.contains_key("engine");
    let [.., largest] = LAYERS;
    let folder = pair.folder.join("media");
    let mut tracks = Vec::new();
    if is_encoded {
        let (width, height) = (largest.width, largest.height);
        tracks.push(
            json!({"kind": "video", "width": width, "height": height, "rate": test_media::RATE}),
        );
    } else {
        for (encoding, picture) in LAYERS.into_iter().enumerate() {
            let file = test_media::video(&folder, codec, picture).await?;
            let rate = test_media::RATE;
            tracks.push(json!({"kind": "video", "encoding": encoding, "file": file, "rate": rate}));
        }
    }

    // The publisher and the server's side of it are connections of one process.
    let process = pair.subject.process.clone();
    let mut inner = Pair::new(
        End::new(process.clone(), "server"),
        End::new(process, "publisher"),
        Role::Answerer,
        true,
        pair.patience,
    );
    inner.create("record").await?;
    inner.subject.call("collect", json!({})).await?;
    let mut fields = json!({"video": codec, "rids": RIDS});
    if is_encoded {
        inner.peer.call("engine", json!({})).await?;
        fields["scales"] = LAYERS.map(|layer| largest.width as f64 / layer.width as f64).into();
    }
    inner.peer.call("simulcast", fields).await?;
    let (offer, answer) = inner.negotiate().await?;
    for (what, sdp, line) in
        [("offer", &offer, "a=simulcast:send q;h;f"), ("answer", &answer, "a=simulcast:recv q;h;f")]
    {
        ensure!(sdp.lines().any(|have| have.trim_end() == line), "the {what} has no {line}");
    }
    inner.connected().await?;
    let command = if is_encoded { "capture" } else { "play" };
    inner.peer.call(command, json!({"tracks": tracks})).await?;

    pair.create("record").await?;
    let codecs = json!({"video": codec});
    pair.subject.call("media", codecs.clone()).await?;
    if pair.role == Role::Answerer {
        pair.peer.call("receive_media", codecs).await?;
    }
    pair.negotiate().await?;
    pair.connected().await?;
    pair.peer.call("watch", json!({"audio": false})).await?;
    pair.subject.call("forward", json!({"from": "server", "rid": RIDS[0]})).await?;
    let mut seen: Vec<Shown> = Vec::new();
    // Up, down by two, up by two.
    for index in [0, 1, 2, 0, 2] {
        pair.subject.call("select", json!({"rid": RIDS[index]})).await?;
        let (asked, mut shown_at) = (tokio::time::Instant::now(), None);
        while shown_at.is_none_or(|at: Duration| (asked.elapsed() - at).as_secs_f64() < seconds) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let new = readings(&pair.peer.call("watched", json!({})).await?);
            let layer = LAYERS[index];
            let is_it = |shown: &Shown| {
                // The engine's layers are of one picture.
                (is_encoded || shown.layer == Some(layer.layer))
                    && shown.size == (layer.width as u64, layer.height as u64)
            };
            if shown_at.is_none() && new.iter().any(is_it) {
                shown_at = Some(asked.elapsed());
            }
            seen.extend(new);
            if shown_at.is_none() && asked.elapsed() > pair.patience {
                let server = inner.subject.call("layers", json!({})).await?;
                let forwarded = pair.subject.call("forwarded", json!({})).await?;
                ensure!(
                    false,
                    "layer {} is not shown: {forwarded}; the server has {server}; {}",
                    RIDS[index],
                    told(pair).await
                );
            }
        }
        let took = shown_at.unwrap_or_default().as_millis() as u64;
        pair.note(&format!("shown_{}_ms", RIDS[index]), took);
    }
    let forwarded = pair.subject.call("forwarded", json!({})).await?;
    let layers = inner.subject.call("layers", json!({})).await?;
    for (rid, layer) in RIDS.iter().zip(LAYERS) {
        let expected = (layer.width as u64, layer.height as u64);
        ensure!(size(&layers[rid]) == expected, "layer {rid} came as {}", layers[rid]);
    }
    let tale = Tale::of(&seen)?;
    let switches = forwarded["switches"].as_array().map_or(0, Vec::len);
    pair.note("switches", forwarded["switches"].clone());
    pair.note("pictures", seen.len());
    pair.note("longest_gap_ms", tale.longest_gap_ms.round());
    ensure!(switches == 5, "{switches} switches in place of 5: {forwarded}");
    ensure!(
        tale.unreadable * 50 <= seen.len() as u64,
        "{} of {} pictures could not be read",
        tale.unreadable,
        seen.len()
    );
    let limit = scenario.parameter("gap_ms")?;
    ensure!(
        tale.longest_gap_ms <= limit,
        "the picture stood still for {:.0} ms",
        tale.longest_gap_ms
    );
    if is_encoded {
        // A camera has one course of numbers, whichever layer shows it.
        ensure!(tale.backwards == 0, "the pictures went back {} times", tale.backwards);
        pair.note("encoders", inner.peer.call("engine_stats", json!({})).await?["sent"].clone());
    }
    inner.finish();
    Ok(())
}

/// Asks for a keyframe of a layer; the milliseconds until it came.
async fn keyframe(end: &End, rid: &str, limit: Duration) -> Result<u64> {
    let count = |layers: &Value| layers[rid]["keyframes"].as_u64().unwrap_or(0);
    let before = count(&end.call("layers", json!({})).await?);
    end.call("layer_keyframe", json!({"rid": rid})).await?;
    let asked = tokio::time::Instant::now();
    while count(&end.call("layers", json!({})).await?) == before {
        ensure!(asked.elapsed() < limit, "no keyframe of layer {rid} came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(asked.elapsed().as_millis() as u64)
}

fn size(told: &Value) -> (u64, u64) {
    (told["width"].as_u64().unwrap_or(0), told["height"].as_u64().unwrap_or(0))
}

async fn told(pair: &Pair) -> String {
    match pair.peer.call("media_stats", json!({})).await {
        Ok(stats) => format!("{}: {stats}", pair.peer.name()),
        Err(error) => format!("{error:#}"),
    }
}
