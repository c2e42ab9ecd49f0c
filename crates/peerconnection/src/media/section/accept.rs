//! What the peer's answer agrees to (RFC 9429 §5.11, RFC 8851 §6.4, RFC 8853 §5.3.3).

use peerage_sdp::{Direction, Rid, RidDirection, Text};

use super::local::LocalMedia;
use super::remote::RemoteMedia;
use super::simulcast::SimulcastLayers;
use crate::media::header_extension::{self, RtpHeaderExtension, intersect};
use crate::media::matching::{self, NegotiatedCodec};
use crate::media::packet_times::PacketTimes;

/// What both ends have agreed on for one section, as we see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Agreement {
    /// Which way media flows: [`SendOnly`](Direction::SendOnly) means that we send.
    pub direction: Direction,
    /// The codecs; the first that carries media is what is sent unless the application says otherwise.
    pub codecs: Vec<NegotiatedCodec>,
    /// The header extensions.
    pub extensions: Vec<RtpHeaderExtension>,
    /// RTP streams by identifier: [`Send`](RidDirection::Send) means that we send it. Payload types in their
    /// restrictions are those of our description.
    pub rids: Vec<Rid>,
    /// The streams of a simulcast.
    pub simulcast: Option<SimulcastLayers>,
    /// RTCP may be sent in reduced size.
    pub rtcp_rsize: bool,
    /// How long packets are to last that the peer gets.
    pub packet_times: PacketTimes,
}

/// What the peer's answer to our section agrees to; `None` if it rejects the section, or leaves no codec that carries
/// media.
pub(crate) fn accept(offer: &LocalMedia, answer: &RemoteMedia) -> Option<Agreement> {
    let codecs = matching::accept(&offer.codecs, &answer.codecs);
    if answer.rejected || !matching::carries_media(&codecs) {
        return None;
    }
    let rids: Vec<Rid> =
        offer.rids.iter().filter_map(|ours| accept_rid(ours, answer, &codecs)).collect();
    let simulcast = offer.simulcast.as_ref().zip(answer.simulcast.as_ref());
    let simulcast = simulcast.map(|(ours, theirs)| {
        let mut agreed =
            SimulcastLayers { send: theirs.receive.clone(), receive: theirs.send.clone() };
        // Streams cannot be added by an answer (RFC 8853 §5.3.2).
        for (list, direction) in
            [(&mut agreed.send, RidDirection::Send), (&mut agreed.receive, RidDirection::Recv)]
        {
            for stream in list.iter_mut() {
                stream.0.retain(|format| ours.rids(direction).any(|rid| *rid == format.rid));
            }
            list.retain(|stream| !stream.0.is_empty());
        }
        agreed.keep_known(&rids);
        agreed
    });
    Some(Agreement {
        direction: intersect(offer.direction, answer.direction.reversed()),
        extensions: header_extension::accept(&offer.extensions, &answer.extensions),
        codecs,
        rids,
        simulcast: simulcast.filter(|simulcast| !simulcast.is_empty()),
        rtcp_rsize: offer.rtcp_rsize && answer.rtcp_rsize,
        packet_times: PacketTimes::new(answer.ptime, answer.max_ptime),
    })
}

/// Our stream with the restrictions of the answer, if the answer kept it and restricts nothing that we did not.
fn accept_rid(ours: &Rid, answer: &RemoteMedia, codecs: &[NegotiatedCodec]) -> Option<Rid> {
    let reversed = |theirs: &&Rid| theirs.id == ours.id && theirs.direction != ours.direction;
    let theirs = answer.rids.iter().find(reversed)?;
    let offered = |name: &str| ours.restrictions().any(|(have, _)| have == name);
    if !theirs.restrictions().all(|(name, _)| offered(name)) {
        return None;
    }
    // Formats by what they mean: the answer may number them anew.
    let ours_of = |pt: u8| codecs.iter().find(|codec| codec.send == pt).map(|codec| codec.receive);
    let restricted_alike = theirs
        .payload_types()
        .all(|pt| ours_of(pt).is_some_and(|pt| ours.payload_types().any(|offered| offered == pt)));
    let parameters = renumber(theirs, codecs).filter(|_| restricted_alike)?;
    Some(Rid { id: ours.id.clone(), direction: ours.direction, parameters })
}

/// The restrictions of the peer's stream with payload types as our description numbers them; `None` if it is
/// restricted to formats none of which is common.
pub(super) fn renumber(rid: &Rid, codecs: &[NegotiatedCodec]) -> Option<Text> {
    let mut parts = Vec::new();
    for (name, value) in rid.restrictions() {
        if name == "pt" {
            let common = rid.payload_types().filter_map(|pt| {
                let codec = codecs.iter().find(|codec| codec.send == pt)?;
                Some(codec.receive.to_string())
            });
            let common: Vec<String> = common.collect();
            if common.is_empty() {
                return None;
            }
            parts.push(format!("pt={}", common.join(",")));
        } else {
            parts.push(value.map_or(name.to_owned(), |value| format!("{name}={value}")));
        }
    }
    Text::new(&parts.join(";")).ok()
}
