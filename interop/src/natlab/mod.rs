//! The laboratory: peers in networks of NAT boxes and firewalls, made of network namespaces as `interop/networks/` says.
//! Nothing leaves the namespaces. Those of a run that crashed are removed by the next.

mod cell;
mod diagnosis;
mod options;
mod plan;
mod report;
mod server;
mod world;

use std::path::Path;

use anyhow::{Context, Result, ensure};

pub(crate) use self::options::Options;
use crate::network;
use crate::peers::Peer;

/// The peers at the other end unless the command line says otherwise.
const PEERS: [&str; 3] = ["peerage", "chromium", "firefox"];

/// Runs the laboratory; true if every cell connected by the cheapest path.
pub(crate) async fn run(options: &Options) -> Result<bool> {
    let software = server::Software::from_name(&options.server)?;
    let plans = plan::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("networks"))?;
    for name in &options.network {
        ensure!(
            plans.iter().any(|plan| plan.name == *name),
            "no network `{name}`; `--list` shows them"
        );
    }
    let chosen =
        |plan: &&plan::Plan| options.network.is_empty() || options.network.contains(&plan.name);
    if options.list {
        for plan in plans.iter().filter(chosen) {
            println!("{:<20} {:<10} {}", plan.name, plan.expect.to_string(), plan.claim);
        }
        return Ok(true);
    }
    let names: Vec<&str> = if options.peer.is_empty() {
        PEERS.to_vec()
    } else {
        options.peer.iter().map(String::as_str).collect()
    };
    let mut peers = Vec::new();
    for name in names {
        let peer = Peer::from_name(name)
            .with_context(|| format!("no peer `{name}`; there are {}", PEERS.join(", ")))?;
        match peer.missing() {
            Some(why) => eprintln!("note: {name} is left out: {why}"),
            None => peers.push((name, peer)),
        }
    }
    network::sweep();
    if let Err(why) = world::available().await {
        ensure!(options.optional, why);
        println!("skipped: {why}");
        return Ok(true);
    }
    let folder = match &options.output {
        Some(folder) => std::path::absolute(folder)?,
        None => crate::default_folder("natlab"),
    };
    crate::clear(&folder)?;
    std::fs::create_dir_all(folder.join("logs"))
        .with_context(|| format!("cannot create {}", folder.display()))?;
    if options.diagnose {
        let plans: Vec<&plan::Plan> = plans.iter().filter(chosen).collect();
        return diagnosis::run(&plans, software, &folder).await;
    }
    let mut outcomes = Vec::new();
    for plan in plans.iter().filter(chosen) {
        for (name, peer) in &peers {
            let mut ends = [("peerage", Peer::Peerage), (*name, *peer)];
            if options.swap {
                ends.reverse();
            }
            let [a, b] = ends;
            let mut attempt = 0;
            let outcome = loop {
                let number = outcomes.len() * (options.retry as usize + 1) + attempt;
                let outcome = cell::run(plan, software, [a, b], number, &folder).await;
                println!("{}", report::line(&outcome));
                if outcome.pass || attempt == options.retry as usize {
                    break outcome;
                }
                attempt += 1;
            };
            outcomes.push(outcome);
        }
    }
    report::finish(&outcomes, &folder)?;
    Ok(outcomes.iter().all(|outcome| outcome.pass))
}
