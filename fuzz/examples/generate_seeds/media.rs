//! Seeds of the targets of peerage-media: small files of each kind, packets of sound, and calls of the buffer for pictures. The first byte
//! of each input of the first two chooses the reader or decoder.

use std::{io::Cursor, net::Ipv4Addr, time::Duration};

use peerage_media::codec::{BuiltIn, CodecFactory, CodecSpec, PictureRequest};
use peerage_media::files::{
    AnnexBWriter, IvfHeader, IvfWriter, MatroskaTracks, MatroskaVideo, MatroskaWriter, ObuWriter,
    OggOpusWriter, OpusHead, PcapWriter, RtpDumpWriter, WavFormat, WavWriter, Y4mHeader, Y4mWriter,
};

use peerage_media::video::{VideoFrame, pattern::colour_bars};
use peerage_rtp::payload::{PacketizationMode, PayloadFormat};

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    audio_packets(sink);
    video_jitter(sink);
    played(sink);
    recorded(sink);
    let seed = |choice: u8, name: &str, file: &[u8]| {
        sink.seed("media_files", name, &[&[choice], file].concat());
    };
    const FITS: &str = "what is written here fits the format";

    let mut ivf = IvfWriter::new(Vec::new(), IvfHeader::new(IvfHeader::VP8, 64, 48)).expect(FITS);
    for time in 0..3 {
        ivf.write_frame(time, &[1; 20]).expect(FITS);
    }
    seed(0, "ivf", &ivf.finish().expect(FITS));

    for (choice, name, units) in [
        (1, "h264", [[0, 0, 0, 1, 0x67, 66], [0, 0, 0, 1, 0x65, 0x88], [0, 0, 0, 1, 0x41, 0x9A]]),
        (2, "h265", [[0, 0, 1, 0x42, 1, 1], [0, 0, 1, 0x26, 1, 0x80], [0, 0, 1, 2, 1, 0x80]]),
    ] {
        let mut writer = AnnexBWriter::new(Vec::new());
        units.iter().for_each(|unit| writer.write_frame(unit).expect(FITS));
        seed(choice, name, &writer.finish().expect(FITS));
    }

    let mut obu = ObuWriter::new(Vec::new());
    for _ in 0..2 {
        obu.write_frame(&[0x0A, 3, 0, 0, 0, 0x32, 4, 1, 2, 3, 4]).expect(FITS);
    }
    seed(3, "obu", &obu.finish().expect(FITS));
    seed(4, "obu_delimited", &[9, 8, 1, 0x10, 5, 0x30, 1, 2, 3, 4]);

    let mut ogg = OggOpusWriter::new(Vec::new(), &OpusHead::new(2), 1).expect(FITS);
    for _ in 0..60 {
        ogg.write_packet(&[0xFC, 1, 2]).expect(FITS);
    }
    seed(5, "ogg", &ogg.finish().expect(FITS));

    let mut dump =
        RtpDumpWriter::new(Vec::new(), Duration::ZERO, Ipv4Addr::LOCALHOST, 9).expect(FITS);
    dump.write_packet(Duration::ZERO, false, &[0x80; 12]).expect(FITS);
    dump.write_packet(Duration::from_millis(5), true, &[0x81; 8]).expect(FITS);
    seed(6, "rtpdump", &dump.finish().expect(FITS));

    let mut pcap = PcapWriter::new(Vec::new()).expect(FITS);
    let address = |ip: &str| std::net::SocketAddr::new(ip.parse().expect(FITS), 5000);
    for ip in ["192.0.2.1", "2001:db8::1"] {
        pcap.write_datagram(Duration::ZERO, address(ip), address(ip), &[0x80; 12]).expect(FITS);
    }
    seed(7, "pcap", &pcap.finish().expect(FITS));

    let mut wav = Cursor::new(Vec::new());
    let format = WavFormat { sample_rate: 8000, channels: 1 };
    let mut writer = WavWriter::new(&mut wav, format).expect(FITS);
    writer.write(&[1, 2, 3, 4]).expect(FITS);
    writer.finish().expect(FITS);
    seed(8, "wav", &wav.into_inner());
    seed(9, "y4m", &y4m());
    seed(10, "matroska", &matroska(MatroskaVideo::Vp8, &VP8));
    let sets = [0, 0, 0, 1, 0x67, 66, 0, 31, 0x95, 0, 0, 0, 1, 0x68, 0xCE, 0, 0, 0, 1, 0x65, 0x88];
    seed(10, "matroska_h264", &matroska(MatroskaVideo::H264, &sets));
    video_frames(sink);
}

/// The head of a keyframe of VP8, of 16x16.
const VP8: [u8; 12] = [0x10, 2, 0, 0x9D, 1, 0x2A, 16, 0, 16, 0, 0, 0];
/// 20 ms of Opus.
const OPUS: [u8; 9] = [0xF8, 0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC, 0xDE, 0xF0];

fn y4m() -> Vec<u8> {
    let header = Y4mHeader { width: 5, height: 3, rate_numerator: 30_000, rate_denominator: 1001 };
    let mut y4m = Y4mWriter::new(Vec::new(), header).expect("a header");
    for _ in 0..2 {
        y4m.write_picture(&colour_bars(5, 3)).expect("a picture of this size");
    }
    y4m.finish().expect("memory")
}

fn matroska(video: MatroskaVideo, keyframe: &[u8]) -> Vec<u8> {
    let tracks = MatroskaTracks { video: Some((video, 0, 0)), audio: Some(OpusHead::new(2)) };
    let mut matroska = MatroskaWriter::new(Cursor::new(Vec::new()), tracks).expect("two tracks");
    for number in 0..3 {
        let time = Duration::from_millis(20 * number);
        matroska.write_video(time, number % 2 == 0, keyframe).expect("a keyframe");
        matroska.write_audio(time, &OPUS).expect("a packet");
    }
    matroska.finish_seekable().expect("a file").into_inner()
}

/// Files of each kind that is played.
fn played(sink: &Sink) {
    const FITS: &str = "what is written here fits the format";
    let seed = |name: &str, file: &[u8]| sink.seed("media_player", name, file);
    seed("y4m", &y4m());
    seed("webm", &matroska(MatroskaVideo::Vp8, &VP8));
    // Times that go ahead, back, and beyond all clocks.
    let mut ivf = IvfWriter::new(Vec::new(), IvfHeader::new(IvfHeader::VP8, 16, 16)).expect(FITS);
    for time in [0, 3_000, 900_000_000, 6_000, u64::MAX, 0] {
        ivf.write_frame(time, &VP8).expect(FITS);
    }
    seed("ivf", &ivf.finish().expect(FITS));
    let mut ogg = OggOpusWriter::new(Vec::new(), &OpusHead::new(2), 1).expect(FITS);
    (0..20).for_each(|_| ogg.write_packet(&OPUS).expect(FITS));
    seed("ogg", &ogg.finish().expect(FITS));
    let mut wav = Cursor::new(Vec::new());
    let format = WavFormat { sample_rate: 8_000, channels: 2 };
    let mut writer = WavWriter::new(&mut wav, format).expect(FITS);
    writer.write(&[100; 400]).expect(FITS);
    writer.finish().expect(FITS);
    seed("wav", &wav.into_inner());
}

/// What is recorded: the kind of file, and calls of four bytes.
fn recorded(sink: &Sink) {
    let seed = |name: &str, choice: u8, calls: &[[u8; 4]]| {
        sink.seed("media_recording", name, &[&[choice], calls.as_flattened()].concat());
    };
    // Blocks of 10 ms at 48 kHz, then of other rates and channels, then of other clocks.
    let even = [[102, 0, 60, 3]; 8];
    let odd =
        [[100, 1, 20, 3], [101, 7, 255, 250], [0, 0, 60, 3], [33, 255, 60, 3], [66, 9, 60, 3]];
    for (choice, name) in [(0, "wav"), (2, "ogg"), (3, "webm")] {
        seed(name, choice, &[&even[..], &odd[..], &even[..]].concat());
    }
    // Pictures that are turned, and of other sizes.
    let pictures = [[96, 15, 9, 8], [97, 15, 9, 8], [98, 3, 30, 200], [0, 1, 0, 8], [99, 0, 0, 8]];
    seed("y4m", 4 * 30 + 1, &pictures);
}

/// Packets, each with its length before it: one is decoded, one is the one after a lost one, and one is lost.
fn audio_packets(sink: &Sink) {
    let packets = |choice: u8, packet: &[u8]| {
        let mut input = vec![choice];
        for what in [0, 0x80, 0xc0, 0] {
            input.push(what | packet.len() as u8);
            input.extend(packet);
        }
        input
    };
    let seed = |name: &str, input: &[u8]| sink.seed("media_audio_decoders", name, input);
    seed("pcmu", &packets(0, &[0x7f; 40]));
    seed("pcma_stereo", &packets(7, &[0x55; 40]));
    seed("g722", &packets(2, &[0x9a; 40]));
    // 20 ms of the speech mode with the flag for redundancy, of both, and of the music mode; two frames; stereo.
    seed("opus_silk", &packets(27, &[0x48, 0xc0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0]));
    seed(
        "opus_hybrid",
        &packets(27, &[0x78, 0xc0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0]),
    );
    seed("opus_celt", &packets(27, &[0xf8, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0]));
    seed("opus_two_frames", &packets(28, &[0x49, 0xc0, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]));
    seed("opus_stereo_padded", &packets(28, &[0x7f, 0xc2, 2, 2, 0xa0, 0x12, 0x34, 0x56, 0, 0]));
    seed("comfort_noise", &[5, 60, 100, 140, 127, 120, 90]);
}

/// A keyframe and three frames after it of each codec of pictures, each with its length before it, by our own encoders. The bytes are
/// those of the libraries' versions.
fn video_frames(sink: &Sink) {
    let packetization_mode = PacketizationMode::NonInterleaved;
    for (choice, name, format) in [
        (0, "vp8", PayloadFormat::Vp8),
        (1, "vp9", PayloadFormat::Vp9),
        (2, "h264", PayloadFormat::H264 { packetization_mode }),
        (3, "av1", PayloadFormat::Av1),
    ] {
        let mut encoder = BuiltIn
            .video_encoder(&CodecSpec::new(format, 90_000, 1))
            .expect("a codec that is built in");
        let mut input = vec![choice];
        for number in 0..4u32 {
            // The second half is of another size.
            let mut picture = colour_bars(if number < 2 { 48 } else { 32 }, 32);
            picture.planes_mut().0[number as usize * 40..][..40].fill(200);
            let frame = VideoFrame::new(picture, number * Duration::from_millis(33));
            let mut out = Vec::new();
            let request = PictureRequest::default();
            encoder.encode(&frame, request, &mut out).expect("a picture of a size that fits");
            for picture in out {
                input.extend((picture.data.len() as u16).to_be_bytes());
                input.extend_from_slice(&picture.data);
            }
        }
        sink.seed("media_video_decoders", name, &input);
    }
}

/// Calls of the buffer for pictures, four bytes each: frames every 33 ms; clocks that jump and delays that are asked for; and
/// packets of which no frame comes.
fn video_jitter(sink: &Sink) {
    let seed = |name: &str, calls: &[[u8; 4]]| {
        sink.seed("media_video_jitter", name, &calls.concat());
    };
    let pause = [15, 0x2a, 0xf8, 0];
    let mut call = Vec::new();
    for number in 0..30 {
        let keyframe = if number == 0 { 0 } else { 1 };
        call.extend([[7, 0, 0, 0], [2, 0, keyframe, 60], pause, [9, 10, 0, 0]]);
    }
    seed("call", &call);
    let frame = [2, 0, 0, 20];
    let asked = [[10, 1, 0, 0], [11, 0, 80, 0], [12, 2, 40, 0], [8, 0, 0, 0]];
    let jumps = [[0, 9, 0, 20], [1, 0xff, 0xff, 20], [13, 0, 0, 0]];
    let mut odd = vec![frame, pause];
    asked.iter().chain(&jumps).for_each(|step| odd.extend([*step, pause, frame, pause]));
    seed("jumps", &odd);
    seed("stall", &[vec![frame, pause], [[7, 0, 0, 0], [15, 0xff, 0xff, 0]].repeat(20)].concat());
}
