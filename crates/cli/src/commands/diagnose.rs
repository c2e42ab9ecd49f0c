//! `peerage diagnose`: what NAT am I behind, which transports get out, what would connect with whom.

mod nat;
mod target;
mod transports;
mod words;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use self::nat::Network;
use self::target::Target;
use self::transports::Transport;
use crate::options::Common;
use crate::report::{Event, Report};

/// What was found out. In JSON, names are in kebab case.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Diagnosis {
    /// Of each IP version, what stands between this machine and the first server asked.
    networks: Vec<Network>,
    /// What each server answered, by which transport.
    transports: Vec<Transport>,
    /// What would connect with whom.
    peers: Vec<words::Peer>,
}

/// Asks the servers, and tells.
pub(crate) async fn run(options: &Common, report: &Report) -> Result<()> {
    if options.stun.is_empty() && options.turn.is_empty() {
        bail!("name a server to ask: --stun stun:HOST[:PORT], --turn turn:HOST[:PORT], or both");
    }
    let mut targets: Vec<Target> = Vec::new();
    for url in &options.stun {
        let stun = target::parse(url).with_context(|| format!("--stun {url}"))?;
        if stun.iter().any(|target| target.relays) {
            bail!("--stun {url}: that is a TURN server, give it by --turn");
        }
        targets.extend(stun);
    }
    for url in &options.turn {
        let turn = target::parse(url).with_context(|| format!("--turn {url}"))?;
        if turn.iter().any(|target| !target.relays) {
            bail!("--turn {url}: that is a STUN server, give it by --stun");
        }
        targets.extend(turn);
    }
    report.hint("asking the servers; this takes up to ten seconds");
    let transports = transports::try_all(
        &targets,
        options.turn_user.as_ref(),
        options.loopback,
        options.timeout,
    )
    .await?;
    let networks = nat::probe(&targets).await?;
    let peers = words::peers(&networks, &transports);
    let diagnosis = Diagnosis { networks, transports, peers };
    let text = words::describe(&diagnosis);
    report.event(&Event::Diagnosis { diagnosis: &diagnosis, text: &text });
    Ok(())
}
