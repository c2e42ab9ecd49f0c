//! `RTCRtpTransceiver` with its sender and receiver (webrtc-pc §5.2 to §5.4): what the application wants of an m-section
//! of media and what was agreed on. The [`table`] holds those of a connection; JSEP reads and writes it.

mod direction;
mod encodings;
mod init;
mod layers;
mod parameters;
mod table;

pub use direction::TransceiverDirection;
pub(crate) use encodings::{check_made_modes, checked_parameters, checked_send_encodings};
pub use init::{RtpEncodingParameters, TransceiverInit};
pub(crate) use layers::ReceiveLayers;
pub use parameters::{RtcpParameters, RtpReceiveParameters, RtpSendParameters};
pub(crate) use table::{
    Transceivers, all_sources, check_ids, fec_source, proposed_encodings, random_id, too_many,
};

use std::sync::Arc;
use std::time::Duration;

use peerage_sdp::{Direction, Word};

use crate::error::Error;
use crate::media::{Agreement, MediaKind, RtpCodec, dictionary_match};
use crate::playback::{Capture, Playback};

/// Names a transceiver of a connection. Handles are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransceiverHandle(pub(crate) u32);

/// `RTCRtpTransceiver`, with the state of its sender and receiver.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Transceiver {
    /// The handle.
    pub handle: TransceiverHandle,
    /// Audio or video, for ever.
    pub kind: MediaKind,
    /// `mid`, once it is negotiated.
    pub mid: Option<Word>,
    /// `direction`: what is wanted.
    pub direction: TransceiverDirection,
    /// `currentDirection`: what was agreed on last; `None` before.
    pub current_direction: Option<TransceiverDirection>,
    /// The sender.
    pub sender: Sender,
    /// The receiver.
    pub receiver: Receiver,
    /// `setCodecPreferences`: in the order of preference; empty takes the defaults.
    pub codec_preferences: Vec<RtpCodec>,
    /// The m-section, while it is associated.
    pub(crate) index: Option<usize>,
    /// The place of its transport among those of the connection.
    pub(crate) transport: usize,
    pub(crate) stopping: bool,
    pub(crate) stopped: bool,
    /// `addTrack` made it or gave it a track: a remote section may be joined to it (RFC 9429 §5.10).
    pub(crate) by_add_track: bool,
    /// A remote offer made it, that may be rolled back.
    pub(crate) by_remote_offer: bool,
    /// `[[FiredDirection]]`.
    pub(crate) fired: bool,
    /// What the last answer settled.
    pub(crate) agreed: Option<Box<Agreement>>,
    /// What a rollback brings back, while an offer is pending.
    pub(crate) saved: Option<Box<Saved>>,
}

/// `RTCRtpSender`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sender {
    /// The track, by its id. It is a name for descriptions and for the application: frames are sent without one too.
    pub track: Option<String>,
    /// Ids of the streams that the track is part of, as `a=msid` tells the peer.
    pub streams: Vec<String>,
    /// The layers, one without simulcast.
    pub encodings: Vec<RtpEncodingParameters>,
    /// Synchronisation sources: of each encoding, and of its retransmissions.
    pub(crate) ssrcs: Vec<(u32, u32)>,
    /// It may have sent: the next `addTrack` must not take it (webrtc-pc §5.1, addTrack, step 6).
    pub(crate) has_sent: bool,
    /// `[[LastReturnedParameters]]`.
    pub(crate) last_returned: Option<Box<RtpSendParameters>>,
    /// Who captures the track, for statistics.
    pub(crate) capture: Option<Arc<dyn Capture>>,
}

impl Sender {
    /// The encoding with this index.
    pub(crate) fn encoding(
        &self,
        index: usize,
        operation: &'static str,
    ) -> Result<&RtpEncodingParameters, Error> {
        self.encodings.get(index).ok_or(Error::InvalidState {
            operation,
            reason: "the sender has no encoding of this index; those that the peer refuses are let go",
        })
    }

    /// Lets go of chosen codecs that were not agreed on (webrtc-pc §4.4.1.5, once the state is stable).
    pub(crate) fn drop_codecs(&mut self, agreement: &Agreement) {
        for encoding in &mut self.encodings {
            encoding.codec.take_if(|chosen| {
                let mut agreed = agreement.codecs.iter();
                !agreed.any(|agreed| dictionary_match(&agreed.codec, chosen, true))
            });
        }
    }

    /// Lets go of layers that an answer did not agree to: they do not come back (webrtc-pc §5.4.1).
    pub(crate) fn trim_encodings(&mut self, agreement: &Agreement) {
        let layers = agreement.simulcast.as_ref().map_or(&[][..], |layers| &layers.send);
        let is_agreed = |encoding: &RtpEncodingParameters| {
            layers.iter().flat_map(|layer| &layer.0).any(|format| *format.rid == *encoding.rid)
        };
        if self.encodings.len() < 2 {
            return;
        }
        // Without any in common the first is all that is sent.
        let none = !self.encodings.iter().any(is_agreed);
        let mut kept = (self.encodings.iter().enumerate())
            .map(|(index, encoding)| if none { index == 0 } else { is_agreed(encoding) })
            .collect::<Vec<_>>()
            .into_iter();
        let mut sources = kept.clone();
        self.encodings.retain(|_| kept.next().unwrap_or(false));
        self.ssrcs.retain(|_| sources.next().unwrap_or(false));
    }
}

/// `RTCRtpReceiver`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Receiver {
    /// The track's id: the peer's where its description names one.
    pub track: String,
    /// Ids of the streams that the peer puts the track into.
    pub streams: Vec<String>,
    /// `jitterBufferTarget`, at most 4 s: how much media whoever plays it is to hold back; `None` leaves it to them.
    pub jitter_buffer_target: Option<Duration>,
    /// The layers of a simulcast that offers of ours ask for.
    pub(crate) layers: ReceiveLayers,
    /// Who decodes and plays it, for statistics.
    pub(crate) playback: Option<Arc<dyn Playback>>,
}

/// The association of a transceiver before a description that is pending.
#[derive(Clone, Debug)]
pub(crate) struct Saved {
    mid: Option<Word>,
    index: Option<usize>,
    streams: Vec<String>,
    track: String,
    fired: bool,
    /// The sender's, if the peer's offer has replaced them.
    encodings: Option<Encodings>,
}

/// Encodings and their sources.
type Encodings = (Vec<RtpEncodingParameters>, Vec<(u32, u32)>);

impl Transceiver {
    /// Whether it takes part in descriptions.
    pub(crate) fn is_active(&self) -> bool {
        !self.stopping && !self.stopped
    }

    /// The direction as descriptions say it; one that is stopping is told as `inactive` until it is stopped.
    pub(crate) fn sdp_direction(&self) -> Direction {
        match self.is_active() {
            true => self.direction.to_sdp().unwrap_or(Direction::Inactive),
            false => Direction::Inactive,
        }
    }

    /// Whether this end sends, as agreed.
    pub fn is_sending(&self) -> bool {
        self.is_active() && self.current_direction.is_some_and(TransceiverDirection::sends)
    }

    /// Whether this end receives, as agreed.
    pub fn is_receiving(&self) -> bool {
        self.is_active() && self.current_direction.is_some_and(TransceiverDirection::receives)
    }

    /// Whether what comes is let through to the track (`[[Receptive]]` of webrtc-pc §5.4): not once either end has said that
    /// nothing is to come.
    pub fn is_receptive(&self) -> bool {
        let agreed = |direction: TransceiverDirection| self.fired && direction.receives();
        // Before the first answer it may come early.
        self.is_active() && self.current_direction.is_none_or(agreed)
    }

    /// Keeps what a rollback brings back.
    pub(crate) fn save(&mut self) {
        if self.saved.is_none() {
            self.saved = Some(Box::new(Saved {
                mid: self.mid.clone(),
                index: self.index,
                streams: self.receiver.streams.clone(),
                track: self.receiver.track.clone(),
                fired: self.fired,
                encodings: None,
            }));
        }
    }

    /// The peer's offer asks for these layers: they take the place of a single encoding without a name (webrtc-pc §4.4.1.5,
    /// step 4.6.5). What an offer before this one has asked for is taken back first.
    pub(crate) fn propose_encodings(
        &mut self,
        encodings: Vec<RtpEncodingParameters>,
        sources: Vec<(u32, u32)>,
    ) {
        let earlier = self.saved.as_mut().and_then(|saved| saved.encodings.take());
        if let Some(earlier) = earlier {
            (self.sender.encodings, self.sender.ssrcs) = earlier;
        }
        let is_alone = matches!(&self.sender.encodings[..], [one] if one.rid.is_empty());
        if encodings.is_empty() || !is_alone {
            return;
        }
        self.sender.last_returned = None;
        let before = std::mem::replace(&mut self.sender.encodings, encodings);
        let before = (before, std::mem::replace(&mut self.sender.ssrcs, sources));
        if let Some(saved) = &mut self.saved {
            saved.encodings = Some(before);
        }
    }

    /// Brings it back. Returns whether the track was announced and is so no more, or the other way round.
    pub(crate) fn restore(&mut self) -> bool {
        let Some(saved) = self.saved.take() else { return false };
        self.mid = saved.mid;
        self.index = saved.index;
        self.receiver.streams = saved.streams;
        self.receiver.track = saved.track;
        if let Some(encodings) = saved.encodings {
            (self.sender.encodings, self.sender.ssrcs) = encodings;
        }
        std::mem::replace(&mut self.fired, saved.fired) != saved.fired
    }

    /// `[[Stopped]]` (webrtc-pc §5.4, "stop the RTCRtpTransceiver").
    pub(crate) fn stop_now(&mut self) {
        self.stopping = true;
        self.stopped = true;
        self.direction = TransceiverDirection::Stopped;
        self.current_direction = Some(TransceiverDirection::Stopped);
        self.sender.track = None;
    }
}
