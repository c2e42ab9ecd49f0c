//! Where what tracks carry comes from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::constraints::{MediaTrackCapabilities, MediaTrackConstraintSet, MediaTrackSettings};
use super::few::Few;
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
    /// Echo cancellation, noise suppression and gain control can be switched while it is open: constraints of any of its tracks
    /// do so, for all of them, and its settings say what is on. Whoever gives its frames looks there.
    pub switchable: bool,
}

impl SourceDescription {
    /// A source that has but one way.
    pub fn fixed(settings: MediaTrackSettings) -> Self {
        let capabilities = MediaTrackCapabilities::of(std::slice::from_ref(&settings));
        Self { settings, capabilities, ..Self::default() }
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

    /// How its frames are, as it has [described](Self::describe) itself and as tracks have switched its stages since.
    pub fn settings(&self) -> MediaTrackSettings {
        self.hub.lock().description.settings.clone()
    }

    /// Whether other stages are wanted than these settings have.
    #[cfg(feature = "processing")]
    pub(crate) fn stages_differ(&self, settings: &MediaTrackSettings) -> bool {
        self.hub.lock().description.settings.stages() != settings.stages()
    }

    /// Gives a frame to all sinks of all tracks. A muted source gives none. No lock is held while tasks are woken that wait for
    /// it: they may look at tracks and source at once.
    pub fn push(&self, frame: &M) {
        let Some(tracks) = self.hub.tracks(|state| !state.muted) else { return };
        let mut wakers = Few::default();
        for track in tracks.iter() {
            track.push(frame, &mut wakers);
        }
        wakers.wake();
    }

    /// Says that it cannot give anything for now, or can again (§4.3.1 "Media Flow").
    pub fn set_muted(&self, muted: bool) {
        let mut wakers = Few::default();
        let mut tracks = Few::default();
        {
            let mut state = self.hub.lock();
            if std::mem::replace(&mut state.muted, muted) != muted {
                // Under the lock, as tracks are added under it: each is told what holds.
                tracks.extend(state.tracks.iter().filter_map(Weak::upgrade));
                tracks.iter().for_each(|track: &Arc<Shared<M>>| track.muted(muted, &mut wakers));
            }
        }
        wakers.wake();
    }

    /// Whether a track of it is still live: where not, nobody needs to capture anything. Tracks may be made again.
    pub fn is_wanted(&self) -> bool {
        let tracks = self.hub.tracks(|_| true);
        tracks.is_some_and(|tracks| tracks.iter().any(|track| track.is_live()))
    }

    /// What its live tracks want, the most of each: a camera need not give more.
    pub fn wanted(&self) -> TrackSettings {
        let tracks = self.hub.tracks(|_| true).unwrap_or_default();
        let live = tracks.iter().filter(|track| track.is_live());
        live.map(|track| track.settings().sound()).reduce(TrackSettings::most).unwrap_or_default()
    }
}

impl<M: Medium> Drop for Source<M> {
    fn drop(&mut self) {
        let tracks = self.hub.tracks(|state| {
            state.ended = true;
            true
        });
        tracks.iter().flat_map(Few::iter).for_each(|track| track.end(true).wake());
    }
}

impl<M: Medium> Hub<M> {
    fn lock(&self) -> MutexGuard<'_, HubState<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// All tracks that somebody has, unless `look` says that none is wanted. None of them ends for good under the lock.
    fn tracks(&self, look: impl FnOnce(&mut HubState<M>) -> bool) -> Option<Few<Arc<Shared<M>>>> {
        let mut tracks = Few::default();
        let mut state = self.lock();
        if !look(&mut state) {
            return None;
        }
        state.tracks.retain(|track| {
            let track = track.upgrade();
            let is_there = track.is_some();
            tracks.extend(track);
            is_there
        });
        Some(tracks)
    }

    pub(super) fn description(&self) -> SourceDescription {
        self.lock().description.clone()
    }

    /// A track has chosen which stages are on.
    pub(super) fn switch(&self, chosen: &MediaTrackSettings) {
        let mut state = self.lock();
        if state.description.switchable {
            let settings = &mut state.description.settings;
            settings.echo_cancellation = chosen.echo_cancellation;
            settings.noise_suppression = chosen.noise_suppression;
            settings.auto_gain_control = chosen.auto_gain_control;
        }
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
