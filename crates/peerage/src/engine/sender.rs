//! A track that is sent: `RTCRtpSender` with an encoder.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use peerage_media::audio::AudioFrame;
use peerage_media::codec::CodecFactory;
use peerage_media::track::{
    AudioTrack, MediaStream, MediaStreamTrack, Sink, TrackKind, VideoTrack,
};
use peerage_media::video::VideoFrame;
use peerage_media::video::adaptation::DegradationPreference;
use peerage_peerconnection::Error as Refusal;
use peerage_peerconnection::media::MediaKind;

use super::frames::FrameOutlet;
use super::statistics::{SenderCounters, SenderStatistics};
use super::{audio_sender, video_sender};
use crate::{Error, PeerConnection, RtpTransceiver};

/// Pictures that wait for the encoder: what it is late by is dropped.
const VIDEO_QUEUE: usize = 2;
/// Blocks of sound that do: 200 ms.
const AUDIO_QUEUE: usize = 20;

/// Encodes a track and sends it on a transceiver. Dropping it ends that; the transceiver stays.
#[derive(Debug)]
pub struct TrackSender {
    transceiver: RtpTransceiver,
    shared: Arc<Shared>,
}

/// What a sender and its thread share.
#[derive(Debug)]
pub(super) struct Shared {
    over: AtomicBool,
    /// The track that is sent from the next frame on.
    next: std::sync::Mutex<Option<Input>>,
    preference: std::sync::Mutex<Option<DegradationPreference>>,
    pub(super) counters: SenderCounters,
}

/// Where frames come from: the track, which would end with its last handle, and the end at which they are taken.
#[derive(Debug)]
pub(super) enum Input {
    Audio {
        _track: AudioTrack,
        sink: Sink<AudioFrame>,
    },
    Video {
        track: VideoTrack,
        sink: Sink<VideoFrame>,
    },
    /// Nothing is sent.
    None,
}

impl Shared {
    /// Whether the sender was dropped.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// What is given up first, where the application has said it.
    pub(super) fn preference(&self) -> Option<DegradationPreference> {
        *self.preference.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Another track, once.
    pub(super) fn take_next(&self) -> Option<Input> {
        self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take()
    }
}

fn kind(kind: TrackKind) -> MediaKind {
    match kind {
        TrackKind::Audio => MediaKind::Audio,
        TrackKind::Video => MediaKind::Video,
    }
}

fn input(track: &MediaStreamTrack) -> Input {
    match track {
        MediaStreamTrack::Audio(track) => {
            Input::Audio { _track: track.clone(), sink: track.sink(AUDIO_QUEUE) }
        }
        MediaStreamTrack::Video(track) => {
            Input::Video { track: track.clone(), sink: track.sink(VIDEO_QUEUE) }
        }
    }
}

impl TrackSender {
    /// The transceiver that it sends on.
    pub fn transceiver(&self) -> &RtpTransceiver {
        &self.transceiver
    }

    /// Sends another track of the same kind from now on, or nothing, without negotiation (`replaceTrack`, webrtc-pc §5.2).
    ///
    /// # Errors
    /// TypeError for a track of the other kind.
    pub fn replace_track(&self, track: Option<&MediaStreamTrack>) -> Result<(), Error> {
        let next = match track {
            Some(track) if kind(track.kind()) != self.transceiver.kind() => {
                return Err(Error::Refused(Refusal::Type {
                    argument: "track",
                    reason: format!("is of {}", track.kind().as_str()),
                }));
            }
            Some(track) => input(track),
            None => Input::None,
        };
        let mut place = self.shared.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *place = Some(next);
        Ok(())
    }

    /// What is given up first of pictures where network or machine are too slow (`degradationPreference`, WebRTC Extensions);
    /// `None`: what the track's content hint asks for. Of no effect for sound.
    pub fn set_degradation_preference(&self, preference: Option<DegradationPreference>) {
        let mut place =
            self.shared.preference.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *place = preference;
    }

    /// What became of the frames so far.
    pub fn statistics(&self) -> SenderStatistics {
        self.shared.counters.read()
    }
}

impl Drop for TrackSender {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

impl RtpTransceiver {
    /// Encodes a track with these codecs, and sends it here: which codec, at which rate and of what size follows what was
    /// negotiated, what the path has room for, and the parameters of the encoding.
    ///
    /// # Errors
    /// TypeError for a track of another kind than the transceiver; OperationError if no thread can be begun.
    pub fn send_track(
        &self,
        track: &MediaStreamTrack,
        codecs: Arc<dyn CodecFactory>,
    ) -> Result<TrackSender, Error> {
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            next: std::sync::Mutex::new(None),
            preference: std::sync::Mutex::new(None),
            counters: SenderCounters::default(),
        });
        let sender = TrackSender { transceiver: self.clone(), shared: shared.clone() };
        sender.replace_track(Some(track))?;
        let (outlet, requests) = (FrameOutlet::new(self), self.encoder_requests());
        let rates = self.target_bitrate();
        let name = format!("peerage {} out", track.kind().as_str());
        let is_audio = self.kind() == MediaKind::Audio;
        let run = move || match is_audio {
            true => audio_sender::run(&shared, &outlet, &requests, &rates, &*codecs),
            false => video_sender::run(&shared, &outlet, requests, &rates, &*codecs),
        };
        std::thread::Builder::new().name(name).spawn(run).map_err(Error::Thread)?;
        Ok(sender)
    }
}

impl PeerConnection {
    /// `addTrack` for a track that the media engine encodes: on a transceiver that is free or new, as part of these streams.
    ///
    /// # Errors
    /// InvalidAccessError if the track is sent already; InvalidStateError if the connection is closed.
    pub async fn send_track(
        &self,
        track: &MediaStreamTrack,
        streams: &[&MediaStream],
        codecs: Arc<dyn CodecFactory>,
    ) -> Result<TrackSender, Error> {
        let streams = streams.iter().map(|stream| stream.id().to_owned()).collect();
        let transceiver = self.add_track(kind(track.kind()), track.id(), streams).await?;
        transceiver.send_track(track, codecs)
    }
}
