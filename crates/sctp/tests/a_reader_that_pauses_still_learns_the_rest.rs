//! An owner that takes no messages is told of everything else, in an order that makes sense.

mod support;

use peerage_sctp::{Config, Event, StreamId};
use std::time::Duration;
use support::{Link, Pair, message};

fn pair() -> Pair {
    Pair::connected(1, [Config::default(), Config::default()], [Link::default(); 2])
}

fn reset_of(stream: u16) -> Event {
    Event::IncomingStreamReset { streams: vec![StreamId(stream)] }
}

#[test]
fn our_reset_and_another_streams_pass_messages() {
    let mut pair = pair();
    pair.paused[1] = true;
    pair.send(0, 1, message(1, 1_000));
    pair.send(0, 2, message(2, 1_000));
    pair.send(1, 4, message(4, 1_000));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.ends[1].reset_outgoing_streams(now, &[StreamId(4)]).unwrap();
    pair.ends[0].reset_outgoing_streams(now, &[StreamId(3)]).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.messages(1).count(), 0);
    assert!(pair.saw(1, &Event::OutgoingStreamsReset { streams: vec![StreamId(4)] }));
    assert!(pair.saw(1, &reset_of(3)));
}

#[test]
fn a_reset_comes_behind_the_messages_of_its_stream() {
    let mut pair = pair();
    pair.paused[1] = true;
    pair.send(0, 1, message(1, 1_000));
    pair.send(0, 2, message(2, 1_000));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.ends[0].reset_outgoing_streams(now, &[StreamId(1)]).unwrap();
    pair.run_for(Duration::from_secs(1));
    // The number is used again before anybody looks.
    pair.send(0, 1, message(3, 1_000));
    pair.run_for(Duration::from_secs(1));
    assert!(!pair.saw(1, &reset_of(1)));

    let first = pair.ends[1].poll_event();
    assert!(matches!(first, Some(Event::Message { stream: StreamId(1), .. })));
    assert_eq!(pair.ends[1].poll_control_event(), Some(reset_of(1)));
    assert_eq!(pair.ends[1].poll_control_event(), None);
    for stream in [2, 1] {
        let event = pair.ends[1].poll_event();
        assert!(matches!(event, Some(Event::Message { stream: id, .. }) if id == StreamId(stream)));
    }
    assert_eq!(pair.ends[1].poll_event(), None);
}

#[test]
fn the_end_passes_everything_and_messages_stay() {
    let mut pair = pair();
    pair.paused[1] = true;
    pair.send(0, 1, message(1, 1_000));
    pair.run_for(Duration::from_secs(1));
    let now = pair.now;
    pair.ends[0].abort(now, "enough");
    pair.run_for(Duration::from_secs(1));
    assert!(pair.events[1].iter().any(|event| matches!(event, Event::Aborted { .. })));
    assert!(matches!(pair.ends[1].poll_event(), Some(Event::Message { .. })));
    assert_eq!(pair.ends[1].poll_event(), None);
}

#[test]
fn a_stream_nobody_wants_neither_fills_the_window_nor_holds_its_reset() {
    for before in [true, false] {
        let small = Config { receive_window: 100_000, ..Config::default() };
        let limit = small.max_message_size + 64 * 1024;
        let mut pair = Pair::connected(1, [Config::default(), small], [Link::default(); 2]);
        pair.paused[1] = true;
        pair.send(0, 2, message(2, 1_000));
        pair.run_for(Duration::from_secs(1));
        // More than the window holds, once it is discarded.
        for number in 0..if before { 40 } else { 4 } {
            pair.send(0, 1, message(number, limit / 10));
        }
        pair.run_for(Duration::from_secs(1));
        if before {
            pair.ends[1].set_discarded(StreamId(1), true);
        }
        let now = pair.now;
        pair.ends[0].reset_outgoing_streams(now, &[StreamId(1)]).unwrap();
        pair.run_for(Duration::from_secs(10));
        if !before {
            // The reset is there already, behind the messages.
            assert!(!pair.saw(1, &reset_of(1)));
            pair.ends[1].set_discarded(StreamId(1), true);
            pair.drain();
        }
        assert!(pair.saw(1, &reset_of(1)), "{before}");
        let event = pair.ends[1].poll_event();
        assert!(matches!(event, Some(Event::Message { stream: StreamId(2), .. })));
        assert_eq!(pair.ends[1].poll_event(), None);
        assert_eq!(pair.ends[1].statistics().receive_buffered, 0);
    }
}

#[test]
fn what_follows_a_reset_is_not_discarded_with_what_came_before() {
    let mut pair = pair();
    pair.paused[1] = true;
    for number in 0..2 {
        pair.send(0, 1, message(number, 100));
        pair.run_for(Duration::from_secs(1));
        let now = pair.now;
        pair.ends[0].reset_outgoing_streams(now, &[StreamId(1)]).unwrap();
        pair.run_for(Duration::from_secs(1));
    }
    pair.ends[1].set_discarded(StreamId(1), true);
    assert_eq!(pair.ends[1].poll_control_event(), Some(reset_of(1)));
    assert_eq!(pair.ends[1].poll_control_event(), None);
    assert!(matches!(pair.ends[1].poll_event(), Some(Event::Message { .. })));
    assert_eq!(pair.ends[1].poll_event(), Some(reset_of(1)));
}
