//! The layers of one stream (SVC), as W3C's `scalabilityMode` names them, and the dependency descriptors of a sender whose
//! encoder keeps to such a mode (AV1 RTP specification, Appendix A). Senders call it once for each frame.

mod mode;
mod tracker;

pub use mode::{InterLayerPrediction, ScalabilityMode};
pub use tracker::DependencyTracker;
