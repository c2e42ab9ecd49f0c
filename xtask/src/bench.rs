//! `cargo xtask bench`: Peerage beside other crates, in one run.
//!
//! The comparisons are a workspace of their own under `bench/`, so that nobody who builds or tests Peerage compiles
//! its rivals.

use anyhow::{Result, bail};

use crate::shell::{cargo, root};

/// Compare Peerage with other crates, side by side in one run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only benches whose name contains this
    filter: Option<String>,
    /// Further arguments for the bench programs
    #[arg(last = true)]
    rest: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let dir = root().join("bench");
    if !dir.join("Cargo.toml").is_file() {
        bail!("there is no bench workspace at {}", dir.display());
    }
    let mut command = cargo();
    command.current_dir(&dir).arg("bench");
    if args.filter.is_some() || !args.rest.is_empty() {
        command.arg("--").args(&args.filter).args(&args.rest);
    }
    // Attached to the terminal: bench programs print tables of their own.
    if !command.status()?.success() {
        bail!("`cargo bench` in bench/ failed; its output is above");
    }
    Ok(())
}
