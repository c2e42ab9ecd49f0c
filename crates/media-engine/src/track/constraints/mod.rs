//! Constraints, capabilities and settings of tracks (W3C Media Capture and Streams §11, the constrainable pattern): what an
//! application wants of a source, what the source can do, and what came of it.

mod constrain;
mod select;
mod sets;

pub use constrain::{
    ConstrainBoolean, ConstrainChoice, ConstrainDouble, ConstrainNumber, ConstrainString,
    ConstrainULong,
};
pub use select::OverconstrainedError;
pub(crate) use select::select;
pub use sets::{
    MediaTrackCapabilities, MediaTrackConstraintSet, MediaTrackConstraints, MediaTrackSettings,
    Range,
};
