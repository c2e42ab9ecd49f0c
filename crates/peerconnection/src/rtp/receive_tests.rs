//! How long a stream of the peer waits for what is missing, when it asks for a keyframe, and what incomplete frames may
//! hold, seen from inside.

use std::time::{Duration, Instant, SystemTime};

use peerage_congestion::GccConfig;
use peerage_crypto::Rng;
use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::{PayloadType, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc};
use peerage_sdp::{Text, Word};

use super::receive::ReceiveStream;
use super::routing::{KeyframeRequests, ReceivedCodec};
use super::{KEYFRAME_REQUEST_INTERVAL, RtpTransport};
use crate::media::{CodecFormat, RtpCodec};
use crate::transceiver::TransceiverHandle;

const MS: fn(u64) -> Duration = Duration::from_millis;
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// VP8 with retransmission.
fn vp8() -> ReceivedCodec {
    let codec = CodecFormat::of(&RtpCodec::video(Word::from_static("VP8"))).unwrap();
    ReceivedCodec {
        payload_type: 96,
        format: PayloadFormat::Vp8,
        codec,
        media: codec,
        clock_rate: 90_000,
        nack: true,
        keyframes: KeyframeRequests::PictureLoss,
        rtx: Some(97),
        descriptor: None,
    }
}

/// The header of a keyframe and of another frame (RFC 6386 §9.1), each after a payload descriptor that says that it begins
/// here (RFC 7741 §4.2).
const KEYFRAME: [u8; 11] = [0x10, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
const OTHER: [u8; 4] = [0x10, 0x11, 0, 0];
/// No frame.
const NONE: [u64; 0] = [];
/// A packet that goes on with a frame.
const MORE: [u8; 4] = [0, 7, 7, 7];

fn stream(ssrc: u32) -> ReceiveStream {
    ReceiveStream::new(1, Ssrc(ssrc), TransceiverHandle(0), None, None, &vp8(), false)
}

fn header(stream: &ReceiveStream, number: u16, timestamp: u32, marker: bool) -> RtpHeader {
    RtpHeader {
        marker,
        payload_type: PayloadType::new(vp8().payload_type).unwrap(),
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(timestamp),
        ssrc: stream.ssrc(),
    }
}

/// Hands a stream a packet whose frame is told by `timestamp`; the sequence numbers of the frames that come of it.
fn take(
    stream: &mut ReceiveStream,
    now: Instant,
    (number, timestamp): (u16, u32),
    marker: bool,
    payload: &[u8],
) -> Vec<u64> {
    let mut packet = Vec::new();
    header(stream, number, timestamp, marker).write(&mut packet, |_| {});
    packet.extend_from_slice(payload);
    stream.handle(now, &vp8(), &RtpPacket::parse(&packet).unwrap());
    std::iter::from_fn(|| stream.poll_frame(now)).map(|frame| frame.frame.first_sequence).collect()
}

/// On a slow path a keyframe takes seconds; each further one that were asked for would begin before it is whole.
#[test]
fn no_keyframe_is_asked_for_while_one_comes() {
    let start = Instant::now();
    let mut stream = stream(1);
    let due = |stream: &mut ReceiveStream, ms| {
        stream.keyframe_request_due(start + MS(ms), KEYFRAME_REQUEST_INTERVAL)
    };
    take(&mut stream, start, (1, 0), true, &OTHER);
    assert!(due(&mut stream, 0), "nothing can be decoded yet");
    assert!(!due(&mut stream, 200), "a moment ago");
    assert!(due(&mut stream, 300), "it may be lost");
    take(&mut stream, start + MS(350), (2, 3_000), false, &KEYFRAME);
    for step in 1..32 {
        let ms = 350 + 100 * step;
        take(&mut stream, start + MS(ms), (2 + step as u16, 3_000), false, &MORE);
        let wanted = ms >= 300 + 3_000;
        let asked = due(&mut stream, ms);
        assert!(!asked || wanted, "after {ms} ms, while it comes");
        if asked {
            return;
        }
    }
    panic!("nor is it waited for for ever");
}

#[test]
fn a_keyframe_that_comes_no_more_is_asked_for_again() {
    let start = Instant::now();
    let mut stream = stream(1);
    take(&mut stream, start, (1, 0), true, &OTHER);
    assert!(stream.keyframe_request_due(start, KEYFRAME_REQUEST_INTERVAL));
    take(&mut stream, start + MS(200), (2, 3_000), false, &KEYFRAME);
    assert!(!stream.keyframe_request_due(start + MS(450), KEYFRAME_REQUEST_INTERVAL));
    assert!(stream.keyframe_request_due(start + MS(500), KEYFRAME_REQUEST_INTERVAL));
}

/// Asks for what is missing each 10 ms until the time has passed.
fn ask(stream: &mut ReceiveStream, from: Instant, time: Duration) {
    for step in 0..time.as_millis() as u64 / 10 {
        stream.poll_nack(from + MS(10 * step), ROUND_TRIP, &mut Vec::new());
    }
}

#[test]
fn what_was_asked_for_in_vain_is_not_waited_for_once_a_keyframe_is_whole() {
    let start = Instant::now();
    let mut stream = stream(1);
    assert_eq!(take(&mut stream, start, (1, 0), true, &KEYFRAME), [65_537]);
    // The second is lost, and so is all that brings it again.
    for number in 3..8 {
        let frame = (number, u32::from(number) * 3_000);
        assert_eq!(take(&mut stream, start + MS(100), frame, true, &OTHER), NONE);
    }
    // A keyframe that the peer makes by itself: what is missing may still come.
    take(&mut stream, start + MS(150), (8, 24_000), false, &KEYFRAME);
    assert_eq!(take(&mut stream, start + MS(150), (9, 24_000), true, &MORE), NONE);
    ask(&mut stream, start + MS(150), Duration::from_secs(2));
    let now = start + MS(2_150);
    assert!(stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL), "ten requests in vain");
    // The next packet is enough: the keyframe has been there for long.
    assert_eq!(take(&mut stream, now, (10, 27_000), true, &OTHER), [65_544, 65_546]);
    // And packets are waited for as before.
    assert_eq!(take(&mut stream, now, (12, 33_000), true, &KEYFRAME), NONE);
    assert_eq!(take(&mut stream, now, (11, 30_000), true, &OTHER), [65_547, 65_548]);
}

/// A peer may be slow to send the keyframe, or never do: what cannot be decoded without the packets that it does not send
/// again must not pile up until then.
#[test]
fn what_waits_for_packets_that_were_asked_for_in_vain_is_let_go() {
    let start = Instant::now();
    let mut stream = stream(1);
    assert_eq!(take(&mut stream, start, (1, 0), true, &KEYFRAME), [65_537]);
    // The second is lost; the others come, 25 a second.
    let mut most = 0;
    let mut frames = |stream: &mut ReceiveStream, numbers: std::ops::Range<u16>| {
        for number in numbers {
            let now = start + MS(40) * u32::from(number);
            ask(stream, now, MS(40));
            let frame = (number, u32::from(number) * 3_000);
            let mut payload = OTHER.to_vec();
            payload.resize(1_000, 7);
            assert_eq!(take(stream, now, frame, true, &payload), NONE, "frame {number}");
            most = most.max(stream.held_bytes());
        }
    };
    // Ten requests take less than two seconds, and after them there is a second in which it may come.
    frames(&mut stream, 3..1_000);
    assert!(most < 100_000, "{most} bytes");
    let end = start + MS(40_000);
    assert!(stream.keyframe_request_due(end, KEYFRAME_REQUEST_INTERVAL));
    // The keyframe comes after all, in two parts of which the first is late.
    assert_eq!(take(&mut stream, end, (1_001, 3_000_000), true, &MORE), NONE);
    assert_eq!(take(&mut stream, end, (1_000, 3_000_000), false, &KEYFRAME), [66_536]);
    assert_eq!(take(&mut stream, end, (1_002, 3_003_000), true, &OTHER), [66_538]);
}

/// Frames that refer to one that the application did not get cannot be decoded.
#[test]
fn after_a_frame_that_found_no_room_all_are_left_out_up_to_a_keyframe() {
    let now = Instant::now();
    let mut stream = stream(1);
    assert_eq!(take(&mut stream, now, (1, 0), true, &KEYFRAME).len(), 1);
    stream.not_taken();
    assert!(stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL));
    for number in 2..10 {
        let frame = (number, u32::from(number) * 3_000);
        assert_eq!(take(&mut stream, now, frame, true, &OTHER), NONE, "frame {number}");
    }
    assert_eq!(take(&mut stream, now, (10, 30_000), true, &KEYFRAME).len(), 1);
    assert_eq!(take(&mut stream, now, (11, 33_000), true, &OTHER).len(), 1);
    assert_eq!(stream.snapshot(now).frames_dropped, 9);
}

fn transport(now: Instant) -> RtpTransport {
    let clock = (now, SystemTime::UNIX_EPOCH);
    let cname = Text::new("name").unwrap();
    RtpTransport::new(&mut Rng::from_seed(1), cname, clock, GccConfig::default())
}

/// Two packets take the places of all between them, and what is noted of those that are missing.
#[test]
fn places_in_a_thousand_streams_have_the_same_budget() {
    let now = Instant::now();
    for transports in [1, 16] {
        let most = (64 << 20) / transports;
        let mut transport = transport(now);
        transport.share_budget(transports);
        for index in 0..1_024 {
            transport.receivers.push(stream(index as u32));
            for number in [0, 900, 2_047] {
                take(&mut transport.receivers[index], now, (number, 0), false, &MORE);
                transport.after_packet(now, index);
            }
        }
        let held = |transport: &mut RtpTransport| -> usize {
            transport.receivers.iter_mut().map(|stream| stream.count_bytes().1).sum()
        };
        let all = held(&mut transport);
        assert!(all <= most && 2 * all > most, "{all} bytes are held of {most}");
        let given_up = transport.statistics().assemblies_given_up;
        // 2,048 places of 100 bytes at least in each.
        assert!(given_up > (1_024 - most / 200_000) as u64, "{given_up} have given up");
        // Another transport makes the share smaller.
        transport.share_budget(2 * transports);
        assert!(held(&mut transport) <= most / 2);
    }
}

/// Each stream may hold 8 MiB, and there may be a thousand.
#[test]
fn incomplete_frames_of_all_streams_have_one_budget() {
    const PART: usize = 60_000;
    let now = Instant::now();
    let mut transport = transport(now);
    // The keyframe has no end, and its parts keep their places.
    let mut part = MORE.to_vec();
    part.resize(PART, 7);
    let held = |transport: &mut RtpTransport| -> usize {
        transport.receivers.iter_mut().map(|stream| stream.count_bytes().1).sum()
    };
    let mut most = 0;
    for index in 0..10 {
        transport.receivers.push(stream(index as u32));
        take(&mut transport.receivers[index], now, (0, 0), false, &KEYFRAME);
        for number in 1..=130 {
            take(&mut transport.receivers[index], now, (number, 0), false, &part);
            transport.after_packet(now, index);
            let held = held(&mut transport);
            assert!(held <= 64 << 20, "{held} bytes are held");
            most = most.max(held);
        }
    }
    assert!(most > 60 << 20, "the budget is there to be used: {most}");
    let given_up = transport.statistics().assemblies_given_up;
    assert!((1..=3).contains(&given_up), "only who holds most gives up: {given_up}");
}

/// Dependency descriptors tell that nothing refers to what is lost: no keyframe is asked for, and nothing waits for one. What is
/// referred to is another matter.
#[test]
fn no_keyframe_is_asked_for_where_nothing_refers_to_what_was_lost() {
    use peerage_rtp::payload::FrameInfo;
    use peerage_rtp::scalability::{DependencyTracker, ScalabilityMode};

    let id = 5;
    let codec = ReceivedCodec { descriptor: Some(id), ..vp8() };
    for (lost, needs_keyframe) in [(2_u16, false), (3, true)] {
        let (start, mut stream) = (Instant::now(), stream(1));
        let mut tracker = DependencyTracker::new(ScalabilityMode::parse("L1T2").unwrap(), 0);
        let (mut came, mut now) = (Vec::new(), start);
        for number in 1..100_u16 {
            now += MS(40);
            let (keyframe, layer) = (number == 1, (number + 1) % 2);
            let timestamp = u32::from(number) * 3_000;
            let info = FrameInfo {
                keyframe: Some(keyframe),
                timestamp,
                temporal_layer: Some(layer as u8),
                discardable: layer == 1,
                ..FrameInfo::default()
            };
            let descriptor = tracker.frame(keyframe, &info).unwrap();
            let (mut value, mut packet) = (Vec::new(), Vec::new());
            descriptor.write(Some(tracker.structure()), &mut value).unwrap();
            header(&stream, number, timestamp, true).write(&mut packet, |writer| {
                writer.put(id, &value).unwrap();
            });
            packet.extend_from_slice(if keyframe { &KEYFRAME } else { &OTHER });
            if number != lost {
                stream.handle(now, &codec, &RtpPacket::parse(&packet).unwrap());
            }
            ask(&mut stream, now, MS(40));
            came.extend(std::iter::from_fn(|| stream.poll_frame(now)).map(|f| f.frame.timestamp));
        }
        assert_eq!(stream.keyframe_request_due(now, KEYFRAME_REQUEST_INTERVAL), needs_keyframe);
        let expected = if needs_keyframe { 2 } else { 98 };
        assert_eq!(came.len(), expected, "without {lost}: {came:?}");
    }
}
