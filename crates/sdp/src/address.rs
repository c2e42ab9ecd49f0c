//! Network addresses as `o=`, `c=` and `a=rtcp` write them, and the host of a candidate.

use crate::scan::{Scan, Scanner};
use crate::sink::Sink;
use crate::text::Word;
use crate::value::Value;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address or a name, such as the `.local` name of a hidden host candidate.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// An IP address.
    Ip(IpAddr),
    /// Anything else: a domain name, a multicast address with its TTL.
    Name(Word),
}

impl Host {
    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Host::Ip(ip) => Some(*ip),
            Host::Name(_) => None,
        }
    }

    #[inline]
    pub(crate) fn from_word(word: &str) -> Host {
        // A name is tried as an address only if it can be one: most failures of the address
        // parser would cost more than the check.
        let first = word.as_bytes().first().copied().unwrap_or_default();
        if (first.is_ascii_digit() || word.contains(':'))
            && let Ok(ip) = word.parse()
        {
            return Host::Ip(ip);
        }
        Host::Name(Word::checked(word))
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Host {
        Host::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Ip(ip) => ip.fmt(f),
            Host::Name(name) => name.fmt(f),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Value for Host {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<Host> {
        Ok(Host::from_word(scanner.word("expected an IP address or a name")?))
    }

    fn write(&self, out: &mut impl Sink) {
        match self {
            Host::Ip(IpAddr::V4(ip)) => write_v4(*ip, out),
            Host::Ip(IpAddr::V6(ip)) => out.display(ip),
            Host::Name(name) => out.put(name),
        }
    }
}

fn write_v4(ip: Ipv4Addr, out: &mut impl Sink) {
    let [a, b, c, d] = ip.octets();
    out.number(a.into());
    for octet in [b, c, d] {
        out.put(".");
        out.number(octet.into());
    }
}

/// `<nettype> <addrtype> <address>` of RFC 8866 §5.2 and §5.7.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NetworkAddress {
    /// `IN IP4` with an IPv4 or `IN IP6` with an IPv6 address.
    Ip(IpAddr),
    /// Any other: a name, a multicast address with TTL and count, another network.
    Other {
        /// Network type, usually `IN`.
        network: Word,
        /// Address type, usually `IP4` or `IP6`.
        kind: Word,
        /// The address.
        address: Word,
    },
}

impl NetworkAddress {
    /// `IN IP4 0.0.0.0`, which WebRTC writes where no address is known yet (RFC 9429 §5.2.1).
    pub const UNSPECIFIED: NetworkAddress = NetworkAddress::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));

    /// `IN IP4 127.0.0.1`, what an `o=` says that hides its host (RFC 9429 §5.2.1).
    pub const LOOPBACK: NetworkAddress = NetworkAddress::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));

    /// The IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            NetworkAddress::Ip(ip) => Some(*ip),
            NetworkAddress::Other { .. } => None,
        }
    }
}

impl From<IpAddr> for NetworkAddress {
    fn from(ip: IpAddr) -> NetworkAddress {
        NetworkAddress::Ip(ip)
    }
}

impl Value for NetworkAddress {
    fn parse(scanner: &mut Scanner<'_>) -> Scan<NetworkAddress> {
        let network = scanner.word("expected a network type, such as IN")?;
        let kind = scanner.word("expected an address type, such as IP4")?;
        let address = scanner.word("expected an address")?;
        if network == "IN" {
            match kind {
                "IP4" => {
                    if let Ok(ip) = address.parse::<Ipv4Addr>() {
                        return Ok(NetworkAddress::Ip(ip.into()));
                    }
                }
                "IP6" => {
                    if let Ok(ip) = address.parse::<Ipv6Addr>() {
                        return Ok(NetworkAddress::Ip(ip.into()));
                    }
                }
                _ => {}
            }
        }
        Ok(NetworkAddress::Other {
            network: Word::checked(network),
            kind: Word::checked(kind),
            address: Word::checked(address),
        })
    }

    fn write(&self, out: &mut impl Sink) {
        match self {
            NetworkAddress::Ip(IpAddr::V4(ip)) => {
                out.put("IN IP4 ");
                write_v4(*ip, out);
            }
            NetworkAddress::Ip(IpAddr::V6(ip)) => {
                out.put("IN IP6 ");
                out.display(ip);
            }
            NetworkAddress::Other { network, kind, address } => {
                for (i, word) in [network, kind, address].into_iter().enumerate() {
                    if i > 0 {
                        out.put(" ");
                    }
                    out.put(word);
                }
            }
        }
    }
}
