//! A network of the laboratory, built of namespaces: an "internet" that is one bridge, NAT boxes by nftables on it, hosts
//! behind them or on it, and a server. All are removed on drop.
//!
//! ```text
//!   host a -- [NAT] -- [NAT] --\                    /-- [NAT] -- host b
//!                               internet (a bridge)
//!                                       |
//!                                     server
//! ```

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;

use super::plan::{Firewall, Nat, Plan, Side};
use crate::network::{self, command_in, run, wait_until_up};

/// The server's addresses: two of each IP version, as RFC 5780 asks.
pub(crate) const SERVER: [&str; 4] =
    ["203.0.113.10", "203.0.113.11", "2001:db8::10", "2001:db8::11"];
/// The internet's own addresses: where packets to nowhere go.
const GATEWAY: [&str; 2] = ["203.0.113.254", "2001:db8::fe"];

/// The namespaces of one network.
pub(crate) struct World {
    names: Vec<String>,
    number: usize,
    internet: String,
    /// Those of the two ends.
    pub(crate) hosts: [String; 2],
    /// That of the server.
    pub(crate) server: String,
}

impl World {
    /// Builds a network.
    ///
    /// # Errors
    /// When `ip` or `nft` fails; what was made so far is removed.
    pub(crate) async fn build(plan: &Plan, number: usize) -> Result<Self> {
        let mut world = Self {
            names: Vec::new(),
            number,
            internet: String::new(),
            hosts: [String::new(), String::new()],
            server: String::new(),
        };
        world.internet = world.add("net").await?;
        let internet = world.internet.clone();
        run(&["-n", &internet, "link", "add", "br0", "type", "bridge"]).await?;
        address(&internet, "br0", &format!("{}/24", GATEWAY[0])).await?;
        address(&internet, "br0", &format!("{}/64", GATEWAY[1])).await?;
        run(&["-n", &internet, "link", "set", "br0", "up"]).await?;
        world.server = world.add("srv").await?;
        let server = world.server.clone();
        world.to_internet(&server, "eth0", "srv").await?;
        for (ip, length) in SERVER.iter().zip([24, 24, 64, 64]) {
            address(&server, "eth0", &format!("{ip}/{length}")).await?;
        }
        // A relay is asked to send to private addresses as well. On the internet that goes nowhere; coturn ends an allocation whose
        // packet the system has no route for.
        route(&server, GATEWAY[0]).await?;
        run(&["-n", &server, "-6", "route", "add", "default", "via", GATEWAY[1]]).await?;
        world.hosts = [world.add("a").await?, world.add("b").await?];
        match plan.hairpin {
            Some(kind) => world.one_nat(kind).await?,
            None => {
                for (end, side) in [&plan.a, &plan.b].into_iter().enumerate() {
                    world.side(end, side).await?;
                }
            }
        }
        let all: Vec<String> = world.hosts.iter().chain([&world.server]).cloned().collect();
        for name in all {
            wait_until_up(&name, "eth0").await?;
        }
        Ok(world)
    }

    async fn add(&mut self, label: &str) -> Result<String> {
        let name = network::name(&format!("lab{}{label}", self.number));
        self.names.push(name.clone());
        network::add(&name).await?;
        Ok(name)
    }

    /// Joins a device of a namespace to the bridge.
    async fn to_internet(&self, name: &str, device: &str, port: &str) -> Result<()> {
        join(name, device, &self.internet, port).await?;
        run(&["-n", &self.internet, "link", "set", port, "master", "br0"]).await
    }

    /// A host with what stands before it.
    async fn side(&mut self, end: usize, side: &Side) -> Result<()> {
        let host = self.hosts[end].clone();
        let public = 21 + end;
        if side.nats.is_empty() {
            self.to_internet(&host, "eth0", &format!("host{end}")).await?;
            if side.ipv4 {
                address(&host, "eth0", &format!("203.0.113.{public}/24")).await?;
                route(&host, GATEWAY[0]).await?;
            }
        } else {
            let (mut inner, mut device) = (host.clone(), "eth0".to_owned());
            for (level, kind) in side.nats.iter().enumerate() {
                let last = level + 1 == side.nats.len();
                // The private network of a home, then RFC 6598's of a carrier.
                let net = if level == 0 {
                    format!("10.{}.0", end + 1)
                } else {
                    format!("100.64.{}", 10 * level + end)
                };
                let nat = self.add(&format!("n{end}{level}")).await?;
                join(&inner, &device, &nat, "in0").await?;
                address(&inner, &device, &format!("{net}.2/24")).await?;
                address(&nat, "in0", &format!("{net}.1/24")).await?;
                route(&inner, &format!("{net}.1")).await?;
                let outer = if last {
                    format!("203.0.113.{}", 31 + end)
                } else {
                    format!("100.64.{}.2", 10 * (level + 1) + end)
                };
                let firewall = if last { side.firewall } else { Firewall::None };
                self.translate(&nat, *kind, &outer, firewall, false).await?;
                if last {
                    let port = format!("nat{end}");
                    self.to_internet(&nat, "out", &port).await?;
                    address(&nat, "out", &format!("{outer}/24")).await?;
                    route(&nat, GATEWAY[0]).await?;
                    if let Some(mtu) = side.mtu {
                        let mtu = mtu.to_string();
                        run(&["-n", &nat, "link", "set", "out", "mtu", &mtu]).await?;
                    }
                }
                (inner, device) = (nat, "out".to_owned());
            }
        }
        if side.ipv6 {
            let device = if side.nats.is_empty() { "eth0" } else { "eth1" };
            if device == "eth1" {
                self.to_internet(&host, device, &format!("six{end}")).await?;
            }
            address(&host, device, &format!("2001:db8::{public}/64")).await?;
            run(&["-n", &host, "-6", "route", "add", "default", "via", GATEWAY[1]]).await?;
        }
        Ok(())
    }

    /// Both hosts behind one NAT.
    async fn one_nat(&mut self, kind: Nat) -> Result<()> {
        let nat = self.add("n").await?;
        let outer = "203.0.113.31";
        for end in 0..2 {
            let (host, device) = (self.hosts[end].clone(), format!("in{end}"));
            join(&host, "eth0", &nat, &device).await?;
            address(&host, "eth0", &format!("10.{}.0.2/24", end + 1)).await?;
            address(&nat, &device, &format!("10.{}.0.1/24", end + 1)).await?;
            route(&host, &format!("10.{}.0.1", end + 1)).await?;
        }
        self.translate(&nat, kind, outer, Firewall::None, true).await?;
        self.to_internet(&nat, "out", "nat").await?;
        address(&nat, "out", &format!("{outer}/24")).await?;
        route(&nat, GATEWAY[0]).await
    }

    /// Makes a namespace a NAT box. Inner devices are `in0` and `in1`, the outer is `out`.
    async fn translate(
        &self,
        nat: &str,
        kind: Nat,
        outer: &str,
        firewall: Firewall,
        hairpin: bool,
    ) -> Result<()> {
        let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward";
        run(&["netns", "exec", nat, "sh", "-c", forward]).await?;
        nft(nat, &rules(kind, outer, firewall, hairpin)).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in &self.names {
            network::remove(name);
        }
    }
}

/// Why no network can be built here, if so.
pub(crate) async fn available() -> Result<(), String> {
    network::available().await?;
    let probe = network::name("nft");
    let result = async {
        network::add(&probe).await?;
        nft(&probe, &rules(Nat::FullCone, "203.0.113.31", Firewall::Tls443, true)).await
    };
    let result = result.await;
    network::remove(&probe);
    result.map_err(|error| format!("no NAT boxes can be made here: {error:#}"))
}

/// The nftables rules of a NAT box.
fn rules(kind: Nat, outer: &str, firewall: Firewall, hairpin: bool) -> String {
    let masquerade = if kind == Nat::Symmetric { "masquerade fully-random" } else { "masquerade" };
    // Linux keeps the inner port where it can, which makes the mapping endpoint-independent. Who sent from a port is
    // remembered, so that packets from anybody find the way back.
    let (learn, back) = if kind == Nat::FullCone {
        (
            "iifname \"in*\" meta l4proto udp update @owners { udp sport : ip saddr }".to_owned(),
            format!("ip daddr {outer} meta l4proto udp dnat to udp dport map @owners"),
        )
    } else {
        (String::new(), String::new())
    };
    let around = if hairpin {
        // What comes from outside keeps its source.
        format!("oifname \"in*\" ip saddr 10.0.0.0/8 ct status dnat snat to {outer}")
    } else {
        String::new()
    };
    let wall = match firewall {
        Firewall::None => "",
        Firewall::NoUdp => "meta l4proto udp drop",
        Firewall::Tcp443 => {
            "ct state established,related accept\n    tcp dport 443 accept\n    drop"
        }
        // The magic cookie of STUN in the first bytes of a segment: such a firewall wants TLS to see.
        Firewall::Tls443 => {
            "tcp dport 443 @ih,32,32 0x2112a442 drop\n    ct state established,related accept\n    tcp dport 443 accept\n    drop"
        }
    };
    format!(
        r#"table ip nat {{
  map owners {{ type inet_service : ipv4_addr; flags dynamic,timeout; timeout 5m; }}
  chain back {{ type nat hook prerouting priority -100;
    {back}
  }}
  chain learn {{ type filter hook forward priority -10;
    {learn}
  }}
  chain around {{ type nat hook postrouting priority 100;
    {around}
    oifname "out" {masquerade}
  }}
}}
table ip wall {{
  # What is for nobody inside: were it refused, the kernel would remember it and give its port to nobody.
  chain box {{ type filter hook input priority 0;
    iifname "out" meta l4proto {{ tcp, udp }} drop
    iifname "in*" ip daddr {outer} meta l4proto {{ tcp, udp }} drop
  }}
  chain through {{ type filter hook forward priority 0;
    ct status dnat accept
    iifname "in*" oifname "in*" drop
    {wall}
  }}
}}
"#
    )
}

/// Joins two namespaces by a pair of devices.
async fn join(a: &str, device_a: &str, b: &str, device_b: &str) -> Result<()> {
    run(&[
        "link", "add", device_a, "netns", a, "type", "veth", "peer", "name", device_b, "netns", b,
    ])
    .await?;
    run(&["-n", a, "link", "set", device_a, "up"]).await?;
    run(&["-n", b, "link", "set", device_b, "up"]).await
}

/// Adds an address with its network's length.
async fn address(name: &str, device: &str, address: &str) -> Result<()> {
    let mut arguments = vec!["-n", name, "addr", "add", address, "dev", device];
    if address.contains(':') {
        // One whose duplicate detection still runs cannot be bound yet.
        arguments.push("nodad");
    }
    run(&arguments).await
}

async fn route(name: &str, gateway: &str) -> Result<()> {
    run(&["-n", name, "route", "add", "default", "via", gateway]).await
}

async fn nft(name: &str, rules: &str) -> Result<()> {
    let mut child = command_in(name, Path::new("nft"))
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run `nft`; on Debian or Ubuntu run: sudo apt-get install -y nftables")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(rules.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        bail!("nft refused: {}\n{rules}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
