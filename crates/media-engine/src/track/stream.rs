//! `MediaStream` (W3C Media Capture and Streams §4.2): tracks that belong together, and are played in step.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{AudioTrack, MediaStreamTrack, ReadyState, TrackKind, VideoTrack};

/// A set of tracks. Clones are handles of the same stream; [`clone_stream`](Self::clone_stream) makes another one.
#[derive(Clone, Debug)]
pub struct MediaStream {
    id: Arc<str>,
    tracks: Arc<Mutex<Vec<MediaStreamTrack>>>,
}

impl MediaStream {
    /// Of these tracks; one that is named twice is in it once.
    pub fn new(tracks: impl IntoIterator<Item = MediaStreamTrack>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let id = format!("stream-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        Self::with_id(&id, tracks)
    }

    /// With an identifier that is known already: the one that a peer gave it.
    pub fn with_id(id: &str, tracks: impl IntoIterator<Item = MediaStreamTrack>) -> Self {
        let stream = Self { id: id.into(), tracks: Arc::default() };
        tracks.into_iter().for_each(|track| stream.add_track(track));
        stream
    }

    fn lock(&self) -> MutexGuard<'_, Vec<MediaStreamTrack>> {
        self.tracks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its identifier.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether a track of it is live.
    pub fn active(&self) -> bool {
        self.lock().iter().any(|track| track.ready_state() == ReadyState::Live)
    }

    /// All tracks, in the order in which they were added.
    pub fn tracks(&self) -> Vec<MediaStreamTrack> {
        self.lock().clone()
    }

    /// Those of sound.
    pub fn audio_tracks(&self) -> Vec<AudioTrack> {
        self.lock().iter().filter_map(|track| track.as_audio().cloned()).collect()
    }

    /// Those of pictures.
    pub fn video_tracks(&self) -> Vec<VideoTrack> {
        self.lock().iter().filter_map(|track| track.as_video().cloned()).collect()
    }

    /// The track of this identifier.
    pub fn track(&self, id: &str) -> Option<MediaStreamTrack> {
        self.lock().iter().find(|track| track.id() == id).cloned()
    }

    /// Takes in a track, unless it is there.
    pub fn add_track(&self, track: impl Into<MediaStreamTrack>) {
        let track = track.into();
        let mut tracks = self.lock();
        if tracks.iter().all(|other| other.id() != track.id()) {
            tracks.push(track);
        }
    }

    /// Takes a track out; it lives on. False where it is not there.
    pub fn remove_track(&self, id: &str) -> bool {
        let mut tracks = self.lock();
        let at = tracks.iter().position(|track| track.id() == id);
        let removed = at.map(|at| tracks.remove(at));
        drop(tracks);
        // Its end may wake somebody who looks at the stream.
        removed.is_some()
    }

    /// Another stream with clones of the tracks.
    pub fn clone_stream(&self) -> Self {
        Self::new(self.tracks().iter().map(MediaStreamTrack::clone_track))
    }

    /// Whether it has a track of this kind.
    pub fn has(&self, kind: TrackKind) -> bool {
        self.lock().iter().any(|track| track.kind() == kind)
    }
}
