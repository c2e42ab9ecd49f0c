//! What an endpoint tells its caller.

use std::ops::Range;

use peerage_crypto::NamedGroup;
use smallvec::SmallVec;

use crate::{
    cipher_suite::CipherSuite, error::Error, srtp_profile::SrtpProtectionProfile,
    version::ProtocolVersion,
};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The handshake is complete. The caller now compares the peer's certificate with the fingerprint it was promised,
    /// and calls [`Endpoint::reject`](crate::Endpoint::reject) if they differ.
    Connected(Box<HandshakeSummary>),
    /// The keys of one or both directions were renewed (RFC 9147 §8).
    KeyUpdated,
    /// The peer sent `close_notify`, or [`Endpoint::close`](crate::Endpoint::close) was called.
    Closed,
    /// The connection has failed. Nothing but an alert will still be transmitted.
    Failed(Error),
}

/// What was negotiated.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HandshakeSummary {
    /// The version.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub cipher_suite: CipherSuite,
    /// The key exchange group.
    pub group: Option<NamedGroup>,
    /// The peer's certificates, DER, its own first. Nobody has checked them but for the signature made with the first:
    /// WebRTC compares a fingerprint (RFC 8122 §6). Empty if the peer sent none.
    pub peer_certificates: Vec<Vec<u8>>,
    /// The SRTP profile, if `use_srtp` was negotiated.
    pub srtp_profile: Option<SrtpProtectionProfile>,
    /// Whether we were the client.
    pub is_client: bool,
}

/// Where in a datagram the application data lies, after [`Endpoint::handle_input`](crate::Endpoint::handle_input) has
/// opened its records in place. There is one range per record, in the order of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApplicationData {
    ranges: SmallVec<[(u32, u32); 3]>,
}

impl ApplicationData {
    /// Whether the datagram held no application data.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many records held application data.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// The ranges within the datagram.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Range<usize>> + '_ {
        self.ranges.iter().map(|&(start, end)| start as usize..end as usize)
    }

    pub(crate) fn push(&mut self, range: Range<usize>) {
        // A datagram is shorter than 4 GiB.
        self.ranges.push((range.start as u32, range.end as u32));
    }
}

/// One datagram was written by [`Endpoint::poll_transmit`](crate::Endpoint::poll_transmit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Its length in bytes.
    pub size: usize,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The handshake is under way.
    Handshaking,
    /// Application data flows.
    Connected,
    /// Closed by either side in good order.
    Closed,
    /// Failed.
    Failed,
}
