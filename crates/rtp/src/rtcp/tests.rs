//! Tests of RTCP: each kind there and back, compounds, and hostile lengths.

use proptest::prelude::*;

use super::*;
use crate::number::{RtpTimestamp, SequenceNumber, Ssrc};

const SOURCES: FeedbackSources = FeedbackSources { sender: Ssrc(1), media: Ssrc(2) };

fn round_trip(packet: Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.write(&mut out);
    assert_eq!(out.len() % 4, 0);
    let read: Vec<_> = packets(&out).collect();
    assert_eq!(read, [Ok(packet)]);
    out
}

fn block(ssrc: u32, lost: i32) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: 3,
        cumulative_lost: lost,
        extended_highest_sequence_number: 0x0001_FFFF,
        jitter: 5,
        last_sender_report: 6,
        delay_since_last_sender_report: 7,
    }
}

const INFO: SenderInfo = SenderInfo {
    ntp: 0x0123_4567_89AB_CDEF,
    rtp_timestamp: RtpTimestamp(8),
    packet_count: 9,
    octet_count: 10,
};

#[test]
fn each_kind_comes_back_as_it_went() {
    let blocks = [block(1, 5), block(2, -1), block(3, -0x80_0000)];
    round_trip(Packet::SenderReport(SenderReport {
        ssrc: Ssrc(9),
        info: INFO,
        reports: (&blocks).into(),
    }));
    round_trip(Packet::ReceiverReport(ReceiverReport { ssrc: Ssrc(9), reports: List::default() }));
    let items = [
        SdesItem { kind: SdesKind::CNAME, value: b"me@example" },
        SdesItem { kind: SdesKind::MID, value: b"" },
    ];
    let chunks = [
        SdesChunk { ssrc: Ssrc(1), items: (&items).into() },
        SdesChunk { ssrc: Ssrc(2), items: (&items[..0]).into() },
    ];
    round_trip(Packet::SourceDescription(SourceDescription::new(&chunks)));
    assert_eq!(chunks[0].cname(), Some("me@example"));
    let sources = [Ssrc(1), Ssrc(2)];
    for reason in [None, Some(&b""[..]), Some(&b"bored"[..])] {
        let bytes = Packet::Goodbye(Goodbye { sources: (&sources).into(), reason });
        if reason != Some(b"") {
            round_trip(bytes);
        }
    }
    let data = [1, 2, 3, 4];
    let name = *b"name";
    round_trip(Packet::ApplicationDefined(ApplicationDefined {
        subtype: 31,
        ssrc: Ssrc(1),
        name,
        data: &data,
    }));
    let pairs = [NackPair { packet_id: SequenceNumber(65_535), following: 0x8001 }];
    round_trip(Packet::Nack(Nack { sources: SOURCES, pairs: (&pairs).into() }));
    round_trip(Packet::PictureLossIndication(PictureLossIndication { sources: SOURCES }));
    let slices = [LostSlice { first: 0x1FFF, number: 1, picture_id: 63 }];
    round_trip(Packet::SliceLossIndication(SliceLossIndication {
        sources: SOURCES,
        slices: (&slices).into(),
    }));
    round_trip(Packet::ReferencePictureSelection(ReferencePictureSelection {
        sources: SOURCES,
        payload_type: 96,
        bits: &[1, 2, 3, 4, 5, 6],
        unused_bits: 8,
    }));
    let entries = [FullIntraEntry { ssrc: Ssrc(7), sequence_number: 255 }];
    round_trip(Packet::FullIntraRequest(FullIntraRequest {
        sources: SOURCES,
        entries: (&entries).into(),
    }));
    let limits = [
        BitrateLimit { ssrc: Ssrc(3), bitrate: 0x1_FFFF << 40, overhead: 0x1FF },
        BitrateLimit { ssrc: Ssrc(3), bitrate: 0, overhead: 0 },
    ];
    round_trip(Packet::Tmmbr(Tmmbr { sources: SOURCES, limits: (&limits).into() }));
    round_trip(Packet::Tmmbn(Tmmbn { sources: SOURCES, limits: List::default() }));
    round_trip(Packet::Remb(Remb {
        sources: SOURCES,
        bitrate: 0x3_FFFF << 46,
        ssrcs: (&sources).into(),
    }));
    let heard = [DelaySinceReference { ssrc: Ssrc(1), last_reference: 2, delay: 3 }];
    let xr = [
        ReportBlockXr::ReceiverReferenceTime { ntp: u64::MAX },
        ReportBlockXr::Dlrr((&heard).into()),
        ReportBlockXr::Other { block_type: 200, specific: 5, data: &data },
    ];
    round_trip(Packet::ExtendedReport(ExtendedReport::new(Ssrc(5), &xr)));
    round_trip(Packet::Other(Other { packet_type: 192, count: 2, body: &[0; 8] }));
    round_trip(Packet::Other(Other {
        packet_type: 206,
        count: 15,
        body: b"\0\0\0\x01\0\0\0\x02else",
    }));
}

#[test]
fn congestion_control_feedback_is_padded_to_words() {
    let metrics = [
        PacketMetric::Received { ecn: Ecn::Ce, arrival_offset: 512 },
        PacketMetric::NotReceived,
        PacketMetric::Received { ecn: Ecn::Ect1, arrival_offset: PacketMetric::OFFSET_UNKNOWN },
    ];
    let streams = [
        StreamFeedback { ssrc: Ssrc(1), begin: SequenceNumber(65_535), metrics: (&metrics).into() },
        StreamFeedback { ssrc: Ssrc(2), begin: SequenceNumber(5), metrics: List::default() },
    ];
    let bytes = round_trip(Packet::CongestionControlFeedback(CongestionControlFeedback::new(
        Ssrc(3),
        4,
        &streams,
    )));
    assert_eq!(bytes.len(), 4 + 4 + 8 + 8 + 8 + 4);
    assert_eq!(&bytes[16..24], &[0xE2, 0x00, 0, 0, 0xBF, 0xFF, 0, 0]);
    let Some(Ok(Packet::CongestionControlFeedback(read))) = packets(&bytes).next() else {
        panic!()
    };
    let numbers: Vec<_> = read.streams().flat_map(|s| s.packets().map(|(n, _)| n.0)).collect();
    assert_eq!(numbers, [65_535, 0, 1]);
    let empty = CongestionControlFeedback::new(Ssrc(3), 4, &[]);
    round_trip(Packet::CongestionControlFeedback(empty));
}

#[test]
fn more_than_fits_goes_into_further_packets() {
    let blocks: Vec<_> = (0..70).map(|n| block(n, 0)).collect();
    let mut out = Vec::new();
    SenderReport { ssrc: Ssrc(9), info: INFO, reports: (&blocks).into() }.write(&mut out);
    let counts: Vec<_> = packets(&out)
        .map(|p| match p.unwrap() {
            Packet::SenderReport(p) => p.reports.len(),
            Packet::ReceiverReport(p) => p.reports.len(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(counts, [31, 31, 8]);
    assert_eq!(validate(&out, false), Ok(()));
    let sources: Vec<_> = (0..40).map(Ssrc).collect();
    let mut out = Vec::new();
    Goodbye { sources: (&sources).into(), reason: None }.write(&mut out);
    let read: usize = packets(&out)
        .map(|p| match p.unwrap() {
            Packet::Goodbye(p) => p.sources.len(),
            other => panic!("{other:?}"),
        })
        .sum();
    assert_eq!(read, 40);
}

#[test]
fn nacks_pack_and_unpack() {
    let lost: Vec<_> = [65_530_u16, 65_535, 0, 10, 11, 12, 500].map(SequenceNumber).to_vec();
    let pairs: Vec<_> = NackPair::pack(lost.iter().copied()).collect();
    assert_eq!(pairs.len(), 2 + 1);
    let nack = Nack { sources: SOURCES, pairs: (&pairs).into() };
    assert_eq!(nack.sequence_numbers().collect::<Vec<_>>(), lost);
    assert_eq!(NackPair::pack([SequenceNumber(1); 3]).count(), 1);
}

#[test]
fn compounds_are_checked_as_a_whole() {
    let mut report = Vec::new();
    ReceiverReport { ssrc: Ssrc(1), reports: List::default() }.write(&mut report);
    let mut nack = Vec::new();
    PictureLossIndication { sources: SOURCES }.write(&mut nack);
    assert_eq!(validate(&[&report[..], &nack].concat(), false), Ok(()));
    assert!(validate(&nack, false).is_err());
    assert_eq!(validate(&nack, true), Ok(()), "RFC 5506");
    assert!(validate(&[], true).is_err());
    let mut padded = report.clone();
    padded[0] |= 0x20;
    padded[3] += 1;
    padded.extend_from_slice(&[0, 0, 0, 4]);
    assert_eq!(validate(&[&report[..], &padded].concat(), false), Ok(()));
    assert!(validate(&[&padded[..], &nack].concat(), false).is_err());
    assert_eq!(packets(&padded).count(), 1);
    let mut rogue = report.clone();
    rogue[3] = 200;
    assert!(validate(&rogue, false).is_err());
    // What cannot be cut apart ends the iteration; what is malformed inside does not.
    assert_eq!(packets(&[&rogue[..], &nack].concat()).count(), 1);
    let mut inside = report;
    inside[0] |= 5;
    let both = [&inside[..], &nack].concat();
    let read: Vec<_> = packets(&both).collect();
    assert!(read[0].is_err() && read[1].is_ok());
}

#[test]
fn absurd_bitrates_saturate_or_are_refused() {
    let mut tmmbr = Vec::new();
    let limits = [BitrateLimit { ssrc: Ssrc(3), bitrate: u64::MAX, overhead: 40 }];
    Tmmbr { sources: SOURCES, limits: (&limits).into() }.write(&mut tmmbr);
    tmmbr[16] = 0xFF; // exponent 63
    let Some(Ok(Packet::Tmmbr(read))) = packets(&tmmbr).next() else { panic!() };
    assert_eq!(read.limits.get(0).map(|limit| limit.bitrate), Some(u64::MAX));
    let mut remb = Vec::new();
    Remb { sources: SOURCES, bitrate: u64::MAX, ssrcs: List::default() }.write(&mut remb);
    assert!(packets(&remb).next().unwrap().is_ok());
    remb[17] = 0xFF;
    assert!(packets(&remb).next().unwrap().is_err());
}

proptest! {
    #[test]
    fn noise_never_panics_and_what_is_read_writes_back(
        mut bytes in prop::collection::vec(any::<u8>(), 0..120),
        packet_type in 199_u8..209, count in 0_u8..32, honest in any::<bool>(),
    ) {
        if bytes.len() >= 4 && honest {
            bytes.truncate(bytes.len() / 4 * 4);
            let words = (bytes.len() / 4 - 1) as u8;
            bytes[..4].copy_from_slice(&[0x80 | count, packet_type, 0, words]);
        }
        let _ = validate(&bytes, true);
        for packet in packets(&bytes).flatten() {
            let mut out = Vec::new();
            packet.write(&mut out);
            // An empty reason, and reserved bits, do not come back; the meaning does.
            for again in packets(&out) {
                prop_assert!(again.is_ok(), "{:?} from {:?}", again, packet);
            }
        }
    }
}

/// libwebrtc's transport-wide feedback ends where its last delta does; the padding up to the next word is counted as such.
#[test]
fn feedback_with_padding_of_less_than_a_word_is_read() {
    // One packet received, a delta of one byte and a padding of one; then a receiver report.
    let mut compound = vec![0xAF, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2];
    compound.extend([0, 9, 0, 1, 0, 0, 3, 7]);
    compound.extend([0x20, 1, 16, 1]);
    compound.extend([0x80, 201, 0, 1, 0, 0, 0, 1]);
    let read: Vec<_> = packets(&compound).collect();
    let [Ok(Packet::TransportFeedback(feedback)), Ok(Packet::ReceiverReport(_))] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(feedback.packets().count(), 1);
    // Elsewhere padding is whole words (RFC 3550 §6.4.1).
    compound[0] = 0xA1;
    assert!(packets(&compound).next().is_some_and(|packet| packet.is_err()));
}
