//! Which peers may be reached through the server.
//!
//! A relay is a way into the network that it stands in, so what is not the public Internet is closed unless it is opened: see
//! RFC 8656 §21.1.6 (a TURN server as a way around a firewall) and §21.1.7 (running services on it).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::error::ConfigError;

/// A range of addresses, such as `10.0.0.0/8` or `2001:db8::/32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    length: u8,
}

impl Cidr {
    /// The addresses that share the first `length` bits with `network`; `None` where the address has fewer bits.
    pub const fn new(network: IpAddr, length: u8) -> Option<Self> {
        let max = if network.is_ipv4() { 32 } else { 128 };
        if length > max { None } else { Some(Self { network, length }) }
    }

    const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Self {
        Self { network: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), length }
    }

    const fn v6(first: u16, second: u16, length: u8) -> Self {
        Self { network: IpAddr::V6(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0)), length }
    }

    /// Whether an address is in the range.
    pub fn contains(&self, ip: IpAddr) -> bool {
        // A shift by all bits is no shift in Rust, hence `checked_shr`.
        let length = u32::from(self.length);
        match (self.network, ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let mask = !u32::MAX.checked_shr(length).unwrap_or(0);
                u32::from(network) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let mask = !u128::MAX.checked_shr(length).unwrap_or(0);
                u128::from(network) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.length)
    }
}

impl FromStr for Cidr {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let wrong = || ConfigError::Cidr { text: text.into() };
        let (network, length) = match text.split_once('/') {
            Some((network, length)) => (network, Some(length)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| wrong())?;
        let length = match length {
            Some(length) => length.parse().map_err(|_| wrong())?,
            None if network.is_ipv4() => 32,
            None => 128,
        };
        Self::new(network, length).ok_or_else(wrong)
    }
}

/// What is closed unless it is opened, and why.
const CLOSED: [(Cidr, &str); 22] = [
    (Cidr::v4(0, 0, 0, 0, 8), "this network"),
    (Cidr::v4(10, 0, 0, 0, 8), "private"),
    (Cidr::v4(100, 64, 0, 0, 10), "shared by carriers"),
    (Cidr::v4(127, 0, 0, 0, 8), "loopback"),
    // Of a public range, and yet the host's own on Azure: metadata, DNS and health.
    (Cidr::v4(168, 63, 129, 16, 32), "cloud metadata"),
    // 169.254.169.254 and its like serve metadata and credentials on most clouds.
    (Cidr::v4(169, 254, 0, 0, 16), "link-local, cloud metadata"),
    (Cidr::v4(172, 16, 0, 0, 12), "private"),
    (Cidr::v4(192, 0, 0, 0, 24), "protocol assignments, cloud metadata"),
    (Cidr::v4(192, 0, 2, 0, 24), "documentation"),
    (Cidr::v4(192, 168, 0, 0, 16), "private"),
    (Cidr::v4(198, 18, 0, 0, 15), "benchmarks"),
    (Cidr::v4(198, 51, 100, 0, 24), "documentation"),
    (Cidr::v4(203, 0, 113, 0, 24), "documentation"),
    (Cidr::v4(224, 0, 0, 0, 4), "multicast"),
    (Cidr::v4(240, 0, 0, 0, 4), "reserved, broadcast"),
    // Unspecified, loopback, and IPv4-compatible addresses, which nobody uses.
    (Cidr::v6(0, 0, 96), "loopback, unspecified"),
    (Cidr::v6(0x0100, 0, 64), "discard"),
    (Cidr::v6(0x2001, 0x0db8, 32), "documentation"),
    (Cidr::v6(0xfc00, 0, 7), "private, cloud metadata"),
    (Cidr::v6(0xfe80, 0, 10), "link-local"),
    (Cidr::v6(0xfec0, 0, 10), "site-local"),
    (Cidr::v6(0xff00, 0, 8), "multicast"),
];

/// Rules for peers' addresses. The longest range of `allow` and `deny` that holds an address decides, `deny` where both are as
/// long; where neither does, what is loopback, link-local, private, metadata, multicast, reserved or documentation is refused.
#[derive(Clone, Debug, Default)]
pub struct PeerRules {
    /// Opened ranges.
    pub allow: Vec<Cidr>,
    /// Closed ranges.
    pub deny: Vec<Cidr>,
}

impl PeerRules {
    /// What the lists say of an address: `Some(true)` opened, `Some(false)` closed, `None` nothing.
    pub fn named(&self, ip: IpAddr) -> Option<bool> {
        let allowed = longest(&self.allow, ip);
        let denied = longest(&self.deny, ip);
        if denied.is_some() && denied >= allowed {
            return Some(false);
        }
        allowed.is_some().then_some(true)
    }

    /// Why a peer is refused; `None` where it may be reached.
    pub fn refusal(&self, ip: IpAddr) -> Option<&'static str> {
        match self.named(ip) {
            Some(true) => return None,
            Some(false) => return Some("denied by configuration"),
            None => {}
        }
        if let Some((_, why)) = CLOSED.iter().find(|(range, _)| range.contains(ip)) {
            return Some(why);
        }
        // An IPv6 address that a translator or tunnel turns into an IPv4 one is judged as that.
        embedded(ip).and_then(|inner| self.refusal(inner))
    }
}

fn longest(ranges: &[Cidr], ip: IpAddr) -> Option<u8> {
    ranges.iter().filter(|range| range.contains(ip)).map(|range| range.length).max()
}

/// The IPv4 address inside of an IPv4-mapped (RFC 4291), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056) or ISATAP-like one.
fn embedded(ip: IpAddr) -> Option<IpAddr> {
    let IpAddr::V6(v6) = ip else { return None };
    let s = v6.segments();
    let v4 =
        |high: u16, low: u16| Some(IpAddr::V4((u32::from(high) << 16 | u32::from(low)).into()));
    match s {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, _, _, _, _, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo (RFC 4380): the client's address, inverted.
        [0x2001, 0, .., high, low] => v4(!high, !low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(rules: &PeerRules, ip: &str) -> bool {
        rules.refusal(ip.parse().unwrap()).is_some()
    }

    #[test]
    fn what_is_not_the_public_internet_is_closed() {
        let rules = PeerRules::default();
        for ip in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.100.100.200",
            "169.254.169.254",
            "168.63.129.16",
            "192.0.0.192",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::10.0.0.1",
            "2002:7f00:1::",
            "::127.0.0.1",
            "2001:0:1:2:3:4:80ff:fffe",
            "::ffff:0:127.0.0.1",
        ] {
            assert!(refused(&rules, ip), "{ip}");
        }
        for ip in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert!(!refused(&rules, ip), "{ip}");
        }
    }

    #[test]
    fn the_longest_range_decides() {
        let cidrs = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        let rules = PeerRules {
            allow: cidrs(&["10.0.0.0/8", "10.9.9.9", "::/0"]),
            deny: cidrs(&["10.9.0.0/16", "8.8.0.0/16", "10.0.0.0/8", "fd00::/8"]),
        };
        assert!(refused(&rules, "10.1.1.1"), "as long: denied");
        assert!(refused(&rules, "10.9.1.1"));
        assert!(!refused(&rules, "10.9.9.9"));
        assert!(refused(&rules, "8.8.8.8"));
        assert!(!refused(&rules, "fe80::1"));
        assert!(refused(&rules, "fd00::1"));
        assert!(refused(&rules, "192.168.0.1"), "not named: closed");
    }

    #[test]
    fn ranges_that_are_none_are_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "x/8", "10.0.0.0/-1"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        assert_eq!("10.0.0.1".parse::<Cidr>().unwrap().to_string(), "10.0.0.1/32");
    }
}
