//! `getStats`, sources, transport objects: what they tell against what the test itself has seen on the wire.

mod common;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use common::{Pair, calling, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::stats::{
    DtlsRole, IceCandidatePairState, IceRole, Stats, StatsReport, StatsType,
};
use peerage_peerconnection::{
    DataChannelState, DtlsState, Event, Frame, Message, SctpTransportState, StatsSelector,
    TransceiverDirection,
};

fn is_media(data: &[u8]) -> bool {
    (128..192).contains(&data[0]) && !(192..224).contains(&data[1])
}

fn ssrc(rtp: &[u8]) -> u32 {
    u32::from_be_bytes(rtp[8..12].try_into().unwrap())
}

/// Each id that is named is that of an object, and each object has one of its own.
#[track_caller]
fn check_references(report: &StatsReport) {
    let mut seen = HashMap::new();
    for stats in report {
        assert!(seen.insert(stats.id(), stats.stats_type()).is_none(), "{} twice", stats.id());
        assert_eq!(report.get(stats.id()), Some(stats));
    }
    for stats in report {
        for id in stats.references() {
            assert!(seen.contains_key(id), "{} names {id}, which is not there", stats.id());
        }
    }
}

#[test]
fn a_call_is_told_as_it_was() {
    let (mut pair, audio, video) = calling(1);
    let (packets, bytes) = (Rc::new(Cell::new(0u64)), Rc::new(Cell::new(0u64)));
    let by_source = Rc::new(RefCell::new(HashMap::<u32, u64>::new()));
    let (count, sum, sources) = (Rc::clone(&packets), Rc::clone(&bytes), Rc::clone(&by_source));
    pair.filter = Box::new(move |from_a, data| {
        if from_a && data[0] >= 20 {
            count.set(count.get() + 1);
            sum.set(sum.get() + data.len() as u64);
            if is_media(data) {
                *sources.borrow_mut().entry(ssrc(data)).or_default() += 1;
            }
        }
        true
    });
    let before = pair.a.pc.get_stats(pair.now);
    for index in 0..90u32 {
        let now = pair.now;
        let size = 200 + 47 * (index as usize % 60);
        let picture = Frame::new(vp8(index % 30 == 0, size, index as u8), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &picture).unwrap();
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![7; 80], index * 960)).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
    pair.run_for(Duration::from_secs(2));
    let (ours, theirs) = (pair.a.pc.get_stats(pair.now), pair.b.pc.get_stats(pair.now));
    check_references(&ours);
    check_references(&theirs);

    let sent = ours.outbound_rtp().find(|s| s.kind == MediaKind::Video).unwrap();
    assert_eq!((sent.frames_encoded, sent.key_frames_encoded), (Some(90), Some(3)));
    assert_eq!(
        (sent.frames_sent, sent.frame_width, sent.frame_height),
        (Some(90), Some(640), Some(360))
    );
    assert_eq!(sent.mid.as_deref(), Some("1"));
    assert_eq!((sent.active, sent.encoding_index), (Some(true), Some(0)));
    assert_eq!(
        (sent.nack_count, sent.pli_count, sent.retransmitted_packets_sent),
        (Some(0), Some(0), Some(0))
    );
    assert!(sent.target_bitrate.is_some_and(|rate| rate > 100e3), "{sent:?}");
    // Packets wait for their turn, but not for long on a path as good as this one.
    let waited = sent.total_packet_send_delay.unwrap() / sent.packets_sent.unwrap() as f64;
    assert!(waited < 0.1, "{waited} s");
    let received = theirs.inbound_rtp().find(|s| s.kind == MediaKind::Video).unwrap();
    assert_eq!(received.ssrc, sent.ssrc);
    assert_eq!(received.packets_received, sent.packets_sent);
    assert_eq!(received.bytes_received, sent.bytes_sent);
    assert_eq!(received.header_bytes_received, sent.header_bytes_sent);
    assert_eq!((received.packets_lost, received.packets_discarded), (Some(0), Some(0)));
    assert_eq!((received.frames_received, received.frames_dropped), (Some(90), Some(0)));
    assert_eq!((received.frame_width, received.frame_height), (Some(640), Some(360)));
    // Two packets and more: from 1,200 bytes on.
    assert!(received.frames_assembled_from_multiple_packets.is_some_and(|n| (30..75).contains(&n)));
    assert_eq!(received.total_assembly_time, received.jitter_buffer_delay, "nothing came late");
    assert_eq!(received.jitter_buffer_emitted_count, Some(90));
    assert_eq!(received.frames_decoded, None, "nothing is decoded");
    assert!(received.jitter.unwrap() < 0.1, "{received:?}");
    assert_eq!(received.frames_per_second, Some(0.0), "the last second was silent");

    let sound = ours.outbound_rtp().find(|s| s.kind == MediaKind::Audio).unwrap();
    assert_eq!((sound.packets_sent, sound.bytes_sent), (Some(90), Some(90 * 80)));
    assert_eq!((sound.frames_sent, sound.pli_count, sound.rtx_ssrc), (None, None, None));
    let heard = theirs.inbound_rtp().find(|s| s.kind == MediaKind::Audio).unwrap();
    assert_eq!((heard.packets_received, heard.bytes_received), (Some(90), Some(90 * 80)));
    assert_eq!((heard.frames_received, heard.frames_dropped), (None, None));
    assert_eq!(heard.retransmitted_packets_received, None, "there is no RTX of audio");

    // What the other end reports of it: of the stream itself, without the one that repairs it and probes the path.
    let seen = |ssrc: Option<u32>| by_source.borrow().get(&ssrc.unwrap()).copied();
    let of_stream = seen(Some(sent.ssrc));
    assert_eq!(sent.packets_sent, of_stream.map(|n| n + seen(sent.rtx_ssrc).unwrap_or_default()));
    let Some(Stats::RemoteInboundRtp(report)) = ours.get(sent.remote_id.as_deref().unwrap()) else {
        panic!("no report of the receiver")
    };
    assert_eq!(report.packets_received, of_stream);
    assert_eq!((report.packets_lost, report.fraction_lost), (Some(0), Some(0.0)));
    let trip = report.round_trip_time.unwrap();
    assert!((0.009..0.012).contains(&trip), "{trip}: twice 5 ms");
    let mean =
        report.total_round_trip_time.unwrap() / report.round_trip_time_measurements.unwrap() as f64;
    assert!((0.009..0.012).contains(&mean), "{mean}");
    assert!(report.timestamp < ours.get(&sent.id).unwrap().timestamp(), "when it came");
    let Some(Stats::RemoteOutboundRtp(report)) = theirs.get(received.remote_id.as_deref().unwrap())
    else {
        panic!("no report of the sender")
    };
    assert_eq!(report.packets_sent, of_stream);
    assert!(report.bytes_sent <= sent.bytes_sent);
    assert!(report.reports_sent.is_some_and(|n| (3..=10).contains(&n)), "{report:?}");
    // The two clocks are one in this test, and the report was under way for 5 ms.
    let lag = report.timestamp - report.remote_timestamp.unwrap();
    assert!((4.0..6.0).contains(&lag), "{lag} ms");
    // Their end only receives: it has its round trip from our answers to its reference times (RFC 3611).
    let trip = report.round_trip_time.unwrap();
    assert!((0.009..0.012).contains(&trip), "{trip}");
    assert!(report.round_trip_time_measurements.unwrap() >= 2);

    let Some(Stats::Codec(codec)) = ours.get(sent.codec_id.as_deref().unwrap()) else {
        panic!("no codec")
    };
    assert_eq!((codec.mime_type.as_str(), codec.clock_rate), ("video/VP8", Some(90_000)));
    let Some(Stats::Codec(codec)) = theirs.get(heard.codec_id.as_deref().unwrap()) else {
        panic!("no codec")
    };
    assert_eq!((codec.mime_type.as_str(), codec.channels), ("audio/opus", Some(2)));
    assert!(codec.sdp_fmtp_line.as_deref().is_some_and(|line| line.contains("useinbandfec=1")));
    let Some(Stats::MediaSource(track)) = ours.get(sent.media_source_id.as_deref().unwrap()) else {
        panic!("no track")
    };
    assert_eq!((track.track_identifier.as_str(), track.kind), ("video", MediaKind::Video));
    assert_eq!((track.width, track.frames), (Some(640), Some(90)));

    // The transport: what the wire saw since the first report.
    let (now, then) = (ours.transport().unwrap(), before.transport().unwrap());
    let since = |f: fn(&peerage_peerconnection::stats::TransportStats) -> Option<u64>| {
        f(now).unwrap() - f(then).unwrap()
    };
    assert_eq!(since(|t| t.packets_sent), packets.get());
    assert_eq!(since(|t| t.bytes_sent), bytes.get());
    assert_eq!(theirs.transport().unwrap().bytes_received, now.bytes_sent);
    let selected = ours.selected_candidate_pair().unwrap();
    assert_eq!((selected.packets_sent, selected.bytes_sent), (now.packets_sent, now.bytes_sent));
    assert!(selected.available_outgoing_bitrate.is_some_and(|rate| rate > 300e3), "{selected:?}");
    let theirs = theirs.selected_candidate_pair().unwrap().available_outgoing_bitrate;
    assert_eq!(theirs, None, "nothing is sent there");
}

#[test]
fn losses_and_repairs_are_counted() {
    let (mut pair, _, video) = calling(2);
    pair.latency = Duration::from_millis(25);
    // By source: retransmissions are lost as well.
    let lost = Rc::new(RefCell::new(HashMap::<u32, u64>::new()));
    let (counter, mut seen) = (Rc::clone(&lost), 0u32);
    pair.filter = Box::new(move |from_a, data| {
        let counts = from_a && is_media(data) && data.len() > 300;
        seen += u32::from(counts);
        let dropped = counts && seen % 20 == 7;
        if dropped {
            *counter.borrow_mut().entry(ssrc(data)).or_default() += 1;
        }
        !dropped
    });
    for index in 0..300u32 {
        let size = if index == 0 { 9000 } else { 3000 };
        let now = pair.now;
        let frame = Frame::new(vp8(index == 0, size, index as u8), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
    pair.run_for(Duration::from_secs(2));
    let (ours, theirs) = (pair.a.pc.get_stats(pair.now), pair.b.pc.get_stats(pair.now));
    check_references(&ours);
    check_references(&theirs);
    let sent = ours.outbound_rtp().find(|s| s.kind == MediaKind::Video).unwrap();
    let received = theirs.inbound_rtp().find(|s| s.kind == MediaKind::Video).unwrap();
    let (all, again) = (sent.packets_sent.unwrap(), sent.retransmitted_packets_sent.unwrap());
    let lost = |ssrc: u32| lost.borrow().get(&ssrc).copied().unwrap_or_default();
    let (of_stream, of_repairs) = (lost(sent.ssrc), lost(sent.rtx_ssrc.unwrap()));
    assert!(of_stream > 30 && again > 30, "{of_stream} lost, {again} sent again");
    // What RTX brings back was lost all the same (RFC 3550 §6.4.1).
    assert_eq!(received.packets_lost, Some(of_stream as i64));
    assert_eq!(received.packets_received, Some(all - of_stream - of_repairs));
    assert!(received.retransmitted_packets_received.unwrap() + of_repairs >= again);
    assert_eq!(received.rtx_ssrc, sent.rtx_ssrc);
    assert!(received.rtx_ssrc.is_some_and(|ssrc| ssrc != sent.ssrc));
    assert_eq!(received.nack_count, sent.nack_count);
    assert!(received.nack_count.is_some_and(|n| u64::from(n) >= 30), "{received:?}");
    assert_eq!((received.frames_received, received.frames_dropped), (Some(300), Some(0)));
    // A packet that comes again is late by more than a round trip.
    let (time, frames) =
        (received.total_assembly_time.unwrap(), received.jitter_buffer_delay.unwrap());
    assert!(time > 30.0 * 0.04 && frames >= time, "{time} s, {frames} s");
    let report = ours.remote_inbound_rtp().find(|s| s.ssrc == sent.ssrc).unwrap();
    assert_eq!(report.packets_lost, received.packets_lost);
    assert!(report.packets_received.unwrap() <= all - again);
}

#[test]
fn a_key_frame_asked_for_is_counted_at_both_ends() {
    let (mut pair, _, video) = calling(3);
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 3000, 0), 0)).unwrap();
    pair.run_for(Duration::from_millis(100));
    let theirs = pair.b.pc.transceivers().nth(1).unwrap().handle;
    for _ in 0..3 {
        pair.b.pc.request_keyframe(pair.now, theirs);
        pair.run_for(Duration::from_millis(400));
    }
    let (ours, theirs) = (pair.a.pc.get_stats(pair.now), pair.b.pc.get_stats(pair.now));
    let asked = theirs.inbound_rtp().find(|s| s.kind == MediaKind::Video).unwrap().pli_count;
    assert_eq!(asked, Some(3));
    let sent = ours.outbound_rtp().find(|s| s.kind == MediaKind::Video).unwrap();
    assert_eq!((sent.pli_count, sent.fir_count), (asked, Some(0)));
}

#[test]
fn a_data_call_is_told_as_it_was() {
    let (mut pair, channel, _) = Pair::connected(4);
    let size: usize = (1..=20)
        .map(|index| {
            let text = "x".repeat(100 * index);
            pair.a.pc.send(pair.now, channel, Message::text(text.as_str())).unwrap();
            text.len()
        })
        .sum();
    pair.run_for(Duration::from_secs(6));
    let (ours, theirs) = (pair.a.pc.get_stats(pair.now), pair.b.pc.get_stats(pair.now));
    for report in [&ours, &theirs] {
        check_references(report);
        assert_eq!(report.inbound_rtp().count() + report.outbound_rtp().count(), 0);
    }
    let (sent, received) =
        (ours.data_channels().next().unwrap(), theirs.data_channels().next().unwrap());
    assert_eq!((sent.messages_sent, sent.bytes_sent), (Some(20), Some(size as u64)));
    assert_eq!((received.messages_received, received.bytes_received), (Some(20), sent.bytes_sent));
    assert_eq!(sent.label.as_deref(), Some("test"));
    assert_eq!(sent.data_channel_identifier, received.data_channel_identifier);

    let (transport, pair_in_use) =
        (ours.transport().unwrap(), ours.selected_candidate_pair().unwrap());
    assert_eq!(transport.dtls_state, DtlsState::Connected);
    assert_eq!(transport.tls_version.as_deref(), Some("FEFC"));
    assert_eq!(transport.dtls_cipher.as_deref(), Some("TLS_AES_128_GCM_SHA256"));
    assert_eq!(transport.srtp_cipher.as_deref(), Some("SRTP_AEAD_AES_128_GCM"));
    assert_eq!(transport.ice_role, Some(IceRole::Controlling));
    let roles = (transport.dtls_role, theirs.transport().unwrap().dtls_role);
    assert_eq!(roles, (Some(DtlsRole::Server), Some(DtlsRole::Client)));
    assert_eq!(transport.selected_candidate_pair_changes, Some(1));
    assert_eq!(ours.certificates().count(), 2);
    let id = transport.remote_certificate_id.as_deref().unwrap();
    let Some(Stats::Certificate(shown)) = ours.get(id) else { panic!("no certificate") };
    let id = theirs.transport().unwrap().local_certificate_id.as_deref().unwrap();
    let Some(Stats::Certificate(own)) = theirs.get(id) else { panic!("no certificate") };
    assert_eq!(shown.base64_certificate, own.base64_certificate);
    let told = pair.b.pc.local_description().unwrap().sdp;
    assert!(told.contains(&format!("{} {}", own.fingerprint_algorithm, own.fingerprint)));

    assert_eq!(pair_in_use.state, IceCandidatePairState::Succeeded);
    assert_eq!(pair_in_use.nominated, Some(true));
    let trip = pair_in_use.current_round_trip_time.unwrap();
    assert!((0.009..0.011).contains(&trip), "{trip}");
    let (requests, consent) =
        (pair_in_use.requests_sent.unwrap(), pair_in_use.consent_requests_sent.unwrap());
    assert!(requests >= 1 && consent >= 1, "{pair_in_use:?}");
    assert_eq!(pair_in_use.responses_received, Some(requests + consent), "nothing was lost");
    assert_eq!(pair_in_use.responses_sent, pair_in_use.requests_received);
    assert_eq!(ours.of_type(StatsType::LocalCandidate).count(), 1);
    for stats in
        ours.of_type(StatsType::LocalCandidate).chain(theirs.of_type(StatsType::RemoteCandidate))
    {
        let (Stats::LocalCandidate(candidate) | Stats::RemoteCandidate(candidate)) = stats else {
            unreachable!()
        };
        assert_eq!(candidate.address.as_deref(), Some("192.0.2.1"));
        assert_eq!((candidate.port, candidate.protocol.as_deref()), (Some(5001), Some("udp")));
        assert_eq!(candidate.username_fragment.as_deref(), Some(pair.a.pc.local_ufrag()));
    }

    pair.a.pc.close_data_channel(pair.now, channel);
    pair.run_for(Duration::from_secs(1));
    let report = pair.a.pc.get_stats(pair.now);
    let Some(Stats::PeerConnection(connection)) = report.of_type(StatsType::PeerConnection).next()
    else {
        panic!("no connection")
    };
    let counts = (connection.data_channels_opened, connection.data_channels_closed);
    assert_eq!(counts, (Some(1), Some(1)));
    // webrtc-stats §4.2: nothing says that a channel's statistics end, and so they stay.
    let closed = report.data_channels().next().expect("it is told of still");
    assert_eq!((&closed.id, closed.state), (&sent.id, DataChannelState::Closed));
    assert_eq!((closed.messages_sent, closed.bytes_sent), (Some(20), Some(size as u64)));
}

/// webrtc-pc §8.5: ids stay, and two connections never share them; §8.2: timestamps go forward.
#[test]
fn ids_stay_and_time_goes_on() {
    let (mut pair, audio, _) = calling(5);
    let mut last: Option<StatsReport> = None;
    for index in 0..50u32 {
        let now = pair.now;
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![7; 80], index * 960)).unwrap();
        pair.run_for(Duration::from_millis(100));
        let report = pair.b.pc.get_stats(pair.now);
        for stats in last.iter().flatten() {
            let same = report.get(stats.id()).expect("objects do not vanish");
            assert_eq!(same.stats_type(), stats.stats_type());
            assert!(same.timestamp() >= stats.timestamp());
        }
        // A caller whose clock goes back gets no time that does.
        pair.b.pc.handle_timeout(pair.now);
        let earlier = pair.b.pc.get_stats(pair.now - Duration::from_secs(1));
        assert_eq!(earlier.transport().unwrap().timestamp, report.transport().unwrap().timestamp);
        last = Some(report);
    }
    let ours = pair.a.pc.get_stats(pair.now);
    assert!(ours.iter().all(|stats| last.as_ref().unwrap().get(stats.id()).is_none()));
    let start = common::config().wall_clock.duration_since(std::time::UNIX_EPOCH).unwrap();
    let elapsed = ours.transport().unwrap().timestamp - start.as_secs_f64() * 1e3;
    assert!((5000.0..8000.0).contains(&elapsed), "{elapsed} ms");
}

#[test]
fn an_object_keeps_its_id_while_a_transceiver_rests() {
    let (mut pair, _, video) = calling(6);
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 3000, 0), 0)).unwrap();
    pair.run_for(Duration::from_millis(100));
    let before = pair.a.pc.get_stats(pair.now);
    let before = before.outbound_rtp().find(|s| s.kind == MediaKind::Video).unwrap();
    let theirs = pair.b.pc.get_stats(pair.now);
    let theirs = theirs.inbound_rtp().next().unwrap();
    assert!(theirs.packets_received > Some(1));
    pair.a.pc.set_direction(pair.now, video, TransceiverDirection::Inactive).unwrap();
    pair.negotiate();
    let held = pair.b.pc.get_stats(pair.now);
    check_references(&held);
    let Some(Stats::InboundRtp(held)) = held.get(&theirs.id) else { panic!("it is gone") };
    assert_eq!(held.packets_received, theirs.packets_received);
    let held = pair.a.pc.get_stats(pair.now);
    check_references(&held);
    let Some(Stats::OutboundRtp(held)) = held.get(&before.id) else { panic!("it is gone") };
    assert_eq!((held.packets_sent, held.active), (before.packets_sent, Some(false)));
    // The same source goes on where it was.
    pair.a.pc.set_direction(pair.now, video, TransceiverDirection::SendRecv).unwrap();
    pair.negotiate();
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 3000, 0), 90_000)).unwrap();
    pair.run_for(Duration::from_millis(100));
    let again = pair.b.pc.get_stats(pair.now);
    assert_eq!(again.inbound_rtp().count(), 1);
    let Some(Stats::InboundRtp(again)) = again.get(&theirs.id) else { panic!("it is gone") };
    assert!(again.packets_received > theirs.packets_received);
    assert_eq!((again.packets_lost, again.frames_received), (Some(0), Some(2)));
    pair.a.pc.stop_transceiver(pair.now, video).unwrap();
    pair.negotiate();
    assert_eq!(pair.b.pc.get_stats(pair.now).inbound_rtp().count(), 0);
    assert!(pair.a.pc.get_stats(pair.now).get(&before.id).is_none(), "stopped, hence deleted");
}

/// webrtc-pc §8.6.
#[test]
fn a_selector_gives_streams_and_what_they_refer_to() {
    let (mut pair, audio, video) = calling(7);
    for index in 0..30u32 {
        let now = pair.now;
        let frame = Frame::new(vp8(index == 0, 800, 0), index * 3000);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![7; 80], index * 960)).unwrap();
        pair.run_for(Duration::from_millis(100));
    }
    let all = pair.a.pc.get_stats(pair.now);
    let of = pair.a.pc.get_stats_of(pair.now, StatsSelector::Sender(video)).unwrap();
    check_references(&of);
    assert!(of.len() < all.len() && of.iter().all(|stats| all.get(stats.id()) == Some(stats)));
    let kinds: Vec<_> = of.outbound_rtp().map(|s| s.kind).collect();
    assert_eq!(kinds, [MediaKind::Video]);
    assert_eq!(of.remote_inbound_rtp().count(), 1);
    assert_eq!((of.codecs().count(), of.media_sources().count()), (1, 1));
    assert!(of.selected_candidate_pair().is_some() && of.certificates().count() == 2);
    assert_eq!(of.of_type(StatsType::PeerConnection).count(), 0, "nothing refers to it");
    let nothing = pair.a.pc.get_stats_of(pair.now, StatsSelector::Receiver(video)).unwrap();
    assert!(nothing.is_empty(), "nothing is received");
    let theirs = pair.b.pc.transceivers().next().unwrap().handle;
    let of = pair.b.pc.get_stats_of(pair.now, StatsSelector::Receiver(theirs)).unwrap();
    assert_eq!(of.inbound_rtp().map(|s| s.kind).collect::<Vec<_>>(), [MediaKind::Audio]);
    assert_eq!(of.remote_outbound_rtp().count(), 1);
    pair.a.pc.stop_transceiver(pair.now, video).unwrap();
    pair.negotiate();
    let error = pair.a.pc.get_stats_of(pair.now, StatsSelector::Sender(video)).unwrap_err();
    assert_eq!(error.name(), "OperationError", "{error}");
}

/// webrtc-stats: pairs of the generation before go, but for the one in use, until another takes its place.
#[test]
fn a_restart_of_ice_keeps_the_pair_in_use() {
    let (mut pair, _, _) = Pair::connected(8);
    pair.run_for(Duration::from_secs(10));
    let before = pair.a.pc.get_stats(pair.now);
    let old = before.selected_candidate_pair().unwrap().clone();
    pair.a.pc.restart_ice(pair.now);
    pair.a.pc.set_local_description(pair.now, None).unwrap();
    let during = pair.a.pc.get_stats(pair.now);
    check_references(&during);
    let still = during.selected_candidate_pair().unwrap();
    assert_eq!((&still.id, still.requests_sent), (&old.id, old.requests_sent));
    let offer = pair.a.pc.local_description().unwrap();
    let now = pair.now;
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    pair.a.pc.set_remote_description(now, pair.b.pc.local_description().unwrap()).unwrap();
    pair.run_for(Duration::from_secs(5));
    let after = pair.a.pc.get_stats(pair.now);
    check_references(&after);
    let new = after.selected_candidate_pair().unwrap();
    assert_ne!(new.id, old.id);
    assert!(after.get(&old.id).is_none());
    assert!(new.packets_sent >= old.packets_sent, "the same path");
}

#[test]
fn transports_are_told_as_they_stand() {
    let mut pair = Pair::new(9);
    assert!(pair.a.pc.dtls_transport().is_none() && pair.a.pc.ice_transport().is_none());
    assert!(
        pair.a.pc.sctp_transport().is_none() && pair.a.pc.get_stats(pair.now).transport().is_none()
    );
    let now = pair.now;
    let track = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec![]).unwrap();
    assert!(pair.a.pc.transport_of(track).unwrap().is_none());
    pair.a.pc.create_data_channel(now, "data", Default::default()).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let (ice, dtls) = (pair.a.pc.ice_transport().unwrap(), pair.a.pc.dtls_transport().unwrap());
    assert_eq!(
        (ice.role, dtls.state, dtls.role),
        (IceRole::Unknown, DtlsState::New, DtlsRole::Unknown)
    );
    assert!(ice.remote_parameters.is_none() && ice.selected_candidate_pair.is_none());
    assert_eq!(ice.local_parameters.unwrap().username_fragment, pair.a.pc.local_ufrag());
    let offer = pair.a.pc.local_description().unwrap();
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    pair.a.pc.set_remote_description(now, pair.b.pc.local_description().unwrap()).unwrap();
    let sctp = pair.a.pc.sctp_transport().unwrap();
    assert_eq!((sctp.state, sctp.max_channels), (SctpTransportState::Connecting, None));
    pair.connect();
    pair.run_for(Duration::from_secs(1));
    let (ours, theirs) = (pair.a.pc.ice_transport().unwrap(), pair.b.pc.ice_transport().unwrap());
    assert_eq!((ours.role, theirs.role), (IceRole::Controlling, IceRole::Controlled));
    assert_eq!(ours.local_parameters, theirs.remote_parameters);
    assert_eq!(ours.local_candidates.len(), 1);
    assert_eq!(ours.local_candidates[0].address, theirs.remote_candidates[0].address);
    let selected = ours.selected_candidate_pair.unwrap();
    assert_eq!((selected.local, selected.remote), (pair.a.address, pair.b.address));
    let (ours, theirs) = (pair.a.pc.dtls_transport().unwrap(), pair.b.pc.dtls_transport().unwrap());
    assert_eq!((ours.role, theirs.role), (DtlsRole::Server, DtlsRole::Client));
    assert_eq!(ours.remote_certificates.len(), 1);
    assert_eq!(pair.a.pc.transport_of(track).unwrap(), Some(ours));
    let sctp = pair.a.pc.sctp_transport().unwrap();
    assert_eq!((sctp.state, sctp.max_channels), (SctpTransportState::Connected, Some(65_535)));
    assert_eq!(sctp.max_message_size, pair.a.pc.max_message_size());
    pair.a.pc.close(pair.now);
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.pc.dtls_transport().unwrap().state, DtlsState::Closed);
    assert_eq!(pair.a.pc.sctp_transport().unwrap().state, SctpTransportState::Closed);
    assert!(
        pair.a.pc.get_stats(pair.now).transport().is_some(),
        "statistics outlive the connection"
    );
    for peer in [&pair.a, &pair.b] {
        let dtls = peer.pick(|event| match event {
            Event::DtlsStateChange(state) => Some(*state),
            _ => None,
        });
        assert_eq!(dtls, [DtlsState::Connecting, DtlsState::Connected, DtlsState::Closed]);
        let sctp = peer.pick(|event| match event {
            Event::SctpStateChange(state) => Some(*state),
            _ => None,
        });
        use SctpTransportState::{Closed, Connected, Connecting};
        assert_eq!(sctp, [Connecting, Connected, Closed]);
    }
}

#[test]
fn sources_are_remembered_for_ten_seconds() {
    let (mut pair, audio, _) = calling(10);
    let now = pair.now;
    let theirs = pair.b.pc.transceivers().next().unwrap().handle;
    assert!(pair.b.pc.get_synchronization_sources(now, theirs).is_empty());
    pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![7; 80], 0)).unwrap();
    pair.run_for(Duration::from_millis(50));
    let sources = pair.b.pc.get_synchronization_sources(pair.now, theirs);
    assert_eq!(sources.len(), 1);
    let report = pair.b.pc.get_stats(pair.now);
    let stream = report.inbound_rtp().next().unwrap();
    assert_eq!(sources[0].source, stream.ssrc);
    assert_eq!(Some(sources[0].timestamp), stream.last_packet_received_timestamp);
    assert_eq!(sources[0].audio_level, None, "frames do not tell it");
    assert!(pair.b.pc.get_contributing_sources(pair.now, theirs).is_empty());
    pair.run_for(Duration::from_secs(11));
    assert!(pair.b.pc.get_synchronization_sources(pair.now, theirs).is_empty());
}

/// webrtc-pc §5.3, jitterBufferTarget.
#[test]
fn the_jitter_buffers_target_is_kept() {
    let (mut pair, audio, _) = calling(11);
    let set = |pair: &mut Pair, target| pair.a.pc.set_jitter_buffer_target(pair.now, audio, target);
    let get = |pair: &Pair| pair.a.pc.transceiver(audio).unwrap().receiver.jitter_buffer_target;
    assert_eq!(get(&pair), None);
    set(&mut pair, Some(Duration::from_millis(4000))).unwrap();
    let error = set(&mut pair, Some(Duration::from_millis(4001))).unwrap_err();
    assert_eq!(error.name(), "RangeError", "{error}");
    assert_eq!(get(&pair), Some(Duration::from_millis(4000)));
    set(&mut pair, None).unwrap();
    assert_eq!(get(&pair), None);
}
