//! Readers and writers at their bounds: files that claim much, and tracks of which one begins long after the other.

use std::io::Cursor;
use std::time::Duration;

use super::ebml::{binary, master, open, unsigned};
use super::matroska::id;
use super::*;

/// A keyframe of VP8 of 640x360.
const KEYFRAME: [u8; 11] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 7];

fn both() -> MatroskaTracks {
    MatroskaTracks { video: Some((MatroskaVideo::Vp8, 0, 0)), audio: Some(OpusHead::new(2)) }
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn sound_is_kept_however_late_pictures_come() {
    for pictures in [true, false] {
        let writer = MatroskaWriter::new(Cursor::new(Vec::new()), both()).unwrap();
        let mut writer = writer.with_late_video();
        // 400 s, of which a mebibyte is a quarter.
        for number in 0..20_000 {
            writer.write_audio(MS(20 * number), &[0xF8; 200]).unwrap();
        }
        if pictures {
            writer.write_video(MS(399_000), false, &[0x11, 0, 0, 1]).unwrap();
            writer.write_video(MS(400_000), true, &KEYFRAME).unwrap();
        }
        let file = writer.finish_seekable().unwrap().into_inner();
        let mut reader = MatroskaReader::new(&file[..]).unwrap();
        let tracks = reader.tracks().to_vec();
        assert_eq!(tracks.len(), 1 + usize::from(pictures));
        if let Some(video) = tracks.get(1) {
            assert_eq!((&video.codec, video.dimensions), (&MatroskaCodec::Vp8, (640, 360)));
        }
        for number in 0..20_000 {
            let frame = reader.next().unwrap().unwrap();
            assert_eq!((frame.track, frame.time), (tracks[0].number, MS(20 * number)));
        }
        let shown: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(shown.len(), usize::from(pictures));
        assert!(shown.iter().all(|frame| frame.time == MS(400_000) && frame.data[..] == KEYFRAME));
    }
}

#[test]
fn what_waits_is_bounded_however_small_it_is() {
    let mut writer = MatroskaWriter::new(Vec::new(), both()).unwrap();
    for number in 0..100_000 {
        writer.write_audio(MS(number), &[]).unwrap();
    }
    writer.write_video(MS(100_000), true, &KEYFRAME).unwrap();
    let file = writer.finish().unwrap();
    let frames = MatroskaReader::new(&file[..]).unwrap().map(Result::unwrap);
    let sound = frames.filter(|frame| frame.data.is_empty()).count();
    assert!((10_000..20_000).contains(&sound), "{sound}");
}

#[test]
fn times_without_end_are_written() {
    let mut writer = MatroskaWriter::new(Vec::new(), both()).unwrap();
    for time in [Duration::MAX, MS(i64::MAX as u64), MS(0), Duration::MAX] {
        writer.write_video(time, true, &KEYFRAME).unwrap();
        writer.write_audio(time, &[0xF8]).unwrap();
    }
    let file = writer.finish().unwrap();
    assert_eq!(MatroskaReader::new(&file[..]).unwrap().map(Result::unwrap).count(), 8);
}

#[test]
fn tracks_are_bounded_in_however_many_lists_they_are() {
    let mut file = Vec::new();
    master(&mut file, id::EBML, |_| {});
    open(&mut file, id::SEGMENT);
    for _ in 0..10 {
        master(&mut file, id::TRACKS, |tracks| {
            (0..60).for_each(|_| master(tracks, id::TRACK_ENTRY, |_| {}));
        });
    }
    open(&mut file, id::CLUSTER);
    assert_eq!(MatroskaReader::new(&file[..]).unwrap().tracks().len(), 64);
}

/// A file of H.264 whose configuration record has so many parameter sets of so many bytes, and one keyframe.
fn h264(sets: u8, size: u16, frame: &[u8]) -> Vec<u8> {
    let mut record = vec![1, 66, 0, 31, 0xFC, 0, sets];
    for _ in 0..sets {
        record.extend(size.to_be_bytes());
        record.resize(record.len() + usize::from(size), 0x68);
    }
    let mut file = Vec::new();
    master(&mut file, id::EBML, |_| {});
    open(&mut file, id::SEGMENT);
    master(&mut file, id::TRACKS, |tracks| {
        master(tracks, id::TRACK_ENTRY, |entry| {
            unsigned(entry, id::TRACK_NUMBER, 1);
            binary(entry, id::CODEC_ID, b"V_MPEG4/ISO/AVC");
            binary(entry, id::CODEC_PRIVATE, &record);
        });
    });
    open(&mut file, id::CLUSTER);
    binary(&mut file, id::SIMPLE_BLOCK, &[&[0x81, 0, 0, 0x80], frame].concat());
    file
}

#[test]
fn a_few_bytes_do_not_become_many() {
    let error = MatroskaReader::new(&h264(2, 65_535, &[])[..]).unwrap_err().to_string();
    assert!(error.contains("64 KiB"), "{error}");
    // Units of one-byte lengths, all of them empty but for the last.
    let file = h264(1, 2, &[[0; 1000].as_slice(), &[1, 0x65]].concat());
    let frame = MatroskaReader::new(&file[..]).unwrap().next().unwrap().unwrap();
    assert_eq!(frame.data[..], [0, 0, 0, 1, 0x68, 0x68, 0, 0, 0, 1, 0x65]);
}
