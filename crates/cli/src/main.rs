//! `peerage`: a WebRTC peer for the command line.
//!
//! Each subcommand is a file in `commands`; they share the command-line options, the report of what happens (text or
//! JSON lines), the HTTP and paste signalling, and the connection set-up.

mod blob;
mod commands;
mod http;
mod inspect;
mod mirror;
mod options;
mod peer;
mod report;
mod signal;
mod transfer;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Cli, Command};
use crate::report::{Event, Report};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let report = Report::new(cli.common.json, cli.common.verbose);
    let run = async {
        match &cli.command {
            #[cfg(feature = "call")]
            Command::Call(args) => commands::call::run(&cli.common, args, &report).await,
            #[cfg(not(feature = "call"))]
            Command::Call(_) => Err(anyhow::anyhow!(
                "calls are not built into this `peerage`: build it with `--features call`, or `devices` for cameras and microphones"
            )),
            Command::Echo(args) => commands::echo::run(&cli.common, args, &report).await,
            Command::Serve(args) => commands::serve::run(&cli.common, args, &report).await,
            Command::Connect(args) => commands::connect::run(&cli.common, args, &report).await,
            Command::Diagnose => commands::diagnose::run(&cli.common, &report).await,
            Command::Send(args) => commands::send::run(&cli.common, args, &report).await,
            Command::Inspect(args) => commands::inspect::run(args, &report).await,
            Command::Receive(args) => commands::receive::run(&cli.common, args, &report).await,
            Command::Turn(args) => commands::turn::run(&cli.common, args, &report).await,
        }
    };
    let hangs_up = cfg!(feature = "call") && matches!(cli.command, Command::Call(_))
        || matches!(cli.command, Command::Turn(_));
    let result = tokio::select! {
        result = run => result,
        // A call hangs up first, a TURN server lets its clients end.
        _ = tokio::signal::ctrl_c(), if !hangs_up => Err(anyhow::anyhow!("interrupted")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report.event(&Event::Error { message: format!("{error:#}") });
            ExitCode::FAILURE
        }
    }
}
