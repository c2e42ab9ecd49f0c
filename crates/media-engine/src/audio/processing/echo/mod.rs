//! An echo canceller of our own: a filter that learns the room while both speak, a search for the delay that follows jumps, and a
//! suppressor of what is left that steps back where the near voice is.
//!
//! ```text
//! speaker ─▶ history ─▶ aligned ─▶ loudspeaker's curve ─▶ filter (Kalman, 200 ms) ─▶ echo ┐
//!               └▶ delay: cross-correlation, tried on the filter                         ▼
//! microphone ──────────────────────────────────────────────────────────────────────▶ (−) ─▶ suppressor ─▶ out
//! ```

mod canceller;
mod delay;
mod filter;
mod history;
mod loudspeaker;
mod suppressor;
mod transform;

pub(super) use canceller::EchoCanceller;
