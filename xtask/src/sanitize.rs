//! `cargo xtask sanitize`: the crates that have `unsafe` in them, under valgrind.
//!
//! memcheck sees what the compiler cannot: C code that reads what was never written or beyond its end, memory that is freed twice or
//! never. Everything that it reports fails the run, but for what `xtask/valgrind.supp` takes out with a reason; of leaks, what
//! is definitely lost. What runs is small: every codec once with its layers, sizes and damage, and the fuzz targets' seeds.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell::{Step, cargo, root, which};

/// Run the codec wrappers under valgrind: reads beyond or before what was written, leaks
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only tests whose name contains this
    pub filter: Option<String>,
    /// Print suppressions for what is found, to be given a reason in xtask/valgrind.supp
    #[arg(long)]
    pub suppressions: bool,
}

/// What runs: a package, its features, which of its test programs, and which tests of those.
const PROGRAMS: [(&str, &str, &[&str], &str); 3] = [
    ("peerage-opus", "", &["--lib"], ""),
    ("peerage-media", FEATURES, &["--test", "every_codec_once"], ""),
    ("peerage-media", FEATURES, &["--lib"], "codec::fuzzing::tests::seeds"),
];

/// The codecs that stand on C, and what continuous integration has built beside them anyway.
const FEATURES: &str = crate::ci::MEDIA;

pub(crate) fn run(args: &Args) -> Result<()> {
    let Some(valgrind) = which("valgrind") else {
        bail!("valgrind is missing; on Debian or Ubuntu run: sudo apt-get install -y valgrind");
    };
    let (mut passed, mut failures) = (0, Vec::new());
    for (package, features, which, filter) in PROGRAMS {
        let program = build(package, features, which)?;
        let name = format!("valgrind {package} {}", which.join(" "));
        let mut command = Command::new(&valgrind);
        command
            .current_dir(root().join("crates").join(folder(package)))
            .args(["--quiet", "--error-exitcode=99", "--leak-check=full", "--num-callers=25"])
            .args(["--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"])
            .arg(format!("--suppressions={}", root().join("xtask/valgrind.supp").display()));
        if args.suppressions {
            command.arg("--gen-suppressions=all");
        }
        // One thread of tests: memcheck runs one at a time anyway, and reports stay apart.
        command.arg(&program).args(["--test-threads=1"]);
        command.args(Some(filter).filter(|filter| !filter.is_empty()));
        command.args(&args.filter);
        match Step::new(&name, 10).run(&mut command) {
            Ok(_) => passed += 1,
            Err(error) => failures.push(format!("{error:#}")),
        }
    }
    println!("{passed} passed, {} failed", failures.len());
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(())
}

fn folder(package: &str) -> &str {
    match package {
        "peerage-media" => "media-engine",
        other => other.trim_start_matches("peerage-"),
    }
}

/// Builds a test program and finds it.
fn build(package: &str, features: &str, which: &[&str]) -> Result<PathBuf> {
    let mut command = cargo();
    command.args([
        "test",
        "--no-run",
        "--quiet",
        "--message-format=json-render-diagnostics",
        "-p",
        package,
    ]);
    command.args(which);
    if !features.is_empty() {
        command.args(["--features", features]);
    }
    let name = format!("build {package} {}", which.join(" "));
    // What it prints is for this program.
    let output = Step { verbose: false, ..Step::new(&name, 20) }.run(&mut command)?;
    let messages = output.lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let programs = messages.filter(|message| message["profile"]["test"] == true);
    let mut found = programs.filter_map(|message| Some(message["executable"].as_str()?.into()));
    found.next_back().with_context(|| format!("cargo named no test program of {package}"))
}
