//! To which section a packet belongs (RFC 9143 §9.2, RFC 9429 §5.11), and what the sections receive. The association of
//! sources and sections is [`Demultiplexer`]'s; this holds what was negotiated beside it.

use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::receive::{Demultiplexer, MediaSection, Route, StreamRole};
use peerage_rtp::{ExtensionMap, PayloadType, RtpPacket, Ssrc};
use peerage_sdp::{Feedback, RidDirection, SsrcGroupSemantics};
use rustc_hash::FxHashMap;

use super::fec::{FecCodecs, is_protection};
use crate::jsep::AgreedMedia;
use crate::media::{CodecFormat, uri};
use crate::transceiver::TransceiverHandle;

/// How a peer is asked for keyframes: by messages that both ends know (RFC 4585 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyframeRequests {
    /// As a picture that was lost (RFC 4585 §6.3.1): the sender may mend it by other means too.
    PictureLoss,
    /// By command (RFC 5104 §4.3.1), which is all that some video conferences and gateways know.
    FullIntra,
    /// Not at all.
    None,
}

impl KeyframeRequests {
    fn agreed(feedback: &[Feedback]) -> Self {
        if feedback.contains(&Feedback::NackPli) {
            Self::PictureLoss
        } else if feedback.contains(&Feedback::CcmFir) {
            Self::FullIntra
        } else {
            Self::None
        }
    }
}

/// A codec that a section receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ReceivedCodec {
    pub(super) payload_type: u8,
    pub(super) format: PayloadFormat,
    /// What it is on any connection.
    pub(super) codec: CodecFormat,
    /// The same of what is in its frames: of redundant audio what that carries.
    pub(super) media: CodecFormat,
    pub(super) clock_rate: u32,
    /// Lost packets are asked for (RFC 4585 §6.2.1).
    pub(super) nack: bool,
    /// How a keyframe is asked for.
    pub(super) keyframes: KeyframeRequests,
    /// The payload type of its retransmissions (RFC 4588).
    pub(super) rtx: Option<u8>,
    /// The identifier of the dependency descriptor, where that is agreed on (AV1 RTP specification, Appendix A).
    pub(super) descriptor: Option<u8>,
}

/// A section that receives.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) transceiver: TransceiverHandle,
    /// Empty if it has none.
    pub(super) mid: String,
    pub(super) codecs: Vec<ReceivedCodec>,
    /// What protects them.
    pub(super) fec: FecCodecs,
    rids: Vec<String>,
    /// Sources of retransmissions and of parity, and whose they are (`a=ssrc-group:FID`, `FEC-FR`).
    repaired: FxHashMap<u32, u32>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Routing {
    sections: Vec<Section>,
    demultiplexer: Demultiplexer,
}

impl Routing {
    /// Takes what was agreed on. Streams that are known stay with their transceivers.
    pub(super) fn configure(
        &mut self,
        agreed: &[AgreedMedia],
        streams: impl Iterator<Item = (Ssrc, TransceiverHandle, Option<u8>, StreamRole)>,
    ) {
        self.demultiplexer = Demultiplexer::new();
        self.sections.clear();
        for media in agreed.iter().filter(|media| media.agreement.direction.receives()) {
            let section = Section::new(media);
            let id = self.sections.len() as u16;
            let mid = media.mid.as_ref().map(|mid| mid.as_str().into()).unwrap_or_default();
            let number = |pt: &u8| PayloadType::new(*pt);
            let protection = section.fec.payload_types();
            let repairs = protection.filter_map(|(number, repairs)| repairs.then_some(number));
            let repair: Vec<u8> =
                section.codecs.iter().filter_map(|codec| codec.rtx).chain(repairs).collect();
            let own = section.codecs.iter().map(|codec| codec.payload_type).chain(section.fec.red);
            let all: Vec<u8> = own.chain(repair.iter().copied()).collect();
            let described = MediaSection {
                mid,
                payload_types: all.iter().filter_map(number).collect(),
                repair_payload_types: repair.iter().filter_map(number).collect(),
                rids: section.rids.iter().map(|rid| rid.as_str().into()).collect(),
            };
            // More sections than it holds, or a mid that stands twice, were refused when they were parsed.
            if self.demultiplexer.set_section(id, &described).is_err() {
                continue;
            }
            for source in &media.remote.sources {
                let role = match section.repaired.contains_key(&source.ssrc) {
                    true => StreamRole::Repair,
                    false => StreamRole::Media,
                };
                self.demultiplexer.bind(Ssrc(source.ssrc), id, None, role);
            }
            self.sections.push(section);
        }
        for (ssrc, transceiver, layer, role) in streams {
            let section = self.sections.iter().position(|s| s.transceiver == transceiver);
            if let Some(section) = section {
                self.demultiplexer.bind(ssrc, section as u16, layer, role);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// Where a packet belongs.
    pub(super) fn find(&mut self, packet: &RtpPacket<'_>, map: &ExtensionMap) -> Option<Route> {
        self.demultiplexer.route(packet, map)
    }

    /// Takes the mid that the peer gives one of its sources (RFC 9143 §9.2).
    pub(super) fn source_description(&mut self, ssrc: Ssrc, mid: &str) {
        self.demultiplexer.source_description(ssrc, mid);
    }

    /// The source that one of the peer's repairs, where a description tells.
    pub(super) fn repaired_by(&self, ssrc: Ssrc) -> Option<Ssrc> {
        self.sections.iter().find_map(|section| section.repaired_by(ssrc))
    }

    pub(super) fn section(&self, route: &Route) -> Option<&Section> {
        self.sections.get(usize::from(route.section))
    }
}

/// The payload type of what redundant audio carries, as its parameters name it: `111/111` (RFC 2198 §4).
pub(super) fn red_block(fmtp: Option<&str>) -> Option<u8> {
    fmtp?.split('/').next()?.trim().parse().ok()
}

impl Section {
    fn new(media: &AgreedMedia) -> Self {
        let mut extensions = media.agreement.extensions.iter();
        let descriptor = extensions.find(|extension| *extension.uri == *uri::DEPENDENCY_DESCRIPTOR);
        let descriptor = descriptor.and_then(|extension| u8::try_from(extension.id).ok());
        let carries = media.agreement.codecs.iter().filter(|codec| !is_protection(&codec.codec));
        let codecs = carries.filter_map(|codec| {
            let format = CodecFormat::of(&codec.codec)?;
            Some(ReceivedCodec {
                payload_type: codec.receive,
                format: format.payload(),
                codec: format,
                media: format,
                clock_rate: codec.codec.clock_rate,
                nack: codec.codec.rtcp_feedback.contains(&Feedback::Nack),
                keyframes: KeyframeRequests::agreed(&codec.codec.rtcp_feedback),
                rtx: codec.rtx.map(|rtx| rtx.receive),
                descriptor,
            })
        });
        let mut codecs: Vec<ReceivedCodec> = codecs.collect();
        for index in 0..codecs.len() {
            let red = codecs[index];
            if red.format != PayloadFormat::Red {
                continue;
            }
            let ours = media.agreement.codecs.iter().find(|c| c.receive == red.payload_type);
            let named = ours.and_then(|codec| red_block(codec.codec.fmtp.as_deref()));
            let inner = codecs.iter().find(|codec| match named {
                Some(number) => codec.payload_type == number,
                None => codec.clock_rate == red.clock_rate && codec.format != PayloadFormat::Red,
            });
            if let Some(inner) = inner.map(|codec| codec.codec) {
                codecs[index].codec = red.codec.carrying(inner);
                codecs[index].media = inner;
            }
        }
        let received = media.agreement.rids.iter().filter(|r| r.direction == RidDirection::Recv);
        let groups = media.remote.groups.iter().filter_map(|group| match group.ssrcs[..] {
            [media, repair] => {
                let semantics = [SsrcGroupSemantics::FlowId, SsrcGroupSemantics::FecFr];
                semantics.contains(&group.semantics).then_some((repair, media))
            }
            _ => None,
        });
        Self {
            transceiver: media.transceiver,
            mid: media.mid.as_ref().map(|mid| mid.to_string()).unwrap_or_default(),
            codecs,
            fec: FecCodecs::received(media),
            rids: received.map(|rid| rid.id.to_string()).collect(),
            repaired: groups.collect(),
        }
    }

    pub(super) fn rid(&self, layer: Option<u8>) -> Option<&str> {
        self.rids.get(usize::from(layer?)).map(String::as_str)
    }

    /// The source that this one repairs, where the description tells.
    pub(super) fn repaired_by(&self, ssrc: Ssrc) -> Option<Ssrc> {
        self.repaired.get(&ssrc.0).copied().map(Ssrc)
    }

    pub(super) fn codec(&self, payload_type: u8) -> Option<&ReceivedCodec> {
        self.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// The codec whose retransmissions have this payload type.
    pub(super) fn codec_repaired_by(&self, payload_type: u8) -> Option<&ReceivedCodec> {
        self.codecs.iter().find(|codec| codec.rtx == Some(payload_type))
    }
}
