//! Our m-section: everything but the transport's attributes, written in the order in which browsers write.

use peerage_sdp::{
    Attribute, Attributes, Decimal, Direction, Extmap, Fmtp, MediaDescription, Msid, Protocol, Rid,
    RtcpFb, Rtpmap, Ssrc, SsrcAttribute, SsrcGroup, SsrcGroupSemantics, Text, Word, Words,
};

use super::simulcast::SimulcastLayers;
use crate::media::codec::{MediaKind, RtpCodecParameters};
use crate::media::header_extension::RtpHeaderExtension;

/// What our m-section says of the media.
///
/// `a=extmap-allow-mixed` is not among it: the caller writes it alike for all sections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalMedia {
    /// Audio or video.
    pub kind: MediaKind,
    /// `UDP/TLS/RTP/SAVPF` in offers; in answers, that of the offer (RFC 9429 §5.3.1).
    pub protocol: Protocol,
    /// Which way media flows.
    pub direction: Direction,
    /// The codecs, `rtx` among them, in order of preference.
    pub codecs: Vec<RtpCodecParameters>,
    /// The header extensions.
    pub extensions: Vec<RtpHeaderExtension>,
    /// The media streams that the track belongs to; none is written as `-` where media is sent.
    pub streams: Vec<Word>,
    /// The track, which RFC 9429 no longer writes but older browsers want.
    pub track: Option<Word>,
    /// The RTP sources, where they are told in advance.
    pub sources: Vec<LocalSource>,
    /// The canonical name of the sources (RFC 3550 §6.5.1).
    pub cname: Option<Text>,
    /// RTP streams by identifier and what restricts them.
    pub rids: Vec<Rid>,
    /// The streams of a simulcast.
    pub simulcast: Option<SimulcastLayers>,
    /// RTP and RTCP share one port.
    pub rtcp_mux: bool,
    /// RTCP may be sent in reduced size.
    pub rtcp_rsize: bool,
    /// Milliseconds of media in a packet at most, where codecs leave a choice (RFC 9429 §5.2.1).
    pub max_ptime: Option<u32>,
    /// Reference times of receivers are answered (`a=rtcp-xr:rcvr-rtt=all`, RFC 3611 §5.1).
    pub receiver_reference_time: bool,
}

/// An RTP source of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LocalSource {
    /// The source.
    pub ssrc: u32,
    /// The source of its retransmissions.
    pub rtx: Option<u32>,
    /// The source of its FlexFEC.
    pub fec: Option<u32>,
}

impl LocalMedia {
    /// An inactive section without codecs.
    pub fn new(kind: MediaKind) -> Self {
        Self {
            kind,
            protocol: Protocol::UdpTlsRtpSavpf,
            direction: Direction::Inactive,
            codecs: Vec::new(),
            extensions: Vec::new(),
            streams: Vec::new(),
            track: None,
            sources: Vec::new(),
            cname: None,
            rids: Vec::new(),
            simulcast: None,
            rtcp_mux: true,
            rtcp_rsize: true,
            max_ptime: None,
            receiver_reference_time: false,
        }
    }

    /// The media description with port 9. The caller puts what belongs to the transport, and `a=mid`, in front of the
    /// attributes; see [`with_head`](Self::with_head).
    pub fn to_media_description(&self) -> MediaDescription {
        self.with_head(Attributes::new())
    }

    /// The media description with these attributes first: ICE, DTLS and `a=mid`.
    pub fn with_head(&self, head: Attributes) -> MediaDescription {
        let formats: Vec<Word> =
            self.codecs.iter().map(|codec| Word::from(codec.payload_type)).collect();
        let formats = Words::join(&formats);
        let mut media =
            MediaDescription::new(self.kind.to_sdp(), 9, self.protocol.clone(), formats);
        media.attributes = head;
        self.write_attributes(&mut media.attributes);
        media
    }

    fn write_attributes(&self, out: &mut Attributes) {
        out.extend(self.extensions.iter().map(|extension| {
            Attribute::Extmap(Extmap {
                id: extension.id,
                direction: Some(extension.direction).filter(|d| *d != Direction::SendRecv),
                uri: extension.uri.clone(),
                attributes: empty(),
            })
        }));
        out.push(Attribute::Direction(self.direction));
        if self.direction.sends() {
            out.extend(self.msids().map(Attribute::Msid));
        }
        if self.rtcp_mux {
            out.push(Attribute::RtcpMux);
        }
        if self.rtcp_rsize {
            out.push(Attribute::RtcpRsize);
        }
        if self.receiver_reference_time {
            let value = Text::new("rcvr-rtt=all").ok();
            out.push(Attribute::Unknown { name: Word::from_static("rtcp-xr"), value });
        }
        for codec in &self.codecs {
            write_codec(codec, out);
        }
        out.extend(self.max_ptime.map(|time| Attribute::MaxPtime(Decimal::from(time))));
        out.extend(self.rids.iter().cloned().map(Attribute::Rid));
        let simulcast = self.simulcast.as_ref().and_then(SimulcastLayers::to_sdp);
        out.extend(simulcast.map(Attribute::Simulcast));
        self.write_sources(out);
    }

    /// `a=msid` of each stream, or `-` where the track is in none (RFC 8830 §2).
    fn msids(&self) -> impl Iterator<Item = Msid> + use<'_> {
        let none = self.streams.is_empty().then(|| Word::from_static("-"));
        let streams = self.streams.iter().cloned().chain(none);
        streams.map(|stream| Msid { stream, track: self.track.clone() })
    }

    fn write_sources(&self, out: &mut Attributes) {
        if self.sources.len() > 1 && self.rids.is_empty() {
            let ssrcs = self.sources.iter().map(|source| source.ssrc).collect();
            let semantics = SsrcGroupSemantics::Simulcast;
            out.push(Attribute::SsrcGroup(SsrcGroup { semantics, ssrcs }));
        }
        for source in &self.sources {
            let groups =
                [(SsrcGroupSemantics::FlowId, source.rtx), (SsrcGroupSemantics::FecFr, source.fec)];
            for (semantics, second) in groups {
                if let Some(second) = second {
                    let ssrcs = vec![source.ssrc, second];
                    out.push(Attribute::SsrcGroup(SsrcGroup { semantics, ssrcs }));
                }
            }
        }
        let ssrcs = self
            .sources
            .iter()
            .flat_map(|source| [Some(source.ssrc), source.rtx, source.fec].into_iter().flatten());
        let msid = self.msids().next().filter(|msid| msid.track.is_some());
        for ssrc in ssrcs {
            let cname = self.cname.clone().unwrap_or_else(empty);
            out.push(Attribute::Ssrc(Ssrc { ssrc, attribute: SsrcAttribute::Cname(cname) }));
            out.extend(
                msid.clone().map(|msid| {
                    Attribute::Ssrc(Ssrc { ssrc, attribute: SsrcAttribute::Msid(msid) })
                }),
            );
        }
    }
}

fn empty() -> Text {
    Text::new("").unwrap_or_else(|_| unreachable!("empty text fits a line"))
}

fn write_codec(parameters: &RtpCodecParameters, out: &mut Attributes) {
    let RtpCodecParameters { payload_type, codec } = parameters;
    out.push(Attribute::Rtpmap(Rtpmap {
        payload_type: *payload_type,
        encoding: codec.name.clone(),
        clock_rate: codec.clock_rate,
        parameters: codec.channels.filter(|channels| *channels > 1).map(Word::from),
    }));
    out.extend(codec.rtcp_feedback.iter().map(|feedback| {
        let feedback = feedback.clone();
        Attribute::RtcpFb(RtcpFb { payload_type: Some(*payload_type), feedback })
    }));
    out.extend(codec.fmtp.iter().map(|text| {
        let format = Word::from(*payload_type);
        Attribute::Fmtp(Fmtp { format, text: text.clone() })
    }));
}
