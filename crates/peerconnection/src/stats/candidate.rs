//! ICE candidates and their pairs.

use super::dictionary::dictionary;
use super::states::{IceCandidatePairState, IceCandidateType};

dictionary! {
    /// `RTCIceCandidateStats`, of a local or a remote candidate.
    IceCandidateStats {
        /// The [`TransportStats`](super::TransportStats).
        transport_id: String,
        /// How it was learnt.
        candidate_type: IceCandidateType,
        ;
        /// The address, or the name that hides it. `None` for a remote candidate that signalling did not tell, as the
        /// specification demands.
        address: String,
        /// The port.
        port: u16,
        /// `udp` or `tcp`.
        protocol: String,
        /// The priority (RFC 8445 §5.1.2).
        priority: u32,
        /// The URL of the server it was learnt from, as configured; local server-reflexive candidates only.
        url: String,
        /// How the TURN server is spoken to; local relay candidates only.
        relay_protocol: String,
        /// The foundation.
        foundation: String,
        /// `raddr`, where the candidate has one.
        related_address: String,
        /// `rport`, where the candidate has one.
        related_port: u16,
        /// The ufrag of its generation.
        username_fragment: String,
        /// `active`, `passive` or `so`; TCP only.
        tcp_type: String,
    }
}

dictionary! {
    /// `RTCIceCandidatePairStats`: a pair of the present generation, or the one in use of the last.
    IceCandidatePairStats {
        /// The [`TransportStats`](super::TransportStats).
        transport_id: String,
        /// The local [`IceCandidateStats`].
        local_candidate_id: String,
        /// The remote [`IceCandidateStats`].
        remote_candidate_id: String,
        /// State of its check.
        state: IceCandidatePairState,
        ;
        /// Whether it is nominated.
        nominated: bool,
        /// Datagrams sent over it, those of ICE not counted.
        packets_sent: u64,
        /// Datagrams received over it, those of ICE not counted.
        packets_received: u64,
        /// Bytes of UDP payload in those sent.
        bytes_sent: u64,
        /// Bytes of UDP payload in those received.
        bytes_received: u64,
        /// When the last of those was sent, in milliseconds since 1970.
        last_packet_sent_timestamp: f64,
        /// When the last of those came, in milliseconds since 1970.
        last_packet_received_timestamp: f64,
        /// Sum of all round trips of checks, in seconds.
        total_round_trip_time: f64,
        /// The last round trip of a check, in seconds.
        current_round_trip_time: f64,
        /// What the path is estimated to carry, in bits per second; of the pair in use only.
        available_outgoing_bitrate: f64,
        /// What the path is estimated to bring. `None`: that is the sender's to estimate.
        available_incoming_bitrate: f64,
        /// Checks received.
        requests_received: u64,
        /// Checks sent, without retransmissions.
        requests_sent: u64,
        /// Responses received.
        responses_received: u64,
        /// Responses sent.
        responses_sent: u64,
        /// Consent checks sent (RFC 7675).
        consent_requests_sent: u64,
        /// Packets that the socket refused. `None`: the socket is the driver's.
        packets_discarded_on_send: u32,
        /// Their bytes. `None`: the socket is the driver's.
        bytes_discarded_on_send: u64,
    }
}
