//! What our descriptions say of a transceiver (RFC 9429 §5.2.1, §5.3.1), and what two of them agree on (§5.11).

use peerage_sdp::{RidDirection, Text, Word};

use super::local::{LocalBody, LocalDescription, LocalMediaSection, LocalSection};
use super::remote::{RemoteDescription, RemoteSection};
use crate::config::HeaderEncryption;
use crate::media::{
    Agreement, AnswerIntent, Capabilities, CodecCapability, HeaderExtensionIds, LocalMedia,
    LocalSource, MediaKind, OfferIntent, Order, PayloadTypes, RemoteMedia, RtpCodec,
    SimulcastFormat, SimulcastLayers, SimulcastStream, accept, answer, apply_preferences, offer,
    unrestricted,
};
use crate::transceiver::{Transceiver, TransceiverHandle, fec_source};
use crate::transport::set::TransportId;

/// Layers of a peer's simulcast that are received.
const MAX_SIMULCAST_RECEIVE: usize = 8;

/// Numbers that keep their meaning as long as the bundle lives (RFC 9143 §9.1, RFC 8285 §5).
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    payload_types: PayloadTypes,
    extensions: HeaderExtensionIds,
}

impl Numbers {
    pub(super) fn new() -> Self {
        Self { payload_types: PayloadTypes::new(), extensions: HeaderExtensionIds::new() }
    }

    /// What stays of the numbers of an offer that was answered. Payload types all do (RFC 3264 §8.3.2). Identifiers of
    /// header extensions do if they were in use `before` or are now: others were never used, and the peer may give them a
    /// meaning in an offer of its own (RFC 8285 §7).
    pub(super) fn settled(mut self, before: &Self, agreed: &[AgreedMedia]) -> Self {
        self.extensions.retain(|id| {
            let mut extensions = agreed.iter().flat_map(|media| &media.agreement.extensions);
            before.extensions.get(id).is_some() || extensions.any(|extension| extension.id == id)
        });
        self
    }
}

/// The numbers of each bundle, by its transport. Few: looked through when a description is made.
#[derive(Clone, Debug, Default)]
pub(super) struct NumbersByTransport(Vec<(TransportId, Numbers)>);

impl NumbersByTransport {
    /// Those of a transport; where it has none yet, they begin as those of `like`.
    pub(super) fn of(&mut self, id: TransportId, like: Option<TransportId>) -> &mut Numbers {
        let place = match self.0.iter().position(|(of, _)| *of == id) {
            Some(place) => place,
            None => {
                let like = self.0.iter().find(|(of, _)| Some(*of) == like);
                let numbers = like.map_or_else(Numbers::new, |(_, numbers)| numbers.clone());
                self.0.push((id, numbers));
                self.0.len() - 1
            }
        };
        &mut self.0[place].1
    }

    pub(super) fn retain(&mut self, keep: impl Fn(TransportId) -> bool) {
        self.0.retain(|(id, _)| keep(*id));
    }

    /// What stays of those of an offer that was answered; see [`Numbers::settled`].
    pub(super) fn settled(self, before: &Self, agreed: &[AgreedMedia]) -> Self {
        let settle = |(id, numbers): (TransportId, Numbers)| {
            let own: Vec<_> =
                agreed.iter().filter(|media| media.transport == id).cloned().collect();
            let known = before.0.iter().find(|(of, _)| *of == id);
            let before = known.map_or_else(Numbers::new, |(_, numbers)| numbers.clone());
            (id, numbers.settled(&before, &own))
        };
        Self(self.0.into_iter().map(settle).collect())
    }
}

/// What is said of every section alike.
#[derive(Clone, Copy)]
pub(crate) struct MediaParameters<'a> {
    pub(crate) capabilities: &'a Capabilities,
    /// The canonical name of all our sources (RFC 7022, RFC 8834 §4.9).
    pub(crate) cname: &'a Text,
}

/// An m-section of an offer before it is known what goes into it.
pub(super) fn empty_section(transceiver: &Transceiver) -> LocalMediaSection {
    let media = LocalMedia::new(transceiver.kind);
    LocalMediaSection { transceiver: transceiver.handle, media, agreement: None }
}

/// An m-section of an offer.
pub(super) fn offer_section(
    transceiver: &Transceiver,
    parameters: MediaParameters<'_>,
    numbers: &mut Numbers,
) -> LocalMediaSection {
    let kind = transceiver.kind;
    let intent = OfferIntent {
        direction: transceiver.sdp_direction(),
        codecs: &preferred(transceiver, parameters.capabilities),
        order: order(transceiver),
        extensions: parameters.capabilities.extensions(kind),
    };
    let last = transceiver.agreed.as_deref();
    let (payload_types, ids) = (&mut numbers.payload_types, &mut numbers.extensions);
    let mut media = offer(kind, intent, last, payload_types, ids);
    if media.direction.sends() {
        media.streams = words(&transceiver.sender.streams);
        media.track = transceiver.sender.track.as_deref().and_then(|id| Word::new(id).ok());
        media.sources = sources(transceiver, media.codecs.iter().map(|codec| &codec.codec));
        media.cname = Some(parameters.cname.clone());
        let rids = rids(transceiver);
        if !rids.is_empty() {
            // RFC 8853 §5.1, RFC 9429 §5.2.1. Sources are found by their identifiers then, not by SSRC.
            media.sources.clear();
            let stream = |rid: &Word| SimulcastStream(vec![SimulcastFormat::new(rid.clone())]);
            if rids.len() > 1 {
                media.simulcast = Some(SimulcastLayers {
                    send: rids.iter().map(stream).collect(),
                    receive: Vec::new(),
                });
            }
            media.rids = rids.into_iter().map(|id| unrestricted(id, RidDirection::Send)).collect();
        }
    }
    if media.direction.receives() {
        transceiver.receiver.layers.ask(&mut media);
    }
    LocalMediaSection { transceiver: transceiver.handle, media, agreement: None }
}

/// An m-section of an answer; `None` if it must be rejected.
pub(super) fn answer_section(
    transceiver: &Transceiver,
    offered: &RemoteMedia,
    parameters: MediaParameters<'_>,
    numbers: &mut Numbers,
) -> Option<LocalMediaSection> {
    let codecs = preferred(transceiver, parameters.capabilities);
    let known = |theirs: &&RtpCodec| codecs.iter().any(|ours| ours.codec.is(&theirs.name));
    let intent = AnswerIntent {
        direction: transceiver.sdp_direction(),
        codecs: &codecs,
        order: order(transceiver),
        extensions: parameters.capabilities.extensions(transceiver.kind),
        streams: words(&transceiver.sender.streams),
        track: transceiver.sender.track.as_deref().and_then(|id| Word::new(id).ok()),
        sources: sources(
            transceiver,
            offered.codecs.iter().map(|codec| &codec.codec).filter(known),
        ),
        cname: Some(parameters.cname.clone()),
        send_rids: rids(transceiver),
        max_simulcast_receive: MAX_SIMULCAST_RECEIVE,
    };
    let answer = answer(offered, intent, &mut numbers.payload_types, &mut numbers.extensions)?;
    let transceiver = transceiver.handle;
    Some(LocalMediaSection { transceiver, media: answer.media, agreement: Some(answer.agreement) })
}

/// The codecs in the order that the application prefers.
fn preferred(transceiver: &Transceiver, capabilities: &Capabilities) -> Vec<CodecCapability> {
    apply_preferences(capabilities, transceiver.kind, &transceiver.codec_preferences)
}

/// Whose order counts: the application's where it has set one.
fn order(transceiver: &Transceiver) -> Order {
    match transceiver.codec_preferences.is_empty() {
        true => Order::Theirs,
        false => Order::Ours,
    }
}

fn words(texts: &[String]) -> Vec<Word> {
    texts.iter().filter_map(|text| Word::new(text).ok()).collect()
}

fn rids(transceiver: &Transceiver) -> Vec<Word> {
    let rids = transceiver.sender.encodings.iter().filter(|encoding| !encoding.rid.is_empty());
    rids.filter_map(|encoding| Word::new(&encoding.rid).ok()).collect()
}

/// Simulcast is told by RID, a single stream by its SSRC. `codecs` are those that may be used.
fn sources<'a>(
    transceiver: &Transceiver,
    mut codecs: impl Iterator<Item = &'a RtpCodec>,
) -> Vec<LocalSource> {
    let has_rtx = transceiver.kind == MediaKind::Video;
    let has_fec = has_rtx && codecs.any(|codec| codec.is("flexfec-03"));
    let source = |&(ssrc, rtx): &(u32, u32)| LocalSource {
        ssrc,
        rtx: has_rtx.then_some(rtx),
        fec: has_fec.then_some(fec_source((ssrc, rtx))),
    };
    match transceiver.sender.ssrcs.as_slice() {
        [one] => vec![source(one)],
        _ => Vec::new(),
    }
}

/// Whether anything of a peer's section can be carried.
pub(super) fn is_supported(media: &RemoteMedia, capabilities: &Capabilities) -> bool {
    crate::media::has_common_codec(capabilities.codecs(media.kind), &media.codecs)
}

/// What two descriptions agree on for one m-section.
#[derive(Clone, Debug)]
pub(crate) struct AgreedMedia {
    pub(crate) transceiver: TransceiverHandle,
    pub(crate) transport: TransportId,
    pub(crate) mid: Option<Word>,
    pub(crate) agreement: Agreement,
    pub(crate) remote: RemoteMedia,
    /// Both ends take one-byte and two-byte header extensions mixed (RFC 8285 §6).
    pub(crate) mixed_headers: bool,
    /// Both ends take encrypted header extensions (RFC 9335 §4).
    pub(crate) header_encryption: HeaderEncryption,
    /// What the session's `b=` leaves to all sections together, in bits a second of payload (RFC 8866 §5.8).
    pub(crate) session_bandwidth: Option<u64>,
}

/// All m-sections of media that both descriptions use.
pub(super) fn agreed(local: &LocalDescription, remote: &RemoteDescription) -> Vec<AgreedMedia> {
    let header_encryption = match remote.cryptex {
        true => local.header_encryption,
        false => HeaderEncryption::Disable,
    };
    let session_bandwidth = remote.bandwidth;
    let mixed_headers = local.extmap_allow_mixed && remote.extmap_allow_mixed;
    let agree = |(ours, theirs): (&LocalSection, &RemoteSection)| {
        let LocalBody::Media(section) = &ours.body else { return None };
        let transport = remote.transports.get(theirs.transport?)?.id;
        let remote = theirs.rtp.as_deref().filter(|_| theirs.usable)?;
        let agreement = match &section.agreement {
            Some(agreement) => agreement.clone(),
            None => accept(&section.media, remote)?,
        };
        Some(AgreedMedia {
            transceiver: section.transceiver,
            transport,
            mid: ours.mid.clone(),
            agreement,
            remote: remote.clone(),
            mixed_headers,
            header_encryption,
            session_bandwidth,
        })
    };
    local.sections.iter().zip(&remote.sections).filter_map(agree).collect()
}
