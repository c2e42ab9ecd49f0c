//! `cargo xtask <verb>`: the one entry point for every chore of the workspace.
//!
//! It bootstraps the rest (browsers, Python peers, cargo tools), so it depends on next to nothing itself. Each verb is
//! a module; [`shell`] runs child processes with a time limit, a log file and a progress line.

mod architecture;
mod bench;
mod ci;
mod differential;
mod doc;
mod fuzz;
mod interop;
mod natlab;
mod record;
mod sanitize;
mod shell;
mod test;
mod tools;
mod vectors;

#[path = "../../interop/src/options.rs"]
mod options;

#[path = "../../interop/src/natlab/options.rs"]
mod natlab_options;

use clap::{Parser, Subcommand};

/// Chores of the Peerage workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the interop grid against browsers and other WebRTC stacks (installs what is missing when it can)
    Interop(options::Options),
    /// Run peers behind NAT boxes and firewalls: who connects, by which path, and if not, why
    Natlab(natlab_options::Options),
    /// Record calls with browsers as vectors: packets, session keys, descriptions
    Record(record::Args),
    /// Run what every change must pass: formatting, lints, docs, tests, architecture checks
    Test(test::Args),
    /// Replay published test vectors and recorded captures through the parsers and state machines
    Vectors(vectors::Args),
    /// Run Peerage's protocols against other implementations of them, in one process or two
    Differential(differential::Args),
    /// Build the fuzz targets on stable Rust and run them
    Fuzz(fuzz::Args),
    /// Run the codec wrappers under valgrind: reads beyond or before what was written, leaks
    Sanitize(sanitize::Args),
    /// Compare Peerage with other crates in one run, by CPU time: a table, and bench/target/bench/figures.svg
    Bench(bench::Args),
    /// Run what continuous integration runs, step by step, with time limits
    Ci(ci::Args),
    /// Build the documentation of every crate
    Doc(doc::Args),
}

fn main() -> std::process::ExitCode {
    let result = match Cli::parse().verb {
        Verb::Interop(options) => interop::run(&options),
        Verb::Natlab(options) => natlab::run(&options),
        Verb::Record(args) => record::run(&args),
        Verb::Test(args) => test::run(&args),
        Verb::Vectors(args) => vectors::run(&args),
        Verb::Differential(args) => differential::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Sanitize(args) => sanitize::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Ci(args) => ci::run(&args),
        Verb::Doc(args) => doc::run(&args),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
