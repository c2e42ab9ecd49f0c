//! To which section a packet belongs (RFC 9143 §9.2, RFC 9429 §5.11): by SSRC, by mid, or by a payload type that only one
//! section has.

use peerage_rtp::extension::{Mid, RepairedRtpStreamId, RtpStreamId};
use peerage_rtp::payload::PayloadFormat;
use peerage_rtp::{ExtensionMap, RtpPacket};
use rustc_hash::FxHashMap;

use crate::jsep::AgreedMedia;
use crate::transceiver::TransceiverHandle;

/// What is known of a section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) transceiver: TransceiverHandle,
    mid: Option<String>,
    receives: bool,
    /// By the payload type that we receive.
    formats: Vec<(u8, PayloadFormat)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Routing {
    sections: Vec<Section>,
    /// Sources that the peer's description names.
    sources: FxHashMap<u32, usize>,
}

/// Where a new stream goes.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) transceiver: TransceiverHandle,
    pub(super) rid: Option<String>,
    pub(super) formats: Vec<(u8, PayloadFormat)>,
}

impl Routing {
    pub(super) fn configure(&mut self, agreed: &[AgreedMedia]) {
        self.sections = agreed
            .iter()
            .map(|media| Section {
                transceiver: media.transceiver,
                mid: media.mid.as_ref().map(|mid| mid.to_string()),
                receives: media.agreement.direction.receives(),
                formats: media
                    .agreement
                    .codecs
                    .iter()
                    .filter_map(|codec| {
                        let fmtp = codec.remote_fmtp.as_deref().unwrap_or("");
                        let format = PayloadFormat::from_sdp(&codec.codec.name, fmtp)?;
                        Some((codec.receive, format))
                    })
                    .collect(),
            })
            .collect();
        self.sources.clear();
        for (index, media) in agreed.iter().enumerate() {
            self.sources.extend(media.remote.sources.iter().map(|source| (source.ssrc, index)));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }

    /// The section of a transceiver that still receives.
    pub(super) fn section(&self, transceiver: TransceiverHandle) -> Option<&Section> {
        self.sections.iter().find(|section| section.transceiver == transceiver && section.receives)
    }

    /// The route of a stream whose first packet this is.
    pub(super) fn find(&self, packet: &RtpPacket<'_>, extensions: &ExtensionMap) -> Option<Route> {
        let payload_type = packet.payload_type().get();
        let has = |section: &&Section| section.formats.iter().any(|(pt, _)| *pt == payload_type);
        let section = match packet.extension::<Mid<'_>>(extensions) {
            Some(Mid(mid)) => {
                self.sections.iter().find(|section| section.mid.as_deref() == Some(mid))?
            }
            None => match self.sources.get(&packet.ssrc().0) {
                Some(&index) => &self.sections[index],
                None => {
                    let mut with = self.sections.iter().filter(|s| s.receives).filter(has);
                    with.next().filter(|_| with.next().is_none())?
                }
            },
        };
        // What repeats another stream is no stream of its own.
        if !section.receives
            || !has(&section)
            || packet.extension::<RepairedRtpStreamId<'_>>(extensions).is_some()
        {
            return None;
        }
        let rid = packet.extension::<RtpStreamId<'_>>(extensions).map(|rid| rid.0.to_owned());
        Some(Route { transceiver: section.transceiver, rid, formats: section.formats.clone() })
    }
}

impl Section {
    pub(super) fn formats(&self) -> &[(u8, PayloadFormat)] {
        &self.formats
    }
}
