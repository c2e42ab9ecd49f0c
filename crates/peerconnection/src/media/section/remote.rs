//! The peer's m-section: read, checked for what RFC 9429 §5.8.3 demands, and made whole where browsers write less than
//! the RFCs want, or older forms of it.

use peerage_sdp::{
    Attribute, Bandwidth, Direction, Feedback, Field, Protocol, Rid, RidDirection, Section,
    SsrcAttribute, SsrcGroup, SsrcGroupSemantics, Text, Word,
};

use rustc_hash::FxHashSet;

use super::simulcast::SimulcastLayers;
use crate::error::Error;
use crate::media::codec::{MediaKind, RtpCodec, RtpCodecParameters};
use crate::media::header_extension::RtpHeaderExtension;
use crate::media::payload_types::same_meaning;

/// RTP sources of one section that are kept; a browser's simulcast has six.
const MAX_SOURCES: usize = 256;
/// Groups of sources that are kept.
const MAX_GROUPS: usize = 128;
/// Sources of one group that are kept; a simulcast of the older form has three.
const MAX_GROUP_SOURCES: usize = 16;
/// Streams (`a=rid`) that are kept; browsers send three.
const MAX_RIDS: usize = 32;
/// Media streams of one track that are kept.
const MAX_STREAMS: usize = 32;
/// Header extensions that are kept; browsers write up to 16.
const MAX_EXTENSIONS: usize = 64;
/// Kinds of feedback of one codec that are kept.
const MAX_FEEDBACK: usize = 16;

/// What the peer's m-section says of the media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteMedia {
    /// Audio or video.
    pub kind: MediaKind,
    /// The protocol, which an answer repeats.
    pub protocol: Protocol,
    /// The identification tag.
    pub mid: Option<Word>,
    /// The section is rejected or disabled: port 0 without `a=bundle-only`.
    pub rejected: bool,
    /// The section is of use only in a bundle (RFC 9143 §6).
    pub bundle_only: bool,
    /// Which way media flows, as the peer sees it.
    pub direction: Direction,
    /// The codecs in the order of the `m=` line, the peer's preferred ones first; `rtx` among them.
    pub codecs: Vec<RtpCodecParameters>,
    /// The header extensions.
    pub extensions: Vec<RtpHeaderExtension>,
    /// One-byte and two-byte header extensions may be mixed.
    pub extmap_allow_mixed: bool,
    /// The media streams that the track belongs to.
    pub streams: Vec<Word>,
    /// The track, where it is named.
    pub track: Option<Word>,
    /// Whether `a=msid` (or its older form) stood there. If not, the track goes to the default stream
    /// (RFC 9429 §5.8.2); if it did and [`streams`](Self::streams) is empty, to none.
    pub has_msid: bool,
    /// The RTP sources.
    pub sources: Vec<RemoteSource>,
    /// Groups of sources, in order: retransmissions, simulcast of the older form, error correction.
    pub groups: Vec<SsrcGroup>,
    /// RTP streams by identifier and what restricts them.
    pub rids: Vec<Rid>,
    /// The streams of a simulcast, as the peer sees them.
    pub simulcast: Option<SimulcastLayers>,
    /// RTP and RTCP share one port. Of bundled sections only the first need say so (RFC 9143 §7.1.3).
    pub rtcp_mux: bool,
    /// RTP and RTCP share one port, and nothing else will do (RFC 8858).
    pub rtcp_mux_only: bool,
    /// RTCP may be sent in reduced size.
    pub rtcp_rsize: bool,
    /// The most that the peer wants to receive, in bits per second of RTP payload: `b=TIAS` (RFC 3890 §6.2.2), or what
    /// comes of `b=AS` (RFC 9429 §5.10).
    pub bandwidth: Option<u64>,
    /// Milliseconds of media in a packet that the peer would like.
    pub ptime: Option<u32>,
    /// Milliseconds of media in a packet at most.
    pub max_ptime: Option<u32>,
    /// The peer answers reference times of receivers (`a=rtcp-xr:rcvr-rtt`, RFC 3611 §5.1).
    pub receiver_reference_time: bool,
    /// The peer lists the extended reports that it takes (`a=rtcp-xr`): others are not sent to it (RFC 3611 §5.1).
    pub lists_extended_reports: bool,
}

/// An RTP source of the peer (RFC 5576).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSource {
    /// The source.
    pub ssrc: u32,
    /// Its canonical name.
    pub cname: Option<Text>,
}

impl RemoteMedia {
    /// Reads a section of audio or video; `index` counts m-sections from 0 and is for messages.
    ///
    /// # Errors
    /// [`Error::InvalidDescription`] if the section is of another kind, if `a=simulcast` names a stream that no `a=rid`
    /// explains, or if `a=rtcp-mux-only` stands without `a=rtcp-mux` (RFC 9429 §5.8.3).
    pub fn read(section: Section<'_>, index: usize) -> Result<Self, Error> {
        let mid = section.mid().cloned();
        let fail = |reason: String| Error::InvalidDescription {
            section: match &mid {
                Some(mid) => format!("mid {mid}"),
                None => format!("m-section {index}"),
            },
            reason,
        };
        let Some(kind) = MediaKind::from_sdp(&section.line.media) else {
            return Err(fail(format!("{} is neither audio nor video", section.line.media)));
        };
        if section.rtcp_mux_only() && !section.rtcp_mux() {
            return Err(fail("a=rtcp-mux-only needs a=rtcp-mux (RFC 9429 §5.8.3)".to_owned()));
        }
        let codecs = read_codecs(section, kind);
        let rids = read_rids(section, &codecs);
        let simulcast = section.simulcast().map(SimulcastLayers::from_sdp);
        if let Some(simulcast) = &simulcast {
            // A set, as both lists are the peer's and only the size of the description bounds them.
            let explained: FxHashSet<&str> = section.rids().map(|rid| rid.id.as_str()).collect();
            let named = [RidDirection::Send, RidDirection::Recv];
            for rid in named.into_iter().flat_map(|direction| simulcast.rids(direction)) {
                if !explained.contains(rid.as_str()) {
                    let reason = format!(
                        "a=simulcast names {rid}, which no a=rid explains (RFC 9429 §5.8.3)"
                    );
                    return Err(fail(reason));
                }
            }
        }
        // A stream whose a=rid was discarded goes with it (RFC 8851 §6, RFC 8853 §5.3).
        let simulcast = simulcast
            .map(|mut simulcast| {
                simulcast.keep_known(&rids);
                simulcast
            })
            .filter(|simulcast| !simulcast.is_empty());
        let (streams, track, has_msid) = read_msids(section);
        let (ptime, max_ptime) = read_packet_times(section);
        Ok(Self {
            kind,
            protocol: section.line.protocol.clone(),
            mid: section.mid().cloned(),
            rejected: section.is_rejected(),
            bundle_only: section.bundle_only(),
            direction: section.direction(),
            codecs,
            extensions: read_extensions(section),
            extmap_allow_mixed: section.extmap_allow_mixed(),
            streams,
            track,
            has_msid,
            sources: read_sources(section),
            groups: read_groups(section),
            rids,
            simulcast,
            rtcp_mux: section.rtcp_mux(),
            rtcp_mux_only: section.rtcp_mux_only(),
            rtcp_rsize: section.rtcp_rsize(),
            bandwidth: bandwidth_of(&section.bandwidths),
            ptime,
            max_ptime,
            lists_extended_reports: section.unknown("rtcp-xr").is_some(),
            receiver_reference_time: section
                .unknown("rtcp-xr")
                .flatten()
                .is_some_and(|value| value.split(' ').any(|word| word.starts_with("rcvr-rtt"))),
        })
    }

    /// The source that repeats the packets of `ssrc`: the second of a `FID` group (RFC 5576 §4.2, RFC 4588 §8.1).
    pub fn rtx_of(&self, ssrc: u32) -> Option<u32> {
        self.partner(&SsrcGroupSemantics::FlowId, ssrc)
    }

    /// The source that protects the packets of `ssrc`: the second of a `FEC-FR` group (RFC 5956 §4.1).
    pub fn fec_of(&self, ssrc: u32) -> Option<u32> {
        self.partner(&SsrcGroupSemantics::FecFr, ssrc)
    }

    fn partner(&self, semantics: &SsrcGroupSemantics, ssrc: u32) -> Option<u32> {
        let group = |group: &&SsrcGroup| {
            group.semantics == *semantics && group.ssrcs.first() == Some(&ssrc)
        };
        self.groups.iter().find(group).and_then(|group| group.ssrcs.get(1)).copied()
    }

    /// The sources that carry media: those that repeat or protect none.
    pub fn primary_sources(&self) -> impl Iterator<Item = &RemoteSource> {
        self.sources.iter().filter(|source| {
            !self.groups.iter().any(|group| {
                matches!(
                    group.semantics,
                    SsrcGroupSemantics::FlowId
                        | SsrcGroupSemantics::FecFr
                        | SsrcGroupSemantics::Fec
                ) && group.ssrcs.iter().skip(1).any(|ssrc| *ssrc == source.ssrc)
            })
        })
    }
}

/// The formats that need no `a=rtpmap` (RFC 3551 §6), as far as WebRTC uses them.
fn static_format(payload_type: u8) -> Option<&'static str> {
    match payload_type {
        0 => Some("PCMU"),
        8 => Some("PCMA"),
        9 => Some("G722"),
        13 => Some("CN"),
        _ => None,
    }
}

fn read_codecs(section: Section<'_>, kind: MediaKind) -> Vec<RtpCodecParameters> {
    let mut codecs: Vec<RtpCodecParameters> = Vec::new();
    let mut seen = [false; 128];
    for payload_type in section.line.payload_types() {
        if std::mem::replace(&mut seen[usize::from(payload_type)], true) {
            continue;
        }
        let (name, clock_rate, channels) = match section.rtpmap(payload_type) {
            Some(map) => (map.encoding.clone(), map.clock_rate, map.channels()),
            None => match static_format(payload_type) {
                Some(name) => (Word::from_static(name), 8_000, 1),
                // A format that nothing explains cannot be used (RFC 8866 §6.6).
                None => continue,
            },
        };
        let channels = u16::try_from(channels).unwrap_or(u16::MAX);
        let mut rtcp_feedback: Vec<Feedback> = Vec::new();
        let said =
            section.rtcp_fbs().filter(|line| line.payload_type.is_none_or(|to| to == payload_type));
        for line in said {
            if rtcp_feedback.len() < MAX_FEEDBACK && !rtcp_feedback.contains(&line.feedback) {
                rtcp_feedback.push(line.feedback.clone());
            }
        }
        let codec = RtpCodec {
            kind,
            name,
            clock_rate,
            channels: (kind == MediaKind::Audio).then_some(channels),
            fmtp: section
                .fmtp(payload_type)
                .map(|fmtp| fmtp.text.clone())
                .filter(|text| !text.is_empty()),
            rtcp_feedback,
        };
        codecs.push(RtpCodecParameters { payload_type, codec });
    }
    codecs
}

fn read_extensions(section: Section<'_>) -> Vec<RtpHeaderExtension> {
    let mut extensions: Vec<RtpHeaderExtension> = Vec::new();
    for map in section.extmaps() {
        // Alternatives may share an identifier of the upper range (RFC 8285 §5); of others the first counts.
        let taken = map.id < 4096 && extensions.iter().any(|have| have.id == map.id);
        if extensions.len() < MAX_EXTENSIONS && !taken {
            extensions.push(RtpHeaderExtension {
                id: map.id,
                uri: map.uri.clone(),
                direction: map.direction.unwrap_or(Direction::SendRecv),
            });
        }
    }
    extensions
}

/// Whether all restrictions of a stream are of those that RFC 8851 §5 registers.
pub(crate) fn restrictions_are_known(rid: &Rid) -> bool {
    const RESTRICTIONS: [&str; 8] =
        ["pt", "max-width", "max-height", "max-fps", "max-fs", "max-br", "max-pps", "max-bpp"];
    rid.restrictions().all(|(name, _)| RESTRICTIONS.contains(&name))
}

/// `a=rid` lines that can be used (RFC 8851 §6.2.2): none whose identifier stands there twice, none restricted to
/// formats that are not there, and none that asks us to keep to a restriction we do not know.
fn read_rids(section: Section<'_>, codecs: &[RtpCodecParameters]) -> Vec<Rid> {
    let known = |pt: u8| codecs.iter().any(|codec| codec.payload_type == pt);
    let lines: Vec<&Rid> = section.rids().take(MAX_RIDS).collect();
    let usable = |rid: &&&Rid| {
        let alone = lines.iter().filter(|other| other.id == rid.id).count() == 1;
        let restricted = rid.restrictions().any(|(name, _)| name == "pt");
        alone
            && (!restricted || rid.payload_types().any(known))
            && (rid.direction == RidDirection::Send || restrictions_are_known(rid))
    };
    lines.iter().filter(usable).map(|rid| (*rid).clone()).collect()
}

/// Streams and track of `a=msid`, or of the older `a=ssrc:N msid:`; and whether either stood there.
fn read_msids(section: Section<'_>) -> (Vec<Word>, Option<Word>, bool) {
    let mut streams: Vec<Word> = Vec::new();
    let mut track = None;
    let older = section.ssrcs().filter_map(|ssrc| match &ssrc.attribute {
        SsrcAttribute::Msid(msid) => Some(msid),
        _ => None,
    });
    let mut any = false;
    let older = match section.msid() {
        Some(_) => None,
        None => Some(older),
    };
    for msid in section.msids().chain(older.into_iter().flatten()) {
        any = true;
        if msid.stream != "-" && streams.len() < MAX_STREAMS && !streams.contains(&msid.stream) {
            streams.push(msid.stream.clone());
        }
        if track.is_none() {
            track.clone_from(&msid.track);
        }
    }
    (streams, track, any)
}

fn read_sources(section: Section<'_>) -> Vec<RemoteSource> {
    let mut sources: Vec<RemoteSource> = Vec::new();
    for line in section.ssrcs() {
        let index = match sources.iter().position(|source| source.ssrc == line.ssrc) {
            Some(index) => index,
            None if sources.len() < MAX_SOURCES => {
                sources.push(RemoteSource { ssrc: line.ssrc, cname: None });
                sources.len() - 1
            }
            None => continue,
        };
        if let SsrcAttribute::Cname(cname) = &line.attribute {
            sources[index].cname.get_or_insert_with(|| cname.clone());
        }
    }
    sources
}

fn read_groups(section: Section<'_>) -> Vec<SsrcGroup> {
    let groups = section.ssrc_groups().take(MAX_GROUPS);
    groups
        .map(|group| SsrcGroup {
            semantics: group.semantics.clone(),
            ssrcs: group.ssrcs.iter().copied().take(MAX_GROUP_SOURCES).collect(),
        })
        .collect()
}

/// Bits a second of payload that `b=` lines leave, of a section or of a session.
pub(crate) fn bandwidth_of(lines: &[Field<Bandwidth>]) -> Option<u64> {
    let of_kind = |kind: &str| {
        lines.iter().find(|line| line.kind.eq_ignore_ascii_case(kind)).map(|b| b.value)
    };
    of_kind("TIAS").or_else(|| of_kind("AS").map(payload_of_as))
}

/// RFC 9429 §5.10: 5% go to RTCP, and 40 bytes to the headers of each of 50 packets a second. Of little there are not so
/// many packets: half is kept for the payload.
fn payload_of_as(kilobits: u64) -> u64 {
    let media = kilobits.saturating_mul(950);
    media.saturating_sub(50 * 40 * 8).max(media / 2)
}

fn read_packet_times(section: Section<'_>) -> (Option<u32>, Option<u32>) {
    let (mut ptime, mut max_ptime) = (None, None);
    for attribute in section.attributes.iter() {
        // A float becomes the nearest number that fits.
        match attribute {
            Attribute::Ptime(time) => ptime = Some(time.as_f64() as u32),
            Attribute::MaxPtime(time) => max_ptime = Some(time.as_f64() as u32),
            _ => {}
        }
    }
    (ptime.filter(|time| *time > 0), max_ptime.filter(|time| *time > 0))
}

/// Checks that the sections of one bundle give no payload type and no header extension identifier two meanings
/// (RFC 9143 §9.1.1, RFC 8285 §7).
///
/// # Errors
/// [`Error::InvalidDescription`] names the section that contradicts an earlier one.
pub(crate) fn check_bundle<'a>(
    sections: impl IntoIterator<Item = &'a RemoteMedia>,
) -> Result<(), Error> {
    let mut codecs: [Option<&RtpCodec>; 128] = [None; 128];
    let mut extensions: [Option<&Word>; 256] = [None; 256];
    for section in sections.into_iter().filter(|section| !section.rejected) {
        let fail = |reason: String| Error::InvalidDescription {
            section: match &section.mid {
                Some(mid) => format!("mid {mid}"),
                None => "an m-section without a=mid".to_owned(),
            },
            reason,
        };
        for RtpCodecParameters { payload_type, codec } in &section.codecs {
            let place = &mut codecs[usize::from(payload_type & 0x7f)];
            let same = place.is_none_or(|have| same_meaning(have, codec));
            if !same {
                let reason = format!(
                    "payload type {payload_type} means another codec in the same bundle (RFC 9143 §9.1.1)"
                );
                return Err(fail(reason));
            }
            *place = Some(codec);
        }
        for extension in section.extensions.iter().filter(|extension| extension.id < 256) {
            let place = &mut extensions[usize::from(extension.id)];
            if place.is_some_and(|have| *have != extension.uri) {
                let reason = format!(
                    "header extension {} means another URI in the same bundle (RFC 8285 §7)",
                    extension.id
                );
                return Err(fail(reason));
            }
            *place = Some(&extension.uri);
        }
    }
    Ok(())
}
