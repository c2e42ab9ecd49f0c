//! `cargo xtask bench`: Peerage beside other crates, in one run.
//!
//! The comparisons are a workspace of their own under `bench/`, so that nobody who builds or tests Peerage compiles
//! its rivals. Each program prints what it measured; at the end stand one table with the aims, and a picture of it.

mod chart;
mod figures;
mod table;

use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, root};
use crate::tools;
use figures::Figures;

/// What `bench/audio` makes rooms with, hears libwebrtc by, and judges sound by.
const AUDIO_PACKAGES: [&str; 9] = [
    "livekit==1.2.1",
    "librosa==0.11.0",
    "onnxruntime",
    "pesq==0.0.4",
    "pyroomacoustics==0.10.1",
    "scipy",
    "soundfile",
    "speechmos==0.0.1.1",
    "wrtc==0.1.0",
];

/// The arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only the bench programs whose folder in bench/ has this in its name, such as sdp or datachannel
    filter: Option<String>,
    /// Run everything this many times and take the median of each figure
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Further arguments for the bench programs, as for `cargo bench`
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = root().join("bench");
    let names = names(&dir)?;
    let chosen: Vec<&String> =
        names.iter().filter(|name| args.filter.as_ref().is_none_or(|f| name.contains(f))).collect();
    if chosen.is_empty() {
        bail!("no bench has that name; there are: {}", names.join(", "));
    }
    // Where cargo, started in bench/, would put it.
    let target = dir.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let (criterion, left) = (target.join("criterion"), target.join("bench/figures"));

    let judge = if chosen.iter().any(|name| *name == "audio") {
        tools::python("python-audio", &AUDIO_PACKAGES)
            // Without it the programs say what they leave out.
            .inspect_err(|error| eprintln!("note: sound is not judged: {error:#}"))
            .ok()
    } else {
        None
    };

    let mut rounds = Vec::new();
    for round in 1..=args.rounds {
        if args.rounds > 1 {
            println!("Round {round} of {}", args.rounds);
        }
        if left.exists() {
            std::fs::remove_dir_all(&left).context("figures of an earlier run")?;
        }
        let start = SystemTime::now();
        let mut command = cargo();
        command.current_dir(&dir).arg("bench");
        for name in &chosen {
            command.arg("--package").arg(format!("bench-{name}"));
        }
        command.args(["--bench", "*", "--"]).args(&args.rest);
        command
            .env("CARGO_TARGET_DIR", &target)
            .env("CRITERION_HOME", &criterion)
            .env("PEERAGE_BENCH_FIGURES", &left);
        if let Some(judge) = &judge {
            command.env("PEERAGE_PYTHON", judge);
        }
        // Attached to the terminal: bench programs print tables of their own.
        if !command.status()?.success() {
            bail!("`cargo bench` in bench/ failed; its output is above");
        }
        let mut figures = Figures::default();
        figures.read_criterion(&criterion, start)?;
        figures.read_left(&left)?;
        rounds.push(figures);
    }

    let results = table::results(&Figures::median(&rounds));
    if results.is_empty() {
        println!("\nNone of the figures of the table was measured.");
        return Ok(());
    }
    println!("\n{}", table::render(&results));
    let picture = target.join("bench/figures.svg");
    std::fs::create_dir_all(target.join("bench"))?;
    std::fs::write(&picture, chart::svg(&results))?;
    println!("The same as a picture: {}", picture.display());
    Ok(())
}

/// The folders of `bench/` that hold bench programs, in order.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let entries =
        std::fs::read_dir(dir).with_context(|| format!("no workspace at {}", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() && entry.path().join("benches").is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
