//! A stream over a lossy path in virtual time: what NACK with RTX, and FEC, bring back.

use std::time::{Duration, Instant};

use peerage_rtp::receive::ReceiveStatistics;
use peerage_rtp::repair::{
    FecDecoder, FecEncoder, FecFormat, NackConfig, NackGenerator, Retransmission, RtxSender,
    SendHistory, SendHistoryConfig, rtx,
};
use peerage_rtp::rtcp::{self, FeedbackSources, Nack, NackPair, Packet};
use peerage_rtp::{
    ExtensionMap, PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc,
};

const MEDIA: Ssrc = Ssrc(1);
const RTX: Ssrc = Ssrc(2);

struct Random(u64);

impl Random {
    /// Uniform below `n`.
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn packet(n: u32) -> Vec<u8> {
    let mut out = Vec::new();
    RtpHeader {
        marker: n % 5 == 4,
        payload_type: PayloadType::from_low_bits(96),
        sequence_number: SequenceNumber((n + 60_000) as u16),
        timestamp: RtpTimestamp(n / 5 * 3_000),
        ssrc: MEDIA,
    }
    .write(&mut out, |_| {});
    out.extend_from_slice(&n.to_be_bytes());
    out.resize(out.len() + (n as usize * 37) % 900, n as u8);
    out
}

/// What is on its way: when it comes, and to whom.
enum OnWire {
    Forward(Vec<u8>),
    Back(Vec<u8>),
}

struct Outcome {
    lost: usize,
    repaired: usize,
    /// Repaired within 300 ms of when they were due.
    in_time: usize,
    requests: u64,
    statistics_lost: i64,
}

/// 150 packets a second for 200 seconds, with loss both ways, and up to 30 ms of jitter that reorders.
fn call_with_nack(loss_percent: u64, delay: Duration, seed: u64) -> Outcome {
    let start = Instant::now();
    let mut random = Random(seed);
    let mut wire: Vec<(Instant, OnWire)> = Vec::new();
    let mut history = SendHistory::new(SendHistoryConfig::default());
    let mut rtx_sender = RtxSender::new(RTX, SequenceNumber(65_500));
    let mut nack = NackGenerator::new(NackConfig::default());
    let mut statistics = ReceiveStatistics::new(MEDIA, 90_000);
    let total = 30_000_u32;
    let (mut first_try, mut came) = (vec![false; total as usize], vec![None; total as usize]);
    let round_trip = delay * 2 + Duration::from_millis(15);
    let mut lost_numbers = Vec::new();
    for ms in 0..210_000_u64 {
        let now = start + Duration::from_millis(ms);
        let mut forward = Vec::new();
        if ms % 20 < 3 && (ms / 20 * 3 + ms % 20) < u64::from(total) {
            let n = (ms / 20 * 3 + ms % 20) as u32;
            let bytes = packet(n);
            history.insert(now, SequenceNumber((n + 60_000) as u16), bytes.clone());
            forward.push(bytes);
        }
        let mut index = 0;
        while index < wire.len() {
            if wire[index].0 > now {
                index += 1;
                continue;
            }
            match wire.swap_remove(index).1 {
                OnWire::Forward(bytes) => {
                    let read = RtpPacket::parse(&bytes).unwrap();
                    let mut restored = Vec::new();
                    let original = if read.ssrc() == RTX {
                        assert_eq!(
                            rtx::restore(
                                &read,
                                MEDIA,
                                PayloadType::from_low_bits(96),
                                &mut restored
                            ),
                            Ok(true)
                        );
                        RtpPacket::parse(&restored).unwrap()
                    } else {
                        statistics.receive(
                            now,
                            read.sequence_number(),
                            read.timestamp(),
                            read.header_len(),
                            1,
                        );
                        read
                    };
                    let n = u32::from_be_bytes(original.payload()[..4].try_into().unwrap());
                    assert_eq!(original.as_bytes(), packet(n), "repaired whole");
                    if read.ssrc() == RTX {
                        nack.repaired(now, original.sequence_number());
                    } else {
                        nack.receive(now, original.sequence_number());
                    }
                    first_try[n as usize] |= read.ssrc() == MEDIA;
                    came[n as usize].get_or_insert(now);
                }
                OnWire::Back(bytes) => {
                    let Some(Ok(Packet::Nack(request))) = rtcp::packets(&bytes).next() else {
                        panic!()
                    };
                    for number in request.sequence_numbers() {
                        if let Retransmission::Send(bytes) =
                            history.retransmit(now, number, round_trip)
                        {
                            let mut out = Vec::new();
                            let payload_type = PayloadType::from_low_bits(97);
                            rtx_sender
                                .encapsulate(bytes, payload_type, &ExtensionMap::new(), &mut out)
                                .unwrap();
                            forward.push(out);
                            history.resent(now, number);
                        }
                    }
                }
            }
        }
        lost_numbers.clear();
        if nack.poll(now, round_trip, &mut lost_numbers) {
            let pairs: Vec<_> = NackPair::pack(lost_numbers.iter().copied()).collect();
            let mut out = Vec::new();
            Nack {
                sources: FeedbackSources { sender: Ssrc(9), media: MEDIA },
                pairs: (&pairs).into(),
            }
            .write(&mut out);
            if random.below(100) >= loss_percent {
                wire.push((now + delay, OnWire::Back(out)));
            }
        }
        for bytes in forward {
            if random.below(100) >= loss_percent {
                let jitter = Duration::from_millis(random.below(31));
                wire.push((now + delay + jitter, OnWire::Forward(bytes)));
            }
        }
    }
    let due = |n: usize| start + Duration::from_millis(n as u64 / 3 * 20 + n as u64 % 3) + delay;
    let lost: Vec<_> = (0..total as usize).filter(|n| !first_try[*n]).collect();
    let in_time =
        |n: &&usize| came[**n].is_some_and(|at| at < due(**n) + Duration::from_millis(300));
    Outcome {
        lost: lost.len(),
        repaired: lost.iter().filter(|n| came[**n].is_some()).count(),
        in_time: lost.iter().filter(in_time).count(),
        requests: nack.requests(),
        statistics_lost: statistics.packets_lost(),
    }
}

#[test]
fn nack_repairs_nearly_all_of_2_5_and_10_percent() {
    for (loss, whole, in_time) in [(2, 0.999, 0.98), (5, 0.998, 0.96), (10, 0.996, 0.93)] {
        let outcome = call_with_nack(loss, Duration::from_millis(25), loss);
        let share = |count: usize| count as f64 / outcome.lost as f64;
        println!(
            "{loss} % of loss: {} lost, {:.2} % repaired, {:.2} % within 300 ms, {} requests",
            outcome.lost,
            share(outcome.repaired) * 100.0,
            share(outcome.in_time) * 100.0,
            outcome.requests
        );
        assert!(outcome.lost as u64 > 30_000 * loss / 100 * 8 / 10);
        assert!(share(outcome.repaired) >= whole, "{}", share(outcome.repaired));
        assert!(share(outcome.in_time) >= in_time, "{}", share(outcome.in_time));
        assert!(
            outcome.requests < outcome.lost as u64 * 9 / 5,
            "reordering is not asked for: {}",
            outcome.requests
        );
        assert!((outcome.statistics_lost - outcome.lost as i64).abs() <= 2);
    }
}

/// Shares of lost packets that parity brings back, two for ten.
fn share_recovered(format: FecFormat, loss_percent: u64) -> f64 {
    let mut random = Random(loss_percent + 5);
    let mut encoder = FecEncoder::new(format, MEDIA);
    let mut decoder = FecDecoder::new(format, MEDIA);
    let csrcs: &[Ssrc] = if format == FecFormat::FlexFec { &[MEDIA] } else { &[] };
    let (mut lost, mut recovered) = (0, 0);
    let mut out = Vec::new();
    for n in 0..100_000 {
        let bytes = packet(n);
        assert_eq!(encoder.push(&bytes), Ok(true));
        if random.below(100) < loss_percent {
            lost += 1;
        } else {
            decoder.media(&RtpPacket::parse(&bytes).unwrap());
        }
        if encoder.len() == 10 {
            let mut parity = Vec::new();
            encoder.encode(2, |payload| {
                let mut out = Vec::new();
                RtpHeader { ssrc: Ssrc(3), ..RtpHeader::default() }.write_with_csrcs(
                    &mut out,
                    csrcs,
                    |_| {},
                );
                out.extend_from_slice(payload);
                parity.push(out);
            });
            for bytes in parity {
                if random.below(100) >= loss_percent {
                    let read = RtpPacket::parse(&bytes).unwrap();
                    decoder.fec(&read, read.payload()).unwrap();
                }
            }
        }
        while decoder.poll_recovered(&mut out) {
            let payload = RtpPacket::parse(&out).unwrap().payload();
            let n = u32::from_be_bytes(payload[..4].try_into().unwrap());
            assert_eq!(out, packet(n));
            out.clear();
            recovered += 1;
        }
    }
    assert_eq!(decoder.packets_recovered(), recovered);
    recovered as f64 / f64::from(lost)
}

#[test]
fn parity_recovers_what_it_promises() {
    for format in [FecFormat::UlpFec, FecFormat::FlexFec03, FecFormat::FlexFec] {
        for (loss, least) in [(2, 0.88), (5, 0.75), (10, 0.57)] {
            let share = share_recovered(format, loss);
            println!("{format:?} at {loss} % of loss: {:.1} % recovered", share * 100.0);
            // A lost packet comes back if its row lost nothing else: (1 - loss)^5 with the parity packet.
            let expected = (1.0 - loss as f64 / 100.0).powi(5);
            assert!(share >= least && (share - expected).abs() < 0.03, "{share} {expected}");
        }
    }
}
