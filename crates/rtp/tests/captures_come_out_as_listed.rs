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

/// Puts packets together as they come. What is missing is given up at once, for captures have it nowhere.
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
        if assembler.first_missing().is_some() {
            assembler.give_up_before(sequence);
            frames.extend(std::iter::from_fn(|| assembler.poll_frame()));
        }
    }
    Assembled { frames, assembler }
}

/// A frame of a listing.
struct Listed {
    timestamp: u32,
    /// The numbers of its first and its last packet, and how many there are.
    numbers: (u16, u16),
    packets: usize,
    marker: bool,
    keyframe: bool,
    /// tshark says that it is cut off.
    broken: bool,
}

fn listing(name: &str, key: Option<&str>) -> Option<Vec<Listed>> {
    let text = fs::read_to_string(corpus(name)?).unwrap();
    let after = |line: &str, word: &str| -> u32 {
        let value = line.split(word).nth(1).unwrap();
        value.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let mut out: Vec<Listed> = Vec::new();
    for line in text.lines().filter(|line| line.contains("Time=")) {
        let (number, timestamp) = (after(line, "Seq=") as u16, after(line, "Time="));
        if out.last().is_none_or(|last| last.timestamp != timestamp) {
            let numbers = (number, number);
            // Where the listing does not tell keyframes, the first frame is one.
            let keyframe = key.is_none() && out.is_empty();
            let (marker, broken) = (false, false);
            out.push(Listed { timestamp, numbers, packets: 0, marker, keyframe, broken });
        }
        let frame = out.last_mut().unwrap();
        frame.numbers.1 = number;
        frame.packets += 1;
        frame.marker |= line.contains("Mark");
        // "IDR-Slice", but not "non-IDR-Slice".
        frame.keyframe |= key.is_some_and(|key| line.split([' ', ':']).any(|word| word == key));
        frame.broken |= line.contains("[Bad");
    }
    Some(out)
}

/// Those of the listing that can be decoded: they are whole, and so is all between them and the keyframe before.
fn decodable(listed: &[Listed]) -> Vec<&Listed> {
    let (mut intact, mut last) = (false, None);
    let is_decodable = |frame: &&Listed| {
        let (first, end) = frame.numbers;
        let spanned = usize::from(end.wrapping_sub(first)) + 1;
        let whole = frame.marker && !frame.broken && frame.packets == spanned;
        let follows = last.is_none_or(|last: u16| last.wrapping_add(1) == first);
        intact = whole && (frame.keyframe || intact && follows);
        last = Some(end);
        intact
    };
    listed.iter().filter(is_decodable).collect()
}

/// Every frame that the listing has whole and decodable comes out, with the packets it has there, and no other does.
fn compare(
    format: PayloadFormat,
    name: &str,
    key: Option<&str>,
    (expected, ends_in_need): (usize, bool),
) {
    let Some(datagrams) = datagrams(&format!("str0m/{name}.pcap")) else { return };
    let Some(all) = listing(&format!("str0m/{name}.txt"), key) else { return };
    let listed = decodable(&all);
    assert_eq!(listed.len(), expected, "{name}, of {} frames", all.len());
    let Assembled { frames, assembler } = assemble(format, &datagrams);
    let seen: Vec<_> = frames
        .iter()
        .map(|frame| {
            let packets = (frame.last_sequence - frame.first_sequence + 1) as usize;
            (frame.timestamp, packets, frame.marker, frame.keyframe)
        })
        .collect();
    let listed: Vec<_> = listed
        .iter()
        .map(|frame| (frame.timestamp, frame.packets, frame.marker, frame.keyframe))
        .collect();
    assert_eq!(seen, listed, "{name}");
    assert!(frames[0].dimensions.is_some(), "{name}");
    assert_eq!(assembler.needs_keyframe(), ends_in_need, "{name}");
    let statistics = assembler.statistics();
    let broken = all.iter().filter(|frame| frame.broken).count();
    assert_eq!(statistics.malformed_packets, broken as u64, "{name}");
    assert_eq!(assembler.first_missing(), None, "{name}");
}

#[test]
fn vp8() {
    compare(PayloadFormat::Vp8, "vp8", Some("Keyframe"), (101, false));
}

#[test]
fn vp9() {
    // From the 18th packet on nearly every other one is missing, and no keyframe comes any more.
    compare(PayloadFormat::Vp9, "vp9", None, (16, true));
}

#[test]
fn h264() {
    // An IDR slice is cut off ("Bad NAL Length"), and three packets are missing: each time, nothing can be decoded until
    // the next IDR slice.
    compare(H264, "h264", Some("IDR-Slice"), (145, true));
}

#[test]
fn av1() {
    // The last of 45 frames is cut off.
    compare(PayloadFormat::Av1, "av1", None, (44, false));
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

/// Nine packets that once brought a depacketiser down: they are taken for what they are, and no frame comes of them.
#[test]
fn an_rtpdump_that_did_harm_to_others_does_none() {
    let Some(datagrams) = rtpdump("libwebrtc/corpora/rtpdump-corpus/vp9/b353565743.rtpdump") else {
        return;
    };
    assert_eq!(datagrams.len(), 9);
    let Assembled { frames, assembler } = assemble(PayloadFormat::Vp9, &datagrams);
    assert!(frames.is_empty());
    let statistics = assembler.statistics();
    // Two begin pictures of which nothing else comes; the rest lie far behind.
    let counts = (statistics.incomplete_frames, statistics.late_packets);
    assert_eq!((counts, statistics.malformed_packets), ((2, 7), 0));
}

/// Voice as libwebrtc's tests have it: with gaps where packets of it were taken out, and with comfort noise. Each packet is a
/// frame, whatever is missing before it.
#[test]
fn rtpdumps_of_voice() {
    // Packets of audio, those of them with another payload type than the most, and gaps between their numbers.
    type Counts = (usize, usize, usize);
    let files: [(&str, PayloadFormat, u8, usize, Counts); 11] = [
        ("HRTF_pcm16wb", PayloadFormat::L16, 125, 1280, (1192, 0, 0)),
        ("HRTF_pcm16wb_jitter", PayloadFormat::L16, 125, 1280, (1173, 0, 642)),
        ("hrtf_g722_1C_48", PayloadFormat::G722, 125, 240, (1192, 0, 0)),
        ("hrtf_g722_1C_48_jitterT2", PayloadFormat::G722, 125, 240, (1176, 0, 164)),
        ("stereo_g729", PayloadFormat::Raw, 18, 40, (2062, 0, 0)),
        ("stereo_g729_jitter", PayloadFormat::Raw, 18, 40, (2009, 0, 1114)),
        ("stereo_pcmu", PayloadFormat::Pcmu, 125, 320, (2062, 0, 0)),
        ("stereo_pcmu_jitter", PayloadFormat::Pcmu, 125, 320, (2009, 0, 1114)),
        ("stereo_pcmu_vad", PayloadFormat::Pcmu, 125, 320, (1857, 32, 0)),
        ("stereo_pcmu_vad_jitter", PayloadFormat::Pcmu, 125, 320, (1811, 31, 981)),
        ("toggling_stereo_g729_pt18_pt125", PayloadFormat::Raw, 18, 0, (13934, 6833, 0)),
    ];
    for (name, format, payload_type, len, expected) in files {
        let Some(datagrams) = rtpdump(&format!("libwebrtc/voice_engine/{name}.rtp")) else {
            return;
        };
        let packets: Vec<_> =
            datagrams.iter().map(|data| RtpPacket::parse(data).unwrap()).collect();
        let number = |packet: &RtpPacket<'_>| packet.sequence_number().0;
        let others = |packet: &&RtpPacket<'_>| packet.payload_type().get() != payload_type;
        let gaps =
            packets.windows(2).filter(|two| number(&two[1]).wrapping_sub(number(&two[0])) != 1);
        let counts = (packets.len(), packets.iter().filter(others).count(), gaps.count());
        assert_eq!(counts, expected, "{name}");
        let of_type = |packet: &&RtpPacket<'_>| !others(packet);
        let audio: Vec<_> = packets.iter().filter(of_type).map(|p| p.as_bytes().to_vec()).collect();
        let Assembled { frames, assembler } = assemble(format, &audio);
        let payloads = packets.iter().filter(of_type).map(|packet| packet.payload());
        if format == PayloadFormat::Raw {
            // A codec we do not know: the marker, which only begins a talkspurt, would end a frame.
            assert!(frames.len() <= audio.len(), "{name}");
        } else {
            assert!(payloads.eq(frames.iter().map(|frame| &frame.data[..])), "{name}");
            assert!(frames.iter().all(|frame| frame.data.len() == len), "{name}");
        }
        assert_eq!(assembler.statistics().malformed_packets, 0, "{name}");
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

/// The seed of libwebrtc's fuzzer of AV1 frames: as it is, and cut into two packets anywhere.
#[test]
fn the_av1_seed_of_libwebrtc_does_no_harm() {
    let folder = "libwebrtc/corpora/rtp-depacketizer-av1-assemble-frame-corpus";
    let Some(path) = corpus(&format!("{folder}/av1-assemble-frame-0")) else { return };
    let data = fs::read(path).unwrap();
    for at in 0..data.len() {
        let mut assembler = FrameAssembler::new(PayloadFormat::Av1, AssemblerConfig::default());
        let parts = [&data[..at], &data[at..]];
        for (sequence, part) in parts.into_iter().filter(|part| !part.is_empty()).enumerate() {
            let payload = Bytes::copy_from_slice(part);
            assembler.insert(sequence as u64, 0, sequence == 1, payload, None);
        }
        // Its first unit begins none that came before, so nothing of it is a frame.
        assert!(assembler.poll_frame().is_none(), "cut at {at}");
    }
}
