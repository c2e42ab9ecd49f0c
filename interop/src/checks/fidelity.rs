//! F: what a wire leaves of pictures. Each end draws the same numbered pictures, and compares what it shows with the picture of that
//! number drawn again: how much of it is left, how late it is, and how long it stood still, by one rule for all ends. With
//! sound, a click belongs to each picture that ends a second: how far apart they are seen and heard is the skew.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use peerage_media::video::jitter::FreezeCounter;
use serde_json::{Value, json};

use crate::pair::Pair;
use crate::scenario::{Role, Scenario};
use crate::test_media::RATE;

/// Not smaller than what browsers make of a picture whose bits are short: what is shown is as large as what was drawn.
const SIZE: (u64, u64) = (320, 180);
/// What either end makes of pictures at most, in bits a second.
const MOST_BITRATE: u64 = 1_000_000;
/// How often the ends are asked.
const LOOK: Duration = Duration::from_secs(1);
/// Numbers of pictures, after which they begin again.
const NUMBERS: f64 = 65_536.0;
/// A click is that of the picture nearest to it, if it is this near.
const NEAREST_MS: f64 = 480.0;
/// What counts as together.
const TOGETHER_MS: f64 = 40.0;
/// A click comes this much after it was said at most.
const LATEST_MS: f64 = 900.0;

/// What an end told over time.
#[derive(Default)]
struct Told {
    drawn: Vec<(u32, f64)>,
    shown: Vec<Shown>,
    said: Vec<f64>,
    heard: Vec<f64>,
}

/// A picture that was shown, and when.
struct Shown {
    at: f64,
    number: Option<u32>,
    psnr: Option<f64>,
    ssim: Option<f64>,
}

/// See the module.
pub(super) async fn fidelity(pair: &mut Pair, scenario: &Scenario) -> Result<()> {
    let media = scenario.media.as_ref().context("the scenario names no codecs")?;
    let settle = Duration::from_secs_f64(scenario.parameter("settle_s")?);
    let measure = Duration::from_secs_f64(scenario.parameter("measure_s")?);
    let drift = scenario.parameters.get("drift_ppm");
    pair.create("record").await?;
    let fields = json!({
        "audio": media.audio, "video": media.video, "width": SIZE.0, "height": SIZE.1, "rate": RATE,
        "bitrate": MOST_BITRATE, "drift_ppm": drift,
    });
    let [first, second] = match pair.role {
        Role::Offerer => [&pair.subject, &pair.peer],
        Role::Answerer => [&pair.peer, &pair.subject],
    };
    let mut sums = Vec::new();
    for end in [first, second] {
        sums.push(end.call_within("fidelity", fields.clone(), pair.patience).await?["sum"].clone());
    }
    ensure!(sums[0].is_u64() && sums[0] == sums[1], "the ends do not draw alike: {sums:?}");
    pair.negotiate().await?;
    pair.connected().await?;
    let mut ends = [Told::default(), Told::default()];
    let begin = tokio::time::Instant::now();
    let mut measured = None;
    while begin.elapsed() < settle + measure {
        tokio::time::sleep(LOOK).await;
        take(pair, &mut ends).await?;
        if measured.is_none() && begin.elapsed() >= settle {
            measured = Some(unix_ms());
        }
    }
    let span = (measured.context("nothing was measured")?, unix_ms());
    // What was drawn before the end is on the way yet.
    tokio::time::sleep(LOOK).await;
    take(pair, &mut ends).await?;
    let [subject, peer] = &ends;
    for (way, from, to) in [("sent", subject, peer), ("received", peer, subject)] {
        compare(pair, way, from, to, span).with_context(|| way.to_owned())?;
        if media.audio.is_some() {
            skew(pair, way, from, to, span).with_context(|| way.to_owned())?;
        }
    }
    judge(pair, scenario)
}

fn unix_ms() -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64() * 1_000.0
}

/// Asks both ends what happened since the last time.
async fn take(pair: &Pair, ends: &mut [Told; 2]) -> Result<()> {
    let rows = |told: &Value, name: &str| told[name].as_array().cloned().unwrap_or_default();
    for (told, end) in ends.iter_mut().zip(pair.ends()) {
        let new = end.call("fidelity_told", json!({})).await?;
        pair.note(&format!("how_{}", end.name()), new["how"].clone());
        let number = |value: &Value| value.as_u64().map(|number| number as u32);
        for row in rows(&new, "drawn") {
            told.drawn.push((number(&row[0]).unwrap_or(0), row[1].as_f64().unwrap_or(0.0)));
        }
        for row in rows(&new, "shown") {
            told.shown.push(Shown {
                at: row[0].as_f64().unwrap_or(0.0),
                number: number(&row[1]),
                psnr: row[2].as_f64(),
                ssim: row[3].as_f64(),
            });
        }
        told.said.extend(rows(&new, "said").iter().filter_map(Value::as_f64));
        told.heard.extend(rows(&new, "heard").iter().filter_map(Value::as_f64));
    }
    Ok(())
}

/// Pictures of one way in a span of time.
fn compare(pair: &Pair, way: &str, from: &Told, to: &Told, span: (f64, f64)) -> Result<()> {
    let within = |at: f64| (span.0..span.1).contains(&at);
    let drawn: HashMap<u32, f64> = from.drawn.iter().copied().collect();
    let count = from.drawn.iter().filter(|(_, at)| within(*at)).count();
    ensure!(count > 0, "nothing was drawn");
    let (mut delays, mut psnr, mut ssim) = (vec![], vec![], vec![]);
    let (mut unread, mut backwards, mut other_size, mut last) = (0_u32, 0_u32, 0_u32, None);
    let mut freezes = FreezeCounter::default();
    let start = Instant::now();
    for shown in to.shown.iter().filter(|shown| within(shown.at)) {
        let Some(number) = shown.number else {
            unread += 1;
            continue;
        };
        if last == Some(number) {
            // A screen that is refreshed.
            continue;
        }
        // Beyond half of all numbers they have begun again.
        let back = last.is_some_and(|last| last > number && last - number < NUMBERS as u32 / 2);
        backwards += u32::from(back);
        last = Some(number);
        freezes.shown(start + Duration::from_secs_f64((shown.at - span.0) / 1_000.0));
        let at = drawn.get(&number).with_context(|| format!("{number} was never drawn"))?;
        delays.push(shown.at - at);
        other_size += u32::from(shown.psnr.is_none());
        psnr.extend(shown.psnr);
        ssim.extend(shown.ssim);
    }
    ensure!(!delays.is_empty(), "nothing was shown");
    for values in [&mut delays, &mut psnr, &mut ssim] {
        values.sort_by(f64::total_cmp);
    }
    let note = |what: &str, value: f64| {
        pair.note(&format!("{way}_{what}"), (value * 1e3).round() / 1e3);
    };
    note("shown", delays.len() as f64 / count as f64);
    note("freezes", freezes.freezes as f64);
    note("frozen_s", freezes.frozen.as_secs_f64());
    note("delay_ms", mean(&delays).round());
    note("delay_95_ms", at_share(&delays, 0.95).round());
    note("psnr_db", (mean(&psnr) * 10.0).round() / 10.0);
    note("psnr_5_db", (at_share(&psnr, 0.05) * 10.0).round() / 10.0);
    note("ssim", mean(&ssim));
    for (what, value) in [("unread", unread), ("backwards", backwards), ("other_size", other_size)]
    {
        if value > 0 {
            note(what, value.into());
        }
    }
    ensure!(backwards == 0, "pictures went back {backwards} times");
    ensure!(unread as usize * 50 <= delays.len(), "{unread} pictures could not be read");
    Ok(())
}

/// How far a click is heard after the picture that belongs to it is seen, in a span of time.
fn skew(pair: &Pair, way: &str, from: &Told, to: &Told, span: (f64, f64)) -> Result<()> {
    let mut events = Vec::new();
    for flash in to.shown.iter().filter(|shown| (span.0..span.1).contains(&shown.at)) {
        // A picture stays for a while: the first time is when it came.
        if flash.number.is_some_and(|number| number.is_multiple_of(RATE)) {
            let number = flash.number;
            if events.last().is_none_or(|(last, _)| *last != number) {
                events.push((number, flash.at));
            }
        }
    }
    let nearest = |at: f64, of: &[f64]| {
        let differences = of.iter().map(|other| other - at);
        differences.min_by(|a, b| a.abs().total_cmp(&b.abs())).filter(|d| d.abs() < NEAREST_MS)
    };
    // The two sources of an end began one after the other: what was apart from the beginning is not of the way.
    let drawn: HashMap<u32, f64> = from.drawn.iter().copied().collect();
    let mut skews = Vec::new();
    let mut late = Vec::new();
    for (number, seen) in &events {
        let Some(drawn) = number.and_then(|number| drawn.get(&number)) else { continue };
        let Some(apart) = nearest(*drawn, &from.said) else { continue };
        if let Some(heard) = nearest(*seen + apart, &to.heard) {
            skews.push(heard);
        }
    }
    for heard in to.heard.iter().filter(|heard| (span.0..span.1).contains(*heard)) {
        let before = from.said.iter().map(|said| heard - said);
        late.extend(before.filter(|late| (0.0..LATEST_MS).contains(late)).min_by(f64::total_cmp));
    }
    ensure!(!skews.is_empty(), "{} flashes, {} clicks", events.len(), to.heard.len());
    skews.sort_by(f64::total_cmp);
    let note = |what: &str, value: f64| {
        pair.note(&format!("{way}_{what}"), (value * 1e3).round() / 1e3);
    };
    let together = skews.iter().filter(|skew| skew.abs() <= TOGETHER_MS).count();
    note("clicks", skews.len() as f64);
    note("together", together as f64 / skews.len() as f64);
    note("skew_1_ms", at_share(&skews, 0.01).round());
    note("skew_50_ms", at_share(&skews, 0.5).round());
    note("skew_99_ms", at_share(&skews, 0.99).round());
    note("heard_after_ms", mean(&late).round());
    Ok(())
}

/// Whether what was measured is good enough where Peerage is an end: a browser with itself is there for comparison.
fn judge(pair: &Pair, scenario: &Scenario) -> Result<()> {
    if pair.subject.name() == pair.peer.name() && pair.subject.name() != "peerage" {
        return Ok(());
    }
    let notes = pair.notes();
    for (what, parameter, most) in [
        ("shown", "least_shown", false),
        ("frozen_s", "most_frozen_s", true),
        ("delay_ms", "most_delay_ms", true),
        ("psnr_db", "least_psnr_db", false),
        ("together", "least_together", false),
    ] {
        for way in ["sent", "received"] {
            // A bound of one way goes before that of both.
            let of_way = scenario.parameters.get(&format!("{way}_{parameter}"));
            let Some(bound) = of_way.or(scenario.parameters.get(parameter)) else { continue };
            let value = notes.get(&format!("{way}_{what}")).and_then(Value::as_f64);
            let value = value.with_context(|| format!("{way}_{what} was not told"))?;
            if if most { value > *bound } else { value < *bound } {
                bail!("{way}_{what} is {value}, where {parameter} is {bound}");
            }
        }
    }
    Ok(())
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The value that so large a share of sorted ones does not exceed.
fn at_share(sorted: &[f64], share: f64) -> f64 {
    sorted.get((share * sorted.len().saturating_sub(1) as f64) as usize).copied().unwrap_or(0.0)
}
