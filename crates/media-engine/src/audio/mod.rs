//! Sound: blocks of samples, and what is done with them between a microphone, the network and a speaker.

mod block;
mod channels;
#[cfg(feature = "denoise-deep")]
mod deep;
#[cfg(feature = "denoise")]
mod denoiser;
mod frame;
pub mod jitter;
mod level;
mod limiter;
pub mod mixer;
pub mod pcm;
#[cfg(feature = "processing")]
pub mod processing;
pub mod resample;
mod speakers;
mod telephone_tones;
pub mod vad;

pub use block::AudioBlock;
pub use channels::mix_channels;
#[cfg(feature = "denoise-deep")]
pub use deep::DeepDenoiser;
#[cfg(feature = "denoise")]
pub use denoiser::Denoiser;
pub use frame::AudioFrame;
pub use level::{Level, LevelMeter};
pub use limiter::Limiter;
pub use speakers::SpeakerDetector;
pub use telephone_tones::TelephoneTones;
