//! A call of twenty-four hours, in virtual time: sequence numbers of sound and of pictures wrap and with them SRTP's rollover
//! counter, RTP timestamps wrap, transport-wide numbers wrap, the middle of NTP time wraps, and on the way NTP's first era
//! ends (RFC 5905 §6, 2036-02-07 06:28:16 UTC). The packets of video on both sides of a wrap are lost, and sent again.
//! Nothing of it is noticed.

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use common::{Pair, config};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::stats::Stats;
use peerage_peerconnection::{ConnectionState, Event, Frame, TransceiverHandle};

const DAY: Duration = Duration::from_secs(24 * 3600);
const AUDIO: Duration = Duration::from_millis(600);
const VIDEO: Duration = Duration::from_secs(3);
/// Five packets: as many numbers as to wrap twice in a day.
const PICTURE: usize = 5_500;
/// Seconds from 1970 to the end of NTP's first era.
const ERA_END: u64 = 2_085_978_496;

/// What came on a transceiver.
#[derive(Default)]
struct Received {
    frames: u32,
    timestamp: Option<u32>,
}

impl Received {
    /// Takes a frame: its number stands in it, and its timestamp is so many ticks after that of the one before.
    fn take(&mut self, number: u32, timestamp: u32, ticks: u32) {
        assert_eq!(number, self.frames, "frames come in order, and none is missing");
        self.frames += 1;
        if let Some(before) = self.timestamp.replace(timestamp) {
            assert_eq!(timestamp.wrapping_sub(before), ticks, "frame {number}");
        }
    }
}

/// What was seen of a source on the wire.
#[derive(Default)]
struct OnTheWire {
    packets: u32,
    wraps: u32,
    last: Option<u16>,
    /// It has sent a packet too long for sound.
    is_video: bool,
}

/// The source and the number of an RTP packet, which SRTP leaves in the clear (RFC 3550 §5.1, RFC 5761 §4).
fn identity(datagram: &[u8]) -> Option<(u32, u16)> {
    let header = datagram.first_chunk::<12>()?;
    let is_rtp = header[0] >> 6 == 2 && !(192..224).contains(&header[1]);
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    is_rtp.then(|| (u32::from(word(8)) << 16 | u32::from(word(10)), word(2)))
}

fn picture(number: u32) -> Vec<u8> {
    let mut data = match number.is_multiple_of(100) {
        true => vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01],
        false => vec![0x11, 0, 0],
    };
    data.resize(PICTURE - 4, number as u8);
    data.extend(number.to_be_bytes());
    data
}

#[test]
fn nothing_that_wraps_in_a_day_is_noticed() {
    let late = || {
        let mut config = config();
        config.wall_clock = SystemTime::UNIX_EPOCH + Duration::from_secs(ERA_END - 12 * 3600);
        config
    };
    let mut pair = Pair::with(1, late(), late());
    pair.latency = Duration::from_millis(30);
    let now = pair.now;
    let mut track = |kind: MediaKind| -> TransceiverHandle {
        pair.a.pc.add_track(now, kind, kind.as_str(), Vec::new()).unwrap()
    };
    let (audio, video) = (track(MediaKind::Audio), track(MediaKind::Video));
    pair.negotiate();
    assert!(pair.run_until(Duration::from_secs(10), |pair| {
        let peers = [&pair.a, &pair.b];
        peers.iter().all(|peer| peer.pc.connection_state() == ConnectionState::Connected)
    }));
    // What is sent before the peer has its keys is lost, as live media is.
    pair.run_for(Duration::from_secs(1));

    let sources = Rc::new(RefCell::new(BTreeMap::<u32, OnTheWire>::new()));
    let wire = Rc::clone(&sources);
    pair.filter = Box::new(move |from_a, datagram| {
        let Some((ssrc, number)) = identity(datagram).filter(|_| from_a) else { return true };
        let mut wire = wire.borrow_mut();
        let source = wire.entry(ssrc).or_default();
        source.packets += 1;
        source.is_video |= datagram.len() > 600;
        let wraps =
            source.last.replace(number).is_some_and(|last| last > 0xF000 && number < 0x1000);
        source.wraps += u32::from(wraps);
        // Retransmissions have a source of their own, with few numbers.
        !(source.is_video && matches!(number, u16::MAX | 0) && source.packets > 1_000)
    });

    let start = pair.now;
    let (mut sounds, mut pictures) = (0u32, 0u32);
    let (mut heard, mut seen) = (Received::default(), Received::default());
    while pair.now - start < DAY {
        let now = pair.now;
        // Near the end of their range from the beginning.
        let sound = Frame::new(
            sounds.to_be_bytes().to_vec(),
            (u32::MAX - 50_000).wrapping_add(sounds * 28_800),
        );
        pair.a.pc.send_frame(now, audio, 0, &sound).unwrap();
        sounds += 1;
        if sounds.is_multiple_of((VIDEO.as_millis() / AUDIO.as_millis()) as u32) {
            let frame = Frame::new(picture(pictures), pictures.wrapping_mul(270_000));
            pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
            pictures += 1;
        }
        pair.run_for(AUDIO);
        for event in pair.b.events.drain(..) {
            let Event::Frame(frame) = event else { continue };
            let data = &frame.frame.data[..];
            let number = u32::from_be_bytes(*data.last_chunk().unwrap());
            match data.len() {
                4 => heard.take(number, frame.frame.timestamp, 28_800),
                _ => seen.take(number, frame.frame.timestamp, 270_000),
            }
        }
        pair.a.events.clear();
    }
    assert_eq!((sounds, pictures), (144_000, 28_800));
    // The last ones may be under way.
    assert!(heard.frames + 2 >= sounds && seen.frames + 2 >= pictures);

    let sources = sources.borrow();
    let mut wrapped: Vec<_> = sources.values().filter(|source| source.wraps > 0).collect();
    wrapped.sort_by_key(|source| source.is_video);
    let [sound, video] = wrapped[..] else { panic!("{} sources have wrapped", wrapped.len()) };
    assert_eq!((sound.is_video, video.is_video), (false, true));
    assert_eq!(sound.packets, sounds);
    // The first ones have the mid beside them, and less room.
    assert!((5 * pictures..5 * pictures + 50).contains(&video.packets), "{}", video.packets);
    // Each wrap is one more of the rollover counter, at both ends: or nothing after it could be opened.
    assert!(sound.wraps >= 2 && video.wraps >= 2, "{} and {}", sound.wraps, video.wraps);
    let lost = 2 * video.wraps;

    let now = pair.now;
    assert_eq!(pair.b.pc.connection_state(), ConnectionState::Connected);
    let statistics = pair.b.pc.statistics().rtp;
    assert_eq!((statistics.packets_unprotectable, statistics.packets_malformed), (0, 0));
    for stats in pair.b.pc.get_stats(now).iter() {
        if let Stats::InboundRtp(inbound) = stats {
            // What was sent again came by another source.
            let lost = if inbound.kind == MediaKind::Video { i64::from(lost) } else { 0 };
            assert!((0..=lost).contains(&inbound.packets_lost.unwrap()), "{inbound:?}");
            assert!(inbound.jitter.unwrap() < 0.01, "{:?}", inbound.jitter);
        }
    }
    let repeated = pair.a.pc.statistics().rtp.retransmissions_sent;
    assert!(repeated >= u64::from(lost), "{repeated} packets were sent again of {lost}");
    let mut round_trips = 0;
    for stats in pair.a.pc.get_stats(now).iter() {
        if let Stats::RemoteInboundRtp(remote) = stats {
            let trip = remote.round_trip_time.unwrap();
            assert!((0.055..0.2).contains(&trip), "{trip}");
            assert_eq!(remote.fraction_lost, Some(0.0));
            round_trips += 1;
        }
    }
    assert_eq!(round_trips, 2);
}
