//! Files that others made, from a directory of corpora (`PEERAGE_CORPORA`, or `../shared/corpora` beside the workspace),
//! and files that are wrong: errors say where.

use std::{
    fs,
    path::{Path, PathBuf},
};

use peerage_media::files::{
    AnnexBCodec, AnnexBReader, Error, IvfHeader, IvfReader, MAX_FRAME, ObuReader, ObuStreamFormat,
    OggOpusReader, PcapReader, RtpDumpReader,
};
use peerage_rtp::payload::NalUnits;

fn corpus(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no corpus at {}; set PEERAGE_CORPORA", path.display());
    None
}

#[test]
fn ivf() {
    let Some(root) = corpus("vp8-test-vectors") else { return };
    let mut files = 0;
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "ivf") {
            continue;
        }
        let reader = IvfReader::new(fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.header().fourcc, IvfHeader::VP8);
        let told = reader.header().frames as usize;
        let frames = reader.map(Result::unwrap).count();
        // Some of these have one frame less than they say.
        assert!(frames > 0 && frames.abs_diff(told) <= 1, "{path:?}: {frames} of {told}");
        files += 1;
    }
    assert!(files > 50);
    let Some(path) = corpus("ex_webrtc/ivf/vp8_invalid_last_frame.ivf") else { return };
    let size = fs::metadata(&path).unwrap().len();
    let items: Vec<_> = IvfReader::new(fs::File::open(path).unwrap()).unwrap().collect();
    let (last, before) = items.split_last().unwrap();
    assert!(before.iter().all(Result::is_ok));
    assert!(matches!(last, Err(Error::Truncated { offset, .. }) if *offset == size), "{last:?}");
}

#[test]
fn ogg_opus() {
    let Some(path) = corpus("ex_webrtc/ogg/opus_correct.ogg") else { return };
    let reader = OggOpusReader::new(fs::File::open(path).unwrap()).unwrap();
    let packets: Vec<_> = reader.map(Result::unwrap).collect();
    assert!(!packets.is_empty() && packets.iter().all(|packet| packet.duration > 0));
    let Some(path) = corpus("ex_webrtc/ogg/opus_incorrect.ogg") else { return };
    let result = OggOpusReader::new(fs::File::open(path).unwrap())
        .and_then(|reader| reader.collect::<Result<Vec<_>, _>>());
    assert!(result.is_err());
}

#[test]
fn annex_b() {
    let Some(root) = corpus("openh264") else { return };
    // Pictures in each stream, as its decoder's tests count them.
    for (name, pictures) in [("BA_MW_D.264", 100), ("CI_MW_D.264", 100), ("MIDR_MW_D.264", 100)] {
        let file = fs::read(root.join(name)).unwrap();
        let units: Vec<_> =
            AnnexBReader::new(&file[..], AnnexBCodec::H264).map(Result::unwrap).collect();
        assert_eq!(units.len(), pictures, "{name}");
        assert!(units[0].keyframe);
        let joined: Vec<u8> = units.iter().flat_map(|unit| unit.data.to_vec()).collect();
        assert!(NalUnits::new(&joined).eq(NalUnits::new(&file)), "{name}");
    }
}

#[test]
fn captures() {
    let Some(path) = corpus("str0m/vp8.pcap") else { return };
    let mut reader = PcapReader::new(fs::File::open(path).unwrap()).unwrap();
    let datagrams = reader.by_ref().map(Result::unwrap).collect::<Vec<_>>();
    assert_eq!((datagrams.len(), reader.skipped()), (104, 0));
    assert!(datagrams.iter().all(|datagram| datagram.data[0] >> 6 == 2));
    let Some(path) = corpus("libwebrtc/corpora/rtpdump-corpus/vp8/vp8.rtpdump") else { return };
    let packets = RtpDumpReader::new(fs::File::open(path).unwrap()).unwrap();
    assert_eq!(packets.map(Result::unwrap).filter(|packet| !packet.is_rtcp).count(), 175);
}

/// Voice as libwebrtc's tests have it, with empty packets where a sender of comfort noise said nothing.
#[test]
fn rtpdumps_of_voice() {
    for (name, packets, empty) in [
        ("HRTF_pcm16wb", 1192, 0),
        ("HRTF_pcm16wb_jitter", 1173, 0),
        ("hrtf_g722_1C_48", 1192, 0),
        ("hrtf_g722_1C_48_jitterT2", 1176, 0),
        ("stereo_g729", 2062, 0),
        ("stereo_g729_jitter", 2009, 0),
        ("stereo_pcmu", 2062, 0),
        ("stereo_pcmu_jitter", 2009, 0),
        ("stereo_pcmu_vad", 2062, 205),
        ("stereo_pcmu_vad_jitter", 2009, 198),
        ("toggling_stereo_g729_pt18_pt125", 18_000, 4_066),
    ] {
        let Some(path) = corpus(&format!("libwebrtc/voice_engine/{name}.rtp")) else { return };
        let reader = RtpDumpReader::new(fs::File::open(path).unwrap()).unwrap();
        let read: Vec<_> = reader.map(Result::unwrap).collect();
        let without = read.iter().filter(|packet| packet.data.is_empty()).count();
        assert_eq!((read.len(), without), (packets, empty), "{name}");
        assert!(read.windows(2).all(|two| two[0].time <= two[1].time), "{name}");
    }
    let Some(path) = corpus("libwebrtc/corpora/rtpdump-corpus/vp9/b353565743.rtpdump") else {
        return;
    };
    let error = RtpDumpReader::new(fs::File::open(path).unwrap()).unwrap_err().to_string();
    assert_eq!(error, "rtpdump: at byte 0: the file does not begin with #!rtpplay1.0");
}

#[test]
fn wrong_files_are_refused_where_they_are_wrong() {
    let error = |result: Result<(), Error>| result.unwrap_err().to_string();
    let no_ivf = IvfReader::new(&[0; 40][..]).map(drop);
    assert_eq!(error(no_ivf), "IVF: at byte 0: the file does not begin with DKIF");
    let cut = IvfReader::new(&b"DKIF"[..]).map(drop);
    assert_eq!(error(cut), "IVF: the file ends at byte 4, inside the header");

    let mut huge = b"DKIF\0\0\x20\0VP80".to_vec();
    huge.resize(32, 0);
    huge.extend([0xFF; 12]);
    let huge = IvfReader::new(&huge[..]).unwrap().next().unwrap().map(drop);
    let expected =
        format!("IVF: at byte 44: a frame of 4294967295 bytes is larger than {MAX_FRAME}");
    assert_eq!(error(huge), expected);

    let no_start_code = AnnexBReader::new(&[9, 9, 9][..], AnnexBCodec::H264).next().unwrap();
    assert!(error(no_start_code.map(drop)).contains("before the first start code"));

    let no_size = ObuReader::new(&[0x12, 0, 0x30, 1][..], ObuStreamFormat::LowOverhead).next();
    assert_eq!(error(no_size.unwrap().map(drop)), "OBU: at byte 2: an OBU without a size");
    let outside = ObuReader::new(&[3, 9, 1, 0x10][..], ObuStreamFormat::LengthDelimited).next();
    assert!(error(outside.unwrap().map(drop)).contains("at byte 1: a unit reaches beyond"));

    let ogg = OggOpusReader::new(&b"OggT0000000000000000000000000"[..]).map(drop);
    assert_eq!(error(ogg), "Ogg: at byte 0: a page does not begin with OggS");
}

#[test]
fn both_forms_of_obu_streams_say_the_same() {
    // Two temporal units of two OBUs each, annex B and §5.2.
    let delimited = [9, 8, 1, 0x10, 5, 0x30, 1, 2, 3, 4, 8, 4, 3, 0x28, 7, 7, 2, 1, 0x30];
    let units: Vec<_> = ObuReader::new(&delimited[..], ObuStreamFormat::LengthDelimited)
        .map(|unit| unit.unwrap().to_vec())
        .collect();
    assert_eq!(units, [vec![0x32, 4, 1, 2, 3, 4], vec![0x2A, 2, 7, 7, 0x32, 0]]);
    let mut low_overhead = Vec::new();
    for unit in &units {
        low_overhead.extend([0x12, 0]);
        low_overhead.extend(unit);
    }
    let again: Vec<_> = ObuReader::new(&low_overhead[..], ObuStreamFormat::LowOverhead)
        .map(|unit| unit.unwrap().to_vec())
        .collect();
    assert_eq!(again, units);
}
