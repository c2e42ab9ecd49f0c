//! `--diagnose`: whether `peerage diagnose` recognises the NAT box and the firewall of each network.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::plan::{Firewall, Nat, Plan, Side};
use super::server::{Server, Software, ice_servers};
use super::world::World;
use crate::network::{command_in, sibling};

/// What there is to be recognised: whether UDP gets out, and the names of mapping and filtering.
fn truth(side: &Side, hairpin: Option<Nat>) -> (Value, Value, Value) {
    const FREE: &str = "endpoint-independent";
    const STRICT: &str = "address-and-port-dependent";
    if side.firewall != Firewall::None {
        return (json!(false), Value::Null, Value::Null);
    }
    let nats: Vec<Nat> = side.nats.iter().copied().chain(hairpin).collect();
    let symmetric = nats.contains(&Nat::Symmetric);
    let strict = nats.iter().any(|nat| *nat != Nat::FullCone);
    let name = |is_strict| json!(if is_strict { STRICT } else { FREE });
    (json!(true), name(symmetric), name(strict))
}

/// Runs the diagnosis at end a of each network; true if all were recognised.
pub(crate) async fn run(plans: &[&Plan], software: Software, folder: &Path) -> Result<bool> {
    println!(
        "| network | UDP gets out | mapping | filtering | hairpin | by TCP | by TLS | recognised |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for (number, plan) in plans.iter().enumerate() {
        let told = diagnose(plan, software, number, folder).await?;
        let network = &told["networks"][0];
        let by = |name: &str| {
            let mut transports = told["transports"].as_array().into_iter().flatten();
            transports.any(|t| t["by"] == name && t["answered"] == true)
        };
        let wanted = truth(&plan.a, plan.hairpin);
        let found = (json!(by("udp")), network["mapping"].clone(), network["filtering"].clone());
        let streams = match plan.a.firewall {
            Firewall::None | Firewall::NoUdp | Firewall::Tcp443 => [true, true],
            Firewall::Tls443 => [false, true],
        };
        let hairpin = plan.hairpin.is_none() || network["hairpin"] == true;
        let right = wanted == found && streams == [by("tcp"), by("tls")] && hairpin;
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            plan.name,
            by("udp"),
            text(&network["mapping"]),
            text(&network["filtering"]),
            network["hairpin"].as_bool().map_or("-".to_owned(), |hairpin| hairpin.to_string()),
            by("tcp"),
            by("tls"),
            if right { "yes" } else { "NO" }
        );
        all.push(json!({"network": plan.name, "recognised": right, "diagnosis": told}));
    }
    let path = folder.join("diagnosis.json");
    std::fs::write(&path, serde_json::to_string_pretty(&all)?)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let right = all.iter().filter(|one| one["recognised"] == true).count();
    println!("\n{right} of {} recognised; what was said: {}", all.len(), path.display());
    Ok(right == all.len())
}

async fn diagnose(plan: &Plan, software: Software, number: usize, folder: &Path) -> Result<Value> {
    let world = World::build(plan, number).await.context("building the network")?;
    let _server = Server::start(software, &world.server, folder).await?;
    let servers = ice_servers(!plan.a.ipv4);
    let urls = |index: usize| servers[index]["urls"].as_array().cloned().unwrap_or_default();
    let mut command = command_in(&world.hosts[0], &sibling("peerage"));
    command.args(["diagnose", "--json"]);
    for url in urls(0) {
        command.args(["--stun", url.as_str().unwrap_or_default()]);
    }
    for url in urls(1) {
        command.args(["--turn", url.as_str().unwrap_or_default()]);
    }
    let output = command.output().await.context("cannot run `peerage`")?;
    ensure!(
        output.status.success(),
        "{}: peerage diagnose: {}",
        plan.name,
        String::from_utf8_lossy(&output.stdout)
    );
    let told: Value = serde_json::from_slice(&output.stdout)?;
    Ok(told["diagnosis"].clone())
}
