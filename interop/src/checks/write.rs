//! W: what the peer's camera and microphone send is written to files, and other programs read them without complaint.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::pair::Pair;
use crate::scenario::{Role, Scenario};

/// How much the time from the first to the last packet of a track may differ from that of what was received: files count in
/// milliseconds, and a packet may stand for one that was lost.
const LENGTH_TOLERANCE_MS: f64 = 25.0;

/// See the module.
pub(super) async fn write(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let frames = scenario.parameter("frames")?;
    let codecs = json!({"audio": media.audio, "video": media.video});
    pair.create("record").await?;
    let prefix = pair.folder.join("files").join(&pair.cell).join("call");
    pair.subject.call("record", json!({"prefix": prefix, "video": media.video})).await?;
    if pair.role == Role::Offerer {
        pair.subject.call("receive_media", codecs.clone()).await?;
    }
    pair.peer.call_within("media", codecs, pair.patience).await?;
    pair.negotiate().await?;
    pair.connected().await?;
    let began = tokio::time::Instant::now();
    let number = |told: &Value, name: &str| told[name].as_f64().unwrap_or(0.0);
    loop {
        let told = pair.subject.call("recorded", json!({})).await?;
        ensure!(told["error"].is_null(), "while writing: {}", told["error"]);
        // The sound lasts a packet of 20 ms, the picture 33 ms.
        if number(&told, "video_frames") >= frames && number(&told, "audio_muxed") >= frames {
            break;
        }
        ensure!(began.elapsed() < pair.patience + pair.patience, "too little came in: {told}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let told = pair.subject.call("recorded", json!({"end": true})).await?;
    for name in ["video_frames", "keyframes", "audio_packets", "filled_ms", "video_ms", "audio_ms"]
    {
        pair.note(name, told[name].clone());
    }
    let files = told["files"].as_array().context("`recorded` tells no files")?;
    ensure!(files.len() >= 3, "only these files were written: {files:?}");
    for file in files {
        let path = Path::new(file.as_str().context("a file without a name")?);
        read(path, &told).await.with_context(|| format!("{}", path.display()))?;
        let size = tokio::fs::metadata(path).await?.len();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
        pair.note(&format!("{ending}_kB"), size / 1000);
    }
    Ok(())
}

/// ffprobe finds the tracks with as many frames as were received, over as long a time; ffmpeg decodes it all and says
/// nothing.
async fn read(path: &Path, told: &Value) -> Result<()> {
    let entries = "packet=stream_index,pts_time:stream=index,codec_type,width,height";
    let args = ["-v", "error", "-show_packets", "-show_streams", "-show_entries", entries];
    let probed = run(Command::new("ffprobe").args(args).args(["-of", "json"]).arg(path)).await?;
    let probed: Value = serde_json::from_str(&probed).context("what ffprobe said")?;
    let streams = probed["streams"].as_array().context("ffprobe found no streams")?;
    let packets = probed["packets"].as_array().context("ffprobe found no packets")?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
    let is_muxed = ["webm", "mkv"].contains(&ending);
    ensure!(streams.len() == if is_muxed { 2 } else { 1 }, "it has {} tracks", streams.len());
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    for stream in streams {
        let kind = stream["codec_type"].as_str().unwrap_or("");
        let times: Vec<f64> = packets
            .iter()
            .filter(|packet| packet["stream_index"] == stream["index"])
            .map(|packet| packet["pts_time"].as_str().and_then(|time| time.parse().ok()))
            .map(|time| time.unwrap_or(f64::NAN))
            .collect();
        let expected = match (kind, is_muxed) {
            ("video", _) => number(&told["video_frames"]),
            (_, true) => number(&told["audio_muxed"]),
            // What stands for missing packets counts as well.
            _ => number(&told["audio_packets"]) + number(&told["filled_ms"]) / 20.0,
        };
        ensure!(times.len() as f64 == expected, "{} packets, of {expected} written", times.len());
        if kind == "video" {
            let size = [&stream["width"], &stream["height"]].map(number);
            ensure!(size.iter().all(|side| *side > 0.0), "the picture is {size:?} large");
        }
        let length = match (times.first(), times.last()) {
            (Some(first), Some(last)) => (last - first) * 1000.0,
            _ => anyhow::bail!("no packet of {kind}"),
        };
        let expected = match (kind, ending) {
            // Streams without timestamps: those that are told are guesses of the program that reads them.
            (_, "h264" | "obu") => continue,
            ("video", _) => number(&told["video_ms"]),
            ("audio", "ogg") => number(&told["audio_ms"]),
            // It begins with the first picture.
            _ => number(&told["audio_muxed_ms"]),
        };
        ensure!(
            (length - expected).abs() <= LENGTH_TOLERANCE_MS,
            "{kind} is {length:.0} ms long, and {expected:.0} ms were received"
        );
    }
    // Counting as the file does: ffmpeg else rounds to whole frames, and complains of two that it rounds to one.
    let count = ["-enc_time_base", "-1", "-f", "null", "-"];
    run(Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(count)).await?;
    Ok(())
}

/// What a program says; an error if it fails or complains.
async fn run(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    ensure!(output.status.success() && said.trim().is_empty(), "{program}: {}", said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
