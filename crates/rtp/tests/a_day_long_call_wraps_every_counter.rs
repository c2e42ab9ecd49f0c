//! A call of 24 hours in virtual time, over real bytes: sequence numbers wrap 66 times, timestamps once, compact NTP times
//! once a 18 hours, NTP seconds in the middle (2036), and reports tell the truth all along.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use peerage_rtp::receive::{ReceiveStatistics, Reception, TransportArrivals};
use peerage_rtp::rtcp::{
    self, Arrival, FeedbackSources, Packet, ReceiverReport, SenderInfo, SenderReport,
};
use peerage_rtp::{
    NtpClock, NtpTime, PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber,
    SequenceUnwrapper, Ssrc, TimestampUnwrapper, duration_from_compact, round_trip,
};

const DELAY: Duration = Duration::from_millis(40);
const PACKET: Duration = Duration::from_millis(20);
const DAY: u32 = 24 * 3_600 * 50;

#[test]
fn reports_tell_the_truth_all_day() {
    let start = Instant::now();
    // Twelve hours before NTP's seconds wrap.
    let clock = NtpClock::new(start, NtpTime(0_u64.wrapping_sub(43_200 << 32)));
    let mut statistics = ReceiveStatistics::new(Ssrc(u32::MAX), 48_000);
    let (mut numbers, mut timestamps) =
        (SequenceUnwrapper::default(), TimestampUnwrapper::default());
    let mut arrivals = TransportArrivals::new(start);
    let (mut transport_numbers, mut transport_base) = (SequenceUnwrapper::default(), None);
    let mut bytes = Vec::new();
    let (mut lost, mut reports, mut feedback_received) = (0_i32, 0, 0_u64);
    let mut sent_at: VecDeque<u32> = VecDeque::new();
    for n in 0..DAY {
        let sent = start + PACKET * n;
        let now = sent + DELAY;
        let header = RtpHeader {
            payload_type: PayloadType::from_low_bits(111),
            sequence_number: SequenceNumber((n + 65_000) as u16),
            timestamp: RtpTimestamp(4_294_000_000_u32.wrapping_add(n.wrapping_mul(960))),
            ssrc: Ssrc(u32::MAX),
            ..RtpHeader::default()
        };
        if n % 100 == 33 {
            lost += 1;
        } else {
            bytes.clear();
            header.write(&mut bytes, |_| {});
            bytes.extend_from_slice(&n.to_be_bytes());
            let packet = RtpPacket::parse(&bytes).unwrap();
            let reception = statistics.receive(
                now,
                packet.sequence_number(),
                packet.timestamp(),
                packet.header_len(),
                4,
            );
            assert_eq!(reception, Reception::Newer);
            assert_eq!(numbers.unwrap(packet.sequence_number()), 65_536 + u64::from(n) + 65_000);
            assert_eq!(
                timestamps.unwrap(packet.timestamp()),
                (1 << 32) + 4_294_000_000 + u64::from(n) * 960
            );
            arrivals.record(now, packet.sequence_number());
            sent_at.push_back(n);
        }
        // Every second the sender reports, the receiver answers 300 ms later, and the sender knows the round trip.
        if n % 50 == 49 {
            bytes.clear();
            let info = SenderInfo {
                ntp: clock.at(sent).0,
                rtp_timestamp: header.timestamp,
                packet_count: n + 1,
                octet_count: n * 4,
            };
            SenderReport { ssrc: header.ssrc, info, reports: Default::default() }.write(&mut bytes);
            let Some(Ok(Packet::SenderReport(report))) = rtcp::packets(&bytes).next() else {
                panic!()
            };
            statistics.sender_report(now, report.info);
            let answered = now + Duration::from_millis(300);
            let blocks = [statistics.report(answered).unwrap()];
            bytes.clear();
            ReceiverReport { ssrc: Ssrc(1), reports: (&blocks).into() }.write(&mut bytes);
            let Some(Ok(Packet::ReceiverReport(report))) = rtcp::packets(&bytes).next() else {
                panic!()
            };
            let block = report.reports.get(0).unwrap();
            assert_eq!(block.cumulative_lost, lost.min(0x7F_FFFF));
            assert_eq!(block.extended_highest_sequence_number, n + 65_000);
            assert_eq!(block.jitter, 0);
            assert!(block.fraction_lost <= 5);
            let came = clock.at(answered + DELAY);
            // A report whose time has all zeros in the middle means none; it comes once in 18 hours at most.
            if block.last_sender_report != 0 {
                let rtt = round_trip(
                    came,
                    block.last_sender_report,
                    block.delay_since_last_sender_report,
                )
                .unwrap();
                assert!(rtt.abs_diff(DELAY * 2) < duration_from_compact(4), "{rtt:?} at {n}");
            }
            let (_, info) = statistics.last_sender_report().unwrap();
            let captured = clock.instant_of(NtpTime(info.ntp)).unwrap();
            assert!(
                captured.duration_since(start).abs_diff(sent - start) < Duration::from_nanos(2)
            );
            reports += 1;

            bytes.clear();
            assert!(arrivals.report(FeedbackSources::default(), &mut bytes));
            for packet in rtcp::packets(&bytes) {
                let Ok(Packet::TransportFeedback(feedback)) = packet else { panic!() };
                for status in feedback.packets() {
                    let extended = transport_numbers.unwrap(status.sequence_number);
                    let base = *transport_base.get_or_insert(extended);
                    let Arrival::Received { time_us } = status.arrival else { continue };
                    let index = sent_at.pop_front().unwrap();
                    assert_eq!(extended - base, u64::from(index));
                    assert_eq!(time_us, (PACKET * index + DELAY).as_micros() as i64);
                    feedback_received += 1;
                }
            }
        }
    }
    assert_eq!(reports, 86_400);
    assert_eq!(feedback_received, statistics.packets_received());
    assert_eq!(statistics.packets_lost(), i64::from(lost));
}
