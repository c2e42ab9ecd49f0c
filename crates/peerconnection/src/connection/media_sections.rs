//! What descriptions do to transceivers: m-sections are joined to them, tracks come and go (RFC 9429 §5.9 to §5.11,
//! webrtc-pc §4.4.1.5, steps for the media descriptions).

use std::time::Instant;

use peerage_sdp::{Direction, Feedback};

use super::PeerConnection;
use crate::description::SdpType;
use crate::error::Error;
use crate::event::Event;
use crate::jsep::{AgreedMedia, LocalBody, RemoteDescription, RemoteSection};
use crate::media::{MediaKind, RemoteMedia, intersect};
use crate::state::SignalingState;
use crate::transceiver::{
    Transceiver, TransceiverDirection, TransceiverHandle, TransceiverInit, proposed_encodings,
    too_many,
};

impl PeerConnection {
    /// A local offer joins its sections to the transceivers they were made from (RFC 9429 §5.9).
    pub(super) fn associate_transceivers(&mut self) {
        let Some(local) = &self.negotiation.pending_local else { return };
        let named: Vec<_> = (local.sections.iter())
            .filter_map(|section| match &section.body {
                LocalBody::Media(body) => Some(body.transceiver),
                LocalBody::Rejected(_) | LocalBody::Data(_) => None,
            })
            .collect();
        self.take_back(|transceiver| !named.contains(&transceiver.handle));
        let Some(local) = &self.negotiation.pending_local else { return };
        for (index, section) in local.sections.iter().enumerate() {
            let LocalBody::Media(body) = &section.body else { continue };
            if let Some(transceiver) = self.transceivers.get_mut(body.transceiver) {
                transceiver.save();
                transceiver.mid.clone_from(&section.mid);
                transceiver.index = Some(index);
            }
        }
    }

    /// Whether there is room for the transceivers that a remote offer makes.
    pub(super) fn check_room(&self, offer: &RemoteDescription) -> Result<(), Error> {
        let media = |section: &RemoteSection| !section.rejected && section.usable;
        let unknown: Vec<_> = (offer.sections.iter().enumerate())
            .filter(|(_, section)| media(section))
            .filter_map(|(index, section)| {
                let rtp = section.rtp.as_deref()?;
                self.transceiver_of(index, section.mid.as_deref()).is_none().then_some(rtp)
            })
            .collect();
        let made = |kind: MediaKind| {
            let new = unknown.iter().filter(|rtp| rtp.kind == kind).count();
            let joined = unknown.iter().filter(|rtp| rtp.kind == kind && rtp.direction.receives());
            let waiting = self.transceivers.iter().filter(|t| is_waiting(t, kind));
            new - joined.count().min(waiting.count())
        };
        match made(MediaKind::Audio) + made(MediaKind::Video) <= self.transceivers.room() {
            true => Ok(()),
            false => Err(too_many()),
        }
    }

    /// A remote offer: each section of media gets its transceiver, and tracks that begin or end are told (RFC 9429
    /// §5.10; webrtc-pc §4.4.1.5, step 4.6).
    pub(super) fn take_remote_offer(&mut self) -> Result<(), Error> {
        let Some(offer) = &self.negotiation.pending_remote else { return Ok(()) };
        let sections: Vec<_> = offer
            .sections
            .iter()
            .enumerate()
            .filter(|(_, section)| !section.rejected)
            .filter_map(|(index, section)| {
                let media = section.rtp.as_deref().filter(|_| section.usable)?;
                Some((index, section.mid.clone(), media.clone()))
            })
            .collect();
        let rejected: Vec<_> = (offer.sections.iter().enumerate())
            .filter(|(_, section)| section.rejected)
            .map(|(index, _)| index)
            .collect();
        self.take_back(|transceiver| {
            !sections.iter().any(|(index, mid, _)| match &transceiver.mid {
                Some(_) => transceiver.mid == *mid,
                None => mid.is_none() && transceiver.index == Some(*index),
            })
        });
        for index in rejected {
            self.stop_rejected(index);
        }
        for (index, mid, media) in sections {
            let handle = match self.transceiver_of(index, mid.as_deref()) {
                Some(handle) => handle,
                None => self.transceiver_for(&media)?,
            };
            let proposed = proposed_encodings(&media);
            let sources = self.transceivers.fresh_ssrcs(&mut self.rng, proposed.len());
            if let Some(transceiver) = self.transceivers.get_mut(handle) {
                transceiver.save();
                transceiver.mid = mid;
                transceiver.index = Some(index);
                transceiver.propose_encodings(proposed, sources);
            }
            self.take_remote_direction(handle, &media);
        }
        self.avoid_offered_sources();
        Ok(())
    }

    /// What an answer, ours or the peer's, has settled (webrtc-pc §4.4.1.5, steps 4.5 and 4.6).
    pub(super) fn take_agreed_media(&mut self, now: Instant, is_ours: bool) {
        let Some((local, remote)) = self.negotiation.agreed() else { return };
        let is_final = self.negotiation.state() == SignalingState::Stable;
        let rejected: Vec<usize> = local
            .sections
            .iter()
            .zip(&remote.sections)
            .enumerate()
            .filter(|(_, (ours, theirs))| ours.is_rejected() || !theirs.usable)
            .map(|(index, _)| index)
            .collect();
        let agreed = self.negotiation.agreed_media();
        for media in &agreed {
            if !is_ours {
                self.take_remote_direction(media.transceiver, &media.remote);
            }
            if let Some(transceiver) = self.transceivers.get_mut(media.transceiver) {
                let direction = media.agreement.direction;
                transceiver.current_direction = Some(TransceiverDirection::from_sdp(direction));
                transceiver.sender.has_sent |= direction.sends();
                transceiver.sender.last_returned = None;
                if is_final {
                    transceiver.agreed = Some(Box::new(media.agreement.clone()));
                    transceiver.receiver.layers.agree(&media.agreement);
                    transceiver.sender.drop_codecs(&media.agreement);
                    if direction.sends() {
                        transceiver.sender.trim_encodings(&media.agreement);
                    }
                }
            }
        }
        if is_final {
            for index in rejected {
                self.stop_rejected(index);
            }
            for transceiver in self.transceivers.iter_mut() {
                // It never had a section that has to be rejected first.
                if transceiver.stopping && transceiver.index.is_none() {
                    transceiver.stop_now();
                }
                transceiver.saved = None;
                transceiver.by_remote_offer = false;
            }
            // webrtc-pc §4.4.1.5, step 4.10: what is stopped and whose section is gone leaves the set.
            self.transceivers.retain(|transceiver| !transceiver.stopped);
        }
        self.transforms.keep(&self.transceivers);
        self.configure_rtp(now);
    }

    /// Has each transport follow what was agreed on for its sections.
    pub(super) fn configure_rtp(&mut self, now: Instant) {
        let mut agreed = self.active_media();
        // libwebrtc numbers packets for all transports of a connection together, and reports on all by one of them. With several
        // that does not go with a controller for each: then losses and the receiver's estimate have to do.
        if agreed.windows(2).any(|pair| pair[0].transport != pair[1].transport) {
            for codec in agreed.iter_mut().flat_map(|media| &mut media.agreement.codecs) {
                codec.codec.rtcp_feedback.retain(|feedback| *feedback != Feedback::TransportCc);
            }
        }
        // What the session's description leaves to all is shared out among the transports that send.
        let sending = |media: &&AgreedMedia| media.agreement.direction.sends();
        let mut senders: Vec<_> = agreed.iter().filter(sending).map(|m| m.transport).collect();
        senders.sort_unstable();
        senders.dedup();
        for bandwidth in agreed.iter_mut().filter_map(|media| media.session_bandwidth.as_mut()) {
            *bandwidth /= senders.len().max(1) as u64;
        }
        for transport in self.transports.iter_mut() {
            let id = transport.id;
            let own: Vec<_> = agreed.extract_if(.., |media| media.transport == id).collect();
            transport.rtp.configure(now, &own, &self.transceivers);
        }
    }

    /// What was agreed on for each section whose transceiver is not stopped, whatever descriptions still say of that.
    pub(super) fn active_media(&self) -> Vec<AgreedMedia> {
        let mut agreed = self.negotiation.agreed_media();
        let is_active = |t: &Transceiver| t.is_active();
        agreed.retain(|media| self.transceivers.get(media.transceiver).is_some_and(is_active));
        agreed
    }

    /// webrtc-pc §4.4.1.5, step 4.12, for a rollback.
    pub(super) fn roll_transceivers_back(&mut self) {
        self.take_back(|_| true);
        self.transceivers.retain(|transceiver| !transceiver.stopped);
    }

    /// Brings back what `is_gone` had before the pending offer. An offer may take the place of a pending one and leave
    /// sections of that out (RFC 9429 §4.1.10, §5.2.2): their transceivers belong to no section then.
    fn take_back(&mut self, is_gone: impl Fn(&Transceiver) -> bool) {
        let mut removed = Vec::new();
        let mut undone = Vec::new();
        let pending = |t: &&mut Transceiver| (t.saved.is_some() || t.by_remote_offer) && is_gone(t);
        for transceiver in self.transceivers.iter_mut().filter(pending) {
            if transceiver.by_remote_offer && transceiver.sender.track.is_none() {
                if transceiver.fired {
                    removed.push((transceiver.handle, true));
                }
                transceiver.stop_now();
                undone.push(transceiver.handle);
            } else if transceiver.restore() {
                match transceiver.fired {
                    false => removed.push((transceiver.handle, false)),
                    // The offer took the track away; it comes back with the next description.
                    true => transceiver.fired = false,
                }
            }
            transceiver.by_remote_offer = false;
        }
        self.transceivers.retain(|transceiver| !undone.contains(&transceiver.handle));
        for (transceiver, ended) in removed {
            self.events.push_back(Event::TrackRemoved { transceiver, ended });
        }
    }

    /// webrtc-pc §4.7.3, "check if negotiation is needed", the steps for a transceiver.
    pub(super) fn needs_negotiation(&self, transceiver: &Transceiver) -> bool {
        if transceiver.stopped {
            return false;
        }
        if transceiver.stopping {
            // Until an offer rejects its section; one that never had a section is simply gone.
            return transceiver.index.is_some();
        }
        let Some(local) = &self.negotiation.current_local else { return true };
        // A peer that knows nothing of mid has sections without (RFC 9429 §5.10).
        let index = match &transceiver.mid {
            Some(mid) => local.find_section(mid),
            None => transceiver.index,
        };
        let section = index.and_then(|index| Some((index, &local.sections.get(index)?.body)));
        let Some((index, LocalBody::Media(body))) = section else { return true };
        let direction = transceiver.sdp_direction();
        if direction.sends() {
            let told = body.media.streams.iter().map(|stream| stream.as_str());
            if !body.media.direction.sends()
                || !told.eq(transceiver.sender.streams.iter().map(String::as_str))
            {
                // An answer may have been kept from sending by the offer: only then is nothing to be gained.
                let could =
                    local.kind == SdpType::Offer || self.offered_direction(index).receives();
                if could {
                    return true;
                }
            }
        }
        match local.kind {
            // Both what was offered and what came of it differ from what is wanted.
            SdpType::Offer => {
                let agreed = transceiver.current_direction.and_then(TransceiverDirection::to_sdp);
                body.media.direction != direction && agreed != Some(direction)
            }
            _ => {
                body.media.direction
                    != intersect(direction, self.offered_direction(index).reversed())
            }
        }
    }

    fn offered_direction(&self, index: usize) -> Direction {
        let remote = self.negotiation.current_remote.as_ref();
        let section = remote.and_then(|remote| remote.sections.get(index)?.rtp.as_deref());
        section.map_or(Direction::Inactive, |media| media.direction)
    }

    fn transceiver_of(&self, index: usize, mid: Option<&str>) -> Option<TransceiverHandle> {
        let transceiver = match mid {
            Some(mid) => self.transceivers.by_mid(mid),
            None => self.transceivers.by_index(index),
        };
        transceiver.filter(|transceiver| !transceiver.stopped).map(|transceiver| transceiver.handle)
    }

    /// The transceiver for a section that is new: one that `addTrack` made and that waits for a section, or a new one
    /// (RFC 9429 §5.10).
    fn transceiver_for(&mut self, media: &RemoteMedia) -> Result<TransceiverHandle, Error> {
        if media.direction.receives() {
            let waiting = self.transceivers.iter().find(|t| is_waiting(t, media.kind));
            if let Some(transceiver) = waiting {
                return Ok(transceiver.handle);
            }
        }
        let init = TransceiverInit::recv_only();
        let capabilities = &self.config.settings.media;
        let handle = self.transceivers.create(&mut self.rng, media.kind, init, capabilities)?;
        if let Some(transceiver) = self.transceivers.get_mut(handle) {
            transceiver.by_remote_offer = true;
        }
        Ok(handle)
    }

    /// Tells of a track that begins or ends (webrtc-pc §4.4.1.5, "process the addition" and "the removal of a remote
    /// track").
    fn take_remote_direction(&mut self, handle: TransceiverHandle, media: &RemoteMedia) {
        let Some(transceiver) = self.transceivers.get_mut(handle) else { return };
        let receives = media.direction.sends() && transceiver.is_active();
        let streams: Vec<String> = match (media.has_msid, media.direction.sends()) {
            (_, false) => Vec::new(),
            (true, true) => media.streams.iter().map(|stream| stream.to_string()).collect(),
            // RFC 9429 §5.10: without a=msid, the default stream.
            (false, true) => vec!["default".to_owned()],
        };
        if receives && let Some(track) = &media.track {
            transceiver.receiver.track = track.to_string();
        }
        let changed = transceiver.receiver.streams != streams;
        transceiver.receiver.streams.clone_from(&streams);
        match (transceiver.fired, receives) {
            (false, true) => {
                transceiver.fired = true;
                self.events.push_back(Event::Track { transceiver: handle, streams });
            }
            (true, true) if changed => {
                self.events.push_back(Event::Track { transceiver: handle, streams });
            }
            (true, false) => {
                transceiver.fired = false;
                self.events.push_back(Event::TrackRemoved { transceiver: handle, ended: false });
            }
            _ => {}
        }
    }

    /// The transceiver of a section that one end rejected is stopped (webrtc-pc §4.4.1.5, steps 4.5.1.4 and 4.6.15).
    fn stop_rejected(&mut self, index: usize) {
        let Some(transceiver) = self.transceivers.by_index_mut(index) else { return };
        let (handle, fired) = (transceiver.handle, std::mem::take(&mut transceiver.fired));
        transceiver.stop_now();
        if fired {
            self.events.push_back(Event::TrackRemoved { transceiver: handle, ended: true });
        }
    }
}

/// Whether a section of the peer's may be joined to it (RFC 9429 §5.10).
fn is_waiting(transceiver: &Transceiver, kind: MediaKind) -> bool {
    transceiver.by_add_track
        && transceiver.kind == kind
        && transceiver.mid.is_none()
        && transceiver.is_active()
}
