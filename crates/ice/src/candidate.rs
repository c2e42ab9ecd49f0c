//! A transport address at which an agent can be reached, with its kind and priority (RFC 8445 §5.1, RFC 8839 §5.1).
//!
//! The text form lives in the module `candidate_text`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// How a candidate was learnt (RFC 8445 §5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// An address of an interface.
    Host,
    /// The address a STUN server sees.
    ServerReflexive,
    /// The address the peer sees.
    PeerReflexive,
    /// An address at a TURN server.
    Relayed,
}

impl CandidateKind {
    /// Type preference (RFC 8445 §5.1.2.2).
    pub fn type_preference(self) -> u8 {
        match self {
            Self::Host => 126,
            Self::PeerReflexive => 110,
            Self::ServerReflexive => 100,
            Self::Relayed => 0,
        }
    }

    /// The token of the `typ` field: `host`, `srflx`, `prflx`, `relay`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relayed => "relay",
        }
    }
}

impl fmt::Display for CandidateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Transport of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CandidateTransport {
    /// UDP.
    Udp,
    /// TCP (RFC 6544).
    Tcp,
    /// A transport this crate does not know: a lower-case token, kept and never checked.
    Other(String),
}

impl CandidateTransport {
    /// The token, lower case.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Other(token) => token,
        }
    }
}

/// TCP candidate types (RFC 6544 §4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TcpType {
    /// Opens connections.
    Active,
    /// Accepts connections.
    Passive,
    /// Does both at once.
    SimultaneousOpen,
}

impl TcpType {
    /// The value of the extension `tcptype`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::SimultaneousOpen => "so",
        }
    }

    /// The peer's candidates that ours of this type is paired with (RFC 6544 §6.2).
    pub fn counterpart(self) -> Self {
        match self {
            Self::Active => Self::Passive,
            Self::Passive => Self::Active,
            Self::SimultaneousOpen => Self::SimultaneousOpen,
        }
    }

    /// Direction preference of a host candidate (RFC 6544 §4.2).
    fn direction_preference(self) -> u16 {
        match self {
            Self::Active => 6,
            Self::Passive => 4,
            Self::SimultaneousOpen => 2,
        }
    }
}

/// An IP address, or a name that hides one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CandidateAddress {
    /// An address.
    Ip(IpAddr),
    /// A multicast DNS name that ends in `.local` (draft-ietf-rtcweb-mdns-ice-candidates §3).
    Mdns(String),
    /// Another domain name: kept as text, never resolved (RFC 8839 §5.1 lets an agent ignore it).
    Fqdn(String),
}

impl CandidateAddress {
    /// The address, unless it is a name.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Mdns(_) | Self::Fqdn(_) => None,
        }
    }
}

impl fmt::Display for CandidateAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Mdns(name) | Self::Fqdn(name) => f.write_str(name),
        }
    }
}

/// A candidate, local or remote.
///
/// `Display` writes `candidate:...` as it stands in an `RTCIceCandidate` or after `a=`; `FromStr` reads it, with or
/// without `a=` and with or without `candidate:`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Candidate {
    /// Groups candidates that are likely to succeed or fail together; 1 to 32 `ice-char`s.
    pub foundation: String,
    /// 1 for RTP and everything bundled, 2 for RTCP without rtcp-mux. This agent runs component 1 only.
    pub component: u16,
    /// The transport.
    pub transport: CandidateTransport,
    /// The priority (RFC 8445 §5.1.2).
    pub priority: u32,
    /// The address or name.
    pub address: CandidateAddress,
    /// The port.
    pub port: u16,
    /// The kind.
    pub kind: CandidateKind,
    /// `raddr` and `rport`: for diagnosis only (RFC 8839 §5.1).
    pub related: Option<(CandidateAddress, u16)>,
    /// Extension attributes (`tcptype`, `generation`, `ufrag`, `network-cost`, ...) in the order of the text.
    pub extensions: Vec<(String, String)>,
}

impl Candidate {
    /// A UDP candidate of component 1 without extensions.
    pub fn udp(
        kind: CandidateKind,
        address: SocketAddr,
        priority: u32,
        foundation: impl Into<String>,
    ) -> Self {
        Self {
            foundation: foundation.into(),
            component: 1,
            transport: CandidateTransport::Udp,
            priority,
            address: CandidateAddress::Ip(address.ip()),
            port: address.port(),
            kind,
            related: None,
            extensions: Vec::new(),
        }
    }

    /// A host candidate with the priority of a single-homed agent: handy in tests and for lite peers.
    pub fn host(address: SocketAddr) -> Self {
        Self::udp(CandidateKind::Host, address, priority(CandidateKind::Host, u16::MAX, 1), "1")
    }

    /// Makes it one of ICE-TCP (RFC 6544 §4.5); `None` leaves it as it is.
    pub(crate) fn set_tcp(&mut self, tcp_type: Option<TcpType>) {
        if let Some(tcp_type) = tcp_type {
            self.transport = CandidateTransport::Tcp;
            self.extensions.push(("tcptype".to_owned(), tcp_type.as_str().to_owned()));
        }
    }

    /// Address and port, unless the address is a name.
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        self.address.ip().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// The value of the extension `name`.
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The `ufrag` extension, by which trickled candidates name their generation.
    pub fn ufrag(&self) -> Option<&str> {
        self.extension("ufrag")
    }

    /// The `tcptype` extension (RFC 6544 §4.5).
    pub fn tcp_type(&self) -> Option<TcpType> {
        match self.extension("tcptype")? {
            "active" => Some(TcpType::Active),
            "passive" => Some(TcpType::Passive),
            "so" => Some(TcpType::SimultaneousOpen),
            _ => None,
        }
    }
}

/// Priority of a candidate: `2^24 * type preference + 2^8 * local preference + (256 - component)` (RFC 8445 §5.1.2.1).
pub fn priority(kind: CandidateKind, local_preference: u16, component: u16) -> u32 {
    (u32::from(kind.type_preference()) << 24)
        + (u32::from(local_preference) << 8)
        + (256 - u32::from(component.clamp(1, 256)))
}

/// Priority of a TCP candidate: the local preference is `2^13 * direction preference + other preference` (RFC 6544 §4.2).
/// Its type preference is below that of every UDP candidate but relayed ones, as §4.2 recommends for media: 90 for host,
/// 80 for peer-reflexive ones.
pub fn tcp_priority(kind: CandidateKind, tcp_type: TcpType, other: u16, component: u16) -> u32 {
    let type_preference: u32 = match kind {
        CandidateKind::Host => 90,
        CandidateKind::PeerReflexive => 80,
        CandidateKind::ServerReflexive => 70,
        CandidateKind::Relayed => 0,
    };
    let local = (u32::from(tcp_type.direction_preference()) << 13) + u32::from(other.min(8191));
    (type_preference << 24) + (local << 8) + (256 - u32::from(component.clamp(1, 256)))
}

/// Priority of a pair: `2^32 * MIN(G, D) + 2 * MAX(G, D) + (G > D ? 1 : 0)`, where G is the priority of the
/// controlling side's candidate and D that of the controlled side's (RFC 8445 §6.1.2.3).
pub fn pair_priority(controlling: u32, controlled: u32) -> u64 {
    let (g, d) = (u64::from(controlling), u64::from(controlled));
    (g.min(d) << 32) + 2 * g.max(d) + u64::from(g > d)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_follow_the_formula() {
        // RFC 8839 §5.1's example: host, local preference 65535, component 1.
        assert_eq!(priority(CandidateKind::Host, 65535, 1), 2_130_706_431);
        assert_eq!(priority(CandidateKind::ServerReflexive, 65535, 1), 1_694_498_815);
        assert_eq!(pair_priority(1, 2), (1 << 32) + 4);
        assert_eq!(pair_priority(2, 1), (1 << 32) + 5);
    }
}
