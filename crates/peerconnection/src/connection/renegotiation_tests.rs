//! What negotiations in the midst of a call must leave alone, or must not: seen from inside, for no call of ours sends what
//! other peers do.

use std::time::Duration;

use peerage_rtp::repair::{FecEncoder, FecFormat};
use peerage_rtp::{ExtensionMap, PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

use super::tests::common::{Pair, config, frames, vp8};
use crate::media::{MediaKind, uri};
use crate::{Input, Protocol, RtpEncodingParameters, TransceiverDirection, TransceiverInit};

/// As [`Capabilities`](crate::media::Capabilities) number them.
const VP8: u8 = 120;
const VP8_RTX: u8 = 124;
const FLEXFEC: u8 = 35;
const FRAME_TIME: Duration = Duration::from_millis(33);

/// Hands `b` what `a` has sealed.
fn inject(pair: &mut Pair, packet: Vec<u8>) {
    let mut data = pair.a.pc.transports[0].rtp.seal(packet);
    let (source, destination) = (pair.a.address, pair.b.address);
    let input = Input { source, destination, protocol: Protocol::Udp, ecn: None, data: &mut data };
    pair.b.pc.handle_input(pair.now, input).unwrap();
    pair.drain();
}

/// The identifier of a header extension, as `b` has said last.
fn extension(pair: &Pair, uri: &str) -> u8 {
    let sdp = pair.b.pc.local_description().unwrap().sdp;
    let id = sdp.lines().find_map(|line| {
        let (id, rest) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
        (rest == uri).then(|| id.split('/').next().unwrap().to_owned())
    });
    id.expect("agreed on").parse().unwrap()
}

fn header(ssrc: u32, payload_type: u8, number: u16, elements: &[(u8, &[u8])]) -> Vec<u8> {
    let fields = RtpHeader {
        marker: payload_type != FLEXFEC,
        payload_type: PayloadType::new(payload_type).unwrap(),
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(u32::from(number) * 3000),
        ssrc: Ssrc(ssrc),
    };
    let mut packet = Vec::new();
    fields.write(&mut packet, |writer| {
        for (id, value) in elements {
            writer.put(*id, value).unwrap();
        }
    });
    packet
}

/// A frame of VP8 in one packet.
fn picture(ssrc: u32, number: u16, keyframe: bool, elements: &[(u8, &[u8])]) -> Vec<u8> {
    let mut packet = header(ssrc, VP8, number, elements);
    packet.push(0x10);
    packet.extend(vp8(keyframe, 300, number as u8));
    packet
}

/// The same sent again.
fn again(ssrc: u32, number: u16, elements: &[(u8, &[u8])]) -> Vec<u8> {
    let mut packet = header(ssrc, VP8_RTX, number, elements);
    packet.extend(number.to_be_bytes());
    packet.push(0x10);
    packet.extend(vp8(false, 300, number as u8));
    packet
}

/// Layers whose peer names them until they are known, and not again after a negotiation (RFC 8852 §3).
#[test]
fn layers_and_their_retransmissions_are_known_after_a_negotiation() {
    let mut pair = Pair::new(400);
    let now = pair.now;
    let init = TransceiverInit {
        track: Some("camera".to_owned()),
        send_encodings: ["l", "h"].map(RtpEncodingParameters::new).into(),
        ..TransceiverInit::send_only()
    };
    pair.a.pc.add_transceiver(now, MediaKind::Video, init).unwrap();
    pair.negotiate();
    pair.connect();
    let (mid, rid) = (extension(&pair, uri::MID), extension(&pair, uri::RTP_STREAM_ID));
    let repaired = extension(&pair, uri::REPAIRED_RTP_STREAM_ID);
    for (ssrc, layer) in [(60, b"l"), (70, b"h")] {
        inject(&mut pair, picture(ssrc, 1, true, &[(mid, b"0"), (rid, layer)]));
        inject(&mut pair, picture(ssrc, 3, false, &[]));
        inject(&mut pair, again(ssrc + 1, 2, &[(mid, b"0"), (repaired, layer)]));
    }
    let count = |pair: &Pair, layer: &str| {
        let of_layer = frames(&pair.b.events);
        of_layer.iter().filter(|frame| frame.rid.as_deref() == Some(layer)).count()
    };
    assert_eq!((count(&pair, "l"), count(&pair, "h")), (3, 3));
    pair.negotiate();
    for ssrc in [60, 70] {
        inject(&mut pair, picture(ssrc, 5, false, &[]));
        inject(&mut pair, again(ssrc + 1, 4, &[]));
    }
    assert_eq!((count(&pair, "l"), count(&pair, "h")), (5, 5), "what was sent again is taken");
    assert_eq!(pair.b.pc.statistics().rtp.packets_dropped, 0);
}

/// A pair with video and FlexFEC, whose `b` has not seen one header extension at first.
fn protected(seed: u64, hidden: &str) -> Pair {
    let configuration = || {
        let mut config = config();
        config.settings.media.enable_flexfec();
        config
    };
    let mut pair = Pair::with(seed, configuration(), configuration());
    let now = pair.now;
    pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
    pair.a.pc.set_local_description(now, None).unwrap();
    let mut offer = pair.a.pc.local_description().unwrap();
    let lines = offer.sdp.split_inclusive('\n');
    offer.sdp = lines.filter(|line| !line.contains(hidden)).collect();
    pair.b.pc.set_remote_description(now, offer).unwrap();
    pair.b.pc.set_local_description(now, None).unwrap();
    let answer = pair.b.pc.local_description().unwrap();
    assert!(!answer.sdp.contains(hidden));
    pair.a.pc.set_remote_description(now, answer).unwrap();
    pair.connect();
    pair
}

fn flexfec(ssrc: u32, number: u16, map: &ExtensionMap, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut encoder = FecEncoder::new(FecFormat::FlexFec03, Ssrc(ssrc - 1));
    encoder.set_extensions(map);
    for packet in packets {
        assert!(encoder.push(packet).unwrap());
    }
    let mut out = header(ssrc, FLEXFEC, number, &[]);
    encoder.encode(1, |payload| out.extend_from_slice(payload));
    out
}

/// Both ends take as zero what is written into packets after their parity was made: what that is may change while parity
/// comes.
#[test]
fn parity_follows_the_header_extensions_that_are_agreed_on() {
    let mut pair = protected(401, uri::ABS_SEND_TIME);
    let mut map = ExtensionMap::new();
    inject(&mut pair, picture(70, 0, true, &[]));
    inject(&mut pair, flexfec(71, 0, &map, &[picture(70, 0, true, &[])]));
    assert_eq!(pair.b.pc.transports[0].rtp.streams_with_parity(), 1);
    pair.negotiate();
    let time = extension(&pair, uri::ABS_SEND_TIME);
    let mid = extension(&pair, uri::MID);
    map.insert(time, uri::ABS_SEND_TIME).unwrap();
    // Not in the same place of each packet.
    let packets = [
        picture(70, 1, false, &[(time, &[1, 2, 3])]),
        picture(70, 2, false, &[(time, &[4, 5, 6])]),
        picture(70, 3, false, &[(mid, b"0"), (time, &[7, 8, 9])]),
    ];
    inject(&mut pair, packets[0].clone());
    inject(&mut pair, packets[2].clone());
    inject(&mut pair, flexfec(71, 1, &map, &packets));
    assert_eq!(pair.b.pc.statistics().rtp.packets_recovered, 1);
    let received = frames(&pair.b.events);
    let data: Vec<&[u8]> = received.iter().map(|frame| &frame.frame.data[..]).collect();
    let expected: Vec<Vec<u8>> = (0..4).map(|number| vp8(number == 0, 300, number as u8)).collect();
    assert_eq!(data, expected);
}

/// A stream at rest keeps what was counted, and none of its packets.
#[test]
fn packets_are_not_kept_for_parity_while_a_stream_rests() {
    let mut pair = protected(402, uri::ABS_SEND_TIME);
    let map = ExtensionMap::new();
    inject(&mut pair, picture(70, 0, true, &[]));
    inject(&mut pair, flexfec(71, 0, &map, &[picture(70, 0, true, &[])]));
    let active = |pair: &Pair| pair.b.pc.transports[0].rtp.streams_with_parity();
    assert_eq!(active(&pair), 1);
    let (now, video) = (pair.now, pair.a.pc.transceivers.iter().next().unwrap().handle);
    pair.a.pc.set_direction(now, video, TransceiverDirection::Inactive).unwrap();
    pair.negotiate();
    assert_eq!(active(&pair), 0);
    pair.a.pc.set_direction(now, video, TransceiverDirection::SendRecv).unwrap();
    pair.negotiate();
    pair.run_for(FRAME_TIME);
    inject(&mut pair, picture(70, 1, true, &[]));
    inject(&mut pair, flexfec(71, 1, &map, &[picture(70, 1, true, &[])]));
    assert_eq!(active(&pair), 1);
    assert_eq!(frames(&pair.b.events).len(), 2);
}
