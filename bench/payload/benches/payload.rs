//! A frame's way through the payload formats: cut into payloads of at most 1,180 bytes, each of which is copied once, as into a
//! packet, and put together again by the receiver. Beside it `rtc-rtp`'s payloaders with the sample builder of `rtc-media`,
//! which is how that crate is used. Video frames have 30,000 bytes, those of Opus 120. Rates are frames per CPU-second.
//!
//! `str0m` has packetisers too, and keeps them to itself.

use std::hint::black_box;
use std::time::Instant;

use bench_measure::CpuTime;
use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use peerage_rtp::payload::{
    AssemblerConfig, FrameAssembler, FrameInfo, PacketizationMode, Packetizer, PacketizerOptions,
    PayloadFormat, av1,
};
use rtc_media::io::sample_builder::SampleBuilder;
use rtc_rtp::codec::{av1::*, h264::*, opus::*, vp8::*, vp9::*};
use rtc_rtp::header::Header;
use rtc_rtp::packet::Packet;
use rtc_rtp::packetizer::{Depacketizer, Payloader};

const MAX_PAYLOAD: usize = 1_180;
const VIDEO: usize = 30_000;
const AUDIO: usize = 120;

/// A keyframe that readers take for one, with any content.
fn frame(format: PayloadFormat) -> Bytes {
    let mut out = match format {
        PayloadFormat::Vp8 => vec![0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0],
        PayloadFormat::Vp9 => vec![0x82, 0x49, 0x83, 0x42, 0x00, 0x03, 0xf0, 0x02, 0xf0],
        PayloadFormat::H264 { .. } => [
            &[0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x8c][..],
            &[0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80],
            &[0, 0, 0, 1, 0x65, 0x80],
        ]
        .concat(),
        PayloadFormat::Av1 => {
            let (size, len) = av1::write_leb128(VIDEO as u32);
            let mut out = vec![0x0a, 8, 0, 0, 0, 0x4a, 0xab, 0xbf, 0xc3, 0x77, 0x32];
            out.extend(&size[..len]);
            out.resize(out.len() + VIDEO, 0x5b);
            return out.into();
        }
        _ => vec![0x78; AUDIO],
    };
    if format.is_video() {
        out.resize(VIDEO, 0x5b);
    }
    out.into()
}

/// Our way, for ever the same frame under running numbers.
struct Ours {
    packetizer: Packetizer,
    assembler: FrameAssembler,
    packets: BytesMut,
    queue: Vec<(Bytes, bool)>,
    sequence: u64,
    timestamp: u32,
}

impl Ours {
    fn new(format: PayloadFormat) -> Self {
        Self {
            packetizer: Packetizer::new(format, PacketizerOptions::default()),
            assembler: FrameAssembler::new(format, AssemblerConfig::default()),
            packets: BytesMut::new(),
            queue: Vec::new(),
            sequence: 0,
            timestamp: 0,
        }
    }

    fn round(&mut self, frame: &Bytes) -> usize {
        let Self { packetizer, packets, queue, .. } = self;
        packets.reserve(frame.len() + 1_024);
        packetizer
            .packetize(frame, &FrameInfo::default(), MAX_PAYLOAD, &mut |parts, marker| {
                for part in parts {
                    packets.extend_from_slice(part);
                }
                queue.push((packets.split().freeze(), marker));
            })
            .expect("a frame of the format");
        self.timestamp = self.timestamp.wrapping_add(3_000);
        for (payload, marker) in self.queue.drain(..) {
            self.assembler.insert(self.sequence, self.timestamp, marker, payload, None);
            self.sequence += 1;
        }
        let mut bytes = 0;
        while let Some(frame) = self.assembler.poll_frame() {
            bytes += frame.data.len();
        }
        bytes
    }
}

/// That of `rtc`.
struct Theirs<P, D: Depacketizer> {
    payloader: P,
    builder: SampleBuilder<D>,
    now: Instant,
    sequence: u16,
    timestamp: u32,
}

impl<P: Payloader, D: Depacketizer> Theirs<P, D> {
    fn new(payloader: P, depacketizer: D) -> Self {
        let builder = SampleBuilder::new(256, depacketizer, 90_000);
        Self { payloader, builder, now: Instant::now(), sequence: 0, timestamp: 0 }
    }

    fn round(&mut self, frame: &Bytes) -> usize {
        let payloads = self.payloader.payload(MAX_PAYLOAD, frame).expect("a frame of the format");
        self.timestamp = self.timestamp.wrapping_add(3_000);
        let last = payloads.len() - 1;
        for (index, payload) in payloads.into_iter().enumerate() {
            let header = Header {
                version: 2,
                marker: index == last,
                sequence_number: self.sequence,
                timestamp: self.timestamp,
                ..Header::default()
            };
            self.builder.push(self.now, Packet { header, payload });
            self.sequence = self.sequence.wrapping_add(1);
        }
        let mut bytes = 0;
        while let Some(sample) = self.builder.pop(self.now) {
            bytes += sample.data.len();
        }
        bytes
    }
}

/// Measures one way, after making sure that frames come out whole.
fn measure(
    c: &mut Criterion<CpuTime>,
    group: &str,
    who: &str,
    frame: &Bytes,
    mut round: impl FnMut(&Bytes) -> usize,
) {
    let bytes: usize = (0..20).map(|_| round(frame)).sum();
    // The sample builder holds the last one back until the next begins.
    assert!(bytes >= 18 * frame.len(), "{group}, {who}: {bytes} bytes of {}", 20 * frame.len());
    let mut group = c.benchmark_group(group);
    group.throughput(Throughput::Elements(1));
    group.bench_function(who, |b| b.iter(|| round(black_box(frame))));
    group.finish();
}

fn payloads(c: &mut Criterion<CpuTime>) {
    let h264 = PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };
    for (name, format) in [
        ("payload_vp8", PayloadFormat::Vp8),
        ("payload_vp9", PayloadFormat::Vp9),
        ("payload_h264", h264),
        ("payload_av1", PayloadFormat::Av1),
        ("payload_opus", PayloadFormat::Opus),
    ] {
        let frame = frame(format);
        let mut ours = Ours::new(format);
        measure(c, name, "peerage", &frame, |frame| ours.round(frame));
        let who = "rtc-rtp";
        match name {
            "payload_vp8" => {
                let mut payloader = Vp8Payloader::default();
                payloader.enable_picture_id = true;
                let mut theirs = Theirs::new(payloader, Vp8Packet::default());
                measure(c, name, who, &frame, |frame| theirs.round(frame));
            }
            "payload_vp9" => {
                let mut theirs = Theirs::new(Vp9Payloader::default(), Vp9Packet::default());
                measure(c, name, who, &frame, |frame| theirs.round(frame));
            }
            "payload_h264" => {
                let mut theirs = Theirs::new(H264Payloader::default(), H264Packet::default());
                measure(c, name, who, &frame, |frame| theirs.round(frame));
            }
            "payload_av1" => {
                let mut theirs = Theirs::new(Av1Payloader::default(), Av1Depacketizer::default());
                measure(c, name, who, &frame, |frame| theirs.round(frame));
            }
            _ => {
                let mut theirs = Theirs::new(OpusPayloader, OpusPacket);
                measure(c, name, who, &frame, |frame| theirs.round(frame));
            }
        }
    }
}

criterion_group!(name = benches; config = CpuTime::criterion(); targets = payloads);
criterion_main!(benches);
