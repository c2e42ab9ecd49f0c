//! Packets that others recorded or made up, each with what we read in it. Skipped where the corpora are not at hand
//! (`PEERAGE_CORPORA`, or `../shared/corpora` beside the workspace).

use super::summary::summary;
use crate::Config;
use std::path::PathBuf;
use std::time::Instant;

fn corpora() -> Option<PathBuf> {
    let path = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora")),
        PathBuf::from,
    );
    if path.is_dir() {
        Some(path)
    } else {
        println!("skipped: no corpora at {}", path.display());
        None
    }
}

/// Feeds a packet to an association too; it must neither panic nor care.
fn feed(packet: &[u8]) {
    let now = Instant::now();
    for connect in [false, true] {
        let mut association = crate::Association::new(now, Config::default(), [3; 32]);
        if connect {
            association.connect(now).unwrap();
        }
        association.handle_input(now, packet).unwrap();
        while association.poll_transmit(now, &mut Vec::new()).is_some() {}
    }
    crate::fuzzing::packet(packet);
}

/// The SCTP packets of a capture: classic pcap, Ethernet or raw IPv4/IPv6, no fragments.
fn sctp_packets(pcap: &[u8]) -> Vec<Vec<u8>> {
    let swapped = pcap[..4] == [0xd4, 0xc3, 0xb2, 0xa1];
    let number = |at: usize| {
        let bytes = [pcap[at], pcap[at + 1], pcap[at + 2], pcap[at + 3]];
        if swapped { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) }
    };
    let ethernet = number(20) == 1;
    let mut packets = Vec::new();
    let mut at = 24;
    while at + 16 <= pcap.len() {
        let length = number(at + 8) as usize;
        let frame = &pcap[at + 16..at + 16 + length];
        at += 16 + length;
        let ip = if ethernet { &frame[14..] } else { frame };
        let (protocol, header, total) = match ip.first().map(|byte| byte >> 4) {
            Some(4) => (
                ip[9],
                usize::from(ip[0] & 15) * 4,
                usize::from(u16::from_be_bytes([ip[2], ip[3]])),
            ),
            Some(6) => (ip[6], 40, 40 + usize::from(u16::from_be_bytes([ip[4], ip[5]]))),
            _ => continue,
        };
        if protocol == 132 {
            packets.push(ip[header..total.min(ip.len())].to_vec());
        }
    }
    packets
}

fn read(name: &str, expected: &[(&str, &str)]) {
    let Some(path) = corpora() else { return };
    for (file, expected) in expected {
        let packet = std::fs::read(path.join(name).join(file)).unwrap();
        assert_eq!(summary(&packet), *expected, "{file}");
        feed(&packet);
    }
}

#[test]
fn aiortc() {
    read(
        "aiortc",
        &[
            (
                "sctp_abort.bin",
                "tag e05957c2, crc ok: ABORT protocol violation: Expected B-bit for TSN=4ce1f17f, SID=0001, SSN=0000",
            ),
            ("sctp_cookie_echo.bin", "tag 3df2428d, crc ok: COOKIE ECHO 8 bytes"),
            ("sctp_data.bin", "tag 0fc0f8a1, crc ok: DATA 9a0f13fd 1/1 ppid 51 flags 3 4 bytes"),
            (
                "sctp_data_padding.bin",
                "tag 0fc0f8a1, crc ok: DATA 9a0f13fd 1/1 ppid 51 flags 3 1 bytes",
            ),
            (
                "sctp_data_truncated.bin",
                "tag 00000000, crc ok: malformed: chunk length beyond the packet or below 4 (RFC 9260 §3.2)",
            ),
            (
                "sctp_data_zero_length.bin",
                "tag 00000000, crc ok: malformed: chunk length beyond the packet or below 4 (RFC 9260 §3.2)",
            ),
            ("sctp_error.bin", "tag e05957c2, crc ok: ERROR invalid stream identifier"),
            ("sctp_forward_tsn.bin", "tag 0fc0f8a1, crc ok: FORWARD TSN 000004d2 [(12, 34)]"),
            ("sctp_heartbeat.bin", "tag b8c77f65, crc ok: HEARTBEAT 36 bytes"),
            (
                "sctp_init.bin",
                "tag 00000000, crc ok: INIT tag 24521703 rwnd 131072 streams 256/2048 tsn 3092614b +forward-tsn +re-config",
            ),
            (
                "sctp_init_bad_verification.bin",
                "tag 00003039, crc ok: INIT tag 24521703 rwnd 131072 streams 256/2048 tsn 3092614b +forward-tsn +re-config",
            ),
            ("sctp_reconfig_add_out.bin", "tag e90d96fe, crc ok: RE-CONFIG add out ca02f630 16"),
            (
                "sctp_reconfig_reset_out.bin",
                "tag c8e86e6b, crc ok: RE-CONFIG reset out 8bd80a5b answers e48bec73 last 8bd80a5e [1]",
            ),
            ("sctp_reconfig_response.bin", "tag b1bf7efd, crc ok: RE-CONFIG answer 91531f54 1"),
            (
                "sctp_sack.bin",
                "tag f71faf4b, crc ok: SACK 847f5b9d rwnd 128160 gaps [(2, 2), (4, 4)] duplicates 1",
            ),
            ("sctp_shutdown.bin", "tag ef9c1872, crc ok: SHUTDOWN a0b834d8"),
            ("sctp_shutdown_ack.bin", "tag 00000000, crc ok: SHUTDOWN ACK"),
        ],
    );
}

#[test]
fn libwebrtc() {
    read(
        "libwebrtc/corpora/sctp-packet-corpus",
        &[
            (
                "cookie-ack-sack.bin",
                "tag 6cd7e807, crc ok: COOKIE ACK; SACK 0502ad17 rwnd 131072 gaps [] duplicates 0",
            ),
            (
                "cookie-echo-data-data-data.bin",
                "tag 0eddca08, crc ok: COOKIE ECHO 256 bytes; DATA 9d3057ea 0/0 ppid 50 flags 3 27 bytes; DATA 9d3057eb 2/0 ppid 50 flags 3 20 bytes; DATA 9d3057ec 4/0 ppid 50 flags 3 26 bytes",
            ),
            (
                "cookie-echo-data-data.bin",
                "tag ee8b86d4, crc wrong: COOKIE ECHO 256 bytes; malformed: chunk length beyond the packet or below 4 (RFC 9260 §3.2)",
            ),
            (
                "cookie-echo-data.bin",
                "tag 6cd7e807, crc wrong: COOKIE ECHO 256 bytes; malformed: chunk length beyond the packet or below 4 (RFC 9260 §3.2)",
            ),
            (
                "data-fragment1.bin",
                "tag 6cd7e807, crc ok: DATA 480fbd89 111/0 ppid 51 flags 6 1184 bytes",
            ),
            ("forward-tsn.bin", "tag cae01368, crc zero: FORWARD TSN a0861e96 []"),
            ("heartbeat-ack.bin", "tag ee8b86d4, crc ok: HEARTBEAT ACK 36 bytes"),
            ("heartbeat.bin", "tag 6cd7e807, crc ok: HEARTBEAT 36 bytes"),
            (
                "init-ack.bin",
                "tag 6cd7e807, crc ok: INIT ACK tag ee8b86d4 rwnd 131072 streams 1000/1000 tsn 480fbd83 +forward-tsn +re-config cookie 256 bytes",
            ),
            (
                "init.bin",
                "tag 00000000, crc ok: INIT tag ee8b86d4 rwnd 131072 streams 1000/1000 tsn 480fbd83 +forward-tsn +re-config",
            ),
            (
                "re-config.bin",
                "tag 9da4d10f, crc zero: RE-CONFIG reset out ae8d8239 answers bf74f2a1 last ae8d8255 [4]",
            ),
            (
                "sack-data.bin",
                "tag ee8b86d4, crc ok: SACK 480fbdb7 rwnd 131072 gaps [] duplicates 0; DATA 0502ad2a 3/0 ppid 53 flags 7 625 bytes",
            ),
            (
                "sack-gap-ack-1.bin",
                "tag f0de761a, crc zero: SACK 8f23caef rwnd 129907 gaps [(2, 5)] duplicates 0",
            ),
        ],
    );
}

#[test]
fn captured_conversation() {
    let Some(path) = corpora() else { return };
    let packets = sctp_packets(
        &std::fs::read(path.join("suricata-verify/sctp-keywords/input.pcap")).unwrap(),
    );
    packets.iter().for_each(|packet| feed(packet));
    let read: Vec<String> = packets.iter().map(|packet| summary(packet)).collect();
    assert_eq!(
        read,
        [
            "tag 00000000, crc ok: INIT tag dd68d33d rwnd 32768 streams 32/32 tsn 0629bea6",
            "tag dd68d33d, crc ok: INIT ACK tag d42b4892 rwnd 64000 streams 2/17 tsn d42b4892 cookie 80 bytes",
            "tag d42b4892, crc ok: COOKIE ECHO 80 bytes",
            "tag dd68d33d, crc ok: COOKIE ACK",
            "tag d42b4892, crc ok: DATA 0629bea6 0/0 ppid 3 flags 3 16 bytes",
            "tag dd68d33d, crc ok: SACK 0629bea6 rwnd 64000 gaps [] duplicates 0",
            "tag dd68d33d, crc ok: DATA d42b4892 0/0 ppid 3 flags 3 8 bytes; DATA d42b4893 0/1 ppid 3 flags 3 32 bytes",
            "tag dd68d33d, crc ok: SACK 0629bea7 rwnd 64000 gaps [] duplicates 0; DATA d42b4894 0/2 ppid 3 flags 3 24 bytes",
            "tag d42b4892, crc ok: SACK d42b4894 rwnd 32768 gaps [] duplicates 0; DATA 0629bea8 0/2 ppid 3 flags 3 16 bytes",
            "tag d42b4892, crc ok: DATA 0629bea9 0/3 ppid 3 flags 3 16 bytes",
            "tag d42b4892, crc ok: DATA 0629beaa 0/4 ppid 3 flags 3 16 bytes",
            "tag dd68d33d, crc ok: DATA d42b4895 0/3 ppid 3 flags 3 32 bytes; DATA d42b4896 0/4 ppid 3 flags 3 24 bytes",
            "tag d42b4892, crc ok: SACK d42b4896 rwnd 32768 gaps [] duplicates 0",
            "tag dd68d33d, crc ok: SACK 0629bea9 rwnd 64000 gaps [] duplicates 0",
            "tag dd68d33d, crc ok: SACK 0629beaa rwnd 64000 gaps [] duplicates 0; DATA d42b4897 0/5 ppid 3 flags 3 24 bytes; DATA d42b4898 0/6 ppid 3 flags 3 24 bytes; DATA d42b4899 0/7 ppid 3 flags 3 24 bytes",
            "tag d42b4892, crc ok: SACK d42b4899 rwnd 32768 gaps [] duplicates 0",
            "tag 3d769144, crc ok: DATA 759251a3 1/0 ppid 3 flags 3 44 bytes",
            "tag 3d769144, crc ok: DATA 759251a4 6/0 ppid 3 flags 3 44 bytes",
            "tag e33e7286, crc ok: DATA 3d76914c 1/0 ppid 3 flags 3 64 bytes",
        ]
    );
}

/// A file, its packets, and how often a text is in their summaries.
type Capture = (&'static str, usize, &'static [(&'static str, usize)]);

#[test]
fn captures() {
    let Some(path) = corpora() else { return };
    let expected: [Capture; 4] = [
        (
            "zeek/sctp.pcap",
            74,
            &[
                ("INIT tag", 1),
                ("INIT ACK", 1),
                ("COOKIE ECHO", 1),
                ("COOKIE ACK", 1),
                ("SACK", 49),
                ("DATA", 120),
                ("crc ok", 74),
            ],
        ),
        ("suricata-verify/decode-sctp-01/input.pcap", 1, &[("DATA", 1), ("crc ok", 1)]),
        // One packet of thousands of chunks.
        (
            "suricata-verify/sctp-max-chunks/sctp-max-chunks.pcap",
            1,
            &[("ABORT", 16_143), ("crc ok", 1)],
        ),
        ("suricata-verify/sctp-pkt-too-small/input.pcap", 1, &[("malformed: packet shorter", 1)]),
    ];
    for (file, count, kinds) in expected {
        let packets = sctp_packets(&std::fs::read(path.join(file)).unwrap());
        packets.iter().for_each(|packet| feed(packet));
        assert_eq!(packets.len(), count, "{file}");
        let read: String = packets.iter().map(|packet| summary(packet)).collect();
        for (kind, count) in kinds {
            assert_eq!(read.matches(kind).count(), *count, "{file}: {kind}");
        }
    }
}

/// What we and other stacks sent each other: recordings of our own, part of the project.
#[test]
fn recorded_sessions_read_as_expected() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/interop");
    for peer in ["chromium", "firefox", "libwebrtc", "aiortc"] {
        for form in ["offerer-trickle", "answerer-complete"] {
            let name = format!("connect-{peer}-{form}");
            let packets =
                sctp_packets(&std::fs::read(folder.join(&name).join("sctp.pcap")).unwrap());
            let summaries: Vec<String> = packets.iter().map(|packet| summary(packet)).collect();
            packets.iter().for_each(|packet| feed(packet));
            for summary in &summaries {
                let whole = !summary.contains("malformed") && !summary.contains("crc wrong");
                assert!(whole, "{name}: {summary}");
            }
            for kind in ["INIT tag", "INIT ACK", "COOKIE ECHO", "COOKIE ACK", "DATA", "SACK"] {
                assert!(summaries.iter().any(|summary| summary.contains(kind)), "{name}: {kind}");
            }
        }
    }
}
