//! Replays the recordings with media under `vectors/media/`: the keys of DTLS open SRTP, the packets become frames, and what
//! came out is compared with what came out when they were recorded. What was sent again (RFC 4588) is restored: it is the same
//! as what it repeats, and where that is taken out of the recording the same frames come out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use peerage_crypto::default_provider;
use peerage_interop::payload::hex;
use peerage_interop::recording::capture::{Datagram, udp_datagrams};
use peerage_interop::recording::{KeyLog, dtls};
use peerage_rtp::extension::{Mid, RepairedRtpStreamId, RtpStreamId, TransportSequenceNumber};
use peerage_rtp::payload::telephone_event::{EventChange, EventReceiver};
use peerage_rtp::payload::{
    AssemblerConfig, EncodedFrame, FrameAssembler, Insertion, PayloadFormat,
};
use peerage_rtp::repair::rtx;
use peerage_rtp::{ExtensionMap, PayloadType, RtpPacket, SequenceUnwrapper, Ssrc, rtcp};
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
    /// What each source of retransmissions repeats (`a=ssrc-group:FID`, RFC 4588 §8.1).
    repeats: BTreeMap<u32, u32>,
}

impl Description {
    /// Which sources belong together, whoever says so: they are random, and mean the same everywhere.
    fn read_groups(&mut self, sdps: &[String]) {
        let groups = sdps.iter().flat_map(|sdp| sdp.lines());
        for group in groups.filter_map(|line| line.strip_prefix("a=ssrc-group:FID ")) {
            let ssrcs: Vec<u32> = group.split(' ').filter_map(|ssrc| ssrc.parse().ok()).collect();
            if let [media, repair] = ssrcs[..] {
                self.repeats.insert(repair, media);
            }
        }
    }

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
    /// Timestamp, marker and payload of what came, by its number.
    came: BTreeMap<u16, (u32, bool, Vec<u8>)>,
    /// Packets that never came.
    lost: usize,
    /// Of a source of retransmissions: those that were restored, and how many of them had not come before.
    restored: (usize, usize),
}

impl Source {
    /// Notes a packet, whatever is in it.
    fn note(&mut self, packet: &RtpPacket<'_>, description: &Description) {
        let extensions = &description.extensions;
        self.codec.clone_from(&description.codecs[&packet.payload_type().get()].0);
        self.packets += 1;
        if let Some(mid) = packet.extension::<Mid>(extensions) {
            self.mid = mid.0.to_owned();
        }
        let rid = packet.extension::<RtpStreamId>(extensions).map(|rid| rid.0);
        let rid = rid.or(packet.extension::<RepairedRtpStreamId>(extensions).map(|rid| rid.0));
        if let Some(rid) = rid {
            self.rid = rid.to_owned();
        }
        self.numbered +=
            usize::from(packet.extension::<TransportSequenceNumber>(extensions).is_some());
    }

    /// Takes a packet of media; whether it was there before is told where frames are made of it.
    fn take(&mut self, packet: &RtpPacket<'_>, description: &Description) -> Option<Insertion> {
        let (codec, fmtp) = &description.codecs[&packet.payload_type().get()];
        let content = (packet.timestamp().0, packet.marker(), packet.payload().to_vec());
        let before = self.came.entry(packet.sequence_number().0).or_insert(content.clone());
        assert_eq!(*before, content, "what is sent again is the same");
        let sequence = self.unwrapper.unwrap(packet.sequence_number());
        if codec == "telephone-event" {
            let at = packet.timestamp().0;
            let changes = self.keys.handle(at, packet.payload()).expect("telephone events");
            self.pressed.extend(changes.into_iter().filter_map(|change| match change {
                EventChange::Ended { event, duration, .. } => Some((event, duration)),
                _ => None,
            }));
            return None;
        }
        self.codec.clone_from(codec);
        let format = PayloadFormat::from_sdp(codec, fmtp)?;
        let assembler = self
            .assembler
            .get_or_insert_with(|| FrameAssembler::new(format, AssemblerConfig::default()));
        let payload = Bytes::copy_from_slice(packet.payload());
        let (timestamp, marker) = (packet.timestamp().0, packet.marker());
        let insertion = assembler.insert(sequence, timestamp, marker, payload, None);
        self.frames.extend(std::iter::from_fn(|| assembler.poll_frame()));
        Some(insertion)
    }

    /// Gives up what never came, for nothing follows: what was waiting for it comes out as far as it can be decoded.
    fn finish(&mut self) {
        let Some(assembler) = &mut self.assembler else { return };
        while let Some(missing) = assembler.first_missing() {
            self.lost += 1;
            assembler.give_up_before(missing + 1);
            self.frames.extend(std::iter::from_fn(|| assembler.poll_frame()));
        }
    }

    fn tell(&self, out: &mut String) {
        let mut hash = Sha256::new();
        self.frames.iter().for_each(|frame| hash.update(&frame.data));
        let mut sizes: Vec<_> = self.frames.iter().filter_map(|frame| frame.dimensions).collect();
        sizes.dedup();
        let Self { codec, mid, rid, packets, numbered, frames, restored, .. } = self;
        if codec == "rtx" {
            let (restored, missing) = restored;
            writeln!(
                out,
                "{codec} mid={mid:?} rid={rid:?}: {packets} packets, {numbered} numbered; {restored} with media, \
                 {missing} of it new"
            )
            .unwrap();
            return;
        }
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
        let statistics = self.assembler.as_ref().map(FrameAssembler::statistics);
        let of_no_use = statistics.map_or(0, |s| s.incomplete_frames + s.undecodable_frames);
        if self.lost > 0 || of_no_use > 0 {
            let lost = self.lost;
            writeln!(out, "  {lost} packets never came, {of_no_use} frames are of no use").unwrap();
        }
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
    /// Packets of media that are taken for lost, by source and number.
    lost: BTreeSet<(u32, u16)>,
    /// Packets of media that came again.
    repeated: BTreeSet<(u32, u16)>,
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
        let source = self.sources.entry(ssrc).or_default();
        source.note(&packet, &self.description);
        if source.codec == "rtx" {
            self.restore(&packet);
        } else if !self.lost.contains(&(ssrc, packet.sequence_number().0)) {
            source.take(&packet, &self.description);
        }
        true
    }

    /// Takes what a retransmission carries, if it carries anything (RFC 4588 §4).
    fn restore(&mut self, packet: &RtpPacket<'_>) {
        let ssrc = packet.ssrc().0;
        let fmtp = &self.description.codecs[&packet.payload_type().get()].1;
        let apt = fmtp.split(';').find_map(|part| part.trim().strip_prefix("apt="));
        let apt = apt.and_then(|apt| PayloadType::new(apt.parse().ok()?)).expect("RFC 4588 §8.6");
        let repair = &self.sources[&ssrc];
        let is_original = |(other, source): &(&u32, &Source)| {
            **other != ssrc
                && source.codec != "rtx"
                && (&source.mid, &source.rid) == (&repair.mid, &repair.rid)
        };
        let by_name = || self.sources.iter().find(is_original).map(|(original, _)| *original);
        let named = self.description.repeats.get(&ssrc).copied();
        let mut restored = Vec::new();
        let Some(original) = named.or_else(by_name) else { return };
        if !rtx::restore(packet, Ssrc(original), apt, &mut restored).expect("RFC 4588 §4") {
            return;
        }
        let restored = RtpPacket::parse(&restored).expect("RTX carries RTP");
        self.repeated.insert((original, restored.sequence_number().0));
        let source = self.sources.entry(original).or_default();
        let insertion = source.take(&restored, &self.description);
        let counts = &mut self.sources.get_mut(&ssrc).expect("it was noted").restored;
        counts.0 += 1;
        counts.1 += usize::from(insertion == Some(Insertion::Stored));
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

/// Replays a recording, without these packets of media in each direction.
fn replay(path: &Path, lost: &[BTreeSet<(u32, u16)>; 2]) -> (String, [Direction; 2]) {
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
    let names: Vec<String> =
        names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    let of = |kind: &str| -> Vec<String> {
        names.iter().filter(|name| name.starts_with(kind)).map(|name| text(name)).collect()
    };
    for (direction, lost) in directions.iter_mut().zip(lost) {
        direction.description = Description::read(&of("offer"));
        direction.description.read_groups(&of("offer"));
        direction.description.read_groups(&of("answer"));
        direction.lost.clone_from(lost);
    }
    for datagram in media {
        // ICE may have moved to other addresses; only one side's keys open a packet.
        let guess = usize::from(datagram.source != client);
        if !directions[guess].take(datagram) {
            assert!(directions[1 - guess].take(datagram), "{}: not opened", path.display());
        }
    }
    let sources = directions.iter_mut().flat_map(|direction| direction.sources.values_mut());
    sources.for_each(Source::finish);
    let mut out =
        format!("{profile:?}, {} offers\n", if subject_offers { "we" } else { "the peer" });
    for (name, direction) in ["DTLS client", "DTLS server"].iter().zip(&directions) {
        writeln!(out, "{name}: RTCP {:?}", direction.rtcp).unwrap();
        direction.order.iter().for_each(|ssrc| direction.sources[ssrc].tell(&mut out));
    }
    (out, directions)
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
        lost: BTreeSet::new(),
        repeated: BTreeSet::new(),
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

fn recordings() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/media");
    let mut recordings: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
    recordings.sort();
    assert!(recordings.len() >= 3, "recordings under {}", folder.display());
    recordings
}

#[test]
fn recorded_media_becomes_the_same_frames() {
    let mut out = String::new();
    for path in recordings() {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        writeln!(out, "{name}: {}", replay(&path, &Default::default()).0).unwrap();
    }
    insta::assert_snapshot!(out);
}

/// Browsers and we probe the path with retransmissions of what has come: if that had not come, they would make it good.
#[test]
fn recorded_retransmissions_replace_what_is_lost() {
    let mut replaced = 0;
    for path in recordings() {
        let (_, whole) = replay(&path, &Default::default());
        let lost = whole.each_ref().map(|direction| {
            // Without its first packets a stream would begin elsewhere.
            let begins = |(ssrc, number): &&(u32, u16)| {
                let source = &direction.sources[ssrc];
                source.came.keys().take(2).any(|first| first == number)
            };
            direction.repeated.iter().filter(|packet| !begins(packet)).copied().collect()
        });
        let (_, repaired) = replay(&path, &lost);
        for (direction, lost) in [0, 1].map(|side| (side, &lost[side])) {
            replaced += lost.len();
            for (ssrc, source) in &whole[direction].sources {
                let of = |source: &Source| -> Vec<_> {
                    source.frames.iter().map(|f| (f.timestamp, f.data.clone())).collect()
                };
                let (before, after) = (of(source), of(&repaired[direction].sources[ssrc]));
                assert!(before == after, "{} of {ssrc:#x} in {}", source.codec, path.display());
            }
        }
    }
    assert!(replaced > 40, "{replaced} packets came again");
}
