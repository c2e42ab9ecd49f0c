//! Which connection a datagram belongs to, when many connections share one socket.
//!
//! A STUN Binding request names its receiver: the USERNAME begins with the local ufrag (RFC 8445 §7.2.2). A response
//! names the request. Everything else is told apart by the remote address, which a connection claims when it answers a
//! check from there, which has passed MESSAGE-INTEGRITY, or sends data there. A path that carries another connection's
//! data cannot be claimed: a candidate with somebody else's address takes nothing away from them.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::ConnectionId;

/// Addresses one connection may hold; the oldest goes first. Candidate pairs are limited far below this by ICE.
pub(crate) const MAX_ROUTES_PER_CONNECTION: usize = 256;

/// Requests that are remembered: several seconds' worth of consent checks of tens of thousands of connections.
const MAX_TRANSACTIONS: usize = 16_384;

type TransactionId = [u8; 12];

/// The local socket's address and the remote address.
pub(crate) type Path = (SocketAddr, SocketAddr);

/// The routing tables of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_path: FxHashMap<Path, ConnectionId>,
    by_ufrag: FxHashMap<Box<[u8]>, ConnectionId>,
    /// Requests under way, by their ids, which are our own random numbers.
    transactions: FxHashMap<TransactionId, ConnectionId>,
    order: VecDeque<TransactionId>,
}

impl Routes {
    /// The connection that claimed this path.
    pub(crate) fn by_path(&self, path: &Path) -> Option<ConnectionId> {
        self.by_path.get(path).copied()
    }

    /// The connection that the USERNAME of a Binding request names.
    pub(crate) fn by_username(&self, username: &[u8]) -> Option<ConnectionId> {
        let colon = username.iter().position(|byte| *byte == b':')?;
        self.by_ufrag.get(&username[..colon]).copied()
    }

    /// Remembers who sent a STUN request, so that the response finds back: checks of several connections may go to the same
    /// address, and a STUN server answers all of them from one.
    pub(crate) fn note_request(&mut self, datagram: &[u8], connection: ConnectionId) {
        let Some(id) = transaction(datagram) else { return };
        if self.order.len() == MAX_TRANSACTIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.transactions.remove(&oldest);
        }
        // A retransmission has the same id, and is in the queue already.
        if self.transactions.insert(id, connection).is_none() {
            self.order.push_back(id);
        }
    }

    /// Who sent the request that this response answers.
    pub(crate) fn by_transaction(&self, datagram: &[u8]) -> Option<ConnectionId> {
        self.transactions.get(&transaction(datagram)?).copied()
    }

    /// Lets `connection` own a path. The driver asks first whether somebody else is using it.
    pub(crate) fn claim_path(&mut self, path: Path, connection: ConnectionId) {
        self.by_path.insert(path, connection);
    }

    /// Gives a path up, unless somebody else took it meanwhile.
    pub(crate) fn release_path(&mut self, path: &Path, connection: ConnectionId) {
        if self.by_path.get(path) == Some(&connection) {
            self.by_path.remove(path);
        }
    }

    /// Lets `connection` own a ufrag. False if another connection has it (a one in 2^24 accident for 4 characters).
    pub(crate) fn claim_ufrag(&mut self, ufrag: &str, connection: ConnectionId) -> bool {
        match self.by_ufrag.get(ufrag.as_bytes()) {
            Some(owner) => *owner == connection,
            None => {
                self.by_ufrag.insert(ufrag.as_bytes().into(), connection);
                true
            }
        }
    }

    /// Gives a ufrag up.
    pub(crate) fn release_ufrag(&mut self, ufrag: &str, connection: ConnectionId) {
        if self.by_ufrag.get(ufrag.as_bytes()) == Some(&connection) {
            self.by_ufrag.remove(ufrag.as_bytes());
        }
    }

    /// How many entries both tables hold.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_path.len() + self.by_ufrag.len()
    }
}

/// The transaction id of a STUN message (RFC 8489 §5: type, length, magic cookie, 96 bits of id).
fn transaction(datagram: &[u8]) -> Option<TransactionId> {
    let header: &[u8; 20] = datagram.first_chunk()?;
    (header[4..8] == [0x21, 0x12, 0xA4, 0x42])
        .then(|| header[8..].try_into().expect("12 of 20 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        ("127.0.0.1:1".parse().unwrap(), SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[test]
    fn a_username_is_routed_by_its_local_part() {
        let mut routes = Routes::default();
        assert!(routes.claim_ufrag("abcd", 7));
        assert!(!routes.claim_ufrag("abcd", 8));
        assert_eq!(routes.by_username(b"abcd:wxyz"), Some(7));
        assert_eq!(routes.by_username(b"wxyz:abcd"), None);
        assert_eq!(routes.by_username(b"abcd"), None);
    }

    #[test]
    fn releasing_leaves_the_claims_of_others() {
        let mut routes = Routes::default();
        routes.claim_path(path(2), 1);
        routes.claim_path(path(2), 2);
        routes.release_path(&path(2), 1);
        assert_eq!(routes.by_path(&path(2)), Some(2));
        routes.release_path(&path(2), 2);
        assert_eq!(routes.len(), 0);
    }
}
