//! Asks a STUN server by UDP what stands in between (RFC 5780): the sockets and the clock of `peerage_stun`'s probe.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use peerage_crypto::Rng;
use peerage_stun::nat_behavior::{NatBehavior, NatProbe, NatReport, ProbeSocket};
use serde::Serialize;
use tokio::net::UdpSocket;

use super::target::{By, Target};

/// A datagram of the probe's server is far smaller.
const BUFFER: usize = 2_048;

/// What stands between this machine and the internet, for one IP version.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Network {
    /// The server that told.
    pub(crate) server: SocketAddr,
    /// Our own address.
    pub(crate) local: SocketAddr,
    /// What the server sees; none if it did not answer.
    pub(crate) mapped: Option<SocketAddr>,
    /// Whether the server has the second address that the rest takes.
    pub(crate) tells_behavior: bool,
    pub(crate) mapping: Option<&'static str>,
    pub(crate) filtering: Option<&'static str>,
    pub(crate) hairpin: Option<bool>,
}

impl Network {
    fn new(report: &NatReport) -> Self {
        Self {
            server: report.server,
            local: report.local,
            mapped: report.mapped,
            tells_behavior: report.other_address.is_some(),
            mapping: report.mapping.map(name),
            filtering: report.filtering.map(name),
            hairpin: report.hairpin,
        }
    }

    /// Whether our address is translated.
    pub(crate) fn is_translated(&self) -> bool {
        self.mapped.is_some_and(|mapped| mapped != self.local)
    }
}

fn name(behavior: NatBehavior) -> &'static str {
    match behavior {
        NatBehavior::EndpointIndependent => "endpoint-independent",
        NatBehavior::AddressDependent => "address-dependent",
        NatBehavior::AddressAndPortDependent => "address-and-port-dependent",
    }
}

/// Asks of each IP version the first server that there is; of those that answer, one that tells behavior is preferred.
pub(crate) async fn probe(targets: &[Target]) -> Result<Vec<Network>> {
    let mut networks: Vec<Network> = Vec::new();
    for target in targets.iter().filter(|target| target.by == By::Udp) {
        for server in target.resolve().await.unwrap_or_default() {
            let known = networks.iter().position(|n| n.server.is_ipv4() == server.is_ipv4());
            if known.is_some_and(|at| networks[at].tells_behavior) {
                continue;
            }
            // Without a route there is no such network.
            let Ok(local) = local_address(server).await else { continue };
            let found = ask(local, server).await?;
            match known {
                Some(at) if found.mapped.is_some() => networks[at] = found,
                Some(_) => {}
                None => networks.push(found),
            }
        }
    }
    Ok(networks)
}

/// The address that packets to a server leave from.
async fn local_address(server: SocketAddr) -> Result<IpAddr> {
    let any: IpAddr = if server.is_ipv4() { [0u8; 4].into() } else { [0u16; 8].into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    Ok(socket.local_addr()?.ip())
}

async fn ask(local: IpAddr, server: SocketAddr) -> Result<Network> {
    let main = UdpSocket::bind((local, 0)).await?;
    let second = UdpSocket::bind((local, 0)).await?;
    let mut probe = NatProbe::new(Instant::now(), main.local_addr()?, server, Rng::from_os());
    let (mut one, mut two) = ([0; BUFFER], [0; BUFFER]);
    let mut buf = Vec::new();
    loop {
        while let Some((socket, destination)) = probe.poll_transmit(&mut buf) {
            let socket = if socket == ProbeSocket::Main { &main } else { &second };
            // An address that cannot be sent to is one that does not answer.
            let _ = socket.send_to(&buf, destination).await;
            buf.clear();
        }
        if probe.is_finished() {
            return Ok(Network::new(probe.report()));
        }
        let wait = probe
            .poll_timeout()
            .map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()));
        tokio::select! {
            got = main.recv_from(&mut one) => {
                if let Ok((size, source)) = got {
                    probe.handle_input(Instant::now(), ProbeSocket::Main, source, &one[..size]);
                }
            }
            got = second.recv_from(&mut two) => {
                if let Ok((size, source)) = got {
                    probe.handle_input(Instant::now(), ProbeSocket::Second, source, &two[..size]);
                }
            }
            () = tokio::time::sleep(wait) => probe.handle_timeout(Instant::now()),
        }
    }
}
