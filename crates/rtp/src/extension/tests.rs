//! The bytes of each extension as its specification draws them, both ways.

use std::time::Duration;

use super::*;
use crate::error::Error;

/// Checks that a value has these bytes, and these bytes that value.
macro_rules! bytes {
    ($value:expr, $kind:ty, $bytes:expr) => {
        let bytes: &[u8] = &$bytes;
        let mut out = Vec::new();
        $value.write(&mut out);
        assert_eq!(out, bytes);
        assert_eq!(<$kind>::parse(bytes), Ok($value));
    };
}

#[test]
fn values_have_the_bytes_of_their_specifications() {
    bytes!(AudioLevel { level: 127, voice: false }, AudioLevel, [0x7F]);
    bytes!(AudioLevel { level: 1, voice: true }, AudioLevel, [0x81]);
    bytes!(MixerToClientAudioLevels { levels: &[0, 127] }, MixerToClientAudioLevels<'_>, [0, 0x7F]);
    bytes!(Mid("a1"), Mid<'_>, *b"a1");
    bytes!(RtpStreamId("hi"), RtpStreamId<'_>, *b"hi");
    bytes!(RepairedRtpStreamId("hi"), RepairedRtpStreamId<'_>, *b"hi");
    bytes!(AbsoluteSendTime(0x01_0203), AbsoluteSendTime, [1, 2, 3]);
    let ntp = 0x0102_0304_0506_0708;
    bytes!(
        AbsoluteCaptureTime { ntp, clock_offset: None },
        AbsoluteCaptureTime,
        [1, 2, 3, 4, 5, 6, 7, 8]
    );
    bytes!(
        AbsoluteCaptureTime { ntp, clock_offset: Some(-2) },
        AbsoluteCaptureTime,
        [1, 2, 3, 4, 5, 6, 7, 8, 255, 255, 255, 255, 255, 255, 255, 254]
    );
    bytes!(TransportSequenceNumber(0x0102), TransportSequenceNumber, [1, 2]);
    let request = Some(FeedbackRequest { timestamps: true, packets: 0x0304 });
    let plain = TransportSequenceNumberV2 { sequence_number: 0x0102, request: None };
    bytes!(plain, TransportSequenceNumberV2, [1, 2]);
    bytes!(
        TransportSequenceNumberV2 { request, ..plain },
        TransportSequenceNumberV2,
        [1, 2, 0x83, 4]
    );
    bytes!(TransmissionOffset(-2), TransmissionOffset, [255, 255, 254]);
    bytes!(TransmissionOffset(0x7F_FFFF), TransmissionOffset, [0x7F, 255, 255]);
    let turned =
        VideoOrientation { back_camera: true, flip: false, rotation: Rotation::Clockwise270 };
    bytes!(turned, VideoOrientation, [0b1011]);
    let flipped = VideoOrientation { flip: true, ..VideoOrientation::default() };
    bytes!(flipped, VideoOrientation, [0b0100]);
    let delay = PlayoutDelay { min: Duration::from_millis(10), max: Duration::from_millis(40_950) };
    bytes!(delay, PlayoutDelay, [0x00, 0x1F, 0xFF]);
    bytes!(VideoContentType::Screenshare, VideoContentType, [1]);
    let timing = VideoTiming {
        trigger: TimingTrigger::SIZE,
        encode_start: 1,
        encode_finish: 2,
        packetization_finish: 3,
        pacer_exit: 4,
        network: 5,
        network2: 0x0607,
    };
    bytes!(timing, VideoTiming, [2, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 6, 7]);
    let color = ColorSpace {
        primaries: 9,
        transfer: 16,
        matrix: 10,
        range: ColorRange::Full,
        chroma_siting_horizontal: ChromaSiting::Collocated,
        chroma_siting_vertical: ChromaSiting::Half,
        hdr: None,
    };
    bytes!(color, ColorSpace, [9, 16, 10, 0b10_01_10]);
    let hdr = HdrMetadata {
        luminance_max: 0x0102,
        luminance_min: 0x0304,
        primary_red: Chromaticity { x: 0x0506, y: 0x0708 },
        primary_green: Chromaticity { x: 0x090A, y: 0x0B0C },
        primary_blue: Chromaticity { x: 0x0D0E, y: 0x0F10 },
        white_point: Chromaticity { x: 0x1112, y: 0x1314 },
        max_content_light_level: 0x1516,
        max_frame_average_light_level: 0x1718,
    };
    let mut bytes: Vec<u8> = vec![9, 16, 10, 0b10_01_10];
    bytes.extend(1..=24);
    bytes!(ColorSpace { hdr: Some(hdr), ..color }, ColorSpace, bytes);
}

#[test]
fn older_forms_are_read() {
    let timing = VideoTiming::parse(&[0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6]).unwrap();
    assert_eq!((timing.trigger, timing.encode_start, timing.network2), (TimingTrigger(0), 1, 6));
    assert_eq!(VideoContentType::parse(&[0x0B]), Ok(VideoContentType::Screenshare));
    let none = TransportSequenceNumberV2::parse(&[1, 2, 0x80, 0]).unwrap();
    assert_eq!(none.request, None, "a request for no packets");
}

#[test]
fn wrong_values_are_refused() {
    let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Invalid { .. })));
    refused(AudioLevel::parse(&[]).map(drop));
    refused(MixerToClientAudioLevels::parse(&[0; 16]).map(drop));
    refused(Mid::parse(&[]).map(drop));
    refused(Mid::parse(&[0xFF]).map(drop));
    refused(Mid::parse(&[b'a'; MAX_SDES_ITEM_LEN + 1]).map(drop));
    refused(RtpStreamId::parse(b"a b").map(drop));
    refused(AbsoluteSendTime::parse(&[0; 4]).map(drop));
    refused(AbsoluteCaptureTime::parse(&[0; 12]).map(drop));
    refused(TransportSequenceNumberV2::parse(&[0; 3]).map(drop));
    refused(PlayoutDelay::parse(&[0, 0x20, 0x01]).map(drop));
    refused(VideoTiming::parse(&[0; 11]).map(drop));
    refused(ColorSpace::parse(&[0, 0, 0, 0b11]).map(drop));
    refused(ColorSpace::parse(&[0; 27]).map(drop));
}
