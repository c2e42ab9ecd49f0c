//! Replays the recordings under `vectors/interop/`: what Peerage and other stacks said to each other on real wires.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use peerage_crypto::default_provider;
use peerage_interop::payload::{Kind, payload};
use peerage_interop::recording::capture::{Datagram, sctp_packets, udp_datagrams};
use peerage_interop::recording::{KeyLog, dtls};
use peerage_sdp::{Candidate, SessionDescription};
use peerage_stun::demux::{PacketKind, classify};
use peerage_stun::{Class, IntegrityAlgorithm, IntegrityKey, Message};
use serde_json::Value;

/// A folder with one recording.
struct Recording {
    name: String,
    path: PathBuf,
}

impl Recording {
    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/interop");
        let mut found: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .map(|path| Self {
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                path,
            })
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert!(found.len() >= 4, "recordings under {}", folder.display());
        found
    }

    fn bytes(&self, file: &str) -> Vec<u8> {
        std::fs::read(self.path.join(file))
            .unwrap_or_else(|error| panic!("{}/{file}: {error}", self.name))
    }

    fn text(&self, file: &str) -> String {
        String::from_utf8(self.bytes(file)).unwrap()
    }

    fn datagrams(&self) -> Vec<Datagram> {
        udp_datagrams(&self.bytes("wire.pcap")).unwrap()
    }

    fn session(&self) -> dtls::Session {
        dtls::decrypt(&self.datagrams(), &KeyLog::parse(&self.text("keys.log"))).unwrap()
    }

    fn about(&self) -> Value {
        serde_json::from_str(&self.text("about.json")).unwrap()
    }
}

/// Offers and answers parse and are written back as they were.
#[test]
fn recorded_descriptions_round_trip() {
    for recording in Recording::all() {
        for file in ["offer.sdp", "answer.sdp"] {
            let text = recording.text(file);
            let parsed: SessionDescription =
                text.parse().unwrap_or_else(|error| panic!("{}/{file}: {error}", recording.name));
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(lines(&parsed.to_string()), lines(&text), "{}/{file}", recording.name);
        }
        let about = recording.about();
        for end in ["subject", "peer"] {
            for candidate in about[end]["candidates"].as_array().unwrap() {
                let Some(text) = candidate["candidate"].as_str().filter(|text| !text.is_empty())
                else {
                    continue;
                };
                let parsed: Candidate = text.parse().unwrap();
                // The transport's case means nothing (RFC 8839 §5.1); Firefox writes UDP.
                let again = parsed.to_string();
                assert!(again.eq_ignore_ascii_case(text), "{}: {again}", recording.name);
            }
        }
    }
}

/// Every STUN message parses, its fingerprint is right, and its integrity verifies with the password of the end that
/// answers (RFC 8445 §7.2.2: both the request and its response use the password of the agent that is asked).
#[test]
fn recorded_connectivity_checks_verify() {
    for recording in Recording::all() {
        let credentials = ["offer.sdp", "answer.sdp"].map(|file| {
            let text = recording.text(file);
            let value = |name: &str| {
                let line = text.lines().find_map(|line| line.trim_end().strip_prefix(name));
                line.unwrap_or_else(|| panic!("{}: {file} has no {name}", recording.name))
                    .to_owned()
            };
            (value("a=ice-ufrag:"), value("a=ice-pwd:"))
        });
        let key = |password: &str| {
            let provider = default_provider();
            IntegrityKey::short_term(&*provider, IntegrityAlgorithm::HmacSha1, password)
        };
        let (mut requests, mut responses) = (std::collections::HashMap::new(), 0);
        for datagram in recording.datagrams() {
            if classify(&datagram.payload) != PacketKind::Stun {
                continue;
            }
            let message = Message::parse(&datagram.payload).unwrap();
            message.verify_fingerprint().unwrap();
            for attribute in message.attributes() {
                attribute.decode(message.transaction_id()).unwrap();
            }
            match message.class() {
                Class::Request => {
                    let username = std::str::from_utf8(message.username().unwrap()).unwrap();
                    // RFC 8445 §7.2.2: the fragment of the agent that is asked comes first.
                    let asked = username.split(':').next().unwrap();
                    let (_, password) =
                        credentials.iter().find(|(ufrag, _)| ufrag == asked).unwrap();
                    message.verify_integrity(&key(password)).unwrap();
                    requests.insert(message.transaction_id(), password.clone());
                }
                Class::SuccessResponse => {
                    let Some(password) = requests.get(&message.transaction_id()) else { continue };
                    message.verify_integrity(&key(password)).unwrap();
                    assert!(message.mapped_address().is_some(), "{}", recording.name);
                    responses += 1;
                }
                // A role conflict, or a request that came before its answer.
                Class::ErrorResponse | Class::Indication => {}
            }
        }
        assert!(requests.len() >= 2 && responses >= 2, "{}: checks both ways", recording.name);
    }
}

/// The key log opens every record that follows the handshake, and what was kept as `sctp.pcap` is inside.
#[test]
fn recorded_sessions_open_with_their_keys() {
    for recording in Recording::all() {
        let session = recording.session();
        let about = recording.about();
        assert_eq!(about["dtls"]["version"], session.version, "{}", recording.name);
        let expected = if recording.name.contains("aiortc") { "1.2" } else { "1.3" };
        assert_eq!(session.version, expected, "{}", recording.name);
        assert_eq!(session.unopened, 0, "{}: {} opened", recording.name, session.opened);
        let kept = sctp_packets(&recording.bytes("sctp.pcap")).unwrap();
        let payloads = |packets: &[Datagram]| -> Vec<Vec<u8>> {
            packets.iter().map(|packet| packet.payload.clone()).collect()
        };
        assert!(payloads(&kept) == payloads(&session.application_data), "{}", recording.name);
        assert!(dtls::decrypt(&recording.datagrams(), &KeyLog::default()).is_err());
    }
}

/// ICE may move both ends to other addresses at once; the keys still tell who speaks.
#[test]
fn recorded_sessions_open_after_a_change_of_path() {
    for recording in Recording::all() {
        let mut datagrams = recording.datagrams();
        let half = datagrams.len() / 2;
        for datagram in &mut datagrams[half..] {
            for end in [&mut datagram.source, &mut datagram.destination] {
                end.set_port(end.port() ^ 1);
            }
        }
        let session =
            dtls::decrypt(&datagrams, &KeyLog::parse(&recording.text("keys.log"))).unwrap();
        assert_eq!(session.unopened, 0, "{}", recording.name);
        assert_eq!(session.opened, recording.session().opened, "{}", recording.name);
    }
}

/// Each decrypted packet is whole SCTP: a right checksum (or none, RFC 9653), chunks up to its end; together they are an
/// association from INIT to data, with the messages of the case inside.
#[test]
fn recorded_associations_read_as_expected() {
    for recording in Recording::all() {
        let (mut kinds, mut data) = (BTreeSet::new(), Vec::new());
        for packet in recording.session().application_data {
            let packet = packet.payload;
            let (header, mut chunks) = packet.split_at(12);
            let checksum = u32::from_le_bytes(*header.last_chunk().unwrap());
            let mut blank = packet.clone();
            blank[8..12].fill(0);
            assert!(
                checksum == crc32c::crc32c(&blank) || checksum == 0,
                "{}: checksum {checksum:#010x}",
                recording.name
            );
            while !chunks.is_empty() {
                let length = usize::from(u16::from_be_bytes([chunks[2], chunks[3]]));
                kinds.insert(chunks[0]);
                match chunks[0] {
                    0 => data.extend_from_slice(&chunks[16..length]),
                    64 => data.extend_from_slice(&chunks[20..length]),
                    _ => {}
                }
                chunks = &chunks[length.next_multiple_of(4).min(chunks.len())..];
            }
        }
        // INIT, INIT ACK, SACK, COOKIE ECHO, COOKIE ACK.
        for kind in [1, 2, 3, 10, 11] {
            assert!(kinds.contains(&kind), "{}: chunk type {kind} in {kinds:?}", recording.name);
        }
        assert!(kinds.contains(&0) || kinds.contains(&64), "{}: data", recording.name);
        let count = |part: &[u8]| data.windows(part.len()).filter(|window| *window == part).count();
        // `main` there and back, `back` back and there: each message of the case four times, if no packet was repeated.
        let binary = payload(Kind::Binary, 5, 0, 1000);
        assert!(count(&binary) >= 4, "{}: {} binary messages", recording.name, count(&binary));
        for label in ["main", "back"] {
            let text = format!(" · {label} · 你好");
            assert!(count(text.as_bytes()) >= 2, "{}: texts of {label}", recording.name);
        }
    }
}
