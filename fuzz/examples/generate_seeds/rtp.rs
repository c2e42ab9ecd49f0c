//! Seeds of the targets of peerage-rtp that read packets, RTCP and header extensions, and of its repair.

use peerage_rtp::extension::{
    AbsoluteCaptureTime, AbsoluteSendTime, AudioLevel, ColorSpace, DecodeTargetIndication, DependencyDescriptor,
    DependencyStructure, FeedbackRequest, FrameDependencies, HdrMetadata, HeaderExtension, LayerResolution, Mid,
    MixerToClientAudioLevels, PlayoutDelay, RenderResolution, RepairedRtpStreamId, Rotation, RtpStreamId,
    SpatialLayerAllocation, TransmissionOffset, TransportSequenceNumber, TransportSequenceNumberV2, VideoContentType,
    VideoLayersAllocation, VideoOrientation, VideoTiming,
};
use peerage_rtp::packet::write_padding;
use peerage_rtp::rtcp::{
    ApplicationDefined, BitrateLimit, CongestionControlFeedback, DelaySinceReference, Ecn, ExtendedReport,
    FeedbackSources, FullIntraEntry, FullIntraRequest, Goodbye, LostSlice, Nack, NackPair, PacketMetric,
    PictureLossIndication, ReceiverReport, ReferencePictureSelection, Remb, ReportBlock, ReportBlockXr, SdesChunk,
    SdesItem, SdesKind, SenderInfo, SenderReport, SliceLossIndication, SourceDescription, StreamFeedback, Tmmbn, Tmmbr,
    TransportFeedbackBuilder,
};
use peerage_rtp::{PayloadType, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};
use std::time::Duration;

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    packets(sink);
    rtcp(sink);
    extensions(sink);
    dependency_descriptors(sink);
    let steps: Vec<u8> = (0..=255).collect();
    for (index, bytes) in steps.chunks(64).enumerate() {
        for target in ["rtp_fec", "rtp_layers", "rtp_nack", "rtp_receiver"] {
            sink.seed(target, &format!("steps_{index}"), bytes);
        }
    }
}

fn header(payload_type: u8, ssrc: u32) -> RtpHeader {
    RtpHeader {
        marker: true,
        payload_type: PayloadType::from_low_bits(payload_type),
        sequence_number: SequenceNumber(65_535),
        timestamp: RtpTimestamp(90_000),
        ssrc: Ssrc(ssrc),
    }
}

fn packets(sink: &Sink) {
    let mut plain = Vec::new();
    header(111, 1).write(&mut plain, |_| {});
    plain.extend_from_slice(b"payload");
    sink.seed("rtp_packet", "plain", &plain);
    let mut padded = plain.clone();
    write_padding(&mut padded, 0, 12);
    sink.seed("rtp_packet", "padded", &padded);
    for (name, len) in [("one_byte", 3), ("two_byte", 20)] {
        let mut out = Vec::new();
        header(96, 2).write_with_csrcs(&mut out, &[Ssrc(3), Ssrc(4)], |writer| {
            writer.allow_two_byte();
            writer.put(1, b"0").expect("a short element");
            writer.put(2, &vec![b'a'; len]).expect("an element that fits");
        });
        out.extend_from_slice(b"payload");
        sink.seed("rtp_packet", name, &out);
    }
    let mut session = Vec::new();
    for (payload_type, ssrc, id, value) in [(111, 5, 1, "0"), (96, 6, 2, "a"), (97, 7, 3, "b"), (96, 6, 1, "1"), (96, 8, 1, "9")] {
        let mut out = Vec::new();
        header(payload_type, ssrc).write(&mut out, |writer| {
            writer.put(id, value.as_bytes()).expect("a short element");
        });
        session.push(out.len() as u8);
        session.extend_from_slice(&out);
    }
    sink.seed("rtp_demultiplexer", "session", &session);
}

fn rtcp(sink: &Sink) {
    let sources = FeedbackSources { sender: Ssrc(1), media: Ssrc(2) };
    let seed = |name: &str, write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        sink.seed("rtp_rtcp", name, &out);
    };
    let blocks = [ReportBlock { ssrc: Ssrc(2), fraction_lost: 1, cumulative_lost: -2, ..ReportBlock::default() }; 2];
    let items = [SdesItem { kind: SdesKind::CNAME, value: b"name" }, SdesItem { kind: SdesKind::MID, value: b"0" }];
    let chunks = [SdesChunk { ssrc: Ssrc(1), items: (&items).into() }; 2];
    seed("compound", &|out| {
        SenderReport { ssrc: Ssrc(1), info: SenderInfo::default(), reports: (&blocks).into() }.write(out);
        SourceDescription::new(&chunks).write(out);
        Goodbye { sources: (&[Ssrc(1), Ssrc(2)]).into(), reason: Some(b"bye") }.write(out);
    });
    seed("receiver_report", &|out| ReceiverReport { ssrc: Ssrc(1), reports: (&blocks).into() }.write(out));
    seed("application", &|out| {
        ApplicationDefined { subtype: 3, ssrc: Ssrc(1), name: *b"test", data: &[1; 8] }.write(out);
    });
    let pairs = [NackPair { packet_id: SequenceNumber(7), following: 0x8001 }];
    seed("nack", &|out| Nack { sources, pairs: (&pairs).into() }.write(out));
    seed("pictures", &|out| {
        PictureLossIndication { sources }.write(out);
        let slices = [LostSlice { first: 1, number: 2, picture_id: 3 }];
        SliceLossIndication { sources, slices: (&slices).into() }.write(out);
        ReferencePictureSelection { sources, payload_type: 96, bits: &[1; 6], unused_bits: 3 }.write(out);
        let entries = [FullIntraEntry { ssrc: Ssrc(2), sequence_number: 9 }];
        FullIntraRequest { sources, entries: (&entries).into() }.write(out);
    });
    let limits = [BitrateLimit { ssrc: Ssrc(2), bitrate: 1_000_000, overhead: 40 }];
    seed("limits", &|out| {
        Tmmbr { sources, limits: (&limits).into() }.write(out);
        Tmmbn { sources, limits: (&limits).into() }.write(out);
        Remb { sources, bitrate: 3_000_000, ssrcs: (&[Ssrc(2)]).into() }.write(out);
    });
    let heard = [DelaySinceReference { ssrc: Ssrc(1), last_reference: 2, delay: 3 }];
    let xr = [ReportBlockXr::ReceiverReferenceTime { ntp: 1 << 40 }, ReportBlockXr::Dlrr((&heard).into())];
    seed("extended_report", &|out| ExtendedReport::new(Ssrc(1), &xr).write(out));
    let metrics = [PacketMetric::NotReceived, PacketMetric::Received { ecn: Ecn::Ce, arrival_offset: 5 }, PacketMetric::NotReceived];
    let streams = [StreamFeedback { ssrc: Ssrc(2), begin: SequenceNumber(65_535), metrics: (&metrics).into() }; 2];
    seed("congestion_control_feedback", &|out| CongestionControlFeedback::new(Ssrc(1), 77, &streams).write(out));
    for (name, step) in [("transport_feedback_runs", 1_u16), ("transport_feedback_gaps", 3), ("transport_feedback_long_gaps", 40)] {
        seed(name, &|out| {
            let mut builder = TransportFeedbackBuilder::new();
            builder.begin(SequenceNumber(65_530), Duration::from_secs(9));
            for n in 0..30_u16 {
                let late = if n % 11 == 7 { 300 } else { 2 };
                let time = Duration::from_secs(9) + Duration::from_millis(u64::from(n) * 2 + late);
                builder.push(SequenceNumber(65_530).plus(n * step), time);
            }
            builder.write(sources, 5, out);
        });
    }
}

fn extensions(sink: &Sink) {
    let seed = |choice: u8, name: &str, write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = vec![choice];
        write(&mut out);
        sink.seed("rtp_extensions", name, &out);
    };
    let hdr = Some(HdrMetadata { luminance_max: 1_000, ..HdrMetadata::default() });
    seed(0, "audio_level", &|out| AudioLevel { level: 30, voice: true }.write(out));
    seed(1, "csrc_audio_level", &|out| MixerToClientAudioLevels { levels: &[1, 2, 3] }.write(out));
    seed(2, "mid", &|out| Mid("0").write(out));
    seed(3, "rid", &|out| RtpStreamId("hi").write(out));
    seed(4, "repaired_rid", &|out| RepairedRtpStreamId("hi").write(out));
    seed(5, "abs_send_time", &|out| AbsoluteSendTime(0x12_3456).write(out));
    seed(6, "abs_capture_time", &|out| AbsoluteCaptureTime { ntp: 1 << 40, clock_offset: Some(-5) }.write(out));
    seed(7, "transport_cc_01", &|out| TransportSequenceNumber(7).write(out));
    let request = Some(FeedbackRequest { timestamps: true, packets: 30 });
    seed(8, "transport_cc_02", &|out| TransportSequenceNumberV2 { sequence_number: 7, request }.write(out));
    seed(9, "toffset", &|out| TransmissionOffset(-3).write(out));
    let orientation = VideoOrientation { back_camera: true, flip: true, rotation: Rotation::Clockwise270 };
    seed(10, "video_orientation", &|out| orientation.write(out));
    let delay = PlayoutDelay { min: Duration::ZERO, max: Duration::from_millis(400) };
    seed(11, "playout_delay", &|out| delay.write(out));
    seed(12, "video_content_type", &|out| VideoContentType::Screenshare.write(out));
    seed(13, "video_timing", &|out| VideoTiming { encode_finish: 9, ..VideoTiming::default() }.write(out));
    seed(14, "color_space", &|out| ColorSpace { primaries: 1, ..ColorSpace::default() }.write(out));
    seed(14, "color_space_hdr", &|out| ColorSpace { hdr, ..ColorSpace::default() }.write(out));
    let layer = |stream, spatial_id| SpatialLayerAllocation {
        stream,
        spatial_id,
        bitrates_kbps: [100, 200].into_iter().collect(),
        resolution: Some(LayerResolution { width: 640, height: 360, frame_rate: 30 }),
    };
    for (name, layers) in [("layers_same", vec![layer(0, 0), layer(1, 0)]), ("layers_uneven", vec![layer(0, 0), layer(2, 1)])] {
        let allocation = VideoLayersAllocation { stream: 1, layers: layers.into_iter().collect() };
        seed(15, name, &|out| allocation.write(out));
    }
}

fn dependency_descriptors(sink: &Sink) {
    use DecodeTargetIndication::{Discardable, NotPresent, Switch};
    let frame = |temporal_id, dtis: [DecodeTargetIndication; 2], diff: u16| FrameDependencies {
        spatial_id: 0,
        temporal_id,
        decode_target_indications: dtis.into_iter().collect(),
        frame_diffs: (diff > 0).then_some(diff).into_iter().collect(),
        chain_diffs: [diff as u8].into_iter().collect(),
    };
    let templates = vec![frame(0, [Switch, Switch], 0), frame(0, [Switch, Switch], 2), frame(1, [NotPresent, Discardable], 1)];
    let structure = DependencyStructure {
        template_id_offset: 62,
        decode_targets: 2,
        chains: 1,
        protected_by: [0, 0].into_iter().collect(),
        templates: templates.clone(),
        resolutions: [RenderResolution { width: 640, height: 360 }].into_iter().collect(),
    };
    let mut all = Vec::new();
    for (number, dependencies) in templates.into_iter().chain([frame(1, [Switch, Discardable], 9)]).enumerate() {
        let descriptor = DependencyDescriptor {
            start_of_frame: true,
            end_of_frame: number % 2 == 0,
            frame_number: number as u16,
            structure: (number == 0).then(|| Box::new(structure.clone())),
            active_decode_targets: (number == 1).then_some(1),
            dependencies,
            resolution: None,
        };
        let mut out = Vec::new();
        descriptor.write(Some(&structure), &mut out).expect("a frame of the structure");
        all.push(out.len() as u8);
        all.extend_from_slice(&out);
    }
    sink.seed("rtp_dependency_descriptor", "sequence", &all);
}
