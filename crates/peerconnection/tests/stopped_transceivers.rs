//! A transceiver that is stopped sends and receives no more from that moment on, not from the next negotiation
//! (webrtc-pc §5.4, stop).

mod common;

use common::{calling, frames, negotiate, vp8};
use peerage_peerconnection::{
    Event, Frame, ReceiveMode, SessionDescription, TransceiverDirection, TransceiverHandle,
};
use std::time::Duration;

const SHORTLY: Duration = Duration::from_millis(200);

fn picture(number: u32) -> Frame {
    Frame::new(vp8(number == 0, 3000, number as u8), number * 3000)
}

fn video_of(events: &[Event], transceiver: TransceiverHandle) -> usize {
    frames(events).iter().filter(|frame| frame.transceiver == transceiver).count()
}

#[test]
fn the_receiver_gives_nothing_out_once_it_is_stopped() {
    let (mut pair, audio, video) = calling(60);
    let theirs: Vec<_> = pair.b.pc.transceivers().map(|transceiver| transceiver.handle).collect();
    pair.a.pc.send_frame(pair.now, video, 0, &picture(0)).unwrap();
    pair.run_for(SHORTLY);
    assert_eq!(video_of(&pair.b.events, theirs[1]), 1);

    let now = pair.now;
    pair.b.pc.stop_transceiver(now, theirs[1]).unwrap();
    let stopped = pair.b.pc.transceiver(theirs[1]).unwrap();
    assert_eq!(stopped.direction, TransceiverDirection::Stopped);
    assert!(!stopped.is_receiving());
    for number in 1..10 {
        pair.a.pc.send_frame(pair.now, video, 0, &picture(number)).unwrap();
        pair.a.pc.send_frame(pair.now, audio, 0, &Frame::new(vec![7; 80], number * 960)).unwrap();
        pair.run_for(SHORTLY / 10);
    }
    pair.run_for(SHORTLY);
    assert_eq!(video_of(&pair.b.events, theirs[1]), 1, "nothing after the stop");
    assert_eq!(video_of(&pair.b.events, theirs[0]), 9, "the other goes on");
}

/// Frames and packets that were there already are not given out either.
#[test]
fn what_waits_for_the_application_is_let_go() {
    let (mut pair, _, video) = calling(61);
    let theirs = pair.b.pc.transceivers().nth(1).unwrap().handle;
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    pair.a.pc.send_frame(pair.now, video, 0, &picture(0)).unwrap();
    pair.run_for(SHORTLY);
    pair.b.pc.stop_transceiver(pair.now, theirs).unwrap();
    assert_eq!(pair.b.pc.poll_rtp(), None);
}

#[test]
fn the_sender_sends_nothing_once_it_is_stopped() {
    let (mut pair, _, video) = calling(62);
    let theirs = pair.b.pc.transceivers().nth(1).unwrap().handle;
    let now = pair.now;
    pair.a.pc.send_frame(now, video, 0, &Frame::new(vp8(true, 60_000, 0), 0)).unwrap();
    // Most of it waits in the pacer still.
    pair.a.pc.stop_transceiver(now, video).unwrap();
    let before = pair.a.pc.statistics().rtp.packets_sent;
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.pc.statistics().rtp.packets_sent, before);
    assert_eq!(video_of(&pair.b.events, theirs), 0);
    assert!(pair.a.pc.send_frame(pair.now, video, 0, &picture(1)).is_err());
}

/// An answer to an offer from before the stop still speaks of media both ways.
#[test]
fn an_answer_does_not_bring_a_stopped_transceiver_back() {
    let (mut pair, _, video) = calling(63);
    let now = pair.now;
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap();
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let theirs = pair.b.pc.transceivers().nth(1).unwrap().handle;
    pair.b.pc.stop_transceiver(now, theirs).unwrap();
    pair.a.pc.set_remote_description(now, pair.b.pc.local_description().unwrap()).unwrap();
    let known = pair.b.events.len();
    pair.a.pc.send_frame(now, video, 0, &picture(0)).unwrap();
    pair.run_for(SHORTLY);
    assert_eq!(frames(&pair.b.events[known..]).len(), 0);
    // It ends as it should.
    negotiate(pair.now, &mut pair.b, &mut pair.a);
    assert!(pair.a.pc.transceiver(video).is_none());
    let rollback = SessionDescription::rollback();
    assert!(pair.a.pc.set_local_description(pair.now, Some(rollback)).is_err());
}
