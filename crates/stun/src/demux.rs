//! Tells the protocols that share one port apart by their first byte (RFC 7983, RFC 9443, RFC 5761 §4).

/// What a datagram holds, as far as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PacketKind {
    /// First byte 0 to 3: STUN.
    Stun,
    /// First byte 16 to 19: ZRTP.
    Zrtp,
    /// First byte 20 to 63: DTLS.
    Dtls,
    /// First byte 64 to 79: TURN ChannelData.
    TurnChannel,
    /// First byte 128 to 191: RTP, by its payload type.
    Rtp,
    /// First byte 128 to 191: RTCP, by its packet type (RFC 5761 §4).
    Rtcp,
    /// Anything else, the empty datagram included.
    Unknown,
}

/// Classifies a datagram. Costs two comparisons; nothing is validated.
pub fn classify(datagram: &[u8]) -> PacketKind {
    // RFC 7983 §7, figure 3.
    match datagram {
        [0..=3, ..] => PacketKind::Stun,
        [16..=19, ..] => PacketKind::Zrtp,
        [20..=63, ..] => PacketKind::Dtls,
        [64..=79, ..] => PacketKind::TurnChannel,
        // RFC 5761 §4: RTCP packet types 192 to 223 would be RTP payload types 64 to 95 with the marker bit set.
        [128..=191, 192..=223, ..] => PacketKind::Rtcp,
        [128..=191, ..] => PacketKind::Rtp,
        _ => PacketKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_has_its_protocol() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => PacketKind::Stun,
                16..=19 => PacketKind::Zrtp,
                20..=63 => PacketKind::Dtls,
                64..=79 => PacketKind::TurnChannel,
                128..=191 => PacketKind::Rtp,
                _ => PacketKind::Unknown,
            };
            assert_eq!(classify(&[first, 0]), expected, "{first}");
        }
        assert_eq!(classify(&[0x80, 200]), PacketKind::Rtcp);
        assert_eq!(classify(&[0x80, 96]), PacketKind::Rtp);
        assert_eq!(classify(&[]), PacketKind::Unknown);
    }
}
