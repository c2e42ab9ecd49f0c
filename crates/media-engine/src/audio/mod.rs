//! Sound: blocks of samples, and what is done with them between a microphone, the network and a speaker.

mod block;
mod frame;
pub mod jitter;

pub use block::AudioBlock;
pub use frame::AudioFrame;
