//! What the negotiation hands to the version that was chosen. DTLS 1.3 and 1.2 start from the same state.

use std::time::Instant;

use std::sync::Arc;

use peerage_crypto::{KeyExchange, Rng};

use crate::{
    alert::AlertDescription,
    config::Config,
    handshake::{ClientHello, Message},
    reassembler::Reassembler,
    statistics::Statistics,
    timer::RetransmitTimer,
};

/// State of either side when the version is known.
pub(crate) struct Handover {
    pub(crate) config: Arc<Config>,
    pub(crate) rng: Rng,
    /// The next sequence number of a record we send in epoch 0.
    pub(crate) plaintext_sequence: u64,
    /// The `message_seq` of our next handshake message.
    pub(crate) next_message: u32,
    /// Expects the message after the peer's hello. May hold fragments that came early, in epoch 0.
    pub(crate) reassembler: Reassembler,
    /// What was learnt about the round trip; stands still.
    pub(crate) timer: RetransmitTimer,
    /// When the handshake must be complete.
    pub(crate) deadline: Instant,
    pub(crate) statistics: Statistics,
    /// The last alert that came in plaintext.
    pub(crate) peer_alert: Option<AlertDescription>,
    /// Sequence numbers of the epoch 0 records that brought the peer's hello, for an ACK.
    pub(crate) hello_records: Vec<u64>,
}

/// What a client said in its ClientHello, and the private halves of its key shares.
pub(crate) struct ClientOffer {
    pub(crate) hello: ClientHello,
    /// The ClientHello as it was sent last: with the cookie, after a HelloVerifyRequest.
    pub(crate) message: Message,
    pub(crate) exchanges: Vec<Box<dyn KeyExchange>>,
}
