//! Descriptors as the RFCs draw them, and payloads that break them: refused with the section that says so, never a
//! panic, and the frame they belong to is the only one that suffers.

use bytes::Bytes;
use peerage_rtp::payload::{
    AssemblerConfig, CodecDescriptor, Depacketizer, EncodedFrame, Error, FrameAssembler, FrameInfo,
    Insertion, PacketizationMode, Packetizer, PacketizerOptions, PayloadDescriptor, PayloadFormat,
    PictureId,
};

const H264: PayloadFormat =
    PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };

fn read(format: PayloadFormat, payload: &[u8]) -> Result<PayloadDescriptor, Error> {
    Depacketizer::new(format).read(payload)
}

fn drain(assembler: &mut FrameAssembler) -> Vec<EncodedFrame> {
    std::iter::from_fn(|| assembler.poll_frame()).collect()
}

#[test]
fn vp8_descriptors() {
    let full = [0xB0, 0xF0, 0x92, 0x34, 0x56, 0b1010_0111, 0x01, 0xAA];
    let descriptor = read(PayloadFormat::Vp8, &full).unwrap();
    assert_eq!(descriptor.picture_id, Some(PictureId { value: 0x1234, is_long: true }));
    assert_eq!(descriptor.tl0_picture_index, Some(0x56));
    assert_eq!((descriptor.temporal_layer, descriptor.layer_sync), (Some(2), true));
    assert_eq!(descriptor.codec, CodecDescriptor::Vp8 { key_index: Some(7), partition: 0 });
    assert!(descriptor.start_of_frame && descriptor.discardable && !descriptor.keyframe);
    assert_eq!(descriptor.media[0].range(), 6..8);
    let short = read(PayloadFormat::Vp8, &[0x90, 0x80, 0x7F, 0x00]).unwrap();
    assert_eq!(short.picture_id, Some(PictureId { value: 0x7F, is_long: false }));
    assert!(short.keyframe);
    // A later partition begins, which is not the beginning of a frame.
    assert!(!read(PayloadFormat::Vp8, &[0x11, 0x00]).unwrap().start_of_frame);
    for len in 0..7 {
        assert!(read(PayloadFormat::Vp8, &full[..len]).is_err() || len == 7, "{len}");
    }
}

#[test]
fn vp9_descriptors() {
    // Flexible: I P F B E, 15-bit picture id, two distances.
    let flexible = [0xDC, 0x81, 0x02, 0x07, 0x08, 0xAA];
    let descriptor = read(PayloadFormat::Vp9, &flexible).unwrap();
    let CodecDescriptor::Vp9(vp9) = &descriptor.codec else { panic!("{descriptor:?}") };
    assert_eq!(vp9.reference_distances[..], [3, 4]);
    assert!(vp9.flexible && vp9.begins_layer_frame && vp9.ends_layer_frame);
    // Non-flexible keyframe: I L B V, layers, TL0PICIDX, structure of two spatial layers and a group of two.
    let structure = [
        0xAA,
        0x05,
        0b0101_0011,
        9,
        0b0011_1000,
        1,
        0,
        0,
        180,
        2,
        128,
        1,
        104,
        2,
        0b0000_0100,
        2,
        0b0011_0100,
        1,
        0xAA,
    ];
    let descriptor = read(PayloadFormat::Vp9, &structure).unwrap();
    let CodecDescriptor::Vp9(vp9) = &descriptor.codec else { panic!("{descriptor:?}") };
    let told = vp9.scalability.as_ref().unwrap();
    assert_eq!(told.spatial_layers, 2);
    assert_eq!(told.dimensions[..], [(256, 180), (640, 360)]);
    let group = told.picture_group.as_ref().unwrap();
    assert_eq!((group.len(), group[1].temporal_layer, group[1].switching_up), (2, 1, true));
    assert_eq!((descriptor.temporal_layer, descriptor.spatial_layer), (Some(2), Some(1)));
    assert_eq!((descriptor.tl0_picture_index, descriptor.dimensions), (Some(9), Some((640, 360))));
    assert!(vp9.inter_layer_predicted && !descriptor.start_of_frame && !descriptor.keyframe);
    for len in 0..structure.len() {
        assert!(read(PayloadFormat::Vp9, &structure[..len]).is_err(), "{len}");
    }
    let four_distances = [0xD8, 0x01, 3, 3, 3, 3, 0xAA];
    assert!(matches!(read(PayloadFormat::Vp9, &four_distances), Err(Error::Malformed { .. })));
    // Flexible mode needs a picture id.
    assert!(matches!(read(PayloadFormat::Vp9, &[0x18, 0xAA]), Err(Error::Malformed { .. })));
}

#[test]
fn h264_payloads() {
    for interleaved in [25, 26, 27, 29] {
        let error = read(H264, &[interleaved, 0, 0, 0]).unwrap_err();
        assert!(matches!(error, Error::Unsupported { section: "RFC 6184 §6.4", .. }), "{error}");
    }
    for (payload, section) in [
        (&[0u8, 1][..], "RFC 6184 §5.2"),
        (&[30, 1], "RFC 6184 §5.2"),
        (&[24], "RFC 6184 §5.7.1"),
        (&[24, 0], "RFC 6184 §5.7.1"),
        (&[24, 0, 2, 1], "RFC 6184 §5.7.1"),
        (&[24, 0, 1, 24], "RFC 6184 §5.7.1"),
        (&[28], "RFC 6184 §5.8"),
        (&[28, 0xC1, 1], "RFC 6184 §5.8"),
        (&[28, 0x9C, 1], "RFC 6184 §5.8"),
    ] {
        let message = read(H264, payload).unwrap_err().to_string();
        assert!(message.contains(section), "{payload:?}: {message}");
    }
}

#[test]
fn h265_and_av1_payloads() {
    for payload in [
        &[0x02][..],         // cut off
        &[0x02, 0x00, 1],    // TID 0
        &[0x60, 0x01, 0, 5], // aggregate with too little in it
        &[0x62, 0x01, 0xC1], // fragment that is first and last
        &[0x64, 0x01, 1, 1], // PACI
        &[0x7E, 0x01, 1],    // reserved
    ] {
        assert!(read(PayloadFormat::H265, payload).is_err(), "{payload:?}");
    }
    for payload in [
        &[][..],
        &[0x10],             // no element
        &[0x88, 0x30],       // new sequence inside an OBU
        &[0x00, 0x05, 0x30], // element longer than the payload
        &[0x00, 0x00],       // empty element
        &[0x30, 0x01, 0x30], // three elements told, one there
        &[0x10, 0xB0],       // forbidden bit
        &[0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
    ] {
        assert!(read(PayloadFormat::Av1, payload).is_err(), "{payload:?}");
    }
}

#[test]
fn av1_fragments_that_do_not_fit_together_are_no_frame() {
    let mut assembler = FrameAssembler::new(PayloadFormat::Av1, AssemblerConfig::default());
    let mut insert = |sequence, timestamp, marker, payload: &'static [u8]| {
        let payload = Bytes::from_static(payload);
        assert_eq!(assembler.insert(sequence, timestamp, marker, payload, None), Insertion::Stored);
        drain(&mut assembler).len()
    };
    // A sequence header and a frame whose fragment does not go on; then one that goes on from nothing.
    assert_eq!(insert(0, 0, false, &[0x58, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 0);
    assert_eq!(insert(1, 0, true, &[0x10, 0x30, 1]), 0);
    assert_eq!(insert(2, 1, true, &[0x90, 1, 2, 3]), 0);
    // A whole one.
    assert_eq!(insert(3, 2, true, &[0x18, 0x08, 0, 0, 0, 0]), 1);
    assert_eq!(assembler.statistics().incomplete_frames, 2);
}

#[test]
fn a_malformed_packet_costs_its_frame_only() {
    let mut assembler = FrameAssembler::new(PayloadFormat::Raw, AssemblerConfig::default());
    let mut h264 = FrameAssembler::new(H264, AssemblerConfig::default());
    let keyframe = [24, 0, 4, 0x67, 66, 0, 30, 0, 2, 0x68, 1, 0, 2, 0x65, 0x88];
    assert!(keyframe.len() == 15);
    let idr = Bytes::copy_from_slice(&keyframe);
    h264.insert(0, 0, true, idr.clone(), None);
    let broken = h264.insert(1, 1, true, Bytes::from_static(&[24, 0, 9, 1]), None);
    assert!(matches!(broken, Insertion::Malformed(_)));
    h264.insert(2, 2, true, Bytes::from_static(&[0x41, 0x9A]), None);
    assert_eq!(drain(&mut h264).len(), 1);
    assert!(h264.needs_keyframe());
    h264.insert(3, 3, true, idr, None);
    let frames = drain(&mut h264);
    assert_eq!((frames.len(), h264.needs_keyframe()), (1, false));
    assert_eq!(frames[0].data[..9], [0, 0, 0, 1, 0x67, 66, 0, 30, 0]);
    // Nothing of the sort can be said of raw payloads.
    assembler.insert(0, 0, true, Bytes::from_static(&[24, 0, 9, 1]), None);
    assert_eq!(drain(&mut assembler).len(), 1);
}

#[test]
fn what_a_peer_sends_is_held_within_limits() {
    let config = AssemblerConfig { max_packets: 100, max_bytes: 100_000, ..Default::default() };
    let mut assembler = FrameAssembler::new(PayloadFormat::Vp8, config);
    let payload = Bytes::from(vec![0u8; 1200]);
    // A frame that never ends, jumps, and sequence numbers from everywhere.
    let mut state = 7u64;
    for round in 0..20_000u64 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let jump = if round % 50 == 0 { state >> 44 } else { state >> 58 };
        let sequence = (1 << 20) + round + jump;
        assembler.insert(sequence, (round / 1000) as u32, false, payload.clone(), None);
        assert!(assembler.buffered_bytes() <= 100_000);
        assert!(assembler.missing().count() <= 100);
        assert!(assembler.poll_frame().is_none());
    }
    assert!(assembler.statistics().lost_packets > 0);
}

#[test]
fn sprop_parameter_sets_stand_in_for_those_in_the_stream() {
    let sets = Bytes::from_static(&[0, 0, 0, 1, 0x67, 66, 0, 30, 0, 0, 0, 1, 0x68, 1]);
    let slice = Bytes::from_static(&[0x65, 0x88, 0x80]);
    let mut without = FrameAssembler::new(H264, AssemblerConfig::default());
    without.insert(0, 0, true, slice.clone(), None);
    assert!(without.poll_frame().is_none());
    let config = AssemblerConfig { parameter_sets: sets.clone(), ..AssemblerConfig::default() };
    let mut with = FrameAssembler::new(H264, config);
    with.insert(0, 0, true, slice, None);
    let frame = with.poll_frame().unwrap();
    assert_eq!(frame.data[..], [&sets[..], &[0, 0, 0, 1, 0x65, 0x88, 0x80]].concat());
}

#[test]
fn frames_that_cannot_be_sent_are_refused_before_anything_is() {
    let single = PayloadFormat::H264 { packetization_mode: PacketizationMode::SingleNalUnit };
    let annex_b = [&[0, 0, 1, 0x65][..], &[0x88; 2000]].concat();
    for (format, frame) in [
        (single, &annex_b[..]),
        (H264, &[0x65, 0x88]),
        (PayloadFormat::Av1, &[0x32, 0x7F, 0]),
        (PayloadFormat::Opus, &[0; 1500]),
        (PayloadFormat::Vp8, &[]),
        (PayloadFormat::Vp9, &[]),
        (PayloadFormat::H265, &[0, 0, 1, 1]),
    ] {
        let mut packetizer = Packetizer::new(format, PacketizerOptions::default());
        let result = packetizer.packetize(frame, &FrameInfo::default(), 1200, &mut |_, _| {
            panic!("{format:?} sent something");
        });
        assert!(result.is_err(), "{format:?}");
    }
}

#[test]
fn vp9_in_flexible_mode_goes_on_where_references_are_there() {
    let options = PacketizerOptions {
        vp9_flexible: true,
        vp9_spatial_layers: 2,
        picture_id: 0x7FFD,
        ..PacketizerOptions::default()
    };
    let mut packetizer = Packetizer::new(PayloadFormat::Vp9, options);
    let mut assembler = FrameAssembler::new(PayloadFormat::Vp9, AssemblerConfig::default());
    let mut sequence = 0u64;
    let mut out = Vec::new();
    for picture in 0..8u8 {
        // Pictures refer two back, but the second one back.
        for spatial in 0..2u8 {
            let info = FrameInfo {
                keyframe: Some(picture == 0),
                temporal_layer: Some(picture % 2),
                spatial_layer: Some(spatial),
                inter_layer_predicted: spatial == 1,
                reference_distances: match picture {
                    0 => [].into_iter().collect(),
                    1 => [1].into_iter().collect(),
                    _ => [2].into_iter().collect(),
                },
                end_of_picture: spatial == 1,
                ..FrameInfo::default()
            };
            packetizer
                .packetize(&[picture, spatial, 0], &info, 1200, &mut |parts, marker| {
                    if picture != 3 {
                        let payload = parts.concat().into();
                        assembler.insert(sequence, u32::from(picture), marker, payload, None);
                    }
                    sequence += 1;
                })
                .unwrap();
        }
        if picture == 3 {
            assembler.give_up_before(sequence);
        }
        out.extend(drain(&mut assembler));
    }
    // 3 is lost, and with it 5 and 7; the base goes on.
    let pictures: Vec<_> = out.iter().map(|frame| frame.data[0]).collect();
    assert_eq!(pictures, [0, 1, 2, 4, 6]);
    assert!(!assembler.needs_keyframe());
    assert!(out.iter().all(|frame| frame.data[..] == [frame.data[0], 0, 0, frame.data[0], 1, 0]));
    assert!(out.iter().all(|frame| frame.spatial_layer == Some(1)));
}
