//! `cargo xtask fuzz`: the libFuzzer targets under `fuzz/`, on stable Rust.
//!
//! Neither a nightly compiler nor cargo-fuzz is needed: the coverage counters come from LLVM's own pass, asked for by
//! compiler flags. Seeds that are checked in lie in `fuzz/seeds/TARGET/`; what a run finds is kept in
//! `fuzz/corpus/TARGET/`, crashes in `fuzz/artifacts/TARGET/`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo, root};

/// LLVM's coverage pass as libFuzzer wants it; `--cfg fuzzing` is what cargo-fuzz sets too.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1";

/// Targets are built for this triple by name, so that build scripts and macros are not instrumented.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Build the fuzz targets on stable Rust and run them, one after the other.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only targets whose name contains one of these
    pub target: Vec<String>,
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    pub time: u64,
    /// Only run the seeds and the corpus once, without searching
    #[arg(long)]
    pub seeds: bool,
    /// List the targets and stop
    #[arg(long)]
    pub list: bool,
    /// Memory limit of a target in MiB
    #[arg(long, default_value_t = 2048)]
    pub memory: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let all = targets()?;
    if args.list {
        for target in &all {
            println!("{target}");
        }
        return Ok(());
    }
    let chosen: Vec<_> = all
        .iter()
        .filter(|name| {
            args.target.is_empty() || args.target.iter().any(|word| name.contains(word.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        bail!("no fuzz target matches {:?}; `cargo xtask fuzz --list` shows them all", args.target);
    }
    let built = build()?;
    let mut crashed = Vec::new();
    for (index, target) in chosen.iter().enumerate() {
        if let Err(error) = run_target(args, &built, target, index + 1, chosen.len()) {
            crashed.push(format!("{error:#}"));
        }
    }
    println!("\n{} passed, {} failed", chosen.len() - crashed.len(), crashed.len());
    if !crashed.is_empty() {
        bail!(
            "{}\nthe inputs are under fuzz/artifacts/; make each a regression test",
            crashed.join("\n")
        );
    }
    Ok(())
}

/// Names of the targets: the files of `fuzz/fuzz_targets/`.
fn targets() -> Result<Vec<String>> {
    let dir = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir)
        .with_context(|| format!("cannot list the fuzz targets in {}", dir.display()))?
    {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds every target and returns the folder of the programs.
fn build() -> Result<PathBuf> {
    let dir = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("fuzz/target"), |dir| PathBuf::from(dir).join("fuzz"));
    let mut command = cargo();
    command
        .env("RUSTFLAGS", RUSTFLAGS)
        .env("CARGO_TARGET_DIR", &dir)
        .current_dir(root().join("fuzz"))
        .args(["build", "--release", "--bins", "--target", TRIPLE]);
    Step::new("fuzz targets", 30).run(&mut command)?;
    Ok(dir.join(TRIPLE).join("release"))
}

fn run_target(
    args: &Args,
    built: &std::path::Path,
    target: &str,
    index: usize,
    of: usize,
) -> Result<()> {
    let fuzz = root().join("fuzz");
    let corpus = fuzz.join("corpus").join(target);
    let seeds = fuzz.join("seeds").join(target);
    let artifacts = fuzz.join("artifacts").join(target);
    for dir in [&corpus, &artifacts] {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let mut command = std::process::Command::new(built.join(target));
    command.current_dir(&fuzz).arg(&corpus);
    if seeds.is_dir() {
        command.arg(&seeds);
    }
    command.args(["-use_value_profile=1", "-print_final_stats=1"]);
    command.arg(format!("-rss_limit_mb={}", args.memory));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    if args.seeds {
        command.arg("-runs=0");
    } else {
        command.arg(format!("-max_total_time={}", args.time));
    }
    let minutes = args.time / 60 + 5;
    let step = format!("{target} ({index}/{of})");
    Step::new(&step, minutes).run(&mut command).map(drop)
}
