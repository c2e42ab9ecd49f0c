//! The peer's candidates: told by signaling, learnt from checks, or waiting for a name to be resolved.

use std::net::{IpAddr, SocketAddr};

use crate::candidate::{Candidate, CandidateAddress, CandidateKind, CandidateTransport, TcpType};

/// Most peer-reflexive remote candidates in one generation. Only who knows our password can make one.
pub(crate) const MAX_REMOTE_PEER_REFLEXIVE: usize = 16;

/// Most candidates whose names are being resolved.
pub(crate) const MAX_UNRESOLVED: usize = 16;

/// A remote candidate with its address.
#[derive(Debug, Clone)]
pub(crate) struct RemoteCandidate {
    pub(crate) candidate: Candidate,
    pub(crate) address: SocketAddr,
    pub(crate) foundation: u32,
}

/// Remote candidates of one generation.
#[derive(Debug, Default)]
pub(crate) struct RemoteCandidates {
    candidates: Vec<RemoteCandidate>,
    unresolved: Vec<Candidate>,
    foundations: Vec<String>,
    pub(crate) ended: bool,
}

/// What became of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is new; its index.
    New(usize),
    /// It tells more about a peer-reflexive candidate; its index.
    Updated(usize),
    /// It was known, or there are too many.
    Ignored,
}

impl RemoteCandidates {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &RemoteCandidate> {
        self.candidates.iter()
    }

    pub(crate) fn len(&self) -> usize {
        self.candidates.len()
    }

    pub(crate) fn get(&self, index: usize) -> &RemoteCandidate {
        &self.candidates[index]
    }

    fn foundation(&mut self, text: &str) -> u32 {
        let index = self.foundations.iter().position(|f| f == text).unwrap_or_else(|| {
            self.foundations.push(text.to_owned());
            self.foundations.len() - 1
        });
        index as u32
    }

    /// Adds a candidate whose address is known.
    pub(crate) fn add(&mut self, candidate: Candidate, address: SocketAddr, limit: usize) -> Added {
        let is_it = |c: &RemoteCandidate| {
            c.address == address && c.candidate.transport == candidate.transport
        };
        if let Some(index) = self.candidates.iter().position(is_it) {
            if self.candidates[index].candidate.kind != CandidateKind::PeerReflexive {
                return Added::Ignored;
            }
            let foundation = self.foundation(&candidate.foundation);
            self.candidates[index] = RemoteCandidate { candidate, address, foundation };
            return Added::Updated(index);
        }
        if self.candidates.len() >= limit {
            return Added::Ignored;
        }
        let foundation = self.foundation(&candidate.foundation);
        self.candidates.push(RemoteCandidate { candidate, address, foundation });
        Added::New(self.candidates.len() - 1)
    }

    /// The candidate with this address, made peer-reflexive when unknown (RFC 8445 §7.3.1.3); `None` when there are too
    /// many.
    pub(crate) fn find_or_learn(
        &mut self,
        address: SocketAddr,
        priority: u32,
        tcp: Option<TcpType>,
        limit: usize,
    ) -> Option<usize> {
        let transport =
            if tcp.is_some() { CandidateTransport::Tcp } else { CandidateTransport::Udp };
        let is_it =
            |c: &RemoteCandidate| c.address == address && c.candidate.transport == transport;
        if let Some(index) = self.candidates.iter().position(is_it) {
            return Some(index);
        }
        let kind = CandidateKind::PeerReflexive;
        let learnt = self.candidates.iter().filter(|c| c.candidate.kind == kind).count();
        if learnt >= MAX_REMOTE_PEER_REFLEXIVE || self.candidates.len() >= limit {
            return None;
        }
        // RFC 8445 §7.3.1.3: an arbitrary foundation, different from all others. '=' is no ice-char, hence never sent.
        let text = format!("={}{address}", transport.as_str());
        let foundation = self.foundation(&text);
        let mut candidate = Candidate::udp(kind, address, priority, format!("prflx{foundation}"));
        candidate.set_tcp(tcp);
        self.candidates.push(RemoteCandidate { candidate, address, foundation });
        Some(self.candidates.len() - 1)
    }

    /// Keeps a candidate until its name is resolved; whether the name is to be asked for.
    pub(crate) fn wait_for_name(&mut self, candidate: Candidate) -> bool {
        if self.unresolved.len() >= MAX_UNRESOLVED || self.unresolved.contains(&candidate) {
            return false;
        }
        let asked = self.unresolved.iter().any(|c| c.address == candidate.address);
        self.unresolved.push(candidate);
        !asked
    }

    /// Takes the candidates that waited for `name`, with their addresses when it was resolved.
    pub(crate) fn resolved(
        &mut self,
        name: &str,
        ip: Option<IpAddr>,
    ) -> Vec<(Candidate, SocketAddr)> {
        let matches = |c: &Candidate| matches!(&c.address, CandidateAddress::Mdns(n) if n.eq_ignore_ascii_case(name));
        let mut out = Vec::new();
        self.unresolved.retain(|c| {
            if !matches(c) {
                return true;
            }
            if let Some(ip) = ip {
                out.push((c.clone(), SocketAddr::new(ip, c.port)));
            }
            false
        });
        out
    }

    /// Whether names are still being resolved.
    pub(crate) fn is_resolving(&self) -> bool {
        !self.unresolved.is_empty()
    }
}
