//! The handle of a transceiver: `RTCRtpTransceiver` with its sender and receiver, carrying encoded frames or
//! RTP packets.

use std::sync::Arc;
use std::time::Duration;

use peerage_peerconnection::media::{CodecFormat, MediaKind, RtpCodec};
use peerage_peerconnection::stats::StatsReport;
use peerage_peerconnection::{
    ContributingSource, DtlsTransportInfo, EncodingTarget, Estimate, Frame, FrameTransform,
    MediaFrame, OutgoingPacket, ReceiveMode, ReceivedPacket, RtpEncodingParameters,
    RtpReceiveParameters, RtpSendParameters, StatsSelector, SynchronizationSource, Transceiver,
    TransceiverDirection, TransceiverHandle,
};
use tokio::sync::{Mutex, mpsc};

use crate::Error;
use crate::encoder_requests::{EncoderRequests, Requests};
use crate::lifeline::Lifeline;
use crate::target_bitrate::{Bitrates, TargetBitrate};

/// Frames that wait for [`RtpTransceiver::recv_frame`]: two seconds of video and audio. More are dropped, and the peer is
/// asked for a keyframe.
pub(crate) const FRAME_QUEUE: usize = 128;

/// Packets that wait for [`RtpTransceiver::recv_rtp`]: a second of video. More are dropped.
pub(crate) const PACKET_QUEUE: usize = 1024;

/// Where received frames and packets wait, shared by all handles of a transceiver.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) frames: Arc<Mutex<mpsc::Receiver<MediaFrame>>>,
    pub(crate) packets: Arc<Mutex<mpsc::Receiver<ReceivedPacket>>>,
    /// What is wanted of whoever plays them.
    #[cfg(feature = "engine")]
    pub(crate) wishes: crate::receiving::Wishes,
}

/// A transceiver of a connection: one m-section of audio or video, both ways.
///
/// Cheap to clone; each received frame goes to one of the clones that wait for it. The handle keeps the connection alive.
#[derive(Clone, Debug)]
pub struct RtpTransceiver {
    lifeline: Arc<Lifeline>,
    handle: TransceiverHandle,
    kind: MediaKind,
    received: Received,
    bitrates: Bitrates,
    requests: Requests,
}

impl RtpTransceiver {
    pub(crate) fn new(
        lifeline: Arc<Lifeline>,
        handle: TransceiverHandle,
        kind: MediaKind,
        received: Received,
        bitrates: Bitrates,
        requests: Requests,
    ) -> Self {
        Self { lifeline, handle, kind, received, bitrates, requests }
    }

    /// Whether it is a transceiver of this connection.
    pub(crate) fn is_of(&self, lifeline: &Arc<Lifeline>) -> bool {
        self.lifeline.id() == lifeline.id()
            && self.lifeline.commands().same_channel(lifeline.commands())
    }

    /// What it refers to, without keeping the connection alive.
    #[cfg(feature = "engine")]
    pub(crate) fn weak(&self) -> (std::sync::Weak<Lifeline>, TransceiverHandle) {
        (Arc::downgrade(&self.lifeline), self.handle)
    }

    /// Where its frames come out, without keeping the connection alive.
    #[cfg(feature = "engine")]
    pub(crate) fn received_frames(&self) -> Arc<Mutex<mpsc::Receiver<MediaFrame>>> {
        self.received.frames.clone()
    }

    /// What is wanted of whoever plays what comes.
    #[cfg(feature = "engine")]
    pub(crate) fn wishes(&self) -> crate::receiving::Wishes {
        self.received.wishes.clone()
    }

    /// What keeps the tracks of the connection together.
    #[cfg(feature = "engine")]
    pub(crate) fn sync_group(&self) -> crate::lifeline::SharedSyncGroup {
        self.lifeline.sync_group()
    }

    /// Audio or video.
    pub fn kind(&self) -> MediaKind {
        self.kind
    }

    /// The handle that [`Statistics`](crate::Statistics) and frames name it by.
    pub fn handle(&self) -> TransceiverHandle {
        self.handle
    }

    /// Its state at this moment: mid, directions, sender, receiver; `None` once it is stopped and gone.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn state(&self) -> Result<Option<Transceiver>, Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, _| Ok(connection.pc.transceiver(handle).cloned()))
            .await
    }

    /// The next frame that came in, complete and decodable; `None` once the connection is closed. Cancel safe.
    pub async fn recv_frame(&self) -> Option<MediaFrame> {
        self.received.frames.lock().await.recv().await
    }

    /// Chooses between frames, the default, and packets for what comes in: [`recv_rtp`](Self::recv_rtp) then has what
    /// [`recv_frame`](Self::recv_frame) had.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError once the transceiver is gone.
    pub async fn set_receive_mode(&self, mode: ReceiveMode) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.set_receive_mode(now, handle, mode))
            .await
    }

    /// The next RTP packet that came in, where [`ReceiveMode::Packets`] was chosen; `None` once the connection is closed.
    /// They come in the order of arrival. Cancel safe.
    pub async fn recv_rtp(&self) -> Option<ReceivedPacket> {
        self.received.packets.lock().await.recv().await
    }

    /// Sends an RTP packet on an encoding, 0 without simulcast. Before the connection is up it is dropped.
    ///
    /// # Errors
    /// InvalidStateError if nothing is sent as agreed with the peer; OperationError if the codec was not agreed on, the
    /// sequence number is far from those before it, the packet is too long, or too much waits to be sent.
    pub async fn send_rtp(&self, encoding: usize, packet: OutgoingPacket) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.send_rtp(now, handle, encoding, &packet))
            .await
    }

    /// The payload type under which packets of a codec are sent here; `None` if it was not agreed on.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn sending_payload_type(&self, codec: CodecFormat) -> Result<Option<u8>, Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, _| Ok(connection.pc.sending_payload_type(handle, codec)))
            .await
    }

    /// Asks the peer for a keyframe of one of its sources: [`ReceivedPacket::ssrc`].
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn request_keyframe_from(&self, ssrc: u32) -> Result<(), Error> {
        self.lifeline
            .call(move |connection, now| {
                connection.pc.request_keyframe_from(now, ssrc);
                Ok(())
            })
            .await
    }

    /// Sends an encoded frame. Before the connection is up it is dropped.
    ///
    /// # Errors
    /// InvalidStateError if nothing is sent as agreed with the peer; OperationError if the frame is not of a codec that
    /// was agreed on, or if too much waits to be sent.
    pub async fn send_frame(&self, frame: Frame) -> Result<(), Error> {
        self.send_frame_on(0, frame).await
    }

    /// Sends an encoded frame on one encoding of a simulcast, 0 being the first.
    ///
    /// # Errors
    /// As [`send_frame`](Self::send_frame).
    pub async fn send_frame_on(&self, encoding: usize, frame: Frame) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.send_frame(now, handle, encoding, &frame))
            .await
    }

    /// What its encodings may send, to be looked at and watched.
    pub fn target_bitrate(&self) -> TargetBitrate {
        TargetBitrate::new(self.bitrates.clone())
    }

    /// What is asked of its encoders from now on: keyframes, codec, size. For a thread that encodes; the same is told by
    /// [`Event::KeyframeRequested`](crate::Event::KeyframeRequested) and
    /// [`Event::EncodingChanged`](crate::Event::EncodingChanged).
    pub fn encoder_requests(&self) -> EncoderRequests {
        EncoderRequests::new(self.requests.clone())
    }

    /// What the encoder of an encoding is to make now, 0 without simulcast: rate, size, frames a second, layers and codec.
    /// `None` if it is not sent, or before the connection is up. [`Event::EncodingChanged`](crate::Event::EncodingChanged)
    /// tells of all changes but those of the rate, which [`target_bitrate`](Self::target_bitrate) tells.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn encoding_target(&self, encoding: usize) -> Result<Option<EncodingTarget>, Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, _| Ok(connection.pc.encoding_target(handle, encoding)))
            .await
    }

    /// `RTCRtpSender.getStats`: the streams that are sent here, and what they refer to.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError once the transceiver is gone.
    pub async fn sender_stats(&self) -> Result<StatsReport, Error> {
        self.stats_of(StatsSelector::Sender(self.handle)).await
    }

    /// `RTCRtpReceiver.getStats`: the streams that are received here, and what they refer to.
    ///
    /// # Errors
    /// As [`sender_stats`](Self::sender_stats).
    pub async fn receiver_stats(&self) -> Result<StatsReport, Error> {
        self.stats_of(StatsSelector::Receiver(self.handle)).await
    }

    async fn stats_of(&self, selector: StatsSelector) -> Result<StatsReport, Error> {
        self.lifeline.call(move |connection, now| connection.pc.get_stats_of(now, selector)).await
    }

    /// `getSynchronizationSources`: who sent here within the last ten seconds, the last first.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn get_synchronization_sources(&self) -> Result<Vec<SynchronizationSource>, Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| Ok(connection.pc.get_synchronization_sources(now, handle)))
            .await
    }

    /// `getContributingSources`: whose media a mixer has put in within the last ten seconds, the last first.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn get_contributing_sources(&self) -> Result<Vec<ContributingSource>, Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| Ok(connection.pc.get_contributing_sources(now, handle)))
            .await
    }

    /// What congestion control knows of the path that it sends by; `None` before anything can be sent.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn estimate(&self) -> Result<Option<Estimate>, Error> {
        let handle = self.handle;
        self.lifeline.call(move |connection, _| Ok(connection.pc.estimate_of(handle))).await
    }

    /// `transport` of sender and receiver; `None` until the transceiver is part of a description.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError once the transceiver is gone.
    pub async fn transport(&self) -> Result<Option<DtlsTransportInfo>, Error> {
        let handle = self.handle;
        self.lifeline.call(move |connection, _| connection.pc.transport_of(handle)).await
    }

    /// Sets `jitterBufferTarget`: how much media whoever plays it is to hold back, as
    /// [`Receiver`](peerage_peerconnection::Receiver) tells them.
    ///
    /// # Errors
    /// RangeError for more than 4 seconds.
    pub async fn set_jitter_buffer_target(&self, target: Option<Duration>) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| {
                connection.pc.set_jitter_buffer_target(now, handle, target)
            })
            .await
    }

    /// Asks the peer for a keyframe of all that it sends here.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn request_keyframe(&self) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| {
                connection.pc.request_keyframe(now, handle);
                Ok(())
            })
            .await
    }

    /// Sets `direction`; it takes effect with the next negotiation.
    ///
    /// # Errors
    /// InvalidStateError once stopped.
    pub async fn set_direction(&self, direction: TransceiverDirection) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.set_direction(now, handle, direction))
            .await
    }

    /// `setCodecPreferences`: which codecs are negotiated, the best first; empty brings back the defaults.
    ///
    /// # Errors
    /// InvalidModificationError for a codec that is none of the capabilities.
    pub async fn set_codec_preferences(&self, codecs: Vec<RtpCodec>) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.set_codec_preferences(now, handle, &codecs))
            .await
    }

    /// `replaceTrack`: names another track, or none, without negotiation. The timestamps of its frames may begin anywhere.
    ///
    /// # Errors
    /// InvalidStateError once stopped.
    pub async fn replace_track(&self, track: Option<String>) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.replace_track(now, handle, track))
            .await
    }

    /// `setStreams`: which streams the track that is sent belongs to; told with the next negotiation.
    ///
    /// # Errors
    /// TypeError for an id that SDP cannot carry (RFC 8830 §2).
    pub async fn set_streams(&self, streams: Vec<String>) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.set_streams(now, handle, streams))
            .await
    }

    /// `insertDTMF`: plays these tones (`0` to `9`, `A` to `D`, `*`, `#`, a comma for two seconds of pause) in place of those
    /// that wait. Each lasts `duration`, 100 ms usually, and is followed by silence of `inter_tone_gap`, 70 ms usually.
    /// [`Event::ToneChange`](crate::Event::ToneChange) tells of each; audio frames sent while one sounds are dropped.
    ///
    /// # Errors
    /// InvalidStateError if telephone events cannot be sent here now; InvalidCharacterError for other characters.
    pub async fn insert_dtmf(
        &self,
        tones: impl Into<String>,
        duration: Duration,
        inter_tone_gap: Duration,
    ) -> Result<(), Error> {
        let (handle, tones) = (self.handle, tones.into());
        self.lifeline
            .call(move |connection, now| {
                connection.pc.insert_dtmf(now, handle, &tones, duration, inter_tone_gap)
            })
            .await
    }

    /// `canInsertDTMF`: whether telephone events can be sent here now.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn can_insert_dtmf(&self) -> Result<bool, Error> {
        let handle = self.handle;
        self.lifeline.call(move |connection, _| Ok(connection.pc.can_insert_dtmf(handle))).await
    }

    /// `toneBuffer`: the tones that have not begun.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`] only.
    pub async fn tone_buffer(&self) -> Result<String, Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, _| Ok(connection.pc.tone_buffer(handle).to_owned()))
            .await
    }

    /// `RTCRtpSender.getParameters`: the encodings, and what was negotiated for sending.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError once the transceiver is gone.
    pub async fn get_parameters(&self) -> Result<RtpSendParameters, Error> {
        let handle = self.handle;
        self.lifeline.call(move |connection, now| connection.pc.get_parameters(now, handle)).await
    }

    /// `RTCRtpSender.setParameters`: takes what [`get_parameters`](Self::get_parameters) gave last, with the encodings
    /// changed.
    ///
    /// # Errors
    /// InvalidStateError once stopped, or without a `get_parameters` since the last call; InvalidModificationError if
    /// anything else was changed, or number, order or `rid` of the encodings; RangeError for values out of their range.
    pub async fn set_parameters(&self, parameters: RtpSendParameters) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.set_parameters(now, handle, parameters))
            .await
    }

    /// `RTCRtpReceiver.getParameters`: what was negotiated for receiving.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError once the transceiver is gone.
    pub async fn get_receive_parameters(&self) -> Result<RtpReceiveParameters, Error> {
        let handle = self.handle;
        self.lifeline.call(move |connection, _| connection.pc.get_receive_parameters(handle)).await
    }

    /// `setParameters`, as far as it concerns encodings, without a transaction.
    ///
    /// # Errors
    /// InvalidModificationError if their number, order or `rid` differ, or for a codec that was not agreed on; RangeError for a
    /// number that makes no sense; OperationError for a scalability mode that there is not.
    pub async fn set_encodings(&self, encodings: Vec<RtpEncodingParameters>) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.set_encodings(now, handle, encodings))
            .await
    }

    /// Has each frame that is sent here changed before it is cut into packets; `None` ends that.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError if the transceiver is gone.
    pub async fn set_sender_transform(
        &self,
        transform: Option<Box<dyn FrameTransform>>,
    ) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| connection.pc.set_sender_transform(now, handle, transform))
            .await
    }

    /// Has each frame that comes in here changed before it is given out; `None` ends that.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError if the transceiver is gone.
    pub async fn set_receiver_transform(
        &self,
        transform: Option<Box<dyn FrameTransform>>,
    ) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline
            .call(move |connection, now| {
                connection.pc.set_receiver_transform(now, handle, transform)
            })
            .await
    }

    /// `stop`: for ever; the next negotiation rejects the m-section.
    ///
    /// # Errors
    /// [`Error::ConnectionClosed`], or OperationError if it is gone already.
    pub async fn stop(&self) -> Result<(), Error> {
        let handle = self.handle;
        self.lifeline.call(move |connection, now| connection.pc.stop_transceiver(now, handle)).await
    }
}
