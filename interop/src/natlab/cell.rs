//! One cell: two peers in a network, an offer and an answer, and what became of it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};

use super::plan::{Plan, Route};
use super::server::{Server, Software, ice_servers};
use super::world::World;
use crate::network::Network;
use crate::pair::{End, Pair};
use crate::peers::Peer;
use crate::process::Process;
use crate::scenario::{Role, Variant};

/// How long a peer may take to say that it has failed: RFC 8863's patience, and what 17 checks take after it.
const VERDICT: Duration = Duration::from_secs(75);
const START: Duration = Duration::from_secs(60);
/// What goes over the connection both ways, to show that more than checks get through.
const BYTES: u64 = 200_000;

/// What became of a cell.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    pub network: String,
    pub claim: String,
    /// At end a.
    pub subject: String,
    /// At end b.
    pub peer: String,
    /// The path that both used, or `None`.
    pub route: Route,
    /// The cheapest that there is.
    pub expected: Route,
    /// As cheap as can be.
    pub pass: bool,
    /// Seconds from the first offer until both ends were connected, or said that they had failed.
    pub seconds: f64,
    /// Why it did not connect, in each end's words, or what was wrong with it.
    pub reason: String,
    /// The candidates of the pair, as each end tells.
    pub pair: Value,
}

/// Runs one cell.
pub(crate) async fn run(
    plan: &Plan,
    software: Software,
    ends: [(&str, Peer); 2],
    number: usize,
    folder: &Path,
) -> Outcome {
    let mut outcome = Outcome {
        network: plan.name.clone(),
        claim: plan.claim.clone(),
        subject: ends[0].0.to_owned(),
        peer: ends[1].0.to_owned(),
        route: Route::None,
        expected: plan.expect,
        pass: false,
        seconds: 0.0,
        reason: String::new(),
        pair: Value::Null,
    };
    if let Err(error) = connect(plan, software, ends, number, folder, &mut outcome).await {
        outcome.reason = format!("{error:#}");
    }
    outcome.pass = outcome.reason.is_empty() && outcome.route.cost() <= outcome.expected.cost();
    if outcome.reason.is_empty() && !outcome.pass {
        outcome.reason = format!("{} would do", outcome.expected);
    }
    outcome
}

async fn connect(
    plan: &Plan,
    software: Software,
    ends: [(&str, Peer); 2],
    number: usize,
    folder: &Path,
    outcome: &mut Outcome,
) -> Result<()> {
    let world = World::build(plan, number).await.context("building the network")?;
    let _server = Server::start(software, &world.server, folder).await?;
    let network = Network::Lab(world.hosts.clone());
    let mut started = Vec::new();
    for (end, (name, peer)) in ends.into_iter().enumerate() {
        let mut command = peer.command(&network, end, Variant::default(), false);
        // A page comes by the IP version that there is.
        let has_ipv4 = [&plan.a, &plan.b][end].ipv4;
        command.env("PEERAGE_PAGE_IP", if has_ipv4 { "127.0.0.1" } else { "::1" });
        // By which OpenSSL knows the server's certificate.
        command.env("SSL_CERT_FILE", std::path::absolute(folder.join("server.pem"))?);
        let log = folder.join("logs").join(format!("{}-{number}-{name}{end}.log", plan.name));
        started.push(End::new(Process::start(name, command, &log, START).await?, "lab"));
    }
    let (Some(peer), Some(subject)) = (started.pop(), started.pop()) else { return Ok(()) };
    let patience = Duration::from_secs(30);
    let mut pair = Pair::new(subject.clone(), peer.clone(), Role::Offerer, true, patience);
    let result = talk(plan, &mut pair, outcome).await;
    for end in [&subject, &peer] {
        end.process.stop().await;
    }
    result
}

async fn talk(plan: &Plan, pair: &mut Pair, outcome: &mut Outcome) -> Result<()> {
    let mut config = Vec::new();
    for side in [&plan.a, &plan.b] {
        config
            .push(json!({"incoming": "record", "config": {"iceServers": ice_servers(!side.ipv4)}}));
    }
    for (end, fields) in pair.ends().into_iter().zip(config) {
        end.call("create", fields).await?;
    }
    pair.subject.channel("lab", "record", json!({})).await?;
    let begin = now();
    pair.negotiate().await?;
    let verdicts = ["connected", "failed"];
    let ends = pair.ends().map(Clone::clone);
    let mut latest = begin;
    let mut failed = false;
    for end in &ends {
        let at = end.reached("connection", &verdicts, VERDICT).await?;
        latest = latest.max(at);
        failed |= end.states("connection").iter().any(|state| state == "failed");
    }
    outcome.seconds = (latest - begin) / 1000.0;
    if failed {
        outcome.reason = reasons(&ends).await;
        return Ok(());
    }
    pair.subject.opened("lab", Duration::from_secs(15)).await?;
    pair.peer.opened("lab", Duration::from_secs(15)).await?;
    // Time for a better pair to be nominated, if there is one.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    for (from, to) in [(0, 1), (1, 0)] {
        let limit = Duration::from_secs(20);
        let got = ends[to].receive("lab", 0, BYTES, limit);
        let sent = ends[from].bulk("lab", BYTES, 20_000, limit);
        let (sent, got) = tokio::try_join!(sent, got).context("data over the connection")?;
        anyhow::ensure!(
            got.complete && got.digest == sent.0,
            "{} bytes of {BYTES} came",
            got.bytes
        );
    }
    // Chromium, where it does not control, follows a second nomination upon data.
    let stats = [ends[0].call("stats", json!({})).await?, ends[1].call("stats", json!({})).await?];
    let told = stats.each_ref().map(|s| json!({"local": s["local"], "remote": s["remote"]}));
    outcome.route = told.iter().map(route).max().unwrap_or(Route::None);
    outcome.pair = told.to_vec().into();
    Ok(())
}

/// What each end says of its failure.
async fn reasons(ends: &[End; 2]) -> String {
    let mut reasons = Vec::new();
    for end in ends {
        let state = end.call("state", json!({})).await.unwrap_or_default();
        let why = state["failure"].as_str().unwrap_or("it does not say why");
        reasons.push(format!("{}: {}", end.name(), why.replace('\n', " ")));
    }
    reasons.join("; ")
}

/// How a pair joins its ends, by what one of them tells.
fn route(told: &Value) -> Route {
    let one = |candidate: &Value| match (
        candidate["type"].as_str().unwrap_or(""),
        candidate["relay"].as_str().unwrap_or("udp"),
    ) {
        (_, _) if candidate["protocol"] == "tcp" && candidate["type"] != "relay" => Route::IceTcp,
        ("host", _) => Route::Host,
        ("srflx", _) => Route::Srflx,
        ("prflx", _) => Route::Prflx,
        ("relay", "tcp") => Route::RelayTcp,
        ("relay", "tls") => Route::RelayTls,
        ("relay", _) => Route::RelayUdp,
        _ => Route::None,
    };
    one(&told["local"]).max(one(&told["remote"]))
}

fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        * 1000.0
}
