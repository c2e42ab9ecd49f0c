//! RTCP as it leaves, in the clear: compound packets, canonical names, and whom reports are about.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Pair, calling, vp8};
use peerage_log::{Direction, Plaintext};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{Frame, PeerConnection, TransceiverHandle};
use peerage_rtp::rtcp::{self, Packet, SdesKind};

/// The datagrams of RTCP that an end sends.
type Sent = Arc<Mutex<Vec<Vec<u8>>>>;

fn tap(pc: &mut PeerConnection) -> Sent {
    let sent = Sent::default();
    let kept = Arc::clone(&sent);
    pc.set_packet_tap(Some(Box::new(move |_, direction, kind, data: &[u8]| {
        if direction == Direction::Sent && kind == Plaintext::Rtcp {
            kept.lock().unwrap().push(data.to_vec());
        }
    })));
    sent
}

/// A second of audio and, if it has a handle, of video.
fn talk(pair: &mut Pair, audio: TransceiverHandle, video: Option<TransceiverHandle>, second: u32) {
    for index in second * 50..(second + 1) * 50 {
        let now = pair.now;
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![1; 80], index * 960)).unwrap();
        if let Some(video) = video {
            let picture = Frame::new(vp8(index % 50 == 0, 900, 1), index * 1800);
            pair.a.pc.send_frame(now, video, 0, &picture).unwrap();
        }
        pair.run_for(Duration::from_millis(20));
    }
}

/// RFC 3550 §6.1, RFC 5506 §5: without `a=rtcp-rsize` each packet begins with a report and names its source.
#[test]
fn rtcp_is_compound_unless_reduced_size_was_agreed_on() {
    for reduced in [true, false] {
        let mut pair = Pair::new(1);
        let now = pair.now;
        let handles = [MediaKind::Audio, MediaKind::Video].map(|kind| {
            pair.a.pc.add_track(now, kind, format!("{kind:?}"), vec!["s".into()]).unwrap()
        });
        pair.a.pc.set_local_description(now, None).unwrap();
        let mut offer = pair.a.pc.local_description().unwrap();
        assert!(offer.sdp.contains("a=rtcp-rsize\r\n"));
        if !reduced {
            offer.sdp = offer.sdp.replace("a=rtcp-rsize\r\n", "");
        }
        pair.b.pc.set_remote_description(now, offer).unwrap();
        pair.b.pc.set_local_description(now, None).unwrap();
        let answer = pair.b.pc.local_description().unwrap();
        pair.a.pc.set_remote_description(now, answer).unwrap();
        pair.connect();
        let sent = tap(&mut pair.b.pc);
        for second in 0..3 {
            talk(&mut pair, handles[0], Some(handles[1]), second);
            let theirs = pair.b.pc.transceivers().nth(1).unwrap().handle;
            pair.b.pc.request_keyframe(pair.now, theirs);
        }
        let (mut alone, mut compound) = (0, 0);
        for datagram in sent.lock().unwrap().iter() {
            let packets: Vec<_> = rtcp::packets(datagram).map(Result::unwrap).collect();
            let feedback = packets.iter().filter(|packet| {
                matches!(packet, Packet::TransportFeedback(_) | Packet::PictureLossIndication(_))
            });
            let begins = matches!(packets[0], Packet::ReceiverReport(_) | Packet::SenderReport(_));
            match (feedback.count(), begins) {
                (0, begins) => assert!(begins, "reports begin with reports: {packets:?}"),
                (_, false) => alone += 1,
                (_, true) => {
                    compound += 1;
                    assert!(matches!(packets[1], Packet::SourceDescription(_)), "{packets:?}");
                }
            }
        }
        match reduced {
            true => assert!(alone > 10 && compound == 0, "{alone} alone, {compound} compound"),
            false => assert!(alone == 0 && compound > 10, "{alone} alone, {compound} compound"),
        }
    }
}

/// RFC 8834 §4.9, RFC 3550 §6.5.1: all sources of an end have one name, by which they are synchronised.
#[test]
fn every_source_that_reports_has_the_one_name_of_its_end() {
    let (mut pair, audio, video) = calling(2);
    let sent = tap(&mut pair.a.pc);
    for second in 0..4 {
        talk(&mut pair, audio, Some(video), second);
    }
    let offer = pair.a.pc.local_description().unwrap().sdp;
    let (mut reporting, mut named) = (Vec::new(), Vec::new());
    for datagram in sent.lock().unwrap().iter() {
        let (mut sources, mut chunks) = (Vec::new(), Vec::new());
        for packet in rtcp::packets(datagram).map(Result::unwrap) {
            match packet {
                Packet::SenderReport(report) => sources.push(report.ssrc.0),
                Packet::SourceDescription(description) => {
                    for chunk in description.chunks() {
                        let name = chunk.items.iter().find(|item| item.kind == SdesKind::CNAME);
                        chunks.push((chunk.ssrc.0, name.expect("a name").value.to_vec()));
                    }
                }
                _ => {}
            }
        }
        let told: Vec<u32> = chunks.iter().map(|(ssrc, _)| *ssrc).collect();
        for source in &sources {
            assert!(told.contains(source), "{source} reports without its name: {told:?}");
        }
        reporting.extend(sources);
        named.extend(chunks.into_iter().map(|(_, name)| name));
    }
    reporting.sort_unstable();
    reporting.dedup();
    assert_eq!(reporting.len(), 2, "audio and video report");
    named.sort_unstable();
    named.dedup();
    assert_eq!(named.len(), 1, "{named:?}");
    let name = std::str::from_utf8(&named[0]).unwrap();
    assert!(offer.contains(&format!("cname:{name}\r\n")), "as the description has it");
}

/// RFC 3550 §6.4: a block is about a source heard since the last report.
#[test]
fn reports_are_about_what_came_since_the_last() {
    let (mut pair, audio, video) = calling(3);
    let sent = tap(&mut pair.b.pc);
    let reported = |sent: &Sent| -> Vec<Vec<u32>> {
        let mut reports = Vec::new();
        for datagram in std::mem::take(&mut *sent.lock().unwrap()) {
            for packet in rtcp::packets(&datagram).map(Result::unwrap) {
                if let Packet::ReceiverReport(report) = packet {
                    reports.push(report.reports.iter().map(|block| block.ssrc.0).collect());
                }
            }
        }
        reports
    };
    for second in 0..3 {
        talk(&mut pair, audio, Some(video), second);
    }
    let both = reported(&sent);
    assert!(both.iter().any(|blocks| blocks.len() == 2), "{both:?}");
    for second in 3..5 {
        talk(&mut pair, audio, None, second);
    }
    reported(&sent);
    for second in 5..9 {
        talk(&mut pair, audio, None, second);
    }
    let one = reported(&sent);
    assert!(one.len() >= 2 && one.iter().all(|blocks| blocks.len() == 1), "{one:?}");
    pair.run_for(Duration::from_secs(2));
    reported(&sent);
    pair.run_for(Duration::from_secs(4));
    let none = reported(&sent);
    assert!(
        none.len() >= 2 && none.iter().all(Vec::is_empty),
        "an end goes on to report: {none:?}"
    );
}

/// RFC 8108 §5.3: an end with many sources reports for each of them, several together in a datagram of a size that fits the
/// path; the other end reports on each of them once.
#[test]
fn many_sources_of_an_end_report_together() {
    const TRACKS: usize = 40;
    let mut pair = Pair::new(4);
    let now = pair.now;
    let videos: Vec<_> = (0..TRACKS)
        .map(|index| {
            let streams = vec!["s".into()];
            pair.a.pc.add_track(now, MediaKind::Video, format!("v{index}"), streams).unwrap()
        })
        .collect();
    pair.negotiate();
    pair.connect();
    let (sent, answered) = (tap(&mut pair.a.pc), tap(&mut pair.b.pc));
    for index in 0..40 {
        for &video in &videos {
            let picture = Frame::new(vp8(index == 0, 200, 1), index * 9_000);
            pair.a.pc.send_frame(pair.now, video, 0, &picture).unwrap();
        }
        pair.run_for(Duration::from_millis(100));
    }
    let (mut reports, mut named) = (BTreeMap::<u32, Vec<u32>>::new(), 0);
    let mut datagrams = 0;
    for datagram in sent.lock().unwrap().iter() {
        assert!(datagram.len() < 1_200, "{} bytes", datagram.len());
        let packets: Vec<_> = rtcp::packets(datagram).map(Result::unwrap).collect();
        let mut sources = BTreeSet::new();
        for packet in &packets {
            match packet {
                Packet::SenderReport(report) => {
                    reports.entry(report.ssrc.0).or_default().push(report.info.packet_count);
                    assert!(sources.insert(report.ssrc.0), "twice in a datagram");
                }
                Packet::SourceDescription(description) => {
                    let told: BTreeSet<u32> = description.chunks().map(|c| c.ssrc.0).collect();
                    assert!(told.is_superset(&sources), "each source with its name");
                    named += told.len();
                }
                _ => {}
            }
        }
        if !sources.is_empty() {
            datagrams += 1;
            assert!(matches!(packets[0], Packet::SenderReport(_)), "RFC 3550 §6.1");
        }
    }
    assert_eq!(reports.len(), TRACKS, "each source is a participant of its own (§5.1)");
    let often: BTreeSet<usize> = reports.values().map(Vec::len).collect();
    assert!(often.iter().all(|count| (2..=6).contains(count)), "in four seconds: {often:?}");
    assert_eq!(often.len(), 1, "they report together: {often:?}");
    assert!(reports.values().all(|counts| counts.is_sorted()));
    let each = reports.values().map(Vec::len).sum::<usize>();
    assert!(named >= each && each >= 8 * datagrams, "{each} reports in {datagrams} datagrams");

    let mut rounds = Vec::new();
    for datagram in answered.lock().unwrap().iter() {
        for packet in rtcp::packets(datagram).map(Result::unwrap) {
            if let Packet::ReceiverReport(report) = packet {
                assert!(report.reports.len() <= 31, "RFC 3550 §6.4.1");
                rounds.extend(report.reports.iter().map(|block| block.ssrc.0));
            }
        }
    }
    let seen: BTreeSet<u32> = rounds.iter().copied().collect();
    assert_eq!(seen, reports.keys().copied().collect::<BTreeSet<u32>>());
    for (index, round) in rounds.chunks(TRACKS).enumerate() {
        let once: BTreeSet<u32> = round.iter().copied().collect();
        assert_eq!(once.len(), round.len(), "round {index}");
    }
}
