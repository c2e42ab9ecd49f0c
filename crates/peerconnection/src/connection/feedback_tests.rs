//! Repairs, requests and reports where the peer is another one than ours: seen from inside, for no call of ours sends what
//! it would.

use std::time::Duration;

use peerage_rtp::rtcp::{
    FeedbackSources, FullIntraEntry, FullIntraRequest, Packet, PictureLossIndication,
    ReceiverReport, Remb, ReportBlock, SdesChunk, SdesItem, SdesKind, SourceDescription, packets,
};
use peerage_rtp::{PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};
use peerage_sdp::Feedback;

use super::tests::common::{Pair, config, frames, vp8};
use crate::media::MediaKind;
use crate::{
    Configuration, Event, Frame, Input, Protocol, SrtpProtectionProfile, TransceiverHandle,
};

const FRAME_TIME: Duration = Duration::from_millis(33);

/// A connected pair whose `a` sends audio and video.
fn calling(seed: u64, config: Configuration) -> (Pair, TransceiverHandle, TransceiverHandle) {
    let mut pair = Pair::with(seed, config.clone(), config);
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    (pair, audio, video)
}

/// Video without these kinds of feedback.
fn without(feedback: &[Feedback]) -> Configuration {
    let mut config = config();
    for capability in &mut config.settings.media.video {
        capability.codec.rtcp_feedback.retain(|known| !feedback.contains(known));
    }
    config
}

/// Hands `a`, or else `b`, what the other end has sealed.
fn inject(pair: &mut Pair, to_a: bool, packet: Vec<u8>) {
    let (from, to) = match to_a {
        true => (&mut pair.b, &mut pair.a),
        false => (&mut pair.a, &mut pair.b),
    };
    let mut data = from.pc.transports[0].rtp.seal(packet);
    let (source, destination) = (from.address, to.address);
    let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data: &mut data };
    to.pc.handle_input(pair.now, input).unwrap();
}

/// An empty receiver report, which goes first (RFC 3550 §6.1).
fn compound() -> Vec<u8> {
    vec![0x80, 201, 0, 1, 0, 0, 0x0b, 0xad]
}

/// The VP8 packet of `a` with this source and number that is a whole frame, or retransmissions of it under `rtx`.
fn picture(pair: &Pair, ssrc: u32, number: u16, keyframe: bool, rtx: Option<u32>) -> Vec<u8> {
    let transceiver = pair.b.pc.transceivers.iter().nth(1).unwrap();
    let codec = &transceiver.agreed.as_ref().unwrap().codecs[0];
    let payload_type = rtx.map_or(codec.receive, |_| codec.rtx.unwrap().receive);
    let header = RtpHeader {
        marker: true,
        payload_type: PayloadType::new(payload_type).unwrap(),
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(u32::from(number) * 3000),
        ssrc: Ssrc(rtx.unwrap_or(ssrc)),
    };
    let mut packet = Vec::new();
    header.write(&mut packet, |writer| {
        writer.put(pair.a.pc.transports[0].rtp.mid_extension(), b"1").unwrap();
    });
    if rtx.is_some() {
        packet.extend(number.to_be_bytes());
    }
    packet.push(0x10);
    packet.extend(vp8(keyframe, 300, number as u8));
    packet
}

/// What `b` has asked of keyframes: the number of each command, and `None` for a picture that was lost.
fn asked_for(pair: &mut Pair) -> Vec<Option<u8>> {
    let waiting = pair.b.pc.transports[0].rtp.waiting_rtcp();
    let asked = waiting.iter().flat_map(|compound| packets(compound)).filter_map(|packet| {
        match packet.unwrap() {
            Packet::PictureLossIndication(_) => Some(None),
            Packet::FullIntraRequest(request) => {
                assert_eq!(request.sources.media, Ssrc(0), "RFC 5104 §4.3.1.2");
                let entries: Vec<FullIntraEntry> = request.entries.iter().collect();
                assert_eq!((entries.len(), entries[0].ssrc), (1, Ssrc(77)));
                Some(Some(entries[0].sequence_number))
            }
            _ => None,
        }
    });
    let asked = asked.collect();
    pair.drain();
    asked
}

/// RFC 4585 §4.2: only what was agreed on is sent. RFC 5104 §4.3.1.1: a command that is repeated keeps its number.
#[test]
fn keyframes_are_asked_for_by_what_was_agreed_on() {
    let (mut pair, ..) = calling(300, config());
    let packet = picture(&pair, 77, 1, false, None);
    inject(&mut pair, false, packet);
    assert_eq!(asked_for(&mut pair), [None]);

    let (mut pair, ..) = calling(301, without(&[Feedback::NackPli, Feedback::CcmFir]));
    let packet = picture(&pair, 77, 1, false, None);
    inject(&mut pair, false, packet);
    assert_eq!(asked_for(&mut pair), []);
    assert_eq!(pair.b.pc.statistics().rtp.keyframe_requests_sent, 0);

    let (mut pair, ..) = calling(302, without(&[Feedback::NackPli]));
    let mut number = 1;
    let mut next = |pair: &mut Pair, keyframe| {
        let packet = picture(pair, 77, number, keyframe, None);
        number += 1;
        inject(pair, false, packet);
        let asked = asked_for(pair);
        pair.run_for(Duration::from_secs(1));
        asked
    };
    let first = next(&mut pair, false);
    assert!(matches!(first[..], [Some(_)]), "{first:?}");
    assert_eq!(next(&mut pair, false), first, "repeated");
    assert_eq!(next(&mut pair, true), [], "obeyed");
    assert_eq!(frames(&pair.b.events).len(), 1);
    // The application has lost it.
    let handle = pair.b.pc.transceivers.iter().nth(1).unwrap().handle;
    let now = pair.now;
    pair.b.pc.request_keyframe(now, handle);
    let second = asked_for(&mut pair);
    assert_eq!(second, [first[0].map(|number| number.wrapping_add(1))], "another command");
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.b.pc.request_keyframe(now, handle);
    assert_eq!(asked_for(&mut pair), second, "repeated");
}

/// RFC 4588 is not spoken by all who ask for lost packets (RFC 4585 §6.2.1): a packet is then sent again as it was sealed.
#[test]
fn lost_packets_are_sent_again_where_there_is_no_stream_for_them() {
    lost_packets_are_sent_again(SrtpProtectionProfile::AeadAes128Gcm);
    // Sealed together with others.
    lost_packets_are_sent_again(SrtpProtectionProfile::Aes128CmHmacSha1_80);
}

fn lost_packets_are_sent_again(profile: SrtpProtectionProfile) {
    let mut config = config();
    config.settings.dtls.srtp_profiles = vec![profile];
    // Else parity may bring what is lost.
    config.settings.media.disable_video_fec();
    for capability in &mut config.settings.media.video {
        capability.rtx = None;
    }
    let (mut pair, _, video) = calling(303, config);
    pair.latency = Duration::from_millis(25);
    let mut count = 0u32;
    let lost = std::rc::Rc::new(std::cell::RefCell::new(Vec::<Vec<u8>>::new()));
    let again = std::rc::Rc::new(std::cell::Cell::new(0));
    let (log, seen) = (lost.clone(), again.clone());
    pair.filter = Box::new(move |from_a, data| {
        let is_media = from_a && data.len() > 300 && (128..192).contains(&data[0]);
        if is_media && log.borrow().iter().any(|lost| lost == data) {
            seen.set(seen.get() + 1);
            return true;
        }
        count += u32::from(is_media);
        let passes = !is_media || count % 20 != 7;
        if !passes {
            log.borrow_mut().push(data.to_vec());
        }
        passes
    });
    for index in 0..150u32 {
        let now = pair.now;
        let frame = Frame::new(vp8(index == 0, 3000, index as u8), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(FRAME_TIME);
    }
    pair.run_for(Duration::from_secs(1));
    let lost = lost.borrow().len();
    assert!(lost > 20, "{lost}");
    assert_eq!(again.get(), lost, "the same bytes once more");
    assert_eq!(frames(&pair.b.events).len(), 150, "{:?}", pair.b.pc.statistics().rtp);
    let statistics = pair.a.pc.statistics().rtp;
    assert_eq!(statistics.retransmissions_sent, lost as u64);
}

/// A sender that begins anew under another source, without a goodbye and without `a=ssrc-group:FID` (RFC 4588 §5.3): what it
/// sends again belongs to the new one.
#[test]
fn retransmissions_of_a_source_that_was_changed_reach_the_new_one() {
    let (mut pair, ..) = calling(304, config());
    for (number, keyframe) in [(1, true), (2, false)] {
        let packet = picture(&pair, 70, number, keyframe, None);
        inject(&mut pair, false, packet);
    }
    for number in [3, 4] {
        let packet = picture(&pair, 70, number, false, Some(71));
        inject(&mut pair, false, packet);
    }
    pair.run_for(FRAME_TIME);
    let before = frames(&pair.b.events).len();
    for (number, keyframe) in [(500, true), (502, false)] {
        let packet = picture(&pair, 77, number, keyframe, None);
        inject(&mut pair, false, packet);
        pair.run_for(FRAME_TIME);
    }
    assert_eq!(frames(&pair.b.events).len(), before + 1, "one is missing");
    let packet = picture(&pair, 77, 501, false, Some(78));
    inject(&mut pair, false, packet);
    pair.drain();
    assert_eq!(frames(&pair.b.events).len(), before + 3);
}

/// RFC 3550 §6.4.1: what waits, or was dropped, is not "transmitted".
#[test]
fn sender_reports_count_what_was_sent() {
    let (mut pair, _, video) = calling(305, config());
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 3000, 0), 0)).unwrap();
    let counts = |pair: &mut Pair, seconds| {
        let now = pair.now + Duration::from_secs(seconds);
        pair.a.pc.transports[0].rtp.handle_timeout(now);
        let waiting = pair.a.pc.transports[0].rtp.waiting_rtcp();
        let counts =
            waiting.iter().flat_map(|compound| packets(compound)).filter_map(|packet| match packet
                .unwrap()
            {
                Packet::SenderReport(report) => {
                    Some((report.info.packet_count, report.info.octet_count))
                }
                _ => None,
            });
        counts.collect::<Vec<_>>()
    };
    assert_eq!(counts(&mut pair, 3), [], "nothing has left yet");
    pair.run_for(Duration::from_secs(1));
    // Three packets of a frame, each with a descriptor of VP8.
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(false, 3000, 1), 3000)).unwrap();
    assert_eq!(counts(&mut pair, 10), [(3, 3 * 4 + 3000)], "the second frame waits");
}

/// A packet that is spoilt within has a length all the same (RFC 3550 §6.4, RFC 4585 §6.1).
#[test]
fn packets_behind_a_malformed_one_are_read() {
    let (mut pair, _, video) = calling(306, config());
    let ssrc = Ssrc(pair.a.pc.transceivers.get(video).unwrap().sender.ssrcs[0].0);
    let mut packet = compound();
    // A loss of a picture that ends before it says of which.
    packet.extend([0x81, 206, 0, 1, 0, 0, 0x0b, 0xad]);
    let sources = FeedbackSources { sender: Ssrc(0xbad), media: ssrc };
    PictureLossIndication { sources }.write(&mut packet);
    inject(&mut pair, true, packet);
    pair.drain();
    assert!(pair.a.has(&Event::KeyframeRequested { transceiver: video, encoding: 0 }));
    assert_eq!(pair.a.pc.statistics().rtp.packets_malformed, 1);
}

/// Audio has no keyframes.
#[test]
fn keyframes_of_audio_are_asked_for_in_vain() {
    let (mut pair, audio, _) = calling(312, config());
    let ssrc = Ssrc(pair.a.pc.transceivers.get(audio).unwrap().sender.ssrcs[0].0);
    let mut packet = compound();
    let sources = FeedbackSources { sender: Ssrc(0xbad), media: ssrc };
    PictureLossIndication { sources }.write(&mut packet);
    let entries = [FullIntraEntry { ssrc, sequence_number: 1 }];
    FullIntraRequest { sources, entries: (&entries).into() }.write(&mut packet);
    inject(&mut pair, true, packet);
    pair.run_for(Duration::from_secs(1));
    let asked = pair.a.pick(|event| match event {
        Event::KeyframeRequested { transceiver, .. } => Some(*transceiver),
        _ => None,
    });
    assert_eq!(asked, []);
}

/// Where the peer tells of losses only: streams count by how much they send.
#[test]
fn the_loss_of_a_packet_of_audio_does_not_cut_video() {
    let mut config = without(&[Feedback::TransportCc, Feedback::GoogRemb]);
    for capability in &mut config.settings.media.audio {
        capability.codec.rtcp_feedback.clear();
    }
    let (mut pair, audio, video) = calling(307, config);
    let start: Vec<(u32, u16)> = pair.a.pc.transports[0]
        .rtp
        .outbound(pair.now)
        .map(|s| (s.ssrc, s.first_sequence))
        .collect();
    let of = |pair: &Pair, handle| {
        let ssrc = pair.a.pc.transceivers.get(handle).unwrap().sender.ssrcs[0].0;
        *start.iter().find(|(known, _)| *known == ssrc).unwrap()
    };
    let streams = [of(&pair, audio), of(&pair, video)];
    let report = |pair: &mut Pair, counts: [(u32, i32); 2]| {
        let blocks: Vec<ReportBlock> = streams
            .iter()
            .zip(counts)
            .map(|(&(ssrc, first), (received, lost))| ReportBlock {
                ssrc: Ssrc(ssrc),
                fraction_lost: 128,
                cumulative_lost: lost,
                extended_highest_sequence_number: u32::from(first) + received - 1,
                jitter: 0,
                last_sender_report: 0,
                delay_since_last_sender_report: 0,
            })
            .collect();
        let mut packet = Vec::new();
        ReceiverReport { ssrc: Ssrc(0xbad), reports: (&blocks).into() }.write(&mut packet);
        inject(pair, true, packet);
        pair.run_for(Duration::from_secs(1));
        pair.a.pc.estimate().unwrap().available_outgoing_bitrate
    };
    let before = pair.a.pc.estimate().unwrap().available_outgoing_bitrate;
    assert_eq!(report(&mut pair, [(2, 1), (300, 0)]), before, "one of 302");
    assert_eq!(report(&mut pair, [(4, 2), (301, 0)]), before, "one of three says nothing");
    assert_eq!(report(&mut pair, [(50, 2), (301, 0)]), before);
    assert_eq!(report(&mut pair, [(50, 2), (1 << 20, 1 << 20)]), before, "so much was never sent");
    let after = report(&mut pair, [(60, 3), ((1 << 20) + 100, (1 << 20) + 30)]);
    assert!(after < before, "a third of the last hundred: {after:?}");
}

/// RFC 9143 §15.1: reports name the section of each source.
#[test]
fn source_descriptions_tell_sections() {
    let (mut pair, audio, video) = calling(308, config());
    for handle in [audio, video] {
        let data = if handle == audio { vec![7; 80] } else { vp8(true, 300, 0) };
        pair.a.pc.send_frame(pair.now, handle, 0, &Frame::new(data, 0)).unwrap();
    }
    pair.drain();
    pair.a.pc.transports[0].rtp.handle_timeout(pair.now + Duration::from_secs(3));
    let said: Vec<(u32, String)> = mids(&pair.a.pc.transports[0].rtp.waiting_rtcp());
    let expected = [(audio, "0"), (video, "1")].map(|(handle, mid)| {
        let ssrc = pair.a.pc.transceivers.get(handle).unwrap().sender.ssrcs[0].0;
        (ssrc, mid.to_owned())
    });
    assert_eq!(said, expected);
}

/// Two sections have the payload type, and packets name none.
#[test]
fn the_sections_of_source_descriptions_are_heeded() {
    let (mut pair, audio, _) = calling(309, config());
    pair.a.pc.add_track(pair.now, MediaKind::Audio, "other", vec!["s".into()]).unwrap();
    pair.negotiate();
    let codecs = &pair.b.pc.transceivers.iter().next().unwrap().agreed.as_ref().unwrap().codecs;
    let payload_type = PayloadType::new(codecs[0].receive).unwrap();
    let packet = |number| {
        let sequence_number = SequenceNumber(number);
        let timestamp = RtpTimestamp(u32::from(number) * 960);
        let marker = false;
        let header = RtpHeader { marker, payload_type, sequence_number, timestamp, ssrc: Ssrc(99) };
        let mut packet = Vec::new();
        header.write(&mut packet, |_| {});
        packet.extend([7; 60]);
        packet
    };
    inject(&mut pair, false, packet(1));
    pair.drain();
    assert_eq!(frames(&pair.b.events).len(), 0);
    let mut description = compound();
    let items = [SdesItem { kind: SdesKind::MID, value: b"2" }];
    let chunks = [SdesChunk { ssrc: Ssrc(99), items: (&items).into() }];
    SourceDescription::new(&chunks).write(&mut description);
    inject(&mut pair, false, description);
    inject(&mut pair, false, packet(2));
    pair.drain();
    let third = pair.b.pc.transceivers.iter().nth(2).unwrap().handle;
    let received = frames(&pair.b.events);
    assert_eq!(received.iter().map(|frame| frame.transceiver).collect::<Vec<_>>(), [third]);
    assert_ne!(third, audio);
}

fn mids(waiting: &[Vec<u8>]) -> Vec<(u32, String)> {
    let mut said = Vec::new();
    for packet in waiting.iter().flat_map(|compound| packets(compound)) {
        let Packet::SourceDescription(description) = packet.unwrap() else { continue };
        for chunk in description.chunks() {
            let mid = chunk.items.iter().find(|item| item.kind == SdesKind::MID);
            let mid = mid.map(|item| String::from_utf8(item.value.to_vec()).unwrap());
            said.extend(mid.map(|mid| (chunk.ssrc.0, mid)));
        }
    }
    said.sort_by(|a, b| a.1.cmp(&b.1));
    said.dedup();
    said
}

/// RFC 3611 §5.1: where the peer lists the extended reports that it takes, others are not sent.
#[test]
fn extended_reports_are_sent_to_those_who_take_them() {
    for (line, expected) in
        [("", true), ("a=rtcp-xr:rcvr-rtt=all\r\n", true), ("a=rtcp-xr\r\n", false)]
    {
        let mut pair = Pair::new(310);
        pair.a.pc.add_track(pair.now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
        pair.a.pc.set_local_description(pair.now, None).unwrap();
        let offer = pair.a.pc.local_description().unwrap().sdp;
        let offer = offer.replace("a=rtcp-mux\r\n", &format!("a=rtcp-mux\r\n{line}"));
        let offer = crate::SessionDescription::offer(offer);
        pair.b.pc.set_remote_description(pair.now, offer).unwrap();
        pair.b.pc.set_local_description(pair.now, None).unwrap();
        let answer = pair.b.pc.local_description().unwrap();
        pair.a.pc.set_remote_description(pair.now, answer).unwrap();
        pair.connect();
        pair.b.pc.transports[0].rtp.handle_timeout(pair.now + Duration::from_secs(3));
        let waiting = pair.b.pc.transports[0].rtp.waiting_rtcp();
        let all = || waiting.iter().flat_map(|compound| packets(compound));
        assert!(all().any(|packet| matches!(packet, Ok(Packet::ReceiverReport(_)))));
        let told = all().any(|packet| matches!(packet, Ok(Packet::ExtendedReport(_))));
        assert_eq!(told, expected, "{line}");
    }
}

/// RFC 8888.
#[test]
fn reports_by_stream_are_counted() {
    let mut config = config();
    config.settings.media.enable_ccfb();
    let (mut pair, _, video) = calling(311, config);
    for index in 0..30 {
        let frame = Frame::new(vp8(index == 0, 1000, index as u8), index * 3000);
        pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
        pair.run_for(FRAME_TIME);
    }
    let (sent, received) = (pair.b.pc.statistics().rtp, pair.a.pc.statistics().rtp);
    assert!(sent.stream_feedback_sent > 3, "{sent:?}");
    assert_eq!(received.stream_feedback_received, sent.stream_feedback_sent);
    assert_eq!(received.stream_feedback_sent, 0);
}

/// As aiortc has it, which measures what carries send times, and audio does not.
#[test]
fn an_estimate_of_the_video_alone_leaves_the_audio_beside_it() {
    let sent = |names_audio: bool| {
        let (mut pair, audio, video) = calling(330, without(&[Feedback::TransportCc]));
        let source = |handle| Ssrc(pair.a.pc.transceivers.get(handle).unwrap().sender.ssrcs[0].0);
        let (sound, picture) = (source(audio), source(video));
        let named = if names_audio { vec![sound, picture] } else { vec![picture] };
        for index in 0..200u32 {
            let frame = Frame::new(vec![7; 240], index * 960);
            pair.a.pc.send_frame(pair.now, audio, 0, &frame).unwrap();
            if index % 25 == 0 {
                let mut packet = compound();
                let sources = FeedbackSources { sender: Ssrc(0xbad), media: Ssrc(0) };
                Remb { sources, bitrate: 150_000, ssrcs: (&named).into() }.write(&mut packet);
                inject(&mut pair, true, packet);
            }
            pair.run_for(Duration::from_millis(20));
        }
        pair.a.pc.estimate().unwrap().available_outgoing_bitrate
    };
    assert!((140_000..=151_000).contains(&sent(true)), "{}", sent(true));
    // 96 kbit/s of audio, and its headers.
    assert!((240_000..=280_000).contains(&sent(false)), "{}", sent(false));
}
