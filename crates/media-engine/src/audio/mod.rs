//! Sound: blocks of samples, and what is done with them between a microphone, the network and a speaker.

mod block;
mod channels;
mod frame;
pub mod jitter;
mod level;
mod limiter;
pub mod mixer;
pub mod pcm;
pub mod resample;
mod speakers;

pub use block::AudioBlock;
pub use channels::mix_channels;
pub use frame::AudioFrame;
pub use level::{Level, LevelMeter};
pub use limiter::Limiter;
pub use speakers::SpeakerDetector;
