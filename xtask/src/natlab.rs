//! `cargo xtask natlab`: prepares the machine, builds the runner and its peers, and runs the laboratory of NATs.

use anyhow::{Context, Result, bail};

use crate::natlab_options::Options;
use crate::shell::{Step, target_dir};
use crate::tools::{self, Program};

const PROGRAMS: [Program; 5] = [
    Program { name: "ip", package: "iproute2" },
    Program { name: "ss", package: "iproute2" },
    Program { name: "nft", package: "nftables" },
    Program { name: "turnserver", package: "coturn" },
    Program { name: "openssl", package: "openssl" },
];

pub(crate) fn run(options: &Options) -> Result<()> {
    Step::new("building the runner", 30).run(&mut crate::interop::build())?;
    let mut runner = std::process::Command::new(target_dir().join("release/peerage-interop"));
    if !options.list {
        for hint in tools::system_programs(&PROGRAMS)? {
            eprintln!("note: {hint}");
        }
        crate::interop::prepare_browsers(&options.peer, &mut runner)?;
        if options.peer.iter().any(|peer| ["aiortc", "libwebrtc"].contains(&peer.as_str())) {
            crate::interop::prepare_python(&mut runner);
        }
    }
    // The runner has the same options (one file, compiled into both), so they go through as they came.
    runner.args(std::env::args_os().skip(1));
    let status = runner.status().context("cannot start the runner")?;
    if !status.success() {
        bail!("not everybody connected by the cheapest path ({status})");
    }
    Ok(())
}
