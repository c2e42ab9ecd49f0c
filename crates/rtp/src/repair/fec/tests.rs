//! Tests of parity packets: recovery in all formats, the vectors of header bits, and hostile masks.

use proptest::prelude::*;

use super::header::{FecHeader, Protected, read, write};
use super::parity::Parity;
use super::*;
use crate::number::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use crate::packet::{RtpHeader, RtpPacket, write_padding};

const MEDIA: Ssrc = Ssrc(0x1234_5678);
const FORMATS: [FecFormat; 3] = [FecFormat::UlpFec, FecFormat::FlexFec03, FecFormat::FlexFec];

fn media(number: u16, seed: u8) -> Vec<u8> {
    let mut out = Vec::new();
    RtpHeader {
        marker: seed.is_multiple_of(3),
        payload_type: PayloadType::from_low_bits(96 + seed % 4),
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(u32::from(seed) * 0x0101_0101),
        ssrc: MEDIA,
    }
    .write_with_csrcs(&mut out, &[Ssrc(1), Ssrc(2)][..usize::from(seed % 3)], |w| {
        if seed & 4 != 0 {
            w.put(1, &[seed; 5]).unwrap();
        }
    });
    out.extend((0..usize::from(seed) * 5 + 1).map(|i| (i as u8).wrapping_mul(seed)));
    if seed & 8 != 0 {
        write_padding(&mut out, 0, 7);
    }
    out
}

/// A parity packet around a payload.
fn fec_packet(format: FecFormat, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let csrcs: &[Ssrc] = if format == FecFormat::FlexFec { &[MEDIA] } else { &[] };
    RtpHeader { ssrc: Ssrc(99), ..RtpHeader::default() }.write_with_csrcs(&mut out, csrcs, |_| {});
    out.extend_from_slice(payload);
    out
}

fn take_fec(decoder: &mut FecDecoder, bytes: &[u8]) {
    let packet = RtpPacket::parse(bytes).unwrap();
    decoder.fec(&packet, packet.payload()).unwrap();
}

fn all_recovered(decoder: &mut FecDecoder) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    let mut out = Vec::new();
    while decoder.poll_recovered(&mut out) {
        all.push(std::mem::take(&mut out));
    }
    all
}

fn encode(format: FecFormat, packets: &[Vec<u8>], count: usize) -> Vec<Vec<u8>> {
    let mut encoder = FecEncoder::new(format, MEDIA);
    for packet in packets {
        assert_eq!(encoder.push(packet), Ok(true));
    }
    let mut fec = Vec::new();
    encoder.encode(count, |payload| fec.push(fec_packet(format, payload)));
    assert!(encoder.is_empty());
    fec
}

#[test]
fn bursts_are_recovered_in_all_formats() {
    for format in FORMATS {
        let packets: Vec<_> = (0..40_u16).map(|n| media(n.wrapping_add(65_520), n as u8)).collect();
        let fec = encode(format, &packets, 5);
        let mut decoder = FecDecoder::new(format, MEDIA);
        for (index, packet) in packets.iter().enumerate() {
            if !(14..19).contains(&index) {
                decoder.media(&RtpPacket::parse(packet).unwrap());
            }
        }
        for packet in &fec {
            take_fec(&mut decoder, packet);
        }
        let mut recovered = all_recovered(&mut decoder);
        recovered.sort_by_key(|p| u16::from_be_bytes([p[2], p[3]]).wrapping_add(100));
        assert_eq!(recovered, packets[14..19], "{format:?}");
        assert_eq!((decoder.packets_recovered(), decoder.fec_discarded()), (5, 0));
    }
}

#[test]
fn a_packet_that_comes_late_lets_others_be_recovered() {
    let packets: Vec<_> = (0..6_u16).map(|n| media(n, n as u8 + 1)).collect();
    let mut decoder = FecDecoder::new(FecFormat::FlexFec03, MEDIA);
    let both = encode(FecFormat::FlexFec03, &packets, 1);
    let half = encode(FecFormat::FlexFec03, &packets[..3], 1);
    for packet in [&packets[0], &packets[4], &packets[5]] {
        decoder.media(&RtpPacket::parse(packet).unwrap());
    }
    take_fec(&mut decoder, &both[0]);
    take_fec(&mut decoder, &half[0]);
    assert!(all_recovered(&mut decoder).is_empty(), "1, 2 and 3 are missing");
    decoder.media(&RtpPacket::parse(&packets[1]).unwrap());
    assert_eq!(
        all_recovered(&mut decoder),
        packets[2..4],
        "the second tells 2, and then the first 3"
    );
}

#[test]
fn headers_have_the_bits_of_their_specifications() {
    let parity = Parity {
        flags: 0x3F,
        marker_and_type: 0xAB,
        timestamp: 0x0102_0304,
        length: 0x0506,
        body: vec![0; 3],
    };
    let base = SequenceNumber(0x0708);
    let header = |format, mask: u128| {
        let mut out = Vec::new();
        write(format, Protected { base, mask, step: 1 }, &parity, MEDIA, &mut out);
        out
    };
    let first = 1 << 127;
    let short = first | 1 << 112;
    assert_eq!(
        header(FecFormat::UlpFec, short),
        [0x3F, 0xAB, 7, 8, 1, 2, 3, 4, 5, 6, 0, 3, 0x80, 1]
    );
    let long = first | 1 << 80;
    assert_eq!(
        header(FecFormat::UlpFec, long),
        [0x7F, 0xAB, 7, 8, 1, 2, 3, 4, 5, 6, 0, 3, 0x80, 0, 0, 0, 0, 1]
    );
    let begin = [0x3F, 0xAB, 5, 6, 1, 2, 3, 4];
    let flex03 = header(FecFormat::FlexFec03, first | 1 << 113);
    assert_eq!(flex03[..8], begin);
    assert_eq!(flex03[8..], [1, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 7, 8, 0x80 | 0x40, 1]);
    let flex03 = header(FecFormat::FlexFec03, first | 1 << 82);
    assert_eq!(flex03[18..], [0x40, 0, 0x80, 0, 0, 1]);
    let flex03 = header(FecFormat::FlexFec03, first | 1 << 19);
    assert_eq!(flex03[18..], [0x40, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 1]);
    let flex = header(FecFormat::FlexFec, first | 1 << 113);
    assert_eq!(flex[8..], [7, 8, 0x40, 1]);
    let flex = header(FecFormat::FlexFec, first | 1 << 82);
    assert_eq!(flex[8..], [7, 8, 0xC0, 0, 0, 0, 0, 1]);
    let flex = header(FecFormat::FlexFec, first | 1 << 18);
    assert_eq!(flex[8..], [7, 8, 0xC0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn fixed_blocks_and_retransmissions_of_rfc_8627() {
    let packets: Vec<_> = (0..6_u16).map(|n| media(n, n as u8 + 1)).collect();
    // Column of 3 rows in a block with two columns: 0, 2, 4.
    let mut parity = Parity::default();
    for packet in packets.iter().step_by(2) {
        parity.add(packet);
    }
    let mut payload = vec![0x40 | parity.flags, parity.marker_and_type];
    payload.extend_from_slice(&parity.length.to_be_bytes());
    payload.extend_from_slice(&parity.timestamp.to_be_bytes());
    payload.extend_from_slice(&[0, 0, 2, 3]);
    payload.extend_from_slice(&parity.body);
    let mut decoder = FecDecoder::new(FecFormat::FlexFec, MEDIA);
    for packet in [&packets[0], &packets[4]] {
        decoder.media(&RtpPacket::parse(packet).unwrap());
    }
    take_fec(&mut decoder, &fec_packet(FecFormat::FlexFec, &payload));
    let mut again = packets[5].clone();
    again[0] = again[0] & 0x3F | 0x80;
    take_fec(&mut decoder, &fec_packet(FecFormat::FlexFec, &again));
    take_fec(&mut decoder, &fec_packet(FecFormat::FlexFec, &again));
    assert_eq!(all_recovered(&mut decoder), [packets[2].clone(), packets[5].clone()]);
}

#[test]
fn hostile_headers_are_refused_or_harmless() {
    let mut decoder = FecDecoder::new(FecFormat::FlexFec, MEDIA);
    let mut refuse = |payload: &[u8]| {
        let bytes = fec_packet(FecFormat::FlexFec, payload);
        let packet = RtpPacket::parse(&bytes).unwrap();
        assert!(decoder.fec(&packet, packet.payload()).is_err(), "{payload:?}");
    };
    refuse(&[0; 9]);
    refuse(&[0; 12]); // protects nothing
    refuse(&[0xC0; 30]);
    refuse(&[0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]); // no columns
    refuse(&[0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0]); // 255 packets
    refuse(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]); // mask cut off
    // A third part of the mask without its k bit.
    let mut payload = vec![0; 40];
    payload[8] = 1;
    payload[12..16].copy_from_slice(&MEDIA.0.to_be_bytes());
    assert!(read(FecFormat::FlexFec03, MEDIA, std::iter::empty(), &payload).is_err());
    payload[24] = 0xC0;
    assert!(read(FecFormat::FlexFec03, MEDIA, std::iter::empty(), &payload).is_ok());
    // A length that is longer than what there is.
    for format in FORMATS {
        let packets = [media(1, 5), media(2, 6)];
        let mut fec = encode(format, &packets, 1).remove(0);
        let at = if format == FecFormat::FlexFec { 16 } else { 12 };
        let length = if format == FecFormat::UlpFec { at + 8 } else { at + 2 };
        fec[length] ^= 0x40;
        let mut decoder = FecDecoder::new(format, MEDIA);
        decoder.media(&RtpPacket::parse(&packets[0]).unwrap());
        take_fec(&mut decoder, &fec);
        assert!(all_recovered(&mut decoder).is_empty(), "{format:?}");
        assert_eq!(decoder.fec_discarded(), 1);
    }
}

#[test]
fn what_waits_is_bounded() {
    let mut decoder = FecDecoder::new(FecFormat::UlpFec, MEDIA);
    for n in 0..10_000_u16 {
        // Protects two packets that never come.
        let payload = [0, 0, (n >> 8) as u8, n as u8, 0, 0, 0, 0, 0, 1, 0, 1, 0xC0, 0, 7];
        take_fec(&mut decoder, &fec_packet(FecFormat::UlpFec, &payload));
    }
    assert_eq!(decoder.fec_discarded(), 10_000 - MAX_PENDING_FEC as u64);
}

proptest! {
    #[test]
    fn masks_round_trip(mask: u128, format in 0_usize..3, base: u16) {
        let format = FORMATS[format];
        let mask = mask & u128::MAX << (128 - u32::from(format.span())) | 1 << 127;
        let protected = Protected { base: SequenceNumber(base), mask, step: 1 };
        let mut out = Vec::new();
        let parity = Parity { body: vec![1, 2, 3], length: 3, ..Parity::default() };
        write(format, protected, &parity, MEDIA, &mut out);
        out.extend_from_slice(&parity.body);
        match read(format, MEDIA, [MEDIA].into_iter(), &out).unwrap() {
            FecHeader::Parity { protected: read, parity, body } => {
                prop_assert_eq!(read, protected);
                prop_assert_eq!((parity.length, body), (3, &[1, 2, 3][..]));
                prop_assert_eq!(read.offsets().count(), mask.count_ones() as usize);
            }
            FecHeader::Retransmission(_) => prop_assert!(false),
        }
    }

    #[test]
    fn one_loss_for_each_parity_packet_is_recovered(
        count in 1_usize..48, parity in 1_usize..12, base: u16, lose: u64, format in 0_usize..3,
    ) {
        let format = FORMATS[format];
        let packets: Vec<_> = (0..count).map(|n| media(base.wrapping_add(n as u16), (n * 7 % 60) as u8)).collect();
        let parity = parity.min(count);
        let fec = encode(format, &packets, parity);
        // One of each row is lost.
        let lost: Vec<_> = (0..parity)
            .map(|row| row + (lose as usize >> row) % (count - row).div_ceil(parity) * parity)
            .collect();
        let mut decoder = FecDecoder::new(format, MEDIA);
        for packet in &fec {
            take_fec(&mut decoder, packet);
        }
        for (index, packet) in packets.iter().enumerate() {
            if !lost.contains(&index) {
                decoder.media(&RtpPacket::parse(packet).unwrap());
            }
        }
        let mut recovered = all_recovered(&mut decoder);
        let mut expected: Vec<_> = lost.iter().map(|index| packets[*index].clone()).collect();
        recovered.sort();
        expected.sort();
        prop_assert_eq!(recovered, expected);
    }
}

#[test]
fn values_written_on_leaving_are_of_no_account() {
    use crate::extension::{ExtensionKind, ExtensionMap};
    let mut map = ExtensionMap::new();
    map.insert_kind(2, ExtensionKind::AbsoluteSendTime).unwrap();
    map.insert_kind(3, ExtensionKind::TransportSequenceNumber).unwrap();
    map.insert_kind(4, ExtensionKind::Mid).unwrap();
    // As cut, or as it leaves at a moment.
    let packet = |number: u16, moment: u8| {
        let mut out = Vec::new();
        let header = RtpHeader {
            sequence_number: SequenceNumber(number),
            ssrc: MEDIA,
            ..RtpHeader::default()
        };
        header.write(&mut out, |w| {
            w.put(4, b"v").unwrap();
            w.put(2, &[moment; 3]).unwrap();
            w.put(3, &[moment; 2]).unwrap();
        });
        out.extend([number as u8; 30]);
        out
    };
    for (format, moment) in FORMATS.into_iter().flat_map(|format| [(format, 0), (format, 9)]) {
        let mut encoder = FecEncoder::new(format, MEDIA);
        encoder.set_extensions(&map);
        for number in 0..4 {
            encoder.push(&packet(number, moment)).unwrap();
        }
        let mut decoder = FecDecoder::new(format, MEDIA);
        decoder.set_extensions(&map);
        for number in [0, 1, 3] {
            let bytes = packet(number, 50 + number as u8);
            decoder.media(&RtpPacket::parse(&bytes).unwrap());
        }
        encoder.encode(1, |payload| take_fec(&mut decoder, &fec_packet(format, payload)));
        assert_eq!(all_recovered(&mut decoder), [packet(2, 0)], "{format:?}");
    }
}

#[test]
fn parity_that_recovers_nothing_counts_as_discarded() {
    let packets: Vec<_> = (0..4_u16).map(|n| media(n, n as u8 + 1)).collect();
    let mut decoder = FecDecoder::new(FecFormat::UlpFec, MEDIA);
    for packet in &packets {
        decoder.media(&RtpPacket::parse(packet).unwrap());
    }
    for packet in encode(FecFormat::UlpFec, &packets, 2) {
        take_fec(&mut decoder, &packet);
    }
    assert_eq!((decoder.packets_recovered(), decoder.fec_discarded()), (0, 2));
}

#[test]
fn parity_may_come_before_all_that_it_protects_across_a_wrap() {
    for format in FORMATS {
        let packets: Vec<_> = (0..6).map(|n| media(65_535_u16.wrapping_add(n), 7)).collect();
        let mut decoder = FecDecoder::new(format, MEDIA);
        for packet in encode(format, &packets, 2) {
            take_fec(&mut decoder, &packet);
        }
        // The first of each row is lost: one before the wrap, one behind it.
        for packet in &packets[2..] {
            decoder.media(&RtpPacket::parse(packet).unwrap());
        }
        let mut recovered = all_recovered(&mut decoder);
        recovered.sort_by_key(|packet| packets.iter().position(|p| p == packet));
        assert_eq!(recovered, packets[..2], "{format:?}");
    }
}
