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
        // The connection checks the peer's limit when a message is accepted, and a renegotiation may lower it.
        max_send_message_size: usize::MAX,
        receive_window: sctp.receive_window,
        send_buffer_limit: sctp.send_buffer,
        mtu: settings.mtu.saturating_sub(dtls_overhead),
        // ICE consent decides when a peer is gone, and a restart may bring it back (RFC 7675): SCTP must not give up
        // before.
        max_init_retransmits: None,
        max_association_retransmits: None,
        zero_checksum: sctp.zero_checksum,
        interleaving: sctp.interleaving,
        // Firefox begins with 256 streams and adds more as it opens channels.
        accept_added_streams: true,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Firefox begins with 256 streams to send on and asks for more (RFC 6525 §5.2.5) when it opens channels beyond.
    #[test]
    fn a_peer_may_add_streams() {
        let now = Instant::now();
        let remote = SctpParameters { port: SCTP_PORT, max_message_size: 65_536 };
        let mut ours = associate(now, &Settings::default(), remote, 0, &mut Rng::from_seed(1));
        let config = Config { outgoing_streams: 256, ..Config::default() };
        let mut peer = Association::new(now, config, [7; 32]);
        let (mut tag, mut initial_tsn) = (None, None);
        for _ in 0..8 {
            let mut packet = Vec::new();
            while ours.poll_transmit(now, &mut packet).is_some() {
                // INIT: the initiate tag.
                tag.get_or_insert_with(|| packet[16..20].to_vec());
                peer.handle_input(now, &packet).unwrap();
                packet.clear();
            }
            while peer.poll_transmit(now, &mut packet).is_some() {
                // INIT ACK: the initial TSN, with which the requests' numbers begin as well (RFC 6525 §4.1).
                initial_tsn.get_or_insert_with(|| packet[28..32].to_vec());
                ours.handle_input(now, &packet).unwrap();
                packet.clear();
            }
        }
        assert_eq!(ours.negotiated().unwrap().incoming_streams, 256);
        // Ports, tag, no checksum (RFC 9653); RE-CONFIG; Add Outgoing Streams Request, 100 streams (RFC 6525 §4.5).
        let packet = [
            &[0x13, 0x88, 0x13, 0x88],
            &tag.unwrap()[..],
            &[0; 4],
            &[130, 0, 0, 16, 0, 17, 0, 12],
            &initial_tsn.unwrap()[..],
            &[0, 100, 0, 0],
        ]
        .concat();
        ours.handle_input(now, &packet).unwrap();
        assert_eq!(ours.negotiated().unwrap().incoming_streams, 356);
    }
}
