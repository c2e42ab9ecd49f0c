//! U and J: video that follows what an emulated wire carries, both ways at once, and how much of it arrives when packets are
//! lost. What a browser does with itself on the same wire is measured by the same check.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::network::WireControl;
use crate::pair::{Pair, Plot};
use crate::scenario::Scenario;

/// How often the wire is asked.
const LOOK: Duration = Duration::from_millis(500);
/// What either end makes of video at most, in bits a second: about what a browser makes of a camera by itself.
const MOST_BITRATE: u64 = 2_500_000;
/// What is on the way when nothing more is sent has come, or is not sent again, after this.
const AFTERWARDS: Duration = Duration::from_millis(1_500);
/// Bytes of video in a packet.
const PACKET_BYTES: f64 = 1_100.0;
/// No freeze is shorter (webrtc-stats, `freezeCount`).
const SHORTEST_FREEZE_S: f64 = 0.15;
/// Both directions: the name in the wire's statistics, and who receives.
const WAYS: [(&str, &str); 2] = [("left_to_right", "sent"), ("right_to_left", "received")];
/// What is counted of the video at its receiver, where it can tell.
const FIGURES: [&str; 9] = [
    "frames_decoded",
    "freezes",
    "frozen_s",
    "nacks",
    "retransmitted",
    "plis",
    "fec",
    "fec_discarded",
    "recovered",
];
/// The video that an end without an encoder sends: small, so that it can be padded to any rate.
const VIDEO: [&str; 27] = [
    "-f",
    "lavfi",
    "-i",
    "testsrc=size=640x360:rate=30",
    "-t",
    "10",
    "-vf",
    "boxblur=8:2",
    "-c:v",
    "libvpx",
    "-deadline",
    "realtime",
    "-cpu-used",
    "8",
    "-b:v",
    "60k",
    "-maxrate",
    "60k",
    "-bufsize",
    "60k",
    "-qmin",
    "40",
    "-g",
    "60",
    "-f",
    "ivf",
    "-y",
];

/// A stretch of time on a wire that stays as it is.
struct Phase {
    name: String,
    rate_mbit: Option<f64>,
    /// Before it is measured, and while it is.
    settle: Duration,
    measure: Duration,
}

/// Both ends send video; the wire is measured phase by phase.
pub(super) async fn congestion(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let wire = pair.wire.clone().context("this case needs an emulated wire")?;
    let video = make_video(&pair.folder).await?;
    let flexfec = scenario.variant.flexfec;
    pair.create_with(json!({"incoming": "record", "flexfec": flexfec})).await?;
    let fec: &[&str] = match (flexfec, scenario.parameters.contains_key("ulpfec")) {
        (true, _) => &["flexfec-03"],
        (false, true) => &["red", "ulpfec"],
        (false, false) => &[],
    };
    let fields = json!({"video": "VP8", "file": video, "bitrate": MOST_BITRATE, "fec": fec});
    for end in pair.ends() {
        end.call_within("media", fields.clone(), pair.patience).await?;
    }
    pair.negotiate().await?;
    pair.connected().await?;
    let link = scenario.wire.clone().unwrap_or_default();
    let phases = phases(scenario, link.rate_mbit)?;
    let queue_ms = link.queue_ms.unwrap_or(300.0);
    for (index, phase) in phases.iter().enumerate() {
        if let Some(rate) = phase.rate_mbit.filter(|_| index > 0) {
            wire.set_rate(rate, queue_ms).await?;
        }
        measure(pair, &wire, phase).await?;
    }
    count_repaired(pair, &wire).await?;
    if let Some(rate) = link.rate_mbit.filter(|_| phases.len() > 1) {
        // The next cell finds the wire as it was.
        wire.set_rate(rate, queue_ms).await?;
    }
    phases.iter().try_for_each(|phase| judge(pair, scenario, phase))
}

/// The wire's own rate, and the steps after it.
fn phases(scenario: &Scenario, rate: Option<f64>) -> Result<Vec<Phase>> {
    let settle = Duration::from_secs_f64(scenario.parameter("settle_s")?);
    let measure = Duration::from_secs_f64(scenario.parameter("measure_s")?);
    let mut phases = vec![Phase { name: String::new(), rate_mbit: rate, settle, measure }];
    for step in 1..10 {
        let Some(&rate) = scenario.parameters.get(&format!("step{step}_mbit")) else { break };
        // What happens right after the step counts as well.
        let settle = Duration::ZERO;
        let name = format!("step{step}_");
        phases.push(Phase { name, rate_mbit: Some(rate), settle, measure });
    }
    Ok(phases)
}

/// Lets media flow, and notes what came of it each way.
async fn measure(pair: &Pair, wire: &WireControl, phase: &Phase) -> Result<()> {
    sleep(phase.settle).await;
    let before = look(pair, wire).await?;
    let end = Instant::now() + phase.measure;
    let (mut last, mut queues, mut rates) = (before.clone(), [vec![], vec![]], [vec![], vec![]]);
    let mut longest = [0.0_f64; 2];
    while Instant::now() < end {
        sleep(LOOK).await;
        let now = look(pair, wire).await?;
        let stats = &now.wire;
        let seconds = number(&stats["elapsed_s"]) - number(&last.wire["elapsed_s"]);
        for (way, (name, _)) in WAYS.iter().enumerate() {
            let change =
                |field: &str| number(&stats[name][field]) - number(&last.wire[name][field]);
            rates[way].push(change("delivered_bytes") * 8e-6 / seconds.max(1e-3));
            if change("left_queue") > 0.0 {
                queues[way].push(change("total_queue_ms") / change("left_queue"));
            }
        }
        for (way, longest) in longest.iter_mut().enumerate() {
            // A freeze is told of when it ends. Of several that ended since the last look, the others were short at least.
            let change = |field: &str| {
                number(&now.video[1 - way][field]) - number(&last.video[1 - way][field])
            };
            let others = (change("freezes") - 1.0).max(0.0);
            *longest = longest.max(change("frozen_s") - others * SHORTEST_FREEZE_S);
        }
        last = now;
    }
    let after = look(pair, wire).await?;
    let seconds = number(&after.wire["elapsed_s"]) - number(&before.wire["elapsed_s"]);
    for (way, (name, to)) in WAYS.iter().enumerate() {
        let note = |what: &str, value: f64| {
            pair.note(&format!("{}{to}_{what}", phase.name), (value * 1e3).round() / 1e3);
        };
        let change =
            |field: &str| number(&after.wire[name][field]) - number(&before.wire[name][field]);
        // What the wire took, whether it was lost on it or not; what found the queue full was as large as the rest.
        let offered = change("offered");
        let taken = 1.0 - change("dropped_full") / offered.max(1.0);
        let mbit = change("offered_bytes") * taken * 8e-6 / seconds;
        note("mbit", mbit);
        if let Some(rate) = phase.rate_mbit {
            note("used", mbit / rate);
        }
        let queue = &mut queues[way];
        queue.sort_by(f64::total_cmp);
        note("queue_ms", queue.iter().sum::<f64>() / queue.len().max(1) as f64);
        note("queue_worst_ms", queue.last().copied().unwrap_or(0.0));
        let lost = change("lost") + change("dropped_full");
        note("lost_share", lost / offered.max(1.0));
        let of = |at: &Look, field: &str| number(&at.video[1 - way][field]);
        let change_of = |field: &str| of(&after, field) - of(&before, field);
        for field in FIGURES {
            if !after.video[1 - way][field].is_null() {
                note(field, change_of(field));
            }
        }
        // Some browsers count no freezes.
        if !after.video[1 - way]["frozen_s"].is_null() {
            note("longest_freeze_s", longest[way]);
            note("frozen_share", change_of("frozen_s") / seconds);
        }
        note("lost_packets", change_of("lost"));
        note("video_mbit", (of(&after, "bytes") - of(&before, "bytes")) * 8e-6 / seconds);
        pair.plot(Plot {
            name: format!("{}{to}_mbit", phase.name),
            bucket_ms: LOOK.as_secs_f64() * 1e3,
            mbit: std::mem::take(&mut rates[way]),
        });
        ensure!(
            of(&after, "frames_decoded") > of(&before, "frames_decoded"),
            "no video was {to} in {seconds:.0} s: {}",
            after.video[1 - way]
        );
    }
    Ok(())
}

/// Ends what is sent, and notes what share of the packets that were lost has come nevertheless, over the whole call. Packets
/// that come again are no measure of it: some come twice, and others only to measure the path. Frames that never
/// became whole are one, and each of them is taken to miss all its packets.
async fn count_repaired(pair: &Pair, wire: &WireControl) -> Result<()> {
    for end in pair.ends() {
        end.call("media_hold", json!({})).await?;
    }
    sleep(AFTERWARDS).await;
    let end = look(pair, wire).await?;
    for (way, (_, to)) in WAYS.iter().enumerate() {
        let (made, received) = (&end.made[way], &end.video[1 - way]);
        if received["frames_decoded"].is_null() || made["frames"].is_null() {
            continue;
        }
        let frames = number(&made["frames"]);
        // What was dropped was whole, but too late, or of no use without another.
        let whole = number(&received["frames_decoded"]) + number(&received["frames_dropped"]);
        let missing = (frames - whole).max(0.0);
        let packets = (number(&made["bytes"]) / frames.max(1.0) / PACKET_BYTES).ceil();
        pair.note(&format!("{to}_frames_missing"), missing);
        let lost = number(&received["lost"]);
        if lost > 0.0 {
            let repaired = (1.0 - missing * packets / lost).max(0.0);
            pair.note(&format!("{to}_repaired"), (repaired * 1e3).round() / 1e3);
        }
    }
    Ok(())
}

/// Whether what was measured is good enough where Peerage sends: a browser with itself is there for comparison. The bounds
/// are far below what is measured on a machine at rest.
fn judge(pair: &Pair, scenario: &Scenario, phase: &Phase) -> Result<()> {
    if pair.subject.name() == pair.peer.name() {
        return Ok(());
    }
    let notes = pair.notes();
    for (what, parameter, most) in [
        ("sent_used", "least_used", false),
        ("sent_repaired", "least_repaired", false),
        ("sent_frozen_share", "most_frozen", true),
        ("sent_longest_freeze_s", "longest_freeze_s", true),
        ("sent_fec", "least_fec_sent", false),
        ("received_fec", "least_fec_received", false),
        ("received_recovered", "least_recovered", false),
    ] {
        let of_phase = format!("{}{parameter}", phase.name);
        let Some(&bound) = scenario.parameters.get(&of_phase) else { continue };
        let value = notes.get(&format!("{}{what}", phase.name)).and_then(Value::as_f64);
        let value = value.with_context(|| format!("{}{what} was not told", phase.name))?;
        let holds = if most { value <= bound } else { value >= bound };
        ensure!(holds, "{}{what} is {value}, where {of_phase} is {bound}", phase.name);
    }
    Ok(())
}

/// A moment: the wire's counters, and what subject and peer have received.
#[derive(Clone)]
struct Look {
    wire: Value,
    video: [Value; 2],
    /// What they have made themselves.
    made: [Value; 2],
}

async fn look(pair: &Pair, wire: &WireControl) -> Result<Look> {
    let wire = wire.stats().await?;
    let (subject, peer) = tokio::try_join!(
        pair.subject.call("media_stats", json!({})),
        pair.peer.call("media_stats", json!({}))
    )?;
    let both = |field: &str| [subject[field].clone(), peer[field].clone()];
    Ok(Look { wire, video: both("video"), made: both("made") })
}

/// The file of [`VIDEO`], made once.
async fn make_video(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("steady.ivf");
    if path.is_file() {
        return Ok(path);
    }
    let made = Command::new("ffmpeg").args(VIDEO).arg(&path).output().await;
    let made =
        made.context("cannot run ffmpeg; on Debian or Ubuntu: sudo apt-get install ffmpeg")?;
    if !made.status.success() {
        bail!("ffmpeg made no video: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(path)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(0.0)
}
