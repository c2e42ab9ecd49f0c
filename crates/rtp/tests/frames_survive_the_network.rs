//! Frames are packetised, their packets are lost, repeated and reordered, and what comes out of the assembler is what
//! went in: complete, in order, and never a frame whose references are missing.

use bytes::Bytes;
use peerage_rtp::payload::{
    AssemblerConfig, EncodedFrame, FrameAssembler, FrameInfo, Insertion, PacketizationMode,
    Packetizer, PacketizerOptions, PayloadFormat, av1::write_leb128,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Packet {
    sequence: u64,
    timestamp: u32,
    marker: bool,
    payload: Bytes,
}

fn packetize(
    format: PayloadFormat,
    options: PacketizerOptions,
    frames: &[(Vec<u8>, FrameInfo)],
    max_payload: usize,
) -> Vec<Packet> {
    let mut packetizer = Packetizer::new(format, options);
    let mut packets = Vec::new();
    for (index, (frame, info)) in frames.iter().enumerate() {
        let before = packets.len();
        packetizer
            .packetize(frame, info, max_payload, &mut |parts, marker| {
                let payload = Bytes::from(parts.concat());
                assert!(payload.len() <= max_payload, "{} > {max_payload}", payload.len());
                let sequence = 65_000 + packets.len() as u64;
                let timestamp = (index as u32).wrapping_mul(3000).wrapping_sub(9000);
                packets.push(Packet { sequence, timestamp, marker, payload });
            })
            .unwrap();
        assert!(packets.len() > before);
    }
    packets
}

fn insert(assembler: &mut FrameAssembler, packet: &Packet) -> Insertion {
    let payload = packet.payload.clone();
    assembler.insert(packet.sequence, packet.timestamp, packet.marker, payload, None)
}

fn drain(assembler: &mut FrameAssembler) -> Vec<EncodedFrame> {
    std::iter::from_fn(|| assembler.poll_frame()).collect()
}

const H264: PayloadFormat =
    PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };

/// A frame of the format that its readers take for what it says; the content is arbitrary.
fn frame(format: PayloadFormat, keyframe: bool, body: &[u8]) -> Vec<u8> {
    match format {
        PayloadFormat::Vp8 => {
            let mut out = vec![u8::from(!keyframe), 0, 0];
            if keyframe {
                out.extend([0x9D, 0x01, 0x2A, 64, 0, 48, 0]);
            }
            out.extend(body);
            out
        }
        PayloadFormat::Vp9 => {
            // frame_marker 2, profile 0, no show_existing_frame, frame_type, show_frame.
            let mut out = vec![0x80 | u8::from(!keyframe) << 2 | 2];
            if keyframe {
                out.extend([0x49, 0x83, 0x42, 0x00, 0x03, 0xF0, 0x02, 0xF0]);
            }
            out.extend(body);
            out
        }
        PayloadFormat::H264 { .. } => {
            let mut out = Vec::new();
            if keyframe {
                out.extend([0, 0, 0, 1, 0x67, 0x42, 0xE0, 0x1F, 0x8C]);
                out.extend([0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80]);
            }
            out.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }, 0x80]);
            // No start codes inside, and no zero at the end.
            out.extend(body.iter().map(|byte| byte | 1));
            out
        }
        PayloadFormat::H265 => {
            let mut out = Vec::new();
            if keyframe {
                out.extend([0, 0, 0, 1, 0x40, 0x01, 0x0C]);
                out.extend([0, 0, 0, 1, 0x42, 0x01, 0x01]);
                out.extend([0, 0, 0, 1, 0x44, 0x01, 0xC1]);
            }
            out.extend([0, 0, 0, 1, if keyframe { 0x26 } else { 0x02 }, 0x01, 0x80]);
            out.extend(body.iter().map(|byte| byte | 1));
            out
        }
        PayloadFormat::Av1 => {
            let mut obus: Vec<(Vec<u8>, &[u8])> = Vec::new();
            if keyframe {
                obus.push((vec![0x0A], &[0, 0, 0, 0x4A, 0xAB, 0xBF, 0xC3, 0x77]));
            }
            // Metadata, and frames of two layers, of any size.
            let (a, b) = body.split_at(body.len() / 3);
            let (b, c) = b.split_at(b.len().min(40));
            obus.push((vec![0x2A], b));
            obus.push((vec![0x36, 0x00], a));
            obus.push((vec![0x36, 0x08], c));
            let mut out = Vec::new();
            for (header, payload) in obus {
                let (size, len) = write_leb128(payload.len() as u32);
                out.extend([&header[..], &size[..len], payload].concat());
            }
            out
        }
        _ => std::iter::once(1).chain(body.iter().copied()).collect(),
    }
}

fn formats() -> impl Strategy<Value = PayloadFormat> {
    prop_oneof![
        Just(PayloadFormat::Vp8),
        Just(PayloadFormat::Vp9),
        Just(H264),
        Just(PayloadFormat::H265),
        Just(PayloadFormat::Av1),
        Just(PayloadFormat::Raw),
    ]
}

prop_compose! {
    fn stream()(
        format in formats(),
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..3000), 1..12),
        keyframes in prop::collection::vec(prop::bool::weighted(0.3), 12),
        max_payload in 40usize..1200,
        picture_id in any::<u16>(),
        tl0_picture_index in any::<u8>(),
    ) -> (PayloadFormat, Vec<Vec<u8>>, Vec<Packet>) {
        let frames: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(index, body)| {
                (frame(format, index == 0 || keyframes[index], body), FrameInfo::default())
            })
            .collect();
        let options =
            PacketizerOptions { picture_id, tl0_picture_index, ..PacketizerOptions::default() };
        let packets = packetize(format, options, &frames, max_payload);
        (format, frames.into_iter().map(|(frame, _)| frame).collect(), packets)
    }
}

proptest! {
    #[test]
    fn all_packets_in_any_order_make_all_frames(
        (format, frames, packets) in stream(),
        order in prop::collection::vec(any::<u16>(), 600),
    ) {
        // Displaced by at most 40 places; the first packet stays first, as nothing else tells where a stream begins.
        let mut order: Vec<_> = packets
            .iter()
            .enumerate()
            .map(|(index, packet)| (if index == 0 { 0 } else { index + usize::from(order[index % 600] % 40) }, packet))
            .collect();
        order.sort_by_key(|(place, _)| *place);
        let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
        let mut out = Vec::new();
        for (_, packet) in &order {
            prop_assert_eq!(insert(&mut assembler, packet), Insertion::Stored);
            out.extend(drain(&mut assembler));
            // A second copy changes nothing.
            prop_assert!(matches!(insert(&mut assembler, packet), Insertion::Duplicate | Insertion::TooOld));
            prop_assert!(assembler.poll_frame().is_none());
        }
        let data: Vec<_> = out.iter().map(|frame| frame.data.to_vec()).collect();
        prop_assert_eq!(data, frames);
        prop_assert!(!assembler.needs_keyframe());
        prop_assert_eq!(assembler.buffered_bytes(), 0);
        let mut next = packets[0].sequence;
        for frame in &out {
            prop_assert_eq!(frame.first_sequence, next);
            next = frame.last_sequence + 1;
        }
        prop_assert_eq!(next, packets.last().unwrap().sequence + 1);
    }

    #[test]
    fn whatever_is_lost_only_whole_decodable_frames_come_out(
        (format, frames, packets) in stream(),
        lost in prop::collection::vec(prop::bool::weighted(0.1), 900),
    ) {
        let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
        let mut out = Vec::new();
        for (index, packet) in packets.iter().enumerate() {
            // Where a raw stream begins, its first packet alone tells.
            if !lost[index % 900] || (index == 0 && format == PayloadFormat::Raw) {
                insert(&mut assembler, packet);
            }
            if index % 7 == 6 {
                assembler.give_up_before(packet.sequence);
            }
            out.extend(drain(&mut assembler));
        }
        assembler.give_up_before(packets.last().unwrap().sequence + 1);
        let mut previous: Option<usize> = None;
        for frame in &out {
            let index = (frame.timestamp.wrapping_add(9000) / 3000) as usize;
            prop_assert_eq!(&frame.data[..], &frames[index][..]);
            prop_assert!(previous.is_none_or(|previous| previous < index));
            if format != PayloadFormat::Raw {
                prop_assert!(frame.keyframe || previous == Some(index - 1));
            }
            previous = Some(index);
        }
        prop_assert_eq!(assembler.buffered_bytes(), 0);
    }
}

#[test]
fn a_keyframe_ends_the_wait_once_the_decoder_is_stuck() {
    let frames: Vec<_> = (0..6)
        .map(|index| {
            (frame(PayloadFormat::Vp8, index % 5 == 0, &[index; 3000]), FrameInfo::default())
        })
        .collect();
    let packets = packetize(PayloadFormat::Vp8, PacketizerOptions::default(), &frames, 1200);
    let per_frame = 3;
    let mut assembler = FrameAssembler::new(PayloadFormat::Vp8, AssemblerConfig::default());
    let lost = [packets[per_frame].sequence, packets[3 * per_frame].sequence];
    let mut numbers = Vec::new();
    for packet in packets.iter().filter(|packet| !lost.contains(&packet.sequence)) {
        insert(&mut assembler, packet);
        if packet.sequence == packets[3 * per_frame - 1].sequence {
            assert_eq!(assembler.first_missing(), Some(lost[0]));
            assembler.give_up_before(lost[0] + 1);
        }
        numbers.extend(drain(&mut assembler).iter().map(|frame| frame.data[10]));
        if packet.sequence > packets[3 * per_frame].sequence
            && packet.sequence < packets.last().unwrap().sequence
        {
            assert!(assembler.needs_keyframe());
        }
    }
    // 0 came; 1 was given up; 2 refers to it; 3 still waits when the keyframe 5 is whole.
    assert_eq!(numbers, [0, 5]);
    assert!(!assembler.needs_keyframe());
}

#[test]
fn lost_upper_temporal_layers_need_no_keyframe() {
    // L1T2: 0 1 0 1 0 1, the upper layer not synchronised but for its first frame.
    let frames: Vec<_> = (0..8u8)
        .map(|index| {
            let info = FrameInfo {
                temporal_layer: Some(index % 2),
                layer_sync: matches!(index, 1 | 5),
                ..FrameInfo::default()
            };
            (frame(PayloadFormat::Vp8, index == 0, &[index; 100]), info)
        })
        .collect();
    let options = PacketizerOptions { tl0_picture_index: 254, ..PacketizerOptions::default() };
    let packets = packetize(PayloadFormat::Vp8, options, &frames, 1200);
    let mut assembler = FrameAssembler::new(PayloadFormat::Vp8, AssemblerConfig::default());
    let mut numbers = Vec::new();
    for packet in packets.iter().filter(|packet| packet.sequence != packets[1].sequence) {
        insert(&mut assembler, packet);
        numbers.extend(drain(&mut assembler).iter().map(|frame| *frame.data.last().unwrap()));
        assembler.give_up_before(packets[2].sequence);
        assert!(!assembler.needs_keyframe());
    }
    // 3 may refer to the lost 1; 5 joins the layer again.
    assert_eq!(numbers, [0, 2, 4, 5, 6, 7]);
}

#[test]
fn numbers_of_lost_parity_hold_nothing_up() {
    // Behind each frame two numbers are parity's, and every third of these is lost.
    for format in [PayloadFormat::Vp8, PayloadFormat::Vp9] {
        let frames: Vec<_> =
            (0..60u8).map(|n| (frame(format, n == 0, &[n; 2_500]), FrameInfo::default())).collect();
        let packets = packetize(format, PacketizerOptions::default(), &frames, 1_200);
        let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
        let (mut shift, mut out) = (0, 0);
        for packet in packets {
            let sequence = packet.sequence + shift;
            let (timestamp, marker) = (packet.timestamp, packet.marker);
            assembler.insert(sequence, timestamp, marker, packet.payload, None);
            if marker {
                for parity in 1..=2 {
                    if (sequence + parity) % 3 != 0 {
                        assembler.insert(sequence + parity, timestamp, false, Bytes::new(), None);
                    }
                }
                shift += 2;
            }
            out += drain(&mut assembler).len();
        }
        assert_eq!(out, 60, "{format:?}");
        let statistics = assembler.statistics();
        assert!(statistics.passed_over >= 39 && statistics.lost_packets == 0, "{statistics:?}");
    }
}

#[test]
fn a_missing_lower_layer_is_not_taken_for_parity() {
    // VP9, two spatial layers of one packet each: of picture 5 the lower one is late.
    let options = PacketizerOptions { vp9_spatial_layers: 2, ..PacketizerOptions::default() };
    let frames: Vec<_> = (0..20u8)
        .map(|n| {
            let info = FrameInfo {
                spatial_layer: Some(n % 2),
                inter_layer_predicted: n % 2 == 1,
                end_of_picture: n % 2 == 1,
                ..FrameInfo::default()
            };
            (frame(PayloadFormat::Vp9, n < 2, &[n; 40]), info)
        })
        .collect();
    let mut packets = packetize(PayloadFormat::Vp9, options, &frames, 1_200);
    for (index, packet) in packets.iter_mut().enumerate() {
        packet.timestamp = index as u32 / 2 * 3000;
    }
    let mut assembler = FrameAssembler::new(PayloadFormat::Vp9, AssemblerConfig::default());
    let mut out = 0;
    for (index, packet) in packets.iter().enumerate() {
        if index != 10 {
            insert(&mut assembler, packet);
            out += drain(&mut assembler).len();
        }
    }
    assert_eq!((out, assembler.first_missing()), (5, Some(packets[10].sequence)));
    insert(&mut assembler, &packets[10]);
    assert_eq!(drain(&mut assembler).len(), 5);
}

#[test]
fn a_packet_that_cannot_be_read_costs_its_frame_and_is_not_waited_for() {
    let mut assembler = FrameAssembler::new(PayloadFormat::Vp8, AssemblerConfig::default());
    let keyframe = frame(PayloadFormat::Vp8, true, &[7; 500]);
    let other = frame(PayloadFormat::Vp8, false, &[7; 500]);
    let info = |keyframe| FrameInfo { keyframe: Some(keyframe), ..FrameInfo::default() };
    let frames = [(keyframe.clone(), info(true)), (other, info(false)), (keyframe, info(true))];
    let packets = packetize(PayloadFormat::Vp8, PacketizerOptions::default(), &frames, 300);
    let mut out = Vec::new();
    for packet in &packets {
        if packet.timestamp == packets[0].timestamp.wrapping_add(3000) && packet.marker {
            let Packet { sequence, timestamp, marker, .. } = *packet;
            assert_eq!(assembler.insert_unreadable(sequence, timestamp, marker), Insertion::Stored);
            assert_eq!(insert(&mut assembler, packet), Insertion::Duplicate);
        } else {
            insert(&mut assembler, packet);
        }
        out.extend(drain(&mut assembler).iter().map(|frame| frame.keyframe));
    }
    assert_eq!(out, [true, true]);
    let statistics = assembler.statistics();
    assert_eq!((statistics.incomplete_frames, statistics.lost_packets), (1, 0));
}

#[test]
fn opus_frames_come_out_as_they_arrive_and_once() {
    let mut assembler = FrameAssembler::new(PayloadFormat::Opus, AssemblerConfig::default());
    let mut out = Vec::new();
    for sequence in [10u64, 12, 11, 12, 11, 13] {
        let payload = Bytes::from(vec![0x78, sequence as u8, 0]);
        let _ = assembler.insert(sequence, sequence as u32 * 960, false, payload, None);
        out.extend(drain(&mut assembler).iter().map(|frame| frame.first_sequence));
    }
    assert_eq!(out, [10, 12, 11, 13]);
    assert_eq!(assembler.statistics().duplicate_packets, 2);
}

#[test]
fn audio_for_files_comes_out_in_order() {
    let config = AssemblerConfig { audio_in_order: true, ..AssemblerConfig::default() };
    let mut assembler = FrameAssembler::new(PayloadFormat::Opus, config);
    let mut out = Vec::new();
    for sequence in [10u64, 12, 11, 15, 14] {
        let payload = Bytes::from(vec![0x78, sequence as u8, 0]);
        assembler.insert(sequence, sequence as u32 * 960, false, payload, None);
        out.extend(drain(&mut assembler).iter().map(|frame| frame.first_sequence));
    }
    assert_eq!(out, [10, 11, 12]);
    assembler.give_up_before(14);
    out.extend(drain(&mut assembler).iter().map(|frame| frame.first_sequence));
    assert_eq!(out, [10, 11, 12, 14, 15]);
}

#[test]
fn redundant_audio_fills_the_gaps_of_loss() {
    let options = PacketizerOptions {
        red_payload_type: 111,
        red_redundancy: 2,
        ..PacketizerOptions::default()
    };
    let mut packetizer = Packetizer::new(PayloadFormat::Red, options);
    let mut assembler = FrameAssembler::new(PayloadFormat::Red, AssemblerConfig::default());
    let mut out = Vec::new();
    for index in 0..12u32 {
        let timestamp = index.wrapping_mul(960).wrapping_sub(3000);
        let info = FrameInfo { timestamp, ..FrameInfo::default() };
        let mut payload = Vec::new();
        packetizer
            .packetize(&[0x78, index as u8, 7], &info, 1200, &mut |parts, _| {
                payload = parts.concat();
            })
            .unwrap();
        // Two in a row, then three in a row, of which the first is beyond repair.
        if !matches!(index, 2 | 3 | 6 | 7 | 8) {
            assembler.insert(u64::from(index), timestamp, false, payload.into(), None);
        }
        out.extend(drain(&mut assembler));
    }
    let numbers: Vec<_> = out.iter().map(|frame| frame.data[1]).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11]);
    let redundant: Vec<_> =
        out.iter().filter(|frame| frame.redundant).map(|frame| frame.data[1]).collect();
    assert_eq!(redundant, [2, 3, 7, 8]);
    assert!(out.iter().all(|frame| frame.block_payload_type == Some(111)));
    assert!(out.iter().all(|frame| {
        frame.timestamp == u32::from(frame.data[1]).wrapping_mul(960).wrapping_sub(3000)
    }));
}

#[test]
fn dependencies_handed_in_decide_what_is_decodable() {
    use peerage_rtp::payload::FrameDependencies;
    // L1T2 by dependency descriptor: even frames refer to the even one before, odd ones to the even one before.
    let mut assembler = FrameAssembler::new(PayloadFormat::Av1, AssemblerConfig::default());
    let mut out = Vec::new();
    for number in 0..10u16 {
        let dependencies = FrameDependencies {
            frame_number: number.wrapping_sub(4),
            frame_diffs: if number == 0 { vec![] } else { vec![2 - number % 2] }.into(),
            keyframe: number == 0,
            begins_frame: true,
            temporal_layer: (number % 2) as u8,
            spatial_layer: 0,
        };
        let payload = Bytes::from(vec![0x10, 0x30, number as u8]);
        let sequence = u64::from(number);
        if !matches!(number, 3 | 6) {
            let timestamp = u32::from(number) * 3000;
            assembler.insert(sequence, timestamp, true, payload, Some(dependencies));
        }
        out.extend(drain(&mut assembler).iter().map(|frame| frame.data[2]));
        assembler.give_up_before(sequence + 1);
        assert_eq!(assembler.needs_keyframe(), number > 7, "{number}");
    }
    // 3 was nobody's reference; after 6 nothing even can be decoded, and 7 refers to 6.
    assert_eq!(out, [0, 1, 2, 4, 5]);
}

/// L1T2 as a dependency descriptor has it: templates from `offset` on come with a keyframe, even frames refer to the even
/// one before, odd ones to the one before.
fn l1t2(number: u16, keyframe: bool, offset: u8) -> Vec<u8> {
    use peerage_rtp::extension::{
        DecodeTargetIndication::{Discardable, NotPresent, Switch},
        DependencyDescriptor, DependencyStructure, FrameDependencies,
    };
    let template = |temporal_id: u8, dtis: [_; 2], diff: u16| FrameDependencies {
        spatial_id: 0,
        temporal_id,
        decode_target_indications: dtis.into_iter().collect(),
        frame_diffs: (diff > 0).then_some(diff).into_iter().collect(),
        chain_diffs: [diff as u8].into_iter().collect(),
    };
    let templates = vec![
        template(0, [Switch, Switch], 0),
        template(0, [Switch, Switch], 2),
        template(1, [NotPresent, Discardable], 1),
    ];
    let index = if keyframe { 0 } else { 1 + usize::from(number % 2) };
    let structure = DependencyStructure {
        template_id_offset: offset,
        decode_targets: 2,
        chains: 1,
        protected_by: [0, 0].into_iter().collect(),
        templates: templates.clone(),
        ..DependencyStructure::default()
    };
    let mut out = Vec::new();
    DependencyDescriptor {
        start_of_frame: true,
        end_of_frame: true,
        frame_number: number,
        structure: keyframe.then(|| Box::new(structure.clone())),
        active_decode_targets: None,
        dependencies: templates[index].clone(),
        resolution: None,
    }
    .write(Some(&structure), &mut out)
    .unwrap();
    out
}

/// Frames of one packet each, of which nothing but the descriptor can be read; the numbers and layers that come out.
fn described(
    format: PayloadFormat,
    order: impl IntoIterator<Item = u16>,
    keyframes: &[u16],
) -> (Vec<(u16, u8)>, FrameAssembler) {
    let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
    let mut out = Vec::new();
    for number in order {
        let offset = 5 * keyframes.iter().filter(|k| **k <= number).count() as u8;
        let descriptor = l1t2(number, keyframes.contains(&number), offset);
        let payload = match format {
            PayloadFormat::Av1 => vec![0x10, 0x30, number as u8],
            PayloadFormat::Vp9 => vec![0x8c, number as u8, 0],
            _ => vec![number as u8; 3],
        };
        let (sequence, timestamp) = (2 * u64::from(number), u32::from(number) * 3000);
        assembler.insert_described(sequence, timestamp, true, payload.into(), &descriptor);
        for frame in drain(&mut assembler) {
            assert_eq!(frame.keyframe, keyframes.contains(&(frame.timestamp as u16 / 3000)));
            out.push((frame.picture_id.unwrap(), frame.temporal_layer.unwrap()));
        }
    }
    (out, assembler)
}

#[test]
fn descriptors_tell_what_is_lost_where_payloads_cannot_be_read() {
    // Every second sequence number is of parity that was lost: the frames' numbers show that none is missing.
    for format in [PayloadFormat::Av1, PayloadFormat::Raw] {
        let (out, assembler) = described(format, 0..12, &[0]);
        assert_eq!(out, (0..12).map(|n| (n, (n % 2) as u8)).collect::<Vec<_>>(), "{format:?}");
        assert_eq!(assembler.statistics().passed_over, 11);
    }
}

#[test]
fn descriptors_are_read_in_the_order_of_frames_and_not_of_arrival() {
    // The keyframe with new templates comes after two frames that go by them.
    let order = [0, 1, 2, 3, 5, 6, 4, 7, 8];
    let (out, _) = described(PayloadFormat::Av1, order, &[0, 4]);
    assert_eq!(out, (0..9).map(|n| (n, (n % 2) as u8)).collect::<Vec<_>>());
}

#[test]
fn frames_of_templates_that_were_lost_do_not_come_out() {
    let (out, mut assembler) = described(PayloadFormat::Av1, (0..9).filter(|n| *n != 4), &[0, 4]);
    assert_eq!(out.len(), 4);
    assembler.give_up_before(2 * 5);
    assert!(drain(&mut assembler).is_empty());
    assert!(assembler.needs_keyframe());
    // An odd one is nobody's reference.
    let (mut out, mut assembler) = described(PayloadFormat::Av1, (0..9).filter(|n| *n != 3), &[0]);
    assembler.give_up_before(2 * 4);
    let rest = drain(&mut assembler);
    out.extend(rest.iter().map(|f| (f.picture_id.unwrap(), f.temporal_layer.unwrap())));
    assert_eq!(out.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6, 7, 8]);
    assert!(!assembler.needs_keyframe());
}

proptest! {
    /// Three temporal layers in the pattern 0 2 1 2: whatever is lost, a frame comes out only if all it refers to did,
    /// and lost upper layers never ask for a keyframe.
    #[test]
    fn temporal_layers_come_out_only_after_what_they_refer_to(
        is_vp9 in any::<bool>(),
        lost in prop::collection::vec(prop::bool::weighted(0.08), 80),
        tl0_picture_index in any::<u8>(),
        picture_id in any::<u16>(),
    ) {
        let format = if is_vp9 { PayloadFormat::Vp9 } else { PayloadFormat::Vp8 };
        let frames: Vec<_> = (0..80u8)
            .map(|index| {
                let info = FrameInfo {
                    temporal_layer: Some([0, 2, 1, 2][usize::from(index % 4)]),
                    // VP8: refers to the base only. VP9: layers above may be joined here.
                    layer_sync: is_vp9 || matches!(index % 4, 1 | 2),
                    ..FrameInfo::default()
                };
                (frame(format, index == 0, &[index; 40]), info)
            })
            .collect();
        let options = PacketizerOptions {
            tl0_picture_index,
            picture_id,
            vp9_temporal_layers: 3,
            ..PacketizerOptions::default()
        };
        let packets = packetize(format, options, &frames, 1200);
        prop_assert_eq!(packets.len(), frames.len());
        let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
        let mut came = [false; 80];
        let mut base_is_lost = false;
        for (index, packet) in packets.iter().enumerate() {
            let is_lost = lost[index] && index > 0;
            base_is_lost |= is_lost && index % 4 == 0;
            if !is_lost {
                insert(&mut assembler, packet);
            }
            for frame in drain(&mut assembler) {
                let index = (frame.first_sequence - packets[0].sequence) as usize;
                let refers_to = match index % 4 {
                    0 => index.checked_sub(4),
                    3 => Some(index - 1),
                    within => Some(index - within),
                };
                prop_assert!(refers_to.is_none_or(|earlier| came[earlier]), "{index}");
                came[index] = true;
            }
            assembler.give_up_before(packet.sequence + 1);
            prop_assert!(base_is_lost || !assembler.needs_keyframe());
        }
        // The base layer comes out as long as none of it was lost.
        let whole = (0..80).step_by(4).take_while(|&index| !lost[index] || index == 0);
        prop_assert!(whole.into_iter().all(|index| came[index]));
    }
}
