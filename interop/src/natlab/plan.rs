//! Networks as data: one YAML file each under `interop/networks/`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

/// How two candidates are joined, the cheapest first.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Route {
    /// Both by addresses of their own.
    Host,
    /// One at least by an address that a STUN server told.
    Srflx,
    /// One at least by an address that a check of the other end told.
    Prflx,
    /// Directly, by TCP.
    IceTcp,
    /// Over a TURN server that is spoken to by UDP.
    RelayUdp,
    /// Over a TURN server, by TCP.
    RelayTcp,
    /// Over a TURN server, by TLS.
    RelayTls,
    /// Not at all.
    None,
}

impl Route {
    /// What it costs: addresses found one way or the other are alike.
    pub(crate) fn cost(self) -> u8 {
        match self {
            Self::Host => 0,
            Self::Srflx | Self::Prflx => 1,
            Self::IceTcp => 2,
            Self::RelayUdp => 3,
            Self::RelayTcp => 4,
            Self::RelayTls => 5,
            Self::None => 6,
        }
    }
}

impl std::fmt::Display for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Srflx => "srflx",
            Self::Prflx => "prflx",
            Self::IceTcp => "ice-tcp",
            Self::RelayUdp => "relay udp",
            Self::RelayTcp => "relay tcp",
            Self::RelayTls => "relay tls",
            Self::None => "none",
        })
    }
}

/// A NAT box.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Nat {
    /// Maps and filters independently of the remote endpoint.
    FullCone,
    /// Maps independently of the remote endpoint, lets in what was sent to.
    PortRestricted,
    /// A random port for each remote endpoint.
    Symmetric,
}

/// What a firewall lets out.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Firewall {
    /// All.
    #[default]
    None,
    /// All but UDP.
    NoUdp,
    /// TCP to port 443 alone.
    Tcp443,
    /// TCP to port 443 alone, and no STUN that is not encrypted.
    Tls443,
}

/// Where an end is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Side {
    /// The NATs between it and the internet, the inner first.
    pub nats: Vec<Nat>,
    /// Whether it has an IPv4 address.
    pub ipv4: bool,
    /// Whether it has an IPv6 address, which no NAT stands before.
    pub ipv6: bool,
    /// In the outermost NAT box, or in a box of its own.
    pub firewall: Firewall,
    /// Largest IP packet between its outermost NAT box and the internet.
    pub mtu: Option<u32>,
}

impl Default for Side {
    fn default() -> Self {
        Self { nats: Vec::new(), ipv4: true, ipv6: false, firewall: Firewall::None, mtu: None }
    }
}

/// A network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    /// Name on the command line.
    pub name: String,
    /// Where it stands in the table.
    pub order: u32,
    /// What it is, as a sentence.
    pub claim: String,
    /// Peerage's end (the other peer's with `--swap`).
    #[serde(default)]
    pub a: Side,
    /// The other end.
    #[serde(default)]
    pub b: Side,
    /// Both ends are behind one NAT of this kind, which sends back what is for its own address, and cannot reach each other
    /// otherwise.
    #[serde(default)]
    pub hairpin: Option<Nat>,
    /// The cheapest path that there is.
    pub expect: Route,
}

/// All networks, in the order of the table.
pub(crate) fn load(folder: &Path) -> Result<Vec<Plan>> {
    let mut plans = Vec::new();
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path)?;
        let plan: Plan =
            serde_yaml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        for side in [&plan.a, &plan.b] {
            ensure!(side.ipv4 || side.ipv6, "{}: an end without an address", path.display());
            ensure!(
                side.ipv4 || side.nats.is_empty(),
                "{}: NATs here are of IPv4, and the end has none",
                path.display()
            );
            ensure!(
                side.firewall == Firewall::None || !side.nats.is_empty(),
                "{}: a firewall stands in a NAT box, and there is none",
                path.display()
            );
        }
        plans.push(plan);
    }
    plans.sort_by_key(|plan| plan.order);
    Ok(plans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_networks_of_the_table_are_there() {
        let plans = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("networks")).unwrap();
        let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "public",
                "full-cone",
                "port-restricted",
                "symmetric",
                "symmetric-symmetric",
                "double-nat",
                "hairpin",
                "udp-blocked",
                "tcp-443",
                "tls-443",
                "ipv6-only",
                "dual-stack-464",
                "mtu-1280",
            ]
        );
    }
}
