//! What happens on a connection stands in its event log, and cleartext packets come to the tap.

mod common;

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use common::{Pair, negotiate};
use peerage_log::{
    Direction, End, LogEvent, LogReader, LogWriter, Packet, PacketRole, Plaintext, Record,
    RtcpKind, StateOf, Stream,
};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{DataChannelInit, Frame, Message, TransceiverHandle};

/// A file in memory that the test can read while it is written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Memory {
    fn records(&self) -> Vec<Record> {
        let bytes = self.0.lock().unwrap().clone();
        let mut reader = LogReader::new(&bytes[..]).unwrap();
        let records = reader.by_ref().collect::<Result<_, _>>().unwrap();
        assert_eq!((reader.unknown(), reader.damaged(), reader.truncated()), (0, 0, false));
        records
    }

    fn pick<T>(&self, pick: impl FnMut(LogEvent<'static>) -> Option<T>) -> Vec<T> {
        self.records().into_iter().map(|record| record.event).filter_map(pick).collect()
    }

    fn states(&self, wanted: StateOf) -> Vec<String> {
        self.pick(|event| match event {
            LogEvent::State { of, state } if of == wanted => Some(state.into_owned()),
            _ => None,
        })
    }
}

/// Both ends log from the beginning.
fn logged(pair: &mut Pair) -> (Memory, Memory) {
    let logs = (Memory::default(), Memory::default());
    let now = pair.now;
    for (peer, log) in [(&mut pair.a, &logs.0), (&mut pair.b, &logs.1)] {
        let writer = LogWriter::new(log.clone(), now, SystemTime::UNIX_EPOCH, "test").unwrap();
        peer.pc.set_event_log(now, Some(Box::new(writer)));
    }
    logs
}

fn vp8(keyframe: bool, size: usize) -> Vec<u8> {
    let mut data = match keyframe {
        true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        false => vec![0x11, 0, 0],
    };
    data.resize(size, 7);
    data
}

fn send_video(pair: &mut Pair, video: TransceiverHandle, frames: std::ops::Range<u32>) {
    for index in frames {
        let frame = Frame::new(vp8(index == 0, 3000), index * 3000);
        let now = pair.now;
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(Duration::from_millis(33));
    }
}

#[test]
fn a_call_is_told_from_both_ends() {
    let mut pair = Pair::new(1);
    let (log_a, log_b) = logged(&mut pair);
    let now = pair.now;
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    let chat = pair.a.pc.create_data_channel(now, "chat", DataChannelInit::default()).unwrap();
    pair.negotiate();
    pair.connect();
    // Every twentieth datagram of media is lost.
    let mut count = 0u32;
    pair.filter = Box::new(move |from_a, data| {
        let is_media = from_a && data.len() > 300 && (128..192).contains(&data[0]);
        count += u32::from(is_media);
        !is_media || count % 20 != 7
    });
    send_video(&mut pair, video, 0..100);
    let now = pair.now;
    pair.a.pc.send(now, chat, Message::text("hello")).unwrap();
    pair.run_for(Duration::from_secs(1));
    let statistics = (pair.a.pc.statistics().rtp, pair.b.pc.statistics().rtp);

    // States: as they were reported, each change once.
    assert_eq!(log_a.states(StateOf::Signaling), ["stable", "have-local-offer", "stable"]);
    assert_eq!(log_b.states(StateOf::Signaling), ["stable", "have-remote-offer", "stable"]);
    for log in [&log_a, &log_b] {
        assert_eq!(log.states(StateOf::Dtls), ["new", "connecting", "connected"]);
        assert_eq!(log.states(StateOf::Connection), ["new", "connecting", "connected"]);
        let ice = log.states(StateOf::Ice);
        assert_eq!(ice[..3], ["new", "checking", "connected"]);
        let found = log.pick(|event| match event {
            LogEvent::SelectedPair { local, remote } => Some((local, remote)),
            LogEvent::Handshake { version, .. } => {
                assert_eq!(version, "DTLS 1.3");
                None
            }
            _ => None,
        });
        assert!(!found.is_empty() && found[0].0 != found[0].1, "{found:?}");
    }

    // Descriptions: whose, and which.
    let descriptions = |log: &Memory| {
        log.pick(|event| match event {
            LogEvent::Description { end, kind, sdp } => {
                assert!(sdp.starts_with("v=0\r\n") && sdp.contains("m=video"), "{sdp}");
                Some((end, kind.into_owned()))
            }
            _ => None,
        })
    };
    let offer = |end| (end, "offer".to_owned());
    let answer = |end| (end, "answer".to_owned());
    assert_eq!(descriptions(&log_a), [offer(End::Local), answer(End::Remote)]);
    assert_eq!(descriptions(&log_b), [offer(End::Remote), answer(End::Local)]);
    for (log, end) in
        [(&log_a, End::Local), (&log_a, End::Remote), (&log_b, End::Local), (&log_b, End::Remote)]
    {
        let candidates = log.pick(|event| match event {
            LogEvent::Candidate { end: whose, candidate } if whose == end => Some(candidate),
            _ => None,
        });
        assert!(candidates[0].contains("typ host"), "{candidates:?}");
    }

    // Packets: each that was counted, in order, after its stream was announced.
    let mut announced: Vec<Stream<'_>> = Vec::new();
    let mut sent: Vec<Packet> = Vec::new();
    for record in log_a.records() {
        match record.event {
            LogEvent::StreamBegan(stream) => announced.push(stream),
            LogEvent::PacketSent(packet) => {
                let known =
                    |s: &Stream<'_>| s.ssrc == packet.ssrc || s.repair_ssrc == Some(packet.ssrc);
                assert!(announced.iter().any(known), "{packet:?} of {announced:?}");
                sent.push(packet);
            }
            _ => {}
        }
    }
    let stream = announced[0].clone();
    assert_eq!(
        (announced.len(), &*stream.kind, &*stream.codec, &*stream.mid),
        (1, "video", "VP8", "0")
    );
    assert_eq!(sent.len() as u64, statistics.0.packets_sent);
    let again = sent.iter().filter(|packet| packet.role == PacketRole::Retransmission);
    assert_eq!(again.count() as u64, statistics.0.retransmissions_sent);
    assert!(statistics.0.retransmissions_sent >= 10, "{statistics:?}");
    for pair in sent.windows(2) {
        let numbers = (pair[0].transport_sequence.unwrap(), pair[1].transport_sequence.unwrap());
        assert_eq!(numbers.0.wrapping_add(1), numbers.1);
    }
    let received = log_b.pick(|event| match event {
        LogEvent::PacketReceived(packet) => Some(packet),
        _ => None,
    });
    assert_eq!(received.len() as u64, statistics.1.packets_received);
    // Why a packet was sent cannot be seen in it.
    let seen = |packet: &Packet| Packet { role: PacketRole::Media, probe: None, ..*packet };
    let sent: Vec<Packet> = sent.iter().map(seen).collect();
    assert!(received.iter().all(|packet| sent.contains(&seen(packet))), "as they were sent");
    let streams = log_b.pick(|event| match event {
        LogEvent::StreamBegan(stream) => Some(stream),
        _ => None,
    });
    let expected = Stream { direction: Direction::Received, repair_ssrc: None, ..stream.clone() };
    assert_eq!(streams, [expected]);

    // Frames.
    let frames = |log: &Memory| {
        log.pick(|event| match event {
            LogEvent::FrameSent(frame) | LogEvent::FrameReceived(frame) => {
                Some((frame.timestamp, frame.size, frame.keyframe))
            }
            _ => None,
        })
    };
    assert_eq!(frames(&log_a).len(), 100);
    assert_eq!(frames(&log_a), frames(&log_b), "what went in came out");
    assert!(frames(&log_a)[0].2 && !frames(&log_a)[1].2);

    // RTCP: what one end asks for, the other is asked for.
    let nacked = |log: &Memory, wanted| {
        let counts = log.pick(|event| match event {
            LogEvent::Rtcp(rtcp) if rtcp.direction == wanted && rtcp.kind == RtcpKind::Nack => {
                assert_eq!(rtcp.ssrc, stream.ssrc);
                Some(u64::from(rtcp.count))
            }
            _ => None,
        });
        counts.into_iter().sum::<u64>()
    };
    assert_eq!(nacked(&log_b, Direction::Sent), statistics.1.nacked_packets);
    assert_eq!(nacked(&log_a, Direction::Received), statistics.1.nacked_packets);
    let shares = log_a.pick(|event| match event {
        LogEvent::Allocation(share) => Some(share),
        _ => None,
    });
    assert!(!shares.is_empty() && shares.iter().all(|share| share.ssrc == stream.ssrc));

    // The path carries what the probes ask.
    let estimates = log_a.pick(|event| match event {
        LogEvent::Estimate(estimate) => Some(estimate.target_bps),
        LogEvent::Probe { rate_bps, .. } => {
            assert!(rate_bps > 100_000);
            None
        }
        _ => None,
    });
    assert!(estimates.len() > 10 && *estimates.iter().max().unwrap() > 1_000_000, "{estimates:?}");
    let reports = log_a.pick(|event| match event {
        LogEvent::Report(report) if report.direction == Direction::Received => Some(report),
        _ => None,
    });
    assert!(reports.len() >= 3, "{reports:?}");
    assert!(reports.iter().all(|report| report.ssrc == stream.ssrc));
    let last = reports.last().unwrap();
    let round_trip = last.round_trip_us.unwrap();
    assert!((10_000..11_000).contains(&round_trip), "{last:?}: 5 ms each way");
    let feedback = log_a.pick(|event| match event {
        LogEvent::Rtcp(rtcp) if rtcp.kind == RtcpKind::TransportFeedback => Some(rtcp),
        _ => None,
    });
    let lost: u32 = feedback.iter().map(|feedback| feedback.lost).sum();
    assert!(feedback.iter().map(|f| f.count).sum::<u32>() >= 300 && (10..40).contains(&lost));

    // Data.
    let messages = |log: &Memory| {
        log.pick(|event| match event {
            LogEvent::Message { direction, size, .. } => Some((direction, size)),
            LogEvent::ChannelOpened { label, .. } => {
                assert_eq!(label, "chat");
                Some((Direction::Sent, 0))
            }
            _ => None,
        })
    };
    assert_eq!(messages(&log_a), [(Direction::Sent, 0), (Direction::Sent, 5)]);
    assert_eq!(messages(&log_b), [(Direction::Sent, 0), (Direction::Received, 5)]);

    // Time goes on.
    let records = log_a.records();
    assert!(records.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(records.last().unwrap().at > Duration::from_secs(3));
}

#[test]
fn the_end_is_told() {
    let mut pair = Pair::new(2);
    let (log, _) = logged(&mut pair);
    let now = pair.now;
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    send_video(&mut pair, video, 0..3);
    pair.a.pc.stop_transceiver(pair.now, video).unwrap();
    pair.negotiate();
    let ended = log.pick(|event| match event {
        LogEvent::StreamEnded { direction, .. } => Some(direction),
        _ => None,
    });
    assert_eq!(ended, [Direction::Sent]);
    pair.a.pc.close(pair.now);
    pair.drain();
    assert_eq!(log.states(StateOf::Connection).last().unwrap(), "closed");
    assert_eq!(log.states(StateOf::Signaling).last().unwrap(), "closed");
}

#[test]
fn a_log_that_begins_late_knows_what_went_before() {
    let mut pair = Pair::new(3);
    let now = pair.now;
    let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    send_video(&mut pair, video, 0..5);
    let (log_a, log_b) = logged(&mut pair);
    send_video(&mut pair, video, 5..10);
    for log in [&log_a, &log_b] {
        assert_eq!(log.states(StateOf::Connection), ["connected"]);
        assert_eq!(log.states(StateOf::Dtls), ["connected"]);
        let descriptions = log.pick(|event| match event {
            LogEvent::Description { end, .. } => Some(end),
            _ => None,
        });
        assert_eq!(descriptions, [End::Local, End::Remote]);
        let pairs = log.pick(|event| match event {
            LogEvent::SelectedPair { .. } => Some(()),
            LogEvent::StreamBegan(stream) => {
                assert_eq!(stream.codec, "VP8");
                Some(())
            }
            _ => None,
        });
        assert_eq!(pairs.len(), 2, "a path and a stream");
    }
    // And one that ended hears no more.
    let before = log_a.records().len();
    pair.a.pc.set_event_log(pair.now, None);
    send_video(&mut pair, video, 10..15);
    assert_eq!(log_a.records().len(), before);
}

#[test]
fn the_tap_gets_cleartext() {
    let mut pair = Pair::new(4);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let now = pair.now;
    for (name, peer) in [("a", &mut pair.a), ("b", &mut pair.b)] {
        let seen = Arc::clone(&seen);
        peer.pc.set_packet_tap(Some(Box::new(
            move |_, direction: Direction, kind: Plaintext, data: &[u8]| {
                seen.lock().unwrap().push((name, direction, kind, data.to_vec()));
            },
        )));
    }
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
    negotiate(now, &mut pair.a, &mut pair.b);
    pair.connect();
    for index in 0..50u32 {
        let now = pair.now;
        pair.a.pc.send_frame(now, audio, 0, &Frame::new(vec![0xA5; 80], index * 960)).unwrap();
        pair.run_for(Duration::from_millis(20));
    }
    pair.run_for(Duration::from_secs(2));
    let seen = seen.lock().unwrap();
    let of = |name, direction, kind| -> Vec<&[u8]> {
        let wanted =
            seen.iter().filter(|entry| (entry.0, entry.1, entry.2) == (name, direction, kind));
        wanted.map(|entry| &entry.3[..]).collect()
    };
    let sent = of("a", Direction::Sent, Plaintext::Rtp);
    assert_eq!(sent.len(), 50);
    assert!(sent.iter().all(|packet| packet.ends_with(&[0xA5; 80])), "in the clear, without a tag");
    assert_eq!(sent, of("b", Direction::Received, Plaintext::Rtp));
    let reports = of("b", Direction::Sent, Plaintext::Rtcp);
    assert!(!reports.is_empty());
    assert_eq!(reports, of("a", Direction::Received, Plaintext::Rtcp));
    assert!(reports.iter().all(|packet| (192..224).contains(&packet[1])));
}
