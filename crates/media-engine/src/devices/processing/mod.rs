//! Echo cancellation, noise suppression and gain control between a microphone and its tracks, as browsers have them: what is played by the
//! same [`MediaDevices`](super::MediaDevices) is what is taken out.
//!
//! ```text
//! microphone's track ─▶ thread: MicrophoneProcessor ─▶ AudioSource ─▶ the application's track
//!                                      ▲ render
//! track that is played ─▶ thread ──────┴─▶ AudioSource ─▶ speaker
//! ```

mod microphone;
mod speaker;

pub(super) use microphone::{process, ways};
pub(super) use speaker::{Loudspeakers, heard};
