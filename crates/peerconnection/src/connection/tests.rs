//! What takes a peer that misbehaves, or an unlucky loss: seen from inside, for no public call brings it about.

#[path = "../../tests/common/mod.rs"]
pub(super) mod common;

use std::time::Duration;

use bytes::Bytes;
use common::{Pair, config};
use peerage_rtp::{Ssrc, rtcp};
use peerage_sctp::{PayloadProtocolId, SendOptions, StreamId};

use crate::dcep::ppid;
use crate::media::MediaKind;
use crate::{
    DataChannelInit, DataChannelState, Event, Frame, Input, Message, Protocol, SendError,
    TransceiverHandle,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A pair whose `b` has sent data on a stream that is `a`'s to open, and `a`'s reset is not answered yet.
fn pair_that_refused(seed: u64, stream: u16) -> Pair {
    let (mut pair, ..) = Pair::connected(seed);
    let options = SendOptions::reliable(PayloadProtocolId(ppid::BINARY));
    let (now, data) = (pair.now, Bytes::from_static(b"unasked"));
    pair.b.pc.sctp.as_deref_mut().unwrap().send(now, StreamId(stream), options, data).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| !pair.a.pc.refused_streams.is_empty()));
    assert_eq!(pair.a.pc.refused_streams, [stream]);
    pair
}

#[test]
fn an_id_whose_stream_is_refused_goes_to_no_new_channel() {
    let mut pair = pair_that_refused(100, 3);
    let first = pair.a.pc.create_data_channel(pair.now, "x", DataChannelInit::default()).unwrap();
    assert_eq!(pair.a.pc.data_channel(first).unwrap().init.id, Some(5));
    assert!(pair.run_until(PATIENCE, |pair| pair.a.pc.refused_streams.is_empty()));
    let second = pair.a.pc.create_data_channel(pair.now, "y", DataChannelInit::default()).unwrap();
    assert_eq!(pair.a.pc.data_channel(second).unwrap().init.id, Some(3), "the id is free again");
    assert!(pair.run_until(PATIENCE, |pair| pair.b.incoming().len() == 3));
}

#[test]
fn a_negotiated_channel_does_not_take_a_refusals_reset_for_its_own() {
    let mut pair = pair_that_refused(101, 9);
    let init = DataChannelInit { negotiated: true, id: Some(9), ..DataChannelInit::default() };
    let error = pair.a.pc.create_data_channel(pair.now, "x", init.clone()).unwrap_err();
    assert_eq!(error.name(), "OperationError");
    assert!(pair.run_until(PATIENCE, |pair| pair.a.pc.refused_streams.is_empty()));
    let handle = pair.a.pc.create_data_channel(pair.now, "x", init).unwrap();
    assert!(!pair.a.pc.channels.get(handle).unwrap().outgoing_reset);
}

#[test]
fn a_channel_that_cannot_be_opened_is_an_error_and_leaves_nothing_behind() {
    let mut small = config();
    small.settings.sctp.send_buffer = 10_000;
    let mut pair = Pair::with(102, small, config());
    let (a, _) = pair.open("test");
    while pair.a.pc.send(pair.now, a, Message::Binary(vec![0; 5000].into())).is_ok() {}
    let full = pair.a.pc.send(pair.now, a, Message::Binary(vec![0; 5000].into()));
    assert!(matches!(full, Err(SendError::BufferFull(_))));
    let mut refused = 0;
    for _ in 0..2000 {
        let label = "x".repeat(2000);
        let made = pair.a.pc.create_data_channel(pair.now, &label, DataChannelInit::default());
        match made {
            Ok(handle) => assert!(pair.a.pc.data_channel(handle).is_some()),
            Err(error) => {
                assert_eq!(error.name(), "OperationError");
                refused += 1;
            }
        }
    }
    assert!(refused > 1900, "{refused}");
    pair.drain();
    assert!(pair.a.closed().is_empty(), "nobody heard of these channels");
    assert!(pair.a.pc.statistics().data_channels.len() < 100);
}

#[test]
fn the_last_packet_of_an_association_is_sent() {
    // Sooner than any timer or acknowledgement would bring it about: a datagram takes 5 ms.
    const AT_ONCE: Duration = Duration::from_millis(50);
    // SHUTDOWN COMPLETE: without it the other end repeats its SHUTDOWN ACK for ever.
    let (mut pair, a, b) = Pair::connected(103);
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.b.pc.sctp.as_deref_mut().unwrap().shutdown(now);
    assert!(pair.run_until(AT_ONCE, |pair| !pair.a.closed().is_empty()));
    assert_eq!((pair.a.closed(), pair.b.closed()), (vec![a], vec![b]));
    // ABORT: without it the other end never learns.
    let (mut pair, a, b) = Pair::connected(104);
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.a.pc.end_association(now, None);
    assert!(pair.run_until(AT_ONCE, |pair| !pair.b.closed().is_empty()));
    assert_eq!((pair.a.closed(), pair.b.closed()), (vec![a], vec![b]));
    for end in [&mut pair.a, &mut pair.b] {
        let late = end.pc.create_data_channel(pair.now, "late", DataChannelInit::default());
        assert_eq!(late.unwrap_err().name(), "InvalidStateError", "no data will ever flow");
    }
}

#[test]
fn a_last_packet_that_is_lost_is_sent_again() {
    /// Loses the datagram of `b` that has this number, STUN not counted.
    fn lose(pair: &mut Pair, number: u32) {
        let mut count = 0;
        pair.filter = Box::new(move |from_a, data| {
            let counts = !from_a && data[0] > 3;
            count += u32::from(counts);
            !counts || count != number
        });
    }
    // SHUTDOWN, then SHUTDOWN COMPLETE.
    let (mut pair, a, _) = Pair::connected(106);
    lose(&mut pair, 2);
    let now = pair.now;
    pair.b.pc.sctp.as_deref_mut().unwrap().shutdown(now);
    assert!(pair.run_until(PATIENCE, |pair| !pair.a.closed().is_empty()));
    assert_eq!(pair.a.closed(), [a]);
    // ABORT. The other end learns of it when it sends.
    let (mut pair, a, _) = Pair::connected(107);
    pair.run_for(Duration::from_secs(1));
    lose(&mut pair, 1);
    let now = pair.now;
    pair.b.pc.end_association(now, None);
    pair.run_for(Duration::from_secs(1));
    assert!(pair.a.closed().is_empty(), "the ABORT is lost");
    pair.a.pc.send(pair.now, a, Message::text("is anybody there")).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| !pair.a.closed().is_empty()));
    assert_eq!(pair.a.closed(), [a]);
}

#[test]
fn a_channel_reopened_before_our_reset_is_answered_opens() {
    let (mut pair, other, theirs) = Pair::connected(105);
    let first = pair.b.pc.create_data_channel(pair.now, "first", DataChannelInit::default());
    let first = first.unwrap();
    assert!(pair.run_until(PATIENCE, |pair| pair.a.incoming().len() == 1));
    let ours = pair.a.incoming()[0];
    pair.b.pc.close_data_channel(pair.now, first);
    let closing = |pair: &mut Pair| {
        pair.a.pc.data_channel(ours).is_some_and(|info| info.state == DataChannelState::Closing)
    };
    assert!(pair.run_until(PATIENCE, closing));
    // The peer carries our reset out, but we do not hear of it.
    pair.filter = Box::new(|from_a, _| from_a);
    assert!(pair.run_until(PATIENCE, |pair| !pair.b.closed().is_empty()));
    pair.filter = Box::new(|_, _| true);
    let id = |pair: &Pair, handle| pair.b.pc.data_channel(handle).unwrap().init.id;
    let again = pair.b.pc.create_data_channel(pair.now, "again", DataChannelInit::default());
    let again = again.unwrap();
    assert_eq!(id(&pair, again), Some(0), "the id is used again");
    pair.b.pc.send(pair.now, again, Message::text("first words")).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| !pair.a.pc.held_opens.is_empty()));
    // Other channels do not wait for that.
    pair.b.pc.send(pair.now, theirs, Message::text("meanwhile")).unwrap();
    assert!(pair.run_until(Duration::from_millis(50), |pair| !pair.a.messages.is_empty()));
    assert_eq!(pair.a.messages, [(other, Message::text("meanwhile"))]);
    assert!(!pair.a.pc.held_opens.is_empty(), "our reset is not answered yet");
    assert!(pair.run_until(PATIENCE, |pair| pair.a.messages.len() == 2));
    assert_eq!(pair.a.closed(), [ours]);
    let reopened = pair.a.incoming()[1];
    assert_eq!(pair.a.pc.data_channel(reopened).unwrap().label, "again");
    assert_eq!(pair.a.messages[1], (reopened, Message::text("first words")));
    assert!(pair.a.pc.held_opens.is_empty());
}

/// A pair with two sections of audio, that `b` receives.
fn pair_with_audio(seed: u64) -> Pair {
    let mut pair = Pair::new(seed);
    for track in ["one", "two"] {
        pair.a.pc.add_track(pair.now, MediaKind::Audio, track, vec!["s".into()]).unwrap();
    }
    pair.negotiate();
    pair.connect();
    pair
}

/// Hands `b` a packet of `a` that no call of `a` sends; the transceivers of the frames that come of it.
fn inject(pair: &mut Pair, packet: Vec<u8>) -> Vec<TransceiverHandle> {
    let mut data = pair.a.pc.transports[0].rtp.seal(packet);
    let (source, destination) = (pair.a.address, pair.b.address);
    let protocol = Protocol::Udp;
    let input = Input { source, destination, protocol, ecn: None, data: &mut data };
    pair.b.pc.handle_input(pair.now, input).unwrap();
    let events = std::iter::from_fn(|| pair.b.pc.poll_event());
    let frames = events.filter_map(|event| match event {
        Event::Frame(frame) => Some(frame.transceiver),
        _ => None,
    });
    frames.collect()
}

/// RFC 8285 §5, §7: each section has extensions of its own, and each a direction.
#[test]
fn packets_carry_the_extensions_that_their_section_agreed_to_send() {
    use peerage_rtp::extension::ExtensionKind::{
        AbsoluteSendTime, Mid, TransmissionOffset, TransportSequenceNumber,
    };
    let mut pair = Pair::new(120);
    let (now, mut handles) = (pair.now, Vec::new());
    for (kind, track) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
        handles.push(pair.a.pc.add_track(now, kind, track, vec!["s".into()]).unwrap());
    }
    pair.a.pc.set_local_description(now, None).unwrap();
    pair.b.pc.set_remote_description(now, pair.a.pc.local_description().unwrap()).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    // Of its audio the peer wants neither send times nor numbers; it would send the latter.
    let mut answer = pair.b.pc.local_description().unwrap();
    let (audio, video) = answer.sdp.split_once("m=video").unwrap();
    let audio: String = (audio.lines().filter(|line| !line.contains("abs-send-time")))
        .map(|line| line.replace("a=extmap:3 ", "a=extmap:3/sendonly ") + "\r\n")
        .collect();
    answer.sdp = format!("{audio}m=video{video}");
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    assert_eq!(pair.a.pc.transports[0].rtp.sent_extensions(handles[0]), [Mid]);
    let video = pair.a.pc.transports[0].rtp.sent_extensions(handles[1]);
    assert_eq!(video, [Mid, TransmissionOffset, AbsoluteSendTime, TransportSequenceNumber]);
}

/// RFC 8285 §6: said by each section or by the session, and by both ends.
#[test]
fn headers_are_mixed_where_both_ends_say_so() {
    let mixes = |change: fn(String) -> String| {
        let mut pair = Pair::new(121);
        let now = pair.now;
        for peer in [&mut pair.a, &mut pair.b] {
            for (kind, track) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
                peer.pc.add_track(now, kind, track, vec!["s".into()]).unwrap();
            }
        }
        pair.a.pc.set_local_description(now, None).unwrap();
        let mut offer = pair.a.pc.local_description().unwrap();
        offer.sdp = change(offer.sdp);
        pair.b.pc.set_remote_description(now, offer).unwrap();
        pair.b.pc.set_local_description(now, None).unwrap();
        let answer = pair.b.pc.local_description().unwrap();
        let said = answer.sdp.contains("a=extmap-allow-mixed\r\n");
        pair.a.pc.set_remote_description(now, answer).unwrap();
        pair.connect();
        assert_eq!(pair.a.pc.transports[0].rtp.mixes_headers(), said);
        assert_eq!(pair.b.pc.transports[0].rtp.mixes_headers(), said);
        said
    };
    const LINE: &str = "a=extmap-allow-mixed\r\n";
    assert!(mixes(|offer| offer), "ours");
    assert!(!mixes(|offer| offer.replace(LINE, "")));
    // As Firefox has it, and the same of one section only.
    assert!(mixes(|offer| offer.replace(LINE, "").replace("a=mid:", &format!("{LINE}a=mid:"))));
    assert!(!mixes(|offer| offer.replace(LINE, "").replace("a=mid:1", &format!("{LINE}a=mid:1"))));
}

/// A packet of audio that names its section.
fn audio(pair: &Pair, ssrc: u32, number: u16, mid: u8) -> Vec<u8> {
    let transceiver = pair.b.pc.transceivers.iter().next().unwrap();
    let payload_type = transceiver.agreed.as_ref().unwrap().codecs[0].receive;
    let mut packet = vec![0x90, payload_type];
    packet.extend(number.to_be_bytes());
    packet.extend((u32::from(number) * 960).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0xbe, 0xde, 0, 1, pair.a.pc.transports[0].rtp.mid_extension() << 4, mid, 0, 0]);
    packet.extend([7; 60]);
    packet
}

/// RFC 3550 §6.6.
#[test]
fn sources_that_said_goodbye_make_room_for_others() {
    let mut pair = pair_with_audio(110);
    for ssrc in 1..1100u32 {
        let packet = audio(&pair, ssrc, 1, b'0');
        assert_eq!(inject(&mut pair, packet).len(), 1, "source {ssrc}");
        // An empty receiver report goes first (RFC 3550 §6.1).
        let mut goodbye = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1];
        goodbye.extend(ssrc.to_be_bytes());
        inject(&mut pair, goodbye);
    }
}

/// webrtc-pc §5.4, "stop sending and receiving", step 3.
#[test]
fn a_transceiver_that_is_stopped_says_goodbye() {
    let mut pair = pair_with_audio(114);
    let transceiver = pair.a.pc.transceivers.iter().next().unwrap();
    let (handle, ssrc) = (transceiver.handle, transceiver.sender.ssrcs[0].0);
    let goodbyes = |pair: &Pair| {
        let packets = pair.a.pc.transports[0].rtp.waiting_rtcp();
        let packets = packets.iter().flat_map(|packet| rtcp::packets(packet));
        let goodbyes = packets.filter_map(|packet| match packet.unwrap() {
            rtcp::Packet::Goodbye(goodbye) => Some(goodbye.sources.iter().collect::<Vec<_>>()),
            _ => None,
        });
        goodbyes.flatten().collect::<Vec<_>>()
    };
    pair.a.pc.send_frame(pair.now, handle, 0, &Frame::new(vec![1; 60], 0)).unwrap();
    assert!(
        pair.run_until(PATIENCE, |pair| pair.b.pc.transports[0].rtp.statistics().packets_received
            == 1)
    );
    pair.a.pc.stop_transceiver(pair.now, handle).unwrap();
    assert_eq!(goodbyes(&pair), [Ssrc(ssrc)]);
    // The other has sent nothing.
    let other = pair.a.pc.transceivers.iter().nth(1).unwrap().handle;
    pair.a.pc.stop_transceiver(pair.now, other).unwrap();
    assert_eq!(goodbyes(&pair), [Ssrc(ssrc)]);
}

/// libwebrtc drops transport-wide feedback that names none of its own sources, and then never learns its rate.
#[test]
fn feedback_names_a_source_of_the_peer() {
    let mut pair = pair_with_audio(113);
    let transceiver = pair.a.pc.transceivers.iter().next().unwrap();
    let (handle, ssrc) = (transceiver.handle, transceiver.sender.ssrcs[0].0);
    pair.a.pc.send_frame(pair.now, handle, 0, &Frame::new(vec![1; 60], 0)).unwrap();
    assert!(
        pair.run_until(PATIENCE, |pair| pair.b.pc.transports[0].rtp.statistics().packets_received
            == 1)
    );
    let due = pair.b.pc.transports[0].rtp.poll_timeout().unwrap();
    pair.b.pc.transports[0].rtp.handle_timeout(due);
    let packets = pair.b.pc.transports[0].rtp.waiting_rtcp();
    let feedback = packets.iter().flat_map(|packet| rtcp::packets(packet)).find_map(|packet| {
        match packet.unwrap() {
            rtcp::Packet::TransportFeedback(feedback) => Some(feedback.sources),
            _ => None,
        }
    });
    assert_eq!(feedback.expect("feedback is due").media, Ssrc(ssrc));
}

/// RFC 9143 §9.2: the mid of a packet tells where its source belongs from then on.
#[test]
fn a_source_moves_to_the_section_it_names() {
    let mut pair = pair_with_audio(111);
    let handles: Vec<_> = pair.b.pc.transceivers().map(|transceiver| transceiver.handle).collect();
    for (number, mid, expected) in [(1, b'0', handles[0]), (2, b'1', handles[1])] {
        let packet = audio(&pair, 77, number, mid);
        assert_eq!(inject(&mut pair, packet), [expected]);
    }
}

/// A publisher that invents sources, numbers and extensions costs a bounded amount, and the stream that is joined of its
/// packets stays one.
#[test]
fn hostile_packets_are_bounded_where_packets_are_given_out() {
    use crate::rtp::ReceiveMode;
    use peerage_rtp::forward::StreamRewriter;
    use peerage_rtp::payload::PayloadFormat;

    let mut pair = pair_with_audio(112);
    let handles: Vec<_> = pair.b.pc.transceivers().map(|transceiver| transceiver.handle).collect();
    for handle in &handles {
        pair.b.pc.set_receive_mode(pair.now, *handle, ReceiveMode::Packets).unwrap();
    }
    let mut rewriter = StreamRewriter::new(PayloadFormat::Opus, 48_000);
    rewriter.switch_to(1);
    let (mut last, mut given) = (0, 0);
    for round in 0..3000u32 {
        // One source that jumps, among ever new ones with elements that are cut off, empty, or of two-byte headers.
        let number = (round * 30_011) as u16;
        let mut packet = audio(&pair, 1, number, b'0');
        inject(&mut pair, packet.clone());
        packet[8..12].copy_from_slice(&(2 + round).to_be_bytes());
        packet[12..16].copy_from_slice(&[[0xbe, 0xde, 0, 1], [0x10, 0, 0, 1]][round as usize % 2]);
        packet[18..20].copy_from_slice(&[round as u8, (round >> 8) as u8]);
        inject(&mut pair, packet);
        while let Some(packet) = pair.b.pc.poll_rtp() {
            given += 1;
            if let Some(out) = rewriter.forward(&packet.source()) {
                assert!(last == 0 || out.sequence.abs_diff(last) < 1_000);
                last = out.sequence;
            }
        }
    }
    let statistics = pair.b.pc.statistics().rtp;
    assert!(given > 1_500, "the first 1,024 sources are heard: {given}");
    assert!(statistics.packets_dropped > 500, "{statistics:?}");
    assert!(last < 1 << 18, "numbers are not used up: {last}");
}
