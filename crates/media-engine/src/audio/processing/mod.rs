//! What is done with a microphone's sound before it is encoded: the echo of the speaker and noise are taken out, the voice is brought to an
//! even level, and who speaks is detected. The echo canceller and gain control are our own; noise suppression and the high-pass filter are
//! sonora's, libwebrtc's processing in Rust, whose canceller and gain control may be chosen too; the stronger suppressors are networks.
//! [`MicrophoneProcessor`] is the easy way in.

mod delay;
mod echo;
mod gain;
mod microphone;
mod processor;

pub use delay::EchoDelay;
pub use microphone::MicrophoneProcessor;
pub use processor::{
    AudioProcessor, AudioProcessorConfig, EchoCancellation, GainControl, NoiseSuppression,
    ProcessingError, ProcessingStats,
};
