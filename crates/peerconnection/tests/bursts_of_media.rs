//! Packets that leave at one moment are sealed together, and those that come together are opened together, where the SRTP
//! profile gains from it: what comes out is the same, in the same order, and nothing is allocated for it.

#[path = "common/allocations.rs"]
mod allocations;
mod common;

use std::time::Duration;

use common::{A, B, Pair};
use peerage_peerconnection::media::MediaKind;
use peerage_peerconnection::{
    Configuration, Event, Frame, Input, OutgoingPacket, Protocol, ReceiveMode,
    SrtpProtectionProfile, TransceiverHandle,
};

fn config(profile: SrtpProtectionProfile, segments: usize) -> Configuration {
    let mut config = common::config();
    config.settings.dtls.srtp_profiles = vec![profile];
    config.settings.max_gso_segments = segments;
    config
}

/// A pair with a track from `a`, whose packets `b` gives out as they come.
fn pair(
    kind: MediaKind,
    profile: SrtpProtectionProfile,
    segments: usize,
) -> (Pair, TransceiverHandle) {
    let mut pair = Pair::with(7, config(profile, segments), config(profile, 1));
    let now = pair.now;
    let track = pair.a.pc.add_track(now, kind, "track", vec!["stream".to_owned()]).unwrap();
    pair.negotiate();
    pair.connect();
    let theirs = pair.b.pc.transceivers().next().expect("there is one").handle;
    pair.b.pc.set_receive_mode(pair.now, theirs, ReceiveMode::Packets).unwrap();
    (pair, track)
}

/// All that `a` sends now, datagram by datagram.
fn leaving(pair: &mut Pair) -> Vec<Vec<u8>> {
    let (mut buffer, mut datagrams) = (Vec::new(), Vec::new());
    while let Some(transmit) = pair.a.pc.poll_transmit(pair.now, &mut buffer) {
        let segment = transmit.segment_size.unwrap_or(transmit.size);
        datagrams.extend(buffer.chunks(segment).map(<[u8]>::to_vec));
        buffer.clear();
    }
    datagrams
}

/// Hands them to `b`, all at once.
fn arrive(pair: &mut Pair, datagrams: &mut [Vec<u8>]) {
    let mut inputs: Vec<Input<'_>> = datagrams
        .iter_mut()
        .map(|data| Input {
            source: A.parse().unwrap(),
            destination: B.parse().unwrap(),
            protocol: Protocol::Udp,
            ecn: None,
            data,
        })
        .collect();
    pair.b.pc.handle_inputs(pair.now, &mut inputs).unwrap();
}

#[test]
fn what_is_sealed_and_opened_together_is_what_was_sent() {
    for profile in SrtpProtectionProfile::ALL {
        for segments in [1, 16] {
            let (mut pair, audio) = pair(MediaKind::Audio, profile, segments);
            let mut index = 0u32;
            for count in [1, 2, 3, 8, 9, 30] {
                let first = index;
                for _ in 0..count {
                    let payload = vec![index as u8; 40 + index as usize * 19 % 1_000];
                    let packet = OutgoingPacket::new(payload, 960 * index);
                    pair.a.pc.send_rtp(pair.now, audio, 0, &packet).unwrap();
                    index += 1;
                }
                let mut datagrams = leaving(&mut pair);
                assert!(datagrams.len() >= count, "{}", datagrams.len());
                // One that is no packet and one that comes twice lie between the others.
                datagrams.insert(count / 2, vec![0x80; 60]);
                datagrams.insert(0, datagrams[0].clone());
                arrive(&mut pair, &mut datagrams);
                for expected in first..index {
                    let packet = pair.b.pc.poll_rtp().expect("it came");
                    let len = 40 + expected as usize * 19 % 1_000;
                    assert_eq!(packet.payload, vec![expected as u8; len], "{profile:?}");
                }
                assert_eq!(pair.b.pc.poll_rtp(), None);
                pair.now += Duration::from_millis(20);
            }
            let seen = pair.b.pc.statistics().rtp;
            assert_eq!(seen.packets_received, u64::from(index), "{seen:?}");
            assert_eq!(seen.packets_unprotectable, 12, "forged and repeated ones: {seen:?}");
            assert_eq!(pair.a.pc.statistics().rtp.packets_sent, u64::from(index));
        }
    }
}

#[test]
fn nothing_of_a_burst_follows_the_goodbye_of_its_source() {
    let profile = SrtpProtectionProfile::Aes128CmHmacSha1_80;
    let (mut pair, audio) = pair(MediaKind::Audio, profile, 1);
    for index in 0..6 {
        let packet = OutgoingPacket::new(vec![7; 300], 960 * index);
        pair.a.pc.send_rtp(pair.now, audio, 0, &packet).unwrap();
    }
    let mut buffer = Vec::new();
    let now = pair.now;
    while buffer.len() <= 300 {
        buffer.clear();
        pair.a.pc.poll_transmit(now, &mut buffer).expect("the first of six");
    }
    pair.a.pc.stop_transceiver(now, audio).unwrap();
    let left = leaving(&mut pair);
    assert!(left.iter().all(|datagram| datagram.len() < 300), "no media follows");
    assert!(!left.is_empty(), "the goodbye does");
}

/// The pace of video lets a few packets go at a time; a call with frames works as with other profiles.
#[test]
fn frames_arrive_whatever_the_profile() {
    let mut sizes = Vec::new();
    for profile in SrtpProtectionProfile::ALL {
        let mut pair = Pair::with(9, config(profile, 16), config(profile, 1));
        let now = pair.now;
        let video = pair.a.pc.add_track(now, MediaKind::Video, "video", vec!["s".into()]).unwrap();
        pair.negotiate();
        pair.connect();
        for index in 0..60u32 {
            let mut data = vec![0x5a; 4_000 + 100 * index as usize];
            data[..10].copy_from_slice(&[0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0]);
            data[0] |= u8::from(index > 0);
            pair.a.pc.send_frame(pair.now, video, 0, &Frame::new(data, index * 3_000)).unwrap();
            pair.run_for(Duration::from_millis(33));
        }
        pair.run_for(Duration::from_secs(1));
        let frames = pair.b.pick(|event| match event {
            Event::Frame(frame) => Some(frame.frame.data.len()),
            _ => None,
        });
        assert_eq!(frames.len(), 60, "{profile:?}");
        sizes.push(frames);
    }
    assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Allocations of the connections alone while 200 bursts of so many packets go from one to the other.
fn allocations(profile: SrtpProtectionProfile, count: u32) -> u64 {
    let (mut pair, audio) = pair(MediaKind::Audio, profile, 16);
    let payload = bytes::Bytes::from(vec![7; 900]);
    let mut buffer = Vec::with_capacity(1 << 17);
    let mut all = Vec::with_capacity(1 << 17);
    let (mut spent, mut index) = (0, 0);
    for round in 0..700 {
        let mut ends = Vec::with_capacity(64);
        let before = allocations::COUNT.get();
        for _ in 0..count {
            let packet = OutgoingPacket::new(payload.clone(), 960 * index);
            pair.a.pc.send_rtp(pair.now, audio, 0, &packet).unwrap();
            index += 1;
        }
        all.clear();
        while let Some(transmit) = pair.a.pc.poll_transmit(pair.now, &mut buffer) {
            let segment = transmit.segment_size.unwrap_or(transmit.size);
            for datagram in buffer.chunks(segment) {
                all.extend_from_slice(datagram);
                ends.push(all.len());
            }
            buffer.clear();
        }
        let sending = allocations::COUNT.get() - before;
        let mut rest = &mut all[..];
        let mut start = 0;
        let mut inputs = Vec::with_capacity(ends.len());
        for &end in &ends {
            let (data, others) = rest.split_at_mut(end - start);
            (rest, start) = (others, end);
            let (source, destination) = (A.parse().unwrap(), B.parse().unwrap());
            inputs.push(Input { source, destination, protocol: Protocol::Udp, ecn: None, data });
        }
        let before = allocations::COUNT.get();
        pair.b.pc.handle_inputs(pair.now, &mut inputs).unwrap();
        while pair.b.pc.poll_rtp().is_some() {}
        let receiving = allocations::COUNT.get() - before;
        if round >= 500 {
            spent += sending + receiving;
        }
        // No report is due meanwhile that would allocate for itself.
        pair.now += Duration::from_micros(50);
    }
    spent
}

#[test]
fn a_burst_allocates_no_more_than_its_packets() {
    let single = allocations(SrtpProtectionProfile::AeadAes128Gcm, 8);
    let together = allocations(SrtpProtectionProfile::Aes128CmHmacSha1_80, 8);
    assert_eq!(together, single);
}
