//! `cargo xtask differential`: Peerage and other implementations on the same input, or with each other.
//!
//! DTLS against BoringSSL (a program of its own, since its symbols clash with OpenSSL's) and dimpl, SCTP against dcsctp,
//! SRTP against libsrtp.
//! They are part of the workspace under `bench/`, so that nobody who builds or tests Peerage compiles its rivals.

use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::shell::{Step, cargo, root};
use crate::test::{Tally, count};

/// Run Peerage's protocols against other implementations of them, in one process or two
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these protocols
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Protocol>,
    /// Where to build (default: $CARGO_TARGET_DIR, or `bench/target`)
    #[arg(long, value_name = "FOLDER")]
    target_dir: Option<std::path::PathBuf>,
    /// Run only tests whose name contains this
    filter: Option<String>,
}

/// A protocol with another implementation beside ours.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// DTLS 1.2 and 1.3 with BoringSSL and dimpl: both roles, each suite and group, with loss
    Dtls,
    /// SCTP with dcsctp: both roles, with and without I-DATA and zero checksum, with loss
    Sctp,
    /// SRTP with libsrtp: every profile, both ways, wraps and replays, the corpus of its fuzzer
    Srtp,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let bench = root().join("bench");
    if !bench.join("Cargo.toml").is_file() {
        bail!("there is no workspace of comparisons at {}", bench.display());
    }
    let target = match &args.target_dir {
        Some(dir) => std::path::absolute(dir)?,
        None => std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| bench.join("target"), |dir| root().join(dir)),
    };
    let in_bench = |arguments: &[&str]| {
        let mut command = cargo();
        command.current_dir(&bench).env("CARGO_TARGET_DIR", &target).args(arguments);
        command
    };
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    for &protocol in Protocol::value_variants() {
        if !args.only.is_empty() && !args.only.contains(&protocol) {
            continue;
        }
        let (name, package) = match protocol {
            Protocol::Dtls => ("DTLS beside others", "differential-dtls"),
            Protocol::Sctp => ("SCTP beside others", "differential-sctp"),
            Protocol::Srtp => ("SRTP beside others", "differential-srtp"),
        };
        if protocol == Protocol::Dtls {
            // Without the program its tests would be skipped and pass: that is no result.
            let build = Step::new("building BoringSSL", 20).run(&mut in_bench(&[
                "build",
                "-p",
                "boring-peer",
            ]));
            if let Err(error) = build {
                tally.failed += 1;
                failures.push(format!("{error:#}"));
            }
        }
        let mut command = in_bench(&["test", "--no-fail-fast", "--lib", "--tests", "-p", package]);
        filter(&mut command, args.filter.as_deref());
        if let Err(error) = count(Step::new(name, 20).run(&mut command), &mut tally) {
            failures.push(format!("{error:#}"));
        }
    }
    for failure in &failures {
        eprintln!("\n{failure}");
    }
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    match failures.len() {
        0 if tally.passed == 0 => bail!("no test was selected"),
        0 => Ok(()),
        failed => bail!("{failed} of the steps failed"),
    }
}

fn filter(command: &mut Command, filter: Option<&str>) {
    if let Some(filter) = filter {
        command.args(["--", filter]);
    }
}
