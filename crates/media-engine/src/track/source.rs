//! Where what tracks carry comes from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::constraints::{MediaTrackCapabilities, MediaTrackConstraintSet, MediaTrackSettings};
use super::medium::Medium;
use super::tracks::{Shared, Track, TrackSettings};

/// Gives frames to all tracks that were made of it. Whoever captures, decodes or makes up frames holds one; when it is
/// dropped its tracks end.
///
/// ```
/// use peerage_media::track::VideoSource;
/// use peerage_media::video::{I420, VideoFrame};
///
/// let source = VideoSource::new("a black picture");
/// let track = source.track();
/// let mut sink = track.sink(2);
/// source.push(&VideoFrame::new(I420::black(640, 360), Default::default()));
/// assert_eq!(sink.try_recv().unwrap().picture.width(), 640);
/// ```
#[derive(Debug)]
pub struct Source<M: Medium> {
    hub: Arc<Hub<M>>,
}

/// What a source and its tracks share.
#[derive(Debug)]
pub(super) struct Hub<M: Medium> {
    label: String,
    state: Mutex<HubState<M>>,
}

#[derive(Debug)]
struct HubState<M: Medium> {
    tracks: Vec<Weak<Shared<M>>>,
    muted: bool,
    ended: bool,
    description: SourceDescription,
}

/// What a source says of itself, so that tracks of it can be constrained.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceDescription {
    /// How its frames are now.
    pub settings: MediaTrackSettings,
    /// What it could do instead, if it was opened otherwise.
    pub capabilities: MediaTrackCapabilities,
    /// What is best where constraints do not say.
    pub defaults: MediaTrackConstraintSet,
}

impl SourceDescription {
    /// A source that has but one way.
    pub fn fixed(settings: MediaTrackSettings) -> Self {
        let capabilities = MediaTrackCapabilities::of(std::slice::from_ref(&settings));
        Self { settings, capabilities, defaults: MediaTrackConstraintSet::default() }
    }
}

impl<M: Medium> Source<M> {
    /// A source that is not muted; `label` is for people.
    pub fn new(label: impl Into<String>) -> Self {
        let description = SourceDescription::default();
        let state = HubState { tracks: Vec::new(), muted: false, ended: false, description };
        Self { hub: Arc::new(Hub { label: label.into(), state: Mutex::new(state) }) }
    }

    /// Another track of it, enabled.
    pub fn track(&self) -> Track<M> {
        Track::new(self.hub.clone(), true, TrackSettings::default())
    }

    /// Says how its frames are, from now on: a camera that was opened, a screen that has changed its size. Tracks of a source
    /// that has said nothing have no settings, and keep to no constraint that is required.
    pub fn describe(&self, description: SourceDescription) {
        self.hub.lock().description = description;
    }

    /// Gives a frame to all sinks of all tracks. A muted source gives none.
    pub fn push(&self, frame: &M) {
        let mut state = self.hub.lock();
        if state.muted {
            return;
        }
        state.tracks.retain(|track| {
            let Some(track) = track.upgrade() else { return false };
            track.push(frame)
        });
    }

    /// Says that it cannot give anything for now, or can again (§4.3.1 "Media Flow").
    pub fn set_muted(&self, muted: bool) {
        let mut state = self.hub.lock();
        if std::mem::replace(&mut state.muted, muted) != muted {
            state.tracks.iter().filter_map(Weak::upgrade).for_each(|track| track.muted(muted));
        }
    }

    /// Whether a track of it is still live: where not, nobody needs to capture anything. Tracks may be made again.
    pub fn is_wanted(&self) -> bool {
        let state = self.hub.lock();
        state.tracks.iter().filter_map(Weak::upgrade).any(|track| track.is_live())
    }

    /// What its live tracks want, the most of each: a camera need not give more.
    pub fn wanted(&self) -> TrackSettings {
        let state = self.hub.lock();
        let live = state.tracks.iter().filter_map(Weak::upgrade).filter(|track| track.is_live());
        live.map(|track| track.settings()).reduce(TrackSettings::most).unwrap_or_default()
    }
}

impl<M: Medium> Drop for Source<M> {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.ended = true;
        for track in std::mem::take(&mut state.tracks).iter().filter_map(Weak::upgrade) {
            track.end(true);
        }
    }
}

impl<M: Medium> Hub<M> {
    fn lock(&self) -> MutexGuard<'_, HubState<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn description(&self) -> SourceDescription {
        self.lock().description.clone()
    }

    /// Takes in a track. Whether the source has ended.
    pub(super) fn add(&self, track: &Arc<Shared<M>>) -> bool {
        let mut state = self.lock();
        if !state.ended {
            state.tracks.retain(|track| track.strong_count() > 0);
            state.tracks.push(Arc::downgrade(track));
            // Under the lock: what changes from now on the track is told.
            track.lock().muted = state.muted;
        }
        state.ended
    }
}
