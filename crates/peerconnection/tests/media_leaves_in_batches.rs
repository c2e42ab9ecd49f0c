//! Packets of media that are due together leave together, where the driver takes several datagrams at a time: of one size, but
//! for the last, which may be shorter. Their order stays.

mod common;

use common::Pair;
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{Input, OutgoingPacket, Protocol, ReceiveMode};

/// Payloads of audio, which no pacer holds back, are sent at one moment; the datagrams of each batch in which they leave, by the
/// lengths of their payloads.
fn batches(max_segments: usize, payloads: &[usize]) -> Vec<Vec<usize>> {
    let mut batching = common::config();
    batching.settings.max_gso_segments = max_segments;
    let mut pair = Pair::with(7, batching, common::config());
    let now = pair.now;
    let streams = vec!["stream".to_owned()];
    let audio = pair.a.pc.add_track(now, MediaKind::Audio, "track", streams).unwrap();
    pair.negotiate();
    pair.connect();
    let theirs = pair.b.pc.transceivers().next().expect("there is one").handle;
    let now = pair.now;
    pair.b.pc.set_receive_mode(now, theirs, ReceiveMode::Packets).unwrap();

    for (index, &len) in payloads.iter().enumerate() {
        let packet = OutgoingPacket::new(vec![index as u8; len], 960 * index as u32);
        pair.a.pc.send_rtp(now, audio, 0, &packet).unwrap();
    }
    let mut left = Vec::new();
    let mut buffer = Vec::new();
    while let Some(transmit) = pair.a.pc.poll_transmit(now, &mut buffer) {
        let segment = transmit.segment_size.unwrap_or(transmit.size);
        let mut batch = Vec::new();
        for data in buffer.chunks_mut(segment) {
            let (source, destination) = (transmit.source, transmit.destination);
            let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data };
            pair.b.pc.handle_input(now, input).unwrap();
            batch.extend(pair.b.pc.poll_rtp().map(|packet| packet.payload.len()));
        }
        if !batch.is_empty() {
            left.push(batch);
        }
        buffer.clear();
    }
    left
}

#[test]
fn packets_of_one_size_leave_at_once() {
    let payloads = [300, 900, 900, 900, 500, 1100, 1100, 200];
    let expected: [&[usize]; 3] = [&[300], &[900, 900, 900, 500], &[1100, 1100, 200]];
    assert_eq!(batches(8, &payloads), expected);
}

#[test]
fn a_batch_has_as_many_as_the_driver_takes() {
    assert_eq!(batches(3, &[700; 7]), [vec![700; 3], vec![700; 3], vec![700]]);
    assert_eq!(batches(1, &[700, 700, 300]), [[700], [700], [300]]);
}
