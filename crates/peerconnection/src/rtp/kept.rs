//! Packets that were sent, as the history of a stream keeps them: without the header where that can be made again. A
//! thousand of each stream are kept, and each is cold memory by the time that its place is needed.

use bytes::Bytes;
use peerage_congestion::Class;
use peerage_rtp::{PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

use super::packet::{HeaderTemplate, Packet, SparePackets};

/// Bytes before the payload that find room: what rewriting changes of VP8 (RFC 7741 §4.2), or RED puts there.
const PREFIX: usize = 8;

/// See the module.
#[derive(Debug)]
pub(super) enum Kept {
    /// One with the header that all packets of the stream have in common.
    Plain(Plain),
    /// One with a header of its own, or as it was sealed.
    Whole(Box<Packet>),
}

/// What sets a packet apart from others with the same header.
#[derive(Debug)]
pub(super) struct Plain {
    payload: Bytes,
    timestamp: RtpTimestamp,
    number: SequenceNumber,
    /// The second byte of the header (RFC 3550 §5.1).
    marker_and_type: u8,
    prefix_len: u8,
    prefix: [u8; PREFIX],
}

impl Kept {
    /// A packet that was sent; what is not kept of it goes to `spare`.
    pub(super) fn new(mut packet: Box<Packet>, spare: &mut SparePackets) -> Self {
        let prefix = packet.header.get(usize::from(packet.header_len)..).unwrap_or_default();
        let (Some(number), true) =
            (packet.number, packet.has_common_header && prefix.len() <= PREFIX)
        else {
            return Self::Whole(packet);
        };
        let mut plain = Plain {
            payload: Bytes::new(),
            timestamp: packet.timestamp(),
            number,
            marker_and_type: packet.header[1],
            prefix_len: prefix.len() as u8,
            prefix: [0; PREFIX],
        };
        plain.prefix[..prefix.len()].copy_from_slice(prefix);
        plain.payload = std::mem::take(&mut packet.payload);
        spare.keep(packet);
        Self::Plain(plain)
    }

    /// The packet as it was, with the header as the stream has it now.
    pub(super) fn unpack(&self, header: &HeaderTemplate, ssrc: Ssrc) -> Packet {
        match self {
            Self::Whole(packet) => (**packet).clone(),
            Self::Plain(plain) => {
                let fields = RtpHeader {
                    marker: plain.marker_and_type & 0x80 != 0,
                    payload_type: PayloadType::from_low_bits(plain.marker_and_type),
                    sequence_number: plain.number,
                    timestamp: plain.timestamp,
                    ssrc,
                };
                // How urgent it is when it is sent again is for the caller to say.
                let mut packet = header.packet(Class::Video, fields, plain.payload.clone());
                packet.header.extend_from_slice(&plain.prefix[..usize::from(plain.prefix_len)]);
                packet
            }
        }
    }

    /// Bytes of the packet before SRTP.
    pub(super) fn len(&self, header: &HeaderTemplate) -> usize {
        match self {
            Self::Whole(packet) => packet.len(),
            Self::Plain(plain) => {
                header.len() + usize::from(plain.prefix_len) + plain.payload.len()
            }
        }
    }

    /// It is gone: what of it can serve again.
    pub(super) fn release(self, spare: &mut SparePackets) {
        if let Self::Whole(packet) = self {
            spare.keep(packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use peerage_rtp::ExtensionMap;

    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in_and_take_little_room() {
        assert!(size_of::<Kept>() <= 48, "{}", size_of::<Kept>());
        let (ssrc, mut spare) = (Ssrc(7), SparePackets::default());
        let header = HeaderTemplate::new(ssrc, "0", "", false, &ExtensionMap::new());
        for prefix in [&[][..], &[1, 2, 3], &[9; PREFIX], &[9; PREFIX + 1]] {
            let fields = RtpHeader {
                marker: prefix.len() == 3,
                payload_type: PayloadType::from_low_bits(96),
                sequence_number: SequenceNumber(65_535),
                timestamp: RtpTimestamp(u32::MAX - 1),
                ssrc,
            };
            let mut packet = header.packet(Class::Video, fields, Bytes::from_static(b"payload"));
            packet.header.extend_from_slice(prefix);
            let kept = Kept::new(Box::new(packet.clone()), &mut spare);
            assert_eq!(matches!(kept, Kept::Plain(_)), prefix.len() <= PREFIX);
            assert_eq!(kept.len(&header), packet.len());
            let again = kept.unpack(&header, ssrc);
            assert_eq!((&again.header, &again.payload), (&packet.header, &packet.payload));
            assert_eq!((again.number, again.header_len), (packet.number, packet.header_len));
            kept.release(&mut spare);
        }
    }
}
