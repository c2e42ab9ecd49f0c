//! `cargo xtask fuzz`: the libFuzzer targets under `fuzz/`, on stable Rust.
//!
//! Neither a nightly compiler nor cargo-fuzz is needed: the coverage counters come from LLVM's own pass, asked for by
//! compiler flags. Seeds that are checked in lie in `fuzz/seeds/TARGET/`, inputs that once failed in
//! `fuzz/regressions/TARGET/`; what a run finds is kept in `fuzz/corpus/TARGET/`, crashes in `fuzz/artifacts/TARGET/`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::shell::{Step, cargo, root, target_dir};

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
    let built = build(args.seeds)?;
    let mut crashed = Vec::new();
    let mut table = Vec::new();
    for (index, target) in chosen.iter().enumerate() {
        match run_target(args, &built, target, index + 1, chosen.len()) {
            Ok(figures) => table.push((target, figures)),
            Err(error) => crashed.push(format!("{error:#}\n{}", how_to_keep(target))),
        }
    }
    println!("\n{:<36} {:>10} {:>12} {:>9} {:>8}", "target", "exec/s", "runs", "edges", "MiB");
    for (target, figures) in table {
        let Figures { per_second, runs, edges, peak } = figures;
        println!("{target:<36} {per_second:>10} {runs:>12} {edges:>9} {peak:>8}");
    }
    println!("\n{} passed, {} failed", chosen.len() - crashed.len(), crashed.len());
    if !crashed.is_empty() {
        bail!("{}", crashed.join("\n"));
    }
    Ok(())
}

/// What a run printed about itself; empty where it did not.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    per_second: String,
    runs: String,
    edges: String,
    peak: String,
}

impl Figures {
    fn of(lines: &[String]) -> Self {
        let last = |before: &str| {
            let rest = lines.iter().rev().find_map(|line| Some(line.split_once(before)?.1));
            rest.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default().to_owned()
        };
        Self {
            per_second: last("stat::average_exec_per_sec:"),
            runs: last("stat::number_of_executed_units:"),
            edges: last(" cov: "),
            peak: last("stat::peak_rss_mb:"),
        }
    }
}

/// What to do with the input that made a target fail.
fn how_to_keep(target: &str) -> String {
    let artifacts = root().join("fuzz/artifacts").join(target);
    let newest = std::fs::read_dir(artifacts).ok().and_then(|entries| {
        let entries = entries.flatten().map(|entry| entry.path());
        entries.max_by_key(|path| path.metadata().and_then(|data| data.modified()).ok())
    });
    let Some(input) = newest else { return format!("{target} left no input behind") };
    format!(
        "make it a regression, which the tests of the crate then run:\n  \
         mkdir -p fuzz/regressions/{target} && cp {} fuzz/regressions/{target}/what-was-wrong",
        input.strip_prefix(root()).unwrap_or(&input).display()
    )
}

/// Inputs that others made, beside the checkout or where `PEERAGE_CORPORA` says, for the targets that read them as they
/// are. Only read: what a run finds goes into its own corpus.
fn foreign_corpora(target: &str) -> Vec<PathBuf> {
    let corpora = std::env::var_os("PEERAGE_CORPORA")
        .map_or_else(|| root().join("../shared/corpora"), PathBuf::from);
    let folders = foreign_folders(target).iter().map(|folder| corpora.join(folder));
    folders.filter(|folder| folder.is_dir()).collect()
}

/// Where they are in the corpora.
fn foreign_folders(target: &str) -> &'static [&'static str] {
    match target {
        "stun_message" => &["libwebrtc/corpora/stun-corpus"],
        "sdp_session_description" | "peerconnection_remote_description" => {
            &["libwebrtc/corpora/sdp-corpus"]
        }
        "sctp_packet" => &["libwebrtc/corpora/sctp-packet-corpus"],
        "ice_mdns_message" => &["libwebrtc/corpora/mdns-corpus"],
        "rtp_packet" => &["libwebrtc/corpora/rtp-corpus", "aiortc"],
        "rtp_rtcp" => &["libwebrtc/corpora/rtcp-corpus", "aiortc"],
        "rtp_dependency_descriptor" => &["libwebrtc/corpora/dependency_descriptor-corpus"],
        "rtp_extensions" => &["libwebrtc/corpora/video_layers_allocation-corpus"],
        "rtp_payload" | "rtp_frame_assembler" => &[
            "aiortc",
            "libwebrtc/corpora/h264-depacketizer-fuzzer-corpus",
            "libwebrtc/corpora/rtp-depacketizer-av1-assemble-frame-corpus",
        ],
        "congestion_remote" => &["libwebrtc/corpora/receive-side-cc"],
        "media_files" => &[
            "ex_webrtc/ivf",
            "ex_webrtc/ogg",
            "libwebrtc/corpora/rtpdump-corpus/vp8",
            "libwebrtc/corpora/rtpdump-corpus/vp9",
            "tcpdump",
        ],
        "srtp_rtp" | "srtp_rtcp" => &["libsrtp/corpus"],
        _ => &[],
    }
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
///
/// To run inputs that are there already nothing needs to be instrumented: then what the tests were built of serves again.
fn build(seeds: bool) -> Result<PathBuf> {
    if seeds {
        let mut command = cargo();
        command
            .env("CARGO_TARGET_DIR", target_dir())
            .current_dir(root().join("fuzz"))
            .args(["build", "--bins"]);
        Step::new("fuzz targets", 30).run(&mut command)?;
        return Ok(target_dir().join("debug"));
    }
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
) -> Result<Figures> {
    let fuzz = root().join("fuzz");
    let corpus = fuzz.join("corpus").join(target);
    let seeds = fuzz.join("seeds").join(target);
    let artifacts = fuzz.join("artifacts").join(target);
    for dir in [&corpus, &artifacts] {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    let mut command = std::process::Command::new(built.join(target));
    command.current_dir(&fuzz);
    let mut folders = vec![corpus, seeds, fuzz.join("regressions").join(target)];
    folders.extend(foreign_corpora(target));
    folders.retain(|folder| folder.is_dir());
    command.arg(format!("-rss_limit_mb={}", args.memory));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    if args.seeds {
        // One by one: without counters of coverage libFuzzer does not read folders.
        let mut inputs = 0;
        for folder in folders {
            let files = std::fs::read_dir(&folder)
                .with_context(|| format!("cannot list {}", folder.display()))?;
            for file in files {
                command.arg(file?.path());
                inputs += 1;
            }
        }
        if inputs == 0 {
            bail!("{target} has no inputs: neither seeds nor those of others are there");
        }
        Step::new(&format!("{target} ({index}/{of})"), 5).run(&mut command)?;
        return Ok(Figures { runs: inputs.to_string(), ..Figures::default() });
    }
    command.args(folders);
    command.args(["-use_value_profile=1", "-print_final_stats=1"]);
    command.arg(format!("-max_total_time={}", args.time));
    let minutes = args.time / 60 + 5;
    let step = format!("{target} ({index}/{of})");
    let output = Step::new(&step, minutes).run(&mut command)?;
    Ok(Figures::of(&output.lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_or_inputs_of_others() {
        let targets = targets().unwrap();
        for target in &targets {
            let seeds = root().join("fuzz/seeds").join(target);
            assert!(seeds.is_dir(), "{target} begins with nothing");
        }
        // What others collected of media, each for a target that exists.
        for (target, folder) in [
            ("rtp_packet", "rtp-corpus"),
            ("rtp_rtcp", "rtcp-corpus"),
            ("rtp_dependency_descriptor", "dependency_descriptor-corpus"),
            ("rtp_extensions", "video_layers_allocation-corpus"),
            ("rtp_payload", "h264-depacketizer-fuzzer-corpus"),
            ("congestion_remote", "receive-side-cc"),
        ] {
            assert!(targets.iter().any(|name| name == target), "{target}");
            assert!(foreign_folders(target).iter().any(|path| path.ends_with(folder)), "{folder}");
        }
    }

    #[test]
    fn the_last_figures_count() {
        let lines = [
            "#2\tINITED cov: 20 ft: 21 corp: 1/1b exec/s: 0 rss: 27Mb",
            "#99\tDONE   cov: 166 ft: 500 corp: 9/99b exec/s: 5 rss: 27Mb",
            "stat::number_of_executed_units: 99",
            "stat::average_exec_per_sec:     5",
            "stat::peak_rss_mb:              27",
        ];
        let figures = Figures::of(&lines.map(str::to_owned));
        let expected = ["5", "99", "166", "27"].map(str::to_owned);
        let [per_second, runs, edges, peak] = expected;
        assert_eq!(figures, Figures { per_second, runs, edges, peak });
        assert_eq!(Figures::of(&[]), Figures::default());
    }
}
