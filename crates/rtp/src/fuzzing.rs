//! Bodies of fuzz targets for packets, RTCP, header extensions and repair; those for payloads are in
//! `payload::fuzzing`.

use std::time::{Duration, Instant};

use crate::extension::{
    AbsoluteCaptureTime, AbsoluteSendTime, AudioLevel, ColorSpace, DependencyDescriptor,
    DependencyStructure, ExtensionKind, ExtensionMap, HeaderExtension, Mid,
    MixerToClientAudioLevels, PlayoutDelay, RepairedRtpStreamId, RtpStreamId, TransmissionOffset,
    TransportSequenceNumber, TransportSequenceNumberV2, VideoContentType, VideoLayersAllocation,
    VideoOrientation, VideoTiming,
};
use crate::ntp::NtpTime;
use crate::number::{PayloadType, RtpTimestamp, SequenceNumber, Ssrc};
use crate::packet::{RtpHeader, RtpPacket, classify, write_padding};
use crate::receive::{
    Demultiplexer, MAX_ARRIVALS, MediaSection, ReceiveStatistics, RtcpSchedule, RtcpScheduleConfig,
    StreamArrivals, StreamRole, TransportArrivals,
};
use crate::repair::{
    FecDecoder, FecEncoder, FecFormat, NackConfig, NackGenerator, RECOVERY_WINDOW, Retransmission,
    RtxSender, SendHistory, SendHistoryConfig, rtx,
};
use crate::rtcp::{self, Arrival, Ecn, FeedbackSources, Packet};

/// Parses a packet, writes it again from what was read, and sends it through RTX and back.
pub fn packet(data: &[u8]) {
    let _ = classify(data);
    let Ok(packet) = RtpPacket::parse(data) else { return };
    assert_eq!(packet.header_len() + packet.payload().len() + packet.padding_len(), data.len());
    assert!(packet.extensions().count() <= data.len());
    let csrcs: Vec<_> = packet.csrcs().collect();
    let elements: Vec<_> = packet.extensions().collect();
    for (id, value) in &elements {
        let range = packet.extension_range(*id).expect("an element that was seen");
        assert!(range.end <= packet.header_len());
        assert!(
            data[range] == **value || elements.iter().filter(|(other, _)| other == id).count() > 1
        );
    }
    let mut out = Vec::new();
    packet.header().write_with_csrcs(&mut out, &csrcs, |writer| {
        writer.allow_two_byte();
        for (id, value) in &elements {
            // 15 is an identifier in the two-byte form alone.
            let written = writer.put(*id, value);
            assert!(written.is_ok() || *id == 15);
        }
    });
    out.extend_from_slice(packet.payload());
    write_padding(&mut out, 0, packet.padding_len() as u8);
    let again = RtpPacket::parse(&out).expect("what was written parses");
    assert_eq!((again.header(), again.payload()), (packet.header(), packet.payload()));
    assert_eq!(again.padding_len(), packet.padding_len());

    let mut map = ExtensionMap::new();
    map.insert_kind(1, ExtensionKind::RtpStreamId).expect("a free identifier");
    map.insert_kind(2, ExtensionKind::RepairedRtpStreamId).expect("a free identifier");
    let mut wire = Vec::new();
    let mut sender = RtxSender::new(Ssrc(9), packet.sequence_number());
    sender.encapsulate(data, PayloadType::PCMA, &map, &mut wire).expect("it parses");
    let sent = RtpPacket::parse(&wire).expect("what was written parses");
    assert_eq!(sent.header_len(), packet.header_len());
    let mut restored = Vec::new();
    let whole = rtx::restore(&sent, packet.ssrc(), packet.payload_type(), &mut restored);
    assert_eq!(whole, Ok(!packet.payload().is_empty()));
    if whole == Ok(true) {
        let restored = RtpPacket::parse(&restored).expect("what was restored parses");
        assert_eq!((restored.header(), restored.payload()), (packet.header(), packet.payload()));
    }
    let _ = rtx::restore(&packet, Ssrc(1), PayloadType::PCMU, &mut Vec::new());
}

/// Reads RTCP packets and writes each again; what is written reads the same.
pub fn rtcp(data: &[u8]) {
    for reduced_size in [false, true] {
        let _ = rtcp::validate(data, reduced_size);
    }
    for packet in rtcp::packets(data).flatten() {
        match &packet {
            Packet::TransportFeedback(feedback) => {
                assert_eq!(feedback.packets().count(), usize::from(feedback.status_count));
            }
            Packet::CongestionControlFeedback(feedback) => {
                let metrics: usize =
                    feedback.streams().map(|stream| stream.packets().count()).sum();
                assert!(metrics <= data.len());
            }
            Packet::Nack(nack) => assert!(nack.sequence_numbers().count() <= data.len() * 5),
            Packet::Tmmbr(_) | Packet::Tmmbn(_) => continue, // absurd bitrates saturate
            _ => {}
        }
        let mut out = Vec::new();
        packet.write(&mut out);
        let mut rest = rtcp::packets(&out);
        let again = rest.next().expect("a packet was written").expect("what was written reads");
        // Lists that are longer than a written packet go on in the next.
        if rest.next().is_none() {
            let mut twice = Vec::new();
            again.write(&mut twice);
            assert_eq!(twice, out);
        }
    }
}

/// Reads the value of an extension that the first byte chooses, and writes it again.
pub fn extensions(data: &[u8]) {
    // A macro, since the value that is read back borrows from another buffer than the first.
    macro_rules! one {
        ($kind:ty, $data:expr) => {
            if let Ok(value) = <$kind>::parse($data) {
                let mut out = Vec::new();
                value.write(&mut out);
                assert_eq!(<$kind>::parse(&out).as_ref(), Ok(&value));
            }
        };
    }
    let Some((&choice, data)) = data.split_first() else { return };
    match choice % 17 {
        0 => one!(AudioLevel, data),
        1 => one!(MixerToClientAudioLevels, data),
        2 => one!(Mid, data),
        3 => one!(RtpStreamId, data),
        4 => one!(RepairedRtpStreamId, data),
        5 => one!(AbsoluteSendTime, data),
        6 => one!(AbsoluteCaptureTime, data),
        7 => one!(TransportSequenceNumber, data),
        8 => one!(TransportSequenceNumberV2, data),
        9 => one!(TransmissionOffset, data),
        10 => one!(VideoOrientation, data),
        11 => one!(PlayoutDelay, data),
        12 => one!(VideoContentType, data),
        13 => one!(VideoTiming, data),
        14 => one!(ColorSpace, data),
        _ => one!(VideoLayersAllocation, data),
    }
}

/// Reads descriptors one after another, each after a byte with its length, with the structures that come with them.
pub fn dependency_descriptor(data: &[u8]) {
    let mut latest: Option<Box<DependencyStructure>> = None;
    let mut rest = data;
    while let Some((&len, after)) = rest.split_first() {
        let (bytes, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        let Ok(descriptor) = DependencyDescriptor::parse(bytes, latest.as_deref()) else {
            continue;
        };
        let mut out = Vec::new();
        descriptor.write(latest.as_deref(), &mut out).expect("what was read can be written");
        let again = DependencyDescriptor::parse(&out, latest.as_deref());
        assert_eq!(again.as_ref(), Ok(&descriptor));
        if descriptor.structure.is_some() {
            latest = descriptor.structure;
        }
    }
}

const FORMATS: [FecFormat; 3] = [FecFormat::UlpFec, FecFormat::FlexFec03, FecFormat::FlexFec];

/// Feeds a FEC decoder with real media, losses that the input chooses, real parity packets and the input's bytes in place
/// of some. Whatever comes out parses; without forged parity it is what was lost.
pub fn fec(data: &[u8]) {
    let &[choice, parity, forge, ref data @ ..] = data else { return };
    let format = FORMATS[usize::from(choice) % FORMATS.len()];
    let ssrc = Ssrc(0x0102_0304);
    let mut decoder = FecDecoder::new(format, ssrc);
    let mut encoder = FecEncoder::new(format, ssrc);
    let base = u16::from_be_bytes([choice, parity]);
    let mut sent = Vec::new();
    for (index, chunk) in data.chunks(7).take(40).enumerate() {
        let mut packet = Vec::new();
        let header = RtpHeader {
            marker: chunk[0] & 1 != 0,
            payload_type: PayloadType::from_low_bits(chunk[0]),
            sequence_number: SequenceNumber(base.wrapping_add(index as u16)),
            timestamp: RtpTimestamp(u32::from(chunk[0]) << 24),
            ssrc,
        };
        header.write(&mut packet, |_| {});
        packet.extend_from_slice(chunk);
        assert_eq!(encoder.push(&packet), Ok(true));
        if chunk[0] & 6 != 0 {
            decoder.media(&RtpPacket::parse(&packet).expect("just written"));
        }
        sent.push(packet);
    }
    let csrcs: &[Ssrc] = if format == FecFormat::FlexFec { &[ssrc] } else { &[] };
    let wrap = |payload: &[u8]| {
        let mut packet = Vec::new();
        RtpHeader { ssrc: Ssrc(9), ..RtpHeader::default() }.write_with_csrcs(
            &mut packet,
            csrcs,
            |_| {},
        );
        packet.extend_from_slice(payload);
        packet
    };
    let mut fec = Vec::new();
    encoder.encode(usize::from(parity % 8), |payload| fec.push(wrap(payload)));
    if forge & 1 != 0 {
        fec.push(wrap(data));
        if let Some(first) = fec.first_mut()
            && let Some(at) = (usize::from(forge) * 3 + 12).checked_rem(first.len())
            && at >= 12
        {
            first[at] ^= forge;
        }
    }
    for packet in &fec {
        // A packet of RTP with padding or an extension would do as well; what counts is the payload.
        if let Ok(packet) = RtpPacket::parse(packet) {
            let _ = decoder.fec(&packet, packet.payload());
        }
    }
    let mut out = Vec::new();
    let mut count = 0;
    while decoder.poll_recovered(&mut out) {
        let packet = RtpPacket::parse(&out).expect("what is recovered parses");
        assert_eq!(packet.ssrc(), ssrc);
        assert!(forge & 1 != 0 || sent.contains(&out));
        out.clear();
        count += 1;
    }
    assert!(count <= RECOVERY_WINDOW);
}

/// Drives a NACK generator and a history with numbers and times that the input chooses.
pub fn nack(data: &[u8]) {
    let mut now = Instant::now();
    let mut generator = NackGenerator::new(NackConfig::default());
    let mut history =
        SendHistory::new(SendHistoryConfig { packets: 64, ..SendHistoryConfig::default() });
    let mut number = SequenceNumber(0);
    let mut asked = Vec::new();
    for step in data.chunks_exact(3) {
        now += Duration::from_millis(u64::from(step[0] & 0x3F));
        let jump = u16::from_be_bytes([step[1], step[2]]);
        match step[0] >> 6 {
            0 => number = number.next(),
            1 => number = number.plus(jump % 16),
            2 => number = number.minus(jump % 64),
            _ => number = number.plus(jump),
        }
        history.insert(now, number, &step[..1 + usize::from(step[2] % 2)]);
        if step[2] & 2 == 0 {
            generator.receive(now, number);
        } else {
            generator.repaired(now, number);
        }
        if step[1] & 0x40 != 0 {
            generator.key_frame(number.minus(jump % 100));
        }
        asked.clear();
        let due = generator.poll(now, Duration::from_millis(u64::from(step[1])), &mut asked);
        assert_eq!(due, !asked.is_empty());
        assert!(asked.len() <= NackConfig::default().max_missing);
        assert!(generator.missing() <= NackConfig::default().max_missing);
        for lost in asked.drain(..) {
            if let Retransmission::Send(packet) =
                history.retransmit(now, lost, Duration::from_millis(20))
            {
                assert!(!packet.is_empty());
                if step[1] & 1 == 0 {
                    history.resent(now, lost);
                }
            }
        }
        if let Some(due) = generator.poll_timeout() {
            assert!(due > now, "all that was due was asked for");
        }
    }
    let _ = (generator.take_key_frame_needed(), history.padding(now, |packet| packet.len() < 2));
}

/// Routes packets, each after a byte with its length, in a session with two media sections and simulcast.
pub fn demultiplexer(data: &[u8]) {
    let mut map = ExtensionMap::new();
    for (id, kind) in [
        (1, ExtensionKind::Mid),
        (2, ExtensionKind::RtpStreamId),
        (3, ExtensionKind::RepairedRtpStreamId),
    ] {
        map.insert_kind(id, kind).expect("a free identifier");
    }
    let mut demux = Demultiplexer::new();
    for (id, mid, payload_type) in [(0, "0", 111), (1, "1", 96)] {
        let section = MediaSection {
            mid: mid.into(),
            payload_types: vec![PayloadType::from_low_bits(payload_type)],
            repair_payload_types: vec![PayloadType::from_low_bits(97)],
            rids: if id == 1 { vec!["a".into(), "b".into()] } else { Vec::new() },
        };
        demux.set_section(id, &section).expect("within limits");
    }
    demux.bind(Ssrc(0), 0, None, StreamRole::Media);
    let mut rest = data;
    while let Some((&len, after)) = rest.split_first() {
        let (bytes, after) = after.split_at(usize::from(len).min(after.len()));
        rest = after;
        let Ok(packet) = RtpPacket::parse(bytes) else { continue };
        if let Some(route) = demux.route(&packet, &map) {
            assert!(route.section < 2 && route.layer.is_none_or(|layer| layer < 2));
            let known = demux.lookup(packet.ssrc()).expect("it has been routed");
            assert_eq!((known.section, known.layer), (route.section, route.layer));
            if len & 1 != 0 {
                demux.unbind(packet.ssrc());
            }
        }
    }
}

/// Drives statistics, arrivals and the schedule with numbers and times that the input chooses; reports parse, and tell
/// of no packet that did not come.
pub fn receiver(data: &[u8]) {
    let start = Instant::now();
    let mut now = start;
    let mut statistics = ReceiveStatistics::new(Ssrc(1), 90_000);
    let mut transport = TransportArrivals::new(now);
    let mut streams = StreamArrivals::new();
    let mut schedule = RtcpSchedule::new(now, RtcpScheduleConfig::feedback(500_000), 7);
    let mut out = Vec::new();
    for step in data.chunks_exact(5) {
        now += Duration::from_micros(u64::from(u16::from_be_bytes([step[0], step[1]])) * 50);
        let number = SequenceNumber(u16::from_be_bytes([step[2], step[3]]));
        let timestamp = RtpTimestamp(u32::from_be_bytes([step[1], step[2], step[3], step[4]]));
        statistics.receive(now, number, timestamp, 12, usize::from(step[4]));
        transport.record(now, number);
        streams.record(now, Ssrc(u32::from(step[4] & 3)), number, Ecn::from_bits(step[4] >> 2));
        if step[4] & 0x40 != 0 {
            out.clear();
            while streams.report(now, NtpTime(1), Ssrc(2), &mut out) {}
            while transport.report(FeedbackSources::default(), &mut out) {}
            let mut received = 0;
            for packet in rtcp::packets(&out) {
                match packet.expect("what was written reads") {
                    Packet::TransportFeedback(feedback) => {
                        let came =
                            |status: &rtcp::PacketStatus| status.arrival != Arrival::NotReceived;
                        received += feedback.packets().filter(came).count();
                    }
                    Packet::CongestionControlFeedback(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(received <= MAX_ARRIVALS);
            assert!(!transport.is_due() && !streams.is_due());
        }
        if step[4] & 0x80 != 0 {
            let random = u32::from_be_bytes([step[0], step[3], step[1], step[4]]);
            if schedule.handle_timeout(now, step[0] & 1 != 0, random) {
                assert!(statistics.report(now).is_some());
                schedule.sent(now, usize::from(step[3]), random);
                assert!(schedule.poll_timeout() >= now);
            }
            schedule.set_members(now, u32::from(step[2]), u32::from(step[3]), step[4] & 1 != 0);
            let _ = schedule.early_feedback(now, Duration::from_millis(100), 60, random);
        }
    }
    let _ = statistics.jitter();
}

/// Joins sources whose packets, numbers and payloads the input chooses; no number is given out twice.
pub fn forwarding(data: &[u8]) {
    use crate::forward::{SimulcastSelector, SourcePacket, StreamRewriter, begins_keyframe};
    use crate::payload::PayloadFormat;
    let Some((&[choice], steps)) = data.split_first_chunk::<1>() else { return };
    let format = [PayloadFormat::Vp8, PayloadFormat::Vp9, PayloadFormat::Opus, PayloadFormat::Av1]
        [usize::from(choice % 4)];
    let mut rewriter = StreamRewriter::new(format, 90_000);
    let mut selector = SimulcastSelector::new();
    let start = Instant::now();
    let mut used = std::collections::HashSet::new();
    let mut base = 1_u64 << 20;
    for (index, step) in steps.chunks(12).enumerate() {
        let [what, jump, near, payload @ ..] = step else { return };
        let (what, jump, near) = (*what, *jump, *near);
        let source = u32::from(what & 3);
        base += u64::from(jump) * u64::from(jump);
        let packet = SourcePacket {
            source,
            sequence: base - u64::from(near),
            timestamp: u32::from(jump) << 24 | u32::from(near),
            payload,
            arrival: start + Duration::from_millis(index as u64),
        };
        let given = match what >> 4 {
            0 => {
                rewriter.switch_to(source);
                selector.set_target(source as u8);
                None
            }
            1 | 2 => rewriter.skip(&packet),
            _ => rewriter.forward(&packet).map(|out| {
                assert!(out.prefix.len() <= payload.len());
                assert_eq!(rewriter.source_of(out.sequence), Some((source, packet.sequence)));
                out.sequence
            }),
        };
        if let Some(number) = given {
            assert!(used.insert(number), "{number} was given out twice");
        }
        let keyframe = begins_keyframe(format, payload);
        selector.insert(source as u8, packet.sequence, keyframe, ());
        let _ = selector.poll_keyframe_request(packet.arrival);
        if what & 8 != 0 {
            while selector.poll().is_some() {}
        }
    }
}

/// A packet whose payload and descriptor the input chooses.
#[derive(Debug)]
struct Layered<'a> {
    sequence: u64,
    timestamp: u32,
    marker: bool,
    descriptor: Option<&'a [u8]>,
    payload: &'a [u8],
    arrival: Instant,
}

impl crate::forward::LayeredPacket for Layered<'_> {
    fn source(&self) -> crate::forward::SourcePacket<'_> {
        let Self { sequence, timestamp, payload, arrival, .. } = *self;
        crate::forward::SourcePacket { source: 1, sequence, timestamp, payload, arrival }
    }

    fn marker(&self) -> bool {
        self.marker
    }

    fn dependency_descriptor(&self) -> Option<&[u8]> {
        self.descriptor
    }
}

/// Chooses layers of a stream whose packets the input makes; each packet comes out once, and what is rewritten reads.
pub fn layers(data: &[u8]) {
    use crate::forward::{Layer, LayerChoice, LayerReader, LayerSelector};
    use crate::payload::PayloadFormat;
    let Some((&choice, mut rest)) = data.split_first() else { return };
    let format = [PayloadFormat::Vp8, PayloadFormat::Vp9, PayloadFormat::Av1];
    let mut reader = LayerReader::new(format[usize::from(choice % 3)]);
    let mut selector = LayerSelector::new();
    let start = Instant::now();
    let (mut taken, mut given) = (0_usize, 0_usize);
    while let Some((&[what, ahead, len], after)) = rest.split_first_chunk::<3>() {
        let (bytes, after) = after.split_at(usize::from(len & 31).min(after.len()));
        let (payload, after) = after.split_at(usize::from(len >> 5).min(after.len()));
        rest = after;
        if what & 0xC0 == 0 {
            selector.set_wanted(Layer { spatial: what & 3, temporal: what >> 2 & 3 });
        }
        let sequence = 1_000 + taken as u64 - u64::from(ahead & 15);
        let timestamp = u32::from(ahead >> 4) * 3_000 + taken as u32 / 4 * 3_000;
        let descriptor = (what & 0x20 != 0).then_some(bytes);
        let arrival = start + Duration::from_millis(taken as u64);
        let marker = what & 0x10 != 0;
        reader.insert(Layered { sequence, timestamp, marker, descriptor, payload, arrival });
        taken += 1;
        while let Some((layers, packet)) = reader.poll() {
            selector.insert(&layers, packet);
        }
        while let Some(choice) = selector.poll() {
            given += 1;
            let LayerChoice::Forward(chosen) = choice else { continue };
            if let (Some(rewritten), Some(structure)) = (&chosen.descriptor, reader.structure()) {
                let _ = DependencyDescriptor::parse(rewritten, Some(structure));
                assert!(rewritten.len() <= 255);
            }
        }
        let _ = (reader.poll_keyframe_request(arrival), selector.poll_keyframe_request(arrival));
        // All but what waits for templates, and one that may end its picture.
        assert!(given <= taken && taken - given <= 257);
    }
}

#[cfg(test)]
#[path = "../../../fuzz/inputs.rs"]
pub(crate) mod inputs;

#[cfg(test)]
mod tests {
    use super::*;

    const BODIES: [fn(&[u8]); 10] = [
        packet,
        rtcp,
        extensions,
        dependency_descriptor,
        fec,
        nack,
        demultiplexer,
        receiver,
        forwarding,
        layers,
    ];

    #[test]
    fn bodies_hold_on_noise() {
        let mut seed = 1_u64;
        let mut bytes = [0_u8; 400];
        for round in 0..6_000_usize {
            for byte in &mut bytes {
                seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (seed >> 56) as u8;
            }
            let len = round % bytes.len();
            for body in BODIES {
                body(&bytes[..len]);
            }
            // Steer past the checks of the headers: RTP, then RTCP of each type.
            bytes[0] = 0x80 | (bytes[0] & 0x3F);
            packet(&bytes[..len]);
            bytes[0] &= 0x1F;
            bytes[0] |= 0x80;
            bytes[1] = 199 + (round % 10) as u8;
            bytes[2] = 0;
            bytes[3] = (len / 4).saturating_sub(1) as u8;
            rtcp(&bytes[..len / 4 * 4]);
            // Packets for the demultiplexer, of a few SSRCs.
            for at in (0..len.saturating_sub(20)).step_by(20) {
                bytes[at..at + 3].copy_from_slice(&[19, 0x90, 96 + (round % 3) as u8]);
                bytes[at + 9..at + 12].fill(0);
                bytes[at + 13..at + 17].copy_from_slice(&[0xBE, 0xDE, 0, 0]);
            }
            demultiplexer(&bytes[..len]);
        }
    }

    #[test]
    fn seeds_and_regressions_hold() {
        inputs::run("rtp_packet", packet);
        inputs::run("rtp_rtcp", rtcp);
        inputs::run("rtp_extensions", extensions);
        inputs::run("rtp_dependency_descriptor", dependency_descriptor);
        inputs::run("rtp_fec", fec);
        inputs::run("rtp_nack", nack);
        inputs::run("rtp_demultiplexer", demultiplexer);
        inputs::run("rtp_receiver", receiver);
        inputs::run("rtp_forwarding", forwarding);
        inputs::run("rtp_layers", layers);
    }
}
