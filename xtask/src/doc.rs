//! `cargo xtask doc`: the documentation of every crate, with warnings as errors.

use anyhow::Result;

use crate::shell::{Step, cargo, target_dir};

/// Build the documentation of every crate.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these packages
    #[arg(short, long)]
    package: Vec<String>,
    /// Open the result in a browser
    #[arg(long)]
    open: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    build(&args.package)?;
    if args.open {
        cargo()
            .args([
                "doc",
                "--no-deps",
                "--open",
                "-p",
                args.package.first().map_or("peerage", String::as_str),
            ])
            .status()?;
    } else {
        println!("{}", target_dir().join("doc/peerage/index.html").display());
    }
    Ok(())
}

/// Also a step of `cargo xtask test`.
pub(crate) fn build(packages: &[String]) -> Result<()> {
    let mut command = cargo();
    command.env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--no-deps", "--lib"]);
    crate::test::select(&mut command, packages);
    Step::new("documentation", 20).run(&mut command).map(drop)
}
