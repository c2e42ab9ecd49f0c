//! Parity from peers that lie: seen from inside, for only an end that has the keys can send it.

use std::time::Duration;

use peerage_rtp::repair::{FecEncoder, FecFormat};
use peerage_rtp::{PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

use super::tests::common::call::{Call, picture};
use super::tests::common::config;
use crate::{Event, Input, Protocol};

/// As [`Capabilities`](crate::media::Capabilities) number them.
const VP8: u8 = 120;
const VP8_RTX: u8 = 124;
const RED: u8 = 122;
const RED_RTX: u8 = 119;
const ULPFEC: u8 = 123;
const FLEXFEC: u8 = 35;
const MEDIA: u32 = 0xfec0_0000;

fn call(seed: u64) -> Call {
    use peerage_netsim::LinkConfig;
    let configuration = || {
        let mut config = config();
        config.settings.media.enable_flexfec();
        config
    };
    let path = LinkConfig::new().delay(Duration::from_millis(20));
    let mut call = Call::new(seed, configuration(), configuration(), path);
    call.run(Duration::from_secs(1));
    call
}

/// Hands `b` a packet of `a` that no call of `a` sends.
fn inject(call: &mut Call, packet: &[u8]) {
    let mut data = call.pair.a.pc.transports[0].rtp.seal(packet.to_vec());
    let (source, destination) = (call.pair.a.address, call.pair.b.address);
    let protocol = Protocol::Udp;
    let input = Input { source, destination, protocol, ecn: None, data: &mut data };
    call.pair.b.pc.handle_input(call.pair.now, input).unwrap();
}

fn header(ssrc: u32, payload_type: u8, number: u16, marker: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let header = RtpHeader {
        marker,
        payload_type: PayloadType::from_low_bits(payload_type),
        sequence_number: SequenceNumber(number),
        timestamp: RtpTimestamp(u32::from(number) * 3000),
        ssrc: Ssrc(ssrc),
    };
    header.write(&mut out, |_| {});
    out
}

/// A frame of VP8 in one packet, whose picture id is the number.
fn media(ssrc: u32, number: u16) -> Vec<u8> {
    let mut out = header(ssrc, VP8, number, true);
    // X and S; I; a picture id of 15 bits (RFC 7741 §4.2).
    out.extend([0x90, 0x80, 0x80 | (number >> 8) as u8, number as u8]);
    out.extend(picture(number == 0, 40 + usize::from(number)));
    out
}

/// The same inside RED.
fn red(packet: &[u8]) -> Vec<u8> {
    let mut out = packet[..12].to_vec();
    out[1] = out[1] & 0x80 | RED;
    out.push(packet[1] & 0x7F);
    out.extend(&packet[12..]);
    out
}

fn parity(format: FecFormat, packets: &[Vec<u8>]) -> Vec<u8> {
    let ssrc = u32::from_be_bytes(packets[0][8..12].try_into().unwrap());
    let mut encoder = FecEncoder::new(format, Ssrc(ssrc));
    for packet in packets {
        assert!(encoder.push(packet).unwrap());
    }
    let mut out = Vec::new();
    encoder.encode(1, |payload| out.extend_from_slice(payload));
    out
}

fn ulpfec(ssrc: u32, number: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = header(ssrc, RED, number, false);
    out.push(ULPFEC);
    out.extend(parity(FecFormat::UlpFec, packets));
    out
}

fn flexfec(ssrc: u32, number: u16, packets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = header(ssrc, FLEXFEC, number, false);
    out.extend(parity(FecFormat::FlexFec03, packets));
    out
}

/// Timestamps of the frames of a source that came out, in packets.
fn frames(call: &mut Call, ssrc: u32) -> Vec<u32> {
    let mut out = Vec::new();
    while let Some(event) = call.pair.b.pc.poll_event() {
        if let Event::Frame(frame) = event
            && frame.ssrc == ssrc
        {
            out.push(frame.frame.timestamp / 3000);
        }
    }
    out
}

fn recovered(call: &Call) -> u64 {
    call.pair.b.pc.statistics().rtp.packets_recovered
}

#[track_caller]
fn media_still_flows(call: &mut Call) {
    let seen = call.run(Duration::from_secs(2));
    assert!(seen.audio_frames >= 98 && seen.video_frames >= 55, "{seen:?}");
}

#[test]
fn a_recovered_packet_comes_out_once_whatever_comes_after_it() {
    for flexible in [false, true] {
        let mut call = call(300 + u64::from(flexible));
        let all: Vec<_> = (0..12).map(|number| media(MEDIA, number)).collect();
        let protect = |number: u16, packets: &[Vec<u8>]| match flexible {
            true => flexfec(MEDIA + 1, number, packets),
            false => ulpfec(MEDIA, number, packets),
        };
        let send = |call: &mut Call, number: usize| match flexible {
            true => inject(call, &all[number]),
            false => inject(call, &red(&all[number])),
        };
        // The first parity is what makes packets be kept; numbers 3 and 8 are its own where they are the media's.
        for number in [0, 1, 2] {
            send(&mut call, number);
        }
        let first = protect(3, &all[..3]);
        inject(&mut call, &first);
        let mut begin = 4;
        if flexible {
            send(&mut call, 3);
            begin = 4;
        }
        for number in [begin, 6, 7] {
            send(&mut call, number);
        }
        assert_eq!(recovered(&call), 0);
        let second = protect(8, &all[4..8]);
        inject(&mut call, &second);
        assert_eq!(recovered(&call), 1, "{flexible}");
        // The packet itself, late; again; sent again; and parity of it once more.
        send(&mut call, 5);
        let mut again = header(MEDIA + 2, VP8_RTX, 1, true);
        again.extend([0, 5]);
        again.extend(&all[5][12..]);
        inject(&mut call, &again);
        inject(&mut call, &protect(if flexible { 9 } else { 10 }, &all[4..6]));
        assert_eq!(recovered(&call), 1, "{flexible}");
        let out = frames(&mut call, MEDIA);
        let mut once = out.clone();
        once.dedup();
        assert_eq!(out, once);
        assert!(out.contains(&5) && out.contains(&7), "{flexible}: {out:?}");
        media_still_flows(&mut call);
    }
}

#[test]
fn nothing_is_unwrapped_twice() {
    let mut call = call(310);
    for number in 0..3 {
        inject(&mut call, &red(&media(MEDIA, number)));
    }
    inject(&mut call, &ulpfec(MEDIA, 3, &[media(MEDIA, 2)]));
    frames(&mut call, MEDIA);
    let before = call.pair.b.pc.statistics().rtp;
    for number in 4..200u16 {
        // RED in RED, parity in RED in RED, retransmissions and FlexFEC in RED, two blocks, and nothing.
        let inner = media(MEDIA, number);
        let mut packet = header(MEDIA, RED, number, true);
        match number % 6 {
            0 => packet.extend([RED, VP8]),
            1 => packet.extend([RED, ULPFEC]),
            2 => packet.push(VP8_RTX),
            3 => packet.push(FLEXFEC),
            4 => packet.push(0x80 | VP8),
            _ => {}
        }
        if number % 6 != 5 {
            packet.extend(&inner[12..]);
        }
        inject(&mut call, &packet);
        // Parity of one packet makes any packet: here one that says it is RED, or parity, or a retransmission.
        let mut forged = inner.clone();
        forged[1] = [RED, ULPFEC, FLEXFEC, VP8_RTX][usize::from(number) % 4];
        forged[2..4].copy_from_slice(&(1_000 + number).to_be_bytes());
        inject(&mut call, &ulpfec(MEDIA, 400 + number, &[forged]));
    }
    assert!(frames(&mut call, MEDIA).is_empty());
    assert_eq!(recovered(&call), before.packets_recovered);
    media_still_flows(&mut call);
}

#[test]
fn parity_for_many_streams_is_kept_for_few() {
    let mut call = call(320);
    for stream in 0..400u32 {
        let ssrc = MEDIA + 16 * stream;
        inject(&mut call, &red(&media(ssrc, 0)));
        inject(&mut call, &ulpfec(ssrc, 1, &[media(ssrc, 0)]));
    }
    assert_eq!(call.pair.b.pc.transports[0].rtp.streams_with_parity(), 64);
    media_still_flows(&mut call);
}

/// Parity of a stream recovers what is lost of it: numbers 2 and 3, of which the second does not come.
fn recovers(call: &mut Call, ssrc: u32, first: u16) -> bool {
    let before = recovered(call);
    inject(call, &red(&media(ssrc, first)));
    inject(call, &ulpfec(ssrc, first + 2, &[media(ssrc, first), media(ssrc, first + 1)]));
    recovered(call) > before
}

/// A peer that goes to and fro between sources, or whose path gets better.
#[test]
fn streams_whose_parity_has_ended_make_room_for_others() {
    let mut call = call(340);
    let begin = |call: &mut Call, streams: std::ops::Range<u32>| {
        for stream in streams {
            inject(call, &red(&media(MEDIA + stream, 0)));
            inject(call, &ulpfec(MEDIA + stream, 1, &[media(MEDIA + stream, 0)]));
        }
    };
    let active = |call: &Call| call.pair.b.pc.transports[0].rtp.streams_with_parity();
    begin(&mut call, 0..65);
    assert!(!recovers(&mut call, MEDIA + 64, 2), "64 are in use");
    call.run(Duration::from_millis(1_500));
    // All but one go on.
    for stream in 1..64 {
        inject(&mut call, &ulpfec(MEDIA + stream, 2, &[media(MEDIA + stream, 0)]));
    }
    begin(&mut call, 65..67);
    assert_eq!(active(&call), 64);
    assert!(recovers(&mut call, MEDIA + 65, 2), "one was silent");
    assert!(!recovers(&mut call, MEDIA + 66, 2), "the others are in use");
    assert!(recovers(&mut call, MEDIA + 63, 3));
    // And nothing is kept for ever, though no packet of theirs comes.
    call.run(Duration::from_secs(12));
    assert_eq!(active(&call), 0);
    media_still_flows(&mut call);
}

/// It came: to ask for it ten times would bring it ten times.
#[test]
fn what_cannot_be_taken_out_of_red_is_not_asked_for_again() {
    let mut call = call(350);
    for number in 0..3 {
        inject(&mut call, &red(&media(MEDIA, number)));
    }
    let again = |number: u16, original: u8| {
        let mut packet = header(MEDIA + 2, RED_RTX, number, true);
        packet.extend([0, original, 5, 1, 2, 3]);
        packet
    };
    // Whose this source is, is known from now on.
    inject(&mut call, &again(1, 1));
    let before = call.pair.b.pc.statistics().rtp;
    for number in 3..9u16 {
        let mut packet = header(MEDIA, RED, number, true);
        // A payload type that means nothing; two blocks.
        packet.push(if number % 2 == 0 { 5 } else { 0x80 | VP8 });
        packet.extend(&media(MEDIA, number)[12..]);
        inject(&mut call, &packet);
    }
    for number in [9, 10] {
        inject(&mut call, &red(&media(MEDIA, number)));
    }
    call.run(Duration::from_secs(2));
    let after = call.pair.b.pc.statistics().rtp;
    assert_eq!(after.nacked_packets, before.nacked_packets);
    assert_eq!(after.packets_malformed, before.packets_malformed + 6);
    assert!(after.keyframe_requests_sent > before.keyframe_requests_sent);
    assert!(frames(&mut call, MEDIA).len() <= 3);
    // The next is lost, and what brings it again cannot be read either.
    inject(&mut call, &red(&media(MEDIA, 12)));
    call.run(Duration::from_millis(30));
    inject(&mut call, &again(2, 11));
    call.run(Duration::from_secs(2));
    let asked = call.pair.b.pc.statistics().rtp.nacked_packets - after.nacked_packets;
    assert!((1..=2).contains(&asked), "asked for {asked} times");
    // A keyframe is gone on from at once: nothing is waited for.
    let mut keyframe = red(&media(MEDIA, 13));
    keyframe.truncate(13 + 4);
    keyframe.extend(picture(true, 50));
    inject(&mut call, &keyframe);
    assert_eq!(frames(&mut call, MEDIA), [13]);
    media_still_flows(&mut call);
}

#[test]
fn garbage_in_the_place_of_parity_is_counted_and_dropped() {
    let mut call = call(330);
    inject(&mut call, &media(MEDIA, 0));
    inject(&mut call, &flexfec(MEDIA + 1, 0, &[media(MEDIA, 0)]));
    let mut state = 7u32;
    for number in 1..3_000u16 {
        let mut packet = match number % 2 {
            0 => header(MEDIA + 1, FLEXFEC, number, false),
            _ => header(MEDIA, RED, number, false),
        };
        if number % 2 == 1 {
            packet.push(ULPFEC);
        }
        for _ in 0..number % 60 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            packet.push((state >> 24) as u8);
        }
        inject(&mut call, &packet);
    }
    assert!(frames(&mut call, MEDIA).len() <= 1);
    media_still_flows(&mut call);
}
