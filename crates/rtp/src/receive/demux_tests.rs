//! Tests of demultiplexing: by SSRC, MID, RID, repaired RID and payload type, and what a peer can make it keep.

use super::*;
use crate::extension::{ExtensionKind, ExtensionWriter};
use crate::packet::RtpHeader;

fn map() -> ExtensionMap {
    let mut map = ExtensionMap::new();
    map.insert_kind(1, ExtensionKind::Mid).unwrap();
    map.insert_kind(2, ExtensionKind::RtpStreamId).unwrap();
    map.insert_kind(3, ExtensionKind::RepairedRtpStreamId).unwrap();
    map
}

fn payload_type(number: u8) -> PayloadType {
    PayloadType::from_low_bits(number)
}

fn packet(ssrc: u32, pt: u8, fill: impl FnOnce(&mut ExtensionWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    RtpHeader { ssrc: Ssrc(ssrc), payload_type: payload_type(pt), ..RtpHeader::default() }
        .write(&mut out, fill);
    out
}

fn route(demux: &mut Demultiplexer, bytes: &[u8]) -> Option<Route> {
    demux.route(&RtpPacket::parse(bytes).unwrap(), &map())
}

/// Audio (0) with payload type 111, and two videos (1, 2) that share 96 and its RTX 97; the first has simulcast.
fn demux() -> Demultiplexer {
    let mut demux = Demultiplexer::new();
    let section = |mid: &str, pts: &[u8], repair: &[u8], rids: &[&str]| MediaSection {
        mid: mid.into(),
        payload_types: pts.iter().copied().map(payload_type).collect(),
        repair_payload_types: repair.iter().copied().map(payload_type).collect(),
        rids: rids.iter().map(|rid| SmolStr::from(*rid)).collect(),
    };
    demux.set_section(0, &section("a", &[111], &[], &[])).unwrap();
    demux.set_section(1, &section("v", &[96], &[97], &["q", "h", "f"])).unwrap();
    demux.set_section(2, &section("w", &[96, 100], &[97], &[])).unwrap();
    assert!(demux.set_section(3, &section("w", &[], &[], &[])).is_err(), "the tag is taken");
    demux
}

const fn at(section: u16, layer: Option<u8>, role: StreamRole, new: bool) -> Option<Route> {
    Some(Route { section, layer, role, new })
}

#[test]
fn mid_and_rid_tell_and_then_the_ssrc_does() {
    let mut demux = demux();
    let first = packet(10, 96, |w| {
        w.put(1, b"v").unwrap();
        w.put(2, b"h").unwrap();
    });
    assert_eq!(route(&mut demux, &first), at(1, Some(1), StreamRole::Media, true));
    assert_eq!(route(&mut demux, &first), at(1, Some(1), StreamRole::Media, false));
    assert_eq!(
        route(&mut demux, &packet(10, 96, |_| {})),
        at(1, Some(1), StreamRole::Media, false)
    );
    let repair = packet(11, 97, |w| {
        w.put(1, b"v").unwrap();
        w.put(3, b"h").unwrap();
    });
    assert_eq!(route(&mut demux, &repair), at(1, Some(1), StreamRole::Repair, true));
    assert_eq!(
        route(&mut demux, &packet(11, 97, |_| {})),
        at(1, Some(1), StreamRole::Repair, false)
    );
    assert_eq!(demux.lookup(Ssrc(11)).unwrap().section, 1);
}

#[test]
fn a_rid_that_comes_later_tells_the_layer() {
    let mut demux = demux();
    let first = packet(10, 96, |w| w.put(1, b"v").unwrap());
    assert_eq!(route(&mut demux, &first), at(1, None, StreamRole::Media, true));
    let second = packet(10, 96, |w| w.put(2, b"f").unwrap());
    assert_eq!(route(&mut demux, &second), at(1, Some(2), StreamRole::Media, true));
}

#[test]
fn unsignalled_streams_go_by_a_payload_type_of_one_section() {
    let mut demux = demux();
    assert_eq!(route(&mut demux, &packet(20, 111, |_| {})), at(0, None, StreamRole::Media, true));
    assert_eq!(
        route(&mut demux, &packet(21, 111, |_| {})),
        at(0, None, StreamRole::Media, true),
        "a change of SSRC"
    );
    assert_eq!(route(&mut demux, &packet(22, 100, |_| {})), at(2, None, StreamRole::Media, true));
    assert_eq!(route(&mut demux, &packet(23, 96, |_| {})), None, "two sections have it");
    assert_eq!(route(&mut demux, &packet(24, 50, |_| {})), None, "none has it");
    assert_eq!(demux.unroutable(), 2);
}

#[test]
fn what_was_not_negotiated_is_dropped() {
    let mut demux = demux();
    assert_eq!(route(&mut demux, &packet(10, 96, |w| w.put(1, b"nope").unwrap())), None);
    assert_eq!(
        route(&mut demux, &packet(10, 111, |w| w.put(1, b"v").unwrap())),
        None,
        "payload type"
    );
    let rid = packet(10, 96, |w| {
        w.put(1, b"v").unwrap();
        w.put(2, b"x").unwrap();
    });
    assert_eq!(route(&mut demux, &rid), None, "RID");
    assert!(demux.lookup(Ssrc(10)).is_none());
}

#[test]
fn signalled_streams_and_moves() {
    let mut demux = demux();
    assert!(demux.bind(Ssrc(30), 2, None, StreamRole::Media));
    assert!(!demux.bind(Ssrc(30), 9, None, StreamRole::Media));
    assert_eq!(route(&mut demux, &packet(30, 96, |_| {})), at(2, None, StreamRole::Media, false));
    let moved = packet(30, 96, |w| w.put(1, b"v").unwrap());
    assert_eq!(route(&mut demux, &moved), at(1, None, StreamRole::Media, true));
    assert!(demux.source_description(Ssrc(30), "w"));
    assert_eq!(demux.lookup(Ssrc(30)).unwrap().section, 2);
    assert!(!demux.source_description(Ssrc(30), "nope"));
    // What it is for its packets tell.
    let repair = packet(30, 97, |_| {});
    assert_eq!(route(&mut demux, &repair), at(2, None, StreamRole::Repair, true));
    assert!(demux.source_description(Ssrc(30), "w"));
    assert_eq!(route(&mut demux, &repair), at(2, None, StreamRole::Repair, false));
    demux.remove_section(2);
    assert_eq!(demux.lookup(Ssrc(30)), None);
    assert_eq!(
        route(&mut demux, &packet(31, 96, |_| {})),
        at(1, None, StreamRole::Media, true),
        "now only one has it"
    );
}

#[test]
fn a_peer_of_a_million_ssrcs_is_forgotten_in_order() {
    let mut demux = demux();
    assert!(demux.bind(Ssrc(1), 0, None, StreamRole::Media));
    for ssrc in 100..100 + 3 * MAX_LATCHED_STREAMS as u32 {
        assert!(route(&mut demux, &packet(ssrc, 111, |_| {})).is_some());
    }
    assert_eq!(demux.by_ssrc.len(), MAX_LATCHED_STREAMS + 1);
    assert!(demux.lookup(Ssrc(1)).is_some(), "signalled ones stay");
    assert!(demux.lookup(Ssrc(100)).is_none());
}
