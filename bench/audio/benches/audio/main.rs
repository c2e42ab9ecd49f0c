//! Speech through networks that lose and delay packets: what is heard with our jitter buffer and with the crate `neteq`, judged by
//! PESQ and PLCMOS (`judge.py`), and with libwebrtc's NetEQ (`libwebrtc.py`).
//!
//! `PEERAGE_SPEECH` names the speech, 16-bit samples at 16 kHz without a header; `PEERAGE_PYTHON` a Python that has `pesq`,
//! `speechmos` and `wrtc`. Without them only our delays and shares are printed. `PEERAGE_AUDIO_NETEQ=0` and
//! `PEERAGE_AUDIO_LIBWEBRTC=0` leave out the crate `neteq` and libwebrtc, which need real time: on a busy machine they come out late.
//! `PEERAGE_AUDIO_ONLY` and `PEERAGE_AUDIO_LISTENER` choose networks and listeners by a part of their names;
//! `PEERAGE_AUDIO_TRACES` names a folder to write the traces to instead, for `libwebrtc.py`.

mod listen;
mod trace;

use std::path::{Path, PathBuf};
use std::process::Command;

use listen::{Heard, RATE, Sent};
use trace::{NETWORKS, trace};

/// The most of the speech that is used, in seconds.
const SECONDS: usize = 20;

fn main() {
    let Some(speech) = speech() else {
        println!("skipped: no speech, set PEERAGE_SPEECH to 16-bit samples at 16 kHz");
        return;
    };
    let folder = std::env::temp_dir().join(format!("peerage-bench-audio-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    write(&folder.join("reference.raw"), &speech);
    // For those who listen in other programs.
    if let Some(traces) = std::env::var_os("PEERAGE_AUDIO_TRACES") {
        write_traces(Path::new(&traces), "", speech.len() / (RATE as usize / 50));
        return;
    }

    let ways: [(&str, Sent, u8); 6] = [
        ("ours", Sent::Opus, 0),
        ("ours, deep concealment", Sent::Opus, 5),
        ("ours, RED", Sent::Red, 5),
        ("ours, DRED", Sent::Dred, 5),
        ("ours, linear samples", Sent::Linear, 0),
        ("crate neteq", Sent::Opus, 0),
    ];
    let only = std::env::var("PEERAGE_AUDIO_ONLY").unwrap_or_default();
    let only_way = std::env::var("PEERAGE_AUDIO_LISTENER").unwrap_or_default();
    let with_neteq = std::env::var("PEERAGE_AUDIO_NETEQ").as_deref() != Ok("0");
    let mut rows = Vec::new();
    for network in NETWORKS.iter().filter(|network| network.name.contains(&only)) {
        for (way, sent, complexity) in ways {
            if (way == "crate neteq" && !with_neteq) || !way.contains(&only_way) {
                continue;
            }
            let packets = listen::send(&speech, sent, network.loss);
            let trace = trace(network, packets.len());
            let heard: Heard = match way {
                "crate neteq" => listen::neteq(&packets, &trace),
                _ => listen::ours(&packets, &trace, sent, complexity),
            };
            let file = folder.join(format!("{}.raw", rows.len()));
            write(&file, &heard.sound);
            rows.push((network.name, way, heard.delay, heard.concealed, file));
        }
    }
    if std::env::var("PEERAGE_AUDIO_LIBWEBRTC").as_deref() != Ok("0")
        && "libwebrtc".contains(&only_way)
    {
        rows.extend(libwebrtc(&folder, &only, speech.len() / (RATE as usize / 50)));
        let place = |name| NETWORKS.iter().position(|network| network.name == name);
        rows.sort_by_key(|row| place(row.0));
    }
    let judged = judge(&folder, rows.iter().map(|row| row.4.as_path()));
    println!(
        "{:<26}{:<26}{:>8}{:>8}{:>10}{:>10}{:>10}",
        "network", "listener", "PLCMOS", "PESQ", "ear ms", "buffer ms", "made up"
    );
    for (index, (network, way, delay, concealed, _)) in rows.iter().enumerate() {
        let figures = judged.get(index).map_or("       -       -         -".to_owned(), |f| {
            format!("{:>8.2}{:>8.2}{:>10.0}", f[0], f[1], f[2])
        });
        println!("{network:<26}{way:<26}{figures}{delay:>10.1}{:>9.1}%", concealed * 100.0);
    }
    let _ = std::fs::remove_dir_all(&folder);

    if only.is_empty() {
        let network = NETWORKS.iter().find(|network| network.name.contains("50 ms, loss")).unwrap();
        let packets = listen::send(&speech, Sent::Linear, 0.0);
        let arrivals = trace(network, packets.len());
        let linear = listen::cost(1_000, 5, &arrivals, &packets, true);
        let packets = listen::send(&speech, Sent::Opus, network.loss);
        let opus = listen::cost(1_000, 5, &arrivals, &packets, false);
        println!(
            "\n10 ms of one of 1,000 streams with 50 ms of jitter and 10 % of losses: {linear:.2} µs without a codec, {opus:.2} µs with Opus"
        );
        bench_measure::figure("audio/jitter buffer 10 ms/peerage", linear);
        bench_measure::figure("audio/jitter buffer and Opus 10 ms/peerage", opus);
    }
}

/// The speech, at most [`SECONDS`].
fn speech() -> Option<Vec<f32>> {
    let corpora = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let path = std::env::var_os("PEERAGE_SPEECH")
        .map_or_else(|| corpora.join("libwebrtc/voice_engine/audio_short16.pcm"), PathBuf::from);
    let bytes = std::fs::read(path).ok()?;
    let samples = bytes.chunks_exact(2).take(SECONDS * RATE as usize);
    Some(samples.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect())
}

fn write(path: &Path, sound: &[f32]) {
    let bytes: Vec<u8> = sound
        .iter()
        .flat_map(|s| ((s * 32_768.0).clamp(-32_768.0, 32_767.0) as i16).to_le_bytes())
        .collect();
    std::fs::write(path, bytes).expect("a file of samples");
}

/// A file for each network that has `only` in its name: a line for each packet, how much later than sent it comes in µs, or `lost`.
fn write_traces(folder: &Path, only: &str, packets: usize) {
    std::fs::create_dir_all(folder).expect("a folder");
    for network in NETWORKS.iter().filter(|network| network.name.contains(only)) {
        let lines: Vec<String> = trace(network, packets)
            .iter()
            .enumerate()
            .map(|(index, arrival)| match arrival {
                Some(arrival) => (arrival - (index as i64 + 1) * 20_000).to_string(),
                None => "lost".to_owned(),
            })
            .collect();
        std::fs::write(folder.join(format!("{}.txt", network.name)), lines.join("\n"))
            .expect("a trace");
    }
}

/// What libwebrtc makes of the same packets: network, listener, its own count of the buffer's mean delay in ms, the share that it made
/// up, and what is heard. It has no clocks apart: drift is left out.
fn libwebrtc(
    folder: &Path,
    only: &str,
    packets: usize,
) -> Vec<(&'static str, &'static str, f64, f64, PathBuf)> {
    let (traces, heard) = (folder.join("traces"), folder.join("libwebrtc"));
    write_traces(&traces, only, packets);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("libwebrtc.py");
    let mut command = Command::new(python());
    command.arg(script).arg(folder.join("reference.raw")).arg(&traces).arg(&heard);
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => {
            println!("skipped: libwebrtc: {error}");
            return Vec::new();
        }
    };
    if !output.status.success() {
        println!("skipped: libwebrtc: {}", String::from_utf8_lossy(&output.stderr));
    }
    // Those that were played before something failed count all the same.
    let printed = String::from_utf8_lossy(&output.stdout);
    let row = |line: &str| {
        let (name, figures) = line.split_once(" buffer ms ")?;
        let (delay, concealed) = figures.split_once(" made up ")?;
        let network = NETWORKS.iter().find(|network| network.name == name)?;
        let file = heard.join(format!("{name}.raw"));
        Some((network.name, "libwebrtc", delay.parse().ok()?, concealed.parse().ok()?, file))
    };
    printed.lines().filter_map(row).collect()
}

fn python() -> String {
    std::env::var("PEERAGE_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// PLCMOS, PESQ and the delay from mouth to ear of each file.
fn judge<'a>(folder: &Path, files: impl Iterator<Item = &'a Path>) -> Vec<[f64; 3]> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("judge.py");
    let output =
        Command::new(python()).arg(script).arg(folder.join("reference.raw")).args(files).output();
    match output {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(|line| {
                let mut figures = line.split_whitespace().map(|f| f.parse().unwrap_or(f64::NAN));
                [(); 3].map(|()| figures.next().unwrap_or(f64::NAN))
            })
            .collect(),
        Ok(output) => {
            println!("skipped: no judge: {}", String::from_utf8_lossy(&output.stderr));
            Vec::new()
        }
        Err(error) => {
            println!("skipped: no judge: {error}");
            Vec::new()
        }
    }
}
