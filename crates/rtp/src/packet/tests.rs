//! Tests of reading and writing RTP packets.

use proptest::prelude::*;

use super::*;
use crate::extension::{AudioLevel, ExtensionKind, Mid};

fn header() -> RtpHeader {
    RtpHeader {
        marker: true,
        payload_type: PayloadType::from_low_bits(96),
        sequence_number: SequenceNumber(0x1234),
        timestamp: RtpTimestamp(0x5678_9ABC),
        ssrc: Ssrc(0xDEF0_1234),
    }
}

#[test]
fn what_is_written_is_read() {
    let mut map = ExtensionMap::new();
    map.insert_kind(3, ExtensionKind::Mid).unwrap();
    map.insert_kind(5, ExtensionKind::AudioLevel).unwrap();
    let mut out = vec![0xEE]; // something of the caller's before
    header().write_with_csrcs(&mut out, &[Ssrc(1), Ssrc(2)], |extensions| {
        extensions.set(&map, &Mid("video")).unwrap();
        extensions.set(&map, &AudioLevel { level: 40, voice: true }).unwrap();
    });
    out.extend_from_slice(b"payload");
    write_padding(&mut out, 1, 4);
    let packet = RtpPacket::parse(&out[1..]).unwrap();
    assert_eq!(packet.header(), header());
    assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
    assert_eq!(packet.payload(), b"payload");
    assert_eq!(packet.padding_len(), 4);
    assert_eq!(packet.extension::<Mid<'_>>(&map), Some(Mid("video")));
    assert_eq!(packet.extension(&map), Some(AudioLevel { level: 40, voice: true }));
    let range = packet.extension_range(5).unwrap();
    assert_eq!(packet.as_bytes()[range], [0x80 | 40]);
    assert_eq!(packet.extension_range(6), None);
}

#[test]
fn hostile_lengths_are_refused() {
    let mut bytes = Vec::new();
    header().write(&mut bytes, |_| {});
    assert_eq!(bytes.len(), FIXED_HEADER_LEN);
    for len in 0..FIXED_HEADER_LEN {
        assert!(matches!(RtpPacket::parse(&bytes[..len]), Err(Error::Truncated { .. })));
    }
    let with = |first: u8, tail: &[u8]| {
        let mut packet = bytes.clone();
        packet[0] = first;
        packet.extend_from_slice(tail);
        RtpPacket::parse(&packet).map(|p| p.payload().len())
    };
    assert!(matches!(with(0x40, &[]), Err(Error::Version { version: 1, .. })));
    assert!(matches!(with(0x81, &[0; 3]), Err(Error::Truncated { .. })), "CSRC");
    assert!(matches!(with(0x90, &[0; 3]), Err(Error::Truncated { .. })), "extension header");
    assert!(
        matches!(with(0x90, &[0xBE, 0xDE, 0, 1]), Err(Error::Truncated { .. })),
        "extension body"
    );
    assert!(matches!(with(0xA0, &[]), Err(Error::Padding { .. })), "no byte for the count");
    assert!(matches!(with(0xA0, &[0]), Err(Error::Padding { .. })), "a count of zero");
    assert!(matches!(with(0xA0, &[2]), Err(Error::Padding { .. })), "into the header");
    assert_eq!(with(0xA0, &[7, 2, 2]), Ok(1));
    assert_eq!(with(0xA0, &[0, 2]), Ok(0), "only padding");
}

#[test]
fn rtp_and_rtcp_share_a_port() {
    assert_eq!(classify(&[0x80, 200, 0, 1]), Some(PacketClass::Rtcp));
    assert_eq!(classify(&[0x80, 192, 0, 1]), Some(PacketClass::Rtcp));
    assert_eq!(classify(&[0x80, 223, 0, 1]), Some(PacketClass::Rtcp));
    assert_eq!(classify(&[0x80, 191, 0, 1]), Some(PacketClass::Rtp));
    assert_eq!(classify(&[0x80, 224, 0, 1]), Some(PacketClass::Rtp));
    assert_eq!(classify(&[0x80, 96, 0, 1]), Some(PacketClass::Rtp));
    assert_eq!(classify(&[0x00, 1, 0, 1]), None);
    assert_eq!(classify(&[0x80, 200, 0]), None);
}

proptest! {
    #[test]
    fn packets_round_trip(
        marker: bool, payload_type in 0_u8..128, sequence: u16, timestamp: u32, ssrc: u32,
        csrcs in prop::collection::vec(any::<u32>(), 0..15),
        elements in prop::collection::vec((1_u8..15, prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        payload in prop::collection::vec(any::<u8>(), 0..50),
        padding: u8,
    ) {
        let header = RtpHeader {
            marker,
            payload_type: PayloadType::from_low_bits(payload_type),
            sequence_number: SequenceNumber(sequence),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(ssrc),
        };
        let csrcs: Vec<_> = csrcs.into_iter().map(Ssrc).collect();
        let mut out = Vec::new();
        header.write_with_csrcs(&mut out, &csrcs, |writer| {
            writer.allow_two_byte();
            for (id, value) in &elements {
                writer.put(*id, value).unwrap();
            }
        });
        out.extend_from_slice(&payload);
        write_padding(&mut out, 0, padding);
        let packet = RtpPacket::parse(&out).unwrap();
        prop_assert_eq!(packet.header(), header);
        prop_assert_eq!(packet.csrcs().collect::<Vec<_>>(), csrcs);
        let read: Vec<_> = packet.extensions().map(|(id, value)| (id, value.to_vec())).collect();
        prop_assert_eq!(read, elements);
        prop_assert_eq!(packet.payload(), &payload[..]);
        prop_assert_eq!(packet.padding_len(), usize::from(padding));
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = classify(&bytes);
        if let Ok(packet) = RtpPacket::parse(&bytes) {
            prop_assert!(packet.extensions().count() <= bytes.len());
            prop_assert_eq!(packet.header_len() + packet.payload().len() + packet.padding_len(), bytes.len());
        }
    }
}
