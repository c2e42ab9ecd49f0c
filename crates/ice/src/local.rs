//! Our side's addresses and candidates: bases, foundations, local preferences, and what the peer is told of them
//! (RFC 8445 §5.1, RFC 8421 §4, draft-ietf-rtcweb-mdns-ice-candidates §3.1).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use peerage_crypto::Rng;

use crate::candidate::{
    Candidate, CandidateAddress, CandidateKind, TcpType, priority, tcp_priority,
};
use crate::config::FamilyPolicy;
use crate::relay::RelayedAddress;
use crate::transmit::Protocol;

/// Most peer-reflexive local candidates: a peer that lies about our address cannot make the list grow.
pub(crate) const MAX_LOCAL_PEER_REFLEXIVE: usize = 16;

/// A socket's address, or one at a TURN server, which is its own base (RFC 8445 §5.1.1.2). It belongs to one protocol, so that a
/// path says which.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) address: SocketAddr,
    pub(crate) preference: u16,
    pub(crate) relay: Option<RelayedAddress>,
    /// Of ICE-TCP: who opens the stream.
    pub(crate) tcp: Option<TcpType>,
}

impl Base {
    pub(crate) fn protocol(&self) -> Protocol {
        if self.tcp.is_some() { Protocol::Tcp } else { Protocol::Udp }
    }

    /// The priority of a candidate of this base.
    pub(crate) fn priority(&self, kind: CandidateKind) -> u32 {
        match self.tcp {
            None => priority(kind, self.preference, 1),
            Some(tcp_type) => tcp_priority(kind, tcp_type, self.preference, 1),
        }
    }
}

/// A local candidate.
#[derive(Debug, Clone)]
pub(crate) struct LocalCandidate {
    /// With the true address.
    pub(crate) candidate: Candidate,
    /// As the peer is told; `None` for peer-reflexive candidates, which are never told.
    pub(crate) published: Option<Candidate>,
    pub(crate) base: SocketAddr,
    pub(crate) foundation: u32,
    /// The STUN server that has seen its address.
    pub(crate) server: Option<SocketAddr>,
}

/// Bases and candidates.
#[derive(Debug, Default)]
pub(crate) struct LocalCandidates {
    bases: Vec<Base>,
    candidates: Vec<LocalCandidate>,
    /// What a foundation stands for: type, base address, server and transport (RFC 8445 §5.1.1.3). The number is its index, which
    /// tells the peer nothing about hidden addresses.
    foundations: Vec<(CandidateKind, IpAddr, Option<IpAddr>, Option<TcpType>)>,
    /// Names that hide host addresses; kept for the agent's life.
    names: Vec<(IpAddr, String)>,
    /// How many of each family came, for datagrams and for streams.
    added: [[u16; 2]; 2],
}

impl LocalCandidates {
    pub(crate) fn bases(&self) -> &[Base] {
        &self.bases
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &LocalCandidate> {
        self.candidates.iter()
    }

    pub(crate) fn get(&self, index: usize) -> &LocalCandidate {
        &self.candidates[index]
    }

    pub(crate) fn base(&self, address: SocketAddr) -> Option<&Base> {
        self.bases.iter().find(|b| b.address == address)
    }

    /// The candidate that is a base itself: the host candidate of a socket, the relayed one of an allocation.
    pub(crate) fn own(&self, base: SocketAddr) -> Option<usize> {
        let is_own = |kind| matches!(kind, CandidateKind::Host | CandidateKind::Relayed);
        self.candidates.iter().position(|c| c.base == base && is_own(c.candidate.kind))
    }

    pub(crate) fn find(&self, base: SocketAddr, address: SocketAddr) -> Option<usize> {
        self.candidates
            .iter()
            .position(|c| c.base == base && c.candidate.socket_addr() == Some(address))
    }

    /// Registers a socket. Preferences intermingle the families (RFC 8421 §4): first of the preferred family, first of
    /// the other, second of the preferred, and so on; every one is unique (RFC 8445 §5.1.2.1).
    pub(crate) fn add_base(
        &mut self,
        address: SocketAddr,
        tcp: Option<TcpType>,
        policy: FamilyPolicy,
    ) {
        let v6 = address.is_ipv6();
        let added = &mut self.added[usize::from(tcp.is_some())][usize::from(v6)];
        let nth = *added;
        *added = nth.saturating_add(1);
        let first = v6 != matches!(policy, FamilyPolicy::PreferIpv4);
        let rank = nth.saturating_mul(2).saturating_add(u16::from(!first));
        // RFC 6544 §4.2: 13 bits beside the direction.
        let highest = if tcp.is_some() { 8191 } else { u16::MAX };
        let preference = highest - rank.min(highest - 1);
        self.bases.push(Base { address, preference, relay: None, tcp });
    }

    /// Registers an address at a TURN server. It is preferred as the socket is by which the server is reached, but UDP to the
    /// server before TCP, and that before TLS (RFC 8445 §5.1.2.2 leaves it to us).
    pub(crate) fn add_relayed_base(&mut self, relay: RelayedAddress) {
        let below = self.base(relay.base).map_or(u16::MAX / 2, |base| base.preference);
        let preference = match relay.protocol {
            Protocol::Udp => below,
            Protocol::TurnTls => below.saturating_sub(0x8000),
            _ => below.saturating_sub(0x4000),
        };
        // Unique (RFC 8445 §5.1.2.1): as many sockets and servers there are few.
        let taken =
            |preference| self.bases.iter().any(|b| b.relay.is_some() && b.preference == preference);
        let preference = (0..=preference).rev().find(|p| !taken(*p)).unwrap_or(0);
        self.bases.push(Base { address: relay.relayed, preference, relay: Some(relay), tcp: None });
    }

    /// Forgets a socket. Its candidates stay, so that indices stay true, but nobody asks for them any more.
    pub(crate) fn remove_base(&mut self, address: SocketAddr) {
        self.bases.retain(|b| b.address != address);
    }

    /// Removes the candidates, for a new generation.
    pub(crate) fn clear_candidates(&mut self) {
        self.candidates.clear();
        self.foundations.clear();
    }

    fn foundation(
        &mut self,
        kind: CandidateKind,
        base: IpAddr,
        server: Option<IpAddr>,
        tcp: Option<TcpType>,
    ) -> u32 {
        let key = (kind, base, server, tcp);
        let index = self.foundations.iter().position(|f| *f == key).unwrap_or_else(|| {
            self.foundations.push(key);
            self.foundations.len() - 1
        });
        index as u32 + 1
    }

    /// Makes the host candidate of a base. With `hide`, the peer is told a name; the second value is that name when it
    /// is new and must be published.
    pub(crate) fn add_host(
        &mut self,
        base: &Base,
        hide: bool,
        rng: &mut Rng,
    ) -> (usize, Option<String>) {
        let ip = base.address.ip();
        if let Some(index) = self.own(base.address) {
            // The socket was gone and is back.
            return (index, None);
        }
        let foundation = self.foundation(CandidateKind::Host, ip, None, base.tcp);
        let mut candidate = Candidate::udp(
            CandidateKind::Host,
            base.address,
            base.priority(CandidateKind::Host),
            foundation.to_string(),
        );
        candidate.set_tcp(base.tcp);
        let mut published = candidate.clone();
        let mut fresh = None;
        if hide {
            let name = match self.names.iter().find(|(i, _)| *i == ip) {
                Some((_, name)) => name.clone(),
                None => {
                    let name = uuid_name(rng);
                    self.names.push((ip, name.clone()));
                    fresh = Some(name.clone());
                    name
                }
            };
            published.address = CandidateAddress::Mdns(name);
        }
        self.candidates.push(LocalCandidate {
            candidate,
            published: Some(published),
            base: base.address,
            foundation,
            server: None,
        });
        (self.candidates.len() - 1, fresh)
    }

    /// Makes the relayed candidate of an allocation. With `hide`, the peer is not told our address at the server.
    pub(crate) fn add_relayed(&mut self, base: &Base, relay: RelayedAddress, hide: bool) -> usize {
        if let Some(index) = self.own(base.address) {
            return index;
        }
        let kind = CandidateKind::Relayed;
        let (ip, server) = (base.address.ip(), Some(relay.server));
        let foundation = self.foundation(kind, ip, Some(relay.server.ip()), None);
        let mut candidate = Candidate::udp(
            kind,
            base.address,
            priority(kind, base.preference, 1),
            foundation.to_string(),
        );
        // RFC 8445 §5.1.1.3: the related address of a relayed candidate is the mapped one.
        candidate.related = Some((CandidateAddress::Ip(relay.mapped.ip()), relay.mapped.port()));
        let mut published = candidate.clone();
        if hide {
            published.related = Some(unspecified(relay.mapped.ip()));
        }
        let (base, published) = (base.address, Some(published));
        self.candidates.push(LocalCandidate { candidate, published, base, foundation, server });
        self.candidates.len() - 1
    }

    /// Makes a server-reflexive candidate; `None` when it is redundant (RFC 8445 §5.1.3).
    pub(crate) fn add_server_reflexive(
        &mut self,
        base: &Base,
        mapped: SocketAddr,
        server: SocketAddr,
        hide: bool,
    ) -> Option<usize> {
        let redundant = self.candidates.iter().any(|c| {
            c.base == base.address
                && c.candidate.socket_addr() == Some(mapped)
                // A host candidate that hides behind a name does not tell the peer this address
                // (draft-ietf-rtcweb-mdns-ice-candidates §3.1.2.2).
                && !(hide && c.candidate.kind == CandidateKind::Host)
                && c.published.is_some()
        });
        if redundant {
            return None;
        }
        let kind = CandidateKind::ServerReflexive;
        let foundation = self.foundation(kind, base.address.ip(), Some(server.ip()), None);
        let mut candidate =
            Candidate::udp(kind, mapped, base.priority(kind), foundation.to_string());
        candidate.related = Some((CandidateAddress::Ip(base.address.ip()), base.address.port()));
        let mut published = candidate.clone();
        if hide {
            published.related = Some(unspecified(base.address.ip()));
        }
        self.candidates.push(LocalCandidate {
            candidate,
            published: Some(published),
            base: base.address,
            foundation,
            server: Some(server),
        });
        Some(self.candidates.len() - 1)
    }

    /// Makes a peer-reflexive candidate (RFC 8445 §7.2.5.3.1); `None` when there are too many.
    pub(crate) fn add_peer_reflexive(
        &mut self,
        base: SocketAddr,
        mapped: SocketAddr,
        priority: u32,
    ) -> Option<usize> {
        let kind = CandidateKind::PeerReflexive;
        if self.candidates.iter().filter(|c| c.candidate.kind == kind).count()
            >= MAX_LOCAL_PEER_REFLEXIVE
        {
            return None;
        }
        let tcp = self.base(base).and_then(|base| base.tcp);
        let foundation = self.foundation(kind, base.ip(), None, tcp);
        let mut candidate = Candidate::udp(kind, mapped, priority, foundation.to_string());
        candidate.set_tcp(tcp);
        candidate.related = Some((CandidateAddress::Ip(base.ip()), base.port()));
        let (published, server) = (None, None);
        self.candidates.push(LocalCandidate { candidate, published, base, foundation, server });
        Some(self.candidates.len() - 1)
    }
}

/// What stands in for a related address that is not told (draft-ietf-rtcweb-mdns-ice-candidates §3.1.2.2).
fn unspecified(like: IpAddr) -> (CandidateAddress, u16) {
    let ip = match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    (CandidateAddress::Ip(ip), 9)
}

/// `<UUID version 4>.local` (draft-ietf-rtcweb-mdns-ice-candidates §3.1.1).
fn uuid_name(rng: &mut Rng) -> String {
    let mut b = [0u8; 16];
    rng.fill(&mut b);
    b[6] = b[6] & 0x0F | 0x40;
    b[8] = b[8] & 0x3F | 0x80;
    let v = u128::from_be_bytes(b);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}.local",
        v >> 96,
        v >> 80 & 0xFFFF,
        v >> 64 & 0xFFFF,
        v >> 48 & 0xFFFF,
        v & 0xFFFF_FFFF_FFFF
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_intermingle_the_families() {
        let mut local = LocalCandidates::default();
        for address in ["10.0.0.1:1", "[2001:db8::1]:1", "10.0.0.2:1", "[2001:db8::2]:1"] {
            local.add_base(address.parse().unwrap(), None, FamilyPolicy::PreferIpv6);
        }
        let mut order: Vec<_> = local.bases().to_vec();
        order.sort_by_key(|b| u16::MAX - b.preference);
        let order: Vec<_> = order.iter().map(|b| b.address.ip().to_string()).collect();
        assert_eq!(order, ["2001:db8::1", "10.0.0.1", "2001:db8::2", "10.0.0.2"]);
    }

    #[test]
    fn names_are_uuids_and_stay_with_their_address() {
        let mut rng = Rng::from_seed(3);
        let mut local = LocalCandidates::default();
        local.add_base("10.0.0.1:1".parse().unwrap(), None, FamilyPolicy::PreferIpv6);
        let base = local.bases()[0].clone();
        let (_, name) = local.add_host(&base, true, &mut rng);
        let name = name.unwrap();
        assert_eq!(name.len(), 36 + ".local".len());
        assert_eq!(name.as_bytes()[14], b'4');
        local.clear_candidates();
        let (index, again) = local.add_host(&base, true, &mut rng);
        assert_eq!(again, None);
        let published = local.get(index).published.clone().unwrap();
        assert_eq!(published.address, CandidateAddress::Mdns(name));
    }
}
