//! AV1: encoded by libaom in its real-time mode, decoded by dav1d. `peerage-aom` and `peerage-dav1d` have the calls of the libraries,
//! this has the decisions. Temporal units are in the low-overhead format without temporal delimiters, as payloads are made of
//! (AV1 RTP specification §4).

mod decoder;
mod encoder;
mod layers;

pub use decoder::Av1Decoder;
pub use encoder::{Av1Config, Av1Encoder};

const CODEC: &str = "AV1";
