//! A track that is sent: `RTCRtpSender` with an encoder.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
use crate::{EncoderRequests, Error, PeerConnection, RtpTransceiver};

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
    next: Mutex<Next>,
    preference: Mutex<Option<DegradationPreference>>,
    pub(super) counters: SenderCounters,
}

/// The track that is sent from the next frame on.
#[derive(Debug)]
enum Next {
    /// The same as before.
    Same,
    /// And how often tracks had been removed from the connection when it was set.
    Input(Input, u64),
    /// None will be: the thread has ended.
    Over,
}

/// Where frames come from: the track, which would end with its last handle, and the end at which they are taken.
#[derive(Debug)]
pub(super) enum Input {
    Audio {
        track: AudioTrack,
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
        *lock(&self.preference)
    }

    /// Another track, once; none where the track was removed from the connection (webrtc-pc §5.1, removeTrack). `removals` is
    /// what the caller knows of that.
    pub(super) fn take_next(
        &self,
        requests: &EncoderRequests,
        removals: &mut u64,
    ) -> Option<Input> {
        let mut next = lock(&self.next);
        let removed = requests.removals();
        match std::mem::replace(&mut *next, Next::Same) {
            Next::Input(input, seen) => {
                *removals = seen;
                Some(input)
            }
            _ if removed != *removals => {
                *removals = removed;
                Some(Input::None)
            }
            before => {
                *next = before;
                None
            }
        }
    }
}

/// Held by the thread: what is dropped when it ends leaves no track behind, whose source would go on for nobody.
struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        *lock(&self.0.next) = Next::Over;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn over() -> Error {
    let reason = "the connection is closed, or the transceiver stopped";
    Error::Refused(Refusal::InvalidState { operation: "send_track", reason })
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
            Input::Audio { track: track.clone(), sink: track.sink(AUDIO_QUEUE) }
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
    /// TypeError for a track of the other kind; InvalidStateError once the connection is closed or the transceiver stopped.
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
        let mut place = lock(&self.shared.next);
        if matches!(*place, Next::Over) || self.transceiver.encoder_requests().is_over() {
            return Err(over());
        }
        *place = Next::Input(next, self.transceiver.encoder_requests().removals());
        Ok(())
    }

    /// What is given up first of pictures where network or machine are too slow (`degradationPreference`, WebRTC Extensions);
    /// `None`: what the track's content hint asks for. Of no effect for sound.
    pub fn set_degradation_preference(&self, preference: Option<DegradationPreference>) {
        *lock(&self.shared.preference) = preference;
    }

    /// Whether nothing is sent and nothing will be, since the connection is closed or the transceiver stopped: the track is let
    /// go, and the encoders are gone.
    pub fn is_over(&self) -> bool {
        matches!(*lock(&self.shared.next), Next::Over)
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
    /// TypeError for a track of another kind than the transceiver; InvalidStateError once it is stopped or the connection closed;
    /// OperationError if there is no encoder for what was negotiated, or no thread can be begun. What is negotiated later and has
    /// no encoder is told by [`Event::EncoderFailed`](crate::Event::EncoderFailed), and `qualityLimitationReason` is `other`.
    pub fn send_track(
        &self,
        track: &MediaStreamTrack,
        codecs: Arc<dyn CodecFactory>,
    ) -> Result<TrackSender, Error> {
        let shared = Arc::new(Shared {
            over: AtomicBool::new(false),
            next: Mutex::new(Next::Same),
            preference: Mutex::new(None),
            counters: SenderCounters::default(),
        });
        let sender = TrackSender { transceiver: self.clone(), shared: shared.clone() };
        sender.replace_track(Some(track))?;
        let (outlet, requests) = (FrameOutlet::new(self), self.encoder_requests());
        let targets = (0..requests.encodings()).filter_map(|encoding| requests.target(encoding));
        for target in targets.filter(|target| target.active) {
            let codec = target.carried.as_ref().unwrap_or(&target.codec);
            if super::codecs::spec(codec).is_none_or(|spec| !codecs.encodes(&spec)) {
                let reason =
                    format!("there is no encoder for {}, which was negotiated", codec.mime_type());
                return Err(Error::Refused(Refusal::Operation(reason)));
            }
        }
        let rates = self.target_bitrate();
        let name = format!("peerage {} out", track.kind().as_str());
        let is_audio = self.kind() == MediaKind::Audio;
        let run = move || {
            let running = Running(shared);
            match is_audio {
                true => audio_sender::run(&running.0, &outlet, &requests, &rates, &*codecs),
                false => video_sender::run(&running.0, &outlet, requests, &rates, &*codecs),
            }
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
