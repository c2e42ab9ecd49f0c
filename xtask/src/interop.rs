//! `cargo xtask interop`: prepares the machine, builds the interop runner and its peers, and runs the grid.

use std::ffi::OsString;

use anyhow::{Context, Result, bail};

use crate::options::Options;
use crate::shell::{Step, cargo, target_dir};
use crate::tools::{self, Program};

/// Python packages of the Python peers.
const PYTHON_PACKAGES: [&str; 2] = ["aiortc==1.16.0", "wrtc==0.1.0"];

/// Programs of every run.
const BASICS: [Program; 2] = [
    Program { name: "ip", package: "iproute2" },
    Program { name: "python3", package: "python3-venv" },
];

/// Programs of the browsers.
const CHROMIUM: [Program; 2] = [
    Program { name: "chromium", package: "chromium" },
    Program { name: "chromedriver", package: "chromium-driver" },
];
const FIREFOX: [Program; 1] = [Program { name: "firefox-esr", package: "firefox-esr" }];
const FFMPEG: [Program; 1] = [Program { name: "ffmpeg", package: "ffmpeg" }];
const CAPTURE: [Program; 1] = [Program { name: "tcpdump", package: "tcpdump" }];

pub(crate) fn run(options: &Options) -> Result<()> {
    // The runner has the same options (one file, compiled into both), so they go through as they came.
    run_with(options, std::env::args_os().skip(2))
}

/// Runs the grid with a command line of its own, which `options` is read from.
pub(crate) fn run_with(options: &Options, words: impl Iterator<Item = OsString>) -> Result<()> {
    Step::new("building the runner", 30).run(&mut build())?;
    let mut runner = std::process::Command::new(target_dir().join("release/peerage-interop"));
    if !options.list {
        prepare(options, &mut runner)?;
    }
    runner.args(words);
    let status = runner.status().context("cannot start the interop runner")?;
    if !status.success() {
        bail!("the interop run did not pass ({status})");
    }
    Ok(())
}

/// What builds the runner, the peers that are programs of ours, and the emulated wire.
pub(crate) fn build() -> std::process::Command {
    let mut build = cargo();
    build.args(["build", "--release", "--bins"]);
    build.args([
        "-p",
        "peerage-interop",
        "-p",
        "peerage-netsim",
        "-p",
        "peerage-cli",
        "-p",
        "peerage",
    ]);
    // Of `peerage` what an example wants: other features would have all of it built again.
    build.args(["--features", "peerage-netsim/wire,peerage/screen,peerage-cli/call"]);
    build
}

/// Installs what the chosen peers need, and tells the runner where it is. A peer that cannot be had is skipped by the
/// runner with the line that would install it; it does not stop the others.
fn prepare(options: &Options, runner: &mut std::process::Command) -> Result<()> {
    let wants = |peer: &str| {
        options.peer.is_empty()
            || options.peer.iter().chain(options.subject.iter()).any(|name| name.starts_with(peer))
    };
    let mut hints = Vec::new();
    hints.extend(tools::system_programs(&BASICS)?);
    hints.extend(tools::system_programs(&FFMPEG)?);
    let peers: Vec<String> = options.peer.iter().chain(options.subject.iter()).cloned().collect();
    let peers = if options.peer.is_empty() { &[] } else { &peers[..] };
    prepare_browsers(peers, runner)?;
    if options.keep_pcap || options.record.is_some() {
        hints.extend(tools::system_programs(&CAPTURE)?);
    }
    if wants("aiortc") || wants("libwebrtc") {
        prepare_python(runner);
    }
    for hint in &hints {
        eprintln!("note: {hint}");
    }
    Ok(())
}

/// Installs the packages of the Python peers, and tells the runner where they are.
pub(crate) fn prepare_python(runner: &mut std::process::Command) {
    match tools::python("python", &PYTHON_PACKAGES) {
        Ok(path) => drop(runner.env("PEERAGE_PYTHON", path)),
        Err(error) => eprintln!("note: {error:#}"),
    }
}

/// Installs the browsers among these peers (all, when none is named), and tells the runner where their drivers are.
pub(crate) fn prepare_browsers(peers: &[String], runner: &mut std::process::Command) -> Result<()> {
    let wants = |peer: &str| peers.is_empty() || peers.iter().any(|name| name.starts_with(peer));
    let mut hints = Vec::new();
    if wants("chromium") {
        hints.extend(tools::system_programs(&CHROMIUM)?);
    }
    if wants("firefox") {
        if crate::shell::which("firefox").is_none() {
            hints.extend(tools::system_programs(&FIREFOX)?);
        }
        match tools::cargo_tool("geckodriver", "geckodriver") {
            Ok(path) => drop(runner.env("PEERAGE_GECKODRIVER", path)),
            Err(error) => hints.push(format!("{error:#}")),
        }
    }
    for hint in &hints {
        eprintln!("note: {hint}");
    }
    Ok(())
}
