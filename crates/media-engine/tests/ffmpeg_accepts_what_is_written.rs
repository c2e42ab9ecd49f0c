//! Files made by ffmpeg are read, their frames go through RTP packets and back, are written, and ffmpeg decodes what
//! was written without a complaint, frame for frame. Skipped where ffmpeg is not installed.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use bytes::Bytes;
use peerage_media::files::{
    AnnexBCodec, AnnexBReader, AnnexBWriter, Datagram, IvfHeader, IvfReader, IvfWriter,
    MatroskaTracks, MatroskaVideo, MatroskaWriter, ObuReader, ObuStreamFormat, ObuWriter,
    OggOpusReader, OggOpusWriter, OpusHead, PcapReader, PcapWriter, RtpDumpReader, RtpDumpWriter,
    WavFormat, WavReader, WavWriter,
};
use peerage_rtp::payload::{
    AssemblerConfig, EncodedFrame, FrameAssembler, FrameInfo, PacketizationMode, Packetizer,
    PacketizerOptions, PayloadFormat,
};

const H264: PayloadFormat =
    PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Scratch {
    /// `None`, and says so, where ffmpeg or one of its encoders is missing.
    fn new(name: &str, encoder: &str) -> Option<Self> {
        let has_ffprobe = Command::new("ffprobe").arg("-version").output().is_ok();
        let encoders = Command::new("ffmpeg").args(["-v", "quiet", "-encoders"]).output();
        let known =
            encoders.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains(encoder));
        if !has_ffprobe || !known {
            println!("skipped: no ffmpeg with {encoder}");
            return None;
        }
        let path =
            std::env::temp_dir().join(format!("peerage-files-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Some(Self(path))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Has ffmpeg make a file of a test picture or tone.
    fn generate(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let out = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-threads", "1", "-f", "lavfi"])
            .args(arguments.split_whitespace())
            .arg(&path)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Decodes a file: ffmpeg says nothing, and ffprobe counts the frames (or packets, for audio).
fn assert_decodes(path: &Path, stream: &str, frames: usize) {
    let out = Command::new("ffmpeg")
        .args(["-v", "warning", "-xerror", "-i"])
        .arg(path)
        // With the times of the file: by default they are rounded to whole pictures.
        .args(["-enc_time_base", "-1", "-f", "null", "-"])
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success() && complaints.is_empty(), "{}: {complaints}", path.display());
    let out = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-select_streams", stream])
        .args(["-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .unwrap();
    let counted = String::from_utf8_lossy(&out.stdout);
    assert_eq!(counted.trim(), frames.to_string(), "{}", path.display());
}

/// The frames packetised and assembled again, at 90,000 ticks and 25 frames to the second.
fn over_rtp(format: PayloadFormat, frames: &[Bytes]) -> Vec<EncodedFrame> {
    let mut packetizer = Packetizer::new(format, PacketizerOptions::default());
    let mut assembler = FrameAssembler::new(format, AssemblerConfig::default());
    let mut sequence = 0;
    let mut out = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        packetizer
            .packetize(frame, &FrameInfo::default(), 1100, &mut |parts, marker| {
                let payload = parts.concat().into();
                assembler.insert(sequence, index as u32 * 3600, marker, payload, None);
                sequence += 1;
            })
            .unwrap();
        out.extend(std::iter::from_fn(|| assembler.poll_frame()));
    }
    assert_eq!(out.len(), frames.len());
    assert!(out.iter().any(|frame| frame.keyframe) && !out.iter().all(|frame| frame.keyframe));
    out
}

fn time(frame: &EncodedFrame) -> Duration {
    Duration::from_millis(u64::from(frame.timestamp) / 90)
}

const PICTURE: &str = "-i testsrc=size=320x240:rate=25:duration=1.2 -pix_fmt yuv420p -g 10";

fn ivf_case(format: PayloadFormat, encoder: &str, arguments: &str, video: MatroskaVideo) {
    let Some(scratch) = Scratch::new(encoder, encoder) else { return };
    let path = scratch.generate("in.ivf", &format!("{PICTURE} -c:v {encoder} {arguments}"));
    let reader = IvfReader::new(BufReader::new(File::open(&path).unwrap())).unwrap();
    let header = *reader.header();
    assert_eq!((header.width, header.height), (320, 240));
    let frames: Vec<_> = reader.map(|frame| frame.unwrap().data).collect();
    assert!(frames.len() >= 20);
    let assembled = over_rtp(format, &frames);
    assert_eq!(assembled[0].dimensions, Some((320, 240)));

    let out = scratch.path("out.ivf");
    let header = IvfHeader::new(header.fourcc, 320, 240);
    let mut writer = IvfWriter::new(File::create(&out).unwrap(), header).unwrap();
    for frame in &assembled {
        writer.write_frame(u64::from(frame.timestamp), &frame.data).unwrap();
    }
    writer.finish_seekable().unwrap();
    assert_decodes(&out, "v:0", frames.len());
    let again = IvfReader::new(File::open(&out).unwrap()).unwrap();
    assert_eq!(again.header().frames as usize, frames.len());
    if format != PayloadFormat::Av1 {
        assert!(again.map(|frame| frame.unwrap().data).eq(frames.iter().cloned()));
    }

    // Without dimensions the first keyframe tells them.
    for (seekable, width, height) in [(false, 320, 240), (true, 0, 0)] {
        let tracks = MatroskaTracks { video: Some((video, width, height)), audio: None };
        let out = scratch.path("out.webm");
        let mut writer = MatroskaWriter::new(File::create(&out).unwrap(), tracks).unwrap();
        for frame in &assembled {
            writer.write_video(time(frame), frame.keyframe, &frame.data).unwrap();
        }
        if seekable { writer.finish_seekable() } else { writer.finish() }.unwrap();
        assert_decodes(&out, "v:0", frames.len());
        // PixelWidth of two bytes, then PixelHeight of one (RFC 9559 §5.1.4.1.28.6).
        let said = [0xB0, 0x82, 1, 64, 0xBA, 0x81, 240];
        let written = fs::read(&out).unwrap();
        assert!(written.windows(said.len()).any(|window| window == said));
    }

    if format == PayloadFormat::Av1 {
        let out = scratch.path("out.obu");
        let mut writer = ObuWriter::new(File::create(&out).unwrap());
        assembled.iter().for_each(|frame| writer.write_frame(&frame.data).unwrap());
        writer.finish().unwrap();
        assert_decodes(&out, "v:0", frames.len());
        let units = ObuReader::new(File::open(&out).unwrap(), ObuStreamFormat::LowOverhead);
        assert!(units.map(Result::unwrap).eq(assembled.iter().map(|frame| frame.data.clone())));
    }
}

#[test]
fn vp8() {
    ivf_case(
        PayloadFormat::Vp8,
        "libvpx",
        "-b:v 300k -cpu-used 8 -auto-alt-ref 0",
        MatroskaVideo::Vp8,
    );
}

#[test]
fn vp9() {
    let arguments = "-b:v 300k -cpu-used 8 -deadline realtime -lag-in-frames 0";
    ivf_case(PayloadFormat::Vp9, "libvpx-vp9", arguments, MatroskaVideo::Vp9);
}

#[test]
fn av1() {
    let arguments = "-b:v 300k -cpu-used 8 -usage realtime -lag-in-frames 0";
    ivf_case(PayloadFormat::Av1, "libaom-av1", arguments, MatroskaVideo::Av1);
}

fn annex_b_case(format: PayloadFormat, codec: AnnexBCodec, encoder: &str, extension: &str) {
    let Some(scratch) = Scratch::new(encoder, encoder) else { return };
    // Several slices to the picture.
    let options = match codec {
        AnnexBCodec::H264 => "-x264-params slices=3:bframes=0:log=-1",
        AnnexBCodec::H265 => "-x265-params slices=2:bframes=0:repeat-headers=1:log-level=none",
    };
    let arguments = format!("{PICTURE} -c:v {encoder} -preset ultrafast {options}");
    let path = scratch.generate(&format!("in.{extension}"), &arguments);
    let units: Vec<_> =
        AnnexBReader::new(File::open(&path).unwrap(), codec).map(Result::unwrap).collect();
    assert_eq!(units.len(), 30);
    let frames: Vec<_> = units.iter().map(|unit| unit.data.clone()).collect();
    let assembled = over_rtp(format, &frames);
    assert_eq!(assembled[0].dimensions, Some((320, 240)));
    for (frame, unit) in assembled.iter().zip(&units) {
        assert_eq!((&frame.data, frame.keyframe), (&unit.data, unit.keyframe));
    }

    let out = scratch.path(&format!("out.{extension}"));
    let mut writer = AnnexBWriter::new(File::create(&out).unwrap());
    assembled.iter().for_each(|frame| writer.write_frame(&frame.data).unwrap());
    writer.finish().unwrap();
    assert_decodes(&out, "v:0", frames.len());

    if codec == AnnexBCodec::H264 {
        let out = scratch.path("out.mkv");
        let tracks = MatroskaTracks { video: Some((MatroskaVideo::H264, 0, 0)), audio: None };
        let mut writer = MatroskaWriter::new(File::create(&out).unwrap(), tracks).unwrap();
        for frame in &assembled {
            writer.write_video(time(frame), frame.keyframe, &frame.data).unwrap();
        }
        writer.finish_seekable().unwrap();
        assert_decodes(&out, "v:0", frames.len());
    }
}

#[test]
fn h264() {
    annex_b_case(H264, AnnexBCodec::H264, "libx264", "264");
}

#[test]
fn h265() {
    annex_b_case(PayloadFormat::H265, AnnexBCodec::H265, "libx265", "265");
}

#[test]
fn opus_in_ogg_and_webm() {
    let Some(scratch) = Scratch::new("opus", "libopus") else { return };
    let path = scratch.generate("in.opus", "-i sine=frequency=440:duration=3 -c:a libopus -ac 2");
    let reader = OggOpusReader::new(File::open(&path).unwrap()).unwrap();
    assert_eq!(reader.head().channels, 2);
    let head = reader.head().clone();
    let packets: Vec<_> = reader.map(Result::unwrap).collect();
    assert!(packets.len() >= 150 && packets.iter().all(|packet| packet.duration == 960));
    assert_eq!(packets[10].timestamp, 9600);

    let out = scratch.path("out.opus");
    let mut writer = OggOpusWriter::new(File::create(&out).unwrap(), &head, 7).unwrap();
    for (index, packet) in packets.iter().enumerate() {
        if index == 50 {
            writer.skip(5 * 960 + 100).unwrap();
        }
        writer.write_packet(&packet.data).unwrap();
    }
    assert_eq!(writer.samples(), (packets.len() as u64 + 5) * 960);
    writer.finish().unwrap();
    assert_decodes(&out, "a:0", packets.len() + 5);
    let again: Vec<_> =
        OggOpusReader::new(File::open(&out).unwrap()).unwrap().map(Result::unwrap).collect();
    assert_eq!((again.len(), &again[60].data), (packets.len() + 5, &packets[55].data));

    let out = scratch.path("out.webm");
    let tracks = MatroskaTracks { video: None, audio: Some(OpusHead::new(2)) };
    let mut writer = MatroskaWriter::new(File::create(&out).unwrap(), tracks).unwrap();
    for packet in &packets {
        writer
            .write_audio(Duration::from_micros(packet.timestamp * 125 / 6), &packet.data)
            .unwrap();
    }
    writer.finish().unwrap();
    assert_decodes(&out, "a:0", packets.len());
}

#[test]
fn picture_and_sound_in_one_webm() {
    let Some(scratch) = Scratch::new("both", "libopus") else { return };
    let vp8 =
        scratch.generate("in.ivf", &format!("{PICTURE} -c:v libvpx -cpu-used 8 -auto-alt-ref 0"));
    let opus = scratch.generate("in.opus", "-i sine=duration=1.2 -c:a libopus");
    let frames: Vec<_> =
        IvfReader::new(File::open(vp8).unwrap()).unwrap().map(Result::unwrap).collect();
    let packets: Vec<_> =
        OggOpusReader::new(File::open(opus).unwrap()).unwrap().map(Result::unwrap).collect();
    let out = scratch.path("out.webm");
    let tracks = MatroskaTracks {
        video: Some((MatroskaVideo::Vp8, 320, 240)),
        audio: Some(OpusHead::new(1)),
    };
    let mut writer = MatroskaWriter::new(File::create(&out).unwrap(), tracks).unwrap();
    let mut packet = packets.iter();
    // The sound begins first, and waits for the picture.
    for p in packet.by_ref().take(3) {
        writer.write_audio(Duration::from_millis(p.timestamp / 48), &p.data).unwrap();
    }
    for (index, frame) in frames.iter().enumerate() {
        let keyframe = frame.data[0] & 1 == 0;
        writer
            .write_video(Duration::from_millis(index as u64 * 40), keyframe, &frame.data)
            .unwrap();
        for p in packet.by_ref().take(2) {
            writer.write_audio(Duration::from_millis(p.timestamp / 48), &p.data).unwrap();
        }
    }
    for p in packet {
        writer.write_audio(Duration::from_millis(p.timestamp / 48), &p.data).unwrap();
    }
    writer.finish_seekable().unwrap();
    assert_decodes(&out, "v:0", frames.len());
    assert_decodes(&out, "a:0", packets.len());
}

/// RTP counts finer than the file does.
#[test]
fn pictures_less_than_a_millisecond_apart() {
    let Some(scratch) = Scratch::new("close", "libvpx") else { return };
    let vp8 =
        scratch.generate("in.ivf", &format!("{PICTURE} -c:v libvpx -cpu-used 8 -auto-alt-ref 0"));
    let frames: Vec<_> =
        IvfReader::new(File::open(vp8).unwrap()).unwrap().map(Result::unwrap).collect();
    let out = scratch.path("out.webm");
    let tracks = MatroskaTracks { video: Some((MatroskaVideo::Vp8, 320, 240)), audio: None };
    let mut writer = MatroskaWriter::new(File::create(&out).unwrap(), tracks).unwrap();
    for (index, frame) in frames.iter().enumerate() {
        let time = Duration::from_micros(index as u64 / 2 * 40_000 + index as u64 % 2 * 500);
        writer.write_video(time, frame.data[0] & 1 == 0, &frame.data).unwrap();
    }
    writer.finish().unwrap();
    assert_decodes(&out, "v:0", frames.len());
}

#[test]
fn wav() {
    let Some(scratch) = Scratch::new("wav", "pcm_s16le") else { return };
    let path =
        scratch.generate("in.wav", "-i sine=frequency=440:duration=0.5 -c:a pcm_s16le -ac 2");
    let mut reader = WavReader::new(File::open(path).unwrap()).unwrap();
    let format = WavFormat { sample_rate: 44_100, channels: 2 };
    assert_eq!(reader.format(), format);
    let mut samples = vec![0; 100_000];
    let count = reader.read(&mut samples).unwrap();
    assert_eq!(count, 44_100);
    assert!(samples.iter().any(|&sample| sample > 1000));
    let out = scratch.path("out.wav");
    let mut writer = WavWriter::new(File::create(&out).unwrap(), format).unwrap();
    writer.write(&samples[..count]).unwrap();
    assert!(writer.write(&samples[..1]).is_err());
    writer.finish().unwrap();
    let mut again = vec![0; 100_000];
    let mut reader = WavReader::new(File::open(&out).unwrap()).unwrap();
    assert_eq!(reader.read(&mut again).unwrap(), count);
    assert_eq!(again, samples);
}

#[test]
fn captures_survive() {
    let datagrams: Vec<Datagram> = (0..20u8)
        .map(|index| {
            let address = |port| {
                let ip = if index % 2 == 0 { "192.0.2.7" } else { "2001:db8::1" };
                std::net::SocketAddr::new(ip.parse().unwrap(), port)
            };
            Datagram {
                time: Duration::from_micros(1_700_000_000_000_000 + u64::from(index)),
                source: address(5000),
                destination: address(6000),
                data: vec![0x80 | index; 12 + usize::from(index)].into(),
            }
        })
        .collect();
    let mut writer = PcapWriter::new(Vec::new()).unwrap();
    for d in &datagrams {
        writer.write_datagram(d.time, d.source, d.destination, &d.data).unwrap();
    }
    let file = writer.finish().unwrap();
    let mut reader = PcapReader::new(&file[..]).unwrap();
    let again: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!((again, reader.skipped()), (datagrams.clone(), 0));

    let address = std::net::Ipv4Addr::LOCALHOST;
    let mut writer = RtpDumpWriter::new(Vec::new(), Duration::from_secs(5), address, 9).unwrap();
    for (index, d) in datagrams.iter().enumerate() {
        writer.write_packet(Duration::from_millis(index as u64), index % 3 == 0, &d.data).unwrap();
    }
    let file = writer.finish().unwrap();
    let again: Vec<_> = RtpDumpReader::new(&file[..]).unwrap().map(Result::unwrap).collect();
    assert_eq!(again.len(), datagrams.len());
    for (index, (packet, d)) in again.iter().zip(&datagrams).enumerate() {
        assert_eq!(packet.data, d.data);
        assert_eq!((packet.time.as_millis() as usize, packet.is_rtcp), (index, index % 3 == 0));
    }

    // tshark finds the checksums right.
    let Ok(version) = Command::new("tshark").arg("-v").output() else {
        println!("skipped: no tshark");
        return;
    };
    assert!(version.status.success());
    let mut writer = PcapWriter::new(Vec::new()).unwrap();
    for d in &datagrams {
        writer.write_datagram(d.time, d.source, d.destination, &d.data).unwrap();
    }
    let path = std::env::temp_dir().join(format!("peerage-files-{}.pcap", std::process::id()));
    fs::write(&path, writer.finish().unwrap()).unwrap();
    let out = Command::new("tshark")
        .args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r"])
        .arg(&path)
        .args(["-Y", "udp.checksum.status == 1 && udp.port == 6000"])
        .output()
        .unwrap();
    let _ = fs::remove_file(&path);
    assert_eq!(String::from_utf8_lossy(&out.stdout).lines().count(), datagrams.len());
}
