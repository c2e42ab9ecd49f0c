//! What a packet of sound takes on its way through a connection: nothing, where who takes the frames hands their boxes back.
//! Reports take some, about once a second.

#[path = "common/allocations.rs"]
mod allocations;
mod common;

use std::collections::VecDeque;
use std::time::Duration;

use common::Pair;
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{Event, Frame, Input, TransceiverHandle};

/// Packets of 20 ms.
const PACKETS: u32 = 500;

#[derive(Debug, Default)]
struct Taken {
    send: u64,
    transmit: u64,
    receive: u64,
    timers: u64,
    reports: u64,
    frames: u64,
}

fn counted<T>(sum: &mut u64, act: impl FnOnce() -> T) -> T {
    let before = allocations::COUNT.get();
    let result = act();
    *sum += allocations::COUNT.get() - before;
    result
}

/// Sends from `a` to `b`, over no network at all.
fn call(pair: &mut Pair, audio: TransceiverHandle, packets: std::ops::Range<u32>) -> Taken {
    let mut taken = Taken::default();
    let mut buf = Vec::with_capacity(65_536);
    let mut held = VecDeque::new();
    let (payload, step) = (vec![0x78; 80], Duration::from_millis(1));
    for packet in packets {
        let frame = Frame::new(payload.clone(), packet * 960);
        let now = pair.now;
        counted(&mut taken.send, || pair.a.pc.send_frame(now, audio, 0, &frame)).unwrap();
        for _ in 0..20 {
            pair.now += step;
            let now = pair.now;
            for to_b in [true, false] {
                let (from, to) = match to_b {
                    true => (&mut pair.a, &mut pair.b),
                    false => (&mut pair.b, &mut pair.a),
                };
                if from.pc.poll_timeout().is_some_and(|at| at <= now) {
                    counted(&mut taken.timers, || from.pc.handle_timeout(now));
                }
                loop {
                    buf.clear();
                    let sum = if to_b { &mut taken.transmit } else { &mut taken.reports };
                    let Some(sent) = counted(sum, || from.pc.poll_transmit(now, &mut buf)) else {
                        break;
                    };
                    let input = Input {
                        source: sent.source,
                        destination: sent.destination,
                        protocol: sent.protocol,
                        ecn: sent.ecn,
                        data: &mut buf,
                    };
                    let sum = if to_b { &mut taken.receive } else { &mut taken.reports };
                    counted(sum, || to.pc.handle_input(now, input)).unwrap();
                }
                let sum = if to_b { &mut taken.receive } else { &mut taken.reports };
                while let Some(event) = counted(sum, || to.pc.poll_event()) {
                    let Event::Frame(mut frame) = event else { continue };
                    let sound = frame.take();
                    assert_eq!(sound.frame.data, [0x78; 80][..]);
                    counted(sum, || to.pc.reuse_frame(frame));
                    // As a jitter buffer does.
                    held.push_back(sound);
                    if held.len() > 5 {
                        held.pop_front();
                    }
                    taken.frames += 1;
                }
            }
        }
    }
    taken
}

#[test]
fn sound_takes_little_memory() {
    let mut pair = Pair::new(1);
    let now = pair.now;
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "audio", vec!["s".into()]).unwrap();
    pair.negotiate();
    pair.connect();
    call(&mut pair, audio, 0..PACKETS);
    let taken = call(&mut pair, audio, PACKETS..2 * PACKETS);
    println!("{PACKETS} packets: {taken:?}");
    assert_eq!(taken.frames, u64::from(PACKETS));
    let Taken { send, transmit, receive, timers, reports, .. } = taken;
    assert_eq!(send + transmit, 0, "to send");
    // Ten seconds have some twenty reports, and each of them a handful of lists.
    assert!(receive <= 40, "{receive} to receive");
    assert!(timers + reports <= 200, "{timers} and {reports} for reports");
}
