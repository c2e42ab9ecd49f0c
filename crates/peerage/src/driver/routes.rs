//! Which connection a datagram belongs to, when many connections share one socket.
//!
//! A STUN Binding request names its receiver: the USERNAME begins with the local ufrag (RFC 8445 §7.2.2). Everything
//! else is told apart by the remote address, which a connection claims when it first sends there: a connection only
//! answers checks that passed MESSAGE-INTEGRITY, so a stranger cannot make it claim an address.

use std::collections::VecDeque;
use std::net::SocketAddr;

use rustc_hash::FxHashMap;

use super::ConnectionId;

/// Addresses one connection may hold; the oldest goes first. Candidate pairs are limited far below this by ICE.
pub(crate) const MAX_ROUTES_PER_CONNECTION: usize = 256;

/// Questions to STUN servers that may be under way at once on one endpoint.
const MAX_TRANSACTIONS: usize = 512;

type TransactionId = [u8; 12];

/// The local socket's address and the remote address.
pub(crate) type Path = (SocketAddr, SocketAddr);

/// The routing tables of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_path: FxHashMap<Path, ConnectionId>,
    by_ufrag: FxHashMap<Box<[u8]>, ConnectionId>,
    /// Requests to STUN servers, which many connections send to the same address from the same socket.
    transactions: VecDeque<(TransactionId, ConnectionId)>,
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

    /// Remembers who asked a STUN server, if `datagram` is a Binding request without USERNAME.
    pub(crate) fn note_transaction(&mut self, datagram: &[u8], connection: ConnectionId) {
        if let Some(id) = server_transaction(datagram, [0x00, 0x01]) {
            if self.transactions.len() == MAX_TRANSACTIONS {
                self.transactions.pop_front();
            }
            self.transactions.push_back((id, connection));
        }
    }

    /// Who asked what this Binding response answers.
    pub(crate) fn by_transaction(&self, datagram: &[u8]) -> Option<ConnectionId> {
        let id = server_transaction(datagram, [0x01, 0x01])?;
        // From the back: an answer is nearly always to one of the latest questions.
        self.transactions
            .iter()
            .rev()
            .find(|(known, _)| *known == id)
            .map(|(_, connection)| *connection)
    }

    /// Lets `connection` own a path; the latest claim wins, because the earlier connection may be long gone.
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

/// The transaction of a STUN message of this type that carries no ICE attributes; checks have at least USERNAME,
/// responses to checks MESSAGE-INTEGRITY, and both are longer than what is exchanged with a STUN server.
fn server_transaction(datagram: &[u8], message_type: [u8; 2]) -> Option<TransactionId> {
    // RFC 8489 §5: type, length, magic cookie, 96 bits of transaction id.
    let header: &[u8; 20] = datagram.first_chunk()?;
    (header[..2] == message_type && header[4..8] == [0x21, 0x12, 0xA4, 0x42])
        .then(|| header[8..].try_into().expect("12 of 20 bytes"))
        .filter(|_| {
            message_type[0] == 1
                || peerage_stun::Message::parse(datagram).is_ok_and(|m| m.username().is_none())
        })
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
