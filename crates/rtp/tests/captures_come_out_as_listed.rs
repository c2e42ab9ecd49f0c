//! Captures of real calls and published bitstreams, from a directory of corpora that others recorded
//! (`PEERAGE_CORPORA`, or `../shared/corpora` beside the workspace): what the assembler makes of them is what tshark
//! listed beside them, and what is packetised comes back byte for byte.

use std::{
    fs::{self, File},
    path::PathBuf,
};

use bytes::Bytes;
use peerage_rtp::{
    RtpPacket, SequenceUnwrapper,
    payload::{
        AssemblerConfig, Depacketizer, EncodedFrame, FrameAssembler, FrameInfo, Insertion,
        NalUnits, PacketizationMode, Packetizer, PacketizerOptions, PayloadFormat, av1,
    },
};

const H264: PayloadFormat =
    PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };

fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no corpus at {}; set PEERAGE_CORPORA", path.display());
    None
}

/// The UDP payloads of an Ethernet capture.
fn datagrams(name: &str) -> Option<Vec<Vec<u8>>> {
    let mut reader = pcap_file::pcap::PcapReader::new(File::open(corpus(name)?).unwrap()).unwrap();
    let mut out = Vec::new();
    while let Some(packet) = reader.next_packet() {
        let data = packet.unwrap().data.into_owned();
        // Ethernet, IPv4 with its header length, UDP.
        let ip = &data[14..];
        let udp = &ip[usize::from(ip[0] & 15) * 4..];
        let end = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
        out.push(udp[8..end].to_vec());
    }
    Some(out)
}

/// The packets of an rtpdump file (RTP only).
fn rtpdump(name: &str) -> Option<Vec<Vec<u8>>> {
    let file = fs::read(corpus(name)?).unwrap();
    let start = file.iter().position(|&byte| byte == b'\n').unwrap_or(27) + 1 + 16;
    let mut rest = &file[start..];
    let mut out = Vec::new();
    while let [a, b, c, d, _, _, _, _, tail @ ..] = rest {
        let (length, plain) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        let (packet, after) = tail.split_at(usize::from(length) - 8);
        if plain != 0 {
            out.push(packet.to_vec());
        }
        rest = after;
    }
    Some(out)
}

struct Assembled {
    frames: Vec<EncodedFrame>,
    assembler: FrameAssembler,
}

fn assemble(format: PayloadFormat, datagrams: &[Vec<u8>]) -> Assembled {
    let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
    let mut unwrapper = SequenceUnwrapper::default();
    let mut frames = Vec::new();
    for datagram in datagrams {
        let packet = RtpPacket::parse(datagram).unwrap();
        let sequence = unwrapper.unwrap(packet.sequence_number());
        let payload = Bytes::copy_from_slice(packet.payload());
        assembler.insert(sequence, packet.timestamp().0, packet.marker(), payload, None);
        frames.extend(std::iter::from_fn(|| assembler.poll_frame()));
    }
    Assembled { frames, assembler }
}

/// A listing: per timestamp the number of packets, whether one had the marker bit, and whether a keyword was there.
fn listing(name: &str, key: &str) -> Option<Vec<(u32, usize, bool, bool)>> {
    let text = fs::read_to_string(corpus(name)?).unwrap();
    // "IDR-Slice", but not "non-IDR-Slice".
    let is_key = |line: &str| line.split([' ', ':']).any(|word| word == key);
    let mut out: Vec<(u32, usize, bool, bool)> = Vec::new();
    for line in text.lines().filter(|line| line.contains("Time=")) {
        let time = line.split("Time=").nth(1).unwrap();
        let time = time.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap();
        match out.last_mut() {
            Some(last) if last.0 == time => {
                last.1 += 1;
                last.2 |= line.contains("Mark");
                last.3 |= is_key(line);
            }
            _ => out.push((time, 1, line.contains("Mark"), is_key(line))),
        }
    }
    Some(out)
}

/// But for those in a range of timestamps, every frame that is whole in the listing comes out, with the packets it has there.
fn compare(
    format: PayloadFormat,
    name: &str,
    key: Option<&str>,
    undecodable: std::ops::Range<u32>,
) {
    let Some(datagrams) = datagrams(&format!("str0m/{name}.pcap")) else { return };
    let Some(listed) = listing(&format!("str0m/{name}.txt"), key.unwrap_or("\0")) else { return };
    let Assembled { frames, assembler } = assemble(format, &datagrams);
    let listed: Vec<_> =
        listed.into_iter().filter(|entry| entry.2 && !undecodable.contains(&entry.0)).collect();
    let seen: Vec<_> = frames
        .iter()
        .map(|frame| {
            let packets = (frame.last_sequence - frame.first_sequence + 1) as usize;
            (frame.timestamp, packets, frame.marker, key.is_some() && frame.keyframe)
        })
        .collect();
    if assembler.first_missing().is_none() {
        assert_eq!(seen, listed, "{name}");
    } else {
        // The capture has a gap: what comes after it waits.
        assert_eq!(seen, listed[..seen.len()], "{name}");
        assert!(seen.len() > 10);
    }
    assert!(frames[0].keyframe && !assembler.needs_keyframe());
    assert!(frames[0].dimensions.is_some(), "{name}");
    assert_eq!(assembler.statistics().malformed_packets, u64::from(!undecodable.is_empty()));
}

#[test]
fn vp8() {
    compare(PayloadFormat::Vp8, "vp8", Some("Keyframe"), 0..0);
}

#[test]
fn vp9() {
    compare(PayloadFormat::Vp9, "vp9", None, 0..0);
}

#[test]
fn h264() {
    // The IDR slice at 2856127226 is cut off ("Bad NAL Length" in the listing), and its size contradicts the aggregate:
    // nothing can be decoded until the next.
    compare(H264, "h264", Some("IDR-Slice"), 2_856_127_226..2_856_244_226);
}

#[test]
fn av1() {
    compare(PayloadFormat::Av1, "av1", None, 0..0);
}

#[test]
fn a_capture_that_begins_between_keyframes_asks_for_one() {
    let Some(datagrams) = datagrams("str0m/contiguous_vp9.pcap") else { return };
    let Assembled { frames, assembler } = assemble(PayloadFormat::Vp9, &datagrams);
    let marked = datagrams.iter().filter(|data| RtpPacket::parse(data).unwrap().marker()).count();
    assert!(frames.is_empty() && assembler.needs_keyframe());
    let statistics = assembler.statistics();
    assert_eq!((statistics.undecodable_frames, statistics.incomplete_frames), (marked as u64, 0));
}

#[test]
fn rtpdumps_of_libwebrtc() {
    for (format, name, packets, expected) in [
        (PayloadFormat::Vp8, "vp8/vp8.rtpdump", 175, 120),
        (PayloadFormat::Vp9, "vp9/vp9.rtpdump", 193, 119),
    ] {
        let Some(datagrams) = rtpdump(&format!("libwebrtc/corpora/rtpdump-corpus/{name}")) else {
            return;
        };
        assert_eq!(datagrams.len(), packets);
        let Assembled { frames, assembler } = assemble(format, &datagrams);
        assert_eq!(frames.len(), expected, "{name}");
        assert!(frames[0].keyframe);
        let statistics = assembler.statistics();
        assert_eq!((statistics.malformed_packets, statistics.incomplete_frames), (0, 0));
        assert_eq!(assembler.first_missing(), None);
    }
}

/// Packetises and assembles one frame.
fn round_trip(format: PayloadFormat, frame: &[u8], max_payload: usize) -> Vec<EncodedFrame> {
    let mut packetizer = Packetizer::new(format, PacketizerOptions::default());
    let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
    let mut sequence = 0;
    packetizer
        .packetize(frame, &FrameInfo::default(), max_payload, &mut |parts, marker| {
            let inserted = assembler.insert(sequence, 0, marker, parts.concat().into(), None);
            assert_eq!(inserted, Insertion::Stored);
            sequence += 1;
        })
        .unwrap();
    std::iter::from_fn(|| assembler.poll_frame()).collect()
}

/// The frames of an IVF file.
fn ivf_frames(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = &file[32..];
    let mut out = Vec::new();
    while let [a, b, c, d, tail @ ..] = rest {
        let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let Some(frame) = tail.get(8..8 + size) else { break };
        out.push(frame);
        rest = &tail[8 + size..];
    }
    out
}

#[test]
fn published_vp8_streams_survive() {
    let Some(root) = corpus("vp8-test-vectors") else { return };
    let mut streams = 0;
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ivf") {
            continue;
        }
        let file = fs::read(&path).unwrap();
        let size =
            (u16::from_le_bytes([file[12], file[13]]), u16::from_le_bytes([file[14], file[15]]));
        let frames: Vec<_> = ivf_frames(&file).into_iter().filter(|f| !f.is_empty()).collect();
        let mut packetizer = Packetizer::new(PayloadFormat::Vp8, PacketizerOptions::default());
        let mut assembler = FrameAssembler::new(PayloadFormat::Vp8, AssemblerConfig::default());
        let mut sequence = 0;
        for (index, frame) in frames.iter().enumerate() {
            packetizer
                .packetize(frame, &FrameInfo::default(), 1200, &mut |parts, marker| {
                    let payload = parts.concat().into();
                    assembler.insert(sequence, index as u32, marker, payload, None);
                    sequence += 1;
                })
                .unwrap();
            let out = assembler.poll_frame().unwrap();
            assert_eq!(&out.data[..], *frame, "{path:?}");
            if index == 0 {
                assert!(out.keyframe);
                // Where the stream asks for scaling the file has the scaled size.
                let scaled = (frame[7] | frame[9]) & 0xC0 != 0;
                assert!(scaled || out.dimensions == Some(size), "{path:?}");
            }
        }
        streams += 1;
    }
    println!("{streams} streams");
    assert!(streams > 50);
}

#[test]
fn published_h264_streams_survive() {
    let Some(root) = corpus("openh264") else { return };
    let mut units = 0;
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        let file = fs::read(&path).unwrap();
        let original: Vec<_> = NalUnits::new(&file).collect();
        if !original.iter().any(|unit| unit[0] & 0x1F == 5) {
            continue; // a stream that no keyframe begins
        }
        for max_payload in [100, 1200] {
            // The whole stream as if it were one access unit: what matters here is that no byte changes.
            let frames = round_trip(H264, &file, max_payload);
            assert_eq!(frames.len(), 1, "{path:?}");
            assert!(frames[0].dimensions.is_some(), "{path:?}");
            let back: Vec<_> = NalUnits::new(&frames[0].data).collect();
            assert_eq!(back, original, "{path:?}");
        }
        units += original.len();
    }
    println!("{units} NAL units");
    assert!(units > 1000);
}

#[test]
fn published_av1_streams_survive() {
    let Some(path) = corpus("ex_webrtc/ivf/av1_correct.ivf") else { return };
    let file = fs::read(path).unwrap();
    for frame in ivf_frames(&file) {
        let frames = round_trip(PayloadFormat::Av1, frame, 120);
        let Some(first) = frames.first() else { continue }; // not a keyframe
        // All but the temporal delimiter that stands first.
        assert_eq!(frame[..2], av1::TEMPORAL_DELIMITER);
        assert_eq!(first.data[..], frame[2..]);
        assert!(first.dimensions.is_some());
    }
}

#[test]
fn packets_of_aiortc_and_libwebrtc_are_read() {
    let reader = Depacketizer::new(H264);
    for (name, keyframe, media) in [
        ("aiortc/h264_0000.bin", true, 2),
        ("aiortc/h264_0001.bin", true, 1),
        ("aiortc/h264_0002.bin", true, 1),
        ("aiortc/h264_0003.bin", false, 1),
    ] {
        let Some(path) = corpus(name) else { return };
        let descriptor = reader.read(&fs::read(path).unwrap()).unwrap();
        assert_eq!((descriptor.keyframe, descriptor.media.len()), (keyframe, media), "{name}");
    }
    for name in ["h264-0", "h264-1"] {
        let Some(path) =
            corpus(&format!("libwebrtc/corpora/h264-depacketizer-fuzzer-corpus/{name}"))
        else {
            return;
        };
        let _ = reader.read(&fs::read(path).unwrap());
    }
}
