//! Transceivers through the API: `addTransceiver`, `addTrack`, `removeTrack`, and what may be set on one (webrtc-pc §5).

use std::time::{Duration, Instant};

use super::PeerConnection;
use crate::error::Error;
use crate::event::Event;
use crate::media::{MediaKind, RtpCodec};
use crate::rtp::{
    EncoderStatistics, EncodingTarget, Estimate, Frame, MediaFrame, RtpEvent, RtpTransport,
};
use crate::transceiver::{
    RtpEncodingParameters, Transceiver, TransceiverDirection, TransceiverHandle, TransceiverInit,
    check_ids, check_made_modes, checked_parameters,
};
use crate::transform::Way;

/// webrtc-pc §5.3, jitterBufferTarget, step 3.
const MAX_JITTER_BUFFER_TARGET: Duration = Duration::from_millis(4000);

impl PeerConnection {
    /// `addTransceiver`. [`Event::NegotiationNeeded`] follows.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `TypeError` and `RangeError` for encodings that do not make sense.
    pub fn add_transceiver(
        &mut self,
        now: Instant,
        kind: MediaKind,
        init: TransceiverInit,
    ) -> Result<TransceiverHandle, Error> {
        self.begin(now)?;
        let capabilities = &self.config.settings.media;
        let handle = self.transceivers.create(&mut self.rng, kind, init, capabilities)?;
        self.check_negotiation = true;
        Ok(handle)
    }

    /// `addTrack`: takes a transceiver of the kind that has never sent, or makes one.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `InvalidAccessError` if a sender has this track already, `TypeError` for an id that
    /// SDP cannot carry (RFC 8830 §2).
    pub fn add_track(
        &mut self,
        now: Instant,
        kind: MediaKind,
        track: impl Into<String>,
        streams: Vec<String>,
    ) -> Result<TransceiverHandle, Error> {
        self.begin(now)?;
        let track = track.into();
        check_ids("track", std::iter::once(&track))?;
        check_ids("streams", streams.iter())?;
        if self.transceivers.iter().any(|t| t.sender.track.as_ref() == Some(&track)) {
            return Err(Error::InvalidAccess {
                operation: "add_track",
                reason: "a sender has this track already",
            });
        }
        // webrtc-pc §5.1, addTrack, step 6.
        let free = self.transceivers.iter().find(|t| {
            t.kind == kind && t.sender.track.is_none() && t.is_active() && !t.sender.has_sent
        });
        let handle = match free.map(|t| t.handle) {
            Some(handle) => handle,
            None => {
                let (init, capabilities) =
                    (TransceiverInit::default(), &self.config.settings.media);
                self.transceivers.create(&mut self.rng, kind, init, capabilities)?
            }
        };
        if let Some(transceiver) = self.transceivers.get_mut(handle) {
            transceiver.sender.track = Some(track);
            transceiver.sender.streams = streams;
            transceiver.direction = transceiver.direction.with_sending(true);
            transceiver.by_add_track = true;
        }
        self.check_negotiation = true;
        Ok(handle)
    }

    /// `removeTrack`: the transceiver sends no more.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `OperationError` if there is no such transceiver.
    pub fn remove_track(&mut self, now: Instant, handle: TransceiverHandle) -> Result<(), Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        if transceiver.sender.track.take().is_some() && transceiver.is_active() {
            transceiver.direction = transceiver.direction.with_sending(false);
            self.check_negotiation = true;
        }
        Ok(())
    }

    /// `getTransceivers`, in the order they were made.
    pub fn transceivers(&self) -> impl Iterator<Item = &Transceiver> {
        self.transceivers.iter()
    }

    /// One of them; `None` once it is stopped and gone.
    pub fn transceiver(&self, handle: TransceiverHandle) -> Option<&Transceiver> {
        self.transceivers.get(handle)
    }

    /// Sets `direction`.
    ///
    /// # Errors
    /// `InvalidStateError` once closed or stopped; `TypeError` for `stopped`, which [`PeerConnection::stop_transceiver`]
    /// is for.
    pub fn set_direction(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        direction: TransceiverDirection,
    ) -> Result<(), Error> {
        let transceiver = self.living_transceiver(now, handle, "set_direction")?;
        if direction == TransceiverDirection::Stopped {
            return Err(Error::Type {
                argument: "direction",
                reason: "a transceiver is stopped by `stop_transceiver`".into(),
            });
        }
        if transceiver.direction != direction {
            transceiver.direction = direction;
            self.check_negotiation = true;
        }
        Ok(())
    }

    /// `stop`: sends and receives no more; the next offer rejects the m-section.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `OperationError` if there is no such transceiver.
    pub fn stop_transceiver(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        if !transceiver.is_active() {
            return Ok(());
        }
        transceiver.stopping = true;
        // What `direction` says from now on (webrtc-pc §5.4, direction).
        transceiver.direction = TransceiverDirection::Stopped;
        if std::mem::take(&mut transceiver.fired) {
            self.events.push_back(Event::TrackRemoved { transceiver: handle, ended: true });
        }
        // webrtc-pc §5.4, "stop sending and receiving": at once, not when it is negotiated.
        for transport in self.transports.iter_mut() {
            transport.rtp.stop_sending(handle);
        }
        self.configure_rtp(now);
        self.drop_received(handle);
        self.check_negotiation = true;
        Ok(())
    }

    /// `setCodecPreferences`: which codecs descriptions name, the best first; empty brings back the defaults. They count
    /// from the next description on.
    ///
    /// # Errors
    /// `InvalidModificationError` for a codec that is none of the capabilities, or if only retransmission, redundancy
    /// and the like are left.
    pub fn set_codec_preferences(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        codecs: &[RtpCodec],
    ) -> Result<(), Error> {
        self.begin(now)?;
        let capabilities = &self.config.settings.media;
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        let kind = transceiver.kind;
        transceiver.codec_preferences =
            crate::media::check_preferences(capabilities, kind, codecs)?;
        Ok(())
    }

    /// `setStreams`: which streams the track that is sent belongs to.
    ///
    /// # Errors
    /// `InvalidStateError` once closed, `OperationError` if there is no such transceiver, `TypeError` for an id that SDP
    /// cannot carry (RFC 8830 §2).
    pub fn set_streams(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        streams: Vec<String>,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        check_ids("streams", streams.iter())?;
        transceiver.sender.streams = streams;
        self.check_negotiation = true;
        Ok(())
    }

    /// `replaceTrack`: sends another track, or none, without negotiation. The next frame may have any timestamp: on the
    /// wire it comes after the one before, by the time that passed.
    ///
    /// # Errors
    /// `InvalidStateError` once closed or stopped, `TypeError` for an id that SDP cannot carry (RFC 8830 §2).
    pub fn replace_track(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        track: Option<String>,
    ) -> Result<(), Error> {
        let transceiver = self.living_transceiver(now, handle, "replace_track")?;
        check_ids("track", track.iter())?;
        transceiver.sender.track = track;
        for transport in self.transports.iter_mut() {
            transport.rtp.source_changed(handle);
        }
        Ok(())
    }

    /// `setParameters`, as far as it concerns encodings: their number, order and `rid` stay, and none can have a codec that was
    /// not agreed on. [`Event::EncodingChanged`] tells encoders.
    ///
    /// # Errors
    /// `InvalidModificationError` if they do not stay, or for such a codec; `RangeError` for a number that makes no sense;
    /// `OperationError` for an unknown scalability mode, or one that the codec of its encoding does not have;
    /// `InvalidStateError` once closed or stopped.
    pub fn set_encodings(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        encodings: Vec<RtpEncodingParameters>,
    ) -> Result<(), Error> {
        self.living_transceiver(now, handle, "set_encodings")?;
        let capabilities = &self.config.settings.media;
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        let choosable = match &transceiver.agreed {
            Some(agreed) => agreed.codecs.iter().map(|codec| codec.codec.clone()).collect(),
            None => capabilities.rtp_codecs(transceiver.kind),
        };
        let (kind, old) = (transceiver.kind, &transceiver.sender.encodings);
        let checked = checked_parameters(kind, &choosable, old, encodings)?;
        check_made_modes(&checked, &choosable, capabilities.codecs(kind))?;
        transceiver.sender.encodings = checked;
        let place = transceiver.transport;
        self.transports[place].rtp.arrange_targets(now, &self.transceivers);
        Ok(())
    }

    /// Sets `jitterBufferTarget` of a transceiver's receiver: how much media whoever plays it is to hold back; `None` leaves it
    /// to them. Frames are handed out at once: it is kept in [`Receiver`](crate::Receiver) for the player.
    ///
    /// # Errors
    /// `RangeError` for more than 4 seconds, `InvalidStateError` once closed, `OperationError` if there is no such
    /// transceiver.
    pub fn set_jitter_buffer_target(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        target: Option<Duration>,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        if target.is_some_and(|target| target > MAX_JITTER_BUFFER_TARGET) {
            return Err(Error::Range {
                argument: "target",
                reason: "it is more than 4000 ms (webrtc-pc §5.3, jitterBufferTarget)".into(),
            });
        }
        transceiver.receiver.jitter_buffer_target = target;
        Ok(())
    }

    /// Sends an encoded frame on an encoding of a transceiver, 0 without simulcast. While the connection is not up yet it is
    /// dropped, as live media is.
    ///
    /// # Errors
    /// `InvalidStateError` if nothing is sent as agreed or there is no such encoding, `OperationError` if the frame is not of its codec, the codec was
    /// not agreed on, or too much waits to be sent.
    pub fn send_frame(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        encoding: usize,
        frame: &Frame,
    ) -> Result<(), Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get(handle).ok_or(Error::UnknownTransceiver)?;
        if !transceiver.is_active() {
            return Err(Error::InvalidState {
                operation: "send_frame",
                reason: "the transceiver is stopped",
            });
        }
        if !transceiver.sender.encoding(encoding, "send_frame")?.active {
            return Ok(());
        }
        let (mtu, place) = (self.config.settings.mtu, transceiver.transport);
        if self.transforms.has(Way::Sending, handle) {
            let Some(frame) = self.transform_sent(handle, encoding, frame) else { return Ok(()) };
            self.transports[place].rtp.send_frame(now, handle, encoding, &frame, mtu)?;
        } else {
            self.transports[place].rtp.send_frame(now, handle, encoding, frame, mtu)?;
        }
        self.pump_rtp(place);
        Ok(())
    }

    /// Bits a second of encoded media that an encoding may use now, 0 without simulcast; zero where it is paused. `None` if
    /// it is not sent, or before the connection is up. [`Event::TargetBitrate`] tells of changes.
    pub fn target_bitrate(&self, handle: TransceiverHandle, encoding: usize) -> Option<u64> {
        self.rtp_of(handle)?.target_bitrate(handle, encoding)
    }

    /// The share of an encoding's packets that the peer has reported as lost of late, 0 to 1: what redundancy is to make up for.
    /// `None` before it has reported, or where nothing is sent.
    pub fn sending_loss(&self, handle: TransceiverHandle, encoding: usize) -> Option<f32> {
        self.rtp_of(handle)?.sending_loss(handle, encoding)
    }

    /// What the encoder of an encoding is to make now, 0 without simulcast: the rate, and what the application has set. `None`
    /// if it is not sent, or before the connection is up. [`Event::EncodingChanged`] and [`Event::TargetBitrate`] tell of
    /// changes.
    pub fn encoding_target(
        &self,
        handle: TransceiverHandle,
        encoding: usize,
    ) -> Option<EncodingTarget> {
        self.rtp_of(handle)?.encoding_target(handle, encoding)
    }

    /// Takes what the encoder of an encoding has done so far, for [`get_stats`](Self::get_stats) to tell. Of no effect where
    /// nothing is sent.
    pub fn set_encoder_statistics(
        &mut self,
        handle: TransceiverHandle,
        encoding: usize,
        statistics: EncoderStatistics,
    ) {
        let Some(transceiver) = self.transceivers.get(handle) else { return };
        let place = transceiver.transport;
        self.transports.unmarked(place).rtp.set_encoder_statistics(handle, encoding, statistics);
    }

    /// What congestion control knows of the path; `None` before anything can be sent. Where there are several transports,
    /// each with a path of its own: of the first that sends media.
    pub fn estimate(&self) -> Option<Estimate> {
        self.transports.iter().find_map(|transport| transport.rtp.estimate(self.now))
    }

    /// The same of the path that a transceiver sends by.
    pub fn estimate_of(&self, handle: TransceiverHandle) -> Option<Estimate> {
        self.rtp_of(handle)?.estimate(self.now)
    }

    /// Takes back the memory of an [`Event::Frame`] whose frame was taken out of it by
    /// [`MediaFrame::take`](crate::MediaFrame::take), for a frame to come: who hands back every box has none allocated for
    /// sound. What is not handed back is only freed.
    pub fn reuse_frame(&mut self, frame: Box<MediaFrame>) {
        if let Some(transceiver) = self.transceivers.get(frame.transceiver) {
            self.transports.unmarked(transceiver.transport).rtp.reuse_frame(frame);
        }
    }

    /// Asks the peer for a keyframe of the video that it sends on a transceiver (RFC 4585 §6.3.1). Requests that follow each
    /// other closely are made one.
    pub fn request_keyframe(&mut self, now: Instant, handle: TransceiverHandle) {
        self.now = now;
        if let Some(transceiver) = self.transceivers.get(handle).filter(|_| !self.closed) {
            self.transports[transceiver.transport].rtp.request_keyframe(now, handle);
        }
    }

    /// The streams of a transceiver's transport.
    pub(super) fn rtp_of(&self, handle: TransceiverHandle) -> Option<&RtpTransport> {
        Some(&self.transports[self.transceivers.get(handle)?.transport].rtp)
    }

    /// Moves what an RTP transport reports on.
    pub(super) fn pump_rtp(&mut self, place: usize) {
        while let Some(event) = self.transports.unmarked(place).rtp.poll_event() {
            let event = match event {
                RtpEvent::Frame(frame) => match self.transform_received(frame) {
                    Some(frame) => {
                        self.frame_origins.push_back(self.transports[place].id);
                        Event::Frame(frame)
                    }
                    None => {
                        self.transports[place].rtp.frame_taken();
                        continue;
                    }
                },
                RtpEvent::ToneChange { transceiver, tone } => {
                    Event::ToneChange { transceiver, tone }
                }
                RtpEvent::Dtmf(event) => Event::Dtmf(event),
                RtpEvent::SourcesEnded(transceiver) => Event::TrackMuted { transceiver },
                RtpEvent::SourceCollision(ssrc) => {
                    self.change_source(ssrc.0);
                    continue;
                }
            };
            self.events.push_back(event);
        }
    }

    /// What has come in on a transceiver and waits for the application is not wanted any more.
    fn drop_received(&mut self, handle: TransceiverHandle) {
        for transport in self.transports.iter_mut() {
            transport.rtp.drop_received(handle);
        }
        let transports = &mut self.transports;
        let mut origins = std::mem::take(&mut self.frame_origins).into_iter();
        let kept = &mut self.frame_origins;
        self.events.retain(|event| {
            let Event::Frame(frame) = event else { return true };
            let Some(origin) = origins.next() else { return true };
            let is_its = frame.transceiver == handle;
            match transports.position(origin) {
                Some(place) if is_its => transports[place].rtp.frame_taken(),
                _ if is_its => {}
                _ => kept.push_back(origin),
            }
            !is_its
        });
    }

    /// The first step of every call: notes the time, and refuses a closed connection.
    pub(super) fn begin(&mut self, now: Instant) -> Result<(), Error> {
        self.now = now;
        match self.closed {
            true => Err(Error::Closed),
            false => Ok(()),
        }
    }

    pub(super) fn living_transceiver(
        &mut self,
        now: Instant,
        handle: TransceiverHandle,
        operation: &'static str,
    ) -> Result<&mut Transceiver, Error> {
        self.begin(now)?;
        let transceiver = self.transceivers.get_mut(handle).ok_or(Error::UnknownTransceiver)?;
        match transceiver.is_active() {
            true => Ok(transceiver),
            false => Err(Error::InvalidState { operation, reason: "the transceiver is stopped" }),
        }
    }
}
