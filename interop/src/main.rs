//! The interop runner. `cargo xtask interop` prepares the machine, builds this program and the peers, and starts it.

mod checks;
mod grid;
mod natlab;
mod network;
mod options;
mod pair;
mod peers;
mod process;
mod record;
mod report;
mod scenario;
mod test_media;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{RwLock, mpsc};
use tokio::task::JoinSet;

use crate::grid::{Lane, Run, Verdict};
use crate::options::Options;
use crate::report::Report;

/// Cells run side by side unless the command line says otherwise. Most wait rather than compute.
const DEFAULT_JOBS: usize = 3;

#[derive(Parser)]
#[command(name = "peerage-interop", version, about)]
#[command(args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    mode: Option<Mode>,
}

#[derive(Subcommand)]
enum Mode {
    /// Run the laboratory of NATs and firewalls
    Natlab(natlab::Options),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let work = async {
        match cli.mode {
            Some(Mode::Natlab(options)) => natlab::run(&options).await,
            None => run(cli.options).await,
        }
    };
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        eprintln!("error: cannot watch signals");
        return ExitCode::FAILURE;
    };
    // Whatever ends the run, returning from here drops the lanes, and they end their processes and namespaces.
    let result = tokio::select! {
        result = work => result,
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("terminated")),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the grid; true if nothing failed.
async fn run(options: Options) -> Result<bool> {
    let scenarios = scenario::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"))?;
    let cells = grid::cells(&scenarios, &options)?;
    if options.list {
        report::terminal::list(&scenarios, &cells);
        return Ok(true);
    }
    anyhow::ensure!(!cells.is_empty(), "the options select no cell; `--list` shows them all");

    let folder = match &options.output {
        Some(folder) => std::path::absolute(folder)?,
        None => default_folder("interop"),
    };
    clear(&folder)?;
    std::fs::create_dir_all(folder.join("logs"))
        .with_context(|| format!("cannot create {}", folder.display()))?;
    network::sweep();
    let no_namespaces = network::available().await.err();
    if let Some(reason) = &no_namespaces {
        eprintln!("note: running on this host's own network: {reason}");
    }

    let subject = options.subject.clone().unwrap_or_else(|| grid::DEFAULT_SUBJECT.into());
    let jobs = options.jobs.unwrap_or(DEFAULT_JOBS).clamp(1, cells.len());
    let mut report = Report::new(&subject, cells.len());
    let run = Arc::new(Run {
        options,
        folder: folder.clone(),
        no_namespaces,
        queue: Mutex::new(VecDeque::from(cells)),
        floor: RwLock::new(()),
        versions: Mutex::default(),
    });
    let (tx, mut outcomes) = mpsc::unbounded_channel();
    let mut lanes = JoinSet::new();
    for number in 0..jobs {
        let (lane, tx) = (Lane::new(number, run.clone()), tx.clone());
        lanes.spawn(lane.run(move |outcome| drop(tx.send(outcome))));
    }
    drop(tx);
    while let Some(outcome) = outcomes.recv().await {
        report.add(outcome);
    }
    while let Some(ended) = lanes.join_next().await {
        ended.context("a lane of the grid broke")?;
    }
    report.finish(
        &folder,
        &run.versions.lock().map(|versions| versions.clone()).unwrap_or_default(),
    )?;
    Ok(report.count(Verdict::Fail) == 0)
}

/// A folder in cargo's target folder, wherever that is: two levels above this program.
pub(crate) fn default_folder(name: &str) -> PathBuf {
    let exe = std::env::current_exe().unwrap_or_default();
    exe.parent()
        .and_then(Path::parent)
        .map_or_else(|| Path::new("target").join(name), |target| target.join(name))
}

/// Removes an earlier run's files, and refuses a folder that holds anything else.
pub(crate) fn clear(folder: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let ours = folder.join("report.json").is_file() || folder.join("logs").is_dir();
    anyhow::ensure!(
        ours || entries.count() == 0,
        "{} is not empty and holds no earlier run: name another folder",
        folder.display()
    );
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}
