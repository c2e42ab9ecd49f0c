//! `cargo xtask vectors`: published test vectors and recorded captures, replayed.
//!
//! The replays are ordinary tests, so that `cargo test` runs them as well; this verb runs them alone and says where
//! the captures are looked for.

use anyhow::{Result, bail};

use crate::shell::{Step, cargo, root, which};
use crate::test::{Tally, count, select};

/// Words in the names of tests and test files that replay recorded material.
const WORDS: [&str; 8] = [
    "corpora",
    "corpus",
    "vector",
    "capture",
    "conformance",
    "schedule",
    "browser_offers",
    "recorded",
];

/// Replay published test vectors and recorded captures through the parsers and state machines.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only these packages
    #[arg(short, long)]
    package: Vec<String>,
    /// Where recorded captures lie (default: `../shared/corpora` beside the workspace, or $PEERAGE_CORPORA)
    #[arg(long)]
    corpora: Option<std::path::PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    replay(args, &mut tally)?;
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    if tally.passed == 0 {
        bail!("no test with {} in its name was found", WORDS.join(", "));
    }
    Ok(())
}

/// Also a step of CI.
pub(crate) fn replay(args: &Args, tally: &mut Tally) -> Result<()> {
    let corpora = args
        .corpora
        .clone()
        .or_else(|| std::env::var_os("PEERAGE_CORPORA").map(Into::into))
        .unwrap_or_else(|| root().join("../shared/corpora"));
    if !corpora.is_dir() {
        eprintln!("no captures at {}: the tests that need them say so and pass", corpora.display());
    }
    let mut command = cargo();
    command.env("PEERAGE_CORPORA", &corpora);
    if which("cargo-nextest").is_some() {
        let filter = WORDS.map(|word| format!("test(/{word}/) or binary(/{word}/)")).join(" or ");
        command.args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass", "-E", &filter]);
        select(&mut command, &args.package);
    } else {
        command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
        select(&mut command, &args.package);
        command.arg("--").args(WORDS);
    }
    count(Step::new("vectors", 20).run(&mut command), tally)
}
