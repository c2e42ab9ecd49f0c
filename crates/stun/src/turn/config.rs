//! What a client is told about its server.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::address::AddressFamily;
use crate::transaction::RetransmitConfig;

/// How a client reaches its server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Link {
    /// UDP, or DTLS over it: requests are sent again, and messages need no padding.
    Datagrams,
    /// TCP, or TLS over it: nothing is sent again (RFC 8489 §6.2.2), and ChannelData is padded (RFC 8656 §12.5).
    Stream,
}

/// Settings of a [`Client`](super::Client).
#[derive(Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The server's address.
    pub server: SocketAddr,
    /// How it is reached.
    pub link: Link,
    /// User name.
    pub username: String,
    /// Password, or the credential of an access that ends (see [`time_limited_credentials`](super::time_limited_credentials)).
    pub password: String,
    /// The family of the relayed address; `None` leaves it to the server, which gives IPv4 (RFC 8656 §7.1).
    pub family: Option<AddressFamily>,
    /// Whether an IPv6 address is wanted beside the IPv4 one (ADDITIONAL-ADDRESS-FAMILY, RFC 8656 §7.1). Of no effect with `family`.
    pub additional_ipv6: bool,
    /// The lifetime that is asked for (RFC 8656 §7.1: 600 s unless said otherwise); the server decides.
    pub lifetime: Option<Duration>,
    /// How requests are sent again where that is needed.
    pub retransmit: RetransmitConfig,
}

impl ClientConfig {
    /// Settings for a server.
    pub fn new(
        server: SocketAddr,
        link: Link,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> Self {
        Self {
            server,
            link,
            username: username.into(),
            password: password.into(),
            family: None,
            additional_ipv6: false,
            lifetime: None,
            retransmit: RetransmitConfig::default(),
        }
    }

    /// How a request is waited for.
    pub(super) fn retransmission(&self) -> RetransmitConfig {
        match self.link {
            Link::Datagrams => self.retransmit,
            // RFC 8489 §6.2.2: Ti, 39.5 s.
            Link::Stream => RetransmitConfig {
                rto: Duration::from_millis(500),
                max_rto: Duration::MAX,
                max_requests: 1,
                last_wait: 79,
            },
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password is a secret and stays out of logs.
        f.debug_struct("ClientConfig")
            .field("server", &self.server)
            .field("link", &self.link)
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}
