//! Gain control of our own: it learns how loud somebody is while they speak, and brings that to one level.
//!
//! ```text
//! block ─▶ what is voice, and not echo? ─▶ level of the voice ─▶ wanted gain ─▶ no more than the noise allows ─▶ slew ─▶ × ─▶ limiter
//!    └───▶ background ────────────────────────────────────────────────────────────────┘
//! ```

mod background;
mod controller;
mod voice_level;

pub(super) use controller::GainController;
