//! The SCTP transport's parameters: how settings and descriptions become an association (RFC 8831 §6, RFC 8841).

use std::time::Instant;

use peerage_crypto::Rng;
use peerage_sctp::{Association, Config};

use crate::config::Settings;

/// Our SCTP port: every WebRTC end uses this one (RFC 8831 §6.1 leaves it free).
pub(crate) const SCTP_PORT: u16 = 5000;
/// What a peer accepts that does not say so (RFC 8841 §6.1).
pub(crate) const DEFAULT_MAX_MESSAGE_SIZE: usize = 65_536;

/// What a description says about SCTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SctpParameters {
    pub(crate) port: u16,
    /// Bytes; `usize::MAX` where the SDP says 0, "no limit".
    pub(crate) max_message_size: usize,
}

/// Makes the association over an established DTLS. Both ends of WebRTC connect at once.
pub(crate) fn associate(
    now: Instant,
    settings: &Settings,
    remote: SctpParameters,
    dtls_overhead: usize,
    rng: &mut Rng,
) -> Association {
    let sctp = &settings.sctp;
    let config = Config {
        local_port: SCTP_PORT,
        remote_port: remote.port,
        max_message_size: sctp.max_message_size,
        max_send_message_size: remote.max_message_size,
        receive_window: sctp.receive_window,
        send_buffer_limit: sctp.send_buffer,
        mtu: settings.mtu.saturating_sub(dtls_overhead),
        // ICE consent decides when a peer is gone, and a restart may bring it back (RFC 7675): SCTP must not give up
        // before.
        max_init_retransmits: None,
        max_association_retransmits: None,
        zero_checksum: sctp.zero_checksum,
        interleaving: sctp.interleaving,
        // The answers to ICE consent checks say all that heartbeats would.
        heartbeat_interval: None,
        ..Config::default()
    };
    let mut association = Association::new(now, config, rng.array());
    // A new association can always connect.
    let connected = association.connect(now);
    debug_assert!(connected.is_ok());
    association
}
