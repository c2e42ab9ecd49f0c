//! Adaptation: what size and how many pictures a second are worth encoding, by what the network leaves and what the machine
//! can do.
//!
//! ```text
//! quantisers, pictures left out ─▶ quality ─▶ worse or better ─┐
//! time that encoding takes ──────▶ usage ───▶ worse or better ─┴▶ Adapter: steps by preference ─▶ size, rate
//! ```
//!
//! An encoder that keeps to a rate has the quantiser tell how good its pictures are: where they are bad, smaller pictures look
//! better than coarse ones, and where they are very good there is room for larger ones. An encoder that takes nearly as long as
//! pictures are apart is about to fall behind. Each leads to one step at a time, down soon and up late; after a step up that had to
//! be taken back the next one is waited for twice as long, so that nothing swings. No clock is asked and no thread begun here.

mod adapter;
mod patience;
mod preference;
mod quality;
mod steps;
#[cfg(test)]
mod tests;
mod usage;

pub use adapter::{Adapter, EncodedReport, LimitationReason};
pub use preference::DegradationPreference;

/// What a look at the last pictures says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Less must be encoded.
    Down,
    /// More may be.
    Up,
    /// More may be where the rate has grown since it was too much.
    UpIfRisen,
    /// Neither.
    Stay,
}
