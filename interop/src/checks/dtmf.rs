//! K: keys of a telephone, both ways.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::tracks;
use crate::pair::{End, Pair};
use crate::scenario::Scenario;

/// Rows and columns of the keypad in turn, and one key twice.
const TONES: &str = "15D#0*8AA";

/// The peer's keys are told to us in order and with their durations; ours are heard at the peer, as its decoder plays them.
pub(super) async fn dtmf(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let number = |name| scenario.parameter(name).map(|value| value as u64);
    let (duration, gap) = (number("duration")?, number("gap")?);
    let (told_tolerance, heard_tolerance) = (number("told_tolerance")?, number("heard_tolerance")?);
    pair.create("echo").await?;
    // Ours is silent, so that nothing but the tones is heard.
    let fields = json!({"audio": media.audio, "silence": true});
    for end in pair.ends() {
        end.call_within("media", fields.clone(), pair.patience).await?;
    }
    pair.negotiate().await?;
    pair.connected().await?;
    let number = |value: &Value| value.as_f64().unwrap_or(0.0);
    let hears = |stats: &Value| number(&stats["audio"]["packets"]) > 10.0;
    tracks::told(pair, &pair.peer, "sound", hears).await?;
    let comes_in = |stats: &Value| number(&stats["frames_in"]) > 10.0;
    tracks::told(pair, &pair.subject, "sound", comes_in).await?;

    let told = play(pair, &pair.peer, &pair.subject, duration, gap).await?;
    judge("told", &told, duration, told_tolerance)?;
    pair.note("told_ms", durations(&told));
    if scenario.parameter("hear")? > 0.0 {
        let heard = play(pair, &pair.subject, &pair.peer, duration, gap).await?;
        judge("heard", &heard, duration, heard_tolerance)?;
        pair.note("heard_ms", durations(&heard));
    }
    Ok(())
}

/// One end presses the keys; what the other has of them.
async fn play(pair: &Pair, from: &End, to: &End, duration: u64, gap: u64) -> Result<Vec<Value>> {
    to.call("listen_dtmf", json!({})).await?;
    let fields = json!({"tones": TONES, "duration": duration, "gap": gap});
    let sent = from.call_within("dtmf", fields, pair.patience).await?;
    let expected: Vec<String> = TONES.chars().map(String::from).chain([String::new()]).collect();
    ensure!(
        sent["tones"] == json!(expected),
        "{}: `tonechange` told {}, not {expected:?}",
        from.name(),
        sent["tones"]
    );
    let got = to.call("heard_dtmf", json!({"count": TONES.len()})).await?;
    Ok(got["tones"].as_array().cloned().unwrap_or_default())
}

fn judge(how: &str, tones: &[Value], duration: u64, tolerance: u64) -> Result<()> {
    let keys: String = tones.iter().filter_map(|tone| tone["tone"].as_str()).collect();
    ensure!(keys == TONES, "{how}: {keys}, not {TONES} ({tones:?})");
    for tone in tones {
        let ms = tone["ms"].as_u64().unwrap_or(0);
        ensure!(
            ms.abs_diff(duration) <= tolerance,
            "{how}: a key lasted {ms} ms, not {duration}: {tones:?}"
        );
    }
    Ok(())
}

fn durations(tones: &[Value]) -> Value {
    tones.iter().map(|tone| tone["ms"].clone()).collect()
}
