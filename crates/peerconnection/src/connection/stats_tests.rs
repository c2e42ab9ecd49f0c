//! Statistics of what only the network or a peer that reports by packet can cause: seen from inside.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use peerage_netsim::{LinkConfig, Rate};

use super::tests::common::call::Call;
use super::tests::common::{Pair, config, vp8};
use crate::media::MediaKind;
use crate::stats::{IceCandidateType, OutboundRtpStreamStats, QualityLimitationReason, Stats};
use crate::{Ecn, Frame, IceServer, Input, Protocol};

/// What `a` tells of its video.
fn outbound(pair: &Pair) -> OutboundRtpStreamStats {
    let report = pair.a.pc.get_stats(pair.now);
    let stream = report.outbound_rtp().find(|stream| stream.kind == MediaKind::Video);
    stream.unwrap().clone()
}

#[test]
fn video_is_limited_by_the_path_while_it_fills_it() {
    let path =
        |kbps: u64| LinkConfig::new().delay(Duration::from_millis(25)).rate(Rate::kbit(kbps));
    let mut call = Call::new(620, config(), config(), path(400));
    call.run(Duration::from_secs(20));
    let stats = outbound(&call.pair);
    assert_eq!(stats.quality_limitation_reason, Some(QualityLimitationReason::Bandwidth));
    let durations = stats.quality_limitation_durations.unwrap();
    let (limited, unlimited) = (durations["bandwidth"], durations["none"]);
    assert!(limited > 14.0, "{durations:?}");
    assert!((19.0..=20.5).contains(&(limited + unlimited)), "{durations:?}");
    assert_eq!((durations["cpu"], durations["other"]), (0.0, 0.0));
    let audio = call.pair.a.pc.get_stats(call.pair.now);
    let audio = audio.outbound_rtp().find(|stream| stream.kind == MediaKind::Audio).unwrap();
    assert_eq!(audio.quality_limitation_reason, None);

    // An encoder that has enough leaves the rest.
    call.most_kbps = 100;
    call.run(Duration::from_secs(10));
    let stats = outbound(&call.pair);
    assert_eq!(stats.quality_limitation_reason, Some(QualityLimitationReason::None));
    let after = stats.quality_limitation_durations.unwrap();
    assert!(after["none"] > unlimited + 7.0, "{after:?}");

    // The application's own bound is none of the path's.
    let mut call = Call::new(621, config(), config(), path(5_000));
    let mut encodings =
        call.pair.a.pc.transceivers.get(call.video).unwrap().sender.encodings.clone();
    encodings[0].max_bitrate = Some(300_000);
    call.pair.a.pc.set_encodings(call.pair.now, call.video, encodings).unwrap();
    call.run(Duration::from_secs(10));
    let stats = outbound(&call.pair);
    assert_eq!(stats.quality_limitation_reason, Some(QualityLimitationReason::None), "{stats:?}");
    let durations = stats.quality_limitation_durations.unwrap();
    assert!(durations["none"] > 8.0, "{durations:?}");
}

#[test]
fn marks_are_counted_where_the_socket_tells_them() {
    let mut pair = Pair::new(622);
    let now = pair.now;
    let video = pair.b.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    pair.negotiate_from_b();
    pair.connect();
    let told = |pair: &Pair| {
        let report = pair.a.pc.get_stats(pair.now);
        let stream = report.inbound_rtp().next().unwrap();
        (stream.packets_received_with_ect1, stream.packets_received_with_ce)
    };
    let marks = [None, None, Some(Ecn::Ect0), Some(Ecn::Ce), Some(Ecn::Ect1), None, Some(Ecn::Ce)];
    let mut expected = (None, None);
    for (index, mark) in (0..).zip(marks) {
        let frame = Frame::new(vp8(index == 0, 600, index as u8), index * 3_000);
        pair.b.pc.send_frame(pair.now, video, 0, &frame).unwrap();
        let (mut came, mut buf) = (0, Vec::new());
        while let Some(sent) = pair.b.pc.poll_transmit(pair.now, &mut buf) {
            for data in buf.chunks_mut(sent.segment_size.unwrap_or(sent.size)) {
                let (source, destination) = (sent.source, sent.destination);
                let protocol = Protocol::Udp;
                let is_media = (128..192).contains(&data[0]) && !(192..224).contains(&data[1]);
                came += u64::from(is_media);
                let ecn = mark.filter(|_| is_media);
                let input = Input { source, destination, protocol, ecn, data };
                pair.a.pc.handle_input(pair.now, input).unwrap();
            }
            buf.clear();
        }
        if let Some(mark) = mark.filter(|_| came > 0) {
            // What probes the path goes with the frame, and counts in its stream.
            let (ect1, ce) = (expected.0.unwrap_or(0), expected.1.unwrap_or(0));
            let (is_ect1, is_ce) = (u64::from(mark == Ecn::Ect1), u64::from(mark == Ecn::Ce));
            expected = (Some(ect1 + came * is_ect1), Some(ce + came * is_ce));
        }
        assert_eq!(told(&pair), expected, "packet {index}");
        pair.run_for(Duration::from_millis(200));
    }
    assert!(expected.0 > Some(0) && expected.1 > Some(0), "{expected:?}");
}

#[test]
fn a_candidate_names_the_server_that_told_it() {
    let server: SocketAddr = "192.0.2.9:3478".parse().unwrap();
    let urls = ["stun:192.0.2.8:9", "stun:192.0.2.9"];
    let mut configuration = config();
    configuration.ice_servers = urls.into_iter().map(IceServer::new).collect();
    let mut pair = Pair::with(624, configuration, config());
    pair.a.pc.create_data_channel(pair.now, "c", Default::default()).unwrap();
    pair.a.pc.set_local_description(pair.now, None).unwrap();
    let mapped: SocketAddr = "203.0.113.7:40000".parse().unwrap();
    let mut buf = Vec::new();
    for _ in 0..20 {
        while let Some(sent) = pair.a.pc.poll_transmit(pair.now, &mut buf) {
            if sent.destination == server && buf[..2] == [0, 1] {
                // RFC 8489 §6, §14.2: success, and the address under the magic cookie.
                let mut answer = vec![1, 1, 0, 12];
                answer.extend_from_slice(&buf[4..20]);
                answer.extend([0, 0x20, 0, 8, 0, 1]);
                answer.extend((mapped.port() ^ 0x2112).to_be_bytes());
                answer.extend([203 ^ 0x21, 0x12, 113 ^ 0xa4, 7 ^ 0x42]);
                let (source, destination) = (server, sent.source);
                let protocol = Protocol::Udp;
                let data = &mut answer;
                let input = Input { source, destination, protocol, ecn: None, data };
                pair.a.pc.handle_input(pair.now, input).unwrap();
            }
            buf.clear();
        }
        pair.now = pair.now.max(pair.a.pc.poll_timeout().unwrap());
        pair.a.pc.handle_timeout(pair.now);
    }
    let report = pair.a.pc.get_stats(pair.now);
    let kinds: Vec<_> = report
        .iter()
        .filter_map(|stats| match stats {
            Stats::LocalCandidate(c) => Some((c.candidate_type, c.url.as_deref())),
            _ => None,
        })
        .collect();
    assert!(kinds.contains(&(IceCandidateType::ServerReflexive, Some(urls[1]))), "{kinds:?}");
    assert!(kinds.contains(&(IceCandidateType::Host, None)), "{kinds:?}");
    assert_eq!(kinds.len(), 2, "{kinds:?}");
}

#[test]
fn losses_that_the_peer_reports_by_stream_are_counted() {
    let by_stream = || {
        let mut config = config();
        config.settings.media.enable_ccfb();
        config
    };
    let mut pair = Pair::with(623, by_stream(), by_stream());
    let now = pair.now;
    let video = pair.a.pc.add_track(now, MediaKind::Video, "v", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    let payload_type = pair.a.pc.get_parameters(now, video).unwrap().codecs[0].payload_type;
    let dropped = Rc::new(RefCell::new(Vec::new()));
    let (kept, mut count) = (Rc::clone(&dropped), 0);
    pair.filter = Box::new(move |from_a, data| {
        let is_media = from_a && data[0] >> 6 == 2 && data[1] & 0x7f == payload_type;
        count += u32::from(is_media);
        let drops = is_media && [10, 11, 25].contains(&count);
        if drops {
            kept.borrow_mut().push(data.to_vec());
        }
        !drops
    });
    let send = |pair: &mut Pair, frames: std::ops::Range<u32>| {
        for index in frames {
            let frame = Frame::new(vp8(index == 0, 600, index as u8), index * 3_000);
            pair.a.pc.send_frame(pair.now, video, 0, &frame).unwrap();
            pair.run_for(Duration::from_millis(33));
        }
        pair.run_for(Duration::from_millis(500));
    };
    let told = |pair: &Pair| {
        let stats = outbound(pair);
        let report = pair.a.pc.get_stats(pair.now);
        let remote = report.remote_inbound_rtp().find(|r| r.local_id.as_ref() == Some(&stats.id));
        let remote = remote.expect("the peer reports");
        (remote.packets_reported_as_lost, remote.packets_reported_as_lost_but_recovered)
    };
    send(&mut pair, 0..40);
    assert_eq!(dropped.borrow().len(), 3);
    assert_eq!(told(&pair), (Some(3), Some(0)));
    // One of them was only late.
    let mut late = dropped.borrow()[2].clone();
    let (source, destination, protocol) = (pair.a.address, pair.b.address, Protocol::Udp);
    let input = Input { source, destination, protocol, ecn: None, data: &mut late };
    pair.b.pc.handle_input(pair.now, input).unwrap();
    send(&mut pair, 40..45);
    assert_eq!(told(&pair), (Some(3), Some(1)));
}
