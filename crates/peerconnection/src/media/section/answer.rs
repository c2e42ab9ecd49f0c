//! Our answer to an m-section of the peer's offer (RFC 9429 §5.3.1, RFC 8853 §5.3).

use peerage_sdp::{Direction, Rid, RidDirection, Text, Word};

use super::accept::{Agreement, renumber};
use super::local::{LocalMedia, LocalSource};
use super::remote::RemoteMedia;
use super::simulcast::SimulcastLayers;
use crate::media::capabilities::{CodecCapability, RtpHeaderExtensionCapability};
use crate::media::header_extension::{self, HeaderExtensionIds, intersect};
use crate::media::matching::{self, NegotiatedCodec, Order};
use crate::media::packet_times::PacketTimes;
use crate::media::payload_types::PayloadTypes;

/// What our transceiver wants of the section.
#[derive(Clone, Debug)]
pub struct AnswerIntent<'a> {
    /// The direction of the transceiver.
    pub direction: Direction,
    /// The codecs, in order of preference.
    pub codecs: &'a [CodecCapability],
    /// Whose order the codecs follow.
    pub order: Order,
    /// The header extensions.
    pub extensions: &'a [RtpHeaderExtensionCapability],
    /// The media streams of the track sent.
    pub streams: Vec<Word>,
    /// The track sent.
    pub track: Option<Word>,
    /// The RTP sources sent.
    pub sources: Vec<LocalSource>,
    /// Their canonical name.
    pub cname: Option<Text>,
    /// The streams that are sent as a simulcast: of those that the peer would receive, no others are agreed to.
    pub send_rids: Vec<Word>,
    /// How many streams of the peer's simulcast are received; 0 refuses simulcast.
    pub max_simulcast_receive: usize,
}

/// An answer and what it agrees to.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) media: LocalMedia,
    pub(crate) agreement: Agreement,
}

/// The answer to a section; `None` if it must be rejected because there is no common codec that carries media.
pub(crate) fn answer(
    offer: &RemoteMedia,
    intent: AnswerIntent<'_>,
    payload_types: &mut PayloadTypes,
    ids: &mut HeaderExtensionIds,
) -> Option<Answer> {
    let codecs = matching::answer(intent.codecs, intent.order, &offer.codecs, payload_types);
    if !matching::carries_media(&codecs) {
        return None;
    }
    let direction = intersect(offer.direction.reversed(), intent.direction);
    let (rids, simulcast) = answer_simulcast(offer, direction, &intent, &codecs);
    let sends = direction.sends();
    let media = LocalMedia {
        kind: offer.kind,
        protocol: offer.protocol.clone(),
        direction,
        codecs: matching::parameters(&codecs),
        extensions: header_extension::answer(intent.extensions, &offer.extensions, ids),
        streams: if sends { intent.streams } else { Vec::new() },
        track: intent.track.filter(|_| sends),
        sources: if sends { intent.sources } else { Vec::new() },
        cname: intent.cname.filter(|_| sends),
        rids,
        simulcast,
        rtcp_mux: offer.rtcp_mux,
        rtcp_rsize: offer.rtcp_rsize,
        max_ptime: None,
        receiver_reference_time: false,
    };
    let agreement = Agreement {
        direction,
        codecs,
        extensions: media.extensions.clone(),
        rids: media.rids.clone(),
        simulcast: media.simulcast.clone(),
        rtcp_rsize: media.rtcp_rsize,
        packet_times: PacketTimes::new(offer.ptime, offer.max_ptime),
    };
    Some(Answer { media, agreement })
}

/// Streams that the peer sends we receive and the other way round; those of a direction that does not flow, those that
/// we do not send or that are above our limits, and those whose codecs are not common are left out (RFC 8853 §5.3.2, RFC 8851 §6.3).
fn answer_simulcast(
    offer: &RemoteMedia,
    direction: Direction,
    intent: &AnswerIntent<'_>,
    codecs: &[NegotiatedCodec],
) -> (Vec<Rid>, Option<SimulcastLayers>) {
    let rids: Vec<Rid> = offer
        .rids
        .iter()
        .filter_map(|rid| {
            let direction = match rid.direction {
                RidDirection::Send => RidDirection::Recv,
                RidDirection::Recv => RidDirection::Send,
            };
            let parameters = renumber(rid, codecs)?;
            Some(Rid { id: rid.id.clone(), direction, parameters })
        })
        .collect();
    let mut layers = SimulcastLayers::default();
    if let Some(offered) = &offer.simulcast {
        if direction.sends() {
            layers.send = offered.receive.clone();
        }
        if direction.receives() {
            layers.receive = offered.send.clone();
        }
    }
    layers.resume();
    layers.keep_known(&rids);
    for stream in &mut layers.send {
        stream.0.retain(|format| intent.send_rids.contains(&format.rid));
    }
    layers.send.retain(|stream| !stream.0.is_empty());
    layers.receive.truncate(intent.max_simulcast_receive);
    // Without simulcast a section carries one stream, whose identifier is still worth agreeing on.
    let simulcast_offered = offer.simulcast.is_some();
    let kept = |rid: &Rid| match simulcast_offered {
        true => layers.rids(rid.direction).any(|kept| *kept == rid.id),
        false => match rid.direction {
            RidDirection::Send => direction.sends(),
            RidDirection::Recv => direction.receives(),
        },
    };
    let rids = rids.into_iter().filter(kept).collect();
    (rids, Some(layers).filter(|layers| !layers.is_empty()))
}
