//! Sound: blocks of samples, and what is done with them between a microphone, the network and a speaker.

mod block;

pub use block::AudioBlock;
