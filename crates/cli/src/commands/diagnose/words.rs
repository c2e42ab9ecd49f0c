//! The diagnosis in plain words, and what would connect with whom.

use std::fmt::Write;

use serde::Serialize;

use super::Diagnosis;
use super::nat::Network;
use super::target::By;
use super::transports::Transport;

/// What would happen with a peer of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Peer {
    /// What stands before the peer.
    pub(crate) peer: &'static str,
    /// `direct`, `relay` or `none`; `unknown` where the servers did not tell enough.
    pub(crate) path: &'static str,
    /// How, in words.
    pub(crate) how: String,
}

/// The kinds of peers: name, whether its mapping depends on whom it sends to, whether its filter looks at ports.
const PEERS: [(&str, bool, bool); 4] = [
    ("a public address", false, false),
    ("a NAT at home (keeps its mapping, lets in whom it sent to)", false, true),
    ("a symmetric NAT (another port for each destination)", true, true),
    ("a firewall that blocks UDP", true, true),
];

/// What would connect with whom.
pub(crate) fn peers(networks: &[Network], transports: &[Transport]) -> Vec<Peer> {
    let relay = |streams: bool| {
        let mut relays = transports.iter().filter(|transport| transport.relays());
        relays.find(|transport| !streams || transport.by != By::Udp)
    };
    let over = |relay: &Transport| ("relay", format!("over {} by {}", relay.url, relay.by.name()));
    let relayed = |index: usize| match (relay(index == PEERS.len() - 1), relay(false)) {
        (Some(relay), _) => over(relay),
        (None, Some(relay)) => {
            ("none", format!("not over {}, unless it can be reached by TCP or TLS too", relay.url))
        }
        (None, None) => ("none", "not without a TURN server that can be reached".to_owned()),
    };
    // The friendlier of two IP versions counts, but only where the peer has it too: so the one with IPv4 is told of.
    let network = networks.iter().find(|n| n.server.is_ipv4()).or(networks.first());
    let blocked = network.is_none_or(|network| network.mapped.is_none());
    let last = PEERS.len() - 1;
    let decide = |index: usize, symmetric: bool, strict: bool| {
        if index == last || blocked {
            return relayed(index);
        }
        let (Some(mapping), Some(filtering)) =
            (network.and_then(|n| n.mapping), network.and_then(|n| n.filtering))
        else {
            return match network {
                Some(n) if !n.is_translated() => {
                    ("direct", "directly, unless a firewall forbids it".into())
                }
                _ if index == 0 => ("direct", "directly".into()),
                _ => (
                    "unknown",
                    "the STUN server has one address only, which does not tell how the NAT behaves"
                        .into(),
                ),
            };
        };
        let we_symmetric = mapping != "endpoint-independent";
        let we_strict = filtering == "address-and-port-dependent" || we_symmetric;
        if (we_symmetric && strict) || (symmetric && we_strict) {
            relayed(index)
        } else {
            ("direct", "directly".to_owned())
        }
    };
    let peer = |(index, (peer, symmetric, strict)): (usize, (&'static str, bool, bool))| {
        let (path, how) = decide(index, symmetric, strict);
        Peer { peer, path, how }
    };
    PEERS.into_iter().enumerate().map(peer).collect()
}

/// The whole, for people.
pub(crate) fn describe(diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    if diagnosis.networks.is_empty() {
        text.push_str("No server was asked by UDP, so nothing is known of a NAT.\n");
    }
    for network in &diagnosis.networks {
        let version = if network.server.is_ipv4() { "IPv4" } else { "IPv6" };
        let _ = writeln!(text, "{version}: {}", of_network(network));
    }
    text.push_str("\nWhat gets out:\n");
    for transport in &diagnosis.transports {
        let Transport { url, by, answered, milliseconds, relayed, problem, .. } = transport;
        let by = by.name();
        let _ = match (answered, milliseconds, problem) {
            (true, Some(ms), None) => {
                let relayed =
                    relayed.as_ref().map_or(String::new(), |r| format!(", and relays from {r}"));
                writeln!(text, "  {by:<4} yes  {url} answered in {ms:.0} ms{relayed}")
            }
            (true, _, problem) => {
                writeln!(text, "  {by:<4} yes  {url}, but {}", problem.as_deref().unwrap_or(""))
            }
            (false, _, problem) => {
                writeln!(text, "  {by:<4} no   {url}: {}", problem.as_deref().unwrap_or(""))
            }
        };
    }
    text.push_str("\nWho would connect with a peer behind\n");
    for peer in &diagnosis.peers {
        let _ = writeln!(text, "  {}: {}", peer.peer, peer.how);
    }
    let udp = |t: &&Transport| t.by == By::Udp;
    let any = diagnosis.transports.iter().filter(udp).any(|t| t.answered);
    let tried = diagnosis.transports.iter().any(|t| t.by == By::Udp);
    let stream = diagnosis.transports.iter().any(|t| t.by != By::Udp && t.answered);
    if tried && !any && stream {
        text.push_str(
            "\nUDP seems to be blocked: only a TURN server by TCP or TLS connects this machine.\n",
        );
    } else if tried && !any {
        text.push_str(
            "\nNothing answered: are the servers there, and is this machine on the internet?\n",
        );
    }
    text
}

fn of_network(network: &Network) -> String {
    let Some(mapped) = network.mapped else {
        return format!(
            "{} did not answer by UDP; it is blocked, or the server is not there",
            network.server
        );
    };
    let mut text = if network.is_translated() {
        format!("behind a NAT: {} is seen as {mapped}", network.local)
    } else {
        format!("no NAT: {mapped} is this machine's own address")
    };
    text.push_str(match (network.is_translated(), network.mapping, network.filtering) {
        (false, _, Some("endpoint-independent")) => "; no firewall either",
        (false, _, Some(_)) => "; a firewall lets in whom this machine sent to",
        (false, ..) => "",
        (true, None, _) | (true, _, None) => {
            "; the server has one address only, which does not tell how the NAT behaves"
        }
        (true, Some("endpoint-independent"), Some("endpoint-independent")) => {
            "; a full cone: anybody may send to that address"
        }
        (true, Some("endpoint-independent"), Some("address-dependent")) => {
            "; it keeps its mapping, and lets in the addresses that were sent to"
        }
        (true, Some("endpoint-independent"), Some(_)) => {
            "; the usual kind at home: it keeps its mapping, and lets in the addresses and ports that were sent to"
        }
        (true, Some(_), Some(_)) => {
            "; a symmetric NAT: each destination sees another port, so that peers behind strict NATs need a relay"
        }
    });
    match network.hairpin {
        Some(true) => text + "; two machines behind it reach each other by the outer address",
        Some(false) => text + "; it does not hairpin",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(mapped: &str, mapping: &'static str, filtering: &'static str) -> Network {
        Network {
            server: "203.0.113.10:3478".parse().unwrap(),
            local: "10.0.0.2:5000".parse().unwrap(),
            mapped: Some(mapped.parse().unwrap()),
            tells_behavior: true,
            mapping: Some(mapping),
            filtering: Some(filtering),
            hairpin: Some(false),
        }
    }

    fn relay(answered: bool) -> Transport {
        Transport {
            url: "turn:example.org".into(),
            by: By::Tcp,
            turn: true,
            server: None,
            answered,
            milliseconds: None,
            relayed: None,
            refused: false,
            problem: None,
        }
    }

    fn paths(networks: &[Network], transports: &[Transport]) -> Vec<&'static str> {
        peers(networks, transports).iter().map(|peer| peer.path).collect()
    }

    #[test]
    fn who_connects_follows_from_both_nats() {
        let (eim, strict) = ("endpoint-independent", "address-and-port-dependent");
        let home = [network("198.51.100.1:5000", eim, strict)];
        assert_eq!(paths(&home, &[]), ["direct", "direct", "none", "none"]);
        assert_eq!(paths(&home, &[relay(true)]), ["direct", "direct", "relay", "relay"]);
        let cone = [network("198.51.100.1:5000", eim, eim)];
        assert_eq!(paths(&cone, &[]), ["direct", "direct", "direct", "none"]);
        let symmetric = [network("198.51.100.1:5000", strict, strict)];
        assert_eq!(paths(&symmetric, &[relay(false)]), ["direct", "none", "none", "none"]);
        let mut blocked = home;
        blocked[0].mapped = None;
        assert_eq!(paths(&blocked, &[relay(true)]), ["relay"; 4]);
        // A peer without UDP cannot reach a server that listens on nothing else.
        let mut by_udp = relay(true);
        by_udp.by = By::Udp;
        assert_eq!(paths(&blocked, &[by_udp]), ["relay", "relay", "relay", "none"]);
    }

    #[test]
    fn nats_have_names() {
        let eim = "endpoint-independent";
        let strict = "address-and-port-dependent";
        assert!(of_network(&network("198.51.100.1:9", eim, strict)).contains("usual kind at home"));
        assert!(of_network(&network("198.51.100.1:9", eim, eim)).contains("full cone"));
        assert!(of_network(&network("198.51.100.1:9", strict, strict)).contains("symmetric"));
        assert!(of_network(&network("10.0.0.2:5000", eim, eim)).contains("no NAT"));
    }
}
