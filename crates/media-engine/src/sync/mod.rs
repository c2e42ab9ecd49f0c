//! Sound and pictures of one source shown together.
//!
//! Sender reports say which moment of the sender's wall clock a timestamp of each stream is (RFC 3550 §6.4.1); so what is heard and
//! what is seen at one time can be compared, and the stream that is ahead is held back. abs-capture-time may stand in for the reports
//! where a mixer sends several sources. [`SyncGroup`] keeps all tracks of a connection together that belong together.

mod clock;
mod group;
mod synchroniser;

pub use clock::SenderClock;
pub use group::{SyncGroup, SyncId, SyncMedium};
pub use synchroniser::{MAX_SKEW, Playing, SyncDelays, Synchroniser};
