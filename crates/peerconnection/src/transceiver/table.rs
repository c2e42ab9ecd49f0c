//! The set of transceivers of a connection (webrtc-pc `[[SetOfTransceivers]]`), in the order they were made.

use peerage_crypto::Rng;
use peerage_sdp::Word;
use rustc_hash::FxHashSet;

use super::{
    ReceiveLayers, Receiver, RtpEncodingParameters, Sender, Transceiver, TransceiverDirection,
    TransceiverHandle, TransceiverInit, check_made_modes, checked_send_encodings,
};
use crate::error::Error;
use crate::media::{Capabilities, MediaKind, RemoteMedia};

/// Transceivers that may exist at once, those that the peer's offers make included.
pub(crate) const MAX_TRANSCEIVERS: usize = 256;
/// Layers of one simulcast.
pub(super) const MAX_ENCODINGS: usize = 8;
/// The longest name of a layer: what fits a two-byte header extension.
const MAX_RID: usize = 255;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Transceivers {
    list: Vec<Transceiver>,
    next: u32,
}

impl Transceivers {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transceiver> {
        self.list.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Transceiver> {
        self.list.iter_mut()
    }

    pub(crate) fn get(&self, handle: TransceiverHandle) -> Option<&Transceiver> {
        self.position(handle).map(|index| &self.list[index])
    }

    pub(crate) fn get_mut(&mut self, handle: TransceiverHandle) -> Option<&mut Transceiver> {
        self.position(handle).map(|index| &mut self.list[index])
    }

    /// The one that the section of this mid belongs to. One that is stopped may still name a section that is another's
    /// now (RFC 9429 §5.2.2, recycling).
    pub(crate) fn by_mid(&self, mid: &str) -> Option<&Transceiver> {
        let named = |t: &&Transceiver| t.mid.as_ref().is_some_and(|have| have.as_str() == mid);
        self.list.iter().filter(|t| !t.stopped).find(named)
    }

    /// The one that this section belongs to.
    pub(crate) fn by_index(&self, index: usize) -> Option<&Transceiver> {
        self.list.iter().find(|t| !t.stopped && t.index == Some(index))
    }

    /// The same, to change it.
    pub(crate) fn by_index_mut(&mut self, index: usize) -> Option<&mut Transceiver> {
        self.list.iter_mut().find(|t| !t.stopped && t.index == Some(index))
    }

    /// How many more may be made.
    pub(crate) fn room(&self) -> usize {
        MAX_TRANSCEIVERS.saturating_sub(self.list.len())
    }

    /// Forgets those that are stopped and in no description any more, and those of a remote offer rolled back.
    pub(crate) fn retain(&mut self, keep: impl FnMut(&Transceiver) -> bool) {
        self.list.retain(keep);
    }

    /// Handles grow and the list keeps their order.
    fn position(&self, handle: TransceiverHandle) -> Option<usize> {
        self.list.binary_search_by_key(&handle, |t| t.handle).ok()
    }

    /// Makes one (webrtc-pc §5.1 addTransceiver, §5.4 "create an RTCRtpTransceiver").
    pub(crate) fn create(
        &mut self,
        rng: &mut Rng,
        kind: MediaKind,
        init: TransceiverInit,
        capabilities: &Capabilities,
    ) -> Result<TransceiverHandle, Error> {
        if self.list.len() >= MAX_TRANSCEIVERS {
            return Err(too_many());
        }
        if init.direction == TransceiverDirection::Stopped {
            return Err(Error::Type {
                argument: "init.direction",
                reason: "a transceiver cannot begin stopped".into(),
            });
        }
        check_ids("init.streams", init.streams.iter())?;
        check_ids("init.track", init.track.iter())?;
        let layers = checked_layers(kind, &init)?;
        let codecs = capabilities.rtp_codecs(kind);
        let encodings = checked_send_encodings(kind, &codecs, init.send_encodings)?;
        check_made_modes(&encodings, &codecs, capabilities.codecs(kind))?;
        let ssrcs = self.fresh_ssrcs(rng, encodings.len());
        let handle = TransceiverHandle(self.next);
        self.next += 1;
        self.list.push(Transceiver {
            handle,
            kind,
            mid: None,
            direction: init.direction,
            current_direction: None,
            sender: Sender {
                track: init.track,
                streams: init.streams,
                encodings,
                ssrcs,
                has_sent: false,
                last_returned: None,
                capture: None,
            },
            receiver: Receiver {
                track: random_id(rng),
                streams: Vec::new(),
                jitter_buffer_target: None,
                layers,
                playback: None,
            },
            codec_preferences: Vec::new(),
            index: None,
            transport: 0,
            stopping: false,
            stopped: false,
            by_add_track: false,
            by_remote_offer: false,
            fired: false,
            agreed: None,
            saved: None,
        });
        Ok(handle)
    }
}

impl Transceivers {
    /// RFC 3550 §8.1, RFC 3711 §9.1: no two sources of a session have one SSRC, for they share the key.
    pub(crate) fn fresh_ssrcs(&self, rng: &mut Rng, count: usize) -> Vec<(u32, u32)> {
        if count == 0 {
            return Vec::new();
        }
        let pairs = self.list.iter().flat_map(|transceiver| &transceiver.sender.ssrcs);
        let all = all_sources;
        let mut taken: FxHashSet<u32> = pairs.flat_map(|&pair| all(pair)).collect();
        let mut fresh = || loop {
            let pair = (rng.u32(), rng.u32());
            let [ssrc, rtx, fec] = all(pair);
            let differ = ssrc != rtx && ssrc != fec && rtx != fec;
            if differ && all(pair).iter().all(|ssrc| !taken.contains(ssrc)) {
                taken.extend(all(pair));
                return pair;
            }
        };
        (0..count).map(|_| fresh()).collect()
    }
}

/// The sources that go with those of media and of retransmissions, parity included.
pub(crate) fn all_sources(pair: (u32, u32)) -> [u32; 3] {
    [pair.0, pair.1, fec_source(pair)]
}

/// The source of parity that goes with sources of media and of retransmissions: as random as they are.
pub(crate) fn fec_source((ssrc, rtx): (u32, u32)) -> u32 {
    (ssrc.rotate_left(13) ^ rtx).wrapping_mul(0x9E37_79B1)
}

pub(crate) fn too_many() -> Error {
    Error::Operation(format!("a connection has at most {MAX_TRANSCEIVERS} transceivers"))
}

/// The encodings that a simulcast which the peer would receive asks for: one for each layer, by the first of its
/// alternatives, each with twice the width of the one before (webrtc-pc §4.4.1.5, step 4.6.2, "proposedSendEncodings").
pub(crate) fn proposed_encodings(media: &RemoteMedia) -> Vec<RtpEncodingParameters> {
    let layers = media.simulcast.as_ref().filter(|_| media.kind == MediaKind::Video);
    let layers = layers.map_or(&[][..], |layers| &layers.receive);
    let rids = layers.iter().filter_map(|layer| Some(&layer.0.first()?.rid));
    let rids = rids.filter(|rid| rid.len() <= MAX_RID).take(MAX_ENCODINGS);
    let mut encodings: Vec<_> = rids.map(|rid| RtpEncodingParameters::new(rid.as_str())).collect();
    scale_by_powers(&mut encodings);
    encodings
}

/// Each layer has twice the width of the one before.
fn scale_by_powers(encodings: &mut [RtpEncodingParameters]) {
    let count = encodings.len();
    for (index, encoding) in encodings.iter_mut().enumerate() {
        encoding.scale_resolution_down_by = Some(f64::from(1u32 << (count - 1 - index)));
    }
}

/// RFC 8851 §10.
pub(super) fn is_rid(rid: &str) -> bool {
    (1..=MAX_RID).contains(&rid.len()) && rid.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

pub(super) fn no_rid(rid: &str) -> String {
    format!("rid {rid:?} is not 1 to {MAX_RID} letters and digits (RFC 8851 §10)")
}

/// The layers that the peer is asked for.
fn checked_layers(kind: MediaKind, init: &TransceiverInit) -> Result<ReceiveLayers, Error> {
    let rids = &init.receive_encodings;
    let fail = |reason: String| Err(Error::Type { argument: "init.receive_encodings", reason });
    if kind == MediaKind::Audio && !rids.is_empty() {
        return fail("audio has no layers".into());
    }
    if rids.len() > MAX_ENCODINGS {
        return fail(format!("there are more than {MAX_ENCODINGS} layers"));
    }
    let mut words: Vec<Word> = Vec::new();
    for rid in rids {
        let Some(word) = Word::new(rid).ok().filter(|_| is_rid(rid)) else {
            return fail(no_rid(rid));
        };
        let is_sent = init.send_encodings.iter().any(|encoding| encoding.rid == *rid);
        if is_sent || words.contains(&word) {
            return fail(format!("rid {rid:?} stands there twice (RFC 8851 §4)"));
        }
        words.push(word);
    }
    Ok(ReceiveLayers::new(&words))
}

/// Ids stand in `a=msid` (RFC 8830 §2): 1 to 64 token characters.
pub(crate) fn check_ids<'a>(
    argument: &'static str,
    ids: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    for id in ids {
        let token = |byte: u8| byte.is_ascii_graphic() && !br#""(),/:;<=>?@[\]"#.contains(&byte);
        if id.is_empty() || id.len() > 64 || !id.bytes().all(token) {
            return Err(Error::Type {
                argument,
                reason: format!("{id:?} is not 1 to 64 token characters (RFC 8830 §2)"),
            });
        }
    }
    Ok(())
}

/// An identifier of 128 random bits, in hexadecimal.
pub(crate) fn random_id(rng: &mut Rng) -> String {
    rng.array::<16>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_that_was_recycled_is_the_new_ones() {
        let (mut rng, capabilities) = (Rng::from_seed(1), Capabilities::default());
        let mut transceivers = Transceivers::default();
        let mut make = || {
            let init = TransceiverInit::default();
            let handle =
                transceivers.create(&mut rng, MediaKind::Video, init, &capabilities).unwrap();
            let transceiver = transceivers.get_mut(handle).unwrap();
            transceiver.mid = Word::new("0").ok();
            transceiver.index = Some(0);
            handle
        };
        let (old, new) = (make(), make());
        transceivers.get_mut(old).unwrap().stop_now();
        assert_eq!(transceivers.by_mid("0").unwrap().handle, new);
        assert_eq!(transceivers.by_index(0).unwrap().handle, new);
        assert_eq!(transceivers.by_index_mut(0).unwrap().handle, new);
        assert_eq!(transceivers.room(), MAX_TRANSCEIVERS - 2);
    }
}
