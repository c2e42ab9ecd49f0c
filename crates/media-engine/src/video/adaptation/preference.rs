//! What is given up first.

use crate::track::ContentHint;

/// What is given up where not all can be kept (`RTCDegradationPreference`, WebRTC Extensions and MediaStreamTrack Content
/// Hints).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DegradationPreference {
    /// Pictures become smaller: movement stays smooth.
    MaintainFramerate,
    /// Pictures become fewer: what they show stays readable.
    MaintainResolution,
    /// Large pictures become smaller first, small ones fewer.
    #[default]
    Balanced,
    /// Neither; the encoder leaves pictures out where it must.
    MaintainFramerateAndResolution,
}

impl DegradationPreference {
    /// What a track of this content is given up of, where the application does not say it.
    pub fn of_content(hint: ContentHint) -> Self {
        match hint {
            ContentHint::Motion => Self::MaintainFramerate,
            ContentHint::Detail | ContentHint::Text => Self::MaintainResolution,
            _ => Self::Balanced,
        }
    }

    /// Its name of the W3C.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaintainFramerate => "maintain-framerate",
            Self::MaintainResolution => "maintain-resolution",
            Self::Balanced => "balanced",
            Self::MaintainFramerateAndResolution => "maintain-framerate-and-resolution",
        }
    }
}
