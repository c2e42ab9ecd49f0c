#![doc = include_str!("../README.md")]

mod decoder;
#[cfg(feature = "dred")]
mod dred;
mod encoder;
mod error;
pub mod packet;
mod rate;

pub use decoder::Decoder;
#[cfg(feature = "dred")]
pub use dred::Dred;
pub use encoder::{Application, Bandwidth, Encoder, InbandFec, Signal};
pub use error::Error;

/// The name and version of the library, as it says them.
pub fn version() -> &'static str {
    // SAFETY: takes nothing and returns a string constant of the library, which ends with a zero and lives as long as the program.
    let name = unsafe { std::ffi::CStr::from_ptr(opusic_sys::opus_get_version_string()) };
    name.to_str().unwrap_or("libopus")
}

#[cfg(test)]
mod tests;
