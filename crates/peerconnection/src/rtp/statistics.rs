//! Counters of the RTP transport.

/// What went through the RTP transport, all streams together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RtpStatistics {
    /// RTP packets sent.
    pub packets_sent: u64,
    /// Their payload bytes.
    pub bytes_sent: u64,
    /// RTP packets received and understood.
    pub packets_received: u64,
    /// Their payload bytes.
    pub bytes_received: u64,
    /// RTCP datagrams sent.
    pub rtcp_sent: u64,
    /// RTCP datagrams received.
    pub rtcp_received: u64,
    /// Packets asked for again, repeated ones included.
    pub nacked_packets: u64,
    /// Packets sent again.
    pub retransmissions_sent: u64,
    /// Times that the peer missed so much of a stream that a keyframe was sent in its place.
    pub repairs_given_up: u64,
    /// Parity packets sent (forward error correction).
    pub fec_packets_sent: u64,
    /// Packets of the peer that were computed from parity.
    pub packets_recovered: u64,
    /// Reports on arrivals by stream sent (RFC 8888).
    pub stream_feedback_sent: u64,
    /// Reports on arrivals by stream received (RFC 8888).
    pub stream_feedback_received: u64,
    /// Keyframes asked for.
    pub keyframe_requests_sent: u64,
    /// Packets of ours, RTCP too, that SRTP could not seal: the key is used up, or there were too many sources.
    pub packets_unsealable: u64,
    /// Packets that SRTP refused: forged, replayed, or of another key.
    pub packets_unprotectable: u64,
    /// Packets that do not parse.
    pub packets_malformed: u64,
    /// Packets of no section, before the keys, or of one stream too many.
    pub packets_dropped: u64,
    /// Times that a stream gave up its incomplete frames because all streams together held too many bytes.
    pub assemblies_given_up: u64,
    /// Received packets that the application did not take in time, where it takes packets.
    pub received_packets_dropped: u64,
    /// Frames of ours that were not sent because too much waited already.
    pub frames_left_out: u64,
    /// Frames that the application did not take in time.
    pub frames_dropped: u64,
    /// Times that the peer was found to use a source of ours (RFC 3550 §8.2).
    pub ssrc_collisions: u64,
}

impl RtpStatistics {
    /// Adds those of another transport.
    pub(crate) fn add(&mut self, other: &Self) {
        self.packets_sent += other.packets_sent;
        self.bytes_sent += other.bytes_sent;
        self.packets_received += other.packets_received;
        self.bytes_received += other.bytes_received;
        self.rtcp_sent += other.rtcp_sent;
        self.rtcp_received += other.rtcp_received;
        self.nacked_packets += other.nacked_packets;
        self.retransmissions_sent += other.retransmissions_sent;
        self.repairs_given_up += other.repairs_given_up;
        self.fec_packets_sent += other.fec_packets_sent;
        self.packets_recovered += other.packets_recovered;
        self.stream_feedback_sent += other.stream_feedback_sent;
        self.stream_feedback_received += other.stream_feedback_received;
        self.keyframe_requests_sent += other.keyframe_requests_sent;
        self.packets_unsealable += other.packets_unsealable;
        self.packets_unprotectable += other.packets_unprotectable;
        self.packets_malformed += other.packets_malformed;
        self.packets_dropped += other.packets_dropped;
        self.assemblies_given_up += other.assemblies_given_up;
        self.received_packets_dropped += other.received_packets_dropped;
        self.frames_left_out += other.frames_left_out;
        self.frames_dropped += other.frames_dropped;
        self.ssrc_collisions += other.ssrc_collisions;
    }
}
