//! From one rate to another, and from one clock to another: two devices that both say 48 kHz differ by some parts in a million, and
//! what is between them would run full or dry within minutes. The filter is rubato's; what is around it keeps 10 ms blocks coming.

mod clock;
mod resampler;

pub use clock::{ClockBridge, ClockBridgeStats};
pub use resampler::{ResampleError, Resampler};
