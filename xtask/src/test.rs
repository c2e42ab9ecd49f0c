//! `cargo xtask test`: what every change must pass.
//!
//! Formatting, the architecture checks, clippy, rustdoc, the tests and the doctests, cheapest first. All steps run
//! even after one has failed, so that one run tells everything.

use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::shell::{Output, Step, cargo, which};

/// Run what every change must pass: formatting, architecture checks, lints, docs, tests, doctests.
#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Only these packages (repeatable); all of the workspace without it
    #[arg(short, long)]
    pub package: Vec<String>,
    /// Only these checks
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Check>,
    /// All but these checks
    #[arg(long, value_enum, value_delimiter = ',')]
    pub skip: Vec<Check>,
    /// So many seeds for the tests over simulated networks (each prints how to replay one that failed)
    #[arg(long)]
    pub seeds: Option<u64>,
    /// Run only tests whose name contains this
    pub filter: Option<String>,
}

/// One of the checks.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Check {
    /// `cargo fmt --check`
    Fmt,
    /// No clocks, sockets or unsafe code in protocol crates; imports between crates run downward only
    Arch,
    /// `cargo clippy` with warnings as errors
    Clippy,
    /// `cargo doc` with warnings as errors
    Doc,
    /// Unit and integration tests (by nextest where it is installed)
    Unit,
    /// Examples in documentation
    Doctest,
}

/// How many tests passed and failed.
#[derive(Default)]
pub(crate) struct Tally {
    pub passed: u64,
    pub failed: u64,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut tally = Tally::default();
    let failures = run_checks(args, &mut tally);
    if failures.is_empty() {
        println!("\n{} passed, {} failed", tally.passed, tally.failed);
        return Ok(());
    }
    for failure in &failures {
        eprintln!("\n{failure}");
    }
    println!("\n{} passed, {} failed", tally.passed, tally.failed.max(failures.len() as u64));
    bail!("{} of the checks failed", failures.len());
}

/// Runs the selected checks, adds to `tally`, and returns what failed.
pub(crate) fn run_checks(args: &Args, tally: &mut Tally) -> Vec<String> {
    let wanted = |check: Check| {
        let default = args.filter.is_none() || matches!(check, Check::Unit);
        (if args.only.is_empty() { default } else { args.only.contains(&check) })
            && !args.skip.contains(&check)
    };
    let (mut failures, mut checks) = (Vec::new(), 0);
    let mut check = |check: Check, work: &mut dyn FnMut() -> Result<()>| {
        if wanted(check) {
            match work() {
                Ok(()) => checks += 1,
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
    };

    check(Check::Fmt, &mut || {
        let mut command = cargo();
        command.arg("fmt").arg("--check");
        if args.package.is_empty() {
            command.arg("--all");
        }
        for package in &args.package {
            command.args(["-p", package]);
        }
        Step::new("formatting", 2).run(&mut command).map(drop)
    });
    check(Check::Arch, &mut crate::architecture::check);
    check(Check::Clippy, &mut || {
        let mut command = cargo();
        command.args(["clippy", "--all-targets"]);
        select(&mut command, &args.package);
        command.args(["--", "-D", "warnings"]);
        Step::new("clippy", 30).run(&mut command).map(drop)
    });
    check(Check::Doc, &mut || crate::doc::build(&args.package));
    check(Check::Unit, &mut || {
        let nextest = which("cargo-nextest").is_some();
        let mut command = cargo();
        if nextest {
            command.args(["nextest", "run", "--no-fail-fast", "--no-tests", "pass"]);
        } else {
            command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
        }
        select(&mut command, &args.package);
        if let Some(seeds) = args.seeds {
            command.env("PEERAGE_SEEDS", seeds.to_string());
        }
        command.args(args.filter.as_ref());
        count(Step::new("tests", 30).run(&mut command), tally)
    });
    check(Check::Doctest, &mut || {
        let mut command = cargo();
        command.args(["test", "--doc", "--no-fail-fast"]);
        select(&mut command, &args.package);
        count(Step::new("doctests", 20).run(&mut command), tally)
    });
    tally.passed += checks;
    failures
}

/// Adds `-p NAME` for each package, or `--workspace`, with the features of it that other members have built anyway.
pub(crate) fn select(command: &mut Command, packages: &[String]) {
    if packages.is_empty() {
        command.args(["--workspace", "--features", "peerage-cli/call"]);
    }
    for package in packages {
        command.args(["-p", package]);
    }
}

/// Adds the passed and failed tests that a runner's closing lines name.
pub(crate) fn count(result: Result<Output>, tally: &mut Tally) -> Result<()> {
    let output = result.inspect_err(|_| tally.failed += 1)?;
    for line in &output.lines {
        let line = plain(line);
        // nextest: "Summary [ 1.2s] 45 tests run: 45 passed, 0 skipped"; libtest: "test result: ok. 3 passed; 0 failed".
        if line.trim_start().starts_with("Summary [") || line.starts_with("test result:") {
            tally.passed += number_before(&line, " passed");
        }
    }
    Ok(())
}

/// The decimal number that stands right before `word`.
fn number_before(line: &str, word: &str) -> u64 {
    let Some(end) = line.find(word) else { return 0 };
    let digits = line[..end].rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

/// The line without colour codes.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_counted() {
        let lines = [
            "     \u{1b}[32;1mSummary\u{1b}[0m [   1.234s] 45 tests run: 44 passed (1 slow), 1 skipped",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
            "a line that says 7 passed is not a closing line",
        ];
        let mut tally = Tally::default();
        count(Ok(Output { lines: lines.map(str::to_owned).to_vec() }), &mut tally).unwrap();
        assert_eq!((tally.passed, tally.failed), (47, 0));
    }
}
