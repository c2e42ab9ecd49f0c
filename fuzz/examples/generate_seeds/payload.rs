//! Seeds of the targets of peerage-rtp that read and write payload formats. The first byte of each input chooses the
//! format, in the order of `FORMATS` in the fuzz bodies.

use peerage_rtp::payload::{
    FrameInfo, PacketizationMode, Packetizer, PacketizerOptions, PayloadFormat,
};

use crate::Sink;

pub(crate) fn write(sink: &Sink) {
    let annex_b = [
        &[
            0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1F, 0x8C, 0x8D, 0x40, 0x50, 0x1E, 0x90, 0x0F, 0x08,
            0x84, 0x6A,
        ][..],
        &[0, 0, 0, 1, 0x68, 0xCE, 0x3C, 0x80, 0, 0, 0, 1, 0x65, 0x88],
        &[0x84; 150],
    ]
    .concat();
    let h265 = [
        &[
            0, 0, 0, 1, 0x40, 1, 0x0C, 0, 0, 0, 1, 0x42, 1, 1, 0, 0, 0, 1, 0x44, 1, 0xC1, 0, 0, 0,
            1, 0x26, 1, 0x80,
        ][..],
        &[0x84; 150],
    ]
    .concat();
    let av1 =
        [&[0x12, 0, 0x0A, 8, 0, 0, 0, 0x4A, 0xAB, 0xBF, 0xC3, 0x77, 0x32, 0x80, 1][..], &[7; 128]]
            .concat();
    let vp8 = [&[0, 0, 0, 0x9D, 1, 0x2A, 64, 0, 48, 0][..], &[9; 150]].concat();
    let vp9 = [&[0x82, 0x49, 0x83, 0x42, 0, 3, 0xF0, 2, 0xF0][..], &[9; 150]].concat();
    let h264 = PayloadFormat::H264 { packetization_mode: PacketizationMode::NonInterleaved };
    for (choice, format, name, frame) in [
        (0, PayloadFormat::Opus, "opus", &[0x78, 1, 2, 3][..]),
        (1, PayloadFormat::Vp8, "vp8", &vp8),
        (2, PayloadFormat::Vp9, "vp9", &vp9),
        (4, h264, "h264", &annex_b),
        (5, PayloadFormat::H265, "h265", &h265),
        (6, PayloadFormat::Av1, "av1", &av1),
        (10, PayloadFormat::Red, "red", &[0x78, 1, 2, 3]),
        (11, PayloadFormat::TelephoneEvent, "telephone_event", &[5, 0x8A, 1, 0x40]),
        (14, PayloadFormat::Raw, "raw", &[1; 100]),
    ] {
        // 20 times 6 bytes to a payload; without layers, then with.
        for bits in [0, 8] {
            let input = [&[choice, 20, bits], frame].concat();
            sink.seed("rtp_packetizer", &format!("{name}_{bits}"), &input);
        }
        let mut packetizer = Packetizer::new(format, PacketizerOptions::default());
        let mut packets = vec![choice];
        let mut index = 0u8;
        packetizer
            .packetize(
                frame,
                &FrameInfo { keyframe: Some(true), ..FrameInfo::default() },
                120,
                &mut |parts, marker| {
                    let payload = parts.concat();
                    sink.seed(
                        "rtp_payload",
                        &format!("{name}_{index}"),
                        &[&[choice], &payload[..]].concat(),
                    );
                    // Operation, offset to the newest and time; then what fits 31 bytes.
                    let short = &payload[..payload.len().min(31)];
                    packets.extend([
                        2 | u8::from(marker) << 7,
                        12 + u8::from(index > 0),
                        0,
                        short.len() as u8,
                    ]);
                    packets.extend_from_slice(short);
                    index += 1;
                },
            )
            .expect("the frame is of this format");
        packets.extend([0, 13, 0, 0]);
        sink.seed("rtp_frame_assembler", name, &packets);
    }
}
