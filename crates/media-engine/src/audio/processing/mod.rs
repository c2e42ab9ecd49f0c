//! What is done with a microphone's sound before it is encoded: the echo of the speaker and noise are taken out, and the voice is brought
//! to an even level. All but the stronger suppressor is sonora, libwebrtc's processing in Rust.

mod delay;
mod echo;
mod processor;

pub use delay::EchoDelay;
pub use processor::{
    AudioProcessor, AudioProcessorConfig, EchoCancellation, NoiseSuppression, ProcessingError,
    ProcessingStats,
};
