//! `MediaStreamTrack` (W3C Media Capture and Streams §4.3): one kind of media of one source, as one consumer wants it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use super::constrainable::Chosen;
use super::few::Few;
use super::medium::{Medium, TrackKind};
use super::queue::Queue;
use super::sink::Sink;
use super::source::Hub;
use super::{AudioTrack, VideoTrack};

/// Whether a track will give anything more (`MediaStreamTrackState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReadyState {
    /// It may.
    Live,
    /// Never again.
    Ended,
}

/// What happens to a track without the application doing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrackEvent {
    /// The source cannot give anything for now.
    Mute,
    /// It can again.
    Unmute,
    /// The source has ended. Not told where the application stopped the track itself.
    Ended,
}

/// What a track is of, so that what cannot all be kept is given up where it matters least (W3C MediaStreamTrack Content
/// Hints).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ContentHint {
    /// Nothing is known.
    #[default]
    None,
    /// Someone speaks: processing may change how it sounds.
    Speech,
    /// Speech for a machine to recognise.
    SpeechRecognition,
    /// Music: nothing may be taken away.
    Music,
    /// Movement: the rate of pictures matters more than their sharpness.
    Motion,
    /// A drawing or a picture: sharpness matters more.
    Detail,
    /// Text.
    Text,
}

impl ContentHint {
    /// Of which tracks it tells something; `None`: of all.
    fn kind(self) -> Option<TrackKind> {
        match self {
            Self::None => None,
            Self::Speech | Self::SpeechRecognition | Self::Music => Some(TrackKind::Audio),
            Self::Motion | Self::Detail | Self::Text => Some(TrackKind::Video),
        }
    }
}

/// How a track adapts what its source gives; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TrackSettings {
    /// Pictures a second, at most: more are left out.
    pub frame_rate: Option<f32>,
    /// Width and height: pictures of another size are cropped to the shape, and scaled. Those that are smaller stay so.
    pub size: Option<(u16, u16)>,
}

impl TrackSettings {
    /// With so many pictures a second at most.
    #[must_use]
    pub fn with_frame_rate(mut self, frame_rate: f32) -> Self {
        self.frame_rate = Some(frame_rate);
        self
    }

    /// Made smaller than this.
    #[must_use]
    pub fn with_size(mut self, width: u16, height: u16) -> Self {
        self.size = Some((width, height));
        self
    }

    /// Without what no frame keeps to: a rate that is none.
    pub(super) fn sound(self) -> Self {
        let frame_rate = self.frame_rate.filter(|rate| rate.is_finite() && *rate > 0.0);
        Self { frame_rate, ..self }
    }

    /// What gives enough for both.
    pub(super) fn most(self, other: Self) -> Self {
        let rates = self.frame_rate.zip(other.frame_rate);
        let sizes = self.size.zip(other.size);
        Self {
            frame_rate: rates.map(|(one, other)| one.max(other)),
            size: sizes.map(|(one, other)| (one.0.max(other.0), one.1.max(other.1))),
        }
    }
}

/// A track of one kind. Clones are handles of the same track; [`clone_track`](Self::clone_track) makes another one. When the
/// last handle is dropped the track ends.
#[derive(Clone, Debug)]
pub struct Track<M: Medium> {
    pub(super) shared: Arc<Shared<M>>,
}

/// What the handles of a track share.
#[derive(Debug)]
pub(super) struct Shared<M: Medium> {
    id: String,
    pub(super) hub: Arc<Hub<M>>,
    state: Mutex<State<M>>,
}

#[derive(Debug)]
pub(super) struct State<M: Medium> {
    enabled: bool,
    ended: bool,
    pub(super) muted: bool,
    hint: ContentHint,
    pub(super) settings: TrackSettings,
    /// The constraints that were applied last, and what came of them.
    pub(super) chosen: Chosen,
    memory: M::Memory,
    sinks: Vec<Weak<Queue<M>>>,
    events: Vec<Weak<Queue<TrackEvent>>>,
}

/// Events that are kept for whoever does not look at them: the last matter.
const EVENTS: usize = 8;

impl<M: Medium> Track<M> {
    pub(super) fn new(hub: Arc<Hub<M>>, enabled: bool, settings: TrackSettings) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Unique among the tracks of this program; what crosses the network has an identifier of its own there.
        let id = format!("{}-{}", M::KIND.as_str(), NEXT.fetch_add(1, Ordering::Relaxed));
        let state = State {
            enabled,
            ended: false,
            muted: false,
            hint: ContentHint::None,
            settings,
            chosen: Chosen::default(),
            memory: M::Memory::default(),
            sinks: Vec::new(),
            events: Vec::new(),
        };
        let shared = Arc::new(Shared { id, hub, state: Mutex::new(state) });
        if shared.hub.add(&shared) {
            shared.end(false).wake();
        }
        Self { shared }
    }

    /// Its identifier, unique among those of this program.
    pub fn id(&self) -> &str {
        &self.shared.id
    }

    /// What its source is called, for people.
    pub fn label(&self) -> &str {
        self.shared.hub.label()
    }

    /// What it carries.
    pub fn kind(&self) -> TrackKind {
        M::KIND
    }

    /// Whether it gives what the source gives, or silence and black pictures.
    pub fn enabled(&self) -> bool {
        self.shared.lock().enabled
    }

    /// Changes that.
    pub fn set_enabled(&self, enabled: bool) {
        self.shared.lock().enabled = enabled;
    }

    /// Whether the source cannot give anything for now.
    pub fn muted(&self) -> bool {
        self.shared.lock().muted
    }

    /// Whether anything more may come of it.
    pub fn ready_state(&self) -> ReadyState {
        if self.shared.lock().ended { ReadyState::Ended } else { ReadyState::Live }
    }

    /// What it is of.
    pub fn content_hint(&self) -> ContentHint {
        self.shared.lock().hint
    }

    /// Says what it is of. A hint that is for tracks of the other kind changes nothing (W3C MediaStreamTrack Content Hints §3).
    pub fn set_content_hint(&self, hint: ContentHint) {
        if hint.kind().is_none_or(|kind| kind == M::KIND) {
            self.shared.lock().hint = hint;
        }
    }

    /// How it adapts what the source gives.
    pub fn settings(&self) -> TrackSettings {
        self.shared.settings()
    }

    /// Changes that, from the next frame on, whatever constraints made of it;
    /// [`apply_constraints`](Self::apply_constraints) is W3C's way.
    pub fn set_settings(&self, settings: TrackSettings) {
        self.shared.lock().settings = settings;
    }

    /// Another track of the same source, enabled and set as this one is; it ends by itself (W3C's `clone()`).
    pub fn clone_track(&self) -> Self {
        let (enabled, settings, hint, ended, chosen) = {
            let state = self.shared.lock();
            (state.enabled, state.settings, state.hint, state.ended, state.chosen.clone())
        };
        let track = Self::new(self.shared.hub.clone(), enabled, settings);
        track.set_content_hint(hint);
        track.shared.lock().chosen = chosen;
        if ended {
            track.stop();
        }
        track
    }

    /// Ends it: the source gives nothing more to it, and rests once no track of it is left.
    pub fn stop(&self) {
        self.shared.end(false).wake();
    }

    /// Another end at which frames are taken. It keeps `capacity` of them, one at least; where more come, the oldest are
    /// dropped.
    pub fn sink(&self, capacity: usize) -> Sink<M> {
        let queue = Arc::new(Queue::new(capacity));
        let mut state = self.shared.lock();
        if state.ended {
            drop(queue.close());
        } else {
            state.sinks.retain(|sink| sink.strong_count() > 0);
            state.sinks.push(Arc::downgrade(&queue));
        }
        Sink::new(queue)
    }

    /// What happens to it from now on. The last eight events are kept.
    pub fn events(&self) -> Sink<TrackEvent> {
        let queue = Arc::new(Queue::new(EVENTS));
        let mut state = self.shared.lock();
        if state.ended {
            drop(queue.close());
        } else {
            state.events.retain(|events| events.strong_count() > 0);
            state.events.push(Arc::downgrade(&queue));
        }
        Sink::new(queue)
    }
}

impl<M: Medium> Shared<M> {
    pub(super) fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_live(&self) -> bool {
        !self.lock().ended
    }

    pub(super) fn settings(&self) -> TrackSettings {
        self.lock().settings
    }

    /// Hands a frame to the sinks, and says who is to be woken for it.
    pub(super) fn push(&self, frame: &M, wakers: &mut Few<Waker>) {
        let mut state = self.lock();
        let State { enabled, ended, settings, memory, sinks, .. } = &mut *state;
        if *ended || sinks.is_empty() || !frame.passes(settings, memory) {
            return;
        }
        let mut adapted = None;
        let frame = match settings.size {
            Some(_) => {
                let adapted = adapted.insert(frame.clone());
                adapted.adapt(settings, memory);
                &*adapted
            }
            None => frame,
        };
        sinks.retain(|sink| {
            let Some(sink) = sink.upgrade() else { return false };
            wakers.extend(sink.push_with(|spare| {
                let mut copy = frame.copy(spare);
                if !*enabled {
                    copy.blank(memory);
                }
                copy
            }));
            true
        });
    }

    pub(super) fn muted(&self, muted: bool, wakers: &mut Few<Waker>) {
        let mut state = self.lock();
        state.muted = muted;
        state.tell(if muted { TrackEvent::Mute } else { TrackEvent::Unmute }, wakers);
    }

    /// Ends it; `tell` where the application did not do it. Who is to be woken for it.
    #[must_use]
    pub(super) fn end(&self, tell: bool) -> Few<Waker> {
        let mut wakers = Few::default();
        let mut state = self.lock();
        if std::mem::replace(&mut state.ended, true) {
            return wakers;
        }
        if tell {
            state.tell(TrackEvent::Ended, &mut wakers);
        }
        let sinks = std::mem::take(&mut state.sinks);
        wakers.extend(sinks.iter().filter_map(Weak::upgrade).filter_map(|sink| sink.close()));
        let events = std::mem::take(&mut state.events);
        wakers.extend(events.iter().filter_map(Weak::upgrade).filter_map(|events| events.close()));
        wakers
    }
}

impl<M: Medium> State<M> {
    fn tell(&mut self, event: TrackEvent, wakers: &mut Few<Waker>) {
        let queues = self.events.iter().filter_map(Weak::upgrade);
        wakers.extend(queues.filter_map(|events| events.push_with(|_| event)));
    }
}

impl<M: Medium> Drop for Shared<M> {
    fn drop(&mut self) {
        self.end(false).wake();
    }
}

/// A track of either kind.
#[derive(Clone, Debug)]
pub enum MediaStreamTrack {
    /// Of sound.
    Audio(AudioTrack),
    /// Of pictures.
    Video(VideoTrack),
}

macro_rules! either {
    ($self:ident, $track:ident => $value:expr) => {
        match $self {
            Self::Audio($track) => $value,
            Self::Video($track) => $value,
        }
    };
}

impl MediaStreamTrack {
    /// See [`Track::id`].
    pub fn id(&self) -> &str {
        either!(self, track => track.id())
    }

    /// See [`Track::label`].
    pub fn label(&self) -> &str {
        either!(self, track => track.label())
    }

    /// See [`Track::kind`].
    pub fn kind(&self) -> TrackKind {
        either!(self, track => track.kind())
    }

    /// See [`Track::enabled`].
    pub fn enabled(&self) -> bool {
        either!(self, track => track.enabled())
    }

    /// See [`Track::set_enabled`].
    pub fn set_enabled(&self, enabled: bool) {
        either!(self, track => track.set_enabled(enabled));
    }

    /// See [`Track::content_hint`].
    pub fn content_hint(&self) -> ContentHint {
        either!(self, track => track.content_hint())
    }

    /// See [`Track::set_content_hint`].
    pub fn set_content_hint(&self, hint: ContentHint) {
        either!(self, track => track.set_content_hint(hint));
    }

    /// See [`Track::muted`].
    pub fn muted(&self) -> bool {
        either!(self, track => track.muted())
    }

    /// See [`Track::ready_state`].
    pub fn ready_state(&self) -> ReadyState {
        either!(self, track => track.ready_state())
    }

    /// See [`Track::stop`].
    pub fn stop(&self) {
        either!(self, track => track.stop());
    }

    /// See [`Track::events`].
    pub fn events(&self) -> Sink<TrackEvent> {
        either!(self, track => track.events())
    }

    /// See [`Track::clone_track`].
    pub fn clone_track(&self) -> Self {
        match self {
            Self::Audio(track) => Self::Audio(track.clone_track()),
            Self::Video(track) => Self::Video(track.clone_track()),
        }
    }

    /// The track, where it is of sound.
    pub fn as_audio(&self) -> Option<&AudioTrack> {
        match self {
            Self::Audio(track) => Some(track),
            Self::Video(_) => None,
        }
    }

    /// The track, where it is of pictures.
    pub fn as_video(&self) -> Option<&VideoTrack> {
        match self {
            Self::Video(track) => Some(track),
            Self::Audio(_) => None,
        }
    }
}

impl From<AudioTrack> for MediaStreamTrack {
    fn from(track: AudioTrack) -> Self {
        Self::Audio(track)
    }
}

impl From<VideoTrack> for MediaStreamTrack {
    fn from(track: VideoTrack) -> Self {
        Self::Video(track)
    }
}
