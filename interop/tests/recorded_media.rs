//! Replays the recordings with media under `vectors/media/`: the keys of DTLS open SRTP, the packets become frames, and what
//! came out is compared with what came out when they were recorded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use peerage_crypto::default_provider;
use peerage_interop::payload::hex;
use peerage_interop::recording::capture::{Datagram, udp_datagrams};
use peerage_interop::recording::{KeyLog, dtls};
use peerage_rtp::extension::{Mid, RtpStreamId, TransportSequenceNumber};
use peerage_rtp::payload::telephone_event::{EventChange, EventReceiver};
use peerage_rtp::payload::{AssemblerConfig, EncodedFrame, FrameAssembler, PayloadFormat};
use peerage_rtp::{ExtensionMap, RtpPacket, SequenceUnwrapper, rtcp};
use peerage_srtp::{Config, KeyingMaterial, ProtectionProfile, Receiver};
use peerage_stun::demux::{PacketKind, classify};
use sha2::{Digest as _, Sha256};

/// RFC 5764 §4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";

/// What a description says of the packets of the end that wrote it.
#[derive(Default)]
struct Description {
    extensions: ExtensionMap,
    /// Codec and its parameters, by payload type.
    codecs: BTreeMap<u8, (String, String)>,
}

impl Description {
    /// All that a call had: a number keeps its meaning in it (RFC 9143 §9.1).
    fn read(sdps: &[String]) -> Self {
        let mut out = Self::default();
        out.extensions.allow_two_byte(true);
        for line in sdps.iter().flat_map(|sdp| sdp.lines()) {
            let (name, value) =
                line.strip_prefix("a=").and_then(|l| l.split_once(':')).unwrap_or_default();
            let (first, rest) = value.split_once(' ').unwrap_or_default();
            match name {
                "extmap" => {
                    let id = first.split('/').next().and_then(|id| id.parse().ok()).unwrap_or(0);
                    let _ = out.extensions.insert(id, rest.split(' ').next().unwrap_or(""));
                }
                "rtpmap" => {
                    let codec = rest.split('/').next().unwrap_or("").to_owned();
                    out.codecs.entry(first.parse().unwrap()).or_default().0 = codec;
                }
                "fmtp" => {
                    out.codecs.entry(first.parse().unwrap()).or_default().1 = rest.to_owned();
                }
                _ => {}
            }
        }
        out
    }
}

/// What one source sent.
#[derive(Default)]
struct Source {
    codec: String,
    mid: String,
    rid: String,
    packets: usize,
    numbered: usize,
    unwrapper: SequenceUnwrapper,
    assembler: Option<FrameAssembler>,
    frames: Vec<EncodedFrame>,
    keys: EventReceiver,
    /// Keys of the telephone and their lengths, in ticks.
    pressed: Vec<(u8, u32)>,
}

impl Source {
    fn take(&mut self, packet: &RtpPacket<'_>, description: &Description) {
        let extensions = &description.extensions;
        let (codec, fmtp) = &description.codecs[&packet.payload_type().get()];
        self.packets += 1;
        if let Some(mid) = packet.extension::<Mid>(extensions) {
            self.mid = mid.0.to_owned();
        }
        if let Some(rid) = packet.extension::<RtpStreamId>(extensions) {
            self.rid = rid.0.to_owned();
        }
        self.numbered +=
            usize::from(packet.extension::<TransportSequenceNumber>(extensions).is_some());
        let sequence = self.unwrapper.unwrap(packet.sequence_number());
        if codec == "telephone-event" {
            let at = packet.timestamp().0;
            let changes = self.keys.handle(at, packet.payload()).expect("telephone events");
            self.pressed.extend(changes.into_iter().filter_map(|change| match change {
                EventChange::Ended { event, duration, .. } => Some((event, duration)),
                _ => None,
            }));
            return;
        }
        self.codec.clone_from(codec);
        let Some(format) = PayloadFormat::from_sdp(codec, fmtp) else { return };
        let assembler = self
            .assembler
            .get_or_insert_with(|| FrameAssembler::new(format, AssemblerConfig::default()));
        let payload = Bytes::copy_from_slice(packet.payload());
        assembler.insert(sequence, packet.timestamp().0, packet.marker(), payload, None);
        self.frames.extend(std::iter::from_fn(|| assembler.poll_frame()));
    }

    fn tell(&self, out: &mut String) {
        let mut hash = Sha256::new();
        self.frames.iter().for_each(|frame| hash.update(&frame.data));
        let mut sizes: Vec<_> = self.frames.iter().filter_map(|frame| frame.dimensions).collect();
        sizes.dedup();
        let Self { codec, mid, rid, packets, numbered, frames, .. } = self;
        let keyframes = frames.iter().filter(|frame| frame.keyframe).count();
        let bytes: usize = frames.iter().map(|frame| frame.data.len()).sum();
        writeln!(
            out,
            "{codec} mid={mid:?} rid={rid:?}: {packets} packets, {numbered} numbered; {} frames, {keyframes} keyframes, \
             {bytes} bytes, sizes {sizes:?}, {}",
            frames.len(),
            &hex(&hash.finalize())[..16],
        )
        .unwrap();
        if !self.pressed.is_empty() {
            writeln!(out, "  keys and their ticks: {:?}", self.pressed).unwrap();
        }
    }
}

/// One direction of a session.
struct Direction {
    receiver: Receiver,
    description: Description,
    /// In the order of their first packets, so that the text tells no random numbers.
    order: Vec<u32>,
    sources: BTreeMap<u32, Source>,
    rtcp: BTreeMap<&'static str, usize>,
}

impl Direction {
    /// False if the keys of this side do not open it.
    fn take(&mut self, datagram: &Datagram) -> bool {
        let mut data = datagram.payload.clone();
        // RFC 5761 §4.
        if (192..224).contains(&data[1]) {
            let Ok(plain) = self.receiver.unprotect_rtcp(&mut data) else {
                return false;
            };
            for packet in rtcp::packets(plain) {
                let packet = packet.unwrap_or_else(|error| panic!("{error}: {}", hex(plain)));
                *self.rtcp.entry(kind(&packet)).or_default() += 1;
            }
            return true;
        }
        let Ok(plain) = self.receiver.unprotect_rtp(&mut data) else {
            return false;
        };
        let packet = RtpPacket::parse(plain).expect("what SRTP authenticates is RTP");
        let ssrc = packet.ssrc().0;
        if !self.sources.contains_key(&ssrc) {
            self.order.push(ssrc);
        }
        self.sources.entry(ssrc).or_default().take(&packet, &self.description);
        true
    }
}

fn kind(packet: &rtcp::Packet<'_>) -> &'static str {
    match packet {
        rtcp::Packet::SenderReport(_) => "SR",
        rtcp::Packet::ReceiverReport(_) => "RR",
        rtcp::Packet::SourceDescription(_) => "SDES",
        rtcp::Packet::Goodbye(_) => "BYE",
        rtcp::Packet::Nack(_) => "NACK",
        rtcp::Packet::PictureLossIndication(_) => "PLI",
        rtcp::Packet::FullIntraRequest(_) => "FIR",
        rtcp::Packet::TransportFeedback(_) => "transport-cc",
        _ => "other",
    }
}

fn replay(path: &Path) -> String {
    let text = |file: &str| std::fs::read_to_string(path.join(file)).unwrap();
    let datagrams = udp_datagrams(&std::fs::read(path.join("wire.pcap")).unwrap()).unwrap();
    let keys = KeyLog::parse(&text("keys.log"));
    let session = dtls::decrypt(&datagrams, &keys).unwrap();
    assert_eq!(session.unopened, 0, "{}", path.display());
    let about: serde_json::Value = serde_json::from_str(&text("about.json")).unwrap();
    let subject_offers = about["role_of_subject"] == "offerer";
    let client = session.client.unwrap();
    let is_media = |datagram: &&Datagram| {
        matches!(classify(&datagram.payload), PacketKind::Rtp | PacketKind::Rtcp)
    };
    let media: Vec<&Datagram> = datagrams.iter().filter(is_media).collect();
    let profile = profile(&session, &keys, &media);
    let mut directions = directions(&session, &keys, profile);
    // Payload types and identifiers are those of the answer, which keeps the offer's for what both take; those of the
    // offer alone are not sent.
    let names = std::fs::read_dir(path).unwrap().flatten();
    let names = names.filter_map(|entry| entry.file_name().into_string().ok());
    let offers = names.filter(|name| name.starts_with("offer")).map(|name| text(&name));
    let offers: Vec<String> = offers.collect();
    for direction in &mut directions {
        direction.description = Description::read(&offers);
    }
    for datagram in media {
        // ICE may have moved to other addresses; only one side's keys open a packet.
        let guess = usize::from(datagram.source != client);
        if !directions[guess].take(datagram) {
            assert!(directions[1 - guess].take(datagram), "{}: not opened", path.display());
        }
    }
    let mut out =
        format!("{profile:?}, {} offers\n", if subject_offers { "we" } else { "the peer" });
    for (name, direction) in ["DTLS client", "DTLS server"].iter().zip(&directions) {
        writeln!(out, "{name}: RTCP {:?}", direction.rtcp).unwrap();
        direction.order.iter().for_each(|ssrc| direction.sources[ssrc].tell(&mut out));
    }
    out
}

fn directions(
    session: &dtls::Session,
    keys: &KeyLog,
    profile: ProtectionProfile,
) -> [Direction; 2] {
    let exported = session.export(keys, LABEL, profile.keying_material_len()).unwrap();
    let material = KeyingMaterial::split(profile, &exported).unwrap();
    [&material.client, &material.server].map(|key| Direction {
        receiver: Receiver::new(&default_provider(), key, Config::default()).unwrap(),
        description: Description::default(),
        order: Vec::new(),
        sources: BTreeMap::new(),
        rtcp: BTreeMap::new(),
    })
}

/// The profile that was agreed on, inside of what is encrypted in DTLS 1.3: the one that opens the first packet.
fn profile(session: &dtls::Session, keys: &KeyLog, media: &[&Datagram]) -> ProtectionProfile {
    let first = media.first().expect("media");
    [1, 2, 7, 8]
        .into_iter()
        .filter_map(ProtectionProfile::from_wire)
        .find(|&profile| {
            // Which side's packet it is, its address need not tell: ICE may have moved.
            directions(session, keys, profile).into_iter().any(|mut direction| {
                let mut data = first.payload.clone();
                match (192..224).contains(&data[1]) {
                    true => direction.receiver.unprotect_rtcp(&mut data).is_ok(),
                    false => direction.receiver.unprotect_rtp(&mut data).is_ok(),
                }
            })
        })
        .expect("a profile of RFC 5764 or RFC 7714 opens the first packet")
}

#[test]
fn recorded_media_becomes_the_same_frames() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/media");
    let mut recordings: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
    recordings.sort();
    assert!(recordings.len() >= 3, "recordings under {}", folder.display());
    let mut out = String::new();
    for path in recordings {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(out, "{name}: {}", replay(&path)).unwrap();
    }
    insta::assert_snapshot!(out);
}
