//! A new DTLS association on a living connection (RFC 8842): the same peer renews it, or another takes its place, as third-party
//! call control and servers in the middle have it.

mod common;

use std::time::Duration;

use common::{Pair, Peer, config, frames, negotiate, vp8};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    ConnectionState, DataChannelHandle, DtlsState, Event, Frame, Message, SessionDescription,
    TransceiverHandle,
};

const PATIENCE: Duration = Duration::from_secs(20);
const FRAME_TIME: Duration = Duration::from_millis(33);
/// Where the other peer is.
const C: &str = "192.0.2.3:5003";

/// One end's camera, and what it sends.
struct Call {
    pair: Pair,
    camera: TransceiverHandle,
    channel: DataChannelHandle,
}

/// What `a` is connected to `b` by: a channel, and video of both.
#[track_caller]
fn call(seed: u64) -> Call {
    let mut pair = Pair::new(seed);
    let now = pair.now;
    let camera = pair.a.pc.add_track(now, MediaKind::Video, "a", vec!["s".into()]).unwrap();
    pair.b.pc.add_track(now, MediaKind::Video, "b", vec!["s".into()]).unwrap();
    let (channel, _) = pair.open("before");
    pair.connect();
    Call { pair, camera, channel }
}

/// A peer that has what the other end of [`call`] has.
fn another(pair: &Pair, seed: u64) -> Peer {
    let mut peer = Peer::new(pair.now, config(), seed, C);
    peer.pc.add_track(pair.now, MediaKind::Video, "c", vec!["s".into()]).unwrap();
    peer
}

/// Hands over what is to be said, and takes `to` in the place of `b`.
fn replace_b(pair: &mut Pair, to: Peer) -> Peer {
    std::mem::replace(&mut pair.b, to)
}

fn handshakes(peer: &Peer) -> usize {
    peer.pick(|event| matches!(event, Event::HandshakeComplete(_)).then_some(())).len()
}

fn tls_id(sdp: &str) -> &str {
    sdp.lines().find_map(|line| line.strip_prefix("a=tls-id:")).expect("it says one")
}

fn setup(sdp: &str) -> &str {
    sdp.lines().find_map(|line| line.strip_prefix("a=setup:")).expect("it says a role")
}

/// Waits for the handshake of the next association at both ends.
#[track_caller]
fn renewed(pair: &mut Pair, a: usize, b: usize) {
    let done =
        pair.run_until(PATIENCE, |pair| handshakes(&pair.a) == a && handshakes(&pair.b) == b);
    assert!(done, "no new handshake\na: {:?}\nb: {:?}", pair.a.events, pair.b.events);
    pair.connect();
}

/// Sends pictures both ways for a while; how many of `a` and of `b` came, and whether the first of each was a keyframe.
fn watch(pair: &mut Pair, camera: TransceiverHandle) -> [(usize, Option<bool>); 2] {
    let of_b = pair.b.pc.transceivers().next().unwrap().handle;
    let before = [frames(&pair.b.events).len(), frames(&pair.a.events).len()];
    let mut wanted = [true, true];
    for number in 0..45u32 {
        let timestamp = number * 3000;
        let ends = [(&mut pair.a, camera), (&mut pair.b, of_b)];
        for ((peer, transceiver), wanted) in ends.into_iter().zip(&mut wanted) {
            let asked = |event: &Event| matches!(event, Event::KeyframeRequested { .. });
            let keyframe = peer.events.iter().any(asked) || std::mem::take(wanted);
            peer.events.retain(|event| !asked(event));
            let frame = Frame::new(vp8(keyframe, 900, number as u8), timestamp);
            peer.pc.send_frame(pair.now, transceiver, 0, &frame).unwrap();
        }
        pair.run_for(FRAME_TIME);
    }
    pair.run_for(Duration::from_millis(300));
    let came = |peer: &Peer, before: usize| {
        let all = frames(&peer.events);
        let new = &all[before..];
        (new.len(), new.first().map(|frame| frame.frame.keyframe))
    };
    [came(&pair.b, before[0]), came(&pair.a, before[1])]
}

/// A message from `a` that comes to `b`.
#[track_caller]
fn talk(pair: &mut Pair, channel: DataChannelHandle, text: &str) {
    let count = pair.b.messages.len();
    pair.a.pc.send(pair.now, channel, Message::text(text)).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| pair.b.messages.len() > count), "it did not come");
    assert_eq!(pair.b.messages[count].1, Message::text(text));
}

#[test]
fn the_same_peer_renews_it_and_nothing_over_it_ends() {
    let Call { mut pair, camera, channel } = call(1);
    talk(&mut pair, channel, "before");
    watch(&mut pair, camera);
    let (ours, theirs) =
        (pair.a.pc.local_description().unwrap().sdp, pair.b.pc.local_description().unwrap().sdp);
    pair.a.pc.renew_dtls(pair.now);
    // What is under way when the association changes arrives as well.
    pair.a.pc.send(pair.now, channel, Message::text("in between")).unwrap();
    pair.negotiate();
    let (offer, answer) =
        (pair.a.pc.local_description().unwrap().sdp, pair.b.pc.local_description().unwrap().sdp);
    assert_ne!(tls_id(&offer), tls_id(&ours));
    assert_ne!(tls_id(&answer), tls_id(&theirs), "RFC 8842 §5.3");
    renewed(&mut pair, 2, 2);
    talk(&mut pair, channel, "after");
    assert_eq!(pair.b.messages.len(), 3);
    assert!(pair.a.closed().is_empty() && pair.b.closed().is_empty(), "RFC 8841 §10.5");
    for (count, keyframe) in watch(&mut pair, camera) {
        assert!(count >= 40, "{count} frames");
        assert_eq!(keyframe, Some(true));
    }
    let states = pair.a.pick(|event| match event {
        Event::DtlsStateChange(state) => Some(*state),
        _ => None,
    });
    use DtlsState::{Connected, Connecting, New};
    assert_eq!(states, [Connecting, Connected, New, Connecting, Connected]);
    // The next offer leaves it as it is.
    pair.negotiate();
    assert_eq!(tls_id(&pair.a.pc.local_description().unwrap().sdp), tls_id(&offer));
    assert_eq!(tls_id(&pair.b.pc.local_description().unwrap().sdp), tls_id(&answer));
    pair.run_for(Duration::from_secs(2));
    assert_eq!(handshakes(&pair.a), 2);
}

#[test]
fn roles_may_change_with_it() {
    let Call { mut pair, channel, .. } = call(2);
    assert_eq!(setup(&pair.b.pc.local_description().unwrap().sdp), "active");
    pair.b.pc.renew_dtls(pair.now);
    pair.negotiate_from_b();
    assert_eq!(setup(&pair.a.pc.local_description().unwrap().sdp), "active");
    renewed(&mut pair, 2, 2);
    talk(&mut pair, channel, "the channel of before");
    // Each end opens channels by its new role.
    for name in ["one", "two"] {
        let (channel, _) = pair.open(name);
        talk(&mut pair, channel, name);
    }
    let now = pair.now;
    let theirs = pair.b.pc.create_data_channel(now, "of b", Default::default()).unwrap();
    assert!(pair.run_until(PATIENCE, |pair| pair.b.opened().contains(&theirs)
        && pair.a.incoming().len() == 1));
    assert!(pair.a.closed().is_empty() && pair.b.closed().is_empty());
}

/// What both tests with another peer look at.
#[track_caller]
fn with_another_peer(call: Call) {
    let Call { mut pair, camera, channel } = call;
    renewed(&mut pair, 2, 1);
    assert_eq!(pair.a.closed(), [channel], "the other peer knows nothing of it");
    let (channel, _) = pair.open("after");
    talk(&mut pair, channel, "hello");
    for (count, keyframe) in watch(&mut pair, camera) {
        assert!(count >= 40, "{count} frames");
        assert_eq!(keyframe, Some(true));
    }
}

#[test]
fn another_peer_answers_our_offer() {
    let Call { mut pair, camera, channel } = call(3);
    watch(&mut pair, camera);
    let another = another(&pair, 30);
    pair.a.pc.restart_ice(pair.now);
    let old = replace_b(&mut pair, another);
    negotiate(pair.now, &mut pair.a, &mut pair.b);
    drop(old);
    with_another_peer(Call { pair, camera, channel });
}

#[test]
fn another_peer_sends_an_offer() {
    let Call { mut pair, camera, channel } = call(4);
    watch(&mut pair, camera);
    let mut another = another(&pair, 40);
    another.pc.create_data_channel(pair.now, "of c", Default::default()).unwrap();
    let old = replace_b(&mut pair, another);
    negotiate(pair.now, &mut pair.b, &mut pair.a);
    drop(old);
    with_another_peer(Call { pair, camera, channel });
}

#[test]
fn another_peer_comes_after_the_old_one_has_closed() {
    let Call { mut pair, camera, channel } = call(5);
    pair.b.pc.close(pair.now);
    assert!(pair.run_until(PATIENCE, |pair| pair.a.closed() == [channel]));
    let another = another(&pair, 50);
    pair.a.pc.restart_ice(pair.now);
    replace_b(&mut pair, another);
    negotiate(pair.now, &mut pair.a, &mut pair.b);
    with_another_peer(Call { pair, camera, channel });
}

#[test]
fn the_old_one_goes_on_until_there_is_a_path_for_the_new_one() {
    let Call { mut pair, camera, channel } = call(6);
    pair.a.pc.renew_dtls(pair.now);
    // Checks of ICE are lost.
    pair.filter = Box::new(|_, data| data[0] > 3);
    pair.negotiate();
    talk(&mut pair, channel, "over the old one");
    for (count, _) in watch(&mut pair, camera) {
        assert!(count >= 40, "{count} frames");
    }
    assert_eq!((handshakes(&pair.a), handshakes(&pair.b)), (1, 1));
    pair.filter = Box::new(|_, _| true);
    renewed(&mut pair, 2, 2);
    talk(&mut pair, channel, "over the new one");
}

#[test]
fn the_handshake_survives_losses() {
    for seed in 0..8 {
        let Call { mut pair, channel, .. } = call(100 + seed);
        let mut number = seed;
        pair.filter = Box::new(move |_, _| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (number >> 33) % 100 >= 20
        });
        match seed & 1 {
            0 => pair.a.pc.renew_dtls(pair.now),
            _ => pair.b.pc.renew_dtls(pair.now),
        }
        match seed & 1 {
            0 => pair.negotiate(),
            _ => pair.negotiate_from_b(),
        }
        renewed(&mut pair, 2, 2);
        talk(&mut pair, channel, "after");
    }
}

/// Text of a description replaced.
fn edit(description: SessionDescription, from: &str, to: &str) -> SessionDescription {
    assert!(description.sdp.contains(from), "{from} in {}", description.sdp);
    let sdp = description.sdp.replace(from, to);
    SessionDescription { sdp, ..description }
}

#[test]
fn a_change_without_an_ice_restart_is_refused_and_changes_nothing() {
    let Call { mut pair, channel, .. } = call(7);
    let now = pair.now;
    let current = pair.b.pc.local_description().unwrap().sdp;
    let fingerprint = current.lines().find(|line| line.starts_with("a=fingerprint")).unwrap();
    let other = format!("a=fingerprint:sha-256 {}", ["00"; 32].join(":"));
    let id = format!("a=tls-id:{}", tls_id(&current));
    let changes = [
        (fingerprint, other.as_str()),
        (id.as_str(), "a=tls-id:abcdefghijklmnopqrstuvwxyz"),
        ("a=setup:actpass", "a=setup:passive"),
    ];
    for (from, to) in changes {
        pair.b.pc.set_local_description(now, None).unwrap();
        let offer = edit(pair.b.pc.local_description().unwrap(), from, to);
        let refused = pair.a.pc.set_remote_description(now, offer).unwrap_err();
        assert!(refused.to_string().contains("RFC 8842"), "{refused}");
        pair.b.pc.set_local_description(now, Some(SessionDescription::rollback())).unwrap();
    }
    let changes = [changes[0], changes[1], ("a=setup:active", "a=setup:passive")];
    for (from, to) in changes {
        pair.a.pc.set_local_description(now, None).unwrap();
        pair.b.pc.set_remote_description(now, pair.a.pc.local_description().unwrap()).unwrap();
        pair.b.pc.set_local_description(now, None).unwrap();
        let answer = pair.b.pc.local_description().unwrap();
        let refused = pair.a.pc.set_remote_description(now, edit(answer.clone(), from, to));
        assert!(refused.unwrap_err().to_string().contains("RFC 8842"));
        pair.a.pc.set_remote_description(now, answer).unwrap();
    }
    talk(&mut pair, channel, "still there");
    assert_eq!(handshakes(&pair.a), 1);
}

#[test]
fn a_rollback_leaves_the_association() {
    let Call { mut pair, channel, .. } = call(8);
    let now = pair.now;
    let before = pair.a.pc.local_description().unwrap().sdp;
    pair.a.pc.renew_dtls(now);
    pair.a.pc.set_local_description(now, None).unwrap();
    let offered = pair.a.pc.local_description().unwrap().sdp;
    assert_ne!(tls_id(&offered), tls_id(&before));
    pair.a.pc.set_local_description(now, Some(SessionDescription::rollback())).unwrap();
    pair.run_for(Duration::from_secs(1));
    assert_eq!(pair.a.pc.connection_state(), ConnectionState::Connected);
    talk(&mut pair, channel, "still there");
    // The wish lasts.
    pair.negotiate();
    renewed(&mut pair, 2, 2);
    talk(&mut pair, channel, "after");
}

#[test]
fn a_peer_without_tls_ids_keeps_it_through_a_restart() {
    let Call { mut pair, channel, .. } = call(9);
    let now = pair.now;
    pair.a.pc.renew_dtls(now);
    pair.a.pc.set_local_description(now, None).unwrap();
    let offer = pair.a.pc.local_description().unwrap();
    let lines = offer.sdp.split_inclusive('\n').filter(|line| !line.starts_with("a=tls-id"));
    let offer = SessionDescription { sdp: lines.collect(), ..offer };
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap();
    assert!(!answer.sdp.contains("a=tls-id"), "RFC 8842 §5.3");
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.drain();
    pair.run_for(Duration::from_secs(3));
    assert_eq!((handshakes(&pair.a), handshakes(&pair.b)), (1, 1));
    talk(&mut pair, channel, "still there");
}

#[test]
fn another_port_of_sctp_is_another_association() {
    let Call { mut pair, channel, .. } = call(10);
    let now = pair.now;
    pair.b.pc.set_local_description(now, None).unwrap();
    let offer = pair.b.pc.local_description().unwrap();
    let offer = edit(offer, "a=sctp-port:5000", "a=sctp-port:5001");
    pair.a.pc.set_remote_description(now, offer).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    pair.drain();
    assert_eq!(pair.a.closed(), [channel], "RFC 8841 §9.3");
    // There may be channels again.
    pair.a.pc.create_data_channel(pair.now, "after", Default::default()).unwrap();
    assert_eq!(handshakes(&pair.a), 1);
}
