//! A: a person opens the page of `peerage call` in a browser, and makes the mistakes that people make.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use peerage::media_engine::video::I420;
use peerage::media_engine::video::pattern::NumberedPicture;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::pictures::{Shown, Tale, readings};
use crate::pair::Pair;
use crate::scenario::Scenario;
use crate::test_media::{RATE, TONE};

/// Reads pictures and tones, for the script that works the page.
const READER: &str = include_str!("../../pages/media.js");
const SCRIPT: &str = include_str!("../../pages/drive-call.js");

/// What the page draws and shows.
const SIZE: (usize, usize) = (640, 360);
/// The tone of `peerage call`.
const OUR_TONE: f64 = 440.0;
/// How long a step on the page may take.
const STEP: Duration = Duration::from_secs(100);
/// How long the command may take to tell of something.
const TOLD: Duration = Duration::from_secs(15);

/// `peerage call`, running.
struct Program {
    child: tokio::process::Child,
    events: mpsc::UnboundedReceiver<Value>,
    seen: Vec<Value>,
}

impl Program {
    fn start(mut command: Command, arguments: &[&str]) -> Result<Self> {
        let mut child = command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start `peerage call`")?;
        let stdout = child.stdout.take().context("`peerage call` has no standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let (told, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let _ = told.send(serde_json::from_str(&line).unwrap_or_default());
            }
        });
        Ok(Self { child, events, seen: Vec::new() })
    }

    /// The next event of this name.
    async fn event(&mut self, name: &str) -> Result<Value> {
        let end = tokio::time::Instant::now() + TOLD;
        loop {
            match tokio::time::timeout_at(end, self.events.recv()).await {
                Ok(Some(event)) => {
                    self.seen.push(event.clone());
                    if event["event"] == name {
                        return Ok(event);
                    }
                }
                _ => bail!("`peerage call` told of nothing {name}, but {:?}", self.seen),
            }
        }
    }

    /// Interrupts it as Ctrl-C does, and waits for its end.
    async fn interrupt(&mut self) -> Result<()> {
        let pid = self.child.id().context("`peerage call` has ended by itself")?;
        let killed = Command::new("kill").args(["-INT", &pid.to_string()]).status().await?;
        ensure!(killed.success(), "kill: {killed}");
        let ended = tokio::time::timeout(TOLD, self.child.wait()).await;
        let status = ended.context("`peerage call` goes on after Ctrl-C")??;
        ensure!(status.success(), "after Ctrl-C it ended with {status}");
        Ok(())
    }
}

/// See the module.
pub(super) async fn call_page(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let seconds = scenario.parameter("seconds")?;
    let (command, address) = pair.command_line.take().context("the command line is not there")?;
    let folder = pair.folder.join("files").join(&pair.cell);
    tokio::fs::create_dir_all(&folder).await?;
    let file = folder.join("call.webm");
    let file = file.to_str().context("a path that is not UTF-8")?;
    let http = format!("{address}:0");
    let source = ["--video", "pattern", "--audio", "tone"];
    let mut arguments = vec!["call", "--json", "--http", &http, "--record", file];
    arguments.extend(source);
    let mut program = Program::start(command, &arguments)?;
    let listening = program.event("listening").await?;
    let url = listening["url"].as_str().context("no address")?.to_owned();

    // One click, without a camera and with one.
    let first = step(pair, Some(&url), "first", seconds).await?;
    judge(pair, &first, scenario, "first")?;
    // Call 1 sent nothing, call 2 ends when the page is loaded again.
    let again = step(pair, Some(&url), "again", seconds).await?;
    judge(pair, &again, scenario, "again")?;
    let twice = step(pair, None, "twice", 0.0).await?;
    ensure!(twice["status"] == 503, "a second page was told {twice}");
    let said = twice["error"].as_str().unwrap_or("");
    ensure!(said.contains("there is a call already"), "a second page was told {said:?}");
    program.interrupt().await?;
    let over = step(pair, None, "over", 0.0).await?;
    pair.note("over_ms", over["took"].as_f64().unwrap_or(0.0).round());

    for number in [2, 3] {
        let recorded = program.event("recorded").await?;
        let file = recorded["file"].as_str().context("a recording without a name")?;
        ensure!(file.ends_with(&format!("call-{number}.webm")), "{file} is recorded");
        read(pair, Path::new(file), seconds, number).await.with_context(|| file.to_owned())?;
    }
    Ok(())
}

/// Does one of the steps of the script on the page, which is loaded first if it has an address here.
async fn step(pair: &Pair, url: Option<&str>, name: &str, seconds: f64) -> Result<Value> {
    let shim = "window.interop = { commands: {}, pause: (ms) => new Promise((go) => setTimeout(go, ms)), \
        now: () => performance.timeOrigin + performance.now(), connection: () => window.interop.owner, \
        owner: { elements: { video: document.getElementById('theirs'), audio: document.getElementById('theirs') } } };";
    let given = format!("const STEP = {}; const SECONDS = {seconds};", json!(name));
    let script = format!("{shim}\n{READER}\n{given}\n{SCRIPT}");
    let told = pair.peer.call_within("visit", json!({"url": url, "script": script}), STEP).await;
    told.with_context(|| format!("step `{name}` on the page"))
}

/// Whether the page showed our pictures and sounded our tone.
fn judge(pair: &Pair, told: &Value, scenario: &Scenario, name: &str) -> Result<()> {
    let seen = readings(told);
    let tale = Tale::of(&seen)?;
    let text = told["text"].as_str().unwrap_or("");
    pair.note(&format!("{name}_text"), text);
    pair.note(&format!("{name}_picture_ms"), told["firstPicture"].as_f64().unwrap_or(0.0).round());
    pair.note(&format!("{name}_pictures"), seen.len());
    ensure!(told["note"] == "", "the page says: {}", told["note"]);
    let size = (SIZE.0 as u64, SIZE.1 as u64);
    ensure!(seen.iter().all(|shown| shown.size == size), "the page's pictures are not {SIZE:?}");
    tell(&tale, &seen, scenario)?;
    let heard = told["heard"].as_array().context("nothing was listened to")?;
    let is_tone = |tone: &&Value| match (tone["frequency"].as_f64(), tone["bin"].as_f64()) {
        (Some(frequency), Some(bin)) => (frequency - OUR_TONE).abs() <= bin,
        _ => false,
    };
    // The first ones may be of the silence before it.
    let late = &heard[heard.len() / 2..];
    let right = late.iter().filter(is_tone).count();
    ensure!(
        right == late.len() && right > 0,
        "the page sounds {OUR_TONE} Hz {right} times of {}: {late:?}",
        late.len()
    );
    Ok(())
}

/// Whether pictures are in order, at their rate, and readable.
fn tell(tale: &Tale, seen: &[Shown], scenario: &Scenario) -> Result<()> {
    ensure!(
        tale.unreadable * 50 <= seen.len() as u64,
        "{} of {} pictures could not be read",
        tale.unreadable,
        seen.len()
    );
    ensure!(tale.backwards == 0, "the pictures went back {} times", tale.backwards);
    let (rate, tolerance) = (f64::from(RATE), scenario.parameter("rate_tolerance")?);
    ensure!(
        (tale.rate(0) / rate - 1.0).abs() <= tolerance,
        "{:.2} pictures a second, {rate} are drawn",
        tale.rate(0)
    );
    let limit = scenario.parameter("gap_ms")?;
    ensure!(tale.longest_gap_ms <= limit, "stood still for {:.0} ms", tale.longest_gap_ms);
    Ok(())
}

/// Whether a recording has the page's pictures and its tone, by what ffmpeg makes of it.
async fn read(pair: &Pair, file: &Path, seconds: f64, number: u32) -> Result<()> {
    let (width, height) = SIZE;
    let scale = format!("scale={width}:{height}");
    let pictures = ["-map", "0:v", "-vf", &scale, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"];
    let (mut numbers, mut unreadable, mut colours) = (Vec::new(), 0, 0);
    let all = ffmpeg(file, &pictures).await?;
    for data in all.chunks_exact(width * height * 3 / 2) {
        let picture = I420::from_planes(width as u16, height as u16, data.to_vec());
        let reading = NumberedPicture::read(&picture.context("not a picture")?);
        match reading.number {
            Some(number) => numbers.push(number),
            None => unreadable += 1,
        }
        colours += usize::from(reading.colours == 8);
    }
    numbers.dedup();
    pair.note(&format!("recorded_pictures_{number}"), numbers.len());
    ensure!(unreadable * 20 <= numbers.len(), "{unreadable} recorded pictures cannot be read");
    // Firefox draws 20 pictures a second of 30, where there is no screen.
    let least = 0.4 * f64::from(RATE) * seconds;
    ensure!(numbers.len() as f64 >= least, "only {} pictures are recorded", numbers.len());
    ensure!(colours * 10 >= numbers.len() * 9, "{colours} recorded pictures have their colours");

    let sound = ffmpeg(file, &["-map", "0:a", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]);
    let bytes = sound.await?;
    let samples: Vec<f64> = bytes
        .chunks_exact(4)
        .map(|four| f64::from(f32::from_le_bytes([four[0], four[1], four[2], four[3]])))
        .collect();
    // Of the last two seconds but the very last, when the page had gone.
    let end = samples.len().saturating_sub(24_000);
    let heard = &samples[end.saturating_sub(96_000)..end];
    let share = share(heard, TONE, 48_000.0);
    pair.note(&format!("recorded_tone_share_{number}"), (share * 1000.0).round() / 1000.0);
    ensure!(share > 0.9, "only {share:.2} of the recorded sound is a tone of {TONE} Hz");
    Ok(())
}

/// Which part of the energy is at a frequency: within a window of 0.1 s each, so that a step of the phase counts for little.
fn share(samples: &[f64], frequency: f64, rate: f64) -> f64 {
    let (mut at, mut all) = (0.0, 0.0);
    for window in samples.chunks_exact((rate / 10.0) as usize) {
        let (mut re, mut im) = (0.0, 0.0);
        for (index, sample) in window.iter().enumerate() {
            let phase = std::f64::consts::TAU * frequency * index as f64 / rate;
            re += sample * phase.cos();
            im += sample * phase.sin();
        }
        at += 2.0 * (re * re + im * im) / window.len() as f64;
        all += window.iter().map(|sample| sample * sample).sum::<f64>();
    }
    if all > 0.0 { at / all } else { 0.0 }
}

async fn ffmpeg(file: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(file).args(arguments);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ffmpeg: {}", said.trim());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_told_from_another() {
        let tone = |frequency: f64| -> Vec<f64> {
            let phase = |at| std::f64::consts::TAU * frequency * f64::from(at) / 48_000.0;
            (0..48_000).map(|at| phase(at).sin()).collect()
        };
        assert!(share(&tone(1_000.0), 1_000.0, 48_000.0) > 0.99);
        assert!(share(&tone(440.0), 1_000.0, 48_000.0) < 0.01);
        assert_eq!(share(&[0.0; 9_600], 1_000.0, 48_000.0), 0.0);
    }
}
