//! Sources of ours say goodbye when they end, and reports come as often as RFC 3550 §6.2 has it.

mod common;

use std::time::Duration;

use common::{Pair, calling, calling_with, config, frames, negotiate, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{Error, Event, Frame, TransceiverDirection, TransceiverHandle};

const FRAME_TIME: Duration = Duration::from_millis(33);

fn film(pair: &mut Pair, video: TransceiverHandle, from: u32, count: u32) {
    for index in from..from + count {
        let now = pair.now;
        let frame = Frame::new(vp8(index == from, 1_500, index as u8), index * 2970);
        pair.a.pc.send_frame(now, video, 0, &frame).unwrap();
        pair.run_for(FRAME_TIME);
    }
}

/// Streams that `b` knows of.
fn inbound(pair: &Pair) -> usize {
    pair.b.pc.get_stats(pair.now).inbound_rtp().count()
}

#[test]
fn a_connection_that_is_closed_ends_its_sources_first() {
    let (mut pair, audio, video) = calling(1);
    pair.a.pc.send_frame(pair.now, audio, 0, &Frame::new(vec![7; 80], 0)).unwrap();
    film(&mut pair, video, 0, 10);
    assert_eq!(inbound(&pair), 2);
    // Nothing of DTLS arrives: what ends the streams is RTCP.
    pair.filter = Box::new(|_, data| (128..192).contains(&data[0]));
    let before = pair.a.pc.statistics().rtp.rtcp_sent;
    pair.a.pc.close(pair.now);
    pair.run_for(Duration::from_millis(50));
    assert_eq!(inbound(&pair), 0);
    assert_eq!(pair.a.pc.statistics().rtp.rtcp_sent - before, 1, "one datagram for all");
    pair.run_for(Duration::from_secs(5));
    assert_eq!(pair.a.pc.statistics().rtp.rtcp_sent - before, 1);
}

#[test]
fn nobody_says_goodbye_who_said_nothing() {
    let (mut pair, _, _) = calling(2);
    pair.run_for(Duration::from_secs(2));
    let mut seen = 0;
    let before = pair.a.pc.statistics().rtp.rtcp_sent;
    pair.a.pc.close(pair.now);
    pair.filter = Box::new(move |from_a, data| {
        seen += u32::from(from_a && (128..192).contains(&data[0]));
        assert_eq!(seen, 0);
        true
    });
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.pc.statistics().rtp.rtcp_sent, before);
}

#[test]
fn a_transceiver_that_is_stopped_ends_its_own_sources_at_once() {
    let (mut pair, audio, video) = calling(3);
    pair.a.pc.send_frame(pair.now, audio, 0, &Frame::new(vec![7; 80], 0)).unwrap();
    film(&mut pair, video, 0, 10);
    pair.a.pc.stop_transceiver(pair.now, video).unwrap();
    pair.run_for(Duration::from_millis(50));
    assert_eq!(inbound(&pair), 1, "before anything is negotiated");
    let muted = |event: &&Event| matches!(event, Event::TrackMuted { .. });
    assert_eq!(pair.b.events.iter().filter(muted).count(), 1, "that of the video");
    let frame = Frame::new(vp8(true, 900, 1), 1);
    let refused = pair.a.pc.send_frame(pair.now, video, 0, &frame);
    assert!(matches!(refused, Err(Error::InvalidState { .. })), "{refused:?}");
    // A negotiation for another reason does not bring it back.
    negotiate(pair.now, &mut pair.b, &mut pair.a);
    pair.drain();
    assert!(pair.a.pc.send_frame(pair.now, video, 0, &frame).is_err());

    let other = pair.a.pc.add_track(pair.now, MediaKind::Video, "other", vec![]).unwrap();
    negotiate(pair.now, &mut pair.a, &mut pair.b);
    pair.drain();
    let before = frames(&pair.b.events).len();
    film(&mut pair, other, 0, 10);
    pair.run_for(Duration::from_millis(100));
    assert_eq!(frames(&pair.b.events).len() - before, 10);
    pair.a.pc.send_frame(pair.now, audio, 0, &Frame::new(vec![7; 80], 960)).unwrap();
    pair.run_for(Duration::from_millis(100));
    assert_eq!(frames(&pair.b.events).len() - before, 11);
}

#[test]
fn a_transceiver_that_is_held_goes_on_later() {
    let (mut pair, _, video) = calling(4);
    film(&mut pair, video, 0, 10);
    let reports = pair.a.pc.statistics().rtp.rtcp_sent;
    pair.a.pc.set_direction(pair.now, video, TransceiverDirection::Inactive).unwrap();
    negotiate(pair.now, &mut pair.a, &mut pair.b);
    pair.run_for(Duration::from_millis(50));
    assert!(pair.a.pc.statistics().rtp.rtcp_sent - reports <= 1, "a report at most");
    pair.a.pc.set_direction(pair.now, video, TransceiverDirection::SendRecv).unwrap();
    negotiate(pair.now, &mut pair.a, &mut pair.b);
    pair.drain();
    film(&mut pair, video, 10, 10);
    pair.run_for(Duration::from_millis(100));
    assert_eq!(frames(&pair.b.events).len(), 20);
}

#[test]
fn reports_keep_to_their_share_of_the_bandwidth() {
    let reports = |most: u64| {
        let configuration = || {
            let mut config = config();
            config.settings.congestion.min_bitrate = 5_000;
            config.settings.congestion.start_bitrate = most;
            config.settings.congestion.max_bitrate = most;
            config
        };
        let (mut pair, audio, _) = calling_with(Pair::with(5, configuration(), configuration()));
        for index in 0..300u32 {
            let frame = Frame::new(vec![7; 20], index * 9_600);
            pair.a.pc.send_frame(pair.now, audio, 0, &frame).unwrap();
            pair.run_for(Duration::from_millis(200));
        }
        pair.a.pc.statistics().rtp.rtcp_sent
    };
    let (wide, narrow) = (reports(1_000_000), reports(8_000));
    assert!((55..=100).contains(&wide), "{wide} in a minute");
    assert!((4..=30).contains(&narrow), "{narrow} in a minute");
}
