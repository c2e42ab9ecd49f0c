//! What others recorded: captures of browsers and of other stacks, and seeds of other fuzzers. The files are not part
//! of the project; where they are absent, the tests say so. Our own recordings under `vectors/interop/` are part of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use pcap_file::{
    DataLink,
    pcap::PcapReader,
    pcapng::{Block, PcapNgReader},
};

use crate::{
    codec::Reader,
    handshake::{
        ClientHello, FragmentHeader, HandshakeType, HelloVerifyRequest, ServerHello, ServerKeyShare,
    },
    reassembler::Reassembler,
    record::{ContentType, PlaintextHeader, RecordHeader},
};

fn corpora(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PEERAGE_CORPORA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"),
        PathBuf::from,
    );
    let path = root.join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is absent", path.display());
    None
}

/// Source and destination port, and the payload, of a UDP packet in IP.
fn udp(ip: &[u8]) -> Option<((u16, u16), &[u8])> {
    let segment = match ip.first()? >> 4 {
        4 if ip.get(9) == Some(&17) => ip.get(usize::from(ip[0] & 15) * 4..)?,
        6 if ip.get(6) == Some(&17) => ip.get(40..)?,
        _ => return None,
    };
    let mut reader = Reader::new(segment);
    let ports = (reader.u16()?, reader.u16()?);
    let length = usize::from(reader.u16()?).checked_sub(8)?;
    reader.u16()?;
    Some((ports, reader.take(length)?))
}

fn ip_of(link: DataLink, frame: &[u8]) -> Option<&[u8]> {
    match link {
        DataLink::ETHERNET => match frame.get(12..14)? {
            [0x81, 0x00] => frame.get(18..),
            _ => frame.get(14..),
        },
        DataLink::LINUX_SLL => frame.get(16..),
        DataLink::LINUX_SLL2 => frame.get(20..),
        DataLink::RAW => Some(frame),
        other => panic!("link type {other:?}"),
    }
}

/// The datagrams of a capture that look like DTLS (RFC 7983), with their ports.
fn datagrams(path: &Path) -> Vec<((u16, u16), Vec<u8>)> {
    let file = std::fs::read(path).expect("a capture");
    let mut frames = Vec::new();
    if let Ok(mut reader) = PcapReader::new(&file[..]) {
        let link = reader.header().datalink;
        while let Some(packet) = reader.next_packet() {
            frames.push((link, packet.expect("a packet").data.into_owned()));
        }
    } else {
        let mut reader = PcapNgReader::new(&file[..]).expect("a capture");
        let mut links = Vec::new();
        while let Some(block) = reader.next_block() {
            match block.expect("a block") {
                Block::InterfaceDescription(interface) => links.push(interface.linktype),
                Block::EnhancedPacket(packet) => {
                    frames.push((links[packet.interface_id as usize], packet.data.into_owned()));
                }
                _ => {}
            }
        }
    }
    frames
        .iter()
        .filter_map(|(link, frame)| udp(ip_of(*link, frame)?))
        .filter(|(_, payload)| payload.first().is_some_and(|first| (20..64).contains(first)))
        .map(|(ports, payload)| (ports, payload.to_vec()))
        .collect()
}

#[derive(Debug, Default)]
struct Seen {
    client_hellos: Vec<ClientHello>,
    server_hellos: Vec<ServerHello>,
    hello_verify_requests: usize,
    encrypted_records: usize,
    plaintext_records: usize,
    malformed: usize,
    fragments_of_client_hellos: usize,
}

/// Reads all that is in clear.
fn replay(path: &Path) -> Seen {
    let mut seen = Seen::default();
    let mut flows: BTreeMap<(u16, u16), Reassembler> = BTreeMap::new();
    for (ports, datagram) in datagrams(path) {
        let reassembler = flows.entry(ports).or_default();
        let mut at = 0;
        while at < datagram.len() {
            let Some(header) = RecordHeader::parse(&datagram[at..]) else {
                seen.malformed += 1;
                break;
            };
            let record = &datagram[at..at + header.record_len()];
            at += header.record_len();
            match header {
                RecordHeader::Plaintext(header)
                    if header.epoch == 0 && header.content_type == ContentType::Handshake =>
                {
                    seen.plaintext_records += 1;
                    let mut reader = Reader::new(&record[PlaintextHeader::LEN..]);
                    while let Some((fragment, body)) = FragmentHeader::read(&mut reader) {
                        seen.fragments_of_client_hellos +=
                            usize::from(fragment.handshake_type == HandshakeType::CLIENT_HELLO);
                        reassembler.insert(&fragment, body);
                    }
                }
                RecordHeader::Plaintext(header) if header.epoch == 0 => seen.plaintext_records += 1,
                _ => seen.encrypted_records += 1,
            }
        }
        while let Some(message) = reassembler.pop() {
            match message.handshake_type() {
                HandshakeType::CLIENT_HELLO => {
                    let hello = ClientHello::parse(message.body()).expect("a ClientHello");
                    let mut out = Vec::new();
                    hello.write(&mut out);
                    // The order of extensions is not kept, and it does not matter.
                    assert_eq!(out.len(), message.body().len());
                    assert_eq!(ClientHello::parse(&out).as_ref(), Ok(&hello));
                    seen.client_hellos.push(hello);
                }
                HandshakeType::SERVER_HELLO => seen
                    .server_hellos
                    .push(ServerHello::parse(message.body()).expect("a ServerHello")),
                HandshakeType::HELLO_VERIFY_REQUEST => {
                    HelloVerifyRequest::parse(message.body()).expect("a HelloVerifyRequest");
                    seen.hello_verify_requests += 1;
                }
                _ => {}
            }
        }
    }
    seen
}

fn summary(name: &str) -> Option<String> {
    let seen = replay(&corpora(name)?);
    let hellos: Vec<_> = seen
        .client_hellos
        .iter()
        .map(|hello| {
            let shares = hello.key_shares.as_deref().unwrap_or_default();
            let shares: Vec<_> =
                shares.iter().map(|entry| (entry.group, entry.share.len())).collect();
            format!(
                "ClientHello versions {:04x?} suites {} groups {:?} shares {:?} srtp {:?} cookie {} ems {}",
                hello.supported_versions.as_ref().unwrap_or(&vec![hello.legacy_version]),
                hello.cipher_suites.len(),
                hello.supported_groups,
                shares,
                hello.use_srtp.as_ref().map(|use_srtp| &use_srtp.profiles),
                hello.legacy_cookie.len() + hello.cookie.as_ref().map_or(0, Vec::len),
                hello.extended_master_secret,
            )
        })
        .chain(seen.server_hellos.iter().map(|hello| {
            let share = match &hello.key_share {
                Some(ServerKeyShare::Share(entry)) => format!("{}", entry.group),
                Some(ServerKeyShare::Retry(group)) => format!("retry {group}"),
                None => "none".to_owned(),
            };
            format!(
                "ServerHello version {:04x} suite {:04x} share {share} srtp {:?} ems {}",
                hello.supported_version.unwrap_or(hello.legacy_version),
                hello.cipher_suite,
                hello.use_srtp.as_ref().map(|use_srtp| &use_srtp.profiles),
                hello.extended_master_secret,
            )
        }))
        .collect();
    Some(format!(
        "{}\nfragments of ClientHellos {}, HelloVerifyRequests {}, records {} plain, {} encrypted, {} malformed",
        hellos.join("\n"),
        seen.fragments_of_client_hellos,
        seen.hello_verify_requests,
        seen.plaintext_records,
        seen.encrypted_records,
        seen.malformed,
    ))
}

/// Firefox and Chromium: both send a ClientHello in several fragments, with a post-quantum share and one of X25519.
#[test]
fn hellos_of_browsers_read_as_expected() {
    let Some(summary) = summary("browser-sdp/chrome-firefox-cross.pcap") else { return };
    assert_eq!(
        summary,
        "ClientHello versions [fefc, fefd, 0303] suites 10 groups Some([4588, 29, 23, 24, 256, 257]) \
         shares [(4588, 1216), (29, 32)] srtp Some([7, 8, 1, 2]) cookie 0 ems true\n\
         ClientHello versions [fefc, fefd] suites 14 groups Some([4588, 29, 23, 24]) \
         shares [(4588, 1216), (29, 32)] srtp Some([1, 8, 7]) cookie 0 ems true\n\
         ServerHello version fefc suite 1301 share 4588 srtp None ems false\n\
         ServerHello version fefc suite 1301 share 4588 srtp None ems false\n\
         fragments of ClientHellos 6, HelloVerifyRequests 0, \
         records 8 plain, 54 encrypted, 0 malformed"
    );
}

/// wolfSSL: a cookie in a HelloRetryRequest, then a handshake on P-256.
#[test]
fn a_handshake_with_a_retry_reads_as_expected() {
    let Some(summary) = summary("zeek/tls/dtls13-wolfssl.pcap") else { return };
    let groups = "groups Some([25, 24, 23, 21, 256]) shares [(23, 65)] srtp None";
    assert_eq!(
        summary,
        format!(
            "ClientHello versions [fefc] suites 27 {groups} cookie 0 ems false\n\
             ClientHello versions [fefc] suites 27 {groups} cookie 67 ems false\n\
             ServerHello version fefc suite 1301 share none srtp None ems false\n\
             ServerHello version fefc suite 1301 share 23 srtp None ems false\n\
             fragments of ClientHellos 2, HelloVerifyRequests 0, \
             records 4 plain, 11 encrypted, 0 malformed"
        )
    );
}

/// Encrypted records with connection IDs are not for us; all else in the capture reads.
#[test]
fn connection_ids_are_refused() {
    let Some(path) = corpora("zeek/tls/dtls13-cid.pcap") else { return };
    let seen = replay(&path);
    assert_eq!((seen.client_hellos.len(), seen.server_hellos.len()), (7, 4));
    assert_eq!((seen.encrypted_records, seen.malformed), (14, 11));
}

/// Handshakes of DTLS 1.2 with a cookie, and of DTLS 1.0, whose hellos have the same form.
#[test]
fn older_handshakes_read_as_expected() {
    for (file, version, cookies, srtp) in [
        ("zeek/tls/dtls1_2.pcap", 0xfefd, 1, None),
        ("zeek/tls/dtls1_0.pcap", 0xfeff, 1, None),
        ("zeek/tls/webrtc-stun.pcap", 0xfeff, 0, Some(1)),
    ] {
        let Some(path) = corpora(file) else { return };
        let seen = replay(&path);
        assert_eq!(seen.hello_verify_requests, cookies, "{file}");
        assert_eq!(seen.client_hellos.len(), 1 + cookies, "{file}");
        assert_eq!(seen.malformed, 0, "{file}");
        let [server_hello] = &seen.server_hellos[..] else { panic!("{file}: one ServerHello") };
        assert_eq!(server_hello.legacy_version, version, "{file}");
        let profile = server_hello.use_srtp.as_ref().map(|use_srtp| use_srtp.profiles[0]);
        assert_eq!(profile, srtp, "{file}");
    }
}

/// A ClientHello whose records and fragments skip numbers at random.
#[test]
fn jumps_of_sequence_numbers_do_no_harm() {
    let Some(path) = corpora("zeek/tls/dtls-sequence-number-jumps.pcap") else { return };
    let seen = replay(&path);
    assert_eq!((seen.client_hellos.len(), seen.server_hellos.len()), (1, 1));
    assert!(seen.server_hellos[0].key_share.is_none());
}

/// Our own sessions with other stacks: versions, groups and suites as both sides wanted them.
#[test]
fn recorded_sessions_read_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors/interop");
    for (peer, version, group) in [
        ("chromium", 0xfefc, Some(4588)),
        ("firefox", 0xfefc, Some(4588)),
        ("libwebrtc", 0xfefc, Some(29)),
        ("aiortc", 0xfefd, None),
    ] {
        for form in ["offerer-trickle", "answerer-complete"] {
            let seen = replay(&folder.join(format!("connect-{peer}-{form}/wire.pcap")));
            assert!(!seen.client_hellos.is_empty(), "{peer}, {form}");
            assert_eq!(seen.malformed, 0, "{peer}, {form}");
            assert!(seen.encrypted_records > 10, "{peer}, {form}");
            let hello = seen.server_hellos.last().expect("a ServerHello");
            let chosen = hello.supported_version.unwrap_or(hello.legacy_version);
            assert_eq!(chosen, version, "{peer}, {form}");
            let share = match &hello.key_share {
                Some(ServerKeyShare::Share(entry)) => Some(entry.group),
                _ => None,
            };
            assert_eq!(share, group, "{peer}, {form}");
        }
    }
}

/// The bytes of a seed of a Go fuzzer: `[]byte("...")` on the second line.
fn go_seed(text: &str) -> Option<Vec<u8>> {
    let line = text.lines().nth(1)?;
    let inner = line.strip_prefix("[]byte(\"")?.strip_suffix("\")")?;
    let mut out = Vec::new();
    let mut chars = inner.chars();
    while let Some(character) = chars.next() {
        if character != '\\' {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = chars.next()?;
        let mut number = |digits: usize| {
            let digits: String = chars.by_ref().take(digits).collect();
            u32::from_str_radix(&digits, 16).ok()
        };
        match escape {
            'x' => out.push(number(2)? as u8),
            'u' => out
                .extend_from_slice(char::from_u32(number(4)?)?.encode_utf8(&mut [0; 4]).as_bytes()),
            'U' => out
                .extend_from_slice(char::from_u32(number(8)?)?.encode_utf8(&mut [0; 4]).as_bytes()),
            'a' => out.push(7),
            'b' => out.push(8),
            't' => out.push(9),
            'n' => out.push(10),
            'v' => out.push(11),
            'f' => out.push(12),
            'r' => out.push(13),
            other => out.push(other as u8),
        }
    }
    Some(out)
}

fn files_below(path: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(path).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, out);
        } else {
            out.push(path);
        }
    }
}

/// Seeds of other fuzzers, and every datagram of every capture, through all of ours.
#[test]
fn seeds_of_others_do_no_harm() {
    let mut inputs = Vec::new();
    if let Some(path) = corpora("pion/dtls") {
        let mut files = Vec::new();
        files_below(&path, &mut files);
        let seeds = files.iter().filter_map(|file| std::fs::read(file).ok());
        inputs.extend(seeds.filter_map(|bytes| {
            std::str::from_utf8(&bytes).ok().and_then(go_seed).or(Some(bytes))
        }));
        assert!(inputs.len() > 400, "{} seeds", inputs.len());
    }
    for folder in ["zeek/tls", "browser-sdp"] {
        let Some(path) = corpora(folder) else { continue };
        let mut files = Vec::new();
        files_below(&path, &mut files);
        files.retain(|file| file.extension().is_some_and(|extension| extension == "pcap"));
        for file in files {
            inputs.extend(datagrams(&file).into_iter().map(|(_, datagram)| datagram));
        }
    }
    for input in inputs {
        crate::fuzzing::records(&input);
        crate::fuzzing::handshake_messages(&input);
        crate::fuzzing::reassembly(&input);
        if let Some(body) = input.get(PlaintextHeader::LEN..) {
            crate::fuzzing::reassembly(body);
            crate::fuzzing::handshake_messages(body.get(FragmentHeader::LEN..).unwrap_or_default());
        }
        for choice in [0, 1, 128, 129] {
            let mut framed = vec![choice];
            framed.extend_from_slice(&(input.len() as u16).to_be_bytes());
            framed.extend_from_slice(&input);
            crate::fuzzing::endpoint(&framed);
        }
    }
}
