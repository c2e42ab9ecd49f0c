//! Packets that other projects collected: each parses, or is refused for a named reason, and what parses writes back.
//! Skipped where the corpora are not at hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use peerage_rtp::extension::{
    AudioLevel, DependencyDescriptor, DependencyStructure, ExtensionKind, HeaderExtension, Mid,
    VideoLayersAllocation,
};
use peerage_rtp::rtcp::{self, Packet};
use peerage_rtp::{Error, ExtensionMap, PacketClass, RtpPacket, Ssrc, classify};

fn corpora() -> PathBuf {
    std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    )
}

/// The files of a folder, by name; none, with a word about it, where the folder is not there.
fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(corpora().join(folder)) else {
        println!("skipped: no corpus {folder}; set PEERAGE_CORPORA");
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// How often each outcome came.
#[derive(Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn add<T>(&mut self, name: &str, result: &Result<T, Error>) {
        let outcome = match result {
            Ok(_) => "read".to_owned(),
            Err(error) => {
                println!("{name}: {error}");
                match error {
                    Error::Truncated { what, .. } => format!("truncated: {what}"),
                    Error::Version { what, .. } => format!("version: {what}"),
                    Error::Padding { what, .. } => format!("padding: {what}"),
                    Error::Invalid { what, reason, .. } => format!("{what}: {reason}"),
                    other => other.to_string(),
                }
            }
        };
        *self.0.entry(outcome).or_default() += 1;
    }

    fn assert(&self, expected: &[(&str, usize)]) {
        let found: Vec<_> = self.0.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        assert_eq!(found, expected);
    }
}

fn rewrite(packet: &Packet<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    packet.write(&mut out);
    out
}

#[test]
fn single_packets_of_aiortc() {
    let files: BTreeMap<_, _> = files("aiortc").into_iter().collect();
    if files.is_empty() {
        return;
    }
    let rtp = |name: &str| RtpPacket::parse(&files[name]).unwrap();
    let plain = rtp("rtp.bin");
    assert_eq!(
        (plain.payload_type().get(), plain.ssrc(), plain.payload().len()),
        (0, Ssrc(0xF01B_40E9), 160)
    );
    assert_eq!((plain.sequence_number().0, plain.timestamp().0), (15_743, 0xEAAA_63F4));
    let dtmf = rtp("rtp_dtmf.bin");
    assert_eq!(
        (dtmf.payload_type().get(), dtmf.marker(), dtmf.payload()),
        (101, true, &[1, 0x8A, 3, 0xC0][..])
    );
    let padded = rtp("rtp_only_padding.bin");
    assert_eq!((padded.payload().len(), padded.padding_len()), (0, 224));
    let padded = rtp("rtp_only_padding_with_header_extensions.bin");
    assert_eq!(
        (padded.payload().len(), padded.padding_len(), padded.extensions().count()),
        (0, 224, 1)
    );
    let sources = rtp("rtp_with_csrc.bin");
    assert_eq!(sources.csrcs().collect::<Vec<_>>(), [Ssrc(0xABCD_EF01), Ssrc(0xDEAD_BEEF)]);
    let mut map = ExtensionMap::new();
    map.insert_kind(9, ExtensionKind::Mid).unwrap();
    map.insert_kind(1, ExtensionKind::AudioLevel).unwrap();
    let mid = rtp("rtp_with_sdes_mid.bin");
    assert_eq!(mid.extension::<Mid<'_>>(&map), Some(Mid("0")));
    assert_eq!(mid.extension::<AudioLevel>(&map), None);

    let mut tally = Tally::default();
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("rtcp_")) {
        assert_eq!(classify(bytes), Some(PacketClass::Rtcp), "{name}");
        for packet in rtcp::packets(bytes) {
            tally.add(name, &packet);
            assert_eq!(
                packet.is_ok(),
                !name.contains("invalid") && !name.contains("truncated"),
                "{name}"
            );
            let Ok(packet) = packet else { continue };
            if !name.contains("padding") {
                assert_eq!(rewrite(&packet), *bytes, "{name}");
            }
            match packet {
                Packet::SenderReport(report) => assert_eq!(report.reports.len(), 1),
                Packet::SourceDescription(description) => {
                    let chunk = description.chunks().next().unwrap();
                    assert_eq!(chunk.cname(), Some("{63f459ea-41fe-4474-9d33-9707c9ee79d1}"));
                }
                Packet::Nack(nack) => assert!(nack.sequence_numbers().count() > 0),
                _ => {}
            }
        }
    }
    tally.assert(&[
        ("read", 8),
        ("truncated: RTCP packet", 1),
        ("truncated: SDES chunk", 1),
        ("truncated: SDES item", 1),
        ("truncated: feedback message", 2),
        ("truncated: goodbye", 1),
        ("truncated: receiver report", 1),
        ("truncated: sender report", 1),
    ]);
}

#[test]
fn fuzz_seeds_of_libwebrtc_rtp() {
    let mut tally = Tally::default();
    for (name, bytes) in files("libwebrtc/corpora/rtp-corpus") {
        let packet = RtpPacket::parse(&bytes);
        tally.add(&name, &packet);
        if let Ok(packet) = packet {
            assert_eq!(packet.ssrc(), Ssrc(0x1234_5678), "{name}");
        }
    }
    if !tally.0.is_empty() {
        tally.assert(&[("read", 5), ("version: RTP", 4)]);
    }
}

#[test]
fn fuzz_seeds_of_libwebrtc_rtcp() {
    let mut tally = Tally::default();
    for (name, bytes) in files("libwebrtc/corpora/rtcp-corpus") {
        for packet in rtcp::packets(&bytes) {
            tally.add(&name, &packet);
            let Ok(packet) = packet else { continue };
            let again = rewrite(&packet);
            assert_eq!(rtcp::packets(&again).next().unwrap(), Ok(packet), "{name}");
        }
    }
    if !tally.0.is_empty() {
        tally.assert(&[
            ("padding: an RTCP packet", 2),
            ("read", 50),
            ("truncated: REMB", 2),
            ("truncated: RTCP packet", 2),
            ("truncated: SDES item", 3),
            ("truncated: TMMBR", 1),
            ("truncated: feedback message", 1),
            ("truncated: full intra request", 1),
            ("truncated: goodbye", 1),
            ("truncated: reference picture selection indication", 1),
            ("truncated: slice loss indication", 1),
            ("version: RTCP", 1),
        ]);
    }
}

/// The seeds are noise for the most part; they are taken as descriptors one after another, each after a byte with its
/// length less one.
#[test]
fn fuzz_seeds_of_libwebrtc_dependency_descriptors() {
    let mut tally = Tally::default();
    for (name, bytes) in files("libwebrtc/corpora/dependency_descriptor-corpus") {
        let mut structure: Option<Box<DependencyStructure>> = None;
        let mut rest = &bytes[..];
        while let Some((&len, after)) = rest.split_first() {
            let (data, after) = after.split_at((usize::from(len) + 1).min(after.len()));
            rest = after;
            let descriptor = DependencyDescriptor::parse(data, structure.as_deref());
            tally.add(&name, &descriptor);
            let Ok(descriptor) = descriptor else { continue };
            let mut again = Vec::new();
            descriptor.write(structure.as_deref(), &mut again).unwrap();
            let read = DependencyDescriptor::parse(&again, structure.as_deref());
            assert_eq!(read.as_ref(), Ok(&descriptor), "{name}");
            if let Some(attached) = descriptor.structure {
                structure = Some(attached);
            }
        }
    }
    if !tally.0.is_empty() {
        tally.assert(&[
            ("dependency-descriptor: it ends within a field", 118),
            ("dependency-descriptor: it has more than 4 spatial layers", 1),
            ("dependency-descriptor: it has more than 64 templates", 2),
            ("dependency-descriptor: its template is not in the structure", 7),
            ("read", 1),
            (
                "the dependency descriptor needs a structure that has not arrived (AV1 RTP §A.8.3)",
                183,
            ),
        ]);
    }
}

#[test]
fn fuzz_seeds_of_libwebrtc_layer_allocations() {
    let mut tally = Tally::default();
    for (name, bytes) in files("libwebrtc/corpora/video_layers_allocation-corpus") {
        let allocation = VideoLayersAllocation::parse(&bytes);
        tally.add(&name, &allocation);
        let Ok(allocation) = allocation else { continue };
        let mut again = Vec::new();
        allocation.write(&mut again);
        assert_eq!(VideoLayersAllocation::parse(&again), Ok(allocation), "{name}");
    }
    if !tally.0.is_empty() {
        tally.assert(&[("read", 1)]);
    }
}

/// Captures with which RTP parsers have read beyond their end. Whatever is in them, from any byte on, is taken for RTP and
/// for RTCP.
#[test]
fn captures_that_brought_tcpdump_down() {
    let mut packets = 0;
    for name in ["tcpdump/rtp-seg-fault-1.pcapng", "tcpdump/rtp-seg-fault-2.pcapng"] {
        let Ok(file) = fs::File::open(corpora().join(name)) else {
            println!("skipped: no capture {name}; set PEERAGE_CORPORA");
            return;
        };
        let mut reader = pcap_file::pcapng::PcapNgReader::new(file).unwrap();
        while let Some(block) = reader.next_block() {
            let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap() else { continue };
            packets += 1;
            for start in 0..packet.data.len() {
                let data = &packet.data[start..];
                if let Ok(packet) = RtpPacket::parse(data) {
                    assert!(packet.payload().len() + packet.padding_len() <= data.len());
                    assert!(packet.extensions().count() <= data.len());
                }
                for packet in rtcp::packets(data).flatten() {
                    let again = rewrite(&packet);
                    assert!(rtcp::packets(&again).next().unwrap().is_ok(), "{packet:?}");
                }
            }
        }
    }
    assert!(packets >= 2, "{packets} packets");
}
