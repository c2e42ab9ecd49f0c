//! The ECN field of a bare IP packet (RFC 3168 §5), read before the wire and written after it.

use peerage_netsim::Ecn;

/// The ECN field; not capable if this is no IP packet.
pub(crate) fn ecn(packet: &[u8]) -> Ecn {
    match packet {
        [version, tos, ..] if version >> 4 == 4 => Ecn::from_bits(*tos),
        // The traffic class lies across the first two bytes (RFC 8200 §3); its lowest two bits are bits 5 and 4.
        [version, class, ..] if version >> 4 == 6 => Ecn::from_bits(class >> 4),
        _ => Ecn::NotEct,
    }
}

/// Sets the ECN field and corrects the header checksum (RFC 1624).
pub(crate) fn set_ecn(packet: &mut [u8], to: Ecn) {
    if packet.len() < 20 || ecn(packet) == to {
        return;
    }
    match packet[0] >> 4 {
        4 => {
            let word = |packet: &[u8], at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
            let (old, checksum) = (word(packet, 0), word(packet, 10));
            packet[1] = packet[1] & !0b11 | to.bits();
            // RFC 1624 §3, equation 3: HC' = ~(~HC + ~m + m').
            let sum = u32::from(!checksum) + u32::from(!old) + u32::from(word(packet, 0));
            let sum = (sum & 0xffff) + (sum >> 16);
            let sum = (sum & 0xffff) + (sum >> 16);
            packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
        }
        6 => packet[1] = packet[1] & !0x30 | to.bits() << 4,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checksum(header: &[u8]) -> u16 {
        let sum: u32 =
            header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
        let sum = (sum & 0xffff) + (sum >> 16);
        !(((sum & 0xffff) + (sum >> 16)) as u16)
    }

    #[test]
    fn marking_keeps_the_checksum_right() {
        for tos in [0x00, 0x01, 0x02, 0xb9, 0xba] {
            for id in [0u16, 1, 0x7fff, 0xfffe, 0xffff] {
                let mut packet =
                    [0x45, tos, 0, 40, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 99, 0, 1, 10, 99, 0, 2];
                packet[4..6].copy_from_slice(&id.to_be_bytes());
                let sum = checksum(&packet);
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
                set_ecn(&mut packet, Ecn::Ce);
                assert_eq!((ecn(&packet), packet[1] >> 2), (Ecn::Ce, tos >> 2));
                assert_eq!(checksum(&packet), 0);
            }
        }
    }

    #[test]
    fn marking_keeps_the_rest_of_the_traffic_class() {
        let mut packet = [0u8; 40];
        packet[..4].copy_from_slice(&[0x6f, 0xef, 0xff, 0xff]);
        assert_eq!(ecn(&packet), Ecn::Ect0);
        set_ecn(&mut packet, Ecn::Ce);
        assert_eq!(packet[..4], [0x6f, 0xff, 0xff, 0xff]);
        set_ecn(&mut packet, Ecn::NotEct);
        assert_eq!(packet[..4], [0x6f, 0xcf, 0xff, 0xff]);
    }

    #[test]
    fn scraps_are_left_alone() {
        for mut scrap in [vec![], vec![0x45], vec![0x45; 5], vec![0xff; 30]] {
            let before = scrap.clone();
            set_ecn(&mut scrap, Ecn::Ce);
            assert_eq!(scrap, before);
        }
    }
}
