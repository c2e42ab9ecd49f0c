//! Feedback about what we send, from peers that lie: seen from inside, for only an end that has the keys can send it.

use std::time::Duration;

use peerage_rtp::rtcp::{
    BitrateLimit, CongestionControlFeedback, Ecn, FeedbackSources, FullIntraEntry,
    FullIntraRequest, PacketMetric, PictureLossIndication, Remb, StreamFeedback, Tmmbr,
    TransportFeedbackBuilder,
};
use peerage_rtp::{SequenceNumber, Ssrc};

use super::tests::common::call::Call;
use super::tests::common::config;
use crate::{Input, Protocol};

fn call(seed: u64) -> Call {
    use peerage_netsim::{LinkConfig, Queue, Rate};
    let path = LinkConfig::new().rate(Rate::mbit(2)).delay(Duration::from_millis(20));
    let mut call = Call::new(seed, config(), config(), path.queue(Queue::bytes(100_000)));
    call.run(Duration::from_secs(5));
    call
}

/// Hands `a` RTCP of `b` that no call of `b` sends.
fn inject(call: &mut Call, packet: Vec<u8>) {
    let mut data = call.pair.b.pc.transports[0].rtp.seal(packet);
    let (source, destination) = (call.pair.b.address, call.pair.a.address);
    let protocol = Protocol::Udp;
    let input = Input { source, destination, protocol, ecn: None, data: &mut data };
    call.pair.a.pc.handle_input(call.pair.now, input).unwrap();
}

fn sources() -> FeedbackSources {
    FeedbackSources { sender: Ssrc(0xbad), media: Ssrc(0) }
}

/// An empty receiver report goes first (RFC 3550 §6.1).
fn compound() -> Vec<u8> {
    vec![0x80, 201, 0, 1, 0, 0, 0x0b, 0xad]
}

fn ssrcs(call: &Call) -> [Ssrc; 2] {
    [call.audio, call.video]
        .map(|handle| Ssrc(call.pair.a.pc.transceivers.get(handle).unwrap().sender.ssrcs[0].0))
}

#[track_caller]
fn audio_still_flows(call: &mut Call) {
    let seen = call.run(Duration::from_secs(2));
    assert!(seen.audio_frames >= 98, "{seen:?}");
    assert!(seen.audio_gap < Duration::from_millis(200), "{seen:?}");
}

#[test]
fn reports_on_packets_never_sent_change_nothing() {
    let mut call = call(200);
    let before = call.pair.a.pc.estimate().unwrap();
    let mut builder = TransportFeedbackBuilder::new();
    for round in 0..200u64 {
        // All but a few of these numbers are ahead of ours, or long gone; times run backwards.
        let base = SequenceNumber((round * 331 + 20_000) as u16);
        let arrival = Duration::from_secs(10_000 - 40 * round);
        builder.begin(base, arrival);
        for index in 0..500 {
            builder.push(base.plus(index), arrival);
        }
        let mut packet = compound();
        builder.write(sources(), round as u8, &mut packet);
        inject(&mut call, packet);
    }
    let after = call.pair.a.pc.estimate().unwrap();
    assert_eq!(after.in_flight, before.in_flight);
    audio_still_flows(&mut call);
    assert!(call.target_kbps() > 300, "{}", call.target_kbps());
}

#[test]
fn a_receiver_whose_clock_runs_back_stops_nothing() {
    let mut call = call(201);
    let mut builder = TransportFeedbackBuilder::new();
    for round in 0..100u64 {
        call.run(Duration::from_millis(20));
        let arrival = Duration::from_millis(1_000_000 - 64 * round);
        builder.begin(SequenceNumber(0), arrival);
        // The numbers of a transport begin at zero: these were all sent.
        for index in 0..600 {
            builder.push(SequenceNumber(index), arrival);
        }
        let mut packet = compound();
        builder.write(sources(), round as u8, &mut packet);
        inject(&mut call, packet);
    }
    audio_still_flows(&mut call);
    assert!(call.target_kbps() > 20, "{}", call.target_kbps());
}

#[test]
fn thousands_of_reports_are_not_all_read() {
    let mut call = call(202);
    // One run-length chunk after the other: 65,535 packets in 40 bytes.
    let mut report =
        vec![0x8f, 205, 0, 0, 0, 0, 0x0b, 0xad, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0];
    for _ in 0..8 {
        report.extend([0x1f, 0xff]);
    }
    report.extend([0, 7, 0, 0]);
    let words = (report.len() / 4 - 1) as u16;
    report[2..4].copy_from_slice(&words.to_be_bytes());
    let mut packet = compound();
    packet.extend(report);
    for _ in 0..5_000 {
        inject(&mut call, packet.clone());
    }
    audio_still_flows(&mut call);
}

#[test]
fn limits_are_answered_and_audio_goes_on() {
    let mut call = call(203);
    let media = ssrcs(&call);
    let before = call.pair.a.pc.statistics().rtp.rtcp_sent;
    for _ in 0..2_000 {
        for bitrate in [u64::MAX, 0] {
            let limits = media.map(|ssrc| BitrateLimit { ssrc, bitrate, overhead: 40 });
            let mut packet = compound();
            Tmmbr { sources: sources(), limits: (&limits).into() }.write(&mut packet);
            inject(&mut call, packet);
        }
    }
    audio_still_flows(&mut call);
    assert_eq!(call.target_kbps(), 0, "video pauses");
    let answers = call.pair.a.pc.statistics().rtp.rtcp_sent - before;
    assert!((2..60).contains(&answers), "{answers} answers, reports among them");
    // The source that asked says goodbye.
    let mut packet = compound();
    packet.extend([0x81, 203, 0, 1, 0, 0, 0x0b, 0xad]);
    inject(&mut call, packet);
    call.run(Duration::from_secs(3));
    assert!(call.target_kbps() > 300, "{}", call.target_kbps());
}

#[test]
fn an_estimate_of_nothing_leaves_video_little_and_audio_alone() {
    let mut call = call(204);
    for bitrate in [u64::MAX, 1, 0] {
        let mut packet = compound();
        Remb { sources: sources(), bitrate, ssrcs: (&[Ssrc(1)]).into() }.write(&mut packet);
        inject(&mut call, packet);
    }
    audio_still_flows(&mut call);
    assert!((1..30).contains(&call.target_kbps()), "{}", call.target_kbps());
    let mut packet = compound();
    Remb { sources: sources(), bitrate: 5_000_000, ssrcs: (&[Ssrc(1)]).into() }.write(&mut packet);
    inject(&mut call, packet);
    call.run(Duration::from_secs(10));
    assert!(call.target_kbps() > 300, "{}", call.target_kbps());
}

#[test]
fn reports_by_stream_of_strangers_are_noise() {
    let mut call = call(205);
    let metrics = vec![PacketMetric::Received { ecn: Ecn::Ce, arrival_offset: 0x1FFD }; 400];
    for round in 0..1_000u32 {
        let [audio, video] = ssrcs(&call);
        let ssrc = [audio, video, Ssrc(round)][round as usize % 3];
        let begin = SequenceNumber((round * 97) as u16);
        let streams = [StreamFeedback { ssrc, begin, metrics: (&metrics).into() }];
        let mut packet = compound();
        CongestionControlFeedback::new(Ssrc(0xbad), round.wrapping_mul(0x9999_9999), &streams)
            .write(&mut packet);
        inject(&mut call, packet);
    }
    audio_still_flows(&mut call);
    assert!(call.target_kbps() > 300, "{}", call.target_kbps());
}

/// Each request may cost a keyframe, and an event in a queue that has to hold others.
#[test]
fn a_storm_of_keyframe_requests_is_told_now_and_then() {
    let mut call = call(206);
    let media = ssrcs(&call)[1];
    let storm = |call: &mut Call, fir: Option<u8>| {
        let mut packet = compound();
        let sources = FeedbackSources { sender: Ssrc(0xbad), media };
        match fir {
            None => PictureLossIndication { sources }.write(&mut packet),
            Some(sequence_number) => {
                let entries = [FullIntraEntry { ssrc: media, sequence_number }];
                FullIntraRequest { sources, entries: (&entries).into() }.write(&mut packet);
            }
        }
        inject(call, packet);
    };
    // Nobody makes keyframes: all that is asked for stays asked for.
    let told = |call: &mut Call, time: u64, each_ms: &mut dyn FnMut(&mut Call)| {
        let mut told = 0;
        for _ in 0..time {
            each_ms(call);
            call.pair.now += Duration::from_millis(1);
            let now = call.pair.now;
            if call.pair.a.pc.poll_timeout().is_some_and(|at| at <= now) {
                call.pair.a.pc.handle_timeout(now);
            }
            while let Some(event) = call.pair.a.pc.poll_event() {
                told += u32::from(matches!(event, crate::Event::KeyframeRequested { .. }));
            }
        }
        told
    };
    let count = told(&mut call, 1_000, &mut |call| storm(call, None));
    assert_eq!(count, 4, "at once, and each 300 ms");
    let count = told(&mut call, 1_000, &mut |_| {});
    assert_eq!(count, 1, "what was put off is not lost");
    let mut number = 0;
    let count = told(&mut call, 1_000, &mut |call| {
        number += 1;
        storm(call, Some(number as u8));
    });
    assert_eq!(count, 4, "ever new commands");
    told(&mut call, 1_000, &mut |_| {});
    // Round trips are 40 ms here: 80 ms after the first was told a repetition means that its keyframe was lost.
    let mut repeated = 0;
    let count = told(&mut call, 75, &mut |call| {
        repeated += 1;
        storm(call, Some(99));
    });
    assert_eq!((count, repeated), (1, 75));
    let count = told(&mut call, 1_000, &mut |_| {});
    assert_eq!(count, 0, "repetitions of a command are one command");
    storm(&mut call, Some(99));
    assert_eq!(told(&mut call, 10, &mut |_| {}), 1, "repeated long after");
}
