//! The constrainable pattern on tracks (W3C Media Capture and Streams §4.3.8 and §11.2): `getCapabilities`, `getConstraints`,
//! `getSettings` and `applyConstraints`.

use super::constraints::{
    MediaTrackCapabilities, MediaTrackConstraints, MediaTrackSettings, OverconstrainedError, select,
};
use super::medium::Medium;
use super::tracks::{MediaStreamTrack, Track, TrackSettings};

/// What was wanted of a track last, and what came of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Chosen {
    constraints: MediaTrackConstraints,
    /// What the track makes of its source's frames.
    settings: Option<MediaTrackSettings>,
}

impl<M: Medium> Track<M> {
    /// What its source can do. Members of properties that it does not have are `None` or empty.
    pub fn get_capabilities(&self) -> MediaTrackCapabilities {
        self.shared.hub.description().capabilities
    }

    /// The constraints that were applied last; without any where there were none.
    pub fn get_constraints(&self) -> MediaTrackConstraints {
        self.shared.lock().chosen.constraints.clone()
    }

    /// How its frames are.
    pub fn get_settings(&self) -> MediaTrackSettings {
        let source = self.shared.hub.description().settings;
        let state = self.shared.lock();
        let Some(chosen) = &state.chosen.settings else { return source };
        let mut settings = source;
        // Pictures are never made larger or more than the source has them, whatever it does meanwhile.
        let smaller = |one: Option<u32>, other: Option<u32>| {
            one.zip(other).is_some_and(|(one, other)| one < other)
        };
        if smaller(chosen.width, settings.width) || smaller(chosen.height, settings.height) {
            settings.width = chosen.width.min(settings.width);
            settings.height = chosen.height.min(settings.height);
            settings.resize_mode.clone_from(&chosen.resize_mode);
        }
        if let Some((wanted, have)) = chosen.frame_rate.zip(settings.frame_rate) {
            settings.frame_rate = Some(wanted.min(have));
        }
        settings
    }

    /// Makes of the source's frames what is wanted, from the next one on: pictures smaller, of another shape, or fewer. The
    /// source stays as it was opened. Constraints that were applied before are forgotten, but for where this fails.
    ///
    /// # Errors
    ///
    /// Where the source, as it is, cannot be brought to what is required; the error says which constraint it was. A source
    /// that does not [describe itself](super::Source::describe) keeps to none. A microphone's stages, where they
    /// [can be switched](super::SourceDescription::switchable), are switched for all of its tracks.
    pub fn apply_constraints(
        &self,
        constraints: MediaTrackConstraints,
    ) -> Result<(), OverconstrainedError> {
        let description = self.shared.hub.description();
        let source = description.settings;
        let modes = if description.switchable { source.switched() } else { vec![source.clone()] };
        let (_, settings) = select(M::KIND, &modes, &constraints, &description.defaults)?;
        self.shared.hub.switch(&settings);
        let mut adapted = TrackSettings::default();
        if let Some((rate, have)) = settings.frame_rate.zip(source.frame_rate)
            && rate < have
        {
            adapted.frame_rate = Some(rate as f32);
        }
        if (settings.width, settings.height) != (source.width, source.height) {
            let side = |side: Option<u32>| side.and_then(|side| u16::try_from(side).ok());
            adapted.size = side(settings.width).zip(side(settings.height));
        }
        let mut state = self.shared.lock();
        state.settings = adapted;
        state.chosen = Chosen { constraints, settings: Some(settings) };
        Ok(())
    }
}

impl MediaStreamTrack {
    /// See [`Track::get_capabilities`].
    pub fn get_capabilities(&self) -> MediaTrackCapabilities {
        match self {
            Self::Audio(track) => track.get_capabilities(),
            Self::Video(track) => track.get_capabilities(),
        }
    }

    /// See [`Track::get_constraints`].
    pub fn get_constraints(&self) -> MediaTrackConstraints {
        match self {
            Self::Audio(track) => track.get_constraints(),
            Self::Video(track) => track.get_constraints(),
        }
    }

    /// See [`Track::get_settings`].
    pub fn get_settings(&self) -> MediaTrackSettings {
        match self {
            Self::Audio(track) => track.get_settings(),
            Self::Video(track) => track.get_settings(),
        }
    }

    /// See [`Track::apply_constraints`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn apply_constraints(
        &self,
        constraints: MediaTrackConstraints,
    ) -> Result<(), OverconstrainedError> {
        match self {
            Self::Audio(track) => track.apply_constraints(constraints),
            Self::Video(track) => track.apply_constraints(constraints),
        }
    }
}
