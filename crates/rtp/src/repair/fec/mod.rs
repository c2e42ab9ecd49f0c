//! Forward error correction: parity packets from which lost packets are computed. One encoder and one decoder serve the
//! three formats, which differ in their headers alone.

mod decoder;
mod encoder;
mod header;
mod mutable;
mod parity;

pub use decoder::{FecDecoder, MAX_PENDING_FEC, RECOVERY_WINDOW};
pub use encoder::{FecEncoder, MAX_PROTECTED};
pub use header::FecFormat;

#[cfg(test)]
mod tests;
